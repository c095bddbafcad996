"""pandas and polars frames as arrays with names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkit._validation.params import check_label_names, shorten


def is_frame(value: Any) -> bool:
    """Whether ``value`` is a pandas or polars DataFrame (neither is imported for the question)."""
    module = type(value).__module__.split(".")[0]
    return module in ("pandas", "polars") and hasattr(value, "columns") and len(getattr(value, "shape", ())) == 2


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
    ValueError
        If columns and ``names`` are not the same set.
    """
    own = frame_names(argument, frame)
    if own is None:
        return _cells(frame), None if names is None else tuple(names)
    if names is None or tuple(names) == own:
        return _cells(frame), own
    if set(names) != set(own):
        missing, extra = [c for c in names if c not in own], [c for c in own if c not in names]
        raise ValueError(
            f"{argument}: expected the columns {shorten(list(names))} in any order, got {len(own)} columns; "
            f"missing {shorten(missing)}, unexpected {shorten(extra)}"
        )
    position = {name: j for j, name in enumerate(own)}
    order = [position[name] for name in names]
    ordered = frame[:, order] if type(frame).__module__.startswith("polars") else frame.iloc[:, order]
    return _cells(ordered), tuple(names)


def _cells(frame: Any) -> Any:
    if type(frame).__module__.startswith("polars"):
        return frame.to_numpy()
    if all(hasattr(dtype, "fill_value") for dtype in frame.dtypes) and frame.shape[1]:
        return frame.sparse.to_coo().tocsr()
    array = frame.to_numpy()
    if array.dtype == object:  # nullable columns: let pandas name its missing values
        try:
            return frame.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            return array
    return array
