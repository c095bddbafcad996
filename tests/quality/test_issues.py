"""Flagged cells and rows: the reference's very flags, ties by row, for every filter, budget and kind of data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse

from mlkit.labels import as_label_matrix
from mlkit.quality import (
    compute_confident_joint,
    find_cell_issues,
    find_label_issues,
    get_cell_quality_scores,
    get_confident_thresholds,
    get_label_quality_scores,
)
from reference import quality as oracle
from reference.quality_inputs import KINDS, Data, all_data, as_csr, make_data

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")

SETTINGS = list(itertools.product((1.0, 0.5, 0.1), (0, 1, 2, 5)))  # frac_noise, min_examples_per_class
DTYPES = ("float16", "float32", "float64")


def drawn(rng, filter_by, n=2):
    """Some settings for the filters that have any; in the long run all of them."""
    if filter_by not in oracle.PRUNE_FILTERS:
        return [{}]
    names = ("frac_noise", "min_examples_per_class")
    return [dict(zip(names, SETTINGS[at])) for at in rng.choice(len(SETTINGS), n, replace=False)]


def assert_flags_equal_the_reference(
    data, settings, labels=None, probs=None, *, thresholds=None, joint=None, filters=oracle.FILTERS
):
    """Compare cells and rows for each filter with each of ``settings(filter_by)``.

    Thresholds are the kernel's, whose sums are in fixed point: so equality is exact.
    """
    labels = data.matrix if labels is None else labels
    probs = data.probs if probs is None else probs
    own = {"thresholds": thresholds, "confident_joint": joint}
    used = get_confident_thresholds(labels, probs) if thresholds is None else thresholds
    if joint is None:
        joint = oracle.confident_joint(data.labels, data.probs, used)
    confident = oracle.cell_flags(
        data.labels, data.probs, filter_by="confident_learning", thresholds=used, confident_joint=joint
    )
    n_confident = int(confident.any(axis=1).sum())
    for filter_by in filters:
        for setting in settings(filter_by):
            expected = oracle.cell_flags(
                data.labels, data.probs, filter_by=filter_by, thresholds=used, confident_joint=joint, **setting
            )
            cells = find_cell_issues(labels, probs, filter_by=filter_by, **own, **setting)
            assert cells.data.all()
            assert cells.has_canonical_format
            np.testing.assert_array_equal(cells.toarray(), expected, err_msg=f"{filter_by}, {setting}")
            rows = find_label_issues(labels, probs, filter_by=filter_by, **own, **setting)
            if filter_by in oracle.LOW_FILTERS:
                assert_lowest_rows(rows, n_confident, labels, probs)
            else:
                np.testing.assert_array_equal(rows, expected.any(axis=1), err_msg=f"{filter_by}, {setting}")


def assert_lowest_rows(mask, count, labels, probs):
    """The scores that rank rows are rounded in another order than the reference's: take the kernel's."""
    scores = get_label_quality_scores(labels, probs)
    known = np.flatnonzero(~np.isnan(scores))
    lowest = oracle.most_suspicious(scores[known], known, count)
    np.testing.assert_array_equal(np.flatnonzero(mask), np.sort(lowest))


@pytest.mark.parametrize("kind", KINDS)
def test_flags_equal_the_reference(kind):
    rng = np.random.default_rng([1, *kind.encode()])
    for seed, dtype in itertools.product(range(5), DTYPES):
        assert_flags_equal_the_reference(make_data(kind, seed, dtype), lambda filter_by: drawn(rng, filter_by))


@pytest.mark.parametrize(("frac_noise", "least"), SETTINGS)
def test_every_budget_equals_the_references(frac_noise, least):
    setting = {"frac_noise": frac_noise, "min_examples_per_class": least}
    for kind, seed in itertools.product(("smooth", "rounded", "unknown_few"), range(4)):
        assert_flags_equal_the_reference(make_data(kind, seed), lambda _: [setting], filters=oracle.PRUNE_FILTERS)


def test_flags_in_compressed_rows_equal_the_reference():
    rng = np.random.default_rng(2)
    for data in all_data(1):
        probs = as_csr(data.probs, rng)
        assert_flags_equal_the_reference(data, lambda filter_by: drawn(rng, filter_by, 1), probs=probs)


def test_flags_of_positive_only_labels_equal_the_reference():
    """background="unknown": the stored cells are the known ones."""
    rng = np.random.default_rng(3)
    for number, data in enumerate(all_data(1)):
        probs = as_csr(data.probs, rng) if number % 2 else data.probs
        assert_flags_equal_the_reference(data, lambda filter_by: drawn(rng, filter_by, 1), data.positive_only, probs)


def test_flags_with_the_users_thresholds_equal_the_reference():
    rng = np.random.default_rng(4)
    values = [-1.0, 0.0, 1e-6, 0.5 - 1e-6, 0.5, 0.5 + 1e-6, 1.0, 1 + 1e-6, 2.0, *rng.random(9)]
    for number, data in enumerate(all_data(1)):
        assert_flags_equal_the_reference(
            data,
            lambda filter_by: drawn(rng, filter_by, 1),
            probs=as_csr(data.probs, rng) if number % 2 else data.probs,
            thresholds=rng.choice(values, (data.labels.shape[1], 2)),
        )


@pytest.mark.parametrize("largest", [3, 20, 1000])
def test_flags_with_the_users_joint_equal_the_reference(largest):
    rng = np.random.default_rng([5, largest])
    for data in all_data(1):
        joint = rng.integers(0, largest, (data.labels.shape[1], 2, 2))
        assert_flags_equal_the_reference(
            data, lambda filter_by: drawn(rng, filter_by, 1), joint=joint, filters=oracle.PRUNE_FILTERS
        )


@pytest.mark.parametrize("filter_by", ["confident_learning", "predicted_neq_given", *oracle.LOW_FILTERS])
def test_only_the_prune_filters_use_the_users_joint(filter_by):
    data = make_data("smooth", 5)
    joint = np.full((12, 2, 2), 10**6)
    expected = find_cell_issues(*data, filter_by=filter_by).toarray()
    np.testing.assert_array_equal(
        find_cell_issues(*data, filter_by=filter_by, confident_joint=joint).toarray(), expected
    )
    rows = find_label_issues(*data, filter_by=filter_by, confident_joint=joint)
    np.testing.assert_array_equal(rows, find_label_issues(*data, filter_by=filter_by))


def test_the_joint_of_the_data_is_the_one_used():
    for data in all_data(2, ("float64",)):
        joint = compute_confident_joint(data.matrix, data.probs)
        for filter_by in oracle.PRUNE_FILTERS:
            ours = find_cell_issues(data.matrix, data.probs, filter_by=filter_by, confident_joint=joint)
            expected = find_cell_issues(data.matrix, data.probs, filter_by=filter_by)
            np.testing.assert_array_equal(ours.toarray(), expected.toarray())


@pytest.mark.parametrize("method", oracle.METHODS)
def test_ranked_rows_are_the_flagged_ones_in_the_references_order(method):
    for data in all_data(1):
        for filter_by in ("prune_by_noise_rate", "predicted_neq_given", "low_self_confidence"):
            mask = find_label_issues(data.matrix, data.probs, filter_by=filter_by)
            ranked = find_label_issues(data.matrix, data.probs, filter_by=filter_by, return_indices_ranked_by=method)
            scores = get_label_quality_scores(data.matrix, data.probs, method=method)
            assert ranked.dtype == np.int64
            np.testing.assert_array_equal(ranked, oracle.ranked_rows(mask, scores))


@pytest.mark.parametrize("sides", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("n", [300, 2000])
def test_the_cut_falls_within_a_run_of_ties_by_row(n, sides):
    """Many rows, few values: the histogram's cut bin holds whole runs of equal cells."""
    rng = np.random.default_rng([6, n, *sides])
    probs = rng.choice([0.05, 0.1, 0.3, 0.4999, 0.5, 0.5001, 0.7, 0.9, 0.95], (n, 5))
    labels = (probs > 0.5).astype(np.int8)
    for side in sides:
        wrong = (labels == side) & (rng.random(labels.shape) < 0.3)
        labels[wrong] = 1 - side
    settings = [{"frac_noise": frac_noise} for frac_noise in (1.0, 0.5, 0.1)]
    assert_flags_equal_the_reference(
        Data(labels, probs), lambda filter_by: settings if filter_by in oracle.PRUNE_FILTERS else [{}]
    )


