"""The searches behind :mod:`mlkit.compat.cleanlab`: options as cleanlab 2.9 understands them, flags from the engine.

What no other caller should want lives here: numbers to remove that count positives for one rule and negatives for
another, the mini-batch route with thresholds of its own, and the rank that belongs to another order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells
from mlkit._validation.params import check_choice, check_flag, check_number, list_labels, shorten
from mlkit.quality import _engine, _peer
from mlkit.quality.issues import rank_rows

PRUNE_FILTERS = ("prune_by_noise_rate", "prune_by_class", "both")
LOW_FILTERS = _engine.LOW_FILTERS
BATCH_ROWS = 10_000  # of the mini-batch route
Counts = NDArray[np.int64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
thresholds: Callable[[Cells], NDArray[np.float64]] = partial(_engine.thresholds, compat="cleanlab")
row_scores = partial(_engine.row_scores, compat="cleanlab")


class Found(NamedTuple):
    """Flagged cells: row, label, what was given, and the probability."""

    rows: Rows
    labels: NDArray[np.int32]
    given: NDArray[np.int8]
    p: NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """The choices of a search, checked; ``notes`` collects what the user should be told, in one warning."""

    filter_by: str = "prune_by_noise_rate"
    ranked_by: str | None = None
    adjust: bool = False
    frac_noise: float = 1.0
    min_examples: float = 1
    numbers: Any = None
    joint: Any = None
    low_memory: bool = False
    by_rows: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def lowest_rows(self) -> bool:
        """Whether rows are chosen by their own scores, and not because a cell is flagged."""
        return self.by_rows and self.filter_by in LOW_FILTERS and not self.low_memory


def check_options(
    n_labels: int,
    notes: list[str],
    *,
    by_rows: bool,
    ranked_by: Any,
    rank_by_kwargs: Any,
    filter_by: Any,
    frac_noise: Any,
    numbers: Any,
    min_examples: Any,
    joint: Any,
    low_memory: Any,
    n_jobs: Any,
) -> Options:
    """Judge the arguments of both search functions, in the order of the signature."""
    if ranked_by is not None:
        check_choice("return_indices_ranked_by", ranked_by, _engine.METHODS)
    adjust = ranked_by is not None and _check_adjustment(rank_by_kwargs or {}, ranked_by)
    low_memory = bool(low_memory)
    if low_memory:
        given = {
            "filter_by": filter_by != "prune_by_noise_rate",
            "frac_noise": frac_noise != 1.0,
            "num_to_remove_per_class": numbers is not None,
            "min_examples_per_class": min_examples != 1,
            "confident_joint": joint is not None,
            "n_jobs": n_jobs is not None,
        }
        unused = [name for name, differs in given.items() if differs]
        if unused:
            notes.append(f"{', '.join(unused)}: not used with low_memory=True")
        return Options(ranked_by=ranked_by, adjust=adjust, low_memory=True, by_rows=by_rows, notes=notes)
    check_choice("filter_by", filter_by, _engine.FILTERS)
    frac_noise = check_number("frac_noise", frac_noise)
    min_examples = check_number("min_examples_per_class", min_examples)
    joint = _check_joint(joint, n_labels, notes)
    if by_rows and filter_by in LOW_FILTERS:
        numbers = None  # these rows are chosen by their scores alone
    elif filter_by not in PRUNE_FILTERS:
        if numbers is not None:
            raise ValueError(
                f"num_to_remove_per_class: expected None with filter_by={filter_by!r}, got {shorten(numbers)} "
                f"(only {', '.join(PRUNE_FILTERS)} count what they remove)"
            )
        if frac_noise != 1:
            notes.append(f"frac_noise: not used with filter_by={filter_by!r}")
    if joint is not None and filter_by not in PRUNE_FILTERS and filter_by != "predicted_neq_given":
        notes.append(f"confident_joint: not used with filter_by={filter_by!r}")
    return Options(
        filter_by=filter_by,
        ranked_by=ranked_by,
        adjust=adjust,
        frac_noise=frac_noise,
        min_examples=min_examples,
        numbers=None if numbers is None else _check_numbers(numbers, n_labels),
        joint=joint,
        by_rows=by_rows,
        notes=notes,
    )


def check_table_options(n_labels: int, notes: list[str], joint: Any) -> Options:
    """The default search, with a joint of the caller's if there is one."""
    return Options(joint=_check_joint(joint, n_labels, notes), notes=notes)


