"""How likely a true label is to have been given: propensities of labels after their frequency."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlkit._validation.arrays import read_array
from mlkit._validation.params import check_choice, check_number, shorten_type
from mlkit.labels.reading import read_labels
from mlkit.metrics._averages import Floats

PRESETS = {"wikipedia": (0.5, 0.4), "amazon": (0.6, 2.6)}


def inverse_propensity(y_train: Any, *, A: float = 0.55, B: float = 1.5, preset: str | None = None) -> Floats:
    """Inverse propensities of labels from their frequency in the training set.

    Parameters
    ----------
    y_train : array-like, sparse matrix, DataFrame, list of lists or LabelMatrix of shape (n_samples, n_labels)
        Labels of the training set, at least three examples.
    A : float >= 0, default=0.55
    B : float >= 0, default=1.5
        Constants of the model.
    preset : {"wikipedia", "amazon"}, optional
        The constants that [1]_ fitted: (0.5, 0.4) or (0.6, 2.6), instead of ``A`` and ``B``.

    Returns
    -------
    ndarray of shape (n_labels,), float64, at least 1

    Raises
    ------
    TypeError, ValueError
        If an argument is malformed or there are fewer than three examples (the model then has values below 1).

    Notes
    -----
    ``1 + C (N_l + B)^-A`` with ``C = (ln N - 1) (B + 1)^A``, N examples of which N_l carry the label.

    References
    ----------
    .. [1] Jain, Prabhu, Varma, "Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
       Label Applications", KDD 2016, Eq. (4).

    Examples
    --------
    >>> from mlkit.labels import as_label_matrix
    >>> from mlkit.metrics import inverse_propensity
    >>> inverse_propensity(as_label_matrix([[0, 3], [1], [], [0, 1, 3, 4]], n_labels=5)).round(4)
    array([1.321 , 1.321 , 1.5116, 1.321 , 1.3863])
    """
    A, B = check_number("A", A, 0), check_number("B", B, 0)
    if preset is not None:
        A, B = PRESETS[check_choice("preset", preset, tuple(PRESETS))]
    labels = read_labels(y_train, argument="y_train")
    n = labels.shape[0]
    if n < 3:
        raise ValueError(f"y_train: expected at least 3 examples, got {n} (log of their number must exceed 1)")
    values: Floats = 1 + (np.log(n) - 1) * (B + 1) ** A * (labels.support + B) ** -A
    return values


def check_propensities(inv_propensity: Any, n_labels: int) -> Floats:
    """Return inverse propensities as an array.

    Raises
    ------
    TypeError, ValueError
        If they are not ``n_labels`` finite numbers above 0.
    """
    array = read_array("inv_propensity", inv_propensity)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"inv_propensity: expected numbers, got {shorten_type(array.dtype)}")
    if array.shape != (n_labels,):
        raise ValueError(f"inv_propensity: expected shape ({n_labels},), one for each label, got shape {array.shape}")
    values = array.astype(np.float64)
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        label = int(np.argmax(bad))
        raise ValueError(f"inv_propensity: expected finite numbers > 0, got {values[label]:g} at label {label}")
    return values
