"""Metrics of predicted label sets: scikit-learn's names and numbers, with unknown cells and sparse labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlkit._validation.pairs import Pair, check_pair, check_zero_division
from mlkit._validation.params import check_choice, check_number
from mlkit.metrics import _counts
from mlkit.metrics._averages import (
    ABSENT,
    AVERAGES,
    Floats,
    average_labels,
    check_average,
    listed,
    mark_absent,
    mean,
    warn_empty_rows,
    warn_undefined,
)
from mlkit.metrics._counts import Counts

Ratio = Callable[[Counts, float], Floats]


def fbeta_score(
    y_true: Any,
    y_pred: Any,
    *,
    beta: float,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    zero_division: Any = "warn",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Weighted harmonic mean of precision and recall.

    Parameters
    ----------
    y_true : array-like, sparse matrix, DataFrame, list of lists or LabelMatrix of shape (n_samples, n_labels)
        True labels in any form of :func:`mlkit.labels.as_label_matrix`; cells of -1 or NaN are unknown.
    y_pred : array-like, sparse matrix, DataFrame or list of lists of shape (n_samples, n_labels)
        Predicted labels, 0 or 1 each.
    beta : float >= 0
        Recall counts beta times as much as precision; 0 is precision, infinity is recall.
    labels : sequence of int or str, optional
        Labels to look at, by number or name; default: all.
    average : {"micro", "macro", "weighted", "samples", "macro_pr"} or None, default="macro"
        None: one number for each label. "micro": all cells together. "macro": mean over labels. "weighted": the same
        weighted by support. "samples": mean over rows of the row's value. "macro_pr": F of mean precision and mean
        recall, which some call macro-F too (the two are up to 0.5 apart [1]_).
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the rows, at least 0.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        Value where the denominator is 0. "warn": 0, and one warning. NaN: left out of the mean.
    unknown : mask of shape (n_samples, n_labels), bool, optional
        Cells that take no part, besides those that ``y_true`` says are unknown.
    absent_labels : {"sklearn", "skip", "nan"}, default="sklearn"
        Labels without a known positive in macro and weighted means: they count as scikit-learn has it, are left out,
        or make the macro mean NaN (and are NaN with ``average=None``).
    n_jobs : int, optional
        Threads; None: all available. The result has the same bits for every value.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Warns
    -----
    UndefinedMetricWarning
        Once, with the number of undefined labels or rows.

    Notes
    -----
    ``(1 + beta^2) tp / (beta^2 (tp + fn) + tp + fp)``, undefined only where there is neither a positive nor a
    prediction. O(stored) time for sparse input, one pass over dense input. With unknown cells a row's value is that of
    its known cells; rows without any are left out.

    References
    ----------
    .. [1] Opitz, Burst, "Macro F1 and Macro F1", 2019.

    Examples
    --------
    >>> from mlkit.metrics import fbeta_score
    >>> y_true = [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 1]]
    >>> y_pred = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]]
    >>> import numpy as np
    >>> round(fbeta_score(np.array(y_true), np.array(y_pred), beta=2.0, average="micro"), 4)
    0.5714
    """
    beta = check_number("beta", beta, 0)
    return _fbeta(
        "fbeta_score", y_true, y_pred, beta, labels, average, sample_weight, zero_division, unknown, absent_labels,
        n_jobs,
    )  # fmt: skip


def f1_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    zero_division: Any = "warn",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Harmonic mean of precision and recall.

    Parameters
    ----------
    y_true, y_pred, labels, average, sample_weight, zero_division, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Notes
    -----
    :func:`fbeta_score` with beta 1: ``2 tp / (2 tp + fp + fn)``.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import f1_score
    >>> y_true = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, -1]])
    >>> y_pred = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 1]])
    >>> f1_score(y_true, y_pred, average=None, zero_division=0).round(4)
    array([1.    , 0.6667, 0.    , 0.    ])
    """
    return _fbeta(
        "f1_score", y_true, y_pred, 1.0, labels, average, sample_weight, zero_division, unknown, absent_labels, n_jobs
    )


def precision_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    zero_division: Any = "warn",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Share of the predicted labels that are true.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, zero_division, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Notes
    -----
    ``tp / (tp + fp)``, undefined without a prediction.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import precision_score
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> precision_score(y_true, y_pred, average=None).round(4)
    array([1.    , 0.6667])
    """
    return _score(
        "precision_score", _counts.precision, 'prediction',
        y_true, y_pred, labels, average, sample_weight, zero_division, unknown, absent_labels, n_jobs,
    )  # fmt: skip


