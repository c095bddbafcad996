"""A number that tells label matrices apart, and that can follow changes without the matrix.

The fingerprint is a sum modulo 2**64 over the stored cells, so a change of a few cells changes it by a few terms, and
neither order nor batches matter. It guards against mistakes; it is no seal against forgery.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit.labels.matrix import LabelMatrix

_BLOCK = 1 << 18
_MASK = (1 << 64) - 1


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit numbers so that sums of them say nothing about their parts (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def sum_of_cells(rows: NDArray[Any], labels: NDArray[Any], values: NDArray[Any]) -> int:
    """Sum of the cells' own numbers, modulo 2**64; a cell is a row, a label and a value in {-1, 0, 1}."""
    total = 0
    for begin in range(0, rows.size, _BLOCK):
        part = slice(begin, begin + _BLOCK)
        x = _mixed(rows[part].astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
        x = _mixed(x + labels[part].astype(np.uint64))
        x = _mixed(x + (values[part].astype(np.int64) + 2).astype(np.uint64))
        total += int(x.sum(dtype=np.uint64))
    return total & _MASK


def fingerprint(matrix: LabelMatrix) -> int:
    """The sum over the cells that are not the background."""
    indptr, indices, values = matrix._cells
    given = np.ones(indices.size, np.int8) if values is None else values
    total, n_rows = 0, matrix.shape[0]
    step = max(1, n_rows * _BLOCK // max(1, indices.size))
    for begin in range(0, n_rows, step):
        bounds = indptr[begin : begin + step + 1]
        rows = np.repeat(np.arange(begin, begin + bounds.size - 1), np.diff(bounds))
        part = slice(int(bounds[0]), int(bounds[-1]))
        total += sum_of_cells(rows, indices[part], given[part])
    return total & _MASK


def moved(
    before: int,
    rows: NDArray[Any],
    labels: NDArray[Any],
    old: NDArray[np.int8],
    new: NDArray[np.int8],
    background: int,
) -> int:
    """The fingerprint after some cells have changed from ``old`` to ``new``."""
    gone, come = old != background, new != background
    change = sum_of_cells(rows[come], labels[come], new[come]) - sum_of_cells(rows[gone], labels[gone], old[gone])
    return (before + change) & _MASK
