"""Pairs that are counted as they come give the numbers of pairs that are read, and what is not plain is read."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mlkit import metrics
from mlkit._validation import pairs
from mlkit.labels import as_label_matrix

DTYPES = ("bool", "int8", "uint8", "int32", "uint32", "int64", "float32", "float64")
AVERAGES = ("micro", "macro", "weighted", "samples", None)


def make(seed, n=300, n_labels=19):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, n_labels)) < rng.random(n_labels) ** 3
    predicted = np.where(rng.random(truth.shape) < 0.2, rng.random(truth.shape) < 0.3, truth)
    truth[5] = predicted[6] = truth[:, 3] = False
    return truth, predicted


def numbers(truth, predicted):
    values = [metrics.f1_score(truth, predicted, average=a, zero_division=0) for a in AVERAGES]
    others = metrics.hamming_loss(truth, predicted), metrics.accuracy_score(truth, predicted)
    return np.concatenate([np.atleast_1d(x) for x in (*values, *others)]).tobytes()


def reads(monkeypatch):
    """How often labels are read from now on."""
    calls = []
    read = pairs.read_labels
    monkeypatch.setattr(pairs, "read_labels", lambda *args, **kwargs: calls.append(1) or read(*args, **kwargs))
    return calls


@pytest.mark.parametrize("dtype", DTYPES)
def test_plain_pairs_are_counted_without_reading_them(dtype, monkeypatch):
    truth, predicted = make(0)
    expected = numbers(as_label_matrix(truth), as_label_matrix(predicted))
    calls = reads(monkeypatch)
    assert numbers(truth.astype(dtype), predicted.astype(dtype)) == expected
    assert numbers(truth.astype(dtype), predicted) == expected
    assert numbers(truth[::-1].astype(dtype)[::-1], predicted.astype(dtype)) == expected
    for index in (np.int32, np.int64):
        y, p = (sparse.csr_array(x.astype(dtype)) for x in (truth, predicted))
        for m in (y, p):
            m.indptr, m.indices = m.indptr.astype(index), m.indices.astype(index)
        assert numbers(y, p) == expected
    assert not calls


def test_what_is_not_plain_is_read():
    truth, predicted = make(1)
    expected = numbers(as_label_matrix(truth), as_label_matrix(predicted))
    stored_zeros = sparse.csr_array(truth.astype(np.int8))
    stored_zeros.data = np.ones_like(stored_zeros.data)
    stored_zeros = stored_zeros + sparse.csr_array(np.eye(*truth.shape, dtype=np.int8))
    stored_zeros.data[:] = truth[np.repeat(np.arange(len(truth)), np.diff(stored_zeros.indptr)), stored_zeros.indices]
    shuffled = sparse.csr_array(truth.astype(np.int8))
    for i in range(len(truth)):
        shuffled.indices[shuffled.indptr[i] : shuffled.indptr[i + 1]] = shuffled.indices[
            shuffled.indptr[i] : shuffled.indptr[i + 1]
        ][::-1]
    mixed = sparse.csr_array(truth.astype(np.int8))
    mixed.indices = mixed.indices.astype(np.int64)
    for form in (stored_zeros, shuffled, mixed, sparse.csc_array(truth), np.asfortranarray(truth)):
        assert numbers(form, sparse.csr_array(predicted.astype(np.int8))) == expected
    for dtype in ("int16", "float16"):
        assert numbers(truth.astype(dtype), predicted) == expected
    with pytest.raises(ValueError, match="y_true: expected native byte order, got >i4"):
        metrics.hamming_loss(truth.astype(">i4"), predicted)


def test_unknown_and_odd_cells_are_found():
    truth, predicted = (x.astype(np.int8) for x in make(2))
    hidden = np.where(np.random.default_rng(0).random(truth.shape) < 0.2, -1, truth)
    expected = numbers(as_label_matrix(hidden), as_label_matrix(predicted))
    assert numbers(hidden, predicted) == expected
    assert numbers(np.where(hidden < 0, np.nan, hidden), predicted) == expected
    odd = truth.copy()
    odd[7, 2] = 2
    for form in (odd, sparse.csr_array(odd), odd.astype(float)):
        with pytest.raises(ValueError, match=r"y_true: expected .* got 2.* at row 7, label 2"):
            metrics.hamming_loss(form, predicted if isinstance(form, np.ndarray) else sparse.csr_array(predicted))
        with pytest.raises(ValueError, match=r"y_pred: expected .* got 2.* at row 7, label 2"):
            metrics.f1_score(truth if isinstance(form, np.ndarray) else sparse.csr_array(truth), form)
