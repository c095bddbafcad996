"""Numbers of label sets: whole numbers of any size, with certified bounds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class SizeBound(NamedTuple):
    """Certified bounds on a number of label sets.

    Attributes
    ----------
    lower, upper : int
        The number is at least ``lower`` and at most ``upper``.
    exact : bool
        Whether the two are equal.

    Examples
    --------
    >>> from mlkit.conformal import SizeBound
    >>> SizeBound(3, 4, False).upper
    4
    """

    lower: int
    upper: int
    exact: bool


Bounds = tuple[NDArray[np.uint64], NDArray[np.uint64], dict[int, tuple[bytes, bytes]]]


def whole_numbers(bounds: Bounds) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lower and upper bounds as arrays of Python's integers, from what the kernels return."""
    lower, upper = (words.astype(object) for words in bounds[:2])
    for i, (low, high) in bounds[2].items():
        lower[i], upper[i] = int.from_bytes(low, "little"), int.from_bytes(high, "little")
    return lower, upper


def size_bound(bounds: Bounds) -> SizeBound:
    """The bounds of the only row."""
    [low], [high] = whole_numbers(bounds)
    return SizeBound(low, high, low == high)


def log10_of(n: int) -> float:
    """Decimal logarithm of a whole number of any size; -inf of 0."""
    if n == 0:
        return -np.inf
    shift = max(0, n.bit_length() - 64)
    return float(np.log10(float(n >> shift)) + shift * np.log10(2.0))
