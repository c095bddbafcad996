"""Pictures of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._plotting import BLUE, DARK, PLAIN, VERMILION, legend_above, new_axes, short_name, tidy

if TYPE_CHECKING:
    from mlkit.quality.label_audit import LabelAudit

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SPURIOUS, MISSING = VERMILION, BLUE
_ROW = 0.27  # inches for a label
_BINS = np.linspace(0, 1, 51)


def plot_labels(audit: LabelAudit, *, top: int, ax: Any) -> Any:
    """Bars of the numbers of flagged cells: spurious to the left, missing to the right, each with its share."""
    frame = audit.labels
    n_flagged = (frame["spurious_n"] + frame["missing_n"]).to_numpy()
    order = np.argsort(-n_flagged, kind="stable")[:top]
    chosen = frame.iloc[order]
    ax = new_axes(ax, (7.5, 1.3 + _ROW * len(chosen)))
    places = np.arange(len(chosen))
    sides = (
        ("spurious", -1, SPURIOUS, "spurious, % of the given"),
        ("missing", 1, MISSING, "missing, % of the not given"),
    )
    for side, sign, color, legend in sides:
        counts = chosen[f"{side}_n"].to_numpy()
        bars = ax.barh(places, sign * counts, height=0.72, color=color, label=legend)
        shares = chosen[f"{side}_share"].to_numpy(dtype=float)
        texts = [f"{100 * share:.2g} %" if n else "" for n, share in zip(counts, shares)]
        ax.bar_label(bars, texts, padding=3, fontsize="small", color=DARK)
    ax.axvline(0, color=DARK, linewidth=0.8)
    ax.set_yticks(
        places, [f"{short_name(name)}   n = {support:,}" for name, support in zip(chosen["label"], chosen["support"])]
    )
    ax.set_ylim(len(chosen) - 0.4, -0.6)  # the most flagged on top
    ax.tick_params(axis="y", length=0)
    _widen(ax, int(chosen["spurious_n"].max()), int(chosen["missing_n"].max()))
    shown = f"\nthe {len(chosen):,} most flagged of {len(frame):,} labels" if len(chosen) < len(frame) else ""
    ax.set_xlabel(f"flagged cells: candidates for review{shown}" if n_flagged.any() else "no cell is flagged")
    ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    legend_above(ax, 1)
    tidy(ax, "top", "right", "left")
    return ax


def _widen(ax: Any, left: int, right: int) -> None:
    """Room for the texts at the ends of the bars; whole numbers, without a sign, below."""
    if not left and not right:
        ax.set_xlim(-1, 1)
        ax.set_xticks([0])
        return
    room = 0.2 * (left + right)  # of the axes, a seventh on either side
    ax.set_xlim(-left - room if left else 0, right + room if right else 0)
    ax.locator_params(axis="x", nbins=7, integer=True)
    ax.xaxis.set_major_formatter(lambda x, _: f"{abs(x):,.0f}")


def plot_score_hist(audit: LabelAudit, label: int | None, *, ax: Any) -> Any:
    """Histogram of examples' scores, or of one label's cells by what was given; the flagged ones in front."""
    ax = new_axes(ax, (7.0, 3.8))
    if label is None:
        has_flag = np.diff(audit._flagged.indptr) > 0
        known = ~np.isnan(audit.scores)
        parts = [(audit.scores[known], PLAIN, "all"), (audit.scores[known & has_flag], SPURIOUS, "with a flagged cell")]
        ax.set_xlabel("label quality score of the example (low: suspicious)")
    else:
        p, given, is_flagged = label_column(audit, label)
        parts = [
            (p[given == 0], PLAIN, "not given"),
            (p[(given == 0) & is_flagged], MISSING, "flagged as missing"),
            (p[(given == 1) & is_flagged], SPURIOUS, "flagged as spurious"),
        ]
        names = audit.label_names
        ax.set_xlabel(f"probability of {f'label {label}' if names is None else short_name(names[label])}")
    tallest = 0
    for (
        values,
        color,
        name,
    ) in parts:  # in front of, not on top of each other: logarithmic heights are read from the axis
        tallest = max(tallest, _hist(ax, values, name, color=color))
    if label is not None:
        tallest = max(tallest, _hist(ax, p[given == 1], "given", histtype="step", color=DARK, linewidth=1.4))
    ax.set_ylim(0.7, max(10.0, 1.6 * tallest))  # before the scale, which would look for data to fit
    ax.set_yscale("log")
    ax.set_xlim(0, 1)
    ax.set_ylabel("examples (log scale)")
    legend_above(ax, 2)
    tidy(ax, "top", "right")
    return ax


def _hist(ax: Any, values: Floats, name: str, **style: Any) -> int:
    """Draw a histogram and return the largest count."""
    counts, _, _ = ax.hist(values, bins=_BINS, label=f"{name}: {values.size:,}", **style)
    return int(counts.max())


def label_column(audit: LabelAudit, label: int) -> tuple[Floats, NDArray[np.int8], Mask]:
    """One label's probabilities, given values and flags over its known cells."""
    n = audit.shape[0]
    cells, flagged = audit._cells, audit._flagged
    indptr, indices, values = cells.labels._cells
    stored = np.flatnonzero(indices == label)
    given = np.full(n, -1 if cells.labels.background == "unknown" else 0, np.int8)
    given[_rows_of(stored, indptr)] = 1 if values is None else values[stored]
    probs = cells.probs
    if probs.indptr is None:
        p = np.asarray(probs.array[:, label], np.float64)
    else:
        stored = np.flatnonzero(probs.indices == label)
        p = np.zeros(n)
        p[_rows_of(stored, probs.indptr)] = probs.array[stored]
    is_flagged = np.zeros(n, bool)
    is_flagged[_rows_of(np.flatnonzero(flagged.labels == label), flagged.indptr)] = True
    known = given >= 0
    return np.clip(p[known], 0, 1), given[known], is_flagged[known]


def _rows_of(entries: NDArray[np.int64], indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of entries of compressed rows."""
    return np.searchsorted(indptr, entries, side="right") - 1
