"""Reference for the label-quality room: plain NumPy, one formula per function, no speed.

Labels are int8 of shape (n, L) with 1 = given, 0 = not given, -1 = unknown; probabilities are floats of shape (n, L).
A cell with label y and probability p has ``q = (1 - p, p)`` and the self-confidence ``s = q[y]``. The cells of a label
have two sides: given 0 and given 1. Unknown cells take no part in anything.

``compat=None`` is our definition: p clipped to [0, 1] and widened to double, means exact, equal keys by row index.
``compat="cleanlab"`` is the arithmetic of cleanlab 2.9.0: all in the dtype of the probabilities, its defects too.
Where that library leaves the order of equal keys to the sort of the day, the row index decides here as well.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Labels = NDArray[np.int8]
Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

TOLERANCE = 1e-6
LOWEST_THRESHOLD = 2e-6
UNREACHABLE_THRESHOLD = 2.0
LOWEST_DIVISOR = 1e-100

PRUNE_FILTERS = ("prune_by_noise_rate", "prune_by_class", "both")
LOW_FILTERS = ("low_self_confidence", "low_normalized_margin")
FILTERS = (*PRUNE_FILTERS, "confident_learning", "predicted_neq_given", *LOW_FILTERS)
METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


# ---------------------------------------------------------------------------------------------- one label as a problem


def two_columns(p: Floats, compat: str | None) -> Floats:
    """Return the (n, 2) probabilities of "not given" and "given" of one label, in the dtype that is compared."""
    if compat is None:
        p = np.clip(np.asarray(p, dtype=np.float64), 0.0, 1.0)
    return np.stack((1 - p, p), axis=1)


def known_column(labels: Labels, probs: Floats, label: int, compat: str | None) -> tuple[Rows, Labels, Floats]:
    """Return the rows of a label's known cells, their given labels and their two probability columns."""
    rows = np.flatnonzero(labels[:, label] >= 0)
    return rows, labels[rows, label], two_columns(probs[rows, label], compat)


def picked(q: Floats, side: NDArray[Any]) -> Floats:
    """Return one of the two columns per row."""
    return q[np.arange(len(q)), side]


# ------------------------------------------------------------------------------------------------ thresholds and joint


def label_thresholds(given: Labels, q: Floats, compat: str | None) -> Floats:
    """Return the two thresholds of one label: mean q over each side, at least 2e-6; 2 for a side without cells."""
    means: list[Any] = []
    for side in (0, 1):
        members = q[given == side, side]
        if len(members) == 0:
            means.append(UNREACHABLE_THRESHOLD)
        elif compat is None:
            means.append(exact_mean(q[given == side, 1], side))
        else:
            means.append(np.mean(members))
    return np.maximum(np.asarray(means), LOWEST_THRESHOLD)


def exact_mean(p: Floats, side: int) -> float:
    """Return the mean of p (side 1) or of 1 - p (side 0): a sum without rounding error, rounded once, divided once."""
    if side == 1:
        return math.fsum(p) / len(p)
    return math.fsum([float(len(p)), *(-p)]) / len(p)


def confident_thresholds(labels: Labels, probs: Floats, *, compat: str | None = None) -> Doubles:
    """Return the mean self-confidence of each label's two sides, shape (L, 2)."""
    thresholds = np.empty((labels.shape[1], 2))
    for label in range(labels.shape[1]):
        _, given, q = known_column(labels, probs, label, compat)
        thresholds[label] = label_thresholds(given, q, compat)
    return thresholds


def as_compared(thresholds: Floats, given: Labels, q: Floats, compat: str | None) -> Floats:
    """Return one label's thresholds in the dtype of the comparison.

    The peer's thresholds have the dtype of the probabilities, except that a label with an empty side gets doubles.
    """
    both_sides = np.any(given == 0) and np.any(given == 1)
    return thresholds.astype(q.dtype) if compat is not None and both_sides else thresholds


