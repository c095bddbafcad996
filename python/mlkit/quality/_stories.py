"""What labels and probabilities together allow to say about the number of wrong cells.

Three stories can lie behind the same data. The labels are fine. Or the model is better than the labels: it contradicts
more of them than its own probabilities explain. Or it was fitted to these very labels and has learned their errors:
then the labels look right whatever they are, and only the range of the probabilities says how wrong they can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells
from mlkit.quality import _engine
from mlkit.quality._trust import counted, percent

Floats = NDArray[np.float64]

LABELS_FINE, MODEL_BETTER, CANNOT_TELL = "labels_fine", "model_better", "cannot_tell"
FINE_SHARE = 0.05  # of the given labels: "fine" if no more cells can be wrong
MISFIT = 0.05  # of the given labels: how many a calibrated model may have in another tenth of p than it says
TAIL, MANY = 10, 100  # cells at either end of a label's probabilities
Z = 1.959963984540054  # two-sided 95 %
_HALF_NORMAL = 0.3989422804014327  # mean of the positive part of a standard normal number


@dataclass(frozen=True)
class Story:
    """Which story fits, and how many cells may be wrong.

    Parameters
    ----------
    kind : {"labels_fine", "model_better", "cannot_tell"}
        See :mod:`mlkit.quality._stories`.
    text : str
        The story in words.
    assumption : str
        What the numbers rest on.
    n_wrong : tuple of (int, int)
        The least and the most cells that are wrong, both directions together.
    n_spurious, n_missing : tuple of (int, int)
        The same by direction.
    reliability : ndarray of shape (10, 3)
        Known cells of the judged labels by tenths of p: how many, mean p, share given.
    """

    kind: str
    text: str
    assumption: str
    n_wrong: tuple[int, int]
    n_spurious: tuple[int, int]
    n_missing: tuple[int, int]
    reliability: Floats

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows values."""
        rows = [
            {"n": int(n), "mean_p": None if np.isnan(p) else p, "given_share": None if np.isnan(share) else share}
            for n, p, share in self.reliability.tolist()
        ]
        return {
            "kind": self.kind,
            "text": self.text,
            "assumption": self.assumption,
            "n_wrong": list(self.n_wrong),
            "n_spurious": list(self.n_spurious),
            "n_missing": list(self.n_missing),
            "reliability": rows,
        }

    def lines(self) -> list[str]:
        """What an audit prints."""
        low, high = self.n_wrong
        return [
            f"Wrong cells: between {low:,} and {high:,} ({_by_direction(self)})",
            f"  {self.text}",
            f"  {self.assumption}",
        ]


def tell(
    cells: Cells, noise: Floats, judged: NDArray[np.bool_], n_trusted: int = 0, spread: Floats | None = None
) -> Story:
    """The story of the judged labels, from what :func:`_engine.noise` finds in the cells.

    If probabilities were recalibrated on ``n_trusted`` cells, ``spread`` is the standard error (2,) that comes of it.
    """
    found = noise[judged]
    bins = _engine.reliability(cells, TAIL)[judged]
    n_positive, n_negative = cells.n_positive[judged], cells.n_negative[judged]
    side = np.stack([n_negative, n_positive], axis=1).sum(axis=0)
    n_given = int(n_positive.sum())
    low, high = _range(found[:, :, 3], found[:, :, 7], np.stack([n_negative, n_positive], axis=1), spread)
    most = most_if_learned(bins, n_positive, n_negative).sum(axis=0)
    most += Z * np.sqrt(most)  # expected, and by chance
    reliability = _reliability(bins)
    misfit = _misfit(bins, found[:, :, 0], n_given)
    assumption = _assumption(reliability, n_trusted)

    def story(kind: str, text: str, ends: tuple[Floats, Floats], assumption: str = assumption) -> Story:
        below, above = ends
        above = np.minimum(above, side)
        both = _whole(below.sum(), above.sum())
        missing, spurious = (_whole(below[k], above[k]) for k in range(2))
        return Story(kind, text, assumption, both, spurious, missing, reliability)

    if not judged.any():
        text = "cannot tell: no label is judged, see trust"
        return story(CANNOT_TELL, text, (np.zeros(2), np.zeros(2)))
    if misfit > MISFIT:
        text = (
            "cannot tell: p is calibrated neither to these labels nor to a truth behind them "
            f"({percent(misfit)} of the given labels lie in another tenth of p); recalibrate it, best on trusted cells"
        )
        most = most_by_rank(_engine.reliability(cells, MANY)[judged], n_positive, n_negative).sum(axis=0)
        by_rank = f"assumes only that a label's {MANY} cells of largest p carry it and its {MANY} of smallest do not"
        return story(CANNOT_TELL, text, (np.zeros(2), most), by_rank)
    if low.sum() > 0 and _beyond_chance(found[:, 0, 8]):
        absent, present = (percent(n / max(1, of)) for n, of in zip(found[:, :, 3].sum(axis=0), side.tolist()))
        text = (
            f"the model seems to know better: if it does, about {present} of the given labels and {absent} of the "
            "others would be wrong (an overconfident model looks the same)"
        )
        return story(MODEL_BETTER, text, (low, high))
    above = np.maximum(most, high)
    if above.sum() <= FINE_SHARE * n_given:
        text = "the labels look fine: they are as p says, and p comes too close to 0 and 1 to hide more errors"
        return story(LABELS_FINE, text, (np.zeros(2), above))
    text = "cannot tell: the labels are as p says; so they are if right, and also if the model has learned their errors"
    return story(CANNOT_TELL, text, (np.zeros(2), above))


