"""Metrics of predicted label sets that look at true negatives too."""

from __future__ import annotations

from typing import Any

from mlkit._validation.params import check_choice
from mlkit.metrics import _counts
from mlkit.metrics._averages import ABSENT
from mlkit.metrics._set_scores import averaged, counts_for, judge, score_of


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
    return score_of(
        "specificity_score", _counts.specificity, 'negative',
        y_true, y_pred, labels, average, sample_weight, zero_division, unknown, absent_labels, n_jobs,
    )  # fmt: skip


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
    pair, _, _ = judge(y_true, y_pred, labels, average, sample_weight, 0, unknown, n_jobs)
    check_choice("absent_labels", absent_labels, ABSENT)
    return averaged(
        "balanced_accuracy_score", lambda c, _: _counts.balanced_accuracy(c), "", counts_for(pair, average), pair,
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
    pair, _, _ = judge(y_true, y_pred, labels, average, sample_weight, 0, unknown, n_jobs)
    check_choice("absent_labels", absent_labels, ABSENT)
    return averaged(
        "mcc_score", lambda c, _: _counts.mcc(c), "", counts_for(pair, average), pair, average, 0.0, False,
        absent_labels,
    )  # fmt: skip