def _check_adjustment(rank_by_kwargs: Any, ranked_by: str) -> bool:
    unknown = [name for name in rank_by_kwargs if name != "adjust_pred_probs"]
    if unknown:
        raise TypeError(f"rank_by_kwargs: expected at most the key 'adjust_pred_probs', got {shorten(unknown[0])}")
    adjust = check_flag("adjust_pred_probs", rank_by_kwargs.get("adjust_pred_probs", False))
    if adjust and ranked_by == "confidence_weighted_entropy":
        raise ValueError(
            "rank_by_kwargs: expected adjust_pred_probs=False with return_indices_ranked_by="
            "'confidence_weighted_entropy', got True (a shifted probability has no entropy)"
        )
    return adjust


def _check_joint(joint: Any, n_labels: int, notes: list[str]) -> NDArray[np.float64] | None:
    if joint is None:
        return None
    table = np.asarray(joint)
    if table.shape == (n_labels, n_labels):
        notes.append(
            f"confident_joint: not used, since its shape ({n_labels}, {n_labels}) is that of one problem with so many "
            f"classes; expected ({n_labels}, 2, 2)"
        )
        return None
    if table.shape != (n_labels, 2, 2) or table.dtype.kind not in "iuf":
        raise ValueError(
            f"confident_joint: expected counts of shape (n_labels, 2, 2) = ({n_labels}, 2, 2), got shape {table.shape} "
            f"of {table.dtype} (mlkit.quality.compute_confident_joint makes one)"
        )
    return table.astype(np.float64)


def _check_numbers(numbers: Any, n_labels: int) -> NDArray[np.float64]:
    listed = np.asarray(numbers)
    if listed.ndim != 1 or listed.size < n_labels or listed.dtype.kind not in "iuf":
        raise ValueError(
            f"num_to_remove_per_class: expected {n_labels} numbers, one for each label, got {shorten(numbers)}"
        )
    return listed[:n_labels].astype(np.float64)


def check_sides(cells: Cells, o: Options) -> None:
    """Refuse labels that the peer refuses: it wants both values where a search compares them."""
    if o.low_memory:
        return
    if o.filter_by in PRUNE_FILTERS:
        _note_small_sides(cells, o)
    all_given, none_given = cells.n_negative == 0, cells.n_positive == 0
    if all_given.any():
        raise ValueError(_both_values("given in every example", all_given))
    if none_given.any() and not o.lowest_rows and o.filter_by in ("predicted_neq_given", *LOW_FILTERS):
        raise ValueError(_both_values(f"given in no example (with filter_by={o.filter_by!r})", none_given))
    if o.by_rows and (o.ranked_by is not None or o.lowest_rows):
        check_mixture(cells)


def _both_values(what: str, where: Mask) -> str:
    which = np.flatnonzero(where)
    return (
        f"labels: expected every label in some examples but not in all, got {which.size} {what}: label "
        f"{list_labels(which, None)} (mlkit.quality.find_label_issues takes such labels)"
    )


def check_mixture(cells: Cells) -> None:
    """Refuse what the peer's aggregated scores refuse: a single label, or labels that are all the same."""
    if cells.shape[1] < 2 or not cells.n_positive.any() or not cells.n_negative.any():
        raise ValueError(
            f"labels: expected at least two labels, and cells both given and not given, got shape {cells.shape} with "
            f"{int(cells.n_positive.sum())} given (mlkit.quality.get_label_quality_scores takes such labels)"
        )


