"""Areas under curves from counts in bins of probability, and how far the true ones may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit.metrics._averages import Floats, divide

N_BINS = 4096  # bins of quality/label_histogram.hpp

Entries = tuple[NDArray[np.int64], NDArray[np.int64]]  # keys (2 * label + y) * N_BINS + bin ascending, and counts


@dataclass(frozen=True)
class BinnedAreas:
    """Areas of each curve, cells of one bin taken as ties, and how far these may be from the areas of the scores."""

    positive: Floats
    auc: Floats
    auc_error: Floats
    precision: Floats
    precision_error: Floats


def binned_areas(entries: Entries, n_labels: int, pooled: bool) -> BinnedAreas:
    """Areas of each label's curve, or of that of all cells together; NaN where they have no value.

    Inside a bin the scores may order p positives and q negatives in any way. ROC AUC then lies within p q / (2 P N) of
    that of a tie. A positive's precision is at most that with all positives of the bin and no negative of it above, and
    those of all together at least the integral of x / (x + f) over the hits x, f false positives with all of the bin.
    """
    keys, counts = entries
    label, is_positive, place = keys // (2 * N_BINS), keys // N_BINS % 2 == 1, N_BINS - 1 - keys % N_BINS
    n_curves = 1 if pooled else n_labels
    of_curve = np.zeros(keys.size, np.int64) if pooled else label
    groups, at = np.unique(of_curve * N_BINS + place, return_inverse=True)  # best first within a curve
    curve = groups // N_BINS
    p: Floats = np.bincount(at, np.where(is_positive, counts, 0), groups.size).astype(np.float64)
    q: Floats = np.bincount(at, np.where(is_positive, 0, counts), groups.size).astype(np.float64)

    def summed(values: Floats) -> Floats:
        out: Floats = np.bincount(curve, values, n_curves).astype(np.float64)
        return out

    total_p, total_q = summed(p), summed(q)
    hits = np.cumsum(p) - (np.cumsum(total_p) - total_p)[curve]
    false = np.cumsum(q) - (np.cumsum(total_q) - total_q)[curve]
    pairs = total_p * total_q
    wins, ties = summed(p * (total_q[curve] - false)), summed(p * q)
    here = p > 0
    tied, best, worst = (np.zeros(groups.size) for _ in range(3))
    h, f, own, others = hits[here], false[here], p[here], q[here]
    tied[here] = own * h / (h + f)
    best[here] = own * h / (h + f - others)
    worst[here] = own - f * np.log((h + f) / (h - own + f + (f == 0)))
    worst[here] = np.where(f == 0, own, worst[here])
    precision = divide(summed(tied), total_p, np.nan)
    spread: Any = np.maximum(summed(best) - summed(tied), summed(tied) - summed(worst))
    return BinnedAreas(
        total_p,
        divide(wins + 0.5 * ties, pairs, np.nan),
        divide(0.5 * ties, pairs, np.nan),
        precision,
        divide(np.maximum(spread, 0.0), total_p, np.nan),
    )
