"""Proper scores and calibration errors equal the plain definition on every road."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from mlkit import metrics
from mlkit.labels import as_label_matrix
from reference.metrics_inputs import as_csr, hide, make

KINDS = ("random", "sparse", "tied", "no_truth", "all_truth", "one_row", "one_label", "one_cell", "constant")


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)


def known_cells(truth, score, weight):
    """(y, p, w) of all known cells, then of each label's."""
    w = np.broadcast_to((np.ones(len(truth)) if weight is None else weight)[:, None], truth.shape)
    known = truth >= 0
    yield truth[known], score[known].astype(float), w[known]
    for j in range(truth.shape[1]):
        at = known[:, j]
        yield truth[at, j], score[at, j].astype(float), w[at, j]


def mean_loss(loss, y, p, w):
    return np.average(loss(y, p), weights=w) if y.size else np.nan


def bins_of(p, n_bins, strategy, closed):
    """Number of the bin of each probability."""
    q = np.linspace(0, 1, n_bins + 1)
    edges = (q if strategy == "uniform" else np.percentile(p, 100 * q))[1:-1]
    return np.searchsorted(edges, p, "left" if closed == "right" else "right")


def calibration_errors(y, p, w, n_bins, strategy, closed):
    if not y.size:
        return dict.fromkeys(("l1", "l2", "max"), np.nan)
    at = bins_of(p, n_bins, strategy, closed)
    parts = [(w[at == b].sum(), (w * (p - y))[at == b].sum()) for b in np.unique(at)]
    weights, gaps = np.array([x for x, _ in parts]), np.array([abs(g / x) for x, g in parts])
    return {
        "l1": np.average(gaps, weights=weights),
        "l2": np.sqrt(np.average(gaps**2, weights=weights)),
        "max": gaps.max(),
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
def test_losses_equal_the_definition(kind, hidden):
    for dtype in ("float32", "float64"):
        truth, _, score, weights = make(kind, 1, dtype)
        truth = hide(truth, 2) if hidden and truth.size > 1 else truth
        eps = np.finfo(dtype).eps

        def log(y, p, eps=eps):
            p = np.clip(p, eps, 1 - eps)
            return np.where(y == 1, -np.log(p), -np.log1p(-p))

        def square(y, p):
            return (p - y) ** 2

        for weight in (None, weights):
            everything, *labels = known_cells(truth, score, weight)
            for function, loss in ((metrics.binary_log_loss, log), (metrics.multilabel_brier_score, square)):
                for storage in (np.asarray, as_csr):
                    ours = function(truth, storage(score), sample_weight=weight)
                    close(ours, mean_loss(loss, *everything))
                    ours = function(truth, storage(score), sample_weight=weight, average=None)
                    close(ours, [mean_loss(loss, *cells) for cells in labels])


def test_single_labels_equal_scikit_learn():
    truth, _, score, weight = make("random", 3)
    logs = metrics.binary_log_loss(truth, score, average=None, sample_weight=weight)
    squares = metrics.multilabel_brier_score(truth, score, average=None, sample_weight=weight)
    for j in range(truth.shape[1]):
        close(logs[j], log_loss(truth[:, j], score[:, j], sample_weight=weight, labels=[0, 1]))
        close(squares[j], brier_score_loss(truth[:, j], score[:, j], sample_weight=weight))


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("closed", ["right", "left"])
@pytest.mark.parametrize("hidden", [False, True])
def test_calibration_errors_equal_the_definition(strategy, closed, hidden):
    for kind in KINDS:
        truth, _, score, weights = make(kind, 1)
        truth = hide(truth, 2) if hidden and truth.size > 1 else truth
        for weight in (None, weights):
            everything, *labels = known_cells(truth, score, weight)
            expected = [
                calibration_errors(*cells, 4, strategy, closed)
                if cells[0].size
                else dict.fromkeys(("l1", "l2", "max"), np.nan)
                for cells in (everything, *labels)
            ]
            for norm in ("l1", "l2", "max"):
                options = {
                    "n_bins": 4, "strategy": strategy, "closed": closed, "norm": norm, "sample_weight": weight
                }  # fmt: skip
                for storage in (np.asarray, as_csr):
                    ours = metrics.expected_calibration_error(truth, storage(score), **options)
                    close(ours, expected[0][norm])
                    ours = metrics.expected_calibration_error(truth, storage(score), average=None, **options)
                    close(ours, [e[norm] for e in expected[1:]])


def test_the_curve_is_scikit_learns():
    truth, _, score, _ = make("random", 4)
    for strategy in ("uniform", "quantile"):
        share, mean = calibration_curve(truth.ravel(), score.ravel(), n_bins=6, strategy=strategy)
        ours = metrics.reliability_curve(truth, score, n_bins=6, strategy=strategy)
        close(ours["share_positive"], share)
        close(ours["mean_probability"], mean)
        assert ours["weight"].sum() == truth.size
    table = metrics.reliability_curve(as_label_matrix(truth[:, :2], label_names=["a", "b"]), score[:, :2], average=None)
    assert list(dict.fromkeys(table["label"])) == ["a", "b"]
    close(table.groupby("label")["weight"].sum(), [len(truth)] * 2)


def test_debiased_error_subtracts_what_chance_gives():
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.3, 0.7], (4000, 5))
    y = rng.random(p.shape) < p
    plain = [metrics.expected_calibration_error(y[a : a + 40], p[a : a + 40], norm="l2") for a in range(0, 4000, 40)]
    mended = [
        metrics.expected_calibration_error(y[a : a + 40], p[a : a + 40], norm="l2", debias=True)
        for a in range(0, 4000, 40)
    ]
    assert np.mean(np.square(plain)) > 0.002
    assert np.mean(np.square(mended)) < 0.5 * np.mean(np.square(plain))
    y0, p0 = np.array([[0], [1], [1], [0]]), np.full((4, 1), 0.25)
    expected = np.sqrt(max(0, 0.25**2 - 0.5 * 0.5 / 3))
    close(metrics.expected_calibration_error(y0, p0, norm="l2", debias=True), expected)


