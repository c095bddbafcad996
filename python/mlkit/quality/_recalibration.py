"""Errors sought in cells that are not trusted, with probabilities recalibrated on those that are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.probabilities import Probabilities
from mlkit.quality import _engine
from mlkit.quality._tally import TalliedCells
from mlkit.quality._trusted import Trusted

ENOUGH, ENOUGH_OF_LABEL = 20, 1000  # trusted cells with the label, and without it
N_RESAMPLES = 12
_EDGE = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """Trusted cells that are given or of p above 0, by row and label."""

    label: NDArray[np.int32]
    given: NDArray[np.int8]
    p: Floats

    @classmethod
    def of(cls, part: Cells) -> Seen:
        """Of cells all of which are trusted."""
        n_labels = part.shape[1]
        seen = _engine.doubted(part, np.full(n_labels, 5e-324), np.ones(n_labels))
        use = seen.p > 0
        return cls(seen.labels[use], seen.given[use], seen.p[use])

    @classmethod
    def joined(cls, parts: list[Seen]) -> Seen:
        """Those of batches, one after the other."""
        return cls(
            np.concatenate([np.zeros(0, np.int32), *(part.label for part in parts)]),
            np.concatenate([np.zeros(0, np.int8), *(part.given for part in parts)]),
            np.concatenate([np.zeros(0), *(part.p for part in parts)]),
        )

    def curves(self, n_labels: int, rng: np.random.Generator | None = None) -> Floats:
        """Each label's curve from p to the log-odds of being given, (L, 5); with ``rng`` from a resample of the cells.

        Beta calibration (Kull, Silva Filho, Flach, AISTATS 2017) with two more terms, for probabilities that end before
        0 or 1: the log-odds are linear in log p, log(1 - p), p and p^2; for a label by itself where it has enough
        trusted cells of either value, else for all together (curves from few cells make errors of their own).
        """
        label, given, p = self.label, self.given, self.p
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
        return curves

    def resampled_curves(self, n_labels: int) -> list[Floats]:
        """The curves of a few resamples, always the same."""
        rng = np.random.default_rng(0)
        return [self.curves(n_labels, rng) for _ in range(N_RESAMPLES)]


class Recalibration:
    """Of cells that are at hand."""

    def __init__(self, trusted: Trusted, cells: Cells) -> None:
        self.trusted = trusted
        self._original, self._seen = cells, Seen.of(trusted.part(cells))
        self.curves = self._seen.curves(cells.shape[1])

    @cached_property
    def cells(self) -> Cells:
        """All cells, recalibrated."""
        return mapped_cells(self._original, self.curves)

    @cached_property
    def rest(self) -> Cells:
        """Those that are not trusted."""
        return self.trusted.rest(self.cells)

    @cached_property
    def _resampled(self) -> Floats:
        """Wrong cells (resamples, L, 2) in the rest by resamples of the trusted cells."""
        rest = self.trusted.rest(self._original)
        curves = self._seen.resampled_curves(rest.shape[1])
        return np.stack([_engine.noise(mapped_cells(rest, curve))[:, :, 3] for curve in curves])

    def spread(self, counted: NDArray[np.bool_]) -> Floats:
        """Standard error, by direction, of the wrong cells in the counted labels, from resamples of the trusted.

        As wide as the few resamples make it: Student's t in place of the normal quantile.
        """
        from scipy.stats import norm, t

        totals = self._resampled[:, counted].sum(axis=1)
        widened: Floats = np.std(totals, axis=0, ddof=1) * (t.ppf(0.975, N_RESAMPLES - 1) / norm.ppf(0.975))
        return widened

    def flagged(self, flagged: _engine.FlaggedCells) -> _engine.FlaggedCells:
        """Flagged cells with their recalibrated probabilities."""
        return replace(flagged, p=mapped(flagged.p, self.curves[flagged.labels]))


class TalliedRecalibration(Recalibration):
    """Of cells that went by in batches."""

    def __init__(
        self, trusted: Trusted, cells: TalliedCells, curves: Floats, rest: TalliedCells, resampled: Floats
    ) -> None:
        self.trusted, self.curves = trusted, curves
        # cached properties are plain attributes once they are there
        self.__dict__.update(cells=cells, rest=rest, _resampled=resampled)


def _term(p: Floats, k: int) -> Floats:
    p = np.clip(p, _EDGE, 1 - _EDGE)
    return np.log(p) if k == 0 else -np.log1p(-p) if k == 1 else p if k == 2 else p * p


_N_TERMS = 4


def _curve(p: Floats, given: NDArray[Any]) -> Floats:
    """Coefficients and constant of the log-odds, by maximum likelihood."""
    from sklearn.linear_model import LogisticRegression

    features = np.stack([_term(p, k) for k in range(_N_TERMS)], axis=1)
    model = LogisticRegression(C=1e6, max_iter=2000).fit(features, given)
    return np.array([*model.coef_[0], model.intercept_[0]])


def mapped(p: Floats, curves: Floats) -> Floats:
    """Recalibrated probabilities, each by its curve; 0 stays 0, so that sparse probabilities stay sparse."""
    from scipy.special import expit

    odds = np.broadcast_to(curves[:, -1], p.shape).copy()
    for k in range(_N_TERMS):  # one term at a time: no array of all of them
        odds += curves[:, k] * _term(p, k)
    return np.where(p > 0, expit(odds), 0.0)


def mapped_cells(cells: Cells, curves: Floats) -> Cells:
    """The same cells with recalibrated probabilities."""
    probs = cells.probs
    p = np.clip(np.asarray(probs.array, np.float64), 0, 1)
    out = mapped(p, curves if probs.indices is None else curves[probs.indices])
    if probs.indptr is None or probs.indices is None:
        core = _core.labels.Scores(out, False)
    else:
        core = _core.labels.Scores(probs.indptr, probs.indices, out, probs.shape[1], False)
    return replace(cells, probs=Probabilities(probs.shape, out, probs.indptr, probs.indices, core))
