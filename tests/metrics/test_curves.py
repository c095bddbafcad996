"""Areas under curves equal scikit-learn and the sum over all pairs, on every road to them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as peer
from sklearn.exceptions import UndefinedMetricWarning

import mlkit
from mlkit import metrics
from mlkit.labels import as_label_matrix
from reference import metrics_curves as oracle
from reference.metrics_inputs import KINDS, as_csr, hide, make

AVERAGES = (None, "micro", "macro", "weighted", "samples")
FINITE = [kind for kind in KINDS if kind != "infinite"]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)


def of_peer(name, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(peer, name)(*args, **options)


@pytest.mark.parametrize("kind", FINITE)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equal_scikit_learn(kind, dtype):
    for seed in range(2):
        truth, _, score, weights = make(kind, seed, dtype)
        if truth.shape[1] == 1:
            continue
        wide = score.astype(np.float64)
        for weight in ((None, weights)[seed],):
            for average in AVERAGES:
                options = {"average": average, "sample_weight": weight}
                for name in ("roc_auc_score", "average_precision_score"):
                    close(getattr(metrics, name)(truth, score, **options), of_peer(name, truth, wide, **options))


@pytest.mark.parametrize("max_fpr", [0.1, 1 / 3, 0.9, 1.0])
def test_partial_areas_equal_scikit_learn(max_fpr):
    for kind in ("random", "tied", "sparse", "constant", "negative"):
        for seed in range(3):
            truth, _, score, weights = make(kind, seed)
            for weight in (None, weights):
                for average in (None, "micro", "macro"):
                    options = {"average": average, "sample_weight": weight, "max_fpr": max_fpr}
                    expected = of_peer("roc_auc_score", truth, score, **options)
                    close(metrics.roc_auc_score(truth, score, **options), expected)
                    close(metrics.roc_auc_score(truth, as_csr(score), **options), expected)


MEASURES = {
    "auc": (oracle.auc, lambda *a, **o: metrics.roc_auc_score(*a, **o)),
    "auc, full credit": (
        lambda y, s, w: oracle.auc(y, s, w, 1.0),
        lambda *a, **o: metrics.roc_auc_score(*a, ties="full", **o),
    ),
    "ap": (oracle.average_precision, lambda *a, **o: metrics.average_precision_score(*a, **o)),
    **{
        name: (
            lambda y, s, w, name=name: oracle.average_precision(y, s, w, name),
            lambda *a, name=name, **o: metrics.mean_average_precision(*a, interpolation=name, **o),
        )
        for name in metrics.curves.INTERPOLATIONS
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
def test_equal_the_definition_dense_and_sparse(kind, hidden):
    for seed in (int(hidden),):
        truth, _, score, weights = make(kind, seed, ("float64", "float32")[seed])
        truth = hide(truth, seed) if hidden and truth.size > 1 else truth
        positive_only = as_label_matrix(truth, background="unknown")
        for weight in (None, np.ceil(weights)):
            for measure, ours in MEASURES.values():
                for average, expected in {
                    None: oracle.by_label(measure, truth, score, weight),
                    "micro": oracle.pooled(measure, truth, score, weight),
                }.items():
                    options = {"average": average, "sample_weight": weight}
                    close(ours(truth, score, **options), expected)
                    close(ours(as_csr(truth), as_csr(score), **options), expected)
                    if hidden:
                        close(ours(positive_only, score, **options), expected)
                        close(ours(positive_only, as_csr(score), **options), expected)
        expected = oracle.by_label(oracle.r_precision, truth, score)
        close(metrics.r_precision(truth, score, average=None), expected)
        close(metrics.r_precision(truth, as_csr(score), average="macro"), expected.mean())


def test_scores_that_agree_in_32_bits_are_told_apart():
    rng = np.random.default_rng(0)
    truth = rng.random((600, 2)) < 0.3
    score = 0.5 + rng.integers(0, 40, truth.shape) * np.spacing(0.5) * rng.choice([1, -1], truth.shape)
    for average in (None, "micro"):
        expected = peer.roc_auc_score(truth, score, average=average)
        close(metrics.roc_auc_score(truth, score, average=average), expected)
        close(metrics.roc_auc_score(truth, as_csr(score), average=average), expected)
    tiny = np.where(truth, 5e-324, 0.0) * (rng.random(truth.shape) < 0.5) * rng.choice([1, -1], truth.shape)
    close(metrics.roc_auc_score(truth, as_csr(tiny), average=None), peer.roc_auc_score(truth, tiny, average=None))


def test_signed_zeros_are_tied():
    assert metrics.roc_auc_score(np.array([[1], [0]]), np.array([[0.0], [-0.0]])) == 0.5
    assert metrics.roc_auc_score(np.array([[1], [0]]), np.array([[-0.0], [0.0]]), average="micro") == 0.5


def test_large_columns_are_sorted_alike():
    """Columns of 256 rows and more take the radix sort."""
    rng = np.random.default_rng(1)
    truth = (rng.random((3000, 5)) < [0.001, 0.05, 0.5, 0.95, 0.2]).astype(int)
    score = rng.normal(size=truth.shape) + truth
    score[:, 4] = score[:, 4].round(1)
    score[rng.random(score.shape) < 0.3] = 0
    for dtype in (np.float16, np.float32, np.float64):
        s = score.astype(dtype)
        for average in AVERAGES[:4]:
            for name in ("roc_auc_score", "average_precision_score"):
                expected = of_peer(name, truth, s.astype(float), average=average)
                close(getattr(metrics, name)(truth, s, average=average), expected)
                if dtype != np.float16:
                    close(getattr(metrics, name)(truth, as_csr(s), average=average), expected)


def everything(truth, score, **options):
    for average in AVERAGES:
        yield metrics.roc_auc_score(truth, score, average=average, absent_labels="skip", **options)
        yield metrics.average_precision_score(truth, score, average=average, **options)
    for average in AVERAGES[:4]:
        yield metrics.roc_auc_score(truth, score, average=average, max_fpr=0.2, **options)
        for name in metrics.curves.INTERPOLATIONS:
            yield metrics.mean_average_precision(truth, score, average=average, interpolation=name, **options)


def bits(values):
    return [np.asarray(x).tobytes() for x in values]


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_and_storage_do_not_change_a_bit(weighted):
    rng = np.random.default_rng(0)
    truth = (rng.random((2003, 101)) < 0.1).astype(np.int8)
    score = np.where(rng.random(truth.shape) < 0.5, 0, rng.random(truth.shape).round(3)).astype(np.float32)
    weight = rng.random(len(truth)) if weighted else None
    expected = bits(everything(truth, score, sample_weight=weight, n_jobs=1))
    for n_jobs in (2, 3, 8):
        assert bits(everything(truth, score, sample_weight=weight, n_jobs=n_jobs)) == expected
    assert bits(everything(as_csr(truth), as_csr(score), sample_weight=weight)) == expected
    assert bits(everything(truth, np.asfortranarray(score), sample_weight=weight)) == expected
    assert bits(everything(truth, score.astype(np.float64), sample_weight=weight)) == expected
    hidden = np.where(rng.random(truth.shape) < 0.2, -1, truth)
    expected = bits(everything(hidden, score, sample_weight=weight))
    assert bits(everything(as_label_matrix(hidden, background="unknown"), score, sample_weight=weight)) == expected
    assert bits(everything(hidden, as_csr(score), sample_weight=weight)) == expected


def test_monotone_scores_change_nothing():
    truth, _, score, _ = make("random", 9)
    for average in AVERAGES[:4]:
        ours = metrics.roc_auc_score(truth, score, average=average)
        close(metrics.roc_auc_score(truth, np.exp(5 * score) - 100, average=average), ours)


def test_golden_values():
    truth = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]])
    score = np.array([[0.9, 0.2, 0.2, 0.4], [0.3, 0.3, 0.6, 0.1], [0.2, 0.5, 0.1, 0.05], [0.8, 0.8, 0.7, 0.1]])
    expected = {"micro": 0.7544973544973544, "macro": 2 / 3, "weighted": 8 / 9, "samples": 0.5625}
    for average, value in expected.items():
        close(metrics.average_precision_score(truth, score, average=average), value)
    close(metrics.average_precision_score(truth, score, average=None), [1, 5 / 6, 0, 5 / 6])
    some = [0, 1, 3]
    close(metrics.roc_auc_score(truth[:, some], score[:, some], average="micro"), 0.8055555555555557)
    close(metrics.roc_auc_score(truth, score, average=None), [1, 0.75, np.nan, 0.875])
    close(metrics.roc_auc_score(truth, score, absent_labels="skip"), 0.875)
    close(metrics.roc_auc_score(truth, score, absent_labels="zero"), 0.875 * 3 / 4)


def test_labels_without_both_kinds_are_counted_in_one_warning():
    truth, score = np.array([[1, 0], [1, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]])
    with pytest.warns(UndefinedMetricWarning, match=r"roc_auc_score: 1 of 2 labels have .* area is NaN \(0\); absent_"):
        assert np.isnan(metrics.roc_auc_score(truth, score))
    with pytest.warns(
        UndefinedMetricWarning,
        match=r"average_precision_score: 1 of 2 labels have no positive \(1\); the macro mean counts them as 0. "
        r"absent_labels='skip' gives 1",
    ):
        assert metrics.average_precision_score(truth - [[0, 0], [0, 1]], score) == 0.5


BAD = [
    (lambda t, s: metrics.roc_auc_score(t, s, average="mean"), "average: expected one of 'micro', .* got 'mean'"),
    (lambda t, s: metrics.roc_auc_score(t, s, max_fpr=0), r"max_fpr: expected a number in \(0, 1\], got 0"),
    (lambda t, s: metrics.roc_auc_score(t, s, max_fpr=0.5, average="samples"), "max_fpr: expected None with average="),
    (lambda t, s: metrics.roc_auc_score(t, s[:, :1]), r"y_score: expected shape .* = \(2, 2\) to match y_true, got"),
    (lambda t, s: metrics.roc_auc_score(t, s * np.nan), "y_score: expected no missing values, got 4 NaN .first at row"),
    (lambda t, s: metrics.roc_auc_score(2 * t, s), "y_true: expected 0 or 1 .* got 2 at row 0, label 0"),
    (lambda t, s: metrics.roc_auc_score(2 * t - 1, s), "y_true: expected 0 where a label is absent, got only -1 and 1"),
    (lambda t, s: metrics.r_precision(t, s, average="macro", ties="column"), "ties: expected 'average' with average="),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([[1, 0], [0, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]]))


def in_row_order(y, s, w):
    """Average precision with equal scores one after the other, in plain words."""
    order = sorted(range(len(y)), key=lambda i: (-s[i], i))
    hits = total = value = 0.0
    for i in order:
        total += w[i]
        if y[i] == 1:
            hits += w[i]
            value += w[i] * hits / total if total else 0.0
    return value / hits if hits else 0.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
def test_ties_in_the_order_of_rows(kind, hidden):
    truth, _, score, weight = make(kind, 5)
    truth = hide(truth, 1) if hidden and truth.size > 1 else truth
    for own in (None, weight):
        w = np.ones(len(truth)) if own is None else own
        expected = []
        for y, s in zip(truth.T, score.T):
            known = y >= 0
            expected.append(in_row_order(y[known], s[known], w[known]))
        options = {"ties": "row", "sample_weight": own, "average": None}
        for storage in (np.asarray, as_csr):
            got = metrics.mean_average_precision(storage(truth), storage(score), **options)
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
        positive_only = mlkit.labels.as_label_matrix(truth, background="unknown")
        np.testing.assert_allclose(
            metrics.mean_average_precision(positive_only, score, **options), expected, atol=1e-12
        )


def test_the_mean_of_image_papers():
    """Percent, over P + 1e-8, the sort stable: what their code prints."""
    rng = np.random.default_rng(0)
    score = rng.random((200, 5)).round(1)
    truth = rng.random(score.shape) < score

    def printed(y, s):
        order = np.argsort(-s, kind="stable")
        ranks = np.flatnonzero(y[order]) + 1
        return np.sum(np.arange(1, ranks.size + 1) / ranks) / (ranks.size + 1e-8)

    theirs = 100 * np.mean([printed(y, s) for y, s in zip(truth.T, score.T)])
    assert 100 * metrics.mean_average_precision(truth, score, ties="row") == pytest.approx(theirs, abs=1e-6)
    assert metrics.mean_average_precision(truth, score) != metrics.mean_average_precision(truth, score, ties="row")
    for options, what in (
        ({"interpolation": "11-point"}, "interpolation='11-point'"),
        ({"average": "micro"}, "average"),
    ):
        with pytest.raises(ValueError, match=f"ties: expected 'group' with {what}"):
            metrics.mean_average_precision(truth, score, ties="row", **options)
