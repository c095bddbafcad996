"""The region of one example: every label set that the calibration data do not rule out."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.params import check_choice, check_integer, described, shorten, suggest
from mlkit.conformal._diagram import NODE_CAP, Diagram
from mlkit.conformal._optimum import most_gain, whole_weights
from mlkit.conformal._ranks import RankTable
from mlkit.conformal._sizes import SizeBound, size_bound
from mlkit.conformal._words import counted_sets, listed, short_number
from mlkit.conformal.listings import SetList

_BATCH = 1024


class LabelSetRegion:
    """All label sets of one example whose p-value exceeds the significance level.

    Comes from indexing a :class:`RegionArray`. Iterating yields the sets by descending p-value, lazily. Labels go in
    and come out by name where names are known, else by number.

    Attributes
    ----------
    confidence_level : float
        What was asked for.
    certain, excluded, undecided : tuple
        Labels that are in every set, in none, in some. Of an empty region every label is undecided.
    best : tuple
        The set with the largest p-value (in the region or not).
    credibility : float
        Its p-value.
    is_empty, is_trivial : bool
        Whether the region holds no set; whether it holds all of them because there are too few calibration examples.

    Examples
    --------
    >>> from mlkit.conformal import LabelPowersetConformalClassifier
    >>> clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.7)
    >>> clf = clf.conformalize_proba([[0.9, 0.2], [0.6, 0.3], [0.8, 0.4]], [[0], [], [0]])
    >>> region = clf.predict_region_proba([[0.7, 0.4]])[0]
    >>> region
    {0} + 1 undecided; 2 sets; p > 0.3
    >>> list(region)
    [(0,), (0, 1)]
    """

    def __init__(
        self,
        differences: NDArray[np.int64],
        best_score: int,
        threshold: int,
        one: int,
        ranks: RankTable,
        uniform: float | None,
        confidence_level: float,
        label_names: Sequence[str] | None,
    ) -> None:
        self._differences = differences
        self._best_score = best_score
        self._threshold = threshold
        self._one = one
        self._ranks = ranks
        self._uniform = uniform
        self.confidence_level = confidence_level
        self._names = label_names

    # ------------------------------------------------------------------------------------------------ what is decided

    @property
    def is_empty(self) -> bool:
        """Whether no label set is in the region."""
        return self._threshold < self._best_score

    @property
    def is_trivial(self) -> bool:
        """Whether every label set is in the region, for want of calibration examples."""
        return bool(self._threshold == self._ranks.everything)

    @property
    def n_labels(self) -> int:
        """Number of labels."""
        return int(self._best_row.size)

    @cached_property
    def _flipped(self) -> NDArray[np.int64]:
        size = np.abs(self._differences)
        return np.maximum(self._best_score, (self._one + size) // 2) if self._one else self._best_score + size

    @cached_property
    def _free(self) -> NDArray[np.int64]:
        """Labels that can be turned round, the cheapest first."""
        if self.is_empty:
            return np.zeros(0, np.int64)
        free = np.flatnonzero(self._flipped <= self._threshold)
        return free[np.argsort(self._flipped[free], kind="stable")]

    @cached_property
    def _costs(self) -> NDArray[np.int64]:
        """What turning each free label round adds to the score; for a maximum, the score it leads to."""
        return self._flipped[self._free] - (0 if self._one else self._best_score)

    @property
    def _budget(self) -> int:
        if self.is_empty:
            return -1
        return self._threshold if self._one or self.is_trivial else self._threshold - self._best_score

    @cached_property
    def _best_row(self) -> NDArray[np.bool_]:
        return self._differences < 0

    def _decided(self, value: bool) -> NDArray[np.int64]:
        decided = np.full(self.n_labels, not self.is_empty)
        decided[self._free] = False
        return np.flatnonzero(decided & (self._best_row == value))

    @property
    def certain(self) -> tuple[Any, ...]:
        """Labels that are in every set of the region."""
        return self._named(self._decided(True))

    @property
    def excluded(self) -> tuple[Any, ...]:
        """Labels that are in none."""
        return self._named(self._decided(False))

    @property
    def undecided(self) -> tuple[Any, ...]:
        """Labels that are in some sets and not in others."""
        return self._named(np.arange(self.n_labels) if self.is_empty else np.sort(self._free))

    @property
    def best(self) -> tuple[Any, ...]:
        """The label set with the largest p-value."""
        return self._named(np.flatnonzero(self._best_row))

    @property
    def credibility(self) -> float:
        """P-value of the best set."""
        return self._p(self._best_score)

    # ------------------------------------------------------------------------------------------------------ given sets

    def _named(self, labels: NDArray[Any]) -> tuple[Any, ...]:
        return tuple(labels.tolist()) if self._names is None else tuple(self._names[j] for j in labels)

    def _members(self, labels: Iterable[Any]) -> NDArray[np.bool_]:
        if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
            raise TypeError(f"labels: expected a list of labels, got {described(labels)}")
        row = np.zeros(self.n_labels, bool)
        numbers = {name: j for j, name in enumerate(self._names or ())}
        for label in labels:
            if isinstance(label, str):
                if label not in numbers:
                    known = "no names are known" if not numbers else shorten(list(numbers))
                    raise ValueError(
                        f"labels: expected known label names, got {label!r} ({known}){suggest(label, numbers)}"
                    )
                row[numbers[label]] = True
            else:
                row[check_integer("labels", label, 0, self.n_labels - 1)] = True
        return row

    def _score(self, row: NDArray[np.bool_]) -> Any:
        if self._one:
            return int(np.where(row, self._one + self._differences, self._one - self._differences).max()) // 2
        return self._best_score + int(np.abs(self._differences[row != self._best_row]).sum())

    def _p(self, score: Any) -> float:
        uniforms = None if self._uniform is None else np.asarray(self._uniform)
        return float(self._ranks.p_values(np.asarray(score), uniforms))

    def p_value(self, labels: Iterable[Any]) -> float:
        """P-value of a label set, in the region or not.

        Parameters
        ----------
        labels : iterable of int or str

        Returns
        -------
        float
        """
        return self._p(self._score(self._members(labels)))

    def __contains__(self, labels: Iterable[Any]) -> bool:
        return bool(self._score(self._members(labels)) <= self._threshold)

    # --------------------------------------------------------------------------------------------------------- all sets

    def sets(self, *, order: str = "p_value") -> Iterator[tuple[tuple[Any, ...], float]]:
        """Go through the region without ever holding it.

        Parameters
        ----------
        order : {"p_value", "dfs"}, default="p_value"
            Descending p-values (memory grows with what was seen), or depth-first (constant time and memory for each).

        Yields
        ------
        labels : tuple
        p_value : float
        """
        return self._sets(check_choice("order", order, ("p_value", "dfs")), 64)

    def _sets(self, order: str, size: int) -> Iterator[tuple[tuple[Any, ...], float]]:
        for rows, p_values in self._batches(order, size):
            for row, p in zip(rows, p_values.tolist()):
                yield self._named(np.flatnonzero(row)), p

    def _batches(self, order: str, size: int = 64) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
        """Sets and their p-values, about ``size`` at first, then more at a time."""
        kind = _core.conformal.ByCost if order == "p_value" else _core.conformal.DepthFirst
        walk = kind(self._costs, self._budget, bool(self._one))
        uniforms = None if self._uniform is None else np.asarray(self._uniform)
        while True:
            spent, bounds, members = walk.take(min(size, _BATCH))
            if spent.size == 0:
                return
            rows = np.tile(self._best_row, (spent.size, 1))
            turned = self._free[members]
            rows[np.repeat(np.arange(spent.size), np.diff(bounds)), turned] ^= True
            scores = np.maximum(self._best_score, spent) if self._one else self._best_score + spent
            yield rows, self._ranks.p_values(scores, uniforms)
            size = _BATCH

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (labels for labels, _ in self.sets())

    def top(self, max_sets: int = 10_000) -> SetList:
        """List the first sets by p-value and say what is left.

        Parameters
        ----------
        max_sets : int, default=10000

        Returns
        -------
        SetList
        """
        max_sets = check_integer("max_sets", max_sets, low=0)
        found = list(itertools.islice(self._sets("p_value", max_sets + 1), max_sets + 1))
        truncated = len(found) > max_sets
        first = found[:max_sets]
        if truncated:
            size = self.size()
            left = SizeBound(max(1, size.lower - max_sets), size.upper - max_sets, size.exact)
        else:
            left = SizeBound(0, 0, True)
        p_values = np.array([p for _, p in first], np.float64)
        return SetList([s for s, _ in first], p_values, truncated, found[-1][1] if truncated else None, left)

    def to_bitsets(self, max_sets: int | None = None) -> NDArray[np.uint64]:
        """Write the region as words of 64 bits, label 0 the lowest bit, depth-first; for up to 64 labels.

        Parameters
        ----------
        max_sets : int, optional
            Stop after so many.

        Returns
        -------
        ndarray of shape (n_sets,), uint64

        Raises
        ------
        ValueError
            If there are more than 64 labels, or, without ``max_sets``, more than 2^27 sets (1 GB; 2^20 of a region that
            is searched).
        """
        if self.n_labels > 64:
            raise ValueError(f"to_bitsets: expected at most 64 labels, got {self.n_labels} (iterate over sets())")
        if max_sets is None:
            max_sets = self.size().upper
            if max_sets > self._most_words:
                raise ValueError(
                    f"to_bitsets: expected at most {self._most_words} sets, got up to {max_sets} (pass max_sets)"
                )
        max_sets = check_integer("max_sets", max_sets, low=0)
        return self._words(np.uint64(1) << np.arange(self.n_labels, dtype=np.uint64), max_sets)

    _most_words = 1 << 27

    def _check_listable(self, n_sets: int) -> None:
        """Any number of sets can be listed, one after the other."""

    def _words(self, bit: NDArray[np.uint64], max_sets: int) -> NDArray[np.uint64]:
        best = int(bit[self._best_row].sum())
        if self._one:  # every combination of free labels: none of them costs anything
            costs, budget = np.zeros_like(self._costs), -1 if self.is_empty else 0
        else:
            costs, budget = self._costs, self._budget
        words, n = _core.conformal.write_bits(costs, bit[self._free], budget, best, max_sets)
        return words[:n].copy() if n < words.size else words

    def best_for(self, weights: Any) -> tuple[Any, ...]:
        """Find the region's set of least total weight: what serves a purpose best among all that remain possible.

        Parameters
        ----------
        weights : array-like of shape (n_labels,)
            Of the labels, of either sign: what a set pays for holding each.

        Returns
        -------
        tuple
            Of sets with equal weights one with the largest p-value.

        Raises
        ------
        ValueError
            If the region is empty, or the search would be too long: more than 2^20 partial sets, or, for scores that
            are searched, sets.

        Notes
        -----
        Exact, sums of weights included. Other than ``best``, which is the most plausible set, whatever it weighs. A
        knapsack problem: few partial sets decide it as a rule, even among hundreds of undecided labels; weights that
        go with the plausibility of labels are the hard ones.

        Examples
        --------
        >>> from mlkit.conformal import LabelPowersetConformalClassifier
        >>> clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.7)
        >>> clf = clf.conformalize_proba([[0.9, 0.2], [0.6, 0.3], [0.8, 0.4]], [[0], [], [0]])
        >>> region = clf.predict_region_proba([[0.7, 0.4]])[0]
        >>> region.best_for([1, -1])
        (0, 1)
        """
        whole = whole_weights(weights, self.n_labels)
        if self.is_empty:
            raise ValueError("region: expected at least one set, got an empty region")
        return self._named(np.flatnonzero(self._row_for(whole)))

    def _row_for(self, weights: NDArray[Any]) -> NDArray[np.bool_]:
        """The set of least weight, of whole numbers."""
        saved = np.where(self._best_row, weights, -weights)[self._free]  # by turning a label round
        gains = np.flatnonzero(saved > 0)
        row: NDArray[np.bool_] = self._best_row.copy()
        if gains.size:
            costs = np.zeros(gains.size, np.int64) if self._one else self._costs[gains]
            row[self._free[gains[most_gain(saved[gains], costs, self._budget)]]] ^= True
        return row

    # ------------------------------------------------------------------------------------------------------------- size

    def size(self, *, node_cap: int = NODE_CAP) -> SizeBound:
        """Bound the number of sets; exact for up to 56 undecided labels, and beyond unless the region is too large.

        Parameters
        ----------
        node_cap : int, default=1000000
            Nodes of the decision diagram beyond which bounds have to do. Below the default nothing else is tried that
            takes long (up to seconds and 400 MB) either.

        Returns
        -------
        SizeBound
        """
        node_cap = check_integer("node_cap", node_cap, low=1)
        flips = _core.conformal.Flips(
            self._differences,
            np.array([self._best_score]),
            np.zeros(1, np.int64),
            None,
            None,
            self.n_labels,
            0,
            self._one,
        )
        thresholds = np.array([self._threshold], np.int64)
        return size_bound(_core.conformal.count_rows(flips, thresholds, node_cap >= NODE_CAP, node_cap, 1 << 14, 1))

    def count(self) -> int:
        """Count the sets.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If only bounds can be had; :meth:`size` gives those.
        """
        size = self.size()
        if not size.exact:
            raise ValueError(
                f"count: {counted_sets(size.lower, size.upper)}, too many to count exactly (size() gives the bounds)"
            )
        return size.lower

    def __len__(self) -> int:
        n = self.count()
        if n > sys.maxsize:
            raise OverflowError(f"len: {counted_sets(n, n)} are more than a len can say (use count())")
        return n

    @cached_property
    def _diagram(self) -> Any:
        if self.is_empty:
            raise ValueError("region: expected at least one set, got an empty region")
        order = self._free[::-1]
        costs = np.zeros(order.size, np.int64) if self._one else self._costs[::-1].copy()
        return Diagram.build(costs, 0 if self._one else self._budget, order, self._best_row)

    def to_bdd(self) -> dict[str, Any]:
        """Return the region as a decision diagram.

        Returns
        -------
        dict
            ``root`` (a node), ``labels`` (the label that each level decides), ``level``, ``without`` and ``with`` (of
            each node: its level, and where to go when the label keeps its best value and when not; -1: no set, -2:
            every combination of the labels that are left), ``best`` (the best set).

        Raises
        ------
        ValueError
            If the region is empty or takes more than a million nodes.
        """
        d = self._diagram
        return {
            "root": d.root,
            "labels": d.labels,
            "level": d.level,
            "without": d.without,
            "with": d.with_,
            "best": self._best_row,
        }

    def rank(self, labels: Iterable[Any]) -> int:
        """Position of a label set in the region's own order (not that of p-values); the best set has position 0.

        Parameters
        ----------
        labels : iterable of int or str

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If the set is not in the region, or the region has no decision diagram of at most a million nodes.
        """
        row = self._members(labels)
        if self._score(row) > self._threshold:
            raise ValueError(f"labels: expected a set of the region, got {shorten(list(labels))}")
        position: int = self._diagram.rank(row)
        return position

    def unrank(self, position: int) -> tuple[Any, ...]:
        """The label set at a position of :meth:`rank`'s order.

        Parameters
        ----------
        position : int

        Returns
        -------
        tuple
        """
        n = self._diagram.count
        if isinstance(position, bool) or not isinstance(position, int) or not 0 <= position < n:
            raise ValueError(f"position: expected an integer in [0, {short_number(n)}), got {shorten(position)}")
        return self._named(np.flatnonzero(self._diagram.rows_at([position])[0]))

    def sample(self, n_sets: int, random_state: Any = None) -> list[tuple[Any, ...]]:
        """Draw label sets, each of the region's with equal probability, with replacement.

        Parameters
        ----------
        n_sets : int
        random_state : int, Generator or None

        Returns
        -------
        list of tuple
        """
        rng = np.random.default_rng(random_state)
        diagram = self._diagram
        positions = [_random_below(diagram.count, rng) for _ in range(check_integer("n_sets", n_sets, low=0))]
        return [self._named(np.flatnonzero(row)) for row in diagram.rows_at(positions)]

    def inclusion_frequency(self) -> NDArray[np.float64]:
        """Share of the region's sets that contain each label.

        Returns
        -------
        ndarray of shape (n_labels,), float64
        """
        frequency: NDArray[np.float64] = self._diagram.inclusion_frequency()
        return frequency

    def cardinality_histogram(self) -> list[int]:
        """Count the sets of 0, 1, 2, ... labels.

        Returns
        -------
        list of int
            Of length ``n_labels + 1``.
        """
        histogram: list[int] = self._diagram.cardinality_histogram()
        return histogram

    def _summary(self) -> str:
        """Certain labels, how many are undecided, how many sets there are."""
        if self.is_empty:
            return "empty"
        n = self._free.size
        undecided = f" + {n:,} undecided" if n else ""
        size = self.size(node_cap=4096)
        return f"{{{listed(self.certain)}}}{undecided}; {counted_sets(size.lower, size.upper)}"

    def __repr__(self) -> str:
        return f"{self._summary()}; p > {1 - self.confidence_level:.6g}"

    def _repr_html_(self) -> str:
        from mlkit.conformal import _html

        return _html.region_html(self)


def _random_below(n: int, rng: np.random.Generator) -> int:
    """A whole number in [0, n), each with the same probability."""
    n_bits = n.bit_length()
    while True:
        drawn = int.from_bytes(rng.bytes((n_bits + 7) // 8), "little") & ((1 << n_bits) - 1)
        if drawn < n:
            return drawn
