"""Confident thresholds and the confident joint of every label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import check_cells
from mlkit._validation.params import check_flag, shorten
from mlkit.quality import _engine


def get_confident_thresholds(
    labels: Any,
    pred_probs: Any,
    *,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    compat: str | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Compute how sure the model is of each label where it is given, and of its absence where it is not.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, compat, n_jobs
        See :func:`mlkit.quality.find_label_issues`.

    Returns
    -------
    ndarray of shape (n_labels, 2), float64
        Column 0: mean of 1 - p over the known negatives; column 1: mean of p over the known positives. At least 2e-6;
        2.0, out of reach, for a side without examples.

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    Confident learning [1]_, Eq. (2), per label. Sums are taken in whole multiples of 2**-40, so that batches, threads
    and storage cannot change them; a threshold is off by at most 4.6e-13. One pass.

    References
    ----------
    .. [1] Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021.

    Examples
    --------
    >>> from mlkit.quality import get_confident_thresholds
    >>> get_confident_thresholds([[0], [], [0]], [[0.75], [0.5], [0.25]])
    array([[0.5, 0.5]])
    """
    from mlkit.quality.issues import check_compat

    check_compat(compat)
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
    return _engine.thresholds(cells, compat)


def compute_confident_joint(
    labels: Any,
    pred_probs: Any,
    *,
    calibrate: bool = True,
    thresholds: Any = None,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    compat: str | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.int64]:
    """Count, for every label, the cells by what was given and what the model confidently guesses.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, compat, n_jobs
        See :func:`mlkit.quality.find_label_issues`.
    calibrate : bool, default=True
        Scale each label's counts to its own numbers of positives and negatives and round them, keeping row sums.
    thresholds : array-like of shape (n_labels, 2), optional
        Confident thresholds to use instead of those of these data.

    Returns
    -------
    ndarray of shape (n_labels, 2, 2), int64
        ``[label, given, guessed]``. The diagonal is at least 1 (before calibration).

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    Confident learning [1]_, Eqs. (1)-(3). A cell is confident in an outcome whose probability reaches the outcome's
    threshold less 1e-6; if both do, the likelier counts, and a tie is 0. These counts measure how far the classes
    overlap; read as error rates they are far too high on data without errors.

    References
    ----------
    .. [1] Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021.

    Examples
    --------
    >>> from mlkit.quality import compute_confident_joint
    >>> probs = [[0.9], [0.8], [0.1], [0.2], [0.1]]
    >>> compute_confident_joint([[0], [0], [], [], [0]], probs, calibrate=False)
    array([[[1, 0],
            [1, 2]]])
    """
    from mlkit.quality.issues import check_compat

    check_compat(compat)
    check_flag("calibrate", calibrate)
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
    used = _engine.thresholds(cells, compat) if thresholds is None else check_thresholds(thresholds, cells.shape[1])
    joint = _engine.joint(cells, used, compat)
    if calibrate:
        return _engine.calibrate(cells, joint)
    diagonal = np.arange(2)
    joint[:, diagonal, diagonal] = np.maximum(joint[:, diagonal, diagonal], 1)
    return joint


def check_thresholds(value: Any, n_labels: int) -> NDArray[np.float64]:
    """Return user-given thresholds as a (L, 2) array."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"thresholds: expected numbers, got {shorten(value)}")
    if array.shape != (n_labels, 2):
        raise ValueError(f"thresholds: expected shape (n_labels, 2) = ({n_labels}, 2), got {array.shape}")
    if not np.isfinite(array).all():
        label, side = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"thresholds: expected finite numbers, got {array[label, side]} at label {label}, side {side}")
    return np.ascontiguousarray(array, np.float64)


def check_joint(value: Any, n_labels: int) -> NDArray[np.int64]:
    """Return a user-given joint as a (L, 2, 2) array of counts."""
    array = np.asarray(value)
    if array.shape != (n_labels, 2, 2):
        raise ValueError(
            f"confident_joint: expected shape (n_labels, 2, 2) = ({n_labels}, 2, 2), got {array.shape} "
            "(compute_confident_joint makes one)"
        )
    if array.dtype.kind not in "iuf" or (array < 0).any() or (array != np.floor(array)).any():
        raise ValueError(f"confident_joint: expected counts (whole numbers >= 0), got {shorten(value)}")
    return np.ascontiguousarray(array, np.int64)
