"""Every accepted form of labels, brought into a :class:`~mlkit.labels.LabelMatrix`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.arrays import WIDEST, canonical_rows, check_native, is_array, is_sparse, read_array
from mlkit._validation.frames import is_frame, read_frame
from mlkit._validation.params import (
    check_choice,
    check_integer,
    check_label_names,
    described,
    label_text,
    shorten,
    shorten_type,
    suggest,
)
from mlkit.labels.matrix import LabelMatrix

_FORMS = "a 0/1 array, a SciPy sparse matrix, a pandas or polars frame, a list of label lists, or a LabelMatrix"
_DROP = "(invalid_ids='ignore' drops such labels)"


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
        array) means unknown; the same as a SciPy sparse matrix or array, where an explicitly stored -1 (or NaN) means
        unknown; a pandas or polars frame, whose columns become ``label_names`` and whose missing values are unknown;
        for each example the list, tuple, set or array of its labels, by number or, with ``label_names``, by name.
    n_labels : int, optional
        Number of labels; needed for lists of numbers.
    unknown : array-like or sparse matrix of shape (n_samples, n_labels), bool, optional
        Further cells that are unknown, whatever ``labels`` says of them.
    background : {"negative", "unknown"}, default="negative"
        What a cell is that is not stored. With "unknown", zeros of a dense array and explicitly stored zeros are
        known negatives, and what a sparse matrix or a list does not mention is unknown (positive-only data). A
        LabelMatrix keeps its own "unknown".
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
    LabelMatrix: 2 examples x 2 labels, 2 positives (50.00 %), 1 unknown (25.00 %)
    >>> as_label_matrix([["cat"], ["dog", "cat"]], label_names=["cat", "dog"]).to_lists()
    [[0], [0, 1]]
    """
    return read_labels(
        labels,
        n_labels=n_labels,
        unknown=unknown,
        background=background,
        label_names=label_names,
        invalid_ids=invalid_ids,
        n_threads=resolve_threads(None),
    )


def read_labels(
    labels: Any,
    *,
    n_labels: int | None = None,
    unknown: Any = None,
    background: str = "negative",
    label_names: Sequence[str] | None = None,
    invalid_ids: str = "error",
    n_threads: int = 1,
    is_whole: bool = True,
    argument: str = "labels",
) -> LabelMatrix:
    """:func:`as_label_matrix` on so many threads; a batch that is not the whole data set may lack zeros.

    ``argument`` is what the caller calls the labels.
    """
    check_choice("background", background, ("negative", "unknown"))
    check_choice("invalid_ids", invalid_ids, ("error", "ignore"))
    if n_labels is not None:
        n_labels = check_integer("n_labels", n_labels, low=1, high=WIDEST)
    names = None if label_names is None else check_label_names(label_names, n_labels)
    wanted = _Wanted(n_labels, names, background, invalid_ids, n_threads, is_whole, argument)
    if is_frame(labels):
        labels, names = read_frame(argument, labels, names)
        wanted = replace(wanted, names=names)
    matrix = _read_form(labels, wanted)
    return matrix if unknown is None else _with_unknown(matrix, unknown, n_threads, argument)


