"""Cross-validation folds of an audit: who belongs to which, and whether probabilities are shifted between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import read_array
from mlkit._validation.cells import Cells
from mlkit._validation.params import described
from mlkit.quality import _engine, _trust
from mlkit.quality._tally import SideSums

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Folds:
    """The fold, by number, of each example."""

    of_row: Counts
    n: int

    def rows(self, begin: int, end: int) -> list[Counts]:
        """The rows of each fold among some rows, counted from the first of these."""
        part = self.of_row[begin:end]
        order = np.argsort(part, kind="stable")
        return np.split(order, np.cumsum(np.bincount(part, minlength=self.n))[:-1])


def check_folds(fold_ids: Any, n_rows: int | None = None) -> Folds:
    """Judge fold numbers; of batches nobody may know yet how many rows there are."""
    import pandas as pd

    folds = read_array("fold_ids", fold_ids)
    if folds.ndim != 1 or folds.shape[0] != (folds.shape[0] if n_rows is None else n_rows):
        got = f"shape {folds.shape}" if folds.ndim else described(fold_ids)
        wanted = "fold numbers" if n_rows is None else f"{n_rows} fold numbers"
        raise ValueError(f"fold_ids: expected {wanted}, one for each example, got {got}")
    try:
        fold_of_row, values = pd.factorize(folds)
    except TypeError:
        raise TypeError("fold_ids: expected numbers or strings") from None
    if (fold_of_row < 0).any():
        row = int(np.argmin(fold_of_row))
        raise ValueError(f"fold_ids: expected a fold for each example, got {described(folds[row])} at row {row}")
    if 2 * len(values) > max(4, folds.shape[0]):
        raise ValueError(
            f"fold_ids: expected the numbers of a few folds, got {len(values)} different ones for {folds.shape[0]} "
            "examples (folds that small cannot be compared)"
        )
    return Folds(fold_of_row.astype(np.int64), len(values))


class FoldSums:
    """What the thresholds of each fold need, summed over batches."""

    def __init__(self, folds: Folds, n_labels: int) -> None:
        self.folds = folds
        self.sums = [SideSums(n_labels) for _ in range(folds.n)]

    def add(self, cells: Cells, first_row: int) -> None:
        """Count a batch."""
        end = first_row + cells.shape[0]
        if end > self.folds.of_row.size:
            raise ValueError(
                f"fold_ids: expected a fold number for each example, got {self.folds.of_row.size} and more examples"
            )
        for sums, rows in zip(self.sums, self.folds.rows(first_row, end), strict=True):
            if rows.size:
                sums.add(cells if rows.size == cells.shape[0] else cells.take(rows))

    def check_end(self, n_rows: int) -> None:
        """All rows have been there."""
        if n_rows != self.folds.of_row.size:
            raise ValueError(
                f"fold_ids: expected {n_rows} fold numbers, one for each example, got {self.folds.of_row.size}"
            )

    def spread(self, thresholds: Floats) -> _trust.FoldSpread:
        """Compare each label's thresholds between the folds."""
        return _spread(
            ((sums.thresholds(), np.stack([sums.n_negative, sums.n_positive], axis=1)) for sums in self.sums),
            thresholds,
        )


def fold_spread(cells: Cells, folds: Folds, thresholds: Floats) -> _trust.FoldSpread:
    """The same of cells that are at hand."""
    parts = (cells.take(rows) for rows in folds.rows(0, cells.shape[0]))
    return _spread(
        ((_engine.thresholds(part), np.stack([part.n_negative, part.n_positive], axis=1)) for part in parts),
        thresholds,
    )


def _spread(folds: Iterable[tuple[Floats, Counts]], thresholds: Floats) -> _trust.FoldSpread:
    """From each fold's thresholds and the sizes of its sides, (L, 2); only folds that have the side count.

    Of folds with the same threshold the smallest counts, so that their order does not matter.
    """
    shape = thresholds.shape
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    n_low, n_high = np.ones(shape), np.ones(shape)
    for here, n_here in folds:
        is_low = (n_here > 0) & ((here < low) | ((here == low) & (n_here < n_low)))
        is_high = (n_here > 0) & ((here > high) | ((here == high) & (n_here < n_high)))
        low[is_low], n_low[is_low] = here[is_low], n_here[is_low]
        high[is_high], n_high[is_high] = here[is_high], n_here[is_high]
    spread = np.where(low < high, high - low, np.where(low == high, 0.0, np.nan))
    # values in [0, 1] with mean t vary by at most sqrt(t (1 - t))
    variance = np.clip(thresholds * (1 - thresholds), 0, None) * (1 / n_low + 1 / n_high)
    is_shift = (spread > _trust.FOLD_SPREAD) & (spread > _trust.FOLD_ERRORS * np.sqrt(variance))
    return _trust.FoldSpread(spread, is_shift)
