"""Metrics of predicted label sets: scikit-learn's names and numbers, with unknown cells and sparse labels."""

from __future__ import annotations

from typing import Any

from mlkit._validation.pairs import Pair
from mlkit._validation.params import check_choice, check_number
from mlkit.metrics import _counts
from mlkit.metrics._averages import ABSENT, tell_once
from mlkit.metrics._set_scores import Ratio, averaged, counts_for, fbeta_of, judge, score_of


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
    return fbeta_of(
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
    return fbeta_of(
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
    return score_of(
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
    return score_of(
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
    return score_of(
        "jaccard_score", _counts.jaccard, 'positive or prediction',
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
    pair, undefined, warn = judge(y_true, y_pred, labels, average, sample_weight, zero_division, unknown, n_jobs)
    check_choice("absent_labels", absent_labels, ABSENT)
    told: list[str] = []
    out = prf_of("precision_recall_fscore_support", pair, beta, average, undefined, warn, absent_labels, told)
    tell_once("precision_recall_fscore_support", told)
    return out


def prf_of(
    name: str,
    pair: Pair,
    beta: float,
    average: str | None,
    undefined: float,
    warn: bool,
    absent_labels: str,
    told: list[str],
) -> tuple[Any, Any, Any, Any]:
    """Precision, recall, F and support of a judged pair."""
    counts = counts_for(pair, average)
    ratios: list[tuple[str, Ratio]] = [
        ("prediction", _counts.precision),
        ("positive", _counts.recall),
        ("positive or prediction", lambda c, u: _counts.fbeta(c, beta, u)),
    ]
    p, r, f = (
        averaged(name, ratio, empty, counts, pair, average, undefined, warn, absent_labels, told)
        for empty, ratio in ratios
    )
    return p, r, f, None if average is not None else _counts.as_counts(counts.positive, pair)
