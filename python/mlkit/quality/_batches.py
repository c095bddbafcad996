"""Where batches of an audit come from: a function of the caller's, two Parquet files, slices of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlkit import _core
from mlkit._validation.arrays import canonical_rows, is_array, is_sparse, read_array
from mlkit._validation.frames import is_frame
from mlkit._validation.optional import require
from mlkit._validation.params import check_ids, check_memory, described
from mlkit._validation.probabilities import Probabilities, check_shape, check_some, read_probabilities
from mlkit.labels.matrix import LabelMatrix

if TYPE_CHECKING:
    import pandas as pd

_CELLS = 4_000_000  # of a Parquet file, in one batch
_LARGE = 256 * 2**20  # bytes of a memory map that is not worked on as a whole


class Batch(NamedTuple):
    """Some rows."""

    labels: Any
    pred_probs: Any
    ids: Any = None
    unknown: Any = None


@dataclass(frozen=True)
class Source:
    """``batches`` goes through all of them, from the first one on each time it is called.

    Of arrays the number of rows is known, and the probabilities (not judged yet) stay at hand where they can be used as
    they are.
    """

    batches: Callable[[], Iterator[Batch]]
    n_rows: int | None = None
    pred_probs: Probabilities | None = None


def is_source(labels: Any) -> bool:
    """Whether these are not labels but where batches of them come from."""
    return isinstance(labels, Path) or (callable(labels) and not hasattr(labels, "__array__"))


def is_large_map(pred_probs: Any) -> bool:
    """Whether these are dense probabilities in a file, too many to be worked on as a whole."""
    if not isinstance(pred_probs, np.ndarray) or pred_probs.nbytes <= _LARGE:
        return False
    base: Any = pred_probs
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def open_batches(labels: Any, pred_probs: Any) -> Source:
    """Return where the batches of two Parquet files, or of a function, come from.

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
    return Source(lambda: _checked(labels()))


def slice_rows(
    labels: Any, pred_probs: Any, ids: Any, unknown: Any, max_memory: int | str, *, is_copied: bool, force: bool
) -> Source:
    """Return the batches of data at hand, so small that a few of them fit.

    ``is_copied``: other numbers will be made of the probabilities; ``force``: hard predictions will do for them.
    """
    labels, probs = _rowwise("labels", labels), _rowwise("pred_probs", pred_probs)
    mask = None if unknown is None else _rowwise("unknown", unknown)
    if isinstance(probs, list):
        probs = read_probabilities(probs, None, force=force)
    check_some(tuple(probs.shape))
    n, n_labels = _n_rows(labels), int(probs.shape[1])
    shape = (n, n_labels) if isinstance(labels, list) else tuple(labels.shape)
    check_shape(tuple(probs.shape), shape)
    if mask is not None and not isinstance(mask, list) and tuple(mask.shape) != shape:
        hint = " (transposed?)" if tuple(mask.shape) == shape[::-1] else ""
        raise ValueError(f"unknown: expected shape {shape} to match labels, got {tuple(mask.shape)}{hint}")
    names = None if ids is None else check_ids(ids, n)
    limit = check_memory("max_memory", max_memory) or 0
    of_row = n_labels if isinstance(probs, np.ndarray) and not is_copied else 8 * n_labels
    if is_sparse(probs) and not isinstance(labels, np.ndarray):
        of_row = 16 * max(1, probs.nnz // n)
    rows = max(64, min(limit // 4, 8 * _CELLS) // of_row)

    def batches() -> Iterator[Batch]:
        for begin in range(0, n, rows):
            end = min(begin + rows, n)
            own = None if names is None else names[begin:end]
            hidden = None if mask is None else _slice(mask, begin, end)
            yield Batch(_slice(labels, begin, end), _slice(probs, begin, end), own, hidden)

    return Source(batches, n, _at_hand(probs))


def _rowwise(name: str, value: Any) -> Any:
    """What rows can be sliced from."""
    if isinstance(value, (LabelMatrix, list)) or is_frame(value):
        return value
    if isinstance(value, tuple):
        return list(value)
    if is_sparse(value):
        from scipy.sparse import csr_array

        indptr, indices, data = canonical_rows(name, value)
        return csr_array((data, indices, indptr), shape=value.shape)
    if not is_array(value) or len(value.shape) != 2:
        raise TypeError(
            f"{name}: expected a 2-D array, a sparse matrix, a frame or lists with max_memory, got {described(value)}"
        )
    return read_array(name, value)


def _n_rows(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value.shape[0])


def _slice(value: Any, begin: int, end: int) -> Any:
    if isinstance(value, LabelMatrix):
        return value._rows(begin, end)
    return value.iloc[begin:end] if hasattr(value, "iloc") else value[begin:end]


def _at_hand(probs: Any) -> Probabilities | None:
    if is_frame(probs) or probs.dtype.kind != "f" or probs.dtype.itemsize > 8 or not probs.dtype.isnative:
        return None  # batches say what is wrong with them, or make something else of them
    shape = (int(probs.shape[0]), int(probs.shape[1]))
    if not is_sparse(probs):
        array = np.require(probs, requirements="A")
        return Probabilities(shape, array, None, None, _core.labels.Scores(array, False))
    indptr, indices = probs.indptr.astype(np.int64, copy=False), probs.indices.astype(np.int32, copy=False)
    core = _core.labels.Scores(indptr, indices, probs.data, shape[1], False)
    return Probabilities(shape, probs.data, indptr, indices, core)


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

    return Source(batches)


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
