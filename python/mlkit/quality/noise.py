"""How many of the given labels are wrong, in either direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells, check_cells
from mlkit._validation.params import check_choice, check_integer, check_number
from mlkit.quality import _engine
from mlkit.quality._recalibration import Recalibration
from mlkit.quality._trusted import check_trusted

if TYPE_CHECKING:
    import pandas as pd

DIRECTIONS = ("missing", "spurious")  # by the given value that is wrong


def estimate_noise_rates(
    labels: Any,
    pred_probs: Any,
    *,
    method: str = "likelihood",
    confidence: float = 0.95,
    interval: str = "wilson",
    n_boot: int = 1000,
    random_state: Any = None,
    trusted: Any = None,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str = "raise",
    from_logits: bool = False,
    force: bool = False,
    invalid_ids: str = "error",
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Estimate, for each label and direction, how many given values are wrong.

    Parameters
    ----------
    labels, pred_probs, unknown, label_names, nan_policy, from_logits, force, invalid_ids, n_jobs
        See :func:`mlkit.quality.find_label_issues`.
    method : {"likelihood", "confident_joint"}, default="likelihood"
        "likelihood": by maximum likelihood, supposing that ``pred_probs`` are calibrated to the *true* labels.
        "confident_joint": the off-diagonal of the calibrated confident joint, for comparison: it measures how far
        the classes overlap and reports wrong labels where there are none.
    confidence : float in (0, 1), default=0.95
        Level of the intervals.
    interval : {"wilson", "bootstrap"}, default="wilson"
        Of the confident joint: the score interval of the confident counts, or resampling of the label's counts.
    n_boot : int, default=1000
        Bootstrap resamples.
    random_state : int, Generator or None
        For the bootstrap.
    trusted : mask of shape (n_samples,) or (n_samples, n_labels), bool, dense or sparse, optional
        Examples or cells that are known to be right. The probabilities are recalibrated on them, label by label where
        there are enough, and the other cells are counted.

    Returns
    -------
    DataFrame
        Two rows for each label, ``spurious`` (given, but wrong) first: ``label``, ``direction``, ``n_side`` (cells of
        that side: the examples that carry the label, or the known others), ``n_wrong`` (how many of them are estimated
        to be wrong), ``rate`` = n_wrong / n_side, ``low`` and ``high`` (interval of the rate). NaN for an empty side.

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.quality.find_label_issues`.

    Notes
    -----
    With m = P(given 0 | true 1), s = P(given 1 | true 0) and a calibrated p, a label is given with probability
    g = p (1 - m) + (1 - p) s. The log-likelihood is concave in (m, s); it is maximised on counts in 4,096 bins of p.
    A given 1 is wrong with probability (1 - p) s / g, a given 0 with p m / (1 - g). The interval joins the profile
    likelihood of the flip rate, at the border s = 0 or m = 0 with the mixture of [1]_, with the variance of the
    number of wrong cells given the rates. It covers sampling, not a model that is not calibrated: if the model was
    fitted to these very labels and learned their errors, the labels look right and the answer is about 0.

    One pass over the probabilities, O(stored) for sparse input, and some milliseconds a label.

    References
    ----------
    .. [1] Self, Liang, "Asymptotic Properties of Maximum Likelihood Estimators and Likelihood Ratio Tests Under
       Nonstandard Conditions", JASA 82, 1987, case 5.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import estimate_noise_rates
    >>> rng = np.random.default_rng(0)
    >>> pred_probs = rng.beta(0.3, 0.7, (5000, 1))
    >>> truth = rng.random((5000, 1)) < pred_probs
    >>> dropped = truth & (rng.random((5000, 1)) < 0.2)  # one in five positives is missing
    >>> estimate_noise_rates(truth & ~dropped, pred_probs).round(3)
       label direction  n_side  n_wrong   rate    low   high
    0      0  spurious    1249    0.000  0.000  0.000  0.002
    1      0   missing    3751  264.703  0.071  0.061  0.080
    >>> int(dropped.sum())
    266
    """
    check_choice("method", method, ("likelihood", "confident_joint"))
    confidence = check_number("confidence", confidence, 0, 1, open_low=True, open_high=True)
    check_choice("interval", interval, ("wilson", "bootstrap"))
    check_integer("n_boot", n_boot, low=1)
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
    if trusted is not None:
        cells = Recalibration(check_trusted(trusted, cells), cells).rest
    if method == "likelihood":
        wrong = likelihood_counts(cells, confidence)
    else:
        wrong = _joint_counts(cells, confidence, interval, n_boot, random_state)
    return _frame(cells, *wrong)


