"""Metrics of the order in which scores put a row's labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlkit._validation.pairs import Scored, check_scored
from mlkit._validation.params import check_choice, check_flag, check_integer, check_number
from mlkit.metrics._areas import label_areas
from mlkit.metrics._averages import (
    ABSENT,
    Floats,
    average_labels,
    check_average,
    mark_absent,
    mean,
    warn_undefined,
)
from mlkit.metrics._graded import check_gains, graded_gains
from mlkit.metrics._ranks import TIES, rank_rows, row_mean


def label_ranking_average_precision_score(
    y_true: Any, y_score: Any, *, sample_weight: Any = None, unknown: Any = None, n_jobs: int | None = None
) -> float:
    """Mean precision at the ranks of a row's true labels, averaged over rows.

    Parameters
    ----------
    y_true : array-like, sparse matrix, DataFrame, list of lists or LabelMatrix of shape (n_samples, n_labels)
        True labels in any form of :func:`mlkit.labels.as_label_matrix`; cells of -1 or NaN are unknown.
    y_score : array-like, sparse matrix, DataFrame or list of ndarray of shape (n_samples, n_labels)
        Any numbers but NaN, the higher the likelier; infinite ones are ordered too. What a sparse matrix does not
        store has score 0.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the rows, at least 0.
    unknown : mask of shape (n_samples, n_labels), bool, optional
        Cells that take no part, besides those that ``y_true`` says are unknown.
    n_jobs : int, optional
        Threads; None: all available. The result has the same bits for every value.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Notes
    -----
    Of a tie group the worst rank counts. A row whose labels are all true or all absent counts 1 (scikit-learn's rule);
    one without a known cell is left out. O(n_labels * log(positives)) a row, O(stored * log(positives)) on sparse
    scores.

    Examples
    --------
    >>> from mlkit.metrics import label_ranking_average_precision_score
    >>> import numpy as np
    >>> y_true, y_score = np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])
    >>> round(label_ranking_average_precision_score(y_true, y_score), 5)
    0.41667
    """
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    rows, _ = rank_rows(cells)
    return row_mean("label_ranking_average_precision_score", rows.lrap, rows.n_known > 0, cells)


def label_ranking_loss(
    y_true: Any, y_score: Any, *, sample_weight: Any = None, unknown: Any = None, n_jobs: int | None = None
) -> float:
    """Share of the pairs of a true and an absent label that are in the wrong order, averaged over rows.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A tie is an error. A row whose labels are all true or all absent counts 0.

    Examples
    --------
    >>> from mlkit.metrics import label_ranking_loss
    >>> import numpy as np
    >>> y_true, y_score = np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])
    >>> label_ranking_loss(y_true, y_score)
    0.75
    """
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    rows, _ = rank_rows(cells)
    return row_mean("label_ranking_loss", rows.ranking_loss, rows.n_known > 0, cells)


def instance_roc_auc(
    y_true: Any, y_score: Any, *, sample_weight: Any = None, unknown: Any = None, n_jobs: int | None = None
) -> float:
    """Area under the ROC curve of each row, averaged over rows.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Half a tie is an error: with scores all distinct this is 1 - :func:`label_ranking_loss` over the rows that
    have both a true and an absent label; others are left out.

    Examples
    --------
    >>> from mlkit.metrics import instance_roc_auc
    >>> import numpy as np
    >>> y_true, y_score = np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])
    >>> instance_roc_auc(y_true, y_score)
    0.25
    """
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    rows, _ = rank_rows(cells)
    defined = ~np.isnan(rows.auc)
    if not defined.any():
        warn_undefined("instance_roc_auc: no row has both a true and an absent label")
    return mean(rows.auc[defined], None if cells.weights is None else cells.weights.values[defined])


def one_error(
    y_true: Any,
    y_score: Any,
    *,
    ties: str = "column",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> float:
    """Share of the rows whose best-scored label is not true.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    ties : {"column", "average"}, default="column"
        Equal scores are ordered by label number, or the expected value over all their orders is taken.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A row without a true label counts as an error.

    Examples
    --------
    >>> from mlkit.metrics import one_error
    >>> import numpy as np
    >>> y_true, y_score = np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])
    >>> one_error(y_true, y_score)
    1.0
    """
    check_choice("ties", ties, TIES)
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    rows, _ = rank_rows(cells, ties=ties)
    return row_mean("one_error", rows.one_error, rows.n_known > 0, cells)


def r_precision(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "samples",
    ties: str | None = None,
    sample_weight: Any = None,
    unknown: Any = None,
    absent_labels: str = "sklearn",
    n_jobs: int | None = None,
) -> Any:
    """Share of positives among the P best-scored, P being their number.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    average : {"samples", "macro", "weighted"} or None, default="samples"
        "samples": of each row's labels, averaged over rows. Otherwise of each label's rows: a number for each, their
        mean, or their mean weighted by support.
    ties : {"column", "average"}, optional
        Equal scores are ordered by label number (the default for rows), or the expected value over all their orders is
        taken (the default, and the only choice, for labels).
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
    A row without a true label counts 0.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import r_precision
    >>> y_true, y_score = np.array([[1, 0, 0], [1, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])
    >>> r_precision(y_true, y_score)
    0.25
    >>> r_precision(y_true, y_score, average=None)
    array([1., 0., 0.])
    """
    check_average(average, ("samples", "macro", "weighted"))
    check_choice("absent_labels", absent_labels, ABSENT)
    by_row = average == "samples"
    ties = check_choice("ties", ("column" if by_row else "average") if ties is None else ties, TIES)
    if not by_row and ties == "column":
        raise ValueError(f"ties: expected 'average' with average={average!r}, got 'column' (rows have no such order)")
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    if by_row:
        rows, _ = rank_rows(cells, ties=ties)
        return row_mean("r_precision", rows.r_precision, rows.n_known > 0, cells)
    areas = label_areas(cells)
    if average is None:
        return mark_absent(areas.r_precision, areas.positive, absent_labels)
    return average_labels(areas.r_precision, average, areas.positive, absent_labels)


def coverage_error(
    y_true: Any,
    y_score: Any,
    *,
    offset: int = 0,
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> float:
    """How far down the ranking one has to go to meet all of a row's true labels, averaged over rows.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    offset : int, default=0
        Added to the depth of rows with a true label; -1 gives the definition of [1]_, which counts from 0.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Of a tie group the worst rank counts. A row without a true label counts 0.

    References
    ----------
    .. [1] Tsoumakas, Katakis, Vlahavas, "Mining Multi-label Data", 2010, section 34.3.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import coverage_error
    >>> coverage_error(np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]]))
    2.5
    """
    offset = check_integer("offset", offset)
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    rows, _ = rank_rows(cells)
    depth = rows.coverage + offset * (rows.n_positive > 0)
    return row_mean("coverage_error", depth, rows.n_known > 0, cells)


def dcg_score(
    y_true: Any,
    y_score: Any,
    *,
    k: int | None = None,
    gains: Any = None,
    log_base: float = 2.0,
    sample_weight: Any = None,
    ignore_ties: bool = False,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> float:
    """Discounted cumulative gain of a row's true labels, averaged over rows.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    k : int, optional
        Look at the first k ranks only.
    gains : array-like of shape (n_labels,), or array-like or sparse matrix of shape (n_samples, n_labels), optional
        What a true label is worth, at least 0; default: 1 (what gains say of other cells does not count).
    log_base : float > 0, default=2
        Base of the logarithm in the discount ``1 / log(rank + 1)``.
    ignore_ties : bool, default=False
        False: a tie group shares its discounts. True: equal scores are ordered by label number (scikit-learn's order
        among them depends on a sort that is not stable).

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    scikit-learn's function takes gains as ``y_true``: here that is ``dcg_score(g > 0, y_score, gains=g)``. Without
    ``gains`` O(n_labels log positives) time a row; with them O(n_labels log n_labels), in Python.

    References
    ----------
    .. [1] McSherry, Najork, "Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
       Scores", ECIR 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import dcg_score
    >>> round(dcg_score(np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])), 4)
    0.5655
    """
    gain, _, cells = _gains(y_true, y_score, k, gains, log_base, ignore_ties, sample_weight, unknown, n_jobs)
    return row_mean("dcg_score", gain, ~np.isnan(gain), cells)


def ndcg_score(
    y_true: Any,
    y_score: Any,
    *,
    k: int | None = None,
    gains: Any = None,
    sample_weight: Any = None,
    ignore_ties: bool = False,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> float:
    """Discounted cumulative gain over the best that is possible, averaged over rows.

    Parameters
    ----------
    y_true, y_score, k, gains, sample_weight, ignore_ties, unknown, n_jobs
        See :func:`dcg_score`.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A row without a true label (or none that is worth anything) counts 0, as scikit-learn has it.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import ndcg_score
    >>> round(ndcg_score(np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])), 4)
    0.5655
    """
    gain, ideal, cells = _gains(y_true, y_score, k, gains, 2.0, ignore_ties, sample_weight, unknown, n_jobs)
    share = np.divide(gain, ideal, out=np.where(np.isnan(gain), np.nan, 0.0), where=ideal > 0)
    return row_mean("ndcg_score", share, ~np.isnan(gain), cells)


def _gains(
    y_true: Any,
    y_score: Any,
    k: Any,
    gains: Any,
    log_base: Any,
    ignore_ties: Any,
    sample_weight: Any,
    unknown: Any,
    n_jobs: Any,
) -> tuple[Floats, Floats, Scored]:
    """Gain and best possible gain of each row, NaN without a known cell."""
    limit = 0 if k is None else check_integer("k", k, low=1)
    log_base = check_number("log_base", log_base, 0, open_low=True)
    ignore_ties = check_flag("ignore_ties", ignore_ties)
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    if gains is not None:
        return *graded_gains(cells, check_gains(gains, cells.shape), limit, log_base, ignore_ties), cells
    n_labels = cells.shape[1]
    ks = [limit or n_labels] if ignore_ties else []
    rows, top = rank_rows(cells, ks=ks, gain_limit=limit, log_base=log_base)
    gain = np.where(rows.n_known > 0, top.gain[:, 0], np.nan) if ignore_ties else rows.gain
    return gain, rows.ideal_gain, cells
