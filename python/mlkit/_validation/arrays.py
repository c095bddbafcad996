"""Arrays and sparse matrices as the kernels take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._threads import resolve_threads

WIDEST = 2**31 - 1  # columns that an int32 index can number


def is_sparse(value: Any) -> bool:
    """Whether ``value`` is a SciPy sparse matrix or array (SciPy is not imported for the question)."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz")


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array or offers itself as one (tensors do)."""
    return isinstance(value, np.ndarray) or (hasattr(value, "__array__") and hasattr(value, "shape"))


def check_native(argument: str, dtype: np.dtype[Any]) -> None:
    """Reject arrays in foreign byte order."""
    if not dtype.isnative:
        raise ValueError(f"{argument}: expected native byte order, got {dtype} (use .astype({dtype.newbyteorder('=')}))")


def canonical_rows(argument: str, matrix: Any) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
    """Return any SciPy sparse matrix as CSR arrays with sorted, distinct, valid indices; the input is not modified.

    Raises
    ------
    ValueError
        If the matrix's own arrays contradict each other.
    """
    csr = matrix.tocsr()
    n_rows, n_columns = csr.shape
    if n_columns > WIDEST:
        raise ValueError(f"{argument}: expected at most {WIDEST} columns, got shape {csr.shape}")
    check_native(argument, csr.data.dtype)
    if csr.indptr.size != n_rows + 1 or csr.data.size != csr.indices.size:
        raise ValueError(
            f"{argument}: expected CSR arrays of lengths (n_samples + 1, nnz, nnz), "
            f"got {csr.indptr.size}, {csr.indices.size}, {csr.data.size}"
        )
    indptr = np.ascontiguousarray(csr.indptr, np.int64)
    indices = np.ascontiguousarray(csr.indices)
    bad_row, bad_index, unsorted = _core.labels.scan_rows(indptr, indices, n_columns, resolve_threads(None))
    if bad_row >= 0:
        raise ValueError(f"{argument}: expected ascending row bounds within the data, got a broken indptr at row {bad_row}")
    if bad_index >= 0:
        row = int(np.searchsorted(indptr, bad_index, side="right")) - 1
        raise ValueError(
            f"{argument}: expected column numbers in [0, {n_columns}), got {indices[bad_index]} at row {row}"
        )
    data = np.ascontiguousarray(csr.data)
    if unsorted >= 0:
        csr = csr.copy()
        csr.sum_duplicates()
        indptr, indices, data = np.asarray(csr.indptr, np.int64), csr.indices, csr.data
    end = int(indptr[-1])
    return indptr, np.ascontiguousarray(indices[:end], np.int32), data[:end]
