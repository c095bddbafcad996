"""Noise rates by the plain likelihood, without bins: slow and obvious."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import chi2


def log_likelihood(given: NDArray, p: NDArray, m: float, s: float) -> float:
    """Log-probability of one label's given values when given 1 has probability p (1 - m) + (1 - p) s."""
    g = p * (1 - m) + (1 - p) * s
    with np.errstate(divide="ignore"):
        return float(np.log(np.where(given == 1, g, 1 - g)).sum())


def fit(given: NDArray, p: NDArray) -> tuple[float, float]:
    """The maximum over 0 <= m, s <= 1."""
    best = None
    for start in ((0.02, 0.02), (0.3, 0.01), (0.01, 0.3)):
        found = minimize(
            lambda r: -max(log_likelihood(given, p, *r), -1e300),
            start,
            bounds=[(0, 1), (0, 1)],
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 5000, "maxfev": 5000},
        )
        if best is None or found.fun < best.fun:
            best = found
    return float(best.x[0]), float(best.x[1])


def profile_deviance(given: NDArray, p: NDArray, which: int, value: float) -> float:
    """Twice the loss of log-likelihood when rate ``which`` (0: m, 1: s) is held at ``value``."""

    def loss(other: float) -> float:
        m, s = (value, other) if which == 0 else (other, value)
        return -max(log_likelihood(given, p, m, s), -1e300)

    held = minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).fun
    return 2 * (held + log_likelihood(given, p, *fit(given, p)))


def wrong_cells(given: NDArray, p: NDArray, m: float, s: float) -> tuple[float, float]:
    """Expected numbers of wrong given 0s and of wrong given 1s."""
    g = p * (1 - m) + (1 - p) * s
    with np.errstate(invalid="ignore"):
        missing = np.nan_to_num(p * m / (1 - g))[given == 0].sum()
        spurious = np.nan_to_num((1 - p) * s / g)[given == 1].sum()
    return float(missing), float(spurious)


def standard_error(given: NDArray, p: NDArray, m: float, s: float, which: int) -> float:
    """Of the number of wrong cells: by chance with known rates, and from the rates (numerical derivatives)."""

    def information(step: float = 1e-4) -> NDArray:
        at = np.array([m, s]) + 2 * step  # away from the border, where the likelihood ends
        out = np.zeros((2, 2))
        for i in range(2):
            for j in range(2):
                for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                    x = at.copy()
                    x[i] += a * step
                    x[j] += b * step
                    out[i, j] -= a * b * log_likelihood(given, p, *x) / (4 * step * step)
        return out

    g = p * (1 - m) + (1 - p) * s
    wrong = np.where(given == 1, (1 - p) * s / g, p * m / (1 - g))[given == which]
    step = 1e-6
    slope = np.array(
        [
            (wrong_cells(given, p, m + step, s)[which] - wrong_cells(given, p, m, s)[which]) / step,
            (wrong_cells(given, p, m, s + step)[which] - wrong_cells(given, p, m, s)[which]) / step,
        ]
    )
    return float(np.sqrt((wrong * (1 - wrong)).sum() + slope @ np.linalg.solve(information(), slope)))


def deviance_limit(confidence: float, at_border: bool) -> float:
    """Quantile of the deviance; at the border an even mixture with a point at 0."""
    return float(chi2.ppf(2 * confidence - 1 if at_border else confidence, 1))
