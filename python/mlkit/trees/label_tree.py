"""The tree over labels: an immutable value that builders make, learners use and people look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_integer, check_label_names, described
from mlkit.trees._partitions import broken_invariant, cut_tree, layers_left
from mlkit.trees._questions import ARRAYS, TreeQuestions
from mlkit.trees._shape import Shape, check_label_numbers, check_parents, read_nested, read_node_labels, shape_of
from mlkit.trees._store import read_folder, write_folder

if TYPE_CHECKING:
    import pandas as pd


class LabelTree(TreeQuestions):
    """A tree over the labels 0 .. L-1, each of which belongs to one leaf.

    Made by :meth:`from_parents`, :meth:`from_linkage`, :meth:`from_dict` or a builder such as
    :class:`~mlkit.trees.HierarchicalBalancedKMeans`. Nodes are numbered level by level from the root, 0, so that the
    children of a node follow one another; every node owns a contiguous slice of ``label_order``. Arrays are read-only.

    Attributes
    ----------
    n_nodes, n_labels : int
    depth : int
        Number of edges from the root to the deepest leaf.
    parent : ndarray of shape (n_nodes,), int32
        -1 for the root.
    first_child, n_children : ndarray of shape (n_nodes,), int32
        -1 and 0 for leaves.
    label_order : ndarray of shape (n_labels,), int32
        The labels, leaf after leaf.
    label_begin, label_end : ndarray of shape (n_nodes,), int32
        Each node's slice of ``label_order``.
    node_depth : ndarray of shape (n_nodes,), int32
    label_names : tuple of str or None
    node_names : tuple of str or None

    Examples
    --------
    >>> from mlkit.trees import LabelTree
    >>> tree = LabelTree.from_dict({"pets": ["cat", "dog"], "birds": ["owl"]})
    >>> tree
    LabelTree: 3 labels, 3 nodes, depth 1, 2 leaves of 1 to 2 labels
    >>> tree.distance("cat", "owl"), [tree.label_names[j] for j in tree.labels(1)]
    (2, ['cat', 'dog'])
    >>> LabelTree.from_parents(tree.parent, [[], [0, 1], [2]], label_names=("cat", "dog", "owl")).labels(0)
    array([0, 1, 2], dtype=int32)
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        raise TypeError("LabelTree: expected one of its constructors (from_parents, from_linkage, from_dict, load)")

    @classmethod
    def _from_shape(
        cls, shape: Shape, label_names: Sequence[str] | None = None, node_names: Sequence[str] | None = None
    ) -> LabelTree:
        tree = object.__new__(cls)
        for name in ARRAYS:
            array = getattr(shape, name).view()
            array.flags.writeable = False
            object.__setattr__(tree, name, array)
        object.__setattr__(tree, "label_names", None if label_names is None else tuple(label_names))
        names = None
        if node_names is not None:
            names = tuple(node_names[old] if old >= 0 else "" for old in shape.old_number.tolist())
        object.__setattr__(tree, "node_names", names)
        return tree

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"LabelTree.{name}: trees are immutable (make another one)")

    # ---------------------------------------------------------------------------------------------------- making trees

    @classmethod
    def from_parents(
        cls,
        parent: Any,
        labels: Any = None,
        *,
        label_names: Sequence[str] | None = None,
        node_names: Sequence[str] | None = None,
    ) -> LabelTree:
        """Make a tree from the parent of each node.

        Parameters
        ----------
        parent : array-like of shape (n_nodes,), int
            -1 for a root; several roots get a common one.
        labels : sequence, optional
            For each node its label (-1: none) or a list of its labels; ``range(n)`` if every node is a label. Labels
            of an inner node move to a leaf of their own below it. Default: the leaves carry 0, 1, ... in order.
        label_names : sequence of str, optional
        node_names : sequence of str, optional

        Returns
        -------
        LabelTree

        Raises
        ------
        TypeError, ValueError
            If there is a cycle, a leaf without labels, or a label that belongs to no node or to several.
        """
        parents = check_parents(parent)
        node_labels = read_node_labels(labels, parents)
        names = None if label_names is None else check_label_names(label_names)
        check_label_numbers(node_labels, names)
        if node_names is not None and len(node_names) != parents.size:
            raise ValueError(f"node_names: expected {parents.size} names, one for each node, got {len(node_names)}")
        return cls._from_shape(shape_of(parents, node_labels), names, node_names)

    @classmethod
    def from_linkage(cls, linkage: Any, *, label_names: Sequence[str] | None = None) -> LabelTree:
        """Make a binary tree from a linkage matrix of SciPy.

        Parameters
        ----------
        linkage : array-like of shape (n_labels - 1, 4)
            As :func:`scipy.cluster.hierarchy.linkage` returns it for the labels.
        label_names : sequence of str, optional

        Returns
        -------
        LabelTree
            With one label in each leaf.
        """
        from scipy.cluster.hierarchy import is_valid_linkage

        merges = np.asarray(linkage)
        if merges.dtype != np.float64 or not is_valid_linkage(merges):
            raise ValueError(
                "linkage: expected an (n_labels - 1, 4) float64 matrix as scipy.cluster.hierarchy.linkage returns, got "
                f"{described(linkage)}"
            )
        n_labels = len(merges) + 1
        parent = np.full(2 * n_labels - 1, -1)
        parent[merges[:, :2].astype(np.int64).ravel()] = np.repeat(np.arange(n_labels, 2 * n_labels - 1), 2)
        labels = np.where(np.arange(parent.size) < n_labels, np.arange(parent.size), -1)
        return cls.from_parents(parent, labels, label_names=label_names)

    @classmethod
    def from_dict(cls, tree: Any, *, label_names: Sequence[str] | None = None) -> LabelTree:
        """Make a tree from nested mappings.

        Parameters
        ----------
        tree : mapping
            From the names of groups to mappings of the same kind or to labels: one or a list, by number or by name.
        label_names : sequence of str, optional
            Says which number each name has. Default: the order in which names appear.

        Returns
        -------
        LabelTree
            With ``node_names``.
        """
        names = None if label_names is None else check_label_names(label_names)
        parents, labels, node_names, names = read_nested(tree, names)
        check_label_numbers(labels, names)
        return cls._from_shape(shape_of(parents, labels), names, node_names)

    # ------------------------------------------------------------------------------------------------------ partitions

    def validate(self, *, max_leaf: int | None = None) -> LabelTree:
        """Check every invariant of the arrays.

        Parameters
        ----------
        max_leaf : int, optional
            Largest number of labels that a leaf may have.

        Returns
        -------
        LabelTree
            The tree itself.

        Raises
        ------
        ValueError
            That names the first invariant that does not hold.
        """
        broken = broken_invariant(self, max_leaf)
        if broken is not None:
            raise ValueError(f"tree: expected that {broken}, got arrays that say otherwise")
        return self

    def cut(self, depth: int | None = None, *, n_clusters: int | None = None) -> list[NDArray[np.int32]]:
        """Cut the tree into sets of labels.

        Parameters
        ----------
        depth : int, optional
            One set for each node of this depth, and for each leaf above it.
        n_clusters : int, optional
            Split the largest set (of equal ones the first) while this gives at most so many.

        Returns
        -------
        list of ndarray
            In the order of ``label_order``.
        """
        return cut_tree(self, depth, n_clusters)

    def collapse(self, n_layers: int) -> LabelTree:
        """Leave out ``n_layers`` of every ``n_layers + 1`` layers of inner nodes: a wider tree with the same leaves.

        Parameters
        ----------
        n_layers : int

        Returns
        -------
        LabelTree
        """
        parent, labels, kept = layers_left(self, check_integer("n_layers", n_layers, low=0))
        names = None if self.node_names is None else [self.node_names[v] for v in kept]
        return LabelTree._from_shape(shape_of(parent, labels), self.label_names, names)

    # ----------------------------------------------------------------------------------------------------- other forms

    def to_parents(self) -> tuple[NDArray[np.int32], list[list[int]]]:
        """Return the arguments with which :meth:`from_parents` makes this tree again.

        Returns
        -------
        parent : ndarray of shape (n_nodes,)
        labels : list of lists
        """
        return self.parent.copy(), [
            self.labels(v).tolist() if self.n_children[v] == 0 else [] for v in range(self.n_nodes)
        ]

    def to_linkage(self) -> NDArray[np.float64]:
        """Return a linkage matrix for SciPy; heights are the edges down to the deepest leaf.

        Returns
        -------
        ndarray of shape (n_labels - 1, 4)

        Raises
        ------
        ValueError
            If an inner node has not two children or a leaf not one label.
        """
        from mlkit.trees._drawing import linkage_of

        return linkage_of(self)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each node.

        Returns
        -------
        DataFrame
            Columns ``parent depth n_children n_labels labels`` and, if nodes have names, ``name``; the labels of inner
            nodes are left out.
        """
        from mlkit.trees._drawing import frame_of

        return frame_of(self)

    def to_networkx(self) -> Any:
        """Return a ``networkx.DiGraph`` from parents to children; leaves have the attribute ``labels``.

        Returns
        -------
        networkx.DiGraph
        """
        from mlkit.trees._drawing import graph_of

        return graph_of(self)

    def to_dot(self, *, label_names: Sequence[str] | None = None) -> str:
        """Return the tree in Graphviz's language.

        Parameters
        ----------
        label_names : sequence of str, optional

        Returns
        -------
        str
        """
        from mlkit.trees._drawing import dot_of

        return dot_of(self, self._names(label_names))

    def plot(
        self, ax: Any = None, *, label_names: Sequence[str] | None = None, color: Any = None, max_names: int = 6
    ) -> Any:
        """Draw the tree from left to right.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        label_names : sequence of str, optional
        color : array-like of shape (n_labels,), optional
            Numbers such as the labels' support; a node is coloured by their mean.
        max_names : int, default=6
            Most labels that are named at a leaf.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from mlkit.trees._drawing import draw

        return draw(self, ax, self._names(label_names), color, check_integer("max_names", max_names, low=0))

    def _names(self, label_names: Sequence[str] | None) -> tuple[str, ...]:
        if label_names is not None:
            return check_label_names(label_names, self.n_labels)
        return self.label_names or tuple(str(j) for j in range(self.n_labels))

    def save(self, path: str | Path) -> None:
        """Write the tree to a new folder: a JSON header and plain arrays, which nothing executes.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        None
        """
        arrays = {name: getattr(self, name) for name in ARRAYS}
        write_folder(path, "LabelTree", {"label_names": self.label_names, "node_names": self.node_names}, arrays)

    @classmethod
    def load(cls, path: str | Path) -> LabelTree:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        LabelTree

        Raises
        ------
        ValueError
            If the folder holds something else, is damaged, or comes from a newer version.
        """
        header, arrays = read_folder(path, "LabelTree")
        return cls._from_stored(header, arrays)

    @classmethod
    def _from_stored(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]], prefix: str = "") -> LabelTree:
        parts = {name: arrays[prefix + name].astype(np.int32, copy=False) for name in ARRAYS}
        tree = cls._from_shape(Shape(**parts, old_number=np.arange(parts["parent"].size)), header.get("label_names"))
        names = header.get("node_names")
        object.__setattr__(tree, "node_names", None if names is None else tuple(names))
        return tree.validate()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelTree):
            return NotImplemented
        same = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ARRAYS)
        return same and (self.label_names, self.node_names) == (other.label_names, other.node_names)

    def __repr__(self) -> str:
        def counted(n: int, noun: str, plural: str) -> str:
            return f"{n} {noun if n == 1 else plural}"

        sizes = (self.label_end - self.label_begin)[self.leaves]
        low, high = int(sizes.min()), int(sizes.max())
        span = counted(low, "label", "labels") if low == high else f"{low} to {high} labels"
        return (
            f"LabelTree: {counted(self.n_labels, 'label', 'labels')}, {counted(self.n_nodes, 'node', 'nodes')}, "
            f"depth {self.depth}, {counted(sizes.size, 'leaf', 'leaves')} of {span}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        header = {"label_names": self.label_names, "node_names": self.node_names}
        return LabelTree._from_stored, (header, {name: np.asarray(getattr(self, name)) for name in ARRAYS})
