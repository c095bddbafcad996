"""What a report measures: each number with the influence of every row on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.pairs import Pair, Scored
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics import _counts
from mlkit.metrics._averages import Floats, divide
from mlkit.metrics._counts import Counts
from mlkit.metrics._ranks import RowRanks, TopRanks, discounts

RATIOS = {"f1": _counts.f1, "precision": _counts.precision, "recall": _counts.recall, "jaccard": _counts.jaccard}
ROW_AREA = "roc_auc_samples"  # rows without both kinds of cells are left out, or make it NaN


@dataclass(frozen=True)
class RowMeasure:
    """Sum of one number of the rows over the sum of another: means of rows, pooled cells, ratios of sums."""

    key: str
    numerator: Floats
    denominator: Floats
    n_defined: int
    undefined: float = float("nan")  # value where the denominator is 0

    def settle(self, weights: Floats | None) -> tuple[float, Floats]:
        """The value, and how far each row moves it."""
        numerator, denominator = self.numerator, self.denominator
        if weights is not None:
            numerator, denominator = weights * numerator, weights * denominator
        total = float(denominator.sum())
        if not total:
            return self.undefined, np.full(numerator.size, np.nan)
        value = float(numerator.sum()) / total
        influence = denominator * -value
        influence += numerator
        influence /= total
        return value, influence


@dataclass(frozen=True)
class LabelMeasure:
    """A mean over labels of a ratio of counts, weighted by ``share`` (0: the label takes no part)."""

    key: str
    name: str
    by_support: bool

    def shares(self, counts: Counts, defined: NDArray[np.bool_]) -> Floats:
        part = np.where(defined, counts.positive if self.by_support else 1.0, 0.0)
        return divide(part, np.full(part.size, part.sum()), 0.0)

    def value(self, counts: Counts, defined: NDArray[np.bool_]) -> float:
        shares = self.shares(counts, defined)
        if shares.any():
            return float(np.sum(shares * ratio(self.name, counts)))
        return 0.0 if defined.any() else float("nan")  # labels that count, but none has a positive to weigh it by

    def coefficients(self, counts: Counts, defined: NDArray[np.bool_]) -> Floats:
        """(n_labels, 3): what a hit, a predicted and a positive cell of each label add to the influence of its row."""
        r = ratio(self.name, counts)
        numerator, denominator = RATIOS[self.name].table[:, :3]  # none looks at known cells
        of_hits, of_predicted, of_positive = denominator
        total = of_hits * counts.hits + of_predicted * counts.predicted + of_positive * counts.positive
        shares = self.shares(counts, defined)
        scale = divide(shares, total, 0.0)
        columns = [scale * (up - r * down) for up, down in zip(numerator, denominator)]
        if self.by_support and shares.any():  # the shares, too, come from the rows
            support = float(np.sum(np.where(defined, counts.positive, 0.0)))
            columns[2] = columns[2] + np.where(defined, (r - float(np.sum(shares * r))) / support, 0.0)
        return np.stack(columns, axis=1)


def ratio(name: str, counts: Counts) -> Floats:
    """A set metric of each of the counts, 0 where it is undefined."""
    return RATIOS[name](counts)


def set_measures(rows: Counts) -> list[RowMeasure]:
    """Pooled and row-wise set metrics from the counts of rows."""
    known = rows.known > 0
    n_known = int(known.sum())
    one = known.astype(np.float64)
    cells = int(rows.known.sum())
    measures = [
        RowMeasure("f1_micro", 2 * rows.hits, rows.positive + rows.predicted, cells, 0.0),
        RowMeasure("precision_micro", rows.hits, rows.predicted, cells, 0.0),
        RowMeasure("recall_micro", rows.hits, rows.positive, cells, 0.0),
        RowMeasure("jaccard_micro", rows.hits, rows.union, cells, 0.0),
        RowMeasure("specificity_micro", rows.true_negative, rows.negative, cells, 0.0),
        RowMeasure("hamming_loss", rows.errors, rows.known, cells),
        RowMeasure("accuracy", one * (rows.errors == 0), one, n_known),
    ]
    measures += [RowMeasure(f"{name}_samples", one * ratio(name, rows), one, n_known) for name in RATIOS]
    return measures


def rank_measures(rows: RowRanks, top: TopRanks, ks: list[int], n_labels: int, scored: bool) -> list[RowMeasure]:
    """Row-wise ranking and top-k metrics."""
    known = rows.n_known > 0
    one = known.astype(np.float64)
    n_known = int(known.sum())
    has_positive = rows.n_positive > 0
    both = ~np.isnan(rows.auc)

    def mean(key: str, values: Floats) -> RowMeasure:
        return RowMeasure(key, values if n_known == one.size else np.where(known, values, 0.0), one, n_known)

    measures = [
        RowMeasure(ROW_AREA, np.where(both, rows.auc, 0.0), both.astype(np.float64), int(both.sum())),
        mean("average_precision_samples", np.where(has_positive, rows.lrap, 0.0)),
        mean("lrap", rows.lrap),
        mean("coverage_error", rows.coverage),
        mean("ranking_loss", rows.ranking_loss),
        mean("one_error", rows.one_error),
        mean("ndcg", divide(rows.gain, rows.ideal_gain, 0.0)),
        mean("r_precision", rows.r_precision),
    ]
    table = discounts(n_labels)
    positive = np.where(known, rows.n_positive, 0.0)
    for at, k in enumerate(ks):
        best = np.minimum(positive, k)
        ideal = table[np.minimum(best, n_labels).astype(np.int64)]
        hits = top.hits[:, at]
        measures += [
            mean(f"precision_at_{k}", hits / k),
            mean(f"recall_at_{k}", divide(hits, positive, 0.0)),
            mean(f"rank_precision_at_{k}", divide(hits, best, 0.0)),
            mean(f"hit_rate_at_{k}", top.any_hit[:, at]),
            mean(f"ndcg_at_{k}", divide(top.gain[:, at], ideal, 0.0)),
        ]
        if scored:
            share, depth = divide(one, positive, 0.0), np.where(ideal > 0, ideal, 1.0)
            measures += [
                RowMeasure(f"psprecision_at_{k}", one * top.scored[:, at], one * top.best[:, at], n_known),
                RowMeasure(f"psndcg_at_{k}", top.scored_gain[:, at] / depth, top.best_gain[:, at] / depth, n_known),
                RowMeasure(f"psrecall_at_{k}", top.scored[:, at] * share, top.best[:, at] * share, n_known),
            ]
    return measures


def tied_places(rows: RowRanks, top: TopRanks, ks: Sequence[int]) -> NDArray[np.int64]:
    """For each k, how many of the first k places the tie rule gives to one of several labels, and of how many."""
    counts = [(top.tied[:, at].sum(), np.minimum(rows.n_known, k).sum()) for at, k in enumerate(ks)]
    return np.array(counts, np.int64).reshape(-1, 2)


def plain_ratios(counts: Counts) -> dict[str, tuple[Floats, Floats]]:
    """Means over labels in which true negatives count: each label's value, and its derivatives (n_labels, 4)."""
    negative, zero = counts.negative, np.zeros(counts.known.size)
    specificity = _counts.specificity(counts)
    recall = _counts.recall(counts, np.nan)
    per_negative, per_positive = (divide(zero + 1, of, 0.0) for of in (negative, counts.positive))
    wrong = (1 - specificity) * per_negative
    right = np.where(counts.positive > 0, recall, 0.0) * per_positive
    of_negatives = np.stack([per_negative, -per_negative, -wrong, wrong], axis=1)
    of_positives = np.stack([per_positive, zero, -right, zero], axis=1)
    n_kinds = np.maximum(1.0, 0.0 + (negative > 0) + (counts.positive > 0))
    return {
        "specificity_macro": (specificity, of_negatives),
        "balanced_accuracy_macro": (
            _counts.balanced_accuracy(counts),
            (of_negatives + of_positives) / n_kinds[:, None],
        ),
        "mcc_macro": (_counts.mcc(counts), _mcc_derivatives(counts)),
    }