def _note_small_sides(cells: Cells, o: Options) -> None:
    small = np.flatnonzero(np.minimum(cells.n_positive, cells.n_negative) <= o.min_examples)
    if small.size:
        o.notes.append(
            f"{small.size} labels are given, or not given, in at most {o.min_examples:g} examples; that side is not "
            f"searched: label {list_labels(small, None)}"
        )


# ---------------------------------------------------------------------------------------------------------- the search


def flagged_cells(cells: Cells, o: Options) -> Found:
    """The flagged cells."""
    if o.low_memory:
        return _low_memory_cells(cells, o)
    found = _flagger(cells, o).flagged()
    return Found(found.rows, found.labels, found.given, found.p)


def flagged_rows(cells: Cells, o: Options) -> Mask:
    """The rows with a flagged cell; for the low filters as many rows, but those with the lowest scores."""
    if o.lowest_rows:
        mask = np.zeros(cells.shape[0], np.bool_)
        mask[_lowest_rows(cells)] = True
        return mask
    if o.low_memory:
        mask = np.zeros(cells.shape[0], np.bool_)
        mask[_low_memory_cells(cells, o).rows] = True
        return mask
    return _flagger(cells, o).rows()


def ranked_rows(cells: Cells, o: Options) -> Rows:
    """The flagged rows by the score that is asked for, lowest first."""
    assert o.ranked_by is not None
    if o.lowest_rows:
        return _ranked_lowest_rows(cells, o)
    adjust = thresholds(cells) if o.adjust else None
    return rank_rows(flagged_rows(cells, o), row_scores(cells, o.ranked_by, adjust_thresholds=adjust))


def ranked_cells(cells: Cells, o: Options) -> list[Rows]:
    """For each label the flagged rows, lowest score first; by row number on the mini-batch route."""
    assert o.ranked_by is not None
    found = flagged_cells(cells, o)
    if o.low_memory:
        order = np.lexsort((found.rows, found.labels))
    else:
        adjust = thresholds(cells) if o.adjust else None
        p = found.p.astype(cells.probs.dtype)
        scores = _peer.scores_by_label(cells, found.labels, found.given == 1, p, o.ranked_by, adjust)
        order = np.lexsort((found.rows, scores, found.labels))
    ends = np.bincount(found.labels, minlength=cells.shape[1]).cumsum()
    return np.split(found.rows[order], ends[:-1])


def _flagger(cells: Cells, o: Options) -> _engine.Flagger:
    if o.filter_by not in PRUNE_FILTERS:
        return _engine.Flagger(cells, o.filter_by, compat="cleanlab")
    unused = None if o.joint is None else np.zeros(o.joint.shape, np.int64)
    flagger = _engine.Flagger(cells, o.filter_by, joint_=unused, compat="cleanlab")
    flagger.limit(_budgets(cells, o, flagger.joint if o.joint is None else o.joint))
    return flagger


def _budgets(cells: Cells, o: Options, joint: Any) -> Counts:
    """How many cells each label's sides, 0 and 1, may lose."""
    sizes = np.stack((cells.n_negative, cells.n_positive), axis=1)
    kept = joint[:, [0, 1], [0, 1]].astype(np.float64)
    pruned = joint[:, [0, 1], [1, 0]].astype(np.float64)
    more_kept = np.maximum(kept, o.min_examples)
    less_pruned = np.maximum(pruned - (more_kept - kept), 0.0)
    by_rate = np.trunc(less_pruned * o.frac_noise)
    by_class = sizes - np.trunc(more_kept + (less_pruned - less_pruned * o.frac_noise))
    if o.numbers is not None:
        by_rate, by_class = _numbered(by_rate, sizes, o.numbers)
    chosen = {"prune_by_noise_rate": by_rate, "prune_by_class": by_class, "both": np.minimum(by_rate, by_class)}
    budgets = np.where(sizes <= max(o.min_examples, 1), 0, np.maximum(chosen[o.filter_by], 0))
    return budgets.astype(np.int64)