def confident_sides(q: Floats, thresholds: Floats) -> Mask:
    """Say per cell whether it is confidently 0 and whether it is confidently 1, shape (n, 2)."""
    return q >= thresholds - TOLERANCE


def confident_guesses(q: Floats, thresholds: Floats) -> NDArray[np.int8]:
    """Return the side each cell is confident in: 0, 1, or -1 for neither; the likelier if both, 0 if equal."""
    guesses = np.full(len(q), -1, dtype=np.int8)
    for row, (confident_0, confident_1) in enumerate(confident_sides(q, thresholds)):
        if confident_0 and confident_1:
            guesses[row] = 1 if q[row, 1] > q[row, 0] else 0
        elif confident_0 or confident_1:
            guesses[row] = 1 if confident_1 else 0
    return guesses


def confident_joint(
    labels: Labels,
    probs: Floats,
    thresholds: Floats | None = None,
    *,
    compat: str | None = None,
    calibrate: bool = True,
) -> Counts:
    """Count the confident cells of each label by [given][guessed], shape (L, 2, 2); the diagonals are at least 1."""
    if thresholds is None:
        thresholds = confident_thresholds(labels, probs, compat=compat)
    joint = np.zeros((labels.shape[1], 2, 2), dtype=np.int64)
    for label in range(labels.shape[1]):
        _, given, q = known_column(labels, probs, label, compat)
        guesses = confident_guesses(q, as_compared(thresholds[label], given, q, compat))
        for side, guess in zip(given, guesses):
            if guess >= 0:
                joint[label, side, guess] += 1
        for side in (0, 1):
            joint[label, side, side] = max(joint[label, side, side], 1)
        if calibrate:
            joint[label] = calibrated(joint[label], int(np.sum(given == 0)), int(np.sum(given == 1)))
    return joint


calibrated_joint = confident_joint  # where a parameter hides the name


def calibrated(joint: Counts, n_negative: int, n_positive: int) -> Counts:
    """Scale one label's joint so that its rows sum to the sizes of the two sides, as integers."""
    sizes = (n_negative, n_positive)
    scaled = [[0.0, 0.0], [0.0, 0.0]]
    for side in (0, 1):
        row_sum = float(joint[side][0] + joint[side][1])
        for guess in (0, 1):
            scaled[side][guess] = float(joint[side][guess]) / max(row_sum, LOWEST_DIVISOR) * sizes[side]
    total = ((scaled[0][0] + scaled[1][0]) + scaled[0][1]) + scaled[1][1]  # this order decides exact halves
    result = np.zeros((2, 2), dtype=np.int64)
    for side in (0, 1):
        row = [value / max(total, LOWEST_DIVISOR) * (n_negative + n_positive) for value in scaled[side]]
        result[side] = rounded_pair(row[0], row[1])
    return result


def rounded_pair(a: float, b: float) -> tuple[int, int]:
    """Round two numbers, halves to even, and repair one of them so that they sum to the rounded sum."""
    rounded_a, rounded_b, target = round(a), round(b), round(a + b)
    while rounded_a + rounded_b != target:
        residual_a, residual_b = a - rounded_a, b - rounded_b
        if rounded_a + rounded_b < target:
            if residual_a > residual_b:
                rounded_a += 1
            else:
                rounded_b += 1
        elif residual_a <= residual_b:
            rounded_a -= 1
        else:
            rounded_b -= 1
    return rounded_a, rounded_b


# --------------------------------------------------------------------------------------------------------- cell flags


def prune_counts(joint: NDArray[Any], side: int, frac_noise: float, min_examples: int) -> tuple[int, int]:
    """Return how many cells of a side to prune and how many to keep, from one label's calibrated joint."""
    kept, pruned = float(joint[side][side]), float(joint[side][1 - side])
    more_kept = max(kept, min_examples)
    less_pruned = max(pruned - (more_kept - kept), 0.0)
    return int(less_pruned * frac_noise), int(more_kept + (less_pruned - less_pruned * frac_noise))


