"""One call that says which labels are wrong, how wrong each label is, and what to look at first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._progress import steps
from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.params import check_choice, check_ids, check_integer, list_labels
from mlkit.quality import _engine, _trust

if TYPE_CHECKING:
    import pandas as pd

DIRECTIONS = ("missing", "spurious")  # by the given value: a given 0 that should be 1, a given 1 that should be 0


def audit(
    labels: Any,
    pred_probs: Any,
    *,
    label_names: Sequence[str] | None = None,
    ids: Any = None,
    unknown: Any = None,
    filter_by: str = "prune_by_noise_rate",
    min_support: int = 10,
    fold_ids: Any = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    n_jobs: int | None = None,
    progress: bool | None = None,
) -> LabelAudit:
    """Audit the labels of a data set against a model's probabilities.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, n_jobs
        See :func:`mlkit.quality.find_label_issues`. Probabilities must be out of sample: each example's from a model
        that has not seen its labels.
    ids : sequence of length n_samples, optional
        Distinct names of the examples; default: row numbers.
    filter_by : str, default="prune_by_noise_rate"
        See :func:`mlkit.quality.find_label_issues`.
    min_support : int, default=10
        Nothing is flagged in labels with fewer examples on one side.
    fold_ids : array-like of shape (n_samples,), optional
        The cross-validation fold that each example's probabilities come from: shifts between folds are reported.
    progress : bool, optional
        Show a bar; None: on a terminal or in a notebook, for work that takes over two seconds.

    Returns
    -------
    LabelAudit
        Its ``labels``, ``cells()`` and ``examples()`` are frames, ``summary`` the numbers on the whole, ``trust`` what
        limits them.

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Notes
    -----
    Flags are candidates for review. Where people checked the flags of such audits, about half were errors; with many
    labels most examples have some flagged cell even in clean data. Therefore the numbers are about cells, and the share
    of examples with a flag stands beside the share that would have one if the flags fell at random.

    Nothing is flagged in labels that the model ranks worse than chance, that have fewer than ``min_support`` examples on
    one side, or that are never given; their scores are kept, and ``trust`` names them.

    About seven passes over the probabilities; O(stored) for sparse input. Same bits for every ``n_jobs``.

    Examples
    --------
    >>> import mlkit
    >>> from mlkit.datasets import inject_label_noise, make_multidigits
    >>> import numpy as np
    >>> truth = make_multidigits(500, random_state=0).Y
    >>> noisy, wrong = inject_label_noise(truth, rate=0.02, random_state=0)
    >>> pred_probs = np.where(truth == 1, 0.9, 0.1)
    >>> result = mlkit.audit(noisy, pred_probs, label_names=list("0123456789"))
    >>> len(result.cells()) == wrong.sum()
    True
    >>> result.cells(top=1)[["id", "label", "direction", "suggested"]]
        id label direction  suggested
    0   29     3  spurious          0
    """
    check_choice("filter_by", filter_by, _engine.FILTERS)
    check_integer("min_support", min_support, low=0)
    plan = ["reading", "thresholds", "joint", "flags", "ranking of labels", "scores"]
    under_way = steps(plan, "audit", progress)

    next(under_way)
    cells = check_cells(
        labels,
        pred_probs,
        unknown=unknown,
        label_names=label_names,
        nan_policy=nan_policy,
        from_logits=from_logits,
        force=force,
        invalid_ids=invalid_ids,
        n_jobs=n_jobs,
    )
    own_ids = None if ids is None else check_ids(ids, cells.shape[0])
    folds = None if fold_ids is None else _check_folds(fold_ids, cells.shape[0])

    next(under_way)
    thresholds = _engine.thresholds(cells)
    spread = None if folds is None else _fold_spread(cells, folds)

    next(under_way)
    flagger = _engine.Flagger(cells, filter_by, thresholds_=thresholds)
    disagreements = _engine.count_disagreements(cells)

    next(under_way)
    auc = _engine.label_auc(cells)
    status = _trust.label_status(cells.n_positive, cells.n_negative, auc[:, 0], min_support)
    flagger.exclude(_trust.is_excluded(status))

    next(under_way)
    flagged = flagger.flagged()

    next(under_way)
    scores = _engine.row_scores(cells)
    for _ in under_way:  # closes the bar
        pass
    return LabelAudit(
        cells=cells,
        flagged=flagged,
        scores=scores,
        thresholds=thresholds,
        auc=auc,
        status=status,
        disagreements=disagreements,
        fold_spread=spread,
        ids=own_ids,
        filter_by=filter_by,
        min_support=min_support,
    )


def _check_folds(fold_ids: Any, n_rows: int) -> NDArray[Any]:
    folds = np.asarray(fold_ids)
    if folds.shape != (n_rows,):
        raise ValueError(f"fold_ids: expected {n_rows} fold numbers, one for each example, got shape {folds.shape}")
    return folds


def _fold_spread(cells: Cells, folds: NDArray[Any]) -> NDArray[np.float64]:
    """Largest difference of each label's two thresholds between folds; NaN where a fold lacks the side."""
    by_fold = np.stack([_engine.thresholds(cells.take(np.flatnonzero(folds == f))) for f in np.unique(folds)])
    by_fold[by_fold > 1] = np.nan
    return by_fold.max(axis=0) - by_fold.min(axis=0)


