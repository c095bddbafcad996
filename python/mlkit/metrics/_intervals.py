"""Standard errors and intervals: from influences of rows, or from bootstrap replicates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit.metrics._averages import Floats, divide
from mlkit.metrics._counts import Counts
from mlkit.metrics._measures import LabelMeasure, Prediction, RowMeasure, ratio

REPLICATE_BYTES = 64 * 2**20  # counts of labels in replicates held at once
TINY = 1e-12
WEIGHT_UNITS = 2.0**31  # of the largest weight, in replicates of labels
FRACTION = 2.0**32  # row values of replicates are whole multiples of this part of their largest


def standard_error(influence: Floats, groups: NDArray[np.int64] | None) -> float:
    """Root of the sum of squares, rows of one group added up first; NaN of fewer than two rows or groups."""
    of_units = influence if groups is None else np.bincount(groups, influence).astype(np.float64)
    n = of_units.size
    if n < 2:
        return float("nan")
    return float(np.sqrt(np.sum(of_units**2) * (n / (n - 1))))


def normal_intervals(values: Floats, errors: Floats, z: float, on_logit: bool) -> tuple[Floats, Floats]:
    """Lower and upper bounds, for areas on the logit scale; NaN where there is no error to go by."""
    values, errors = np.asarray(values, np.float64), np.asarray(errors, np.float64)
    if not on_logit:
        return values - z * errors, values + z * errors
    from scipy.special import expit, logit

    inside = (values > TINY) & (values < 1 - TINY)  # at the ends the scale has no end
    v = np.where(inside, values, 0.5)
    middle, spread = logit(v), z * np.where(inside, errors, np.nan) / (v * (1 - v))
    return expit(middle - spread), expit(middle + spread)


def wilson_intervals(hits: Floats, n: Floats, z: float) -> tuple[Floats, Floats]:
    """Wilson's bounds of shares; NaN of nothing."""
    share, spread = divide(hits, n, np.nan), divide(np.full(np.shape(n), z * z), n, np.nan)
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + (spread / 2) ** 2) / (1 + spread)
    return middle - half, middle + half


def row_replicates(
    measures: list[RowMeasure],
    weights: Floats | None,
    ids: NDArray[np.int64],
    seed: int,
    n_boot: int,
    n_threads: int,
) -> dict[str, Floats]:
    """Values of row measures in bootstrap replicates."""
    parts = {id(part): part for m in measures for part in (m.numerator, m.denominator)}  # many share a denominator
    columns = [np.ascontiguousarray(part if weights is None else part * weights) for part in parts.values()]
    limit = FRACTION if len(ids) < 2**27 else 2.0**20
    scales = np.array([limit / (float(max(c.max(initial=0.0), -c.min(initial=0.0))) or 1.0) for c in columns])
    sums = _core.metrics.bootstrap_columns(ids, columns, scales, seed, n_boot, n_threads) / scales
    of = dict(zip(parts, sums.T))
    return {m.key: divide(of[id(m.numerator)], of[id(m.denominator)], np.nan) for m in measures}


def label_replicates(
    measures: list[LabelMeasure],
    prediction: Prediction,
    weights: Floats | None,
    defined: NDArray[np.bool_],
    ids: NDArray[np.int64],
    seed: int,
    n_boot: int,
) -> dict[str, Floats]:
    """Values of means over labels in bootstrap replicates, some replicates at a time."""
    step = max(1, min(n_boot, REPLICATE_BYTES // (12 * defined.size)))
    units = None if weights is None else np.rint(weights * (WEIGHT_UNITS / weights.max())).astype(np.uint64)
    values: dict[str, Any] = {m.key: np.empty(n_boot) for m in measures}
    for begin in range(0, n_boot, step):
        n = min(step, n_boot - begin)
        part = replicate_means(measures, prediction.replicates(ids, units, seed, begin, n), defined)
        for key, of in part.items():
            values[key][begin : begin + n] = of
    return values


def replicate_means(
    measures: list[LabelMeasure], sums: NDArray[np.integer[Any]], defined: NDArray[np.bool_]
) -> dict[str, Floats]:
    """Means over labels of (n_labels, 3, n) sums: hits, predicted and positive cells of n replicates."""
    hits, predicted, positive = (sums[defined, c].astype(np.float64) for c in range(3))
    counts = Counts(hits, predicted, positive, positive)
    tables = {name: ratio(name, counts) for name in {m.name for m in measures}}
    values = {}
    for m in measures:
        table = tables[m.name]
        of: Floats = np.full(sums.shape[2], np.nan)
        if m.by_support:
            of = divide((positive * table).sum(axis=0), positive.sum(axis=0), np.nan)
        elif len(table):
            of = table.mean(axis=0)
        values[m.key] = of
    return values
