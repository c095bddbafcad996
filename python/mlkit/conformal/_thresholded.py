"""Label sets of the form {labels with p >= t}."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mlkit._validation.params import check_memory, format_bytes
from mlkit._validation.probabilities import Probabilities

SMALLEST = float(np.nextafter(0.0, 1.0))


class InnerOuterSets(NamedTuple):
    """Label sets below and above the true ones.

    Attributes
    ----------
    inner, outer : ndarray or csr_array of shape (n_samples, n_labels), bool
        With the confidence asked for, ``inner`` is contained in the true label set and that in ``outer``, or the risks
        of ``inner`` and ``outer`` are below their levels.

    Examples
    --------
    >>> from mlkit.conformal import InnerOuterSets
    >>> InnerOuterSets([[True, False]], [[True, True]]).outer
    [[True, True]]
    """

    inner: Any
    outer: Any


def sets_above(probs: Probabilities, threshold: float) -> Any:
    """Labels with p >= threshold (compared as float64, whatever p is), in the storage of the probabilities."""
    if not probs.is_sparse:
        values = np.clip(probs.array, 0, 1) if probs.clip else probs.array
        return values >= np.array([threshold])
    from scipy.sparse import csr_array

    if threshold <= 0:
        need, limit = 5 * probs.shape[0] * probs.shape[1], check_memory("memory_limit", "2GB")
        if limit is not None and need > limit:
            raise MemoryError(
                f"predict: threshold 0 predicts all {probs.shape[1]} labels of {probs.shape[0]} examples, which needs "
                f"{format_bytes(need)} (no threshold could be certified: see feasible_)"
            )
        return csr_array(np.ones(probs.shape, bool))
    keep = (np.clip(probs.array, 0, 1) if probs.clip else probs.array) >= np.array([threshold])
    before = np.concatenate([[0], np.cumsum(keep)])
    assert probs.indptr is not None
    assert probs.indices is not None
    return csr_array((np.ones(int(before[-1]), bool), probs.indices[keep], before[probs.indptr]), shape=probs.shape)
