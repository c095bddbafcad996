"""Cells of label matrices one by one: what is there, what differs, and the same labels with some cells changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import is_sparse
from mlkit._validation.frames import is_frame
from mlkit.labels.matrix import LabelMatrix

Cells = NDArray[np.int64]  # row * n_labels + label, ascending
Values = NDArray[np.int8]


def background_of(matrix: LabelMatrix) -> int:
    """The value of a cell that is not stored."""
    return -1 if matrix.background == "unknown" else 0


def _stored(matrix: LabelMatrix) -> tuple[Cells, Values]:
    indptr, indices, values = matrix._cells
    cells = np.repeat(np.arange(matrix.shape[0]) * np.int64(matrix.shape[1]), np.diff(indptr)) + indices
    return cells, np.ones(indices.size, np.int8) if values is None else np.asarray(values)


def _look_up(pool: Cells, values: Values, wanted: Cells, background: int) -> Values:
    """The values of the wanted cells."""
    found = np.full(wanted.size, background, np.int8)
    if pool.size and wanted.size:
        at = np.minimum(np.searchsorted(pool, wanted), pool.size - 1)
        hit = pool[at] == wanted
        found[hit] = values[at[hit]]
    return found


def values_at(matrix: LabelMatrix, rows: NDArray[np.int64], labels: NDArray[np.int32]) -> Values:
    """1, 0 or -1 (unknown) at each of these cells."""
    return _look_up(*_stored(matrix), rows * np.int64(matrix.shape[1]) + labels, background_of(matrix))


def differences(before: LabelMatrix, after: LabelMatrix) -> tuple[Cells, Values, Values]:
    """The cells that differ, with their values before and after."""
    background = background_of(before)
    (cells, values), (cells_after, values_after) = _stored(before), _stored(after)
    every = np.union1d(cells, cells_after)
    old, new = _look_up(cells, values, every, background), _look_up(cells_after, values_after, every, background)
    differ = old != new
    return every[differ], old[differ], new[differ]


def changed(matrix: LabelMatrix, cells: Cells, new: Values) -> LabelMatrix:
    """The same labels with other values in some cells."""
    n_rows, n_labels = matrix.shape
    background = background_of(matrix)
    stored, values = _stored(matrix)
    if cells.size:
        keep = cells[np.minimum(np.searchsorted(cells, stored), cells.size - 1)] != stored
        come = new != background
        stored = np.concatenate([stored[keep], cells[come]])
        values = np.concatenate([values[keep], new[come]])
        order = np.argsort(stored, kind="stable")  # which merges the two ascending runs
        stored, values = stored[order], values[order]
    return LabelMatrix(
        np.searchsorted(stored, np.arange(n_rows + 1) * np.int64(n_labels)).astype(np.int64),
        (stored % max(n_labels, 1)).astype(np.int32),
        None if (values == 1).all() else values,
        n_labels,
        background=matrix.background,
        label_names=matrix.label_names,
        notes=matrix.notes,
    )


def in_the_form_of(labels: Any, matrix: LabelMatrix, cells: Cells, new: Values) -> Any:
    """What ``labels`` was (array, sparse matrix or pandas frame) with the changed cells; else the matrix."""
    rows, columns = np.divmod(cells, np.int64(max(matrix.shape[1], 1)))
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        return _array(labels, rows, columns, new)
    if is_sparse(labels):
        from scipy import sparse

        made = matrix.to_csr()
        if made.data.size == 0 or made.data.min() > 0 or labels.dtype.kind in "if":
            made = made.astype(labels.dtype)
        return made if isinstance(labels, sparse.sparray) else sparse.csr_matrix(made)
    if is_frame(labels) and hasattr(labels, "iloc"):
        return _frame(labels, matrix, rows, columns, new)
    return matrix


def _check_room_for_unknown(new: Values, dtype: Any) -> None:
    if (new < 0).any() and getattr(dtype, "kind", "O") in "bu" and isinstance(dtype, np.dtype):
        raise ValueError(
            f"labels: expected a signed integer or float type, which can hold unknown cells, got {dtype} "
            "(use .astype(np.int8))"
        )


def _array(labels: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64], new: Values) -> NDArray[Any]:
    _check_room_for_unknown(new, labels.dtype)
    out = np.array(labels)
    out[rows, columns] = np.where(new < 0, np.nan, new) if out.dtype.kind == "f" else new
    return out


def _frame(labels: Any, matrix: LabelMatrix, rows: NDArray[np.int64], columns: NDArray[np.int64], new: Values) -> Any:
    import pandas as pd

    out, names = labels.copy(), matrix.label_names
    places = {str(name): place for place, name in enumerate(labels.columns)}
    for label in np.unique(columns):
        here = columns == label
        place = int(label) if names is None else places[names[label]]
        column = out.iloc[:, place]
        _check_room_for_unknown(new[here], column.dtype)
        missing: Any = np.nan if column.dtype.kind in "fO" and isinstance(column.dtype, np.dtype) else pd.NA
        if isinstance(column.dtype, np.dtype) and column.dtype.kind == "i":
            missing = -1
        values = column.astype(object).to_numpy(copy=True)
        values[rows[here]] = [missing if value < 0 else int(value) for value in new[here]]
        out.isetitem(place, pd.Series(values, index=out.index, dtype=column.dtype))
    return out