def _mcc_derivatives(counts: Counts) -> Floats:
    """By hits, predicted, positive and known cells; 0 where the value is 0 by convention."""
    p, q, k = counts.predicted, counts.positive, counts.known
    value = _counts.mcc(counts)
    spread = np.sqrt(p * (k - p)) * np.sqrt(q * (k - q))
    has = spread > 0
    half = 0.5 * value
    derivatives = np.zeros((value.size, 4))
    derivatives[:, 0] = divide(k, spread, 0.0)
    derivatives[:, 1] = divide(-q, spread, 0.0) - half * divide(k - 2 * p, p * (k - p), 0.0)
    derivatives[:, 2] = divide(-p, spread, 0.0) - half * divide(k - 2 * q, q * (k - q), 0.0)
    one = np.ones(value.size)
    derivatives[:, 3] = divide(counts.hits, spread, 0.0) - half * (divide(one, k - p, 0.0) + divide(one, k - q, 0.0))
    return np.where(has[:, None], derivatives, 0.0)


def known_sums(truth: LabelMatrix, of_labels: Floats) -> Floats:
    """Sums of numbers of each label (n_labels, m) over the known cells of each row, the same bits for any storage."""
    from scipy.sparse import csr_array

    exponent = 40 - np.frexp(np.abs(of_labels).max(initial=0.0))[1]
    whole = np.rint(np.ldexp(of_labels, exponent)).astype(np.int64)
    indptr, indices, values = truth._cells
    if truth.background == "unknown":
        known = np.ones(indices.size, np.int64) if values is None else (values >= 0).astype(np.int64)
        sums = csr_array((known, indices, indptr), shape=truth.shape) @ whole
    else:
        sums = np.broadcast_to(whole.sum(axis=0), (truth.shape[0], whole.shape[1]))
        if values is not None:
            sums = sums - csr_array(((values < 0).astype(np.int64), indices, indptr), shape=truth.shape) @ whole
    out: Floats = np.ldexp(sums.astype(np.float64), -exponent)
    return out


