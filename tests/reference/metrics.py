"""Metrics said again in slow, obvious words; truth is 1, 0 or -1 (unknown)."""

from __future__ import annotations

import itertools

import numpy as np


def divide(a, b, undefined):
    return a / b if b else undefined


def cells_of(truth, weight):
    """(row, label, y, weight) of the known cells."""
    for i, j in itertools.product(*map(range, truth.shape)):
        if truth[i, j] >= 0:
            yield i, j, int(truth[i, j]), 1.0 if weight is None else float(weight[i])


def confusion(truth, predicted, weight=None, axis=1):
    """[[tn, fp], [fn, tp]] of each label (axis 1) or row (axis 0)."""
    out = np.zeros((truth.shape[axis], 2, 2))
    for i, j, y, w in cells_of(truth, weight):
        out[(i, j)[axis], y, int(predicted[i, j])] += w
    return out


def ratio(name, table, undefined, beta=1.0):
    (tn, fp), (fn, tp) = table
    if name == "precision":
        return divide(tp, tp + fp, undefined)
    if name == "recall":
        return divide(tp, tp + fn, undefined)
    if name == "fbeta":
        return divide((1 + beta**2) * tp, (1 + beta**2) * tp + beta**2 * fn + fp, undefined)
    if name == "jaccard":
        return divide(tp, tp + fp + fn, undefined)
    if name == "specificity":
        return divide(tn, tn + fp, undefined)
    if name == "mcc":
        return divide(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)), 0.0)
    raise KeyError(name)


def mean(values, weights=None):
    values = np.asarray(values, float)
    weights = np.ones(values.size) if weights is None else np.asarray(weights, float)
    keep = ~np.isnan(values)
    if not keep.any():
        return np.nan
    if not weights[keep].any():
        weights = np.ones(values.size)
    return float((values[keep] * weights[keep]).sum() / weights[keep].sum())


def set_metric(name, truth, predicted, average, weight=None, undefined=0.0, beta=1.0):
    if average == "samples":
        tables = confusion(truth, predicted, None, axis=0)
        known = (truth >= 0).any(axis=1)
        values = [ratio(name, table, undefined, beta) for table in tables[known]]
        return mean(values, None if weight is None else np.asarray(weight)[known])
    tables = confusion(truth, predicted, weight)
    if average == "micro":
        return ratio(name, tables.sum(axis=0), undefined, beta)
    values = np.array([ratio(name, table, undefined, beta) for table in tables])
    if average is None:
        return values
    return mean(values, tables[:, 1].sum(axis=1) if average == "weighted" else None)


def hamming(truth, predicted, weight=None):
    table = confusion(truth, predicted, weight).sum(axis=0)
    return (table[0, 1] + table[1, 0]) / table.sum()


def accuracy(truth, predicted, weight=None):
    known = truth >= 0
    rows = known.any(axis=1)
    right = ((truth == predicted) | ~known).all(axis=1)
    return mean(right[rows], None if weight is None else np.asarray(weight)[rows])
