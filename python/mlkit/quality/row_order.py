"""Where along the rows do the labels change? What row order tells and cell scores cannot see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.cells import check_cells
from mlkit._validation.params import check_choice, check_number
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import read_labels
from mlkit.quality import _engine
from mlkit.quality._shift import NO_SHIFT, Shift, find_shift, row_sums

if TYPE_CHECKING:
    import pandas as pd

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

LEVEL = 0.01
MOST = 100  # breaks; rows sorted by label have more
EDGE = 5  # rows that either side of a break has at least
_ROUNDING = 1e-12  # variance of rows' sums that are all the same
APART = 20.0  # a label whose own break fits better by so much twice the log-likelihood breaks elsewhere


@dataclass(frozen=True)
class Break:
    """Rows ``first`` to ``row - 1`` and ``row`` to ``last`` differ; ``labels``: in which labels, most certain first."""

    kind: str
    row: int
    first: int
    last: int
    p_value: float
    labels: Counts
    shift: Shift = NO_SHIFT


def row_order_scan(
    labels: Any,
    pred_probs: Any = None,
    *,
    level: float = LEVEL,
    filter_by: str = "prune_by_noise_rate",
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Find rows after which labels are given, or flagged, at other rates than before.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, filter_by, nan_policy, from_logits, force, invalid_ids, n_jobs
        See :func:`mlkit.quality.find_label_issues`. Without ``pred_probs`` only the labels themselves are looked at;
        with them also the cells that the filter flags.
    level : float in (0, 1), default=0.01
        Rows in random order yield a break with at most this probability (twice that with ``pred_probs``).

    Returns
    -------
    DataFrame
        One row for each break, most certain first: ``row`` (the first one after the break), ``n_labels`` that change
        there, ``p_value`` (corrected for the number of labels), ``lag``, ``lag_p_value``, ``kind`` ("labels" or
        "flags"), ``first_row`` and ``last_row`` (of the rows that were compared), ``lag_first`` and ``lag_last``
        (the columns that moved; -1 if none did), ``labels`` (which change, most certain first; none if only the
        number of labels to a row does).

        A ``lag`` of +1 means that a column holds, from ``row`` on, what its right neighbour held before; 0 that no
        shift explains the break better than other frequencies do.

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    For a label with n1 positives and n0 negatives the statistic is the largest excursion of its cumulative sum, the
    two-sample Kolmogorov-Smirnov distance between the rows of either; so is that of the sums over each row. Its
    p-value, from the limit law, is multiplied by the number of labels that vary. Labels that change within chance of
    the same row [1]_ share a break; the rows on either side are searched again, at half the level, until 100 breaks are
    found.

    Shifts of up to three columns, and of any run of columns by one (what a column inserted or deleted does to those up
    to its place), are tried. One is named if it explains the rows on either side by the frequencies of the other
    better than no shift does [2]_, explains at least half of the change, and makes frequencies correlate better than
    columns in random order would; each corrected for the number of shifts tried. At least six columns must be in use:
    rows sorted by label pass from one to the next.

    Rows in an order of their own (by time, by source) do break, without any error. Of two equal extremes the earlier
    row counts. O(stored + labels) time for each search. Same bits for every ``n_jobs``.

    References
    ----------
    .. [1] Vostrikova, "Detecting 'disorder' in multidimensional random processes", Soviet Mathematics Doklady 24, 1981
       (binary segmentation).
    .. [2] Vuong, "Likelihood Ratio Tests for Model Selection and Non-Nested Hypotheses", Econometrica 57, 1989,
       Theorem 5.1.
    .. [3] Kuiper, "Tests Concerning Random Points on a Circle", Indagationes Mathematicae 63, 1960.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import row_order_scan
    >>> rng = np.random.default_rng(0)
    >>> labels = (rng.random((2000, 12)) < rng.random(12)).astype(int)
    >>> labels[1200:, :-1] = labels[1200:, 1:]  # one column too far left
    >>> row_order_scan(labels)[["row", "n_labels", "lag"]]
        row  n_labels  lag
    0  1200        10    1
    """
    level = check_number("level", level, 0, 1, open_low=True, open_high=True)
    check_choice("filter_by", filter_by, _engine.FILTERS)
    if pred_probs is None:
        n_threads = resolve_threads(n_jobs)
        matrix = read_labels(
            labels, unknown=unknown, label_names=label_names, invalid_ids=invalid_ids, n_threads=n_threads
        )
        return break_table(find_breaks(matrix, level, n_threads), matrix.label_names)
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
    breaks += find_breaks(flag_matrix(cells.labels, flagged), level, cells.n_threads, kind="flags")
    return break_table(breaks, cells.label_names)


