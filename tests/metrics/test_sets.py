"""Set metrics equal scikit-learn's where it has them, and the plain definition everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning

from mlkit import metrics
from mlkit.labels import as_label_matrix
from reference import metrics as oracle
from reference.metrics_inputs import KINDS, as_csr, hide, make

AVERAGES = ("micro", "macro", "weighted", "samples", None)
RATIOS = {
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
    "jaccard": metrics.jaccard_score,
    "specificity": metrics.specificity_score,
}
NAN = float("nan")


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("average", AVERAGES)
def test_ratios_equal_scikit_learn(kind, average):
    for seed in range(2):
        truth, predicted, _, weights = make(kind, seed)
        if truth.shape[1] == 1:
            continue  # a single label is no multi-label problem there
        options = {"average": average, "sample_weight": (None, weights)[seed], "zero_division": float(seed)}
        for name in ("f1_score", "precision_score", "recall_score", "jaccard_score"):
            ours = getattr(metrics, name)(truth, predicted, **options)
            close(ours, getattr(peer, name)(truth, predicted, **options))
        for beta in (0.0, 2.0, np.inf):
            ours = metrics.fbeta_score(truth, predicted, beta=beta, **options)
            close(ours, peer.fbeta_score(truth, predicted, beta=beta, **options))


@pytest.mark.parametrize("average", AVERAGES)
def test_nan_leaves_undefined_values_out(average):
    for kind in KINDS:
        truth, predicted, _, weight = make(kind, 1)
        for name, function in RATIOS.items():
            ours = function(truth, predicted, average=average, sample_weight=weight, zero_division=NAN)
            close(ours, oracle.set_metric(name, truth, predicted, average, weight, NAN))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("undefined", [0.0, 1.0, NAN])
def test_unknown_cells_take_no_part(average, undefined):
    for kind in KINDS:
        truth, predicted, _, weight = make(kind, 2)
        if truth.size == 1:
            continue
        truth = hide(truth, 3)
        options = {"average": average, "sample_weight": weight, "zero_division": undefined}
        for name, function in RATIOS.items():
            close(
                function(truth, predicted, **options),
                oracle.set_metric(name, truth, predicted, average, weight, undefined),
            )
        ours = metrics.fbeta_score(truth, predicted, beta=0.7, **options)
        close(ours, oracle.set_metric("fbeta", truth, predicted, average, weight, undefined, 0.7))
        mcc = metrics.mcc_score(truth, predicted, average=average, sample_weight=weight)
        close(mcc, oracle.set_metric("mcc", truth, predicted, average, weight))
        close(metrics.hamming_loss(truth, predicted, sample_weight=weight), oracle.hamming(truth, predicted, weight))
        close(
            metrics.accuracy_score(truth, predicted, sample_weight=weight),
            oracle.accuracy(truth, predicted, weight),
        )
        close(metrics.multilabel_confusion_matrix(truth, predicted), oracle.confusion(truth, predicted))


@pytest.mark.parametrize("kind", KINDS)
def test_counts_and_errors_equal_scikit_learn(kind):
    for seed in range(2):
        truth, predicted, _, weights = make(kind, seed)
        if truth.shape[1] == 1:
            continue
        for weight in ((None, weights)[seed],):
            for name in ("hamming_loss", "accuracy_score", "zero_one_loss"):
                ours = getattr(metrics, name)(truth, predicted, sample_weight=weight)
                close(ours, getattr(peer, name)(truth, predicted, sample_weight=weight))
            close(
                metrics.accuracy_score(truth, predicted, normalize=False, sample_weight=weight),
                peer.accuracy_score(truth, predicted, normalize=False, sample_weight=weight),
            )
            for samplewise in (False, True):
                options = {"sample_weight": weight, "samplewise": samplewise}
                ours = metrics.multilabel_confusion_matrix(truth, predicted, **options)
                theirs = peer.multilabel_confusion_matrix(truth, predicted, **options)
                close(ours, theirs)
                if weight is None:
                    assert ours.dtype == np.int64
                    assert (ours == theirs).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning", "ignore::UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_single_labels_equal_scikit_learns_binary_functions(kind):
    truth, predicted, _, weight = make(kind, 5)
    balanced = metrics.balanced_accuracy_score(truth, predicted, average=None, sample_weight=weight)
    mcc = metrics.mcc_score(truth, predicted, average=None, sample_weight=weight)
    for j in range(truth.shape[1]):
        column = truth[:, j], predicted[:, j]
        close(balanced[j], peer.balanced_accuracy_score(*column, sample_weight=weight))
        close(mcc[j], peer.matthews_corrcoef(*column, sample_weight=weight))


def test_the_report_is_scikit_learns_text():
    for kind in ("random", "sparse", "no_prediction", "tied"):
        for seed in range(3):
            truth, predicted, _, weight = make(kind, seed)
            names = [f"label number {j}" for j in range(truth.shape[1])]
            for options in ({}, {"digits": 4, "target_names": names}, {"sample_weight": np.full(len(truth), 2.0)}):
                options = {"zero_division": 0, **options}
                assert metrics.classification_report(truth, predicted, **options) == peer.classification_report(
                    truth, predicted, **options
                )
            ours = metrics.classification_report(
                truth, predicted, output_dict=True, sample_weight=weight, zero_division=1
            )
            theirs = peer.classification_report(
                truth, predicted, output_dict=True, sample_weight=weight, zero_division=1
            )
            assert list(ours) == list(theirs)
            for name, values in theirs.items():
                close(list(ours[name].values()), list(values.values()))


def test_chosen_labels_equal_scikit_learn():
    truth, predicted, _, _ = make("random", 7)
    chosen = [truth.shape[1] - 1, 0]
    for average in AVERAGES:
        options = {"average": average, "labels": chosen, "zero_division": 0}
        close(metrics.f1_score(truth, predicted, **options), peer.f1_score(truth, predicted, **options))
    names = [f"l{j}" for j in range(truth.shape[1])]
    named = as_label_matrix(truth, label_names=names)
    ours = metrics.f1_score(named, predicted, average=None, labels=[names[j] for j in chosen], zero_division=0)
    close(ours, peer.f1_score(truth, predicted, average=None, labels=chosen, zero_division=0))


def test_absent_labels_are_counted_left_out_or_nan():
    truth, predicted = np.array([[1, 0, 0], [1, 1, 0]]), np.array([[1, 1, 0], [1, 1, 1]])
    assert metrics.f1_score(truth, predicted) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert metrics.f1_score(truth, predicted, absent_labels="skip") == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(metrics.f1_score(truth, predicted, absent_labels="nan"))
    assert np.isnan(metrics.f1_score(truth, predicted, average=None, absent_labels="nan")).tolist() == [
        False,
        False,
        True,
    ]


def test_macro_f_has_two_meanings():
    truth = np.array([[1, 0], [1, 0], [0, 1]])
    predicted = np.array([[1, 1], [0, 1], [0, 1]])
    p, r = (1 + 1 / 3) / 2, (1 / 2 + 1) / 2
    assert metrics.f1_score(truth, predicted, average="macro_pr") == pytest.approx(2 * p * r / (p + r))
    assert metrics.f1_score(truth, predicted, average="macro") == pytest.approx((2 / 3 + 1 / 2) / 2)


def everything(truth, predicted, **options):
    for average in AVERAGES:
        for function in (metrics.f1_score, *RATIOS.values()):
            yield function(truth, predicted, average=average, zero_division=0.0, **options)
        yield metrics.mcc_score(truth, predicted, average=average, **options)
        yield metrics.balanced_accuracy_score(truth, predicted, average=average, **options)
    yield metrics.hamming_loss(truth, predicted, **options)
    yield metrics.accuracy_score(truth, predicted, **options)
    yield metrics.multilabel_confusion_matrix(truth, predicted, **options)
    yield metrics.multilabel_confusion_matrix(truth, predicted, samplewise=True, **options)


def same_bits(a, b):
    a, b = [np.asarray(x) for x in a], [np.asarray(x) for x in b]
    assert [x.tobytes() for x in a] == [x.tobytes() for x in b]


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_and_storage_do_not_change_a_bit(weighted):
    rng = np.random.default_rng(0)
    truth = (rng.random((1501, 211)) < 0.1).astype(np.int8)
    predicted = truth ^ (rng.random(truth.shape) < 0.05)
    weight = rng.random(len(truth)) if weighted else None
    expected = list(everything(truth, predicted, sample_weight=weight, n_jobs=1))
    for n_jobs in (2, 3, 8):
        same_bits(everything(truth, predicted, sample_weight=weight, n_jobs=n_jobs), expected)
    same_bits(everything(as_csr(truth), as_csr(predicted), sample_weight=weight), expected)
    same_bits(everything(np.asfortranarray(truth, float), as_csr(predicted), sample_weight=weight), expected)


def test_unknown_cells_are_the_same_in_every_form():
    truth, predicted, _, weight = make("random", 11)
    truth[0] = 0
    hidden = hide(truth, 1)
    hidden[:, 0] = truth[:, 0]
    hidden[hidden.max(axis=1) < 0, 0] = 0
    expected = list(everything(hidden, predicted, sample_weight=weight))
    same_bits(everything(np.where(hidden < 0, np.nan, hidden), predicted, sample_weight=weight), expected)
    same_bits(everything(truth, predicted, unknown=hidden < 0, sample_weight=weight), expected)
    same_bits(everything(truth, predicted, unknown=as_csr(hidden < 0), sample_weight=weight), expected)
    positive_only = as_label_matrix(hidden, background="unknown")
    same_bits(everything(positive_only, predicted, sample_weight=weight), expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_weight_is_a_number_of_copies(seed, largest):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.random((2, 8, 4)) < 0.4
    weight = rng.integers(1, largest + 1, len(truth))
    repeated = np.repeat(truth, weight, axis=0), np.repeat(predicted, weight, axis=0)
    for average in AVERAGES:
        ours = metrics.f1_score(truth, predicted, average=average, sample_weight=weight, zero_division=0)
        close(ours, metrics.f1_score(*repeated, average=average, zero_division=0))


def test_golden_values():
    truth = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]])
    predicted = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [1, 1, 1, 0]])
    expected = {"micro": (0.5, 1 / 3), "macro": (0.375, 1 / 3), "weighted": (0.5, 4 / 9), "samples": (1 / 3, 1 / 4)}
    for average, (f, j) in expected.items():
        close(metrics.f1_score(truth, predicted, average=average, zero_division=0), f)
        close(metrics.jaccard_score(truth, predicted, average=average, zero_division=0), j)
    assert metrics.f1_score(truth, predicted, average=None, zero_division=0).tolist() == [1, 0.5, 0, 0]
    assert metrics.hamming_loss(truth, predicted) == 0.375
    assert metrics.accuracy_score(truth, predicted) == 0


WARNINGS = [
    (
        "macro",
        "1 of 2 labels have no positive \\(1\\); the macro mean counts them as 0. absent_labels='skip' gives 1; zero_",
    ),
    ("weighted", "f1_score: 1 of 2 labels have no positive or prediction and count as 0 \\(1\\); zero_division="),
    ("samples", "f1_score: 1 of 2 examples have no positive or prediction and count as 0; zero_division="),
]


@pytest.mark.parametrize(("average", "message"), WARNINGS)
def test_what_is_undefined_is_counted_in_one_warning(average, message):
    with pytest.warns(UndefinedMetricWarning, match=message) as seen:
        metrics.f1_score(np.array([[1, 0], [0, 0]]), np.array([[1, 0], [0, 0]]), average=average)
    assert len(seen) == 1
    assert seen[0].filename == __file__


def test_examples_without_a_known_cell_are_reported():
    with pytest.warns(UndefinedMetricWarning, match="accuracy_score: 1 example has no known cell and is left out"):
        assert metrics.accuracy_score(np.array([[1, 0], [-1, -1]]), np.array([[1, 0], [1, 0]])) == 1


def test_the_f1_of_means_has_no_value_where_a_mean_has_none():
    truth, predicted = np.array([[1, 0], [1, 0]]), np.array([[1, 1], [0, 1]])
    assert np.isnan(metrics.f1_score(truth, predicted, average="macro_pr", absent_labels="nan", zero_division=0))
    p, r = 0.5, 0.25
    value = metrics.f1_score(truth, predicted, average="macro_pr", zero_division=0)
    assert value == pytest.approx(2 * p * r / (p + r))
