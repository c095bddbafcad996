"""One call for everything that is reported about a multi-label model, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkit import _core
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
from mlkit.metrics._areas import Areas, pooled_areas
from mlkit.metrics._assembly import (
    FEW,
    absent_note,
    add_plain_means,
    defined_labels,
    few_note,
    label_table,
    undefined_labels,
)
from mlkit.metrics._averages import ABSENT, Floats
from mlkit.metrics._intervals import label_replicates, normal_intervals, row_replicates
from mlkit.metrics._measures import (
    ROW_AREA,
    LabelMeasure,
    Prediction,
    RowMeasure,
    label_measures,
    rank_measures,
    set_measures,
)
from mlkit.metrics._ranks import check_ks, rank_rows
from mlkit.metrics._top_means import add_label_coverage, top_measures, top_predictions
from mlkit.metrics.calibration import calibrate
from mlkit.metrics.propensity import check_propensities
from mlkit.metrics.report import EvaluationReport, Findings


def evaluate(
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
    """Measure a multi-label model: set metrics, rankings, areas under curves, calibration, with intervals.

    Parameters
    ----------
    y_true : array-like, sparse matrix, DataFrame, list of lists or LabelMatrix of shape (n_samples, n_labels)
        True labels in any form of :func:`mlkit.labels.as_label_matrix`; cells of -1 or NaN are unknown.
    y_score : array-like, sparse matrix, DataFrame or list of ndarray of shape (n_samples, n_labels), optional
        Scores, the higher the likelier; where all lie in [0, 1] their calibration is measured too.
    y_pred : array-like, sparse matrix, DataFrame or list of lists of shape (n_samples, n_labels), optional
        Predicted labels; default: the scores that reach ``threshold``.
    threshold : float or array-like of shape (n_labels,), default=0.5
        A label is predicted where its score is at least this, as NumPy compares them: a plain number is rounded to the
        type of the scores (0.7 reaches a float32 of 0.7), those of an array are not.
    k : int or sequence of int, default=(1, 3, 5)
        Cut-offs of the top-k metrics; those above the number of labels are left out.
    unknown : mask of shape (n_samples, n_labels), bool, optional
        Cells that take no part, besides those that ``y_true`` says are unknown.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the rows, at least 0.
    groups : array-like of shape (n_samples,), optional
        Rows of one group (a patient, a user) are not independent: intervals are those of groups drawn at random.
    label_names : sequence of str, optional
        One name for each label; default: the columns of a frame.
    inv_propensity : array-like of shape (n_labels,), optional
        Inverse propensities: propensity-scored metrics are reported too.
    ci : float in (0, 1), default=0.95
        Level of the intervals.
    ci_method : {"auto", "influence", "bootstrap"}, default="auto"
        "influence": normal intervals from the influence of each row, for areas on the logit scale. "bootstrap": from
        the spread of Poisson replicates instead, for all but areas and means over labels at k (256, unless ``n_boot``
        says otherwise). "auto": "bootstrap" if ``n_boot`` is positive, else "influence".
    n_boot : int, default=0
        Number of bootstrap replicates.
    absent_labels : {"skip", "sklearn", "nan"}, default="skip"
        Labels without a positive in means over labels: left out and counted, counted as scikit-learn does (0, or NaN
        for ROC AUC), or making the mean NaN.
    random_state : int, default=0
        Seed of the bootstrap.
    n_jobs : int, optional
        Threads; None: all available. The result has the same bits for every value.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Notes
    -----
    Every number equals that of the function of its name in :mod:`mlkit.metrics`. A fixed number of passes over the
    scores: one each for judging, counting, ranking rows, sorting labels, pooling and calibration.

    Standard errors are roots of sums of squared influences: for a single ROC AUC this is [1]_, for means over labels
    the influences of a row are added over labels first, so that labels need not be independent. Areas of fewer than
    about 50 positives carry a note: their intervals cover less than they say.

    References
    ----------
    .. [1] DeLong, DeLong, Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver Operating
       Characteristic Curves", Biometrics 1988.

    Examples
    --------
    >>> import numpy as np, mlkit
    >>> rng = np.random.default_rng(0)
    >>> y_score = rng.random((1000, 4))
    >>> y_true = rng.random((1000, 4)) < y_score**2
    >>> report = mlkit.evaluate(y_true, y_score)
    >>> report["f1_macro"]
    Estimate(0.684, 0.666 to 0.703)
    >>> round(report["roc_auc_macro"].se, 4)
    0.0059
    """
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
    label_counts, row_counts = prediction.counts(weights)
    _add_label_measures(found, label_measures(), prediction, label_counts, absent_labels)
    add_plain_means(found, label_counts, absent_labels)
    table = label_table(truth.label_names, truth.support, truth.n_negative, label_counts)
    if cells is not None:  # areas first: they need memory that the numbers of all rows would add to
        _add_areas(found, cells, label_counts, absent_labels, table)
        if cells.in_unit:
            _add_calibration(found, cells, table)
    rows: list[RowMeasure] = set_measures(row_counts)
    if cells is not None:
        ranks, top = rank_rows(cells, ks=ks, propensities=propensities)
        rows += rank_measures(ranks, top, ks, truth.shape[1], propensities is not None)
    own = None if weights is None else weights.values
    for measure in rows:
        value, influence = measure.settle(own)
        if measure.key == ROW_AREA and absent_labels != "skip" and _leaves_rows_out(measure, row_counts, own):
            value = float("nan")
        found.add(measure.key, value, influence, measure.n_defined)
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
) -> None:
    defined = defined_labels(counts, absent_labels)
    coefficients = np.ascontiguousarray(np.stack([m.coefficients(counts, defined) for m in measures], axis=1))
    influences = prediction.influences(coefficients)
    weights = found.weights
    note = absent_note(counts, absent_labels)
    is_nan = absent_labels == "nan" and bool((counts.positive == 0).any())
    for at, m in enumerate(measures):
        value = float("nan") if is_nan and not m.by_support else m.value(counts, defined)
        influence = influences[:, at] if weights is None else influences[:, at] * weights
        found.add(m.key, value, influence, int(defined.sum()), note)


def _add_areas(
    found: Findings, cells: Scored, counts: _counts.Counts, absent_labels: str, table: dict[str, Any]
) -> None:
    present = counts.positive > 0
    both = present & (counts.negative > 0)
    shares = np.zeros((present.size, 2))
    shares[both, 0] = 1 / max(1, int(both.sum()))
    averaged = present if absent_labels == "skip" else np.ones(present.size, bool)
    shares[averaged, 1] = 1 / max(1, int(averaged.sum()))
    units = weights = None
    if cells.weights is not None:  # influences are sums of w / W: in units of weight they would be too small to add
        units, weights = cells.weights.units, cells.weights.units.astype(np.float64)
        shares *= 2.0**61
    out, rows, variances = _core.metrics.curve_influences(*cells.core, units, weights, shares, cells.n_threads)
    if cells.weights is not None:
        rows = rows * cells.weights.scaled[:, None]
        out[:, :2] *= cells.weights.unit
        out[:, 2:5] *= cells.weights.unit**2
    areas = Areas(*out.T)
    auc, precision = areas.auc(), areas.precision
    is_nan = {"skip": False, "sklearn": not both.all(), "nan": not both.all()}[absent_labels]
    few = int(((counts.positive < FEW) & present).sum())
    notes = [note for note in (absent_note(counts, absent_labels), few_note(few)) if note]
    macro = float(auc[both].mean()) if both.any() and not is_nan else float("nan")
    found.add("roc_auc_macro", macro, rows[:, 0].copy(), int(both.sum()), "; ".join(notes), on_logit=True)
    macro = float(precision[averaged].mean()) if averaged.any() else float("nan")
    if absent_labels == "nan" and not present.all():
        macro = float("nan")
    found.add("average_precision_macro", macro, rows[:, 1].copy(), int(averaged.sum()), "; ".join(notes), on_logit=True)
    support = np.where(both if absent_labels == "skip" else present, counts.positive, 0.0)
    nothing = float("nan") if absent_labels == "skip" else 0.0  # where there is no positive at all
    weighted = float(np.average(auc[support > 0], weights=support[support > 0])) if support.any() else nothing
    found.add("roc_auc_weighted", weighted, None, int((support > 0).sum()), "no interval")
    weighted = float(np.average(precision, weights=counts.positive)) if present.any() else nothing
    found.add("average_precision_weighted", weighted, None, int(present.sum()), "no interval")
    pooled = pooled_areas(cells)
    n_cells = int(counts.known.sum()) if cells.weights is None else int((counts.known > 0).sum())
    found.add("roc_auc_micro", float(pooled.auc()[0]), None, n_cells, "no interval")
    value = float(pooled.precision[0]) if present.any() else nothing
    found.add("average_precision_micro", value, None, n_cells, "no interval")
    _add_label_areas(
        found, table, {"roc_auc": auc, "average_precision": np.where(present, precision, np.nan)}, variances
    )


def _add_label_areas(found: Findings, table: dict[str, Any], values: dict[str, Floats], variances: Floats) -> None:
    """Areas of labels with their intervals (of independent rows)."""
    n = found.shape[0]
    for at, (name, of_labels) in enumerate(values.items()):
        table[name] = of_labels
        if found.groups is not None:
            continue
        se = np.sqrt(variances[:, at] * (n / max(1, n - 1)))
        table[f"{name}_low"], table[f"{name}_high"] = normal_intervals(of_labels, se, found.z, True)


def _add_calibration(found: Findings, cells: Scored, table: dict[str, Any]) -> None:
    n_cells = int(cells.truth.support.sum() + cells.truth.n_negative.sum())
    of_cells = calibrate(cells)
    table["ece"], table["brier"] = of_cells.ece, of_cells.brier
    found.add("multilabel_brier_score", of_cells.pooled_brier, None, n_cells, "no interval")
    found.add("binary_log_loss", of_cells.pooled_log_loss, None, n_cells, "no interval")
    found.add("expected_calibration_error", of_cells.pooled_ece, None, n_cells, "no interval")
