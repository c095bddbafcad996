"""Cells that are known to be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import is_array, read_array
from mlkit._validation.cells import Cells
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import masked_cells
from mlkit.quality import _patching


@dataclass(frozen=True)
class Trusted:
    """Known cells that are right: whole rows, or (rows is None) cells numbered row by row."""

    rows: NDArray[np.bool_] | None
    cells: NDArray[np.int64]
    n_cells: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.cells.size if self.rows is None else self.rows.any())

    def covers(self, rows: NDArray[np.int64], labels: NDArray[Any], n_labels: int) -> NDArray[np.bool_]:
        """Which of these cells are trusted."""
        if self.rows is not None:
            return self.rows[rows]
        return np.isin(rows * np.int64(n_labels) + labels, self.cells)

    def rest(self, cells: Cells) -> Cells:
        """The cells that are not trusted."""
        if self.rows is not None:
            return cells.take(np.flatnonzero(~self.rows))
        labels = self.rest_of(cells.labels)
        labels._count(cells.n_threads)
        return Cells(labels, cells.probs, cells.n_threads)

    def rest_of(self, labels: LabelMatrix) -> LabelMatrix:
        """The labels without those that are trusted: such rows are left out, such cells unknown."""
        if self.rows is not None:
            return labels._take(np.flatnonzero(~self.rows))
        return _patching.changed(labels, self.cells, np.full(self.cells.size, -1, np.int8))

    def part(self, cells: Cells) -> Cells:
        """The cells that are."""
        if self.rows is not None:
            return cells.take(np.flatnonzero(self.rows))
        n_rows, n_labels = cells.shape
        rows, labels = np.divmod(self.cells, np.int64(n_labels))
        values = _patching.values_at(cells.labels, rows, labels.astype(np.int32))
        known = values >= 0
        matrix = LabelMatrix(
            np.searchsorted(rows[known], np.arange(n_rows + 1)).astype(np.int64),
            labels[known].astype(np.int32),
            values[known],
            n_labels,
            background="unknown",
        )
        matrix._count(cells.n_threads)
        return Cells(matrix, cells.probs, cells.n_threads)

    def between(self, begin: int, end: int, n_labels: int) -> Trusted:
        """Those in some rows, counted from the first of these."""
        if self.rows is not None:
            return Trusted(self.rows[begin:end], self.cells, 0)
        low, high = np.searchsorted(self.cells, [begin * n_labels, end * n_labels])
        return Trusted(None, self.cells[low:high] - begin * n_labels, 0)


def check_trusted(trusted: Any, cells: Cells) -> Trusted:
    """Judge a mask of rows or of cells."""
    n_rows, n_labels = cells.shape
    if isinstance(trusted, (list, tuple)) or (is_array(trusted) and len(trusted.shape) == 1):
        mask = read_array("trusted", trusted)
        if mask.ndim == 1:
            if mask.dtype != bool:
                hint = " (use .astype(bool))" if mask.dtype.kind in "iu" else ""
                raise TypeError(f"trusted: expected a mask of True and False, got {mask.dtype}{hint}")
            if mask.shape != (n_rows,):
                raise ValueError(f"trusted: expected {n_rows} examples, or shape {cells.shape}, got shape {mask.shape}")
            if mask.all():
                raise ValueError("trusted: expected some examples that are not trusted, got none")
            n_positive, n_negative = cells.labels._take(np.flatnonzero(mask))._count(cells.n_threads)
            return Trusted(mask.copy(), np.zeros(0, np.int64), int(n_positive.sum() + n_negative.sum()))
    marked = masked_cells(cells.labels, trusted, cells.n_threads, "trusted")
    rows, labels = np.divmod(marked, np.int64(n_labels))
    known = _patching.values_at(cells.labels, rows, labels.astype(np.int32)) >= 0
    return Trusted(None, marked[known], int(known.sum()))
