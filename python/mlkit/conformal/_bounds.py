"""P-values of the claim that a mean loss exceeds a level, from losses in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 2.0**40  # losses are whole multiples of its inverse

Floats = NDArray[np.float64]


def loss_p_values(totals: NDArray[np.int64], n: int, level: float, bound: str) -> Floats:
    """Of total losses of n examples; each bound is a non-decreasing function of the total.

    ``hoeffding``: exp(-2 n (level - mean)^2). ``binomial``: P(Bin(n, level) <= total), for losses 0 and 1.
    ``hoeffding_bentkus``: the smaller of exp(-n kl(mean, level)) and e P(Bin(n, level) <= ceil(total)).
    """
    from scipy.stats import binom

    total = totals / UNIT
    mean = np.minimum(total / n, 1.0)
    if bound == "hoeffding":
        return np.asarray(np.exp(-2 * n * np.maximum(0.0, level - mean) ** 2))
    whole = np.ceil(total - n / (2 * UNIT))  # a loss is off by half a unit at most
    if bound == "binomial":
        return np.asarray(binom.cdf(whole, n, level))
    bentkus = np.e * binom.cdf(whole, n, level)
    return np.asarray(np.minimum(1.0, np.minimum(np.exp(-n * _kl(np.minimum(mean, level), level)), bentkus)))


def _kl(a: Floats, b: float) -> Any:
    """Divergence of two coins."""
    from scipy.special import rel_entr

    return rel_entr(a, b) + rel_entr(1 - a, 1 - b)
