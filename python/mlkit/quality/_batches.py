"""An audit of batches, and where they come from: a function of the caller's, two Parquet files, slices of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlkit._progress import steps
from mlkit._validation.arrays import is_array, is_sparse
from mlkit._validation.optional import require
from mlkit._validation.params import check_ids, check_memory, described
from mlkit._validation.probabilities import check_shape
from mlkit.labels.matrix import LabelMatrix
from mlkit.quality.state import LabelQualityState

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.quality.label_audit import LabelAudit

_CELLS = 4_000_000  # of a Parquet file, in one batch


class Batch(NamedTuple):
    """Some rows."""

    labels: Any
    pred_probs: Any
    ids: Any = None


Source = Callable[[], Iterator[Batch]]


def is_source(labels: Any) -> bool:
    """Whether these are not labels but where batches of them come from."""
    return isinstance(labels, Path) or (callable(labels) and not hasattr(labels, "__array__"))


def open_batches(labels: Any, pred_probs: Any) -> Source:
    """Return a function that goes through all batches, from the first one on each time it is called.

    Raises
    ------
    TypeError, ValueError
        If the two arguments do not fit together; on the way, if something else than batches comes.
    """
    if isinstance(labels, Path):
        if not isinstance(pred_probs, Path):
            raise TypeError(
                f"pred_probs: expected the Path of a Parquet file, as labels are one, got {described(pred_probs)}"
            )
        return _parquet(labels, pred_probs)
    if pred_probs is not None:
        raise TypeError(
            "pred_probs: expected None, since labels is a function that returns batches of labels and probabilities, "
            f"got {described(pred_probs)}"
        )
    return lambda: _checked(labels())


def slice_rows(labels: Any, pred_probs: Any, ids: Any, max_memory: int | str) -> Source:
    """Return the batches of arrays, so small that a few of them fit."""
    for name, value in (("labels", labels), ("pred_probs", pred_probs)):
        if not (isinstance(value, LabelMatrix) or is_array(value) or is_sparse(value)) or len(value.shape) != 2:
            raise TypeError(f"{name}: expected a 2-D array or sparse matrix with max_memory, got {described(value)}")
    n, n_labels = labels.shape
    check_shape(tuple(pred_probs.shape), (n, n_labels))
    names = None if ids is None else check_ids(ids, n)
    limit = check_memory("max_memory", max_memory) or 0
    rows = max(64, min(limit // 4, 8 * _CELLS) // (8 * max(1, n_labels)))
    rowwise = [value.tocsr() if is_sparse(value) else value for value in (labels, pred_probs)]

    def part(value: Any, begin: int, end: int) -> Any:
        return value._rows(begin, end) if isinstance(value, LabelMatrix) else value[begin:end]

    def batches() -> Iterator[Batch]:
        for begin in range(0, n, rows):
            end = min(begin + rows, n)
            own = None if names is None else names[begin:end]
            yield Batch(part(rowwise[0], begin, end), part(rowwise[1], begin, end), own)

    return batches


def audit_batches(source: Source, progress: bool | None, **options: Any) -> LabelAudit:
    """Both passes; ``options`` are those of :class:`mlkit.quality.LabelQualityState`."""
    under_way = steps(["thresholds", "issues", "report"], "audit", progress)

    next(under_way)
    state: LabelQualityState | None = None
    for number, batch in enumerate(source()):
        if state is None:
            state = LabelQualityState(_width(batch), **options)
        with _placed(number, state.n_rows_):
            state.update_thresholds(batch.labels, batch.pred_probs)
    if state is None:
        raise ValueError("labels: expected at least one batch, got none")
    state.freeze()

    next(under_way)
    for number, batch in enumerate(source()):
        with _placed(number, state.n_rows_):
            state.update_issues(batch.labels, batch.pred_probs, ids=batch.ids)
    if state.n_rows_ == 0:
        raise ValueError(
            "labels: expected a function that returns all batches each time it is called, got none the second time"
        )

    next(under_way)
    audit = state.finalize()
    for _ in under_way:  # closes the bar
        pass
    return audit


def _width(batch: Batch) -> int:
    """Number of labels: lists of labels do not say it, but their probabilities do."""
    for value in (batch.labels, batch.pred_probs):
        shape = getattr(value, "shape", ())
        if isinstance(shape, tuple) and len(shape) == 2:
            return max(1, int(shape[1]))
    first = batch.pred_probs[0] if isinstance(batch.pred_probs, (list, tuple)) and batch.pred_probs else None
    return len(first) if isinstance(first, (list, tuple)) else 1


@contextmanager
def _placed(number: int, first_row: int) -> Iterator[None]:
    """Say in which batch an error lies."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} (in batch {number}, which begins at row {first_row})") from error


def _checked(batches: Any) -> Iterator[Batch]:
    if not isinstance(batches, Iterable):
        raise TypeError(
            "labels: expected a function that returns an iterator of (labels, pred_probs) batches, "
            f"which returned {described(batches)}"
        )
    for number, batch in enumerate(batches):
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise TypeError(
                "labels: expected batches (labels, pred_probs) or (labels, pred_probs, ids), "
                f"got {described(batch)} as batch {number}"
            )
        yield Batch(*batch)


def _parquet(labels: Path, pred_probs: Path) -> Source:
    files = [_open_parquet("labels", labels), _open_parquet("pred_probs", pred_probs)]
    n_rows = [file.metadata.num_rows for file in files]
    if n_rows[0] != n_rows[1]:
        raise ValueError(f"pred_probs: expected {n_rows[0]} rows as in {labels.name}, got {n_rows[1]}")
    rows = max(1, _CELLS // max(1, files[0].metadata.num_columns))

    def batches() -> Iterator[Batch]:
        for part, other in zip(*(file.iter_batches(batch_size=rows) for file in files), strict=True):
            (frame, ids), (probs, other_ids) = _frame(part), _frame(other)
            if ids is not None and other_ids is not None and not (ids == other_ids).all():
                raise ValueError(
                    f"pred_probs: expected the rows of {labels.name} in the same order, got other ids in the index"
                )
            yield Batch(frame, probs, other_ids if ids is None else ids)

    return batches


def _open_parquet(argument: str, path: Path) -> Any:
    parquet = require("pyarrow.parquet", extra="parquet", purpose="reading Parquet files")
    if not path.exists():
        raise FileNotFoundError(f"{argument}: expected a Parquet file, got {path}, which does not exist")
    try:
        return parquet.ParquetFile(path)
    except require("pyarrow", extra="parquet", purpose="reading Parquet files").ArrowException as error:
        reason = " ".join(str(error).split())[:160].rstrip(".")
        raise ValueError(f"{argument}: expected a Parquet file, got {path}, which is none ({reason})") from error


def _frame(part: Any) -> tuple[pd.DataFrame, Any]:
    """The columns of a part of a file, and the ids that pandas stored as its index."""
    import pandas as pd

    frame = part.to_pandas()
    ids = None if isinstance(frame.index, pd.RangeIndex) or frame.index.nlevels > 1 else frame.index.to_numpy()
    frame = frame.reset_index(drop=True)
    columns = [str(name) for name in frame.columns]
    frame.columns = pd.Index(range(len(columns)) if columns == [str(at) for at in range(len(columns))] else columns)
    return frame, ids
