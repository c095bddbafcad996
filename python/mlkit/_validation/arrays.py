"""Arrays and sparse matrices as the kernels take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.params import shorten_type

WIDEST = 2**31 - 1  # columns that an int32 index can number


def is_sparse(value: Any) -> bool:
    """Whether ``value`` is a SciPy sparse matrix or array (SciPy is not imported for the question)."""
    return hasattr(value, "tocsr") and hasattr(value, "nnz") and not isinstance(value, type)


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array or offers itself as one (tensors do)."""
    if isinstance(value, (np.ndarray, memoryview)):
        return True
    return hasattr(value, "__array__") and hasattr(value, "shape") and not isinstance(value, type)


def read_array(argument: str, value: Any) -> NDArray[Any]:
    """Return ``value`` as an array without copying one.

    Raises
    ------
    TypeError
        If NumPy cannot, or if cells are masked: what that should mean differs from argument to argument.
    """
    if np.ma.is_masked(value):
        n_masked = int(np.sum(value.mask))
        raise TypeError(
            f"{argument}: expected an array without masked cells, got {n_masked} of them "
            "(.filled(...) says what they mean)"
        )
    try:
        return np.asarray(value)
    except Exception as error:  # whatever somebody else's __array__ raises
        reason = " ".join(str(error).split())
        raise TypeError(
            f"{argument}: expected an array, got {type(value).__name__} that NumPy cannot read "
            f"({reason if len(reason) <= 160 else reason[:157] + '...'})"
        ) from error


def check_native(argument: str, dtype: np.dtype[Any]) -> None:
    """Reject arrays in foreign byte order."""
    if not dtype.isnative:
        native = shorten_type(dtype.newbyteorder("="))
        raise ValueError(f"{argument}: expected native byte order, got {shorten_type(dtype)} (use .astype({native!r}))")


def canonical_rows(
    argument: str, matrix: Any, n_threads: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
    """Return any SciPy sparse matrix as CSR arrays with sorted, distinct, valid indices; the input is not modified.

    Entries for the same cell are added up. Arrays that are canonical already are shared, not copied.

    Raises
    ------
    ValueError
        If the matrix's own arrays contradict each other.
    """
    try:
        csr = matrix.tocsr()
    except Exception as error:  # the matrix contradicts itself
        raise ValueError(f"{argument}: expected a sparse matrix that SciPy can turn into CSR, got {error}") from error
    n_rows, n_columns = csr.shape
    if n_columns > WIDEST:
        raise ValueError(f"{argument}: expected at most {WIDEST} columns, got shape {csr.shape}")
    check_native(argument, csr.data.dtype)
    if csr.indptr.size != n_rows + 1 or csr.data.size != csr.indices.size:
        raise ValueError(
            f"{argument}: expected CSR arrays of lengths (n_samples + 1, nnz, nnz), "
            f"got {csr.indptr.size}, {csr.indices.size}, {csr.data.size}"
        )
    indptr = _contiguous(csr.indptr, np.int64)
    indices = _contiguous(csr.indices, csr.indices.dtype if csr.indices.dtype == np.int32 else np.int64)
    data = _contiguous(csr.data, csr.data.dtype)
    if n_threads is None:
        n_threads = resolve_threads(None)
    bad_row, bad_index, unsorted = _core.labels.scan_rows(indptr, indices, n_columns, n_threads)
    if bad_row >= 0:
        raise ValueError(
            f"{argument}: expected ascending row bounds within the data, got a broken indptr at row {bad_row}"
        )
    if bad_index >= 0:
        row = int(np.searchsorted(indptr, bad_index, side="right")) - 1
        raise ValueError(
            f"{argument}: expected column numbers in [0, {n_columns}), got {indices[bad_index]} at row {row}"
        )
    end = int(indptr[-1])
    indices, data = indices[:end], data[:end]
    if unsorted >= 0:
        indptr, indices, data = _sorted_rows(indptr, indices, data, n_columns)
    return indptr, indices.astype(np.int32, copy=False), data


def _contiguous(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    return np.require(array, dtype, ("C", "A"))


def _sorted_rows(
    indptr: NDArray[np.int64], indices: NDArray[Any], data: NDArray[Any], n_columns: int
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """Sort the columns of each row and add up the entries of the same cell, in any dtype (SciPy knows no float16)."""
    from scipy.sparse import csr_array

    places = csr_array((np.arange(indices.size), indices, indptr), shape=(indptr.size - 1, n_columns), copy=True)
    places.sort_indices()
    indices, data = places.indices, data[places.data]
    is_first = np.ones(indices.size, bool)
    np.not_equal(indices[1:], indices[:-1], out=is_first[1:])
    is_first[indptr[:-1][indptr[:-1] < indices.size]] = True
    if is_first.all():
        return indptr, indices, data
    add = np.logical_or if data.dtype == bool else np.add
    first = np.flatnonzero(is_first)
    return np.searchsorted(first, indptr).astype(np.int64), indices[first], add.reduceat(data, first)


def take_rows(indptr: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bounds of chosen compressed rows among themselves, and the positions of their entries in the old arrays."""
    sizes = indptr[rows + 1] - indptr[rows]
    bounds = np.zeros(rows.size + 1, np.int64)
    np.cumsum(sizes, out=bounds[1:])
    return bounds, np.arange(bounds[-1]) + np.repeat(indptr[rows] - bounds[:-1], sizes)
