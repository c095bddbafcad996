"""Sums of numbers that come in parts: in whole units, so that no cut of the rows and no order changes a bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit.metrics._averages import Floats

UNIT = 2.0**-50


def exact_sums(columns: Floats) -> list[int]:
    """Sum of each column of (n, m) in units of 2^-50.

    Each term is rounded to a whole number of units (off by at most 2^-51), the sum is not. Terms below 2^80, up to 2^29
    rows at a time.
    """
    high = np.trunc(columns * 2.0**-17)
    rest = (columns - high * 2.0**17) * 2.0**16  # exact, below 2^33
    middle = np.trunc(rest)
    low = np.rint((rest - middle) * 2.0**34)
    parts = [part.astype(np.int64).sum(axis=0).tolist() for part in (high, middle, low)]
    return [(a << 67) + (b << 34) + c for a, b, c in zip(*parts, strict=True)]


def canonical(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs of words (high, low) in the one form with 0 <= low < 2^32."""
    return np.stack([words[..., 0] + (words[..., 1] >> 32), words[..., 1] & 0xFFFFFFFF], axis=-1)


def value_of(words: NDArray[np.int64], unit: float) -> Any:
    """What canonical pairs of words say, as floats."""
    return words[..., 0] * (unit * 2.0**32) + words[..., 1] * unit