def find_breaks(matrix: LabelMatrix, level: float, n_threads: int, kind: str = "labels") -> list[Break]:
    """The breaks of a matrix, most certain first."""
    found: list[Break] = []
    pieces = [(0, matrix.shape[0], 1)]
    while pieces and len(found) < MOST:
        first, end, share = pieces.pop(0)  # of the level, 1 / share is left for this piece
        if end - first < 2 * EDGE:
            continue
        scan = _Scan(matrix._rows(first, end), n_threads)
        found_here = scan.shared_break(level / share)
        if found_here is None:
            continue
        place, p_value, labels = found_here
        row = first + place
        at = Break(kind, row, first, end - 1, min(1.0, p_value * share), labels)
        if kind == "labels":
            parts = matrix._rows(first, row), matrix._rows(row, end)
            at = replace(at, shift=find_shift(*parts, level, n_threads))
        found.append(at)
        pieces += [(first, row, 2 * share), (row, end, 2 * share)]
    return sorted(found, key=lambda b: (b.p_value, -b.labels.size, b.row))


class _Scan:
    """The excursions of one run of rows: of each label and, as a last one, of the rows' sums."""

    def __init__(self, part: LabelMatrix, n_threads: int) -> None:
        self._part, self._n_threads = part, n_threads
        positive, negative = part._count(n_threads)
        known = positive + negative
        highest, high, lowest, low = _core.quality.largest_excursions(part._core, positive, known, n_threads)
        varies = (positive > 0) & (negative > 0)
        self._rate = np.divide(positive, known, out=np.zeros(known.size), where=known > 0)
        # 1 / (m p q) where a label varies: S^2 times this is a squared excursion in standard errors
        self._weight = np.divide(known, positive * np.maximum(negative, 1), out=np.zeros(known.size), where=varies)
        scale = np.sqrt(self._weight) / np.maximum(known, 1)
        self._square = (np.maximum(high, -low) * scale) ** 2
        self._place = np.where(high >= -low, highest, lowest)
        sums = row_sums(part, 1 - self._rate, -self._rate)
        total = np.cumsum(sums - sums.mean())
        spread = max(0.0, float(total.max())) - min(0.0, float(total.min()))
        variance = float(sums.var() * sums.size)
        row_varies = variance > _ROUNDING * sums.size and np.count_nonzero(varies) > 1
        self._row_square = total**2 / variance if row_varies else np.zeros(sums.size)
        self._n_tests = int(np.count_nonzero(varies)) + int(row_varies)
        self._p = np.where(varies, kuiper((high - low) * scale), 1.0)
        self._row_p = float(kuiper(np.array([spread / np.sqrt(variance)]))[0]) if row_varies else 1.0

    def shared_break(self, level: float) -> tuple[int, float, Counts] | None:
        """Rows before the most certain break, its corrected p-value, and the labels that break there."""
        p_value = self._n_tests * min(float(self._p.min()), self._row_p)
        if not self._n_tests or p_value > level:
            return None
        changed = np.flatnonzero(self._n_tests * self._p <= level)
        rows_change = self._n_tests * self._row_p <= level
        place = self._shared_place(changed, rows_change)
        labels = self._sharing(changed, place)
        if not labels.size and changed.size and not rows_change:  # they break far apart: take the clearest alone
            place = self._clip(int(self._place[changed[np.argmin(self._p[changed])]]))
            labels = self._sharing(changed, place)
        return place, p_value, labels[np.argsort(-self._square[labels], kind="stable")]

    def _clip(self, place: int) -> int:
        return min(max(place, EDGE), self._part.shape[0] - EDGE)

    def _shared_place(self, changed: Counts, rows_change: bool) -> int:
        """The place that most likely divides the rows, by the sum of the labels' squared excursions."""
        n = self._part.shape[0]
        weight = np.zeros(self._weight.size)
        weight[changed] = self._weight[changed]
        curve = _core.quality.shared_excursion(self._part._core, weight, self._rate)[1:]
        if rows_change:
            curve = curve + self._row_square
        share = np.arange(EDGE, n - EDGE + 1) / n
        return EDGE + int(np.argmax(curve[EDGE - 1 : n - EDGE] / (share * (1 - share))))

    def _sharing(self, changed: Counts, place: int) -> Counts:
        """Those of the changed labels for which ``place`` is no worse than their own by more than chance explains."""
        n = self._part.shape[0]
        before = self._part._rows(0, place)
        positive, negative = (counts[changed] for counts in before._count(self._n_threads))
        height = positive - self._rate[changed] * (positive + negative)
        own = np.clip(self._place[changed] / n, 1 / n, 1 - 1 / n)
        here = self._weight[changed] * height**2 / (place / n * (1 - place / n))
        sharing: Counts = changed[self._square[changed] / (own * (1 - own)) - here <= APART]
        return sharing


