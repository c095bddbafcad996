"""Criteria of efficiency without 2^L work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit.conformal.validity import coverage_interval

if TYPE_CHECKING:
    from mlkit.conformal.regions import RegionArray


def p_value_sums(regions: RegionArray) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Bounds on each example's sum of all p-values above its floor, and the floor 2^L / (n + 1)."""
    flips, ranks = regions._flips, regions._ranks
    totals = flips.total_sizes(ranks, regions._threads)
    with np.errstate(over="ignore"):
        floor = float(np.ldexp(1 / (ranks.n + 1), regions.shape[1]))
    return totals[0] / (ranks.n + 1), totals[1] / (ranks.n + 1), floor


def evaluate(regions: RegionArray, y: Any, level: float) -> dict[str, float]:
    """What :meth:`RegionArray.evaluate` says."""
    n, n_labels = regions.shape
    flips, ranks = regions._flips, regions._ranks
    scores = regions._scores(y)
    covered = scores <= regions._thresholds
    p_true = ranks.p_values(scores)
    p_best, p_second = ranks.p_values(flips.best), ranks.p_values(flips.second_best())
    is_best = scores == flips.best  # or tied with it, and then the second best has the same p-value
    low, high = coverage_interval(ranks.n, regions.confidence_level, n, level)
    sizes = regions.size()[:2]
    excess_low, excess_high, floor = p_value_sums(regions)
    result: dict[str, float] = {
        "n": n,
        "coverage": float(covered.mean()),
        "coverage_low": low,
        "coverage_high": high,
    }
    for suffix, size, excess in (("", sizes[1], excess_high), ("_lower", sizes[0], excess_low)):
        result["N" + suffix] = _mean(size)
        result["OE" + suffix] = _mean(size - covered)
        result["S_excess" + suffix] = float(excess.mean())
        result["S" + suffix] = floor + float(excess.mean())
        result["F" + suffix] = floor + float((excess - p_best).mean())
        result["OF" + suffix] = floor + float((excess - p_true).mean())
    result["OU"] = float(np.where(is_best, p_second, p_best).mean())
    result["M"] = float((sizes[0] > 1).mean())
    result["OM"] = float((sizes[0] > covered).mean())
    states = regions._states
    result["certain"] = float((states == 1).sum() / n)
    implicit = 0 if flips.indptr is None else (n_labels - np.diff(flips.indptr))[regions._implicit_open].sum()
    result["undecided"] = float(((states == 2).sum() + implicit) / n)
    result["empty"] = float(regions.is_empty.mean())
    result["credibility"] = float(p_best.mean())
    result["confidence"] = float(1 - p_second.mean())
    return result


def _mean(numbers: NDArray[Any]) -> float:
    """Of whole numbers of any size; infinite where a float cannot hold it."""
    total, n = sum(int(x) for x in numbers), len(numbers)
    return total / n if total.bit_length() < 1000 else float("inf")
