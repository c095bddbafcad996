"""Scores of cells and rows: the reference's numbers for every method, aggregator and kind of data."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from mlkit.quality import get_cell_quality_scores, get_confident_thresholds, get_label_quality_scores
from reference import quality as oracle
from reference.quality_inputs import KINDS, all_data, as_csr, make_data, smooth

ALPHAS = (0.8, 0.5, 0.2, 1.0, None, 0.01)
AGGREGATORS = [
    *({"aggregator": "exponential_moving_average", "alpha": alpha} for alpha in ALPHAS),
    *({"aggregator": "softmin", "temperature": temperature} for temperature in (0.1, 1.0, 1e-3, 1e-9)),
    *({"aggregator": name} for name in ("mean", "min", "max", "median", "log")),
    *({"aggregator": "k_smallest", "k": k} for k in (1, 2, 3, 12, 1000)),
]
SCORERS = [
    {"method": "self_confidence"},
    {"method": "normalized_margin"},
    {"method": "confidence_weighted_entropy"},
    {"method": "self_confidence", "adjust_pred_probs": True},
    {"method": "normalized_margin", "adjust_pred_probs": True},
]


def named(options):
    return "-".join(str(value) for value in options.values())


def close(ours, expected):
    """Equal to 1e-12, unknown where unknown."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12, equal_nan=True)


def reference_cells(data, labels, probs, **scorer):
    thresholds = get_confident_thresholds(labels, probs) if scorer.get("adjust_pred_probs") else None
    return oracle.cell_scores(data.labels, data.probs, thresholds=thresholds, **scorer)


@pytest.mark.parametrize("scorer", SCORERS, ids=named)
@pytest.mark.parametrize("kind", KINDS)
def test_cell_scores_equal_the_reference(kind, scorer):
    rng = np.random.default_rng([1, *kind.encode()])
    for seed, dtype in itertools.product(range(2), ("float16", "float32", "float64")):
        data = make_data(kind, seed, dtype)
        for labels, probs in (
            (data.matrix, data.probs),
            (data.matrix, as_csr(data.probs, rng)),
            (data.positive_only, data.probs),
        ):
            ours = get_cell_quality_scores(labels, probs, **scorer)
            assert (ours.shape, ours.dtype) == (data.labels.shape, np.float64)
            close(ours, reference_cells(data, labels, probs, **scorer))


@pytest.mark.parametrize("aggregator", AGGREGATORS, ids=named)
@pytest.mark.parametrize("scorer", SCORERS, ids=named)
def test_row_scores_equal_the_reference(scorer, aggregator):
    rng = np.random.default_rng([2, *named(aggregator).encode()])
    for number, data in enumerate(all_data(1)):
        labels, probs = (
            (data.matrix, data.probs),
            (data.matrix, as_csr(data.probs, rng)),
            (data.positive_only, data.probs),
            (data.positive_only, as_csr(data.probs, rng)),
        )[number % 4]
        ours = get_label_quality_scores(labels, probs, **scorer, **aggregator)
        assert (ours.shape, ours.dtype) == ((len(data.labels),), np.float64)
        close(ours, oracle.aggregate(get_cell_quality_scores(labels, probs, **scorer), **aggregator))


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("n_labels", [1, 2, 31, 33, 700, 4500])
def test_the_moving_average_over_many_labels_equals_the_reference(n_labels, alpha):
    """It looks at the smallest scores only: how many depends on alpha."""
    rng = np.random.default_rng([3, n_labels])
    probs = smooth(rng, 6, n_labels)
    probs[1] = probs[1].round(1)
    probs[2] = probs[2].round()
    probs[3] *= 1e-6
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    labels[4] = 1 - (probs[4] > 0.5)
    cells = oracle.cell_scores(labels, probs, method="self_confidence")
    expected = oracle.aggregate(cells, aggregator="exponential_moving_average", alpha=alpha)
    for form in (probs, as_csr(probs)):
        close(get_label_quality_scores(labels, form, alpha=alpha), expected)


def test_the_moving_average_is_the_published_one():
    close(get_label_quality_scores([[0, 1, 2]], [[0.9, 0.9, 0.3]]), [0.42])
    close(get_label_quality_scores([[0, 1, 2]], [[0.4, 0.9, 0.6]]), [0.452])