def kuiper(x: Floats) -> Floats:
    """P(range of a Brownian bridge > x), the limit law of Kuiper's statistic."""
    k = np.arange(1, 20)[:, None] * np.maximum(x, 0.4)  # below 0.4 it is 1 to fifteen digits
    terms = (4 * k**2 - 1) * np.exp(-2 * k**2)
    return np.where(x < 0.4, 1.0, np.minimum(1.0, 2 * terms.sum(axis=0)))


def flag_matrix(labels: LabelMatrix, flagged: _engine.FlaggedCells) -> LabelMatrix:
    """Flags as labels of their own: 1 flagged, 0 not, unknown where the label is."""
    indptr, indices, values = labels._cells
    n_labels = np.int64(labels.shape[1])
    if labels.background == "negative" and values is None:
        return LabelMatrix(flagged.indptr, flagged.labels, None, labels.shape[1])
    rows = np.repeat(np.arange(labels.shape[0]), np.diff(indptr))
    flags = flagged.rows * n_labels + flagged.labels
    if labels.background == "unknown":
        is_flagged = np.isin(rows * n_labels + indices, flags, assume_unique=True)
        return LabelMatrix(indptr, indices, is_flagged.astype(np.int8), labels.shape[1], background="unknown")
    assert values is not None
    hidden = values < 0
    cells = np.concatenate([flags, rows[hidden] * n_labels + indices[hidden]])
    order = np.argsort(cells, kind="stable")
    bounds = np.searchsorted(cells[order], np.arange(labels.shape[0] + 1) * n_labels)
    marks = np.where(order < flags.size, 1, -1).astype(np.int8)
    return LabelMatrix(bounds, (cells[order] % n_labels).astype(np.int32), marks, labels.shape[1])


def break_table(breaks: list[Break], names: tuple[str, ...] | None) -> pd.DataFrame:
    """The breaks as a frame."""
    import pandas as pd

    def listed(labels: Counts) -> list[Any]:
        return [int(j) if names is None else names[j] for j in labels]

    breaks = sorted(breaks, key=lambda b: b.p_value)
    whole = np.dtype(np.int64)
    columns: dict[str, tuple[list[Any], Any]] = {
        "row": ([b.row for b in breaks], whole),
        "n_labels": ([b.labels.size for b in breaks], whole),
        "p_value": ([b.p_value for b in breaks], float),
        "lag": ([b.shift.lag for b in breaks], whole),
        "lag_p_value": ([b.shift.p_value for b in breaks], float),
        "kind": ([b.kind for b in breaks], object),
        "first_row": ([b.first for b in breaks], whole),
        "last_row": ([b.last for b in breaks], whole),
        "lag_first": ([b.shift.first for b in breaks], whole),
        "lag_last": ([b.shift.last for b in breaks], whole),
        "labels": ([listed(b.labels) for b in breaks], object),
    }
    return pd.DataFrame({name: pd.Series(values, dtype=kind) for name, (values, kind) in columns.items()})
