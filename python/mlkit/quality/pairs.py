"""Pairs of labels that are wrong together: swapped, implied but missing, or only confused by the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import check_cells
from mlkit._validation.params import check_choice, check_integer, check_number
from mlkit.labels.matrix import LabelMatrix
from mlkit.quality import _engine
from mlkit.quality._columns import ColumnReader, Columns, read_columns
from mlkit.quality.row_order import LEVEL, Break, find_breaks

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = Callable[[int, int], "csr_array"]  # some rows of ones

FEWEST = 3  # rows that a pair must have
MOST = 25  # pairs that are looked at closely
SURPRISE = 0.01  # of meetings, if flags were independent
IMPLIED = 0.75  # share of the rows with one label that carry the other
CELLS_KEPT = 20_000_000  # of the columns that are looked at
_FEW = 2000  # labels of which every pair can have a number
_WORK = 20_000_000  # pairs of cells that are counted at a time
_ROWS = 65_536  # that are looked at at a time
KINDS = ("swap", "implied", "confusable")


@dataclass(frozen=True)
class Pair:
    """``count`` rows in which ``a`` is given and ``b`` is not, and the model says otherwise of one or both."""

    kind: str
    a: int
    b: int
    count: int
    expected: float
    p_value: float
    first: int
    last: int
    share: float  # of the rows with a that carry b, among known cells


def label_pair_issues(
    labels: Any,
    pred_probs: Any,
    *,
    level: float = LEVEL,
    top: int | None = 50,
    filter_by: str = "predicted_neq_given",
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Find pairs of labels whose flags meet in the same rows more often than chance lets them.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, n_jobs
        See :func:`mlkit.quality.find_label_issues`.
    level : float in (0, 1), default=0.01
        Largest p-value, corrected for the number of pairs.
    top : int, optional
        Only so many.
    filter_by : str, default="predicted_neq_given"
        See :func:`mlkit.quality.find_label_issues`; filters that flag fewer cells find fewer pairs.

    Returns
    -------
    DataFrame
        One row for each pair, most certain first within a kind: ``kind``, ``label_a``, ``label_b``, ``count``,
        ``expected``, ``p_value``, ``first_row``, ``last_row``.

        "swap": a was given (flagged spurious) where b should be (flagged missing), in ``count`` rows; more than
        ``expected``, or in other rows than swaps the other way round, or crowded in some part of the rows. "implied":
        b is flagged missing where a is given, and most rows with a carry b. "confusable": a and b are flagged for each
        other oftener than independent flags would be, but no oftener than such a model's mistakes may: a remark on the
        model, not on the labels.

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    For swaps ``expected`` bounds what calibrated probabilities allow, whatever the dependence of the two labels: the
    sum of min(P(a given), P(b not given)) over the rows where the model says b [1]_. Each P is the model's or, if that
    is more, the share of the rows with a similar probability in which the label is given (or not), so that an
    overconfident model alone does not look like swaps. For implied labels it is the sum of P(b not given) over the rows
    with a in which the model says b. Counts are held against a Poisson law with this mean; rows with swaps in one
    direction against those in the other and against all rows, by two-sample Kolmogorov-Smirnov tests, unless the rows
    are in an order of their own (:func:`row_order_scan` finds breaks and no shift). Confusable: hypergeometric mean,
    Poisson tail.

    Every p-value is multiplied by the number of ordered pairs of labels. Pairs are counted from the flags, those of
    fewer than three rows are dropped, and of either kind the 25 are examined that stand out most from flags that fall
    independently (p at most 0.01). Ties by label number.

    References
    ----------
    .. [1] Frechet, "Sur les tableaux de correlation dont les marges sont donnees", Annales de l'Universite de Lyon,
       1951 (the bound on P(A and B)).

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import label_pair_issues
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random((2000, 4)) < [0.2, 0.15, 0.4, 0.2]
    >>> pred_probs = np.where(truth, 0.97, 0.03)
    >>> labels = truth ^ (rng.random(truth.shape) < 0.02)
    >>> swapped = np.flatnonzero(labels[:, 1] & ~labels[:, 0])[::5]
    >>> labels[swapped, 0], labels[swapped, 1] = True, False
    >>> label_pair_issues(labels, pred_probs)[["kind", "label_a", "label_b", "count"]]
       kind  label_a  label_b  count
    0  swap        0        1     47
    """
    level = check_number("level", level, 0, 1, open_low=True, open_high=True)
    top = None if top is None else check_integer("top", top, low=0)
    check_choice("filter_by", filter_by, _engine.FILTERS)
    cells = check_cells(
        labels,
        pred_probs,
        unknown=unknown,
        label_names=label_names,
        nan_policy=nan_policy,
        from_logits=from_logits,
        force=force,
        invalid_ids=invalid_ids,
        n_jobs=n_jobs,
    )
    flagged = _engine.Flagger(cells, filter_by).flagged()
    breaks = find_breaks(cells.labels, level, cells.n_threads)
    pairs = find_pairs(cells.labels, flagged, breaks, level, lambda chosen: read_columns(cells.probs, chosen))
    return pair_table(pairs[:top], cells.label_names)


