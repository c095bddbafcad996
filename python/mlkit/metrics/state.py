"""An evaluation of predictions that arrive in batches, on one machine or on many."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._threads import resolve_threads
from mlkit._validation.arrays import read_array
from mlkit._validation.pairs import (
    Scored,
    check_pair,
    check_predicted,
    check_scored,
    check_threshold,
    check_weights,
)
from mlkit._validation.params import (
    check_choice,
    check_integer,
    check_label_names,
    check_memory,
    check_number,
    described,
    format_bytes,
    shorten_type,
)
from mlkit.metrics._averages import ABSENT
from mlkit.metrics._buffer import Kept, stack_labels, stack_scores
from mlkit.metrics._measuring import measure, tell_ties
from mlkit.metrics._names import AREA_KEYS, CALIBRATION_KEYS, check_names, rank_keys, top_mean_keys
from mlkit.metrics._ranks import check_ks
from mlkit.metrics._streamed import Batch, Plan, Streamed
from mlkit.metrics.propensity import check_propensities
from mlkit.metrics.report import EvaluationReport

_VERSION = 1
CURVES = ("exact", "histogram")
HEAVIEST = 64.0  # weight of a row: sums are kept in units of 2^-50
LIGHTEST = 2.0**-10  # of the heaviest row of a batch: such units are too coarse for less


class MetricState:
    """An evaluation of predictions that arrive in batches, on one machine or on many.

    Batches are taken up by :meth:`update`, states are put together by :meth:`merge`, and :meth:`compute` gives the
    report of all rows, whatever batches they came in and in whatever order these were merged.

    Parameters
    ----------
    n_labels : int
        Number of labels.
    metrics : sequence of str, optional
        Keys of the report that are wanted, such as ``["f1_macro", "lrap"]``; default: all that the batches allow.
        What is not wanted is not computed.
    k, threshold, label_names, inv_propensity, ci, n_boot, absent_labels, random_state, n_jobs
        See :func:`mlkit.evaluate`.
    curves : {"exact", "histogram"}, default="exact"
        How areas under the curves of labels, and of all cells, are measured. "exact": the cells are kept, and
        :meth:`compute` is :func:`mlkit.evaluate` of them all, intervals included. "histogram": cells are counted in
        4,096 bins of probability, scores must lie in [0, 1], and each area's note says how far it may be off.
    memory_limit : int, str or None, default="2GB"
        Most that the kept cells may take.

    Attributes
    ----------
    n_rows_ : int
        Examples seen so far.

    Notes
    -----
    Cells are kept only with ``curves="exact"`` and if an area is wanted: 4 bytes each for float32 (8 a stored score of
    sparse ones), and 5 a stored label; :meth:`compute` copies them once. Otherwise a state is sums, which are whole
    numbers (counts, and multiples of 2^-50), so that the same rows give the same bits however they were cut, ordered
    and merged: O(n_labels) numbers, at most 131 kB a label of histogram, and 24 bytes a label and replicate. The values
    are those of :func:`mlkit.evaluate`: the very bits for what is made of counts, to 1e-12 for means of rows. Of sums
    there are no intervals for means over labels and for areas, unless ``n_boot`` asks for replicates (for all but
    areas).

    Without ``row_start``, rows are numbered as they come, those of ``other`` in :meth:`merge` after those of this
    state; replicates of the bootstrap are keyed by the number (or group) of a row. States can be pickled; one of
    another version of mlkit is refused.

    Examples
    --------
    >>> import numpy as np, mlkit
    >>> from mlkit.metrics import MetricState
    >>> rng = np.random.default_rng(0)
    >>> y_score = rng.random((1000, 4))
    >>> y_true = rng.random((1000, 4)) < y_score**2
    >>> a, b = MetricState(4), MetricState(4)
    >>> state = a.update(y_true[:300], y_score[:300]).merge(b.update(y_true[300:], y_score[300:]))
    >>> state.compute()["f1_macro"]
    Estimate(0.684, 0.666 to 0.703)
    >>> state.compute().to_dict() == mlkit.evaluate(y_true, y_score).to_dict()
    True
    """

    def __init__(
        self,
        n_labels: int,
        *,
        metrics: Sequence[str] | None = None,
        k: Any = (1, 3, 5),
        threshold: Any = 0.5,
        curves: str = "exact",
        label_names: Sequence[str] | None = None,
        inv_propensity: Any = None,
        ci: float = 0.95,
        n_boot: int = 0,
        absent_labels: str = "skip",
        random_state: int = 0,
        memory_limit: int | str | None = "2GB",
        n_jobs: int | None = None,
    ) -> None:
        self.n_labels = n = check_integer("n_labels", n_labels, low=1)
        self.label_names = None if label_names is None else check_label_names(label_names, n)
        ks = tuple(sorted({each for each in check_ks(k, 2**62, "MetricState")[0] if each <= n}))
        self._q = None if inv_propensity is None else check_propensities(inv_propensity, n)
        self._wanted = None if metrics is None else check_names(metrics, ks, self._q is not None)
        cut = check_threshold(threshold, n)
        self._cut = cut if np.ndim(threshold) else threshold  # a plain number means what it does to each batch's scores
        self._ci = check_number("ci", ci, 0, 1, open_low=True, open_high=True)
        self._absent = check_choice("absent_labels", absent_labels, ABSENT)
        self._n_boot = check_integer("n_boot", n_boot, low=0)
        self._seed = check_integer("random_state", random_state, low=0)
        self._limit = check_memory("memory_limit", memory_limit)
        self._n_jobs = n_jobs
        resolve_threads(n_jobs)
        with_areas = self._wants(AREA_KEYS)
        self._keeps = check_choice("curves", curves, CURVES) == "exact" and with_areas
        self._plan = Plan(
            n,
            ks,
            self._q,
            self._wants(rank_keys(ks)),
            self._wants(top_mean_keys(ks)),
            with_areas,
            self._wants(CALIBRATION_KEYS),
            self._n_boot,
            self._seed,
        )
        self._kept: list[Kept] = []
        self._sums = Streamed(self._plan)
        self._n_rows = 0
        self._ranges: list[tuple[int, int]] = []  # of rows, where the caller numbers them
        self._form: dict[str, Any] = {}  # what all batches have in common

    def _wants(self, keys: Sequence[str]) -> bool:
        return self._wanted is None or not set(self._wanted).isdisjoint(keys)

    @property
    def n_rows_(self) -> int:
        """Examples seen so far."""
        return self._n_rows

    def update(
        self,
        y_true: Any,
        y_score: Any = None,
        y_pred: Any = None,
        *,
        unknown: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        row_start: int | None = None,
    ) -> MetricState:
        """Take a batch into account.

        Parameters
        ----------
        y_true, y_score, y_pred, unknown
            Some rows of what :func:`mlkit.evaluate` takes, in the same form for every batch; all or nothing of a batch
            is counted.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows, from 0 to 64; the largest of a batch at least 2^-10 where no
            cells are kept.
        groups : array-like of int of shape (n_samples,), optional
            Numbers of groups whose rows are not independent; where no cells are kept, for the bootstrap alone.
        row_start : int, optional
            The number of the batch's first row among all rows: for every batch, or for none.

        Returns
        -------
        MetricState
            This state.

        Raises
        ------
        TypeError, ValueError
            As :func:`mlkit.evaluate`; and if the batch has another form than earlier ones.
        MemoryError
            If the kept cells would take more than ``memory_limit``.
        """
        batch, numbers = self._judge(y_true, y_score, y_pred, unknown, sample_weight, groups)
        n = batch.truth.shape[0]
        first = self._n_rows if row_start is None else check_integer("row_start", row_start, low=0)
        form = {
            "y_score": "none" if batch.cells is None else "sparse" if batch.cells.is_sparse else "dense",
            "y_pred": batch.predicted is not None,
            "sample_weight": batch.weights is not None,
            "groups": numbers is not None,
            "row_start": row_start is not None,
            "background": batch.truth.background,
        }
        for name, value in form.items():
            had = self._form.get(name, value)
            if had != value:
                raise ValueError(f"{name}: expected the same form for every batch, got {value!r} after {had!r}")
        if self._keeps and batch.cells is not None:
            kept = Kept.of(first, batch.cells, batch.predicted, batch.weights, numbers)
            self._check_memory([*self._kept, kept])
            self._kept.append(kept)
        else:
            ids = np.arange(first, first + n, dtype=np.int64) if numbers is None else numbers
            self._sums.add(
                Batch(batch.truth, batch.cells, batch.predicted, batch.cut, batch.weights, ids, batch.n_threads)
            )
        if row_start is not None:
            self._ranges.append((first, first + n))
        self._form, self._n_rows = form, self._n_rows + n
        self.label_names = self.label_names or batch.truth.label_names
        return self

    def merge(self, other: MetricState) -> MetricState:
        """Put together what two states have seen.

        Parameters
        ----------
        other : MetricState
            Made with the same parameters, of other rows.

        Returns
        -------
        MetricState
            A new state.

        Raises
        ------
        TypeError, ValueError
            If the states do not fit together.
        """
        if not isinstance(other, MetricState):
            raise TypeError(f"other: expected a MetricState, got {described(other)}")
        for name, mine in self._settings().items():
            theirs = other._settings()[name]
            if not np.array_equal(mine, theirs):
                raise ValueError(f"other: expected a state with {name}={mine!r}, got {theirs!r}")
        names = {self.label_names, other.label_names} - {None}
        if len(names) > 1:
            raise ValueError("other: expected a state of the same labels, got one with other label_names")
        for name, value in self._form.items():
            if other._form.get(name, value) != value:
                raise ValueError(f"other: expected batches with the same form of {name}, got {other._form[name]!r}")
        merged = copy.copy(self)
        shift = 0 if {**self._form, **other._form}.get("row_start", False) else self._n_rows
        if shift and other._n_rows and other._sums.n_rows and self._n_boot and not self._form["groups"]:
            raise ValueError(
                "other: expected batches with row_start (without it both states' bootstraps have used the same rows)"
            )
        merged._kept = self._kept + [replace(kept, first_row=kept.first_row + shift) for kept in other._kept]
        self._check_memory(merged._kept)
        merged._ranges = self._ranges + other._ranges
        merged._check_rows()
        merged._sums = copy.copy(self._sums)
        merged._sums.rows, merged._sums.row_boot = copy.deepcopy(self._sums.rows), dict(self._sums.row_boot)
        merged._sums.undefined = dict(self._sums.undefined)
        merged._sums.merge(other._sums)
        merged._n_rows = self._n_rows + other._n_rows
        merged._form = {**self._form, **other._form}
        merged.label_names = self.label_names or other.label_names
        return merged

    def compute(self) -> EvaluationReport:
        """Return the report of all batches.

        Returns
        -------
        EvaluationReport
            With kept cells that of :func:`mlkit.evaluate`; else one that cannot be compared or drawn, since it has no
            rows.

        Raises
        ------
        ValueError
            If there was no batch, or a row came twice.
        """
        if not self._n_rows:
            raise ValueError("compute: expected a batch in update() before, got none")
        self._check_rows()
        if self._kept:
            report = self._evaluate()
        else:
            self._check_signs(self._sums.n_positive, self._sums.n_negative)
            report = self._sums.report(self.label_names, self._ci, self._absent)
        report = report if self._wanted is None else report._only(self._wanted)
        tell_ties(report, "compute")
        return report

    def _evaluate(self) -> EvaluationReport:
        parts = sorted(self._kept, key=lambda kept: kept.first_row)
        truth = stack_labels([part.truth for part in parts], self.label_names)
        self._check_signs(*truth._count(resolve_threads(self._n_jobs)))
        predicted = [part.predicted for part in parts if part.predicted is not None]
        weights = [part.weights for part in parts if part.weights is not None]
        groups = [part.groups for part in parts if part.groups is not None]
        return measure(
            truth,
            stack_scores(parts, self.n_labels),
            stack_labels(predicted, self.label_names) if predicted else None,
            threshold=self._cut,
            k=self._plan.ks or self.n_labels + 1,
            sample_weight=np.concatenate(weights) if weights else None,
            groups=np.concatenate(groups) if groups else None,
            inv_propensity=self._q,
            ci=self._ci,
            n_boot=self._n_boot,
            absent_labels=self._absent,
            random_state=self._seed,
            n_jobs=self._n_jobs,
        )

    def _judge(
        self, y_true: Any, y_score: Any, y_pred: Any, unknown: Any, sample_weight: Any, groups: Any
    ) -> tuple[Batch, NDArray[np.int64] | None]:
        shared = {"unknown": unknown, "label_names": self.label_names, "is_whole": False, "n_jobs": self._n_jobs}
        cells: Scored | None = None
        if y_score is not None:
            binned = self._plan.with_areas and not self._keeps
            cells = check_scored(y_true, y_score, probabilities=binned, **shared)
            truth, n_threads = cells.truth, cells.n_threads
            predicted = None if y_pred is None else check_predicted(y_pred, truth, n_threads)
        elif y_pred is None:
            raise ValueError("y_score: expected scores, or predicted labels as y_pred, got neither")
        else:
            pair = check_pair(y_true, y_pred, **shared)
            truth, predicted, n_threads = pair.truth, pair.predicted, pair.n_threads
        n, n_labels = truth.shape
        if n_labels != self.n_labels:
            raise ValueError(f"y_true: expected {self.n_labels} labels (columns), got shape {truth.shape}")
        weights = check_weights(sample_weight, n)
        if weights is not None and weights.values.max() > HEAVIEST:
            raise ValueError(
                f"sample_weight: expected weights of at most {HEAVIEST:g}, got {weights.values.max():g} "
                "(divide all of them by one number: results do not change)"
            )
        numbers = None if groups is None else _check_numbers(groups, n)
        if numbers is not None and not self._n_boot and not (self._keeps and cells is not None):
            raise ValueError("groups: expected n_boot > 0, or kept cells (curves='exact'): sums know no groups")
        is_summed = cells is None or not self._keeps
        if weights is not None and is_summed and weights.values.max() < LIGHTEST:
            raise ValueError(
                f"sample_weight: expected a largest weight of at least {LIGHTEST:g}, got {weights.values.max():g} "
                "(multiply all of them by one number: results do not change)"
            )
        of_rows = None if weights is None else weights.values.copy()
        cut = (
            None if predicted is not None or cells is None else check_threshold(self._cut, n_labels, cells.array.dtype)
        )
        return Batch(truth, cells, predicted, cut, of_rows, np.zeros(0, np.int64), n_threads), numbers

    def _check_signs(self, n_positive: NDArray[np.int64], n_negative: NDArray[np.int64]) -> None:
        n_known = int(n_positive.sum() + n_negative.sum())
        is_partial = n_known < self._n_rows * self.n_labels
        if self._form["background"] == "negative" and is_partial and n_known and not n_negative.any():
            raise ValueError(
                "y_true: expected 0 where a label is absent, got only -1 and 1 in all batches (-1 means unknown: "
                "if yours means absent, pass y_true > 0)"
            )

    def _check_rows(self) -> None:
        end = 0
        for begin, next_end in sorted(self._ranges):
            if begin < end:
                raise ValueError(f"row_start: expected every row once, got row {begin} twice")
            end = next_end

    def _check_memory(self, kept: list[Kept]) -> None:
        size = sum(part.nbytes for part in kept)
        if self._limit is not None and size > self._limit:
            raise MemoryError(
                f"MetricState: the cells of exact curves need {format_bytes(size)}, memory_limit is "
                f"{format_bytes(self._limit)}; use curves='histogram', metrics without areas, or raise memory_limit"
            )

    def _settings(self) -> dict[str, Any]:
        return {
            "n_labels": self.n_labels,
            "metrics": self._wanted,
            "k": self._plan.ks,
            "threshold": self._cut,
            "curves": CURVES[not self._keeps],
            "inv_propensity": self._q,
            "ci": self._ci,
            "n_boot": self._n_boot,
            "absent_labels": self._absent,
            "random_state": self._seed,
        }

    def __getstate__(self) -> dict[str, Any]:
        return {"version": _VERSION, **self.__dict__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        version = state.pop("version", None)
        if version != _VERSION:
            raise ValueError(
                f"MetricState: expected a state of version {_VERSION}, got version {version} "
                "(made by another version of mlkit)"
            )
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"MetricState({self.n_labels} labels, {self.n_rows_:,} examples seen)"


def _check_numbers(groups: Any, n_rows: int) -> NDArray[np.int64]:
    array = read_array("groups", groups)
    if array.dtype.kind not in "iu":
        raise TypeError(f"groups: expected integers, got {shorten_type(array.dtype)}")
    if array.shape != (n_rows,):
        raise ValueError(f"groups: expected shape ({n_rows},), one for each example, got shape {array.shape}")
    return array.astype(np.int64)