def test_histogram_bins_do_not_move_the_cut():
    """Enough rows for 512 bins, values on and beside the bins' borders."""
    rng = np.random.default_rng(7)
    n = 60_000
    border = rng.integers(0, 1025, n) / 1024
    probs = np.clip(border + rng.integers(-1, 2, n) * rng.choice([0, 2.0**-54, 2.0**-30], n), 0, 1)[:, None]
    labels = (rng.random((n, 1)) < probs) ^ (rng.random((n, 1)) < 0.1)
    data = Data(labels.astype(np.int8), probs)
    thresholds = get_confident_thresholds(*data)
    for frac_noise in (1.0, 0.37):
        options = {"filter_by": "prune_by_noise_rate", "frac_noise": frac_noise}
        expected = oracle.cell_flags(*data, thresholds=thresholds, **options)
        for n_jobs in (1, 3):
            np.testing.assert_array_equal(find_cell_issues(*data, n_jobs=n_jobs, **options).toarray(), expected)


def test_float16_and_float32_are_judged_as_the_doubles_that_they_are():
    for data in all_data(2, ("float16", "float32")):
        widened = Data(data.labels, data.probs.astype(np.float64))
        for filter_by in oracle.FILTERS:
            narrow = find_cell_issues(data.matrix, data.probs, filter_by=filter_by)
            wide = find_cell_issues(data.matrix, widened.probs, filter_by=filter_by)
            np.testing.assert_array_equal(narrow.toarray(), wide.toarray())


