"""Inputs for the metrics room: random, tiny, tied, absent, unknown."""

from __future__ import annotations

import numpy as np
from scipy import sparse

KINDS = (
    "random", "sparse", "tied", "no_truth", "all_truth", "no_prediction", "all_predicted", "one_row", "one_label",
    "one_cell", "empty_rows", "constant", "infinite", "negative",
)  # fmt: skip


def make(kind, seed, dtype="float64"):
    """Truth, predictions, scores and weights."""
    rng = np.random.default_rng([seed, *kind.encode()])
    n, n_labels = int(rng.integers(2, 30)), int(rng.integers(2, 12))
    n = 1 if kind in ("one_row", "one_cell") else n
    n_labels = 1 if kind in ("one_label", "one_cell") else n_labels
    density = 0.1 if kind == "sparse" else rng.uniform(0.2, 0.6)
    truth = (rng.random((n, n_labels)) < density).astype(np.int8)
    score = np.clip(0.5 * truth + rng.random((n, n_labels)) - 0.25, 0, 1)
    if kind == "tied":
        score = score.round(1)
    if kind == "constant":
        score[:] = 0.5
    if kind == "sparse":
        score[rng.random(score.shape) < 0.6] = 0
    if kind == "negative":
        score = np.where(rng.random(score.shape) < 0.5, 0.0, (score - 0.5).round(1))
    if kind == "infinite":
        score = np.where(rng.random(score.shape) < 0.2, np.inf, np.where(rng.random(score.shape) < 0.2, -np.inf, score))
    if kind == "empty_rows":
        truth[rng.random(n) < 0.5] = 0
        truth[rng.random(n) < 0.2] = 1
    if kind in ("no_truth", "all_truth"):
        truth[:] = kind == "all_truth"
    predicted = (score >= 0.5).astype(np.int8)
    if kind in ("no_prediction", "all_predicted"):
        predicted[:] = kind == "all_predicted"
    return truth, predicted, score.astype(dtype), rng.integers(1, 5, n) * rng.choice([0.25, 1.0, 0.1])


def hide(truth, seed, share=0.3):
    """The same truth with unknown cells, some whole rows and columns among them."""
    rng = np.random.default_rng(seed)
    hidden = np.where(rng.random(truth.shape) < share, -1, truth).astype(np.int8)
    hidden[rng.random(len(truth)) < 0.1] = -1
    hidden[:, rng.random(truth.shape[1]) < 0.1] = -1
    hidden[0, 0] = 0  # some cell is negative: all of -1 and 1 would be a sign convention
    return hidden


def as_csr(array, seed=0):
    """The same array in compressed rows, some of its zeros stored, rows unsorted."""
    rng = np.random.default_rng(seed)
    stored = (array != 0) | (rng.random(array.shape) < 0.2)
    rows, columns = np.nonzero(stored)
    order = np.lexsort((rng.random(rows.size), rows))
    indptr = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
    return sparse.csr_array((array[rows, columns][order], columns[order], indptr), shape=array.shape)
