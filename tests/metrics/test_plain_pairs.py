"""Pairs that are counted as they come give the numbers of pairs that are read, and what is not plain is read."""

from __future__ import annotations

import warnings

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


@pytest.mark.parametrize("n_labels", [1, 7, 28, 63, 64, 65, 129, 1030])
def test_rows_of_any_width_are_counted(n_labels):
    """Labels are counted in glued rows, rows in streams of bits: no width and no number of rows is special."""
    rng = np.random.default_rng(n_labels)
    for n in (1, 2, 9, 260, 5000 // n_labels + 3):
        y, p = (rng.random((n, n_labels)) < rng.random(n_labels) for _ in range(2))
        counts = metrics.multilabel_confusion_matrix(y, p)
        rows = metrics.multilabel_confusion_matrix(y, p, samplewise=True)
        for axis, of in ((0, counts), (1, rows)):
            expected = [[(~y & ~p).sum(axis), (~y & p).sum(axis)], [(y & ~p).sum(axis), (y & p).sum(axis)]]
            assert np.array_equal(of, np.moveaxis(expected, 2, 0))
        assert metrics.accuracy_score(y, p) == (y == p).all(axis=1).sum() / n
        hits, sizes = (y & p).sum(axis=1), y.sum(axis=1) + p.sum(axis=1)
        f1 = np.divide(2 * hits, sizes, out=np.zeros(n), where=sizes > 0)
        score = metrics.f1_score(y, p, average="samples", zero_division=0)
        assert abs(score - f1.mean()) <= 1e-15
        wide = np.zeros((n, n_labels + 3), np.int8)
        wide[:, 1:-2] = y
        for form in (wide[:, 1:-2], as_label_matrix(y), sparse.csr_array(y.astype(np.int8))):
            q = sparse.csr_array(p.astype(np.int8)) if sparse.issparse(form) else p
            assert metrics.f1_score(form, q, average="samples", zero_division=0) == score
        for n_jobs in (1, 2, 7):
            assert metrics.f1_score(y, p, average="samples", zero_division=0, n_jobs=n_jobs) == score


@pytest.mark.parametrize("value", [2, 3, -1, 127, -128])
def test_a_single_odd_cell_is_found_wherever_it_is(value):
    rng = np.random.default_rng(0)
    y, p = ((rng.random((40, 50)) < 0.3).astype(np.int8) for _ in range(2))
    for row, label in ((0, 0), (39, 49), (17, 31), (39, 45)):
        odd = p.copy()
        odd[row, label] = value
        for average in ("macro", "samples"):
            with pytest.raises(ValueError, match=f"y_pred: expected .* got .* at row {row}, label {label}"):
                metrics.f1_score(y, odd, average=average)


def test_warnings_point_at_the_caller():
    y, p = np.array([[1, 0], [0, 0], [-1, -1]]), np.zeros((3, 2), np.int8)
    for function in (metrics.f1_score, metrics.precision_score, metrics.specificity_score, metrics.accuracy_score):
        averages = ({},) if function is metrics.accuracy_score else ({"average": "samples"}, {"average": "macro"})
        for options in averages:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                function(y, p, **options)
            assert {w.filename for w in caught} <= {__file__}


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
