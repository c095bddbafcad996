"""HOMER: any multi-label classifier on the nodes of a label tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.metaestimators import available_if

from mlkit._progress import steps
from mlkit._threads import resolve_threads
from mlkit._validation.params import check_choice, check_flag, check_integer
from mlkit.labels.matrix import LabelMatrix
from mlkit.trees._answers import DENSE_LABELS
from mlkit.trees._features import Features, check_fitted_features, read_features, remember_features, seed_of
from mlkit.trees._targets import multi_label_tags, read_y
from mlkit.trees.builders import HierarchicalBalancedKMeans, tree_for
from mlkit.trees.label_tree import LabelTree

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_LARGE = 50_000_000  # stored features times targets from which on it pays to start processes


@dataclass(frozen=True)
class _NodeModel:
    """What a node predicts: for each of its targets a constant, or a column of its classifier's answer."""

    constants: NDArray[np.int8]  # 0, 1, or -1 where the classifier decides
    classifier: Any

    def predict(self, X: Any) -> NDArray[np.bool_]:
        out = np.repeat((self.constants == 1)[None, :], X.shape[0], axis=0)
        if self.classifier is not None:
            answer = self.classifier.predict(X)
            out[:, self.constants < 0] = self._columns(answer.toarray() if hasattr(answer, "toarray") else answer) > 0.5
        return out

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        out = np.repeat((self.constants == 1)[None, :], X.shape[0], axis=0).astype(np.float64)
        if self.classifier is not None:
            answer = self.classifier.predict_proba(X)
            if isinstance(answer, list):
                answer = np.column_stack([of_label[:, 1] for of_label in answer])
            out[:, self.constants < 0] = self._columns(np.asarray(answer))
        return out

    def _columns(self, answer: NDArray[Any]) -> NDArray[Any]:
        return answer[:, : int((self.constants < 0).sum())]


class HOMERClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Hierarchy of multi-label classifiers: each node decides which of its children hold labels of an example.

    Parameters
    ----------
    base : classifier, default=None
        Any scikit-learn classifier that takes several labels; it is cloned for each node. None:
        ``OneVsRestClassifier(LogisticRegression(solver="liblinear"))``. It receives ``y`` as a dense int64 array of at
        least two columns, none of them constant.
    arity : int, default=3
        Children of a node of the tree that is built for ``tree=None``.
    max_leaf : int, default=40
        Sets of at most so many labels get one classifier of their own; 1: down to single labels.
    tree : LabelTree, builder or None, default=None
        None: :class:`HierarchicalBalancedKMeans` on the examples that carry the labels.
    sparse_output : bool or "auto", default="auto"
        Form of ``predict``. "auto": dense if ``y`` was dense and there are at most 1000 labels.
    progress : bool or None, default=None
        Bar over the nodes where they are trained one after the other; None: on a terminal for work over 2 s.
    n_jobs : int or None, default=None
        Nodes that are trained at the same time, in processes, where there is enough work. The base keeps its own
        ``n_jobs``.
    random_state : int, RandomState or None, default=None
        Seed of the tree, and of each node's classifier where it has a ``random_state`` that is None.

    Attributes
    ----------
    tree_ : LabelTree
    n_labels_ : int
    label_names_ : tuple of str or None
    classes_ : ndarray of shape (n_labels,)
        Label numbers; the classes where ``y`` had one dimension.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where ``X`` was a frame with string columns.

    Notes
    -----
    Tsoumakas, Katakis, Vlahavas, "Effective and Efficient Multilabel Classification in Domains with Large Number of
    Labels", MMD 2008. A node learns on the examples that carry one of its labels, the root on all; its targets are the
    unions of its children's labels, in a leaf of several labels these themselves. A prediction goes down wherever a
    union is predicted; the answer may be the empty set. ``predict_proba`` is the product of the confidences on the
    path. A target that is constant on a node's examples is predicted as that constant. A lone target is handed to the
    base twice, for bases differ in what they take one column for. An example with an unknown target is left out of
    that node. Of classes, a one-dimensional ``y``, the one with the highest confidence is predicted, and confidences
    are scaled to add up to 1; the base must have ``predict_proba``.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.trees import HOMERClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random((200, 9)) < 0.3
    >>> X = y + rng.normal(0, 0.1, y.shape)
    >>> model = HOMERClassifier(DecisionTreeClassifier(), max_leaf=3, random_state=0).fit(X, y)
    >>> model.tree_
    LabelTree: 9 labels, 4 nodes, depth 1, 3 leaves of 3 labels
    >>> (model.predict(X) == y).all()
    np.True_
    """

    def __init__(
        self,
        base: Any = None,
        arity: int = 3,
        max_leaf: int = 40,
        *,
        tree: Any = None,
        sparse_output: bool | str = "auto",
        progress: bool | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.base = base
        self.arity = arity
        self.max_leaf = max_leaf
        self.tree = tree
        self.sparse_output = sparse_output
        self.progress = progress
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> HOMERClassifier:
        """Build the tree and train a classifier for each node.

        Parameters
        ----------
        X : array-like, sparse matrix or frame of shape (n_samples, n_features)
        y : array-like, sparse matrix, frame or LabelMatrix of shape (n_samples, n_labels)
            Rows may be empty. Or one class for each example, of shape (n_samples,).

        Returns
        -------
        HOMERClassifier
            The estimator itself.
        """
        from joblib import Parallel, delayed

        n_threads = resolve_threads(self.n_jobs)
        if not (self.tree is None or isinstance(self.tree, LabelTree) or hasattr(self.tree, "fit")):
            check_choice("tree", self.tree, ("None", "a LabelTree", "a builder"))
        check_integer("arity", self.arity, low=2)
        check_integer("max_leaf", self.max_leaf, low=1)
        if self.sparse_output != "auto":
            check_flag("sparse_output", self.sparse_output)
        base = self._base()
        if not hasattr(base, "fit") or not hasattr(base, "predict"):
            raise TypeError(f"base: expected a classifier with fit and predict, got {type(base).__name__}")
        features = read_features(X)
        targets = read_y(y, features.n_rows, n_threads)
        labels = targets.labels
        if targets.has_classes and not hasattr(base, "predict_proba"):
            raise ValueError(
                "base: expected a classifier with predict_proba, for y holds a class for each example and a tree may "
                f"predict none or several, got {type(base).__name__}"
            )
        seeds = np.random.default_rng(seed_of(self.random_state))
        default = HierarchicalBalancedKMeans(self.arity, self.max_leaf, representation="pii")
        tree = tree_for(self.tree, default, features, labels, int(seeds.integers(2**31)), self.n_jobs)
        rows = _form(X, features)

        tasks = list(_node_targets(tree, labels))
        node_seeds = seeds.integers(2**31, size=len(tasks))
        calls = [
            (base, rows, chosen, of_node, int(seed))
            for (_, chosen, of_node), seed in zip(tasks, node_seeds, strict=True)
        ]
        if n_threads > 1 and features.values.size * sum(of_node.shape[1] for _, _, of_node in tasks) > _LARGE:
            models = Parallel(n_jobs=n_threads)(delayed(_fit_node)(*call) for call in calls)
        else:
            names = [f"node {node}" for node, _, _ in tasks]
            models = [_fit_node(*call) for call, _ in zip(calls, steps(names, "HOMER", self.progress), strict=True)]
        remember_features(self, features)
        self.tree_ = tree
        self._models = {node: model for (node, _, _), model in zip(tasks, models, strict=True)}
        self.n_labels_ = labels.shape[1]
        self.classes_, self._has_classes = targets.classes, targets.has_classes
        self.label_names_ = labels.label_names
        self._target_form = targets.form
        return self

    def _base(self) -> Any:
        if self.base is not None:
            return self.base
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        return OneVsRestClassifier(LogisticRegression(solver="liblinear"))

    def predict(self, X: Any) -> Any:
        """Predict the labels that are reached from the root, or the class with the highest confidence.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_labels), or ndarray of shape (n_samples,)
            In the dtype of a dense ``y``, else int8; rows may be empty. The second where ``y`` held classes.
        """
        from scipy.sparse import coo_array

        features = check_fitted_features(self, X)
        if self._has_classes:
            return self.classes_[np.argmax(self.predict_proba(X), axis=1)]
        rows, tree = _form(X, features), self.tree_
        reached = {0: np.arange(features.n_rows)}
        found_rows: list[NDArray[Any]] = [np.empty(0, np.int64)]
        found_labels: list[NDArray[Any]] = [np.empty(0, np.int32)]
        for v in range(tree.n_nodes):
            here = reached.pop(v, np.empty(0, np.int64))
            if here.size == 0:
                continue
            if v not in self._models:  # a leaf of one label, which its parent decided
                found_rows.append(here)
                found_labels.append(np.full(here.size, tree.labels(v)[0]))
                continue
            positive = self._models[v].predict(rows[here])
            if tree.n_children[v]:
                reached.update({int(c): here[positive[:, at]] for at, c in enumerate(tree.children(v))})
            else:
                at, column = np.nonzero(positive)
                found_rows.append(here[at])
                found_labels.append(tree.labels(v)[column])
        row, label = np.concatenate(found_rows), np.concatenate(found_labels)
        shape = (features.n_rows, self.n_labels_)
        matrix = coo_array((np.ones(row.size, np.int8), (row, label)), shape=shape).tocsr()
        is_sparse = self._target_form is None or self.n_labels_ > DENSE_LABELS
        if is_sparse if self.sparse_output == "auto" else self.sparse_output:
            return matrix
        return matrix.toarray().astype(self._target_form or "int8")

    @available_if(lambda self: hasattr(self._base(), "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the products of confidences on the paths to all labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_labels)
        """
        features = check_fitted_features(self, X)
        rows, tree = _form(X, features), self.tree_
        paths = {0: np.ones(features.n_rows)}
        scores = np.empty((features.n_rows, self.n_labels_))
        for v in range(tree.n_nodes):
            path = paths.pop(v)
            if v not in self._models:
                scores[:, tree.labels(v)] = path[:, None]
                continue
            product = self._models[v].predict_proba(rows) * path[:, None]
            if tree.n_children[v]:
                paths.update({int(c): product[:, at] for at, c in enumerate(tree.children(v))})
            else:
                scores[:, tree.labels(v)] = product
        if self._has_classes:  # (where all of them vanish, all are as likely)
            scores += np.finfo(float).tiny
            scores /= scores.sum(axis=1, keepdims=True)
        return scores

    def __sklearn_tags__(self) -> Any:
        return multi_label_tags(super().__sklearn_tags__())


