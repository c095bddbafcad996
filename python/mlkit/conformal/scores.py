"""Nonconformity scores: how strange a label set is beside an example's probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.params import check_choice, check_number, described

__all__ = ["Hamming", "Linf", "Log", "Lp", "Mahalanobis", "PairUnseen", "Separable"]


def unit_shift(n_labels: int) -> int:
    """Costs are multiples of 2 to the minus this: at most 64 each, so that their sum stays below 2^62."""
    return min(40, 55 - math.ceil(math.log2(max(1, n_labels))))


@dataclass(frozen=True)
class Lp:
    """Sum over the labels of ``abs(y - p) ** phi``.

    Parameters
    ----------
    phi : float > 0, default=2
        1 is the score ``"l1"``; 2 orders label sets as the Euclidean norm ``"l2"`` does.

    References
    ----------
    .. [1] Paisios, Lenc, Martinek, Kral, Papadopoulos, "A deep neural network conformal predictor for multi-label text
       classification", COPA 2019, Eq. (8).

    Examples
    --------
    >>> from mlkit.conformal.scores import Lp
    >>> Lp(phi=4)
    Lp(phi=4)
    """

    phi: float = 2.0

    def _rule(self, n_labels: int) -> _core.conformal.ScoreRule:
        phi = check_number("phi", self.phi, 0, open_low=True)
        return _core.conformal.ScoreRule(_core.conformal.Score.lp, phi, 0.5, unit_shift(n_labels))


@dataclass(frozen=True)
class Log:
    """Minus the log-probability of the label set, were labels independent given the example.

    Probabilities below e^-64 count as e^-64.

    Parameters
    ----------
    centered : bool, default=False
        Subtract the sum of the labels' entropies, what the score of a label set drawn from the probabilities is on
        average: examples with many uncertain labels get larger regions, others smaller ones.

    Examples
    --------
    >>> from mlkit.conformal.scores import Log
    >>> Log(centered=True)
    Log(centered=True)
    """

    centered: bool = False

    def _rule(self, n_labels: int) -> _core.conformal.ScoreRule:
        kind = _core.conformal.Score.log_centered if self.centered else _core.conformal.Score.log
        return _core.conformal.ScoreRule(kind, 1.0, 0.5, unit_shift(n_labels))


@dataclass(frozen=True)
class Hamming:
    """Number of labels whose value is not the thresholded probability.

    Takes few values only: without ``smoothing=True`` regions cover more than asked for.

    Parameters
    ----------
    threshold : float in (0, 1], default=0.5
        A label is predicted where its probability is at least this.

    Examples
    --------
    >>> from mlkit.conformal.scores import Hamming
    >>> Hamming(threshold=0.3)
    Hamming(threshold=0.3)
    """

    threshold: float = 0.5

    def _rule(self, n_labels: int) -> _core.conformal.ScoreRule:
        cut = check_number("threshold", self.threshold, 0, 1, open_low=True)
        return _core.conformal.ScoreRule(_core.conformal.Score.hamming, 1.0, cut, unit_shift(n_labels))


@dataclass(frozen=True)
class Linf:
    """Largest ``abs(y - p)`` over the labels.

    Regions are products: each label is decided or free, whatever the others are. They decide more labels and hold more
    label sets than those of sums.

    Examples
    --------
    >>> from mlkit.conformal.scores import Linf
    >>> Linf()
    Linf()
    """

    def _rule(self, n_labels: int) -> _core.conformal.ScoreRule:
        return _core.conformal.ScoreRule(_core.conformal.Score.linf, 1.0, 0.5, unit_shift(n_labels))


@dataclass(frozen=True)
class Separable:
    """A score of one's own: the sum over the labels of what each value costs.

    Parameters
    ----------
    costs : callable
        From an (m, n_labels) array of probabilities to two arrays of that shape: the costs of 0 and of 1, in [0, 64].
        It must not look at calibration data.

    Examples
    --------
    >>> from mlkit.conformal.scores import Separable
    >>> score = Separable(lambda p: (p > 0.2, 1 - p))
    """

    costs: Callable[[NDArray[np.float64]], tuple[Any, Any]]

    def units(self, probs: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Integer costs of both values.

        Parameters
        ----------
        probs : ndarray of shape (m, n_labels), float64

        Returns
        -------
        zero, one : ndarray of shape (m, n_labels), int64

        Raises
        ------
        ValueError
            If the function returns arrays of another shape, or a value outside [0, 64].
        """
        pair = tuple(np.asarray(c, np.float64) for c in self.costs(probs))
        if len(pair) != 2 or any(c.shape != probs.shape for c in pair):
            raise ValueError(
                f"costs: expected a function that returns two arrays of shape {probs.shape}, "
                f"got shapes {[c.shape for c in pair]}"
            )
        for c in pair:
            if not bool(((c >= 0) & (c <= 64)).all()):
                raise ValueError(f"costs: expected costs in [0, 64], got {c[~((c >= 0) & (c <= 64))][0]:g}")
        scale = 2.0 ** unit_shift(probs.shape[1])
        zero, one = (np.floor(c * scale + 0.5).astype(np.int64) for c in pair)
        return zero, one


