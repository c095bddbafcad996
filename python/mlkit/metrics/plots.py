"""Pictures of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._plotting import BLUE, DARK, PLAIN, VERMILION, legend_above, new_axes, short_name, tidy
from mlkit._validation.pairs import Scored, scored_of
from mlkit._validation.params import check_choice, check_integer
from mlkit.metrics._averages import Floats
from mlkit.metrics._bins import bin_cells
from mlkit.metrics._counts import label_numbers
from mlkit.metrics._intervals import wilson_intervals
from mlkit.metrics.calibration import calibration_errors

if TYPE_CHECKING:
    from mlkit.metrics.report import EvaluationReport

_SHOWN = 5  # labels beside the curve of all cells, unless asked for
_POINTS = 2000  # of a curve: more than a picture has columns
_ROW = 0.27  # inches for a label
_BINS = 15
_SHADES = ("#2b6cb0", "#c1440e", "#2f855a", "#805ad5", "#b7791f", "#319795", "#97266d", "#4a5568")
_STYLES = ("-", "--", ":")
BARS = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "jaccard": "Jaccard",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
}


def plot_pr(report: EvaluationReport, labels: Any, *, ax: Any) -> Any:
    """Precision at each recall: a step for each distinct score of a positive."""
    cells, chosen = scores_of(report, "plot_pr"), _chosen(report, labels)
    ax = new_axes(ax, (6.4, 4.8))
    share = 0.0
    for at, label in enumerate([None, *chosen]):
        points, name = curve_points(cells, label), _name(report, label)
        positive, negative = points[-1, 2:]
        if label is None:
            share = positive / max(1.0, positive + negative)
        if positive == 0:
            ax.plot([], [], label=f"{name}: no positive", **_style(at))
            continue
        hits, false = points[:-1, 2], points[:-1, 3]
        recall, precision = hits / positive, hits / (hits + false)
        area = report._found.estimates["average_precision_micro"].value if label is None else None
        area = report.per_label["average_precision"][label] if area is None else area
        keep = decimated(recall.size)
        ax.plot(
            np.concatenate([[0.0], recall[keep]]),
            np.concatenate([precision[:1], precision[keep]]),
            drawstyle="steps-pre",
            label=f"{name}: AP {area:.3f}",
            **_style(at),
        )
    ax.axhline(share, color=DARK, linewidth=0.8, linestyle=":", zorder=0)
    ax.annotate(
        f"chance, all cells: {share:.3g}",
        (0.0, share),
        xytext=(2, 3),
        textcoords="offset points",
        fontsize="small",
        color=DARK,
    )
    return _finish(ax, "recall", "precision")


def plot_roc(report: EvaluationReport, labels: Any, *, ax: Any) -> Any:
    """Share of positives against share of negatives that are as high; ties are slopes."""
    cells, chosen = scores_of(report, "plot_roc"), _chosen(report, labels)
    ax = new_axes(ax, (5.6, 5.2))
    for at, label in enumerate([None, *chosen]):
        points, name = curve_points(cells, label), _name(report, label)
        positive, negative = points[-1, 2:]
        if positive == 0 or negative == 0:
            what = "positive" if positive == 0 else "negative"
            ax.plot([], [], label=f"{name}: no {what}", **_style(at))
            continue
        x, y = _corners(points[:-1], positive, negative)
        auc = report._found.estimates["roc_auc_micro"].value if label is None else report.per_label["roc_auc"][label]
        ax.plot(x, y, label=f"{name}: AUC {auc:.3f}", **_style(at))
    ax.plot([0, 1], [0, 1], color=PLAIN, linewidth=1, zorder=0)
    ax.set_aspect("equal")
    return _finish(ax, "false positive rate", "true positive rate")


def _corners(points: Floats, positive: float, negative: float) -> tuple[Floats, Floats]:
    """Corners of a ROC curve: before and behind each group of equal scores that holds a positive."""
    own_p, own_n, above_p, above_n = points[decimated(len(points))].T
    x = np.stack([above_n - own_n, above_n], axis=1).ravel()
    y = np.stack([above_p - own_p, above_p], axis=1).ravel()
    return np.concatenate([[0.0], x, [negative]]) / negative, np.concatenate([[0.0], y, [positive]]) / positive


def plot_reliability(report: EvaluationReport, label: Any, *, ax: Any) -> Any:
    """Share of positives among cells of about equal probability, with Wilson's intervals, and how many there are."""
    cells = scores_of(report, "plot_reliability")
    if not cells.in_unit:
        raise ValueError("plot_reliability: expected probabilities in [0, 1], got a report of other scores")
    at = None if label is None else int(label_numbers([label], report.shape[1], cells.truth.label_names)[0])
    shown = cells if at is None else one_label(cells, at)
    bins = bin_cells(shown, _BINS, "uniform", "right", by_label=False)
    error = calibration_errors(bins)[0]
    ax = new_axes(ax, (5.6, 5.2))
    used = bins.weight[0] > 0
    n, p, y = bins.weight[0, used], bins.probability[0, used], bins.positive[0, used]
    ax.plot([0, 1], [0, 1], color=PLAIN, linewidth=1, zorder=0)
    if n.size:
        low, high = wilson_intervals(y, n, report._found.z)
        share = y / n
        spread = np.maximum([share - low, high - share], 0.0)
        ax.errorbar(p / n, share, yerr=spread, fmt="o", color=BLUE, markersize=5, linewidth=1.2, clip_on=False)
    ax.annotate(
        f"{_name(report, at)}\ncalibration error {error:.3g}", (0.03, 0.97), xycoords="axes fraction", va="top",
        fontsize="small",
    )  # fmt: skip
    counts = ax.inset_axes((0.0, 1.02, 1.0, 0.15))
    edges = np.linspace(0, 1, _BINS + 1)
    counts.bar(edges[:-1], bins.weight[0], width=np.diff(edges), align="edge", color=PLAIN, edgecolor="white")
    counts.set_yscale("symlog", linthresh=1)
    counts.set_xlim(-0.02, 1.02)
    counts.set_xticks([])
    counts.set_ylabel("cells", fontsize="small")
    counts.tick_params(labelsize="x-small")
    tidy(counts, "top", "right", "bottom")
    ax.set_aspect("equal")
    return _finish(ax, "mean probability of the bin", "share of positives", legend=False)