@dataclass(frozen=True)
class _Wanted:
    """What the caller says of the labels."""

    n_labels: int | None
    names: tuple[str, ...] | None
    background: str
    invalid_ids: str
    n_threads: int
    is_whole: bool
    of: str  # what the caller calls the labels

    @property
    def width(self) -> int | None:
        """Number of labels, where the caller said it."""
        return self.n_labels if self.names is None else len(self.names)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            hint = " (of one label? .reshape(-1, 1))" if len(shape) == 1 else ""
            raise ValueError(f"{self.of}: expected two dimensions (n_samples, n_labels), got shape {shape}{hint}")
        if shape[0] == 0:
            raise ValueError(f"{self.of}: expected at least one example, got no rows (shape {shape})")
        if shape[1] == 0:
            raise ValueError(f"{self.of}: expected at least one label, got no columns (shape {shape})")
        if shape[1] > WIDEST:
            raise ValueError(f"{self.of}: expected at most {WIDEST} labels, got shape {shape}")
        for source, width in (
            ("label_names", None if self.names is None else len(self.names)),
            ("n_labels", self.n_labels),
        ):
            if width is not None and shape[1] != width:
                raise ValueError(f"{self.of}: expected {width} labels (columns) to match {source}, got shape {shape}")

    def check_signs(self, n_positive: int, n_zero: int, n_minus_one: int) -> None:
        if self.is_whole and self.background == "negative" and n_minus_one and n_positive and not n_zero:
            raise ValueError(
                f"{self.of}: expected 0 where a label is absent, got only -1 and 1 (-1 means unknown: "
                f"if yours means absent, pass {self.of} > 0;\n"
                f"if it does mean unknown, pass {self.of} > 0 with the mask unknown={self.of} < 0)"
            )

    def bad_value(self, value: Any, row: int, label: int) -> ValueError:
        hint = " (threshold it first)" if isinstance(value, float) and 0 < value < 1 else ""
        where = f"row {row}, {label_text(label, self.names)}"
        return ValueError(
            f"{self.of}: expected 0 or 1 (-1 or NaN where unknown), got {shorten(value)} at {where}{hint}"
        )

    def matrix(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        values: NDArray[np.int8] | None,
        n_labels: int,
        **notes: int,
    ) -> LabelMatrix:
        return LabelMatrix(
            indptr,
            indices,
            values,
            n_labels,
            background=self.background,
            label_names=self.names,
            notes={key: count for key, count in notes.items() if count},
        )


def _read_form(labels: Any, wanted: _Wanted) -> LabelMatrix:
    if isinstance(labels, LabelMatrix):
        return _from_matrix(labels, wanted)
    if is_sparse(labels):
        return _from_sparse(labels, wanted)
    if is_array(labels):
        array = read_array(wanted.of, labels)
        if array.dtype == object and array.ndim == 1:
            return _from_lists(array.tolist(), wanted)
        return _from_dense(array, wanted)
    if isinstance(labels, Iterable) and not isinstance(labels, (str, bytes, Mapping, Set)):
        return _from_lists(list(labels), wanted)
    raise TypeError(f"{wanted.of}: expected {_FORMS}, got {described(labels)}")


# ------------------------------------------------------------------------------------------------ matrices and arrays


def _from_matrix(labels: LabelMatrix, wanted: _Wanted) -> LabelMatrix:
    wanted.check_shape(labels.shape)
    names = labels.label_names if wanted.names is None else wanted.names
    if labels.label_names is not None and names != labels.label_names:
        raise ValueError(
            f"label_names: expected the names that labels already has, {shorten(list(labels.label_names))}, "
            f"got {shorten(list(wanted.names or ()))}"
        )
    if wanted.background == "unknown" and labels.background == "negative":  # all that is not stored, -1 or not
        return replace(wanted, names=names).matrix(labels.indptr, labels.indices, None, labels.shape[1], **labels.notes)
    if names == labels.label_names:
        return labels
    indptr, indices, values = labels._cells
    return replace(wanted, names=names, background=labels.background).matrix(
        indptr, indices, values, labels.shape[1], **labels.notes
    )


def _from_dense(array: NDArray[Any], wanted: _Wanted) -> LabelMatrix:
    wanted.check_shape(array.shape)
    check_native(wanted.of, array.dtype)
    if array.dtype == object:
        array = _from_object(array, wanted)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{wanted.of}: expected 0 and 1 as bool, integer or float, got {shorten_type(array.dtype)}")
    found = _core.labels.from_dense(array, wanted.background == "unknown", wanted.n_threads)
    row, label = found["bad"]
    if row >= 0:
        raise wanted.bad_value(array[row, label].item(), row, label)
    wanted.check_signs(found["n_positive"], found["n_zero"], found["n_minus_one"])
    return wanted.matrix(found["indptr"], found["indices"], found["values"], array.shape[1])


