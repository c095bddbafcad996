"""Models along label trees: equal to the reference, to scikit-learn's solvers, and to themselves on any road."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from mlkit.labels import as_label_matrix
from mlkit.trees import (
    HierarchicalBalancedKMeans,
    HuffmanLabelTree,
    LabelTree,
    LabelTreeClassifier,
    RandomLabelTree,
)
from reference import trees as oracle
from trees.data import make

LOSSES = ("squared_hinge", "log")


def prepared(X):
    """What the models see: unit rows in single precision."""
    norms = np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    return (X / np.where(norms > 0, norms, 1)).astype(np.float32).astype(np.float64)


FORESTS = {
    "default": {"max_leaf": 4},
    "one tree": {"max_leaf": 3, "n_trees": 1},
    "flat": {"tree": "flat"},
    "wide": {"arity": 5, "max_leaf": 2, "n_trees": 2},
    "single labels": {"max_leaf": 1, "n_trees": 2},
    "huffman": {"tree": HuffmanLabelTree(), "n_trees": 1},
    "random": {"tree": RandomLabelTree(3, 2), "n_trees": 2},
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", FORESTS)
def test_scores_equal_the_reference(name, loss):
    X, y = make(0)
    model = LabelTreeClassifier(loss=loss, random_state=1, **FORESTS[name]).fit(X, y)
    scores, margins = oracle.all_scores(model, prepared(X))
    np.testing.assert_allclose(model.predict_proba(X), scores, rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(model.decision_function(X), margins, rtol=1e-5, atol=1e-6)
    given = model.predict_proba(X)
    assert ((given > 0) & (given <= 1)).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("beam", [1, 2, 5])
@pytest.mark.parametrize("name", FORESTS)
def test_beam_search_equals_the_reference(name, beam, loss):
    X, y = make(2)
    model = LabelTreeClassifier(loss=loss, beam=beam, random_state=1, **FORESTS[name]).fit(X, y)
    expected = oracle.beam_scores(model, prepared(X), beam)
    got = model.predict_proba(X, k=17)
    np.testing.assert_allclose(
        got.toarray(), np.where(expected > 0, np.maximum(expected, oracle.SMALLEST), 0), rtol=1e-5
    )
    assert np.array_equal(np.diff(got.indptr), (expected > 0).sum(axis=1))


@pytest.mark.parametrize("name", FORESTS)
@pytest.mark.parametrize("k", [1, 3, 17, 40])
def test_exact_search_and_a_beam_without_end_equal_exhaustive_scoring(name, k):
    X, y = make(3)
    model = LabelTreeClassifier(random_state=1, beam=2, **FORESTS[name]).fit(X, y)
    scores = model.predict_proba(X)
    order = oracle.ranking(scores, model.decision_function(X))[:, :k]
    exact = model.predict_topk(X, k, exact=True)
    endless = clone_fitted(model, beam=None).predict_topk(X, k)
    for labels, values in (exact, endless):
        assert labels.shape == (len(X), min(k, 17))
        assert np.array_equal(values, np.take_along_axis(scores, order, axis=1))
        tied = np.isclose(values[:, 1:], values[:, :-1], rtol=0, atol=0).any(axis=1)
        assert np.array_equal(labels[~tied], order[~tied])
    assert np.array_equal(exact[0], endless[0])


def test_exact_search_orders_scores_that_vanish_by_margin():
    X, y = make(19)
    model = LabelTreeClassifier(max_leaf=2, beam=1, n_trees=2, C=100.0, normalize=False, random_state=0).fit(X, y)
    far = 60 * X  # margins of hundreds: most scores are below what single precision holds
    scores, margins = model.predict_proba(far), model.decision_function(far)
    assert (scores == np.finfo(np.float32).tiny).mean() > 0.3
    labels, values = model.predict_topk(far, 12, exact=True)
    order = oracle.ranking(scores, margins)[:, :12]
    assert np.array_equal(values, np.take_along_axis(scores, order, axis=1))
    assert np.array_equal(labels, order)


def clone_fitted(model, **parameters):
    return pickle.loads(pickle.dumps(model)).set_params(**parameters)


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
@hypothesis_settings(max_examples=25)
def test_predict_finds_all_labels_above_the_threshold(seed, threshold):
    X, y = make(seed, n=60)
    model = LabelTreeClassifier(max_leaf=2, beam=1, random_state=seed).fit(X, y)
    scores = model.predict_proba(X)
    assert np.array_equal(model.predict(X, threshold=threshold), scores >= np.float32(threshold))
    two = model.predict(X, 2, threshold)
    labels, values = model.predict_topk(X, 2, exact=True)
    expected = np.zeros(y.shape, np.int8)
    for i in range(len(X)):
        expected[i, labels[i][values[i] >= np.float32(threshold)]] = 1
    assert np.array_equal(two, expected)


# ------------------------------------------------------------------------------------------------------------- solvers


@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_objectives_equal_those_of_liblinear(loss, C):
    X, y = make(4, n=300, n_labels=6, n_empty=0)
    weights = np.random.default_rng(0).random(300) + 0.5
    tight = {"eps": 1e-8, "max_iter": 100_000, "weight_threshold": 0.0}
    model = LabelTreeClassifier("flat", loss=loss, C=C, random_state=0, **tight).fit(X, y, weights)
    _, w = oracle.dense_models(model.trees_[0], model._models[0], X.shape[1])
    x = prepared(X)
    for label in range(6):
        signs = 2.0 * y[:, label] - 1
        if loss == "log":
            peer = LogisticRegression(solver="liblinear", C=C, tol=1e-10, max_iter=100_000, intercept_scaling=1.0)
        else:
            peer = LinearSVC(C=C, tol=1e-10, max_iter=1_000_000, dual=True, random_state=0)
        peer.fit(x, y[:, label], sample_weight=weights)
        theirs = np.append(peer.coef_, peer.intercept_)
        with_bias = np.column_stack([x, np.ones(300)])
        ours, best = (oracle.objective(loss, v, with_bias, signs, C * weights) for v in (w[label], theirs))
        assert ours == pytest.approx(best, rel=1e-6)
        np.testing.assert_allclose(model.decision_function(X)[:, label], with_bias @ theirs, atol=2e-4 * max(1, C))


def test_a_given_tolerance_is_kept():
    """With LIBLINEAR's own tolerance the objective is as near to the optimum as its."""
    X, y = make(5, n=300, n_labels=4, n_empty=0)
    x = np.column_stack([prepared(X), np.ones(300)])
    for loss in LOSSES:
        values = []
        for eps in (1e-1, 1e-3, 1e-8):
            model = LabelTreeClassifier("flat", C=1, loss=loss, eps=eps, max_iter=10**5, weight_threshold=0).fit(X, y)
            _, w = oracle.dense_models(model.trees_[0], model._models[0], X.shape[1])
            values.append([oracle.objective(loss, w[j], x, 2.0 * y[:, j] - 1, np.ones(300)) for j in range(4)])
        rough, fine, best = np.array(values)
        assert (rough <= best * 1.05).all()
        assert (fine <= best * 1.0001).all()
        assert (fine <= rough + 1e-9).all()


