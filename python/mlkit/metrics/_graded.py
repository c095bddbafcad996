"""Discounted gains of true labels that are worth more or less."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import is_sparse, read_array
from mlkit._validation.pairs import Scored
from mlkit._validation.params import shorten_type
from mlkit.metrics._averages import Floats
from mlkit.metrics._ranks import discounts


def check_gains(gains: Any, shape: tuple[int, int]) -> Any:
    """Return gains as an array of one for each label, or as CSR of one for each cell.

    Raises
    ------
    TypeError, ValueError
        If they are not finite numbers of at least 0 in one of these shapes.
    """
    from scipy.sparse import csr_array

    array = gains if is_sparse(gains) else read_array("gains", gains)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"gains: expected numbers, got {shorten_type(array.dtype)}")
    if tuple(array.shape) not in (shape, shape[1:]):
        raise ValueError(
            f"gains: expected shape ({shape[1]},), one for each label, or {shape}, one for each cell, "
            f"got shape {tuple(array.shape)}"
        )
    values: Any = array.data if is_sparse(array) else array
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError("gains: expected finite numbers >= 0, got others")
    return array.astype(np.float64) if array.ndim == 1 else csr_array(array, dtype=np.float64)


def graded_gains(cells: Scored, gains: Any, limit: int, log_base: float, ignore_ties: bool) -> tuple[Floats, Floats]:
    """Gain and best possible gain of each row; NaN without a known cell."""
    n, n_labels = cells.shape
    table = discounts(n_labels, log_base)
    table = table if not limit else table[np.minimum(np.arange(n_labels + 1), limit)]
    out = np.full((n, 2), np.nan)
    for i in range(n):
        scores, of_cells = _known(cells, gains, i)
        if scores.size:
            out[i] = _row(scores, of_cells, table, ignore_ties), _row(of_cells, of_cells, table, True)
    return out[:, 0], out[:, 1]


def _row(scores: Floats, gains: Floats, table: Floats, ignore_ties: bool) -> float:
    """Sum of gains with their discounts; equal scores share theirs unless they are ranked by label number."""
    order = np.argsort(-scores, kind="stable")
    scores, gains = scores[order], gains[order]
    begins = np.arange(scores.size)
    if not ignore_ties:
        begins = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    ends = np.append(begins[1:], scores.size)
    return float(np.sum(np.add.reduceat(gains, begins) / (ends - begins) * (table[ends] - table[begins])))


def _known(cells: Scored, gains: Any, i: int) -> tuple[Floats, Floats]:
    """Scores and gains of a row's known cells."""
    n_labels = cells.shape[1]
    indptr, indices, values = cells.truth._cells
    stored = slice(int(indptr[i]), int(indptr[i + 1]))
    y: NDArray[np.int8] = np.full(n_labels, 0 if cells.truth.background == "negative" else -1, np.int8)
    y[indices[stored]] = 1 if values is None else values[stored]
    if cells.rows is None:
        scores = cells.array[i].astype(np.float64)
    else:
        scores = np.zeros(n_labels)
        own = slice(int(cells.rows[0][i]), int(cells.rows[0][i + 1]))
        scores[cells.rows[1][own]] = cells.array[own]
    worth = gains if isinstance(gains, np.ndarray) else gains[[i]].toarray()[0]
    return scores[y >= 0], np.where(y == 1, worth, 0.0)[y >= 0]
