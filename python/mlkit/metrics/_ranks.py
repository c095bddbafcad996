"""The row-wise kernel with its columns named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlkit import _core
from mlkit._validation.pairs import Scored
from mlkit._validation.params import check_integer
from mlkit.metrics._averages import Floats, mean, warn_empty_rows, warn_undefined

TIES = ("column", "average")
IMPLICIT = ("zero", "absent")


@dataclass(frozen=True)
class RowRanks:
    """One number for each row; NaN for rows without a known cell."""

    n_positive: Floats
    n_known: Floats
    lrap: Floats
    coverage: Floats
    ranking_loss: Floats
    auc: Floats
    one_error: Floats
    gain: Floats
    ideal_gain: Floats
    r_precision: Floats


@dataclass(frozen=True)
class TopRanks:
    """One number for each row and each k; sums over the row's retrieved positives, and the best such sums.

    ``tied``: how many of the k cells hold their place by the tie rule, among cells true and absent of the same score.
    """

    hits: Floats
    any_hit: Floats
    gain: Floats
    scored: Floats
    scored_gain: Floats
    best: Floats
    best_gain: Floats
    tied: Floats


def discounts(n_labels: int, log_base: float = 2.0) -> Floats:
    """Sums of the discounts of the first 0, 1, ..., n_labels ranks."""
    each = 1 / (np.log(np.arange(n_labels) + 2) / np.log(log_base))
    return np.concatenate([[0.0], np.cumsum(each)])


def rank_rows(
    cells: Scored,
    *,
    ks: Sequence[int] = (),
    rows: bool = True,
    ties: str = "column",
    implicit: str = "zero",
    gain_limit: int = 0,
    log_base: float = 2.0,
    propensities: Floats | None = None,
) -> tuple[RowRanks, TopRanks]:
    """Everything about the rows in one pass."""
    of_rows, of_top = _core.metrics.rank_rows(
        *cells.core,
        discounts(cells.shape[1], log_base),
        gain_limit,
        rows,
        list(ks),
        propensities,
        ties == "average",
        implicit == "absent",
        cells.n_threads,
    )
    return RowRanks(*of_rows.T), TopRanks(*np.moveaxis(of_top, 2, 0))


def row_mean(name: str, values: Floats, known: Any, cells: Scored) -> float:
    """Weighted mean over the rows with a known cell."""
    warn_empty_rows(int(np.sum(~known)), name)
    return mean(values[known], None if cells.weights is None else cells.weights.values[known])


def check_ks(k: Any, n_labels: int, name: str) -> tuple[list[int], bool]:
    """Return one or several cut-offs as a list, and whether it was one.

    Raises
    ------
    TypeError, ValueError
        If they are not integers of at least 1.
    """
    single = not hasattr(k, "__len__") or isinstance(k, (str, bytes)) or getattr(k, "ndim", 1) == 0
    if single and isinstance(k, np.ndarray):
        k = k[()]
    ks = [check_integer("k", each, low=1) for each in ([k] if single else list(k))]
    if not ks:
        raise ValueError("k: expected an integer >= 1 or a sequence of them, got none")
    if max(ks) > n_labels:
        warn_undefined(f"{name}: k = {max(ks)} exceeds the {n_labels} labels; ranks that do not exist are misses")
    return ks, single