def most_suspicious(keys: Floats, rows: Rows, count: int) -> Rows:
    """Return the ``count`` rows with the smallest keys; equal keys by row index; none if ``count`` is not positive."""
    order = sorted(range(len(rows)), key=lambda at: (keys[at], rows[at]))
    return rows[order[: max(count, 0)]]


def side_keys(q: Floats, side: int, rule: str, compat: str | None) -> Floats:
    """Return the keys by which the cells of a side are pruned, smallest first."""
    if compat is None:
        return -q[:, 1] if side == 0 else q[:, 1]
    if rule == "prune_by_noise_rate":
        return -(q[:, 1 - side] - q[:, side])
    return q[:, side]


def pruned_rows(
    given: Labels, q: Floats, counts: list[tuple[int, int]], rule: str, least: int, compat: str | None
) -> Rows:
    """Return the rows that one prune rule takes from one label, both sides together, before the veto."""
    chosen = [np.zeros(0, dtype=np.int64)]
    for side in (0, 1):
        rows = np.flatnonzero(given == side)
        if len(rows) <= max(least, 1):
            continue
        to_prune, to_keep = counts[side]
        count = to_prune if rule == "prune_by_noise_rate" else len(rows) - to_keep
        chosen.append(most_suspicious(side_keys(q[rows], side, rule, compat), rows, count))
    return np.concatenate(chosen)


def disagreement(given: Labels, q: Floats) -> Mask:
    """Say which cells' probabilities contradict the given label by the tolerance: without it no flag survives."""
    return np.where(given == 0, q[:, 1] > q[:, 0] + TOLERANCE, q[:, 0] >= q[:, 1] + TOLERANCE)


def confidently_wrong(given: Labels, q: Floats, thresholds: Floats) -> Mask:
    """Say which cells the rule "confident_learning" flags."""
    guesses = confident_guesses(q, thresholds)
    return (guesses >= 0) & (guesses != given) & disagreement(given, q)


def lowest_cells(given: Labels, q: Floats, thresholds: Floats, rule: str, compat: str | None) -> Mask:
    """Flag as many cells as "confident_learning" does, but those with the smallest scores of both sides; no veto."""
    count = int(np.sum(confidently_wrong(given, q, thresholds)))
    flags = np.zeros(len(given), dtype=np.bool_)
    flags[most_suspicious(side_scores(given, q, rule[4:], compat), np.arange(len(given)), count)] = True
    return flags


def cell_flags(
    labels: Labels,
    probs: Floats,
    *,
    filter_by: str,
    frac_noise: float = 1.0,
    min_examples_per_class: int = 1,
    thresholds: Floats | None = None,
    confident_joint: NDArray[Any] | None = None,
    compat: str | None = None,
) -> Mask:
    """Flag the cells whose given label a filter doubts, shape (n, L).

    A joint of shape (L, 2, 2) that the caller brings is used as it is, by the prune rules only.
    """
    if filter_by not in FILTERS:
        raise ValueError(f"filter_by: expected one of {FILTERS}, got {filter_by!r}")
    if thresholds is None:
        thresholds = confident_thresholds(labels, probs, compat=compat)
    if confident_joint is None:
        confident_joint = calibrated_joint(labels, probs, thresholds, compat=compat)
    flags = np.zeros(labels.shape, dtype=np.bool_)
    for label in range(labels.shape[1]):
        rows, given, q = known_column(labels, probs, label, compat)
        cuts = as_compared(thresholds[label], given, q, compat)
        if filter_by == "confident_learning":
            flags[rows, label] = confidently_wrong(given, q, cuts)
        elif filter_by == "predicted_neq_given":
            flags[rows, label] = (given != (q[:, 1] > q[:, 0])) & disagreement(given, q)
        elif filter_by in LOW_FILTERS:
            flags[rows, label] = lowest_cells(given, q, cuts, filter_by, compat)
        else:
            least = min_examples_per_class
            counts = [prune_counts(confident_joint[label], side, frac_noise, least) for side in (0, 1)]
            flags[rows, label] = pruned_cells(given, q, counts, filter_by, least, compat)
    return flags


