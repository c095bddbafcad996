"""Regions of the Mahalanobis score: fitted once, searched for each example."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.params import check_choice, check_number
from mlkit._validation.probabilities import Probabilities
from mlkit.conformal._ranks import RankTable
from mlkit.conformal.region import LabelSetRegion, SizeBound
from mlkit.conformal.scores import Mahalanobis
from mlkit.labels.matrix import LabelMatrix

Floats = NDArray[np.float64]
MOST_LISTED = 1 << 20  # label sets that a list may hold


class QuadraticForm:
    """The inverse covariance of errors, and what every search needs of it."""

    def __init__(self, covariance: Floats) -> None:
        from scipy.linalg import cho_factor, cho_solve, cholesky, eigh

        n = covariance.shape[0]
        self.n_labels = n
        values = np.linalg.eigvalsh(covariance)
        if not values[0] > 1e-12 * values[-1]:
            raise ValueError(
                f"score: expected errors with a covariance that can be inverted, got eigenvalues from {values[0]:.3g} "
                f"to {values[-1]:.3g} (constant errors? Mahalanobis(shrinkage=0.1) helps)"
            )
        self.condition = float(values[-1] / values[0])
        inverse = cho_solve(cho_factor(covariance), np.eye(n))
        self.precision: Floats = np.ascontiguousarray((inverse + inverse.T) / 2)
        self.upper: Floats = np.ascontiguousarray(cholesky(self.precision))
        scale = 1 / np.sqrt(np.diag(self.precision))
        self.split = 0.999 * float(eigh(self.precision * np.outer(scale, scale), eigvals_only=True)[0])

    @cached_property
    def core(self) -> _core.conformal.QuadraticForm:
        return _core.conformal.QuadraticForm(self.precision, self.upper, self.split)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "core"}


def fit_form(cells: Cells, score: Mahalanobis) -> QuadraticForm:
    """From the errors of examples that calibration does not see."""
    from sklearn.covariance import LedoitWolf, shrunk_covariance

    check_choice("errors", score.errors, ("oof", "training"))
    _check_dense(cells.probs)
    given = cells.labels.to_dense(np.float64, memory_limit=None)
    errors = np.abs(given - np.clip(np.asarray(cells.probs.array, np.float64), 0, 1))
    if isinstance(score.shrinkage, str):
        check_choice("shrinkage", score.shrinkage, ("ledoit_wolf",))
        return QuadraticForm(LedoitWolf().fit(errors).covariance_)
    weight = check_number("shrinkage", score.shrinkage, 0, 1)
    return QuadraticForm(shrunk_covariance(np.atleast_2d(np.cov(errors.T, bias=True)), weight))


def _check_dense(probs: Probabilities) -> None:
    if probs.is_sparse:
        raise ValueError("score: expected dense pred_probs with 'mahalanobis', got a sparse matrix (use .toarray())")


def score_cells(cells: Cells, form: QuadraticForm) -> Floats:
    """Scores of each example's label set."""
    if cells.labels.n_unknown:
        raise ValueError("y: expected known cells with the score 'mahalanobis' (it ties all labels together)")
    return _core.conformal.quadratic_scores(*cells.core, form.core, cells.n_threads)


class QuadraticTable:
    """Probabilities under a quadratic score, with the answers that :class:`FlipTable` gives for sums."""

    is_sparse = False
    indptr = None

    def __init__(self, probs: Probabilities, form: QuadraticForm, n_threads: int) -> None:
        _check_dense(probs)
        self.shape = probs.shape
        self.probs: Floats = np.clip(np.asarray(probs.array, np.float64), 0, 1)
        self.form = form
        self.n_threads = n_threads
        best, self.best, _ = _core.conformal.quadratic_best(self._scores, form.core, False, n_threads)
        self._best_sets = best.astype(bool)

    @cached_property
    def _scores(self) -> _core.labels.Scores:
        return _core.labels.Scores(self.probs, False)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_scores"}

    def take(self, rows: NDArray[np.int64]) -> QuadraticTable:
        part = object.__new__(QuadraticTable)
        part.shape = (rows.size, self.shape[1])
        part.probs, part.form, part.n_threads = self.probs[rows], self.form, self.n_threads
        part.best, part._best_sets = self.best[rows], self._best_sets[rows]
        if "_flip_scores" in self.__dict__:
            part.__dict__["_flip_scores"] = self._flip_scores[rows]
        return part

    @cached_property
    def _flip_scores(self) -> Floats:
        return _core.conformal.quadratic_best(self._scores, self.form.core, True, self.n_threads)[2]

    def flipped(self) -> Floats:
        return self._flip_scores.ravel()

    def second_best(self) -> Floats:
        nearest: Floats = self._flip_scores.min(axis=1)
        return nearest

    def implicit_flipped(self) -> Floats:
        return np.full(self.shape[0], np.inf)

    def best_sets(self) -> NDArray[np.bool_]:
        return self._best_sets

    def states(self, thresholds: Floats, n_threads: int) -> NDArray[np.uint8]:
        return _core.conformal.quadratic_project(self._scores, self.form.core, thresholds, n_threads)

    def flip_p_values(self, ranks: RankTable, uniforms: Floats | None, n_threads: int) -> Floats:
        return ranks.p_values(self._flip_scores, uniforms)

    def cardinalities(self, thresholds: Floats, n_threads: int) -> Any:
        raise ValueError(
            "cardinality: expected a score that is a sum over labels, got 'mahalanobis' (cardinality_histogram() of a "
            "region counts its sets)"
        )

    def sizes(self, thresholds: Floats, exact: bool, n_threads: int) -> tuple[list[bytes], list[bytes]]:
        most = 1 << (30 if exact else 20)
        return _core.conformal.quadratic_count(self._scores, self.form.core, thresholds, most, n_threads)

    def score_sets(self, labels: LabelMatrix, n_threads: int) -> Floats:
        return _core.conformal.quadratic_scores(labels._core, self._scores, self.form.core, n_threads)

    def total_sizes(self, ranks: RankTable, n_threads: int) -> tuple[Floats, Floats]:
        lower, upper = np.zeros(self.shape[0]), np.zeros(self.shape[0])
        most = float(ranks.scores[-1])
        for i in range(self.shape[0]):
            row = _core.labels.Scores(self.probs[i : i + 1], False)
            _, found = _core.conformal.quadratic_sets(row, self.form.core, most, MOST_LISTED + 1)
            lower[i] = (ranks.n - np.searchsorted(ranks.scores, found, side="left")).sum()
            upper[i] = lower[i] if found.size <= MOST_LISTED else np.inf
        return lower, upper

    def answer(self, stored: NDArray[np.bool_], implicit: Any, name: str, memory_limit: Any) -> NDArray[np.bool_]:
        return stored.reshape(self.shape)

    def region(self, i: int, threshold: Any, *context: Any) -> LabelSetRegion:
        return QuadraticRegion(self, i, float(threshold), *context)


