"""Builders of label trees: each has ``fit(X, y)``, which sets ``tree_``."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.params import check_choice, check_integer, check_memory, format_bytes
from mlkit.labels.cooccurrence import label_cooccurrence
from mlkit.labels.matrix import LabelMatrix
from mlkit.trees._features import Features, read_features, seed_of
from mlkit.trees._targets import read_targets
from mlkit.trees.label_tree import LabelTree

_MAX_ITER = 20


def balanced_tree(order: NDArray[np.int32], arity: int, max_leaf: int, names: tuple[str, ...] | None) -> LabelTree:
    """The tree in which more than ``max_leaf`` labels are shared among ``arity`` children, label by label in order."""
    parent, slices = [-1], [(0, order.size)]
    labels: list[list[int]] = []
    for node, (begin, end) in enumerate(slices):  # (slices grow while they are read)
        n = end - begin
        labels.append([] if n > max_leaf else order[begin:end].tolist())
        if n > max_leaf:
            k = min(arity, n)
            for c in range(k):
                size = n // k + (c < n % k)
                parent.append(node)
                slices.append((begin, begin + size))
                begin += size
    return LabelTree.from_parents(np.array(parent), labels, label_names=names)


class _Builder(BaseEstimator):  # type: ignore[misc]
    """What builders share: reading the arguments of ``fit``."""

    def _labels(self, y: Any, n_rows: int | None = None) -> LabelMatrix:
        return read_targets(y, n_rows, resolve_threads(getattr(self, "n_jobs", None)))


class HierarchicalBalancedKMeans(_Builder):
    """Split the labels into balanced clusters of similar ones, again and again.

    Parameters
    ----------
    arity : int, default=2
        Number of children of an inner node.
    max_leaf : int, default=100
        Sets of at most so many labels are not split.
    representation : {"pifa", "pii"}, default="pifa"
        What makes labels similar. "pifa": the sum of the features of the examples that carry a label, each scaled to
        unit length; "pii": the examples that carry it.
    max_iter : int, default=20
        Most iterations of one split.
    n_jobs : int or None, default=None
        Number of threads; the tree is the same for every value.
    random_state : int, RandomState or None, default=None
        Seed of the first centres.

    Attributes
    ----------
    tree_ : LabelTree
        Siblings differ by at most one label.

    Notes
    -----
    Spherical k-means with equal cluster sizes (Prabhu et al., "Parabel", WWW 2018, for two clusters; filling by
    eviction as in Tsoumakas et al., "HOMER", 2008, for more). A label without examples has a zero vector, similarity 0
    to everything, and is placed where there is room. O(max_iter nnz(V) log(L / max_leaf)) time for two children, ``V``
    being the labels' vectors.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.trees import HierarchicalBalancedKMeans
    >>> X = np.array([[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> y = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 1, 0, 0]])
    >>> tree = HierarchicalBalancedKMeans(max_leaf=2, random_state=0).fit(X, y).tree_
    >>> sorted(leaf.tolist() for leaf in tree.cut(depth=1))
    [[0, 2], [1, 3]]
    """

    def __init__(
        self,
        arity: int = 2,
        max_leaf: int = 100,
        *,
        representation: str = "pifa",
        max_iter: int = _MAX_ITER,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.arity = arity
        self.max_leaf = max_leaf
        self.representation = representation
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> HierarchicalBalancedKMeans:
        """Build the tree.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Not looked at, and may be None, if ``representation="pii"``.
        y : array-like, sparse matrix or LabelMatrix of shape (n_samples, n_labels)

        Returns
        -------
        HierarchicalBalancedKMeans
            The builder itself.
        """
        check_choice("representation", self.representation, ("pifa", "pii"))
        features = read_features(X) if self.representation == "pifa" else None
        return self._fit(features, self._labels(y, None if features is None else features.n_rows))

    def _fit(self, features: Features | None, labels: LabelMatrix) -> HierarchicalBalancedKMeans:
        arity = check_integer("arity", self.arity, low=2)
        max_leaf = check_integer("max_leaf", self.max_leaf, low=1)
        max_iter = check_integer("max_iter", self.max_iter, low=1)
        vectors = label_vectors(features, labels)
        order = _core.trees.balanced_tree_order(
            vectors.to_core(), arity, max_leaf, max_iter, seed_of(self.random_state), resolve_threads(self.n_jobs)
        )
        self.tree_ = balanced_tree(order, arity, max_leaf, labels.label_names)
        return self


def label_vectors(features: Features | None, labels: LabelMatrix) -> Features:
    """Unit vectors of labels: sums of their examples' unit vectors, or without features the examples themselves."""
    from scipy.sparse import csr_array

    n, n_labels = labels.shape
    by_example = csr_array((np.ones(labels.nnz), labels.indices, labels.indptr), shape=(n, n_labels))
    vectors = by_example.T.tocsr()
    if features is not None:
        vectors = vectors @ features.normalized().to_csr()
    vectors.sort_indices()
    indptr, indices = vectors.indptr.astype(np.int64), vectors.indices.astype(np.int32)
    return Features(indptr, indices, vectors.data, vectors.shape[1], None).normalized()