def _range(
    n_wrong: Floats, error: Floats, sides: NDArray[np.int64], more: Floats | None = None
) -> tuple[Floats, Floats]:
    """By direction, between which numbers the wrong cells of all labels lie.

    An estimate that cannot fall below 0 is too large on average where there is nothing to find, by 0.4 standard errors,
    and takes the other direction's along; over many labels that would add up to errors that are none, so the lower end
    allows for it.
    """
    error = np.minimum(error, sides)
    spread = Z * np.sqrt((error**2).sum(axis=0) + (0 if more is None else more**2))
    at_border = (n_wrong < 2 * error).any(axis=1, keepdims=True)
    total, bias = n_wrong.sum(axis=0), _HALF_NORMAL * np.where(at_border, error, 0).sum(axis=0)
    return np.maximum(0, total - bias - spread), np.minimum(sides.sum(axis=0), total + spread)


def _beyond_chance(deviance: Floats) -> bool:
    """Whether rates above 0 explain the labels better than p alone by more than chance would, over all labels.

    Under p alone a label's deviance is a mixture of chi-squares with 0, 1 and 2 degrees of freedom, most at worst when
    the last two have half each: mean 3/2, variance 13/4.
    """
    return bool(deviance.sum() > 1.5 * deviance.size + 3 * np.sqrt(3.25 * deviance.size))


def most_if_learned(bins: Floats, n_positive: NDArray[np.int64], n_negative: NDArray[np.int64]) -> Floats:
    """Missing and spurious cells (L, 2) of each label if the model had learned as many errors as the range of p allows.

    If p = P(given), then s <= p <= 1 - m: the ends of p bound the flip rates. Where cells at an end contradict p beyond
    chance, what was given there counts instead.
    """
    low, high = bins[:, 10], bins[:, 11]
    n_low, n_high = (np.maximum(1, tail[:, :2].sum(axis=1)) for tail in (low, high))
    spurious = np.maximum(low[:, 2] / n_low, _surely(low[:, 1], n_low))
    missing = np.maximum(1 - high[:, 2] / n_high, _surely(high[:, 0], n_high))
    return _most(missing, spurious, n_positive, n_negative)


def most_by_rank(tails: Floats, n_positive: NDArray[np.int64], n_negative: NDArray[np.int64]) -> Floats:
    """Missing and spurious cells (L, 2) of each label at most, if only the order of its probabilities is believed.

    Then nearly all cells of the largest p are of the label, and as many of them as are not given bound the missing
    ones; nearly none of the smallest p is, and as many as are given bound the spurious ones.
    """
    low, high = tails[:, 10], tails[:, 11]
    n_low, n_high = (np.maximum(1, tail[:, :2].sum(axis=1)) for tail in (low, high))
    return _most(_at_most(high[:, 0], n_high), _at_most(low[:, 1], n_low), n_positive, n_negative)


def _most(missing: Floats, spurious: Floats, n_positive: NDArray[np.int64], n_negative: NDArray[np.int64]) -> Floats:
    """Wrong cells (L, 2) at these flip rates, as far as the labels have them."""
    known = n_positive + n_negative
    share = n_positive / np.maximum(1, known)
    spread = 1 - missing - spurious
    with np.errstate(invalid="ignore", divide="ignore"):
        truth = np.where(spread > 0, np.clip((share - spurious) / spread, 0, 1), share)
    most: Floats = np.stack([missing * truth * known, spurious * (1 - truth) * known], axis=1)
    return np.minimum(most, np.stack([n_negative, n_positive], axis=1))


def _surely(count: Floats, n: Floats) -> Floats:
    """Lower end of the score interval of a share."""
    return np.maximum(0, _score_interval(count, n)[0])


def _at_most(count: Floats, n: Floats) -> Floats:
    """Upper end of the score interval of a share."""
    return np.minimum(1, _score_interval(count, n)[1])


def _score_interval(count: Floats, n: Floats) -> tuple[Floats, Floats]:
    share, z2 = count / n, Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return middle - half, middle + half


def _reliability(bins: Floats) -> Floats:
    """(10, 3): cells, mean p and share given in tenths of p, over all labels."""
    total = bins[:, :10].sum(axis=0)
    n = total[:, 0] + total[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([n, total[:, 2] / n, total[:, 1] / n], axis=1)


def _misfit(bins: Floats, rates: Floats, n_given: int) -> float:
    """Share of the given labels that lie in another tenth of p than the flip rates and p explain, beyond chance."""
    n_negative, n_positive, sum_p = np.moveaxis(bins[:, :10], 2, 0)
    n = n_negative + n_positive
    missing, spurious = rates[:, :1], rates[:, 1:]
    expected = sum_p * (1 - missing) + (n - sum_p) * spurious
    variance = np.where(n > 0, expected * (1 - expected / np.maximum(1, n)), 0).sum(axis=0)
    off = np.abs(n_positive.sum(axis=0) - expected.sum(axis=0))
    beyond = np.maximum(0, off - 3 * np.sqrt(np.maximum(0, variance)))
    return float(beyond.sum() / max(1, n_given))


def _assumption(reliability: Floats, n_trusted: int) -> str:
    n, p, share = reliability[reliability[:, 0] > 0].T
    error = float((n * np.abs(p - share)).sum() / max(1, n.sum()))
    if n_trusted:
        text = f"assumes p, recalibrated on {counted(n_trusted, 'trusted cell')}, to be calibrated to the true labels"
    else:
        text = "assumes p to be calibrated to the true labels"
    return text + f" (off by {error:.3f} from the given ones)"


def _whole(low: float, high: float) -> tuple[int, int]:
    return int(np.floor(low)), int(np.ceil(high))


def _by_direction(story: Story) -> str:
    (s_low, s_high), (m_low, m_high) = story.n_spurious, story.n_missing
    return f"spurious {s_low:,} to {s_high:,}, missing {m_low:,} to {m_high:,}"