class QuadraticRegion(LabelSetRegion):
    """A region of the Mahalanobis score; what needs all its sets lists them, up to 2^20."""

    def __init__(
        self,
        table: QuadraticTable,
        i: int,
        threshold: float,
        ranks: RankTable,
        uniform: float | None,
        confidence_level: float,
        label_names: Any,
    ) -> None:
        self._one = 0
        self._threshold: Any = threshold
        self._ranks, self._uniform = ranks, uniform
        self.confidence_level, self._names = confidence_level, label_names
        self._table = table.take(np.array([i]))
        self._best_score: Any = float(table.best[i])

    @cached_property
    def _best_row(self) -> NDArray[np.bool_]:
        best: NDArray[np.bool_] = self._table._best_sets[0]
        return best

    @cached_property
    def _free(self) -> NDArray[np.int64]:
        if self.is_empty:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self._table.states(np.array([self._threshold]), 1) == 2)

    def _score(self, row: NDArray[np.bool_]) -> Any:
        return float(self._scores_of(row[None])[0])

    def _scores_of(self, rows: NDArray[np.bool_]) -> Floats:
        from mlkit.labels.reading import as_label_matrix

        return self._table.score_sets(as_label_matrix(rows), 1)

    @cached_property
    def _listed(self) -> tuple[NDArray[np.bool_], Floats]:
        sets, scores = _core.conformal.quadratic_sets(
            self._table._scores, self._table.form.core, self._threshold, MOST_LISTED + 1
        )
        if scores.size > MOST_LISTED:
            raise ValueError(
                f"region: expected at most {MOST_LISTED} label sets to list, got more (a lower confidence_level holds "
                "fewer; size() bounds their number)"
            )
        order = np.argsort(scores, kind="stable")
        return sets[order].astype(bool), scores[order]

    def _batches(self, order: str) -> Any:
        rows, scores = self._listed
        uniforms = None if self._uniform is None else np.asarray(self._uniform)
        if scores.size:
            yield rows, self._ranks.p_values(scores, uniforms)

    def size(self, *, node_cap: int = 1_000_000) -> SizeBound:
        bounds = _core.conformal.quadratic_count(
            self._table._scores, self._table.form.core, np.array([self._threshold]), node_cap, 1
        )
        lower, upper = (int.from_bytes(words[0], "little") for words in bounds)
        return SizeBound(lower, upper, lower == upper)

    def to_bitsets(self, max_sets: int | None = None) -> NDArray[np.uint64]:
        if self.n_labels > 64:
            raise ValueError(f"to_bitsets: expected at most 64 labels, got {self.n_labels} (iterate over sets())")
        bit = np.uint64(1) << np.arange(self.n_labels, dtype=np.uint64)
        words: NDArray[np.uint64] = np.where(self._listed[0][:max_sets], bit, np.uint64(0)).sum(axis=1, dtype=np.uint64)
        return words

    def to_bdd(self) -> dict[str, Any]:
        raise ValueError("to_bdd: expected a score that is a sum over labels, got 'mahalanobis'")

    @cached_property
    def _diagram(self) -> Any:
        if self.is_empty:
            raise ValueError("region: expected at least one set, got an empty region")
        return ListedSets(self._listed[0])


class ListedSets:
    """What a diagram answers, from a list."""

    def __init__(self, rows: NDArray[np.bool_]) -> None:
        self.rows = rows
        self.count = len(rows)

    def rank(self, row: NDArray[np.bool_]) -> int:
        return int(np.flatnonzero((self.rows == row).all(axis=1))[0])

    def unrank(self, position: int) -> NDArray[np.bool_]:
        row: NDArray[np.bool_] = self.rows[position]
        return row

    def inclusion_frequency(self) -> Floats:
        frequency: Floats = self.rows.sum(axis=0) / self.count
        return frequency

    def cardinality_histogram(self) -> list[int]:
        counts: list[int] = np.bincount(self.rows.sum(axis=1), minlength=self.rows.shape[1] + 1).tolist()
        return counts
