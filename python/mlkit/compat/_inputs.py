"""Labels and probabilities as cleanlab takes them, and in every form that mlkit takes besides."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import is_array, is_sparse
from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.frames import is_frame
from mlkit._validation.params import shorten
from mlkit._validation.probabilities import read_probabilities
from mlkit.labels import LabelMatrix, as_label_matrix


def read_cells(
    labels: Any,
    pred_probs: Any,
    *,
    accept_hard: bool = False,
    strict_ids: bool = False,
    n_jobs: int | None = None,
) -> tuple[Cells, list[str]]:
    """Return labels and probabilities ready for the engine, and what the user should be told about them.

    Parameters
    ----------
    accept_hard : bool
        Whether whole-number predictions pass.
    strict_ids : bool
        Whether a label number beyond the last column is an error; without it the entry is left out with a note.
    """
    notes: list[str] = []
    probs = _read_probs(pred_probs, accept_hard)
    matrix = _read_labels(labels, tuple(probs.shape), strict_ids, notes)
    if matrix.n_unknown:
        raise ValueError(
            f"labels: expected every cell given or not given, got {matrix.n_unknown} unknown cells "
            "(mlkit.quality.find_label_issues takes them)"
        )
    try:
        return check_cells(matrix, probs, n_jobs=n_jobs), notes
    except ValueError as error:
        named = [name for name in ("nan_policy", "from_logits") if f"{name}=" in str(error)]
        if not named:
            raise
        raise ValueError(f"{error}; {named[0]} is an argument of mlkit.quality.find_label_issues") from None


def _read_probs(pred_probs: Any, accept_hard: bool) -> Any:
    if isinstance(pred_probs, np.ndarray):
        pred_probs = np.asarray(pred_probs)  # a mask of NumPy's masked arrays has no say
        if pred_probs.dtype == object or pred_probs.dtype == np.longdouble:
            pred_probs = pred_probs.astype(np.float64)
        pred_probs = pred_probs.astype(pred_probs.dtype.newbyteorder("="), copy=False)
    dtype = getattr(pred_probs, "dtype", None)
    if dtype is not None and dtype.kind in "biu":
        if not accept_hard:
            raise TypeError(f"pred_probs: expected probabilities, got {dtype} (hard predictions carry no confidence)")
        pred_probs = pred_probs.astype(np.float64)
    return read_probabilities(pred_probs, None, force=accept_hard)


def _read_labels(labels: Any, shape: tuple[int, ...], strict_ids: bool, notes: list[str]) -> LabelMatrix:
    if isinstance(labels, LabelMatrix) or is_sparse(labels) or is_frame(labels) or _is_indicator(labels, shape):
        return as_label_matrix(labels)
    if isinstance(labels, (str, bytes, dict)) or not isinstance(labels, Iterable):
        raise ValueError(
            f"labels: expected a list that holds the list of label numbers of each example, got {type(labels).__name__}"
        )
    rows = list(labels)
    sizes, flat = _flatten(rows)
    n_labels = shape[1]
    ids = _whole_numbers(flat, n_labels)
    valid = (ids >= 0) & (ids < n_labels)
    if not valid.all():
        notes.append(_judge_odd_ids(flat, valid, sizes, n_labels, strict_ids))
    elif sizes and n_labels > 1 and set(sizes) == {n_labels} and ids.max() <= 1:
        as_label_matrix(rows, n_labels=n_labels)  # raises if these can only be the rows of a 0/1 matrix
    return _matrix(np.repeat(np.arange(len(rows)), sizes)[valid], ids[valid], (len(rows), n_labels))


def _is_indicator(labels: Any, shape: tuple[int, ...]) -> bool:
    """Whether a two-dimensional array holds a 0 or a 1 for each cell, and no lists of label numbers."""
    if not is_array(labels) or len(labels.shape) != 2 or labels.shape[1] != shape[1]:
        return False
    values = np.asarray(labels)
    return values.dtype.kind in "biuf" and bool(np.isin(values, (-1, 0, 1)).all())


def _flatten(rows: list[Any]) -> tuple[list[int], Any]:
    """The lengths of the rows and all their entries, as 64-bit integers where they are all whole numbers."""
    for i, row in enumerate(rows):
        if isinstance(row, (list, tuple)):
            continue
        if isinstance(row, (str, bytes)) or not isinstance(row, Iterable):
            raise ValueError(
                f"labels: expected a list of label numbers for each example, got {type(row).__name__} {shorten(row)} "
                f"at row {i}"
            )
        if not hasattr(row, "__len__"):
            rows[i] = list(row)
    sizes = [len(row) for row in rows]
    try:
        return sizes, np.frombuffer(array("q", chain.from_iterable(rows)), np.int64)
    except (TypeError, OverflowError):
        return sizes, list(chain.from_iterable(rows))


def _whole_numbers(flat: Any, n_labels: int) -> NDArray[np.int64]:
    """Entries as label numbers; -1 for what equals none of them."""
    if isinstance(flat, np.ndarray):
        return flat
    number = {j: j for j in range(n_labels)}  # 1.0 and True are found as 1
    try:
        return np.fromiter((number.get(entry, -1) for entry in flat), np.int64, len(flat))
    except TypeError:
        raise ValueError("labels: expected lists of label numbers, got lists nested deeper") from None


def _judge_odd_ids(flat: Any, valid: NDArray[np.bool_], sizes: list[int], n_labels: int, strict_ids: bool) -> str:
    """What to say about entries that are no label number; an error if ``strict_ids`` and one of them is too large."""
    odd = [entry for entry, known in zip(flat, valid) if not known]
    if strict_ids:
        too_large = [x for x in odd if isinstance(x, str) or (isinstance(x, (int, float, np.number)) and x >= n_labels)]
        if too_large:
            raise ValueError(
                f"labels: expected label numbers in [0, {n_labels}), one for each column of pred_probs, "
                f"got {_plain(too_large[0])}"
            )
    row = int(np.searchsorted(np.cumsum(sizes), np.flatnonzero(~valid)[0], side="right"))
    return (
        f"labels: left out {len(odd)} entries that are no label number in [0, {n_labels}), "
        f"first {_plain(odd[0])} at row {row}"
    )


def _plain(entry: Any) -> str:
    return shorten(entry.item() if isinstance(entry, np.generic) else entry)


def _matrix(rows: NDArray[np.int64], ids: NDArray[np.int64], shape: tuple[int, int]) -> LabelMatrix:
    if 0 in shape:
        raise ValueError(f"labels: expected at least one example and one label, got shape {shape}")
    cells = rows * shape[1] + ids
    if (np.diff(cells) <= 0).any():  # not ascending, or a label named twice
        cells = np.unique(cells)
    sizes = np.bincount(cells // shape[1], minlength=shape[0])
    indptr = np.concatenate(([0], sizes.cumsum(dtype=np.int64)))
    return LabelMatrix(indptr, (cells % shape[1]).astype(np.int32), None, shape[1])
