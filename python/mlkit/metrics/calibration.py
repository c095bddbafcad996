"""How far probabilities are from truth: proper scores, calibration errors, reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlkit import _core
from mlkit._validation.pairs import Scored, check_scored
from mlkit._validation.params import check_choice, check_flag, check_integer
from mlkit.metrics._averages import Floats, check_average, divide, mean, warn_undefined
from mlkit.metrics._bins import BINNED, Bins, bin_cells

CELLS = ("micro", "macro", "weighted")
NORMS = ("l1", "l2", "max")


def binary_log_loss(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "micro",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Mean logarithmic loss of a cell's probability.

    Parameters
    ----------
    y_true, sample_weight, unknown, n_jobs
        See :func:`label_ranking_average_precision_score`.
    y_score : array-like, sparse matrix, DataFrame or list of ndarray of shape (n_samples, n_labels)
        Probabilities. What a sparse matrix does not store is 0.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        Mean over all cells; or of each label's cells: a number for each, their mean, or weighted by support.
        "micro" and "macro" differ only where cells are unknown.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where; also if a value is no probability.

    Notes
    -----
    Probabilities are kept one rounding error of their type away from 0 and 1, as scikit-learn does. (Its ``log_loss``
    reads an indicator matrix as one multi-class problem: another number.) O(cells) time, O(stored) on sparse scores.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import binary_log_loss
    >>> round(binary_log_loss(np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.2], [0.3, 0.6]])), 4)
    0.299
    """
    return _loss(2, y_true, y_score, average, sample_weight, unknown, n_jobs)


