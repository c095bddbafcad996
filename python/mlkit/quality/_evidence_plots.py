"""Pictures of evidence: cumulative sums along the rows, pairs against chance, where rules are broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlkit._plotting import DARK, PLAIN, legend_above, new_axes, short_name, tidy
from mlkit.quality._evidence import Evidence
from mlkit.quality.plots import MISSING, SPURIOUS
from mlkit.quality.rules import KINDS

if TYPE_CHECKING:
    from mlkit.labels.matrix import LabelMatrix

_LINES = 6  # labels that are drawn
_POINTS = 2000  # of each line
_BINS = 60


def plot_breaks(evidence: Evidence, labels: LabelMatrix, *, ax: Any) -> Any:
    """Standardised cumulative sums of the labels that break, and the breaks: a sum turns where its label changes."""
    ax = new_axes(ax, (7.5, 3.8))
    n = labels.shape[0]
    breaks = evidence.label_breaks
    chosen = list(dict.fromkeys(int(j) for b in breaks for j in b.labels))[:_LINES]
    at = np.unique(np.linspace(0, n, min(n + 1, _POINTS)).astype(np.int64))
    for j, shade in zip(chosen, np.linspace(1.0, 0.35, _LINES)):
        name = f"label {j}" if evidence.names is None else short_name(evidence.names[j])
        ax.plot(at, _cumulative(labels, j)[at], color=MISSING, alpha=float(shade), linewidth=1.2, label=name)
    for k, found in enumerate(breaks):
        label = "break" if k == 0 else None
        ax.axvline(found.row, color=SPURIOUS, linewidth=1.2, linestyle="-" if found.shift.lag else "--", label=label)
    for found in breaks:
        if found.shift.lag:
            ax.annotate(
                f" shifted by {found.shift.lag:+d} from row {found.row:,}",
                (found.row, 0.02),
                xycoords=("data", "axes fraction"),
                color=SPURIOUS,
                fontsize="small",
            )
    ax.axhline(0, color=DARK, linewidth=0.8)
    ax.set_xlim(0, n)
    ax.set_xlabel("row" if breaks else "row (no break beyond chance)")
    ax.set_ylabel("cumulative sum, in standard errors")
    if breaks:
        legend_above(ax, 4)
    tidy(ax, "top", "right")
    return ax


def _cumulative(labels: LabelMatrix, label: int) -> Any:
    """Positives so far less those expected at the label's rate, over the standard error, at 0 ... n rows."""
    indptr, indices, values = labels._cells
    stored = np.flatnonzero(indices == label)
    given = np.full(labels.shape[0], -1 if labels.background == "unknown" else 0, np.int8)
    given[np.searchsorted(indptr, stored, side="right") - 1] = 1 if values is None else values[stored]
    known, positive = given >= 0, given == 1
    rate = positive.sum() / max(1, known.sum())
    steps = np.where(known, positive - rate, 0.0)
    scale = np.sqrt(known.sum() * rate * (1 - rate))
    return np.concatenate([[0.0], np.cumsum(steps)]) / (scale if scale > 0 else 1.0)


def plot_pairs(evidence: Evidence, *, top: int, ax: Any) -> Any:
    """Bars of the examples of each pair, and a mark where chance ends."""
    pairs = evidence.pairs[:top]
    ax = new_axes(ax, (7.5, 1.4 + 0.3 * max(1, len(pairs))))
    colors = {"swap": SPURIOUS, "implied": MISSING, "confusable": PLAIN}
    signs = {"swap": "for", "implied": "without", "confusable": "or"}

    def named(label: int) -> str:
        return str(label) if evidence.names is None else short_name(evidence.names[label])

    for kind, color in colors.items():
        places = [k for k, pair in enumerate(pairs) if pair.kind == kind]
        if places:
            ax.barh(places, [pairs[k].count for k in places], height=0.72, color=color, label=kind)
    if pairs:
        expected = [pair.expected for pair in pairs]
        ax.plot(expected, np.arange(len(pairs)), "|", color=DARK, markersize=12, label="expected at most")
        names = [f"{named(pair.a)} {signs[pair.kind]} {named(pair.b)}" for pair in pairs]
        ax.set_yticks(np.arange(len(pairs)), names)
        ax.set_ylim(len(pairs) - 0.4, -0.6)
        legend_above(ax, 4)
    else:
        ax.set_yticks([])
    ax.set_xlim(left=0)
    ax.tick_params(axis="y", length=0)
    more = f"; {len(pairs):,} of {len(evidence.pairs):,} pairs" if len(pairs) < len(evidence.pairs) else ""
    ax.set_xlabel(f"examples{more}" if pairs else "no pair beyond chance")
    tidy(ax, "top", "right", "left")
    return ax


def plot_violations(evidence: Evidence, *, ax: Any) -> Any:
    """Broken rules along the rows by kind, with the labels' breaks."""
    ax = new_axes(ax, (7.5, 3.2))
    found, n = evidence.violations, evidence.shape[0]
    present = [kind for kind in KINDS if found.of(kind).row.size]
    if present:
        colors = dict(zip(KINDS, (SPURIOUS, MISSING, DARK, PLAIN)))
        rows = [found.of(kind).row for kind in present]
        names = [f"{kind}: {part.size:,}" for kind, part in zip(present, rows)]
        edges = np.linspace(0, n, min(n, _BINS) + 1)
        ax.hist(rows, bins=edges, stacked=True, color=[colors[kind] for kind in present], label=names)
        legend_above(ax, 4)
    for at in evidence.label_breaks:
        ax.axvline(at.row, color=DARK, linewidth=1.0, linestyle="--")
    ax.set_xlim(0, n)
    ax.set_xlabel("row" if present else "row (no rule is broken)")
    ax.set_ylabel("violations")
    tidy(ax, "top", "right")
    return ax
