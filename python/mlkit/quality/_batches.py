"""Where the batches of an audit come from: a function of the caller's, or two Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlkit._validation.optional import require
from mlkit._validation.params import described

if TYPE_CHECKING:
    import pandas as pd

_CELLS = 4_000_000  # of a Parquet file, in one batch


class Batch(NamedTuple):
    """Some rows."""

    labels: Any
    pred_probs: Any
    ids: Any = None


def is_source(labels: Any) -> bool:
    """Whether these are not labels but where batches of them come from."""
    return isinstance(labels, Path) or (callable(labels) and not hasattr(labels, "__array__"))


def open_batches(labels: Any, pred_probs: Any) -> Callable[[], Iterator[Batch]]:
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


def _parquet(labels: Path, pred_probs: Path) -> Callable[[], Iterator[Batch]]:
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
