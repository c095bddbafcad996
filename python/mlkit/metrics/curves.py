"""Areas under ROC and precision-recall curves, exact: one point for each distinct score."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlkit._validation.pairs import Scored, check_scored
from mlkit._validation.params import check_choice, check_number
from mlkit.metrics._areas import Areas, label_areas, pooled_areas
from mlkit.metrics._averages import (
    ABSENT,
    Floats,
    check_average,
    empty_rows_text,
    listed,
    mean,
    of_absent_labels,
    tell_once,
    warn_empty_rows,
    warn_undefined,
)
from mlkit.metrics._ranks import rank_rows
from mlkit.metrics._row_order import row_order_precision

CREDITS = {"half": 0.5, "full": 1.0, "none": 0.0}
INTERPOLATIONS = ("none", "11-point", "101-point", "all-point")


def roc_auc_score(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "macro",
    sample_weight: Any = None,
    max_fpr: float | None = None,
    ties: str = "half",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Area under the ROC curve: the chance that a positive has a higher score than a negative.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        None: one number for each label. "micro": all cells together. "macro": mean over labels. "weighted": the same
        weighted by support. "samples": mean over rows, each with a curve of its own.
    max_fpr : float in (0, 1], optional
        Only the area up to this false positive rate, rescaled so that chance gives 0.5 and the best possible 1 [1]_;
        not for "samples".
    ties : {"half", "full", "none"}, default="half"
        Credit for a positive and a negative of equal score.
    absent_labels : {"sklearn", "skip", "nan", "zero"}, default="sklearn"
        A label (or, for "samples", a row) without both kinds of cells has no area. "sklearn" and "nan": it makes the
        mean NaN. "skip": it is left out. "zero": it counts 0.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Warns
    -----
    UndefinedMetricWarning
        Once, if a label or row has only one kind of cells and is not left out.

    Notes
    -----
    Exact, not binned. One radix sort of each label: O(cells) time, O(stored) for sparse scores, whose implicit zeros
    form one tie group. "micro" sorts the scores of positives alone and finds the place of every cell among them. Extra
    memory: a cache line of labels per thread, and the stored cells once more for sparse scores. ``ties="full",
    absent_labels="zero"`` is the macro-AUC of [2]_.

    References
    ----------
    .. [1] McClish, "Analyzing a Portion of the ROC Curve", 1989.
    .. [2] Wu, Li, Zhu, "Towards Understanding Generalization of Macro-AUC in Multi-label Learning", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import roc_auc_score
    >>> y_true, y_score = np.array([[1, 0], [0, 1], [1, 0]]), np.array([[0.9, 0.2], [0.3, 0.8], [0.1, 0.8]])
    >>> roc_auc_score(y_true, y_score, average=None)
    array([0.5 , 0.75])
    """
    check_average(average)
    check_choice("ties", ties, tuple(CREDITS))
    check_choice("absent_labels", absent_labels, (*ABSENT, "zero"))
    limit = 1.0 if max_fpr is None else check_number("max_fpr", max_fpr, 0, 1, open_low=True)
    if limit < 1 and (average == "samples" or ties != "half"):
        raise ValueError("max_fpr: expected None with average='samples' or a tie rule of your own, got a limit")
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)

    def area(areas: Areas) -> Floats:
        return areas.auc(CREDITS[ties]) if limit == 1 else areas.partial_auc(limit)

    if average == "samples":
        return _row_auc(cells, CREDITS[ties], absent_labels)
    if average == "micro":
        value = float(area(pooled_areas(cells, limit))[0])
        if np.isnan(value):
            warn_undefined("roc_auc_score: there are no positives or no negatives; the area is NaN")
        return value
    areas = label_areas(cells, limit)
    values = area(areas)
    undefined = np.isnan(values)
    if undefined.any() and absent_labels != "skip":
        becomes = "0" if absent_labels == "zero" else "NaN"
        gives = "leaves them out"
        if average == "macro":
            gives = f"gives {_weighted(values[~undefined], np.ones(int((~undefined).sum()))):.3g}"
        warn_undefined(
            f"roc_auc_score: {int(undefined.sum())} of {values.size} labels have positives or negatives only, their "
            f"area is {becomes} ({listed(undefined, cells.truth.label_names)}); absent_labels='skip' {gives}"
        )
    if absent_labels == "zero":
        values = np.where(undefined, 0.0, values)
    if average is None:
        return values
    weights = areas.positive if average == "weighted" else np.ones(values.size)
    if absent_labels == "skip":
        values, weights = values[~undefined], weights[~undefined]
    return _weighted(values, weights)


