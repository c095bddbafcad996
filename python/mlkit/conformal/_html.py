"""Regions in a notebook: what is certain, what is open, how many label sets are left."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from mlkit.conformal._words import counted_sets, listed

if TYPE_CHECKING:
    from mlkit.conformal.region import LabelSetRegion
    from mlkit.conformal.regions import RegionArray

_LABELS = 20  # names that a region spells out of a kind
_ROWS, _ROW_LABELS = 10, 8  # regions of an array, and names in each

_LEFT = ' style="text-align: left"'


def region_html(region: LabelSetRegion) -> str:
    """Self-contained HTML without scripts, and with no styles but what a table cell says of itself."""
    promise = f"holds the true label set with probability {region.confidence_level:g}, over all examples"
    head = f"<p><b>{escape(repr(region))}</b><br>{promise}</p>"
    if region.is_empty:
        why = "No label set is as plausible as those of the calibration examples: this example is unlike them."
        return f"{head}\n<p>{why}</p>"
    if region.is_trivial:
        head += "\n<p>There are too few calibration examples to rule anything out at this level.</p>"
    n_excluded = len(region.excluded)
    rows = [
        ("certain", "in every label set", _names(region.certain, _LABELS)),
        ("undecided", "in some", _names(region.undecided, _LABELS)),
        ("excluded", "in none", f"{n_excluded:,} label{'s' * (n_excluded != 1)}"),
        ("most plausible", f"p-value {region.credibility:.3g}", f"{{{_names(region.best, _LABELS, '')}}}"),
    ]
    return "\n".join([head, _table(None, rows)])


def regions_html(regions: RegionArray) -> str:
    """The same for the first of many."""
    n, n_labels = regions.shape
    title = f"{n:,} examples &times; {n_labels:,} labels, {regions.confidence_level:g} confidence"
    legend = "certain: in every label set that is left; undecided: in some; all others are ruled out"
    rows = []
    for i in range(min(n, _ROWS)):
        region = regions[i]
        size = region.size(node_cap=4096)
        if region.is_empty:
            cells = ("(no label set is plausible)", "", "none")
        else:
            certain, undecided = (_names(part, _ROW_LABELS) for part in (region.certain, region.undecided))
            cells = (certain, undecided, counted_sets(size.lower, size.upper))
        rows.append((str(i), *cells, f"{region.credibility:.3g}"))
    table = _table(("row", "certain", "undecided", "left", "best p-value"), rows)
    more = f"<p>... {n - _ROWS:,} more</p>" if n > _ROWS else ""
    return f"<p><b>RegionArray</b>: {title}<br>{legend}</p>\n{table}{more}"


def _names(labels: Sequence[Any], limit: int, nothing: str = "&ndash;") -> str:
    return escape(listed(labels, limit)) if labels else nothing


def _table(head: tuple[str, ...] | None, rows: Sequence[tuple[str, ...]]) -> str:
    lines = ['<table class="dataframe">']
    if head:
        lines.append("<tr>" + "".join(f"<th{_LEFT}>{cell}</th>" for cell in head) + "</tr>")
    lines += ["<tr>" + "".join(f"<td{_LEFT}>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])
