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
    listed,
    mark_absent,
    mean,
    of_absent_labels,
    of_empty_rows,
    warn_undefined,
)
from mlkit.metrics._counts import Counts

Ratio = Callable[[Counts, float], Floats]


class Told:
    """What a call has to say of undefined numbers, in one warning; of zeros only where ``zeros`` is asked for."""

    def __init__(self, name: str, zeros: bool) -> None:
        self.name, self.zeros = name, zeros
        self._of_zeros: list[str] = []
        self._of_rows: list[str] = []

    def add_zeros(self, text: str) -> None:
        if text not in self._of_zeros:
            self._of_zeros.append(text)

    def add_empty_rows(self, n: int) -> None:
        text = of_empty_rows(n)
        if text and text not in self._of_rows:
            self._of_rows.append(text)

    def warn(self, stacklevel: int = 4) -> None:
        """Say it; the default stack level is that of a function which the public one calls."""
        texts = [*self._of_zeros, *(["zero_division= says otherwise"] if self._of_zeros else []), *self._of_rows]
        if texts:
            warn_undefined(f"{self.name}: {'; '.join(texts)}", stacklevel)


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
    counts, told = counts_for(pair, average), Told(name, warn)
    value = averaged(ratio, empty, counts, pair, average, undefined, absent_labels, told)
    told.warn()
    return value


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
    counts, told = counts_for(pair, average), Told(name, warn)
    if average == "macro_pr":
        p = averaged(_counts.precision, "prediction", counts, pair, "macro", undefined, absent_labels, told)
        r = averaged(_counts.recall, "positive", counts, pair, "macro", undefined, absent_labels, told)
        told.warn()
        if beta == 0 or np.isinf(beta):
            return r if beta else p
        return (1 + beta**2) * p * r / (beta**2 * p + r) if p + r > 0 else undefined

    def ratio(c: Counts, value: float) -> Floats:
        return _counts.fbeta(c, beta, value)

    empty = {0.0: "prediction", np.inf: "positive"}.get(beta, "positive or prediction")
    value = averaged(ratio, empty, counts, pair, average, undefined, absent_labels, told)
    told.warn()
    return value


def averaged(
    ratio: Ratio,
    empty: str,
    counts: Counts,
    pair: Pair,
    average: str | None,
    undefined: float,
    absent_labels: str,
    told: Told,
) -> Any:
    """A ratio averaged; ``counts`` are those of rows for "samples" and of labels otherwise."""
    counts_used = counts.total if average == "micro" else counts
    values = ratio(counts_used, undefined)
    if told.zeros and counts_used.known.any():
        _tell_zeros(ratio, empty, counts_used, pair, average, absent_labels, told)
    if average == "micro":
        return float(values[0])
    if average == "samples":
        known = counts.known > 0
        told.add_empty_rows(int((~known).sum()))
        return mean(values[known], None if pair.weights is None else pair.weights.values[known])
    if average is None:
        return mark_absent(values, counts.positive, absent_labels)
    return average_labels(values, average, counts.positive, absent_labels)


def _tell_zeros(
    ratio: Ratio, empty: str, counts: Counts, pair: Pair, average: str | None, absent_labels: str, told: Told
) -> None:
    zeros = np.isnan(ratio(counts, np.nan)) & (counts.known > 0 if average == "samples" else True)
    n = int(zeros.sum())
    if not n:
        return
    if average == "micro":
        told.add_zeros(f"there is no {empty}; the score is set to 0")
        return
    if average == "samples":
        told.add_zeros(f"{n} of {zeros.size} examples have no {empty} and count as 0")
        return
    absent, values = counts.positive == 0, ratio(counts, 0.0)
    if average == "macro" and absent_labels == "sklearn" and absent.any() and not values[absent].any():
        without = average_labels(values, "macro", counts.positive, "skip")
        told.add_zeros(of_absent_labels(absent, pair.truth.label_names, without))
        zeros &= ~absent
    if zeros.any():
        names = listed(zeros, pair.truth.label_names)
        told.add_zeros(f"{int(zeros.sum())} of {zeros.size} labels have no {empty} and count as 0 ({names})")
