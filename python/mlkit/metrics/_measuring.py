"""The work of evaluate: one pass after the other, each number with its influences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._threads import resolve_threads
from mlkit._validation.pairs import (
    Scored,
    check_groups,
    check_pair,
    check_predicted,
    check_scored,
    check_threshold,
)
from mlkit._validation.params import check_choice, check_integer, check_number
from mlkit.metrics import _counts
from mlkit.metrics._assembly import absent_note, add_plain_means, defined_labels, label_table, undefined_labels
from mlkit.metrics._averages import ABSENT, Floats, warn_undefined
from mlkit.metrics._found_areas import add_areas
from mlkit.metrics._intervals import label_replicates, row_replicates
from mlkit.metrics._measures import (
    ROW_AREA,
    LabelMeasure,
    Prediction,
    RowMeasure,
    known_sums,
    label_measures,
    plain_ratios,
    rank_measures,
    set_measures,
    tied_places,
)
from mlkit.metrics._ranks import check_ks, rank_rows
from mlkit.metrics._top_means import add_label_coverage, top_measures, top_predictions
from mlkit.metrics._tuned import thresholds_from
from mlkit.metrics.calibration import calibrate
from mlkit.metrics.propensity import check_propensities
from mlkit.metrics.report import EvaluationReport, Findings

MANY_TIES = 0.01  # share of the first k places above which ties are told
BY_LABEL = "no interval: losses are added up by label, not by row"
BIASED = "no interval: chance within bins makes it too large"


def of_ties(report: EvaluationReport) -> str:
    """Where the tie rule decides top-k metrics, if it matters."""
    of = report._found.tied
    if not report.tie_fraction > MANY_TIES:
        return ""
    k = max(of, key=lambda each: of[each])
    return (
        f"equal scores of true and absent labels hold {100 * of[k]:.2g} % of the first {k} places of rows; metrics at "
        f"{k} depend on the order of the labels (of equals the lowest number comes first)"
    )


def tell_ties(report: EvaluationReport, name: str) -> None:
    """Warn of them; for functions that users call."""
    text = of_ties(report)
    if text:
        warn_undefined(f"{name}: {text}")


def measure(
    y_true: Any,
    y_score: Any = None,
    y_pred: Any = None,
    *,
    threshold: Any = 0.5,
    k: Any = (1, 3, 5),
    unknown: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    label_names: Sequence[str] | None = None,
    inv_propensity: Any = None,
    ci: float = 0.95,
    ci_method: str = "auto",
    n_boot: int = 0,
    absent_labels: str = "skip",
    random_state: int = 0,
    n_jobs: int | None = None,
) -> EvaluationReport:
    """What :func:`evaluate` does, without a word."""
    ci = check_number("ci", ci, 0, 1, open_low=True, open_high=True)
    check_choice("ci_method", ci_method, ("auto", "influence", "bootstrap"))
    check_choice("absent_labels", absent_labels, ABSENT)
    n_boot = check_integer("n_boot", n_boot, low=0)
    random_state = check_integer("random_state", random_state, low=0)
    if ci_method == "bootstrap" and not n_boot:
        n_boot = 256
    if ci_method == "influence":
        n_boot = 0
    n_threads = resolve_threads(n_jobs)
    cells: Scored | None = None
    if y_score is not None:
        cells = check_scored(
            y_true, y_score, unknown=unknown, sample_weight=sample_weight, label_names=label_names, n_jobs=n_jobs
        )
        truth, weights = cells.truth, cells.weights
        cut = check_threshold(threshold, truth.shape[1], cells.array.dtype) if y_pred is None else None
        predicted = None if y_pred is None else check_predicted(y_pred, truth, n_threads)
    elif y_pred is None:
        raise ValueError("y_score: expected scores, or predicted labels as y_pred, got neither")
    else:
        pair = check_pair(
            y_true, y_pred, unknown=unknown, sample_weight=sample_weight, label_names=label_names, n_jobs=n_jobs
        )
        truth, weights, predicted, cut = pair.truth, pair.weights, pair.predicted, None
    ids = check_groups(groups, truth.shape[0])
    ks = sorted({each for each in check_ks(k, 2**62, "evaluate")[0] if each <= truth.shape[1]})
    propensities = None if inv_propensity is None else check_propensities(inv_propensity, truth.shape[1])

    found = Findings(truth, None if weights is None else weights.values, ids, ci, truth.shape)
    prediction = Prediction(truth, predicted, cells, cut, n_threads)
    found.prediction = prediction
    if cells is not None and cut is not None and np.ndim(threshold):
        found.thresholds_from = thresholds_from(cells, cut)
    label_counts, row_counts = prediction.counts(weights)
    _add_label_measures(found, label_measures(), prediction, label_counts, absent_labels, with_plain_means=True)
    table = label_table(truth.label_names, truth.support, truth.n_negative, label_counts)
    if cells is not None:  # areas first: they need memory that the numbers of all rows would add to
        add_areas(found, cells, label_counts, absent_labels, table)
        if cells.in_unit:
            _add_calibration(found, cells, table)
    rows: list[RowMeasure] = set_measures(row_counts)
    if cells is not None:
        ranks, top = rank_rows(cells, ks=ks, propensities=propensities)
        rows += rank_measures(ranks, top, ks, truth.shape[1], propensities is not None)
        found.tie(ks, tied_places(ranks, top, ks))
    own = None if weights is None else weights.values
    for of in rows:
        value, influence = of.settle(own)
        if of.key == ROW_AREA and absent_labels != "skip" and _leaves_rows_out(of, row_counts, own):
            value = float("nan")
        found.add(of.key, value, influence, of.n_defined)
    if cells is not None:
        for each, best in top_predictions(cells, ks):
            of_best = best.label_counts(weights)
            _add_label_measures(found, top_measures(each), best, of_best, absent_labels)
            add_label_coverage(found, of_best, each)
    if n_boot:
        found.boot = n_boot, random_state
        boot_ids = np.arange(truth.shape[0], dtype=np.int64) if ids is None else ids
        found.add_replicates(row_replicates(rows, own, boot_ids, random_state, n_boot, n_threads))
        defined = defined_labels(label_counts, absent_labels)
        found.add_replicates(
            label_replicates(label_measures(), prediction, own, defined, boot_ids, random_state, n_boot)
        )
    return EvaluationReport(found, table, undefined_labels(label_counts), cells)


def _leaves_rows_out(measure: RowMeasure, rows: _counts.Counts, weights: Floats | None) -> bool:
    left_out = (rows.known > 0) & (measure.denominator == 0)
    return bool((left_out if weights is None else left_out & (weights > 0)).any())


def _add_label_measures(
    found: Findings,
    measures: list[LabelMeasure],
    prediction: Prediction,
    counts: _counts.Counts,
    absent_labels: str,
    with_plain_means: bool = False,
) -> None:
    defined = defined_labels(counts, absent_labels)
    coefficients = [m.coefficients(counts, defined) for m in measures]
    if with_plain_means:
        of_plain, of_known = _plain_coefficients(counts, defined)
        coefficients += of_plain.values()
    influences = prediction.influences(np.ascontiguousarray(np.stack(coefficients, axis=1)))
    if with_plain_means:
        influences[:, len(measures) :] += known_sums(prediction.truth, of_known)
    if found.weights is not None:
        influences *= found.weights[:, None]
    note = absent_note(counts, absent_labels)
    is_nan = absent_labels == "nan" and bool((counts.positive == 0).any())
    for at, m in enumerate(measures):
        value = float("nan") if is_nan and not m.by_support else m.value(counts, defined)
        found.add(m.key, value, influences[:, at], int(defined.sum()), note)
    if with_plain_means:
        add_plain_means(found, counts, absent_labels, dict(zip(of_plain, influences[:, len(measures) :].T)))


def _plain_coefficients(counts: _counts.Counts, defined: NDArray[np.bool_]) -> tuple[dict[str, Floats], Floats]:
    """What hits, predicted and positive cells add to plain means (n_labels, 3), and known ones (n_labels, means)."""
    parts, known = {}, []
    for name, (values, derivatives) in plain_ratios(counts).items():
        keep = defined & ~np.isnan(values)
        share = np.where(keep, 1.0, 0.0) / max(1, int(keep.sum()))
        parts[name] = share[:, None] * derivatives[:, :3]
        known.append(share * derivatives[:, 3])
    return parts, np.stack(known, axis=1)


def _add_calibration(found: Findings, cells: Scored, table: dict[str, Any]) -> None:
    n_cells = int(cells.truth.support.sum() + cells.truth.n_negative.sum())
    of_cells = calibrate(cells)
    table["ece"], table["brier"] = of_cells.ece, of_cells.brier
    found.add("multilabel_brier_score", of_cells.pooled_brier, None, n_cells, BY_LABEL)
    found.add("binary_log_loss", of_cells.pooled_log_loss, None, n_cells, BY_LABEL)
    found.add("expected_calibration_error", of_cells.pooled_ece, None, n_cells, BIASED)
