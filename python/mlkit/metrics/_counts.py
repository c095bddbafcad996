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
    return _unpack(pair.count(True, False)[0], pair.weights)


def total_counts(pair: Pair) -> Counts:
    """Counts of all labels together, as arrays of one number."""
    return _unpack(pair.count(False, False)[0], pair.weights)


def row_counts(pair: Pair) -> Counts:
    """Counts of each row, without its weight."""
    return Counts(*pair.count(False, True)[1].T.astype(np.float64))


def both_counts(truth: LabelMatrix, predicted: LabelMatrix, weights: Weights | None, n: int) -> tuple[Counts, Counts]:
    """Counts of each label and of each row in one pass."""
    labels, rows = Pair(truth, predicted, weights, n).count(True, True)
    return _unpack(labels, weights), Counts(*rows.T.astype(np.float64))


def both_counts_at(cells: Scored, cut: Floats) -> tuple[Counts, Counts]:
    """The same where predicted is what reaches the label's cut."""
    units = None if cells.weights is None else cells.weights.units
    labels, rows = _core.metrics.count_cells_at(*cells.core, cut, units, True, cells.n_threads)
    return _unpack(labels, cells.weights), Counts(*rows.T.astype(np.float64))


def _unpack(labels: Floats, weights: Weights | None) -> Counts:
    return Counts(*(labels if weights is None else labels * weights.unit).T)


def precision(c: Counts, undefined: float = 0.0) -> Floats:
    return divide(c.hits, c.predicted, undefined)


def recall(c: Counts, undefined: float = 0.0) -> Floats:
    return divide(c.hits, c.positive, undefined)


def fbeta(c: Counts, beta: float, undefined: float = 0.0) -> Floats:
    if np.isposinf(beta):
        return recall(c, undefined)
    if beta == 0:
        return precision(c, undefined)
    return divide((1 + beta**2) * c.hits, beta**2 * c.positive + c.predicted, undefined)


def jaccard(c: Counts, undefined: float = 0.0) -> Floats:
    return divide(c.hits, c.union, undefined)


def specificity(c: Counts, undefined: float = 0.0) -> Floats:
    return divide(c.true_negative, c.negative, undefined)


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
