"""What must hold of flags and scores whatever the data: Hypothesis looks for an exception."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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
from reference.quality_inputs import Data, as_csr

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")

thorough = settings(derandomize=True, deadline=None, max_examples=100, database=None)

# The softmin is not here where scores rise: where one score rises far above the others its weight vanishes.
MONOTONE = [
    *({"aggregator": "exponential_moving_average", "alpha": alpha} for alpha in (0.8, 0.1, None)),
    *({"aggregator": name} for name in ("mean", "min", "max", "median", "log")),
    {"aggregator": "k_smallest", "k": 3},
]
AGGREGATORS = [*MONOTONE, {"aggregator": "softmin"}, {"aggregator": "softmin", "temperature": 1e-6}]
ROUNDING = 1e-14

shapes = st.tuples(st.integers(1, 12), st.integers(1, 6))
probabilities = st.one_of(
    st.floats(0, 1),
    st.sampled_from([0.0, 1e-300, 1e-17, 1e-12, 1e-6, 0.1, 0.5 - 1e-6, 0.5, 0.5 + 1e-6, 0.9, 1 - 1e-6, 1 - 1e-16, 1.0]),
    st.integers(0, 10).map(lambda tenths: tenths / 10),
)
filters = st.sampled_from(oracle.FILTERS)
methods = st.sampled_from(oracle.METHODS)


@st.composite
def data_sets(draw, values=(0, 1, -1)):
    shape = draw(shapes)
    return Data(
        draw(hnp.arrays(np.int8, shape, elements=st.sampled_from(values))),
        draw(hnp.arrays(np.float64, shape, elements=probabilities)),
    )


@st.composite
def tie_free_data_sets(draw):
    """No two cells of a label are equally sure, on either side: the order of rows decides nothing."""
    n, n_labels = draw(st.integers(2, 14)), draw(st.integers(1, 5))
    numbers = st.lists(st.integers(0, 499), min_size=n, max_size=n, unique=True)
    distance = np.array([draw(numbers) for _ in range(n_labels)]).T / 1000
    upper = draw(hnp.arrays(bool, (n, n_labels)))
    labels = draw(hnp.arrays(np.int8, (n, n_labels), elements=st.sampled_from([0, 1, 1, 0, -1])))
    return Data(labels, np.where(upper, 1 - distance, distance))


def permutations_of(length):
    return st.permutations(range(length)).map(np.array)


@thorough
@given(st.data(), tie_free_data_sets(), filters)
def test_flags_move_with_the_rows(draw, data, filter_by):
    order = draw.draw(permutations_of(len(data.labels)))
    moved = data.rows(order)
    options = {"filter_by": filter_by, "frac_noise": draw.draw(st.sampled_from([1.0, 0.6, 0.2]))}
    cells = find_cell_issues(data.matrix, data.probs, **options).toarray()
    np.testing.assert_array_equal(find_cell_issues(moved.matrix, moved.probs, **options).toarray(), cells[order])
    if filter_by in oracle.LOW_FILTERS:
        scores = get_label_quality_scores(data.matrix, data.probs)
        assume(len(np.unique(scores)) == len(scores))
    rows = find_label_issues(data.matrix, data.probs, **options)
    np.testing.assert_array_equal(find_label_issues(moved.matrix, moved.probs, **options), rows[order])


@thorough
@given(st.data(), data_sets(), filters)
def test_flags_move_with_the_labels(draw, data, filter_by):
    order = draw.draw(permutations_of(data.labels.shape[1]))
    moved = Data(data.labels[:, order], data.probs[:, order])
    cells = find_cell_issues(data.matrix, data.probs, filter_by=filter_by).toarray()
    np.testing.assert_array_equal(
        find_cell_issues(moved.matrix, moved.probs, filter_by=filter_by).toarray(), cells[:, order]
    )
    np.testing.assert_array_equal(
        find_label_issues(moved.matrix, moved.probs, filter_by=filter_by),
        find_label_issues(data.matrix, data.probs, filter_by=filter_by),
    )


@thorough
@given(st.data(), data_sets())
def test_thresholds_and_joints_move_with_the_labels_and_do_not_see_the_order_of_rows(draw, data):
    of_rows = draw.draw(permutations_of(data.labels.shape[0]))
    of_labels = draw.draw(permutations_of(data.labels.shape[1]))
    moved = Data(data.labels[of_rows][:, of_labels], data.probs[of_rows][:, of_labels])
    for estimate in (get_confident_thresholds, compute_confident_joint):
        np.testing.assert_array_equal(estimate(moved.matrix, moved.probs), estimate(data.matrix, data.probs)[of_labels])


@thorough
@given(st.data(), data_sets(), methods, st.booleans())
def test_scores_move_with_rows_and_labels(draw, data, method, adjust):
    of_rows = draw.draw(permutations_of(data.labels.shape[0]))
    of_labels = draw.draw(permutations_of(data.labels.shape[1]))
    moved = Data(data.labels[of_rows][:, of_labels], data.probs[of_rows][:, of_labels])
    scorer = {"method": method, "adjust_pred_probs": adjust and method != "confidence_weighted_entropy"}
    cells = get_cell_quality_scores(data.matrix, data.probs, **scorer)
    np.testing.assert_array_equal(
        get_cell_quality_scores(moved.matrix, moved.probs, **scorer), cells[of_rows][:, of_labels]
    )
    for aggregator in AGGREGATORS:
        ours = get_label_quality_scores(moved.matrix, moved.probs, **scorer, **aggregator)
        expected = get_label_quality_scores(data.matrix, data.probs, **scorer, **aggregator)[of_rows]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=ROUNDING)  # sums go by the order of labels


@thorough
@given(data_sets(), methods, st.booleans(), st.sampled_from(AGGREGATORS))
def test_scores_are_probabilities_and_only_unknown_ones_are_missing(data, method, adjust, aggregator):
    scorer = {"method": method, "adjust_pred_probs": adjust and method != "confidence_weighted_entropy"}
    cells = get_cell_quality_scores(data.matrix, data.probs, **scorer)
    np.testing.assert_array_equal(np.isnan(cells), data.labels < 0)
    assert ((cells >= 0) & (cells <= 1))[data.labels >= 0].all()
    rows = get_label_quality_scores(data.matrix, data.probs, **scorer, **aggregator)
    known = (data.labels >= 0).any(axis=1)
    np.testing.assert_array_equal(np.isnan(rows), ~known)
    low, high = (np.log(1e-8), np.log1p(1e-8)) if aggregator["aggregator"] == "log" else (0, 1)
    assert ((rows >= low - ROUNDING) & (rows <= high + ROUNDING))[known].all()


@thorough
@given(data_sets(), methods, st.sampled_from(AGGREGATORS))
def test_the_score_of_a_row_lies_between_those_of_its_cells(data, method, aggregator):
    assume(aggregator["aggregator"] != "log")
    known = (data.labels >= 0).any(axis=1)
    assume(known.any())
    cells = get_cell_quality_scores(data.matrix, data.probs, method=method)[known]
    rows = get_label_quality_scores(data.matrix, data.probs, method=method, **aggregator)[known]
    assert (rows >= np.nanmin(cells, axis=1) - ROUNDING).all()
    assert (rows <= np.nanmax(cells, axis=1) + ROUNDING).all()


@thorough
@given(st.data(), data_sets(values=(0, 1)), methods)
def test_a_model_surer_of_what_was_given_never_lowers_a_score(draw, data, method):
    row = draw.draw(st.integers(0, data.labels.shape[0] - 1))
    label = draw.draw(st.integers(0, data.labels.shape[1] - 1))
    before = data.probs[row, label]
    surer = data.probs.copy()
    is_given = data.labels[row, label] == 1
    surer[row, label] = draw.draw(st.floats(before, 1) if is_given else st.floats(0, before))
    old = get_cell_quality_scores(data.labels, data.probs, method=method)
    new = get_cell_quality_scores(data.labels, surer, method=method)
    assert new[row, label] >= old[row, label] - (0 if method != "confidence_weighted_entropy" else ROUNDING)
    for aggregator in MONOTONE:
        old_rows = get_label_quality_scores(data.labels, data.probs, method=method, **aggregator)
        new_rows = get_label_quality_scores(data.labels, surer, method=method, **aggregator)
        assert new_rows[row] >= old_rows[row] - ROUNDING
        np.testing.assert_array_equal(np.delete(new_rows, row), np.delete(old_rows, row))


@thorough
@given(data_sets(), st.sampled_from([*oracle.PRUNE_FILTERS, "confident_learning", "predicted_neq_given"]))
def test_flagged_cells_always_disagree_with_the_model(data, filter_by):
    flags = find_cell_issues(data.matrix, data.probs, filter_by=filter_by).toarray()
    assert (data.probs[flags & (data.labels == 1)] < 0.5).all()
    assert (data.probs[flags & (data.labels == 0)] > 0.5).all()
    assert not flags[data.labels < 0].any()


@thorough
@given(
    data_sets(),
    st.sampled_from(oracle.PRUNE_FILTERS),
    st.sampled_from([1.0, 0.7, 0.5, 0.1, 1e-9]),
    st.integers(0, 5),
)
def test_the_budget_is_never_exceeded(data, filter_by, frac_noise, least):
    options = {"frac_noise": frac_noise, "min_examples_per_class": least}
    flags = find_cell_issues(data.matrix, data.probs, filter_by=filter_by, **options).toarray()
    joint = compute_confident_joint(data.matrix, data.probs)
    for side in (0, 1):
        flagged = (flags & (data.labels == side)).sum(axis=0)
        off_diagonal, size = joint[:, side, 1 - side], (data.labels == side).sum(axis=0)
        extra = 1 if filter_by == "prune_by_class" else 0  # it rounds the other way
        assert (flagged <= np.floor(off_diagonal * frac_noise) + extra).all()
        assert (flagged[size <= max(least, 1)] == 0).all()


@thorough
@given(data_sets())
def test_the_low_filters_flag_as_many_cells_as_confident_learning(data):
    confident = find_cell_issues(data.matrix, data.probs, filter_by="confident_learning").toarray().sum(axis=0)
    for filter_by in oracle.LOW_FILTERS:
        flags = find_cell_issues(data.matrix, data.probs, filter_by=filter_by).toarray()
        np.testing.assert_array_equal(flags.sum(axis=0), confident)


@thorough
@given(data_sets(), st.sampled_from([(1.0, 0.5), (0.5, 0.1), (1.0, 0.9)]), st.sampled_from(oracle.PRUNE_FILTERS))
def test_a_larger_share_of_noise_flags_a_superset(data, shares, filter_by):
    more, less = (
        find_cell_issues(data.matrix, data.probs, filter_by=filter_by, frac_noise=share).toarray() for share in shares
    )
    assert not (less & ~more).any()


@thorough
@given(data_sets(), filters, methods)
def test_dense_sparse_and_positive_only_agree_on_everything_that_is_drawn(data, filter_by, method):
    csr = as_csr(data.probs)
    expected_cells = find_cell_issues(data.matrix, data.probs, filter_by=filter_by).toarray()
    expected_scores = get_label_quality_scores(data.matrix, data.probs, method=method)
    for labels, probs in ((data.matrix, csr), (data.positive_only, data.probs), (data.positive_only, csr)):
        np.testing.assert_array_equal(find_cell_issues(labels, probs, filter_by=filter_by).toarray(), expected_cells)
        assert get_label_quality_scores(labels, probs, method=method).tobytes() == expected_scores.tobytes()


@thorough
@given(data_sets(), filters)
def test_flags_of_cells_equal_the_reference_on_everything_that_is_drawn(data, filter_by):
    matrix = as_label_matrix(data.labels == 1, unknown=data.labels < 0)
    thresholds = get_confident_thresholds(matrix, data.probs)
    np.testing.assert_array_equal(
        find_cell_issues(matrix, data.probs, filter_by=filter_by).toarray(),
        oracle.cell_flags(data.labels, data.probs, filter_by=filter_by, thresholds=thresholds),
    )
