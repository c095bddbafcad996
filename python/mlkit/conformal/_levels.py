"""What regions say at one confidence level after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlkit._validation.params import check_number, described
from mlkit.conformal.validity import coverage_interval, coverage_test

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.conformal.regions import RegionArray

LEVELS = tuple(round(0.01 * k, 2) for k in range(50, 100))


def check_levels(levels: Any, default: tuple[float, ...]) -> list[float]:
    """Ascending confidence levels, each once."""
    if levels is None:
        return list(default)
    if isinstance(levels, str) or not np.iterable(levels):
        levels = [levels]
    checked = sorted({check_number("levels", x, 0, 1, open_low=True, open_high=True) for x in levels})
    if not checked:
        raise ValueError(f"levels: expected at least one number, got {described(levels)}")
    return checked


def by_level(regions: RegionArray, y: Any, levels: list[float], level: float) -> pd.DataFrame:
    """What :meth:`RegionArray.by_level` says."""
    import pandas as pd

    flips = regions._flips
    n, n_labels = regions.shape
    flipped = flips.flipped()
    best = flips.differences < 0 if flips.is_sparse else regions.best.ravel()
    sizes = np.diff(flips.indptr) if flips.is_sparse else np.full(n, n_labels)
    implicit = flips.implicit_flipped()
    scores = None if y is None else regions._scores(y)
    rows = []
    for confidence_level in levels:
        part = regions.at(confidence_level)
        tau, is_empty = part._thresholds, part.is_empty
        decided = flipped > np.repeat(np.where(is_empty, regions._ranks.everything, tau), sizes)
        certain = int(np.count_nonzero(decided & best))
        not_stored = int((n_labels - sizes)[~is_empty & (implicit > tau)].sum())
        excluded = int(np.count_nonzero(decided)) - certain + not_stored
        row = {
            "confidence_level": confidence_level,
            "certain": certain / n,
            "undecided": n_labels - (certain + excluded) / n,
            "excluded": excluded / n,
            "empty": float(is_empty.mean()),
        }
        if scores is not None:
            covered = scores <= tau
            low, high = coverage_interval(regions.n_calibration, confidence_level, n, level)
            row |= {"coverage": float(covered.mean()), "coverage_low": low, "coverage_high": high}
            row["p_value"] = coverage_test(covered, regions.n_calibration, confidence_level)
        rows.append(row)
    return pd.DataFrame(rows)
