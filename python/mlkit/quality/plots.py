"""Pictures of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.optional import require

if TYPE_CHECKING:
    from mlkit.quality.audit import LabelAudit

_SPURIOUS, _MISSING, _PLAIN = "#b2402f", "#2f6db2", "#b9b9b9"


def _axes(ax: Any, size: tuple[float, float]) -> Any:
    if ax is not None:
        return ax
    pyplot = require("matplotlib.pyplot", extra="plot", purpose="plotting")
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def plot_labels(audit: LabelAudit, *, top: int, ax: Any) -> Any:
    """Bars of the flagged shares: spurious to the left, missing to the right."""
    frame = audit.labels
    weight = (frame["spurious_n"] + frame["missing_n"]).to_numpy()
    order = np.argsort(-weight, kind="stable")[: min(top, len(frame))][::-1]
    chosen = frame.iloc[order]
    ax = _axes(ax, (7.5, 1.2 + 0.28 * len(chosen)))
    places = np.arange(len(chosen))
    spurious = 100 * np.nan_to_num(chosen["spurious_share"].to_numpy(dtype=float))
    missing = 100 * np.nan_to_num(chosen["missing_share"].to_numpy(dtype=float))
    ax.barh(places, -spurious, color=_SPURIOUS, label="spurious: flagged share of the examples that carry it")
    ax.barh(places, missing, color=_MISSING, label="missing: flagged share of the others")
    ax.axvline(0, color="black", linewidth=0.8)
    names = [str(name) for name in chosen["label"]]
    ax.set_yticks(places, [f"{name}  (n = {support})" for name, support in zip(names, chosen["support"])])
    ax.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g} %")
    ax.margins(y=0.01)
    ax.set_xlabel("flagged cells (candidates for review)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -1.0 / (1.2 + 0.28 * len(chosen)) - 0.05), frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_score_hist(audit: LabelAudit, label: int | None, *, ax: Any) -> Any:
    """Histogram of examples' scores, or of one label's cells by what was given."""
    ax = _axes(ax, (7.0, 3.6))
    bins = np.linspace(0, 1, 51)
    if label is None:
        flagged = np.diff(audit._flagged.indptr) > 0
        known = ~np.isnan(audit.scores)
        _stack(
            ax,
            bins,
            [audit.scores[known & ~flagged], audit.scores[known & flagged]],
            ["no flagged cell", "a flagged cell"],
            [_PLAIN, _SPURIOUS],
        )
        ax.set_xlabel("label quality score of the example")
        ax.set_ylabel("examples (log scale)")
    else:
        p, given, is_flagged = label_column(audit, label)
        parts = [
            p[(given == 0) & ~is_flagged],
            p[(given == 1) & ~is_flagged],
            p[(given == 0) & is_flagged],
            p[(given == 1) & is_flagged],
        ]
        _stack(
            ax,
            bins,
            parts,
            ["not given", "given", "not given, flagged as missing", "given, flagged as spurious"],
            ["#dddddd", "#9a9a9a", _MISSING, _SPURIOUS],
        )
        names = audit.label_names
        ax.set_title(str(label) if names is None else names[label])
        ax.set_xlabel("probability of the label")
        ax.set_ylabel("examples (log scale)")
    ax.set_yscale("log")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _stack(ax: Any, bins: NDArray[Any], parts: list[NDArray[Any]], names: list[str], colors: list[str]) -> None:
    ax.hist(parts, bins=bins, stacked=True, label=names, color=colors)


def label_column(audit: LabelAudit, label: int) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.bool_]]:
    """One label's probabilities, given values and flags over its known cells."""
    n = audit.shape[0]
    cells, flagged = audit._cells, audit._flagged
    given = cells.labels.to_csr()[:, [label]].toarray()[:, 0]
    known = np.ones(n, bool)
    if cells.labels.background == "unknown":
        indptr, indices, _ = cells.labels._cells
        known = np.zeros(n, bool)
        known[np.repeat(np.arange(n), np.diff(indptr))[indices == label]] = True
    known &= given >= 0
    if cells.probs.is_sparse:
        stored = np.repeat(np.arange(n), np.diff(cells.probs.indptr))
        here = cells.probs.indices == label
        p = np.zeros(n)
        p[stored[here]] = cells.probs.array[here]
    else:
        p = cells.probs.array[:, label].astype(np.float64)
    is_flagged = np.zeros(n, bool)
    is_flagged[flagged.rows[flagged.labels == label]] = True
    return p[known], given[known], is_flagged[known]