def _from_object(array: NDArray[Any], wanted: _Wanted) -> NDArray[np.float64]:
    """Object cells (bool, numbers, None, pandas.NA) as floats with NaN."""
    import pandas as pd

    missing = pd.isna(array)
    flat = array.ravel().tolist()
    odd = {kind for kind in set(map(type, flat)) if not issubclass(kind, (Real, np.bool_, Decimal))}
    odd -= {type(None), type(pd.NA), type(pd.NaT)}
    for place, value in enumerate(flat) if odd else ():
        if type(value) in odd:
            raise wanted.bad_value(value, *divmod(place, array.shape[1]))
    try:
        return np.where(missing, np.nan, array).astype(np.float64)
    except OverflowError:
        place = next(k for k, value in enumerate(flat) if isinstance(value, int) and abs(value) > 1)
        raise wanted.bad_value(flat[place], *divmod(place, array.shape[1])) from None


def _from_sparse(labels: Any, wanted: _Wanted) -> LabelMatrix:
    wanted.check_shape(tuple(labels.shape))
    n_rows, n_labels = labels.shape
    indptr, indices, data = canonical_rows(wanted.of, labels, wanted.n_threads)
    if data.dtype == bool:
        data = data.view(np.int8)
    if data.dtype.kind not in "iuf":
        raise TypeError(f"{wanted.of}: expected 0 and 1 as bool, integer or float, got {shorten_type(data.dtype)}")
    is_one = data == 1
    n_positive = int(is_one.sum())
    if n_positive == data.size:
        return wanted.matrix(indptr, indices, None, n_labels)
    values = is_one.view(np.int8)
    n_minus_one = 0
    if data.dtype.kind != "u":
        is_minus_one = data == -1
        n_minus_one = int(is_minus_one.sum())
        values = values - is_minus_one
    if data.dtype.kind == "f":
        values[np.isnan(data)] = -1
    odd = (values == 0) & (data != 0)
    if odd.any():
        at = int(np.argmax(odd))
        raise wanted.bad_value(data[at].item(), _row_of(at, indptr), int(indices[at]))
    wanted.check_signs(n_positive, n_rows * n_labels - int((values != 0).sum()), n_minus_one)
    keep = values != (0 if wanted.background == "negative" else -1)
    indptr, indices, values = _select(indptr, indices, values, keep)
    return wanted.matrix(indptr, indices, _unless_all_one(values), n_labels)


def _row_of(position: int, bounds: NDArray[np.int64]) -> int:
    return int(np.searchsorted(bounds, position, side="right")) - 1


def _select(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], values: NDArray[np.int8], keep: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int8]]:
    if keep.all():
        return indptr, indices, values
    before = np.zeros(keep.size + 1, np.int64)
    np.cumsum(keep, out=before[1:])
    return before[indptr], indices[keep], values[keep]


def _unless_all_one(values: NDArray[np.int8]) -> NDArray[np.int8] | None:
    return None if (values == 1).all() else values


# ------------------------------------------------------------------------------------------------------ lists of labels


def _from_lists(rows: list[Any], wanted: _Wanted) -> LabelMatrix:
    flat, sizes = _chain(rows, wanted)
    bounds = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(sizes, out=bounds[1:])
    n_labels = wanted.width
    _check_not_indicator(flat, sizes, wanted)
    if len(flat) and isinstance(flat[0], str):
        if wanted.names is None:
            row = _row_of(0, bounds)
            raise ValueError(
                f"{wanted.of}: expected label_names beside lists of names, got {shorten(flat[0])} at row {row}"
            )
        ids, valid = _ids_of_names(flat, wanted.names)
        expected = "names in label_names"
    elif n_labels is None:
        raise ValueError(f"{wanted.of}: expected n_labels or label_names beside lists of label numbers, got neither")
    else:
        ids, valid = _ids_of_numbers(flat, n_labels)
        expected = f"label numbers in [0, {n_labels})"
    n_labels = wanted.width or 0
    wanted.check_shape((len(rows), n_labels))
    row_numbers = np.repeat(np.arange(len(rows)), sizes)
    n_ignored = 0
    if not valid.all():
        if wanted.invalid_ids == "error":
            at = int(np.argmin(valid))
            hint = suggest(flat[at], wanted.names or ())
            raise ValueError(
                f"{wanted.of}: expected {expected}, got {shorten(flat[at])} at row {row_numbers[at]}{hint} {_DROP}"
            )
        n_ignored = int((~valid).sum())
        ids, row_numbers = ids[valid], row_numbers[valid]
    cells = row_numbers * n_labels + ids
    n_given = cells.size
    if not (cells[1:] > cells[:-1]).all():
        cells.sort()
        cells = cells[np.diff(cells, prepend=-1) > 0]
    indptr = np.searchsorted(cells, np.arange(len(rows) + 1) * n_labels).astype(np.int64)
    return wanted.matrix(
        indptr,
        (cells % n_labels).astype(np.int32),
        None,
        n_labels,
        merged_duplicates=n_given - cells.size,
        ignored_ids=n_ignored,
    )


