"""Sums of cells in bins of probability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.pairs import Scored
from mlkit.metrics._averages import Floats

BINNED = ("uniform", "quantile")


@dataclass(frozen=True)
class Bins:
    """Weight, and weighted sums of probability and truth, each (n_groups, n_bins); inner edges, one set or many."""

    weight: Floats
    probability: Floats
    positive: Floats
    edges: Floats


def bin_cells(cells: Scored, n_bins: int, strategy: str, closed: str, by_label: bool) -> Bins:
    """Bin all cells, or each label's."""
    uniform = np.linspace(0, 1, n_bins + 1)[None, 1:-1]
    edges = np.ascontiguousarray(uniform if strategy == "uniform" else _quantiles(cells, n_bins, by_label))
    scaled = None if cells.weights is None else cells.weights.scaled
    sums = _core.metrics.bin_cells(*cells.core, edges, by_label, closed == "left", scaled, cells.n_threads)
    weight, probability, positive = np.moveaxis(sums, 2, 0)
    scale = 1.0 if cells.weights is None else cells.weights.scale
    return Bins(weight * scale, probability * scale, positive * scale, edges)


def _quantiles(cells: Scored, n_bins: int, by_label: bool) -> Floats:
    """Inner edges at equal numbers of known cells, linear between neighbours as NumPy has them."""
    shares = np.linspace(0, 1, n_bins + 1)[1:-1]
    if by_label:
        return np.array([_quantile(values, n_zeros, shares) for values, n_zeros in _columns(cells)])
    parts = list(_columns(cells))
    values = np.concatenate([values for values, _ in parts])
    return _quantile(values, sum(n_zeros for _, n_zeros in parts), shares)[None]


def _quantile(values: Floats, n_zeros: int, shares: Floats) -> Floats:
    """Quantiles of ``values`` and so many zeros besides."""
    n = values.size + n_zeros
    if not n:
        return np.zeros(shares.size)
    ordered = np.sort(values)
    at = shares * (n - 1)
    low = np.floor(at).astype(np.int64)
    share = at - low

    def value(place: NDArray[np.int64]) -> Floats:
        if not ordered.size:
            return np.zeros(place.size)
        return np.where(place < n_zeros, 0.0, ordered[np.clip(place - n_zeros, 0, ordered.size - 1)])

    a, b = value(low), value(np.minimum(low + 1, n - 1))
    return np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share))


def _columns(cells: Scored) -> Iterator[tuple[Floats, int]]:
    """Probabilities of each label's known cells, and how many more are zero without being stored."""
    n, n_labels = cells.shape
    is_known = np.ones(n, bool)
    unknown = cells.truth.unknown.tocsc() if cells.truth.n_unknown else None
    sparse = cells.csr().tocsc() if cells.is_sparse else None
    for j in range(n_labels):
        is_known[:] = True
        if unknown is not None:
            is_known[unknown.indices[unknown.indptr[j] : unknown.indptr[j + 1]]] = False
        if sparse is None:
            yield np.clip(cells.array[is_known, j].astype(np.float64), 0, 1), 0
        else:
            stored = slice(sparse.indptr[j], sparse.indptr[j + 1])
            values = sparse.data[stored][is_known[sparse.indices[stored]]]
            yield np.clip(values.astype(np.float64), 0, 1), int(is_known.sum()) - values.size
