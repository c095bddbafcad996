"""What a separable score leaves of probabilities: for each label what the other value would cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.arrays import take_rows
from mlkit._validation.params import check_memory, format_bytes
from mlkit._validation.probabilities import Probabilities
from mlkit.conformal._ranks import RankTable
from mlkit.conformal._sizes import Bounds
from mlkit.conformal.region import LabelSetRegion
from mlkit.conformal.scores import Linf, Separable
from mlkit.labels.matrix import LabelMatrix

Costs = NDArray[np.int64]
_CHUNK = 1 << 20  # cells that a user's function gets at a time


@dataclass(frozen=True)
class FlipTable:
    """Cost of 1 minus cost of 0 of each cell: dense rows, or those of CSR with one value for all other cells."""

    shape: tuple[int, int]
    differences: Costs
    best: Costs  # score of each row's best set
    empty: Costs  # score of each row's empty set
    indptr: NDArray[np.int64] | None
    indices: NDArray[np.int32] | None
    implicit: int
    one: int  # of a maximum: what both costs of a cell add up to; 0 for a sum

    @cached_property
    def core(self) -> _core.conformal.Flips:
        return _core.conformal.Flips(
            self.differences, self.best, self.empty, self.indptr, self.indices, self.shape[1], self.implicit, self.one
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "core"}

    @property
    def is_sparse(self) -> bool:
        return self.indptr is not None

    def take(self, rows: NDArray[np.int64]) -> FlipTable:
        """Chosen rows, copied."""
        shape, best, empty = (rows.size, self.shape[1]), self.best[rows], self.empty[rows]
        if self.indptr is None or self.indices is None:
            differences = self.differences.reshape(self.shape)[rows].ravel()
            return FlipTable(shape, differences, best, empty, None, None, self.implicit, self.one)
        bounds, stored = take_rows(self.indptr, rows)
        differences, indices = self.differences[stored], self.indices[stored]
        return FlipTable(shape, differences, best, empty, bounds, indices, self.implicit, self.one)

    def row(self, i: int) -> Costs:
        """All differences of one row."""
        n_labels = self.shape[1]
        if self.indptr is None or self.indices is None:
            return self.differences[i * n_labels : (i + 1) * n_labels]
        stored = slice(int(self.indptr[i]), int(self.indptr[i + 1]))
        dense = np.full(n_labels, self.implicit, np.int64)
        dense[self.indices[stored]] = self.differences[stored]
        return dense

    def flipped(self, i: int | None = None) -> Costs:
        """Score of the best set that contradicts each stored cell of all rows (or every cell of row ``i``)."""
        size = np.abs(self.differences if i is None else self.row(i))
        if i is not None:
            best: Any = self.best[i]
        elif self.indptr is None:
            best = np.repeat(self.best, self.shape[1])
        else:
            best = np.repeat(self.best, np.diff(self.indptr))
        flipped: Costs = np.maximum(best, (self.one + size) // 2) if self.one else best + size
        return flipped

    def implicit_flipped(self) -> Costs:
        """Score of each row's best set that contains a label which is not stored."""
        if self.one:
            return np.maximum(self.best, (self.one + self.implicit) // 2)
        return self.best + self.implicit

    def second_best(self) -> Costs:
        """Score of each row's second-best set."""
        n, n_labels = self.shape
        flipped = self.flipped()
        if self.indptr is None:
            nearest: Costs = flipped.reshape(n, n_labels).min(axis=1)
            return nearest
        sizes = np.diff(self.indptr)
        second = np.where(sizes < n_labels, self.implicit_flipped(), np.iinfo(np.int64).max)
        rows = np.repeat(np.arange(n), sizes)
        np.minimum.at(second, rows, flipped)
        return second

    def best_sets(self) -> Any:
        """The best set of each row."""
        return self.answer(self.differences < 0, np.zeros(self.shape[0], bool), "best", None)

    def states(self, thresholds: Costs, n_threads: int) -> NDArray[np.uint8]:
        """Of each stored cell: 0 in no set, 1 in all, 2 undecided."""
        return _core.conformal.project(self.core, thresholds, n_threads)

    def flip_p_values(
        self, ranks: RankTable, uniforms: NDArray[np.float64] | None, n_threads: int
    ) -> NDArray[np.float64]:
        """P-value of the best set that contradicts each stored cell."""
        if uniforms is None:
            return _core.conformal.flip_p_values(self.core, ranks.scores, n_threads)
        sizes = self.shape[1] if self.indptr is None else np.diff(self.indptr)
        return ranks.p_values(self.flipped(), np.repeat(uniforms, sizes))

    def cardinalities(self, thresholds: Costs, everything: int, n_threads: int) -> tuple[Costs, Costs]:
        """Smallest and largest number of labels in each row's region."""
        return _core.conformal.cardinality_bounds(self.core, thresholds, n_threads)

    def sizes(self, thresholds: Costs, exact: bool, n_threads: int) -> Bounds:
        """Bounds on the size of each row's region."""
        nodes, buckets = (1_000_000, 1 << 14) if exact else (1024, 1 << 12)
        return _core.conformal.count_rows(self.core, thresholds, exact, nodes, buckets, n_threads)

    def score_sets(self, labels: LabelMatrix, n_threads: int) -> Costs:
        """Scores of one label set for each row."""
        return _core.conformal.score_sets(self.core, labels._core, n_threads)

    def total_sizes(self, ranks: RankTable, n_threads: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bounds on the sum, over calibration scores, of the number of sets that score at most that."""
        return _core.conformal.total_sizes(self.core, ranks.scores, 1 << 14, n_threads)

    def region(self, i: int, threshold: Any, *context: Any) -> LabelSetRegion:
        """The region of one row."""
        return LabelSetRegion(self.row(i), int(self.best[i]), int(threshold), self.one, *context)

    def answer(
        self, stored: NDArray[np.bool_], implicit: NDArray[np.bool_], name: str, memory_limit: int | str | None
    ) -> Any:
        """A boolean answer for every cell, in the storage of the input."""
        n, n_labels = self.shape
        if self.indptr is None or self.indices is None:
            return stored.reshape(n, n_labels)
        from scipy.sparse import csr_array

        rows = np.repeat(np.arange(n), np.diff(self.indptr))
        open_rows = np.flatnonzero(implicit)
        limit, need = check_memory("memory_limit", memory_limit), 13 * open_rows.size * n_labels
        if limit is not None and need > limit:
            raise MemoryError(
                f"{name}: {open_rows.size} rows hold nearly all {n_labels} labels, which needs {format_bytes(need)} "
                f"(memory_limit is {format_bytes(limit)}; a lower confidence_level or another score decides more)"
            )
        keep = stored & ~implicit[rows]
        all_rows, all_labels = [rows[keep]], [self.indices[keep].astype(np.int64)]
        for i in open_rows:
            here = slice(int(self.indptr[i]), int(self.indptr[i + 1]))
            row = np.ones(n_labels, bool)
            row[self.indices[here]] = stored[here]
            all_labels.append(np.flatnonzero(row))
            all_rows.append(np.full(all_labels[-1].size, i))
        row, label = np.concatenate(all_rows), np.concatenate(all_labels)
        return csr_array((np.ones(row.size, bool), (row, label)), shape=self.shape)


def flip_table(probs: Probabilities, score: Any, n_threads: int) -> FlipTable:
    """Flip costs of all cells under a score."""
    if isinstance(score, Separable):
        return _own_costs(probs, score)
    rule = score._rule(probs.shape[1])
    differences, best, empty, implicit = _core.conformal.flip_costs(probs.core, rule, n_threads)
    one = implicit if isinstance(score, Linf) else 0
    return FlipTable(probs.shape, differences, best, empty, probs.indptr, probs.indices, implicit, one)


def _own_costs(probs: Probabilities, score: Separable) -> FlipTable:
    n, n_labels = probs.shape
    if probs.is_sparse:
        raise ValueError(
            "score: expected dense pred_probs with a score of your own, got a sparse matrix (its cells that are not "
            "stored would each be asked for; use a built-in score or .toarray())"
        )
    differences, best, empty = np.empty((n, n_labels), np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    for rows, zero, one in own_units(probs, score):
        differences[rows] = one - zero
        best[rows] = np.minimum(zero, one).sum(axis=1)
        empty[rows] = zero.sum(axis=1)
    return FlipTable(probs.shape, differences.ravel(), best, empty, None, None, 0, 0)


def own_units(probs: Probabilities, score: Separable) -> Any:
    """Runs of rows with the integer costs of a user's score."""
    n, n_labels = probs.shape
    step = max(1, _CHUNK // n_labels)
    for begin in range(0, n, step):
        rows = slice(begin, min(n, begin + step))
        values = np.clip(np.asarray(probs.array[rows], np.float64), 0.0, 1.0)
        yield rows, *score.units(values)
