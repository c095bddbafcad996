"""From any numbering of nodes to the arrays of a LabelTree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import described, label_text, shorten

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Shape:
    """The arrays of a tree: nodes numbered level by level, the labels of every node a slice of ``label_order``."""

    parent: Ints
    first_child: Ints
    n_children: Ints
    label_begin: Ints
    label_end: Ints
    label_order: Ints
    node_depth: Ints
    old_number: NDArray[np.int64]  # what the caller called each node; -1 for nodes that were added


def check_parents(parent: Any) -> NDArray[np.int64]:
    """Return parent numbers as an int64 array in which every entry is -1 or a node."""
    try:
        array = np.asarray(parent)
    except ValueError:  # ragged
        array = np.empty(0, object)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"parent: expected a one-dimensional array of integers, got {described(parent)}")
    if array.size == 0:
        raise ValueError("parent: expected at least one node, got none")
    bad = np.flatnonzero((array < -1) | (array >= array.size))
    if bad.size:
        raise ValueError(
            f"parent: expected -1 or node numbers below {array.size}, got {array[bad[0]]} for node {bad[0]}"
        )
    return array.astype(np.int64)


def read_node_labels(labels: Any, parent: NDArray[np.int64]) -> list[list[int]]:
    """The labels of each node from ``None``, one number for each node (-1: none), or a list for each node."""
    n = parent.size
    if labels is None:
        is_leaf = np.ones(n, bool)
        is_leaf[parent[parent >= 0]] = False
        numbers = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)
        return [[int(j)] if j >= 0 else [] for j in numbers]
    if isinstance(labels, (str, bytes, Mapping, Set)) or not isinstance(labels, Iterable):
        raise TypeError(f"labels: expected label numbers for each node, got {described(labels)}")
    listed = list(labels)
    if len(listed) != n:
        raise ValueError(f"labels: expected one entry for each of the {n} nodes, got {len(listed)}")
    read: list[list[int]] = []
    for node, entry in enumerate(listed):
        of_node = ([] if entry == -1 else [entry]) if isinstance(entry, (int, np.integer)) else entry
        if isinstance(of_node, (str, bytes)) or not isinstance(of_node, Iterable):
            raise TypeError(f"labels: expected label numbers, got {described(entry)} for node {node}")
        numbers_of_node = list(of_node)
        for number in numbers_of_node:
            if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)):
                raise TypeError(f"labels: expected label numbers, got {described(number)} for node {node}")
        read.append([int(j) for j in numbers_of_node])
    return read


def check_label_numbers(node_labels: list[list[int]], names: Sequence[str] | None) -> int:
    """Return the number of labels if each of them, from 0 on, belongs to one node."""
    flat = np.array([j for of_node in node_labels for j in of_node], dtype=np.int64)
    if flat.size == 0:
        raise ValueError("labels: expected at least one label, got none")
    n_labels = flat.size if names is None else len(names)
    if flat.min() < 0:
        raise ValueError(f"labels: expected label numbers >= 0, got {flat.min()}")
    counts = np.bincount(flat, minlength=n_labels)
    if (counts > 1).any():
        twice = int(np.argmax(counts > 1))
        raise ValueError(
            f"labels: expected each label at one node, got {label_text(twice, None)} {counts[twice]} times"
        )
    if flat.max() >= n_labels or (counts[:n_labels] == 0).any():
        missing = int(np.argmin(counts[:n_labels]))
        raise ValueError(f"labels: expected all of the {n_labels} labels, {label_text(missing, names)} is missing")
    return n_labels


def shape_of(parent: NDArray[np.int64], node_labels: list[list[int]]) -> Shape:
    """Number nodes level by level; a forest gets a root, labels of an inner node get a leaf of their own there."""
    parents = parent.tolist()
    old = list(range(len(parents)))
    roots = [v for v, p in enumerate(parents) if p < 0]
    if not roots:
        raise ValueError("parent: expected a root (-1), got a cycle among all nodes")
    is_inner = np.zeros(len(parents), bool)
    is_inner[parent[parent >= 0]] = True
    owner = list(node_labels)
    children: list[list[int]] = [[] for _ in parents]
    for v in np.flatnonzero(
        is_inner
    ).tolist():  # labels of inner nodes first, then the children in the order of their numbers
        if owner[v]:
            children[v].append(len(parents))
            parents.append(v)
            owner.append(owner[v])
            owner[v] = []
            old.append(-1)
            children.append([])
    for v, p in enumerate(parent.tolist()):
        if p >= 0:
            children[p].append(v)
    if len(roots) > 1:
        children.append(roots)
        owner.append([])
        old.append(-1)
        roots = [len(children) - 1]

    order, new_parent, depth = [roots[0]], [-1], [0]
    first_child, n_children = [], []
    for at, v in enumerate(order):  # (order grows while it is read)
        first_child.append(len(order) if children[v] else -1)
        n_children.append(len(children[v]))
        order.extend(children[v])
        new_parent.extend([at] * len(children[v]))
        depth.extend([depth[at] + 1] * len(children[v]))
    if len(order) != len(children):
        lost = min(set(range(len(children))) - set(order))
        raise ValueError(f"parent: expected a tree, got a cycle above node {lost}")
    for v in order:
        if not children[v] and not owner[v]:
            raise ValueError(f"labels: expected labels in every leaf, got none for node {v}")

    size = [len(owner[v]) for v in order]
    for at in range(len(order) - 1, 0, -1):
        size[new_parent[at]] += size[at]
    begin = [0] * len(order)
    cursor = [0] * len(order)
    for at in range(1, len(order)):
        p = new_parent[at]
        begin[at] = cursor[at] = cursor[p]
        cursor[p] += size[at]
    label_order = np.empty(size[0], np.int32)
    for at, v in enumerate(order):
        if owner[v]:
            label_order[begin[at] : begin[at] + len(owner[v])] = sorted(owner[v])
    first = np.array(begin, np.int32)
    return Shape(
        np.array(new_parent, np.int32),
        np.array(first_child, np.int32),
        np.array(n_children, np.int32),
        first,
        first + np.array(size, np.int32),
        label_order,
        np.array(depth, np.int32),
        np.array([old[v] if v < len(old) else -1 for v in order], np.int64),
    )


def read_nested(
    tree: Any, names: Sequence[str] | None
) -> tuple[NDArray[np.int64], list[list[int]], list[str], tuple[str, ...] | None]:
    """Parents, labels and names of the nodes of nested mappings, and the names of the labels."""
    if not isinstance(tree, Mapping):
        raise TypeError(f"tree: expected a mapping of names to subtrees or lists of labels, got {described(tree)}")
    number = None if names is None else {name: j for j, name in enumerate(names)}
    seen: dict[str, int] = {}
    parent, node_names = [-1], [""]
    labels: list[list[int]] = [[]]

    def label_number(label: Any, node: int) -> int:
        if isinstance(label, str):
            if number is None:
                if label in seen:
                    raise ValueError(f"tree: expected each label once, got {shorten(label)} twice")
                seen[label] = len(seen)
                return seen[label]
            if label not in number:
                raise ValueError(f"tree: expected names in label_names, got {shorten(label)} in {node_names[node]!r}")
            return number[label]
        if isinstance(label, (int, np.integer)) and not isinstance(label, bool):
            return int(label)
        raise TypeError(f"tree: expected label names or numbers, got {described(label)} in {node_names[node]!r}")

    stack: list[tuple[Any, int]] = [(tree, 0)]
    while stack:
        content, node = stack.pop()
        if isinstance(content, Mapping):
            first = len(parent)
            parent += [node] * len(content)
            labels += [[] for _ in content]
            node_names += [str(name) for name in content]
            stack += reversed([(below, first + at) for at, below in enumerate(content.values())])
        else:
            alone = isinstance(content, (str, int, np.integer))
            if not alone and not isinstance(content, Iterable):
                raise TypeError(f"tree: expected a mapping or labels, got {described(content)} in {node_names[node]!r}")
            for label in [content] if alone else content:
                labels[node].append(label_number(label, node))
    if seen and sum(map(len, labels)) != len(seen):
        raise ValueError("tree: expected label names or label numbers, got both")
    return np.array(parent), labels, node_names, tuple(seen) if seen else None if names is None else tuple(names)
