"""An inner and an outer label set around the true one, from two thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.params import check_choice, check_flag, check_number
from mlkit.conformal._inputs import check_known, check_probs
from mlkit.conformal._ranks import snapped
from mlkit.conformal._thresholded import SMALLEST, InnerOuterSets, sets_above
from mlkit.conformal._wrapped import WrapsEstimator


class InnerOuterConformalClassifier(WrapsEstimator):
    """Inner sets {p > q_in} and outer sets {p >= q_out} that enclose the true label set together.

    Parameters
    ----------
    estimator : estimator with ``predict_proba``, optional
        None: ``X`` holds the probabilities themselves.
    prefit : bool, default=True
        Whether the estimator is fitted already; if not, ``fit`` fits a clone.
    confidence_level : float in (0, 1), default=0.9
        Probability that the true label set lies between both; each side may err with half of the rest.
    unknown_policy : {"error", "marginal"}, default="error"
        Unknown calibration labels: refuse them, or leave such cells out.
    from_logits : bool, default=False
        Take the sigmoid of what comes as probabilities.
    n_jobs : int, optional
        See :func:`mlkit.quality.find_label_issues`.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator, if there is one.
    inner_threshold_, outer_threshold_ : float
        Infinite, and 0, where there are too few calibration examples: the inner set is empty, the outer one full.
    n_labels_ : int
    label_names_ : tuple of str or None

    Notes
    -----
    With e = 1 - confidence_level, q_in is the ceil((1 - e / 2)(n + 1))-th smallest of the largest probabilities of
    labels that calibration examples do not have, q_out the floor((e / 2)(n + 1))-th smallest of the smallest
    probabilities of labels that they have. An example that has all labels (none) counts with -inf (+inf). The regions
    of the score ``"linf"`` give such sets from one threshold instead.

    References
    ----------
    .. [1] Cauchois, Gupta, Duchi, "Knowing what you know: valid and validated confidence sets in multiclass and
       multilabel prediction", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.conformal import InnerOuterConformalClassifier
    >>> rng = np.random.default_rng(0)
    >>> probs = rng.beta(0.1, 0.3, (600, 6))
    >>> y = rng.random(probs.shape) < probs
    >>> clf = InnerOuterConformalClassifier(confidence_level=0.8).conformalize_proba(probs[:500], y[:500])
    >>> inner, outer = clf.predict_sets_proba(probs[500:])
    >>> float(((inner <= y[500:]) & (y[500:] <= outer)).all(axis=1).mean())
    0.76
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        prefit: bool = True,
        confidence_level: float = 0.9,
        unknown_policy: str = "error",
        from_logits: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.prefit = prefit
        self.confidence_level = confidence_level
        self.unknown_policy = unknown_policy
        self.from_logits = from_logits
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> InnerOuterConformalClassifier:
        """Fit a clone of the estimator, unless ``prefit``; sets also take :meth:`conformalize`, with other examples.

        Parameters
        ----------
        X : array-like
            Training examples, of any form that the estimator takes; without one nothing is learned from them.
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : InnerOuterConformalClassifier
        """
        self._check()
        if self.estimator is not None:
            self._fit_estimator(X, y)
        else:
            self.n_labels_ = self._cells(X, y).shape[1]
        return self

    def _check(self) -> float:
        level: float = check_number("confidence_level", self.confidence_level, 0, 1, open_low=True, open_high=True)
        check_flag("prefit", self.prefit)
        check_choice("unknown_policy", self.unknown_policy, ("error", "marginal"))
        return level

    def _cells(self, pred_probs: Any, y: Any) -> Cells:
        return check_known(
            pred_probs,
            y,
            label_names=None,
            unknown_policy=self.unknown_policy,
            n_jobs=self.n_jobs,
            from_logits=self.from_logits,
        )

    def conformalize(self, X: Any, y: Any) -> InnerOuterConformalClassifier:
        """Calibrate with examples that the estimator has not seen.

        Parameters
        ----------
        X : array-like
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : InnerOuterConformalClassifier
        """
        return self.conformalize_proba(self._probabilities(X), y)

    def conformalize_proba(self, pred_probs: Any, y: Any) -> InnerOuterConformalClassifier:
        """Calibrate with the probabilities of examples that the model has not seen.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : InnerOuterConformalClassifier
        """
        level, cells = self._check(), self._cells(pred_probs, y)
        n, self.n_labels_ = cells.shape
        self.label_names_ = cells.label_names
        wrong, right = _core.conformal.extremes(*cells.core, cells.n_threads)
        k = math.floor(snapped((1 - level) / 2, n))  # so many may err on either side
        self.inner_threshold_ = float(np.sort(wrong)[n - k]) if k else np.inf
        self.outer_threshold_ = float(np.sort(right)[k - 1]) if k else 0.0
        return self

    def predict_sets(self, X: Any) -> InnerOuterSets:
        """Inner and outer sets of examples.

        Parameters
        ----------
        X : array-like

        Returns
        -------
        InnerOuterSets
        """
        return self.predict_sets_proba(self._probabilities(X))

    def predict_sets_proba(self, pred_probs: Any) -> InnerOuterSets:
        """Inner and outer sets from probabilities.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)

        Returns
        -------
        InnerOuterSets
        """
        if not hasattr(self, "outer_threshold_"):
            raise NotFittedError(
                "InnerOuterConformalClassifier: expected a calibrated classifier "
                "(call conformalize or conformalize_proba first)"
            )
        probs = check_probs(pred_probs, self.n_labels_, self.label_names_, self.n_jobs, from_logits=self.from_logits)
        above_inner = max(float(np.nextafter(self.inner_threshold_, np.inf)), SMALLEST)
        return InnerOuterSets(sets_above(probs, above_inner), sets_above(probs, self.outer_threshold_))
