"""Metrics of the k best-scored labels of each row, and their propensity-scored forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlkit._validation.pairs import Scored, check_scored
from mlkit._validation.params import check_choice
from mlkit.metrics._averages import Floats, mean, warn_empty_rows
from mlkit.metrics._ranks import IMPLICIT, TIES, RowRanks, TopRanks, check_ks, discounts, rank_rows
from mlkit.metrics.propensity import check_propensities

Of = Callable[[RowRanks, TopRanks, int, Any], Floats]  # ranks, sums of all k, place of k, k


def precision_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Share of the k best-scored labels that are true, averaged over rows.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    k : int or sequence of int
        Number of labels to retrieve; several are answered from one ranking. Ranks beyond the number of labels are
        misses.
    ties : {"column", "average"}, default="column"
        Equal scores are ordered by label number, or the expected value over all their orders is taken.
    implicit : {"zero", "absent"}, default="zero"
        Labels that a sparse row of ``y_score`` does not store compete at score 0, as in the dense array, or are never
        retrieved.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A row without a true label counts 0; the divisor is k even where a row has fewer known labels.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import precision_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> precision_at_k(y_true, y_score, [1, 3, 5]).round(4)
    array([0.5   , 0.4167, 0.35  ])
    """
    return _row_means(
        "precision_at_k",
        lambda rows, top, at, k: top.hits[:, at] / k,
        y_true,
        y_score,
        k,
        ties,
        implicit,
        sample_weight,
        unknown,
        n_jobs,
    )


def recall_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    empty: str = "zero",
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Share of a row's true labels that are among the k best-scored, averaged over rows.

    Parameters
    ----------
    y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`.
    empty : {"zero", "skip", "one"}, default="zero"
        Value of a row without a true label, or that it is left out.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Rows without a true label have none to find; libraries disagree what that means, hence ``empty``.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import recall_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> recall_at_k(y_true, y_score, [1, 3, 5]).round(4)
    array([0.1875, 0.625 , 0.75  ])
    """
    check_choice("empty", empty, ("zero", "skip", "one"))
    value = {"zero": 0.0, "skip": np.nan, "one": 1.0}[empty]

    def recall(rows: RowRanks, top: TopRanks, at: int, k: int) -> Floats:
        return np.where(rows.n_positive > 0, top.hits[:, at] / np.maximum(rows.n_positive, 1), value)

    return _row_means("recall_at_k", recall, y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs)


def rank_precision_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Share of the best possible number of hits among k that is reached, averaged over rows.

    Parameters
    ----------
    y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    hits / min(k, number of true labels), 0 for a row without a true label. The name R-precision@k is used for it too;
    :func:`r_precision` looks at as many ranks as the row has true labels.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import rank_precision_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> rank_precision_at_k(y_true, y_score, [1, 3, 5]).round(4)
    array([0.5   , 0.6667, 0.75  ])
    """
    return _row_means(
        "rank_precision_at_k",
        lambda rows, top, at, k: top.hits[:, at] / np.maximum(np.minimum(rows.n_positive, k), 1),
        y_true,
        y_score,
        k,
        ties,
        implicit,
        sample_weight,
        unknown,
        n_jobs,
    )


def hit_rate_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Share of the rows with a true label among the k best-scored.

    Parameters
    ----------
    y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    Also found under the name "abandonment". With ``ties="average"`` the chance of a hit.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import hit_rate_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> hit_rate_at_k(y_true, y_score, [1, 3, 5]).round(4)
    array([0.5 , 0.75, 0.75])
    """
    return _row_means(
        "hit_rate_at_k",
        lambda rows, top, at, k: top.any_hit[:, at],
        y_true,
        y_score,
        k,
        ties,
        implicit,
        sample_weight,
        unknown,
        n_jobs,
    )


def ndcg_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Discounted gain of the k best-scored labels over the best that is possible, averaged over rows.

    Parameters
    ----------
    y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A row without a true label counts 0. :func:`ndcg_score` with ``k`` is this with ``ties="average"``.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import ndcg_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> ndcg_at_k(y_true, y_score, [1, 3, 5]).round(4)
    array([0.5   , 0.5991, 0.6467])
    """

    def share(rows: RowRanks, top: TopRanks, at: int, k: int) -> Floats:
        n_labels = int(np.nanmax(rows.n_known, initial=1))
        best = discounts(n_labels)[np.minimum(np.minimum(rows.n_positive, k), n_labels).astype(np.int64)]
        return np.divide(top.gain[:, at], best, out=np.zeros(best.size), where=best > 0)

    return _row_means("ndcg_at_k", share, y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs)


def psprecision_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    inv_propensity: Any,
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Propensity-scored precision at k: hits weighted by inverse propensity, over the best possible.

    Parameters
    ----------
    y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`.
    inv_propensity : array-like of shape (n_labels,)
        Inverse propensities of the labels, see :func:`inverse_propensity`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A ratio of sums over rows, not a mean of ratios; it may fall with k.

    References
    ----------
    .. [1] Jain, Prabhu, Varma, "Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
       Label Applications", KDD 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import psprecision_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> psprecision_at_k(y_true, y_score, [1, 3, 5], inv_propensity=[1.3, 1.3, 1.5, 1.3, 1.4]).round(4)
    array([0.65  , 0.8228, 1.    ])
    """

    def parts(rows: RowRanks, top: TopRanks, at: int, share: Floats, depth: Floats) -> tuple[Floats, Floats]:
        return top.scored[:, at], top.best[:, at]

    return _ratios(
        "psprecision_at_k", parts, y_true, y_score, k, inv_propensity, ties, implicit, sample_weight, unknown, n_jobs
    )


def psndcg_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    inv_propensity: Any,
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Propensity-scored discounted gain at k, over the best possible.

    Parameters
    ----------
    y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`.
    inv_propensity : array-like of shape (n_labels,)
        Inverse propensities of the labels, see :func:`inverse_propensity`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A ratio of sums over rows; each row's gain is first divided by the discounts of min(k, true labels) ranks.

    References
    ----------
    .. [1] Jain, Prabhu, Varma, "Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
       Label Applications", KDD 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import psndcg_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> psndcg_at_k(y_true, y_score, [1, 3, 5], inv_propensity=[1.3, 1.3, 1.5, 1.3, 1.4]).round(4)
    array([0.65  , 0.7893, 0.858 ])
    """

    def parts(rows: RowRanks, top: TopRanks, at: int, share: Floats, depth: Floats) -> tuple[Floats, Floats]:
        return top.scored_gain[:, at] / depth, top.best_gain[:, at] / depth

    return _ratios(
        "psndcg_at_k", parts, y_true, y_score, k, inv_propensity, ties, implicit, sample_weight, unknown, n_jobs
    )


