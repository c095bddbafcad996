"""Row order, slow and plain: cumulative sums over every cell of three-valued labels (1, 0, -1 unknown)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def excursion(column: NDArray[np.int8]) -> tuple[int, int, int, int]:
    """First place and value of the highest m c - n1 k, and of the lowest."""
    known = int((column >= 0).sum())
    n_positive = int((column == 1).sum())
    highest = high = lowest = low = c = k = 0
    for i, value in enumerate(column.tolist()):
        c += value == 1
        k += value >= 0
        here = known * c - n_positive * k
        if here > high:
            highest, high = i + 1, here
        if here < low:
            lowest, low = i + 1, here
    return highest, high, lowest, low


def shared_excursion(labels: NDArray[np.int8], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sum of the squared cumulative sums before each row, and after the last."""
    known = labels >= 0
    rate = (labels == 1).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    steps = np.where(known, (labels == 1) - rate, 0.0)
    sums = np.concatenate([np.zeros((1, labels.shape[1])), np.cumsum(steps, axis=0)])
    return sums**2 @ weight


def row_sums(labels: NDArray[np.int8], at_one: Any, at_zero: Any) -> list[float]:
    return [
        sum((at_one if value == 1 else at_zero)[j] for j, value in enumerate(row) if value >= 0)
        for row in labels.tolist()
    ]


EDGES = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def _bin(p: float) -> int:
    return sum(edge < p for edge in EDGES)


def believable(p: float, column: Any, given: Any, value: int) -> float:
    """The model's chance p of ``value``, or the share of the known cells like it with that value; 0 above 1/2."""
    if p > 0.5:
        return 0.0
    unsaid = [(q, y) for q, y in zip(column, given) if y >= 0 and (q <= 0.5 if value else q < 0.5)]
    alike = [y for q, y in unsaid if _bin(q) == _bin(p)]
    return max(p, (sum(y == value for y in alike) + 0.5) / (len(alike) + 1))


def swap_rows(labels: Any, flags: Any, a: int, b: int) -> list[int]:
    return [i for i, y in enumerate(labels) if y[a] == 1 and y[b] == 0 and flags[i][a] and flags[i][b]]


def swap_bound(labels: Any, probs: Any, a: int, b: int) -> float:
    total = 0.0
    for y, p in zip(labels, probs):
        if y[a] >= 0 and y[b] >= 0 and p[a] <= 0.5 < p[b]:
            given = believable(p[a], probs[:, a], labels[:, a], 1)
            total += min(given, believable(1 - p[b], 1 - probs[:, b], labels[:, b], 0))
    return total


def implied_rows(labels: Any, flags: Any, a: int, b: int) -> list[int]:
    return [
        i for i, y in enumerate(labels) if y[a] == 1 and not flags[i][a] and y[b] == 0 and flags[i][b]
    ]  # fmt: skip


def implied_bound(labels: Any, probs: Any, a: int, b: int) -> float:
    return sum(
        believable(1 - p[b], 1 - probs[:, b], labels[:, b], 0)
        for y, p in zip(labels, probs)
        if y[a] == 1 and y[b] >= 0 and p[b] > 0.5
    )


def violations(labels: Any, orphan: Any, implies: Any, excludes: Any, counts: Any) -> list[tuple[int, str, int, int]]:
    """(row, kind, label, other) of every broken rule."""
    found = []
    for i, y in enumerate(labels.tolist()):
        found += [(i, "orphan", a, b) for a, b in orphan if y[a] == 1 and y[b] == 0]
        found += [(i, "implies", a, b) for a, b in implies if y[a] == 1 and y[b] == 0]
        found += [(i, "excludes", a, b) for a, b in excludes if y[a] == 1 and y[b] == 1]
        for place, (members, low, high) in enumerate(counts):
            n_given = sum(y[j] == 1 for j in members)
            n_possible = n_given + sum(y[j] < 0 for j in members)
            found += [(i, "count", place, n_given)] if n_given > high or n_possible < low else []
    kinds = ["orphan", "implies", "excludes", "count"]
    return sorted(found, key=lambda v: (kinds.index(v[1]), v[0], v[2], v[3]))
