"""An audit of batches: the two passes of a state, and those for what they leave behind."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._progress import steps
from mlkit._validation.cells import Cells
from mlkit._validation.frames import frame_names
from mlkit._validation.probabilities import Probabilities
from mlkit.labels.matrix import LabelMatrix
from mlkit.quality._batches import Batch, Source
from mlkit.quality._checkpoint import Checkpoint
from mlkit.quality._columns import ColumnReader
from mlkit.quality._folds import Folds, FoldSums
from mlkit.quality._gathered import GatheredColumns
from mlkit.quality._recalibration import Recalibration, Seen, TalliedRecalibration, mapped_cells
from mlkit.quality._tally import TalliedCells, Tally
from mlkit.quality._trusted import Trusted, check_trusted
from mlkit.quality.state import LabelQualityState, own_ids

if TYPE_CHECKING:
    from mlkit.quality.label_audit import LabelAudit

_BYTES_OF_HISTOGRAM = 131_072  # at most, of a label's tally
_READING = ("filter_by", "nan_policy", "from_logits", "force", "invalid_ids")  # options that the passes depend on


def audit_batches(
    source: Source,
    progress: bool | None,
    *,
    folds: Folds | None,
    trusted: Any,
    checkpoint: str | Path | None,
    **options: Any,
) -> LabelAudit:
    """All passes; ``options`` are those of :class:`mlkit.quality.LabelQualityState`."""
    under_way = steps(["thresholds", "issues", "evidence"], "audit", progress)

    next(under_way)
    batches = source.batches()
    head = next(batches, None)
    if head is None:
        raise ValueError("labels: expected at least one batch, got none")
    with _placed(0, 0):
        names = _names(head) if options["label_names"] is None else options["label_names"]
    state = LabelQualityState(_width(head), **{**options, "label_names": names})
    first_pass = itertools.chain([head], batches)
    del head, batches  # nothing holds a batch that has been worked on
    sums = None if folds is None else FoldSums(folds, state.n_labels)
    kept = None if checkpoint is None else Checkpoint(checkpoint, _settings(state, source, folds, options))
    try:
        if kept is not None:
            kept.restore(state, sums)
        if state._thresholds is None:
            _find_thresholds(state, first_pass, sums, kept)
        del first_pass

        next(under_way)
        _find_issues(state, source, kept, sums)

        next(under_way)
        audit = state._finalize(FurtherPasses(state, source, sums, trusted))
        for _ in under_way:  # closes the bar
            pass
        if kept is not None:
            kept.finish()
        return audit
    finally:
        if kept is not None:
            kept.close()


def _settings(state: LabelQualityState, source: Source, folds: Folds | None, options: dict[str, Any]) -> dict[str, Any]:
    """What an interrupted audit must have in common with the one that goes on."""
    return {
        "n_labels": state.n_labels,
        "label_names": state.label_names,
        **{name: options[name] for name in _READING},
        "max_memory": state.max_bytes if source.n_rows is not None else None,  # slices depend on it
        "fold_ids": None if folds is None else hashlib.blake2b(folds.of_row.data, digest_size=8).hexdigest(),
    }


def _find_thresholds(
    state: LabelQualityState, batches: Iterator[Batch], sums: FoldSums | None, kept: Checkpoint | None
) -> None:
    first_row = 0
    for number, batch in enumerate(batches):
        with _placed(number, first_row):
            cells = state._read(batch.labels, batch.pred_probs, batch.unknown)
            if kept is None or not kept.has_seen(cells):
                state._tally.add(cells)
                if sums is not None:
                    sums.add(cells, first_row)
        if kept is not None:
            kept.save(state, sums)
        first_row += cells.shape[0]
    if sums is not None:
        sums.check_end(first_row)
    if kept is not None:
        kept.end_pass()
    state.freeze()
    if kept is not None:
        kept.save(state, sums, at_once=True)


def _find_issues(state: LabelQualityState, source: Source, kept: Checkpoint | None, sums: FoldSums | None) -> None:
    first_row = 0
    for number, batch in enumerate(source.batches()):
        with _placed(number, first_row):
            cells = state._read(batch.labels, batch.pred_probs, batch.unknown)
            state._check_ids(batch.ids)
            if kept is not None and kept.has_seen(cells):
                state._findings.name(number, own_ids(batch.ids, cells.shape[0]))
            else:
                state._search(cells, batch.ids, first_row)
        if kept is not None:
            kept.save(state, sums)
        first_row += cells.shape[0]
    if kept is not None:
        kept.end_pass()
    if first_row == 0:
        raise ValueError(
            "labels: expected a function that returns all batches each time it is called, got none the second time"
        )


class FurtherPasses:
    """What takes the batches themselves once more, if it is wanted."""

    def __init__(self, state: LabelQualityState, source: Source, folds: FoldSums | None, trusted: Any) -> None:
        self._state, self._source, self.folds, self._trusted = state, source, folds, trusted

    def _cells(self) -> Iterator[tuple[int, Cells]]:
        """The batches, and the number of the first row of each."""
        state, first_row = self._state, 0
        for number, batch in enumerate(self._source.batches()):
            with _placed(number, first_row):
                cells = state._read(batch.labels, batch.pred_probs, batch.unknown)
            yield first_row, cells
            first_row += cells.shape[0]
        if first_row != state._tally.n_rows:
            raise ValueError(
                f"labels: expected the same {state._tally.n_rows} examples each time, got {first_row} the third time"
            )

    def kept_probs(self) -> Probabilities | None:
        """The probabilities where they stay at hand and are what they were taken for."""
        state, probs = self._state, self._source.pred_probs
        if probs is None or state._has_nan or state._reading["from_logits"]:
            return None
        return probs.clipped() if state._is_clipped else probs

    def columns_of(self, chosen: NDArray[np.bool_]) -> ColumnReader:
        """The probabilities of some labels."""
        columns = GatheredColumns(chosen, self._state.max_bytes)
        for _, cells in self._cells():
            columns.add(cells.probs)
        return columns

    def recalibrate(self, cells: TalliedCells) -> Recalibration | None:
        """What trusted cells are good for: one pass to learn from them, and as many as it takes to use it."""
        if self._trusted is None:
            return None
        right = check_trusted(self._trusted, cells)
        parts = []
        for begin, part in self._cells():
            here = right.between(begin, begin + part.shape[0], part.shape[1])
            if here:
                parts.append(Seen.of(here.part(part)))
        seen = Seen.joined(parts)
        n_labels, n_threads = cells.shape[1], cells.n_threads
        curves = [seen.curves(n_labels), *seen.resampled_curves(n_labels)]
        at_a_time = max(1, self._state.max_bytes // (_BYTES_OF_HISTOGRAM * n_labels))
        tallies = self._tally_rest(right, curves[:at_a_time])
        rest = TalliedCells.of(right.rest_of(cells.labels), tallies.pop(0), n_threads)
        wrong = [_wrong(tally, n_threads) for tally in tallies]
        for begin in range(at_a_time, len(curves), at_a_time):
            tallies = self._tally_rest(right, curves[begin : begin + at_a_time])
            wrong += [_wrong(tally, n_threads) for tally in tallies]
        gone = TalliedCells.of(cells.labels, cells.tally, n_threads)
        return TalliedRecalibration(right, gone, curves[0], rest, np.stack(wrong))

    def _tally_rest(self, right: Trusted, curves: list[NDArray[np.float64]]) -> list[Tally]:
        """Count the cells that are not trusted, recalibrated by each of the curves."""
        tallies = [Tally(self._state.n_labels) for _ in curves]
        for begin, part in self._cells():
            rest = right.between(begin, begin + part.shape[0], part.shape[1]).rest(part)
            if rest.shape[0]:
                for tally, curve in zip(tallies, curves):
                    tally.add(mapped_cells(rest, curve))
        return tallies


def _wrong(tally: Tally, n_threads: int) -> NDArray[np.float64]:
    """Wrong cells (L, 2), as :func:`_engine.noise` finds them."""
    return tally.noise_rates(0.0, 0.0, n_threads)[:, :, 3]


def _width(batch: Batch) -> int:
    """Number of labels: lists of labels do not say it, but their probabilities do."""
    for value in (batch.labels, batch.pred_probs):
        shape = getattr(value, "shape", ())
        if isinstance(shape, tuple) and len(shape) == 2:
            return max(1, int(shape[1]))
    first = batch.pred_probs[0] if isinstance(batch.pred_probs, (list, tuple)) and batch.pred_probs else None
    return len(first) if isinstance(first, (list, tuple)) else 1


def _names(batch: Batch) -> tuple[str, ...] | None:
    """What the labels are called: their own names or, where they have none, those of the probabilities."""
    own = batch.labels.label_names if isinstance(batch.labels, LabelMatrix) else frame_names("labels", batch.labels)
    if own is not None:
        return own
    names = frame_names("pred_probs", batch.pred_probs)
    return names if names is None or len(names) == _width(batch) else None


@contextmanager
def _placed(number: int, first_row: int) -> Iterator[None]:
    """Say in which batch an error lies."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} (in batch {number}, which begins at row {first_row})") from error