def find_pairs(
    labels: LabelMatrix,
    flagged: _engine.FlaggedCells,
    breaks: list[Break],
    level: float,
    columns_of: Callable[[Mask], ColumnReader],
    n_cells: int | None = None,
) -> list[Pair]:
    """The pairs of an audit's flags, by kind and p-value; ``breaks`` are those of the labels.

    ``columns_of`` gives the probabilities of some labels, and is asked once; columns of ``n_cells`` (default: 20
    million) are kept.
    """
    n_labels = labels.shape[1]
    if n_labels < 2 or flagged.labels.size == 0:
        return []
    missing = _flagged_rows(flagged, 0, n_labels)
    swaps = _candidates(_flagged_rows(flagged, 1, n_labels), missing, labels.shape)
    implied = _candidates(_given_rows(labels), missing, labels.shape)
    chosen = np.zeros(n_labels, bool)
    chosen[[label for pair in (*swaps, *implied) for label in pair]] = True
    if not chosen.any():
        return []
    columns = Columns(labels, flagged, chosen, columns_of(chosen), CELLS_KEPT if n_cells is None else n_cells)
    # rows in an order of their own have anything in places of its own; a proven shift is no such order
    is_ordered = bool(breaks) and not any(b.shift.lag for b in breaks)
    tests = _Tests(columns, labels.shape, level, is_ordered=is_ordered)
    found = [tests.swap(a, b) for a, b in swaps]
    swapped = {frozenset((pair.a, pair.b)) for pair in found if pair.p_value <= level}
    both_ways = {(min(pair), max(pair)) for pair in swaps if frozenset(pair) not in swapped}
    found += [tests.implied(a, b) for a, b in implied]
    found += [tests.confusable(a, b) for a, b in sorted(both_ways)]
    kept = [pair for pair in found if pair.p_value <= level]
    return sorted(kept, key=lambda pair: (KINDS.index(pair.kind), pair.p_value, pair.a, pair.b))


def _flagged_rows(flagged: _engine.FlaggedCells, given: int, n_labels: int) -> Rows:
    """The flagged cells of one given value."""

    def rows(begin: int, end: int) -> csr_array:
        bounds = flagged.indptr[begin : end + 1]
        part = slice(int(bounds[0]), int(bounds[-1]))
        keep = flagged.given[part] == given
        before = np.concatenate([[0], np.cumsum(keep)])
        return _ones(before[bounds - bounds[0]], flagged.labels[part][keep], n_labels)

    return rows


def _given_rows(labels: LabelMatrix) -> Rows:
    indptr, indices = labels.indptr, labels.indices

    def rows(begin: int, end: int) -> csr_array:
        bounds = indptr[begin : end + 1]
        return _ones(bounds - bounds[0], indices[int(bounds[0]) : int(bounds[-1])], labels.shape[1])

    return rows


def _ones(indptr: Counts, labels: NDArray[Any], n_labels: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(labels.size, np.int32), labels, indptr), shape=(indptr.size - 1, n_labels))


