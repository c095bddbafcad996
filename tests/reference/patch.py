"""Suggestions and patches cell by cell: slow and obvious."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def error_scores(labels: NDArray, probs: NDArray, rates: NDArray) -> NDArray:
    """1 - P(wrong) of every known cell, 1 where nothing can be said."""
    scores = np.full(labels.shape, np.nan)
    for i, j in np.ndindex(*labels.shape):
        p, (m, s) = probs[i, j], rates[j]
        g = p * (1 - m) + (1 - p) * s
        if labels[i, j] == 1:
            scores[i, j] = min(1, p * (1 - m) / g) if g > 0 else 1
        elif labels[i, j] == 0:
            scores[i, j] = min(1, (1 - p) * (1 - s) / (1 - g)) if 1 - g > 0 else 1
    return scores


def likely_errors(scores: NDArray, excluded: NDArray) -> list[tuple[float, int, int]]:
    """Score, row and label of the cells that are likelier wrong than right, likeliest first."""
    found = [
        (float(scores[i, j]), i, j)
        for i, j in np.ndindex(*scores.shape)
        if not excluded[j] and scores[i, j] < 0.5  # never NaN
    ]
    return sorted(found)


def within_fdr(found: list[tuple[float, int, int]], fdr: float) -> list[tuple[float, int, int]]:
    """The longest beginning whose mean score is at most ``fdr``."""
    longest = 0
    for n in range(1, len(found) + 1):
        if sum(score for score, _, _ in found[:n]) / n <= fdr:
            longest = n
    return found[:longest]


def balanced_scores(labels: NDArray, probs: NDArray, missing: float, spurious: float) -> NDArray:
    """1 / (1 + odds of an error), NaN where unknown; ``missing`` and ``spurious`` are the wrong cells of all labels."""
    n_given = max(1, int((labels == 1).sum()))
    m, s = missing / n_given + 0.03, spurious / n_given + 0.03
    scores = np.full(labels.shape, np.nan)
    for i, j in np.ndindex(*labels.shape):
        p = probs[i, j]
        odds = ((labels[:, j] == 1).sum() + 0.5) / ((labels[:, j] == 0).sum() + 0.5)
        if labels[i, j] == 1:
            weight = min(s * np.sqrt(odds), 0.999)
            scores[i, j] = p / (p + weight * (1 - p)) if p + weight * (1 - p) > 0 else 1
        elif labels[i, j] == 0:
            weight = min(m, 0.999)
            scores[i, j] = (1 - p) / (1 - p + weight * p)
    return scores
