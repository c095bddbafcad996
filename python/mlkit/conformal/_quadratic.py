"""What the score ``"mahalanobis"`` learns: the inverse covariance of errors."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.params import check_choice, check_number
from mlkit.conformal._searched import check_dense
from mlkit.conformal.scores import Mahalanobis

Floats = NDArray[np.float64]


class QuadraticForm:
    """The inverse covariance of errors, and what every search needs of it."""

    name = "mahalanobis"
    dtype: Any = np.float64
    most_labels = None

    def __init__(self, covariance: Floats) -> None:
        from scipy.linalg import cho_factor, cho_solve, cholesky, eigh

        n = covariance.shape[0]
        self.n_labels = n
        values = np.linalg.eigvalsh(covariance)
        if not values[0] > 1e-12 * values[-1]:
            raise ValueError(
                f"score: expected errors with a covariance that can be inverted, got eigenvalues from {values[0]:.3g} "
                f"to {values[-1]:.3g} (constant errors? Mahalanobis(shrinkage=0.1) helps)"
            )
        self.condition = float(values[-1] / values[0])
        inverse = cho_solve(cho_factor(covariance), np.eye(n))
        self.precision: Floats = np.ascontiguousarray((inverse + inverse.T) / 2)
        self.upper: Floats = np.ascontiguousarray(cholesky(self.precision))
        scale = 1 / np.sqrt(np.diag(self.precision))
        shares = eigh(self.precision * np.outer(scale, scale), eigvals_only=True)
        self.split, self.majorant = 0.999 * float(shares[0]), 1.001 * float(shares[-1])

    @cached_property
    def core(self) -> _core.conformal.QuadraticForm:
        return _core.conformal.QuadraticForm(self.precision, self.upper, self.split, self.majorant)

    def as_sum(self, probs: Floats, threshold: Any) -> None:
        """Never a sum."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "core"}


def fit_form(cells: Cells, score: Mahalanobis) -> QuadraticForm:
    """From the errors of examples that calibration does not see."""
    from sklearn.covariance import LedoitWolf, shrunk_covariance

    check_choice("errors", score.errors, ("oof", "training"))
    check_dense(cells.probs, "mahalanobis")
    given = cells.labels.to_dense(np.float64, memory_limit=None)
    errors = np.abs(given - np.clip(np.asarray(cells.probs.array, np.float64), 0, 1))
    if isinstance(score.shrinkage, str):
        check_choice("shrinkage", score.shrinkage, ("ledoit_wolf",))
        return QuadraticForm(LedoitWolf().fit(errors).covariance_)
    weight = check_number("shrinkage", score.shrinkage, 0, 1)
    return QuadraticForm(shrunk_covariance(np.atleast_2d(np.cov(errors.T, bias=True)), weight))
