"""How plausible the given labels are: a score for each example, each cell, or the worst cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.params import check_choice, check_flag, check_integer, check_memory, check_number, format_bytes
from mlkit.quality import _engine
from mlkit.quality.issues import check_compat

_NOT_ADJUSTABLE = ("confidence_weighted_entropy", *_engine.POSTERIORS)


def get_label_quality_scores(
    labels: Any,
    pred_probs: Any,
    *,
    method: str = "self_confidence",
    adjust_pred_probs: bool = False,
    aggregator: str | Callable[[NDArray[np.float64]], Any] = "exponential_moving_average",
    alpha: float | None = 0.8,
    temperature: float = 0.1,
    k: int | None = None,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    compat: str | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Score how plausible the given label set of each example is.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, compat, n_jobs
        See :func:`mlkit.quality.find_label_issues`.
    method : {"self_confidence", "normalized_margin", "confidence_weighted_entropy"}, default="self_confidence"
        Score of a cell: the probability s of what was given; the margin (with two outcomes the same number); or
        ``log(1 + r) / r`` with r = binary entropy in bits divided by s, which falls from 1 (certain agreement) to 0
        (certain disagreement).
    adjust_pred_probs : bool, default=False
        Shift each label's probabilities by its confident thresholds first, so that cells of rare labels do not look
        suspicious as such.
    aggregator : str or callable, default="exponential_moving_average"
        From the scores of an example's known cells to one number: ``"exponential_moving_average"`` of the scores in
        descending order, ``"softmin"``, ``"mean"``, ``"min"``, ``"max"``, ``"median"``, ``"k_smallest"`` (their mean),
        ``"log"`` (mean of ``log(s + 1e-8)``), or a function from an (m, n_labels) array of cell scores, NaN where
        unknown, to m numbers.
    alpha : float in (0, 1] or None, default=0.8
        Weight of the smaller score in the moving average; None: 2 / (known labels + 1).
    temperature : float > 0, default=0.1
        Of the softmin; smaller is closer to the minimum.
    k : int, optional
        For ``"k_smallest"``.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Lower means more likely to contain an error; in [0, 1] (for ``"log"`` in [-18.5, 0]). NaN for an example
        without a known label.

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    Formulas of [1]_. Scores do not depend on the order of labels, and dense and sparse input give the same bits.
    Where the entropy score of the paper's code divides by ``max(., 1e-6)``, ours takes the limit: under those floors a
    certain and correct cell gets the worst score. ``compat="cleanlab"`` keeps them. The moving average stops where
    further scores weigh less than 1e-17. O(n_samples * n_labels) time, O(stored) for sparse input (O(n_samples *
    n_labels) with ``adjust_pred_probs`` and one of "softmin", "mean", "max", "median", "log", but no more memory).

    References
    ----------
    .. [1] Thyagarajan, Snorrason, Northcutt, Mueller, "Identifying Incorrect Annotations in Multi-Label Classification
       Data", 2022.

    Examples
    --------
    >>> from mlkit.quality import get_label_quality_scores
    >>> get_label_quality_scores([[0, 1, 2]], [[0.9, 0.9, 0.3]]).round(6)
    array([0.42])
    >>> get_label_quality_scores([[0, 1, 2]], [[0.9, 0.9, 0.3]], aggregator="min")
    array([0.3])
    """
    check_choice("method", method, _engine.METHODS)
    _check_adjustment(adjust_pred_probs, method)
    check_compat(compat)
    if not callable(aggregator):
        check_choice("aggregator", aggregator, _engine.AGGREGATORS)
    if alpha is not None:
        alpha = check_number("alpha", alpha, 0, 1, open_low=True)
    temperature = check_number("temperature", temperature, 0, open_low=True)
    if aggregator == "k_smallest" and k is None:
        raise ValueError("k: expected an integer >= 1 with aggregator='k_smallest', got None")
    k = 1 if k is None else check_integer("k", k, low=1)
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
    thresholds = _engine.thresholds(cells, compat) if adjust_pred_probs else None
    if callable(aggregator):
        return _call_aggregator(cells, method, aggregator, thresholds, compat)
    return _engine.row_scores(
        cells,
        method,
        aggregator=aggregator,
        alpha=alpha,
        temperature=temperature,
        k=k,
        adjust_thresholds=thresholds,
        compat=compat,
    )


def _check_adjustment(adjust_pred_probs: Any, method: str) -> None:
    if check_flag("adjust_pred_probs", adjust_pred_probs) and method in _NOT_ADJUSTABLE:
        raise ValueError(
            f"adjust_pred_probs: expected False with method={method!r}, got True "
            "(a shifted number is no probability; use another method)"
        )


