"""Questions to a whole tree: is it sound, which groups does it make, what is left without some layers?"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_integer

if TYPE_CHECKING:
    from mlkit.trees._questions import TreeQuestions


def broken_invariant(tree: TreeQuestions, max_leaf: int | None) -> str | None:
    """The first invariant of its arrays that a tree does not keep; None if it keeps them all."""
    n, size = tree.n_nodes, tree.label_end - tree.label_begin
    inner = np.flatnonzero(tree.n_children)
    leaf_size = size[tree.leaves]
    children = np.arange(1, n)
    found = [
        ("node 0 is the one root", bool(tree.parent[0] == -1 and (tree.parent[1:] >= 0).all())),
        ("parents come before their children", bool((tree.parent[1:] < children).all())),
        (
            "children are contiguous",
            int(tree.n_children.sum()) == n - 1
            and np.array_equal(tree.parent[1:], np.repeat(inner, tree.n_children[inner]))
            and np.array_equal(tree.first_child[inner], 1 + np.cumsum(tree.n_children[inner]) - tree.n_children[inner])
            and bool((tree.first_child[tree.leaves] == -1).all()),
        ),
        ("label_order is a permutation", np.array_equal(np.sort(tree.label_order), np.arange(tree.n_labels))),
        ("the root owns all labels", tree.label_begin[0] == 0 and tree.label_end[0] == tree.n_labels),
        ("leaves own labels", bool((leaf_size >= 1).all())),
    ]
    if all(holds for _, holds in found):
        nested = np.bincount(tree.parent[1:], weights=size[1:], minlength=n)[inner] if n > 1 else size[inner]
        first = tree.first_child[inner]
        within = (children == tree.first_child[tree.parent[1:]]) | (
            tree.label_begin[1:] == np.concatenate([[0], tree.label_end[1:-1]])[: n - 1]
        )
        found += [
            ("children share their parent's labels", np.array_equal(nested, size[inner])),
            (
                "slices nest",
                np.array_equal(tree.label_begin[first], tree.label_begin[inner]) and bool(within.all()),
            ),
            ("depths count edges", np.array_equal(tree.node_depth[1:], tree.node_depth[tree.parent[1:]] + 1)),
        ]
    if max_leaf is not None:
        found.append((f"leaves own at most {max_leaf} labels", bool((leaf_size <= max_leaf).all())))
    return next((invariant for invariant, holds in found if not holds), None)


def cut_tree(tree: TreeQuestions, depth: int | None, n_clusters: int | None) -> list[NDArray[np.int32]]:
    """Sets of labels, as :meth:`LabelTree.cut` describes them."""
    if (depth is None) == (n_clusters is None):
        raise ValueError("cut: expected depth or n_clusters, got both or neither")
    if depth is not None:
        depth = check_integer("depth", depth, low=0)
        is_leaf = tree.n_children == 0
        nodes = np.flatnonzero((tree.node_depth == depth) | (is_leaf & (tree.node_depth < depth)))
        return [tree.labels(v) for v in nodes[np.argsort(tree.label_begin[nodes])]]
    most = check_integer("n_clusters", n_clusters, low=1)
    size = tree.label_end - tree.label_begin
    heap = [(-int(size[0]), 0)]
    done: list[int] = []
    while heap:
        _, node = heapq.heappop(heap)
        k = int(tree.n_children[node])
        if k and len(heap) + len(done) + k <= most:
            for child in tree.children(node).tolist():
                heapq.heappush(heap, (-int(size[child]), child))
        else:
            done.append(node)
    return [tree.labels(v) for v in sorted(done, key=lambda v: int(tree.label_begin[v]))]


def layers_left(tree: TreeQuestions, n_layers: int) -> tuple[NDArray[np.int64], list[list[int]], list[int]]:
    """Parents, labels and old numbers of the nodes that :meth:`LabelTree.collapse` keeps."""
    is_kept = (tree.n_children == 0) | (tree.node_depth % (n_layers + 1) == 0)
    above = tree.parent.tolist()
    for v in range(1, tree.n_nodes):  # the nearest ancestor that is kept
        if not is_kept[above[v]]:
            above[v] = above[above[v]]
    kept = np.flatnonzero(is_kept)
    # A leaf goes before what follows it in label_order, whatever its depth was.
    kept = kept[np.lexsort((kept, tree.label_begin[kept]))]
    number = np.full(tree.n_nodes + 1, -1)
    number[kept] = np.arange(kept.size)
    parent = number[np.array(above)[kept]]
    labels = [tree.labels(v).tolist() if tree.n_children[v] == 0 else [] for v in kept.tolist()]
    return parent, labels, kept.tolist()
