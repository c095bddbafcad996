"""The steps of confident learning on checked cells, in the order in which they are taken.

The public functions judge their arguments and call these; nothing here is judged again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit.quality import _peer
from mlkit.quality._tally import TalliedCells

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
ERROR_POSTERIOR = "error_posterior"
BALANCED_POSTERIOR = "balanced_posterior"
POSTERIORS = (ERROR_POSTERIOR, BALANCED_POSTERIOR)  # of cells; their parameters are flip rates
RANKINGS = ("balanced_posterior", "self_confidence", "error_posterior")  # of flagged cells
PRIOR_SHARE = 0.03  # of the given labels: what the balanced rates add to the errors found in either direction
_ROWS = 65_536  # that are counted at a time
AGGREGATORS = ("exponential_moving_average", "softmin", "mean", "min", "max", "median", "k_smallest", "log")


@dataclass(frozen=True)
class FlaggedCells:
    """Flagged cells by row, with what was given and the model's probability."""

    indptr: NDArray[np.int64]
    labels: NDArray[np.int32]
    given: NDArray[np.int8]
    p: NDArray[np.float64]
    tied: NDArray[np.int64]  # by group: cells left out although they score what the last flagged one scores

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))

    def by_direction(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The labels of those that are given 0, and of those that are given 1."""
        return self.labels[self.given == 0], self.labels[self.given == 1]

    def where(self, keep: NDArray[np.bool_]) -> FlaggedCells:
        """Some of them."""
        bounds = bounds_of(keep, self.indptr)
        return FlaggedCells(bounds, self.labels[keep], self.given[keep], self.p[keep], self.tied)


def bounds_of(keep: NDArray[np.bool_], indptr: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows' bounds among the cells that are kept."""
    bounds = np.zeros(indptr.size, np.int64)
    for begin in range(0, indptr.size - 1, _ROWS):
        part = indptr[begin : begin + _ROWS + 1]
        before = np.concatenate([[0], np.cumsum(keep[part[0] : part[-1]])])
        bounds[begin + 1 : begin + part.size] = bounds[begin] + before[part[1:] - part[0]]
    return bounds


def thresholds(cells: Cells, compat: str | None = None) -> NDArray[np.float64]:
    """Confident thresholds (L, 2) by exact sums, or by the peer's arithmetic."""
    if compat == "cleanlab":
        return _peer.thresholds(cells)
    sums = _core.quality.side_sums(*cells.core, cells.n_threads)
    return _core.quality.thresholds_from_sums(sums, cells.n_positive, cells.n_negative)


def _guess_cuts(cells: Cells, thresholds_: Floats, compat: str | None) -> tuple[Floats, Floats]:
    return _peer.guess_cuts(cells, thresholds_) if compat == "cleanlab" else _core.quality.guess_cuts(thresholds_)


def _confident_cuts(cells: Cells, thresholds_: Floats, compat: str | None) -> tuple[Floats, Floats]:
    return (
        _peer.confident_cuts(cells, thresholds_) if compat == "cleanlab" else _core.quality.confident_cuts(thresholds_)
    )


def _disagreement_cuts(cells: Cells, compat: str | None) -> tuple[Floats, Floats]:
    if compat == "cleanlab":
        return _peer.disagreement_cuts(cells)
    absent, present = _core.quality.disagreement_cuts()
    return np.full(cells.shape[1], absent), np.full(cells.shape[1], present)


def _even_cuts(n_labels: int) -> tuple[Floats, Floats]:
    """Cells whose given label has at most an even chance."""
    return np.full(n_labels, 0.5), np.full(n_labels, 0.5)


def doubted_cells(cells: Cells, filter_by: str) -> FlaggedCells:
    """All cells among which a filter chooses, whatever it may choose when all the data are known, and all that the
    model contradicts."""
    cuts = _even_cuts(cells.shape[1]) if filter_by in LOW_FILTERS else _disagreement_cuts(cells, None)
    return doubted(cells, *cuts)


def contradicted_cells(cells: Cells, excluded: NDArray[np.bool_]) -> FlaggedCells:
    """The cells of which the model's likelier outcome is the other one, but for those of excluded labels."""
    flagger = Flagger(cells, "predicted_neq_given")
    flagger.exclude(excluded)
    return flagger.flagged()


def joint(
    cells: Cells,
    thresholds_: NDArray[np.float64],
    compat: str | None = None,
    histogram: _core.quality.DoubtHistogram | None = None,
) -> NDArray[np.int64]:
    """Raw confident joint (L, 2, 2); fills ``histogram`` on the same pass."""
    one, zero = _guess_cuts(cells, thresholds_, compat)
    cells = _peer.unclipped(cells) if compat == "cleanlab" else cells
    return _core.quality.confident_joint(*cells.core, one, zero, cells.n_negative, histogram, cells.n_threads)


def calibrate(cells: Cells, joint_: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale a raw joint to the labels' own counts."""
    return _core.quality.calibrate_joint(joint_, cells.n_positive, cells.n_negative)


class Flagger:
    """Flags cells by one of the filters: what is prepared once serves rows and cells alike.

    ``n_sides``: positives and negatives of each label, where ``cells`` are only those among which there is a choice.
    """

    def __init__(
        self,
        cells: Cells,
        filter_by: str,
        *,
        frac_noise: float = 1.0,
        min_examples: int = 1,
        thresholds_: NDArray[np.float64] | None = None,
        joint_: NDArray[np.int64] | None = None,
        n_sides: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
        compat: str | None = None,
    ) -> None:
        self._cells = _peer.unclipped(cells) if compat == "cleanlab" else cells
        self._doubt = _disagreement_cuts(cells, compat)
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
            self._doubt = _confident_cuts(cells, thresholds_, compat)
        elif filter_by in LOW_FILTERS:
            assert thresholds_ is not None
            confident = self._fill(_confident_cuts(cells, thresholds_, compat), pooled=True)
            self._histogram = self._fill(_even_cuts(cells.shape[1]), pooled=True)
            self._budgets = np.ascontiguousarray(confident.totals)
        elif joint_ is None:
            assert thresholds_ is not None
            self._histogram = self._new_histogram(self._doubt, pooled=False)
            joint_ = calibrate(cells, joint(cells, thresholds_, compat, self._histogram))
        else:
            self._histogram = self._fill(self._doubt, pooled=False)
        self.joint = joint_
        if self._histogram is not None and self._budgets is None:
            assert joint_ is not None
            rule = getattr(_core.quality.PruneRule, filter_by)
            n_positive, n_negative = (cells.n_positive, cells.n_negative) if n_sides is None else n_sides
            self._budgets = _core.quality.prune_budgets(joint_, n_positive, n_negative, frac_noise, min_examples, rule)

    def limit(self, budgets: NDArray[np.int64]) -> None:
        """Take other numbers of cells from the labels' sides, (L, 2), than the prune filter would."""
        self._budgets = budgets

    def exclude(self, labels: NDArray[np.bool_]) -> None:
        """Flag nothing in these labels."""
        if self._budgets is not None:
            self._budgets = self._budgets.copy()
            self._budgets[labels] = 0
        absent, present = self._doubt
        self._doubt = np.where(labels, np.inf, absent), np.where(labels, -np.inf, present)

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


def count_disagreements(cells: Cells) -> NDArray[np.int64]:
    """Cells (L, 2), by what was given, where the model's likelier outcome is the other one."""
    histogram = _core.quality.DoubtHistogram(*cells.core, *_disagreement_cuts(cells, None), False, cells.n_threads)
    _core.quality.fill_histogram(histogram, *cells.core, cells.n_threads)
    return histogram.totals.reshape(-1, 2)


def doubted(cells: Cells, absent: Floats, present: Floats) -> FlaggedCells:
    """The cells given 0 of at least the label's probability ``absent``, and those given 1 of at most ``present``."""
    return FlaggedCells(*_core.quality.flag_cells(*cells.core, absent, present, cells.n_threads))


def label_auc(cells: Cells) -> NDArray[np.float64]:
    """Area under each label's ROC curve and how far it may be off, (L, 2); NaN where a side is empty."""
    if isinstance(cells, TalliedCells):
        return cells.tally.label_auc(cells.n_threads)
    return _core.quality.label_auc(*cells.core, cells.n_negative, cells.n_threads)


def noise_rates(cells: Cells, interior: float, border: float) -> NDArray[np.float64]:
    """The kernel's estimates (L, 2, 9) by the given value that is wrong; see noise_rates.hpp."""
    if isinstance(cells, TalliedCells):
        return cells.tally.noise_rates(interior, border, cells.n_threads)
    return _core.quality.noise_rates(*cells.core, cells.n_negative, interior, border, cells.n_threads)


def reliability(cells: Cells, tail: int) -> NDArray[np.float64]:
    """By label (L, 12, 3): negatives, positives and the sum of p in ten bins of p and in both tails of it."""
    if isinstance(cells, TalliedCells):
        return cells.tally.reliability(tail, cells.n_threads)
    return _core.quality.reliability(*cells.core, cells.n_negative, tail, cells.n_threads)


def noise(cells: Cells) -> NDArray[np.float64]:
    """The same without intervals, which take most of the time."""
    return noise_rates(cells, 0.0, 0.0)


def flip_rates(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(given 0 | true 1) and P(given 1 | true 0) of each label, (L, 2), from what :func:`noise` found."""
    return np.ascontiguousarray(found[:, :, 0])


def balanced_rates(
    cells: Cells, found: NDArray[np.float64], counted: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Flip rates (L, 2) that all labels share but for how common they are; from the errors in the counted ones.

    The odds of an error are ``missing`` times p / (1 - p) where the label is not given, and ``spurious`` times
    (1 - p) / p times the square root of the odds of the label where it is.
    """
    wrong, n_positive = found[:, :, 3], cells.n_positive
    if counted is not None:
        wrong, n_positive = wrong[counted], n_positive[counted]
    missing, spurious = wrong.sum(axis=0) / max(1, int(n_positive.sum())) + PRIOR_SHARE
    odds = (cells.n_positive + 0.5) / (cells.n_negative + 0.5)
    absent = np.full(odds.size, min(missing, 0.999))
    present = np.minimum(spurious * np.sqrt(odds), 0.999)
    # the flip rates that have these odds of an error: m / (1 - s) and s / (1 - m)
    both = np.stack([absent * (1 - present), present * (1 - absent)], axis=1)
    rates: Floats = both / (1 - absent * present)[:, None]
    return rates


def posterior_rates(cells: Cells, method: str) -> NDArray[np.float64]:
    """The flip rates of one of the posteriors."""
    found = noise(cells)
    return flip_rates(found) if method == ERROR_POSTERIOR else balanced_rates(cells, found)


def posterior_scores(given: NDArray[np.int8], p: Floats, rates: Floats) -> Floats:
    """1 - P(wrong) of single cells with their labels' flip rates, in the kernel's order of operations."""
    missing, spurious = rates.T
    is_given = given == 1
    one = p * (1 - missing) + (1 - p) * spurious
    right = np.where(is_given, p * (1 - missing), (1 - p) * (1 - spurious))
    every = np.where(is_given, one, 1 - one)
    score = np.ones(p.size)
    np.divide(right, every, out=score, where=every > 0)
    return np.minimum(1.0, score)


def flag_scores(cells: Cells, found: Floats, flagged: FlaggedCells, method: str, counted: NDArray[np.bool_]) -> Floats:
    """Scores of the flagged cells; the balanced posterior's rates are those of the counted labels."""
    if method == "self_confidence":
        return np.where(flagged.given == 1, flagged.p, 1 - flagged.p)
    rates = balanced_rates(cells, found, counted) if method == BALANCED_POSTERIOR else flip_rates(found)
    return posterior_scores(flagged.given, flagged.p, rates[flagged.labels])


def score_kind(method: str) -> Any:
    """The kernel's scorer for a method: with two outcomes, the normalised margin is the self-confidence."""
    kinds = _core.quality.CellScore
    if method in POSTERIORS:
        return kinds.error_posterior
    if method == "confidence_weighted_entropy":
        return kinds.confidence_weighted_entropy
    return kinds.self_confidence


def cell_scores(
    cells: Cells,
    method: str = "self_confidence",
    parameters: NDArray[np.float64] | None = None,
    compat: str | None = None,
) -> NDArray[np.float64]:
    """Scores of all cells, NaN where unknown."""
    if compat == "cleanlab" and method in METHODS and not _peer.kernels_suffice(cells, method):
        return _peer.cell_scores(cells, method, parameters)
    return _core.quality.cell_scores(*cells.core, score_kind(method), parameters, cells.n_threads)


def worst_cells(
    cells: Cells,
    top: int,
    method: str = "self_confidence",
    parameters: NDArray[np.float64] | None = None,
    compat: str | None = None,
) -> tuple[NDArray[Any], ...]:
    """Row, label, what was given, p and score of the ``top`` lowest scores."""
    if compat == "cleanlab" and method in METHODS and not _peer.kernels_suffice(cells, method):
        return _peer.worst_cells(cells, top, method, parameters)
    return _core.quality.worst_cells(*cells.core, score_kind(method), parameters, top, cells.n_threads)


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
    if compat == "cleanlab" and not _peer.kernels_suffice(cells, method):
        reduce = partial(row_scores, aggregator=aggregator, alpha=alpha, temperature=temperature, k=k)
        return np.concatenate([reduce(part) for part in _peer.scored_rows(cells, method, adjust_thresholds)])
    return _core.quality.row_scores(
        *cells.core,
        score_kind(method),
        adjust_thresholds,
        getattr(_core.quality.Aggregate, aggregator),
        0.0 if alpha is None else alpha,
        temperature,
        k,
        cells.n_threads,
    )
