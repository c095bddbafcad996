"""Some labels as lists of rows: what was given, what is flagged, and what probabilities are worth there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.probabilities import Probabilities
from mlkit.labels.matrix import LabelMatrix
from mlkit.quality import _engine

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EDGES = np.array([0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])  # of probabilities that are alike
_BLOCK = 1 << 18  # rows that are counted at a time
_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64))


class Label:
    """One label: ascending rows by what was given (``given``, ``unknown``), flagged (``spurious``, ``missing``) and
    said by the model (``said``: p above 1/2 where the label is known)."""

    def __init__(self, p: Floats, given: NDArray[np.int8], flagged: Counts) -> None:
        self._p, self._values = p, given
        self.given = np.flatnonzero(given == 1)
        self.unknown = np.flatnonzero(given < 0)
        self.spurious = flagged[given[flagged] == 1]
        self.missing = flagged[given[flagged] == 0]
        self.said = np.flatnonzero((p > 0.5) & (given >= 0))

    @cached_property
    def _seen_given(self) -> Floats:
        return self._shares(lambda p: (p, p <= 0.5), 1)

    @cached_property
    def _seen_absent(self) -> Floats:
        return self._shares(lambda p: (1 - p, p > 0.5), 0)

    def _shares(self, of: Callable[[Floats], tuple[Floats, Mask]], value: int) -> Floats:
        """How often, by bins of a probability of at most 1/2, the label had this value where it is known; ``of`` gives
        the probability and where it counts."""
        n_all, n = np.zeros(_EDGES.size, np.int64), np.zeros(_EDGES.size, np.int64)
        for begin in range(0, self._p.size, _BLOCK):
            given = self._values[begin : begin + _BLOCK]
            p, counts = of(self._p[begin : begin + _BLOCK])
            counts &= given >= 0
            bins = np.searchsorted(_EDGES, p[counts])
            n_all += np.bincount(bins, minlength=_EDGES.size)
            n += np.bincount(bins[given[counts] == value], minlength=_EDGES.size)
        shares: Floats = np.append((n + 0.5) / (n_all + 1), 0.0)  # above 1/2 it is what the model says
        return shares

    def chance_of_given(self, rows: Counts, *, as_said: bool = False) -> Floats:
        """Largest believable chance that the label is given, against the model: 0 where it says so or unknown.

        ``as_said``: the model's own chance, which is no larger.
        """
        chance = _believable(self._p[rows], None if as_said else self._seen_given)
        chance[np.isin(rows, self.unknown, assume_unique=True)] = 0
        return chance

    def chance_of_absent(self, rows: Counts, *, as_said: bool = False) -> Floats:
        """Largest believable chance that it is not given although the model says so, in such rows."""
        return _believable(1 - self._p[rows], None if as_said else self._seen_absent)

    def share_with(self, other: Label) -> float:
        """Share of the rows with this label that carry the other, where that is known."""
        known = np.setdiff1d(self.given, other.unknown, assume_unique=True)
        both = np.intersect1d(known, other.given, assume_unique=True)
        return both.size / known.size if known.size else float("nan")


def _believable(p: Floats, shares: Floats | None) -> Floats:
    chance: Floats = np.where(p <= 0.5, p, 0.0)
    return chance if shares is None else np.maximum(chance, shares[np.searchsorted(_EDGES, p)])


ColumnReader = Callable[[int], Floats]  # a label's probabilities, row by row


class Columns:
    """Labels by number, for some of an audit's labels; made when asked for, and not too many kept."""

    def __init__(
        self, labels: LabelMatrix, flagged: _engine.FlaggedCells, chosen: Mask, read: ColumnReader, n_cells: int
    ) -> None:
        self._matrix, self._read = labels, read
        self._given = _entries(*labels._cells[:2], chosen)
        self._flags = _entries(flagged.indptr, flagged.labels, chosen)
        self._n_kept = max(2, n_cells // labels.shape[0])
        self._kept: dict[int, Label] = {}

    def __getitem__(self, label: int) -> Label:
        if label not in self._kept:
            if len(self._kept) >= self._n_kept:
                del self._kept[next(iter(self._kept))]
            self._kept[label] = self._make(label)
        return self._kept[label]

    def _make(self, label: int) -> Label:
        matrix = self._matrix
        values = matrix._cells[2]
        given = np.full(matrix.shape[0], -1 if matrix.background == "unknown" else 0, np.int8)
        rows, at = self._given.get(label, _NOTHING)
        given[rows] = 1 if values is None else values[at]
        return Label(np.clip(self._read(label), 0, 1), given, self._flags.get(label, _NOTHING)[0])


def read_columns(probs: Probabilities, chosen: Mask) -> ColumnReader:
    """The columns of probabilities that are at hand."""
    if probs.indptr is None or probs.indices is None:
        return lambda label: np.asarray(probs.array[:, label], np.float64)
    stored = _entries(probs.indptr, probs.indices, chosen)

    def read(label: int) -> Floats:
        p = np.zeros(probs.shape[0])
        rows, at = stored.get(label, _NOTHING)
        p[rows] = probs.array[at]
        return p

    return read


def _entries(indptr: Counts, indices: NDArray[Any], chosen: Mask) -> dict[int, tuple[Counts, Counts]]:
    """Rows, ascending, and positions of the stored entries of each chosen column."""
    at = np.flatnonzero(chosen[indices])
    at = at[np.argsort(indices[at], kind="stable")]
    rows = np.searchsorted(indptr, at, side="right") - 1
    labels, starts = np.unique(indices[at], return_index=True)
    ends = np.append(starts[1:], at.size)
    return {int(j): (rows[i:k], at[i:k]) for j, i, k in zip(labels, starts, ends)}
