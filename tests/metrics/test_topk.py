"""Top-k metrics equal the plain definition, with ties in label order and averaged over all orders."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from mlkit import metrics
from reference import metrics as sets
from reference import metrics_ranking as oracle
from reference.metrics_inputs import KINDS, as_csr, hide, make

ROWS = ("precision_at_k", "recall_at_k", "rank_precision_at_k", "hit_rate_at_k", "ndcg_at_k")
SCORED = ("psprecision_at_k", "psrecall_at_k", "psndcg_at_k")
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)


@quiet
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("ties", ["column", "average"])
def test_rows_equal_the_definition(kind, hidden, ties):
    truth, _, score, weight = make(kind, 3)
    if ties == "average":
        truth, score, weight = truth[:6, :6], score[:6, :6], weight[:6]
    truth = hide(truth, 5) if hidden and truth.size > 1 else truth
    ks = [1, 2, 5]
    q = np.linspace(1, 2, truth.shape[1])
    for name in ROWS:
        expected = [
            oracle.rows_mean(
                lambda y, s, _, k=k, name=name: oracle.expected(lambda ranked: oracle.top(name, ranked, k), y, s, ties),
                truth, score, weight,
            )
            for k in ks
        ]  # fmt: skip
        close(getattr(metrics, name)(truth, score, ks, ties=ties, sample_weight=weight), expected)
        close(getattr(metrics, name)(as_csr(truth), as_csr(score), ks, ties=ties, sample_weight=weight), expected)
    for name in SCORED:
        expected = []
        for k in ks:
            parts = [
                np.multiply(w, oracle.scored_parts(name, y, s, q[labels], k, ties))
                for (labels, y, s), w in zip(map(oracle.known_row, truth, score), weight)
            ]
            reached, best = np.sum(parts, axis=0)
            expected.append(reached / best if best else np.nan)
        options = {"inv_propensity": q, "ties": ties, "sample_weight": weight}
        close(getattr(metrics, name)(truth, score, ks, **options), expected)
        close(getattr(metrics, name)(truth, as_csr(score), ks, **options), expected)


@quiet
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
def test_labels_equal_set_metrics_of_the_retrieved(kind, hidden):
    truth, _, score, weight = make(kind, 4)
    truth = hide(truth, 6) if hidden and truth.size > 1 else truth
    ks = [3, 1]
    for storage in (np.asarray, as_csr):
        for at, k in enumerate(ks):
            retrieved = np.zeros(truth.shape, int)
            for i in range(len(truth)):
                labels, _, s = oracle.known_row(truth[i], score[i])
                retrieved[i, labels[oracle.order_by_column(s)[:k]]] = 1
            for name, ratio in {"precision": "precision", "recall": "recall", "f1": "fbeta"}.items():
                ours = getattr(metrics, f"macro_{name}_at_k")(truth, storage(score), ks, sample_weight=weight)
                close(ours[at], sets.set_metric(ratio, truth, retrieved, "macro", weight))
            found = ((truth == 1) & (retrieved == 1)).any(axis=0)
            present = (truth == 1).any(axis=0)
            ours = metrics.label_coverage_at_k(truth, storage(score), ks)
            close(ours[at], found.sum() / present.sum() if present.any() else np.nan)
            close(metrics.label_coverage_at_k(truth, score, k, denominator="all"), found.mean())


def test_golden_values():
    truth = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    score = np.array([[90, 20, 25, 40, 10], [30, 35, 60, 10, 5], [20, 50, 10, 5, 30], [80, 75, 70, 10, 15]]) / 100
    q = metrics.inverse_propensity(truth)
    close(q, [1.3210317225117136, 1.3210317225117136, 1.5116054719900802, 1.3210317225117136, 1.3862943611198906])
    k = [1, 3, 5]
    close(metrics.precision_at_k(truth, score, k), [0.5, 5 / 12, 0.35])
    close(metrics.recall_at_k(truth, score, k), [0.1875, 0.625, 0.75])
    close(metrics.recall_at_k(truth, score, k, empty="skip"), [0.25, 5 / 6, 1])
    close(metrics.recall_at_k(truth, score, 1, empty="one"), 0.4375)
    close(metrics.rank_precision_at_k(truth, score, k), [0.5, 2 / 3, 0.75])
    close(metrics.hit_rate_at_k(truth, score, k), [0.5, 0.75, 0.75])
    close(metrics.ndcg_at_k(truth, score, k), [0.5, 0.5990725976400197, 0.6466898367008029])
    close(metrics.psprecision_at_k(truth, score, k, inv_propensity=q), [0.6558661301124327, 0.8265278710034403, 1])
    ours = metrics.psndcg_at_k(truth, score, k, inv_propensity=q)
    np.testing.assert_allclose(ours, [0.6558661, 0.792638, 0.8594964], atol=1e-6)
    ours = metrics.psrecall_at_k(truth, score, k, inv_propensity=q)
    np.testing.assert_allclose(ours, [0.42556797, 0.90502629, 1], atol=1e-8)
    close(metrics.label_coverage_at_k(truth, score, k), [0.25, 0.75, 1])
    close(metrics.label_coverage_at_k(truth, score, k, denominator="all"), [0.2, 0.6, 0.8])


def test_what_is_not_stored_competes_at_zero_or_not_at_all():
    from scipy.sparse import csr_array

    truth = np.array([[1, 0, 1, 1]])
    score = csr_array(np.array([[0.0, 0.0, 0.7, -0.2]]))
    assert metrics.precision_at_k(truth, score, 3) == pytest.approx(2 / 3)
    assert metrics.precision_at_k(truth, score, 3, implicit="absent") == pytest.approx(2 / 3)
    assert metrics.precision_at_k(truth, score, 2) == 1.0
    assert metrics.precision_at_k(np.array([[0, 0, 1, 1]]), score, 2) == 0.5
    assert metrics.precision_at_k(np.array([[0, 0, 1, 1]]), score, 2, implicit="absent") == 1.0
    assert metrics.macro_recall_at_k(np.array([[1, 0, 1, 1]]), score, 2, implicit="absent") == 0.5


def test_implicit_absent_ranks_many_positives_too():
    rng = np.random.default_rng(0)
    truth = (rng.random((20, 200)) < 0.5).astype(int)
    score = np.where(rng.random(truth.shape) < 0.5, 0.0, rng.normal(size=truth.shape))
    stored = np.where(score == 0, -np.inf, score)  # below everything that is stored
    for k in (1, 20, 60):
        ours = metrics.precision_at_k(truth, _plain_csr(score), k, implicit="absent")
        close(ours, metrics.precision_at_k(truth, stored, k))


def _plain_csr(array):
    from scipy.sparse import csr_array

    return csr_array(array)


def test_more_labels_than_there_are_is_one_warning():
    with pytest.warns(UndefinedMetricWarning, match="precision_at_k: k = 3 exceeds the 2 labels; ranks that do not"):
        assert metrics.precision_at_k(np.array([[1, 0]]), np.array([[0.1, 0.2]]), 3) == pytest.approx(1 / 3)


def everything(truth, score, **options):
    q = np.linspace(1, 2, truth.shape[1])
    for name in ROWS:
        yield getattr(metrics, name)(truth, score, [1, 4], **options)
    for name in SCORED:
        yield getattr(metrics, name)(truth, score, [1, 4], inv_propensity=q, **options)
    for name in ("macro_precision_at_k", "macro_recall_at_k", "macro_f1_at_k", "label_coverage_at_k"):
        yield getattr(metrics, name)(truth, score, [1, 4], **options)


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_and_storage_do_not_change_a_bit(weighted):
    rng = np.random.default_rng(0)
    truth = (rng.random((2003, 101)) < 0.1).astype(np.int8)
    score = np.where(rng.random(truth.shape) < 0.9, 0, rng.normal(size=truth.shape).round(1)).astype(np.float32)
    weight = rng.random(len(truth)) if weighted else None
    expected = [x.tobytes() for x in everything(truth, score, sample_weight=weight, n_jobs=1)]
    for n_jobs in (2, 3, 8):
        assert [x.tobytes() for x in everything(truth, score, sample_weight=weight, n_jobs=n_jobs)] == expected
    assert [x.tobytes() for x in everything(as_csr(truth), as_csr(score), sample_weight=weight)] == expected


BAD = [
    (lambda t, s: metrics.precision_at_k(t, s, 0), "k: expected an integer >= 1, got 0"),
    (lambda t, s: metrics.precision_at_k(t, s, []), "k: expected an integer >= 1 or a sequence of them, got none"),
    (lambda t, s: metrics.precision_at_k(t, s, 1, ties="random"), "ties: expected one of 'column', 'average', got"),
    (lambda t, s: metrics.precision_at_k(t, s, 1, implicit="none"), "implicit: expected one of 'zero', 'absent', got"),
    (
        lambda t, s: metrics.precision_at_k(t, s, 1, ties="average", implicit="absent"),
        "ties: expected 'column' with implicit='absent', got 'average'",
    ),
    (lambda t, s: metrics.inverse_propensity(t), "y_train: expected at least 3 examples, got 2"),
    (
        lambda t, s: metrics.psprecision_at_k(t, s, 1, inv_propensity=[1.0]),
        r"inv_propensity: expected shape \(2,\), one for each label, got shape \(1,\)",
    ),
    (
        lambda t, s: metrics.psprecision_at_k(t, s, 1, inv_propensity=[1.0, -1.0]),
        "inv_propensity: expected finite numbers > 0, got -1 at label 1",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([[1, 0], [0, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]]))