@dataclass(frozen=True)
class Mahalanobis:
    """Length of the errors ``abs(y - p)`` by the inverse of their covariance: errors that often go together are cheap.

    The covariance comes from ``fit(X, y)`` or ``fit_proba(pred_probs, y)``, with examples that are not used for
    calibration. Scores are squared lengths. Regions are searched, not summed: dense probabilities, some hundred labels.

    Parameters
    ----------
    shrinkage : "ledoit_wolf" or float in [0, 1], default="ledoit_wolf"
        Weight of the mean variance in the covariance; chosen from the errors, or given.
    errors : {"oof", "training"}, default="oof"
        With ``prefit=False``, whether ``fit`` takes errors of 5-fold out-of-fold probabilities, which are like those of
        new examples, or those of its own training examples, which are smaller. A prefit estimator and ``fit_proba`` use
        the errors of the examples given.

    References
    ----------
    .. [1] Katsios, Papadopoulos, "Multi-label conformal prediction with a Mahalanobis distance nonconformity measure",
       COPA 2024, Eq. (15) and (16).

    Examples
    --------
    >>> from mlkit.conformal.scores import Mahalanobis
    >>> Mahalanobis(shrinkage=0.1)
    Mahalanobis(shrinkage=0.1, errors='oof')
    """

    shrinkage: Any = "ledoit_wolf"
    errors: str = "oof"


@dataclass(frozen=True)
class PairUnseen:
    """Sum over the labels of ``abs(y - p) ** phi``, and a weight for each pair of labels never seen together.

    The pairs come from the labels of ``fit(X, y)`` or ``fit_proba(pred_probs, y)``, with examples that are not used for
    calibration. Scores are whole numbers. P-values of given sets take sparse probabilities and any number of labels;
    regions are searched, not summed: dense probabilities, up to 4096 labels. Where the sets of a region make no unseen
    pair, it is the region of the sum and as quick.

    Parameters
    ----------
    phi : float > 0, default=2
    weight : float in [0, 64], default=1
        0 is the score :class:`Lp`.

    References
    ----------
    .. [1] Paisios, Lenc, Martinek, Kral, Papadopoulos, "A deep neural network conformal predictor for multi-label text
       classification", COPA 2019, Eq. (8).

    Examples
    --------
    >>> from mlkit.conformal.scores import PairUnseen
    >>> PairUnseen(weight=0.5)
    PairUnseen(phi=2.0, weight=0.5)
    """

    phi: float = 2.0
    weight: float = 1.0


NAMED: dict[str, Any] = {
    "hamming": Hamming(),
    "l1": Lp(1),
    "l2": Lp(2),
    "linf": Linf(),
    "log": Log(),
    "log_centered": Log(centered=True),
    "lp": Lp(),
    "mahalanobis": Mahalanobis(),
    "pair_unseen": PairUnseen(),
}
KINDS = (Lp, Log, Hamming, Linf, Mahalanobis, PairUnseen, Separable)
LEARNED = (Mahalanobis, PairUnseen)  # of examples that calibration does not see


def resolve_score(score: Any) -> Any:
    """The score object that a name or an object means.

    Raises
    ------
    TypeError, ValueError
        If it is neither.
    """
    if isinstance(score, str):
        return NAMED[check_choice("score", score, sorted(NAMED))]
    if not isinstance(score, KINDS):
        names = ", ".join(repr(name) for name in sorted(NAMED))
        raise TypeError(
            f"score: expected one of {names} or an object from mlkit.conformal.scores, got {described(score)}"
        )
    return score
