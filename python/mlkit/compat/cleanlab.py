"""The multi-label functions of cleanlab 2.9.0: its names, signatures, return types and answers, on mlkit's kernels.

::

    from mlkit.compat.cleanlab import find_label_issues  # was: cleanlab.multilabel_classification.filter

Answers are the peer's, its peculiarities included; new code is better served by :mod:`mlkit.quality`. What differs on
purpose: equal keys are ordered by row number and not as the sort of the day leaves them; labels and probabilities may
come in every form that mlkit takes; NaN is an error; warnings are summed up in one; ``n_jobs`` means threads.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells, LabelQualityWarning
from mlkit._validation.params import check_choice, check_number, shorten
from mlkit.compat import _search, _tables
from mlkit.compat._inputs import read_cells
from mlkit.quality import _engine, _peer

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "common_multilabel_issues",
    "find_label_issues",
    "find_multilabel_issues_per_class",
    "get_label_quality_scores",
    "get_label_quality_scores_per_class",
    "multilabel_health_summary",
    "overall_multilabel_health_score",
    "rank_classes_by_multilabel_quality",
]


def find_label_issues(
    labels: Any,
    pred_probs: Any,
    return_indices_ranked_by: str | None = None,
    rank_by_kwargs: dict[str, Any] = {},  # noqa: B006 - never written to; the signature is the peer's
    filter_by: str = "prune_by_noise_rate",
    frac_noise: float = 1.0,
    num_to_remove_per_class: Sequence[int] | None = None,
    min_examples_per_class: int = 1,
    confident_joint: NDArray[Any] | None = None,
    n_jobs: int | None = None,
    verbose: bool = False,
    low_memory: bool = False,
) -> NDArray[Any]:
    """Find the examples with a label that is probably wrong.

    Parameters
    ----------
    labels : list of lists of int
        For each example the numbers of its labels; also every form of :func:`mlkit.labels.as_label_matrix`.
    pred_probs : ndarray of shape (n_samples, n_labels)
        Out-of-sample probabilities in float16, float32 or float64; also a SciPy sparse matrix or a frame.
    return_indices_ranked_by : {"self_confidence", "normalized_margin", "confidence_weighted_entropy"}, optional
        Return the flagged examples' indices, worst first, instead of a mask.
    rank_by_kwargs : dict, optional
        ``{"adjust_pred_probs": True}``: rank by probabilities that are shifted by the confident thresholds.
    filter_by : str, default="prune_by_noise_rate"
        One of the seven filters of :func:`mlkit.quality.find_label_issues`.
    frac_noise : float, default=1.0
        Share of the estimated errors that the prune filters flag.
    num_to_remove_per_class : sequence of int, optional
        For each label how many cells to flag: of given ones with ``"prune_by_noise_rate"``, of not given ones with
        ``"prune_by_class"``, none at all with ``"both"``. That is what the peer's code does with the numbers.
    min_examples_per_class : int, default=1
        The prune filters leave a side of a label with at most so many examples alone.
    confident_joint : ndarray of shape (n_labels, 2, 2), optional
        Joint that the prune filters use as it is.
    n_jobs : int, optional
        Threads; None: all available. The result does not depend on it.
    verbose : bool, default=False
        Print how many cells of each label are flagged.
    low_memory : bool, default=False
        The peer's mini-batch route, which gives other answers: thresholds as running means over batches of 10,000, the
        least self-confident cells of both sides together. The choice depends on ``return_indices_ranked_by``.

    Returns
    -------
    ndarray
        Bool mask of shape (n_samples,), or int64 indices with ``return_indices_ranked_by``.

    Raises
    ------
    ValueError
        If shapes disagree, a probability is NaN or outside [0, 1], an option does not exist, or a label is given in
        every example (for some filters also: in none).
    TypeError
        If an argument is of the wrong kind.

    Warns
    -----
    LabelQualityWarning
        Once, listing what was left out or is not used.

    Notes
    -----
    The filters ``"low_self_confidence"`` and ``"low_normalized_margin"`` flag as many examples as have a cell off the
    diagonal of the confident joint, those with the lowest moving average of self-confidence. Ranked, they come in an
    order that is none of severity: positions sorted by one score are looked up in an array sorted by another.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import find_label_issues
    >>> labels = [[0], [0], [1], [1], [0, 1], [0]]
    >>> pred_probs = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.9], [0.1, 0.7], [0.9, 0.8], [0.1, 0.9]])
    >>> find_label_issues(labels, pred_probs)
    array([False, False, False, False, False,  True])
    >>> find_label_issues(labels, pred_probs, return_indices_ranked_by="self_confidence")
    array([5])
    """
    cells, options = _prepare(
        labels,
        pred_probs,
        by_rows=True,
        ranked_by=return_indices_ranked_by,
        rank_by_kwargs=rank_by_kwargs,
        filter_by=filter_by,
        frac_noise=frac_noise,
        numbers=num_to_remove_per_class,
        min_examples=min_examples_per_class,
        joint=confident_joint,
        low_memory=low_memory,
        n_jobs=n_jobs,
    )
    if verbose:
        _print_counts(cells, options)
    if options.ranked_by is None:
        return _search.flagged_rows(cells, options)
    return _search.ranked_rows(cells, options)


def find_multilabel_issues_per_class(
    labels: Any,
    pred_probs: Any,
    return_indices_ranked_by: str | None = None,
    rank_by_kwargs: dict[str, Any] = {},  # noqa: B006
    filter_by: str = "prune_by_noise_rate",
    frac_noise: float = 1.0,
    num_to_remove_per_class: Sequence[int] | None = None,
    min_examples_per_class: int = 1,
    confident_joint: NDArray[Any] | None = None,
    n_jobs: int | None = None,
    verbose: bool = False,
    low_memory: bool = False,
) -> Any:
    """Find the cells, pairs of example and label, that are probably wrong.

    Parameters
    ----------
    labels, pred_probs, return_indices_ranked_by, rank_by_kwargs, filter_by, frac_noise, num_to_remove_per_class
        See :func:`find_label_issues`. The two ``low_*`` filters flag in each label as many cells as lie off the
        diagonal of its confident joint, those with the lowest scores on either side.
    min_examples_per_class, confident_joint, n_jobs, verbose, low_memory
        See :func:`find_label_issues`.

    Returns
    -------
    ndarray of shape (n_samples, n_labels), bool, or tuple of three lists of length n_labels
        The mask of the flagged cells. With ``return_indices_ranked_by``, for each label: the int64 indices of the
        flagged examples, worst first (with ``low_memory`` by row number); the int64 column of 0 and 1 of what was
        given; the (n_samples, 2) array of the probabilities of its absence and presence.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`.

    Notes
    -----
    The ranked form takes 24 bytes a cell, most of them for copies of the arguments.
    :func:`mlkit.quality.find_cell_issues` gives the flagged cells as a sparse matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import find_multilabel_issues_per_class
    >>> labels = [[0], [0], [1], [1], [0, 1], [0]]
    >>> pred_probs = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.9], [0.1, 0.7], [0.9, 0.8], [0.1, 0.9]])
    >>> np.argwhere(find_multilabel_issues_per_class(labels, pred_probs))
    array([[5, 0],
           [5, 1]])
    """
    cells, options = _prepare(
        labels,
        pred_probs,
        by_rows=False,
        ranked_by=return_indices_ranked_by,
        rank_by_kwargs=rank_by_kwargs,
        filter_by=filter_by,
        frac_noise=frac_noise,
        numbers=num_to_remove_per_class,
        min_examples=min_examples_per_class,
        joint=confident_joint,
        low_memory=low_memory,
        n_jobs=n_jobs,
    )
    if verbose:
        _print_counts(cells, options)
    if options.ranked_by is None:
        found = _search.flagged_cells(cells, options)
        mask = np.zeros(cells.shape, np.bool_)
        mask[found.rows, found.labels] = True
        return mask
    given = cells.labels.to_dense(np.int64, memory_limit=None)
    columns = [np.stack((1 - p, p)).T for _, _, p in _peer.columns(cells)]
    return _search.ranked_cells(cells, options), list(given.T), columns


def get_label_quality_scores(
    labels: Any,
    pred_probs: Any,
    *,
    method: str = "self_confidence",
    adjust_pred_probs: bool = False,
    aggregator_kwargs: dict[str, Any] = {"method": "exponential_moving_average", "alpha": 0.8},  # noqa: B006
) -> NDArray[Any]:
    """Score how plausible the given label set of each example is.

    Parameters
    ----------
    labels, pred_probs
        See :func:`find_label_issues`; probabilities may be whole numbers here.
    method : {"self_confidence", "normalized_margin", "confidence_weighted_entropy"}, default="self_confidence"
        Score of a cell, in capitals or not. The entropy score is the peer's: a probability of exactly 0 or 1 scores 0
        on either side, the worst there is (:func:`mlkit.quality.get_label_quality_scores` takes the limit).
    adjust_pred_probs : bool, default=False
        Shift each label's probabilities by its confident thresholds first. Only ``True`` itself does it.
    aggregator_kwargs : dict
        ``method``: ``"exponential_moving_average"`` with ``alpha`` in [0, 1] (without it 2 / (n_labels + 1)),
        ``"softmin"`` with ``temperature`` (0.1), or a function that is called as ``f(scores, axis=1, **others)`` with
        the (n_samples, n_labels) scores of the cells. Empty: the default.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Lower means more likely to contain an error. What a function as ``method`` returns is returned as it is.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`; also for a single label, or when all cells, or no cells, are given.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import get_label_quality_scores
    >>> get_label_quality_scores([[1], [0, 2]], np.array([[0.1, 0.9, 0.1], [0.4, 0.1, 0.9]]))
    array([0.9, 0.5])
    """
    method, adjust = _check_method(method, adjust_pred_probs)
    aggregator, others = _check_aggregator(aggregator_kwargs)
    cells = _prepare_scores(labels, pred_probs)
    _search.check_mixture(cells)
    thresholds = _search.thresholds(cells) if adjust else None
    if callable(aggregator):
        answer: NDArray[Any] = aggregator(
            _engine.cell_scores(cells, method, thresholds, "cleanlab"), **{**others, "axis": 1}
        )
        return answer
    return _search.row_scores(cells, method, aggregator=aggregator, adjust_thresholds=thresholds, **others)


def get_label_quality_scores_per_class(
    labels: Any, pred_probs: Any, *, method: str = "self_confidence", adjust_pred_probs: bool = False
) -> NDArray[np.float64]:
    """Score how plausible each cell's given label is.

    Parameters
    ----------
    labels, pred_probs, method, adjust_pred_probs
        See :func:`get_label_quality_scores`.

    Returns
    -------
    ndarray of shape (n_samples, n_labels), float64
        Lower is more suspicious.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import get_label_quality_scores_per_class
    >>> get_label_quality_scores_per_class([[1], [0, 2]], np.array([[0.25, 0.75, 0.25], [0.5, 0.25, 0.75]]))
    array([[0.75, 0.75, 0.75],
           [0.5 , 0.75, 0.75]])
    """
    method, adjust = _check_method(method, adjust_pred_probs)
    cells = _prepare_scores(labels, pred_probs)
    return _engine.cell_scores(cells, method, _search.thresholds(cells) if adjust else None, "cleanlab")


def common_multilabel_issues(
    labels: Any = list,
    pred_probs: Any = None,
    *,
    class_names: Any = None,
    confident_joint: NDArray[Any] | None = None,
) -> pd.DataFrame:
    """Count the flagged cells of each label by direction.

    Parameters
    ----------
    labels, pred_probs, confident_joint
        See :func:`find_label_issues`; the default filter is used.
    class_names : sequence or mapping, optional
        Name of each label number.

    Returns
    -------
    DataFrame
        Two rows for each label, the most frequent kind of issue first: ``Class Name`` (with ``class_names``), ``Class
        Index``, ``In Given Label``, ``In Suggested Label``, ``Num Examples``, ``Issue Probability``.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`.

    Notes
    -----
    ``Issue Probability`` divides by the number of all examples, also for a label that only few of them carry.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import common_multilabel_issues
    >>> labels = [[0], [0], [1], [1], [0, 1], [0]]
    >>> pred_probs = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.9], [0.1, 0.7], [0.9, 0.8], [0.1, 0.9]])
    >>> common_multilabel_issues(labels, pred_probs)["Num Examples"].tolist()
    [1, 1, 0, 0]
    """
    if labels is list:
        raise TypeError("labels: expected a list of label numbers for each example, got nothing")
    cells, options = _prepare_table(labels, pred_probs, confident_joint)
    return _tables.issue_table(cells, options, class_names)


def rank_classes_by_multilabel_quality(
    labels: Any = None,
    pred_probs: Any = None,
    *,
    class_names: Any = None,
    joint: NDArray[Any] | None = None,
    confident_joint: NDArray[Any] | None = None,
) -> pd.DataFrame:
    """Rank the labels by the share of examples in which they are flagged as spurious.

    Parameters
    ----------
    labels, pred_probs
        See :func:`find_label_issues`.
    class_names
        See :func:`common_multilabel_issues`.
    joint : ndarray of shape (n_labels, 2, 2), optional
        Joint that the search uses.
    confident_joint : ndarray, optional
        Not used, as in the peer.

    Returns
    -------
    DataFrame
        A row for each label, the worst first: ``Class Name`` (with ``class_names``), ``Class Index``, ``Label Issues``,
        ``Inverse Label Issues``, ``Label Noise``, ``Inverse Label Noise``, ``Label Quality Score``.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`.

    Notes
    -----
    ``Label Noise`` is a share of all examples, so a rare label's ``Label Quality Score`` is close to 1 however many of
    its examples are wrong. Counts come from shares, cut to whole numbers: 29 flagged of 50 are shown as 28.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import rank_classes_by_multilabel_quality
    >>> labels = [[0], [0], [1], [1], [0, 1], [0]]
    >>> pred_probs = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.9], [0.1, 0.7], [0.9, 0.8], [0.1, 0.9]])
    >>> table = rank_classes_by_multilabel_quality(labels, pred_probs, class_names=["cat", "dog"])
    >>> print(table[["Class Name", "Label Issues", "Label Quality Score"]].round(3))
      Class Name  Label Issues  Label Quality Score
    0        cat             1                0.833
    1        dog             0                1.000
    """
    del confident_joint
    cells, options = _prepare_table(labels, pred_probs, joint)
    return _tables.label_table(
        _tables.issue_table(cells, options, class_names), cells.shape[0], class_names is not None
    )


def overall_multilabel_health_score(
    labels: Any = None, pred_probs: Any = None, *, confident_joint: NDArray[Any] | None = None
) -> float:
    """Compute the share of examples without any flagged cell.

    Parameters
    ----------
    labels, pred_probs, confident_joint
        See :func:`find_label_issues`; the default filter is used.

    Returns
    -------
    float
        A ``numpy.float64`` in [0, 1]. It falls with the number of labels, errors or not: with hundreds of labels nearly
        every example has some doubtful cell.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import overall_multilabel_health_score
    >>> labels = [[0], [0], [1], [1], [0, 1], [0], [], [1]]
    >>> pred_probs = np.array(
    ...     [[0.9, 0.1], [0.8, 0.3], [0.2, 0.9], [0.1, 0.7], [0.9, 0.8], [0.1, 0.9], [0.1, 0.2], [0.2, 0.7]]
    ... )
    >>> print(overall_multilabel_health_score(labels, pred_probs))
    0.875
    """
    cells, options = _prepare_table(labels, pred_probs, confident_joint)
    return _tables.health(cells, options)


def multilabel_health_summary(
    labels: Any = None,
    pred_probs: Any = None,
    *,
    class_names: Any = None,
    num_examples: int | None = None,
    confident_joint: NDArray[Any] | None = None,
    verbose: bool = True,
) -> dict[str, Any]:
    """Collect the health score and the two tables, and print them.

    Parameters
    ----------
    labels, pred_probs, confident_joint
        See :func:`find_label_issues`. The table of labels does not use the joint, as in the peer.
    class_names
        See :func:`common_multilabel_issues`.
    num_examples : int, optional
        Number to show in the heading.
    verbose : bool, default=True
        Print (in notebooks: display) the tables.

    Returns
    -------
    dict
        ``overall_multilabel_health_score``, ``classes_by_multilabel_quality``, ``common_multilabel_issues``.

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.compat.cleanlab import multilabel_health_summary
    >>> labels = [[0], [0], [1], [1], [0, 1], [0]]
    >>> pred_probs = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.9], [0.1, 0.7], [0.9, 0.8], [0.1, 0.9]])
    >>> summary = multilabel_health_summary(labels, pred_probs, verbose=False)
    >>> list(summary)
    ['overall_multilabel_health_score', 'classes_by_multilabel_quality', 'common_multilabel_issues']
    """
    cells, options = _prepare_table(labels, pred_probs, confident_joint)
    issues = _tables.issue_table(cells, options, class_names)
    without_joint = issues if options.joint is None else _tables.issue_table(cells, _search.Options(), class_names)
    ranking = _tables.label_table(without_joint, cells.shape[0], class_names is not None)
    health = _tables.health(cells, options)
    if verbose:
        shown = cells.shape[0] if num_examples is None else num_examples
        print(f"Label health of {shown:,} examples, {cells.shape[1]} labels\n")
        print("Labels, lowest quality first")
        _tables.show(ranking)
        print("\nKinds of issues, most frequent first")
        _tables.show(issues)
        print(f"\nExamples without any flagged cell: {health:.4f}")
    return {
        "overall_multilabel_health_score": health,
        "classes_by_multilabel_quality": ranking,
        "common_multilabel_issues": issues,
    }


# -------------------------------------------------------------------------------------------------------------- inside


def _prepare(labels: Any, pred_probs: Any, *, n_jobs: int | None, **choices: Any) -> tuple[Cells, _search.Options]:
    """Judge the arguments of a search; give the one warning."""
    cells, notes = read_cells(labels, pred_probs, n_jobs=n_jobs)
    options = _search.check_options(cells.shape[1], notes, n_jobs=n_jobs, **choices)
    _search.check_sides(cells, options)
    _tell(notes)
    return cells, options


def _prepare_table(labels: Any, pred_probs: Any, joint: Any) -> tuple[Cells, _search.Options]:
    """Judge the arguments of a table of the whole data set; give the one warning."""
    if labels is None:
        raise ValueError("labels: expected a list of label numbers for each example, got None")
    cells, notes = read_cells(labels, pred_probs)
    options = _search.check_table_options(cells.shape[1], notes, joint)
    _search.check_sides(cells, options)
    _tell(notes)
    return cells, options


def _prepare_scores(labels: Any, pred_probs: Any) -> Cells:
    """Judge what is to be scored; give the one warning."""
    cells, notes = read_cells(labels, pred_probs, accept_hard=True, strict_ids=True)
    _tell(notes)
    return cells


def _tell(notes: list[str]) -> None:
    if notes:
        warnings.warn("; ".join(notes), LabelQualityWarning, stacklevel=4)


def _print_counts(cells: Cells, options: _search.Options) -> None:
    if options.lowest_rows:
        print(f"{int(_search.flagged_rows(cells, options).sum())} examples flagged")
        return
    counts = np.bincount(_search.flagged_cells(cells, options).labels, minlength=cells.shape[1])
    for label, count in enumerate(counts.tolist()):
        print(f"label {label}: {count} cells flagged")


def _check_method(method: Any, adjust_pred_probs: Any) -> tuple[str, bool]:
    name = check_choice("method", method.lower() if isinstance(method, str) else method, _engine.METHODS)
    adjust = adjust_pred_probs is True
    if adjust and name == "confidence_weighted_entropy":
        raise ValueError(
            "adjust_pred_probs: expected False with method='confidence_weighted_entropy', got True "
            "(a shifted probability has no entropy; use another method)"
        )
    return name, adjust


def _check_aggregator(aggregator_kwargs: Any) -> tuple[str | Callable[..., Any], dict[str, Any]]:
    """The aggregator's name with the kernel's parameters, or a function with its own."""
    if not aggregator_kwargs:
        return "exponential_moving_average", {"alpha": 0.8}
    others = dict(aggregator_kwargs)
    if "method" not in others:
        raise TypeError(f"aggregator_kwargs: expected the key 'method', got {shorten(sorted(others))}")
    method = others.pop("method")
    if not isinstance(method, str):
        if not callable(method):
            raise TypeError(f"aggregator_kwargs: expected a name or a function as 'method', got {shorten(method)}")
        return method, others
    check_choice("aggregator_kwargs['method']", method, ("exponential_moving_average", "softmin"))
    if method == "softmin":
        temperature = check_number("aggregator_kwargs['temperature']", others.get("temperature", 0.1))
        return "softmin", {"temperature": max(temperature, _peer.TOLERANCE)}
    alpha = others.get("alpha")
    if alpha is not None:
        alpha = check_number("aggregator_kwargs['alpha']", alpha, 0, 1)
    return ("max", {}) if alpha == 0 else ("exponential_moving_average", {"alpha": alpha})  # weight 0: the first stays
