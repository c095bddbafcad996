"""Calibration scores in order: p-values and thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[Any]


def snapped(significance: float, n: int) -> float:
    """``significance * (n + 1)``; whole where only the rounding of a decimal such as 0.1 keeps it from being so."""
    product = significance * (n + 1)
    nearest = float(round(product))
    return nearest if abs(product - nearest) <= 8 * np.finfo(float).eps * (n + 1) else product


class RankTable:
    """Sorted calibration scores (whole numbers, or floats).

    The p-value of a score is the share of calibration scores, itself included, that are at least as large. Comparisons
    with a significance level are made between whole numbers.
    """

    def __init__(self, scores: Scores) -> None:
        self.scores = np.sort(scores)
        self.is_whole = self.scores.dtype.kind == "i"
        limits: Any = np.iinfo(np.int64) if self.is_whole else None
        self.everything = limits.max if self.is_whole else np.inf  # a threshold that every set passes
        self.nothing = limits.min if self.is_whole else -np.inf

    @property
    def n(self) -> int:
        return int(self.scores.size)

    def p_values(self, scores: Scores, uniforms: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Of each score; smoothed by the uniforms (one for each leading index) where given."""
        not_below = self.n - np.searchsorted(self.scores, scores, side="left")
        if uniforms is None:
            return (1 + not_below) / (self.n + 1)
        above = self.n - np.searchsorted(self.scores, scores, side="right")
        u = uniforms.reshape(uniforms.shape + (1,) * (np.ndim(scores) - uniforms.ndim))
        smoothed: NDArray[np.float64] = (above + u * (1 + not_below - above)) / (self.n + 1)
        return smoothed

    def thresholds(self, significance: float, n_rows: int, uniforms: NDArray[np.float64] | None = None) -> NDArray[Any]:
        """Largest score of each row's region: p-value > significance if and only if score <= threshold."""
        dtype = np.int64 if self.is_whole else np.float64
        if uniforms is None:
            k = int(snapped(significance, self.n))
            tau = self.everything if k == 0 else self.scores[self.n - k] if k <= self.n else self.nothing
            return np.full(n_rows, tau, dtype)
        level = snapped(significance, self.n)
        values, counts = np.unique(self.scores, return_counts=True)
        # the p-value falls in steps: below values[0], at it, between it and values[1], ..., above the last
        above_each = np.concatenate([[self.n], self.n - np.cumsum(counts)]).astype(np.float64)
        n_between = np.searchsorted(-above_each, uniforms - level, side="left")  # gaps whose scores are in the region
        last = np.maximum(n_between - 1, 0)
        at = np.minimum(last, values.size - 1)
        tied_in = above_each[np.minimum(at + 1, values.size)] + uniforms * (1 + counts[at]) > level
        before = values - 1 if self.is_whole else np.nextafter(values, -np.inf)
        tau = np.where(tied_in, values[at], before[at])
        tau = np.where(n_between > values.size, self.everything, tau)
        result: NDArray[Any] = np.where(n_between == 0, self.nothing, tau).astype(dtype)
        return result
