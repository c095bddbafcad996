"""Files of what must hold between labels: hierarchies and rules, a line of text for each, or a NumPy array."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlkit._cli.errors import InputError, as_options
from mlkit._cli.numpy_files import read_numpy
from mlkit._cli.reading import NUMPY, PARQUET
from mlkit._cli.sources import Source
from mlkit._validation.params import shorten
from mlkit._validation.rules import check_hierarchy, check_rules

_EDGE = ["parent", "child"]  # a header that may be there
_RULES = "'implies,A,B', 'excludes,A,B' or 'count,LEAST,MOST,A,B,...'"
_SEPARATORS = (",", ";", "\t")

Names = tuple[str, ...] | None


class _Lines:
    """The cells of the lines of a text that say something, and the lines' numbers."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.cells: list[list[str]] = []
        self.numbers: list[int] = []
        if source.suffix in PARQUET:
            raise source.bad("text", "")
        try:
            with source.path.open(encoding="utf-8-sig", newline="") as file:
                lines = [line for line in file if line.strip() and not line.lstrip().startswith("#")]
                separator = max(_SEPARATORS, key="".join(lines[:1]).count)
                file.seek(0)
                blanked = ("\n" if line.lstrip().startswith("#") else line for line in file)
                reader = csv.reader(blanked, delimiter=separator, skipinitialspace=True)
                for cells in reader:
                    stripped = [cell.strip() for cell in cells]
                    if any(stripped):
                        self.cells.append(stripped)
                        self.numbers.append(reader.line_num)
        except OSError as error:
            raise source.unreadable(error) from error
        except UnicodeDecodeError as error:
            raise source.bad("text in UTF-8", f", which is not ({error.reason} at byte {error.start})") from error
        except csv.Error as error:
            raise source.bad("lines of cells", f", which has none ({error})") from error
        if not self.cells:
            raise source.bad(
                "a line for each rule" if source.option == "--rules" else "a hierarchy", ", which is blank"
            )

    def bad(self, expected: str, place: int) -> InputError:
        """A line that is not what it should be."""
        text, where = shorten(",".join(self.cells[place])), f"line {self.numbers[place]} of {self.source.path.name}"
        return InputError(f"{self.source.option}: expected {expected}, got {text} in {where}")

    @contextmanager
    def judged(self) -> Iterator[None]:
        """Say of what is wrong with an argument in which line it is."""
        try:
            yield
        except (TypeError, ValueError) as error:
            text = as_options(str(error).partition(": ")[2])
            name = self.source.path.name
            text, n = re.subn(r"\bat position (\d+)", lambda m: f"in line {self.numbers[int(m[1])]} of {name}", text)
            if not n:
                lines = r"in lines {} and {} of {}"
                text, n = re.subn(
                    r"\bat positions (\d+) and (\d+)",
                    lambda m: lines.format(self.numbers[int(m[1])], self.numbers[int(m[2])], name),
                    text,
                )
            raise InputError(f"{self.source.option}: {text}" + ("" if n else f" (in {name})")) from error


def read_hierarchy(source: Source, n_labels: int, names: Names) -> Any:
    """Return a parent array, (parent, child) pairs or label paths, judged against the labels."""
    if source.suffix in NUMPY:
        array = read_numpy(source)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim not in (1, 2):
            got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "a sparse matrix"
            raise source.bad("the number of each label's parent (-1: none)", f" with {got}")
        hierarchy: Any = [tuple(row) for row in array.tolist()] if array.ndim == 2 else array.tolist()
        try:
            check_hierarchy(hierarchy, n_labels, names)
        except (TypeError, ValueError) as error:
            text = str(error).partition(": ")[2]
            raise InputError(f"{source.option}: {text} (in {source.path.name})") from error
        return hierarchy
    lines = _Lines(source)
    width = len(lines.cells[0])
    if width > 2:
        raise lines.bad("'PARENT,CHILD', or a parent's number or a path for each label", 0)
    for place, cells in enumerate(lines.cells):
        if len(cells) != width or not all(cells):
            raise lines.bad("'PARENT,CHILD'" if width == 2 else "one entry, as in the lines before", place)
    if width == 2:
        if lines.cells[0] == _EDGE and not set(_EDGE) <= set(names or ()):
            del lines.cells[0], lines.numbers[0]
        hierarchy = [tuple(_label(cell, names) for cell in cells) for cells in lines.cells]
    else:
        entries = [cells[0] for cells in lines.cells]
        hierarchy = [int(entry) for entry in entries] if all(map(_is_integer, entries)) else entries
    with lines.judged():
        check_hierarchy(hierarchy, n_labels, names)
    return hierarchy


def read_rules(source: Source, n_labels: int, names: Names) -> list[tuple[Any, ...]]:
    """Return rules as :func:`mlkit.quality.rule_violations` takes them, judged against the labels."""
    if source.suffix in NUMPY:
        raise source.bad(f"text with lines {_RULES}", "")
    lines = _Lines(source)
    rules: list[tuple[Any, ...]] = []
    for place, (kind, *cells) in enumerate(lines.cells):
        if kind in ("implies", "excludes") and len(cells) == 2 and all(cells):
            rules.append((kind, *(_label(cell, names) for cell in cells)))
        elif kind == "count" and len(cells) >= 3 and all(cells) and all(map(_is_integer, cells[:2])):
            rules.append((kind, [_label(cell, names) for cell in cells[2:]], int(cells[0]), int(cells[1])))
        else:
            raise lines.bad(_RULES, place)
    with lines.judged():
        check_rules(None, rules, n_labels, names)
    return rules


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+", text) is not None


def _label(text: str, names: Names) -> str | int:
    """A label's name or, if there is none like that, its number."""
    return int(text) if _is_integer(text) and text not in (names or ()) else text
