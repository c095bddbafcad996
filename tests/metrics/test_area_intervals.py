"""Intervals of micro and weighted areas: influences equal plain sums over cells, and agree with resampling."""

from __future__ import annotations

import numpy as np
import pytest

import mlkit
from mlkit import _core
from mlkit._validation.pairs import check_scored
from reference import metrics_curves as reference
from reference.metrics_inputs import KINDS, as_csr, hide, make

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")

POOLED = ("roc_auc_micro", "average_precision_micro")
AREAS = (*POOLED, "roc_auc_weighted", "average_precision_weighted")


def influences(truth, score, weight=None, n_jobs=None):
    cells = check_scored(truth, score, sample_weight=weight, n_jobs=n_jobs)
    units = None if cells.weights is None else cells.weights.units
    return _core.metrics.pooled_influences(*cells.core, units, cells.n_threads)[1], cells


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("storage", [np.asarray, as_csr])
def test_rows_move_pooled_areas_as_their_cells_do(kind, hidden, storage):
    truth, _, score, weights = make(kind, 5)
    truth = hide(truth, 6) if hidden else truth
    for weight in (None, weights):
        w = np.ones(len(truth)) if weight is None else weight
        counted = (truth >= 0) & (w[:, None] > 0)
        if not (truth[counted] == 1).any() or not (truth[counted] == 0).any():
            truth = truth.copy()
            truth[0, 0], truth[-1, -1] = 1, 0
            w = weight = None if weight is None else np.maximum(weight, 0.5)
        report = mlkit.evaluate(storage(truth), storage(score), sample_weight=weight)
        if len({*truth[truth >= 0].tolist()}) < 2:
            assert "roc_auc_micro" not in report._found.influences
            continue
        expected = reference.pooled_influences(truth, score, weight)
        for at, key in enumerate(POOLED):
            np.testing.assert_allclose(report._found.influences[key], expected[:, at], atol=1e-7, err_msg=key)


def many(seed=0, n=4000, n_labels=20, dtype=np.float64):
    """More distinct scores of positives than a table of all places holds."""
    rng = np.random.default_rng(seed)
    ability, luck = rng.normal(size=(n, 1)), rng.normal(size=(n, n_labels))
    truth = (rng.random((n, n_labels)) < 1 / (1 + np.exp(-luck - ability + 0.5))).astype(np.int8)
    score = (1 / (1 + np.exp(-2 * luck - ability))).astype(dtype)
    return truth, score


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_among_many_positives_scores_are_told_apart_well_enough(dtype, weighted):
    truth, score = many(dtype=dtype)
    score[np.random.default_rng(1).random(score.shape) < 0.3] = 0
    truth[:, 3] = -1
    weight = np.random.default_rng(2).random(len(truth)) if weighted else None
    rows, cells = influences(truth, score, weight)
    if weighted:
        rows = rows * cells.weights.units.astype(float)[:, None]
    expected = reference.pooled_influences(truth, score, weight)
    for at in range(2):
        assert np.abs(rows[:, at] - expected[:, at]).max() < 2e-3 * expected[:, at].std()
        assert abs(rows[:, at].sum()) < 1e-9 * np.abs(rows[:, at]).sum()
        assert np.sum(rows[:, at] ** 2) == pytest.approx(np.sum(expected[:, at] ** 2), rel=1e-4)


@pytest.mark.parametrize("squeeze", [1e-12, 1e-300])
def test_scores_that_share_their_leading_bits_are_told_apart(squeeze):
    """Next to one that lies far away all others fall into one bucket: then every place is looked up."""
    truth, score = many()
    if squeeze == 1e-12:
        score = 0.5 + squeeze * score
        score[0, 0], truth[0, 0] = -1e300, 1
    else:
        score *= squeeze
        score[0, 0], truth[0, 0] = 1.0, 1
    rows, _ = influences(truth, score)
    expected = reference.pooled_influences(truth, score)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_many_positives_give_the_same_bits_in_any_storage():
    truth, score = many(n_labels=21)
    score[np.random.default_rng(1).random(score.shape) < 0.3] = 0
    truth[np.random.default_rng(2).random(truth.shape) < 0.1] = -1
    expected = influences(truth, score, n_jobs=1)[0].tobytes()
    positive_only = mlkit.labels.as_label_matrix(truth, background="unknown")
    for labels in (truth, as_csr(truth), positive_only):
        for scores in (score, np.asfortranarray(score), as_csr(score)):
            for n_jobs in (1, 3):
                assert influences(labels, scores, n_jobs=n_jobs)[0].tobytes() == expected


def draw(n, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 5)) + rng.normal(size=(n, 1))
    y = rng.random((n, 5)) < 1 / (1 + np.exp(-(logits + np.linspace(-2.5, 0, 5))))
    return y.astype(np.int8), logits + rng.normal(size=(n, 5))


@pytest.mark.parametrize("clustered", [False, True])
def test_errors_are_those_of_resampling(clustered):
    """Rows (or groups of four) drawn with replacement 300 times."""
    y, s = draw(600, 3)
    groups = np.arange(600) // 4 if clustered else np.arange(600)
    n_groups = groups.max() + 1
    report = mlkit.evaluate(y, s, groups=groups)
    rng = np.random.default_rng(4)
    drawn = []
    for _ in range(300):
        weight = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)[groups].astype(float)
        values = mlkit.evaluate(y, s, sample_weight=weight, k=1, n_jobs=1).to_dict()
        drawn.append([values[key] for key in AREAS])
    for key, se in zip(AREAS, np.std(drawn, axis=0)):
        assert report[key].se == pytest.approx(se, rel=0.15), key
        assert report[key].low < report[key].value < report[key].high


def test_the_same_cells_twice_are_paired():
    y, s = draw(500, 5)
    a, b = mlkit.evaluate(y, s), mlkit.evaluate(y, s + np.random.default_rng(6).normal(0, 1, s.shape))
    table = a.compare(b)
    for key in AREAS:
        assert table["delta"][key] == a[key].value - b[key].value
        assert table["se"][key] < np.hypot(a[key].se, b[key].se)
    assert (a.compare(a)["p_value"] == 1).all()


def test_few_positives_are_noted():
    y, s = draw(40, 7)
    y[12:] = 0
    report = mlkit.evaluate(y, s)
    n = int(y.sum())
    assert n < 50
    assert report["roc_auc_micro"].note == f"{n} positives: the interval may be too short"
    assert "fewer than 50 positives" in report["average_precision_weighted"].note
