"""An audit of data that arrive in batches: one pass for the thresholds, one for the issues."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._threads import resolve_threads
from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.params import check_choice, check_ids, check_integer, check_label_names, check_memory
from mlkit._validation.rules import check_rules
from mlkit.quality import _engine, _evidence, _trust
from mlkit.quality._findings import Findings
from mlkit.quality._tally import TalliedCells, Tally
from mlkit.quality.thresholds import check_thresholds

if TYPE_CHECKING:
    from mlkit.labels.matrix import LabelMatrix
    from mlkit.quality._passes import FurtherPasses
    from mlkit.quality.label_audit import LabelAudit

_VERSION = 2
_BYTES_OF_COLUMN = 16  # for a row of a label that may be one of a pair


class LabelQualityState:
    """An audit of labels that arrive in batches, on one machine or on many.

    A first pass over the batches learns the confident thresholds, :meth:`freeze` fixes them, a second pass looks for
    issues, and :meth:`finalize` gives what :func:`mlkit.audit` says of all the data at once, to the bit, however the
    rows were cut into batches, in whatever order these came and were merged.

    Parameters
    ----------
    n_labels : int
        Number of labels.
    label_names : sequence of str, optional
        Names of the labels; default: the columns of the first batch if that is a frame.
    hierarchy, rules, filter_by, rank_by, min_support, nan_policy, from_logits, force, invalid_ids, n_jobs
        See :func:`mlkit.audit`.
    max_memory : int or str, default="64MB"
        So much of what the second pass keeps stays in memory; the rest is in temporary files.

    Attributes
    ----------
    thresholds_ : ndarray of shape (n_labels, 2)
        Confident thresholds, once frozen.
    n_rows_ : int
        Examples that the pass under way has seen.

    Notes
    -----
    Sums are exact (whole multiples of 2^-40), and histograms count, so that parts add up to the very numbers of the
    whole. The first pass keeps O(n_labels) numbers (at most 131 kB a label, for its histogram); the second one 8 to 24
    bytes an example, 5 bytes a given label and 13 bytes a doubted cell. States can be pickled; a state of a newer
    version of mlkit is refused.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import LabelQualityState
    >>> truth = np.tile([[1, 0], [0, 1], [1, 1], [0, 0]], (10, 1))
    >>> pred_probs = np.where(truth, 0.9, 0.2)
    >>> labels = truth.copy()
    >>> labels[2, 1], labels[7, 0] = 0, 1
    >>> batches = [(labels[:25], pred_probs[:25]), (labels[25:], pred_probs[25:])]
    >>> state = LabelQualityState(2, label_names=["cat", "owl"])
    >>> for batch in batches:
    ...     state = state.update_thresholds(*batch)
    >>> state = state.freeze()
    >>> for batch in batches:
    ...     state = state.update_issues(*batch)
    >>> state.finalize().cells()[["row", "label", "direction"]]
       row label direction
    0    2   owl   missing
    1    7   cat  spurious
    """

    def __init__(
        self,
        n_labels: int,
        *,
        label_names: Sequence[str] | None = None,
        hierarchy: Any = None,
        rules: Any = None,
        filter_by: str = "prune_by_noise_rate",
        rank_by: str = "balanced_posterior",
        min_support: int = 10,
        nan_policy: str = "raise",
        from_logits: bool = False,
        force: bool = False,
        invalid_ids: str = "error",
        max_memory: int | str = "64MB",
        n_jobs: int | None = None,
    ) -> None:
        self.n_labels = check_integer("n_labels", n_labels, low=1)
        self.label_names = None if label_names is None else check_label_names(label_names, self.n_labels)
        self._hierarchy, self._own_rules = hierarchy, rules
        check_rules(hierarchy, rules, self.n_labels, self.label_names)
        self.filter_by = check_choice("filter_by", filter_by, _engine.FILTERS)
        self.rank_by = check_choice("rank_by", rank_by, _engine.RANKINGS)
        self.min_support = check_integer("min_support", min_support, low=0)
        self._reading: dict[str, Any] = {
            "nan_policy": nan_policy,
            "from_logits": from_logits,
            "force": force,
            "invalid_ids": invalid_ids,
            "n_jobs": n_jobs,
        }
        self._n_threads = resolve_threads(n_jobs)
        self.max_bytes = check_memory("max_memory", max_memory) or 0
        self._tally = Tally(self.n_labels)
        self._findings = Findings(self.n_labels, self.max_bytes)
        self._thresholds: NDArray[np.float64] | None = None
        self._learns_late = False  # thresholds were given: the second pass is the only one
        self._background: str | None = None
        self._has_ids: bool | None = None
        self._is_clipped = self._has_nan = False  # some probabilities were taken for others

    @property
    def n_rows_(self) -> int:
        """Examples that the pass under way has seen."""
        return self._tally.n_rows if self._thresholds is None else self._findings.n_rows

    @property
    def thresholds_(self) -> NDArray[np.float64]:
        """Confident thresholds, once frozen."""
        if self._thresholds is None:
            raise AttributeError("thresholds_: there are none before freeze()")
        return self._thresholds

    def update_thresholds(self, labels: Any, pred_probs: Any, *, unknown: Any = None) -> LabelQualityState:
        """Take a batch into account for the thresholds.

        Parameters
        ----------
        labels, pred_probs, unknown
            Some rows of what :func:`mlkit.audit` takes; all or nothing of a batch is counted.

        Returns
        -------
        LabelQualityState
            This state.

        Raises
        ------
        TypeError, ValueError
            As :func:`mlkit.audit`; and if the thresholds are frozen.
        """
        if self._thresholds is not None:
            raise ValueError("update_thresholds: expected a state that is not frozen (now it takes update_issues)")
        self._tally.add(self._read(labels, pred_probs, unknown))
        return self

    def freeze(self, thresholds: Any = None) -> LabelQualityState:
        """Fix the thresholds and begin the second pass.

        Parameters
        ----------
        thresholds : array-like of shape (n_labels, 2), optional
            Thresholds to use instead of those of the batches; then no first pass is needed.

        Returns
        -------
        LabelQualityState
            This state.

        Raises
        ------
        ValueError
            If it is frozen, if no batch was seen and no thresholds are given, or if there are known positives and
            unknown cells but no known negative.
        """
        if self._thresholds is not None:
            raise ValueError("freeze: expected a state that is not frozen")
        if thresholds is not None:
            frozen = check_thresholds(thresholds, self.n_labels).copy()
            self._learns_late, self._tally = True, Tally(self.n_labels)
        elif self._tally.n_rows == 0:
            raise ValueError("freeze: expected a batch in update_thresholds, or thresholds, got none")
        else:
            self._check_signs()
            frozen = self._tally.thresholds()
        frozen.flags.writeable = False
        self._thresholds = frozen
        return self

    def update_issues(
        self, labels: Any, pred_probs: Any, *, unknown: Any = None, ids: Any = None, first_row: int | None = None
    ) -> LabelQualityState:
        """Look for issues in a batch.

        Parameters
        ----------
        labels, pred_probs, unknown
            Some rows of what :func:`mlkit.audit` takes.
        ids : sequence, optional
            Names of the examples: of every batch, or of none.
        first_row : int, optional
            The number of the batch's first row among all rows; default: what this state has seen so far. Needed where
            several states share the work.

        Returns
        -------
        LabelQualityState
            This state.

        Raises
        ------
        TypeError, ValueError
            As :func:`mlkit.audit`; and if the thresholds are not frozen.
        """
        if self._thresholds is None:
            raise ValueError("update_issues: expected a frozen state (call freeze() after the first pass)")
        first_row = self._findings.n_rows if first_row is None else check_integer("first_row", first_row, low=0)
        self._check_ids(ids)
        self._search(self._read(labels, pred_probs, unknown), ids, first_row)
        return self

    def merge(self, other: LabelQualityState) -> LabelQualityState:
        """Put together what two states have seen.

        Parameters
        ----------
        other : LabelQualityState
            Of the same labels and settings, and in the same pass: either both before :meth:`freeze`, or both frozen
            with the same thresholds, as copies of one frozen state are.

        Returns
        -------
        LabelQualityState
            A new state.

        Raises
        ------
        TypeError, ValueError
            If the states do not fit together.
        """
        if not isinstance(other, LabelQualityState):
            raise TypeError(f"other: expected a LabelQualityState, got {type(other).__name__}")
        for name in ("n_labels", "label_names", "filter_by", "rank_by", "min_support", "_background", "_has_ids"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs and not (name[0] == "_" and None in (mine, theirs)):
                raise ValueError(f"other: expected a state with {name.strip('_')}={mine!r}, got {theirs!r}")
        together = self._thresholds is None and other._thresholds is None
        if self._thresholds is not None and other._thresholds is not None:
            together = np.array_equal(self._thresholds, other._thresholds) and (
                self._learns_late or self._tally == other._tally
            )
        if not together or self._learns_late != other._learns_late:
            raise ValueError("other: expected a state in the same pass, frozen together with this one if it is frozen")
        merged = copy.copy(self)
        merged._tally, merged._findings = Tally(self.n_labels), self._findings.empty()
        for part in (self, other):
            merged._findings.merge(part._findings)
            if part is self or self._thresholds is None or self._learns_late:  # else both hold the whole first pass
                merged._tally.merge(part._tally)
        merged._background = self._background or other._background
        merged._has_ids = other._has_ids if self._has_ids is None else self._has_ids
        merged._is_clipped, merged._has_nan = self._is_clipped or other._is_clipped, self._has_nan or other._has_nan
        return merged

    def finalize(self) -> LabelAudit:
        """Return the audit of all batches.

        Returns
        -------
        LabelAudit
            As from :func:`mlkit.audit`; it does not hold the probabilities, so pairs of labels are not looked for, and
            ``plot_score_hist`` is not possible.

        Raises
        ------
        ValueError
            If the state is not frozen, if rows are missing or were seen twice, or if the second pass saw other data
            than the first.
        """
        return self._finalize(None)

    def _finalize(self, more: FurtherPasses | None) -> LabelAudit:
        """The audit; ``more`` goes through the batches again for what two passes leave behind."""
        from mlkit.quality.label_audit import LabelAudit

        if self._thresholds is None or self._findings.n_rows == 0:
            raise ValueError("finalize: expected a frozen state that has seen batches in update_issues")
        if self._learns_late:
            self._check_signs()
        found = self._findings.in_order()
        matrix = found.labels(self._background or "negative", self.label_names)
        n_positive, n_negative = self._check_again(found, matrix)
        cells = TalliedCells.of(matrix, self._tally, self._n_threads, None if more is None else more.kept_probs())
        auc = _engine.label_auc(cells)
        folds = None if more is None else more.folds
        needed = max(self.min_support, 0 if folds is None else folds.folds.n)
        status, in_sample = _trust.judge(n_positive, n_negative, auc[:, 0], needed, lambda: found.disagreements)
        flagger = _engine.Flagger(
            found.doubted(self._n_threads),
            self.filter_by,
            thresholds_=self._thresholds,
            joint_=_engine.calibrate(cells, found.joint),
            n_sides=(n_positive, n_negative),
        )
        flagger.exclude(status.is_excluded)
        flagged = flagger.flagged()
        recalibration = None if more is None else more.recalibrate(cells)
        if recalibration is not None:
            right = recalibration.trusted
            flagged = flagged.where(~right.covers(flagged.rows, flagged.labels, self.n_labels))
        other_labels = _trust.other_labels(status, self._thresholds, n_positive, n_negative)
        evidence = _evidence.gather(
            cells,
            flagged,
            lambda: found.contradicted(self.filter_by, status.is_excluded, self._n_threads),
            check_rules(self._hierarchy, self._own_rules, self.n_labels, self.label_names),
            None if more is None else more.columns_of,
            probs_fit=other_labels is None,
            n_cells=self.max_bytes // _BYTES_OF_COLUMN,
        )
        return LabelAudit(
            cells=cells,
            flagged=flagged,
            scores=found.scores,
            thresholds=self._thresholds,
            auc=auc,
            status=status,
            in_sample=in_sample,
            other_labels=other_labels,
            fold_spread=None if folds is None else folds.spread(self._thresholds),
            evidence=evidence,
            ids=None if found.ids is None else check_ids(found.ids, found.n_rows),
            filter_by=self.filter_by,
            rank_by=self.rank_by,
            min_support=self.min_support,
            recalibration=recalibration,
        )

    def _check_again(self, found: Findings, matrix: LabelMatrix) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positives and negatives of each label, which both passes must have seen."""
        if found.n_rows != self._tally.n_rows:
            raise ValueError(
                f"finalize: expected the {self._tally.n_rows} examples of the first pass, got {found.n_rows} in the "
                "second"
            )
        n_positive, n_negative = matrix._count(self._n_threads)
        changed = (n_positive != self._tally.n_positive) | (n_negative != self._tally.n_negative)
        if changed.any():
            label = int(np.argmax(changed))
            raise ValueError(
                f"finalize: expected the labels of the first pass, got {n_positive[label]} instead of "
                f"{self._tally.n_positive[label]} positives of label {label} in the second"
            )
        return n_positive, n_negative

    def _search(self, cells: Cells, ids: Any, first_row: int) -> None:
        """Look for issues in cells that have been judged."""
        assert self._thresholds is not None
        names = own_ids(ids, cells.shape[0])
        if self._learns_late:
            self._tally.add(cells)
        self._findings.add(cells, self.filter_by, self._thresholds, first_row, names)
        self._has_ids = ids is not None

    def _read(self, labels: Any, pred_probs: Any, unknown: Any) -> Cells:
        cells = check_cells(
            labels, pred_probs, unknown=unknown, label_names=self.label_names, is_whole=False, **self._reading
        )
        if cells.shape[1] != self.n_labels:
            raise ValueError(f"labels: expected {self.n_labels} labels (columns), got shape {cells.shape}")
        if self._background not in (None, cells.labels.background):
            raise ValueError(
                f"labels: expected background={self._background!r} as in earlier batches, "
                f"got {cells.labels.background!r}"
            )
        self._background = cells.labels.background
        self.label_names = cells.label_names
        self._is_clipped |= cells.probs.clip
        self._has_nan |= cells.probs.nan_mask is not None
        return cells

    def _check_ids(self, ids: Any) -> None:
        if self._has_ids not in (None, ids is not None):
            had = "with" if self._has_ids else "without"
            raise ValueError(f"ids: expected ids for every batch or for none, got a batch after others {had} ids")

    def _check_signs(self) -> None:
        n_known = int(self._tally.n_positive.sum() + self._tally.n_negative.sum())
        is_partial = n_known < self._tally.n_rows * self.n_labels
        if self._background == "negative" and is_partial and n_known and not self._tally.n_negative.any():
            raise ValueError(
                "labels: expected 0 where a label is absent, got only -1 and 1 in all batches (-1 means unknown: "
                "if yours means absent, pass labels > 0)"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"version": _VERSION, **self.__dict__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        version = state.pop("version", None)
        if version != _VERSION:
            raise ValueError(
                f"LabelQualityState: expected a state of version {_VERSION}, got version {version} "
                "(made by another version of mlkit)"
            )
        self.__dict__.update(state)

    def __repr__(self) -> str:
        stage = "issues" if self._thresholds is not None else "thresholds"
        return f"LabelQualityState({self.n_labels} labels, {self.n_rows_:,} examples seen for the {stage})"


def own_ids(ids: Any, n_rows: int) -> NDArray[Any] | None:
    """A copy of a batch's ids, judged."""
    return None if ids is None else check_ids(ids, n_rows).copy()