def _candidates(left: Rows, right: Rows, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Pairs of columns that meet in at least ``FEWEST`` rows, more than independent ones would: the ``MOST`` that do
    so most."""
    from scipy.special import pdtrc

    n = shape[0]
    a, b, count, n_left, n_right = (_counted if shape[1] <= _FEW else _counted_by_column)(left, right, shape)
    expected = n_left[a] * (n_right[b] / n)
    surprise = pdtrc(count - 1, expected)
    order = np.lexsort((b, a, -count / expected, surprise))[:MOST]
    order = order[surprise[order] <= SURPRISE]
    return list(zip(a[order].tolist(), b[order].tolist()))


Meetings = tuple[Counts, Counts, Counts, Counts, Counts]


def _counted(left: Rows, right: Rows, shape: tuple[int, int]) -> Meetings:
    """Pairs of different columns, the rows in which both are set, and those in which each is; some rows at a time."""
    n, n_labels = shape
    n_left, n_right = np.zeros(n_labels, np.int64), np.zeros(n_labels, np.int64)
    met = np.zeros((n_labels, n_labels), np.int64)
    for begin in range(0, n, _ROWS):
        one, other = (side(begin, min(begin + _ROWS, n)) for side in (left, right))
        n_left += np.bincount(one.indices, minlength=n_labels)
        n_right += np.bincount(other.indices, minlength=n_labels)
        found = (one.T @ other).tocoo()
        met[found.row, found.col] += found.data
    np.fill_diagonal(met, 0)
    a, b = np.nonzero(met >= FEWEST)
    return a, b, met[a, b], n_left, n_right


def _counted_by_column(left: Rows, right: Rows, shape: tuple[int, int]) -> Meetings:
    """The same for some columns at a time: there are too many for a number for each pair."""
    n, n_labels = shape
    one, other = left(0, n), right(0, n)
    n_left, n_right = (np.bincount(side.indices, minlength=n_labels) for side in (one, other))
    in_row = np.repeat(np.diff(other.indptr), np.diff(one.indptr))
    work = np.cumsum(np.bincount(one.indices, weights=in_row, minlength=n_labels))
    by_column = one.T.tocsr()
    parts, begin = [], 0
    while begin < n_labels:
        done = work[begin - 1] if begin else 0.0
        end = max(begin + 1, int(np.searchsorted(work, done + _WORK, side="right")))
        part = (by_column[begin:end] @ other).tocoo()
        keep = (part.data >= FEWEST) & (part.row + begin != part.col)
        parts.append((part.row[keep].astype(np.int64) + begin, part.col[keep].astype(np.int64), part.data[keep]))
        begin = end
    a, b, count = (np.concatenate(column) for column in zip(*parts))
    return a, b, count.astype(np.int64), n_left, n_right


class _Tests:
    """The p-values of one pair of labels after the other, each times the number of ordered pairs."""

    def __init__(self, columns: Columns, shape: tuple[int, int], level: float, *, is_ordered: bool) -> None:
        self._columns, self._level, self._is_ordered = columns, level, is_ordered
        self._n_rows, self._n_tests = shape[0], shape[1] * (shape[1] - 1)

    def _corrected(self, p_value: float) -> float:
        return min(1.0, self._n_tests * p_value)

    def swap(self, a: int, b: int) -> Pair:
        left, right = self._columns[a], self._columns[b]
        rows, back = _common(left.spurious, right.missing), _common(right.spurious, left.missing)
        others = [] if self._is_ordered else [_p_same_places(rows, back), _p_even(rows, self._n_rows)]
        expected, p_value = 0.0, 1.0
        for as_said in (True, False):  # the first bound is the lower and the quicker one: most pairs stop there
            said = right.said
            chances = left.chance_of_given(said, as_said=as_said), right.chance_of_absent(said, as_said=as_said)
            expected = float(np.minimum(*chances).sum())
            p_value = self._corrected((1 + len(others)) * min(_more_than(rows.size, expected), *others, 1.0))
            if p_value > self._level:
                break
        return Pair("swap", a, b, rows.size, expected, p_value, int(rows[0]), int(rows[-1]), left.share_with(right))

    def implied(self, a: int, b: int) -> Pair:
        left, right = self._columns[a], self._columns[b]
        rows = np.setdiff1d(_common(left.given, right.missing), left.spurious, assume_unique=True)
        share = left.share_with(right)
        expected, p_value = float("nan"), 1.0
        if rows.size < FEWEST or share < IMPLIED:
            return Pair("implied", a, b, rows.size, expected, p_value, -1, -1, share)
        said = _common(left.given, right.said)
        for as_said in (True, False):
            expected = float(right.chance_of_absent(said, as_said=as_said).sum())
            p_value = self._corrected(_more_than(rows.size, expected))
            if p_value > self._level:
                break
        return Pair("implied", a, b, rows.size, expected, p_value, int(rows[0]), int(rows[-1]), share)

    def confusable(self, a: int, b: int) -> Pair:
        left, right = self._columns[a], self._columns[b]
        where, expected = [], 0.0
        for one, other in ((left, right), (right, left)):
            where.append(_common(one.spurious, other.missing))
            eligible = np.setdiff1d(one.given, np.union1d(other.given, other.unknown), assume_unique=True)
            meeting = _common(eligible, one.spurious).size * _common(eligible, other.missing).size
            expected += meeting / max(1, eligible.size)
        rows = np.concatenate(where)
        p_value = self._corrected(_more_than(rows.size, expected))
        share = left.share_with(right)
        return Pair("confusable", a, b, rows.size, expected, p_value, int(rows.min()), int(rows.max()), share)


def _common(a: Counts, b: Counts) -> Counts:
    return np.intersect1d(a, b, assume_unique=True)


def _more_than(count: int, expected: float) -> float:
    """P(at least ``count``) of a Poisson law."""
    from scipy.special import pdtrc

    return float(pdtrc(count - 1, expected)) if expected > 0 else 0.0


def _p_even(rows: Counts, n: int) -> float:
    """Two-sample Kolmogorov-Smirnov test of places, ascending, against the other ones of ``n``."""
    from scipy.special import kolmogorov

    k = rows.size
    if not 0 < k < n:
        return 1.0
    before = np.arange(k)
    others = (rows - before) / (n - k)
    distance = max(float((others - before / k).max()), float(((before + 1) / k - others).max()))
    return float(kolmogorov(distance * math.sqrt(k * (n - k) / n)))


def _p_same_places(one: Counts, other: Counts) -> float:
    """Two-sample Kolmogorov-Smirnov test of places, by its limit law."""
    from scipy.special import kolmogorov

    if not one.size or not other.size:
        return 1.0
    both = np.concatenate([one, other])
    distance = np.abs(
        np.searchsorted(one, both, side="right") / one.size - np.searchsorted(other, both, side="right") / other.size
    ).max()
    return float(kolmogorov(distance * math.sqrt(one.size * other.size / both.size)))


def pair_table(pairs: list[Pair], names: tuple[str, ...] | None) -> pd.DataFrame:
    """The pairs as a frame."""
    import pandas as pd

    def named(label: int) -> Any:
        return label if names is None else names[label]

    label = np.dtype(np.int64 if names is None else object)
    whole = np.dtype(np.int64)
    columns: dict[str, tuple[list[Any], Any]] = {
        "kind": ([pair.kind for pair in pairs], object),
        "label_a": ([named(pair.a) for pair in pairs], label),
        "label_b": ([named(pair.b) for pair in pairs], label),
        "count": ([pair.count for pair in pairs], whole),
        "expected": ([pair.expected for pair in pairs], float),
        "p_value": ([pair.p_value for pair in pairs], float),
        "first_row": ([pair.first for pair in pairs], whole),
        "last_row": ([pair.last for pair in pairs], whole),
    }
    return pd.DataFrame({name: pd.Series(values, dtype=kind) for name, (values, kind) in columns.items()})
