"""Thresholds and tolerances as cut points on the probability itself.

A rule such as ``1 - p >= t - 1e-6`` is monotone in ``p`` but its outcome near the border depends on how the arithmetic
rounds. The last number for which it holds is found by bisection over the representable numbers, with the rule written
out in the arithmetic that is asked for. Kernels then compare ``p`` with one number and cannot round differently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

_EPS = 1e-6
Rule = Callable[[NDArray[Any]], NDArray[np.bool_]]
Cut = NDArray[np.float64]


class GuessCuts(NamedTuple):
    """A cell is guessed 1 from ``one`` upwards and 0 from ``zero`` downwards."""

    one: Cut
    zero: Cut


class DoubtCuts(NamedTuple):
    """A given 0 is doubted from ``absent`` upwards, a given 1 from ``present`` downwards."""

    absent: Cut
    present: Cut


def smallest(rule: Rule, n: int, dtype: DTypeLike = np.float64) -> Cut:
    """The smallest p for which an increasing rule holds, for each of ``n`` labels; inf if there is none."""
    kind = np.dtype(dtype)
    whole = np.dtype(f"i{kind.itemsize}")

    def key(x: float) -> int:  # whole numbers that order like the floats they stand for
        bits = int(np.array(x, kind).view(whole))
        return bits if bits >= 0 else -(bits & np.iinfo(whole).max)

    def value(keys: NDArray[np.int64]) -> NDArray[Any]:
        magnitude = np.abs(keys).astype(whole).view(kind)
        return np.where(keys < 0, -magnitude, magnitude)

    low = np.full(n, key(-3 * _EPS), np.int64)  # every probability lies between these two
    high = np.full(n, key(1 + 3 * _EPS), np.int64)
    never = ~rule(value(high))
    while (low < high).any():
        middle = low + (high - low) // 2
        holds = rule(value(middle))
        high = np.where(holds, middle, high)
        low = np.where(holds, low, np.minimum(middle + 1, high))
    return np.where(never, np.inf, value(high)).astype(np.float64)


def largest(rule: Rule, n: int, dtype: DTypeLike = np.float64) -> Cut:
    """The largest p for which a decreasing rule holds; -inf if there is none."""
    beyond = smallest(lambda p: ~rule(p), n, dtype)
    kind = np.dtype(dtype).type
    below = np.nextafter(np.where(np.isinf(beyond), kind(2), beyond).astype(dtype), kind(-1))
    everything = np.isinf(beyond)  # the rule holds up to the end of the range
    nothing = ~rule(np.full(n, -3 * _EPS, dtype))
    return np.where(nothing, -np.inf, np.where(everything, np.inf, below)).astype(np.float64)


def guess_cuts(thresholds: NDArray[Any], dtype: DTypeLike = np.float64) -> GuessCuts:
    """Where the confident guesses begin; when both outcomes are confident the likelier one is guessed, a tie is 0."""
    t0, t1 = thresholds[:, 0].astype(dtype), thresholds[:, 1].astype(dtype)

    def confident_one(p: NDArray[Any]) -> NDArray[np.bool_]:
        return p >= t1 - _EPS

    def confident_zero(p: NDArray[Any]) -> NDArray[np.bool_]:
        return 1 - p >= t0 - _EPS

    def guess_one(p: NDArray[Any]) -> NDArray[np.bool_]:
        return confident_one(p) & (~confident_zero(p) | (p > 1 - p))

    def guess_zero(p: NDArray[Any]) -> NDArray[np.bool_]:
        return confident_zero(p) & ~(confident_one(p) & (p > 1 - p))

    return GuessCuts(smallest(guess_one, t0.size, dtype), largest(guess_zero, t0.size, dtype))


def disagreement_cuts(n: int, dtype: DTypeLike = np.float64) -> DoubtCuts:
    """Cells where the model's likelier outcome is not the given one, by more than the tolerance."""
    absent = smallest(lambda p: p > (1 - p) + _EPS, 1, dtype)
    present = largest(lambda p: p + _EPS <= 1 - p, 1, dtype)
    return DoubtCuts(np.repeat(absent, n), np.repeat(present, n))


def confident_cuts(thresholds: NDArray[Any], dtype: DTypeLike = np.float64) -> DoubtCuts:
    """Disagreeing cells whose other outcome reaches its own threshold."""
    t0, t1 = thresholds[:, 0].astype(dtype), thresholds[:, 1].astype(dtype)
    veto = disagreement_cuts(t0.size, dtype)
    absent = smallest(lambda p: p >= t1 - _EPS, t0.size, dtype)
    present = largest(lambda p: 1 - p >= t0 - _EPS, t0.size, dtype)
    return DoubtCuts(np.maximum(absent, veto.absent), np.minimum(present, veto.present))
