"""The label set of a region that a linear objective likes best: a knapsack, solved exactly."""

from __future__ import annotations

from fractions import Fraction
from functools import cmp_to_key
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import described

MOST_KEPT = 1 << 20  # partial choices that are remembered
Whole = NDArray[Any]  # int64, or Python's integers where those do not hold the sums


def whole_weights(weights: Any, n_labels: int) -> Whole:
    """Weights as whole numbers in the same proportions, so that sums are exact.

    Raises
    ------
    TypeError, ValueError
        If they are not one finite number for each label.
    """
    try:
        values = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"weights: expected one number for each label, got {described(weights)}") from None
    if values.shape != (n_labels,):
        raise ValueError(f"weights: expected shape ({n_labels},), one for each label, got shape {values.shape}")
    if not np.isfinite(values).all():
        at = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"weights: expected finite numbers, got {values[at]:g} at label {at}")
    ratios = [Fraction(x) for x in values.tolist()]
    unit = max(ratio.denominator for ratio in ratios)  # all denominators are powers of 2
    whole = [int(ratio * unit) for ratio in ratios]
    return np.array(whole, np.int64 if sum(map(abs, whole)) < 1 << 61 else object)


def most_gain(gains: Whole, costs: NDArray[np.int64], budget: int) -> NDArray[np.bool_]:
    """Which items to take for the largest gain within a budget, of these choices the cheapest.

    All gains are positive, all costs non-negative. Item by item, those partial choices are kept that no other one beats
    in cost and gain (Nemhauser and Ullmann 1969), and which, filled up in order of gain per cost with a part of an item
    at the end, could still reach the best whole choice that is known.

    Raises
    ------
    ValueError
        If too many are kept.
    """
    if int(costs.sum()) <= budget:
        return np.ones(gains.size, bool)
    is_small = gains.dtype != object
    pairs = enumerate(zip(gains.tolist(), costs.tolist()))
    order = np.array([i for i, _ in sorted(pairs, key=cmp_to_key(_less_for_it))])
    gains, costs = gains[order], costs[order]
    none = gains[:1] - gains[:1]
    cost_before = np.append(0, np.cumsum(costs))
    gain_before = np.concatenate([none, np.cumsum(gains)])
    next_gain, next_cost = np.concatenate([gains, none]), np.append(costs, 1)
    spent, gained, known = np.zeros(1, np.int64), none, none[0]
    steps: list[tuple[NDArray[np.int32], NDArray[np.bool_]]] = []
    n_kept = 0
    for i in range(gains.size):
        fits = np.flatnonzero(spent <= budget - costs[i])
        parents = np.concatenate([np.arange(spent.size), fits])
        is_taken = np.arange(parents.size) >= spent.size
        spent = np.concatenate([spent, spent[fits] + costs[i]])
        gained = np.concatenate([gained, gained[fits] + gains[i]])
        by_cost = np.argsort(spent, kind="stable")
        best_so_far = np.maximum.accumulate(gained[by_cost])
        by_cost = by_cost[np.append(True, best_so_far[1:] > best_so_far[:-1])]
        spent, gained = spent[by_cost], gained[by_cost]
        left = budget - spent
        end = np.searchsorted(cost_before, cost_before[i + 1] + left, side="right") - 1
        filled = gained + (gain_before[end] - gain_before[i + 1])
        known = max(known, filled.max())
        part: Any = next_gain[end]
        if is_small:
            share = (left - (cost_before[end] - cost_before[i + 1])) / np.maximum(next_cost[end], 1)
            part = np.minimum(part, np.ceil(part * np.minimum(share, 1.0) * (1 + 1e-12)).astype(np.int64))
        keep = filled + part >= known
        spent, gained, by_cost = spent[keep], gained[keep], by_cost[keep]
        steps.append((parents[by_cost].astype(np.int32), is_taken[by_cost]))
        n_kept += spent.size
        if n_kept > MOST_KEPT:
            raise ValueError(
                f"weights: expected an objective that {MOST_KEPT:,} partial label sets decide, got {gains.size} "
                "undecided labels that it takes more for (weights in coarser steps, or a lower confidence_level, are "
                "easier)"
            )
    place, chosen = int(np.argmax(gained)), np.zeros(gains.size, bool)
    for i in range(gains.size - 1, -1, -1):
        parents_, is_taken_ = steps[i]
        chosen[order[i]] = is_taken_[place]
        place = int(parents_[place])
    return chosen


def _less_for_it(one: tuple[int, tuple[int, int]], other: tuple[int, tuple[int, int]]) -> int:
    """Negative where the first item gains more per cost."""
    (gain, cost), (other_gain, other_cost) = one[1], other[1]
    return other_gain * cost - gain * other_cost