def test_planted_errors_are_found_and_little_else():
    rng = np.random.default_rng(8)
    truth = rng.random((4000, 10)) < 0.3
    probs = np.where(truth, 0.97, 0.03) + rng.uniform(-0.03, 0.03, truth.shape)
    planted = rng.random(truth.shape) < 0.03
    found = find_cell_issues(truth ^ planted, probs).toarray()
    assert found[planted].mean() > 0.7
    assert not found[~planted].any()
    np.testing.assert_array_equal(find_label_issues(truth ^ planted, probs), found.any(axis=1))


def test_nothing_is_flagged_where_labels_and_model_agree():
    rng = np.random.default_rng(9)
    labels = rng.random((300, 6)) < 0.4
    probs = np.where(labels, rng.uniform(0.5, 1, labels.shape), rng.uniform(0, 0.5, labels.shape))
    for filter_by in (*oracle.PRUNE_FILTERS, "confident_learning", "predicted_neq_given"):
        assert find_cell_issues(labels, probs, filter_by=filter_by).nnz == 0
        assert not find_label_issues(labels, probs, filter_by=filter_by).any()


def test_unknown_cells_are_never_flagged_and_rows_of_them_neither():
    for kind in ("unknown_few", "unknown_most", "unknown_whole", "unknown_ties"):
        for seed, filter_by in itertools.product(range(4), oracle.FILTERS):
            data = make_data(kind, seed)
            assert not find_cell_issues(data.matrix, data.probs, filter_by=filter_by).toarray()[data.labels < 0].any()
            rows = find_label_issues(data.matrix, data.probs, filter_by=filter_by)
            assert not rows[(data.labels < 0).all(axis=1)].any()


def test_flags_come_as_sorted_bool_rows_of_the_labels_shape():
    data = make_data("smooth", 1)
    cells = find_cell_issues(*data)
    assert isinstance(cells, sparse.csr_array)
    assert (cells.shape, cells.dtype) == (data.labels.shape, bool)
    assert cells.indices.dtype in (np.int32, np.int64)
    mask = find_label_issues(*data)
    assert (mask.shape, mask.dtype) == ((len(data.labels),), bool)


def test_the_callers_arrays_are_left_as_they_were():
    data = make_data("outside", 3)
    labels, probs = data.labels.copy(), data.probs.copy()
    matrix = as_label_matrix(sparse.csr_array(labels))
    find_cell_issues(labels, probs)
    find_label_issues(matrix, probs, filter_by="low_self_confidence")
    get_cell_quality_scores(labels, probs, adjust_pred_probs=True)
    np.testing.assert_array_equal(labels, data.labels)
    np.testing.assert_array_equal(probs, data.probs)


def test_cells_scored_the_same_are_flagged_in_the_order_of_rows():
    labels = np.array([[1]] * 6 + [[0]] * 6)
    probs = np.array([[0.9], [0.1], [0.9], [0.1], [0.1], [0.9], *[[0.1]] * 6])
    joint = [[[6, 0], [2, 4]]]
    assert find_cell_issues(labels, probs, confident_joint=joint).toarray()[:, 0].nonzero()[0].tolist() == [1, 3]
    assert get_cell_quality_scores(labels, probs)[[1, 3, 4], 0].tolist() == [0.1, 0.1, 0.1]