def pruned_cells(
    given: Labels, q: Floats, counts: list[tuple[int, int]], filter_by: str, least: int, compat: str | None
) -> Mask:
    """Flag the cells of one label that one prune rule takes, or both take, and that survive the veto."""
    flags = disagreement(given, q)
    for rule in ("prune_by_noise_rate", "prune_by_class"):
        if filter_by in (rule, "both"):
            taken = np.zeros(len(given), dtype=np.bool_)
            taken[pruned_rows(given, q, counts, rule, least, compat)] = True
            flags &= taken
    return flags


# ---------------------------------------------------------------------------------------------------------- row flags


def row_flags(
    labels: Labels,
    probs: Floats,
    *,
    filter_by: str,
    frac_noise: float = 1.0,
    min_examples_per_class: int = 1,
    thresholds: Floats | None = None,
    confident_joint: NDArray[Any] | None = None,
    compat: str | None = None,
) -> Mask:
    """Flag the rows with a flagged cell; for the low filters as many rows, but those with the smallest scores."""
    rule = "confident_learning" if filter_by in LOW_FILTERS else filter_by
    flagged: Mask = cell_flags(
        labels,
        probs,
        filter_by=rule,
        frac_noise=frac_noise,
        min_examples_per_class=min_examples_per_class,
        thresholds=thresholds,
        confident_joint=confident_joint,
        compat=compat,
    ).any(axis=1)
    if filter_by not in LOW_FILTERS:
        return flagged
    lowest = np.zeros(len(labels), dtype=np.bool_)
    lowest[lowest_rows(labels, probs, int(flagged.sum()), compat=compat)] = True
    return lowest


def lowest_rows(labels: Labels, probs: Floats, count: int, *, compat: str | None = None) -> Rows:
    """Return the ``count`` rows with the smallest moving average (0.8) of self-confidence, most suspicious first."""
    scores = aggregate(
        cell_scores(labels, probs, method="self_confidence", compat=compat), aggregator="exponential_moving_average"
    )
    known = np.flatnonzero(~np.isnan(scores))
    return most_suspicious(scores[known], known, count)


def ranked_rows(mask: Mask, scores: Doubles) -> Rows:
    """Return the flagged rows, smallest score first, equal scores by row index."""
    rows = np.flatnonzero(mask)
    return most_suspicious(scores[rows], rows, len(rows))


def ranked_cells(flags: Mask, scores: Doubles) -> list[Rows]:
    """Return each label's flagged rows, smallest cell score first, equal scores by row index."""
    return [ranked_rows(flags[:, label], scores[:, label]) for label in range(flags.shape[1])]


# -------------------------------------------------------------------------------------------------------------- scores


def side_scores(given: Labels, q: Floats, method: str, compat: str | None) -> Floats:
    """Return the scores of one label's known cells, from the two columns of (perhaps adjusted) probabilities."""
    s = picked(q, given)
    if method == "self_confidence":
        return s
    if method == "normalized_margin":
        return s if compat is None else (s - picked(q, 1 - given) + 1) / 2
    if method == "confidence_weighted_entropy":
        return entropy_scores(given, q) if compat is None else peer_entropy_scores(given, q)
    raise ValueError(f"method: expected one of {METHODS}, got {method!r}")


def entropy_scores(given: Labels, q: Doubles) -> Doubles:
    """Return ln(1 + r) / r for r = entropy in bits / s: 1 in the limit of a sure and right cell, 0 for s = 0.

    No lower limit on s or r: with the peer's limits of 1e-6 the order turns round at both ends.
    """
    scores = np.empty(len(q))
    for row, side in enumerate(given):
        s = float(q[row, side])
        ratio = entropy_by_probability(s, float(q[row, 1 - side])) if s > 0 else math.inf
        if math.isinf(ratio):
            scores[row] = 0.0
        else:
            scores[row] = math.log1p(ratio) / ratio if ratio > 0 else 1.0
    return scores