class LabelAudit:
    """The findings of :func:`mlkit.audit`.

    Attributes
    ----------
    summary : DataFrame
        The numbers on the whole, indexed by ``measure``, with the columns ``value`` and ``share``.
    labels : DataFrame
        One row for each label: ``label`` (its name, or number), ``support``, ``known``, ``threshold_0``,
        ``threshold_1``, ``auc``, ``auc_error`` (how far the area may be off: it is computed from 4,096 bins),
        ``spurious_n``, ``spurious_share`` (of the examples that carry the label), ``missing_n``, ``missing_share`` (of
        those that do not), ``quality`` (1 - spurious_share), ``status`` ("ok", or why nothing is flagged).
    trust : DataFrame
        What limits or qualifies the findings, most serious first: ``kind``, ``is_warning``, ``text``.
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
        status: NDArray[np.object_],
        disagreements: NDArray[np.int64],
        fold_spread: NDArray[np.float64] | None,
        ids: NDArray[Any] | None,
        filter_by: str,
        min_support: int,
    ) -> None:
        self._cells = cells
        self._flagged = flagged
        self.scores = scores
        self._thresholds = thresholds
        self._auc = auc
        self._status = status
        self._ids = ids
        self.filter_by = filter_by
        self.min_support = min_support
        n_labels = cells.shape[1]
        by_group = np.bincount(flagged.labels * 2 + flagged.given, minlength=2 * n_labels).reshape(-1, 2)
        self._n_missing, self._n_spurious = by_group[:, 0], by_group[:, 1]
        tied = flagged.tied[~np.repeat(_trust.is_excluded(status), flagged.tied.size // n_labels)]
        self._remarks = _trust.remarks(
            status=status,
            n_positive=cells.n_positive,
            n_negative=cells.n_negative,
            disagreements=disagreements,
            auc=auc[:, 0],
            n_spurious=int(self._n_spurious.sum()),
            n_missing=int(self._n_missing.sum()),
            n_tied=int(tied.sum()),
            n_tied_labels=int((tied > 0).sum()),
            fold_spread=fold_spread,
            notes=cells.labels.notes,
            names=cells.label_names,
            min_support=min_support,
        )

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
        spurious_share = _share(self._n_spurious, n_positive)
        return pd.DataFrame(
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
                "missing_share": _share(self._n_missing, n_negative),
                "quality": 1 - spurious_share,
                "status": self._status,
            }
        )

    def cells(
        self, top: int | None = None, *, label: str | int | None = None, direction: str | None = None
    ) -> pd.DataFrame:
        """List the flagged cells, most suspicious first.

        Parameters
        ----------
        top : int, optional
            Only so many.
        label : str or int, optional
            Only those of one label, by name or number.
        direction : {"spurious", "missing"}, optional
            Only labels given that should not be, or not given that should.

        Returns
        -------
        DataFrame
            ``id``, ``row``, ``label``, ``direction``, ``given``, ``suggested``, ``p`` (the model's probability of the
            label), ``score`` (probability of what was given), ``rank``. Ties by row and label.
        """
        import pandas as pd

        top = None if top is None else check_integer("top", top, low=0)
        flagged, rows = self._flagged, self._flagged.rows
        score = np.where(flagged.given == 1, flagged.p, 1 - flagged.p)
        keep = np.ones(score.size, bool)
        if label is not None:
            keep &= flagged.labels == self._label_number(label)
        if direction is not None:
            keep &= flagged.given == DIRECTIONS.index(check_choice("direction", direction, DIRECTIONS))
        which = np.flatnonzero(keep)
        which = which[np.argsort(score[which], kind="stable")][:top]
        given = flagged.given[which]
        return pd.DataFrame(
            {
                "id": self._id_column(rows[which]),
                "row": rows[which],
                "label": self._name_column(flagged.labels[which]),
                "direction": np.asarray(DIRECTIONS, object)[given],
                "given": given,
                "suggested": 1 - given,
                "p": flagged.p[which],
                "score": score[which],
                "rank": np.arange(1, which.size + 1),
            }
        )

    def examples(self, top: int | None = None) -> pd.DataFrame:
        """List the examples with a flagged cell, most suspicious first.

        Parameters
        ----------
        top : int, optional
            Only so many.

        Returns
        -------
        DataFrame
            ``id``, ``row``, ``score``, ``n_flagged``, ``given`` and ``suggested`` (lists of labels), ``rank``. Ties by
            row.
        """
        import pandas as pd

        from mlkit.quality.issues import rank_rows

        top = None if top is None else check_integer("top", top, low=0)
        n_flagged = np.diff(self._flagged.indptr)
        rows = rank_rows(n_flagged > 0, self.scores)[:top]
        given = [self._given(row) for row in rows]
        return pd.DataFrame(
            {
                "id": self._id_column(rows),
                "row": rows,
                "score": self.scores[rows],
                "n_flagged": n_flagged[rows],
                "given": self._name_lists(given),
                "suggested": self._name_lists([np.setxor1d(g, self._flips(row)) for g, row in zip(given, rows)]),
                "rank": np.arange(1, rows.size + 1),
            }
        )

    @property
    def summary(self) -> pd.DataFrame:
        """The numbers on the whole."""
        import pandas as pd

        n, n_labels = self.shape
        n_positive, n_negative = int(self._cells.n_positive.sum()), int(self._cells.n_negative.sum())
        known = n_positive + n_negative
        n_spurious, n_missing = int(self._n_spurious.sum()), int(self._n_missing.sum())
        flagged_rows = int((np.diff(self._flagged.indptr) > 0).sum())
        excluded = int(_trust.is_excluded(self._status).sum())
        rows: list[tuple[str, int, float]] = [
            ("examples", n, np.nan),
            ("labels", n_labels, np.nan),
            ("known cells", known, known / (n * n_labels)),
            ("given labels", n_positive, _ratio(n_positive, known)),
            ("flagged cells", n_spurious + n_missing, _ratio(n_spurious + n_missing, known)),
            ("flagged as spurious, of the given labels", n_spurious, _ratio(n_spurious, n_positive)),
            ("flagged as missing, of the labels not given", n_missing, _ratio(n_missing, n_negative)),
            ("examples with a flagged cell", flagged_rows, flagged_rows / n),
            ("  the same if flags fell at random", round(n * self._expected_share()), self._expected_share()),
            ("labels in which nothing is flagged, see trust", excluded, excluded / n_labels),
        ]
        frame = pd.DataFrame(rows, columns=["measure", "value", "share"])
        return frame.set_index("measure")

    @property
    def trust(self) -> pd.DataFrame:
        """What limits or qualifies the findings."""
        import pandas as pd

        records = [(r.kind, r.is_warning, r.text) for r in self._remarks]
        return pd.DataFrame(records, columns=["kind", "is_warning", "text"])

    def to_json(self) -> str:
        """Return summary, trust and labels as JSON text."""
        summary = {
            name.strip(): {"value": int(row["value"]), "share": None if np.isnan(row["share"]) else float(row["share"])}
            for name, row in self.summary.iterrows()
        }
        content = {
            "summary": summary,
            "trust": self.trust.to_dict(orient="records"),
            "labels": json.loads(self.labels.to_json(orient="records", double_precision=15)),
            "filter_by": self.filter_by,
            "min_support": self.min_support,
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``labels.csv``, ``cells.csv``, ``examples.csv`` and ``summary.json``.

        Each file appears complete or not at all; older ones of these names are replaced.

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
        """Draw the labels with the largest shares of flagged cells, spurious and missing side by side.

        Parameters
        ----------
        top : int, default=20
            How many labels.
        ax : matplotlib Axes, optional

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
            The cells of one label, by what was given; default: the examples' scores.
        ax : matplotlib Axes, optional

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
        lines = [f"LabelAudit: {n} examples x {n_labels} labels ({self.filter_by})"]
        for name, row in self.summary.iterrows():
            share = "" if np.isnan(row["share"]) else f"{100 * row['share']:8.2f} %"
            lines.append(f"  {name:<48}{int(row['value']):>12,}{share}")
        lines.append("Flags are candidates for review: where people checked them, about half were errors.")
        if self._remarks:
            lines.append("Trust:")
            lines += [f"  {'!' if remark.is_warning else '-'} {remark.text}" for remark in self._remarks]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from mlkit.quality import _html

        return _html.audit_html(self)

    # What follows serves the methods above and the modules that draw and write.

    def _expected_share(self) -> float:
        """Share of examples with a flag if each label's flags fell on its examples independently."""
        known = self._cells.n_positive + self._cells.n_negative
        rate = _share(self._n_spurious + self._n_missing, known)
        return float(-np.expm1(np.log1p(-np.minimum(np.nan_to_num(rate), 1 - 1e-12)).sum()))

    def _name_column(self, numbers: NDArray[Any]) -> NDArray[Any]:
        names = self.label_names
        return numbers if names is None else np.asarray(names, object)[numbers]

    def _id_column(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return rows if self._ids is None else self._ids[rows]

    def _label_number(self, label: Any) -> int:
        names = self.label_names
        if isinstance(label, str):
            if names is None:
                raise ValueError(f"label: expected a number, got {label!r} (the labels have no names)")
            return names.index(check_choice("label", label, names) if len(names) <= 20 else _check_name(label, names))
        return check_integer("label", label, low=0, high=self.shape[1] - 1)

    def _given(self, row: int) -> NDArray[np.int32]:
        labels = self._cells.labels
        return labels.indices[labels.indptr[row] : labels.indptr[row + 1]]

    def _flips(self, row: int) -> NDArray[np.int32]:
        return self._flagged.labels[self._flagged.indptr[row] : self._flagged.indptr[row + 1]]

    def _name_lists(self, lists: list[NDArray[np.int32]]) -> list[list[Any]]:
        return [self._name_column(numbers).tolist() for numbers in lists]


def _check_name(label: str, names: Sequence[str]) -> str:
    from mlkit._validation.params import suggest

    if label not in names:
        shown = list_labels(np.arange(len(names)), names)
        raise ValueError(f"label: expected one of {shown}, got {label!r}{suggest(label, names)}")
    return label


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
