"""Which labels are wrong: examples and cells that confident learning flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells, check_cells, warn_about_labels
from mlkit._validation.params import check_choice, check_integer, check_number
from mlkit.quality import _engine
from mlkit.quality.thresholds import check_joint, check_thresholds

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def find_label_issues(
    labels: Any,
    pred_probs: Any,
    *,
    filter_by: str = "prune_by_noise_rate",
    return_indices_ranked_by: str | None = None,
    frac_noise: float = 1.0,
    min_examples_per_class: int = 1,
    thresholds: Any = None,
    confident_joint: Any = None,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    compat: str | None = None,
    n_jobs: int | None = None,
) -> NDArray[Any]:
    """Find the examples with a label that is probably wrong.

    An example is flagged when any of its cells is: a label that was given although the model is confident that it does
    not apply, or one that was not given although the model is confident that it does. With many labels most examples
    have some doubtful cell; then look at the cells (:func:`find_cell_issues`, :func:`mlkit.audit`).

    Parameters
    ----------
    labels : {ndarray, sparse matrix, DataFrame, list of lists, LabelMatrix} of shape (n_samples, n_labels)
        Given labels in any form of :func:`mlkit.labels.as_label_matrix`.
    pred_probs : {ndarray, sparse matrix, DataFrame, list of ndarray} of shape (n_samples, n_labels)
        Out-of-sample probabilities. What a sparse matrix does not store is exactly 0. Columns of a frame are aligned
        with the labels by name.
    filter_by : str, default="prune_by_noise_rate"
        ``"prune_by_noise_rate"``, ``"prune_by_class"``, ``"both"``: per label and side as many of the least
        self-confident cells as the calibrated confident joint counts as wrong. ``"confident_learning"``: the cells off
        the diagonal of the confident joint. ``"predicted_neq_given"``: the model's likelier outcome is not the given
        one. ``"low_self_confidence"``, ``"low_normalized_margin"`` (one and the same here): as many examples as
        ``"confident_learning"`` flags, those with the lowest scores.
    return_indices_ranked_by : {"self_confidence", "normalized_margin", "confidence_weighted_entropy"}, optional
        Return the flagged examples' indices, worst first by this score, instead of a mask.
    frac_noise : float in (0, 1], default=1.0
        Share of the estimated errors that the prune filters flag.
    min_examples_per_class : int, default=1
        The prune filters leave a side of a label with at most so many examples alone.
    thresholds : array-like of shape (n_labels, 2), optional
        Confident thresholds to use instead of those of these data.
    confident_joint : array-like of shape (n_labels, 2, 2), optional
        Calibrated joint, ``[label, given, true]``, that the prune filters use instead of that of these data.
    unknown : mask of shape (n_samples, n_labels), optional
        Cells that take no part, besides those that ``labels`` says are unknown.
    label_names : sequence of str, optional
        Names for messages and for aligning frames; default: the columns of ``labels`` if that is a frame.
    nan_policy : {"raise", "mask"}, default="raise"
        What NaN in ``pred_probs`` means: an error, or that the cell takes no part.
    from_logits : bool, default=False
        ``pred_probs`` are logits; the sigmoid is applied.
    force : bool, default=False
        Accept integer or bool ``pred_probs`` (hard predictions).
    invalid_ids : {"error", "ignore"}, default="error"
        What to do with labels in lists that do not exist.
    compat : {None, "cleanlab"}, default=None
        "cleanlab": the thresholds and tests of cleanlab 2.9 in the arithmetic of the input's type.
    n_jobs : int, optional
        Threads; None: all available. The result has the same bits for every value.

    Returns
    -------
    ndarray
        Bool mask of shape (n_samples,), or int64 indices with ``return_indices_ranked_by``.

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Warns
    -----
    LabelQualityWarning
        Once, if there are labels about which flags say little: without positives or negatives, with fewer than 10
        positives, or with probabilities that are no higher where the label is given.

    Notes
    -----
    Per label the two-outcome problem of confident learning [1]_, per example the union [2]_. Ties in a label are broken
    by row, ties in the ranking too. Four passes over dense probabilities, O(n_samples * n_labels) time; O(stored) for
    sparse input. Extra memory: a histogram of at most about a quarter of a byte per cell.

    References
    ----------
    .. [1] Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021,
       Eqs. (1)-(3) and section 3.2.
    .. [2] Thyagarajan, Snorrason, Northcutt, Mueller, "Identifying Incorrect Annotations in Multi-Label Classification
       Data", 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import find_label_issues
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.random((100, 2)) < 0.5
    >>> pred_probs = np.where(labels, 0.9, 0.1) + rng.uniform(-0.05, 0.05, (100, 2))
    >>> labels[3, 1] = ~labels[3, 1]
    >>> find_label_issues(labels, pred_probs, return_indices_ranked_by="self_confidence")
    array([3])
    """
    options = _Options(filter_by, frac_noise, min_examples_per_class, compat)
    if return_indices_ranked_by is not None:
        check_choice("return_indices_ranked_by", return_indices_ranked_by, _engine.METHODS)
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
    mask = _flagged_rows(cells, options, thresholds, confident_joint)
    if return_indices_ranked_by is None:
        return mask
    return rank_rows(mask, _engine.row_scores(cells, return_indices_ranked_by, compat=compat))


def find_cell_issues(
    labels: Any,
    pred_probs: Any,
    *,
    filter_by: str = "prune_by_noise_rate",
    frac_noise: float = 1.0,
    min_examples_per_class: int = 1,
    thresholds: Any = None,
    confident_joint: Any = None,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    compat: str | None = None,
    n_jobs: int | None = None,
) -> csr_array:
    """Find the cells, pairs of example and label, that are probably wrong.

    Parameters are those of :func:`find_label_issues`, where they are explained. The two ``low_*`` filters flag, label
    by label, as many cells as ``"confident_learning"`` would, those with the lowest self-confidence on either side.

    Parameters
    ----------
    labels, pred_probs, filter_by, frac_noise, min_examples_per_class, thresholds, confident_joint
        See :func:`find_label_issues`.
    unknown, label_names, nan_policy, from_logits, force, invalid_ids, compat, n_jobs
        See :func:`find_label_issues`.

    Returns
    -------
    csr_array of shape (n_samples, n_labels), bool
        True at the flagged cells, and nothing else is stored. A flagged cell was given 1 where ``labels`` is 1 there
        (a spurious label) and 0 otherwise (a missing one).

    Raises
    ------
    TypeError, ValueError
        As :func:`find_label_issues`.

    Notes
    -----
    Memory in proportion to the flagged cells; everything else as :func:`find_label_issues`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import find_cell_issues
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.random((100, 2)) < 0.5
    >>> pred_probs = np.where(labels, 0.9, 0.1) + rng.uniform(-0.05, 0.05, (100, 2))
    >>> labels[3, 1] = ~labels[3, 1]
    >>> print(np.argwhere(find_cell_issues(labels, pred_probs).toarray()))
    [[3 1]]
    """
    from scipy.sparse import csr_array

    options = _Options(filter_by, frac_noise, min_examples_per_class, compat)
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
    flagged = _flagger(cells, options, thresholds, confident_joint).flagged()
    return csr_array((np.ones(flagged.labels.size, bool), flagged.labels, flagged.indptr), shape=cells.shape)


class _Options:
    """The checked choices of a search."""

    def __init__(self, filter_by: str, frac_noise: float, min_examples: int, compat: str | None) -> None:
        self.filter_by = check_choice("filter_by", filter_by, _engine.FILTERS)
        self.frac_noise = check_number("frac_noise", frac_noise, 0, 1, open_low=True)
        self.min_examples = check_integer("min_examples_per_class", min_examples, low=0)
        self.compat = check_compat(compat)


def check_compat(compat: Any) -> str | None:
    """Return ``compat`` if it is None or names a peer."""
    return None if compat is None else check_choice("compat", compat, ("cleanlab",))


def _flagger(cells: Cells, options: _Options, thresholds: Any, joint: Any, stacklevel: int = 4) -> _engine.Flagger:
    own = None if thresholds is None else check_thresholds(thresholds, cells.shape[1])
    given_joint = None if joint is None else check_joint(joint, cells.shape[1])
    used = _engine.thresholds(cells, options.compat) if own is None else own
    warn_about_labels(cells, used, stacklevel=stacklevel)
    return _engine.Flagger(
        cells,
        options.filter_by,
        frac_noise=options.frac_noise,
        min_examples=options.min_examples,
        thresholds_=used,
        joint_=given_joint,
        compat=options.compat,
    )


def _flagged_rows(cells: Cells, options: _Options, thresholds: Any, joint: Any) -> NDArray[np.bool_]:
    if options.filter_by not in _engine.LOW_FILTERS:
        return _flagger(cells, options, thresholds, joint, stacklevel=5).rows()
    confident = _Options("confident_learning", options.frac_noise, options.min_examples, options.compat)
    n_flagged = int(_flagger(cells, confident, thresholds, joint, stacklevel=5).rows().sum())
    scores = _engine.row_scores(cells, compat=options.compat)
    mask = np.zeros(scores.size, bool)
    mask[np.argsort(scores, kind="stable")[:n_flagged]] = True  # NaN (no known cell) sorts last
    return mask


def rank_rows(mask: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the marked rows, lowest score first, ties by row."""
    rows = np.flatnonzero(mask)
    return rows[np.argsort(scores[rows], kind="stable")]
