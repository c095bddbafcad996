"""The probabilities of some labels, gathered from batches of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.probabilities import Probabilities
from mlkit.quality._spool import Spools

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Part:
    """Where a batch's probabilities lie: label after label, of every row or (``bounds``) of the rows with an entry."""

    first_row: int
    n_rows: int
    dtype: np.dtype[Any]
    first_byte: int
    first_entry: int
    bounds: NDArray[np.int64] | None


class GatheredColumns:
    """Columns as they were given, to the bit; in temporary files once they exceed ``max_bytes``."""

    def __init__(self, chosen: Mask, max_bytes: int) -> None:
        self._labels = np.flatnonzero(chosen)
        self._place = np.full(chosen.size, -1, np.int64)
        self._place[self._labels] = np.arange(self._labels.size)
        self._n_rows = 0
        self._parts: list[_Part] = []
        self._spools = Spools(max_bytes // 4, {"p": np.uint8, "row": np.int32})

    def add(self, probs: Probabilities) -> None:
        """Take the next rows."""
        if probs.indptr is None or probs.indices is None:
            values, rows, bounds = np.ascontiguousarray(probs.array[:, self._labels].T), None, None
        else:
            at = np.flatnonzero(self._place[probs.indices] >= 0)
            places = self._place[probs.indices[at]]
            order = np.argsort(places, kind="stable")
            bounds = np.searchsorted(places[order], np.arange(self._labels.size + 1))
            at = at[order]
            values = probs.array[at]
            rows = (np.searchsorted(probs.indptr, at, side="right") - 1).astype(np.int32)
        part = _Part(
            self._n_rows, probs.shape[0], values.dtype, self._spools.size("p"), self._spools.size("row"), bounds
        )
        self._parts.append(part)
        self._spools.append(p=values.reshape(-1).view(np.uint8))
        if rows is not None:
            self._spools.append(row=rows)
        self._n_rows += probs.shape[0]

    def __call__(self, label: int) -> Floats:
        """A label's probabilities, row by row."""
        place = int(self._place[label])
        column = np.zeros(self._n_rows)
        stored, row = self._spools.array("p"), self._spools.array("row")
        for part in self._parts:
            whole = column[part.first_row : part.first_row + part.n_rows]
            begin, end = place * part.n_rows, (place + 1) * part.n_rows
            if part.bounds is not None:
                begin, end = part.bounds[place : place + 2].tolist()
            size = part.dtype.itemsize
            values = stored[part.first_byte + begin * size : part.first_byte + end * size].view(part.dtype)
            if part.bounds is None:
                whole[:] = values
            else:
                whole[row[part.first_entry + begin : part.first_entry + end]] = values
        return column
