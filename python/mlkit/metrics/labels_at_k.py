"""Metrics of labels over what the k best-scored labels of all rows retrieve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.pairs import Scored, check_scored
from mlkit._validation.params import check_choice
from mlkit.metrics import _counts
from mlkit.metrics._averages import ABSENT, Floats, average_labels
from mlkit.metrics._counts import Counts
from mlkit.metrics._ranks import IMPLICIT, check_ks


def macro_precision_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    absent_labels: str = "sklearn",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Mean over labels of the precision of predicting each row's k best-scored labels.

    Parameters
    ----------
    y_true, y_score, k, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`; equal scores are ordered by label number.
    absent_labels : {"sklearn", "skip", "nan"}, default="sklearn"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Every label counts, 0 where nothing is to be divided by.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import macro_precision_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05], [0.8, 0.75, 0.7, 0.1, 0.15]])
    >>> macro_precision_at_k(y_true, y_score, [1, 3]).round(4)
    array([0.2   , 0.5333])
    """
    found = _top_counts(
        "macro_precision_at_k", y_true, y_score, k, implicit, sample_weight, unknown, n_jobs, absent_labels
    )
    return _macro(_counts.precision, *found, absent_labels)


def macro_recall_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    absent_labels: str = "sklearn",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Mean over labels of the recall of predicting each row's k best-scored labels.

    Parameters
    ----------
    y_true, y_score, k, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`; equal scores are ordered by label number.
    absent_labels : {"sklearn", "skip", "nan"}, default="sklearn"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Every label counts, 0 where nothing is to be divided by.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import macro_recall_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05], [0.8, 0.75, 0.7, 0.1, 0.15]])
    >>> macro_recall_at_k(y_true, y_score, [1, 3]).round(4)
    array([0.2, 0.5])
    """
    found = _top_counts(
        "macro_recall_at_k", y_true, y_score, k, implicit, sample_weight, unknown, n_jobs, absent_labels
    )
    return _macro(_counts.recall, *found, absent_labels)


def macro_f1_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    absent_labels: str = "sklearn",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Mean over labels of the F1 of predicting each row's k best-scored labels.

    Parameters
    ----------
    y_true, y_score, k, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`; equal scores are ordered by label number.
    absent_labels : {"sklearn", "skip", "nan"}, default="sklearn"
        See :func:`fbeta_score`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Every label counts, 0 where nothing is to be divided by.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import macro_f1_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05], [0.8, 0.75, 0.7, 0.1, 0.15]])
    >>> macro_f1_at_k(y_true, y_score, [1, 3]).round(4)
    array([0.2   , 0.4933])
    """
    found = _top_counts("macro_f1_at_k", y_true, y_score, k, implicit, sample_weight, unknown, n_jobs, absent_labels)
    return _macro(_counts.f1, *found, absent_labels)


def label_coverage_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    denominator: str = "present",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Share of the labels that are retrieved rightly at least once among the k best-scored of a row.

    Parameters
    ----------
    y_true, y_score, k, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`; equal scores are ordered by label number.
    denominator : {"present", "all"}, default="present"
        Share of the labels with a positive, or of all labels.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Rows of weight 0 take no part; otherwise weights do not matter.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import label_coverage_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05], [0.8, 0.75, 0.7, 0.1, 0.15]])
    >>> label_coverage_at_k(y_true, y_score, [1, 3]).round(4)
    array([0.25, 0.75])
    """
    check_choice("denominator", denominator, ("present", "all"))
    counts, single = _top_counts("label_coverage_at_k", y_true, y_score, k, implicit, sample_weight, unknown, n_jobs)
    values = []
    for c in counts:
        n = int(np.sum(c.positive > 0)) if denominator == "present" else c.hits.size
        values.append(int(np.sum(c.hits > 0)) / n if n else float("nan"))
    return values[0] if single else np.array(values)


def _macro(ratio: Callable[[Counts], Floats], counts: list[Counts], single: bool, absent_labels: str) -> Any:
    """Mean over labels of a ratio of counts, for each k."""
    values = [average_labels(ratio(c), "macro", c.positive, absent_labels) for c in counts]
    return values[0] if single else np.array(values)


def _top_counts(
    name: str,
    y_true: Any,
    y_score: Any,
    k: Any,
    implicit: Any,
    sample_weight: Any,
    unknown: Any,
    n_jobs: Any,
    absent_labels: Any = "sklearn",
) -> tuple[list[Counts], bool]:
    """Counts for each k, and whether there is one k alone."""
    check_choice("absent_labels", absent_labels, ABSENT)
    check_choice("implicit", implicit, IMPLICIT)
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    ks, single = check_ks(k, cells.shape[1], name)
    return top_counts(cells, ks, implicit), single


def top_counts(cells: Scored, ks: list[int], implicit: str = "zero") -> list[Counts]:
    """Counts of each label for each k, from one selection; `known` is not counted."""
    n, n_labels = cells.shape
    most = min(max(ks), n_labels)
    top = _core.metrics.top_labels(*cells.core, most, implicit == "absent", cells.n_threads)
    weights = np.ones(n) if cells.weights is None else cells.weights.values
    truth = cells.truth
    rows = np.repeat(np.arange(n), np.diff(truth.indptr))
    positive: Floats = np.bincount(truth.indices, weights[rows], n_labels).astype(np.float64)
    true_cells = rows * n_labels + truth.indices
    hits, predicted = np.zeros(n_labels), np.zeros(n_labels)
    done = 0
    by_k: dict[int, Counts] = {}
    for each in sorted({min(k, n_labels) for k in ks}):
        part = top[:, done:each]
        row, place = np.nonzero(part >= 0)
        label = part[row, place].astype(np.int64)
        predicted = predicted + np.bincount(label, weights[row], n_labels)
        hits = hits + np.bincount(label, weights[row] * _is_in(row * n_labels + label, true_cells), n_labels)
        by_k[each] = Counts(hits, predicted, positive, positive)
        done = each
    return [by_k[min(k, n_labels)] for k in ks]


def _is_in(values: NDArray[np.int64], ascending: NDArray[np.int64]) -> Any:
    if not ascending.size:
        return np.zeros(values.size, bool)
    return ascending[np.minimum(np.searchsorted(ascending, values), ascending.size - 1)] == values
