"""The steps of confident learning on checked cells, in the order in which they are taken.

The public functions judge their arguments and call these; nothing here is judged again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit.quality import _cuts

FILTERS = (
    "prune_by_noise_rate",
    "prune_by_class",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_self_confidence",
    "low_normalized_margin",
)
Floats = NDArray[np.float64]
LOW_FILTERS = ("low_self_confidence", "low_normalized_margin")
METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
AGGREGATORS = ("exponential_moving_average", "softmin", "mean", "min", "max", "median", "k_smallest", "log")


@dataclass(frozen=True)
class FlaggedCells:
    """Flagged cells by row, with what was given and the model's probability."""

    indptr: NDArray[np.int64]
    labels: NDArray[np.int32]
    given: NDArray[np.int8]
    p: NDArray[np.float64]

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))


def arithmetic(cells: Cells, compat: str | None) -> DTypeLike:
    """The floating-point type in which rules are evaluated: ours is double, the peer's that of its input."""
    return cells.probs.dtype if compat == "cleanlab" and cells.probs.dtype != np.float16 else np.float64


def thresholds(cells: Cells, compat: str | None = None) -> NDArray[np.float64]:
    """Confident thresholds (L, 2) by exact sums, or by the peer's arithmetic."""
    if compat == "cleanlab":
        return _peer_thresholds(cells)
    sums = _core.quality.side_sums(*cells.core, cells.n_threads)
    return _core.quality.thresholds_from_sums(sums, cells.n_positive, cells.n_negative)


def _peer_thresholds(cells: Cells) -> NDArray[np.float64]:
    """Means in the input's type with NumPy's order of summation, label by label."""
    dtype = arithmetic(cells, "cleanlab")
    labels = cells.labels.to_csr().tocsc()
    negative_background = cells.labels.background == "negative"
    if cells.probs.is_sparse:
        from scipy.sparse import csr_array

        stored = csr_array((cells.probs.array, cells.probs.indices, cells.probs.indptr), shape=cells.shape).tocsc()
    out = np.empty((cells.shape[1], 2))
    for j in range(cells.shape[1]):
        given = np.full(cells.shape[0], 0 if negative_background else -1, np.int8)
        given[labels.indices[labels.indptr[j] : labels.indptr[j + 1]]] = labels.data[labels.indptr[j] : labels.indptr[j + 1]]
        if cells.probs.is_sparse:
            p = np.zeros(cells.shape[0], dtype)
            p[stored.indices[stored.indptr[j] : stored.indptr[j + 1]]] = stored.data[stored.indptr[j] : stored.indptr[j + 1]]
        else:
            p = cells.probs.array[:, j].astype(dtype, copy=False)
        for side, own in ((0, 1 - p), (1, p)):
            of_side = own[given == side]
            out[j, side] = max(of_side.mean(), of_side.dtype.type(2 * 1e-6)) if of_side.size else 2.0
    return out


def _guess_cuts(thresholds_: NDArray[np.float64], dtype: DTypeLike) -> tuple[Floats, Floats]:
    if np.dtype(dtype) == np.float64:
        return _core.quality.guess_cuts(thresholds_)
    return _cuts.guess_cuts(thresholds_, dtype)


def _confident_cuts(thresholds_: NDArray[np.float64], dtype: DTypeLike) -> tuple[Floats, Floats]:
    if np.dtype(dtype) == np.float64:
        return _core.quality.confident_cuts(thresholds_)
    return _cuts.confident_cuts(thresholds_, dtype)


def _disagreement_cuts(n_labels: int, dtype: DTypeLike) -> tuple[Floats, Floats]:
    if np.dtype(dtype) == np.float64:
        absent, present = _core.quality.disagreement_cuts()
        return np.full(n_labels, absent), np.full(n_labels, present)
    return _cuts.disagreement_cuts(n_labels, dtype)


def _even_cuts(n_labels: int) -> tuple[Floats, Floats]:
    """Cells whose given label has at most an even chance."""
    return np.full(n_labels, 0.5), np.full(n_labels, 0.5)


def joint(
    cells: Cells,
    thresholds_: NDArray[np.float64],
    compat: str | None = None,
    histogram: _core.quality.DoubtHistogram | None = None,
) -> NDArray[np.int64]:
    """Raw confident joint (L, 2, 2); fills ``histogram`` on the same pass."""
    one, zero = _guess_cuts(thresholds_, arithmetic(cells, compat))
    return _core.quality.confident_joint(*cells.core, one, zero, cells.n_negative, histogram, cells.n_threads)


