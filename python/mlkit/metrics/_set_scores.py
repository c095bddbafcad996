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
from mlkit.metrics._counts import Counts

Ratio = Callable[[Counts, float], Floats]


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


def counts_for(pair: Pair, average: str | None) -> Counts:
    """Counts of rows or of labels, as the average needs them."""
    if average == "samples":
        return _counts.row_counts(pair)
    return _counts.total_counts(pair) if average == "micro" else _counts.label_counts(pair)


def score_of(
    name: str,
    ratio: Ratio,
    empty: str,
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
    """A ratio of counts, judged and averaged."""
    check_choice("absent_labels", absent_labels, ABSENT)
    pair, undefined, warn = judge(y_true, y_pred, labels, average, sample_weight, zero_division, unknown, n_jobs)
    counts = counts_for(pair, average)
    return averaged(name, ratio, empty, counts, pair, average, undefined, warn, absent_labels)


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
    counts = counts_for(pair, average)
    if average == "macro_pr":
        of = (counts, pair, "macro", undefined, warn, absent_labels)
        told: list[str] = []
        p = averaged(name, _counts.precision, "prediction", *of, told)
        r = averaged(name, _counts.recall, "positive", *of, told)
        tell_once(name, told)
        if beta == 0 or np.isinf(beta):
            return r if beta else p
        return undefined if p + r == 0 else (1 + beta**2) * p * r / (beta**2 * p + r)

    def ratio(c: Counts, value: float) -> Floats:
        return _counts.fbeta(c, beta, value)

    empty = {0.0: "prediction", np.inf: "positive"}.get(beta, "positive or prediction")
    return averaged(name, ratio, empty, counts, pair, average, undefined, warn, absent_labels)


def averaged(
    name: str,
    ratio: Ratio,
    empty: str,
    counts: Counts,
    pair: Pair,
    average: str | None,
    undefined: float,
    warn: bool,
    absent_labels: str,
    told: list[str] | None = None,
) -> Any:
    """A ratio averaged; ``counts`` are those of rows for "samples" and of labels otherwise.

    What there is to warn of goes into ``told``, for the caller to say all of it at once.
    """
    own: list[str] = [] if told is None else told
    counts_used = counts.total if average == "micro" else counts
    values = ratio(counts_used, undefined)
    if warn and counts_used.known.any():
        own += _zeros_text(ratio, empty, counts_used, pair, average, absent_labels)
    known = counts.known > 0
    if average == "samples":
        own += empty_rows_text(int((~known).sum()))
    if told is None:
        tell_once(name, own)
    if average == "micro":
        return float(values[0])
    if average == "samples":
        return mean(values[known], None if pair.weights is None else pair.weights.values[known])
    if average is None:
        return mark_absent(values, counts.positive, absent_labels)
    return average_labels(values, average, counts.positive, absent_labels)


def _zeros_text(
    ratio: Ratio, empty: str, counts: Counts, pair: Pair, average: str | None, absent_labels: str
) -> list[str]:
    """What of it has no value and counts as 0, if anything."""
    zeros = np.isnan(ratio(counts, np.nan)) & (counts.known > 0 if average == "samples" else True)
    n, texts = int(zeros.sum()), []
    if not n:
        return []
    if average == "micro":
        texts.append(f"there is no {empty}; the score is set to 0")
    elif average == "samples":
        texts.append(f"{n} of {zeros.size} examples have no {empty} and count as 0")
    else:
        absent, values = counts.positive == 0, ratio(counts, 0.0)
        if average == "macro" and absent_labels == "sklearn" and absent.any() and not values[absent].any():
            without = average_labels(values, "macro", counts.positive, "skip")
            texts.append(of_absent_labels(absent, pair.truth.label_names, without))
            zeros &= ~absent
        if zeros.any():
            names = listed(zeros, pair.truth.label_names)
            texts.append(f"{int(zeros.sum())} of {zeros.size} labels have no {empty} and count as 0 ({names})")
    return ["; ".join([*texts, "zero_division= says otherwise"])]