def entropy_by_probability(s: float, other: float) -> float:
    """Return the entropy in bits of a coin, divided by the probability s > 0 of one side; the other's is given too.

    The smaller of the two is exact, so the other's logarithm is log1p of it.
    """
    if s <= other:
        return (-math.log(s) - (1.0 - s) * (math.log1p(-s) / s)) / math.log(2.0)
    if other == 0.0:
        return 0.0
    return -(other * math.log(other) + (1.0 - other) * math.log1p(-other)) / math.log(2.0) / s


def peer_entropy_scores(given: Labels, q: Floats) -> Floats:
    """Return the peer's score: ln(1 + r) / max(r, 1e-6) for r = entropy in bits / max(s, 1e-6)."""
    entropy = -np.sum(xlogy(q, q), axis=1) / np.log(2)
    ratio = entropy / np.maximum(picked(q, given), TOLERANCE)
    result: Floats = np.log(ratio + 1) / np.maximum(ratio, TOLERANCE)
    return result


def adjusted_columns(q: Floats, thresholds: Floats, compat: str | None) -> Floats:
    """Shift both columns by their thresholds and the larger threshold, then let them sum to 1."""
    shifted = q - thresholds + thresholds.max()
    if compat is None:
        return shifted / (1.0 - thresholds[0] - thresholds[1] + 2.0 * thresholds.max())
    return shifted / shifted.sum(axis=1, keepdims=True)


def cell_scores(
    labels: Labels,
    probs: Floats,
    *,
    method: str,
    adjust_pred_probs: bool = False,
    thresholds: Floats | None = None,
    compat: str | None = None,
) -> Doubles:
    """Score the given label of each cell, low = suspicious, NaN = unknown, shape (n, L)."""
    if adjust_pred_probs and method == "confidence_weighted_entropy":
        raise ValueError("adjust_pred_probs: expected False with method='confidence_weighted_entropy', got True")
    if thresholds is None:
        thresholds = confident_thresholds(labels, probs, compat=compat)
    scores = np.full(labels.shape, np.nan)
    for label in range(labels.shape[1]):
        rows, given, q = known_column(labels, probs, label, compat)
        if adjust_pred_probs:
            q = adjusted_columns(q, as_compared(thresholds[label], given, q, compat), compat)
        scores[rows, label] = side_scores(given, q, method, compat)
    return scores


# --------------------------------------------------------------------------------------------------------- aggregators


def aggregate(
    scores: Doubles, *, aggregator: str, alpha: float | None = 0.8, temperature: float = 0.1, k: int | None = None
) -> Doubles:
    """Reduce each row of cell scores to one number; NaN cells are left out, a row of them alone gives NaN."""
    result = np.full(len(scores), np.nan)
    for row, values in enumerate(scores):
        known = sorted(float(value) for value in values if not math.isnan(value))
        if known:
            result[row] = aggregate_one(known, aggregator, alpha, temperature, k)
    return result


