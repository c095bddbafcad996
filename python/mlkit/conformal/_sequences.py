"""Which thresholds of a grid are certified, with a bound on the probability of any error among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def holm(p_values: Floats, delta: float) -> Places:
    """Places on the grid that Holm's correction rejects, ascending."""
    order = np.argsort(p_values, kind="stable")
    fails = np.flatnonzero(p_values[order] > delta / (p_values.size - np.arange(p_values.size)))
    return np.sort(order[: fails[0] if fails.size else p_values.size])


def certified_thresholds(
    safe_when_small: Floats | None, safe_when_large: Floats | None, delta: float
) -> tuple[Places, Places]:
    """Places certified for the risks of either kind: fixed sequences from the low and from the high end of the grid.

    Two sequences share delta evenly; one that certifies the whole grid leaves its share to the other (the graphical
    procedure of Bretz, Maurer, Brannath and Posch 2009). A kind without risks (None) is certified everywhere.
    """
    low, high = safe_when_small, None if safe_when_large is None else safe_when_large[::-1]
    both = low is not None and high is not None
    n_low, n_high = _leading(low, delta / (1 + both)), _leading(high, delta / (1 + both))
    if low is not None and high is not None:
        if n_low == low.size:
            n_high = _leading(high, delta)
        elif n_high == high.size:
            n_low = _leading(low, delta)
    size = low.size if low is not None else high.size if high is not None else 0
    every = np.arange(size)
    return every if n_low is None else every[:n_low], every if n_high is None else every[size - n_high :]


def _leading(p_values: Floats | None, level: float) -> int | None:
    """Number of tests before the first that fails."""
    if p_values is None:
        return None
    fails = np.flatnonzero(p_values > level)
    return int(fails[0]) if fails.size else p_values.size