def test_models_below_the_root_learn_on_the_rows_of_their_node_alone():
    X, y = make(6, n_empty=0)
    tree = LabelTree.from_parents([-1, 0, 0], [[], range(9), range(9, 17)])
    tight = {"eps": 1e-8, "max_iter": 10**5, "weight_threshold": 0.0, "C": 1.0}
    model = LabelTreeClassifier(tree, **tight).fit(X, y)
    nodes, labels = oracle.dense_models(tree, model._models[0], X.shape[1])
    x = np.column_stack([prepared(X), np.ones(len(X))])
    for v, part in ((1, range(9)), (2, range(9, 17))):
        present = y[:, part].any(axis=1)
        best = fitted_objective(x, 2.0 * present - 1)
        assert oracle.objective("squared_hinge", nodes[v], x, 2.0 * present - 1, np.ones(len(x))) == pytest.approx(
            best, rel=1e-6
        )
        for j in part:
            signs = 2.0 * y[present, j] - 1
            if abs(signs.sum()) == signs.size:
                continue
            ours = oracle.objective("squared_hinge", labels[j], x[present], signs, np.ones(signs.size))
            assert ours == pytest.approx(fitted_objective(x[present], signs), rel=1e-6)


def fitted_objective(x, signs):
    peer = LinearSVC(tol=1e-10, max_iter=10**6, dual=True, random_state=0, fit_intercept=False).fit(x, signs)
    return oracle.objective("squared_hinge", peer.coef_[0], x, signs, np.ones(len(x)))