def row_sums(truth: LabelMatrix, of_labels: Floats, value: int) -> Floats:
    """Sum of a number of each label over the cells of each row whose stored truth is 1, 0 or -1 (unknown)."""
    from scipy.sparse import csr_array

    indptr, indices, values = truth._cells
    data = np.full(indices.size, float(value == 1)) if values is None else (values == value).astype(np.float64)
    sums: Floats = csr_array((data, indices, indptr), shape=truth.shape) @ of_labels
    return sums


def label_measures() -> list[LabelMeasure]:
    """Means over labels of set metrics."""
    return [
        LabelMeasure(f"{name}_{average}", name, average == "weighted")
        for name in RATIOS
        for average in ("macro", "weighted")
    ]


class Prediction:
    """Predicted labels, given or made by a threshold, as the kernels walk over them."""

    def __init__(
        self,
        truth: LabelMatrix,
        predicted: LabelMatrix | None,
        cells: Scored | None,
        cut: Floats | None,
        n_threads: int,
    ) -> None:
        self.truth, self.predicted, self.cells, self.cut, self.n_threads = truth, predicted, cells, cut, n_threads

    def counts(self, weights: Any) -> tuple[Counts, Counts]:
        if self.predicted is not None:
            return _counts.both_counts(self.truth, self.predicted, weights, self.n_threads)
        assert self.cells is not None
        assert self.cut is not None
        return _counts.both_counts_at(self.cells, self.cut)

    def label_counts(self, weights: Any) -> Counts:
        """Counts of each label, where the predicted labels are given."""
        assert self.predicted is not None
        return _counts.label_counts(Pair(self.truth, self.predicted, weights, self.n_threads))

    def weigh(self, units: NDArray[np.uint64]) -> NDArray[np.int64]:
        """(n_labels, 4, 2): sums of weights of hits, predicted, positive and known cells, as pairs of words."""
        if self.predicted is not None:
            return _core.metrics.count_words(self.truth._core, self.predicted._core, units, self.n_threads)
        assert self.cells is not None
        assert self.cut is not None
        return _core.metrics.count_words_at(*self.cells.core, self.cut, units, self.n_threads)

    def influences(self, coefficients: Floats) -> Floats:
        if self.predicted is not None:
            core = (self.truth._core, self.predicted._core)
            return _core.metrics.sum_influences(*core, coefficients, self.n_threads)
        assert self.cells is not None
        assert self.cut is not None
        return _core.metrics.sum_influences_at(*self.cells.core, self.cut, coefficients, self.n_threads)

    def replicates(
        self, ids: NDArray[np.int64], units: NDArray[np.uint64] | None, seed: int, begin: int, n: int
    ) -> NDArray[np.integer[Any]]:
        """(n_labels, 3, n): hits, predicted, positive of each label in n bootstrap replicates, by weight if given."""
        if self.predicted is not None:
            core = (self.truth._core, self.predicted._core)
            if units is not None:
                return _core.metrics.bootstrap_label_weights(*core, ids, units, seed, begin, n, self.n_threads)
            return _core.metrics.bootstrap_labels(*core, ids, seed, begin, n, self.n_threads)
        assert self.cells is not None
        assert self.cut is not None
        if units is not None:
            of = (*self.cells.core, self.cut, ids, units)
            return _core.metrics.bootstrap_label_weights_at(*of, seed, begin, n, self.n_threads)
        return _core.metrics.bootstrap_labels_at(*self.cells.core, self.cut, ids, seed, begin, n, self.n_threads)

    def sets(self) -> NDArray[np.int64]:
        """The predicted cells as row * n_labels + label, ascending."""
        n, n_labels = self.truth.shape
        if self.predicted is not None:
            indptr, indices, _ = self.predicted._cells
            given: NDArray[np.int64] = np.repeat(np.arange(n), np.diff(indptr)) * n_labels + indices
            return given
        assert self.cells is not None
        assert self.cut is not None
        if self.cells.rows is not None and (self.cut > 0).all():
            indptr, indices = self.cells.rows
            reached = np.flatnonzero(self.cells.array >= self.cut[indices])
            rows = np.searchsorted(indptr, reached, side="right").astype(np.int64) - 1
            cells: NDArray[np.int64] = rows * n_labels + indices[reached]
            return cells
        parts, step = [], max(1, 2**22 // n_labels)
        sparse = self.cells.csr() if self.cells.rows is not None else None
        for begin in range(0, n, step):
            block = self.cells.array[begin : begin + step] if sparse is None else sparse[begin : begin + step].toarray()
            parts.append(np.flatnonzero(block >= self.cut) + begin * n_labels)
        return np.concatenate(parts)
