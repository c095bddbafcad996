"""Every accepted form of labels, brought into a :class:`~mlkit.labels.LabelMatrix`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.arrays import WIDEST, canonical_rows, check_native, is_array, is_sparse
from mlkit._validation.frames import is_frame, read_frame
from mlkit._validation.params import check_choice, check_integer, check_label_names, label_text, shorten, suggest
from mlkit.labels.matrix import LabelMatrix

_FORMS = "a 0/1 array, a SciPy sparse matrix, a pandas or polars frame, a list of label lists, or a LabelMatrix"


def as_label_matrix(
    labels: Any,
    *,
    n_labels: int | None = None,
    unknown: Any = None,
    background: str = "negative",
    label_names: Sequence[str] | None = None,
    invalid_ids: str = "error",
) -> LabelMatrix:
    """Bring labels of any accepted form into a LabelMatrix.

    Parameters
    ----------
    labels : array-like, sparse matrix, DataFrame, list of lists or LabelMatrix
        An ``(n_samples, n_labels)`` indicator of 0 and 1 (bool, any integer, float) in which -1 (or NaN in a float
        array) means unknown; the same as a SciPy sparse matrix or array, where an explicitly stored -1 means unknown;
        a pandas or polars frame, whose columns become ``label_names``; for each example the list of its labels, by
        number or, with ``label_names``, by name.
    n_labels : int, optional
        Number of labels; needed for lists of numbers.
    unknown : array-like or sparse matrix of shape (n_samples, n_labels), bool, optional
        Further cells that are unknown, whatever ``labels`` says of them.
    background : {"negative", "unknown"}, default="negative"
        What a cell is that is not stored. With "unknown", zeros of a dense array and explicitly stored zeros are
        known negatives, and what a sparse matrix or a list does not mention is unknown (positive-only data).
    label_names : sequence of str, optional
        One name for each label. A frame's columns must agree with them as a set; they are then put into this order.
    invalid_ids : {"error", "ignore"}, default="error"
        What to do with label numbers or names in lists that do not exist. Ignored ones are counted in ``notes``.

    Returns
    -------
    LabelMatrix
        Shares memory with ``labels`` where that is a canonical CSR matrix with int32 indices.

    Raises
    ------
    TypeError
        If ``labels`` is of no accepted form.
    ValueError
        If a value is not 0, 1, -1 or NaN, a label does not exist, shapes disagree, there are no rows, or the values
        are -1 and 1 without any 0 (a sign convention that would read as "unknown").

    Notes
    -----
    One pass over a dense array, O(stored) otherwise; memory in proportion to the stored cells. Repeated labels in one
    list are merged and counted in ``notes``; a sparse matrix's repeated entries are added up, as SciPy means them.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.labels import as_label_matrix
    >>> as_label_matrix(np.array([[1, 0], [-1, 1]]))
    LabelMatrix: 2 examples x 2 labels, 2 positives (50.00 %), 1 cells unknown
    >>> as_label_matrix([["cat"], ["dog", "cat"]], label_names=["cat", "dog"]).to_lists()
    [[0], [0, 1]]
    """
    check_choice("background", background, ("negative", "unknown"))
    check_choice("invalid_ids", invalid_ids, ("error", "ignore"))
    if n_labels is not None:
        n_labels = check_integer("n_labels", n_labels, low=1)
    names = None if label_names is None else check_label_names(label_names, n_labels)
    if names is not None:
        n_labels = len(names)

    if isinstance(labels, LabelMatrix):
        matrix = _from_matrix(labels, names)
    elif is_sparse(labels):
        matrix = _from_sparse(labels, background, names)
    elif is_frame(labels):
        values, names = read_frame("labels", labels, names)
        matrix = (_from_sparse if is_sparse(values) else _from_dense)(values, background, names)
    elif isinstance(labels, (str, bytes)):
        raise TypeError(f"labels: expected {_FORMS}, got {type(labels).__name__}")
    elif is_array(labels):
        array = np.asarray(labels)
        if array.dtype == object and array.ndim == 1:
            matrix = _from_lists(array.tolist(), n_labels, background, names, invalid_ids)
        else:
            matrix = _from_dense(array, background, names)
    elif isinstance(labels, Iterable) and not isinstance(labels, dict):
        matrix = _from_lists(list(labels), n_labels, background, names, invalid_ids)
    else:
        raise TypeError(f"labels: expected {_FORMS}, got {type(labels).__name__}")

    if n_labels is not None and matrix.shape[1] != n_labels:
        source = "label_names" if names is not None else "n_labels"
        raise ValueError(f"labels: expected {n_labels} labels (columns) to match {source}, got shape {matrix.shape}")
    if matrix.shape[0] == 0:
        raise ValueError(f"labels: expected at least one example, got no rows (shape {matrix.shape})")
    if matrix.shape[1] == 0:
        raise ValueError(f"labels: expected at least one label, got no columns (shape {matrix.shape})")
    return matrix if unknown is None else _with_unknown(matrix, unknown)


def _from_matrix(labels: LabelMatrix, names: tuple[str, ...] | None) -> LabelMatrix:
    if names is None or names == labels.label_names:
        return labels
    if labels.label_names is not None:
        raise ValueError(
            f"label_names: expected the names that labels already has, {shorten(list(labels.label_names))}, "
            f"got {shorten(list(names))}"
        )
    indptr, indices, values = labels._cells
    if len(names) != labels.shape[1]:
        raise ValueError(f"label_names: expected {labels.shape[1]} names, one for each label, got {len(names)}")
    return LabelMatrix(
        indptr, indices, values, labels.shape[1], background=labels.background, label_names=names, notes=labels.notes
    )


def _bad_value(value: Any, row: int, label: int, names: Sequence[str] | None) -> ValueError:
    hint = " (threshold it first)" if isinstance(value, float) and 0 < value < 1 else ""
    return ValueError(
        f"labels: expected 0 or 1 (-1 or NaN where unknown), got {value!r} at row {row}, {label_text(label, names)}{hint}"
    )


def _check_signs(n_positive: int, n_zero: int, n_minus_one: int) -> None:
    if n_minus_one and n_positive and not n_zero:
        raise ValueError(
            "labels: expected 0 where a label is absent, got only -1 and 1 "
            "(-1 means unknown here; if yours means absent pass labels > 0, if it does mean unknown pass unknown= as a mask)"
        )


def _from_dense(array: NDArray[Any], background: str, names: tuple[str, ...] | None) -> LabelMatrix:
    if array.ndim != 2:
        raise ValueError(f"labels: expected two dimensions (n_samples, n_labels), got shape {array.shape}")
    check_native("labels", array.dtype)
    if array.dtype == object:
        array = _from_object(array, names)
    if array.dtype == np.float16 or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        array = array.astype(np.float32)  # exact for the values that are allowed
    if array.dtype.kind not in "biuf":
        raise TypeError(f"labels: expected {_FORMS}, got an array of {array.dtype}")
    if array.shape[1] > WIDEST:
        raise ValueError(f"labels: expected at most {WIDEST} labels, got shape {array.shape}")
    found = _core.labels.from_dense(array, background == "unknown", resolve_threads(None))
    row, label = found["bad"]
    if row >= 0:
        raise _bad_value(array[row, label].item(), row, label, names)
    if background == "negative":
        _check_signs(found["n_positive"], found["n_zero"], found["n_minus_one"])
    return LabelMatrix(
        found["indptr"], found["indices"], found["values"], array.shape[1], background=background, label_names=names
    )


def _from_object(array: NDArray[Any], names: Sequence[str] | None) -> NDArray[np.float64]:
    """Object cells (bool, numbers, None, pandas.NA) as floats with NaN."""
    import pandas as pd

    missing = pd.isna(array)
    try:
        return np.where(missing, np.nan, np.where(missing, 0, array)).astype(np.float64)
    except (TypeError, ValueError):
        for row, cells in enumerate(array.tolist()):
            for label, value in enumerate(cells):
                if not isinstance(value, (bool, int, float)) and not missing[row, label]:
                    raise _bad_value(value, row, label, names) from None
        raise


def _from_sparse(labels: Any, background: str, names: tuple[str, ...] | None) -> LabelMatrix:
    if len(labels.shape) != 2:
        raise ValueError(f"labels: expected two dimensions (n_samples, n_labels), got shape {labels.shape}")
    if names is not None and len(names) != labels.shape[1]:
        raise ValueError(f"label_names: expected {labels.shape[1]} names, one for each label, got {len(names)}")
    indptr, indices, data = canonical_rows("labels", labels)
    if data.dtype == bool:
        data = data.view(np.int8)
    elif data.dtype.kind == "f":
        data = np.where(np.isnan(data), -1, data)
    elif data.dtype.kind not in "iu":
        raise TypeError(f"labels: expected numbers in a sparse matrix, got {data.dtype}")
    odd = (data != 1) & (data != 0) if data.dtype.kind == "u" else (data != 1) & (data != 0) & (data != -1)
    if odd.any():
        at = int(np.flatnonzero(odd)[0])
        row = int(np.searchsorted(indptr, at, side="right")) - 1
        raise _bad_value(data[at].item(), row, int(indices[at]), names)
    n_positive, n_minus_one = int((data == 1).sum()), int((data == -1).sum()) if data.dtype.kind != "u" else 0
    if background == "negative":
        _check_signs(n_positive, labels.shape[0] * labels.shape[1] - n_positive - n_minus_one, n_minus_one)
    if n_positive == data.size:
        return LabelMatrix(indptr, indices, None, labels.shape[1], background=background, label_names=names)
    keep = data != (0 if background == "negative" else -1)
    values = data.astype(np.int8)
    if not keep.all():
        indptr, indices, values = _select(indptr, indices, values, keep)
    all_positive = bool((values == 1).all())
    return LabelMatrix(
        indptr, indices, None if all_positive else values, labels.shape[1], background=background, label_names=names
    )


def _select(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], values: NDArray[np.int8], keep: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int8]]:
    before = np.zeros(keep.size + 1, np.int64)
    np.cumsum(keep, out=before[1:])
    return before[indptr], indices[keep], values[keep]


def _from_lists(
    rows: list[Any], n_labels: int | None, background: str, names: tuple[str, ...] | None, invalid_ids: str
) -> LabelMatrix:
    flat: list[Any] = []
    sizes: list[int] = []
    for i, row in enumerate(rows):
        if isinstance(row, (str, bytes)) or not isinstance(row, Iterable):
            raise TypeError(
                f"labels: expected a list of labels for each example, got {type(row).__name__} {shorten(row)} at row {i}"
            )
        before = len(flat)
        flat.extend(row)
        sizes.append(len(flat) - before)
    bounds = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def row_of(position: int) -> int:
        return int(np.searchsorted(bounds, position, side="right")) - 1

    if flat and isinstance(flat[0], str):
        if names is None:
            raise ValueError(f"labels: lists of names need label_names, got {flat[0]!r} at row {row_of(0)}")
        n_labels = len(names)
        ids, valid = _ids_of_names(flat, names, row_of, invalid_ids)
    else:
        if n_labels is None:
            raise ValueError("labels: lists of label numbers need n_labels or label_names (how many labels are there?)")
        ids, valid = _ids_of_numbers(flat, n_labels, row_of, invalid_ids)
        _check_not_indicator(rows, sizes, ids, valid, n_labels)
    return _from_ids(ids[valid], np.repeat(np.arange(len(rows)), sizes)[valid], len(rows), n_labels, background, names,
                     int((~valid).sum()))


def _from_ids(
    ids: NDArray[np.int64],
    row_numbers: NDArray[np.int64],
    n_rows: int,
    n_labels: int,
    background: str,
    names: tuple[str, ...] | None,
    n_ignored: int,
) -> LabelMatrix:
    cells = row_numbers * n_labels + ids
    distinct = np.unique(cells)
    notes = {"merged_duplicates": cells.size - distinct.size, "ignored_ids": n_ignored}
    indptr = np.searchsorted(distinct, np.arange(n_rows + 1, dtype=np.int64) * n_labels)
    return LabelMatrix(
        np.asarray(indptr, np.int64),
        (distinct % n_labels).astype(np.int32),
        None,
        n_labels,
        background=background,
        label_names=names,
        notes={key: count for key, count in notes.items() if count},
    )


def _ids_of_names(
    flat: list[Any], names: tuple[str, ...], row_of: Callable[[int], int], invalid_ids: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    number = {name: j for j, name in enumerate(names)}
    try:
        ids = np.fromiter((number.get(name, -1) for name in flat), np.int64, len(flat))
    except TypeError:  # something that cannot be hashed is no name
        ids = np.fromiter((number.get(x, -1) if isinstance(x, str) else -1 for x in flat), np.int64, len(flat))
    valid = ids >= 0
    if invalid_ids == "error" and not valid.all():
        at = int(np.flatnonzero(~valid)[0])
        raise ValueError(
            f"labels: expected names in label_names, got {shorten(flat[at])} at row {row_of(at)}{suggest(flat[at], names)} "
            "(invalid_ids='ignore' drops such labels)"
        )
    return ids, valid


def _ids_of_numbers(
    flat: list[Any], n_labels: int, row_of: Callable[[int], int], invalid_ids: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    try:
        array = np.asarray(flat) if flat else np.zeros(0, np.int64)
    except ValueError:  # ragged: labels nested one level too deep
        array = np.empty(len(flat), object)
    if array.dtype.kind in "iu" and array.ndim == 1:
        valid = (array >= 0) & (array < n_labels)
        ids = np.where(valid, array, 0).astype(np.int64)
    else:  # anything else is looked at one by one: floats, strings, None
        valid = np.zeros(len(flat), bool)
        ids = np.zeros(len(flat), np.int64)
        for k, value in enumerate(flat):
            if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 0 <= value < n_labels:
                valid[k], ids[k] = True, int(value)
    if invalid_ids == "error" and not valid.all():
        at = int(np.flatnonzero(~valid)[0])
        raise ValueError(
            f"labels: expected label numbers in [0, {n_labels}), got {shorten(flat[at])} at row {row_of(at)} "
            "(invalid_ids='ignore' drops such labels)"
        )
    return ids, valid


def _check_not_indicator(
    rows: list[Any], sizes: list[int], ids: NDArray[np.int64], valid: NDArray[np.bool_], n_labels: int
) -> None:
    """Rows of a 0/1 matrix passed as if they were lists of label numbers."""
    if n_labels < 2 or any(size != n_labels for size in sizes) or not valid.all() or not (ids <= 1).all():
        return
    table = ids.reshape(len(rows), n_labels)
    if n_labels > 2 or (table.sum(axis=1) != 1).any():  # [0, 1] and [1, 0] do name both of two labels
        raise ValueError(
            f"labels: expected a list of label numbers for each example, got {len(rows)} rows of {n_labels} zeros and ones "
            "(looks like a binary matrix; pass np.asarray(labels))"
        )


def _with_unknown(matrix: LabelMatrix, unknown: Any) -> LabelMatrix:
    """Mark further cells unknown."""
    if is_frame(unknown):
        unknown, _ = read_frame("unknown", unknown, matrix.label_names)
    if not is_sparse(unknown):
        unknown = np.asarray(unknown)
    if tuple(unknown.shape) != matrix.shape:
        raise ValueError(f"unknown: expected shape {matrix.shape} to match labels, got {tuple(unknown.shape)}")
    if unknown.dtype != bool:
        raise TypeError(f"unknown: expected a mask of True and False, got {unknown.dtype}")
    mask = _from_sparse(unknown, "negative", None) if is_sparse(unknown) else _from_dense(unknown, "negative", None)
    indptr, indices, values = matrix._cells
    n_labels = matrix.shape[1]
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(indptr))
    cells = rows * n_labels + indices
    masked = np.repeat(np.arange(matrix.shape[0]), np.diff(mask.indptr)) * n_labels + mask.indices
    stored = np.ones(indices.size, np.int8) if values is None else values
    keep = ~np.isin(cells, masked, assume_unique=True)
    cells, stored = cells[keep], stored[keep]
    if matrix.background == "negative":
        cells = np.concatenate([cells, masked])
        stored = np.concatenate([stored, np.full(masked.size, -1, np.int8)])
        order = np.argsort(cells, kind="stable")
        cells, stored = cells[order], stored[order]
    new_indptr = np.searchsorted(cells, np.arange(matrix.shape[0] + 1, dtype=np.int64) * n_labels)
    return LabelMatrix(
        np.asarray(new_indptr, np.int64),
        (cells % n_labels).astype(np.int32),
        None if (stored == 1).all() else stored,
        n_labels,
        background=matrix.background,
        label_names=matrix.label_names,
        notes=matrix.notes,
    )
