"""Curve metrics of one list of cells, by pairs and by distinct scores."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def auc(y, s, w, credit=0.5):
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    if not w[positive].sum() or not w[negative].sum():
        return np.nan
    total = sum(w[p] * w[q] * ((s[p] > s[q]) + credit * (s[p] == s[q])) for p in positive for q in negative)
    return total / (w[positive].sum() * w[negative].sum())


def curve(y, s, w):
    """(positives in the group, precision, recall) at each distinct score, highest first."""
    points = []
    for cut in sorted(set(s.tolist()), reverse=True):
        above, here = s >= cut, s == cut
        hits = w[above & (y == 1)].sum()
        points.append((w[here & (y == 1)].sum(), hits / w[above].sum(), hits, w[y == 1].sum()))
    return points


def average_precision(y, s, w, interpolation="none"):
    points = curve(y, s, w)
    total = w[y == 1].sum()
    if not total:
        return 0.0
    if interpolation == "none":
        return sum(p / total * precision for p, precision, _, _ in points)
    if interpolation == "all-point":
        return sum(p / total * max(x[1] for x in points[g:]) for g, (p, *_) in enumerate(points))
    n = {"11-point": 10, "101-point": 100}[interpolation]
    best = []
    for step in range(n + 1):
        reached = [x[1] for x in points if Fraction(x[2]) * n >= step * Fraction(x[3])]
        best.append(max(reached, default=0.0))
    return sum(best) / (n + 1)


def r_precision(y, s, w):
    """Expected share of positives among the first P over all orders of equal scores (no weights)."""
    p = int((y == 1).sum())
    if not p:
        return 0.0
    total = 0.0
    for k in np.flatnonzero(y == 1):
        above, tied = (s > s[k]).sum(), (s == s[k]).sum()
        total += min(1.0, max(0.0, (p - above) / tied))
    return total / p


def by_label(measure, truth, score, weight=None):
    weight = np.ones(len(truth)) if weight is None else np.asarray(weight, float)
    out = []
    for j in range(truth.shape[1]):
        known = truth[:, j] >= 0
        out.append(measure(truth[known, j], score[known, j].astype(float), weight[known]))
    return np.array(out)


def pooled(measure, truth, score, weight=None):
    weight = np.ones(len(truth)) if weight is None else np.asarray(weight, float)
    known = truth >= 0
    return measure(truth[known], score[known].astype(float), np.broadcast_to(weight[:, None], truth.shape)[known])


def cell_influences(y, s, w):
    """Derivatives of ROC AUC and average precision of one list of cells by the weight of each cell, (n, 2)."""
    positive, negative = w * (y == 1), w * (y == 0)
    total, others = positive.sum(), negative.sum()
    values, group = np.unique(s, return_inverse=True)
    p, q = (np.bincount(group, x, values.size) for x in (positive, negative))
    below, above = np.cumsum(q) - q / 2, total - np.cumsum(p) + p / 2
    beaten, beaten_by = (below / others)[group], (above / total)[group]
    area = (positive * beaten).sum() / total
    auc = np.where(y == 1, (beaten - area) / total, (beaten_by - area) / others)
    reached = np.cumsum((p + q)[::-1])[::-1]
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(np.cumsum(p[::-1])[::-1] / reached)
        gained = np.cumsum(np.nan_to_num(p / reached))
        lost = np.cumsum(np.nan_to_num(p * precision / reached))
    mean = (positive * precision[group]).sum() / total
    own = np.where(y == 1, precision[group] - mean + gained[group], 0)
    return np.stack([auc, (own - lost[group]) / total], axis=1)


def pooled_influences(truth, score, weight=None):
    """How far each row moves the areas of all known cells together, (n, 2)."""
    weight = np.ones(len(truth)) if weight is None else np.asarray(weight, float)
    rows, labels = np.nonzero(truth >= 0)
    w = weight[rows]
    of = cell_influences(truth[rows, labels], score[rows, labels].astype(float), w) * w[:, None]
    return np.stack([np.bincount(rows, of[:, m], len(truth)) for m in range(2)], axis=1)
