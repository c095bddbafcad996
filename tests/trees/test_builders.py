"""Builders: exact sizes, the same tree for any number of threads, groups that were planted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

from mlkit.labels import label_cooccurrence
from mlkit.trees import AgglomerativeLabelTree, HierarchicalBalancedKMeans, HuffmanLabelTree, RandomLabelTree
from reference import trees as oracle


def planted(seed, n_groups=4, per_group=5, n=400, d=30, together=2):
    """Rows of one group of labels and of features each."""
    rng = np.random.default_rng(seed)
    group = rng.integers(n_groups, size=n)
    n_labels = n_groups * per_group
    place = rng.permutation(n_labels)
    y = np.zeros((n, n_labels), np.int8)
    for i in range(n):
        y[i, place[group[i] * per_group + rng.choice(per_group, together, replace=False)]] = 1
    centres = rng.random((n_groups, d)) ** 4
    truth = np.empty(n_labels, int)
    truth[place] = np.repeat(np.arange(n_groups), per_group)
    return centres[group] + 0.2 * rng.random((n, d)), y, truth


def groups_of(parts, n_labels):
    group = np.empty(n_labels, int)
    for g, part in enumerate(parts):
        group[part] = g
    return group


def depth_of(n_labels, arity, max_leaf):
    depth = 0
    while n_labels > max_leaf:
        n_labels, depth = math.ceil(n_labels / arity), depth + 1
    return depth


@given(
    st.integers(1, 60), st.integers(2, 6), st.integers(1, 12), st.sampled_from(["pifa", "pii"]), st.integers(0, 10**6)
)
def test_balanced_trees_have_exact_sizes(n_labels, arity, max_leaf, representation, seed):
    rng = np.random.default_rng(seed)
    y = rng.random((15, n_labels)) < 0.15 * rng.integers(0, 2, n_labels)  # half of the labels are empty
    X = rng.normal(size=(15, 4)) * (rng.random((15, 1)) < 0.8)  # some rows are zero
    builder = HierarchicalBalancedKMeans(arity, max_leaf, representation=representation, random_state=seed)
    tree = builder.fit(X, y).tree_.validate(max_leaf=max_leaf)
    assert tree.is_balanced()
    assert tree.depth == depth_of(n_labels, arity, max_leaf)
    assert tree.n_labels == n_labels
    inner = tree.n_children[tree.n_children > 0]
    assert (inner == np.minimum(arity, (tree.label_end - tree.label_begin)[tree.n_children > 0])).all()


@pytest.mark.parametrize("representation", ["pifa", "pii"])
@pytest.mark.parametrize("arity", [2, 4])
def test_planted_groups_are_found(representation, arity):
    found = 0
    for seed in range(5):
        X, y, truth = planted(seed, together=4)
        builder = HierarchicalBalancedKMeans(arity, 5, representation=representation, random_state=seed)
        tree = builder.fit(X, y).tree_
        found += adjusted_rand_score(truth, groups_of([tree.labels(v) for v in tree.leaves], truth.size)) > 0.9
    assert found >= (4 if arity == 2 else 3)  # k-means may stop at a poorer split


def test_a_split_that_has_settled_is_the_best_for_its_centres():
    rng = np.random.default_rng(3)
    for seed in range(20):
        X, y = rng.random((80, 7)), rng.random((80, 21)) < 0.2
        tree = HierarchicalBalancedKMeans(2, 11, max_iter=100, random_state=seed).fit(X, y).tree_
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        vectors = y.T.astype(float) @ unit
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        low, high = (vectors[tree.labels(v)].sum(axis=0) for v in (1, 2))
        gain = vectors @ (high / np.linalg.norm(high) - low / np.linalg.norm(low))
        assert gain[tree.labels(1)].max() <= gain[tree.labels(2)].min() + 1e-7


@pytest.mark.parametrize("n_jobs", [2, 3, 8])
@pytest.mark.parametrize(("arity", "max_leaf"), [(2, 10), (3, 7), (16, 1)])
def test_the_tree_does_not_depend_on_n_jobs(n_jobs, arity, max_leaf):
    rng = np.random.default_rng(4)
    X, y = rng.random((500, 40)), rng.random((500, 700)) < 0.02
    builder = HierarchicalBalancedKMeans(arity, max_leaf, n_jobs=1, random_state=5)
    one = builder.fit(X, y).tree_
    assert clone(builder).set_params(n_jobs=n_jobs).fit(X, y).tree_ == one
    assert clone(builder).set_params(random_state=6).fit(X, y).tree_ != one


def test_equal_labels_share_a_leaf_where_there_is_room():
    rng = np.random.default_rng(6)
    y = np.repeat(rng.random((100, 8)) < 0.2, 2, axis=1)
    tree = HierarchicalBalancedKMeans(2, 4, representation="pii", random_state=0).fit(None, y).tree_
    shared = sum(tree.leaf_of(j) == tree.leaf_of(j + 1) for j in range(0, 16, 2))
    assert shared >= 7


def test_labels_without_examples_are_placed():
    tree = HierarchicalBalancedKMeans(2, 3, random_state=0).fit(np.eye(4), np.zeros((4, 10))).tree_
    assert tree.n_labels == 10
    assert tree.is_balanced()


def test_agglomeration_joins_the_most_similar_first():
    rng = np.random.default_rng(7)
    y = rng.random((200, 12)) < 0.3
    similarity = label_cooccurrence(y, measure="jaccard").toarray()
    np.fill_diagonal(similarity, -1)
    first = np.unravel_index(np.argmax(similarity), similarity.shape)
    builder = AgglomerativeLabelTree().fit(None, y)
    assert builder.tree_.distance(*map(int, first)) == 2
    assert builder.linkage_[0, 2] == pytest.approx(1 - similarity.max())
    builder.tree_.validate(max_leaf=1)
    _, y, truth = planted(8)
    assert adjusted_rand_score(truth, groups_of(AgglomerativeLabelTree().fit(None, y).tree_.cut(n_clusters=4), 20)) == 1
    assert AgglomerativeLabelTree().fit(None, np.ones((3, 1))).tree_.n_labels == 1


def test_agglomeration_refuses_what_does_not_fit():
    with pytest.raises(MemoryError, match=r"memory_limit: 100 labels need 38.7 kB .* the limit is 1.0 kB"):
        AgglomerativeLabelTree(memory_limit="1kB").fit(None, np.eye(100))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=15))
def test_huffman_trees_cost_least(weights):
    y = (np.arange(9)[:, None] < np.array(weights)[None, :]).astype(np.int8)
    tree = HuffmanLabelTree().fit(None, y).tree_.validate(max_leaf=1)
    cost = sum(weight * (len(tree.path(label)) - 1) for label, weight in enumerate(weights))
    assert cost == oracle.huffman_cost(weights)


@pytest.mark.parametrize("n_labels", [1, 2, 3, 4, 5, 9, 10])
def test_huffman_nodes_are_full_but_for_the_first_one_joined(n_labels):
    tree = HuffmanLabelTree(arity=3).fit(None, np.ones((2, n_labels))).tree_.validate(max_leaf=1)
    inner = np.sort(tree.n_children[tree.n_children > 0])
    assert (inner[1:] == 3).all()
    assert (inner[:1] >= 2).all()


def test_random_trees_follow_the_seed():
    y = np.ones((2, 50))
    one, same, other = (RandomLabelTree(3, 4, random_state=seed).fit(None, y).tree_ for seed in (0, 0, 1))
    assert one == same != other
    assert one.validate(max_leaf=4).is_balanced()


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (HierarchicalBalancedKMeans(arity=1), "arity: expected an integer >= 2, got 1"),
        (HierarchicalBalancedKMeans(max_leaf=0), "max_leaf: expected an integer >= 1, got 0"),
        (HierarchicalBalancedKMeans(representation="pifas"), "representation: expected one of 'pifa', 'pii'"),
        (HuffmanLabelTree(arity=0), "arity: expected an integer >= 2, got 0"),
        (RandomLabelTree(max_leaf=-1), "max_leaf: expected an integer >= 1, got -1"),
        (AgglomerativeLabelTree(linkage="ward"), "linkage: expected one of"),
        (AgglomerativeLabelTree(measure="pmi"), "measure: expected one of"),
    ],
)
def test_bad_parameters_are_named(builder, message):
    with pytest.raises(ValueError, match=message):
        builder.fit(np.eye(3), np.eye(3))


def test_labels_and_features_must_agree():
    with pytest.raises(ValueError, match="y: expected 3 rows to match X, got 4"):
        HierarchicalBalancedKMeans().fit(np.eye(3), np.eye(4))
    with pytest.raises(ValueError, match=r"y: expected 0 or 1 .* got 2"):
        HuffmanLabelTree().fit(None, 2 * np.eye(3))
