"""Whether thresholds were chosen on the very rows that they are judged on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mlkit._validation.pairs import Scored

SAME_DATA = "same data: optimistic"
FEW, LEAST, MOST = 10, 5, 10  # cells of either kind that a label needs; labels that are needed, and looked at
POSITIVE, NEGATIVE = 3, 2  # truth + 2; what is not stored is 0


def thresholds_from(cells: Scored, thresholds: NDArray[np.float64]) -> str | None:
    """Say so where no thresholds would have given a larger F1 on these rows, label by label.

    Thresholds that were chosen on other rows hardly ever are the best of all on ten labels. Labels that some threshold
    separates without an error say nothing and are passed over.
    """
    labels = _worth_a_look(cells)
    truths, scores = _columns(cells, labels)
    weights = np.ones(cells.shape[0]) if cells.weights is None else cells.weights.values
    n_judged = 0
    for truth, score, threshold in zip(truths.T, scores.T, thresholds[labels]):
        counts = (truth >= NEGATIVE) & (weights > 0)
        is_positive = truth[counts] == POSITIVE
        if not is_positive.any():
            continue
        of, best = _f1_at(is_positive, score[counts], weights[counts], threshold)
        if best == 1:
            continue
        if of < best * (1 - 1e-12):
            return None
        n_judged += 1
        if n_judged == MOST:
            break
    return SAME_DATA if n_judged >= LEAST else None


def _worth_a_look(cells: Scored) -> NDArray[np.int64]:
    enough = (cells.truth.support >= FEW) & (cells.truth.n_negative >= FEW)
    return np.flatnonzero(enough)[: 2 * MOST]


def _columns(cells: Scored, labels: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Truth and scores of some labels."""
    indptr, indices, values = cells.truth._cells
    stored = np.full(indices.size, POSITIVE, np.int8) if values is None else (values + NEGATIVE).astype(np.int8)
    truth = csr_array((stored, indices, indptr), shape=cells.shape)[:, labels].toarray()
    truth[truth == 0] = NEGATIVE if cells.truth.background == "negative" else 1
    scores = cells.csr()[:, labels].toarray() if cells.is_sparse else np.asarray(cells.array)[:, labels]
    return truth, scores.astype(np.float64)


def _f1_at(
    truth: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64], threshold: float
) -> tuple[float, float]:
    """F1 at the threshold, and at the best one; with a positive, and no weight of 0."""
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    ends = np.append(np.flatnonzero(falling[1:] != falling[:-1]), falling.size - 1)  # infinite ones may be equal, too
    hits, predicted = np.cumsum((weights * truth)[order])[ends], np.cumsum(weights[order])[ends]
    f1 = 2 * hits / (hits[-1] + predicted)
    at = np.searchsorted(-falling[ends], -threshold, side="right") - 1
    return float(f1[at]) if at >= 0 else 0.0, float(f1.max())