def recall_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    zero_division: Any = "warn",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Share of the true labels that are predicted.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, zero_division, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Notes
    -----
    ``tp / (tp + fn)``, undefined without a positive.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import recall_score
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> recall_score(y_true, y_pred, average=None).round(4)
    array([0.5, 1. ])
    """
    return _score(
        "recall_score", _counts.recall, 'positive',
        y_true, y_pred, labels, average, sample_weight, zero_division, unknown, absent_labels, n_jobs,
    )  # fmt: skip


def jaccard_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    zero_division: Any = "warn",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Share of the labels that are true or predicted that are both.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, zero_division, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Notes
    -----
    ``tp / (tp + fp + fn)``, undefined where nothing is true or predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import jaccard_score
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> jaccard_score(y_true, y_pred, average=None).round(4)
    array([0.5   , 0.6667])
    """
    return _score(
        "jaccard_score", _counts.jaccard, 'positive or prediction',
        y_true, y_pred, labels, average, sample_weight, zero_division, unknown, absent_labels, n_jobs,
    )  # fmt: skip


def specificity_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    zero_division: Any = "warn",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Share of the negatives that are not predicted.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, zero_division, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Notes
    -----
    ``tn / (tn + fp)``, undefined without a negative. Not in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import specificity_score
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> specificity_score(y_true, y_pred, average=None).round(4)
    array([1., 0.])
    """
    return _score(
        "specificity_score", _counts.specificity, 'negative',
        y_true, y_pred, labels, average, sample_weight, zero_division, unknown, absent_labels, n_jobs,
    )  # fmt: skip


def precision_recall_fscore_support(
    y_true: Any,
    y_pred: Any,
    *,
    beta: float = 1.0,
    labels: Any = None,
    average: str | None = None,
    sample_weight: Any = None,
    zero_division: Any = "warn",
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Precision, recall, F and support from one count.

    Parameters
    ----------
    y_true, y_pred, beta, labels, sample_weight, zero_division, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default=None
        See :func:`fbeta_score`.

    Returns
    -------
    precision, recall, fbeta : float, or ndarray of shape (n_labels,)
    support : ndarray of shape (n_labels,), or None with an average

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import precision_recall_fscore_support
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> precision_recall_fscore_support(y_true, y_pred)[3]
    array([2, 2])
    """
    beta = check_number("beta", beta, 0)
    pair, undefined, warn = _judge(y_true, y_pred, labels, average, sample_weight, zero_division, unknown, n_jobs)
    check_choice("absent_labels", absent_labels, ABSENT)
    counts = _counts_for(pair, average)
    name = "precision_recall_fscore_support"
    ratios: list[tuple[str, Ratio]] = [
        ("prediction", _counts.precision),
        ("positive", _counts.recall),
        ("positive or prediction", lambda c, u: _counts.fbeta(c, beta, u)),
    ]
    values = [
        _averaged(name, ratio, empty, counts, pair, average, undefined, warn, absent_labels) for empty, ratio in ratios
    ]
    support = None if average is not None else _counts.as_counts(counts.positive, pair)
    return values[0], values[1], values[2], support