@pytest.mark.parametrize("kind", ["balanced", "array", "propensity"])
def test_class_weights_scale_costs(kind):
    X, y = make(7, n=200, n_labels=5, n_empty=0)
    n = len(X)
    support = y.sum(axis=0)
    given = {"balanced": "balanced", "array": np.arange(1.0, 6.0), "propensity": "propensity"}[kind]
    c = (np.log(n) - 1) * 2.5**0.55
    factor = {"array": np.arange(1.0, 6.0), "propensity": 1 + c * (support + 1.5) ** -0.55}.get(kind)
    tight = {"eps": 1e-8, "max_iter": 10**5, "weight_threshold": 0.0, "C": 1.0}
    model = LabelTreeClassifier("flat", class_weight=given, **tight).fit(X, y)
    x = prepared(X)
    for j in range(5):
        weights = "balanced" if factor is None else {0: 1.0, 1: factor[j]}
        peer = LinearSVC(class_weight=weights, tol=1e-10, max_iter=10**6, dual=True, random_state=0).fit(x, y[:, j])
        np.testing.assert_allclose(model.decision_function(X)[:, j], peer.decision_function(x), atol=1e-3)


def test_unknown_cells_and_weightless_rows_are_left_out():
    X, y = make(8, n_empty=0)
    rng = np.random.default_rng(0)
    tight = {"eps": 1e-8, "max_iter": 10**5, "weight_threshold": 0.0, "C": 1.0}
    unknown = y.copy()
    hidden = rng.random(len(X)) < 0.3
    unknown[hidden, 3] = -1
    model = LabelTreeClassifier("flat", **tight).fit(X, unknown)
    signs = 2.0 * y[~hidden, 3] - 1
    x = np.column_stack([prepared(X), np.ones(len(X))])[~hidden]
    _, w = oracle.dense_models(model.trees_[0], model._models[0], X.shape[1])
    assert oracle.objective("squared_hinge", w[3], x, signs, np.ones(signs.size)) == pytest.approx(
        fitted_objective(x, signs), rel=1e-6
    )
    flat = LabelTreeClassifier("flat", **tight)
    weighted = flat.fit(X, y, (~hidden).astype(float)).decision_function(X)
    np.testing.assert_allclose(weighted, clone(flat).fit(X[~hidden], y[~hidden]).decision_function(X), atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_constant_targets_are_predicted_from_their_share(loss):
    X = np.random.default_rng(0).random((30, 4))
    y = np.column_stack([np.ones(30), np.zeros(30)])
    model = LabelTreeClassifier("flat", loss=loss).fit(X, y)
    assert model.n_weights_ == 0
    np.testing.assert_allclose(model.predict_proba(X), np.tile([30.5 / 31, 0.5 / 31], (30, 1)), rtol=1e-5)
    assert model.predict(X).tolist() == y.tolist()
    nothing = LabelTreeClassifier(max_leaf=1).fit(X, np.zeros((30, 5)))
    assert not nothing.predict(X).any()
    assert np.isfinite(nothing.predict_proba(X)).all()


def test_dropped_weights_are_those_near_zero():
    X, y = make(9)
    full = LabelTreeClassifier("flat", weight_threshold=0.0, random_state=0).fit(X, y)
    part = LabelTreeClassifier("flat", weight_threshold=0.3, random_state=0).fit(X, y)
    (_, all_weights), (_, kept) = (oracle.dense_models(m.trees_[0], m._models[0], X.shape[1]) for m in (full, part))
    assert np.array_equal(kept[:, :-1], np.where(np.abs(all_weights[:, :-1]) >= 0.3, all_weights[:, :-1], 0))
    assert np.array_equal(kept[:, -1], all_weights[:, -1])
    assert part.n_weights_ == np.count_nonzero(kept[:, :-1])


# --------------------------------------------------------------------------------------------------- roads and threads


def same_model(a, b):
    return all(
        x == y and all(p[name].tobytes() == q[name].tobytes() for name in p)
        for x, y, p, q in zip(a.trees_, b.trees_, a._models, b._models, strict=True)
    )


@pytest.mark.parametrize("n_jobs", [2, 3, 8])
@pytest.mark.parametrize("loss", LOSSES)
def test_models_and_answers_do_not_depend_on_n_jobs(n_jobs, loss):
    X, y = make(10, n=700, n_labels=60)
    one = LabelTreeClassifier(max_leaf=7, loss=loss, n_jobs=1, random_state=0).fit(X, y)
    many = clone(one).set_params(n_jobs=n_jobs).fit(X, y)
    assert same_model(one, many)
    for exact in (False, True):
        for a, b in zip(one.predict_topk(X, 5, exact=exact), many.predict_topk(X, 5, exact=exact), strict=True):
            assert a.tobytes() == b.tobytes()
    assert one.predict_proba(X).tobytes() == many.predict_proba(X).tobytes()


def test_answers_do_not_depend_on_the_company_of_a_row():
    X, y = make(11, n=600)
    model = LabelTreeClassifier(max_leaf=3, random_state=0).fit(X, y)
    labels, scores = model.predict_topk(X, 4)
    for rows in (slice(0, 1), slice(100, 103), slice(590, 600)):
        part = model.predict_topk(X[rows], 4)
        assert np.array_equal(part[0], labels[rows])
        assert np.array_equal(part[1], scores[rows])


def test_all_forms_of_input_give_the_same_model():
    import pandas as pd

    X, y = make(12)
    expected = LabelTreeClassifier(max_leaf=4, random_state=0).fit(X, y)
    stored_zeros = sparse.csr_array(
        (X.ravel(), np.tile(np.arange(20), len(X)), np.arange(0, X.size + 1, 20)), shape=X.shape
    )
    forms = {
        "F order": np.asfortranarray(X),
        "CSR": sparse.csr_array(X),
        "CSC": sparse.csc_matrix(X),
        "COO": sparse.coo_array(X),
        "stored zeros": stored_zeros,
        "float64": X.astype(np.float64),
        "frame": pd.DataFrame(X, columns=[f"f{j}" for j in range(20)]),
    }
    for form in forms.values():
        assert same_model(LabelTreeClassifier(max_leaf=4, random_state=0).fit(form, y), expected)
    for labels in (sparse.csr_array(y), sparse.csc_matrix(y), y.astype(bool), y.astype(float), as_label_matrix(y)):
        assert same_model(LabelTreeClassifier(max_leaf=4, random_state=0).fit(X, labels), expected)


def test_the_same_seed_gives_the_same_model_and_another_one_another():
    X, y = make(13)
    model = LabelTreeClassifier(max_leaf=4, random_state=0)
    assert same_model(clone(model).fit(X, y), clone(model).fit(X, y))
    assert not same_model(clone(model).fit(X, y), clone(model).set_params(random_state=1).fit(X, y))
    first, second = (clone(model).set_params(random_state=np.random.RandomState(3)).fit(X, y) for _ in range(2))
    assert same_model(first, second)


# ------------------------------------------------------------------------------------------------------ forms of output


def test_forms_of_answers():
    X, y = make(14)
    dense = LabelTreeClassifier(max_leaf=4, random_state=0).fit(X, y)
    scattered = LabelTreeClassifier(max_leaf=4, random_state=0).fit(X, sparse.csr_array(y))
    assert isinstance(dense.predict(X), np.ndarray)
    assert sparse.issparse(scattered.predict(X))
    assert np.array_equal(scattered.predict(X).toarray(), dense.predict(X))
    assert sparse.issparse(clone_fitted(dense, sparse_output=True).predict(X))
    labels, scores = dense.predict_topk(X, 3)
    assert (labels.dtype, scores.dtype) == (np.int32, np.float32)
    by_column = dense.decision_topk(X, 3)
    assert by_column.has_sorted_indices
    for i in range(len(X)):
        assert by_column[i, :].toarray().ravel()[labels[i]].tolist() == scores[i].tolist()
    assert np.array_equal(dense.predict_proba(X, k=3).toarray(), by_column.toarray())
    assert 0 <= dense.score(X, y) <= 1


def test_a_beam_that_finds_few_labels_pads():
    X, y = make(15)
    tree = RandomLabelTree(17, 1)
    labels, scores = LabelTreeClassifier(tree, n_trees=1, beam=2, random_state=0).fit(X, y).predict_topk(X, 4)
    assert (labels[:, 2:] == -1).all()
    assert (scores[:, 2:] == 0).all()
    assert (labels[:, :2] >= 0).all()


def test_ties_go_to_the_lower_label():
    X = np.zeros((10, 3))
    X[:, 0] = 1
    model = LabelTreeClassifier(max_leaf=2, random_state=0, beam=None).fit(X, np.zeros((10, 8)))
    assert model.predict_topk(X, 8)[0].tolist() == [list(range(8))] * 10


@pytest.mark.parametrize("n_labels", [1, 2, 3])
def test_few_labels(n_labels):
    X, y = make(16, n_labels=n_labels, n_empty=0)
    model = LabelTreeClassifier(max_leaf=1, arity=3, random_state=0).fit(X, y)
    assert model.predict_topk(X, 5)[0].shape == (len(X), n_labels)
    assert model.predict(X).shape == y.shape


def test_pickled_saved_and_mapped_models_answer_alike(tmp_path):
    X, y = make(17)
    model = LabelTreeClassifier(HierarchicalBalancedKMeans(3, 4), n_trees=2, random_state=0).fit(X, y)
    expected = model.predict_topk(X, 3)
    model.save(tmp_path / "model")
    loaded = LabelTreeClassifier.load(tmp_path / "model")
    mapped = LabelTreeClassifier.load(tmp_path / "model", mmap=True)
    assert isinstance(mapped._models[0]["weights"], np.memmap)
    for other in (pickle.loads(pickle.dumps(model)), loaded, mapped):
        assert same_model(other, model)
        for a, b in zip(other.predict_topk(X, 3), expected, strict=True):
            assert np.array_equal(a, b)
        assert other.n_features_in_ == 20
    assert loaded.get_params()["n_trees"] == 2
    (tmp_path / "model" / "tree0.weights.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match=r"path: expected an array in .*tree0.weights.npy"):
        LabelTreeClassifier.load(tmp_path / "model")


def test_arrays_that_disagree_are_refused(tmp_path):
    import json

    X, y = make(17)
    LabelTreeClassifier("flat").fit(X, y).save(tmp_path / "model")
    header = json.loads((tmp_path / "model" / "header.json").read_text())
    header["arrays"]["tree0.columns"] = ["<i4", [3]]
    (tmp_path / "model" / "header.json").write_text(json.dumps(header))
    np.save(tmp_path / "model" / "tree0.columns.npy", np.zeros(3, "<i4"))
    with pytest.raises(ValueError, match=r"path: expected arrays that agree in .*arrays differ in length"):
        LabelTreeClassifier.load(tmp_path / "model")


def test_the_size_estimate_bounds_the_model_and_is_reached_without_dropping():
    X, y = make(18, n_empty=0)
    model = LabelTreeClassifier("flat", weight_threshold=0.0)
    bound = model.estimate_size(X, y)
    size = sum(a.nbytes for a in model.fit(X, y)._models[0].values())
    assert size <= bound <= 3 * size
    with pytest.raises(MemoryError, match=r"memory_limit: the model may need .* the limit is 1.0 kB"):
        clone(model).set_params(memory_limit="1kB").fit(X, y)
    with pytest.raises(MemoryError, match=r"memory_limit: predict_proba needs .* the limit is 1.0 kB"):
        model.set_params(memory_limit="1kB").predict_proba(X)


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"tree": "flatt"}, ValueError, r"tree: expected one of 'flat', got 'flatt' \(did you mean 'flat'\?\)"),
        ({"tree": 3}, TypeError, "tree: expected one of 'flat', got 3"),
        ({"tree": LabelTree.from_parents([-1])}, ValueError, "tree: expected 17 labels to match y, got 1"),
        ({"arity": 1}, ValueError, "arity: expected an integer >= 2, got 1"),
        ({"max_leaf": 0}, ValueError, "max_leaf: expected an integer >= 1"),
        ({"n_trees": 0}, ValueError, "n_trees: expected an integer >= 1"),
        ({"loss": "hinge"}, ValueError, "loss: expected one of"),
        ({"C": 0}, ValueError, "C: expected a number in"),
        ({"C": float("nan")}, ValueError, "C: expected a number in"),
        ({"eps": -1.0}, ValueError, "eps: expected a number in"),
        ({"max_iter": 2.5}, TypeError, "max_iter: expected an integer >= 1"),
        ({"weight_threshold": -0.1}, ValueError, "weight_threshold: expected a number in"),
        ({"class_weight": "balance"}, ValueError, "class_weight: expected one of"),
        ({"class_weight": [1.0, 2.0]}, ValueError, "class_weight: expected a positive number for each of 17 labels"),
        ({"beam": 0}, ValueError, "beam: expected an integer >= 1, got 0"),
        ({"normalize": 1}, TypeError, "normalize: expected True or False"),
        ({"sparse_output": "dense"}, TypeError, "sparse_output: expected True or False"),
        ({"memory_limit": "much"}, ValueError, "memory_limit: expected bytes or text"),
        ({"n_jobs": 0}, ValueError, "n_jobs: expected"),
    ],
)
def test_bad_parameters_are_named(parameters, kind, message):
    X, y = make(0)
    with pytest.raises(kind, match=message):
        LabelTreeClassifier(**parameters).fit(X, y)


