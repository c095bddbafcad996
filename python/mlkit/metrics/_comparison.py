"""Two models on the same rows: differences, tests, corrections."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_choice, check_integer
from mlkit.metrics._averages import Floats
from mlkit.metrics._intervals import standard_error

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.metrics._measures import Prediction
    from mlkit.metrics.report import Findings

TESTS = ("influence", "permutation", "bootstrap")
CORRECTIONS = ("holm", "bh")
_SIGNS = 2**24  # drawn at a time


def check_same_rows(mine: Findings, theirs: Findings) -> None:
    """Make sure that two reports are of the same examples.

    Raises
    ------
    ValueError
        If they are not, or one of them holds no rows.
    """
    if mine.truth is None or theirs.truth is None:
        raise ValueError("other: expected reports of mlkit.evaluate, got one of sums, which holds no rows to pair")
    same = [mine.truth == theirs.truth, _equal(mine.weights, theirs.weights), _equal(mine.groups, theirs.groups)]
    if not all(same):
        what = ("truth", "sample_weight", "groups")[same.index(False)]
        raise ValueError(f"other: expected a report of the same examples, got one whose {what} differs")


def compare_rows(
    mine: Findings,
    theirs: Findings,
    test: str,
    correction: str | None,
    n_resamples: int,
    random_state: int,
    wanted: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A row for each measure that both have with an interval.

    Raises
    ------
    TypeError, ValueError
        If test or correction is not one that there is, replicates are missing, or a wanted measure has no interval.
    """
    import pandas as pd

    check_choice("test", test, TESTS)
    check_correction(correction)
    n_resamples = check_integer("n_resamples", n_resamples, low=1)
    random_state = check_integer("random_state", random_state, low=0)
    keys = [key for key in mine.influences if key in theirs.influences]
    if test == "bootstrap":
        keys = [key for key in keys if key in mine.replicates and key in theirs.replicates]
        if not keys or mine.boot != theirs.boot:
            raise ValueError("test: expected reports with replicates of one seed (n_boot= and random_state=), got none")
    if wanted is not None:
        missing = [key for key in wanted if key not in keys]
        if missing:
            raise ValueError(f"metrics: expected measures with an interval in both reports, got {missing[0]!r}")
        keys = list(wanted)
    values = [(mine.estimates[key].value, theirs.estimates[key].value) for key in keys]
    rows = [mine.influences[key].astype(np.float64) - theirs.influences[key] for key in keys]
    p_values = _permuted(mine, values, rows, n_resamples, random_state) if test == "permutation" else None
    lines = []
    for at, (key, (a, b)) in enumerate(zip(keys, values)):
        if test == "bootstrap":
            se = mine.spread(mine.replicates[key] - theirs.replicates[key])
        else:
            se = standard_error(rows[at], mine.groups)
        p = two_sided(a - b, se) if p_values is None else p_values[at]
        lines.append((a, b, a - b, se, a - b - mine.z * se, a - b + mine.z * se, p))
    columns = ["value", "other", "delta", "se", "low", "high", "p_value"]
    return corrected(pd.DataFrame(lines, pd.Index(keys, name="measure"), columns), correction)


def two_sided(delta: float, se: float) -> float:
    """p-value of a difference with a normal error."""
    return 2 * NormalDist().cdf(-abs(delta) / se) if se > 0 else float(delta == 0)