def _call_aggregator(
    cells: Cells,
    method: str,
    aggregator: Callable[[NDArray[np.float64]], Any],
    thresholds: NDArray[np.float64] | None,
    compat: str | None,
) -> NDArray[np.float64]:
    """Hand the user's function blocks of rows, so that sparse input never becomes one dense array."""
    n, n_labels = cells.shape
    block = n if not cells.probs.is_sparse else max(1, 2**22 // n_labels)
    out = np.empty(n)
    for begin in range(0, n, block):
        end = min(n, begin + block)
        part = cells if block >= n else cells.rows(begin, end)
        scores = _engine.cell_scores(part, method, thresholds, compat)
        result = np.asarray(aggregator(scores), np.float64)
        if result.shape != (end - begin,):
            raise ValueError(
                f"aggregator: expected a function from shape {scores.shape} to shape ({end - begin},), "
                f"got shape {result.shape}"
            )
        out[begin:end] = result
    return out


def get_cell_quality_scores(
    labels: Any,
    pred_probs: Any,
    *,
    method: str = "self_confidence",
    adjust_pred_probs: bool = False,
    top: int | None = None,
    memory_limit: int | str | None = None,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    compat: str | None = None,
    n_jobs: int | None = None,
) -> Any:
    """Score how plausible each cell's given label is.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, compat, n_jobs
        See :func:`mlkit.quality.find_label_issues`.
    method : {"self_confidence", "normalized_margin", "confidence_weighted_entropy", "error_posterior", \
"balanced_posterior"}
        The first three as in :func:`get_label_quality_scores`. "error_posterior": 1 - P(the given value is wrong), from
        the label's flip rates as :func:`estimate_noise_rates` finds them, if ``pred_probs`` are calibrated to the true
        labels. "balanced_posterior": the same from flip rates that all labels share, for ranking: see the notes.
    adjust_pred_probs : bool, default=False
        See :func:`get_label_quality_scores`.
    top : int, optional
        Return only so many of the worst cells, as a table.
    memory_limit : int or str, optional
        Largest array of all scores to make; default: no limit for dense ``pred_probs``, "2GB" for sparse ones.

    Returns
    -------
    ndarray of shape (n_samples, n_labels), float64, or DataFrame
        Scores in [0, 1], lower is more suspicious, NaN where unknown. With ``top`` a frame with the columns ``row``,
        ``label`` (name, or number without names), ``given``, ``p``, ``score``, worst first, ties by row and label;
        cells that are neither given nor scored above 0 are not listed.

    Raises
    ------
    MemoryError
        If the array of all scores would exceed ``memory_limit``.
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    The balanced posterior takes the wrong labels of either direction that :func:`estimate_noise_rates` finds in all
    labels together, relative to the given ones, and adds 0.03 to each: M and S. The odds that a cell is wrong are then
    M p / (1 - p) where the label is not given, and S sqrt(o) (1 - p) / p where it is, with o the odds of the label.
    It ranks planted errors better than the self-confidence does, in which M = S sqrt(o) = 1; it is no probability.

    O(n_samples * n_labels) time and memory; with ``top`` memory is O(top) and sparse input takes O(stored) time.

    Examples
    --------
    >>> from mlkit.quality import get_cell_quality_scores
    >>> get_cell_quality_scores([[0], [1]], [[0.75, 0.5], [0.75, 0.25]])
    array([[0.75, 0.5 ],
           [0.25, 0.25]])
    >>> get_cell_quality_scores([["cat"], ["dog"]], [[0.9, 0.6], [0.7, 0.2]], label_names=["cat", "dog"], top=2)
       row label  given    p  score
    0    1   dog      1  0.2    0.2
    1    1   cat      0  0.7    0.3
    """
    check_choice("method", method, (*_engine.METHODS, *_engine.POSTERIORS))
    _check_adjustment(adjust_pred_probs, method)
    check_compat(compat)
    limit = check_memory("memory_limit", memory_limit)
    if top is not None:
        top = check_integer("top", top, low=0)
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
    if top is None:
        if limit is None and cells.probs.is_sparse:
            limit = check_memory("memory_limit", "2GB")
        size = 8 * cells.shape[0] * cells.shape[1]
        if limit is not None and size > limit:
            raise MemoryError(
                f"memory_limit: the scores of all {cells.shape[0]} x {cells.shape[1]} cells need {format_bytes(size)}, "
                f"the limit is {format_bytes(limit)} (top= returns only the worst cells)"
            )
    if method in _engine.POSTERIORS:
        parameters: NDArray[np.float64] | None = _engine.posterior_rates(cells, method)
    else:
        parameters = _engine.thresholds(cells, compat) if adjust_pred_probs else None
    if top is None:
        return _engine.cell_scores(cells, method, parameters, compat)
    return worst_cells(cells, top, method, parameters, compat)


def worst_cells(
    cells: Cells,
    top: int,
    method: str = "self_confidence",
    parameters: NDArray[np.float64] | None = None,
    compat: str | None = None,
) -> Any:
    """The ``top`` worst cells as a DataFrame; ``parameters`` are the method's, two numbers a label."""
    import pandas as pd

    row, label, given, p, score = _engine.worst_cells(cells, top, method, parameters, compat)
    names = cells.label_names
    column: Any = label if names is None else np.asarray(names, object)[label]
    return pd.DataFrame({"row": row, "label": column, "given": given, "p": p, "score": score})
