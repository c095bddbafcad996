"""Row-wise ranking and top-k metrics by looking at every pair, and at every order of ties."""

from __future__ import annotations

import itertools

import numpy as np


def known_row(truth, score):
    """Labels (numbers), truth and scores of a row's known cells."""
    labels = np.flatnonzero(truth >= 0)
    return labels, truth[labels], score[labels].astype(float)


def lrap(y, s):
    positives = np.flatnonzero(y)
    if len(positives) in (0, len(y)):
        return 1.0
    return np.mean([np.sum(s[positives] >= s[p]) / np.sum(s >= s[p]) for p in positives])


def coverage(y, s):
    return float(np.sum(s >= s[y == 1].min())) if y.any() else 0.0


def pairs(y, s):
    return [(s[p], s[q]) for p in np.flatnonzero(y) for q in np.flatnonzero(y == 0)]


def ranking_loss(y, s):
    return np.mean([q >= p for p, q in pairs(y, s)]) if pairs(y, s) else 0.0


def auc(y, s):
    return np.mean([(p > q) + 0.5 * (p == q) for p, q in pairs(y, s)]) if pairs(y, s) else np.nan


def order_by_column(s):
    return sorted(range(len(s)), key=lambda j: (-s[j], j))


def all_orders(s):
    """Every order of the labels that the scores allow."""
    groups = [[j for j in range(len(s)) if s[j] == value] for value in sorted(set(s.tolist()), reverse=True)]
    for parts in itertools.product(*(itertools.permutations(group) for group in groups)):
        yield list(itertools.chain(*parts))


def expected(measure, y, s, ties):
    """A measure of an order (ranked truth), by column or averaged over all orders."""
    if ties == "column":
        return measure(y[order_by_column(s)])
    return np.mean([measure(y[order]) for order in all_orders(s)])


def gain(ranked, k):
    return sum(hit / np.log2(r + 2) for r, hit in enumerate(ranked[:k]))


def best_gain(n_positive, k):
    return sum(1 / np.log2(r + 2) for r in range(min(n_positive, k)))


def one_error(ranked):
    return 1.0 - ranked[0]


def r_precision(ranked):
    p = int(ranked.sum())
    return ranked[:p].sum() / p if p else 0.0


def top(name, ranked, k):
    hits, p = ranked[:k].sum(), int(ranked.sum())
    if name == "precision_at_k":
        return hits / k
    if name == "recall_at_k":
        return hits / p if p else 0.0
    if name == "rank_precision_at_k":
        return hits / min(k, p) if p else 0.0
    if name == "hit_rate_at_k":
        return float(hits > 0)
    if name == "ndcg_at_k":
        return gain(ranked, k) / best_gain(p, k) if p else 0.0
    raise KeyError(name)


def scored_parts(name, y, s, q, k, ties):
    """Numerator and denominator of a row of a propensity-scored metric."""
    discount = [1 / np.log2(r + 2) for r in range(k)] if name == "psndcg_at_k" else [1.0] * k
    value = np.where(y == 1, q, 0.0)
    best = sorted(value, reverse=True)
    n = int(y.sum())
    if not n:
        return 0.0, 0.0
    scale = {"psprecision_at_k": 1.0, "psrecall_at_k": n, "psndcg_at_k": best_gain(n, k)}[name]
    orders = [order_by_column(s)] if ties == "column" else list(all_orders(s))
    reached = np.mean([sum(d * value[j] for d, j in zip(discount, order)) for order in orders])
    return reached / scale, sum(d * v for d, v in zip(discount, best)) / scale


def rows_mean(measure, truth, score, weight=None):
    """Weighted mean over the rows with a known cell of measure(y, s, labels), NaN left out."""
    values, weights = [], []
    for i in range(len(truth)):
        labels, y, s = known_row(truth[i], score[i])
        if len(labels):
            values.append(measure(y, s, labels))
            weights.append(1.0 if weight is None else weight[i])
    values, weights = np.array(values), np.array(weights)
    keep = ~np.isnan(values)
    return np.sum(values[keep] * weights[keep]) / np.sum(weights[keep]) if keep.any() else np.nan