def _chain(rows: list[Any], wanted: _Wanted) -> tuple[Sequence[Any] | NDArray[Any], NDArray[np.int64]]:
    """All rows' labels in one sequence, and how many are whose."""
    kinds = set(map(type, rows))
    for kind in kinds:
        if issubclass(kind, (str, bytes, Mapping)) or not issubclass(kind, Iterable):
            i = next(i for i, row in enumerate(rows) if type(row) is kind)
            is_missing = rows[i] is None or (isinstance(rows[i], float) and np.isnan(rows[i]))
            hint = " (an example without labels is an empty list)" if is_missing else ""
            raise TypeError(
                f"{wanted.of}: expected a list of labels for each example, got {described(rows[i])} at row {i}{hint}"
            )
    if any(hasattr(kind, "__array__") for kind in kinds):
        return _chain_arrays(rows, wanted)
    if not all(hasattr(kind, "__len__") for kind in kinds):
        rows = [list(row) for row in rows]
    return list(chain.from_iterable(rows)), np.fromiter(map(len, rows), np.int64, len(rows))


def _chain_arrays(rows: list[Any], wanted: _Wanted) -> tuple[Sequence[Any] | NDArray[Any], NDArray[np.int64]]:
    rows = [read_array(wanted.of, row) if hasattr(row, "__array__") else list(row) for row in rows]
    for i, row in enumerate(rows):
        if isinstance(row, np.ndarray) and row.ndim != 1:
            raise ValueError(
                f"{wanted.of}: expected a list of labels for each example, got an array of shape {row.shape} at row {i}"
            )
    sizes = np.fromiter(map(len, rows), np.int64, len(rows))
    filled = [row for row in rows if len(row)]
    if filled and all(isinstance(row, np.ndarray) and row.dtype.kind in "iu" for row in filled):
        return np.concatenate(filled), sizes
    return [label for row in filled for label in (row.tolist() if isinstance(row, np.ndarray) else row)], sizes