def balanced_accuracy_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Mean of recall and specificity.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Notes
    -----
    Of a label with only positives or only negatives the one of the two that is defined, as scikit-learn's function
    gives it for a single label; NaN, and left out of means, where no cell is known.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import balanced_accuracy_score
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> balanced_accuracy_score(y_true, y_pred, average=None)
    array([0.75, 0.5 ])
    """
    pair, _, _ = _judge(y_true, y_pred, labels, average, sample_weight, 0, unknown, n_jobs)
    check_choice("absent_labels", absent_labels, ABSENT)
    return _averaged(
        "balanced_accuracy_score", lambda c, _: _counts.balanced_accuracy(c), "", _counts_for(pair, average), pair,
        average, 0.0, False, absent_labels,
    )  # fmt: skip


def mcc_score(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    average: str | None = "macro",
    sample_weight: Any = None,
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Matthews correlation coefficient.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, unknown, absent_labels, n_jobs
        See :func:`fbeta_score`.
    average : {"micro", "macro", "weighted", "samples"} or None, default="macro"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)
        In [-1, 1]; 0 where truth or prediction is constant.

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Notes
    -----
    The correlation of truth and prediction, per label scikit-learn's ``matthews_corrcoef``.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import mcc_score
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> mcc_score(y_true, y_pred, average=None)
    array([0.5, 0. ])
    """
    pair, _, _ = _judge(y_true, y_pred, labels, average, sample_weight, 0, unknown, n_jobs)
    check_choice("absent_labels", absent_labels, ABSENT)
    return _averaged(
        "mcc_score", lambda c, _: _counts.mcc(c), "", _counts_for(pair, average), pair, average, 0.0, False,
        absent_labels,
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- shared


def _judge(
    y_true: Any,
    y_pred: Any,
    labels: Any,
    average: Any,
    sample_weight: Any,
    zero_division: Any,
    unknown: Any,
    n_jobs: Any,
    averages: tuple[str, ...] = AVERAGES,
) -> tuple[Pair, float, bool]:
    """The checked pair of chosen labels, the value of what is undefined, and whether to warn of it."""
    check_average(average, averages)
    undefined = check_zero_division(zero_division)
    pair = check_pair(y_true, y_pred, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    return _counts.take_labels(pair, labels), 0.0 if undefined is None else undefined, undefined is None


def _counts_for(pair: Pair, average: str | None) -> Counts:
    if average == "samples":
        return _counts.row_counts(pair)
    return _counts.total_counts(pair) if average == "micro" else _counts.label_counts(pair)


def _score(
    name: str,
    ratio: Ratio,
    empty: str,
    y_true: Any,
    y_pred: Any,
    labels: Any,
    average: Any,
    sample_weight: Any,
    zero_division: Any,
    unknown: Any,
    absent_labels: Any,
    n_jobs: Any,
) -> Any:
    check_choice("absent_labels", absent_labels, ABSENT)
    pair, undefined, warn = _judge(y_true, y_pred, labels, average, sample_weight, zero_division, unknown, n_jobs)
    counts = _counts_for(pair, average)
    return _averaged(name, ratio, empty, counts, pair, average, undefined, warn, absent_labels)


def _fbeta(
    name: str,
    y_true: Any,
    y_pred: Any,
    beta: float,
    labels: Any,
    average: Any,
    sample_weight: Any,
    zero_division: Any,
    unknown: Any,
    absent_labels: Any,
    n_jobs: Any,
) -> Any:
    check_choice("absent_labels", absent_labels, ABSENT)
    pair, undefined, warn = _judge(
        y_true, y_pred, labels, average, sample_weight, zero_division, unknown, n_jobs, (*AVERAGES, "macro_pr")
    )
    counts = _counts_for(pair, average)
    if average == "macro_pr":
        p = _averaged(name, _counts.precision, "prediction", counts, pair, "macro", undefined, warn, absent_labels)
        r = _averaged(name, _counts.recall, "positive", counts, pair, "macro", undefined, warn, absent_labels)
        if beta == 0 or np.isinf(beta):
            return r if beta else p
        return (1 + beta**2) * p * r / (beta**2 * p + r) if p + r > 0 else undefined

    def ratio(c: Counts, value: float) -> Floats:
        return _counts.fbeta(c, beta, value)

    empty = {0.0: "prediction", np.inf: "positive"}.get(beta, "positive or prediction")
    return _averaged(name, ratio, empty, counts, pair, average, undefined, warn, absent_labels)


def _averaged(
    name: str,
    ratio: Ratio,
    empty: str,
    counts: Counts,
    pair: Pair,
    average: str | None,
    undefined: float,
    warn: bool,
    absent_labels: str,
) -> Any:
    """A ratio averaged; ``counts`` are those of rows for "samples" and of labels otherwise."""
    counts_used = counts.total if average == "micro" else counts
    values = ratio(counts_used, undefined)
    if warn and counts_used.known.any():
        _warn_of_zeros(name, ratio(counts_used, np.nan), empty, counts_used, pair, average)
    if average == "micro":
        return float(values[0])
    if average == "samples":
        known = counts.known > 0
        warn_empty_rows(int((~known).sum()), name, stacklevel=5)
        return mean(values[known], None if pair.weights is None else pair.weights.values[known])
    if average is None:
        return mark_absent(values, counts.positive, absent_labels)
    return average_labels(values, average, counts.positive, absent_labels)


def _warn_of_zeros(name: str, values: Floats, empty: str, counts: Counts, pair: Pair, average: str | None) -> None:
    zeros = np.isnan(values) & (counts.known > 0 if average == "samples" else True)
    n = int(zeros.sum())
    if not n:
        return
    if average == "micro":
        where = f"there is no {empty}; the score is set to 0"
    elif average == "samples":
        where = f"{n} of {zeros.size} examples have no {empty} and count as 0"
    else:
        names = listed(zeros, pair.truth.label_names)
        where = f"{n} of {zeros.size} labels have no {empty} and count as 0 ({names})"
    warn_undefined(f"{name}: {where}; zero_division= says otherwise", stacklevel=5)
