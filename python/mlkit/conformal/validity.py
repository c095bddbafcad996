"""Whether regions keep what they promise: the law of coverage, and tests that use it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_choice, check_integer, check_number
from mlkit.conformal._ranks import snapped

__all__ = ["coverage_interval", "coverage_test", "online_p_values", "uniformity_test"]


def _law(n_calibration: int, confidence_level: float, n_test: int) -> Any:
    from scipy.stats import betabinom

    n = check_integer("n_calibration", n_calibration, low=0)
    level = check_number("confidence_level", confidence_level, 0, 1, open_low=True, open_high=True)
    m = check_integer("n_test", n_test, low=1)
    k = int(snapped(1 - level, n))
    return None if k == 0 else betabinom(m, n + 1 - k, k)


def coverage_interval(
    n_calibration: int, confidence_level: float, n_test: int, level: float = 0.95
) -> tuple[float, float]:
    """Where the observed coverage of exchangeable test examples lies with a given probability.

    Parameters
    ----------
    n_calibration : int
        Calibration examples.
    confidence_level : float in (0, 1)
        Of the regions.
    n_test : int
        Test examples, all with the regions of one calibration set.
    level : float in (0, 1), default=0.95
        At least this much probability lies in the interval, at most half of the rest on either side of it.

    Returns
    -------
    low, high : float
        (1, 1) where the regions hold every label set because there are too few calibration examples.

    Notes
    -----
    With k = floor((1 - confidence_level)(n + 1)) and scores without ties the number of covered examples has the
    BetaBinomial(n_test, n + 1 - k, k) distribution [1]_. With ties coverage is higher, unless p-values are smoothed.

    References
    ----------
    .. [1] Vovk, "Conditional validity of inductive conformal predictors", 2012, and Marques, "On the universal
       distribution of the coverage in split conformal prediction", 2023.

    Examples
    --------
    >>> from mlkit.conformal.validity import coverage_interval
    >>> coverage_interval(499, 0.9, 1000)
    (0.866, 0.93)
    """
    level = check_number("level", level, 0, 1, open_low=True, open_high=True)
    law = _law(n_calibration, confidence_level, n_test)
    if law is None:
        return 1.0, 1.0
    tail = (1 - level) / 2
    return float(law.ppf(tail) / n_test), float(law.ppf(1 - tail) / n_test)


def coverage_test(
    covered: Any, n_calibration: int, confidence_level: float, *, alternative: str = "two-sided"
) -> float:
    """Test exactly whether a number of covered test examples agrees with the promise.

    Parameters
    ----------
    covered : array-like of bool
        Whether each test example's true label set was in its region.
    n_calibration : int
    confidence_level : float in (0, 1)
    alternative : {"two-sided", "less"}, default="two-sided"
        Against any departure (scores without ties, or smoothed p-values), or only against too little coverage.

    Returns
    -------
    float
        P-value: small where the coverage contradicts the promise. Never below its nominal distribution.

    Examples
    --------
    >>> from mlkit.conformal.validity import coverage_test
    >>> round(coverage_test([True] * 85 + [False] * 15, 999, 0.9), 3)
    0.165
    """
    check_choice("alternative", alternative, ("two-sided", "less"))
    inside = _true_or_false(covered)
    law = _law(n_calibration, confidence_level, inside.size)
    n_covered = int(inside.sum())
    if law is None:
        return float(n_covered == inside.size)
    below = float(law.cdf(n_covered))
    if alternative == "less":
        return below
    return min(1.0, 2 * min(below, float(law.sf(n_covered - 1))))


def _true_or_false(covered: Any) -> NDArray[np.bool_]:
    values = np.asarray(covered).ravel()
    if values.size == 0 or (values.dtype != bool and not np.isin(values, (0, 1)).all()):
        got = "none" if values.size == 0 else f"{values.dtype} values other than 0 and 1"
        raise ValueError(f"covered: expected at least one example, each true or false, got {got}")
    return values.astype(bool)


def _numbers(name: str, scores: Any) -> list[Any]:
    values = np.asarray(scores).ravel()
    if values.size and (values.dtype.kind not in "biuf" or np.isnan(values).any()):
        got = values.dtype if values.dtype.kind not in "biuf" else f"NaN at {int(np.argmax(np.isnan(values)))}"
        raise ValueError(f"{name}: expected numbers, got {got}")
    listed: list[Any] = values.tolist()
    return listed


def online_p_values(calibration_scores: Any, test_scores: Any, random_state: Any = None) -> NDArray[np.float64]:
    """Smoothed p-values of test scores, each ranked among the calibration scores and the test scores before it.

    Parameters
    ----------
    calibration_scores : array-like of shape (n,)
    test_scores : array-like of shape (m,)
        Scores of the true label sets, in the order of the examples.
    random_state : int, Generator or None

    Returns
    -------
    ndarray of shape (m,), float64
        Independent and uniform on (0, 1) if all examples are exchangeable [1]_, unlike p-values that share one
        calibration set.

    References
    ----------
    .. [1] Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, Proposition 2.8.

    Examples
    --------
    >>> from mlkit.conformal.validity import online_p_values
    >>> online_p_values([1, 2, 3], [2.5, 9.0], random_state=0).round(2)
    array([0.41, 0.05])
    """
    seen = sorted(_numbers("calibration_scores", calibration_scores))
    scores = _numbers("test_scores", test_scores)
    uniforms = np.random.default_rng(random_state).random(len(scores))
    p_values = np.empty(len(scores))
    for t, (score, u) in enumerate(zip(scores, uniforms.tolist())):
        left, right = bisect_left(seen, score), bisect_right(seen, score)
        p_values[t] = (len(seen) - right + u * (1 + right - left)) / (len(seen) + 1)
        insort(seen, score)
    return p_values


def uniformity_test(p_values: Any) -> float:
    """Test whether independent smoothed p-values are uniform (Kolmogorov and Smirnov).

    Parameters
    ----------
    p_values : array-like of shape (m,)
        From :func:`online_p_values`, or one from each of many splits. P-values of one test set that share a calibration
        set are dependent: this test would reject valid ones far too often.

    Returns
    -------
    float
        P-value: small where they are not uniform.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.conformal.validity import uniformity_test
    >>> uniformity_test(np.linspace(0.01, 0.99, 50)) > 0.5
    True
    """
    from scipy.stats import kstest

    values = np.asarray(p_values, np.float64).ravel()
    if values.size == 0 or not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError(f"p_values: expected at least one number, all in [0, 1], got {values.size} values")
    return float(kstest(values, "uniform").pvalue)
