"""Risk control by trying every threshold, in fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from scipy.stats import binom


def loss(risk: str, p: np.ndarray, y: np.ndarray, t: float) -> Fraction:
    """Of one example at one threshold; labels of -1 are unknown."""
    known = y >= 0
    predicted, true = (p >= t) & known, y == 1
    if risk == "fnr":
        return Fraction(int((true & ~predicted).sum()), int(true.sum())) if true.any() else Fraction(0)
    if risk == "miscoverage":
        return Fraction(int((true & ~predicted).any()))
    wrong = int((predicted & ~true).sum())
    if risk == "fp":
        return Fraction(wrong, len(p))
    return Fraction(wrong, int(predicted.sum())) if predicted.any() else Fraction(0)


def total(risk: str, probs: np.ndarray, labels: np.ndarray, t: float) -> Fraction:
    return sum((loss(risk, p, y, t) for p, y in zip(probs, labels)), Fraction(0))


def candidates(probs: np.ndarray) -> list[float]:
    """One threshold for each set of label sets, from every label to none."""
    values = np.unique(probs.astype(np.float64))
    return [*values.tolist(), math.inf]


def bound_p_value(bound: str, mean: Fraction, n: int, level: float) -> float:
    if bound == "hoeffding":
        return math.exp(-2 * n * max(0.0, level - float(mean)) ** 2)
    whole = math.ceil(mean * n)
    if bound == "binomial":
        return float(binom.cdf(whole, n, level))
    a = min(float(mean), level)
    kl = (a * math.log(a / level) if a else 0.0) + ((1 - a) * math.log((1 - a) / (1 - level)) if a < 1 else 0.0)
    return min(1.0, math.exp(-n * kl), math.e * float(binom.cdf(whole, n, level)))


def betting_certifies(losses: list[Fraction], level: float, delta: float) -> bool:
    n, past, capital = len(losses), [], 0.0
    squares = 0.0
    for j, x in enumerate(map(float, losses)):
        variance = (0.25 + squares) / (j + 1)
        stake = min(1.0, math.sqrt(2 * math.log(1 / delta) / (n * variance)))
        capital += math.log(1 - stake * (x - level))
        if capital > math.log(1 / delta):
            return True
        past.append(x)
        mean = (0.5 + sum(past)) / (len(past) + 1)
        squares += (x - mean) ** 2
    return False


def betting_path(losses: np.ndarray, level: float, delta: float) -> np.ndarray:
    """Logarithm of the capital after 0, 1, 2, ... examples, for losses (n, thresholds) at several thresholds."""
    n = len(losses)
    counts = np.arange(2, n + 2)[:, None]
    means = (0.5 + np.cumsum(losses, axis=0)) / counts
    variances = (0.25 + np.cumsum((losses - means) ** 2, axis=0)) / counts
    before = np.concatenate([np.full((1, losses.shape[1]), 0.25), variances[:-1]])
    stakes = np.minimum(1, np.sqrt(2 * math.log(1 / delta) / (n * before)))
    gains = np.log1p(-stakes * (losses - level))
    return np.concatenate([np.zeros((1, losses.shape[1])), np.cumsum(gains, axis=0)])


def is_seldom(failures: int, n: int, probability: float) -> bool:
    """Whether so many failures of n agree with at most this probability of each: wrong once in a million."""
    return bool(binom.sf(failures - 1, n, probability) > 1e-6)


def certified(method: str, risk: str, probs, labels, t: float, level: str, delta: float, bound: str) -> bool:
    n, sum_ = len(probs), total(risk, probs, labels, t)
    if method == "crc":
        return (sum_ + 1) / (n + 1) <= Fraction(level)
    if bound == "wsr":
        return betting_certifies([loss(risk, p, y, t) for p, y in zip(probs, labels)], float(level), delta)
    return bound_p_value(bound, sum_ / n, n, float(level)) <= delta


def choose(
    method: str, risk: str, probs, labels, level: str, delta: float = 0.1, bound: str = "hoeffding"
) -> list[float]:
    """Thresholds from the safe end that are certified one after the other; empty when the safe end is not."""
    steps = candidates(probs[labels == 1] if risk != "fp" else probs[(labels == 0) & (probs > 0)])
    if risk == "fp":
        steps = steps[::-1]
    passed = []
    for t in steps:
        if not certified(method, risk, probs, labels, t, level, delta, bound):
            break
        passed.append(t)
    return passed
