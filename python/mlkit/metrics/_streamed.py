"""What a state keeps of rows that went by: sums, all of them whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.pairs import Scored
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics._assembly import (
    absent_note,
    add_plain_means,
    defined_labels,
    label_table,
    undefined_labels,
)
from mlkit.metrics._averages import Floats, mean
from mlkit.metrics._bins import Bins
from mlkit.metrics._counts import Counts
from mlkit.metrics._fixed import UNIT, canonical, exact_sums, value_of
from mlkit.metrics._histogram import BinnedAreas, Entries, binned_areas
from mlkit.metrics._intervals import replicate_means
from mlkit.metrics._measures import (
    ROW_AREA,
    Prediction,
    RowMeasure,
    label_measures,
    rank_measures,
    set_measures,
    tied_places,
)
from mlkit.metrics._ranks import rank_rows
from mlkit.metrics._top_means import add_label_coverage, top_measures, top_predictions
from mlkit.metrics.calibration import calibration_errors
from mlkit.metrics.report import Estimate, EvaluationReport, Findings

BOOT_UNIT = 2.0**-20
BINS = 15  # of the expected calibration error
_EDGES = np.ascontiguousarray(np.linspace(0, 1, BINS + 1)[None, 1:-1])


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and how."""

    n_labels: int
    ks: tuple[int, ...]
    propensities: Floats | None
    with_ranks: bool
    with_top_means: bool
    with_areas: bool
    with_calibration: bool
    n_boot: int
    seed: int


@dataclass(frozen=True)
class Batch:
    """Some rows, judged."""

    truth: LabelMatrix
    cells: Scored | None
    predicted: LabelMatrix | None
    cut: Floats | None
    weights: Floats | None
    ids: NDArray[np.int64]
    n_threads: int

    @property
    def prediction(self) -> Prediction:
        return Prediction(self.truth, self.predicted, self.cells, self.cut, self.n_threads)

    @property
    def units(self) -> NDArray[np.uint64] | None:
        """Weights in whole units."""
        return None if self.weights is None else np.rint(self.weights / UNIT).astype(np.uint64)


@dataclass
class RowSums:
    """Moments of one row measure in whole units: everything that its value and standard error are made of."""

    moments: list[int] = field(default_factory=lambda: [0] * 5)
    n_defined: int = 0

    def add(self, moments: list[int], n_defined: int) -> None:
        self.moments = [a + b for a, b in zip(self.moments, moments, strict=True)]
        self.n_defined += n_defined

    def estimate(self, undefined: float, n_rows: int, z: float) -> Estimate:
        """The ratio of the first two moments with its normal interval."""
        numerator, denominator, squared, mixed, squared_below = self.moments
        if denominator == 0:
            nan = float("nan")
            return Estimate(undefined, nan, nan, nan, self.n_defined, "no interval")
        value = Fraction(numerator, denominator)
        squares = float((squared - 2 * value * mixed + value**2 * squared_below) * Fraction(UNIT))
        se = float("nan")
        if n_rows > 1:
            se = math.sqrt(max(0.0, squares) * n_rows / (n_rows - 1)) / float(denominator * Fraction(UNIT))
        v = float(value)
        return Estimate(v, v - z * se, v + z * se, se, self.n_defined, "")


