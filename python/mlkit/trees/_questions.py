"""What a label tree is made of, and what it can be asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.params import check_integer

ARRAYS = ("parent", "first_child", "n_children", "label_begin", "label_end", "label_order", "node_depth")


class TreeQuestions:
    """The arrays of a tree, and questions to its nodes and labels."""

    __slots__ = (*ARRAYS, "__dict__", "label_names", "node_names")

    parent: NDArray[np.int32]
    first_child: NDArray[np.int32]
    n_children: NDArray[np.int32]
    label_begin: NDArray[np.int32]
    label_end: NDArray[np.int32]
    label_order: NDArray[np.int32]
    node_depth: NDArray[np.int32]
    label_names: tuple[str, ...] | None
    node_names: tuple[str, ...] | None

    @property
    def n_nodes(self) -> int:
        """Number of nodes, root and leaves included."""
        return int(self.parent.size)

    @property
    def n_labels(self) -> int:
        """Number of labels."""
        return int(self.label_order.size)

    @property
    def depth(self) -> int:
        """Number of edges from the root to the deepest leaf."""
        return int(self.node_depth[-1])

    @property
    def leaves(self) -> NDArray[np.int64]:
        """Numbers of the leaves, ascending."""
        return np.flatnonzero(self.n_children == 0)

    @property
    def _core(self) -> _core.trees.Tree:
        if "_core" not in self.__dict__:
            self.__dict__["_core"] = _core.trees.Tree(
                self.parent, self.first_child, self.n_children, self.label_begin, self.label_end, self.label_order
            )
        view: _core.trees.Tree = self.__dict__["_core"]
        return view

    @property
    def _leaf_of_label(self) -> NDArray[np.int32]:
        if "_leaf_of_label" not in self.__dict__:
            leaves = self.leaves
            leaf = np.empty(self.n_labels, np.int32)
            at = np.argsort(self.label_begin[leaves])
            leaf[self.label_order] = np.repeat(leaves[at], (self.label_end - self.label_begin)[leaves[at]])
            self.__dict__["_leaf_of_label"] = leaf
        of_label: NDArray[np.int32] = self.__dict__["_leaf_of_label"]
        return of_label

    def _node(self, node: Any) -> int:
        return check_integer("node", node, low=0, high=self.n_nodes - 1)

    def _label(self, argument: str, label: Any) -> int:
        if isinstance(label, str):
            if self.label_names is None or label not in self.label_names:
                raise ValueError(f"{argument}: expected a label of this tree, got {label!r}")
            return self.label_names.index(label)
        return check_integer(argument, label, low=0, high=self.n_labels - 1)

    def children(self, node: int) -> NDArray[np.int64]:
        """Numbers of the children of a node, ascending; none for a leaf.

        Parameters
        ----------
        node : int

        Returns
        -------
        ndarray of int64
        """
        node = self._node(node)
        first = int(self.first_child[node])
        return np.arange(first, first + int(self.n_children[node]))

    def labels(self, node: int) -> NDArray[np.int32]:
        """Labels below a node, leaf after leaf.

        Parameters
        ----------
        node : int

        Returns
        -------
        ndarray of int32
        """
        node = self._node(node)
        return self.label_order[self.label_begin[node] : self.label_end[node]]

    def leaf_of(self, label: int | str) -> int:
        """Return the leaf of a label.

        Parameters
        ----------
        label : int or str

        Returns
        -------
        int
        """
        return int(self._leaf_of_label[self._label("label", label)])

    def path(self, label: int | str) -> list[int]:
        """Nodes from the root to the leaf of a label.

        Parameters
        ----------
        label : int or str

        Returns
        -------
        list of int
        """
        nodes = [self.leaf_of(label)]
        while nodes[-1]:
            nodes.append(int(self.parent[nodes[-1]]))
        return nodes[::-1]

    def distance(self, a: int | str, b: int | str) -> int:
        """Count the edges between the leaves of two labels; 0 within one leaf.

        Parameters
        ----------
        a : int or str
        b : int or str

        Returns
        -------
        int
        """
        first, second = self.leaf_of(self._label("a", a)), self.leaf_of(self._label("b", b))
        edges = 0
        while first != second:  # parents have lower numbers
            first, second = max(first, second), min(first, second)
            first = int(self.parent[first])
            edges += 1
        return edges

    def is_balanced(self) -> bool:
        """Whether the numbers of labels of siblings differ by at most one everywhere.

        Returns
        -------
        bool
        """
        size = self.label_end - self.label_begin
        inner = np.flatnonzero(self.n_children)
        if inner.size == 0:
            return True
        starts = self.first_child[inner] - 1  # children of inner nodes, in order, are the nodes 1, 2, ...
        below = size[1:]
        return bool((np.maximum.reduceat(below, starts) - np.minimum.reduceat(below, starts)).max() <= 1)