def _ids_of_names(
    flat: Sequence[Any] | NDArray[Any], names: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    number = {name: j for j, name in enumerate(names)}
    try:
        ids = np.fromiter((number.get(name, -1) for name in flat), np.int64, len(flat))
    except TypeError:  # something that cannot be hashed is no name
        ids = np.fromiter((number.get(x, -1) if isinstance(x, str) else -1 for x in flat), np.int64, len(flat))
    return ids, ids >= 0


def _ids_of_numbers(flat: Sequence[Any] | NDArray[Any], n_labels: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if isinstance(flat, np.ndarray):
        valid = (flat >= 0) & (flat < n_labels)
        return np.where(valid, flat, 0).astype(np.int64), valid
    if all(_is_whole(kind) for kind in set(map(type, flat))):
        try:
            return _ids_of_numbers(np.fromiter(flat, np.int64, len(flat)), n_labels)
        except OverflowError:
            pass
    # one by one: some are floats, strings, None, or too large for any label
    ids = np.fromiter((x if _is_whole(type(x)) and 0 <= x < n_labels else -1 for x in flat), np.int64, len(flat))
    return ids, ids >= 0


def _is_whole(kind: type) -> bool:
    return issubclass(kind, (int, np.integer)) and kind is not bool


def _check_not_indicator(flat: Sequence[Any] | NDArray[Any], sizes: NDArray[np.int64], wanted: _Wanted) -> None:
    """Reject the rows of a 0/1 matrix passed as if they were lists of label numbers."""
    n_labels = wanted.width
    if not len(flat) or not (sizes == sizes[0]).all() or (n_labels or sizes[0]) != sizes[0]:
        return
    width = int(sizes[0])
    try:
        values = set(flat[: 64 * width])  # a glance, which settles most cases
        if not values <= {0, 1} or not set(flat) <= {0, 1}:
            return
    except TypeError:  # something that cannot be hashed
        return
    if all(_is_whole(kind) for kind in set(map(type, flat))):
        # lists of numbers after all? of one label, or both of two in their order
        if n_labels is None and width == 1:
            return
        if width <= 2 and (np.asarray(flat).reshape(-1, width) == np.arange(width)).all():
            return
    hint = "; if these are label numbers, sort each row" if width == 2 else ""
    raise ValueError(
        f"{wanted.of}: expected a list of label numbers for each example, got {sizes.size} rows of {width} zeros "
        f"and ones (looks like a binary matrix; pass np.asarray({wanted.of}){hint})"
    )


# -------------------------------------------------------------------------------------------------------- unknown cells


def _with_unknown(matrix: LabelMatrix, unknown: Any, n_threads: int, argument: str) -> LabelMatrix:
    """Mark further cells unknown."""
    n_rows, n_labels = matrix.shape
    masked = masked_cells(matrix, unknown, n_threads, of=argument)
    indptr, indices, values = matrix._cells
    cells = np.repeat(np.arange(n_rows) * n_labels, np.diff(indptr)) + indices
    stored = np.ones(indices.size, np.int8) if values is None else values
    if masked.size and cells.size:
        hit = masked[np.minimum(np.searchsorted(masked, cells), masked.size - 1)] == cells
        cells, stored = cells[~hit], stored[~hit]
    if matrix.background == "negative":
        cells = np.concatenate([cells, masked])
        stored = np.concatenate([stored, np.full(masked.size, -1, np.int8)])
        order = np.argsort(cells, kind="stable")  # which merges the two ascending runs
        cells, stored = cells[order], stored[order]
    return LabelMatrix(
        np.searchsorted(cells, np.arange(n_rows + 1) * n_labels).astype(np.int64),
        (cells % n_labels).astype(np.int32),
        _unless_all_one(stored),
        n_labels,
        background=matrix.background,
        label_names=matrix.label_names,
        notes=matrix.notes,
    )


def masked_cells(
    matrix: LabelMatrix, unknown: Any, n_threads: int, argument: str = "unknown", of: str = "labels"
) -> NDArray[np.int64]:
    """The cells that a mask marks, numbered in row-major order; messages call it ``argument``, the labels ``of``."""
    if is_frame(unknown):
        unknown, _ = read_frame(argument, unknown, matrix.label_names)
    if not is_sparse(unknown):
        if not is_array(unknown) and not isinstance(unknown, (list, tuple)):
            raise TypeError(f"{argument}: expected a mask of True and False, got {described(unknown)}")
        unknown = read_array(argument, unknown)
    shape = tuple(unknown.shape)
    if shape != matrix.shape:
        hint = " (transposed?)" if shape == matrix.shape[::-1] else ""
        raise ValueError(f"{argument}: expected shape {matrix.shape} to match {of}, got {shape}{hint}")
    if unknown.dtype != bool:
        hint = " (use .astype(bool))" if unknown.dtype.kind in "iu" else ""
        raise TypeError(f"{argument}: expected a mask of True and False, got {shorten_type(unknown.dtype)}{hint}")
    if is_sparse(unknown):
        indptr, indices, data = canonical_rows(argument, unknown, n_threads)
        cells = np.repeat(np.arange(shape[0]) * shape[1], np.diff(indptr)) + indices
        return cells if data.all() else cells[data]
    found = _core.labels.from_dense(unknown, False, n_threads)
    indptr, indices = found["indptr"], found["indices"]
    masked: NDArray[np.int64] = np.repeat(np.arange(shape[0]) * shape[1], np.diff(indptr)) + indices
    return masked