def with_value(value, row=3, column=2):
    X = np.ones((5, 4))
    X[row, column] = value
    return X


@pytest.mark.parametrize(
    ("X", "y", "kind", "message"),
    [
        (with_value(np.nan), np.eye(5), ValueError, "X: expected finite numbers, got NaN at row 3, feature 2"),
        (sparse.csr_array(with_value(np.inf)), np.eye(5), ValueError, r"X: expected finite numbers, got infinity"),
        (np.ones(5), np.eye(5), ValueError, r"X: expected two dimensions .* got shape \(5,\)"),
        (np.ones((0, 4)), np.eye(5), ValueError, "X: expected at least one example"),
        (np.ones((5, 0)), np.eye(5), ValueError, "X: expected features"),
        ("text", np.eye(5), TypeError, "X: expected a numeric array, a SciPy sparse matrix or a frame, got str 'text'"),
        (np.full((5, 4), "a"), np.eye(5), ValueError, "X: expected a numeric array"),
        (np.ones((5, 4)), np.eye(6), ValueError, "y: expected 5 rows to match X, got 6"),
        (np.ones((5, 4)), np.ones((5, 4, 2)), ValueError, "y: expected two dimensions"),
        (np.ones((5, 4)), 2 * np.eye(5), ValueError, "y: expected 0 or 1"),
        (np.ones((5, 4)), None, ValueError, "y: expected labels, got None"),
        (np.ones((5, 4)), np.ones((5, 0)), ValueError, "y: expected at least one label"),
        (
            np.ones((5, 4)),
            as_label_matrix([[0]] * 5, n_labels=2, background="unknown"),
            ValueError,
            "y: expected background='negative'",
        ),
    ],
)
def test_bad_data_are_named(X, y, kind, message):
    with pytest.raises(kind, match=message):
        LabelTreeClassifier().fit(X, y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"sample_weight: expected one weight for each of 5 examples, got shape \(1,\)"),
        ([1, 1, -1, 1, 1], "sample_weight: expected finite weights >= 0, got -1 at row 2"),
        ([1, 1, np.nan, 1, 1], "sample_weight: expected finite weights >= 0, got nan at row 2"),
        ([0] * 5, "sample_weight: expected a positive weight, got zeros"),
    ],
)
def test_bad_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        LabelTreeClassifier().fit(np.eye(5), np.eye(5), weights)


def test_bad_questions_are_named():
    X, y = make(0)
    model = LabelTreeClassifier(max_leaf=4, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="k: expected an integer >= 1, got 0"):
        model.predict_topk(X, 0)
    with pytest.raises(ValueError, match=r"threshold: expected a number in \[0, 1\], got 50"):
        model.predict(X, threshold=50)
    with pytest.raises(ValueError, match="X: expected 20 features as in fit, got 3"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="is not fitted yet"):
        LabelTreeClassifier().predict(X)


def test_huge_and_tiny_features_are_scaled():
    X, y = make(0)
    expected = LabelTreeClassifier(max_leaf=4, random_state=0).fit(X.astype(float), y).predict_proba(X.astype(float))
    for scale in (1e200, 1e-200):
        scaled = X.astype(float) * scale
        got = LabelTreeClassifier(max_leaf=4, random_state=0).fit(scaled, y).predict_proba(scaled)
        np.testing.assert_allclose(got, expected, rtol=1e-3)
    with pytest.raises(ValueError, match="X: expected values that single precision can hold"):
        LabelTreeClassifier(normalize=False).fit(X.astype(float) * 1e200, y)
