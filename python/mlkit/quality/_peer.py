"""cleanlab 2.9's arithmetic, for ``compat="cleanlab"``: everything happens in the type of the probabilities.

A mean is taken in NumPy's order of summation, a test such as ``1 - p >= t - 1e-6`` rounds as the type rounds, and a
label without positives or without negatives is judged in double, because its thresholds are. Probabilities slightly
outside [0, 1] stay as they are. Selection needs none of this: once a test is a cut on p, the kernels compare as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.probabilities import Probabilities
from mlkit.labels.matrix import LabelMatrix

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rule = Callable[[NDArray[Any]], Mask]

TOLERANCE = 1e-6
LOWEST_THRESHOLD = 2e-6
UNREACHABLE_THRESHOLD = 2.0
BLOCK = 2**20  # cells worked on at once


def unclipped(cells: Cells) -> Cells:
    """The same cells with probabilities outside [0, 1] as they were given."""
    probs = cells.probs
    if not probs.clip:
        return cells
    if probs.indptr is None or probs.indices is None:
        core = _core.labels.Scores(probs.array, False)
    else:
        core = _core.labels.Scores(probs.indptr, probs.indices, probs.array, probs.shape[1], False)
    as_given = Probabilities(probs.shape, probs.array, probs.indptr, probs.indices, core, False)
    return Cells(cells.labels, as_given, cells.n_threads)


# ---------------------------------------------------------------------------------------------------------- thresholds


def columns(cells: Cells) -> Iterator[tuple[int, NDArray[np.int8], NDArray[Any]]]:
    """Label by label: its number, what was given (-1: unknown) and the probabilities, each of shape (n_samples,)."""
    n, n_labels = cells.shape
    labels = cells.labels.to_csr().tocsc()
    stored = _stored(cells.probs).tocsc() if cells.probs.is_sparse else None
    width = max(1, min(16, 4 * BLOCK // n))
    for first in range(0, n_labels, width):
        last = min(n_labels, first + width)
        part = cells.probs.array[:, first:last] if stored is None else stored[:, first:last].toarray()
        block = np.ascontiguousarray(part.T, cells.probs.dtype)
        for j in range(first, last):
            given = np.full(n, 0 if cells.labels.background == "negative" else -1, np.int8)
            own = slice(labels.indptr[j], labels.indptr[j + 1])
            given[labels.indices[own]] = labels.data[own]
            yield j, given, block[j - first]


def _stored(probs: Probabilities) -> csr_array:
    from scipy.sparse import csr_array

    array = probs.array.astype(np.float32) if probs.dtype == np.float16 else probs.array  # SciPy has no halves
    return csr_array((array, probs.indices, probs.indptr), shape=probs.shape)


def side_means(given: NDArray[np.int8], p: NDArray[Any]) -> list[float]:
    """One label's mean probability of what was given, for given 0 and for given 1, with the peer's limits."""
    members = [own.compress(given == side) for side, own in enumerate((1 - p, p))]
    both = all(own.size for own in members)
    lowest = float(p.dtype.type(LOWEST_THRESHOLD)) if both else LOWEST_THRESHOLD
    return [max(float(own.mean()), lowest) if own.size else UNREACHABLE_THRESHOLD for own in members]


def thresholds(cells: Cells) -> Floats:
    """Mean probability of what was given, per label and side, in the type of the probabilities; shape (L, 2)."""
    out = np.empty((cells.shape[1], 2))
    for j, given, p in columns(cells):
        out[j] = side_means(given, p)
    return out


def two_sided(cells: Cells) -> Mask:
    """Labels with known positives and known negatives; the thresholds of all others are doubles."""
    return (cells.n_positive > 0) & (cells.n_negative > 0)


# ---------------------------------------------------------------------------------------------------------------- cuts


class _Line:
    """The numbers of a floating-point type around [0, 1] in ascending order, by position."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.whole = dtype, np.dtype(f"i{dtype.itemsize}")
        self.first = self.position(-3 * TOLERANCE)  # no accepted probability is farther out
        self.last = self.position(1 + 3 * TOLERANCE)

    def position(self, x: float) -> int:
        bits = int(np.abs(np.array(x, self.dtype)).view(self.whole))
        return -bits if x < 0 else bits

    def value(self, position: NDArray[np.int64]) -> NDArray[Any]:
        magnitude = np.abs(position).astype(self.whole).view(self.dtype)
        return np.where(position < 0, -magnitude, magnitude)

    def smallest(self, rule: Rule, n: int) -> Floats:
        """The smallest p for which an increasing rule holds, for each of ``n`` labels; inf if there is none."""
        at = self._border(rule, n)
        return np.where(at > self.last, np.inf, self.value(np.minimum(at, self.last)).astype(np.float64))

    def largest(self, rule: Rule, n: int) -> Floats:
        """The largest p for which a decreasing rule holds; -inf if there is none."""
        at = self._border(lambda p: ~rule(p), n) - 1
        return np.where(at < self.first, -np.inf, self.value(np.maximum(at, self.first)).astype(np.float64))

    def _border(self, rule: Rule, n: int) -> NDArray[np.int64]:
        low, high = np.full(n, self.first, np.int64), np.full(n, self.last + 1, np.int64)
        while (low < high).any():
            middle = (low + high) // 2
            holds = rule(self.value(np.minimum(middle, self.last))) | (middle > self.last)
            low, high = np.where(holds, low, middle + 1), np.where(holds, middle, high)
        return high


