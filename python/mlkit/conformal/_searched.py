"""Regions of scores that tie labels together: searched for each example instead of summed up."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.probabilities import Probabilities
from mlkit.conformal._diagram import EVERYTHING, Diagram
from mlkit.conformal._ranks import RankTable
from mlkit.conformal._sizes import Bounds, SizeBound, size_bound
from mlkit.conformal.region import LabelSetRegion
from mlkit.labels.matrix import LabelMatrix

Floats = NDArray[np.float64]
MOST_LISTED = 1 << 20  # label sets that are held at a time
MOST_WALKED = 1 << 22  # label sets that an answer may go through
_TALLIED = 1 << 22  # cells of tallies at a time


def check_dense(probs: Probabilities, name: str) -> None:
    """Refuse sparse probabilities: a search looks at every label."""
    if probs.is_sparse:
        raise ValueError(f"score: expected dense pred_probs with {name!r}, got a sparse matrix (use .toarray())")


def score_cells(cells: Cells, form: Any) -> NDArray[Any]:
    """Scores of each example's label set."""
    scores: NDArray[Any] = form.core.score_sets(*cells.core, cells.n_threads)
    return scores


class SearchedTable:
    """Probabilities under a fitted form, with the answers that :class:`FlipTable` gives for sums."""

    is_sparse = False
    indptr = None

    def __init__(self, probs: Probabilities, form: Any, n_threads: int) -> None:
        check_dense(probs, form.name)
        if form.most_labels is not None and probs.shape[1] > form.most_labels:
            raise ValueError(
                f"score: expected at most {form.most_labels} labels for regions of {form.name!r}, got {probs.shape[1]} "
                "(p_values_proba works for any number)"
            )
        self.shape = probs.shape
        self.probs: Floats = np.clip(np.asarray(probs.array, np.float64), 0, 1)
        self.form = form
        self.n_threads = n_threads
        best, self.best, _ = form.core.best_sets(self._scores, False, n_threads)
        self._best_sets = best.astype(bool)

    @cached_property
    def _scores(self) -> _core.labels.Scores:
        return _core.labels.Scores(self.probs, False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_scores"}

    def take(self, rows: NDArray[np.int64]) -> SearchedTable:
        part = object.__new__(SearchedTable)
        part.shape = (rows.size, self.shape[1])
        part.probs, part.form, part.n_threads = self.probs[rows], self.form, self.n_threads
        part.best, part._best_sets = self.best[rows], self._best_sets[rows]
        if "_flip_scores" in self.__dict__:
            part.__dict__["_flip_scores"] = self._flip_scores[rows]
        return part

    @cached_property
    def _flip_scores(self) -> NDArray[Any]:
        scores: NDArray[Any] = self.form.core.best_sets(self._scores, True, self.n_threads)[2]
        return scores

    def flipped(self) -> NDArray[Any]:
        scores: NDArray[Any] = self._flip_scores.ravel()
        return scores

    def second_best(self) -> NDArray[Any]:
        nearest: NDArray[Any] = self._flip_scores.min(axis=1)
        return nearest

    def implicit_flipped(self) -> Floats:
        return np.full(self.shape[0], np.inf)

    def best_sets(self) -> NDArray[np.bool_]:
        best: NDArray[np.bool_] = self._best_sets
        return best

    def states(self, thresholds: NDArray[Any], n_threads: int) -> NDArray[np.uint8]:
        states: NDArray[np.uint8] = self.form.core.project(self._scores, thresholds, n_threads)
        return states

    def flip_p_values(self, ranks: RankTable, uniforms: Floats | None, n_threads: int) -> Floats:
        return ranks.p_values(self._flip_scores, uniforms)

    def cardinalities(
        self, thresholds: NDArray[Any], everything: Any, n_threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """By going through the regions; those of all label sets are known."""
        n, n_labels = self.shape
        low, high = np.zeros(n, np.int64), np.full(n, n_labels, np.int64)
        rows = np.flatnonzero(thresholds != everything)
        step = max(1, _TALLIED // n_labels)
        for begin in range(0, rows.size, step):
            part = rows[begin : begin + step]
            scores = _core.labels.Scores(self.probs[part], False)
            _, sizes, is_complete = self.form.core.tally(scores, thresholds[part], MOST_WALKED, n_threads)
            if not is_complete.all():
                raise ValueError(
                    f"cardinality: expected regions of at most {MOST_WALKED} label sets to go through with "
                    f"{self.form.name!r}, got more at row {int(part[np.argmin(is_complete)])} (a lower "
                    "confidence_level holds fewer)"
                )
            seen = sizes > 0
            is_empty = ~seen.any(axis=1)
            low[part] = np.where(is_empty, -1, seen.argmax(axis=1))
            high[part] = np.where(is_empty, -1, n_labels - seen[:, ::-1].argmax(axis=1))
        return low, high

    def sizes(self, thresholds: NDArray[Any], exact: bool, n_threads: int) -> Bounds:
        most, nodes = (1 << 30, 1_000_000) if exact else (1 << 20, 4096)
        bounds: Bounds = self.form.core.sizes(self._scores, thresholds, exact, most, nodes, n_threads)
        return bounds

    def score_sets(self, labels: LabelMatrix, n_threads: int) -> NDArray[Any]:
        scores: NDArray[Any] = self.form.core.score_sets(labels._core, self._scores, n_threads)
        return scores

    def total_sizes(self, ranks: RankTable, n_threads: int) -> tuple[Floats, Floats]:
        lower, upper = self.form.core.total_sizes(self._scores, ranks.scores, MOST_LISTED, n_threads)
        return lower, upper

    def answer(self, stored: NDArray[np.bool_], implicit: Any, name: str, memory_limit: Any) -> NDArray[np.bool_]:
        return stored.reshape(self.shape)

    def region(self, i: int, threshold: Any, *context: Any) -> LabelSetRegion:
        as_sum: tuple[Any, ...] | None = self.form.as_sum(self.probs[i], threshold)
        if as_sum is not None:
            differences, best = as_sum
            return LabelSetRegion(differences, best, int(threshold), 0, *context)
        return SearchedRegion(self, i, threshold, *context)


class SearchedRegion(LabelSetRegion):
    """A region that is searched: lists hold up to 2^20 sets at a time, counts go through up to 2^22."""

    def __init__(
        self,
        table: SearchedTable,
        i: int,
        threshold: Any,
        ranks: RankTable,
        uniform: float | None,
        confidence_level: float,
        label_names: Any,
    ) -> None:
        self._one = 0
        self._threshold: Any = threshold.item()
        self._ranks, self._uniform = ranks, uniform
        self.confidence_level, self._names = confidence_level, label_names
        self._table = table.take(np.array([i]))
        self._best_score: Any = table.best[i].item()

    @property
    def _search(self) -> Any:
        return self._table.form.core

    @cached_property
    def _best_row(self) -> NDArray[np.bool_]:
        best: NDArray[np.bool_] = self._table._best_sets[0]
        return best

    @cached_property
    def _free(self) -> NDArray[np.int64]:
        if self.is_empty:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self._table.states(self._thresholds, 1) == 2)

    @property
    def _thresholds(self) -> NDArray[Any]:
        return np.array([self._threshold], self._table.form.dtype)

    def _score(self, row: NDArray[np.bool_]) -> Any:
        from mlkit.labels.reading import as_label_matrix

        return self._table.score_sets(as_label_matrix(row[None]), 1)[0].item()

    def _batches(self, order: str, size: int = 64) -> Any:
        uniforms = None if self._uniform is None else np.asarray(self._uniform)
        n_seen = 0
        while True:
            most = min(n_seen + size, MOST_LISTED + 1)
            if order == "p_value":  # the first of all, anew: what was seen is what comes first again
                sets, scores = self._search.first_sets(self._table._scores, self._threshold, most)
                sets, scores = sets[n_seen:], scores[n_seen:]
            else:
                sets, scores = self._search.sets_at(self._table._scores, self._threshold, np.arange(n_seen, most))
            if scores.size:
                yield sets[:MOST_LISTED].astype(bool), self._ranks.p_values(scores, uniforms)
            n_seen += scores.size
            if n_seen < most:
                return
            self._check_listable(n_seen)
            size = 7 * n_seen

    def _check_listable(self, n_sets: int) -> None:
        if n_sets > MOST_LISTED:
            raise ValueError(
                f"region: expected at most {MOST_LISTED} label sets to list with {self._table.form.name!r}, got "
                "more (a lower confidence_level holds fewer; size() bounds their number)"
            )

    def _row_for(self, weights: NDArray[Any]) -> NDArray[np.bool_]:
        least: tuple[Any, float] | None = None
        best = self._best_row
        for rows, p_values in self._batches("dfs"):
            totals = rows.astype(weights.dtype) @ weights
            ties = np.flatnonzero(totals == totals.min())
            at = int(ties[np.argmax(p_values[ties])])
            found = (totals[at], -float(p_values[at]))
            if least is None or found < least:
                least, best = found, rows[at]
        return best

    def size(self, *, node_cap: int = 1_000_000) -> SizeBound:
        nodes = min(node_cap, 4096)
        return size_bound(self._search.sizes(self._table._scores, self._thresholds, False, node_cap, nodes, 1))

    def _words(self, bit: NDArray[np.uint64], max_sets: int) -> NDArray[np.uint64]:
        positions = np.arange(min(max_sets, MOST_LISTED))
        sets, _ = self._search.sets_at(self._table._scores, self._threshold, positions)
        words: NDArray[np.uint64] = np.where(sets.astype(bool), bit, np.uint64(0)).sum(axis=1, dtype=np.uint64)
        return words

    _most_words = MOST_LISTED

    def to_bdd(self) -> dict[str, Any]:
        raise ValueError(f"to_bdd: expected a score that is a sum over labels, got {self._table.form.name!r}")

    @cached_property
    def _diagram(self) -> Any:
        if self.is_empty:
            raise ValueError("region: expected at least one set, got an empty region")
        if self.is_trivial:
            none = np.zeros(0, np.int32)
            return Diagram(EVERYTHING, none, none, none, [], np.arange(self.n_labels), self._best_row)
        return WalkedSets(self)


class WalkedSets:
    """What a diagram answers, by going through all sets of a region: the best set, then the others as the walk goes."""

    def __init__(self, region: SearchedRegion) -> None:
        self._region = region
        name = region._table.form.name
        labels, sizes, [is_complete] = region._search.tally(region._table._scores, region._thresholds, MOST_WALKED, 1)
        if not is_complete:
            raise ValueError(
                f"region: expected at most {MOST_WALKED} label sets to go through with {name!r}, got more (a lower "
                "confidence_level holds fewer; size() bounds their number, top() lists the first)"
            )
        self._with_label: NDArray[np.int64] = labels[0]
        self._with_size: NDArray[np.int64] = sizes[0]
        self.count = int(self._with_size.sum())

    def _place(self, row: NDArray[np.bool_]) -> int:
        r = self._region
        place: int = r._search.position_of(r._table._scores, r._threshold, row.astype(np.uint8), self.count)
        return place

    @cached_property
    def _best_place(self) -> int:
        return self._place(self._region._best_row)

    def rank(self, row: NDArray[np.bool_]) -> int:
        place = self._place(row)
        return 0 if place == self._best_place else place + (place < self._best_place)

    def rows_at(self, positions: list[int]) -> NDArray[np.bool_]:
        r, best = self._region, self._best_place
        places = np.array([best if i == 0 else i - (i <= best) for i in positions], np.int64)
        ascending, back = np.unique(places, return_inverse=True)
        sets, _ = r._search.sets_at(r._table._scores, r._threshold, ascending)
        rows: NDArray[np.bool_] = sets.astype(bool)[back]
        return rows

    def inclusion_frequency(self) -> Floats:
        frequency: Floats = self._with_label / self.count
        return frequency

    def cardinality_histogram(self) -> list[int]:
        counts: list[int] = self._with_size.tolist()
        return counts
