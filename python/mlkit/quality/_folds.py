"""Cross-validation folds of an audit: who belongs to which, and whether probabilities are shifted between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import read_array
from mlkit._validation.cells import Cells
from mlkit._validation.params import described
from mlkit.quality import _engine, _trust


def check_folds(fold_ids: Any, n_rows: int) -> list[NDArray[np.int64]]:
    """Return the rows of each fold."""
    import pandas as pd

    folds = read_array("fold_ids", fold_ids)
    if folds.shape != (n_rows,):
        got = f"shape {folds.shape}" if folds.ndim else described(fold_ids)
        raise ValueError(f"fold_ids: expected {n_rows} fold numbers, one for each example, got {got}")
    try:
        fold_of_row, values = pd.factorize(folds)
    except TypeError:
        raise TypeError("fold_ids: expected numbers or strings") from None
    if (fold_of_row < 0).any():
        row = int(np.argmin(fold_of_row))
        raise ValueError(f"fold_ids: expected a fold for each example, got {described(folds[row])} at row {row}")
    if 2 * len(values) > max(4, n_rows):
        raise ValueError(
            f"fold_ids: expected the numbers of a few folds, got {len(values)} different ones for {n_rows} examples "
            "(folds that small cannot be compared)"
        )
    order = np.argsort(fold_of_row, kind="stable")
    return np.split(order, np.cumsum(np.bincount(fold_of_row))[:-1])


def fold_spread(cells: Cells, folds: list[NDArray[np.int64]], thresholds: NDArray[np.float64]) -> _trust.FoldSpread:
    """Compare each label's thresholds between the folds that have the side."""
    shape = (cells.shape[1], 2)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    n_low, n_high = np.ones(shape), np.ones(shape)
    for rows in folds:
        part = cells.take(rows)
        here = _engine.thresholds(part)
        n_here = np.stack([part.n_negative, part.n_positive], axis=1)
        is_low, is_high = (n_here > 0) & (here < low), (n_here > 0) & (here > high)
        low[is_low], n_low[is_low] = here[is_low], n_here[is_low]
        high[is_high], n_high[is_high] = here[is_high], n_here[is_high]
    spread = np.where(low < high, high - low, np.where(low == high, 0.0, np.nan))
    # values in [0, 1] with mean t vary by at most sqrt(t (1 - t))
    variance = np.clip(thresholds * (1 - thresholds), 0, None) * (1 / n_low + 1 / n_high)
    is_shift = (spread > _trust.FOLD_SPREAD) & (spread > _trust.FOLD_ERRORS * np.sqrt(variance))
    return _trust.FoldSpread(spread, is_shift)