def aggregate_one(s: list[float], aggregator: str, alpha: float | None, temperature: float, k: int | None) -> float:
    """Reduce one row's known cell scores, sorted ascending."""
    if aggregator == "exponential_moving_average":
        return moving_average(s, alpha)
    if aggregator == "softmin":
        return softmin(s, temperature)
    if aggregator == "mean":
        return math.fsum(s) / len(s)
    if aggregator == "min":
        return s[0]
    if aggregator == "max":
        return s[-1]
    if aggregator == "median":
        return (s[(len(s) - 1) // 2] + s[len(s) // 2]) / 2
    if aggregator == "k_smallest":
        if k is None or k < 1:
            raise ValueError(f"k: expected a positive integer for aggregator='k_smallest', got {k!r}")
        return math.fsum(s[:k]) / len(s[:k])
    if aggregator == "log":
        return math.fsum(math.log(value + 1e-8) for value in s) / len(s)
    raise ValueError(f"aggregator: unknown name {aggregator!r}")


def moving_average(s: list[float], alpha: float | None) -> float:
    """Return the exponential moving average that walks from the largest to the smallest score."""
    weight = 2 / (len(s) + 1) if alpha is None else alpha
    if not 0 <= weight <= 1:
        raise ValueError(f"alpha: expected a number in [0, 1], got {alpha}")
    average = s[-1]
    for value in reversed(s[:-1]):
        average = weight * value + (1 - weight) * average
    return average


def softmin(s: list[float], temperature: float) -> float:
    """Return the mean of the scores with weights proportional to exp((1 - s) / T), T at least 1e-6."""
    exponents = [(1 - value) / max(temperature, TOLERANCE) for value in s]
    weights = [math.exp(exponent - max(exponents)) for exponent in exponents]
    return math.fsum(weight * value for weight, value in zip(weights, s)) / math.fsum(weights)


# ------------------------------------------------------------------------------------------- worst cells, area, sparse


def worst_cells(labels: Labels, probs: Floats, scores: Doubles, top: int) -> tuple[Rows, Rows]:
    """Return rows and labels of the ``top`` lowest scores, ties by row and label.

    Cells that are neither given nor scored above 0 are left out.
    """
    rows, columns = np.nonzero((labels >= 0) & ((labels == 1) | (probs > 0)))
    order = np.lexsort((columns, rows, scores[rows, columns]))[:top]
    return rows[order], columns[order]


def logit_bin(p: float) -> int:
    """Return the bin of p among 4,096: 64 to each halving of p from 1/2 to 2 ** -33, the same in 1 - p above 1/2."""
    mantissa, exponent = math.frexp(1.0 - p if p >= 0.5 else p)  # in [0.5, 1)
    step = min(max(64 * (exponent + 32) + int(128 * mantissa - 64), 0), 2047) if mantissa else 0
    return 4095 - step if p >= 0.5 else step


def label_areas(labels: Labels, probs: Floats) -> Doubles:
    """Return each label's area under the ROC curve by bins, cells of one bin being ties, and half the share of ties.

    NaN for a label without both sides. The exact area differs from the binned one by at most the second number.
    """
    areas = np.full((labels.shape[1], 2), np.nan)
    for label in range(labels.shape[1]):
        _, given, q = known_column(labels, probs, label, None)
        bins = np.array([logit_bin(p) for p in q[:, 1]], dtype=np.int64)
        difference = np.subtract.outer(bins[given == 1], bins[given == 0])
        if difference.size:
            tied = int(np.sum(difference == 0))
            areas[label] = (int(np.sum(difference > 0)) + 0.5 * tied) / difference.size, 0.5 * tied / difference.size
    return areas


def stored_cell_flags(given: Labels, p: Floats, n_implicit: int, thresholds: Floats) -> Mask:
    """Flag the stored cells of one label by "prune_by_noise_rate"; ``n_implicit`` more have given 0 and p = 0.

    Such cells are guessed 0 and counted; none is ever flagged. A few stand in for them in the sorting.
    """
    with_one = np.append(p.astype(np.float64), 0.0)
    q = two_columns(with_one, None)
    guesses = confident_guesses(q, thresholds)
    joint = np.zeros((2, 2), dtype=np.int64)
    for side, guess in zip(given, guesses[:-1]):
        if guess >= 0:
            joint[side, guess] += 1
    if guesses[-1] >= 0:
        joint[0, guesses[-1]] += n_implicit
    for side in (0, 1):
        joint[side, side] = max(joint[side, side], 1)
    joint = calibrated(joint, int(np.sum(given == 0)) + n_implicit, int(np.sum(given == 1)))
    n_stand_ins = min(n_implicit, 2)
    all_given = np.append(given, np.zeros(n_stand_ins, dtype=np.int8))
    all_q = two_columns(np.append(p.astype(np.float64), np.zeros(n_stand_ins)), None)
    counts = [prune_counts(joint, side, 1.0, 1) for side in (0, 1)]
    return pruned_cells(all_given, all_q, counts, "prune_by_noise_rate", 1, None)[: len(given)]


def moving_average_with_ones(s: list[float], n_ones: int, alpha: float | None) -> float:
    """Return the moving average of scores sorted ascending and ``n_ones`` scores of 1, which leave it at 1."""
    weight = 2 / (len(s) + n_ones + 1) if alpha is None else alpha
    return moving_average([*s, 1.0] if n_ones else s, weight)


# ------------------------------------------------------------------------------------ what only the peer does, A.5 end


def numbered_flags(
    labels: Labels,
    probs: Floats,
    numbers: list[float],
    *,
    filter_by: str,
    frac_noise: float = 1.0,
    min_examples_per_class: int = 1,
    confident_joint: NDArray[Any] | None = None,
) -> Mask:
    """Flag cells as the peer does when ``num_to_remove_per_class`` holds one number per label (prune rules only).

    For a whole number r, ``prune_by_noise_rate`` takes r given-1 cells if the joint has any to prune,
    ``prune_by_class`` takes r given-0 cells, and ``both`` takes none.
    """
    if filter_by not in PRUNE_FILTERS:
        raise ValueError(f"filter_by: expected one of {PRUNE_FILTERS}, got {filter_by!r}")
    if confident_joint is None:
        confident_joint = calibrated_joint(labels, probs, compat="cleanlab")
    flags = np.zeros(labels.shape, dtype=np.bool_)
    for label, number in enumerate(numbers):
        rows, given, q = known_column(labels, probs, label, "cleanlab")
        least = min_examples_per_class
        counts = [prune_counts(confident_joint[label], side, frac_noise, least) for side in (0, 1)]
        replaced = numbered_counts(counts, int(np.sum(given == 0)), int(np.sum(given == 1)), number)
        flags[rows, label] = pruned_cells(given, q, replaced, filter_by, least, "cleanlab")
    return flags


def numbered_counts(
    counts: list[tuple[int, int]], n_negative: int, n_positive: int, number: float
) -> list[tuple[int, int]]:
    """Return the (to prune, to keep) of both sides that the peer puts in place of its estimates for one label."""
    can_prune_positives = counts[1][0] > 0
    if not can_prune_positives:
        return [(0, round(n_negative - number)), (0, n_positive)]
    keep_negatives, prune_positives = rounded_pair(n_negative - number, number)
    return [(0, keep_negatives), (prune_positives, n_positive)]


# --------------------------------------------------------------------------------- what only the peer does, low memory


def running_thresholds(given: Labels, q: Floats, batch_size: int) -> Doubles:
    """Return thresholds as running weighted means over batches, at least 2e-6 after each; 2e-6 for an empty side."""
    thresholds, seen = np.zeros(2), np.zeros(2)
    for start in range(0, len(given), batch_size):
        part = slice(start, start + batch_size)
        sizes = np.array([np.sum(given[part] == side) for side in (0, 1)])
        means = label_thresholds(given[part], q[part], "cleanlab")
        thresholds = (seen * thresholds + sizes * means) / np.maximum(seen + sizes, 1)
        thresholds = np.maximum(thresholds, LOWEST_THRESHOLD)
        seen = seen + sizes
    return thresholds


def low_memory_cell_flags(
    labels: Labels, probs: Floats, *, method: str = "self_confidence", batch_size: int = 10_000
) -> Mask:
    """Flag cells as the peer's mini-batch route does: a count from running thresholds, the lowest scores, the veto."""
    flags = np.zeros(labels.shape, dtype=np.bool_)
    for label in range(labels.shape[1]):
        rows, given, q = known_column(labels, probs, label, "cleanlab")
        predicted = (q[:, 1] > q[:, 0]).astype(np.int8)
        cuts = running_thresholds(given, q, batch_size) - TOLERANCE
        count = int(np.sum((picked(q, predicted) >= cuts[predicted]) & (predicted != given)))
        scores = side_scores(given, q, method, "cleanlab")
        flags[most_suspicious(scores, rows, count), label] = True
        flags[rows, label] &= disagreement(given, q)
    return flags


def low_memory_row_flags(
    labels: Labels, probs: Floats, *, method: str = "self_confidence", batch_size: int = 10_000
) -> Mask:
    """Flag the rows with a flagged cell of the mini-batch route."""
    flags: Mask = low_memory_cell_flags(labels, probs, method=method, batch_size=batch_size).any(axis=1)
    return flags


# ------------------------------------------------------------------------- what only the peer does, ranks and summaries


def peer_ranked_lowest_rows(
    labels: Labels, probs: Floats, *, method: str, adjust_pred_probs: bool = False, compat: str | None = "cleanlab"
) -> Rows:
    """Return the rows of a low filter in the peer's order, which is no order of severity.

    Scores are computed on the flagged rows alone, in row order; their sorting permutation is then applied to the
    flagged rows in the order of the moving average of self-confidence.
    """
    flagged = row_flags(labels, probs, filter_by="confident_learning", compat=compat)
    by_severity = lowest_rows(labels, probs, int(flagged.sum()), compat=compat)
    by_index = np.sort(by_severity)
    cells = cell_scores(
        labels[by_index], probs[by_index], method=method, adjust_pred_probs=adjust_pred_probs, compat=compat
    )
    scores = aggregate(cells, aggregator="exponential_moving_average")
    return by_severity[most_suspicious(scores, np.arange(len(scores)), len(scores))]


def common_multilabel_issues(labels: Labels, flags: Mask) -> dict[str, NDArray[Any]]:
    """Return the peer's table of flagged cells per label and direction, most frequent first, equal ones by label.

    Each share is of all rows, not of the rows of that side.
    """
    table = []
    for label in range(labels.shape[1]):
        for given in (1, 0):
            count = int(np.sum(flags[:, label] & (labels[:, label] == given)))
            table.append((label, given == 1, given == 0, count, count / len(labels)))
    table.sort(key=lambda entry: -entry[4])
    names = ("Class Index", "In Given Label", "In Suggested Label", "Num Examples", "Issue Probability")
    return {name: np.array([entry[at] for entry in table]) for at, name in enumerate(names)}


def rank_classes(labels: Labels, flags: Mask) -> dict[str, NDArray[Any]]:
    """Return the peer's table of labels, worst first; labels with equal scores in the order of the issues' table.

    The counts are recomputed from the shares and cut to integers, so that some (29 of 50) lose one.
    """
    issues = common_multilabel_issues(labels, flags)
    shares: dict[int, dict[bool, float]] = {}
    for label, spurious, share in zip(issues["Class Index"], issues["In Given Label"], issues["Issue Probability"]):
        shares.setdefault(int(label), {})[bool(spurious)] = float(share)
    n = len(labels)
    table = [
        (label, int(noise[True] * n), int(noise[False] * n), noise[True], noise[False], 1 - noise[True])
        for label, noise in shares.items()
    ]
    table.sort(key=lambda entry: entry[5])
    names = (
        "Class Index",
        "Label Issues",
        "Inverse Label Issues",
        "Label Noise",
        "Inverse Label Noise",
        "Label Quality Score",
    )
    return {name: np.array([entry[at] for entry in table]) for at, name in enumerate(names)}


def health_score(mask: Mask) -> float:
    """Return the peer's overall score: 1 minus the share of rows with a flagged cell."""
    return 1.0 - int(mask.sum()) / len(mask)