def plot_labels(report: EvaluationReport, metric: str, *, top: int, ax: Any) -> Any:
    """One number of each label with its interval, the worst on top."""
    check_choice("metric", metric, tuple(BARS))
    check_integer("top", top, low=1)
    frame = report.per_label
    if metric not in frame:
        raise ValueError(f"metric: expected one that the report has, got {metric!r} (it needs y_score)")
    values = frame[metric].to_numpy(float)
    has_value = (frame["support"].to_numpy() > 0) & ~np.isnan(values)
    order = np.flatnonzero(has_value)[np.argsort(values[has_value], kind="stable")][:top]
    ax = new_axes(ax, (7.0, 1.3 + _ROW * max(1, order.size)))
    places = np.arange(order.size)
    low, high = _bounds(report, metric, order)
    ax.hlines(places, low, high, color=PLAIN, linewidth=4)
    ax.plot(values[order], places, "o", color=VERMILION, markersize=5, clip_on=False)
    average = float(values[has_value].mean()) if has_value.any() else float("nan")
    ax.axvline(average, color=DARK, linewidth=0.8, linestyle=":")
    names = [f"{short_name(frame['label'][j])}   n = {frame['support'][j]:,}" for j in order]
    ax.set_yticks(places, names)
    ax.set_ylim(order.size - 0.4, -0.6)
    ax.set_xlim(-0.02, 1.02)
    ax.tick_params(axis="y", length=0)
    n_without = len(frame) - int(has_value.sum())
    said = [f"{BARS[metric]} (dotted: mean {average:.3f})" if has_value.any() else "no label has a positive"]
    if order.size < has_value.sum():
        said.append(f"the {order.size:,} worst of {int(has_value.sum()):,} labels")
    if n_without:
        said.append(f"{n_without:,} without a value not shown")
    ax.set_xlabel("\n".join(said))
    ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    tidy(ax, "top", "right", "left")
    return ax


