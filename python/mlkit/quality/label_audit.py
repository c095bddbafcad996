"""What an audit found, as frames, sentences, pictures and files."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells
from mlkit._validation.params import check_integer
from mlkit.quality import _engine, _evidence, _stories, _trust
from mlkit.quality._cell_tables import CellTables
from mlkit.quality._evidence_tables import EvidenceTables
from mlkit.quality._recalibration import Recalibration

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.quality.patch import CellPatch

AT_RANDOM = "the same if flags fell at random"


class LabelAudit(CellTables, EvidenceTables):
    """The findings of :func:`mlkit.audit`.

    Attributes
    ----------
    summary : DataFrame
        The numbers on the whole, indexed by ``measure``, with the columns ``value`` and ``share``.
    labels : DataFrame
        One row for each label: ``label`` (its name, or number), ``support``, ``known``, ``threshold_0``,
        ``threshold_1``, ``auc``, ``auc_error`` (how far the area may be off: it is computed from 4,096 bins),
        ``spurious_n``, ``spurious_share`` (of the examples that carry the label), ``missing_n``, ``missing_share`` (of
        those that do not), ``quality`` (1 - spurious_share), ``status`` ("ok", or why nothing is flagged; shares and
        quality are NaN then). With ``fold_ids`` also ``fold_spread``: the largest difference of a threshold between
        folds.
    story : Story
        How many cells may be wrong: ``kind`` ("labels_fine", "model_better" or "cannot_tell"), ``text``,
        ``assumption``, ``n_wrong``, ``n_spurious`` and ``n_missing`` (each the least and the most), ``reliability``.
    trust : DataFrame
        What limits or qualifies the findings, most serious first: ``kind``, ``is_warning``, ``text``.
    evidence : DataFrame
        What no score of a cell shows, most damning first: ``kind``, ``text``.
    scores : ndarray of shape (n_samples,)
        Each example's label quality score; lower is more suspicious.

    Examples
    --------
    >>> import mlkit
    >>> labels = [[0], [0], [1], [0, 1], []] * 10
    >>> pred_probs = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.8], [0.9, 0.9], [0.1, 0.1]] * 9 + [[0.1, 0.1]] * 5
    >>> mlkit.audit(labels, pred_probs, min_support=5).labels[["label", "support", "spurious_n", "missing_n"]]
       label  support  spurious_n  missing_n
    0      0       30           3          0
    1      1       20           2          0
    """

    def __init__(
        self,
        *,
        cells: Cells,
        flagged: _engine.FlaggedCells,
        scores: NDArray[np.float64],
        thresholds: NDArray[np.float64],
        auc: NDArray[np.float64],
        status: _trust.LabelStatus,
        in_sample: _trust.Remark | None,
        other_labels: _trust.Remark | None,
        fold_spread: _trust.FoldSpread | None,
        evidence: _evidence.Evidence,
        ids: NDArray[Any] | None,
        filter_by: str,
        rank_by: str,
        min_support: int,
        recalibration: Recalibration | None,
    ) -> None:
        self._cells = cells
        self._recalibration = recalibration
        self._flagged = flagged
        self.scores = scores
        self._thresholds = thresholds
        self._auc = auc
        self._status = status
        self._fold_spread = fold_spread
        self._evidence = evidence
        self._ids = ids
        self.filter_by = filter_by
        self.rank_by = rank_by
        self.min_support = min_support
        n_labels = cells.shape[1]
        self._n_missing, self._n_spurious = (np.bincount(x, minlength=n_labels) for x in flagged.by_direction())
        self._n_flagged_rows = int(np.count_nonzero(np.diff(flagged.indptr)))
        names = cells.label_names
        remarks = [
            in_sample,
            other_labels,
            _trust.incomplete(int(self._n_spurious.sum()), int(self._n_missing.sum()), cells.labels.background),
            _trust.zeros(int(np.count_nonzero((flagged.p == 0) & (flagged.given == 1))), int(self._n_spurious.sum())),
            None if fold_spread is None else _trust.fold_shift(fold_spread, status, names),
            *_trust.excluded(status, filter_by, names),
            _trust.saturation(self._n_flagged_rows / cells.shape[0], self._expected_share, n_labels),
            _trust.ties(flagged.tied, n_labels),
            *_trust.reading(cells.labels.notes),
            None if evidence.has_pairs else _trust.no_pairs(),
        ]
        self._remarks = sorted([r for r in remarks if r is not None], key=lambda remark: not remark.is_warning)

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The labels' names, or None."""
        return self._cells.label_names

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_samples, n_labels)``."""
        return self._cells.shape

    @property
    def labels(self) -> pd.DataFrame:
        """One row for each label."""
        import pandas as pd

        n_positive, n_negative = self._cells.n_positive, self._cells.n_negative
        judged = self._status.kind == _trust.OK
        if self.filter_by == "predicted_neq_given":  # needs no threshold for absence
            judged |= self._status.kind == _trust.CONSTANT_1
        spurious_share = np.where(judged, _share(self._n_spurious, n_positive), np.nan)
        frame = pd.DataFrame(
            {
                "label": self._name_column(np.arange(self.shape[1])),
                "support": n_positive,
                "known": n_positive + n_negative,
                "threshold_0": np.where(n_negative > 0, self._thresholds[:, 0], np.nan),
                "threshold_1": np.where(n_positive > 0, self._thresholds[:, 1], np.nan),
                "auc": self._auc[:, 0],
                "auc_error": self._auc[:, 1],
                "spurious_n": self._n_spurious,
                "spurious_share": spurious_share,
                "missing_n": self._n_missing,
                "missing_share": np.where(judged, _share(self._n_missing, n_negative), np.nan),
                "quality": 1 - spurious_share,
                "status": self._status.text,
            }
        )
        if self._fold_spread is not None:
            frame["fold_spread"] = np.fmax(*self._fold_spread.spread.T)
        return frame

    def patch(self, *, policy: str = "flagged", max_changes: int | None = None, fdr: float = 0.1) -> CellPatch:
        """Return suggested changes of the labels, which can be applied, reviewed and taken back.

        Parameters
        ----------
        policy, max_changes, fdr
            See :func:`mlkit.quality.suggest_labels`.

        Returns
        -------
        CellPatch
            With the filter and the excluded labels of this audit.
        """
        from mlkit.quality import suggest

        suggest.check_policy(policy, max_changes, fdr)
        found, again = self._flagged, self._recalibration
        if again is not None:
            found = again.flagged(found)
        return suggest.make_patch(
            self._cells if again is None else again.cells,
            self._noise_of_rest,
            self._status.is_excluded,
            policy,
            max_changes,
            fdr,
            (found, self._flag_scores) if policy == "flagged" else None,
            self.filter_by,
            trusted=None if again is None else again.trusted,
        )

    @property
    def summary(self) -> pd.DataFrame:
        """The numbers on the whole."""
        import pandas as pd

        n, n_labels = self.shape
        n_positive, n_negative = int(self._cells.n_positive.sum()), int(self._cells.n_negative.sum())
        known = n_positive + n_negative
        n_spurious, n_missing = int(self._n_spurious.sum()), int(self._n_missing.sum())
        n_excluded = int(self._status.is_excluded.sum())
        expected = self._expected_share
        rows: list[tuple[str, int, float]] = [
            ("examples", n, np.nan),
            ("labels", n_labels, np.nan),
            ("known cells", known, known / (n * n_labels)),
            ("given labels", n_positive, _ratio(n_positive, known)),
            ("flagged cells", n_spurious + n_missing, _ratio(n_spurious + n_missing, known)),
            ("flagged as spurious, of the given labels", n_spurious, _ratio(n_spurious, n_positive)),
            ("flagged as missing, of the labels not given", n_missing, _ratio(n_missing, n_negative)),
            ("examples with a flagged cell", self._n_flagged_rows, self._n_flagged_rows / n),
            (AT_RANDOM, round(n * expected), expected),
            ("labels in which nothing is flagged, see trust", n_excluded, n_excluded / n_labels),
        ]
        frame = pd.DataFrame(rows, columns=["measure", "value", "share"])
        return frame.set_index("measure")

    @cached_property
    def story(self) -> _stories.Story:
        """How many cells may be wrong, and what that rests on (see the documentation of the room)."""
        judged, again = self._status.kind == _trust.OK, self._recalibration
        if again is None:
            return _stories.tell(self._cells, self._noise_of_rest, judged)
        return _stories.tell(again.rest, self._noise_of_rest, judged, again.trusted.n_cells, again.spread(judged))

    @property
    def trust(self) -> pd.DataFrame:
        """What limits or qualifies the findings."""
        import pandas as pd

        records = [(r.kind, r.is_warning, r.text) for r in self._remarks]
        return pd.DataFrame(records, columns=["kind", "is_warning", "text"])

    def to_json(self) -> str:
        """Return summary, evidence, trust and labels as JSON text, null where a number is NaN."""
        summary, labels = self.summary, self.labels
        head = {
            "filter_by": self.filter_by,
            "rank_by": self.rank_by,
            "min_support": self.min_support,
            "summary": {
                name: {"value": value, "share": share}
                for name, value, share in zip(summary.index, _plain(summary["value"]), _plain(summary["share"]))
            },
            "story": self.story.to_dict(),
            "evidence": [{"kind": r.kind, "text": r.text} for r in self._evidence.remarks],
            "trust": [{"kind": r.kind, "is_warning": r.is_warning, "text": r.text} for r in self._remarks],
        }
        encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
        names = list(labels)
        rows = [encode(dict(zip(names, row))) for row in zip(*(_plain(labels[name]) for name in names))]
        start = json.dumps(head, indent=2, ensure_ascii=False, allow_nan=False).removesuffix("\n}")
        return start + ',\n  "labels": [\n    ' + ",\n    ".join(rows) + "\n  ]\n}\n"  # a line for each label

    def save(self, folder: str | Path) -> list[Path]:
        """Write the tables as CSV, the summary and the patch as JSON.

        ``labels.csv``, ``cells.csv``, ``examples.csv``, ``breaks.csv``, ``pairs.csv``, ``violations.csv``,
        ``summary.json`` and ``patch.json`` appear complete and together, or not at all; older ones are replaced.

        Parameters
        ----------
        folder : str or Path
            Made if it does not exist.

        Returns
        -------
        list of Path
            The files.
        """
        from mlkit.quality._files import write_audit

        return write_audit(self, Path(folder))

    def plot_labels(self, *, top: int = 20, ax: Any = None) -> Any:
        """Draw the labels with the most flagged cells, spurious and missing side by side.

        Parameters
        ----------
        top : int, default=20
            How many labels, the most flagged first.
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
        from mlkit.quality import plots

        return plots.plot_labels(self, top=check_integer("top", top, low=1), ax=ax)

    def plot_score_hist(self, label: str | int | None = None, *, ax: Any = None) -> Any:
        """Draw how scores are distributed, flagged ones set off.

        Parameters
        ----------
        label : str or int, optional
            The probabilities of one label, by what was given; default: the examples' scores.
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
        from mlkit.quality import plots

        return plots.plot_score_hist(self, None if label is None else self._label_number(label), ax=ax)

    def __repr__(self) -> str:
        n, n_labels = self.shape
        size = f"{_trust.counted(n, 'example')} x {_trust.counted(n_labels, 'label')}"
        lines = [f"LabelAudit: {size} ({self.filter_by})"]
        lines += [f"  ! {remark.text}" for remark in self._evidence.remarks]
        for name, value, share in self.summary.itertuples():
            indented = f"  {name}" if name == AT_RANDOM else name
            lines.append(f"  {indented:<46}{value:>14,}{_trust.percent(share):>12}".rstrip())
        lines.append("Flags are candidates for review: where people checked them, about half were errors.")
        lines += self.story.lines()
        if self._remarks:
            lines.append("Trust:")
            lines += [f"  {'!' if remark.is_warning else '-'} {remark.text}" for remark in self._remarks]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from mlkit.quality import _html

        return _html.audit_html(self)

    # What follows serves the methods above and the modules that draw and write.

    @cached_property
    def _flag_scores(self) -> NDArray[np.float64]:
        """The flagged cells' scores for ranking."""
        counted = ~self._status.is_excluded
        return _engine.flag_scores(self._cells, self._noise, self._flagged, self.rank_by, counted)

    @cached_property
    def _noise(self) -> NDArray[np.float64]:
        """Flip rates and wrong cells of each label by likelihood."""
        return _engine.noise(self._cells)

    @cached_property
    def _noise_of_rest(self) -> NDArray[np.float64]:
        """The same in the cells that are not trusted, with the probabilities recalibrated on those that are."""
        return self._noise if self._recalibration is None else _engine.noise(self._recalibration.rest)

    @cached_property
    def _expected_share(self) -> float:
        """Share of examples with a flag if each label's flags fell on its known examples independently."""
        labels = self._cells.labels
        rate = _share(self._n_spurious + self._n_missing, self._cells.n_positive + self._cells.n_negative)
        log_none = np.log1p(-np.minimum(np.nan_to_num(rate), 1 - 2.0**-53))  # by label: log P(no flag)
        indptr, indices, values = labels._cells
        known_everywhere = 0.0
        if labels.background == "negative":
            known_everywhere = log_none.sum()
            if values is None:
                return float(abs(np.expm1(known_everywhere)))
            weights = np.where(values < 0, -log_none[indices], 0.0)
        else:
            weights = log_none[indices]
        rows = np.repeat(np.arange(labels.shape[0]), np.diff(indptr))
        by_row = known_everywhere + np.bincount(rows, weights=weights, minlength=labels.shape[0])
        return float(np.abs(np.expm1(np.minimum(by_row, 0.0))).mean())


def _plain(column: Any) -> list[Any]:
    """A frame's column as JSON knows values: NaN is None."""
    return [None if value != value else value for value in column.tolist()]


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
