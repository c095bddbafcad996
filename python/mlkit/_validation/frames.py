"""pandas and polars frames as arrays with names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkit._validation.params import check_label_names, shorten, shorten_type


def is_frame(value: Any) -> bool:
    """Whether ``value`` is a pandas or polars DataFrame (neither is imported for the question)."""
    return _library(value) is not None


def _library(frame: Any) -> str | None:
    for kind in type(frame).__mro__:
        library = kind.__module__.split(".")[0]
        if kind.__name__ == "DataFrame" and library in ("pandas", "polars"):
            return library
    return None


def frame_names(argument: str, frame: Any) -> tuple[str, ...] | None:
    """Return a frame's column names; None for anything else and for default columns 0, 1, 2, ..."""
    if not is_frame(frame):
        return None
    columns = list(frame.columns)
    if columns == list(range(len(columns))):
        return None
    return check_label_names([str(c) for c in columns], argument=f"{argument} columns")


def read_frame(argument: str, frame: Any, names: Sequence[str] | None) -> tuple[Any, tuple[str, ...] | None]:
    """Return a frame's cells and column names, in the order of ``names`` where those are given.

    Columns that are a default ``RangeIndex`` carry no names. Missing values become NaN. A frame of pandas' sparse
    columns comes back as a SciPy sparse matrix.

    Raises
    ------
    TypeError
        If a column holds no numbers.
    ValueError
        If columns and ``names`` are not the same set.
    """
    own = frame_names(argument, frame)
    if own is None or names is None or tuple(names) == own:
        return _cells(argument, frame), own if own is not None or names is None else tuple(names)
    missing, extra = sorted(set(names) - set(own)), sorted(set(own) - set(names))
    if missing or extra:
        raise ValueError(
            f"{argument}: expected the columns {shorten(list(names))} in any order, got {shorten(list(own))} "
            f"(missing {shorten(missing)}, unexpected {shorten(extra)})"
        )
    position = {name: j for j, name in enumerate(own)}
    order = [position[name] for name in names]
    ordered = frame[:, order] if _library(frame) == "polars" else frame.iloc[:, order]
    return _cells(argument, ordered), tuple(names)


def _cells(argument: str, frame: Any) -> Any:
    return (_polars_cells if _library(frame) == "polars" else _pandas_cells)(argument, frame)


def _bad_column(argument: str, name: Any, dtype: Any) -> TypeError:
    where = f"column {shorten(name, 40)}"
    return TypeError(f"{argument}: expected columns of numbers, got {shorten_type(dtype)} in {where}")


def _pandas_cells(argument: str, frame: Any) -> Any:
    import pandas as pd

    kinds = {}
    for name, dtype in zip(frame.columns, frame.dtypes):
        numbers = dtype.categories.dtype if isinstance(dtype, pd.CategoricalDtype) else dtype
        kinds[dtype] = numbers.kind
        if numbers.kind not in "biuf" and dtype != np.dtype(object):
            raise _bad_column(argument, name, dtype)
    if np.dtype(object) in kinds:
        return frame.to_numpy(dtype=object)
    if kinds and all(isinstance(dtype, pd.SparseDtype) for dtype in kinds):
        if all(dtype.fill_value == 0 for dtype in kinds):
            return frame.sparse.to_coo().tocsr()
        frame = frame.sparse.to_dense()  # what is not stored is not zero: pandas, too, can only spell it out
        return _pandas_cells(argument, frame)
    if all(isinstance(dtype, np.dtype) for dtype in kinds):
        return frame.to_numpy(dtype=np.result_type(*kinds) if kinds else None)
    if all(kind in "biu" for kind in kinds.values()) and not frame.isna().to_numpy().any():
        return frame.to_numpy(dtype=bool if set(kinds.values()) == {"b"} else np.int64)
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _polars_cells(argument: str, frame: Any) -> Any:
    import polars as pl

    columns = []
    for column in frame.get_columns():
        if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
            raise _bad_column(argument, column.name, column.dtype)
        narrow = column.dtype == pl.Boolean and (column.null_count() or set(frame.dtypes) != {pl.Boolean})
        wide = column.dtype == pl.Null or column.dtype == pl.Decimal
        columns.append(column.cast(pl.Int8) if narrow else column.cast(pl.Float64) if wide else column)
    return pl.DataFrame(columns).to_numpy()
