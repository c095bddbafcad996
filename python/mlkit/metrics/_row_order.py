"""Average precision of labels with equal scores in the order of rows, as much code of image papers has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.pairs import Scored
from mlkit.metrics._averages import Floats


def row_order_precision(cells: Scored) -> Floats:
    """Mean over a label's positives of the precision at their rank, 0 without positives."""
    values = np.zeros(cells.shape[1])
    weights = np.ones(cells.shape[0]) if cells.weights is None else cells.weights.values
    for label, (score, is_positive, rows) in enumerate(_columns(cells)):
        order = np.argsort(-score, kind="stable")
        w, y = weights[rows][order], is_positive[order]
        total = w[y].sum()
        if total > 0:
            above = np.cumsum(w)
            hits, used = np.cumsum(w * y), y & (above > 0)
            values[label] = float(np.sum(w[used] * hits[used] / above[used]) / total)
    return values


def _columns(cells: Scored) -> Iterator[tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]]:
    """Scores of each label's known cells, which are positive, and their rows, ascending."""
    truth: Any = cells.truth.to_csr().tocsc()
    scores: Any = None if cells.rows is None else cells.csr().tocsc()
    background = 0 if cells.truth.background == "negative" else -1
    for label in range(cells.shape[1]):
        y = np.full(cells.shape[0], background, np.int8)
        stored = slice(truth.indptr[label], truth.indptr[label + 1])
        y[truth.indices[stored]] = truth.data[stored]
        if scores is None:
            column = cells.array[:, label].astype(np.float64)
        else:
            column = np.zeros(cells.shape[0])
            stored = slice(scores.indptr[label], scores.indptr[label + 1])
            column[scores.indices[stored]] = scores.data[stored]
        rows = np.flatnonzero(y >= 0)
        yield column[rows], y[rows] == 1, rows
