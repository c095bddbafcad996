"""Which rows break what must hold between labels: children without parents, exclusive labels together, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._threads import resolve_threads
from mlkit._validation.rules import Rules, check_rules
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import read_labels

if TYPE_CHECKING:
    import pandas as pd

Counts = NDArray[np.int64]
KINDS = ("orphan", "implies", "excludes", "count")


@dataclass(frozen=True)
class Violations:
    """Broken rules by row: ``kind`` is a place in ``KINDS``. For counts ``label`` is the place of the rule and
    ``other`` the number of its labels that the row has."""

    kind: NDArray[np.int8]
    row: Counts
    label: Counts
    other: Counts

    def of(self, kind: str) -> Violations:
        keep = self.kind == KINDS.index(kind)
        return Violations(self.kind[keep], self.row[keep], self.label[keep], self.other[keep])


def rule_violations(
    labels: Any,
    *,
    hierarchy: Any = None,
    rules: Any = None,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    invalid_ids: str = "error",
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """List the rows whose labels break a hierarchy or rules.

    Parameters
    ----------
    labels, unknown, label_names, invalid_ids, n_jobs
        See :func:`mlkit.quality.find_label_issues`.
    hierarchy : array-like of int, list of pairs, networkx.DiGraph or list of str, optional
        Each label's parent (-1: none); (parent, child) pairs, by number or name; a graph with edges parent -> child;
        or a path such as "A/B/C" for each label, whose parent is the label with the path "A/B". A label may have
        several parents.
    rules : list of tuple, optional
        ``("implies", a, b)``: a is given only where b is; ``("excludes", a, b)``: never both;
        ``("count", labels, lo, hi)``: each row has at least ``lo`` and at most ``hi`` of the labels. Labels by number
        or name.

    Returns
    -------
    DataFrame
        One row for each violation: ``row``, ``kind`` ("orphan": a child without its parent, "implies", "excludes",
        "count"), ``label`` (the child, or a; of a count the rule's place among the counts), ``other`` (the parent, or
        b; of a count how many of the labels the row has). By kind, row and label.

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Notes
    -----
    Unknown cells break nothing: an unknown parent may be there, and a count is too small only if it would be with all
    unknown cells added. O(given labels x rules of each) time and memory.

    Examples
    --------
    >>> from mlkit.quality import rule_violations
    >>> labels = [["poodle", "dog"], ["poodle"], ["dog", "cat"]]
    >>> rule_violations(
    ...     labels,
    ...     label_names=["cat", "dog", "poodle"],
    ...     hierarchy=[("dog", "poodle")],
    ...     rules=[("excludes", "dog", "cat")],
    ... )
       row      kind   label other
    0    1    orphan  poodle   dog
    1    2  excludes     dog   cat
    """
    n_threads = resolve_threads(n_jobs)
    matrix = read_labels(labels, unknown=unknown, label_names=label_names, invalid_ids=invalid_ids, n_threads=n_threads)
    checked = check_rules(hierarchy, rules, matrix.shape[1], matrix.label_names)
    return violation_table(find_violations(matrix, checked), matrix.label_names)


def find_violations(labels: LabelMatrix, rules: Rules | None) -> Violations:
    """Every rule that a row breaks."""
    parts = []
    if rules is not None:
        given = _cell_numbers(labels, 1)
        unknown = _cell_numbers(labels, -1)
        for kind, pairs, with_both in ((0, rules.orphan, False), (1, rules.implies, False), (2, rules.excludes, True)):
            row, label, other = _partners(labels, pairs)
            cells = row * labels.shape[1] + other
            broken = np.isin(cells, given)
            if not with_both:
                broken = ~broken & (np.isin(cells, unknown) == (labels.background == "unknown"))
            parts.append((np.full(int(broken.sum()), kind, np.int8), row[broken], label[broken], other[broken]))
        for place, (members, low, high) in enumerate(rules.counts):
            n_given, n_possible = _counts(labels, members)
            row = np.flatnonzero((n_given > high) | (n_possible < low))
            parts.append((np.full(row.size, 3, np.int8), row, np.full(row.size, place), n_given[row]))
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Violations(np.zeros(0, np.int8), nothing, nothing, nothing)
    kind_, row, label, other = (np.concatenate(columns) for columns in zip(*parts))
    order = np.lexsort((other, label, row, kind_))
    return Violations(kind_[order], row[order], label[order], other[order])


def _cell_numbers(labels: LabelMatrix, value: int) -> Counts:
    """Numbers row * n_labels + label of the stored cells with a value; with an unknown background those that are known
    negatives stand for the unknown ones."""
    indptr, indices, values = labels._cells
    rows = np.repeat(np.arange(labels.shape[0]), np.diff(indptr))
    cells: Counts = rows * np.int64(labels.shape[1]) + indices
    if value == 1:
        return cells if values is None else cells[values == 1]
    return cells[:0] if values is None else cells[values < 1]


def _partners(labels: LabelMatrix, pairs: Counts) -> tuple[Counts, Counts, Counts]:
    """For each given label and each pair that it is the first of: the row and both labels."""
    n_labels = labels.shape[1]
    begin = np.searchsorted(pairs[:, 0], np.arange(n_labels + 1))
    n_pairs = np.diff(begin)
    label = labels.indices.astype(np.int64)
    times = n_pairs[label]
    row = np.repeat(np.repeat(np.arange(labels.shape[0]), np.diff(labels.indptr)), times)
    first = np.repeat(begin[label], times)
    step = np.arange(first.size) - np.repeat(np.cumsum(times) - times, times)
    return row, np.repeat(label, times), pairs[first + step, 1]


def _counts(labels: LabelMatrix, members: Counts) -> tuple[Counts, Counts]:
    """Of some labels, how many each row has, and how many it has if the unknown ones are there."""
    indptr, indices, values = labels._cells
    rows = np.repeat(np.arange(labels.shape[0]), np.diff(indptr))
    chosen = np.zeros(labels.shape[1], bool)
    chosen[members] = True
    stored = chosen[indices]
    value = np.ones(indices.size, np.int8) if values is None else values

    def in_row(keep: NDArray[np.bool_]) -> Counts:
        return np.bincount(rows[stored & keep], minlength=labels.shape[0])

    n_given = in_row(value == 1)
    if labels.background == "unknown":
        return n_given, members.size - in_row(value == 0)
    return n_given, n_given + in_row(value < 0)


def violation_table(violations: Violations, names: tuple[str, ...] | None) -> pd.DataFrame:
    """Violations as a frame."""
    import pandas as pd

    def named(labels: Counts) -> Any:
        if names is None:
            return labels
        is_count = violations.kind == KINDS.index("count")
        column = labels.astype(object)
        column[~is_count] = np.asarray(names, object)[labels[~is_count]]
        return column

    return pd.DataFrame(
        {
            "row": violations.row,
            "kind": np.asarray(KINDS, object)[violations.kind],
            "label": named(violations.label),
            "other": named(violations.other),
        }
    )
