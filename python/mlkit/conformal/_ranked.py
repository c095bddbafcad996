"""What a region's decision diagram answers: positions, samples, frequencies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_integer, shorten
from mlkit.conformal._words import short_number


class RankedSets:
    """The part of :class:`mlkit.conformal.LabelSetRegion` that takes all sets of the region at once."""

    # of the region
    _diagram: Any
    _threshold: int
    _members: Callable[..., NDArray[np.bool_]]
    _score: Callable[..., Any]
    _named: Callable[..., tuple[Any, ...]]

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
            "best": d.best,
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


def _random_below(n: int, rng: np.random.Generator) -> int:
    """A whole number in [0, n), each with the same probability."""
    n_bits = n.bit_length()
    while True:
        drawn = int.from_bytes(rng.bytes((n_bits + 7) // 8), "little") & ((1 << n_bits) - 1)
        if drawn < n:
            return drawn
