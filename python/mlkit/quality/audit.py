"""One call that says which labels are wrong, how wrong each label is, and what to look at first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlkit._progress import steps
from mlkit._validation.cells import check_cells
from mlkit._validation.params import check_choice, check_ids, check_integer, described
from mlkit._validation.rules import check_rules
from mlkit.quality import _engine, _evidence, _trust
from mlkit.quality._batches import is_large_map, is_source, open_batches, slice_rows
from mlkit.quality._columns import read_columns
from mlkit.quality._folds import check_folds, fold_spread
from mlkit.quality._passes import audit_batches
from mlkit.quality._recalibration import Recalibration
from mlkit.quality._trusted import check_trusted
from mlkit.quality.label_audit import LabelAudit


def audit(
    labels: Any,
    pred_probs: Any = None,
    *,
    label_names: Sequence[str] | None = None,
    ids: Any = None,
    unknown: Any = None,
    hierarchy: Any = None,
    rules: Any = None,
    filter_by: str = "prune_by_noise_rate",
    rank_by: str = "balanced_posterior",
    min_support: int = 10,
    fold_ids: Any = None,
    trusted: Any = None,
    max_memory: int | str | None = None,
    checkpoint: str | Path | None = None,
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
        that has not seen its labels. Data that do not fit come in batches: as ``labels`` a function that returns, each
        time it is called, an iterator of ``(labels, pred_probs)`` or ``(labels, pred_probs, ids)``, and no
        ``pred_probs``; or as both the ``Path`` of a Parquet file. See :class:`mlkit.quality.LabelQualityState`.
    ids : sequence of length n_samples, optional
        Distinct names of the examples; default: row numbers.
    hierarchy, rules : optional
        What must hold between labels: see :func:`mlkit.quality.rule_violations`.
    filter_by : str, default="prune_by_noise_rate"
        See :func:`mlkit.quality.find_label_issues`.
    rank_by : {"balanced_posterior", "self_confidence", "error_posterior"}, default="balanced_posterior"
        The score by which flagged cells are listed, see :func:`mlkit.quality.get_cell_quality_scores`.
    min_support : int, default=10
        Nothing is flagged in labels with fewer examples on one side (or fewer than there are folds in ``fold_ids``).
    fold_ids : array-like of shape (n_samples,), optional
        The cross-validation fold that each example's probabilities come from: shifts between folds are reported.
    trusted : mask of shape (n_samples,) or (n_samples, n_labels), bool, dense or sparse, optional
        Examples or cells that somebody has checked and found right. None of them is flagged, and the estimate of how
        many of the others are wrong rests on probabilities recalibrated on them.
    max_memory : int or str, optional
        Go through arrays, too, in batches, and keep no more than about this of what is found in memory: the rest is in
        temporary files. Of batches, and of memory maps of more than 256 MB, "64MB" is kept if nothing is said. The
        result does not depend on it.
    checkpoint : str or Path, optional
        A folder in which the passes over batches leave, every ten seconds, what they have found. The same call after
        one that was killed goes on from there, and gives the same bits; other data, or settings on which the passes
        depend, are refused. The function of batches must return the same ones each time. The folder is emptied at the
        end.
    progress : bool, optional
        Show a bar; None: on a terminal or in a notebook, for work that takes over two seconds.

    Returns
    -------
    LabelAudit
        Its ``labels``, ``cells()`` and ``examples()`` are frames, ``summary`` the numbers on the whole, ``evidence``
        what no score of a cell shows (with ``breaks()``, ``pairs()`` and ``violations()`` behind it), ``story`` how
        many cells may be wrong and what that rests on, ``trust`` what limits the findings.

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Notes
    -----
    Flags are candidates for review. Where people checked the flags of such audits, about half were errors; with many
    labels most examples have some flagged cell even in clean data. Therefore the numbers are about cells, and the share
    of examples with a flag stands beside the share that would have one if the flags fell at random.

    Nothing is flagged in labels that the model ranks no better than chance, that have fewer than ``min_support``
    examples on one side, or that are never given; their scores are kept, and ``trust`` names them.

    Evidence is reported when it is beyond chance or, for rules, certain: right labels whose rows are in random order
    yield some in at most one audit of a hundred.

    Seven passes over the probabilities; O(stored) for sparse input. Same bits for every ``n_jobs``. Batches are gone
    through twice, once more if some labels may be wrong in pairs, and with ``trusted`` at least twice more (at most 14
    times, where the histograms of so many labels do not fit).

    Examples
    --------
    >>> import mlkit
    >>> import numpy as np
    >>> truth = np.tile([[1, 0], [0, 1], [1, 1], [0, 0]], (10, 1))
    >>> pred_probs = np.where(truth, 0.9, 0.2)
    >>> labels = truth.copy()
    >>> labels[2, 1] = 0  # an owl forgotten
    >>> labels[7, 0] = 1  # a cat made up
    >>> result = mlkit.audit(labels, pred_probs, label_names=["cat", "owl"])
    >>> result.cells()[["row", "label", "direction", "suggested", "p"]]
       row label direction  suggested    p
    0    2   owl   missing          1  0.9
    1    7   cat  spurious          0  0.2
    >>> result.examples()[["row", "given", "suggested"]]
       row  given   suggested
    0    2  [cat]  [cat, owl]
    1    7  [cat]          []
    """
    check_choice("filter_by", filter_by, _engine.FILTERS)
    check_choice("rank_by", rank_by, _engine.RANKINGS)
    check_integer("min_support", min_support, low=0)
    if is_source(labels) or max_memory is not None or checkpoint is not None or is_large_map(pred_probs):
        of_arrays = {"unknown": unknown, "ids": ids}
        for name, value in of_arrays.items() if is_source(labels) else ():
            if value is not None:
                raise ValueError(f"{name}: expected None with batches, got {described(value)}")
        kept = "64MB" if max_memory is None else max_memory
        if is_source(labels):
            source = open_batches(labels, pred_probs)
        else:
            hard = force or from_logits
            source = slice_rows(labels, pred_probs, ids, unknown, kept, is_copied=hard, force=hard)
        return audit_batches(
            source,
            progress,
            folds=None if fold_ids is None else check_folds(fold_ids, source.n_rows),
            trusted=trusted,
            checkpoint=checkpoint,
            label_names=label_names,
            hierarchy=hierarchy,
            rules=rules,
            filter_by=filter_by,
            rank_by=rank_by,
            min_support=min_support,
            max_memory=kept,
            nan_policy=nan_policy,
            from_logits=from_logits,
            force=force,
            invalid_ids=invalid_ids,
            n_jobs=n_jobs,
        )
    plan = ["reading", "thresholds", "joint", "ranking by label", "flags", "scores", "evidence"]
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
    own_ids = None if ids is None else check_ids(ids, cells.shape[0]).copy()
    folds = None if fold_ids is None else check_folds(fold_ids, cells.shape[0])
    again = None if trusted is None else Recalibration(check_trusted(trusted, cells), cells)
    checked_rules = check_rules(hierarchy, rules, cells.shape[1], cells.label_names)

    next(under_way)
    thresholds = _engine.thresholds(cells)
    spread = None if folds is None else fold_spread(cells, folds, thresholds)

    next(under_way)
    flagger = _engine.Flagger(cells, filter_by, thresholds_=thresholds)

    next(under_way)
    auc = _engine.label_auc(cells)
    needed = max(min_support, 0 if folds is None else folds.n)
    status, in_sample = _trust.judge(
        cells.n_positive, cells.n_negative, auc[:, 0], needed, lambda: _engine.count_disagreements(cells).sum(axis=1)
    )

    next(under_way)
    flagger.exclude(status.is_excluded)
    flagged = flagger.flagged()
    if again is not None:
        flagged = flagged.where(~again.trusted.covers(flagged.rows, flagged.labels, cells.shape[1]))

    next(under_way)
    scores = _engine.row_scores(cells)

    next(under_way)
    other_labels = _trust.other_labels(status, thresholds, cells.n_positive, cells.n_negative)
    evidence = _evidence.gather(
        cells,
        flagged,
        lambda: _engine.contradicted_cells(cells, status.is_excluded),
        checked_rules,
        lambda chosen: read_columns(cells.probs, chosen),
        probs_fit=other_labels is None,
    )
    for _ in under_way:  # closes the bar
        pass
    return LabelAudit(
        cells=cells,
        flagged=flagged,
        scores=scores,
        thresholds=thresholds,
        auc=auc,
        status=status,
        in_sample=in_sample,
        other_labels=other_labels,
        fold_spread=spread,
        evidence=evidence,
        ids=own_ids,
        filter_by=filter_by,
        rank_by=rank_by,
        min_support=min_support,
        recalibration=again,
    )
