"""Every form of labels, predictions and scores says the same; every bad one is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mlkit
from mlkit import metrics
from mlkit.labels import as_label_matrix

TRUTH = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]])
SCORE = np.array([[0.9, 0.2, 0.3], [0.1, 0.6, 0.4], [0.3, 0.2, 0.1], [0.4, 0.8, 0.2]])
NAMES = ["cat", "dog", "owl"]
LISTS = [[0], [1, 2], [], [0, 1]]


def auc(truth, score, **options):
    return metrics.roc_auc_score(truth, score, average="micro", **options)


def test_all_forms_of_scores_agree():
    expected = auc(TRUTH, SCORE)
    pairs = [np.column_stack([1 - SCORE[:, j], SCORE[:, j]]) for j in range(3)]
    forms = [SCORE.tolist(), pairs, sparse.csc_matrix(SCORE), pd.DataFrame(SCORE), (100 * SCORE).astype(int)]
    for form in (*forms, SCORE[:, ::-1][:, ::-1]):
        assert auc(TRUTH, form) == expected


def test_all_forms_of_truth_and_prediction_agree():
    predicted = SCORE >= 0.4
    expected = metrics.f1_score(TRUTH, predicted, average="micro")
    names = [[NAMES[j] for j in row] for row in LISTS]
    guesses = [np.flatnonzero(row).tolist() for row in predicted]
    for truth in (LISTS, TRUTH.astype(bool), sparse.coo_matrix(TRUTH), as_label_matrix(TRUTH), pd.DataFrame(TRUTH)):
        for guess in (guesses, predicted, sparse.csr_array(predicted), pd.DataFrame(predicted.astype(int))):
            if truth is LISTS and guess is guesses:
                continue  # neither says how many labels there are
            assert metrics.f1_score(truth, guess, average="micro") == expected
    assert mlkit.evaluate(names, SCORE, label_names=NAMES, threshold=0.4)["f1_micro"].value == pytest.approx(expected)


def test_columns_of_frames_are_aligned_by_name():
    truth, score = pd.DataFrame(TRUTH, columns=NAMES), pd.DataFrame(SCORE, columns=NAMES)
    mixed = ["owl", "cat", "dog"]
    assert auc(truth, score[mixed]) == auc(TRUTH, SCORE)
    report = mlkit.evaluate(truth, score[mixed], (score[mixed] >= 0.5).astype(int))
    assert report.per_label["label"].tolist() == NAMES
    np.testing.assert_array_equal(report.per_label["n_predicted"], (SCORE >= 0.5).sum(axis=0))


def test_callers_arrays_are_left_alone():
    truth = sparse.csr_array((np.array([1, 1]), np.array([2, 0]), np.array([0, 2, 2, 2, 2])), shape=(4, 3))
    score = sparse.csr_array((np.array([0.3, 0.9]), np.array([2, 0]), np.array([0, 2, 2, 2, 2])), shape=(4, 3))
    before = [x.copy() for m in (truth, score) for x in (m.data, m.indices, m.indptr)]
    mlkit.evaluate(truth, score)
    after = [x for m in (truth, score) for x in (m.data, m.indices, m.indptr)]
    assert all((a == b).all() for a, b in zip(before, after))


def test_explicit_zeros_are_negatives():
    truth = sparse.csr_array((np.array([1, 0]), np.array([0, 1]), np.array([0, 1, 2])), shape=(2, 2))
    assert metrics.multilabel_confusion_matrix(truth, truth)[1].tolist() == [[2, 0], [0, 0]]
    lrap = metrics.label_ranking_average_precision_score(truth, np.array([[0.1, 0.2], [0.3, 0.4]]))
    assert lrap == 0.75


BAD = [
    (lambda: auc(TRUTH, SCORE[0]), ValueError, r"y_score: expected two dimensions .* got shape \(3,\)"),
    (lambda: auc(TRUTH[0], SCORE), ValueError, r"y_true: expected two dimensions .* got shape \(3,\)"),
    (lambda: auc(TRUTH[:0], SCORE[:0]), ValueError, "y_score: expected at least one example"),
    (lambda: auc(TRUTH.T, SCORE), ValueError, r"y_score: expected shape .* \(3, 4\) to match y_true, got"),
    (lambda: auc("cats", SCORE), TypeError, "y_true: expected a 0/1 array, a SciPy sparse matrix"),
    (lambda: auc(TRUTH, "high"), TypeError, "y_score: expected a float array, a SciPy sparse matrix"),
    (lambda: auc(3 * TRUTH, SCORE), ValueError, r"y_true: expected 0 or 1 \(-1 or NaN where unknown\), got 3 at row 0"),
    (lambda: auc([["cat"], ["cow"], [], []], SCORE), ValueError, "y_true: expected label_names beside"),
    (lambda: auc(TRUTH, SCORE, unknown=TRUTH[:, :2] > 0), ValueError, r"unknown: expected shape \(4, 3\) to match"),
    (lambda: auc(TRUTH, SCORE, n_jobs=0), ValueError, "n_jobs: expected a positive or negative integer or None, got 0"),
    (lambda: metrics.f1_score(TRUTH, SCORE), ValueError, "y_pred: expected 0 or 1, got 0.9 at row 0, label 0"),
    (lambda: metrics.f1_score(TRUTH, TRUTH.T), ValueError, r"y_pred: expected shape .* got \(3, 4\) .transposed"),
    (lambda: metrics.f1_score(TRUTH, TRUTH, zero_division=2), ValueError, "zero_division: expected 'warn'"),
    (lambda: metrics.f1_score(TRUTH, TRUTH, labels=[3]), ValueError, r"labels: expected an integer in \[0, 2\], got 3"),
    (lambda: metrics.f1_score(TRUTH, TRUTH, labels=[0, 0]), ValueError, "labels: expected distinct labels"),
    (lambda: metrics.fbeta_score(TRUTH, TRUTH, beta=-1), ValueError, r"beta: expected a number in \[0, inf\), got -1"),
    (lambda: auc(TRUTH, SCORE, sample_weight=["a"] * 4), TypeError, "sample_weight: expected numbers, got <U1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_at_odd_addresses_are_read_as_well(dtype):
    rng = np.random.default_rng(0)
    score = rng.random((30, 70)).astype(dtype)
    truth = rng.random(score.shape) < 0.2
    room = np.zeros(score.nbytes + 1, np.uint8)
    odd = room[1:].view(dtype).reshape(score.shape)
    odd[:] = score
    assert not odd.flags.aligned
    assert mlkit.evaluate(truth, odd, k=(1, 5)).to_dict() == mlkit.evaluate(truth, score, k=(1, 5)).to_dict()
