"""Walks over a region's decision diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core

NODE_CAP = 1_000_000
MOST_TERMS = 40_000_000  # of polynomials, whole numbers of any size each
NOTHING, EVERYTHING = -1, -2


@dataclass(frozen=True)
class Diagram:
    """Nodes with their counts. Level i decides label ``labels[i]``; children come before their parents."""

    root: int
    level: NDArray[np.int32]
    without: NDArray[np.int32]
    with_: NDArray[np.int32]
    counts: list[int]
    labels: NDArray[np.int64]
    best: NDArray[np.bool_]

    @classmethod
    def build(
        cls, costs: NDArray[np.int64], budget: int, labels: NDArray[np.int64], best: NDArray[np.bool_]
    ) -> Diagram:
        """Of costs in descending order.

        Raises
        ------
        ValueError
            If there would be too many nodes.
        """
        if int(costs.sum()) <= budget:  # for any number of labels
            none = np.zeros(0, np.int32)
            return cls(EVERYTHING, none, none, none, [], labels, best)
        nodes = _core.conformal.threshold_bdd(costs, budget, NODE_CAP)
        if nodes is None:
            raise ValueError(
                f"region: expected a decision diagram of at most {NODE_CAP} nodes and 4000 undecided labels, got more "
                f"with {costs.size} undecided labels (a lower confidence_level decides more; size() and sets() work "
                "for any region)"
            )
        root, level, without, with_, words = nodes
        counts = [int.from_bytes(row.tobytes(), "little") for row in words]
        return cls(root, level, without, with_, counts, labels, best)

    def count_of(self, node: int, level: int) -> int:
        """Subsets below a node that stands at a level."""
        if node == NOTHING:
            return 0
        return 1 << (self.labels.size - level) if node == EVERYTHING else self.counts[node]

    @property
    def count(self) -> int:
        return self.count_of(self.root, 0)

    def rank(self, row: NDArray[np.bool_]) -> int:
        """Sets before this one, where keeping the best value comes before turning it round."""
        turned = (row != self.best)[self.labels]
        node, position = self.root, 0
        for i, turn in enumerate(turned.tolist()):
            below = self._child(node, False)
            if turn:
                position += self.count_of(below, i + 1)
                below = self._child(node, True)
            node = below
        return position

    def rows_at(self, positions: list[int]) -> list[NDArray[np.bool_]]:
        """The sets of given ranks."""
        return [self._row_at(position) for position in positions]

    def _row_at(self, position: int) -> NDArray[np.bool_]:
        row: NDArray[np.bool_] = self.best.copy()
        node = self.root
        for i, label in enumerate(self.labels.tolist()):
            below = self._child(node, False)
            before = self.count_of(below, i + 1)
            if position >= before:
                position -= before
                row[label] ^= True
                below = self._child(node, True)
            node = below
        return row

    def _child(self, node: int, turned: bool) -> int:
        if node < 0:
            return node
        return int(self.with_[node] if turned else self.without[node])

    def inclusion_frequency(self) -> NDArray[np.float64]:
        """Share of sets with each label: paths to a node times sets below its turning child."""
        total, n = self.count, self.labels.size
        paths = [0] * len(self.counts)
        turned = [0] * n  # sets in which the level's label is turned round
        whole = [0] * (n + 1)  # sets that leave every label from a level on open

        def enter(node: int, level: int, times: int) -> None:
            if node == EVERYTHING:
                whole[level] += times << (n - level)
            elif node != NOTHING:
                paths[node] += times

        enter(self.root, 0, 1)
        for node in range(len(self.counts) - 1, -1, -1):
            level, times = int(self.level[node]), paths[node]
            if times:
                turned[level] += times * self.count_of(int(self.with_[node]), level + 1)
                enter(int(self.without[node]), level + 1, times)
                enter(int(self.with_[node]), level + 1, times)
        frequency = self.best.astype(np.float64)
        open_sets = 0
        for i, label in enumerate(self.labels.tolist()):
            open_sets += whole[i]
            times = 2 * turned[i] + open_sets
            frequency[label] = (2 * total - times if self.best[label] else times) / (2 * total)
        return frequency

    def cardinality_histogram(self) -> list[int]:
        """Numbers of sets by their number of labels.

        Raises
        ------
        ValueError
            If the polynomials of all nodes would not fit into memory.
        """
        if len(self.counts) * (self.labels.size + 1) > MOST_TERMS:
            raise ValueError(
                f"region: expected at most {MOST_TERMS} terms (nodes x undecided labels), got "
                f"{len(self.counts)} x {self.labels.size} (a lower confidence_level decides more)"
            )
        n, step = self.labels.size, np.where(self.best[self.labels], -1, 1)
        offset = int((step < 0).sum())  # so that no position is negative
        rest: dict[int, NDArray[Any]] = {}  # all combinations of the labels from a level on

        def everything(level: int) -> NDArray[Any]:
            if level not in rest:
                row, ways = np.zeros(n + 1, object), 1
                down = int((step[level:] < 0).sum())
                for k in range(n - level + 1):
                    row[offset - down + k] = ways
                    ways = ways * (n - level - k) // (k + 1)
                rest[level] = row
            return rest[level]

        def shifted(row: NDArray[Any], by: int) -> NDArray[Any]:
            moved = np.zeros_like(row)
            if by > 0:
                moved[1:] = row[:-1]
            else:
                moved[:-1] = row[1:]
            return moved

        nothing = np.zeros(n + 1, object)
        rows: list[NDArray[Any]] = []

        def of(node: int, level: int) -> NDArray[Any]:
            return nothing if node == NOTHING else everything(level) if node == EVERYTHING else rows[node]

        for node in range(len(self.counts)):
            level = int(self.level[node])
            with_ = shifted(of(int(self.with_[node]), level + 1), int(step[level]))
            rows.append(of(int(self.without[node]), level + 1) + with_)
        histogram = [0] * (self.best.size + 1)
        size = int(self.best.sum()) - offset
        for k, count in enumerate(of(self.root, 0).tolist()):
            if count:
                histogram[size + k] = int(count)
        return histogram