class Streamed:
    """The sums of a plan over batches."""

    def __init__(self, plan: Plan) -> None:
        n = plan.n_labels
        self.plan = plan
        self.n_rows = 0
        self.n_positive, self.n_negative = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.counts = np.zeros((n, 4, 2), np.int64)
        self.count_unit = 1.0
        self.tied = np.zeros((len(plan.ks), 2), np.int64)
        self.rows: dict[str, RowSums] = {}
        self.undefined: dict[str, float] = {}
        self.in_unit = True
        self.bins: NDArray[np.int64] | None = None
        self.losses: NDArray[np.int64] | None = None
        self.entries: Entries | None = None
        self.top_counts: dict[int, NDArray[np.int64]] = {}
        self.row_boot: dict[str, Any] = {}
        self.label_boot: NDArray[np.int64] | None = None

    def add(self, batch: Batch) -> None:
        """Count a batch; nothing is kept of it but sums."""
        new = Streamed(self.plan)
        new._count(batch)
        self.merge(new)

    def merge(self, other: Streamed) -> None:
        """Add what another has counted."""
        self.n_rows += other.n_rows
        self.n_positive = self.n_positive + other.n_positive
        self.n_negative = self.n_negative + other.n_negative
        self.counts = canonical(self.counts + other.counts)
        self.count_unit = min(self.count_unit, other.count_unit)
        self.tied = self.tied + other.tied
        for key, sums in other.rows.items():
            self.rows.setdefault(key, RowSums()).add(sums.moments, sums.n_defined)
        self.undefined.update(other.undefined)
        self.in_unit &= other.in_unit
        self.bins = _added(self.bins, other.bins) if self.in_unit else None
        self.losses = _added(self.losses, other.losses) if self.in_unit else None
        if other.entries is not None:
            mine = self.entries
            self.entries = other.entries if mine is None else _core.quality.merge_entries(*mine, *other.entries)
        for k, words in other.top_counts.items():
            self.top_counts = {**self.top_counts, k: canonical(words + self.top_counts.get(k, 0))}
        for key, replicates in other.row_boot.items():
            self.row_boot[key] = self.row_boot.get(key, 0) + replicates
        if other.label_boot is not None:
            self.label_boot = other.label_boot if self.label_boot is None else self.label_boot + other.label_boot

    def _count(self, batch: Batch) -> None:
        plan, prediction, cells = self.plan, batch.prediction, batch.cells
        self.n_rows = batch.truth.shape[0]
        self.n_positive, self.n_negative = batch.truth._count(batch.n_threads)
        labels, rows = prediction.counts(None)
        if batch.units is None:
            whole = np.stack([labels.hits, labels.predicted, labels.positive, labels.known], axis=1)
            self.counts[..., 1] = np.rint(whole).astype(np.int64)
        else:
            self.counts, self.count_unit = prediction.weigh(batch.units), UNIT
        measures = set_measures(rows)
        if cells is not None and plan.with_ranks:
            ranks, top = rank_rows(cells, ks=plan.ks, propensities=plan.propensities)
            scored = plan.propensities is not None
            measures += rank_measures(ranks, top, list(plan.ks), plan.n_labels, scored)
            self.tied = tied_places(ranks, top, plan.ks)
        self._add_rows(measures, batch)
        if cells is not None:
            if plan.with_top_means:
                self._add_top(cells, batch.units)
            self._add_cells(cells, batch.weights)
        if plan.n_boot:
            self._add_replicates(measures, batch)

    def _add_rows(self, measures: list[RowMeasure], batch: Batch) -> None:
        w = np.ones(self.n_rows) if batch.weights is None else batch.weights
        for m in measures:
            a, b = w * m.numerator, w * m.denominator
            moments = exact_sums(np.stack([a, b, a * a, a * b, b * b], axis=1))
            self.rows[m.key] = RowSums(moments, m.n_defined)
            self.undefined[m.key] = m.undefined

    def _add_cells(self, cells: Scored, weights: Floats | None) -> None:
        self.in_unit = cells.in_unit
        if self.plan.with_calibration and cells.in_unit:
            epsilon = float(np.finfo(cells.array.dtype).eps)
            self.bins = _core.metrics.bin_words(*cells.core, _EDGES, weights, cells.n_threads)
            self.losses = _core.metrics.loss_words(*cells.core, epsilon, weights, cells.n_threads)
        if self.plan.with_areas:
            self.entries = _core.quality.histogram_entries(*cells.core, self.n_negative, cells.n_threads)

    def _add_top(self, cells: Scored, units: NDArray[np.uint64] | None) -> None:
        ones = np.ones(self.n_rows, np.uint64) if units is None else units
        for k, best in top_predictions(cells, self.plan.ks):
            self.top_counts[k] = best.weigh(ones)

    def _add_replicates(self, measures: list[RowMeasure], batch: Batch) -> None:
        plan, w = self.plan, 1.0 if batch.weights is None else batch.weights
        columns = [w * part for m in measures for part in (m.numerator, m.denominator)]
        whole = np.rint(np.stack(columns, axis=1) / BOOT_UNIT).astype(np.int64)
        sums = _core.metrics.bootstrap_rows(batch.ids, whole, plan.seed, plan.n_boot, batch.n_threads).astype(object)
        self.row_boot = {m.key: sums[:, 2 * i : 2 * i + 2] for i, m in enumerate(measures)}
        units = None if batch.weights is None else np.rint(batch.weights / BOOT_UNIT).astype(np.uint64)
        replicates = batch.prediction.replicates(batch.ids, units, plan.seed, 0, plan.n_boot)
        self.label_boot = replicates.astype(np.int64)

    # -------------------------------------------------------------------------------------------------------- reports

    def report(self, names: tuple[str, ...] | None, ci: float, absent_labels: str) -> EvaluationReport:
        """What the sums say."""
        found = Findings(None, None, None, ci, (self.n_rows, self.plan.n_labels))
        counts = Counts(*value_of(self.counts, self.count_unit).T)
        table = label_table(names, self.n_positive, self.n_negative, counts)
        defined, note = defined_labels(counts, absent_labels), absent_note(counts, absent_labels)
        is_nan = absent_labels == "nan" and bool((counts.positive == 0).any())
        for m in label_measures():
            value = float("nan") if is_nan and not m.by_support else m.value(counts, defined)
            found.add(m.key, value, None, int(defined.sum()), note)
        add_plain_means(found, counts, absent_labels)
        if self.entries is not None:
            self._report_areas(found, table, absent_labels)
        if self.bins is not None and self.losses is not None:
            self._report_calibration(found, table)
        if self.tied[:, 1].any():
            found.tie(self.plan.ks, self.tied)
        for key, sums in self.rows.items():
            found.estimates[key] = sums.estimate(self.undefined[key], self.n_rows, found.z)
        for k, words in self.top_counts.items():
            of_top = Counts(*value_of(words, self.count_unit).T)
            for m in top_measures(k):
                value = float("nan") if is_nan else m.value(of_top, defined)
                found.add(m.key, value, None, int(defined.sum()), note)
            add_label_coverage(found, of_top, k)
        if ROW_AREA in self.rows and absent_labels != "skip":
            n_of, n_known = (self.rows[key].moments[1] for key in (ROW_AREA, "accuracy"))
            if n_of != n_known:
                found.add(ROW_AREA, float("nan"), None, self.rows[ROW_AREA].n_defined)
        if self.plan.n_boot:
            found.add_replicates({key: _ratios(parts) for key, parts in self.row_boot.items()})
            assert self.label_boot is not None
            found.add_replicates(replicate_means(label_measures(), self.label_boot, defined))
        return EvaluationReport(found, table, undefined_labels(counts))

    def _report_areas(self, found: Findings, table: dict[str, Any], absent_labels: str) -> None:
        assert self.entries is not None
        n = self.plan.n_labels
        of = binned_areas(self.entries, n, False)
        present = of.positive > 0
        both = present & ~np.isnan(of.auc)
        rule = f"absent_labels={absent_labels!r}"
        for name, values, errors, has, count in (
            ("roc_auc", of.auc, of.auc_error, both, 0.0),
            ("average_precision", of.precision, of.precision_error, present, 0.0),
        ):
            table[name] = np.where(has, values, np.nan)
            table[f"{name}_error"] = np.where(has, errors, np.nan)
            skips = absent_labels == "skip" or has.all()
            keep = has if skips else np.ones(n, bool)
            filled = np.where(has, values, count if name != "roc_auc" and absent_labels == "sklearn" else np.nan)
            value = float(filled[keep].mean()) if keep.any() else float("nan")
            off = float(np.where(has, errors, 0.0)[keep].mean()) if keep.any() else 0.0
            found.add(f"{name}_macro", value, None, int(keep.sum()), _within(off, "" if skips else rule))
            support = np.where(has, of.positive, 0.0)
            by_support, off = float("nan") if absent_labels == "skip" else 0.0, float("nan")
            if support.any():
                by_support = float(np.average(values[has], weights=support[has]))
                off = float(np.average(errors[has], weights=support[has]))
            found.add(f"{name}_weighted", by_support, None, int(has.sum()), _within(off))
        self._report_pooled(found, binned_areas(self.entries, n, True), absent_labels)

    def _report_pooled(self, found: Findings, of: BinnedAreas, absent_labels: str) -> None:
        n_cells = int(self.n_positive.sum() + self.n_negative.sum())
        found.add("roc_auc_micro", float(of.auc[0]), None, n_cells, _within(float(of.auc_error[0])))
        value, off = float(of.precision[0]), float(of.precision_error[0])
        if absent_labels != "skip" and not of.positive[0]:
            value = 0.0
        found.add("average_precision_micro", value, None, n_cells, _within(off))

    def _report_calibration(self, found: Findings, table: dict[str, Any]) -> None:
        n_cells = int(self.n_positive.sum() + self.n_negative.sum())
        weight, probability, positive = np.moveaxis(value_of(canonical(self.bins), UNIT), 2, 0)  # type: ignore[arg-type]
        bins = Bins(weight, probability, positive, _EDGES)
        pooled, table["ece"] = calibration_errors(bins)
        total, squared, logarithmic = value_of(canonical(self.losses), UNIT).T  # type: ignore[arg-type]
        with np.errstate(invalid="ignore"):
            squared, logarithmic = squared / total, logarithmic / total
        table["brier"] = squared
        found.add("multilabel_brier_score", mean(squared, total), None, n_cells, "no interval")
        found.add("binary_log_loss", mean(logarithmic, total), None, n_cells, "no interval")
        found.add("expected_calibration_error", pooled, None, n_cells, "no interval")


def _added(a: NDArray[np.int64] | None, b: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    if a is None or b is None:
        return b if a is None else a
    return canonical(a + b)


def _ratios(parts: Any) -> Floats:
    """Whole numerators and denominators (n, 2) as quotients."""
    return np.array([a / b if b else np.nan for a, b in parts.tolist()], np.float64)


def _within(error: float, note: str = "") -> str:
    text = "no interval" if math.isnan(error) else f"no interval; within {error:.1g} of the area of the scores (bins)"
    return f"{note}; {text}" if note else text
