"""Parts of a report that need no rows: they come from counts alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit.metrics._averages import Floats
from mlkit.metrics._counts import Counts
from mlkit.metrics._measures import plain_ratios, ratio
from mlkit.metrics.report import Findings

FEW = 50  # positives below which an area's interval promises too much


def defined_labels(counts: Counts, absent_labels: str) -> NDArray[np.bool_]:
    """The labels that take part in means over labels."""
    return counts.positive > 0 if absent_labels == "skip" else np.ones(counts.positive.size, bool)


def absent_note(counts: Counts, absent_labels: str) -> str:
    """How many labels have no positive, and what that means."""
    n = int((counts.positive == 0).sum())
    if not n:
        return ""
    what = {"skip": "left out", "sklearn": "counted as scikit-learn does", "nan": "making the mean NaN"}[absent_labels]
    return f"{n} of {counts.positive.size} labels without a positive, {what}"


def few_note(few: int) -> str:
    """How many labels are too rare for their areas' intervals."""
    if not few:
        return ""
    return f"{few} label{'s' if few > 1 else ''} of fewer than {FEW} positives: the interval may be too short"


def add_plain_means(
    found: Findings, counts: Counts, absent_labels: str, influences: dict[str, Floats] | None = None
) -> None:
    """Means over labels in which true negatives count, with the influences of rows where there are rows."""
    defined, note = defined_labels(counts, absent_labels), absent_note(counts, absent_labels)
    for name, (values, _) in plain_ratios(counts).items():
        if absent_labels == "nan" and (counts.positive == 0).any():
            values = np.full(values.size, np.nan)
        keep = defined & ~np.isnan(values)
        value = float(values[keep].mean()) if keep.any() else float("nan")
        found.add(name, value, None if influences is None else influences[name], int(keep.sum()), note)


def label_table(
    names: tuple[str, ...] | None, support: NDArray[np.int64], n_negative: NDArray[np.int64], counts: Counts
) -> dict[str, Any]:
    """The first columns of ``per_label``."""
    table: dict[str, Any] = {
        "label": np.arange(support.size) if names is None else list(names),
        "support": support,
        "n_known": support + n_negative,
        "n_predicted": counts.predicted,
    }
    for name in ("precision", "recall", "f1", "jaccard"):
        table[name] = ratio(name, counts)
    return table


def undefined_labels(counts: Counts) -> dict[str, NDArray[np.int64]]:
    """Labels for which some number has no value."""
    return {
        "without_positive": np.flatnonzero((counts.positive == 0) & (counts.known > 0)),
        "without_negative": np.flatnonzero((counts.negative == 0) & (counts.known > 0)),
        "without_known_cell": np.flatnonzero(counts.known == 0),
    }