@pytest.mark.parametrize("average", ["micro", None])
def test_the_decomposition_adds_up(average):
    for kind in KINDS:
        truth, _, score, weight = make(kind, 6)
        score = score.round(1)
        table = metrics.brier_decomposition(truth, score, n_bins=1000, average=average, sample_weight=weight)
        close(table["within"], 0)  # each bin holds one probability
        table = metrics.brier_decomposition(truth, score, n_bins=3, average=average, sample_weight=weight)
        close(table["brier"], table["reliability"] - table["resolution"] + table["uncertainty"] + table["within"])
        ours = metrics.multilabel_brier_score(truth, score, average=average, sample_weight=weight)
        close(table["brier"], ours)


def test_golden_values():
    p, y = np.array([0, 0.1, 0.1, 0.25, 0.5, 0.55, 0.9, 1])[:, None], np.array([0, 0, 1, 0, 1, 0, 1, 1])[:, None]
    close(metrics.expected_calibration_error(y, p, n_bins=4), 0.2125)
    close(metrics.expected_calibration_error(y, p, n_bins=4, closed="left"), 0.15)
    close(metrics.multilabel_brier_score(y, p), 0.180625)
    truth = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]])
    score = np.array([[0.9, 0.2, 0.2, 0.4], [0.3, 0.3, 0.6, 0.1], [0.2, 0.5, 0.1, 0.05], [0.8, 0.8, 0.7, 0.1]])
    close(metrics.multilabel_brier_score(truth, score, average=None), [0.045, 0.205, 0.225, 0.295625])


def everything(truth, score, **options):
    for average in ("micro", None):
        yield metrics.binary_log_loss(truth, score, average=average, **options)
        yield metrics.multilabel_brier_score(truth, score, average=average, **options)
        for strategy in ("uniform", "quantile"):
            yield metrics.expected_calibration_error(truth, score, average=average, strategy=strategy, **options)


def bits(values):
    return [np.asarray(x).tobytes() for x in values]


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_and_storage_do_not_change_a_bit(weighted):
    rng = np.random.default_rng(0)
    truth = (rng.random((1203, 41)) < 0.1).astype(np.int8)
    score = np.where(rng.random(truth.shape) < 0.5, 0, rng.random(truth.shape).round(3)).astype(np.float32)
    weight = rng.random(len(truth)) if weighted else None
    for labels in (truth, np.where(rng.random(truth.shape) < 0.2, -1, truth)):
        expected = bits(everything(labels, score, sample_weight=weight, n_jobs=1))
        for n_jobs in (2, 3, 8):
            assert bits(everything(labels, score, sample_weight=weight, n_jobs=n_jobs)) == expected
        assert bits(everything(as_csr(labels), as_csr(score), sample_weight=weight)) == expected
        assert bits(everything(labels, np.asfortranarray(score), sample_weight=weight)) == expected


BAD = [
    (
        lambda t, s: metrics.binary_log_loss(t, 5 * s),
        r"y_score: expected probabilities in \[0, 1\], got values",
    ),
    (lambda t, s: metrics.binary_log_loss(t, s + np.inf), "y_score: expected probabilities"),
    (lambda t, s: metrics.multilabel_brier_score(t, s, average="samples"), "average: expected one of 'micro', 'macro'"),
    (lambda t, s: metrics.expected_calibration_error(t, s, n_bins=0), "n_bins: expected an integer >= 1, got 0"),
    (
        lambda t, s: metrics.expected_calibration_error(t, s, debias=True),
        "debias: expected norm='l2' and no",
    ),
    (lambda t, s: metrics.reliability_curve(t, s, strategy="mass"), "strategy: expected one of 'uniform', 'quantile'"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([[1, 0], [0, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]]))
