"""Did columns move? The label frequencies of two runs of rows, compared column by column and with columns shifted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlkit.labels.matrix import LabelMatrix

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

LAGS = (1, -1, 2, -2, 3, -3)
# rows sorted by label look, from one label to the next, like a shift of the few labels that occur there
FEWEST = 6.0  # columns in use on either side, counted as 1 / sum of their squared shares of the labels given
EXPLAINED = 0.5  # share of the change of frequencies that a shift must explain


@dataclass(frozen=True)
class Shift:
    """Columns ``first`` to ``last`` hold after a break what the columns ``lag`` further right held before it.

    ``lag`` is 0 if none beats 0 beyond chance; ``p_value`` is that of the best one. ``correlations``: of the moved
    columns' frequencies, column by column, and moved.
    """

    lag: int
    p_value: float
    first: int
    last: int
    correlations: tuple[float, float]


NO_SHIFT = Shift(0, 1.0, -1, -1, (float("nan"), float("nan")))

_ROWS = 1 << 16  # that are summed at a time


def row_sums(matrix: LabelMatrix, at_one: Floats, at_zero: Floats) -> Floats:
    """For each row, the sum over its known cells of ``at_one[label]`` or ``at_zero[label]``, by the cell's value."""
    indptr, indices, values = matrix._cells
    if matrix.background == "unknown":
        base, at_stored_one, at_other = 0.0, at_one, at_zero
    else:  # what is stored replaces a known negative: by a positive, or by an unknown cell, which counts nothing
        base, at_stored_one, at_other = float(at_zero.sum()), at_one - at_zero, -at_zero
    sums = np.empty(matrix.shape[0])
    for begin in range(0, sums.size, _ROWS):
        end = min(begin + _ROWS, sums.size)
        stored = slice(int(indptr[begin]), int(indptr[end]))
        weights = at_stored_one[indices[stored]]
        if values is not None:
            weights = np.where(values[stored] == 1, weights, at_other[indices[stored]])
        rows = np.repeat(np.arange(end - begin), np.diff(indptr[begin : end + 1]))
        sums[begin:end] = np.bincount(rows, weights=weights, minlength=end - begin)
    sums += base
    return sums


class _Part:
    """A run of rows with the counts of its labels."""

    def __init__(self, matrix: LabelMatrix, n_threads: int) -> None:
        self.matrix = matrix
        self.n_positive, self.n_negative = matrix._count(n_threads)
        self.known = self.n_positive + self.n_negative
        self.rate: Floats = (self.n_positive + 0.5) / (self.known + 1.0)  # never 0 or 1

    def scaled(self, rate: Floats, columns: NDArray[np.bool_]) -> Floats:
        """``rate`` times what makes its sum over ``columns`` that of these rows: all labels may grow rarer together."""
        expected = float((self.known * rate)[columns].sum())
        factor = float(self.n_positive[columns].sum()) / expected if expected > 0 else 1.0
        scaled: Floats = np.clip(rate * factor, 1e-6, 1 - 1e-6)
        return scaled

    def log_likelihood(self, rate: Floats) -> Floats:
        """Of these rows' cells, by column."""
        return np.log(rate) * self.n_positive + np.log1p(-rate) * self.n_negative


def find_shift(before: LabelMatrix, after: LabelMatrix, level: float, n_threads: int) -> Shift:
    """Find the shift of columns that explains the rows after a break better than none does."""
    n_labels = before.shape[1]
    old, new = _Part(before, n_threads), _Part(after, n_threads)
    columns = np.arange(n_labels)
    whole = [_moved(columns, lag, 0, n_labels) for lag in LAGS if abs(lag) < n_labels]
    if not whole:
        return NO_SHIFT
    best = max(whole, key=lambda source: _gain(new, old, source))
    n_blocks = n_labels * (n_labels - 1)
    block = max((_best_block(new, old, lag) for lag in (1, -1)), key=lambda source: _gain(new, old, source))
    p_whole = min(1.0, len(whole) * _p_value(old, new, best))
    # a part of the columns is believed only if it explains the rows better than the whole does
    if p_whole <= level and n_blocks * _p_better(new, old, block, best) > level:
        return _shift(old, new, best, p_whole, level)
    p_block = min(1.0, n_blocks * _p_value(old, new, block))
    if p_whole <= p_block:
        return _shift(old, new, best, p_whole, level)
    return _shift(old, new, block, p_block, level)


def _moved(columns: NDArray[np.int64], lag: int, begin: int, end: int) -> NDArray[np.int64]:
    """By column, the one whose labels it holds now: ``lag`` further for the columns ``begin`` to ``end`` where there is
    one, else itself."""
    source = columns + lag
    inside = (columns >= begin) & (columns < end) & (source >= 0) & (source < columns.size)
    return np.where(inside, source, columns)


