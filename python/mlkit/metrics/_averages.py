"""From one number for each label or row to one number, by scikit-learn's rules."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_choice, list_labels

Floats = NDArray[np.float64]
AVERAGES = ("micro", "macro", "weighted", "samples")
ABSENT = ("sklearn", "skip", "nan")


def check_average(average: Any, options: Sequence[str] = AVERAGES) -> str | None:
    """Return ``average`` if it is None or one of ``options``."""
    return None if average is None else check_choice("average", average, options)


def divide(numerator: Floats, denominator: Floats, undefined: float) -> Floats:
    """Quotients, ``undefined`` where the denominator is 0."""
    out = np.full(np.shape(denominator), undefined)
    np.divide(numerator, denominator, out=out, where=np.asarray(denominator) != 0)
    return out


def mean(values: Floats, weights: Floats | None = None) -> float:
    """Mean of what is not NaN; NaN where nothing is. With weights that are all 0 the plain mean."""
    keep = ~np.isnan(values)
    if not keep.any():
        return float("nan")
    if weights is None or not weights[keep].any():
        return float(values[keep].mean())
    return float(np.average(values[keep], weights=weights[keep]))


def average_labels(values: Floats, average: str, n_positive: Floats, absent_labels: str = "sklearn") -> float:
    """Macro or weighted mean of a number for each label."""
    absent = n_positive == 0
    if absent_labels == "skip":
        values = values[~absent]
        n_positive = n_positive[~absent]
    elif absent_labels == "nan" and absent.any() and average == "macro":
        return float("nan")
    if average == "macro":
        return mean(values)
    return mean(values, n_positive)


def mark_absent(values: Floats, n_positive: Floats, absent_labels: str) -> Floats:
    """Numbers of labels for ``average=None``: NaN for labels without positives unless scikit-learn's rule is kept."""
    return values if absent_labels == "sklearn" else np.where(n_positive == 0, np.nan, values)


def warn_undefined(message: str, stacklevel: int = 3) -> None:
    """scikit-learn's warning of ill-defined metrics, so that its filters work."""
    from sklearn.exceptions import UndefinedMetricWarning

    warnings.warn(message, UndefinedMetricWarning, stacklevel=stacklevel + 1)


def of_empty_rows(n_empty: int) -> str:
    """How many examples have no known cell, if any."""
    if not n_empty:
        return ""
    which = "1 example has" if n_empty == 1 else f"{n_empty} examples have"
    return f"{which} no known cell and is left out of the mean"


def warn_empty_rows(n_empty: int, name: str, stacklevel: int = 3) -> None:
    """Say how many examples have no known cell."""
    if n_empty:
        warn_undefined(f"{name}: {of_empty_rows(n_empty)}", stacklevel + 1)


def of_absent_labels(absent: NDArray[np.bool_], names: Sequence[str] | None, without: float) -> str:
    """How many labels without a positive a macro mean counts as 0, and its value ``without`` them."""
    have = f"{int(absent.sum())} of {absent.size} labels have no positive ({listed(absent, names)})"
    return f"{have}; the macro mean counts them as 0. absent_labels='skip' gives {without:.3g}"


def listed(which: NDArray[np.bool_], names: Sequence[str] | None) -> str:
    """The marked labels by name or number, the first few of them."""
    return list_labels(np.flatnonzero(which), names)
