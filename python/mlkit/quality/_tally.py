"""What a first pass over the data counts. Parts add up to the very numbers of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.probabilities import Probabilities
from mlkit.labels.matrix import LabelMatrix

Counts = NDArray[np.int64]


class SideSums:
    """Numbers of cells and exact sums of probabilities, by label and side."""

    def __init__(self, n_labels: int) -> None:
        self.n_positive = np.zeros(n_labels, np.int64)
        self.n_negative = np.zeros(n_labels, np.int64)
        self._sums = np.zeros((n_labels, 2, 2), np.int64)

    def add(self, cells: Cells) -> None:
        """Count a batch."""
        sums = _core.quality.side_sums(*cells.core, cells.n_threads)
        self._add_sides(cells.n_positive, cells.n_negative, sums)

    def _add_sides(self, n_positive: Counts, n_negative: Counts, sums: Counts) -> None:
        self.n_positive = self.n_positive + n_positive
        self.n_negative = self.n_negative + n_negative
        words = self._sums + sums  # [..., 0] counts 2^32 units, [..., 1] single ones
        self._sums = np.stack([words[..., 0] + (words[..., 1] >> 32), words[..., 1] & 0xFFFFFFFF], axis=-1)

    def thresholds(self) -> NDArray[np.float64]:
        """Confident thresholds, (L, 2)."""
        return _core.quality.thresholds_from_sums(self._sums, self.n_positive, self.n_negative)

    def arrays(self) -> dict[str, Counts]:
        """All that there is to keep."""
        return {"n_positive": self.n_positive, "n_negative": self.n_negative, "sums": self._sums}

    def restore(self, arrays: Mapping[str, Counts]) -> None:
        """Be as when :meth:`arrays` was called."""
        self.n_positive, self.n_negative, self._sums = (arrays[k] for k in ("n_positive", "n_negative", "sums"))


class Tally(SideSums):
    """The same, the number of rows, and a histogram of each label's probabilities."""

    def __init__(self, n_labels: int) -> None:
        super().__init__(n_labels)
        self.n_rows = 0
        self._entries: tuple[Counts, Counts] = (np.zeros(0, np.int64), np.zeros(0, np.int64))

    def add(self, cells: Cells) -> None:
        """Count a batch."""
        super().add(cells)
        self._add_rows(cells.shape[0], _core.quality.histogram_entries(*cells.core, cells.n_negative, cells.n_threads))

    def merge(self, other: Tally) -> None:
        """Add what another tally has counted."""
        self._add_sides(other.n_positive, other.n_negative, other._sums)
        self._add_rows(other.n_rows, other._entries)

    def _add_rows(self, n_rows: int, entries: tuple[Counts, Counts]) -> None:
        self.n_rows += n_rows
        self._entries = _core.quality.merge_entries(*self._entries, *entries)

    def arrays(self) -> dict[str, Counts]:
        """All that there is to keep."""
        keys, counts = self._entries
        return {**super().arrays(), "n_rows": np.array(self.n_rows), "keys": keys, "counts": counts}

    def restore(self, arrays: Mapping[str, Counts]) -> None:
        """Be as when :meth:`arrays` was called."""
        super().restore(arrays)
        self.n_rows, self._entries = int(arrays["n_rows"]), (arrays["keys"], arrays["counts"])

    def label_auc(self, n_threads: int) -> NDArray[np.float64]:
        """Area under each label's ROC curve and how far it may be off, (L, 2)."""
        return _core.quality.auc_from_entries(*self._entries, self.n_positive.size, n_threads)

    def noise_rates(self, interior: float, border: float, n_threads: int) -> NDArray[np.float64]:
        """The kernel's estimates (L, 2, 9); see noise_rates.hpp."""
        return _core.quality.noise_rates_from_entries(*self._entries, self.n_positive.size, interior, border, n_threads)

    def reliability(self, tail: int, n_threads: int) -> NDArray[np.float64]:
        """The kernel's counts (L, 12, 3); see reliability.hpp."""
        return _core.quality.reliability_from_entries(*self._entries, self.n_positive.size, tail, n_threads)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        return all(np.array_equal(a, b) for a, b in zip(self.arrays().values(), other.arrays().values(), strict=True))

    __hash__ = None  # type: ignore[assignment]


class _Gone(Probabilities):
    """Probabilities that went by in batches."""

    def __init__(self, shape: tuple[int, int]) -> None:
        object.__setattr__(self, "shape", shape)

    def __repr__(self) -> str:
        return f"probabilities of {self.shape[0]} x {self.shape[1]} cells, which are gone"

    def __reduce__(self) -> tuple[Any, ...]:
        return _Gone, (self.shape,)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ValueError(
            "pred_probs: this audit does not hold them, since they came in batches (plot_score_hist and the policies "
            "'fdr' and 'budget' need mlkit.audit of arrays)"
        )


@dataclass(frozen=True)
class TalliedCells(Cells):
    """Labels, and what was counted of their probabilities, which went by in batches."""

    tally: Tally

    @classmethod
    def of(cls, labels: LabelMatrix, tally: Tally, n_threads: int, probs: Probabilities | None = None) -> TalliedCells:
        """The cells of these labels; ``probs`` where they are still at hand."""
        return cls(labels, _Gone(labels.shape) if probs is None else probs, n_threads, tally)
