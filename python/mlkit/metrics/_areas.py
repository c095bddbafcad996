"""The kernels of curves with their columns named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.pairs import Scored
from mlkit.metrics._averages import Floats, divide


@dataclass(frozen=True)
class Areas:
    """What curves enclose, one number for each label (or one for all cells together)."""

    positive: Floats
    negative: Floats
    wins: Floats  # pairs in which the positive has the higher score, by weight
    ties: Floats
    partial: Floats  # pairs up to the given share of negatives, ties half
    precision: Floats
    precision_11: Floats
    precision_101: Floats
    precision_all: Floats
    r_precision: Floats

    def auc(self, credit: float = 0.5) -> Floats:
        """Area under the ROC curve with so much credit for a tie; NaN where there is one kind of cells only."""
        return divide(self.wins + credit * self.ties, self.positive * self.negative, np.nan)

    def partial_auc(self, max_fpr: float) -> Floats:
        """The area up to a false positive rate, rescaled so that chance is 0.5 and the best possible 1."""
        area = divide(self.partial, self.positive * self.negative, np.nan)
        least = 0.5 * max_fpr**2
        return 0.5 * (1 + (area - least) / (max_fpr - least))


def label_areas(cells: Scored, max_fpr: float = 1.0) -> Areas:
    """Curves of all labels."""
    return _unpack(_core.metrics.label_curves(*cells.core, _units(cells), max_fpr, cells.n_threads), cells)


def pooled_areas(cells: Scored, max_fpr: float = 1.0) -> Areas:
    """The curve of all cells together, in arrays of one number."""
    return _unpack(_core.metrics.pooled_curve(*cells.core, _units(cells), max_fpr, cells.n_threads)[None], cells)


def pooled_influences(cells: Scored) -> tuple[Areas, Floats]:
    """The same with the influence of each row on ROC AUC and average precision (n, 2)."""
    out, rows = _core.metrics.pooled_influences(*cells.core, _units(cells), cells.n_threads)
    if cells.weights is not None:
        rows *= cells.weights.units.astype(np.float64)[:, None]
    return _unpack(out[None], cells), rows


def _units(cells: Scored) -> NDArray[np.uint64] | None:
    return None if cells.weights is None else cells.weights.units


def _unpack(table: Floats, cells: Scored) -> Areas:
    if cells.weights is not None:
        unit = cells.weights.unit
        table[:, :2] *= unit
        table[:, 2:5] *= unit * unit
    return Areas(*table.T)
