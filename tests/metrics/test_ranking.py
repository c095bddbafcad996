"""Row-wise ranking metrics equal scikit-learn and the sum over all pairs."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as peer

from mlkit import metrics
from mlkit.labels import as_label_matrix
from reference import metrics_ranking as oracle
from reference.metrics_inputs import KINDS, as_csr, hide, make

PEERS = ("label_ranking_average_precision_score", "label_ranking_loss", "coverage_error")
FINITE = [kind for kind in KINDS if kind != "infinite"]
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("kind", FINITE)
def test_equal_scikit_learn(kind):
    for seed in range(4):
        truth, _, score, weights = make(kind, seed, ("float64", "float32")[seed % 2])
        if truth.shape[1] == 1:
            continue
        for weight in (None, weights):
            for name in PEERS:
                ours = getattr(metrics, name)(truth, score, sample_weight=weight)
                close(ours, getattr(peer, name)(truth, score, sample_weight=weight))
            for k in (None, 1, 3):
                close(
                    metrics.ndcg_score(truth, score, k=k, sample_weight=weight),
                    peer.ndcg_score(truth, score, k=k, sample_weight=weight),
                )
                close(
                    metrics.dcg_score(truth, score, k=k, log_base=3, sample_weight=weight),
                    peer.dcg_score(truth, score, k=k, log_base=3, sample_weight=weight),
                )


MEASURES = {
    "label_ranking_average_precision_score": oracle.lrap,
    "label_ranking_loss": oracle.ranking_loss,
    "coverage_error": oracle.coverage,
    "instance_roc_auc": oracle.auc,
}


@quiet
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
def test_equal_the_sum_over_pairs(kind, hidden):
    for seed in range(3):
        truth, _, score, weight = make(kind, seed)
        truth = hide(truth, seed) if hidden and truth.size > 1 else truth
        for name, measure in MEASURES.items():
            expected = oracle.rows_mean(lambda y, s, _, measure=measure: measure(y, s), truth, score, weight)
            close(getattr(metrics, name)(truth, score, sample_weight=weight), expected)
            close(getattr(metrics, name)(as_csr(truth), as_csr(score), sample_weight=weight), expected)
        for name, measure in {"one_error": oracle.one_error, "r_precision": oracle.r_precision}.items():
            for ties in ("column", "average"):
                if ties == "average" and (kind not in ("sparse", "random", "one_row") or truth.shape[1] > 6):
                    continue  # too many orders to try

                def of_row(y, s, _, measure=measure, ties=ties):
                    return oracle.expected(measure, y, s, ties)

                expected = oracle.rows_mean(of_row, truth[:8], score[:8])
                close(getattr(metrics, name)(truth[:8], score[:8], ties=ties), expected)
                close(getattr(metrics, name)(truth[:8], as_csr(score[:8]), ties=ties), expected)


@pytest.mark.parametrize("density", [0.02, 0.5, 0.95])
def test_rows_with_many_positives_are_ranked_alike(density):
    """Few distinct scores of positives are sorted without branches, many with std::sort."""
    rng = np.random.default_rng(3)
    truth = (rng.random((40, 160)) < density).astype(int)
    score = np.where(rng.random(truth.shape) < 0.5, 0.0, rng.normal(size=truth.shape).round(1))
    for name in PEERS:
        expected = getattr(peer, name)(truth, score)
        close(getattr(metrics, name)(truth, score), expected)
        close(getattr(metrics, name)(truth, as_csr(score)), expected)
    for name in ("one_error", "r_precision"):
        measure = getattr(oracle, name)
        expected = oracle.rows_mean(lambda y, s, _, m=measure: oracle.expected(m, y, s, "column"), truth, score)
        close(getattr(metrics, name)(truth, score), expected)
        close(getattr(metrics, name)(truth, as_csr(score)), expected)


def test_average_precision_of_rows_is_lrap_even_with_ties():
    """Where a row has both true and absent labels the two are one number, tied or not."""
    rng = np.random.default_rng(0)
    truth = rng.random((50, 6)) < 0.5
    truth[:, 0], truth[:, 1] = True, False
    score = rng.random(truth.shape).round(1)
    ours = metrics.label_ranking_average_precision_score(truth, score)
    close(ours, peer.average_precision_score(truth, score, average="samples"))


def everything(truth, score, **options):
    for name in (*MEASURES, "one_error", "r_precision", "ndcg_score", "dcg_score"):
        yield getattr(metrics, name)(truth, score, **options)
    yield metrics.ndcg_score(truth, score, k=2, ignore_ties=True, **options)
    yield metrics.one_error(truth, score, ties="average", **options)
    yield metrics.coverage_error(truth, score, offset=-1, **options)


def same_bits(a, b):
    assert [np.float64(x).tobytes() for x in a] == [np.float64(x).tobytes() for x in b]


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_and_storage_do_not_change_a_bit(weighted):
    rng = np.random.default_rng(0)
    truth = (rng.random((2003, 101)) < 0.1).astype(np.int8)
    score = np.where(rng.random(truth.shape) < 0.5, 0, rng.random(truth.shape).round(2)).astype(np.float32)
    weight = rng.random(len(truth)) if weighted else None
    expected = list(everything(truth, score, sample_weight=weight, n_jobs=1))
    for n_jobs in (2, 3, 8):
        same_bits(everything(truth, score, sample_weight=weight, n_jobs=n_jobs), expected)
    same_bits(everything(as_csr(truth), as_csr(score), sample_weight=weight), expected)
    same_bits(everything(truth, np.asfortranarray(score), sample_weight=weight), expected)
    same_bits(everything(truth, score.astype(np.float64), sample_weight=weight), expected)


def test_unknown_cells_are_the_same_in_every_form():
    truth, _, score, weight = make("tied", 11)
    truth[:, 0] = 0
    hidden = hide(truth, 1)
    hidden[:, 0] = 0
    expected = list(everything(hidden, score, sample_weight=weight))
    same_bits(everything(np.where(hidden < 0, np.nan, hidden), score, sample_weight=weight), expected)
    same_bits(everything(truth, as_csr(score), unknown=as_csr(hidden < 0), sample_weight=weight), expected)
    same_bits(everything(as_label_matrix(hidden, background="unknown"), score, sample_weight=weight), expected)
    same_bits(everything(as_label_matrix(hidden, background="unknown"), as_csr(score), sample_weight=weight), expected)


def test_golden_values():
    truth = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]])
    score = np.array([[0.9, 0.2, 0.2, 0.4], [0.3, 0.3, 0.6, 0.1], [0.2, 0.5, 0.1, 0.05], [0.8, 0.8, 0.7, 0.1]])
    close(metrics.label_ranking_average_precision_score(truth, score), 0.8125)
    close(metrics.coverage_error(truth, score), 2.25)
    close(metrics.label_ranking_loss(truth, score), 0.25)
    close(metrics.ndcg_score(truth, score), 0.6332332150687245)
    close(metrics.ndcg_score(truth, score, k=3), 0.5827063784435876)
    close(metrics.dcg_score(truth, score, k=3), 0.9568310959821611)


def test_no_row_with_both_kinds_is_undefined():
    from sklearn.exceptions import UndefinedMetricWarning

    with pytest.warns(UndefinedMetricWarning, match="instance_roc_auc: no row has both a true and an absent label"):
        assert np.isnan(metrics.instance_roc_auc(np.array([[1, 1], [0, 0]]), np.array([[0.1, 0.2], [0.1, 0.2]])))


@quiet
@pytest.mark.parametrize("kind", FINITE)
@pytest.mark.parametrize("k", [None, 1, 3])
def test_graded_gains_equal_scikit_learn(kind, k):
    truth, _, score, weight = make(kind, 2)
    if truth.shape[1] < 2:
        return
    rng = np.random.default_rng(0)
    worth = truth * rng.choice([0.5, 1, 3, 7], truth.shape)
    for own in (None, weight):
        for name in ("dcg_score", "ndcg_score"):
            expected = getattr(peer, name)(worth, score, k=k, sample_weight=own)
            for labels, scores, gains in ((truth, score, worth), (as_csr(truth), as_csr(score), as_csr(worth))):
                got = getattr(metrics, name)(labels, scores, k=k, gains=gains, sample_weight=own)
                close(got, expected)
    ones = np.ones(truth.shape[1])
    for ignore in (False, True):
        plain = metrics.ndcg_score(truth, score, k=k, ignore_ties=ignore)
        close(metrics.ndcg_score(truth, score, k=k, gains=ones, ignore_ties=ignore), plain)
        hidden = hide(truth, 3) if truth.size > 1 else truth
        for labels in (hidden, as_label_matrix(hidden, background="unknown")):
            plain = metrics.ndcg_score(labels, score, k=k, ignore_ties=ignore)
            close(metrics.ndcg_score(labels, score, k=k, gains=ones, ignore_ties=ignore), plain)


def test_bad_gains_are_named():
    truth, score = np.array([[1, 0], [0, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]])
    for gains, kind, message in (
        (
            [1, 2, 3],
            ValueError,
            r"gains: expected shape \(2,\), one for each label, or \(2, 2\), one for each cell, got",
        ),
        ([1, -1], ValueError, "gains: expected finite numbers >= 0"),
        ([1, np.nan], ValueError, "gains: expected finite numbers >= 0"),
        (["a", "b"], TypeError, "gains: expected numbers, got <U1"),
    ):
        with pytest.raises(kind, match=message):
            metrics.ndcg_score(truth, score, gains=gains)
