"""Pictures of regions: how large they are, how much they decide, whether coverage keeps its promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._plotting import BLUE, DARK, PLAIN, VERMILION, legend_above, new_axes, tidy
from mlkit.conformal._levels import by_level
from mlkit.conformal._sizes import log10_of
from mlkit.conformal._words import counted_sets, short_number

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.conformal.regions import RegionArray

_NONE = -0.5  # where regions without a set are drawn: half a power of ten left of one set
_TICKS = 8
_OPEN, _REST = "#e3a587", "#efefef"


def plot_size(regions: RegionArray, levels: list[float], *, ax: Any) -> Any:
    """Share of the examples with at most so many label sets, one line for each level."""
    ax = new_axes(ax, (7.0, 3.8))
    shares = np.arange(len(regions) + 1) / len(regions)
    right, has_empty = 0.0, False
    for level, shade in zip(levels, np.linspace(0.35, 1.0, len(levels)) if len(levels) > 1 else [1.0]):
        lower, upper, _ = regions.at(level).size()
        ends = np.sort(_places(upper))
        middle = np.sort(upper)[(len(upper) - 1) // 2]
        name = f"{level:g}: half of the examples have at most {counted_sets(middle, middle)}"
        style = {"color": BLUE, "alpha": float(shade)}
        ax.step(ends, shares[1:], where="post", label=name, **style)
        ax.vlines(ends[0], 0, shares[1], **style)
        begins = np.sort(_places(lower))
        if (begins < ends).any():
            ax.fill_betweenx(shares[1:], begins, ends, step="pre", linewidth=0, color=BLUE, alpha=0.2)
        right, has_empty = max(right, float(ends[-1])), has_empty or ends[0] == _NONE
    ax.set_xlim(_NONE - 0.2 if has_empty else -0.1, 1.03 * right + 0.2)
    whole = np.arange(0, int(right) + 2, max(1, -(-int(right + 1) // _TICKS)))
    ticks = whole[whole <= 1.03 * right + 0.2]
    ax.set_xticks(
        [_NONE, *ticks] if has_empty else ticks,
        (["none"] if has_empty else []) + [f"{10**k:,}" if k < 4 else f"$10^{{{k}}}$" for k in ticks.tolist()],
    )
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(_percent)
    ax.set_xlabel(f"label sets in the region (of {short_number(2 ** regions.shape[1])})")
    ax.set_ylabel("examples with at most so many")
    ax.grid(color="#e6e6e6", linewidth=0.8)
    legend_above(ax, 1, "confidence level")
    tidy(ax, "top", "right")
    return ax


def _places(sizes: NDArray[Any]) -> NDArray[np.float64]:
    """Sizes on the axis, in powers of ten."""
    return np.array([log10_of(n) if n else _NONE for n in sizes])


def _percent(share: float, _: Any) -> str:
    return f"{100 * share:.3g} %"


def plot_certain(regions: RegionArray, levels: list[float], *, ax: Any) -> Any:
    """Mean numbers of labels that are certain, undecided and excluded, along the levels."""
    table = by_level(regions, None, levels, 0.95)
    n_labels = regions.shape[1]
    ax = new_axes(ax, (7.0, 3.8))
    empty = n_labels * table["empty"]
    open_ = table["undecided"] - empty
    parts = [(table["certain"], BLUE, "certain: in every label set"), (open_, _OPEN, "undecided: in some")]
    if empty.any():
        parts.append((empty, DARK, "of a region without a set"))
    parts.append((table["excluded"], _REST, "excluded: in none"))
    values, colors, names = zip(*parts)
    ax.stackplot(table["confidence_level"], *values, colors=colors, labels=names, linewidth=0)
    top = float((table["certain"] + table["undecided"]).max())
    ax.set_ylim(0, min(n_labels, 1.15 * top) or n_labels)
    _levels_below(ax, regions, table)
    ax.set_ylabel(f"labels of an example (of {n_labels:,})")
    legend_above(ax, 2)
    tidy(ax, "top", "right")
    return ax


def plot_coverage(regions: RegionArray, y: Any, levels: list[float], level: float, *, ax: Any) -> Any:
    """Share of the true label sets that are in their regions along the levels, beside its law."""
    table = by_level(regions, y, levels, level)
    ax = new_axes(ax, (6.0, 5.0))
    x, coverage = table["confidence_level"], table["coverage"]
    band = f"where it lies {100 * level:g} % of the time"
    ax.fill_between(x, table["coverage_low"], table["coverage_high"], color=PLAIN, linewidth=0, label=band)
    ax.plot(x, x, color=DARK, linewidth=1.0, linestyle="--", label="promised")
    ax.plot(x, coverage, color=BLUE, linewidth=1.6, marker="." if len(x) < 30 else "", label="observed")
    for name, outside in (
        ("too low", coverage < table["coverage_low"]),
        ("higher than need be", coverage > table["coverage_high"]),
    ):
        if outside.any():
            color = VERMILION if name == "too low" else DARK
            ax.plot(
                x[outside], coverage[outside], ".", color=color, markersize=8, label=f"{name}: {outside.sum()} levels"
            )
    bottom = min(float(coverage.min()), float(table["coverage_low"].min()), float(x.min()))
    ax.set_ylim(max(0.0, bottom - 0.02), 1.005)
    _levels_below(ax, regions, table)
    ax.yaxis.set_major_formatter(_percent)
    ax.set_ylabel(f"true label sets in their regions ({len(regions):,} examples)")
    legend_above(ax, 2)
    tidy(ax, "top", "right")
    return ax


def _levels_below(ax: Any, regions: RegionArray, table: pd.DataFrame) -> None:
    """Confidence levels along the x axis, the regions' own marked."""
    low, high = table["confidence_level"].min(), table["confidence_level"].max()
    if low < high:
        ax.set_xlim(low, high)
    if low <= regions.confidence_level <= high:
        ax.axvline(regions.confidence_level, color=DARK, linewidth=0.8, linestyle=":")
    ax.xaxis.set_major_formatter(_percent)
    ax.set_xlabel("confidence level")