def multilabel_brier_score(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "micro",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Mean squared difference of a cell's probability and its truth.

    Parameters
    ----------
    y_true, y_score, average, sample_weight, unknown, n_jobs
        See :func:`binary_log_loss`.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`binary_log_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import multilabel_brier_score
    >>> round(multilabel_brier_score(np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.2], [0.3, 0.6]])), 4)
    0.075
    """
    return _loss(1, y_true, y_score, average, sample_weight, unknown, n_jobs)


def expected_calibration_error(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "micro",
    n_bins: int = 15,
    strategy: str = "uniform",
    closed: str = "right",
    norm: str = "l1",
    debias: bool = False,
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Difference of mean probability and share of positives in bins of probability.

    Parameters
    ----------
    y_true, y_score, sample_weight, unknown, n_jobs
        See :func:`binary_log_loss`.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        Bins of all cells together; or each label's own: a number for each, their mean, or weighted by support.
    n_bins : int, default=15
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width or of equal numbers of cells; equal probabilities stay together.
    closed : {"right", "left"}, default="right"
        Which edge a bin holds; the first and last hold both.
    norm : {"l1", "l2", "max"}, default="l1"
        Mean of the differences by weight of the bins (ECE), root of the mean square (RMSCE), or the largest (MCE).
    debias : bool, default=False
        With ``norm="l2"`` and no weights: subtract from each squared difference what chance alone would give,
        ``q (1 - q) / (n - 1)``; bins of one cell are left out.

    Returns
    -------
    float, or ndarray of shape (n_labels,)

    Raises
    ------
    TypeError, ValueError
        As :func:`binary_log_loss`.

    Notes
    -----
    The plain error is biased upwards where bins hold few cells, and says little of rare labels, whose cells are nearly
    all in the first bin: do not rank models by it alone.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, Eqs. (3), (5).
    .. [2] Kumar, Liang, Ma, "Verified Uncertainty Calibration", NeurIPS 2019, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import expected_calibration_error
    >>> p, y = np.array([0, 0.1, 0.1, 0.25, 0.5, 0.55, 0.9, 1]), np.array([0, 0, 1, 0, 1, 0, 1, 1])
    >>> round(expected_calibration_error(y[:, None], p[:, None], n_bins=4), 4)
    0.2125
    """
    check_average(average, CELLS)
    check_choice("norm", norm, NORMS)
    debias = check_flag("debias", debias)
    if debias and (norm != "l2" or sample_weight is not None):
        raise ValueError("debias: expected norm='l2' and no sample_weight with it, got another norm or weights")
    _, bins = _binned(y_true, y_score, average, n_bins, strategy, closed, sample_weight, unknown, n_jobs)
    values = _errors(bins, norm, debias)
    return _averaged(values, average, bins.positive.sum(axis=1))


def reliability_curve(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "micro",
    n_bins: int = 15,
    strategy: str = "uniform",
    closed: str = "right",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Mean probability and share of positives in bins of probability.

    Parameters
    ----------
    y_true, y_score, n_bins, strategy, closed, sample_weight, unknown, n_jobs
        See :func:`expected_calibration_error`.
    average : {"micro"} or None, default="micro"
        Bins of all cells together, or of each label.

    Returns
    -------
    DataFrame
        One row for each bin with cells: ``low high weight mean_probability share_positive``, with ``average=None``
        after a column ``label`` (name, or number without names).

    Raises
    ------
    TypeError, ValueError
        As :func:`binary_log_loss`.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import reliability_curve
    >>> p, y = np.array([0.1, 0.2, 0.3, 0.8, 0.9, 0.9]), np.array([0, 1, 0, 1, 1, 0])
    >>> reliability_curve(y[:, None], p[:, None], n_bins=2).round(4)
       low  high  weight  mean_probability  share_positive
    0  0.0   0.5     3.0            0.2000          0.3333
    1  0.5   1.0     3.0            0.8667          0.6667
    """
    import pandas as pd

    check_average(average, ("micro",))
    cells, bins = _binned(y_true, y_score, average, n_bins, strategy, closed, sample_weight, unknown, n_jobs)
    group, at = np.nonzero(bins.weight > 0)
    edges = np.column_stack([np.zeros(len(bins.edges)), bins.edges, np.ones(len(bins.edges))])
    of = group if len(edges) > 1 else np.zeros(group.size, np.int64)
    weight = bins.weight[group, at]
    table = pd.DataFrame(
        {
            "low": edges[of, at],
            "high": edges[of, at + 1],
            "weight": weight,
            "mean_probability": bins.probability[group, at] / weight,
            "share_positive": bins.positive[group, at] / weight,
        }
    )
    if average is None:
        names = cells.truth.label_names
        table.insert(0, "label", group if names is None else np.asarray(names, object)[group])
    return table


def brier_decomposition(
    y_true: Any,
    y_score: Any,
    *,
    average: str | None = "micro",
    n_bins: int = 15,
    strategy: str = "uniform",
    closed: str = "right",
    sample_weight: Any = None,
    unknown: Any = None,
    n_jobs: int | None = None,
) -> Any:
    """Brier score as reliability minus resolution plus uncertainty.

    Parameters
    ----------
    y_true, y_score, n_bins, strategy, closed, sample_weight, unknown, n_jobs
        See :func:`expected_calibration_error`.
    average : {"micro"} or None, default="micro"
        Of all cells together, or of each label.

    Returns
    -------
    DataFrame
        One row, or one for each label: ``brier reliability resolution uncertainty within``.

    Raises
    ------
    TypeError, ValueError
        As :func:`binary_log_loss`.

    Notes
    -----
    ``brier = reliability - resolution + uncertainty + within`` exactly: ``within`` is what the probabilities of one bin
    differ among themselves, and 0 where they do not [1]_.

    References
    ----------
    .. [1] Stephenson, Coelho, Jolliffe, "Two Extra Components in the Brier Score Decomposition", 2008, Eq. (5).

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import brier_decomposition
    >>> p, y = np.array([0.25, 0.25, 0.75, 0.75]), np.array([0, 1, 1, 1])
    >>> brier_decomposition(y[:, None], p[:, None], n_bins=2)
        brier  reliability  resolution  uncertainty  within
    0  0.1875       0.0625      0.0625       0.1875     0.0
    """
    import pandas as pd

    check_average(average, ("micro",))
    cells, bins = _binned(y_true, y_score, average, n_bins, strategy, closed, sample_weight, unknown, n_jobs)
    weight = bins.weight.sum(axis=1)
    base = divide(bins.positive.sum(axis=1), weight, np.nan)
    share = divide(bins.positive, bins.weight, 0.0)
    reliability = divide(
        (bins.weight * divide(bins.probability - bins.positive, bins.weight, 0.0) ** 2).sum(axis=1), weight, np.nan
    )
    resolution = divide((bins.weight * (share - base[:, None]) ** 2).sum(axis=1), weight, np.nan)
    brier = cell_losses(cells, average is None)[1]
    uncertainty = base * (1 - base)
    parts = {"brier": brier, "reliability": reliability, "resolution": resolution, "uncertainty": uncertainty}
    table = pd.DataFrame({**parts, "within": brier - (reliability - resolution + uncertainty)})
    if average is None and cells.truth.label_names is not None:
        table.index = pd.Index(cells.truth.label_names, name="label")
    return table


# -------------------------------------------------------------------------------------------------------------- shared


def _binned(
    y_true: Any,
    y_score: Any,
    average: Any,
    n_bins: Any,
    strategy: Any,
    closed: Any,
    sample_weight: Any,
    unknown: Any,
    n_jobs: Any,
) -> tuple[Scored, Bins]:
    n_bins = check_integer("n_bins", n_bins, low=1)
    check_choice("strategy", strategy, BINNED)
    check_choice("closed", closed, ("right", "left"))
    cells = check_scored(
        y_true, y_score, unknown=unknown, sample_weight=sample_weight, probabilities=True, n_jobs=n_jobs
    )
    return cells, bin_cells(cells, n_bins, strategy, closed, by_label=average != "micro")


def _loss(which: int, y_true: Any, y_score: Any, average: Any, sample_weight: Any, unknown: Any, n_jobs: Any) -> Any:
    check_average(average, CELLS)
    cells = check_scored(
        y_true, y_score, unknown=unknown, sample_weight=sample_weight, probabilities=True, n_jobs=n_jobs
    )
    values = cell_losses(cells, average != "micro")[which]
    return _averaged(values, average, cells.truth.support.astype(np.float64))


def _averaged(values: Floats, average: str | None, n_positive: Floats) -> Any:
    if average is None:
        return values
    if np.isnan(values).all():
        warn_undefined("y_true: no cell is known")
    if average == "micro":
        return float(values[0])
    return mean(values, n_positive if average == "weighted" else None)


@dataclass(frozen=True)
class Calibration:
    """What a report says of probabilities: one number for each label, and those of all cells."""

    brier: Floats
    ece: Floats
    pooled_brier: float
    pooled_log_loss: float
    pooled_ece: float


def calibrate(cells: Scored) -> Calibration:
    """Proper scores and the expected calibration error with its defaults in one pass."""
    edges = np.linspace(0, 1, 16)[1:-1]
    epsilon = float(np.finfo(cells.array.dtype).eps)
    scaled = None if cells.weights is None else cells.weights.scaled
    labels, bins = _core.metrics.calibrate(*cells.core, edges, epsilon, scaled, cells.n_threads)
    weight, squared, logarithmic, gaps = labels.T
    brier = divide(squared, weight, np.nan)
    of_bins, probability, positive = bins.T[:, None]
    pooled = Bins(of_bins, probability, positive, edges[None])
    return Calibration(
        brier,
        divide(gaps, weight, np.nan),
        mean(brier, weight),
        mean(divide(logarithmic, weight, np.nan), weight),
        float(_errors(pooled, "l1", False)[0]),
    )


def calibration_errors(bins: Bins) -> tuple[float, Floats]:
    """Expected calibration error of all cells and of each label, from each label's bins."""
    weight, probability, positive = (x.sum(axis=0)[None] for x in (bins.weight, bins.probability, bins.positive))
    pooled = Bins(weight, probability, positive, bins.edges)
    return float(_errors(pooled, "l1", False)[0]), _errors(bins, "l1", False)


def _errors(bins: Bins, norm: str, debias: bool) -> Floats:
    """Calibration error of each group of bins."""
    gap = divide(np.abs(bins.probability - bins.positive), bins.weight, 0.0)
    total = bins.weight.sum(axis=1)
    if norm == "max":
        values = np.where(total > 0, gap.max(axis=1), np.nan)
    elif norm == "l1":
        values = divide((gap * bins.weight).sum(axis=1), total, np.nan)
    else:
        squared = gap**2
        if debias:
            share = divide(bins.positive, bins.weight, 0.0)
            squared = squared - divide(share * (1 - share), bins.weight - 1, 0.0)
            squared[bins.weight == 1] = 0.0
        values = np.sqrt(np.maximum(divide((squared * bins.weight).sum(axis=1), total, np.nan), 0.0))
    return values


def cell_losses(cells: Scored, by_label: bool) -> tuple[Floats, Floats, Floats]:
    """Weight, mean squared and mean logarithmic loss of each label or of all cells."""
    epsilon = float(np.finfo(cells.array.dtype).eps)
    scaled = None if cells.weights is None else cells.weights.scaled
    weight, squared, logarithmic = _core.metrics.sum_losses(*cells.core, by_label, epsilon, scaled, cells.n_threads).T
    return weight, divide(squared, weight, np.nan), divide(logarithmic, weight, np.nan)
