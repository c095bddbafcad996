"""NumPy's files: an array, or an archive of arrays, dense or sparse."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._cli.errors import InputError
from mlkit._cli.sources import Source
from mlkit._validation.params import suggest

_BROKEN = (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)
_MAGIC = b"\x93NUMPY"  # how a file with one array begins
_SHOWN = 12  # names of arrays in a message


@dataclass(frozen=True)
class Rows:
    """CSR arrays that do not say how many columns there are."""

    source: Source
    indptr: NDArray[Any]
    indices: NDArray[Any]
    data: NDArray[Any]

    def widened(self, n_columns: int) -> Any:
        """The sparse matrix with so many columns."""
        return _make_csr(self.source, self.data, self.indices, self.indptr, (self.indptr.size - 1, n_columns))


def read_numpy(source: Source) -> Any:
    """Return a (memory-mapped) array, a SciPy sparse matrix, or :class:`Rows`."""
    try:
        with source.path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                file.seek(0)
                with np.load(file, allow_pickle=False) as archive:
                    return _read_archive(source, archive)
        if source.member is not None:
            raise source.bad("an .npz archive", f", which holds one array (leave out ':{source.member}')")
        return np.load(source.path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise source.unreadable(error) from error
    except _BROKEN as error:
        raise _broken(source, error) from error


def _broken(source: Source, error: Exception) -> InputError:
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return source.bad("numbers", ", which holds Python objects (these are not read: they could run code)")
    return source.bad("a file that NumPy has saved", ", which is broken or in another format")


def _read_archive(source: Source, archive: Any) -> Any:
    names = list(archive.files)
    if source.member is None and "format" in names:
        return _read_scipy(source)
    prefixes = {
        name[: -len("indptr")]: name[: -len("_indptr")]
        for name in names
        if (name == "indptr" or name.endswith("_indptr")) and f"{name[: -len('indptr')]}indices" in names
    }
    pieces = {prefix + piece for prefix in prefixes for piece in ("indptr", "indices", "data", "shape")}
    choices = {**{name: name for name in names if name not in pieces}, **{v: k for k, v in prefixes.items()}}
    wanted = source.member
    if wanted is None:
        if len(choices) != 1:
            raise source.bad(f"one array, or {source.path.name}:NAME", f" with {_listed(choices, prefixes)}")
        [wanted] = choices
    elif wanted not in choices and wanted not in names:
        hint = suggest(wanted, choices)
        raise source.bad(f"an array of {source.path.name}", f":{wanted}{hint}; it holds {_listed(choices, prefixes)}")
    if wanted in names:
        return np.asarray(archive[wanted])
    return _read_csr(source, archive, choices[wanted])


def _listed(choices: dict[str, str], prefixes: dict[str, str]) -> str:
    if not choices:
        return "no arrays"
    shown = [f"{name} (sparse)" if name in prefixes.values() else name for name in list(choices)[:_SHOWN]]
    more = len(choices) - len(shown)
    noun = "array" if len(choices) == 1 else "arrays"
    return f"{len(choices)} {noun}: {', '.join(shown)}{f' and {more} more' if more else ''}"


def _read_scipy(source: Source) -> Any:
    from scipy import sparse

    try:
        return sparse.load_npz(source.path)
    except (TypeError, *_BROKEN) as error:
        raise source.bad("a sparse matrix that SciPy has saved", ", which is broken or in another format") from error


def _read_csr(source: Source, archive: Any, prefix: str) -> Any:
    indptr, indices = archive[f"{prefix}indptr"], archive[f"{prefix}indices"]
    data = np.ones(indices.shape, np.int8)
    if f"{prefix}data" in archive.files:
        data = archive[f"{prefix}data"]
    if any(part.ndim != 1 for part in (indptr, indices, data)) or indptr.size == 0:
        raise _not_csr(source, f"{prefix}indptr, {prefix}indices and {prefix}data of one dimension")
    if f"{prefix}shape" not in archive.files:
        return Rows(source, indptr, indices, data)
    shape = archive[f"{prefix}shape"]
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise _not_csr(source, f"{prefix}shape to hold two integers")
    return _make_csr(source, data, indices, indptr, (int(shape[0]), int(shape[1])))


def _make_csr(
    source: Source, data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], shape: tuple[int, int]
) -> Any:
    from scipy.sparse import csr_array

    if indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        raise _not_csr(source, "integers for indptr and indices")
    if (
        indptr.size != shape[0] + 1
        or indices.size != data.size
        or indptr[0] != 0
        or indptr[-1] != indices.size
        or (np.diff(indptr.astype(np.int64, copy=False)) < 0).any()
    ):
        raise _not_csr(
            source, f"CSR arrays that fit together (indptr {indptr.size}, indices {indices.size}, data {data.size})"
        )
    if indices.size and not 0 <= indices.min() <= indices.max() < shape[1]:
        raise _not_csr(source, f"column numbers in [0, {shape[1]}), found {indices.min()} to {indices.max()}")
    return csr_array((data, indices, indptr), shape=shape)


def _not_csr(source: Source, expected: str) -> InputError:
    where = source.path.name if source.member is None else f"{source.path.name}:{source.member}"
    return InputError(f"{source.option}: expected {expected} in {where}")
