"""Cells that are known to be right: probabilities are recalibrated on them, and errors sought in the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.arrays import is_array, read_array
from mlkit._validation.cells import Cells
from mlkit._validation.probabilities import Probabilities
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import masked_cells
from mlkit.quality import _engine, _patching

ENOUGH, ENOUGH_OF_LABEL = 20, 100  # trusted cells with the label, and without it
N_RESAMPLES = 12
_EDGE = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trusted:
    """Known cells that are right: whole rows, or (rows is None) cells numbered row by row."""

    rows: NDArray[np.bool_] | None
    cells: NDArray[np.int64]
    n_cells: int

    def covers(self, rows: NDArray[np.int64], labels: NDArray[Any], n_labels: int) -> NDArray[np.bool_]:
        """Which of these cells are trusted."""
        if self.rows is not None:
            return self.rows[rows]
        return np.isin(rows * np.int64(n_labels) + labels, self.cells)

    def rest(self, cells: Cells) -> Cells:
        """The cells that are not trusted."""
        if self.rows is not None:
            return cells.take(np.flatnonzero(~self.rows))
        unknown = np.full(self.cells.size, -1, np.int8)
        labels = _patching.changed(cells.labels, self.cells, unknown)
        labels._count(cells.n_threads)
        return Cells(labels, cells.probs, cells.n_threads)

    def part(self, cells: Cells) -> Cells:
        """The cells that are."""
        if self.rows is not None:
            return cells.take(np.flatnonzero(self.rows))
        n_rows, n_labels = cells.shape
        rows, labels = np.divmod(self.cells, np.int64(n_labels))
        values = _patching.values_at(cells.labels, rows, labels.astype(np.int32))
        known = values >= 0
        matrix = LabelMatrix(
            np.searchsorted(rows[known], np.arange(n_rows + 1)).astype(np.int64),
            labels[known].astype(np.int32),
            values[known],
            n_labels,
            background="unknown",
        )
        matrix._count(cells.n_threads)
        return Cells(matrix, cells.probs, cells.n_threads)

    def recalibrate(self, cells: Cells, rng: np.random.Generator | None = None) -> Cells:
        """The same cells with probabilities that fit the trusted ones, or with ``rng`` a resample of these.

        Beta calibration (Kull, Silva Filho, Flach, AISTATS 2017): the log-odds are a log p - b log(1 - p) + c with
        a, b >= 0; for a label by itself where it has enough trusted cells of either value, else for all together. 0
        stays 0, so that sparse probabilities stay sparse.
        """
        part = self.part(cells)
        n_labels = cells.shape[1]
        # all that are given or scored above 0
        seen = _engine.doubted(part, np.full(n_labels, 5e-324), np.ones(n_labels))
        use = seen.p > 0
        label, given, p = seen.labels[use], seen.given[use], seen.p[use]
        n_ones, n_zeros = int(given.sum()), int(given.size - given.sum())
        if min(n_ones, n_zeros) < ENOUGH:
            raise ValueError(
                f"trusted: expected at least {ENOUGH} cells with the label and {ENOUGH} without it (of p > 0), "
                f"got {n_ones} and {n_zeros}"
            )
        if rng is not None:
            drawn = rng.integers(0, given.size, given.size)
            label, given, p = label[drawn], given[drawn], p[drawn]
        curves = np.tile(_beta(p, given), (n_labels, 1))
        order = np.argsort(label, kind="stable")
        bounds = np.searchsorted(label[order], np.arange(n_labels + 1))
        for j in np.flatnonzero(np.diff(bounds) >= 2 * ENOUGH_OF_LABEL):
            here = order[bounds[j] : bounds[j + 1]]
            if ENOUGH_OF_LABEL <= given[here].sum() <= here.size - ENOUGH_OF_LABEL:
                curves[j] = _beta(p[here], given[here])
        return replace(cells, probs=_mapped(cells.probs, curves))

    def spread(self, cells: Cells, counted: NDArray[np.bool_]) -> Floats:
        """Standard deviation, by direction, of the wrong cells in the counted labels over resamples of the trusted."""
        rng, totals = np.random.default_rng(0), []
        for _ in range(N_RESAMPLES):
            rest = self.rest(self.recalibrate(cells, rng))
            totals.append(_engine.noise_rates(rest, 0.0, 0.0)[counted, :, 3].sum(axis=0))
        deviation: Floats = np.std(totals, axis=0, ddof=1)
        return deviation


def check_trusted(trusted: Any, cells: Cells) -> Trusted:
    """Judge a mask of rows or of cells."""
    n_rows, n_labels = cells.shape
    if isinstance(trusted, (list, tuple)) or (is_array(trusted) and len(trusted.shape) == 1):
        mask = read_array("trusted", trusted)
        if mask.ndim == 1:
            if mask.dtype != bool:
                hint = " (use .astype(bool))" if mask.dtype.kind in "iu" else ""
                raise TypeError(f"trusted: expected a mask of True and False, got {mask.dtype}{hint}")
            if mask.shape != (n_rows,):
                raise ValueError(f"trusted: expected {n_rows} examples, or shape {cells.shape}, got shape {mask.shape}")
            if mask.all():
                raise ValueError("trusted: expected some examples that are not trusted, got none")
            part = cells.take(np.flatnonzero(mask))
            return Trusted(mask.copy(), np.zeros(0, np.int64), int(part.n_positive.sum() + part.n_negative.sum()))
    marked = masked_cells(cells.labels, trusted, cells.n_threads, "trusted")
    rows, labels = np.divmod(marked, np.int64(n_labels))
    known = _patching.values_at(cells.labels, rows, labels.astype(np.int32)) >= 0
    return Trusted(None, marked[known], int(known.sum()))


def _beta(p: Floats, given: NDArray[Any]) -> Floats:
    """a, b and c by maximum likelihood; a slope that would be negative is left out."""
    from sklearn.linear_model import LogisticRegression

    p = np.clip(p, _EDGE, 1 - _EDGE)
    features, free = np.stack([np.log(p), -np.log1p(-p)], axis=1), np.array([True, True])
    while True:
        model = LogisticRegression(C=1e6, max_iter=1000).fit(features[:, free], given)
        slopes = np.zeros(2)
        slopes[free] = model.coef_[0]
        if (slopes >= 0).all() or free.sum() == 1:
            return np.array([*np.maximum(slopes, 0), model.intercept_[0]])
        free &= slopes >= 0


def _mapped(probs: Probabilities, curves: Floats) -> Probabilities:
    from scipy.special import expit

    p = np.clip(np.asarray(probs.array, np.float64), 0, 1)
    a, b, c = curves.T if probs.indices is None else curves[probs.indices].T
    q = np.clip(p, _EDGE, 1 - _EDGE)
    out = np.where(p > 0, expit(a * np.log(q) - b * np.log1p(-q) + c), 0.0)
    if probs.indptr is None or probs.indices is None:
        core = _core.labels.Scores(out, False)
    else:
        core = _core.labels.Scores(probs.indptr, probs.indices, out, probs.shape[1], False)
    return Probabilities(probs.shape, out, probs.indptr, probs.indices, core)
