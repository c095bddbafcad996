"""Errors counted: Hamming loss, subset accuracy, confusion matrices and the text that sums them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.pairs import check_pair, check_zero_division
from mlkit._validation.params import check_flag, check_integer, check_label_names
from mlkit.metrics import _counts
from mlkit.metrics._averages import AVERAGES, tell_once, warn_empty_rows
from mlkit.metrics.sets import prf_of


def hamming_loss(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, unknown: Any = None, n_jobs: int | None = None
) -> float:
    """Share of the known cells that are predicted wrongly.

    Parameters
    ----------
    y_true, y_pred, sample_weight, unknown, n_jobs
        See :func:`fbeta_score`.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import hamming_loss
    >>> hamming_loss(np.array([[0, 1], [1, 1]]), np.zeros((2, 2)))
    0.75
    """
    pair = check_pair(y_true, y_pred, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    total = _counts.total_counts(pair)
    return float((total.errors / total.known)[0]) if total.known[0] else float("nan")


def accuracy_score(
    y_true: Any,
    y_pred: Any,
    *,
    normalize: bool = True,
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> float:
    """Share of the examples whose known labels are all predicted right (subset accuracy).

    Parameters
    ----------
    y_true, y_pred, sample_weight, unknown, n_jobs
        See :func:`fbeta_score`.
    normalize : bool, default=True
        False: their number, or weight, instead of their share.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import accuracy_score
    >>> accuracy_score(np.array([[0, 1], [1, 1]]), np.ones((2, 2)))
    0.5
    """
    return _exact_share("accuracy_score", True, y_true, y_pred, normalize, sample_weight, unknown, n_jobs)


def zero_one_loss(
    y_true: Any,
    y_pred: Any,
    *,
    normalize: bool = True,
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> float:
    """Share of the examples with a wrong label.

    Parameters
    ----------
    y_true, y_pred, normalize, sample_weight, unknown, n_jobs
        See :func:`accuracy_score`.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import zero_one_loss
    >>> zero_one_loss(np.array([[0, 1], [1, 1]]), np.ones((2, 2)))
    0.5
    """
    return _exact_share("zero_one_loss", False, y_true, y_pred, normalize, sample_weight, unknown, n_jobs)


def multilabel_confusion_matrix(
    y_true: Any,
    y_pred: Any,
    *,
    sample_weight: Any = None,
    labels: Any = None,
    samplewise: bool = False,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> NDArray[Any]:
    """Confusion matrix of each label or each row.

    Parameters
    ----------
    y_true, y_pred, sample_weight, labels, unknown, n_jobs
        See :func:`fbeta_score`.
    samplewise : bool, default=False
        One matrix for each row instead of each label.

    Returns
    -------
    ndarray of shape (n_labels or n_samples, 2, 2), int64, or float64 with weights
        ``[[tn, fp], [fn, tp]]`` of the known cells.

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import multilabel_confusion_matrix
    >>> multilabel_confusion_matrix(np.array([[1, 0], [0, 1], [-1, 1]]), np.array([[1, 0], [1, 0], [1, 1]]))[0]
    array([[0, 1],
           [0, 1]])
    """
    samplewise = check_flag("samplewise", samplewise)
    pair = check_pair(y_true, y_pred, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    pair = _counts.take_labels(pair, labels)
    if not samplewise:
        return _counts.as_counts(_counts.label_counts(pair).confusion, pair)
    of_rows = _counts.row_counts(pair).confusion
    return _counts.as_counts(of_rows if pair.weights is None else of_rows * pair.weights.values[:, None, None], pair)


def classification_report(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    target_names: Sequence[str] | None = None,
    sample_weight: Any = None,
    digits: int = 2,
    output_dict: bool = False,
    zero_division: Any = "warn",
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Precision, recall, F1 and support of each label and their averages, as text.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, zero_division, unknown, n_jobs
        See :func:`fbeta_score`.
    target_names : sequence of str, optional
        Names to show; default: the labels' own names, or their numbers.
    digits : int, default=2
        Decimals in the text.
    output_dict : bool, default=False
        Return numbers instead: a dict for each label and average.

    Returns
    -------
    str or dict

    Raises
    ------
    TypeError, ValueError
        As :func:`fbeta_score`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import classification_report
    >>> y_true, y_pred = np.array([[1, 0], [1, 1], [0, 1]]), np.array([[1, 1], [0, 1], [0, 1]])
    >>> print(classification_report(y_true, y_pred, target_names=["cat", "dog"]))
                  precision    recall  f1-score   support
    <BLANKLINE>
             cat       1.00      0.50      0.67         2
             dog       0.67      1.00      0.80         2
    <BLANKLINE>
       micro avg       0.75      0.75      0.75         4
       macro avg       0.83      0.75      0.73         4
    weighted avg       0.83      0.75      0.73         4
     samples avg       0.83      0.83      0.78         4
    <BLANKLINE>
    """
    digits = check_integer("digits", digits, low=0)
    output_dict = check_flag("output_dict", output_dict)
    pair = check_pair(y_true, y_pred, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    pair = _counts.take_labels(pair, labels)
    names = pair.truth.label_names
    if target_names is not None:
        names = check_label_names(target_names, pair.shape[1], argument="target_names")
    if names is None:
        chosen = range(pair.shape[1]) if labels is None else labels
        names = tuple(str(j) for j in chosen)
    undefined = check_zero_division(zero_division)
    told: list[str] = []

    def scores(average: str | None) -> Any:
        zero = 0.0 if undefined is None else undefined
        return prf_of("classification_report", pair, 1.0, average, zero, undefined is None, "sklearn", told)

    p, r, f, support = scores(None)
    lines: list[tuple[str, tuple[Any, ...]]] = list(zip(names, zip(p, r, f, support)))
    n_labels = len(lines)
    lines += [(f"{average} avg", (*scores(average)[:3], np.sum(support))) for average in AVERAGES]
    tell_once("classification_report", told)
    headers = ("precision", "recall", "f1-score", "support")
    if output_dict:
        return {name: dict(zip(headers, map(float, values))) for name, values in lines}
    width = max(*map(len, names), len("weighted avg"), digits)
    text = " " * width + " " + "".join(f" {header:>9}" for header in headers) + "\n\n"
    for at, (name, values) in enumerate(lines):
        numbers = "".join(f" {value:>9.{digits}f}" for value in values[:3])
        text += f"{name:>{width}} {numbers} {values[3]:>9}\n" + ("\n" if at == n_labels - 1 else "")
    return text


def _exact_share(
    name: str, right: bool, y_true: Any, y_pred: Any, normalize: Any, sample_weight: Any, unknown: Any, n_jobs: Any
) -> float:
    normalize = check_flag("normalize", normalize)
    pair = check_pair(y_true, y_pred, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    rows = _counts.row_counts(pair)
    known = rows.known > 0
    chosen = known & ((rows.errors == 0) == right)
    warn_empty_rows(int((~known).sum()), name)
    weights = np.ones(known.size) if pair.weights is None else pair.weights.values
    total = float(weights[chosen].sum())
    if not normalize:
        return total
    return total / float(weights[known].sum()) if known.any() else float("nan")
