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

ENOUGH, ENOUGH_OF_LABEL = 20, 1000  # trusted cells with the label, and without it
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

        Beta calibration (Kull, Silva Filho, Flach, AISTATS 2017) with two more terms, for probabilities that end before
        0 or 1: the log-odds are linear in log p, log(1 - p), p and p^2; for a label by itself where it has enough
        trusted cells of either value, else for all together (curves from few cells make errors of their own). 0 stays
        0, so that sparse probabilities stay sparse.
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
        curves = np.tile(_curve(p, given), (n_labels, 1))
        order = np.argsort(label, kind="stable")
        bounds = np.searchsorted(label[order], np.arange(n_labels + 1))
        for j in np.flatnonzero(np.diff(bounds) >= 2 * ENOUGH_OF_LABEL):
            here = order[bounds[j] : bounds[j + 1]]
            if ENOUGH_OF_LABEL <= given[here].sum() <= here.size - ENOUGH_OF_LABEL:
                curves[j] = _curve(p[here], given[here])
        return replace(cells, probs=_mapped(cells.probs, curves))

    def spread(self, cells: Cells, counted: NDArray[np.bool_]) -> Floats:
        """Standard error, by direction, of the wrong cells in the counted labels, from resamples of the trusted.

        As wide as the few resamples make it: Student's t in place of the normal quantile.
        """
        from scipy.stats import norm, t

        rng, totals = np.random.default_rng(0), []
        for _ in range(N_RESAMPLES):
            rest = self.rest(self.recalibrate(cells, rng))
            totals.append(_engine.noise(rest)[counted, :, 3].sum(axis=0))
        widened: Floats = np.std(totals, axis=0, ddof=1) * (t.ppf(0.975, N_RESAMPLES - 1) / norm.ppf(0.975))
        return widened


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


_TERMS = (np.log, lambda p: -np.log1p(-p), lambda p: p, lambda p: p * p)


def _term(p: Floats, k: int) -> Floats:
    value: Floats = _TERMS[k](np.clip(p, _EDGE, 1 - _EDGE))
    return value


def _curve(p: Floats, given: NDArray[Any]) -> Floats:
    """Coefficients and constant of the log-odds, by maximum likelihood."""
    from sklearn.linear_model import LogisticRegression

    features = np.stack([_term(p, k) for k in range(len(_TERMS))], axis=1)
    model = LogisticRegression(C=1e6, max_iter=2000).fit(features, given)
    return np.array([*model.coef_[0], model.intercept_[0]])


def _mapped(probs: Probabilities, curves: Floats) -> Probabilities:
    from scipy.special import expit

    p = np.clip(np.asarray(probs.array, np.float64), 0, 1)
    chosen = curves if probs.indices is None else curves[probs.indices]
    odds = np.broadcast_to(chosen[:, -1], p.shape).copy()
    for k in range(chosen.shape[1] - 1):  # one term at a time: no array of all of them
        odds += chosen[:, k] * _term(p, k)
    out = np.where(p > 0, expit(odds), 0.0)
    if probs.indptr is None or probs.indices is None:
        core = _core.labels.Scores(out, False)
    else:
        core = _core.labels.Scores(probs.indptr, probs.indices, out, probs.shape[1], False)
    return Probabilities(probs.shape, out, probs.indptr, probs.indices, core)