def _decided_in_double(cells: Cells) -> bool:
    """Whether our own cuts serve: same arithmetic, and no probability that they do not foresee."""
    return cells.probs.dtype == np.float64 and not cells.probs.clip


def _compared(cells: Cells, thresholds_: Floats) -> tuple[Floats, Floats]:
    """The two numbers, thresholds less the tolerance, that a label's probabilities are compared with."""
    in_type = (thresholds_.astype(cells.probs.dtype) - TOLERANCE).astype(np.float64)
    numbers = np.where(two_sided(cells)[:, None], in_type, thresholds_ - TOLERANCE)
    return numbers[:, 0], numbers[:, 1]


def guess_cuts(cells: Cells, thresholds_: Floats) -> tuple[Floats, Floats]:
    """Where the confident guesses begin: 1 from the first array upwards, 0 from the second downwards."""
    if _decided_in_double(cells):
        return _core.quality.guess_cuts(thresholds_)
    line, n = _Line(cells.probs.dtype), cells.shape[1]
    zero, one = _compared(cells, thresholds_)

    def guess_one(p: NDArray[Any]) -> Mask:
        return (p >= one) & ((1 - p < zero) | (p > 1 - p))

    def guess_zero(p: NDArray[Any]) -> Mask:
        return (1 - p >= zero) & ~((p >= one) & (p > 1 - p))

    return line.smallest(guess_one, n), line.largest(guess_zero, n)


def disagreement_cuts(cells: Cells) -> tuple[Floats, Floats]:
    """Where the likelier outcome is not the given one: given 0 from the first array up, given 1 from the second on."""
    if _decided_in_double(cells):
        absent, present = _core.quality.disagreement_cuts()
        return np.full(cells.shape[1], absent), np.full(cells.shape[1], present)
    line = _Line(cells.probs.dtype)
    above = line.smallest(lambda p: p > (1 - p) + TOLERANCE, 1)
    below = line.largest(lambda p: 1 - p >= p + TOLERANCE, 1)
    return np.repeat(above, cells.shape[1]), np.repeat(below, cells.shape[1])


def confident_cuts(cells: Cells, thresholds_: Floats) -> tuple[Floats, Floats]:
    """Disagreeing cells whose other outcome reaches its own threshold."""
    if _decided_in_double(cells):
        return _core.quality.confident_cuts(thresholds_)
    line, n = _Line(cells.probs.dtype), cells.shape[1]
    zero, one = _compared(cells, thresholds_)
    above, below = disagreement_cuts(cells)
    return (
        np.maximum(above, line.smallest(lambda p: p >= one, n)),
        np.minimum(below, line.largest(lambda p: 1 - p >= zero, n)),
    )


# -------------------------------------------------------------------------------------------------------------- scores


def kernels_suffice(cells: Cells, method: str) -> bool:
    """Whether the kernels' doubles are the peer's scores to 1e-12.

    Not for the entropy, whose limits of 1e-6 magnify rounding by 1e6, and not for probabilities outside [0, 1], for
    which the kernels are not made.
    """
    return cells.probs.dtype == np.float64 and method != "confidence_weighted_entropy" and not cells.probs.clip


def scores(given: Mask, p: NDArray[Any], method: str, thresholds_: tuple[Any, Any] | None = None) -> NDArray[Any]:
    """Score cells from what was given and the probability; ``thresholds_`` of both sides adjust the probabilities."""
    absent, present = 1 - p, p
    if thresholds_ is not None:
        top = np.maximum(*thresholds_)
        absent, present = absent - thresholds_[0] + top, present - thresholds_[1] + top
        total = absent + present
        absent, present = absent / total, present / total
    own = np.where(given, present, absent)
    if method == "self_confidence":
        return own
    if method == "normalized_margin":
        return np.asarray((own - np.where(given, absent, present) + 1) / 2)
    from scipy.special import xlogy

    entropy = -(xlogy(absent, absent) + xlogy(present, present)) / np.log(2)  # this very form decides the last bits
    ratio = entropy / np.maximum(own, TOLERANCE)
    return np.asarray(np.log(ratio + 1) / np.maximum(ratio, TOLERANCE))