def _permuted(
    found: Findings, values: list[tuple[float, float]], rows: list[Floats], n_resamples: int, seed: int
) -> Floats:
    """p-values by turning round the signs of the rows' (or groups') contributions to the differences."""
    if not rows:
        return np.zeros(0)
    weights = np.ones(found.shape[0]) if found.weights is None else found.weights
    share = weights / weights.sum()
    parts = np.stack([row + (a - b) * share for row, (a, b) in zip(rows, values)], axis=1)
    if found.groups is not None:
        by_group = np.zeros((int(found.groups.max()) + 1, parts.shape[1]))
        np.add.at(by_group, found.groups, parts)
        parts = by_group
    # influences are kept in 24 bits: sums that should be equal may differ by so much
    observed = np.abs(parts.sum(axis=0)) - 1e-6 * np.sqrt((parts**2).sum(axis=0))
    rng = np.random.default_rng(seed)
    n_beyond = np.zeros(observed.size)
    step = max(1, _SIGNS // len(parts))
    for begin in range(0, n_resamples, step):
        n = min(step, n_resamples - begin)
        signs = 2.0 * rng.integers(0, 2, (n, len(parts)), dtype=np.int8) - 1.0
        n_beyond += (np.abs(signs @ parts) >= observed).sum(axis=0)
    out: Floats = (1 + n_beyond) / (1 + n_resamples)
    return out


def mcnemar_table(a: Prediction, b: Prediction, names: tuple[str, ...] | None, correction: str | None) -> pd.DataFrame:
    """Cells (and whole rows) that one of two predictions gets right, by label, with exact mid-p-values.

    Raises
    ------
    TypeError, ValueError
        If the correction is not one that there is.
    """
    import pandas as pd

    check_correction(correction)
    n_labels = a.truth.shape[1]
    differing = np.setxor1d(a.sets(), b.sets(), assume_unique=True)
    truth = _values_at(a, differing)
    known = truth >= 0
    differing, truth = differing[known], truth[known]
    a_says = np.isin(differing, a.sets(), assume_unique=True)
    a_right = a_says == (truth == 1)
    label = differing % n_labels
    only_a = np.bincount(label[a_right], minlength=n_labels)
    only_b = np.bincount(label[~a_right], minlength=n_labels)
    exact_a, exact_b = (of.counts(None)[1] for of in (a, b))
    row_a, row_b = exact_a.errors == 0, exact_b.errors == 0
    has_cells = exact_a.known > 0
    index = ["accuracy", *(range(n_labels) if names is None else names)]
    table = pd.DataFrame(
        {
            "only_a": np.concatenate([[np.sum(row_a & ~row_b & has_cells)], only_a]),
            "only_b": np.concatenate([[np.sum(row_b & ~row_a & has_cells)], only_b]),
        },
        index=pd.Index(index, name="measure"),
    )
    table["p_value"] = mid_p(table["only_a"].to_numpy(), table["only_b"].to_numpy())
    return corrected(table, correction)


def mid_p(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Two-sided mid-p-value of a against b fair coins."""
    from scipy.stats import binom

    least, n = np.minimum(a, b), a + b
    p: Floats = 2 * binom.cdf(least - 1, n, 0.5) + binom.pmf(least, n, 0.5)
    return np.where(a == b, 1.0, np.minimum(p, 1.0))


def _values_at(of: Prediction, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Truth of cells: 1, 0 or -1."""
    indptr, indices, values = of.truth._cells
    n, n_labels = of.truth.shape
    stored = np.repeat(np.arange(n), np.diff(indptr)) * n_labels + indices
    out = np.full(cells.size, -1 if of.truth.background == "unknown" else 0)
    if stored.size:
        at = np.minimum(np.searchsorted(stored, cells), stored.size - 1)
        found = stored[at] == cells
        out[found] = 1 if values is None else values[at[found]]
    return out


def check_correction(correction: Any) -> None:
    """Judge the name of a correction.

    Raises
    ------
    TypeError, ValueError
        If there is none of the name.
    """
    if correction is not None:
        check_choice("correction", correction, CORRECTIONS)


def corrected(table: pd.DataFrame, correction: str | None) -> pd.DataFrame:
    """The table with p-values corrected for the number of its rows."""
    if correction is not None:
        table[f"p_{correction}"] = (holm if correction == "holm" else benjamini_hochberg)(table["p_value"].to_numpy())
    return table


def holm(p: Floats) -> Floats:
    """Holm's p-values: the chance of any false finding is bounded."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)) if p.size else p
    out = np.empty(p.size)
    out[order] = np.minimum(1.0, stepped)
    return out


def benjamini_hochberg(p: Floats) -> Floats:
    """Benjamini and Hochberg's p-values: the expected share of false findings is bounded."""
    order = np.argsort(-p, kind="stable")
    stepped = np.minimum.accumulate(p[order] * p.size / np.arange(p.size, 0, -1)) if p.size else p
    out = np.empty(p.size)
    out[order] = np.minimum(1.0, stepped)
    return out


def _equal(a: Any, b: Any) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
