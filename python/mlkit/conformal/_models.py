"""What is asked of a wrapped model: its probabilities, those out of fold, and which examples it has seen."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from sklearn.base import clone

from mlkit._validation.arrays import is_sparse
from mlkit._validation.params import described
from mlkit._validation.probabilities import read_probabilities

_MOST_REMEMBERED = 1000  # training examples, to tell them when they come back as calibration examples


def probabilities_of(model: Any, X: Any) -> Any:
    """What ``predict_proba`` says; labels of which a model saw one value only get that for certain.

    Raises
    ------
    TypeError
        If the model has no ``predict_proba``.
    """
    if not hasattr(model, "predict_proba"):
        raise TypeError(f"estimator: expected one with predict_proba, got {described(model)}")
    probs = model.predict_proba(X)
    classes = getattr(model, "classes_", None)
    if not isinstance(probs, list) or classes is None or len(classes) != len(probs):
        return probs
    return [_both(p, values) for p, values in zip(probs, classes)]


def _both(probs: Any, values: Any) -> Any:
    """Columns of 0 and of 1 from those of the values that were seen."""
    if np.shape(probs)[1:] != (1,) or len(values) != 1:
        return probs
    one = np.full(len(probs), float(values[0] == 1))
    return np.column_stack([1 - one, one])


def out_of_fold(model: Any, X: Any, y: Any) -> Any:
    """Probabilities of each example by a clone that was fitted without its fifth of the examples."""
    from sklearn.model_selection import KFold
    from sklearn.utils import _safe_indexing
    from sklearn.utils.validation import _num_samples

    parts, X = [], _with_rows(X)
    for train, test in KFold(5).split(np.zeros(_num_samples(X))):
        fold = clone(model).fit(_safe_indexing(X, train), _safe_indexing(y, train))
        parts.append(read_probabilities(probabilities_of(fold, _safe_indexing(X, test)), None, force=True))
    if not is_sparse(parts[0]):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts, format="csr")


def remembered(X: Any) -> set[bytes]:
    """Marks of some examples."""
    from sklearn.utils import _safe_indexing
    from sklearn.utils.validation import _num_samples

    n = _num_samples(X)
    rows = np.unique(np.linspace(0, n - 1, min(n, _MOST_REMEMBERED)).astype(np.int64))
    return set(_marks(_safe_indexing(_with_rows(X), rows)))


def come_back(marks: set[bytes], X: Any) -> bool:
    """Whether most of the marked examples are among others."""
    return len(marks) >= 20 and len(marks.intersection(_marks(X))) > len(marks) / 2


def _with_rows(X: Any) -> Any:
    return X.tocsr() if is_sparse(X) else X


def _marks(X: Any) -> Iterator[bytes]:
    for row in _rows(X):
        is_numeric = isinstance(row, (np.ndarray, np.generic)) and row.dtype.kind in "biufc"
        told = row.tobytes() if is_numeric else repr(row.tolist() if isinstance(row, np.ndarray) else row).encode()
        yield blake2b(told, digest_size=8).digest()


def _rows(X: Any) -> Any:
    if not is_sparse(X):
        return X.to_numpy() if hasattr(X, "to_numpy") else X
    csr = X.tocsr().sorted_indices()
    ends = zip(csr.indptr[:-1].tolist(), csr.indptr[1:].tolist())
    return (np.append(csr.indices[a:b].astype(np.float64), csr.data[a:b]) for a, b in ends)