def _bounds(report: EvaluationReport, metric: str, order: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Ends of intervals, the value itself where there is none."""
    frame = report.per_label.iloc[order]
    value = frame[metric].to_numpy(float)
    if f"{metric}_low" in frame:
        low, high = frame[f"{metric}_low"].to_numpy(float), frame[f"{metric}_high"].to_numpy(float)
    elif metric in ("precision", "recall") and report._found.weights is None:
        n = frame["n_predicted" if metric == "precision" else "support"].to_numpy(float)
        low, high = wilson_intervals(value * n, n, report._found.z)
    else:
        return value, value
    return np.where(np.isnan(low), value, low), np.where(np.isnan(high), value, high)


# --------------------------------------------------------------------------------------------------------------- curves


def scores_of(report: EvaluationReport, name: str) -> Scored:
    """The scores that the report is of."""
    if report._cells is None:
        raise ValueError(f"{name}: expected a report of y_score by mlkit.evaluate, got one that holds no scores")
    return report._cells


def curve_points(cells: Scored, label: int | None) -> Floats:
    """(n_points + 1, 4): positives and negatives of each group with a positive, and with all above it; last, totals."""
    shown = cells if label is None else one_label(cells, label)
    units = None if shown.weights is None else shown.weights.units
    return _core.metrics.curve_points(*shown.core, units, shown.n_threads)


def one_label(cells: Scored, label: int) -> Scored:
    """The same rows with one label alone."""
    truth = cells.truth._take_labels(np.array([label]))
    array, rows = cells.array[:, label : label + 1] if cells.rows is None else cells.array, None
    if cells.rows is not None:
        column = cells.csr()[:, [label]].tocsr()
        array, rows = column.data, (column.indptr.astype(np.int64), column.indices.astype(np.int32))
    return scored_of(truth, array, rows, cells.weights, cells.n_threads, cells.in_unit, cells.clips)


def decimated(n: int) -> NDArray[np.int64]:
    """Numbers of the points that are drawn, first and last among them."""
    at: NDArray[np.int64] = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).astype(np.int64))
    return at


def _chosen(report: EvaluationReport, labels: Any) -> list[int]:
    """Numbers of the labels to draw; default: those with the most positives."""
    if labels is None:
        support = report.per_label["support"].to_numpy()
        order = np.argsort(-support, kind="stable")[:_SHOWN]
        return [int(j) for j in order if support[j] > 0]
    if hasattr(labels, "__len__") and not isinstance(labels, (str, bytes)) and not len(labels):
        return []
    assert report._cells is not None
    return [int(j) for j in label_numbers(labels, report.shape[1], report._cells.truth.label_names)]


def _name(report: EvaluationReport, label: int | None) -> str:
    if label is None:
        return "all cells"
    name = report.per_label["label"][label]
    return short_name(name if isinstance(name, str) else f"label {name}")


def _style(at: int) -> dict[str, Any]:
    if at == 0:
        return {"color": "black", "linewidth": 2.0}
    colour, line = _SHADES[(at - 1) % len(_SHADES)], _STYLES[(at - 1) // len(_SHADES) % len(_STYLES)]
    return {"color": colour, "linestyle": line, "linewidth": 1.2}


def _finish(ax: Any, x: str, y: str, legend: bool = True) -> Any:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.grid(color="#e6e6e6", linewidth=0.8)
    if legend:
        legend_above(ax, 2)
    tidy(ax, "top", "right")
    return ax