def _form(X: Any, features: Features) -> Any:
    """What the base sees: CSR where the user gave something sparse, else a dense array."""
    csr: csr_array = features.to_csr()
    return csr if hasattr(X, "tocsr") else csr.toarray()


def _node_targets(tree: LabelTree, labels: LabelMatrix) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """For each node that decides something: its number, its examples, and their targets (0, 1, int64)."""
    from scipy.sparse import csc_array, csr_array

    n, n_labels = labels.shape
    stored = labels.to_csr()
    present, unknown = (csr_array(stored == value, dtype=np.int32) for value in (1, -1))
    nodes: list[NDArray[np.int64]] = []
    below: list[NDArray[np.int32]] = []
    for v in range(tree.n_nodes):
        nodes.append(np.full(tree.labels(v).size, v))
        below.append(tree.labels(v))
    label, node = np.concatenate(below), np.concatenate(nodes)
    member = csc_array((np.ones(label.size, np.int32), (label, node)), shape=(n_labels, tree.n_nodes))
    of_node = {True: csc_array(present @ member), False: csc_array(unknown @ member)}
    of_label = {True: csc_array(present), False: csc_array(unknown)}

    for v in range(tree.n_nodes):
        is_leaf = tree.n_children[v] == 0
        columns = tree.labels(v) if is_leaf else tree.children(v)
        if is_leaf and columns.size == 1 and tree.n_nodes > 1:
            continue
        by_column = of_label if is_leaf else of_node
        marks = np.zeros((n, columns.size), np.int64)
        for sign in (False, True):
            matrix = by_column[sign]
            for at, column in enumerate(columns):
                marks[matrix.indices[matrix.indptr[column] : matrix.indptr[column + 1]], at] = 1 if sign else -1
        is_here = np.ones(n, bool) if v == 0 else np.zeros(n, bool)
        positives = of_node[True]
        is_here[positives.indices[positives.indptr[v] : positives.indptr[v + 1]]] = True
        is_here &= (marks >= 0).all(axis=1)
        yield v, np.flatnonzero(is_here), marks[is_here]


def _fit_node(base: Any, rows: Any, chosen: NDArray[np.int64], targets: NDArray[np.int64], seed: int) -> _NodeModel:
    constants = np.full(targets.shape[1], -1, np.int8)
    constants[~targets.any(axis=0)] = 0
    if chosen.size:
        constants[targets.all(axis=0)] = 1
    varying = np.flatnonzero(constants < 0)
    if varying.size == 0:
        return _NodeModel(constants, None)
    classifier = clone(base)
    unset = {
        name: seed
        for name, value in sorted(classifier.get_params(deep=True).items())
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    classifier.set_params(**unset)
    y = targets[:, varying]
    return _NodeModel(constants, classifier.fit(rows[chosen], np.repeat(y, 2, axis=1) if varying.size == 1 else y))
