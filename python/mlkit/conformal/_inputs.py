"""Probabilities and label sets as the conformal estimators take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlkit._threads import resolve_threads
from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.frames import frame_names
from mlkit._validation.probabilities import Probabilities, check_probabilities, read_probabilities
from mlkit.labels.matrix import LabelMatrix


class ConformalWarning(UserWarning):
    """Something about the calibration data limits what regions can say."""


def check_probs(pred_probs: Any, n_labels: int, label_names: Sequence[str] | None, n_jobs: int | None) -> Probabilities:
    """Judge probabilities that come without labels.

    Raises
    ------
    TypeError, ValueError
        If they are of no accepted form, or not of ``n_labels`` labels.
    """
    value = read_probabilities(pred_probs, label_names, force=False)
    shape = (value.shape[0], n_labels)
    if value.shape[1] != n_labels:
        raise ValueError(
            f"pred_probs: expected {n_labels} labels (columns) as in calibration, got shape {tuple(value.shape)}"
        )
    return check_probabilities(value, shape, label_names, n_threads=resolve_threads(n_jobs))


def names_of(pred_probs: Any, labels: Any) -> tuple[str, ...] | None:
    """Label names that either side brings."""
    names = labels.label_names if isinstance(labels, LabelMatrix) else frame_names("labels", labels)
    return names if names is not None else frame_names("pred_probs", pred_probs)


def check_known(pred_probs: Any, y: Any, *, label_names: Any, unknown_policy: str, n_jobs: int | None) -> Cells:
    """Judge probabilities and true label sets of the same examples.

    Raises
    ------
    TypeError, ValueError
        If they disagree, or cells are unknown and ``unknown_policy`` is "error".
    """
    cells = check_cells(y, pred_probs, label_names=label_names, n_jobs=n_jobs)
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