def calibrate(cells: Cells, joint_: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale a raw joint to the labels' own counts."""
    return _core.quality.calibrate_joint(joint_, cells.n_positive, cells.n_negative)


class Flagger:
    """Flags cells by one of the filters: what is prepared once serves rows and cells alike."""

    def __init__(
        self,
        cells: Cells,
        filter_by: str,
        *,
        frac_noise: float = 1.0,
        min_examples: int = 1,
        thresholds_: NDArray[np.float64] | None = None,
        joint_: NDArray[np.int64] | None = None,
        compat: str | None = None,
    ) -> None:
        n_labels, dtype = cells.shape[1], arithmetic(cells, compat)
        self._cells = cells
        self._doubt = _disagreement_cuts(n_labels, dtype)
        self._histogram: _core.quality.DoubtHistogram | None = None
        self._budgets: NDArray[np.int64] | None = None
        if filter_by == "predicted_neq_given":
            return
        needs_thresholds = joint_ is None or filter_by in ("confident_learning", *LOW_FILTERS)
        if thresholds_ is None and needs_thresholds:
            thresholds_ = thresholds(cells, compat)
        self.thresholds = thresholds_
        if filter_by == "confident_learning":
            assert thresholds_ is not None
            self._doubt = _confident_cuts(thresholds_, dtype)
        elif filter_by in LOW_FILTERS:
            assert thresholds_ is not None
            confident = self._fill(_confident_cuts(thresholds_, dtype), pooled=True)
            self._histogram = self._fill(_even_cuts(n_labels), pooled=True)
            self._budgets = np.ascontiguousarray(confident.totals)
        elif joint_ is None:
            assert thresholds_ is not None
            self._histogram = self._new_histogram(self._doubt, pooled=False)
            joint_ = calibrate(cells, joint(cells, thresholds_, compat, self._histogram))
        else:
            self._histogram = self._fill(self._doubt, pooled=False)
        self.joint = joint_
        if self._histogram is not None and self._budgets is None:
            rule = getattr(_core.quality.PruneRule, filter_by)
            self._budgets = _core.quality.prune_budgets(
                joint_, cells.n_positive, cells.n_negative, frac_noise, min_examples, rule
            )

    def limit(self, budgets: NDArray[np.int64]) -> None:
        """Replace the filter's budgets (L, 2) by others, such as the same without some labels."""
        self._budgets = np.ascontiguousarray(budgets, np.int64)

    @property
    def budgets(self) -> NDArray[np.int64] | None:
        """Cells to take from each label's sides; None when all doubted cells are flagged."""
        return self._budgets

    def _new_histogram(self, cuts: tuple[Floats, Floats], *, pooled: bool) -> _core.quality.DoubtHistogram:
        return _core.quality.DoubtHistogram(*self._cells.core, *cuts, pooled, self._cells.n_threads)

    def _fill(self, cuts: tuple[Floats, Floats], *, pooled: bool) -> _core.quality.DoubtHistogram:
        histogram = self._new_histogram(cuts, pooled=pooled)
        _core.quality.fill_histogram(histogram, *self._cells.core, self._cells.n_threads)
        return histogram

    def rows(self) -> NDArray[np.bool_]:
        """Mark the examples with a flagged cell."""
        if self._histogram is not None:
            assert self._budgets is not None
            return _core.quality.flag_rows_within(
                *self._cells.core, self._histogram, self._budgets, self._cells.n_threads
            )
        return _core.quality.flag_rows(*self._cells.core, *self._doubt, self._cells.n_threads)

    def flagged(self) -> FlaggedCells:
        """List the flagged cells."""
        if self._histogram is not None:
            assert self._budgets is not None
            found = _core.quality.flag_cells_within(
                *self._cells.core, self._histogram, self._budgets, self._cells.n_threads
            )
        else:
            found = _core.quality.flag_cells(*self._cells.core, *self._doubt, self._cells.n_threads)
        return FlaggedCells(*found)


def score_kind(method: str, compat: str | None) -> Any:
    """The kernel's scorer for a method: with two outcomes, the normalised margin is the self-confidence."""
    kinds = _core.quality.CellScore
    if method == "confidence_weighted_entropy":
        return kinds.peer_entropy if compat == "cleanlab" else kinds.confidence_weighted_entropy
    return kinds.self_confidence


def row_scores(
    cells: Cells,
    method: str = "self_confidence",
    *,
    aggregator: str = "exponential_moving_average",
    alpha: float | None = 0.8,
    temperature: float = 0.1,
    k: int = 1,
    adjust_thresholds: NDArray[np.float64] | None = None,
    compat: str | None = None,
) -> NDArray[np.float64]:
    """One score for each example."""
    return _core.quality.row_scores(
        *cells.core,
        score_kind(method, compat),
        adjust_thresholds,
        getattr(_core.quality.Aggregate, aggregator),
        0.0 if alpha is None else alpha,
        temperature,
        k,
        cells.n_threads,
    )