def psrecall_at_k(
    y_true: Any,
    y_score: Any,
    k: Any,
    *,
    inv_propensity: Any,
    ties: str = "column",
    implicit: str = "zero",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Propensity-scored recall at k, over the best possible.

    Parameters
    ----------
    y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs
        See :func:`precision_at_k`.
    inv_propensity : array-like of shape (n_labels,)
        Inverse propensities of the labels, see :func:`inverse_propensity`.

    Returns
    -------
    float, or ndarray with one number for each k

    Raises
    ------
    TypeError, ValueError
        As :func:`label_ranking_average_precision_score`.

    Notes
    -----
    A ratio of sums over rows; each row is first divided by its number of true labels.

    References
    ----------
    .. [1] Jain, Prabhu, Varma, "Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
       Label Applications", KDD 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import psrecall_at_k
    >>> y_true = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]])
    >>> y_score = np.array([[0.9, 0.2, 0.25, 0.4, 0.1], [0.3, 0.35, 0.6, 0.1, 0.05]])
    >>> y_score = np.vstack([y_score, [[0.2, 0.5, 0.1, 0.05, 0.3], [0.8, 0.75, 0.7, 0.1, 0.15]]])
    >>> psrecall_at_k(y_true, y_score, [1, 3, 5], inv_propensity=[1.3, 1.3, 1.5, 1.3, 1.4]).round(4)
    array([0.4239, 0.9028, 1.    ])
    """

    def parts(rows: RowRanks, top: TopRanks, at: int, share: Floats, depth: Floats) -> tuple[Floats, Floats]:
        return top.scored[:, at] * share, top.best[:, at] * share

    return _ratios(
        "psrecall_at_k", parts, y_true, y_score, k, inv_propensity, ties, implicit, sample_weight, unknown, n_jobs
    )


# -------------------------------------------------------------------------------------------------------------- shared


def _judge(
    name: str,
    y_true: Any,
    y_score: Any,
    k: Any,
    ties: Any,
    implicit: Any,
    sample_weight: Any,
    unknown: Any,
    n_jobs: Any,
) -> tuple[Scored, list[int], bool]:
    check_choice("ties", ties, TIES)
    check_choice("implicit", implicit, IMPLICIT)
    if (ties, implicit) == ("average", "absent"):
        raise ValueError("ties: expected 'column' with implicit='absent', got 'average' (absent labels have no rank)")
    cells = check_scored(y_true, y_score, unknown=unknown, sample_weight=sample_weight, n_jobs=n_jobs)
    ks, single = check_ks(k, cells.shape[1], name)
    return cells, ks, single


def _row_means(
    name: str,
    of: Of,
    y_true: Any,
    y_score: Any,
    k: Any,
    ties: Any,
    implicit: Any,
    sample_weight: Any,
    unknown: Any,
    n_jobs: Any,
) -> Any:
    cells, ks, single = _judge(name, y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs)
    rows, top = rank_rows(cells, ks=ks, ties=ties, implicit=implicit)
    known = rows.n_known > 0
    warn_empty_rows(int(np.sum(~known)), name)
    weights = None if cells.weights is None else cells.weights.values[known]
    means = [mean(of(rows, top, at, k)[known], weights) for at, k in enumerate(ks)]
    return means[0] if single else np.array(means)


def _ratios(
    name: str,
    parts: Callable[[RowRanks, TopRanks, int, Floats, Floats], tuple[Floats, Floats]],
    y_true: Any,
    y_score: Any,
    k: Any,
    inv_propensity: Any,
    ties: Any,
    implicit: Any,
    sample_weight: Any,
    unknown: Any,
    n_jobs: Any,
) -> Any:
    cells, ks, single = _judge(name, y_true, y_score, k, ties, implicit, sample_weight, unknown, n_jobs)
    propensities = check_propensities(inv_propensity, cells.shape[1])
    rows, top = rank_rows(cells, ks=ks, ties=ties, implicit=implicit, propensities=propensities)
    weights = np.ones(cells.shape[0]) if cells.weights is None else cells.weights.values
    share = 1 / np.maximum(rows.n_positive, 1)
    table = discounts(cells.shape[1])
    values = []
    for at, each in enumerate(ks):
        depth = table[np.clip(rows.n_positive, 1, min(each, cells.shape[1])).astype(np.int64)]
        reached, best = (float(np.sum(weights * part)) for part in parts(rows, top, at, share, depth))
        values.append(reached / best if best else float("nan"))
    return values[0] if single else np.array(values)
