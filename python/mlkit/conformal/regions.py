"""The regions of many examples, answered for all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._threads import resolve_threads
from mlkit._validation.params import check_flag, check_integer, check_label_names, check_number
from mlkit.conformal import _criteria
from mlkit.conformal._flips import FlipTable
from mlkit.conformal._levels import LEVELS, by_level, check_levels
from mlkit.conformal._ranks import RankTable
from mlkit.conformal._searched import SearchedTable
from mlkit.conformal._sizes import log10_of, whole_numbers
from mlkit.conformal.listings import SetArray, list_sets
from mlkit.conformal.region import LabelSetRegion
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import read_labels

if TYPE_CHECKING:
    import pandas as pd

_LIMIT = "2GB"
_SHOWN = 3  # regions that the text of an array spells out


class RegionArray:
    """Prediction regions of examples: for each, all label sets whose p-value exceeds ``1 - confidence_level``.

    Comes from :meth:`LabelPowersetConformalClassifier.predict_region`. Nothing is enumerated: a region is kept as what
    each label's other value would cost, from which every answer below follows. ``regions[i]`` is the
    :class:`LabelSetRegion` of one example, ``regions[a:b]`` a part. Answers per label are dense for dense probabilities
    and CSR for sparse ones.

    Attributes
    ----------
    shape : tuple of int
        ``(n_samples, n_labels)``.
    confidence_level : float
    label_names : tuple of str or None
    n_calibration : int

    Notes
    -----
    The guarantee, of exchangeable examples and one level fixed beforehand: the true label set is in the region with
    probability at least ``confidence_level``, on average over calibration sets and examples. It does not hold for
    single examples, for label sets picked out afterwards, nor for a level chosen by looking at the regions.

    Examples
    --------
    >>> from mlkit.conformal import LabelPowersetConformalClassifier
    >>> clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.7)
    >>> clf = clf.conformalize_proba([[0.9, 0.2], [0.6, 0.3], [0.8, 0.4]], [[0], [], [0]])
    >>> regions = clf.predict_region_proba([[0.95, 0.4], [0.6, 0.45]])
    >>> regions.size()[0]
    array([2, 1], dtype=object)
    >>> regions.certain
    array([[ True, False],
           [ True, False]])
    """

    def __init__(
        self,
        flips: FlipTable | SearchedTable,
        ranks: RankTable,
        confidence_level: float,
        uniforms: NDArray[np.float64] | None,
        allow_empty: bool,
        label_names: Sequence[str] | None,
        n_jobs: int | None,
    ) -> None:
        self._flips: Any = flips
        self._ranks = ranks
        self._uniforms = uniforms
        self._allow_empty = allow_empty
        self._n_jobs = n_jobs
        self.confidence_level = confidence_level
        self.label_names = None if label_names is None else tuple(label_names)
        tau = ranks.thresholds(1 - confidence_level, flips.shape[0], uniforms)
        self._thresholds: NDArray[Any] = tau if allow_empty else np.maximum(tau, flips.best)

    # -------------------------------------------------------------------------------------------------------- container

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_samples, n_labels)``."""
        n, n_labels = self._flips.shape
        return n, n_labels

    @property
    def n_calibration(self) -> int:
        """Number of calibration examples."""
        return self._ranks.n

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self._take(np.arange(len(self))[key])
        i = check_integer("index", key, -len(self), len(self) - 1) % len(self)
        region: LabelSetRegion = self._flips.region(
            i,
            self._thresholds[i],
            self._ranks,
            None if self._uniforms is None else float(self._uniforms[i]),
            self.confidence_level,
            self.label_names,
        )
        return region

    def __iter__(self) -> Iterator[LabelSetRegion]:
        return (self[i] for i in range(len(self)))

    def _take(self, rows: NDArray[np.int64]) -> RegionArray:
        uniforms = None if self._uniforms is None else self._uniforms[rows]
        return RegionArray(
            self._flips.take(rows),
            self._ranks,
            self.confidence_level,
            uniforms,
            self._allow_empty,
            self.label_names,
            self._n_jobs,
        )

    def at(self, confidence_level: float) -> RegionArray:
        """The regions of the same examples at another level; nothing is computed anew.

        Parameters
        ----------
        confidence_level : float in (0, 1)

        Returns
        -------
        RegionArray
        """
        level = check_number("confidence_level", confidence_level, 0, 1, open_low=True, open_high=True)
        return RegionArray(
            self._flips, self._ranks, level, self._uniforms, self._allow_empty, self.label_names, self._n_jobs
        )

    def __repr__(self) -> str:
        n, n_labels = self.shape
        lines = [f"RegionArray: {n:,} examples x {n_labels:,} labels, p > {1 - self.confidence_level:.6g}"]
        lines += [f"  {i}: {self[i]._summary()}" for i in range(min(n, _SHOWN))]
        return "\n".join(lines + [f"  ... {n - _SHOWN:,} more"] * (n > _SHOWN))

    def _repr_html_(self) -> str:
        from mlkit.conformal import _html

        return _html.regions_html(self)

    @property
    def _threads(self) -> int:
        return resolve_threads(self._n_jobs)

    # -------------------------------------------------------------------------------------------------------- per label

    @cached_property
    def _states(self) -> NDArray[np.uint8]:
        states: NDArray[np.uint8] = self._flips.states(self._thresholds, self._threads)
        return states

    @cached_property
    def _implicit_open(self) -> NDArray[np.bool_]:
        """Rows in which labels that the probabilities do not store are undecided."""
        is_open: NDArray[np.bool_] = self.is_empty | (self._flips.implicit_flipped() <= self._thresholds)
        return is_open

    @property
    def certain(self) -> Any:
        """Labels that are in every set of the region: bool (n, L)."""
        nowhere = np.zeros(len(self), bool)
        return self._flips.answer(self._states == 1, nowhere, "certain", _LIMIT)

    @property
    def excluded(self) -> Any:
        """Labels that are in no set: bool (n, L); for sparse probabilities ask ``outer`` for what is not excluded."""
        if self._flips.is_sparse:
            raise ValueError(
                "excluded: expected regions of dense probabilities, got sparse ones (nearly every cell is excluded; "
                "what is not is in .outer)"
            )
        nowhere = np.zeros(len(self), bool)
        return self._flips.answer(self._states == 0, nowhere, "excluded", _LIMIT)

    @property
    def undecided(self) -> Any:
        """Labels that are in some sets and not in others: bool (n, L). Of an empty region every label is undecided."""
        return self._flips.answer(self._states == 2, self._implicit_open, "undecided", _LIMIT)

    @property
    def inner(self) -> Any:
        """The certain labels: contained in the true label set with the region's confidence."""
        return self.certain

    @property
    def outer(self) -> Any:
        """All labels but the excluded: contain the true label set with the region's confidence."""
        return self._flips.answer(self._states != 0, self._implicit_open, "outer", _LIMIT)

    @property
    def flip_pvalues(self) -> Any:
        """Largest p-value of any label set that contradicts the best set in this label: float64 (n, L).

        A label is decided at significance e if and only if its value here is at most e, so that 1 minus it is a
        confidence which is valid for all labels of an example together. For sparse probabilities only the labels that
        these store are answered.
        """
        values = self._flips.flip_p_values(self._ranks, self._uniforms, self._threads)
        if self._flips.indptr is None:
            return values.reshape(self.shape)
        from scipy.sparse import csr_array

        return csr_array((values, self._flips.indices, self._flips.indptr), shape=self.shape, copy=True)

    # ------------------------------------------------------------------------------------------------------ per example

    @property
    def best(self) -> Any:
        """The label set with the largest p-value, in the region or not: bool (n, L)."""
        return self._flips.best_sets()

    @property
    def credibility(self) -> NDArray[np.float64]:
        """P-value of the best set; a small one says that no label set looks like the calibration examples."""
        return self._ranks.p_values(self._flips.best, self._uniforms)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """1 minus the p-value of the second-best set: the largest level at which at most one set is left."""
        return 1 - self._ranks.p_values(self._flips.second_best(), self._uniforms)

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """Whether no label set is in the region."""
        empty: NDArray[np.bool_] = self._thresholds < self._flips.best
        return empty

    @property
    def is_trivial(self) -> NDArray[np.bool_]:
        """Whether every label set is in the region because there are too few calibration examples for the level."""
        trivial: NDArray[np.bool_] = self._thresholds == self._ranks.everything
        return trivial

    @cached_property
    def _cardinalities(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        low, high = self._flips.cardinalities(self._thresholds, self._ranks.everything, self._threads)
        return low, high

    @property
    def min_cardinality(self) -> NDArray[np.int64]:
        """Smallest number of labels among the region's sets; -1 for an empty region."""
        return self._cardinalities[0]

    @property
    def max_cardinality(self) -> NDArray[np.int64]:
        """Largest number of labels among the region's sets; -1 for an empty region."""
        return self._cardinalities[1]

    # ------------------------------------------------------------------------------------------------------------- size

    def size(self, exact: bool = False) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
        """Bound the number of label sets in each region, however large.

        Parameters
        ----------
        exact : bool, default=False
            Count exactly: always for up to 56 undecided labels (some seconds and 400 MB for a region of more than
            2^40 sets), beyond that by decision diagrams of up to a million nodes and going through up to 2^28 sets.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples,), Python integers
            Certified bounds, never estimates.
        exact : ndarray of shape (n_samples,), bool
            Where the two are equal.
        """
        lower, upper = whole_numbers(self._flips.sizes(self._thresholds, check_flag("exact", exact), self._threads))
        return lower, upper, np.asarray(lower == upper, bool)

    @property
    def log10_size(self) -> NDArray[np.float64]:
        """Decimal logarithm of the upper bound of the size; -inf for an empty region."""
        return np.array([log10_of(n) for n in self.size()[1]])

    # ------------------------------------------------------------------------------------------------------- given sets

    def _scores(self, y: Any) -> NDArray[Any]:
        scores: NDArray[Any] = self._flips.score_sets(self._known_labels(y), self._threads)
        return scores

    def _known_labels(self, y: Any) -> LabelMatrix:
        has_width = len(getattr(y, "shape", ())) == 2
        labels = read_labels(
            y,
            n_labels=None if has_width or self.label_names is not None else self.shape[1],
            label_names=self.label_names,
            n_threads=self._threads,
            argument="y",
        )
        if labels.shape != self.shape:
            raise ValueError(f"y: expected shape (n_samples, n_labels) = {self.shape}, got {labels.shape}")
        if labels.n_unknown:
            raise ValueError(
                f"y: expected known cells, got {labels.n_unknown} unknown ones (a label set with unknown labels is "
                "many label sets)"
            )
        return labels

    def contains(self, y: Any) -> NDArray[np.bool_]:
        """Whether each example's label set is in its region; exact for regions of any size.

        Parameters
        ----------
        y : labels of shape (n_samples, n_labels)
            One label set for each example, without unknown cells.

        Returns
        -------
        ndarray of shape (n_samples,), bool
        """
        inside: NDArray[np.bool_] = self._scores(y) <= self._thresholds
        return inside

    def p_values(self, y: Any) -> NDArray[np.float64]:
        """P-value of one label set for each example.

        Parameters
        ----------
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        ndarray of shape (n_samples,), float64
        """
        return self._ranks.p_values(self._scores(y), self._uniforms)

    def evaluate(self, y: Any, *, level: float = 0.95) -> dict[str, float]:
        """Judge the regions by the true label sets: coverage beside its law, and the efficiency criteria.

        Parameters
        ----------
        y : labels of shape (n_samples, n_labels)
            The true label sets.
        level : float in (0, 1), default=0.95
            Probability of the coverage interval.

        Returns
        -------
        dict of str to float
            ``n``; ``coverage`` and the interval ``coverage_low``, ``coverage_high`` in which it lies with probability
            ``level`` if examples are exchangeable and scores have no ties; means over the examples of ``N`` (size),
            ``OE`` (size without the true set), ``S`` (sum of all p-values), ``S_excess`` (S without its floor
            2^L / (n_calibration + 1)), ``F`` (S without the best set), ``OF`` (S without the true set), ``OU`` (largest
            p-value of a wrong set); ``M`` and ``OM`` (share of examples with several sets, with a wrong one);
            ``certain`` and ``undecided`` (mean numbers of labels), ``empty`` (share), ``credibility``, ``confidence``.
            Where sizes are bounds, ``N``, ``OE``, ``S``, ``S_excess``, ``F`` and ``OF`` are upper ones and
            ``N_lower``, ... the lower ones.

        Notes
        -----
        S needs no label set: by exchanging sums it is (2^L + sum over calibration scores a of the number of sets that
        score at most a) / (n + 1), whether or not p-values are smoothed for the regions.

        References
        ----------
        .. [1] Vovk, Nouretdinov, Fedorova, Petej, Gammerman, "Criteria of efficiency for set-valued classification",
           2017.
        """
        check_number("level", level, 0, 1, open_low=True, open_high=True)
        return _criteria.evaluate(self, y, level)

    # ---------------------------------------------------------------------------------------------------------- tables

    def to_frame(self, max_sets: int = 20, label_names: Sequence[str] | None = None) -> pd.DataFrame:
        """List the first sets of each region by p-value.

        Parameters
        ----------
        max_sets : int, default=20
            Of each region.
        label_names : sequence of str, optional
            Names to show; default: those of the regions, else numbers.

        Returns
        -------
        DataFrame
            ``row rank labels p_value truncated``: one row for each listed set, ``labels`` a tuple, ``truncated``
            whether the region holds more sets than are listed. An empty region has no row.
        """
        import pandas as pd

        max_sets = check_integer("max_sets", max_sets, low=1)
        names = None if label_names is None else check_label_names(label_names, self.shape[1])
        columns: dict[str, list[Any]] = {name: [] for name in ("row", "rank", "labels", "p_value", "truncated")}
        for i, region in enumerate(self):
            if names is not None:
                region._names = names
            listed = region.top(max_sets)
            columns["row"] += [i] * len(listed.sets)
            columns["rank"] += range(len(listed.sets))
            columns["labels"] += listed.sets
            columns["p_value"] += listed.p_values.tolist()
            columns["truncated"] += [listed.truncated] * len(listed.sets)
        return pd.DataFrame(columns)

    def to_numpy(self, max_sets: int | None = None, *, memory_limit: int | str | None = "2GB") -> SetArray:
        """Write the label sets of all regions into one array, by descending p-value within each.

        Parameters
        ----------
        max_sets : int, optional
            The first so many of each region, and ``truncated`` where there are more; default: all.
        memory_limit : int or str, optional
            Bytes, or text such as ``"2GB"``.

        Returns
        -------
        SetArray

        Raises
        ------
        MemoryError
            If the sets would need more than ``memory_limit``.

        Notes
        -----
        A byte for each set and label: :meth:`to_bitsets` needs an eighth of it.
        """
        return self._listed(max_sets, memory_limit, pack=False)

    def to_bitsets(self, max_sets: int | None = None, *, memory_limit: int | str | None = "2GB") -> SetArray:
        """Write the label sets of all regions as words of 64 bits, by descending p-value within each region.

        Parameters
        ----------
        max_sets : int, optional
            As :meth:`to_numpy`.
        memory_limit : int or str, optional
            As :meth:`to_numpy`.

        Returns
        -------
        SetArray

        Raises
        ------
        MemoryError
            If the sets would need more than ``memory_limit``.
        """
        return self._listed(max_sets, memory_limit, pack=True)

    def _listed(self, max_sets: int | None, memory_limit: Any, *, pack: bool) -> SetArray:
        most = None if max_sets is None else check_integer("max_sets", max_sets, low=1)
        return list_sets(self, most, memory_limit, pack=pack)

    def by_level(self, y: Any = None, levels: Any = None, *, level: float = 0.95) -> pd.DataFrame:
        """Say for one confidence level after the other how much is decided, and how many true label sets are covered.

        Parameters
        ----------
        y : labels of shape (n_samples, n_labels), optional
            The true label sets.
        levels : sequence of float in (0, 1), optional
            Default: 0.50, 0.51, ..., 0.99.
        level : float in (0, 1), default=0.95
            Probability of the coverage interval.

        Returns
        -------
        DataFrame
            One row for each of ``confidence_level``, ascending: mean numbers of ``certain``, ``undecided`` and
            ``excluded`` labels of an example, the share of ``empty`` regions (whose labels are all undecided) and, with
            ``y``, the ``coverage``, the interval ``coverage_low``, ``coverage_high`` of its law (see
            :func:`mlkit.conformal.validity.coverage_interval`) and the ``p_value`` of
            :func:`~mlkit.conformal.validity.coverage_test`.

        Notes
        -----
        The guarantee is for one level fixed beforehand: a level picked from this table because its coverage looks good
        has none.
        """
        check_number("level", level, 0, 1, open_low=True, open_high=True)
        return by_level(self, y, check_levels(levels, LEVELS), level)

    # -------------------------------------------------------------------------------------------------------- pictures

    def plot_size(self, levels: Any = None, *, ax: Any = None) -> Any:
        """Draw how many label sets the regions hold: the share of examples with at most so many.

        Parameters
        ----------
        levels : sequence of float in (0, 1), optional
            One line for each confidence level; default: the regions' own. Where sizes are bounds the line is the upper
            one, a band reaches to the lower one.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed (extra ``plot``).
        """
        from mlkit.conformal import plots

        return plots.plot_size(self, check_levels(levels, (self.confidence_level,)), ax=ax)

    def plot_certain(self, levels: Any = None, *, ax: Any = None) -> Any:
        """Draw how many labels are certain, undecided and excluded along the confidence levels.

        Parameters
        ----------
        levels : sequence of float in (0, 1), optional
            Default: 0.50, 0.51, ..., 0.99.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed (extra ``plot``).
        """
        from mlkit.conformal import plots

        return plots.plot_certain(self, check_levels(levels, LEVELS), ax=ax)

    def plot_coverage(self, y: Any, levels: Any = None, *, level: float = 0.95, ax: Any = None) -> Any:
        """Draw the coverage that was observed over the coverage that was promised, in the band that chance allows.

        Parameters
        ----------
        y : labels of shape (n_samples, n_labels)
            The true label sets.
        levels : sequence of float in (0, 1), optional
            Default: 0.50, 0.51, ..., 0.99.
        level : float in (0, 1), default=0.95
            Probability of the band at each confidence level.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed (extra ``plot``).

        Notes
        -----
        The points share one calibration set and are dependent: a line that lies on one side of the diagonal all along,
        inside the band, is chance. Ties of scores push it above the band, examples unlike the calibration examples
        below.
        """
        from mlkit.conformal import plots

        check_number("level", level, 0, 1, open_low=True, open_high=True)
        return plots.plot_coverage(self, y, check_levels(levels, LEVELS), level, ax=ax)
