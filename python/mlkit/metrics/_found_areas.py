"""Areas under curves of a report, with the influences of rows on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkit import _core
from mlkit._validation.pairs import Scored
from mlkit.metrics._areas import Areas, pooled_influences
from mlkit.metrics._assembly import FEW, absent_note, few_note
from mlkit.metrics._averages import Floats
from mlkit.metrics._counts import Counts
from mlkit.metrics._intervals import normal_intervals
from mlkit.metrics._measures import row_sums
from mlkit.metrics.report import Findings


def add_areas(found: Findings, cells: Scored, counts: Counts, absent_labels: str, table: dict[str, Any]) -> None:
    """Macro, weighted and micro ROC AUC and average precision, and those of each label."""
    present = counts.positive > 0
    both = present & (counts.negative > 0)
    averaged = present if absent_labels == "skip" else np.ones(present.size, bool)
    support = [np.where(of, counts.positive, 0.0) for of in (both if absent_labels == "skip" else present, present)]
    means = [np.where(both, 1.0, 0.0), np.where(averaged, 1.0, 0.0), *support]
    shares = np.stack([part / (part.sum() or 1.0) for part in means], axis=1)
    areas, rows, variances = _influences(cells, shares)
    auc, precision = areas.auc(), areas.precision
    notes = absent_note(counts, absent_labels), few_note(int(((counts.positive < FEW) & present).sum()))
    note = "; ".join(part for part in notes if part)
    is_nan = {"skip": False, "sklearn": not both.all(), "nan": not both.all()}[absent_labels]
    macro = float(auc[both].mean()) if both.any() and not is_nan else float("nan")
    found.add("roc_auc_macro", macro, rows[:, 0].copy(), int(both.sum()), note, on_logit=True)
    macro = float(precision[averaged].mean()) if averaged.any() else float("nan")
    if absent_labels == "nan" and not present.all():
        macro = float("nan")
    found.add("average_precision_macro", macro, rows[:, 1].copy(), int(averaged.sum()), note, on_logit=True)
    nothing = float("nan") if absent_labels == "skip" else 0.0  # where there is no positive at all
    weighted, influences = _weighted(cells, (auc, precision), support, rows[:, 2:], nothing)
    for at, name in enumerate(("roc_auc", "average_precision")):
        n = int((support[at] > 0).sum())
        influence = influences[:, at].copy() if n else None
        found.add(f"{name}_weighted", weighted[at], influence, n, notes[1], on_logit=True)
    _add_pooled(found, cells, counts, nothing)
    _add_label_areas(
        found, table, {"roc_auc": auc, "average_precision": np.where(present, precision, np.nan)}, variances
    )


def _influences(cells: Scored, shares: Floats) -> tuple[Areas, Floats, Floats]:
    """Areas of labels, rows' influences on their sums by shares, variances of labels."""
    units = weights = None
    if cells.weights is not None:  # influences are sums of w / W: in units of weight they would be too small to add
        units, weights = cells.weights.units, cells.weights.units.astype(np.float64)
        shares = shares * 2.0**61
    out, rows, variances = _core.metrics.curve_influences(*cells.core, units, weights, shares, cells.n_threads)
    if cells.weights is not None:
        rows = rows * cells.weights.scaled[:, None]
        out[:, :2] *= cells.weights.unit
        out[:, 2:5] *= cells.weights.unit**2
    return Areas(*out.T), rows, variances


def _weighted(
    cells: Scored, values: Sequence[Floats], supports: Sequence[Floats], rows: Floats, nothing: float
) -> tuple[list[float], Floats]:
    """Means by support, and the influences of rows, which move both the areas and the supports."""
    means, pulls = [], []
    for of, by in zip(values, supports):
        has = by > 0
        mean = float(np.average(of[has], weights=by[has])) if has.any() else nothing
        means.append(mean)
        pulls.append(np.where(has, (of - mean) / (by.sum() or 1.0), 0.0))
    by_support = row_sums(cells.truth, np.stack(pulls, axis=1), 1)
    return means, rows + (by_support if cells.weights is None else by_support * cells.weights.values[:, None])


def _add_pooled(found: Findings, cells: Scored, counts: Counts, nothing: float) -> None:
    n_positive = int(cells.truth.support.sum())
    n_cells = n_positive + int(cells.truth.n_negative.sum())
    areas, rows = pooled_influences(cells)
    note = f"{n_positive} positives: the interval may be too short" if n_positive < FEW else ""
    has = bool(counts.positive.any())
    value = float(areas.precision[0]) if has else nothing
    found.add("roc_auc_micro", float(areas.auc()[0]), rows[:, 0].copy(), n_cells, note, on_logit=True)
    found.add("average_precision_micro", value, rows[:, 1].copy() if has else None, n_cells, note, on_logit=True)


def _add_label_areas(found: Findings, table: dict[str, Any], values: dict[str, Floats], variances: Floats) -> None:
    """Areas of labels with their intervals (of independent rows)."""
    n = found.shape[0]
    for at, (name, of_labels) in enumerate(values.items()):
        table[name] = of_labels
        if found.groups is not None:
            continue
        se = np.sqrt(variances[:, at] * (n / max(1, n - 1)))
        table[f"{name}_low"], table[f"{name}_high"] = normal_intervals(of_labels, se, found.z, True)