def _numbered(by_rate: Any, sizes: Counts, numbers: NDArray[np.float64]) -> tuple[Any, Any]:
    """What a number per label does in the peer: one rule takes so many positives, the other so many negatives."""
    no_cells = np.zeros(len(sizes))
    positives = np.where(by_rate[:, 1] > 0, np.rint(numbers), 0)
    negatives = sizes[:, 0] - np.rint(sizes[:, 0] - numbers)
    return np.stack((no_cells, positives), axis=1), np.stack((negatives, no_cells), axis=1)


def _lowest_rows(cells: Cells) -> Rows:
    """As many rows as the confident joint doubts, by their moving average of self-confidence, lowest first."""
    count = int(_engine.Flagger(cells, "confident_learning", compat="cleanlab").rows().sum())
    return np.argsort(row_scores(cells), kind="stable")[:count]


def _ranked_lowest_rows(cells: Cells, o: Options) -> Rows:
    """The rows of a low filter in the peer's order: sorted positions of one order, looked up in another."""
    by_severity = _lowest_rows(cells)
    if by_severity.size == 0:
        return by_severity
    part = cells.take(np.sort(by_severity))
    adjust = thresholds(part) if o.adjust else None
    scores = row_scores(part, str(o.ranked_by), adjust_thresholds=adjust)
    return by_severity[np.argsort(scores, kind="stable")]


# ------------------------------------------------------------------------------------------------ the mini-batch route


def _low_memory_cells(cells: Cells, o: Options) -> Found:
    """The cells of the mini-batch route: a count from running thresholds, so many lowest scores, the veto."""
    method = o.ranked_by or "self_confidence"
    _peer.check_range(cells, method)
    rows, labels, given_values, probs = [], [], [], []
    for j, given, p in _peer.columns(cells):
        above_half = p > 1 - p
        cuts = np.asarray(_running_thresholds(given, p)) - _peer.TOLERANCE
        sure = np.where(above_half, p >= cuts[1], 1 - p >= cuts[0])
        count = int((sure & (above_half != given)).sum())
        taken = _smallest(_peer.scores(given == 1, p, method), count)
        own = np.where(given == 1, p, 1 - p)[taken]
        other = np.where(given == 1, 1 - p, p)[taken]
        doubted = np.where(given[taken] == 1, other >= own + _peer.TOLERANCE, other > own + _peer.TOLERANCE)
        rows.append(taken[doubted])
        labels.append(np.full(int(doubted.sum()), j, np.int32))
        given_values.append(given[rows[-1]])
        probs.append(p[rows[-1]].astype(np.float64))
    return Found(np.concatenate(rows), np.concatenate(labels), np.concatenate(given_values), np.concatenate(probs))


def _running_thresholds(given: NDArray[np.int8], p: NDArray[Any]) -> NDArray[np.float64]:
    """Means over batches, weighted as they come; an empty side is left with the lowest threshold, not the highest."""
    values, seen = np.zeros(2), np.zeros(2)
    for start in range(0, given.size, BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        sizes = np.bincount(given[part], minlength=2)
        means = np.asarray(_peer.side_means(given[part], p[part]))
        values = (seen * values + sizes * means) / np.maximum(seen + sizes, 1)
        values = np.maximum(values, _peer.LOWEST_THRESHOLD)
        seen = seen + sizes
    return values


def _smallest(scores: NDArray[Any], count: int) -> Rows:
    """The rows of so many smallest scores, equal ones by row number."""
    if count == 0:
        return np.zeros(0, np.int64)
    largest = np.partition(scores, count - 1)[count - 1]
    below, equal = np.flatnonzero(scores < largest), np.flatnonzero(scores == largest)
    return np.concatenate((below, equal[: count - below.size]))
