"""The tree type: made from any form, equal after a round trip, clear about what it refuses."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster import hierarchy

from mlkit.trees import LabelTree


@st.composite
def forests(draw):
    """Parents in any order of numbers, and labels on some nodes, at least on every leaf."""
    n = draw(st.integers(1, 12))
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    parent = np.array([rng.integers(-1, v) if v else -1 for v in range(n)])
    names = rng.permutation(n)
    shuffled = np.full(n, -1)
    shuffled[names] = np.where(parent >= 0, names[parent], -1)
    is_leaf = ~np.isin(np.arange(n), shuffled)
    counts = np.where(is_leaf, 1 + rng.integers(0, 3, n), rng.integers(0, 2, n))
    labels = np.split(rng.permutation(counts.sum()), np.cumsum(counts)[:-1])
    return shuffled, [of_node.tolist() for of_node in labels]


def ancestors(parent, node):
    found = [node]
    while parent[found[-1]] >= 0:
        found.append(int(parent[found[-1]]))
    return found


@given(forests())
def test_any_forest_becomes_a_valid_tree_that_keeps_its_groups(forest):
    parent, labels = forest
    tree = LabelTree.from_parents(parent, labels).validate()
    wanted = {frozenset(of_node) for of_node in labels if of_node}
    assert {frozenset(tree.labels(v).tolist()) for v in tree.leaves} == wanted
    below = {v: set() for v in range(len(parent))}
    for v, of_node in enumerate(labels):
        for node in ancestors(parent, v):
            below[node] |= set(of_node)
    slices = {frozenset(tree.labels(v).tolist()) for v in range(tree.n_nodes)}
    assert {frozenset(group) for group in below.values()} <= slices


@given(forests())
def test_round_trips_are_identities(forest):
    tree = LabelTree.from_parents(*forest, label_names=[f"é{j}" for j in range(sum(map(len, forest[1])))])
    again = LabelTree.from_parents(*tree.to_parents(), label_names=tree.label_names)
    assert again == tree
    assert pickle.loads(pickle.dumps(tree)) == tree


@given(forests())
def test_paths_distances_and_cuts_follow_from_parents(forest):
    tree = LabelTree.from_parents(*forest)
    for label in range(tree.n_labels):
        path = tree.path(label)
        assert path[0] == 0
        assert path[-1] == tree.leaf_of(label)
        assert all(v in tree.children(u) for u, v in pairwise(path))
        assert label in tree.labels(path[-1])
        for other in range(tree.n_labels):
            shared = len(set(path) & set(tree.path(other)))
            assert tree.distance(label, other) == len(path) + len(tree.path(other)) - 2 * shared
    for depth in range(tree.depth + 2):
        groups = {}
        for label in range(tree.n_labels):
            groups.setdefault(tree.path(label)[: depth + 1][-1], set()).add(label)
        parts = [part.tolist() for part in tree.cut(depth)]
        assert sorted(map(sorted, parts)) == sorted(map(sorted, groups.values()))
    for n in range(1, tree.n_nodes + 1):
        parts = tree.cut(n_clusters=n)
        assert 1 <= len(parts) <= n
        assert sorted(np.concatenate(parts)) == list(range(tree.n_labels))
    assert len(tree.cut(n_clusters=tree.n_nodes)) == tree.leaves.size


@given(forests(), st.integers(0, 3))
def test_collapsing_keeps_leaves_and_shortens_paths(forest, n_layers):
    tree = LabelTree.from_parents(*forest)
    flat = tree.collapse(n_layers).validate()
    leaves = [{frozenset(t.labels(v).tolist()) for v in t.leaves} for t in (tree, flat)]
    assert leaves[0] == leaves[1]
    for label in range(tree.n_labels):
        inner = len(tree.path(label)) - 1
        assert len(flat.path(label)) - 1 == -(-inner // (n_layers + 1))
    if n_layers == 0:
        assert flat == tree


def test_a_linkage_goes_in_and_out():
    rng = np.random.default_rng(0)
    for n in (2, 3, 10, 33):
        linkage = hierarchy.linkage(rng.random((n, 3)), "average")
        tree = LabelTree.from_linkage(linkage).validate()
        again = LabelTree.from_linkage(tree.to_linkage())
        for a in range(n):
            for b in range(n):
                assert tree.distance(a, b) == again.distance(a, b)
        clusters = hierarchy.fcluster(linkage, 2, "maxclust")
        parts = {frozenset(part.tolist()) for part in tree.cut(depth=1)}
        assert parts == {frozenset(np.flatnonzero(clusters == c).tolist()) for c in np.unique(clusters)}


def test_nested_mappings_keep_names():
    tree = LabelTree.from_dict({"pets": {"loud": ["dog"], "quiet": ["cat", "fish"]}, "wild": "owl"}).validate()
    assert tree.label_names == ("dog", "cat", "fish", "owl")
    assert tree.node_names[0] == ""
    assert {tree.node_names[v] for v in tree.path("dog")} == {"", "pets", "loud"}
    numbered = LabelTree.from_dict({"a": [2, 0], "b": 1})
    assert [part.tolist() for part in numbered.cut(depth=1)] == [[0, 2], [1]]
    named = LabelTree.from_dict({"a": ["x", "z"], "b": ["y"]}, label_names=["x", "y", "z"])
    assert named.labels(1).tolist() == [0, 2]


def test_a_taxonomy_whose_inner_nodes_are_labels():
    tree = LabelTree.from_parents([-1, 0, 0, 1], range(4), label_names=["animal", "dog", "cat", "poodle"]).validate()
    assert tree.n_labels == 4
    assert set(tree.labels(tree.path("poodle")[1])) == {1, 3}
    assert tree.distance("animal", "cat") == 2


def test_a_chain_of_100_000_nodes_needs_no_recursion():
    n = 100_000
    tree = LabelTree.from_parents(np.arange(-1, n - 1), range(n)).validate()
    assert tree.depth == n - 1
    assert len(tree.path(n - 1)) == n
    assert tree.collapse(10**6).depth == 1


def test_trees_are_immutable_values():
    tree = LabelTree.from_parents([-1, 0, 0])
    with pytest.raises(AttributeError, match="trees are immutable"):
        tree.parent = None
    with pytest.raises(ValueError, match="read-only"):
        tree.label_order[0] = 1
    with pytest.raises(TypeError, match="one of its constructors"):
        LabelTree()
    assert tree != LabelTree.from_parents([-1, 0, 0], [-1, 1, 0])
    assert tree != 3


def test_repr_tells_the_shape():
    assert repr(LabelTree.from_parents([-1])) == "LabelTree: 1 label, 1 node, depth 0, 1 leaf of 1 label"


def test_tables_and_graphs(tmp_path):
    tree = LabelTree.from_dict({'a "quoted"': ["x", "y"], "b": ["z$"]})
    frame = tree.to_frame()
    assert list(frame.columns) == ["parent", "depth", "n_children", "n_labels", "labels", "name"]
    assert frame["labels"].tolist() == [[], ["x", "y"], ["z$"]]
    dot = tree.to_dot()
    assert '1 [label="a \\"quoted\\": x, y"];' in dot
    assert "0 -> 2;" in dot


def test_networkx_gets_the_same_edges():
    networkx = pytest.importorskip("networkx")
    tree = LabelTree.from_parents([-1, 0, 0, 1, 1])
    graph = tree.to_networkx()
    assert networkx.is_arborescence(graph)
    assert graph.nodes[2]["labels"] == [0]


def test_a_picture_shows_every_leaf():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    tree = LabelTree.from_dict({"a": ["x", "y"], "b": ["z$"]})
    ax = tree.plot(color=[1.0, 2.0, 3.0])
    assert {text.get_text() for text in ax.texts} == {"x, y", r"z\$"}
    with pytest.raises(ValueError, match="color: expected one number for each of 3 labels"):
        tree.plot(ax, color=[1.0])
    pyplot.close("all")


def test_saved_trees_come_back(tmp_path):
    tree = LabelTree.from_dict({"a": ["x", "é"], "b": ["z"]})
    tree.save(tmp_path / "tree")
    assert LabelTree.load(tmp_path / "tree") == tree
    with pytest.raises(ValueError, match="path: expected a folder that does not exist yet"):
        tree.save(tmp_path / "tree")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "parent.npy").write_bytes(b""), r"path: expected an array in .*parent.npy"),
        (lambda folder: (folder / "parent.npy").unlink(), r"path: expected an array in .*parent.npy"),
        (lambda folder: np.save(folder / "parent.npy", np.zeros(2)), r"path: expected <i4 of shape \(3,\)"),
        (
            lambda folder: np.save(folder / "label_order.npy", np.array([0, 0, 1], "<i4")),
            "tree: expected that label_order is a permutation",
        ),
        (
            lambda folder: np.save(folder / "parent.npy", np.array([-1, 2, 1], "<i4")),
            "tree: expected that parents come",
        ),
        (lambda folder: (folder / "header.json").write_text("{"), "path: expected JSON in"),
        (lambda folder: (folder / "header.json").write_text("[]"), r"path: expected a saved LabelTree, got \[\]"),
        (lambda folder: change(folder, version=2), "path: expected format version 1, got 2"),
        (lambda folder: change(folder, format="mlkit.Other"), "path: expected a saved LabelTree, got 'mlkit.Other'"),
        (lambda folder: (folder / "header.json").unlink(), "path: expected a folder with header.json"),
    ],
)
def test_damaged_folders_are_refused(tmp_path, damage, message):
    folder = tmp_path / "tree"
    LabelTree.from_parents([-1, 0, 0], [[], [0, 1], [2]]).save(folder)
    damage(folder)
    with pytest.raises(ValueError, match=message):
        LabelTree.load(folder)


def change(folder, **values):
    header = json.loads((folder / "header.json").read_text())
    (folder / "header.json").write_text(json.dumps({**header, **values}))


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (([],), TypeError, "parent: expected a one-dimensional array of integers"),
        ((np.array([], int),), ValueError, "parent: expected at least one node, got none"),
        (([-1, 5],), ValueError, "parent: expected -1 or node numbers below 2, got 5 for node 1"),
        (([-2, 0],), ValueError, "parent: expected -1 or node numbers below 2, got -2 for node 0"),
        (([1, 0], [0, 1]), ValueError, r"parent: expected a root \(-1\), got a cycle among all nodes"),
        (([-1, 2, 1], [0, 1, 2]), ValueError, "parent: expected a tree, got a cycle above node 1"),
        (([-1, 0], [0, -1]), ValueError, "labels: expected labels in every leaf, got none for node 1"),
        (([-1, 0, 0], [-1, 0, 0]), ValueError, "labels: expected each label at one node, got label 0 2 times"),
        (([-1, 0, 0], [-1, 0, 2]), ValueError, "labels: expected all of the 2 labels, label 1 is missing"),
        (([-1, 0], [-1]), ValueError, "labels: expected one entry for each of the 2 nodes, got 1"),
        (([-1, 0], [[], ["a"]]), TypeError, "labels: expected label numbers, got str 'a' for node 1"),
        (([-1, 0], [[], [-3]]), ValueError, "labels: expected label numbers >= 0, got -3"),
        (([-1.0, 0.5],), TypeError, "parent: expected a one-dimensional array of integers"),
    ],
)
def test_bad_trees_are_named(arguments, kind, message):
    with pytest.raises(kind, match=message):
        LabelTree.from_parents(*arguments)


@pytest.mark.parametrize(
    ("tree", "kind", "message"),
    [
        (["a"], TypeError, "tree: expected a mapping"),
        ({"a": ["x"], "b": ["x"]}, ValueError, "tree: expected each label once, got 'x' twice"),
        ({"a": ["x"], "b": [0]}, ValueError, "tree: expected label names or label numbers, got both"),
        ({"a": [1.5]}, TypeError, "tree: expected label names or numbers, got float 1.5 in 'a'"),
        ({"a": {}}, ValueError, "labels: expected at least one label, got none"),
    ],
)
def test_bad_mappings_are_named(tree, kind, message):
    with pytest.raises(kind, match=message):
        LabelTree.from_dict(tree)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tree: tree.labels(9), r"node: expected an integer in \[0, 2\], got 9"),
        (lambda tree: tree.leaf_of("dog"), "label: expected a label of this tree, got 'dog'"),
        (lambda tree: tree.distance(0, 5), r"b: expected an integer in \[0, 1\], got 5"),
        (lambda tree: tree.cut(), "cut: expected depth or n_clusters, got both or neither"),
        (lambda tree: tree.validate(max_leaf=0), "tree: expected that leaves own at most 0 labels"),
        (lambda tree: tree.plot(label_names=["a"]), "label_names: expected 2 names"),
        (lambda tree: LabelTree.from_linkage([[0, 1]]), "linkage: expected an "),
        (lambda tree: LabelTree.from_parents([-1, 0], [[], [0, 1]]).to_linkage(), "to_linkage: expected two children"),
    ],
)
def test_bad_questions_are_named(call, message):
    tree = LabelTree.from_parents([-1, 0, 0])
    with pytest.raises(ValueError, match=message):
        call(tree)
