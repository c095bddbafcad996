"""Odd input, one test for each row of the list: rows and labels without anything, ties, strange forms, broken files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from joblib import Parallel, delayed
from scipy import sparse

from mlkit.labels import as_label_matrix, label_cooccurrence
from mlkit.trees import BalancedKMeans, HierarchicalBalancedKMeans, HOMERClassifier, LabelTree, LabelTreeClassifier
from trees.data import make

LOSSES = ("squared_hinge", "log")


def small(**options):
    return LabelTreeClassifier(**{"max_leaf": 3, "random_state": 0, **options})


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_without_labels_are_negatives_of_the_root(loss):
    rng = np.random.default_rng(0)
    X = np.vstack([rng.random((60, 5)), rng.random((60, 5)) - 3])  # the second half has no labels
    y = np.vstack([rng.random((60, 8)) < 0.5, np.zeros((60, 8), bool)])
    model = small(loss=loss, normalize=False).fit(X, y)
    scores = model.predict_proba(X)
    assert np.isfinite(scores).all()
    assert scores[60:].mean() < 0.3 * scores[:60].mean()
    assert not model.predict(X[60:]).any()


def test_labels_that_are_all_zero_or_all_one_are_answered_without_a_model():
    X, y = make(0, n_labels=6, n_empty=0)
    y[:, 1], y[:, 4] = 0, 1
    model = LabelTreeClassifier("flat").fit(X, y)
    assert not model.predict(X)[:, 1].any()
    assert model.predict(X)[:, 4].all()
    counts = label_cooccurrence(y, measure="jaccard").toarray()
    assert counts[1].tolist() == [0] * 6  # two empty labels: nothing to divide by, nothing stored
    assert np.isfinite(counts).all()
    assert np.isfinite(label_cooccurrence(y, measure="phi").toarray()).all()


@pytest.mark.parametrize(("n_labels", "arity", "max_leaf"), [(1, 2, 1), (2, 3, 1), (5, 7, 1), (5, 2, 5), (7, 4, 1)])
def test_trees_of_few_labels(n_labels, arity, max_leaf):
    X, y = make(1, n_labels=n_labels, n_empty=0)
    tree = HierarchicalBalancedKMeans(arity, max_leaf, random_state=0).fit(X, y).tree_.validate(max_leaf=max_leaf)
    assert (tree.depth == 0) == (n_labels <= max_leaf)
    model = small(tree=tree).fit(X, y)
    assert model.predict_topk(X, 10)[0].shape == (len(X), n_labels)


@pytest.mark.parametrize("y", [np.zeros((4, 0)), sparse.csr_array((4, 0)), []])
def test_no_labels_are_an_error(y):
    with pytest.raises(ValueError, match="y: expected "):
        small().fit(np.eye(4), y)


def test_equal_labels_have_similarity_one_and_clusters_that_terminate():
    rng = np.random.default_rng(2)
    one = rng.random((50, 1)) < 0.4
    y = np.repeat(one, 9, axis=1)
    assert (label_cooccurrence(y, measure="jaccard").toarray() == 1).all()
    tree = HierarchicalBalancedKMeans(2, 2, max_iter=10**6, random_state=0).fit(rng.random((50, 3)), y).tree_
    assert tree.is_balanced()
    assert BalancedKMeans(4, max_iter=10**6, random_state=0).fit(np.ones((20, 3))).n_iter_ < 100


def test_labels_of_rows_without_features_are_placed_and_answered_by_their_share():
    X, y = make(3, n_labels=9, n_empty=0)
    y[:, 0] = 0
    X[:12], y[:12, 0] = 0, 1  # this label occurs where nothing is known
    model = small().fit(X, y)
    assert 0 in model.trees_[0].label_order
    assert np.isfinite(model.predict_proba(X)).all()


def test_labels_never_trained_are_asked_for_without_harm():
    X, y = make(4, n_labels=9, n_empty=3)
    found, scores = small().fit(X, y).predict_topk(X, 9, exact=True)
    assert np.array_equal(np.sort(found, axis=1), np.tile(np.arange(9), (len(X), 1)))
    assert (scores > 0).all()


def test_strange_but_meant_forms_of_rows_are_canonical():
    X, y = make(5, n=40)
    expected = small().fit(X, y).predict_topk(X, 3)
    rows = sparse.csr_array(X)
    shuffled = rows.copy()
    for i in range(40):
        part = slice(shuffled.indptr[i], shuffled.indptr[i + 1])
        shuffled.indices[part], shuffled.data[part] = shuffled.indices[part][::-1], shuffled.data[part][::-1]
    shuffled.has_sorted_indices = False
    halves = sparse.coo_array(
        (np.tile(rows.data / 2, 2), (np.tile(rows.tocoo().row, 2), np.tile(rows.indices, 2))), shape=X.shape
    )
    wide = sparse.csr_array((rows.data, rows.indices.astype(np.int64), rows.indptr.astype(np.int64)), shape=X.shape)
    for form in (shuffled, halves, wide, rows.tocsc(), X[::-1][::-1]):
        for a, b in zip(small().fit(form, y).predict_topk(form, 3), expected, strict=True):
            assert np.array_equal(a, b)
    unsorted = sparse.csr_array(y)
    row = int(np.argmax(np.diff(unsorted.indptr)))
    part = slice(unsorted.indptr[row], unsorted.indptr[row + 1])
    unsorted.indices[part] = unsorted.indices[part][::-1]
    unsorted.has_sorted_indices = False
    for labels in (unsorted, sparse.coo_array(y), y.astype(bool), y.astype(np.float32), y.tolist()):
        assert np.array_equal(small().fit(X, labels).predict_topk(X, 3)[0], expected[0])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([[2, 0], [0, 1], [1, 1]]), "y: expected 0 or 1 .*, got 2 at row 0, label 0"),
        (np.array([[1, -1], [-1, 1], [1, 1]]), "y: expected 0 where a label is absent, got only -1 and 1"),
        (sparse.csr_array([[0.5, 0], [0, 1], [1, 1]]), "y: expected 0 or 1 .*, got 0.5 at row 0, label 0"),
        ([[0, 1], [1]], "y: expected n_labels or label_names beside lists of label numbers"),
        (np.zeros((0, 2)), "y: expected at least one example"),
    ],
)
@pytest.mark.parametrize("estimator", [LabelTreeClassifier(), HOMERClassifier()])
def test_values_that_are_no_labels_are_named(estimator, y, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(np.eye(3), y)


def test_nan_among_labels_means_unknown():
    X, y = make(6, n_labels=5, n_empty=0)
    missing = y.astype(float)
    missing[::4, 2] = np.nan
    stored = y.copy()
    stored[::4, 2] = -1
    a, b = (small(tree="flat").fit(X, labels).predict_proba(X) for labels in (missing, stored))
    assert a.tobytes() == b.tobytes()


def test_negative_features_and_empty_rows_are_fine():
    X, y = make(7)
    X = X - 0.2
    X[5] = 0
    assert np.isfinite(small().fit(sparse.csr_array(X), y).predict_proba(sparse.csr_array(X))).all()


@pytest.mark.parametrize("weight", [1e-30, 1e30])
def test_weights_of_any_size_are_finite(weight):
    X, y = make(8)
    weights = np.ones(len(X))
    weights[::2] = weight
    assert np.isfinite(small().fit(X, y, weights).predict_proba(X)).all()


def test_names_with_quotes_and_signs_of_other_languages_survive(tmp_path):
    import pandas as pd

    names = ["m\\'usica", "Größe", 'a "b"', "日本"]
    X, y = make(9, n_labels=4, n_empty=0)
    model = small().fit(X, pd.DataFrame(y, columns=names))
    assert model.label_names_ == tuple(names)
    model.save(tmp_path / "model")
    assert LabelTreeClassifier.load(tmp_path / "model").trees_ == model.trees_


@pytest.mark.parametrize("loss", LOSSES)
def test_a_threshold_that_nothing_reaches_gives_empty_rows(loss):
    X, y = make(10)
    model = small(loss=loss, sparse_output=True).fit(X, y * 0)
    for k in (None, 1, 100):
        assert model.predict(X, k, 1.0).nnz == 0
    few = small(beam=1).fit(X, y)
    assert few.predict(X, threshold=0.0).all()  # and one that everything reaches gives all


def test_a_beam_wider_than_the_tree_is_exact():
    X, y = make(11)
    wide = small(beam=10**6).fit(X, y)
    for a, b in zip(wide.predict_topk(X, 4), wide.predict_topk(X, 4, exact=True), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("beam", [0, -3])
def test_a_beam_of_nothing_is_an_error(beam):
    X, y = make(11)
    with pytest.raises(ValueError, match="beam: expected an integer >= 1"):
        small(beam=beam).fit(X, y)


@pytest.mark.parametrize(
    ("parent", "labels", "message"),
    [
        ([-1, 0, 0], [[], [0], [2]], "labels: expected all of the 2 labels, label 1 is missing"),
        ([-1, 0, 0], [[], [0, 1], [1]], "labels: expected each label at one node, got label 1 2 times"),
        ([-1, 0, 3, 2], [[], [0], [1], [2]], "parent: expected a tree, got a cycle above node 2"),
        ([-1, -7], [[0], [1]], "parent: expected -1 or node numbers below 2, got -7 for node 1"),
        ([-1, 0, 0], [[], [0], []], "labels: expected labels in every leaf, got none for node 2"),
    ],
)
def test_trees_of_users_that_are_none_are_refused(parent, labels, message):
    with pytest.raises(ValueError, match=message):
        LabelTree.from_parents(parent, labels)


def test_a_chain_of_nodes_is_learned_without_recursion():
    n = 3_000
    X, y = np.eye(8), np.zeros((8, n), np.int8)
    y[np.arange(8), np.arange(8) * 300] = 1
    tree = LabelTree.from_parents(np.arange(-1, n - 1), range(n))
    model = LabelTreeClassifier(tree).fit(X, y)
    assert model.predict_topk(X[:2], 2)[0].shape == (2, 2)


def fitted(seed):
    X, y = make(seed)
    return small(n_jobs=2).fit(X, y).predict_topk(X, 3)[1].tobytes()


def test_calls_inside_other_parallel_work_give_the_same_bits():
    expected = [fitted(seed) for seed in (0, 1)]
    for backend in ("loky", "threading"):
        assert Parallel(n_jobs=2, backend=backend)(delayed(fitted)(seed) for seed in (0, 1)) == expected


def test_more_threads_than_rows():
    X, y = make(12, n=3)
    one, many = (small(n_jobs=jobs).fit(X, y).predict_proba(X) for jobs in (1, 64))
    assert one.tobytes() == many.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "path: expected format version 1, got 99 .*another version of mlkit"),
        ({"format": "mlkit.LabelTree"}, "path: expected a saved LabelTreeClassifier, got 'mlkit.LabelTree'"),
    ],
)
def test_models_of_other_versions_and_kinds_are_refused(tmp_path, changes, message):
    X, y = make(13)
    small().fit(X, y).save(tmp_path / "model")
    file = tmp_path / "model" / "header.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(ValueError, match=message):
        LabelTreeClassifier.load(tmp_path / "model")


def test_arrays_cut_short_or_in_foreign_byte_order_are_refused(tmp_path):
    X, y = make(13)
    small().fit(X, y).save(tmp_path / "model")
    file = tmp_path / "model" / "tree0.weights.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"path: expected an array in .*tree0.weights.npy"):
        LabelTreeClassifier.load(tmp_path / "model")
    file.write_bytes(whole)
    np.save(file, np.load(file).astype(">f4"))
    with pytest.raises(ValueError, match=r"path: expected <f4 of shape .*tree0.weights.npy, got >f4"):
        LabelTreeClassifier.load(tmp_path / "model")


def test_positive_only_labels_are_refused_by_name():
    with pytest.raises(ValueError, match="y: expected background='negative'"):
        HOMERClassifier().fit(np.eye(3), as_label_matrix([[0], [1], []], n_labels=2, background="unknown"))