def scores_by_label(
    cells: Cells, labels: NDArray[Any], given: Mask, p: NDArray[Any], method: str, thresholds_: Floats | None
) -> Floats:
    """Score cells of the labels in ``labels`` (last axis), adjusted by the labels' thresholds where those are given."""
    if thresholds_ is None:
        return scores(given, p, method).astype(np.float64)
    narrow = thresholds_.astype(cells.probs.dtype)[labels]
    out = scores(given, p, method, (narrow[:, 0], narrow[:, 1])).astype(np.float64)
    wide = np.flatnonzero(~two_sided(cells)[labels])
    if wide.size:
        double = thresholds_[labels[wide]]
        out[..., wide] = scores(given[..., wide], p[..., wide], method, (double[:, 0], double[:, 1]))
    return out


def check_range(cells: Cells, method: str) -> None:
    """Refuse what the entropy of the peer refuses: probabilities that rounding carried out of [0, 1]."""
    if method == "confidence_weighted_entropy" and cells.probs.clip:
        array = cells.probs.array
        raise ValueError(
            "pred_probs: expected values in [0, 1] without exception for 'confidence_weighted_entropy', "
            f"got a range of [{array.min():.9g}, {array.max():.9g}] (clip them first)"
        )


class _ScoredRows(NamedTuple):
    """A run of rows: its first row, what was given (-1: unknown), probabilities, and scores (NaN where unknown)."""

    first: int
    given: NDArray[np.int8]
    p: NDArray[Any]
    scores: Floats


def _score_blocks(cells: Cells, method: str, thresholds_: Floats | None) -> Iterator[_ScoredRows]:
    check_range(cells, method)
    n, n_labels = cells.shape
    every_label = np.arange(n_labels)
    step = max(1, BLOCK // n_labels)
    for first in range(0, n, step):
        part = cells.rows(first, min(n, first + step))
        given = part.labels.to_dense(memory_limit=None)
        if part.probs.is_sparse:
            p = _stored(part.probs).toarray().astype(cells.probs.dtype, copy=False)
        else:
            p = part.probs.array
        block = scores_by_label(cells, every_label, given == 1, p, method, thresholds_)
        block[given < 0] = np.nan
        yield _ScoredRows(first, given, p, block)


def cell_scores(cells: Cells, method: str, thresholds_: Floats | None = None) -> Floats:
    """Scores of all cells, NaN where unknown."""
    out = np.empty(cells.shape)
    for part in _score_blocks(cells, method, thresholds_):
        out[part.first : part.first + len(part.scores)] = part.scores
    return out


def scored_rows(cells: Cells, method: str, thresholds_: Floats | None = None) -> Iterator[Cells]:
    """Runs of rows as cells whose self-confidence is the peer's score: all known labels given, scores for p."""
    for part in _score_blocks(cells, method, thresholds_):
        n, n_labels = part.scores.shape
        known = part.given >= 0
        if known.all():
            indptr = np.arange(0, n * n_labels + 1, n_labels, dtype=np.int64)
            indices = np.tile(np.arange(n_labels, dtype=np.int32), n)
        else:
            indptr = np.concatenate(([0], known.sum(axis=1).cumsum(dtype=np.int64)))
            indices = np.nonzero(known)[1].astype(np.int32)
        labels = LabelMatrix(indptr, indices, None, n_labels, background="unknown")
        probs = Probabilities((n, n_labels), part.scores, None, None, _core.labels.Scores(part.scores, False))
        yield Cells(labels, probs, cells.n_threads)


def worst_cells(cells: Cells, top: int, method: str, thresholds_: Floats | None = None) -> tuple[NDArray[Any], ...]:
    """Row, label, what was given, probability and score of the ``top`` lowest scores, ties by row and label.

    As in the kernel, cells that are neither given nor scored above 0 are left out.
    """
    kinds = (np.int64, np.int32, np.int8, np.float64, np.float64)
    found: tuple[NDArray[Any], ...] = tuple(np.zeros(0, kind) for kind in kinds)
    for part in _score_blocks(cells, method, thresholds_):
        listed = (part.given == 1) | ((part.given == 0) & (part.p > 0))
        if found[0].size == top > 0:
            listed &= part.scores <= found[-1][-1]
        rows, labels = np.nonzero(listed)
        new = (rows + part.first, labels, part.given[listed], part.p[listed], part.scores[listed])
        both = [np.concatenate(pair) for pair in zip(found, new)]
        order = np.lexsort((both[1], both[0], both[-1]))[:top]
        found = tuple(column[order].astype(kind) for column, kind in zip(both, kinds))
    return found
