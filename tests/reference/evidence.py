"""Row order, slow and plain: cumulative sums over every cell of three-valued labels (1, 0, -1 unknown)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def excursion(column: NDArray[np.int8]) -> tuple[int, int]:
    """First place with the largest |m c - n1 k| and that number, signed."""
    known = int((column >= 0).sum())
    n_positive = int((column == 1).sum())
    place = height = c = k = 0
    for i, value in enumerate(column.tolist()):
        c += value == 1
        k += value >= 0
        here = known * c - n_positive * k
        if abs(here) > abs(height):
            place, height = i + 1, here
    return place, height


def shared_excursion(labels: NDArray[np.int8], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sum of the squared cumulative sums before each row, and after the last."""
    known = labels >= 0
    rate = (labels == 1).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    steps = np.where(known, (labels == 1) - rate, 0.0)
    sums = np.concatenate([np.zeros((1, labels.shape[1])), np.cumsum(steps, axis=0)])
    return sums**2 @ weight


def row_sums(labels: NDArray[np.int8], at_one: Any, at_zero: Any) -> list[float]:
    return [
        sum((at_one if value == 1 else at_zero)[j] for j, value in enumerate(row) if value >= 0)
        for row in labels.tolist()
    ]
