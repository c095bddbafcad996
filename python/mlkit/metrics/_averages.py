"""From one number for each label or row to one number, by scikit-learn's rules."""

from __future__ import annotations

import inspect
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


def warn_undefined(message: str) -> None:
    """scikit-learn's warning of ill-defined metrics, so that its filters work, at the line that called mlkit."""
    from sklearn.exceptions import UndefinedMetricWarning

    level, frame = 1, inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).split(".")[0] == __name__.split(".")[0]:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UndefinedMetricWarning, stacklevel=level)


def empty_rows_text(n_empty: int) -> list[str]:
    """How many examples have no known cell, if any."""
    if n_empty < 2:
        return ["1 example has no known cell and is left out of the mean"] * n_empty
    return [f"{n_empty} examples have no known cell and are left out of the mean"]


def warn_empty_rows(n_empty: int, name: str) -> None:
    """Say how many examples have no known cell."""
    tell_once(name, empty_rows_text(n_empty))


def tell_once(name: str, texts: Sequence[str]) -> None:
    """One warning of everything that a call has to say, each thing once."""
    if texts:
        warn_undefined(f"{name}: {'; '.join(dict.fromkeys(texts))}")


def of_absent_labels(absent: NDArray[np.bool_], names: Sequence[str] | None, without: float) -> str:
    """How many labels without a positive a macro mean counts as 0, and its value ``without`` them."""
    have = f"{int(absent.sum())} of {absent.size} labels have no positive ({listed(absent, names)})"
    return f"{have}; the macro mean counts them as 0. absent_labels='skip' gives {without:.3g}"


def listed(which: NDArray[np.bool_], names: Sequence[str] | None) -> str:
    """The marked labels by name or number, the first few of them."""
    return list_labels(np.flatnonzero(which), names)
