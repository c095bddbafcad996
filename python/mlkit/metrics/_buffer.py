"""Rows that a state keeps, to be measured all at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.pairs import Scored
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics._averages import Floats

Sparse = tuple[NDArray[np.int64], NDArray[np.int32]]


@dataclass(frozen=True)
class Kept:
    """One batch, in arrays of its own."""

    first_row: int
    truth: LabelMatrix
    scores: NDArray[Any]
    rows: Sparse | None  # of sparse scores
    predicted: LabelMatrix | None
    weights: Floats | None
    groups: NDArray[np.int64] | None

    @classmethod
    def of(
        cls,
        first_row: int,
        cells: Scored,
        predicted: LabelMatrix | None,
        weights: Floats | None,
        groups: NDArray[np.int64] | None,
    ) -> Kept:
        """A copy of what the caller may change."""
        rows = None if cells.rows is None else (cells.rows[0].copy(), cells.rows[1].copy())
        truth = _own(cells.truth)
        return cls(
            first_row, truth, cells.array.copy(), rows, None if predicted is None else _own(predicted), weights, groups
        )

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        arrays = [self.scores, *(self.rows or ()), *self.truth._cells]
        arrays += [] if self.predicted is None else [*self.predicted._cells]
        return sum(a.nbytes for a in arrays if a is not None)


def _own(labels: LabelMatrix) -> LabelMatrix:
    indptr, indices, values = labels._cells
    return LabelMatrix(
        indptr.copy(),
        indices.copy(),
        None if values is None else values.copy(),
        labels.shape[1],
        background=labels.background,
    )


def stack_labels(parts: list[LabelMatrix], names: tuple[str, ...] | None) -> LabelMatrix:
    """Matrices below each other."""
    indptr, indices = _stack_rows([part._cells[:2] for part in parts])
    values: NDArray[np.int8] | None = None
    if any(part._cells[2] is not None for part in parts):
        values = np.concatenate(
            [np.ones(p._cells[1].size, np.int8) if p._cells[2] is None else p._cells[2] for p in parts]
        )
    return LabelMatrix(indptr, indices, values, parts[0].shape[1], background=parts[0].background, label_names=names)


def stack_scores(parts: list[Kept], n_labels: int) -> Any:
    """Scores below each other, dense or CSR."""
    values = np.concatenate([part.scores for part in parts])
    if parts[0].rows is None:
        return values
    from scipy.sparse import csr_array

    indptr, indices = _stack_rows([part.rows for part in parts if part.rows is not None])
    return csr_array((values, indices, indptr), shape=(indptr.size - 1, n_labels))


def _stack_rows(parts: list[Sparse]) -> Sparse:
    sizes = np.concatenate([np.diff(indptr) for indptr, _ in parts])
    bounds = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(sizes, out=bounds[1:])
    return bounds, np.concatenate([indices for _, indices in parts])