def average_precision_score(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "macro",
    sample_weight: Any = None,
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Average precision: the mean, over positives, of the precision at their score.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        See :func:`roc_auc_score`.
    absent_labels : {"sklearn", "skip", "nan"}, default="sklearn"
        Labels without a positive count 0, are left out, or make the mean NaN.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Warns
    -----
    UndefinedMetricWarning
        Once, if labels without a positive count 0.

    Notes
    -----
    Sum over distinct scores of the gain in recall times the precision there; no interpolation. Cost as
    :func:`roc_auc_score`. For "samples" a row without a true label counts 0; of every other row the number is that of
    :func:`label_ranking_average_precision_score`, tied or not.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import average_precision_score
    >>> y_true, y_score = np.array([[1, 0], [0, 1], [1, 0]]), np.array([[0.9, 0.2], [0.3, 0.8], [0.1, 0.8]])
    >>> average_precision_score(y_true, y_score, average=None).round(4)
    array([0.8333, 0.5   ])
    """
    check_average(average)
    check_choice("absent_labels", absent_labels, ABSENT)
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    if average == "samples":
        rows, _ = rank_rows(cells)
        known = rows.n_known > 0
        warn_empty_rows(int((~known).sum()), "average_precision_score")
        values = np.where(rows.n_positive > 0, rows.lrap, 0.0)
        if absent_labels != "sklearn":
            values = np.where(rows.n_positive > 0, values, np.nan)
            known &= (rows.n_positive > 0) | (absent_labels == "nan")
        return _weighted(values[known], _row_weights(cells)[known]) if known.any() else float("nan")
    return _averaged_precision("average_precision_score", "none", cells, average, absent_labels)


def mean_average_precision(
    y_true: Any,
    y_score: Any,
    *,
    interpolation: str = "none",
    ties: str = "group",
    average: str | None = "macro",
    sample_weight: Any = None,
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Average precision under the conventions of image tagging and detection.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    interpolation : {"none", "11-point", "101-point", "all-point"}, default="none"
        "none": :func:`average_precision_score`. "11-point" and "101-point": mean, over recalls 0, 0.1, ..., 1 (VOC
        2007) or 0, 0.01, ..., 1 (COCO), of the best precision at that recall or more. "all-point": every
        positive's precision is replaced by the best at its recall or more (VOC 2010).
    ties : {"group", "row"}, default="group"
        "group": equal scores are one point of the curve. "row": equal scores are ranked by row number, one after the
        other; only with interpolation "none", and not for "micro".
    average : {"micro", "macro", "weighted"} or None, default="macro"
        See :func:`roc_auc_score`.
    absent_labels : {"sklearn", "skip", "nan"}, default="sklearn"
        Labels without a positive count 0, are left out, or make the mean NaN.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Recalls are compared as whole numbers, not as floats. Common code of multi-label image papers leaves the order of
    equal scores to the sort (``ties="row"`` where that is stable), divides by P + 1e-8 and gives percent. With
    ``ties="row"`` the number depends on the order of the rows, and takes O(n_samples) time a label, sparse or not.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import mean_average_precision
    >>> y_true, y_score = np.array([[1], [0], [1], [0], [1]]), np.array([[0.9], [0.8], [0.7], [0.6], [0.5]])
    >>> [round(mean_average_precision(y_true, y_score, interpolation=name), 4) for name in ("none", "11-point")]
    [0.7556, 0.7636]
    """
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    check_average(average, ("micro", "macro", "weighted"))
    if check_choice("ties", ties, ("group", "row")) == "row" and (interpolation != "none" or average == "micro"):
        wrong = f"interpolation={interpolation!r}" if interpolation != "none" else "average='micro'"
        raise ValueError(f"ties: expected 'group' with {wrong}, got 'row'")
    check_choice("absent_labels", absent_labels, ABSENT)
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    precision = row_order_precision(cells) if ties == "row" else None
    return _averaged_precision("mean_average_precision", interpolation, cells, average, absent_labels, precision)


# -------------------------------------------------------------------------------------------------------------- shared


def _averaged_precision(
    name: str,
    interpolation: str,
    cells: Scored,
    average: str | None,
    absent_labels: str,
    precision: Floats | None = None,
) -> Any:
    """Average precision of labels (``precision`` if that is known), averaged."""
    areas = pooled_areas(cells) if average == "micro" else label_areas(cells)
    values = {
        "none": areas.precision if precision is None else precision,
        "11-point": areas.precision_11,
        "101-point": areas.precision_101,
        "all-point": areas.precision_all,
    }[interpolation]
    absent = areas.positive == 0
    if absent.any() and absent_labels == "sklearn":
        if average == "micro":
            warn_undefined(f"{name}: there is no positive; the score is set to 0")
        elif average == "macro":
            without = _weighted(values[~absent], np.ones(int((~absent).sum())))
            warn_undefined(f"{name}: {of_absent_labels(absent, cells.truth.label_names, without)}")
        else:
            warn_undefined(
                f"{name}: {int(absent.sum())} of {values.size} labels have no positive and count as 0 "
                f"({listed(absent, cells.truth.label_names)}); absent_labels='skip' leaves them out"
            )
    if average == "micro":
        return float(values[0])
    if absent_labels == "nan":
        values = np.where(absent, np.nan, values)
    if average is None:
        return np.where(absent, np.nan, values) if absent_labels == "skip" else values
    weights = areas.positive if average == "weighted" else np.ones(values.size)
    if absent_labels == "skip":
        values, weights = values[~absent], weights[~absent]
    return _weighted(values, weights)


def _row_auc(cells: Scored, credit: float, absent_labels: str) -> float:
    rows, _ = rank_rows(cells)
    tied = 2 * (rows.auc - 1 + rows.ranking_loss)
    values = rows.auc + (credit - 0.5) * tied
    known = rows.n_known > 0
    undefined = known & np.isnan(values)
    told = empty_rows_text(int((~known).sum()))
    if undefined.any() and absent_labels != "skip":
        told.append(
            f"{int(undefined.sum())} of {values.size} examples have true or absent labels only, their "
            f"area is {'0' if absent_labels == 'zero' else 'NaN'}; absent_labels='skip' leaves them out"
        )
    tell_once("roc_auc_score", told)
    if absent_labels == "zero":
        values = np.where(undefined, 0.0, values)
    if absent_labels == "skip":
        known &= ~undefined
    return _weighted(values[known], _row_weights(cells)[known])


def _row_weights(cells: Scored) -> Floats:
    return np.ones(cells.shape[0]) if cells.weights is None else cells.weights.values


def _weighted(values: Floats, weights: Floats) -> float:
    """Mean in which a value of weight 0 takes no part even if NaN, and NaN otherwise spreads; 0 without any weight."""
    if not values.size:
        return float("nan")
    keep = weights > 0
    if not keep.any():
        return 0.0
    return float("nan") if np.isnan(values[keep]).any() else mean(values[keep], weights[keep])
