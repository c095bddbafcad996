"""Probabilities and label sets as the conformal estimators take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlkit._threads import resolve_threads
from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.params import check_flag
from mlkit._validation.probabilities import Probabilities, check_probabilities, read_probabilities


class ConformalWarning(UserWarning):
    """Something about the calibration data limits what regions can say."""


def check_probs(
    pred_probs: Any,
    n_labels: int | None,
    label_names: Sequence[str] | None,
    n_jobs: int | None,
    *,
    from_logits: bool = False,
) -> Probabilities:
    """Judge probabilities that come without labels; None: of however many.

    Raises
    ------
    TypeError, ValueError
        If they are of no accepted form, or not of ``n_labels`` labels.
    """
    value = read_probabilities(pred_probs, label_names, force=check_flag("from_logits", from_logits) or None)
    shape = tuple(value.shape)
    if n_labels is not None and shape[1] != n_labels:
        raise ValueError(f"pred_probs: expected {n_labels} labels (columns) as in calibration, got shape {shape}")
    return check_probabilities(
        value, shape, label_names, nan_policy=None, from_logits=from_logits, n_threads=resolve_threads(n_jobs)
    )


def check_known(
    pred_probs: Any,
    y: Any,
    *,
    label_names: Any,
    unknown_policy: str,
    n_jobs: int | None,
    from_logits: bool = False,
) -> Cells:
    """Judge probabilities and true label sets of the same examples.

    Raises
    ------
    TypeError, ValueError
        If they disagree, or cells are unknown and ``unknown_policy`` is "error".
    """
    cells = check_cells(
        y,
        pred_probs,
        label_names=label_names,
        nan_policy=None,
        from_logits=from_logits,
        force=None,
        n_jobs=n_jobs,
        argument="y",
    )
    n_unknown = 0
    if unknown_policy == "error":
        positive, negative = cells.labels._count(cells.n_threads)
        n_unknown = cells.shape[0] * cells.shape[1] - int(positive.sum() + negative.sum())
    if n_unknown:
        raise ValueError(
            f"y: expected known cells, got {n_unknown} unknown ones (unknown_policy='marginal' scores the "
            "known labels alone; the guarantee then holds for examples with cells unknown in the same way)"
        )
    return cells