def likelihood_counts(
    cells: Cells, confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Wrong cells (L, 2) by given value, and the ends of their intervals."""
    from scipy.stats import chi2

    interior, border = chi2.ppf(confidence, 1), chi2.ppf(max(0.0, 2 * confidence - 1), 1)
    found = _engine.noise_rates(cells, interior, border)
    wrong, low, high, variance = (found[:, :, k] for k in (3, 4, 5, 6))
    chance = interior * variance  # of the count itself, were the rates known
    side = np.stack([cells.n_negative, cells.n_positive], axis=1)
    below = np.maximum(0, wrong - np.sqrt((wrong - low) ** 2 + chance))
    above = np.minimum(side, wrong + np.sqrt((high - wrong) ** 2 + chance))
    return wrong, below, above


def _joint_counts(
    cells: Cells, confidence: float, interval: str, n_boot: int, random_state: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    raw = _engine.joint(cells, _engine.thresholds(cells))
    calibrated = _engine.calibrate(cells, raw)
    side = np.stack([cells.n_negative, cells.n_positive], axis=1)
    wrong = np.stack([calibrated[:, 0, 1], calibrated[:, 1, 0]], axis=1).astype(np.float64)
    if interval == "wilson":
        low, high = _wilson(raw, confidence)
    else:
        low, high = _bootstrap(raw, confidence, n_boot, np.random.default_rng(random_state))
    return wrong, low * side, high * side


def _wilson(raw: NDArray[np.int64], confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score interval of the share of confident guesses that contradict the given value."""
    from scipy.stats import norm

    z2 = norm.ppf(0.5 + confidence / 2) ** 2
    wrong = np.stack([raw[:, 0, 1], raw[:, 1, 0]], axis=1)
    n = np.maximum(raw.sum(axis=2), 1)
    share = wrong / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.maximum(0, middle - half), np.minimum(1, middle + half)


def _bootstrap(
    raw: NDArray[np.int64], confidence: float, n_boot: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval from multinomial resampling of each label's four counts."""
    low, high = np.zeros((raw.shape[0], 2)), np.zeros((raw.shape[0], 2))
    tails = [0.5 - confidence / 2, 0.5 + confidence / 2]
    for j, counts in enumerate(raw.reshape(-1, 4)):
        total = int(counts.sum())
        if total == 0:
            high[j] = 1
            continue
        drawn = rng.multinomial(total, counts / total, size=n_boot).reshape(n_boot, 2, 2)
        share = np.stack([drawn[:, 0, 1], drawn[:, 1, 0]], axis=1) / np.maximum(drawn.sum(axis=2), 1)
        low[j], high[j] = np.quantile(share, tails, axis=0)
    return low, high


def _frame(
    cells: Cells, wrong: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> pd.DataFrame:
    import pandas as pd

    n_labels = cells.shape[1]
    side = np.stack([cells.n_negative, cells.n_positive], axis=1)
    numbers = np.repeat(np.arange(n_labels), 2)
    names: Any = numbers if cells.label_names is None else np.asarray(cells.label_names, object)[numbers]

    def column(values: NDArray[Any]) -> NDArray[Any]:
        return values[:, ::-1].ravel()  # spurious first

    with np.errstate(invalid="ignore", divide="ignore"):
        rate, lower, upper = (np.where(side > 0, x / side, np.nan) for x in (wrong, low, high))
    return pd.DataFrame(
        {
            "label": names,
            "direction": np.tile(np.asarray(DIRECTIONS[::-1], object), n_labels),
            "n_side": column(side),
            "n_wrong": column(np.where(side > 0, wrong, np.nan)),
            "rate": column(rate),
            "low": column(lower),
            "high": column(upper),
        }
    )
