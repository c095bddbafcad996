"""Patches as text: a head, then a line for each changed cell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mlkit.quality.patch import CellPatch

FORMAT, VERSION = "mlkit.CellPatch", 1
_FIELDS = ("shape", "background", "label_names", "before", "cells")


def write(patch: CellPatch) -> str:
    """JSON text, null for a score that is NaN."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "shape": list(patch.shape),
        "background": patch.background,
        "label_names": None if patch.label_names is None else list(patch.label_names),
        "before": patch.before,
        "columns": ["row", "label", "old", "new", "score", "why"],
    }
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    start = ",\n  ".join(f"{encode(name)}: {encode(value)}" for name, value in head.items())
    columns = [part.tolist() for part in (patch.rows, patch.labels, patch.old, patch.new, patch.score)]
    rows = (
        encode([row, label, old, new, None if score != score else score, why])
        for row, label, old, new, score, why in zip(*columns, patch.why)
    )
    cells = ",\n    ".join(rows)
    return f'{{\n  {start},\n  "cells": [' + (f"\n    {cells}\n  " if cells else "") + "]\n}\n"


def read(text: str, path: Path | None) -> tuple[Any, ...]:
    """The arguments of a patch, each of them judged."""
    where = "" if path is None else f" {path.name}"
    try:
        found = json.loads(re.sub(r",(\s*\]\s*\}\s*)$", r"\1", text))  # the last change may have been deleted
    except json.JSONDecodeError as error:
        hint = "" if path is not None or text.lstrip().startswith("{") else "; a file's name is a Path, not text"
        raise ValueError(f"patch: expected JSON, got{where or ' text'} that is none ({error}{hint})") from None

    def bad(expected: str) -> ValueError:
        return ValueError(f"patch: expected {expected}{f' in{where}' if where else ''}")

    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise bad(f"a CellPatch (format {FORMAT!r})")
    if found.get("version") != VERSION:
        raise bad(f"version {VERSION}, which this mlkit reads (got {found.get('version')!r}, a later one?)")
    for field in _FIELDS:
        if field not in found:
            raise bad(f"{field!r}")
    shape, background, names = found["shape"], found["background"], found["label_names"]
    if not (isinstance(shape, list) and len(shape) == 2 and all(_is_whole(n) and n > 0 for n in shape)):
        raise bad("two whole numbers as 'shape'")
    if background not in ("negative", "unknown"):
        raise bad("'negative' or 'unknown' as 'background'")
    if names is not None and not (
        isinstance(names, list) and len(set(map(str, names))) == shape[1] == len(names) and all(map(_is_text, names))
    ):
        raise bad(f"null or {shape[1]} distinct 'label_names'")
    try:
        before = int(found["before"], 16)
    except (TypeError, ValueError):
        raise bad("16 hexadecimal digits as 'before'") from None
    return (
        tuple(shape),
        background,
        None if names is None else tuple(names),
        before,
        *_cells(found["cells"], shape, bad),
    )


def _cells(cells: Any, shape: list[int], bad: Any) -> tuple[Any, ...]:
    if not isinstance(cells, list):
        raise bad("a list as 'cells'")
    for at, cell in enumerate(cells):
        if not (isinstance(cell, list) and len(cell) == 6 and all(map(_is_whole, cell[:4])) and _is_text(cell[5])):
            raise bad(f"[row, label, old, new, score, why] as cell {at}")
        row, label, old, new, score, _ = cell
        if not (0 <= row < shape[0] and 0 <= label < shape[1]):
            raise bad(f"a cell of {shape[0]} x {shape[1]} as cell {at}, not row {row}, label {label}")
        if old not in (-1, 0, 1) or new not in (-1, 0, 1) or old == new:
            raise bad(f"two different values of 1, 0 and -1 in cell {at}, not {old} and {new}")
        if score is not None and not (isinstance(score, (int, float)) and 0 <= score <= 1):
            raise bad(f"a score in [0, 1] or null in cell {at}")
    numbers = np.array([cell[0] * shape[1] + cell[1] for cell in cells], np.int64)
    order = np.argsort(numbers, kind="stable")
    twice = np.flatnonzero(np.diff(numbers[order]) == 0)
    if twice.size:
        row, label = divmod(int(numbers[order][twice[0]]), shape[1])
        raise bad(f"each cell once, not row {row}, label {label} twice")
    old, new = (np.array([cell[k] for cell in cells], np.int8)[order] for k in (2, 3))
    score = np.array([np.nan if cell[4] is None else cell[4] for cell in cells], np.float64)[order]
    return numbers[order], old, new, score, [cells[at][5] for at in order.tolist()]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