class AgglomerativeLabelTree(_Builder):
    """Join the two most similar groups of labels, again and again.

    Parameters
    ----------
    measure : {"jaccard", "dice", "cosine"}, default="jaccard"
        Similarity of two labels; the distance is 1 minus it.
    linkage : {"average", "complete", "single"}, default="average"
        Distance of two groups.
    memory_limit : int, str or None, default="2GB"
        Largest distance matrix to make: 8 bytes for each pair of labels.
    n_jobs : int or None, default=None
        Number of threads that count pairs.

    Attributes
    ----------
    tree_ : LabelTree
        Binary, one label in each leaf.
    linkage_ : ndarray of shape (n_labels - 1, 4)
        As SciPy returns it.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.trees import AgglomerativeLabelTree
    >>> y = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]])
    >>> tree = AgglomerativeLabelTree().fit(None, y).tree_
    >>> tree.distance(0, 1), tree.distance(0, 2)
    (2, 3)
    """

    def __init__(
        self,
        measure: str = "jaccard",
        linkage: str = "average",
        *,
        memory_limit: int | str | None = "2GB",
        n_jobs: int | None = None,
    ) -> None:
        self.measure = measure
        self.linkage = linkage
        self.memory_limit = memory_limit
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> AgglomerativeLabelTree:
        """Build the tree.

        Parameters
        ----------
        X : object
            Not looked at.
        y : array-like, sparse matrix or LabelMatrix of shape (n_samples, n_labels)

        Returns
        -------
        AgglomerativeLabelTree
            The builder itself.
        """
        from scipy.cluster.hierarchy import linkage

        check_choice("measure", self.measure, ("jaccard", "dice", "cosine"))
        check_choice("linkage", self.linkage, ("average", "complete", "single"))
        labels = self._labels(y)
        n_labels = labels.shape[1]
        limit, size = check_memory("memory_limit", self.memory_limit), 4 * n_labels * (n_labels - 1)
        if limit is not None and size > limit:
            raise MemoryError(
                f"memory_limit: {n_labels} labels need {format_bytes(size)} for their distances, the limit is "
                f"{format_bytes(limit)} (HierarchicalBalancedKMeans needs none)"
            )
        if n_labels == 1:
            self.linkage_ = np.empty((0, 4))
            self.tree_ = LabelTree.from_parents([-1], label_names=labels.label_names)
            return self
        pairs = label_cooccurrence(labels, measure=self.measure, n_jobs=self.n_jobs).tocoo()
        is_upper = pairs.row < pairs.col
        i, j = pairs.row[is_upper].astype(np.int64), pairs.col[is_upper].astype(np.int64)
        distances = np.ones(n_labels * (n_labels - 1) // 2)
        distances[i * (2 * n_labels - i - 1) // 2 + j - i - 1] = 1.0 - pairs.data[is_upper]
        self.linkage_ = linkage(np.maximum(distances, 0.0), method=self.linkage)
        self.tree_ = LabelTree.from_linkage(self.linkage_, label_names=labels.label_names)
        return self


class HuffmanLabelTree(_Builder):
    """Put frequent labels near the root, so that the mean path of a positive is as short as can be.

    Parameters
    ----------
    arity : int, default=2
        Most children of a node; all inner nodes but one have so many.

    Attributes
    ----------
    tree_ : LabelTree
        One label in each leaf.

    Notes
    -----
    Huffman's algorithm with the labels' supports as weights; of equal weights the lower label, or the group that was
    made earlier, goes first. O(L log L).

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.trees import HuffmanLabelTree
    >>> y = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]])
    >>> tree = HuffmanLabelTree().fit(None, y).tree_
    >>> [len(tree.path(label)) - 1 for label in range(3)]
    [1, 2, 2]
    """

    def __init__(self, arity: int = 2) -> None:
        self.arity = arity

    def fit(self, X: Any, y: Any) -> HuffmanLabelTree:
        """Build the tree.

        Parameters
        ----------
        X : object
            Not looked at.
        y : array-like, sparse matrix or LabelMatrix of shape (n_samples, n_labels)

        Returns
        -------
        HuffmanLabelTree
            The builder itself.
        """
        arity = check_integer("arity", self.arity, low=2)
        labels = self._labels(y)
        n_labels = labels.shape[1]
        parent = [-1] * n_labels
        heap = [(int(weight), node) for node, weight in enumerate(labels.support.tolist())]
        heapq.heapify(heap)
        first = (n_labels - 2) % (arity - 1) + 2  # so that later groups are full
        while len(heap) > 1:
            joined = [heapq.heappop(heap) for _ in range(min(first, len(heap)))]
            first = arity
            for _, node in joined:
                parent[node] = len(parent)
            heapq.heappush(heap, (sum(weight for weight, _ in joined), len(parent)))
            parent.append(-1)
        numbers = [*range(n_labels), *([-1] * (len(parent) - n_labels))]
        self.tree_ = LabelTree.from_parents(parent, numbers, label_names=labels.label_names)
        return self


class RandomLabelTree(_Builder):
    """Split the labels at random into sets of equal size, again and again.

    Parameters
    ----------
    arity : int, default=2
    max_leaf : int, default=100
        Sets of at most so many labels are not split.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    tree_ : LabelTree
        Siblings differ by at most one label.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.trees import RandomLabelTree
    >>> RandomLabelTree(max_leaf=2, random_state=0).fit(None, np.eye(8)).tree_
    LabelTree: 8 labels, 7 nodes, depth 2, 4 leaves of 2 labels
    """

    def __init__(self, arity: int = 2, max_leaf: int = 100, *, random_state: Any = None) -> None:
        self.arity = arity
        self.max_leaf = max_leaf
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> RandomLabelTree:
        """Build the tree.

        Parameters
        ----------
        X : object
            Not looked at.
        y : array-like, sparse matrix or LabelMatrix of shape (n_samples, n_labels)

        Returns
        -------
        RandomLabelTree
            The builder itself.
        """
        arity = check_integer("arity", self.arity, low=2)
        max_leaf = check_integer("max_leaf", self.max_leaf, low=1)
        labels = self._labels(y)
        order = np.random.default_rng(seed_of(self.random_state)).permutation(labels.shape[1]).astype(np.int32)
        self.tree_ = balanced_tree(order, arity, max_leaf, labels.label_names)
        return self


def tree_for(
    tree: Any, default: _Builder, features: Features, labels: LabelMatrix, seed: int, n_jobs: int | None
) -> LabelTree:
    """The tree that an estimator's ``tree`` asks for: itself, or what a copy of the builder (or the default) makes."""
    if isinstance(tree, LabelTree):
        if tree.n_labels != labels.shape[1]:
            raise ValueError(f"tree: expected {labels.shape[1]} labels to match y, got {tree.n_labels}")
        return tree
    builder = default if tree is None else clone(tree)
    known = builder.get_params(deep=False)
    builder.set_params(**{name: value for name, value in (("random_state", seed), ("n_jobs", n_jobs)) if name in known})
    if isinstance(builder, HierarchicalBalancedKMeans):
        return builder._fit(features if builder.representation == "pifa" else None, labels).tree_
    built: LabelTree = builder.fit(features.to_csr(), labels).tree_
    return built
