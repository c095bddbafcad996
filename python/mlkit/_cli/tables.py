"""Tables in text (CSV and its kin) and in Parquet: columns are labels, one of them may hold the examples' ids."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._cli.errors import InputError
from mlkit._cli.sources import Source
from mlkit._validation.optional import require
from mlkit._validation.params import shorten, suggest

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class Table:
    """Columns of numbers, and the ids of the rows where the file has them."""

    source: Source
    frame: pd.DataFrame
    ids: NDArray[Any] | None


@dataclass(frozen=True)
class TableOptions:
    """What the user says of tables: which column holds ids, whether text begins with names, what else means NaN."""

    id_column: str | None = None
    has_header: bool = True
    missing: str | None = None


def read_csv(source: Source, options: TableOptions) -> Table:
    """Read a table in text; every cell is a number, or missing, or the id of its row."""
    import pandas as pd

    try:
        separator, first, second = _sniff(source)
        header = _check_header(source, first, second) if options.has_header else None
        width = len(first)
        ids_at = None if header is None else _find_ids(header, options.id_column)
        frame = pd.read_csv(
            source.path,
            sep=separator,
            header=None if header is None else 0,
            names=list(range(width)),
            index_col=False,
            converters={} if ids_at is None else {ids_at: str.strip},
            na_values=[] if options.missing is None else [options.missing],
            decimal="," if separator == ";" and _has_decimal_comma(second) else ".",
            skipinitialspace=True,
            encoding="utf-8-sig",
            low_memory=False,
            **_exact(),
        )
    except OSError as error:
        raise source.unreadable(error) from error
    except UnicodeDecodeError as error:
        raise source.bad("text in UTF-8", f", which is not ({error.reason} at byte {error.start})") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        reason = re.sub(r"^Error tokenizing data\. C error: ", "", str(error)).strip().rstrip(".")
        raise source.bad("a table", f", which is none ({reason})") from error
    if width > 1 and frame[width - 1].isna().any():  # a row that ends too early reads as if its last cells were empty
        _check_widths(source, separator, width)
    ids = None if ids_at is None else frame.pop(ids_at).to_numpy(dtype=object).astype(str)
    if header is not None:
        if not header[0] and width > 1 and ids_at != 0:
            frame = frame.drop(columns=0)  # the row numbers that pandas writes, beside a better id
        own = [header[at] for at in frame.columns]
        frame.columns = pd.Index(range(len(own)) if own == _counted(len(own)) else own)
    return Table(source, _numbers(source, frame, options), ids)


def _sniff(source: Source) -> tuple[str, list[str], list[str]]:
    """The separator, and the cells of the first two lines that are not blank."""
    with source.path.open(encoding="utf-8-sig", newline="") as file:
        line = next((line for line in file if line.strip()), "")
        bare = re.sub(r'"[^"]*"', "", line)
        separator = max(_SEPARATORS, key=bare.count)
        file.seek(0)
        rows = (row for row in csv.reader(file, delimiter=separator, skipinitialspace=True) if row)
        first, second = next(rows, []), next(rows, [])
    first = [cell.strip() for cell in first]
    if not first:
        raise source.bad("a table", ", which holds nothing but blank lines")
    if second and len(second) != len(first):
        raise _ragged(source, len(first), f"{len(second)} in the next")
    return separator, first, second


def _exact() -> dict[str, Any]:
    """What makes pandas read back the very number that was written; from 3.1 on it always does."""
    import pandas as pd

    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _check_header(source: Source, header: list[str], second: list[str]) -> list[str]:
    if not second:
        raise source.bad("a header and rows", ", which has one line")
    names = header if header[0] else header[1:]
    if names != _counted(len(names)) and all(_is_number(name) for name in names):
        raise source.bad("a header with label names", f", which begins with {shorten(header)} (--no-header?)")
    for at, name in enumerate(header[1:], start=1):
        if not name:
            raise source.bad("a name for each column", f", whose header is empty in column {at + 1}")
    return header


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return not text
    return True


def _counted(n: int) -> list[str]:
    """The column names that pandas makes up."""
    return [str(at) for at in range(n)]


def _has_decimal_comma(cells: list[str]) -> bool:
    return any(re.fullmatch(r"[-+]?\d*,\d+", cell.strip()) for cell in cells)


def _find_ids(header: list[str], id_column: str | None) -> int | None:
    """The column of that name; if none is asked for, a first column without a name, as pandas writes its index."""
    if id_column is not None:
        return header.index(id_column) if id_column in header else None
    return 0 if not header[0] and len(header) > 1 else None


def _check_widths(source: Source, separator: str, width: int) -> None:
    with source.path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
        for row in reader:
            if row and len(row) != width:
                raise _ragged(source, width, f"{len(row)} in line {reader.line_num}")


def _ragged(source: Source, width: int, other: str) -> InputError:
    return source.bad("rows of equal length", f" with {width} cells in its first line, {other}")


def read_parquet(source: Source, options: TableOptions) -> Table:
    """Read a Parquet file; an index that pandas stored there holds ids."""
    import pandas as pd

    pyarrow = require("pyarrow", extra="parquet", purpose="reading Parquet files")
    try:
        frame = pd.read_parquet(source.path, engine="pyarrow")
    except pyarrow.ArrowException as error:
        reason = " ".join(str(error).split())[:160].rstrip(".")
        raise source.bad("a Parquet file", f", which is none ({reason})") from error
    except OSError as error:
        raise source.unreadable(error) from error
    ids = None
    if options.id_column is None:
        if frame.index.nlevels == 1 and not isinstance(frame.index, pd.RangeIndex):
            ids = frame.index.to_numpy()
    elif options.id_column in frame.columns:
        ids = frame.pop(options.id_column).to_numpy()
    elif options.id_column in frame.index.names:
        ids = frame.index.get_level_values(options.id_column).to_numpy()
    frame = frame.reset_index(drop=True)
    columns = [str(name) for name in frame.columns]
    frame.columns = pd.Index(range(len(columns)) if columns == _counted(len(columns)) else columns)
    return Table(source, _numbers(source, frame, options), ids)


def _numbers(source: Source, frame: pd.DataFrame, options: TableOptions) -> pd.DataFrame:
    """The same frame once no cell of it is anything but a number or missing."""
    import pandas as pd

    for at, dtype in enumerate(frame.dtypes):
        if getattr(dtype, "kind", "O") in "biuf" and not isinstance(dtype, pd.CategoricalDtype):
            continue
        column = frame.iloc[:, at]
        present = column.notna().to_numpy()
        numbers = pd.to_numeric(column.astype(object).where(present, np.nan), errors="coerce")
        wrong = np.flatnonzero(present & numbers.isna().to_numpy())
        if wrong.size:
            name = frame.columns[at]
            where = f"row {wrong[0]}, column {shorten(name, 40) if isinstance(name, str) else name}"
            raise source.bad(
                "numbers",
                f" with {shorten(column.iloc[wrong[0]])} at {where}{_hint(source, name, wrong, present, options)}",
            )
        frame.isetitem(at, numbers)
    return frame


def _hint(source: Source, name: Any, wrong: NDArray[Any], present: NDArray[np.bool_], options: TableOptions) -> str:
    """What may be the matter with a column in which these cells are no numbers."""
    if not options.has_header and wrong[0] == 0:
        return " (a header? leave out --no-header)"
    if wrong.size == np.count_nonzero(present) and isinstance(name, str):
        return f" (ids? --id-column {name})"
    if source.option == "--labels" and options.missing is None:
        return " (--unknown says which value means unknown)"
    return ""


def match_rows(labels: Any, other: Table) -> pd.DataFrame:
    """The rows of the other table in the order of ``labels`` if both have ids, else as they stand."""
    import pandas as pd

    if not isinstance(labels, Table) or labels.ids is None or other.ids is None:
        return other.frame
    wanted, own = pd.Index(labels.ids.astype(str)), pd.Index(other.ids.astype(str))
    for table, ids in ((labels, wanted), (other, own)):
        if not ids.is_unique:
            twice = ids[ids.duplicated()][0]
            rows = np.flatnonzero(ids == twice)
            raise table.source.bad("distinct ids", f" with {shorten(twice)} at rows {rows[0]} and {rows[1]}")
    at = own.get_indexer(wanted)
    if (at < 0).any():
        row = int(np.argmin(at))
        hint = suggest(wanted[row], own[:10_000])
        raise other.source.bad(
            f"the ids of {labels.source.path.name}", f", which lacks {shorten(wanted[row])} of row {row}{hint}"
        )
    if own.size > wanted.size:
        extra = own[~own.isin(wanted)]
        raise other.source.bad(
            f"the ids of {labels.source.path.name}", f" with {extra.size} more, the first {shorten(extra[0])}"
        )
    return other.frame if (at == np.arange(at.size)).all() else other.frame.iloc[at].reset_index(drop=True)
