"""Which cells to change, and to what: suggestions with the probability that each is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.params import check_choice, check_integer, check_number
from mlkit.quality import _engine, _trust
from mlkit.quality._trusted import Trusted
from mlkit.quality.patch import CellPatch, within_fdr

POLICIES = ("flagged", "budget", "fdr")


def suggest_labels(
    labels: Any,
    pred_probs: Any,
    *,
    policy: str = "flagged",
    max_changes: int | None = None,
    fdr: float = 0.1,
    filter_by: str = "prune_by_noise_rate",
    min_support: int = 10,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    n_jobs: int | None = None,
) -> CellPatch:
    """Suggest which labels to add and which to remove.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, n_jobs
        See :func:`mlkit.quality.find_label_issues`.
    policy : {"flagged", "budget", "fdr"}, default="flagged"
        "flagged": turn round the cells that :func:`mlkit.audit` flags. "budget": the ``max_changes`` cells that are
        most probably wrong, of those that are likelier wrong than right. "fdr": of the same, as many as keep the
        expected share of wrong changes at or below ``fdr``.
    max_changes : int, optional
        Change at most so many cells, the most suspicious ones. "budget" needs it.
    fdr : float in [0, 1], default=0.1
        For "fdr".
    filter_by : str, default="prune_by_noise_rate"
        For "flagged"; see :func:`mlkit.quality.find_label_issues`.
    min_support : int, default=10
        Nothing is changed in labels with fewer examples on one side, nor in labels that the model ranks no better than
        chance.

    Returns
    -------
    CellPatch
        Its ``score`` is 1 - P(the given value is wrong), as of ``get_cell_quality_scores(method="error_posterior")``.
        Unknown cells are never changed.

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    P(wrong) follows from the label's flip rates by maximum likelihood (:func:`estimate_noise_rates`), if ``pred_probs``
    are calibrated to the *true* labels. The mean of 1 - P(wrong) over a set of changes is the expected share of wrong
    ones among them; "fdr" takes the longest run of the likeliest errors, ties by row and label, whose mean is within
    the limit. If the model has learned the errors, all P(wrong) are near 0: "budget" and "fdr" then suggest little or
    nothing, and "flagged" still suggests what it suggests, with the scores to warn.

    P(wrong) exceeds 1/2 below one probability of a label where it is given and above another where it is not, so one
    pass with these cuts finds all candidates. O(stored) for sparse input; memory in proportion to the candidates.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import suggest_labels
    >>> rng = np.random.default_rng(0)
    >>> pred_probs = rng.beta(0.1, 0.2, (2000, 3))
    >>> truth = rng.random((2000, 3)) < pred_probs
    >>> labels = truth & (rng.random((2000, 3)) > 0.1)  # one in ten positives was forgotten
    >>> patch = suggest_labels(labels, pred_probs, policy="fdr", fdr=0.1)
    >>> bool(np.mean(patch.apply(labels)[patch.rows, patch.labels] == truth[patch.rows, patch.labels]) > 0.85)
    True
    """
    check_policy(policy, max_changes, fdr)
    check_choice("filter_by", filter_by, _engine.FILTERS)
    check_integer("min_support", min_support, low=0)
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
    auc = _engine.label_auc(cells)[:, 0]
    excluded = _trust.label_status(cells.n_positive, cells.n_negative, auc, min_support).is_excluded
    noise, flagged = _engine.noise(cells), None
    if policy == "flagged":
        flagger = _engine.Flagger(cells, filter_by)
        flagger.exclude(excluded)
        doubted = flagger.flagged()
        scores = _engine.flag_scores(cells, noise, doubted, _engine.BALANCED_POSTERIOR, ~excluded)
        flagged = doubted, scores
    return make_patch(cells, noise, excluded, policy, max_changes, fdr, flagged, filter_by)


def check_policy(policy: Any, max_changes: Any, fdr: Any) -> None:
    """Judge the options of a suggestion."""
    check_choice("policy", policy, POLICIES)
    if max_changes is not None:
        check_integer("max_changes", max_changes, low=0)
    elif policy == "budget":
        raise ValueError("max_changes: expected an integer >= 0 with policy='budget', got None")
    check_number("fdr", fdr, 0, 1)


def make_patch(
    cells: Cells,
    noise: NDArray[np.float64],
    excluded: NDArray[np.bool_],
    policy: str,
    max_changes: int | None,
    fdr: float,
    flagged: tuple[_engine.FlaggedCells, NDArray[np.float64]] | None,
    filter_by: str,
    trusted: Trusted | None = None,
) -> CellPatch:
    """The patch of a policy.

    ``noise``: what :func:`_engine.noise` finds in the cells that are not trusted; ``flagged``: the cells that
    ``filter_by`` flags, with their scores for ranking.
    """
    rates = _engine.flip_rates(noise)
    if flagged is None:
        rates[excluded] = 0
        found = _likely_errors(cells, rates)
        if trusted is not None:
            found = found.where(~trusted.covers(found.rows, found.labels, cells.shape[1]))
    else:
        found, rank = flagged
    given, rows, labels = found.given, found.rows, found.labels
    score = _engine.posterior_scores(given, found.p, rates[labels])
    if flagged is None:
        keep = np.flatnonzero(score < 0.5)
        keep = keep[np.argsort(score[keep], kind="stable")]
        if policy == "fdr":
            keep = keep[: within_fdr(score[keep], fdr)]
    else:  # in the order of the audit's list of cells
        keep = np.argsort(rank, kind="stable")
    keep = keep[:max_changes]
    numbers = rows[keep] * np.int64(cells.shape[1]) + labels[keep]
    why = filter_by if policy == "flagged" else _engine.ERROR_POSTERIOR
    return CellPatch._for(cells.labels, numbers, (1 - given[keep]).astype(np.int8), score[keep], why)


def _likely_errors(cells: Cells, rates: NDArray[np.float64]) -> _engine.FlaggedCells:
    """All cells that are likelier wrong than right, and some at the cut that rounding might put on either side."""
    missing, spurious = rates.T
    with np.errstate(invalid="ignore", divide="ignore"):
        absent = (1 - spurious) / (missing + 1 - spurious) * (1 - 1e-9)
        present = spurious / (spurious + 1 - missing) * (1 + 1e-9)
    # a side without errors has no such cell
    absent = np.where(missing > 0, np.maximum(absent, 5e-324), np.inf)  # never 0, which is not stored
    present = np.where(spurious > 0, present, -np.inf)
    return _engine.doubted(cells, absent, present)
