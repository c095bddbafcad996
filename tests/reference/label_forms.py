"""The same labels in every accepted form: what the tests of all roads walk through.

A form is a function from int8 labels of shape (n, L), 1 / 0 / -1 for unknown, to what a user may pass. ``WITH_UNKNOWN``
can say -1 themselves; ``WITHOUT_UNKNOWN`` cannot, and take the absence of a label or an ``unknown=`` mask.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

from reference.labels import Labels

Form = Callable[[Labels], Any]


def names_of(n_labels: int) -> list[str]:
    """Names whose alphabetical order is not that of the labels."""
    return [f"label {(7 * j + 3) % 1000:03d}" for j in range(n_labels)]


# -------------------------------------------------------------------------------------------------------------- arrays

SIGNED = ("int8", "int16", "int32", "int64")
FLOATS = ("float16", "float32", "float64", "longdouble")
UNSIGNED = ("bool", "uint8", "uint16", "uint32", "uint64")


def array_of(dtype: str) -> Form:
    def form(y: Labels) -> Any:
        out = y.astype(dtype)
        if out.dtype.kind == "f":
            out[y == -1] = np.nan
        return out

    return form


def strided(y: Any) -> Any:
    """Every second row and third column of a larger array."""
    large = np.full((2 * y.shape[0], 3 * y.shape[1]), 7, y.dtype)
    large[::2, ::3] = y
    return large[::2, ::3]


def columns_of_a_larger_array(y: Any) -> Any:
    large = np.full((y.shape[0], y.shape[1] + 5), 7, y.dtype)
    large[:, 2:-3] = y
    return large[:, 2:-3]


def backwards(y: Any) -> Any:
    """Negative strides along both axes."""
    return y[::-1, ::-1].copy()[::-1, ::-1]


def read_only(y: Any) -> Any:
    out = y.copy()
    out.flags.writeable = False
    return out


def field_of_records(y: Any) -> Any:
    """Cells at odd addresses, as packed records have them."""
    records = np.zeros(y.shape, np.dtype([("pad", "u1"), ("y", y.dtype)]))
    records["y"] = y
    return records["y"]


def memory_mapped(y: Any) -> Any:
    with tempfile.TemporaryFile() as file:
        out = np.memmap(file, y.dtype, mode="w+", shape=y.shape)
    out[...] = y
    return out


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "strided Fortran order": lambda y: strided(y.T).T,
    "columns of a larger array": columns_of_a_larger_array,
    "backwards": backwards,
    "read-only": read_only,
    "field of records": field_of_records,
    "memory-mapped": memory_mapped,
}

# -------------------------------------------------------------------------------------------------------------- sparse

FORMATS = ("csr", "csc", "coo", "lil", "bsr", "dok", "dia")


def sparse_of(fmt: str, kind: str, dtype: str = "int8") -> Form:
    """A SciPy sparse matrix or array of a format."""
    return lambda y: getattr(sparse, f"{fmt}_{kind}")(array_of(dtype)(y))


def csr_with(index_dtype: str) -> Form:
    def form(y: Labels) -> Any:
        csr = sparse.csr_array(y)
        out = sparse.csr_array(y.shape, dtype=np.int8)
        out.data, out.indices, out.indptr = csr.data, csr.indices.astype(index_dtype), csr.indptr.astype(index_dtype)
        return out

    return form


def csr_of(y: Labels, entries: list[list[tuple[int, int]]], dtype: str = "int8") -> Any:
    """Compressed rows with exactly these (label, value) entries, in this order."""
    flat = [entry for row in entries for entry in row]
    data = np.array([value for _, value in flat], dtype)
    indices = np.array([label for label, _ in flat], np.int32)
    return sparse.csr_array((data, indices, np.cumsum([0, *map(len, entries)])), shape=y.shape)


def entries_of(y: Labels) -> list[list[tuple[int, int]]]:
    return [[(label, value) for label, value in enumerate(row) if value] for row in y.tolist()]


def csr_unsorted(y: Labels) -> Any:
    return csr_of(y, [row[::-1] for row in entries_of(y)])


def csr_duplicates(y: Labels) -> Any:
    """Each entry as 2v + 1 and -v - 1, apart from each other."""
    rows = entries_of(y)
    return csr_of(y, [[(j, 2 * v + 1) for j, v in row] + [(j, -v - 1) for j, v in row[::-1]] for row in rows])


def csr_explicit_zeros(y: Labels) -> Any:
    return csr_of(y, [list(enumerate(row)) for row in y.tolist()])


def csr_spare_room(y: Labels) -> Any:
    """Arrays longer than the row bounds say."""
    out = sparse.csr_array(y)
    out.data = np.append(out.data, np.full(3, 9, np.int8))
    out.indices = np.append(out.indices, np.full(3, 0, out.indices.dtype))
    return out


# --------------------------------------------------------------------------------------------------------------- lists


def ids(y: Labels) -> list[list[int]]:
    return [np.flatnonzero(row == 1).tolist() for row in y]


def names(y: Labels) -> list[list[str]]:
    of_label = names_of(y.shape[1])
    return [[of_label[j] for j in row] for row in ids(y)]


def object_array(rows: list[Any]) -> Any:
    out = np.empty(len(rows), object)
    out[:] = rows
    return out


LISTS: dict[str, Form] = {
    "lists of ids": ids,
    "tuples of ids": lambda y: tuple(tuple(row) for row in ids(y)),
    "sets of ids": lambda y: [set(row) for row in ids(y)],
    "frozensets of ids": lambda y: [frozenset(row) for row in ids(y)],
    "arrays of ids": lambda y: [np.array(row, np.int32) for row in ids(y)],
    "float arrays where empty": lambda y: [np.array(row) for row in ids(y)],
    "arrays of different types": lambda y: [np.array(row, ("u1", "i8", "u8")[i % 3]) for i, row in enumerate(ids(y))],
    "lists of NumPy ints": lambda y: [[np.int16(j) for j in row] for row in ids(y)],
    "lists and arrays": lambda y: [np.array(row, int) if i % 2 else row for i, row in enumerate(ids(y))],
    "generators of ids": lambda y: (iter(row) for row in ids(y)),
    "object array of ids": lambda y: object_array(ids(y)),
    "Series of ids": lambda y: pd.Series(ids(y), dtype=object),
    "polars Series of ids": lambda y: pl.Series(ids(y), dtype=pl.List(pl.Int64)),
    "ids in any order": lambda y: [row[::-1] for row in ids(y)],
    "repeated ids": lambda y: [row + row[:1] for row in ids(y)],
}
NAME_LISTS: dict[str, Form] = {
    "lists of names": names,
    "sets of names": lambda y: [set(row) for row in names(y)],
    "arrays of names": lambda y: [np.array(row, str) for row in names(y)],
    "object array of names": lambda y: object_array(names(y)),
    "Series of names": lambda y: pd.Series(names(y), dtype=object),
    "polars Series of names": lambda y: pl.Series(names(y), dtype=pl.List(pl.String)),
}

# -------------------------------------------------------------------------------------------------------------- frames


def pandas_of(dtype: Any) -> Form:
    def form(y: Labels) -> Any:
        cells = np.where(y == -1, None, y.astype(object))
        return pd.DataFrame(cells, columns=names_of(y.shape[1])).astype(dtype)

    return form


def pandas_sparse(y: Labels) -> Any:
    return pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(y), columns=names_of(y.shape[1]))


def polars_of(dtype: Any) -> Form:
    def form(y: Labels) -> Any:
        columns = {
            name: [None if value == -1 else bool(value) if dtype == pl.Boolean else value for value in column]
            for name, column in zip(names_of(y.shape[1]), y.T.tolist())
        }
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, dtype))

    return form


def object_cells(y: Labels) -> Any:
    """A mix of what may stand for the same: True and 1 and 1.0, None and NaN and NA."""
    out = np.empty(y.shape, object)
    spelled = {1: (1, True, 1.0, np.int8(1)), 0: (0, False, 0.0, np.True_ & np.False_), -1: (None, np.nan, pd.NA, -1)}
    for place, value in np.ndenumerate(y):
        out[place] = spelled[int(value)][sum(place) % 4]
    return out


FRAMES_WITH_UNKNOWN: dict[str, Form] = {
    "pandas Int64": pandas_of("Int64"),
    "pandas Int8": pandas_of("Int8"),
    "pandas boolean": pandas_of("boolean"),
    "pandas Float32": pandas_of("Float32"),
    "pandas float": pandas_of("float64"),
    "pandas object": pandas_of(object),
    "pandas sparse": pandas_sparse,
    "pandas sparse with missing": lambda y: pandas_of("float64")(y).astype(pd.SparseDtype(float)),
    "pandas arrow": pandas_of("int8[pyarrow]"),
    "polars Int8": polars_of(pl.Int8),
    "polars Boolean": polars_of(pl.Boolean),
    "polars Float32": polars_of(pl.Float32),
}
FRAMES_WITHOUT_UNKNOWN: dict[str, Form] = {
    "pandas bool": pandas_of("bool"),
    "pandas int": pandas_of("int64"),
    "pandas of different types": lambda y: pandas_of("int64")(y).astype({names_of(y.shape[1])[0]: bool}),
    "pandas category": pandas_of("category"),
    "pandas sparse of ones": lambda y: pandas_of("int64")(y).astype(pd.SparseDtype(int, 1)),
    "pandas dummies": lambda y: pandas_of("bool")(y).astype(pd.SparseDtype(bool)),
    "polars UInt8": polars_of(pl.UInt8),
}

# ----------------------------------------------------------------------------------------------------------- all forms

WITH_UNKNOWN: dict[str, Form] = {
    **{f"{dtype} array": array_of(dtype) for dtype in SIGNED + FLOATS},
    **{f"{dtype} array, {layout}": lambda y, d=dtype, f=function: f(array_of(d)(y))
       for dtype in ("int8", "float64") for layout, function in LAYOUTS.items()},
    **{f"{fmt}_{kind}": sparse_of(fmt, kind) for fmt in FORMATS for kind in ("matrix", "array")},
    **{f"csr_array of {dtype}": sparse_of("csr", "array", dtype) for dtype in ("int64", "float32", "float64")},
    **{f"csr with {dtype} indices": csr_with(dtype) for dtype in ("int32", "int64")},
    "csr unsorted": csr_unsorted,
    "csr with duplicates": csr_duplicates,
    "csr with explicit zeros": csr_explicit_zeros,
    "csr with spare room": csr_spare_room,
    "object array": object_cells,
    "matrix subclass": lambda y: y.view(np.matrix),
    **FRAMES_WITH_UNKNOWN,
}  # fmt: skip
WITHOUT_UNKNOWN: dict[str, Form] = {
    **{f"{dtype} array": array_of(dtype) for dtype in UNSIGNED},
    **{f"bool array, {layout}": lambda y, f=function: f(y == 1) for layout, function in LAYOUTS.items()},
    "csr_array of bool": lambda y: sparse.csr_array(y == 1),
    "csr_array of uint8": lambda y: sparse.csr_array((y == 1).astype(np.uint8)),
    **LISTS,
    **NAME_LISTS,
    **FRAMES_WITHOUT_UNKNOWN,
}


def options_of(form: str, y: Labels) -> dict[str, Any]:
    """What must be said beside a form: lists do not tell how many labels there are."""
    if form in LISTS:
        return {"n_labels": y.shape[1]}
    return {"label_names": names_of(y.shape[1])} if form in NAME_LISTS else {}


def some_labels(n: int, n_labels: int, density: float = 0.2, unknown: float = 0.0, seed: int = 0) -> Labels:
    """Random labels; with ``unknown`` > 0 some -1 among them (and some 0, so that -1 cannot mean absent)."""
    rng = np.random.default_rng([seed, n, n_labels])
    y = (rng.random((n, n_labels)) < density).astype(np.int8)
    if unknown:
        y[rng.random((n, n_labels)) < unknown] = -1
        y[0, 0] = 0
    return y
