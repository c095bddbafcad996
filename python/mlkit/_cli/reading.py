"""Files to arrays: matrices of labels or probabilities, and lists of names, ids or folds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._cli.numpy_files import Rows, read_numpy
from mlkit._cli.sources import Source
from mlkit._cli.tables import Table, TableOptions, read_csv, read_parquet

NUMPY = (".npy", ".npz")
_TEXT = (".csv", ".tsv")
PARQUET = (".parquet", ".pq")
SUFFIXES = (*NUMPY, *_TEXT, *PARQUET)


def read_matrix(source: Source, options: TableOptions) -> Any:
    """Return an array (memory-mapped where the file allows), a sparse matrix, :class:`Rows` or a :class:`Table`."""
    if source.suffix in NUMPY:
        return read_numpy(source)
    if source.suffix in _TEXT:
        return read_csv(source, options)
    if source.suffix in PARQUET:
        return read_parquet(source, options)
    raise source.bad(f"a file that ends in {', '.join(SUFFIXES[:-2])} or .parquet", "")


def read_list(source: Source) -> NDArray[Any] | list[str]:
    """Return what a text lists line by line, or a NumPy file as one dimension."""
    if source.suffix in NUMPY:
        values = read_numpy(source)
        if not isinstance(values, np.ndarray) or values.ndim != 1:
            kind = f"shape {values.shape}" if isinstance(values, np.ndarray) else "a sparse matrix"
            raise source.bad("a list", f" with {kind}")
        return values
    if source.suffix in PARQUET:
        raise source.bad("text with one entry a line, .npy or .npz:NAME", "")
    try:
        lines = source.path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise source.unreadable(error) from error
    except UnicodeDecodeError as error:
        raise source.bad("text in UTF-8", f", which is not ({error.reason} at byte {error.start})") from error
    entries = [line.strip() for line in lines]
    while entries and not entries[-1]:
        entries.pop()
    if not all(entries):
        raise source.bad("one entry a line", f", in which line {entries.index('') + 1} is empty")
    if not entries:
        raise source.bad("one entry a line", ", which is blank")
    return entries


def width_of(matrix: Any) -> int | None:
    """How many columns; None if the file does not say."""
    if isinstance(matrix, Rows):
        return None
    shape = matrix.frame.shape if isinstance(matrix, Table) else matrix.shape
    return int(shape[1]) if len(shape) == 2 else None