@pytest.mark.parametrize("scorer", SCORERS, ids=named)
def test_a_function_as_aggregator_sees_the_cell_scores(scorer):
    for data in (make_data("smooth", 2), make_data("unknown_few", 3), make_data("saturated", 5)):
        expected = np.nanmean(get_cell_quality_scores(data.matrix, data.probs, **scorer), axis=1)
        for probs in (data.probs, as_csr(data.probs)):
            ours = get_label_quality_scores(
                data.matrix, probs, aggregator=lambda cells: np.nanmean(cells, axis=1), **scorer
            )
            close(ours, expected)


def test_scores_stay_within_their_range():
    for data, scorer, aggregator in itertools.product(all_data(1), SCORERS, AGGREGATORS[::3]):
        low, high = (math.log(1e-8) - 1e-12, 1e-7) if aggregator["aggregator"] == "log" else (0, 1)
        scores = get_label_quality_scores(data.matrix, data.probs, **scorer, **aggregator)
        known = scores[~np.isnan(scores)]
        assert known.size == (data.labels >= 0).any(axis=1).sum()
        assert ((known >= low) & (known <= high)).all()


@pytest.mark.parametrize("method", oracle.METHODS)
def test_certainty_scores_1_where_it_is_right_and_0_where_it_is_wrong(method):
    labels, probs = [[1, 0], [1, 0]], np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(get_cell_quality_scores(np.array(labels), probs, method=method), [[1, 1], [0, 0]])


@pytest.mark.parametrize("p", [1e-17, 1e-16, 3e-16, 1e-15, 1e-12, 1e-9, 1e-45, 2.3e-308, 5e-324])
def test_the_entropy_score_of_a_given_label_is_exact_where_p_is_tiny(p):
    """The entropy of such a p needs log1p: 1 - p has lost it."""
    scores = get_cell_quality_scores(np.ones((1, 1), int), np.array([[p]]), method="confidence_weighted_entropy")
    ratio = -math.log2(p) + (1 - p) * (-math.log1p(-p) / p) / math.log(2)
    close(scores, [[math.log1p(ratio) / ratio]])


def test_entropy_does_not_take_adjusted_probabilities():
    data = make_data("smooth", 1)
    message = "adjust_pred_probs: expected False with method='confidence_weighted_entropy', got True"
    for score in (get_label_quality_scores, get_cell_quality_scores):
        with pytest.raises(ValueError, match=message):
            score(*data, method="confidence_weighted_entropy", adjust_pred_probs=True)


# --------------------------------------------------------------------------------------------------------- worst cells


@pytest.mark.parametrize("scorer", SCORERS, ids=named)
def test_the_worst_cells_are_the_lowest_scores_of_the_reference(scorer):
    rng = np.random.default_rng(4)
    for number, data in enumerate(all_data(1)):
        top = (0, 1, 7, 100, 10**6)[number % 5]
        probs = as_csr(data.probs, rng) if number % 2 else data.probs
        labels = data.positive_only if number % 3 == 0 else data.matrix
        scores = get_cell_quality_scores(labels, probs, **scorer)
        rows, columns = oracle.worst_cells(data.labels, data.probs, scores, top)
        table = get_cell_quality_scores(labels, probs, top=top, **scorer)
        expected = pd.DataFrame(
            {
                "row": rows,
                "label": columns.astype(np.int32),
                "given": data.labels[rows, columns],
                "p": np.clip(data.probs.astype(np.float64), 0, 1)[rows, columns],
                "score": scores[rows, columns],
            }
        )
        pd.testing.assert_frame_equal(table, expected, check_exact=True)


def test_the_worst_cells_show_label_names():
    data = make_data("smooth", 5)
    names = [f"label {number}" for number in range(12)]
    plain = get_cell_quality_scores(*data, top=20)
    named_ones = get_cell_quality_scores(*data, top=20, label_names=names)
    assert named_ones["label"].tolist() == [names[number] for number in plain["label"]]
    pd.testing.assert_frame_equal(named_ones.drop(columns="label"), plain.drop(columns="label"))


def test_all_scores_of_sparse_input_are_refused_beyond_the_limit():
    data = make_data("smooth", 1)
    with pytest.raises(MemoryError, match="memory_limit: the scores of all"):
        get_cell_quality_scores(data.labels, as_csr(data.probs), memory_limit=100)
