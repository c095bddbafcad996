"""Which cells ``--unknown`` means."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlkit._cli.errors import InputError
from mlkit._cli.numpy_files import Rows
from mlkit._cli.reading import SUFFIXES, read_matrix, width_of
from mlkit._cli.sources import Source, find_source
from mlkit._cli.tables import Table, TableOptions, match_rows
from mlkit._validation.arrays import is_sparse


def parse_unknown(text: str) -> Source | str:
    """Tell a file from a value."""
    named = text.lower().rpartition(":")[0] or text.lower()
    if text.lower().endswith(SUFFIXES) or named.endswith(".npz"):
        return find_source("--unknown", text)
    return text


def read_mask(source: Source, labels: Any, options: TableOptions) -> Any:
    """Return a mask of unknown cells."""
    mask = read_matrix(source, options)
    if isinstance(mask, Rows):
        mask = mask.widened(width_of(labels) or 0)
    if isinstance(mask, Table):
        mask = match_rows(labels, mask)
    values = mask.data if is_sparse(mask) else np.asarray(mask)
    if values.dtype == bool:
        return mask
    wrong = values.ravel()[~np.isin(values, (0, 1)).ravel()] if values.dtype.kind in "iuf" else values.ravel()
    if wrong.size:
        raise source.bad("a mask of 0 and 1", f" with {wrong[0]!s}")
    return mask.astype(bool)


def is_background(value: str | None) -> bool:
    """Whether the value is zero: what is not given is not known."""
    return value is not None and _number(value) == 0


def text_for_missing(value: str | None) -> str | None:
    """The value, if it is one that only tables in text can hold."""
    return value if value is not None and _number(value) is None else None


def mark_value(labels: Any, value: str) -> tuple[Any, Any]:
    """Return labels without the value and a mask of where it was; tables read it as missing already."""
    number = _number(value)
    if isinstance(labels, Table):
        return (labels.frame if number is None else labels.frame.mask(labels.frame == number)), None
    if number is None:
        raise InputError(f"--unknown: expected a number or a file, got {value!r} (only tables can hold text)")
    if is_sparse(labels):
        marked = labels.tocsr(copy=True)
        mask = marked.astype(bool)
        mask.data = _equals(marked.data, number)
        marked.data[mask.data] = 0
        mask.eliminate_zeros()
        return marked, mask
    mask = _equals(labels, number)
    return np.where(mask, labels.dtype.type(0), labels), mask


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _equals(values: Any, number: float) -> Any:
    if values.dtype.kind not in "iufb":
        return np.zeros(values.shape, bool)
    return np.isnan(values) if number != number and values.dtype.kind == "f" else values == number
