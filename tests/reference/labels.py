"""Reference for the label room: any accepted form of labels, cell by cell, as int8 of shape (n, L).

1 = present, 0 = absent, -1 = unknown. Nothing is checked, nothing is fast.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PRESENT, ABSENT, UNKNOWN = 1, 0, -1
Labels = NDArray[np.int8]


def dense(
    labels: Any,
    *,
    n_labels: int | None = None,
    unknown: Any = None,
    background: str = "negative",
    label_names: Sequence[str] | None = None,
) -> Labels:
    """Return what :func:`mlkit.labels.as_label_matrix` says of each cell."""
    unmentioned = ABSENT if background == "negative" else UNKNOWN
    if hasattr(labels, "columns"):
        out = from_frame(labels, label_names)
    elif hasattr(labels, "tocoo"):
        out = from_entries(labels, unmentioned)
    elif getattr(labels, "ndim", 1) == 2:
        out = np.array([[cell(value) for value in row] for row in labels.tolist()], np.int8)
    else:
        assert n_labels is not None or label_names is not None
        out = from_lists(labels, n_labels or len(label_names or ()), unmentioned, label_names)
    if unknown is not None:
        mask = unknown.toarray() if hasattr(unknown, "toarray") else np.asarray(unknown)
        for row, label in zip(*np.nonzero(mask)):
            out[row, label] = UNKNOWN
    return out


def cell(value: Any) -> int:
    """One value of a table: 1, 0, or -1 for whatever stands for "unknown"."""
    return UNKNOWN if pd.isna(value) else int(value)


def from_frame(frame: Any, label_names: Sequence[str] | None) -> Labels:
    """Return a pandas or polars frame's cells, with the columns in the order of the names."""
    columns = list(frame.columns)
    if label_names is not None and columns != list(range(len(columns))):
        columns = [next(c for c in columns if str(c) == name) for name in label_names]
    out = np.empty((len(frame), len(columns)), np.int8)
    for label, column in enumerate(columns):
        for row, value in enumerate(frame[column].to_list()):
            out[row, label] = cell(value)
    return out


def from_entries(matrix: Any, unmentioned: int) -> Labels:
    """Return a sparse matrix's cells; entries for the same cell are added up."""
    entries = matrix.tocoo()
    total: dict[tuple[int, int], Any] = {}
    for row, label, value in zip(entries.row.tolist(), entries.col.tolist(), entries.data.tolist()):
        total[row, label] = total.get((row, label), 0) + value
    out = np.full(matrix.shape, unmentioned, np.int8)
    for place, value in total.items():
        out[place] = cell(value)
    return out


def from_lists(
    rows: Iterable[Iterable[Any]], n_labels: int, unmentioned: int, label_names: Sequence[str] | None
) -> Labels:
    """Return the cells of lists of label numbers or names; labels that do not exist are left out."""
    listed = [list(row) for row in rows]
    out = np.full((len(listed), n_labels), unmentioned, np.int8)
    for row, labels in enumerate(listed):
        for label in labels:
            number = list(label_names or ()).index(label) if isinstance(label, str) else label
            out[row, number] = PRESENT
    return out


# ------------------------------------------------------------------------------------------------------- co-occurrence


def cooccurrence(labels: Labels, measure: str, min_count: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the measure of all pairs and which of them are stored, as dense arrays."""
    n_labels = labels.shape[1]
    values = np.zeros((n_labels, n_labels))
    stored = np.zeros((n_labels, n_labels), bool)
    for i in range(n_labels):
        for j in range(n_labels):
            known = (labels[:, i] >= 0) & (labels[:, j] >= 0)
            x, y = labels[known, i] == 1, labels[known, j] == 1
            n, a, b, ab = int(known.sum()), int(x.sum()), int(y.sum()), int((x & y).sum())
            if ab < min_count:
                continue
            stored[i, j] = True
            if measure == "count":
                values[i, j] = ab
            elif measure == "jaccard":
                values[i, j] = ab / int((x | y).sum())
            elif measure == "dice":
                values[i, j] = 2 * ab / (a + b)
            elif measure == "cosine":
                values[i, j] = ab / math.sqrt(a * b)
            elif measure == "lift":
                values[i, j] = (ab / n) / ((a / n) * (b / n))
            elif measure == "pmi":
                values[i, j] = math.log(n * ab / (a * b))
            elif 0 < a < n and 0 < b < n:
                values[i, j] = np.corrcoef(x, y)[0, 1]
    return values, stored


def strongest(values: NDArray[Any], stored: NDArray[Any], top: int) -> NDArray[Any]:
    """Return which pairs are left when each row keeps the diagonal and its strongest others."""
    kept = stored & np.eye(len(stored), dtype=bool)
    for i, row in enumerate(stored):
        others = [j for j in np.flatnonzero(row) if j != i]
        kept[i, sorted(others, key=lambda j: (-values[i, j], j))[:top]] = True
    return kept
