"""Counts of cells, and the ratios that set metrics are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.pairs import Pair, Scored, Weights
from mlkit._validation.params import check_integer, described
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics._averages import Floats, divide


@dataclass(frozen=True)
class Counts:
    """Known cells, one number each for label, row or all: weighted sums, whole numbers without weights."""

    hits: Floats
    predicted: Floats
    positive: Floats
    known: Floats

    @property
    def union(self) -> Floats:
        return self.positive + self.predicted - self.hits

    @property
    def true_negative(self) -> Floats:
        return np.maximum(self.known - self.union, 0.0)

    @property
    def negative(self) -> Floats:
        return self.known - self.positive

    @property
    def errors(self) -> Floats:
        return self.union - self.hits

    @property
    def total(self) -> Counts:
        """All labels together, as arrays of one number."""
        parts = (self.hits, self.predicted, self.positive, self.known)
        return Counts(*(np.array([x.sum()]) for x in parts))

    @property
    def confusion(self) -> Floats:
        """``[[tn, fp], [fn, tp]]`` of each."""
        parts = (self.true_negative, self.predicted - self.hits, self.positive - self.hits, self.hits)
        return np.stack(parts, axis=-1).reshape(-1, 2, 2)


def label_counts(pair: Pair) -> Counts:
    """Counts of each label."""
    return _unpack(pair.count(True), pair.weights)


def total_counts(pair: Pair) -> Counts:
    """Counts of all labels together, as arrays of one number."""
    return _unpack(pair.count(False), pair.weights)


def row_counts(pair: Pair) -> Counts:
    """Counts of each row, without its weight."""
    return Counts(*pair.count_rows().T.astype(np.float64))


def both_counts(
    truth: LabelMatrix, predicted: LabelMatrix, weights: Weights | None, n_threads: int
) -> tuple[Counts, Counts]:
    """Counts of each label and of each row in one pass."""
    units = None if weights is None else weights.units
    labels, rows = _core.metrics.count_cells(truth._core, predicted._core, units, True, n_threads)
    return _unpack(labels, weights), Counts(*rows.T.astype(np.float64))


def both_counts_at(cells: Scored, cut: Floats) -> tuple[Counts, Counts]:
    """The same where predicted is what reaches the label's cut."""
    units = None if cells.weights is None else cells.weights.units
    labels, rows = _core.metrics.count_cells_at(*cells.core, cut, units, True, cells.n_threads)
    return _unpack(labels, cells.weights), Counts(*rows.T.astype(np.float64))


def _unpack(labels: Floats, weights: Weights | None) -> Counts:
    return Counts(*(labels if weights is None else labels * weights.unit).T)


class Ratio:
    """So many times hits, predicted, positive and known cells over so many times the same: a set metric."""

    def __init__(self, empty: str, numerator: tuple[float, ...], denominator: tuple[float, ...]) -> None:
        self.empty = empty  # what there is none of where the denominator is 0
        self.table: Floats = np.array([numerator, denominator], np.float64)

    def __call__(self, c: Counts, undefined: float = 0.0) -> Floats:
        counts = (c.hits, c.predicted, c.positive, c.known)
        up, down = (sum(times * x for times, x in zip(row, counts) if times) for row in self.table)
        return divide(np.maximum(up, 0.0), down, undefined)  # of weighted counts 0 may come out below


precision = Ratio("prediction", (1, 0, 0, 0), (0, 1, 0, 0))
recall = Ratio("positive", (1, 0, 0, 0), (0, 0, 1, 0))
f1 = Ratio("positive or prediction", (2, 0, 0, 0), (0, 1, 1, 0))
jaccard = Ratio("positive or prediction", (1, 0, 0, 0), (-1, 1, 1, 0))
specificity = Ratio("negative", (1, -1, -1, 1), (0, 0, -1, 1))


def fbeta(beta: float) -> Ratio:
    """F of this beta: precision for 0, recall for infinity."""
    if beta == 0 or np.isposinf(beta):
        return recall if beta else precision
    return Ratio(f1.empty, (1 + beta**2, 0, 0, 0), (0, 1, beta**2, 0))


def balanced_accuracy(c: Counts) -> Floats:
    """Mean of recall and specificity; of one of them where the other has no cells."""
    parts = np.stack([recall(c, np.nan), specificity(c, np.nan)])
    n_defined = np.sum(~np.isnan(parts), axis=0)
    return divide(np.nansum(parts, axis=0), n_defined.astype(np.float64), np.nan)


def mcc(c: Counts) -> Floats:
    """Matthews correlation; 0 where truth or prediction is constant."""
    covariance = c.hits * c.known - c.predicted * c.positive
    spread = np.sqrt(c.predicted * (c.known - c.predicted)) * np.sqrt(c.positive * (c.known - c.positive))
    return divide(covariance, spread, 0.0)


def take_labels(pair: Pair, labels: Any) -> Pair:
    """Restrict a pair to chosen labels, by number or name.

    Raises
    ------
    TypeError, ValueError
        If a label does not exist or is chosen twice.
    """
    if labels is None:
        return pair
    chosen = label_numbers(labels, pair.shape[1], pair.truth.label_names)
    return Pair(pair.truth._take_labels(chosen), pair.predicted._take_labels(chosen), pair.weights, pair.n_threads)


def label_numbers(labels: Any, n_labels: int, names: Sequence[str] | None) -> NDArray[np.int64]:
    """Numbers of labels given by number or name.

    Raises
    ------
    TypeError, ValueError
        As :func:`take_labels`.
    """
    if isinstance(labels, (str, bytes)) or not hasattr(labels, "__len__"):
        raise TypeError(f"labels: expected a sequence of label numbers or names, got {described(labels)}")
    position = {name: j for j, name in enumerate(names or ())}
    numbers = []
    for label in list(labels):
        if isinstance(label, str):
            if label not in position:
                raise ValueError(f"labels: expected names of labels, got {label!r}")
            numbers.append(position[label])
        else:
            numbers.append(check_integer("labels", label, low=0, high=n_labels - 1))
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError("labels: expected distinct labels, at least one")
    return np.array(numbers, np.int64)


def as_counts(values: Floats, pair: Pair) -> NDArray[Any]:
    """Whole numbers unless rows are weighted."""
    return values if pair.weights is not None else np.rint(values).astype(np.int64)
