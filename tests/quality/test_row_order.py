"""Row order: the kernels against plain sums, the level under random order, planted breaks and shifts, all roads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import ks_2samp

from mlkit import _core
from mlkit.labels import as_label_matrix
from mlkit.quality import row_order_scan
from mlkit.quality._shift import row_sums
from mlkit.quality.row_order import kuiper
from reference import evidence as oracle

COLUMNS = [
    "row", "n_labels", "p_value", "lag", "lag_p_value", "kind", "first_row", "last_row", "lag_first", "lag_last",
    "labels",
]  # fmt: skip


def three_valued(rng, n, n_labels, unknown=0.2):
    labels = (rng.random((n, n_labels)) < rng.beta(0.5, 1.0, n_labels)).astype(np.int8)
    labels[rng.random(labels.shape) < unknown] = -1
    for j, column in enumerate((0, 1, -1)[: max(0, n_labels - 1)]):
        labels[:, j] = column
    return labels


def both_forms(labels):
    yield as_label_matrix(labels == 1, unknown=labels < 0)
    yield as_label_matrix(labels, background="unknown")


def drawn(rng, n, n_labels, sharpness=3.0):
    """Labels in random order whose rows depend within themselves."""
    rates = rng.beta(0.5, sharpness, n_labels)
    labels = rng.random((n, n_labels)) < rates
    return (labels | ((rng.random((n, 1)) < 0.3) & (rng.random((n, n_labels)) < rates))).astype(np.int8)


def excursions(matrix, n_threads=1):
    positive, negative = matrix._count(1)
    return _core.quality.largest_excursions(matrix._core, positive, positive + negative, n_threads)


# ------------------------------------------------------------------------------------------------------------- kernels


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 3), (7, 5), (60, 8)])
@pytest.mark.parametrize("unknown", [0.0, 0.3, 1.0])
def test_excursions_equal_the_plain_sums(shape, unknown):
    for seed in range(20):
        labels = three_valued(np.random.default_rng([seed, *shape]), *shape, unknown)
        expected = [oracle.excursion(column) for column in labels.T]
        for matrix in both_forms(labels):
            assert list(zip(*(column.tolist() for column in excursions(matrix)))) == expected


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (60, 8), (300, 5)])
def test_shared_excursions_equal_the_plain_sums(shape):
    for seed in range(10):
        rng = np.random.default_rng([seed, *shape])
        labels = three_valued(rng, *shape)
        weight = rng.random(shape[1]) * (rng.random(shape[1]) < 0.7)
        for matrix in both_forms(labels):
            positive, negative = matrix._count(1)
            rate = positive / np.maximum(positive + negative, 1)
            found = _core.quality.shared_excursion(matrix._core, weight, rate)
            np.testing.assert_allclose(found, oracle.shared_excursion(labels, weight), rtol=1e-10, atol=1e-10)


def test_row_sums_equal_the_plain_sums():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = three_valued(rng, 30, 6)
        at_one, at_zero = rng.normal(size=(2, 6))
        for matrix in both_forms(labels):
            np.testing.assert_allclose(
                row_sums(matrix, at_one, at_zero), oracle.row_sums(labels, at_one, at_zero), atol=1e-12
            )


@pytest.mark.parametrize("n_jobs", [2, 3, 8])
def test_excursions_have_the_same_bits_for_any_number_of_threads(n_jobs):
    rng = np.random.default_rng(1)
    labels = (rng.random((60_000, 25)) < 0.5).astype(np.int8)  # enough stored cells for several threads
    labels[rng.random(labels.shape) < 0.05] = -1
    for matrix in both_forms(labels):
        for one, many in zip(excursions(matrix), excursions(matrix, n_jobs)):
            assert one.tobytes() == many.tobytes()


def test_the_statistic_is_that_of_kuiper():
    labels = drawn(np.random.default_rng(2), 300, 1)
    labels[200:] |= (np.random.default_rng(3).random((100, 1)) < 0.6).astype(np.int8)
    places = np.arange(300)
    one, other = places[labels[:, 0] == 1], places[labels[:, 0] == 0]
    above, below = (ks_2samp(one, other, alternative=side, method="asymp") for side in ("less", "greater"))
    distance = above.statistic + below.statistic
    found = row_order_scan(labels)
    assert found["p_value"].tolist() == pytest.approx(
        kuiper(np.array([distance * np.sqrt(one.size * other.size / 300)]))
    )


def test_kuipers_law_has_its_published_quantiles():
    """Stephens, "Use of the Kolmogorov-Smirnov ... Statistics Without Extensive Tables", JRSS B 32, 1970, table 1."""
    quantiles = {1.620: 0.10, 1.747: 0.05, 1.862: 0.025, 2.001: 0.01}
    np.testing.assert_allclose(kuiper(np.array(list(quantiles))), list(quantiles.values()), rtol=0.01)
    assert kuiper(np.array([0.0, 0.2])).tolist() == [1.0, 1.0]
    assert kuiper(np.array([12.0]))[0] == pytest.approx(2 * (4 * 144 - 1) * np.exp(-288.0))
    assert (np.diff(kuiper(np.linspace(0, 5, 2001))) <= 0).all()


# ------------------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize(("n", "n_labels"), [(60, 20), (400, 6), (600, 60)])
def test_rows_in_random_order_break_no_oftener_than_the_level_says(n, n_labels):
    rng = np.random.default_rng([n, n_labels])
    n_found = sum(len(row_order_scan(drawn(rng, n, n_labels), level=0.05)) > 0 for _ in range(200))
    assert n_found <= 18  # binomial(200, 0.05): 18 or fewer with probability 0.99


def test_a_break_of_some_labels_is_found_and_these_are_named():
    rng = np.random.default_rng(4)
    rates = np.full(8, 0.2)
    labels = (rng.random((2000, 8)) < rates).astype(int)
    labels[700:, [1, 5]] = rng.random((1300, 2)) < 0.5
    found = row_order_scan(labels, label_names=list("abcdefgh"))
    assert list(found.columns) == COLUMNS
    [record] = found.to_dict(orient="records")
    assert abs(record["row"] - 700) <= 15
    assert sorted(record["labels"]) == ["b", "f"]
    assert (record["n_labels"], record["kind"], record["lag"]) == (2, "labels", 0)
    assert (record["first_row"], record["last_row"]) == (0, 1999)
    assert (record["lag_first"], record["lag_last"]) == (-1, -1)
    assert record["p_value"] < 1e-10 < record["lag_p_value"]


def test_two_breaks_are_both_found():
    rng = np.random.default_rng(5)
    rates = rng.uniform(0.05, 0.5, (3, 10))
    labels = np.concatenate([rng.random((n, 10)) < r for n, r in zip((800, 500, 1200), rates)])
    found = row_order_scan(labels)
    assert len(found) == 2
    np.testing.assert_allclose(sorted(found["row"]), [800, 1300], atol=10)
    assert (np.diff(found["p_value"]) >= 0).all()


def test_rows_sorted_by_label_break_at_their_ends_a_hundred_times_at_most():
    labels = np.repeat(np.eye(120, dtype=int), 60, axis=0)
    found = row_order_scan(labels)
    assert len(found) == 100
    assert found["row"].is_unique
    assert (found["row"] % 60 == 0).all()
    assert (found["lag"] == 0).all()
    assert len(row_order_scan(labels[:1800, :30])) == 29


@pytest.mark.parametrize("lag", [1, -1, 2, -2, 3, -3])
def test_shifted_columns_are_found_with_their_lag(lag):
    rng = np.random.default_rng(6)
    labels = drawn(rng, 2400, 25)
    labels[1500:] = np.roll(labels[1500:], -lag, axis=1)  # column j holds what column j + lag held
    [record] = row_order_scan(labels).to_dict(orient="records")
    assert abs(record["row"] - 1500) <= 5
    assert record["lag"] == lag
    assert record["lag_p_value"] < 1e-4
    assert record["lag_last"] - record["lag_first"] == 24 - abs(lag)


@pytest.mark.parametrize("taken", [12, 3, 20])
def test_a_column_taken_out_or_put_in_shifts_the_columns_after_it(taken):
    rng = np.random.default_rng(7)
    labels = drawn(rng, 4000, 40)
    out, inserted = labels.copy(), labels.copy()
    out[2000:, taken:-1] = labels[2000:, taken + 1 :]
    out[2000:, -1] = 0
    inserted[2000:, taken + 1 :] = labels[2000:, taken:-1]
    inserted[2000:, taken] = 0
    for shifted, lag in ((out, 1), (inserted, -1)):
        record = row_order_scan(shifted).iloc[0]
        assert record["lag"] == lag
        # columns with frequencies like their neighbours' could be on either side of the end
        assert abs(record["lag_first"] - taken) <= 3
        assert record["lag_last"] >= 36


def test_a_column_moved_elsewhere_shifts_those_between():
    rng = np.random.default_rng(8)
    labels = drawn(rng, 4000, 40)
    order = np.r_[0:8, 9:30, 8, 30:40]  # column 8 is put behind column 29
    labels[2500:] = labels[2500:][:, order]
    record = row_order_scan(labels).iloc[0]
    assert record["lag"] == 1
    assert abs(record["lag_first"] - 8) <= 3
    assert abs(record["lag_last"] - 28) <= 3


@pytest.mark.parametrize("change", [lambda f: f / 2, lambda f: np.minimum(1.5 * f, 0.9), lambda f: f[::-1]])
def test_other_changes_of_frequency_are_breaks_without_a_shift(change):
    """Frequencies that fall from column to column look alike when shifted: only a shift may be called one."""
    for seed in range(5):
        rng = np.random.default_rng([9, seed])
        rates = 0.5 / np.arange(1, 31)
        labels = np.concatenate([rng.random((2000, 30)) < rates, rng.random((2000, 30)) < change(rates)])
        found = row_order_scan(labels)
        assert len(found) >= 1
        assert (found["lag"] == 0).all()


def test_unrelated_frequencies_are_not_called_shifted():
    n_named = 0
    for seed in range(60):
        rng = np.random.default_rng([10, seed])
        n_labels = int(rng.integers(4, 30))
        before, after = rng.beta(0.5, 3, (2, n_labels))
        labels = np.concatenate([rng.random((1000, n_labels)) < before, rng.random((1000, n_labels)) < after])
        n_named += int((row_order_scan(labels)["lag"] != 0).any())
    assert n_named <= 3  # binomial(60, 0.01): 3 or fewer with probability 0.997


def test_a_change_of_the_number_of_labels_to_a_row_is_found_where_no_label_shows_it():
    rng = np.random.default_rng(11)
    rates = np.full(150, 0.02)
    labels = np.concatenate([rng.random((1500, 150)) < rates, rng.random((1500, 150)) < 0.75 * rates])
    [record] = row_order_scan(labels).to_dict(orient="records")
    assert record["n_labels"] == 0
    assert record["labels"] == []
    assert abs(record["row"] - 1500) < 150


def test_flags_break_where_an_annotator_was_careless():
    rng = np.random.default_rng(12)
    truth = rng.random((3000, 10)) < 0.3
    probs = np.clip(0.1 + 0.8 * truth + rng.normal(0, 0.1, truth.shape), 0, 1)
    labels = truth.copy()
    segment = slice(1000, 1400)
    labels[segment] ^= rng.random((400, 10)) < 0.15
    found = row_order_scan(labels, probs)
    flags = found[found["kind"] == "flags"]
    np.testing.assert_allclose(sorted(flags["row"])[:2], [1000, 1400], atol=12)
    assert (flags["lag"] == 0).all()


# -------------------------------------------------------------------------------------------------------- forms, roads


def test_all_forms_of_input_give_the_same_table():
    rng = np.random.default_rng(13)
    labels = drawn(rng, 1000, 15)
    labels[600:, :-1] = labels[600:, 1:]
    labels[rng.random(labels.shape) < 0.1] = -1
    probs = rng.random(labels.shape)
    expected = row_order_scan(labels, probs)
    assert len(expected) >= 1
    stored = csr_array(np.where(labels == 0, 0, labels))
    known = as_label_matrix(labels, background="unknown")
    for other in (stored, np.asfortranarray(labels), np.where(labels < 0, np.nan, labels), known):
        for n_jobs in (1, 3):
            assert expected.equals(row_order_scan(other, probs, n_jobs=n_jobs))
    assert expected.equals(row_order_scan(labels == 1, csr_array(probs), unknown=labels < 0))


@pytest.mark.parametrize(
    "labels",
    [
        np.ones((1, 1), int), np.tile([0, 1], (30, 1)), np.zeros((50, 3), int), np.full((50, 2), -1),
        np.eye(9, dtype=int), np.tile([[-1, 0], [1, -1]], (9, 1)),
    ],
)  # fmt: skip
def test_labels_that_cannot_break_do_not(labels):
    found = row_order_scan(labels)
    assert list(found.columns) == COLUMNS
    assert len(found) == 0


def test_unknown_cells_hide_a_break():
    rng = np.random.default_rng(14)
    labels = drawn(rng, 2000, 10)
    labels[1000:, 4] = 0
    labels[:1000, 4] |= (rng.random(1000) < 0.4).astype(np.int8)
    [record] = row_order_scan(labels).to_dict(orient="records")
    assert record["labels"] == [4]
    unknown = np.zeros(labels.shape, bool)
    unknown[1000:, 4] = True
    assert len(row_order_scan(labels, unknown=unknown)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 5}, r"level: expected a number in \(0, 1\), got 5 \(did you mean 0.05\?\)"),
        ({"filter_by": "guess"}, r"filter_by: expected one of"),
        ({"pred_probs": [[0.5]]}, r"pred_probs: expected shape"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        row_order_scan(np.eye(2, dtype=int), **options)
