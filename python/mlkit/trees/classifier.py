"""Linear models on the nodes of label trees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from mlkit import _core
from mlkit._progress import steps
from mlkit._threads import resolve_threads
from mlkit._validation.params import (
    check_choice,
    check_flag,
    check_integer,
    check_memory,
    check_number,
    format_bytes,
)
from mlkit.labels.matrix import LabelMatrix
from mlkit.trees._answers import TreeAnswers
from mlkit.trees._features import Features, read_features, remember_features, seed_of
from mlkit.trees._model_store import MODEL_ARRAYS, load_model, save_model
from mlkit.trees._targets import multi_label_tags, read_label_weight, read_sample_weight, read_y
from mlkit.trees.builders import HierarchicalBalancedKMeans, tree_for
from mlkit.trees.label_tree import LabelTree


class LabelTreeClassifier(TreeAnswers, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Linear models along the paths of label trees: fast with many labels, exact where asked for.

    Parameters
    ----------
    tree : LabelTree, builder, "flat" or None, default=None
        None: ``n_trees`` trees of :class:`HierarchicalBalancedKMeans`. A builder is cloned and fitted once for each
        tree. A given tree, or "flat" (one leaf: one-vs-rest), makes a single one.
    arity, max_leaf : int, default=2, 100
        Of the trees that are built for ``tree=None``.
    n_trees : int, default=3
        Trees that are averaged, built with different seeds.
    loss : {"squared_hinge", "log"}, default="squared_hinge"
    C : float, default=0.5
        Cost of errors, as in LIBLINEAR.
    eps : float, default=0.1
        Where the optimiser of a model stops: largest spread of projected gradients, or largest gradient for "log".
    max_iter : int, default=20
        Most passes over the examples of a model.
    weight_threshold : float, default=0.05
        Weights nearer to 0 are dropped.
    class_weight : {"balanced", "propensity"}, dict, array-like of shape (n_labels,) or None, default=None
        Factors on ``C``. "balanced": n / (2 n_side) for the two sides of each model; an array: for the positives of
        each label; a dict: for those of the labels (numbers, names or classes) that it mentions; "propensity": inverse
        propensities (:func:`mlkit.metrics.inverse_propensity`).
    beam : int or None, default=10
        Nodes that survive on each level; None: all.
    normalize : bool, default=True
        Scale each example to unit length.
    sparse_output : bool or "auto", default="auto"
        Form of ``predict``. "auto": dense if ``y`` was dense and there are at most 1000 labels.
    memory_limit : int, str or None, default=None
        Largest model, by its upper bound, and largest dense answer (None: any model, answers of 2 GB).
    progress : bool or None, default=None
        Bar over the trees; None: on a terminal for work over 2 s.
    n_jobs : int or None, default=None
        Number of threads; results have the same bits for every value.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    trees_ : list of LabelTree
    n_labels_ : int
    label_names_ : tuple of str or None
    classes_ : ndarray of shape (n_labels,)
        Label numbers; the classes where ``y`` had one dimension.
    n_weights_ : int
        Weights that were kept, biases aside.
    n_iter_ : int
        The most passes over its examples that any model took.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where ``X`` was a frame with string columns.

    Notes
    -----
    A node's models learn which of its children (in a leaf: labels) are present, on the examples that carry a label
    below the node; the root's on all examples, those without labels included. Each is an L2-regularised linear model
    with a regularised bias, trained by dual coordinate descent ([1]_ Algorithm 3, [2]_ Algorithm 5). A model whose
    target is constant on its examples is not trained: its score is the share of positives, with half an example added.

    A score is the product of the models' scores on the path, sigmoid(m) for "log" and exp(-max(0, 1 - m)^2) for
    "squared_hinge", averaged over the trees; a tree in which the beam missed a label counts as 0. Equal scores are
    ordered by raw margin, then by label number; equal paths by node number. Exact searches (``predict``,
    ``predict_topk(exact=True)``) visit the nodes whose path reaches the score to beat. Unknown cells of ``y`` are left
    out of the models that they concern. Computation is in double precision on single-precision features and weights.

    A one-dimensional ``y`` holds a class for each example. Classes are labels that exclude each other: ``predict``
    answers the class that scores highest, ``predict_proba`` scores that add up to 1, ``decision_function`` logarithms
    of scores.

    Time to train grows with the non-zeros of the examples at each node times its models, memory with the weights kept.

    References
    ----------
    .. [1] Hsieh et al., "A Dual Coordinate Descent Method for Large-scale Linear SVM", ICML 2008.
    .. [2] Yu, Huang, Lin, "Dual coordinate descent methods for logistic regression and maximum entropy models",
       Machine Learning 85, 2011.
    .. [3] Prabhu et al., "Parabel: Partitioned Label Trees for Extreme Classification", WWW 2018.
    .. [4] Jasinska et al., "Extreme F-measure Maximization using Sparse Probability Estimates", ICML 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.trees import LabelTreeClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random((200, 6)) < 0.3
    >>> X = y + rng.normal(0, 0.1, y.shape)
    >>> model = LabelTreeClassifier(max_leaf=3, random_state=0).fit(X, y)
    >>> model.trees_[0]
    LabelTree: 6 labels, 3 nodes, depth 1, 2 leaves of 3 labels
    >>> labels, scores = model.predict_topk(X[:2], k=2)
    >>> y[0, labels[0, 0]], scores.shape
    (np.True_, (2, 2))
    """

    def __init__(
        self,
        tree: Any = None,
        *,
        arity: int = 2,
        max_leaf: int = 100,
        n_trees: int = 3,
        loss: str = "squared_hinge",
        C: float = 0.5,
        eps: float = 0.1,
        max_iter: int = 20,
        weight_threshold: float = 0.05,
        class_weight: Any = None,
        beam: int | None = 10,
        normalize: bool = True,
        sparse_output: bool | str = "auto",
        memory_limit: int | str | None = None,
        progress: bool | None = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.tree = tree
        self.arity = arity
        self.max_leaf = max_leaf
        self.n_trees = n_trees
        self.loss = loss
        self.C = C
        self.eps = eps
        self.max_iter = max_iter
        self.weight_threshold = weight_threshold
        self.class_weight = class_weight
        self.beam = beam
        self.normalize = normalize
        self.sparse_output = sparse_output
        self.memory_limit = memory_limit
        self.progress = progress
        self.n_jobs = n_jobs
        self.random_state = random_state

    # -------------------------------------------------------------------------------------------------------- training

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LabelTreeClassifier:
        """Build the trees and train their models.

        Parameters
        ----------
        X : array-like, sparse matrix or frame of shape (n_samples, n_features)
        y : array-like, sparse matrix, frame or LabelMatrix of shape (n_samples, n_labels)
            Rows may be empty; unknown cells are left out. Or one class for each example, of shape (n_samples,).
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        LabelTreeClassifier
            The estimator itself.

        Raises
        ------
        MemoryError
            If the upper bound of the model exceeds ``memory_limit``.
        """
        n_threads = resolve_threads(self.n_jobs)
        self._check_parameters()
        features = read_features(X)
        targets = read_y(y, features.n_rows, n_threads)
        labels = targets.labels
        weights = read_sample_weight(sample_weight, features.n_rows)
        label_weight = read_label_weight(self.class_weight, targets)
        seeds = np.random.default_rng(seed_of(self.random_state)).integers(2**31, size=(self._count_trees(), 2))
        limit = check_memory("memory_limit", self.memory_limit)

        trees: list[LabelTree] = []
        models: list[dict[str, NDArray[Any]]] = []
        rows = (features.normalized() if self.normalize else features).to_core()
        size = n_iter = 0
        for name in steps([f"tree {t + 1}" for t in range(len(seeds))], "label trees", self.progress):
            build_seed, seed = (int(s) for s in seeds[int(name.split()[1]) - 1])
            tree = self._build_tree(features, labels, build_seed)
            if limit is not None:
                size += self._bound(tree, rows, labels, n_threads)
                if size > limit:
                    raise MemoryError(
                        f"memory_limit: the model may need {format_bytes(size)}, the limit is {format_bytes(limit)} "
                        "(fewer trees, smaller leaves or a higher limit)"
                    )
            trained = _core.trees.train_tree(
                tree._core,
                rows,
                labels._core,
                getattr(_core.trees.Loss, self.loss),
                float(self.C),
                float(self.eps),
                int(self.max_iter),
                float(self.weight_threshold),
                isinstance(self.class_weight, str) and self.class_weight == "balanced",
                weights,
                label_weight,
                seed,
                n_threads,
            )
            trees.append(tree)
            models.append(dict(zip(MODEL_ARRAYS, trained[:-1], strict=True)))
            n_iter = max(n_iter, trained[-1])
        remember_features(self, features)
        self.trees_, self._models, self.n_iter_ = trees, models, max(1, n_iter)
        self.n_labels_ = labels.shape[1]
        self.classes_, self._has_classes = targets.classes, targets.has_classes
        self.label_names_ = labels.label_names
        self._target_form = targets.form
        self._load_models()
        return self

    def _check_parameters(self) -> None:
        if not (self.tree is None or isinstance(self.tree, LabelTree) or hasattr(self.tree, "fit")):
            check_choice("tree", self.tree, ("flat",))
        check_integer("arity", self.arity, low=2)
        check_integer("max_leaf", self.max_leaf, low=1)
        check_integer("n_trees", self.n_trees, low=1)
        check_choice("loss", self.loss, ("squared_hinge", "log"))
        check_number("C", self.C, 0.0, open_low=True, open_high=True)
        check_number("eps", self.eps, 0.0, open_low=True, open_high=True)
        check_integer("max_iter", self.max_iter, low=1)
        check_number("weight_threshold", self.weight_threshold, 0.0, open_high=True)
        check_flag("normalize", self.normalize)
        self._beam()
        if self.sparse_output != "auto":
            check_flag("sparse_output", self.sparse_output)

    def _count_trees(self) -> int:
        return 1 if isinstance(self.tree, (LabelTree, str)) else int(self.n_trees)

    def _build_tree(self, features: Features, labels: LabelMatrix, seed: int) -> LabelTree:
        if isinstance(self.tree, str):
            order = [np.arange(labels.shape[1]).tolist()]
            return LabelTree.from_parents([-1], order, label_names=labels.label_names)
        default = HierarchicalBalancedKMeans(self.arity, self.max_leaf)
        return tree_for(self.tree, default, features, labels, seed, self.n_jobs)

    @staticmethod
    def _bound(tree: LabelTree, rows: Any, labels: LabelMatrix, n_threads: int) -> int:
        """Bytes of a model that keeps every weight: 8 for each, 12 for each feature of a node, biases and shape."""
        most = _core.trees.most_weights(tree._core, rows, labels._core, n_threads)
        return 20 * most + 40 * tree.n_nodes + 8 * tree.n_labels

    def estimate_size(self, X: Any, y: Any) -> int:
        """Bound the bytes of the model that :meth:`fit` would make, without training.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like, sparse matrix or LabelMatrix of shape (n_samples, n_labels)

        Returns
        -------
        int
            Of one tree, times their number; it is reached only where no weight is dropped.
        """
        n_threads = resolve_threads(self.n_jobs)
        self._check_parameters()
        features = read_features(X)
        labels = read_y(y, features.n_rows, n_threads).labels
        tree = self._build_tree(features, labels, seed_of(self.random_state))
        return self._count_trees() * self._bound(tree, features.normalized().to_core(), labels, n_threads)

    @property
    def n_weights_(self) -> int:
        """Weights that were kept, biases aside."""
        return sum(int(model["weights"].size) for model in self._models)

    # --------------------------------------------------------------------------------------------------------- storage

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_forest", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_models" in self.__dict__:
            self._load_models()

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a new folder: a JSON header and plain arrays, which nothing executes.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        None
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        save_model(self, path)

    @classmethod
    def load(cls, path: str | Path, *, mmap: bool = False) -> LabelTreeClassifier:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : str or Path
        mmap : bool, default=False
            Leave the weights on disk; pages that predictions use are read by the system.

        Returns
        -------
        LabelTreeClassifier
            Parameters that are no plain values (a tree, weights, a generator) have their defaults.

        Raises
        ------
        ValueError
            If the folder holds something else, is damaged, or comes from another version.
        """
        return load_model(cls, path, mmap=check_flag("mmap", mmap))

    def __sklearn_tags__(self) -> Any:
        return multi_label_tags(super().__sklearn_tags__())
