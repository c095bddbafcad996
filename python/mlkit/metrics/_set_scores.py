"""From truth and predicted labels to one averaged ratio: what all metrics of label sets share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlkit._validation.pairs import Pair, check_pair, check_zero_division
from mlkit._validation.params import check_choice
from mlkit.metrics import _counts
from mlkit.metrics._averages import (
    ABSENT,
    AVERAGES,
    Floats,
    average_labels,
    check_average,
    empty_rows_text,
    listed,
    mark_absent,
    mean,
    of_absent_labels,
    tell_once,
)
from mlkit.metrics._counts import Counts, Ratio

Measure = Ratio | Callable[[Counts, float], Floats]  # of counts and the value where it is undefined


def judge(
    y_true: Any,
    y_pred: Any,
    labels: Any,
    average: Any,
    sample_weight: Any,
    zero_division: Any,
    unknown: Any,
    n_jobs: Any,
    averages: tuple[str, ...] = AVERAGES,
) -> tuple[Pair, float, bool]:
    """The checked pair of chosen labels, the value of what is undefined, and whether to warn of it."""
    check_average(average, averages)
    undefined = check_zero_division(zero_division)
    pair = check_pair(y_true, y_pred, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    return _counts.take_labels(pair, labels), 0.0 if undefined is None else undefined, undefined is None


def score_of(
    name: str,
    measure: Measure,
    y_true: Any,
    y_pred: Any,
    labels: Any,
    average: Any,
    sample_weight: Any,
    zero_division: Any,
    unknown: Any,
    absent_labels: Any,
    n_jobs: Any,
) -> Any:
    """A measure of counts, judged and averaged."""
    check_choice("absent_labels", absent_labels, ABSENT)
    pair, undefined, warn = judge(y_true, y_pred, labels, average, sample_weight, zero_division, unknown, n_jobs)
    return averaged(name, measure, counts_for(pair, average), pair, average, undefined, warn, absent_labels)


def fbeta_of(
    name: str,
    y_true: Any,
    y_pred: Any,
    beta: float,
    labels: Any,
    average: Any,
    sample_weight: Any,
    zero_division: Any,
    unknown: Any,
    absent_labels: Any,
    n_jobs: Any,
) -> Any:
    """F, judged and averaged."""
    check_choice("absent_labels", absent_labels, ABSENT)
    pair, undefined, warn = judge(
        y_true, y_pred, labels, average, sample_weight, zero_division, unknown, n_jobs, (*AVERAGES, "macro_pr")
    )
    if average != "macro_pr":
        measure, counts = _counts.fbeta(beta), counts_for(pair, average)
        return averaged(name, measure, counts, pair, average, undefined, warn, absent_labels)
    of = (counts_for(pair, "macro"), pair, "macro", undefined, warn, absent_labels)
    told: list[str] = []
    p, r = averaged(name, _counts.precision, *of, told), averaged(name, _counts.recall, *of, told)
    tell_once(name, told)
    if beta == 0 or np.isinf(beta):
        return r if beta else p
    return undefined if p + r == 0 else (1 + beta**2) * p * r / (beta**2 * p + r)


def counts_for(pair: Pair, average: str | None) -> Counts | None:
    """What all measures of one call share; means over rows have nothing to share."""
    if average == "samples":
        return None
    return _counts.total_counts(pair) if average == "micro" else _counts.label_counts(pair)


def averaged(
    name: str,
    measure: Measure,
    counts: Counts | None,
    pair: Pair,
    average: str | None,
    undefined: float,
    warn: bool,
    absent_labels: str,
    told: list[str] | None = None,
) -> Any:
    """A measure averaged; what is undefined counts as so much, with a warning if asked.

    What there is to warn of goes into ``told``, for the caller to say all of it at once.
    """
    own: list[str] = [] if told is None else told
    if counts is None:
        value = _mean_of_rows(measure, pair, undefined, warn, own)
        if told is None:
            tell_once(name, own)
        return value
    values = measure(counts, undefined)
    if warn and isinstance(measure, Ratio) and counts.known.any():
        own += _zeros_text(measure, counts, pair, average, absent_labels)
    if told is None:
        tell_once(name, own)
    if average == "micro":
        return float(values[0])
    if average is None:
        return mark_absent(values, counts.positive, absent_labels)
    return average_labels(values, average, counts.positive, absent_labels)


def _mean_of_rows(measure: Measure, pair: Pair, undefined: float, warn: bool, told: list[str]) -> float:
    n = pair.shape[0]
    if pair.weights is None and isinstance(measure, Ratio):
        total, n_known, n_zeros, _ = pair.sum_ratios(measure.table)
        value = _mean_with(total, n_known - n_zeros, n_zeros, undefined)
    else:
        rows = _counts.row_counts(pair)
        known = rows.known > 0
        weights = None if pair.weights is None else pair.weights.values[known]
        n_known, n_zeros = int(known.sum()), int(np.isnan(measure(rows, np.nan)[known]).sum())
        value = mean(measure(rows, undefined)[known], weights)
    if warn and n_zeros and isinstance(measure, Ratio):
        where = f"{n_zeros} of {n} examples have no {measure.empty} and count as 0"
        told.append(f"{where}; zero_division= says otherwise")
    told += empty_rows_text(n - n_known)
    return value


def _mean_with(total: float, n: int, n_undefined: int, undefined: float) -> float:
    """Mean of n numbers and of so many more that are undefined: each counts as so much, those that are NaN not."""
    if np.isnan(undefined):
        return total / n if n else undefined
    return (total + n_undefined * undefined) / (n + n_undefined) if n + n_undefined else float("nan")


def _zeros_text(measure: Ratio, counts: Counts, pair: Pair, average: str | None, absent_labels: str) -> list[str]:
    """What of it has no value and counts as 0, if anything."""
    zeros = np.isnan(measure(counts, np.nan))
    if not zeros.any():
        return []
    texts = []
    if average == "micro":
        texts.append(f"there is no {measure.empty}; the score is set to 0")
    else:
        absent, values = counts.positive == 0, measure(counts, 0.0)
        if average == "macro" and absent_labels == "sklearn" and absent.any() and not values[absent].any():
            without = average_labels(values, "macro", counts.positive, "skip")
            texts.append(of_absent_labels(absent, pair.truth.label_names, without))
            zeros &= ~absent
        if zeros.any():
            names = listed(zeros, pair.truth.label_names)
            texts.append(f"{int(zeros.sum())} of {zeros.size} labels have no {measure.empty} and count as 0 ({names})")
    return ["; ".join([*texts, "zero_division= says otherwise"])]