def _gain(part: _Part, other: _Part, source: NDArray[np.int64]) -> float:
    """Log-likelihood of ``part`` gained by the other rows' frequencies moved rather than in place."""
    moved = source != np.arange(source.size)
    in_place, shifted = part.scaled(other.rate, moved), part.scaled(other.rate[source], moved)
    return float((part.log_likelihood(shifted) - part.log_likelihood(in_place))[moved].sum())


def _best_block(part: _Part, other: _Part, lag: int) -> NDArray[np.int64]:
    """The run of columns that gains most by moving: as one column inserted or deleted moves those up to its place."""
    columns = np.arange(part.rate.size)
    source = _moved(columns, lag, 0, columns.size)
    every = np.ones(columns.size, bool)
    gains = part.log_likelihood(part.scaled(other.rate[source], every))
    gains -= part.log_likelihood(part.scaled(other.rate, every))
    sums = np.concatenate([[0.0], np.cumsum(np.where(source == columns, 0.0, gains))])
    end = int(np.argmax(sums[1:] - np.minimum.accumulate(sums)[:-1])) + 1
    begin = int(np.argmin(sums[:end]))
    return _moved(columns, lag, begin, end)


def _back(source: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same move seen from the other rows."""
    columns = np.arange(source.size)
    moved = source != columns
    back: NDArray[np.int64] = columns.copy()
    back[source[moved]] = columns[moved]
    return back


def _p_value(old: _Part, new: _Part, source: NDArray[np.int64]) -> float:
    """Chance of a move that beats none: it must explain the rows of either side from the other side's frequencies, and
    the moved frequencies must agree better than those of columns put together at random."""
    moved = source != np.arange(source.size)
    in_use = min(_columns_in_use(new.rate[moved]), _columns_in_use(old.rate[source][moved]))
    if in_use < FEWEST or _explained(new, old, source) < EXPLAINED:
        return 1.0
    back = _back(source)
    stay = np.arange(source.size)
    return max(_p_better(new, old, source, stay), _p_better(old, new, back, stay), _p_alike(old, new, source))


def _columns_in_use(rate: Floats) -> float:
    return float(rate.sum() ** 2 / (rate @ rate)) if rate.size else 0.0


def _explained(part: _Part, other: _Part, source: NDArray[np.int64]) -> float:
    """Share of the deviance between the two sides' frequencies, in the moved columns, that the move takes away."""
    moved = source != np.arange(source.size)
    best = part.log_likelihood(part.rate)
    in_place = (best - part.log_likelihood(part.scaled(other.rate, moved)))[moved].sum()
    shifted = (best - part.log_likelihood(part.scaled(other.rate[source], moved)))[moved].sum()
    return float(1 - shifted / in_place) if in_place > 0 else 0.0


def _p_better(part: _Part, other: _Part, source: NDArray[np.int64], rival: NDArray[np.int64]) -> float:
    """One-sided test that one move explains the rows of ``part`` better than another [Vuong 1989]: labels of a row may
    depend on each other, rows not."""
    from scipy.stats import norm

    moved = (source != np.arange(source.size)) | (rival != np.arange(source.size))
    ours, theirs = part.scaled(other.rate[source], moved), part.scaled(other.rate[rival], moved)
    at_one = np.where(moved, np.log(ours) - np.log(theirs), 0.0)
    at_zero = np.where(moved, np.log1p(-ours) - np.log1p(-theirs), 0.0)
    gains = row_sums(part.matrix, at_one, at_zero)
    error = gains.std() * math.sqrt(gains.size)
    return float(norm.sf(gains.sum() / error)) if error > 0 else 1.0


def _p_alike(old: _Part, new: _Part, source: NDArray[np.int64]) -> float:
    """Of a correlation this high between columns put together at random; never less than one order in all of them."""
    from scipy.stats import t

    moved = source != np.arange(source.size)
    n = int(np.count_nonzero(moved))
    r = _correlation(new.rate[moved], old.rate[source][moved])
    if not r > 0:
        return 1.0
    tail = float(t.sf(r * math.sqrt((n - 2) / max(1 - r * r, 1e-300)), n - 2))
    return max(tail, math.exp(-math.lgamma(n + 1)))


def _correlation(x: Floats, y: Floats) -> float:
    """Pearson's, of the roots: their sampling errors are alike for rare and common labels."""
    x, y = np.sqrt(x), np.sqrt(y)
    x, y = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 0 else float("nan")


def _shift(old: _Part, new: _Part, source: NDArray[np.int64], p_value: float, level: float) -> Shift:
    moved = np.flatnonzero(source != np.arange(source.size))
    if p_value > level:
        return Shift(0, p_value, -1, -1, NO_SHIFT.correlations)
    correlations = (
        _correlation(new.rate[moved], old.rate[moved]),
        _correlation(new.rate[moved], old.rate[source[moved]]),
    )
    return Shift(int(source[moved[0]] - moved[0]), p_value, int(moved[0]), int(moved[-1]), correlations)
