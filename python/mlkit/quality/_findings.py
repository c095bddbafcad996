"""What a second pass over the data keeps of each batch, until all batches are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.probabilities import Probabilities
from mlkit.labels.matrix import LabelMatrix
from mlkit.quality import _engine
from mlkit.quality._spool import Spools

_COLUMNS: dict[str, tuple[Any, str]] = {  # dtype, and what there is one number for
    "score": (np.float64, "rows"),
    "n_doubted": (np.int64, "rows"),
    "n_stored": (np.int64, "rows"),
    "doubted_label": (np.int32, "doubted"),
    "doubted_given": (np.int8, "doubted"),
    "doubted_p": (np.float64, "doubted"),
    "label": (np.int32, "stored"),
    "value": (np.int8, "stored"),
}
_DTYPES = {name: dtype for name, (dtype, _) in _COLUMNS.items()}


@dataclass(frozen=True)
class _Batch:
    """Where a batch stands in the whole, and how much was kept of it."""

    first_row: int
    rows: int
    doubted: int
    stored: int
    ids: NDArray[Any] | None

    @property
    def end(self) -> int:
        return self.first_row + self.rows


class Findings:
    """Doubted cells, scores and labels of batches, in any order of arrival."""

    def __init__(self, n_labels: int, max_bytes: int, folder: Path | None = None) -> None:
        self.n_rows = 0
        self.joint = np.zeros((n_labels, 2, 2), np.int64)
        self.disagreements = np.zeros(n_labels, np.int64)
        self._max_bytes = max_bytes
        self._notes: dict[str, int] = {}
        self._batches: list[_Batch] = []
        self._spools = Spools(max_bytes, _DTYPES, folder)

    def empty(self) -> Findings:
        """Findings of the same kind, of nothing yet."""
        return Findings(self.joint.shape[0], self._max_bytes)

    def add(
        self,
        cells: Cells,
        filter_by: str,
        thresholds: NDArray[np.float64],
        first_row: int,
        ids: NDArray[Any] | None,
    ) -> None:
        """Find what there is to keep in a batch."""
        doubted = _engine.doubted_cells(cells, filter_by)
        indptr, labels, values = cells.labels._cells
        self.joint += _engine.joint(cells, thresholds)
        self.disagreements += _engine.count_disagreements(cells).sum(axis=1)
        self._note(cells.labels.notes)
        self._keep(
            _Batch(first_row, cells.shape[0], doubted.labels.size, labels.size, ids),
            {
                "score": _engine.row_scores(cells),
                "n_doubted": np.diff(doubted.indptr),
                "n_stored": np.diff(indptr),
                "doubted_label": doubted.labels,
                "doubted_given": doubted.given,
                "doubted_p": doubted.p,
                "label": labels,
                "value": np.ones(labels.size, np.int8) if values is None else values,
            },
        )

    def merge(self, other: Findings) -> None:
        """Add what another pass has kept."""
        self.joint += other.joint
        self.disagreements += other.disagreements
        self._note(other._notes)
        for batch, parts in other._parts():
            self._keep(batch, parts)

    def in_order(self) -> Findings:
        """These findings, batches in the order of their rows.

        Raises
        ------
        ValueError
            If rows are missing or were seen twice.
        """
        end = 0
        for batch in sorted(self._batches, key=lambda batch: (batch.first_row, batch.end)):
            if batch.first_row != end:
                low, high = sorted((batch.first_row, end))
                what = "missing" if batch.first_row > end else "there twice"
                raise ValueError(
                    "first_row: expected batches that follow one another from row 0 on, "
                    f"got rows {low} to {high - 1} {what}"
                )
            end = batch.end
        first_rows = [batch.first_row for batch in self._batches]
        if first_rows == sorted(first_rows):
            return self
        ordered = self.empty()
        ordered.joint, ordered.disagreements, ordered._notes = self.joint, self.disagreements, self._notes
        for batch, parts in sorted(self._parts(), key=lambda part: part[0].first_row):
            ordered._keep(batch, parts)
        return ordered

    def sync(self) -> tuple[dict[str, NDArray[Any]], dict[str, int], dict[str, int]]:
        """Make sure that all columns are on the disk; return what else there is to keep (but for the ids), their sizes,
        and the notes."""
        batches = [(b.first_row, b.rows, b.doubted, b.stored) for b in self._batches]
        arrays = {
            "joint": self.joint,
            "disagreements": self.disagreements,
            "batches": np.array(batches, np.int64).reshape(-1, 4),
        }
        return arrays, self._spools.sync(), dict(self._notes)

    def restore(
        self,
        arrays: Mapping[str, NDArray[Any]],
        sizes: dict[str, int],
        notes: dict[str, int],
        folder: Path,
    ) -> None:
        """Be as when :meth:`sync` was called."""
        self.joint, self.disagreements = arrays["joint"], arrays["disagreements"]
        self._batches = [
            _Batch(first_row, rows, doubted, stored, None)
            for first_row, rows, doubted, stored in arrays["batches"].tolist()
        ]
        self.n_rows = sum(batch.rows for batch in self._batches)
        self._notes = dict(notes)
        self._spools = Spools(self._max_bytes, _DTYPES, folder, sizes)

    def name(self, place: int, ids: NDArray[Any] | None) -> None:
        """Put the ids to a batch that was restored."""
        self._batches[place] = replace(self._batches[place], ids=ids)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Each row's score."""
        return np.array(self._spools.array("score"))

    @property
    def ids(self) -> NDArray[Any] | None:
        """Each row's id, where batches had them."""
        ids = [batch.ids for batch in self._batches if batch.ids is not None]
        return np.concatenate(ids) if ids else None

    def labels(self, background: str, label_names: tuple[str, ...] | None) -> LabelMatrix:
        """All labels."""
        values = self._spools.array("value")
        return LabelMatrix(
            _bounds(self._spools.array("n_stored")),
            self._spools.array("label"),
            None if background == "negative" and (values == 1).all() else values,
            self.joint.shape[0],
            background=background,
            label_names=label_names,
            notes=self._notes,
        )

    def doubted(self, n_threads: int) -> Cells:
        """The doubted cells as a data set of its own, in which nothing else is known."""
        n_labels = self.joint.shape[0]
        indptr, columns = _bounds(self._spools.array("n_doubted")), self._spools.array("doubted_label")
        p = self._spools.array("doubted_p")
        given = LabelMatrix(indptr, columns, self._spools.array("doubted_given"), n_labels, background="unknown")
        core = _core.labels.Scores(indptr, columns, p, n_labels, False)
        return Cells(given, Probabilities(given.shape, p, indptr, columns, core, False), n_threads)

    def contradicted(self, filter_by: str, excluded: NDArray[np.bool_], n_threads: int) -> _engine.FlaggedCells:
        """The cells that the model contradicts, which are most or all of the doubted ones."""
        if filter_by in _engine.LOW_FILTERS:
            return _engine.contradicted_cells(self.doubted(n_threads), excluded)
        found = _engine.FlaggedCells(
            _bounds(self._spools.array("n_doubted")),
            self._spools.array("doubted_label"),
            self._spools.array("doubted_given"),
            self._spools.array("doubted_p"),
            np.zeros(0, np.int64),
        )
        return found.where(~excluded[found.labels]) if excluded.any() else found

    def _keep(self, batch: _Batch, parts: dict[str, NDArray[Any]]) -> None:
        self._batches.append(batch)
        self._spools.append(**parts)
        self.n_rows += batch.rows

    def _note(self, notes: dict[str, int]) -> None:
        for kind, times in notes.items():
            self._notes[kind] = self._notes.get(kind, 0) + times

    def _parts(self) -> Iterator[tuple[_Batch, dict[str, NDArray[Any]]]]:
        arrays = {name: self._spools.array(name) for name in _COLUMNS}
        begin = {"rows": 0, "doubted": 0, "stored": 0}
        for batch in self._batches:
            end = {kind: at + getattr(batch, kind) for kind, at in begin.items()}
            yield batch, {name: arrays[name][begin[by] : end[by]] for name, (_, by) in _COLUMNS.items()}
            begin = end


def _bounds(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    bounds = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(sizes, out=bounds[1:])
    return bounds
