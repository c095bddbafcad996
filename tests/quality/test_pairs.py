"""Pairs of labels: counts and bounds against plain loops, what is planted is found, what is only confusing is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import kolmogorov
from scipy.stats import ks_2samp, poisson

from mlkit._validation.cells import check_cells
from mlkit.labels import as_label_matrix
from mlkit.quality import _engine, find_cell_issues, label_pair_issues, pairs
from mlkit.quality._columns import Columns, read_columns
from mlkit.quality.pairs import _p_even, _p_same_places
from reference import evidence as oracle

COLUMNS = ["kind", "label_a", "label_b", "count", "expected", "p_value", "first_row", "last_row"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn(rng, n=1500, n_labels=8, world="independent"):
    """Calibrated probabilities and labels drawn from them, with several kinds of dependence within a row."""
    probs = sigmoid(rng.normal(rng.normal(-1, 1, n_labels), 2.5, (n, n_labels)))
    labels = rng.random(probs.shape) < (rng.random((n, 1)) if world == "together" else probs)
    if world == "together":
        labels = rng.random((n, 1)) < probs
    if world == "exclusive":
        probs = np.exp(rng.normal(0, 2.5, (n, n_labels)))
        probs /= probs.sum(axis=1, keepdims=True)
        labels = rng.random((n, 1)) < np.cumsum(probs, axis=1)
        labels[:, 1:] &= ~labels[:, :-1]
    if world == "implied":
        labels[:, 1] = rng.random(n) < np.where(labels[:, 0], 0.9, 0.1)
        probs[:, 1] = 0.9 * probs[:, 0] + 0.1 * (1 - probs[:, 0])
    return labels.astype(np.int8), probs


def confident(rng, n=2000, n_labels=6, noise=0.02):
    truth = rng.random((n, n_labels)) < rng.uniform(0.15, 0.25, n_labels)
    probs = np.clip(np.where(truth, 0.95, 0.05) + rng.normal(0, 0.02, truth.shape), 0, 1)
    return (truth ^ (rng.random(truth.shape) < noise)).astype(np.int8), probs


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("background", ["negative", "unknown"])
@pytest.mark.parametrize("seed", range(4))
def test_bounds_equal_the_plain_sums(seed, background):
    rng = np.random.default_rng(seed)
    labels, probs = drawn(rng, 120, 4)
    probs[rng.random(probs.shape) < 0.2] = rng.choice([0.0, 0.5, 1.0])
    labels[rng.random(labels.shape) < 0.15] = -1
    matrix = labels if background == "negative" else as_label_matrix(labels, background="unknown")
    flags = rng.random(labels.shape) < 0.3
    flags &= labels >= 0
    cells = check_cells(matrix, probs)
    from mlkit.quality._engine import FlaggedCells

    sparse = csr_array(flags)
    flagged = FlaggedCells(
        sparse.indptr.astype(np.int64), sparse.indices, labels[flags].astype(np.int8), probs[flags], np.zeros(0, int)
    )
    every = np.ones(4, bool)
    columns = Columns(cells.labels, flagged, every, read_columns(cells.probs, every), 1000)
    for a, b in ((0, 1), (1, 0), (2, 3), (3, 1)):
        left, right = columns[a], columns[b]
        both = np.intersect1d(left.spurious, right.missing)
        assert both.tolist() == oracle.swap_rows(labels, flags, a, b)
        chance = np.minimum(left.chance_of_given(right.said), right.chance_of_absent(right.said))
        assert chance.sum() == pytest.approx(oracle.swap_bound(labels, probs, a, b), rel=1e-12)
        chance = right.chance_of_absent(np.intersect1d(left.given, right.said))
        assert chance.sum() == pytest.approx(oracle.implied_bound(labels, probs, a, b), rel=1e-12)
        known = (labels[:, a] == 1) & (labels[:, b] >= 0)
        assert left.share_with(right) == pytest.approx((labels[known, b] == 1).mean())


def test_however_few_labels_are_kept_the_pairs_are_the_same(monkeypatch):
    labels, probs = confident(np.random.default_rng(17), 3000)
    labels[1000:1300, [2, 3]] = labels[1000:1300, [3, 2]]
    expected = label_pair_issues(labels, probs)
    assert len(expected) >= 2
    monkeypatch.setattr("mlkit.quality.pairs.CELLS_KEPT", 1)
    assert label_pair_issues(labels, probs).equals(expected)


@pytest.mark.parametrize(
    ("few", "rows", "work"), [(2000, 100, 1), (2000, 10**6, 1), (0, 1, 1), (0, 1, 500), (0, 1, 10**9)]
)
def test_however_meetings_are_counted_they_are_the_plain_product(monkeypatch, few, rows, work):
    rng = np.random.default_rng(23)
    labels, probs = drawn(rng, 900, 13)
    probs = np.where(rng.random(probs.shape) < 0.1, 1 - probs, probs)
    cells = check_cells(labels, probs)
    flagged = _engine.Flagger(cells, "predicted_neq_given").flagged()
    flags = find_cell_issues(labels, probs, filter_by="predicted_neq_given").toarray()
    for name, value in (("_FEW", few), ("_ROWS", rows), ("_WORK", work)):
        monkeypatch.setattr(pairs, name, value)
    count = pairs._counted if few else pairs._counted_by_column
    missing = flags & (labels == 0)
    for left, dense in (
        (pairs._given_rows(cells.labels), labels == 1),
        (pairs._flagged_rows(flagged, 1, 13), flags & (labels == 1)),
    ):
        a, b, met, n_left, n_right = count(left, pairs._flagged_rows(flagged, 0, 13), (900, 13))
        expected = dense.T.astype(int) @ missing
        np.fill_diagonal(expected, 0)
        found = np.zeros((13, 13), int)
        found[a, b] = met
        assert (found == np.where(expected >= pairs.FEWEST, expected, 0)).all()
        assert (n_left == dense.sum(axis=0)).all()
        assert (n_right == missing.sum(axis=0)).all()


def test_places_are_compared_as_kolmogorov_and_smirnov_do():
    rng = np.random.default_rng(1)
    for _ in range(20):
        places = rng.permutation(200)[:60]
        one, other = np.sort(places[:25]), np.sort(places[25:])
        distance = ks_2samp(one, other, method="asymp").statistic
        assert _p_same_places(one, other) == pytest.approx(kolmogorov(distance * np.sqrt(25 * 35 / 60)), rel=1e-9)
        rest = np.setdiff1d(np.arange(200), one)
        distance = ks_2samp(one, rest, method="asymp").statistic
        assert _p_even(one, 200) == pytest.approx(kolmogorov(distance * np.sqrt(25 * 175 / 200)), rel=1e-9)
    assert _p_same_places(one, np.zeros(0, int)) == 1


def test_a_row_of_the_table_says_what_the_plain_loops_say():
    rng = np.random.default_rng(2)
    labels, probs = confident(rng, 700)
    rows = np.flatnonzero((labels[:, 4] == 1) & (labels[:, 2] == 0) & (probs[:, 4] > 0.5))
    rows = rng.permutation(rows)[:30]
    labels[rows, 4], labels[rows, 2] = 0, 1
    names = list("abcdef")
    found = label_pair_issues(labels, probs, label_names=names)
    assert list(found.columns) == COLUMNS
    [record] = found[found["kind"] == "swap"].to_dict(orient="records")
    assert (record["label_a"], record["label_b"]) == ("c", "e")
    flags = find_cell_issues(labels, probs, filter_by="predicted_neq_given").toarray()
    expected_rows = oracle.swap_rows(labels, flags, 2, 4)
    bound = oracle.swap_bound(labels, probs, 2, 4)
    assert (record["count"], record["first_row"], record["last_row"]) == (
        len(expected_rows), expected_rows[0], expected_rows[-1],
    )  # fmt: skip
    assert record["expected"] == pytest.approx(bound)
    back = oracle.swap_rows(labels, flags, 4, 2)
    others = np.setdiff1d(np.arange(len(labels)), expected_rows)
    p_values = [poisson.sf(len(expected_rows) - 1, bound), _p_same_places(np.array(expected_rows), others)]
    p_values.append(_p_same_places(np.array(expected_rows), np.array(back, int)))
    assert record["p_value"] == pytest.approx(min(1.0, 3 * 30 * min(p_values)), rel=1e-9)


# ------------------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize("world", ["independent", "exclusive", "implied", "together"])
@pytest.mark.parametrize("sharpness", [1.0, 3.0, 0.4])
def test_right_labels_are_not_called_swapped_or_missing(world, sharpness):
    """However labels depend on each other, and also if the model is too sure of itself or not sure enough."""
    n_wrong = 0
    for seed in range(15):
        labels, probs = drawn(np.random.default_rng([seed, len(world)]), world=world)
        odds = np.clip(probs, 1e-9, 1 - 1e-9)
        probs = sigmoid(sharpness * np.log(odds / (1 - odds)))
        kinds = label_pair_issues(labels, probs, level=0.05)["kind"]
        n_wrong += int(kinds.isin(["swap", "implied"]).any())
    assert n_wrong <= 3  # binomial(15, 0.05): 3 or fewer with probability 0.995


def test_swaps_are_found_in_their_direction():
    n_found = 0
    for seed in range(10):
        rng = np.random.default_rng([3, seed])
        labels, probs = confident(rng)
        rows = rng.permutation(np.flatnonzero((labels[:, 1] == 1) & (labels[:, 0] == 0) & (probs[:, 1] > 0.5)))[:50]
        labels[rows, 1], labels[rows, 0] = 0, 1
        found = label_pair_issues(labels, probs)
        swaps = found[found["kind"] == "swap"]
        n_found += (0, 1) in list(zip(swaps["label_a"], swaps["label_b"]))
        assert len(swaps) <= 1
    assert n_found >= 9


def test_labels_exchanged_in_a_part_of_the_rows_are_swaps_there():
    rng = np.random.default_rng(4)
    labels, probs = confident(rng, 3000)
    labels[1000:1300, [2, 3]] = labels[1000:1300, [3, 2]]
    found = label_pair_issues(labels, probs)
    swaps = found[found["kind"] == "swap"]
    assert sorted(zip(swaps["label_a"], swaps["label_b"])) == [(2, 3), (3, 2)]
    assert (swaps["count"] > 20).all()


def test_implied_labels_that_are_missing_are_found():
    rng = np.random.default_rng(5)
    truth = rng.random((3000, 6)) < 0.3
    truth[:, 4] |= truth[:, 1]  # every car is a vehicle
    probs = np.clip(np.where(truth, 0.97, 0.03) + rng.normal(0, 0.01, truth.shape), 0, 1)
    labels = truth ^ (rng.random(truth.shape) < 0.01)
    dropped = np.flatnonzero(truth[:, 1])[:90]
    labels[dropped, 4] = False
    found = label_pair_issues(labels, probs, label_names=["ant", "car", "dog", "elk", "vehicle", "fox"])
    assert found.iloc[0][["kind", "label_a", "label_b"]].tolist() == ["implied", "car", "vehicle"]
    assert abs(found.iloc[0]["count"] - 90) <= 15


def test_a_model_that_confuses_two_labels_is_not_taken_for_wrong_labels():
    rng = np.random.default_rng(6)
    labels, probs = drawn(rng, 4000, 5, world="exclusive")
    found = label_pair_issues(labels, probs)
    assert set(found["kind"]) == {"confusable"}
    assert (found["label_a"] < found["label_b"]).all()


# -------------------------------------------------------------------------------------------------------- forms, roads


def test_all_forms_of_input_give_the_same_table():
    rng = np.random.default_rng(7)
    labels, probs = confident(rng)
    labels[500:700, [2, 3]] = labels[500:700, [3, 2]]
    labels[rng.random(labels.shape) < 0.05] = -1
    probs[probs < 0.04] = 0
    expected = label_pair_issues(labels, probs)
    assert len(expected) >= 1
    for other, score in (
        (csr_array(labels), probs),
        (labels, csr_array(probs)),
        (np.asfortranarray(labels), np.asfortranarray(probs)),
    ):
        for n_jobs in (1, 3):
            assert expected.equals(label_pair_issues(other, score, n_jobs=n_jobs))
    assert label_pair_issues(labels, probs, top=1).equals(expected[:1])


@pytest.mark.parametrize("shape", [(1, 1), (40, 1), (1, 3), (40, 3)])
def test_nothing_is_found_where_there_is_nothing(shape):
    for labels in (np.zeros(shape, int), np.ones(shape, int), np.full(shape, -1)):
        for p in (0.0, 0.5, 1.0):
            found = label_pair_issues(labels, np.full(shape, p))
            assert list(found.columns) == COLUMNS
            assert len(found) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 0}, r"level: expected a number in \(0, 1\), got 0"),
        ({"top": -1}, r"top: expected an integer >= 0, got -1"),
        ({"filter_by": "guess"}, r"filter_by: expected one of"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        label_pair_issues([[0, 1]], [[0.5, 0.5]], **options)
