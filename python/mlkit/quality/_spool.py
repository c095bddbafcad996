"""Columns of numbers that grow: in memory while they are small, else in temporary files, or in files that stay."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Spool:
    """One column. What is appended stays in memory until :meth:`flush` moves it to a file: to ``path``, of which the
    first ``size`` numbers are the column's already, or to one without a name."""

    def __init__(self, dtype: DTypeLike, path: Path | None = None, size: int = 0) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.size = 0
        self._held: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None
        self._path = path
        if size:
            file = self._open("r+b")
            file.truncate(size * self.dtype.itemsize)
            file.seek(0, os.SEEK_END)
            self.size = size

    @property
    def held_bytes(self) -> int:
        """Bytes that are kept in memory."""
        return sum(part.nbytes for part in self._held)

    def append(self, values: NDArray[Any]) -> None:
        """Add numbers at the end; a copy is kept."""
        if values.size:
            self._held.append(np.array(values, self.dtype))
            self.size += values.size

    def flush(self) -> IO[bytes]:
        """Move what is in memory to the file."""
        file = self._open("w+b") if self._file is None else self._file
        for part in self._held:
            file.write(part.data)
        self._held.clear()
        file.flush()
        return file

    def sync(self) -> None:
        """Make sure that the file is on the disk."""
        os.fsync(self.flush().fileno())

    def _open(self, mode: str) -> IO[bytes]:
        # it lives as long as the column
        file: IO[bytes] = tempfile.TemporaryFile(prefix="mlkit-") if self._path is None else open(self._path, mode)  # noqa: SIM115
        weakref.finalize(self, file.close)
        self._file = file
        return file

    def array(self) -> NDArray[Any]:
        """All numbers, from memory or mapped from the file."""
        if self._file is None:
            self._held = [np.concatenate(self._held)] if self._held else []
            return self._held[0] if self._held else np.empty(0, self.dtype)
        file = self.flush()
        if not self.size:
            return np.empty(0, self.dtype)
        return np.asarray(np.memmap(file, self.dtype, mode="r", shape=(self.size,)))

    def __getstate__(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "values": np.array(self.array())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["dtype"])  # type: ignore[misc]
        self.append(state["values"])


class Spools:
    """Columns that together keep no more than so many bytes in memory.

    ``folder``: where their files stay, with ``sizes`` numbers in each already.
    """

    def __init__(
        self,
        max_bytes: int,
        dtypes: Mapping[str, DTypeLike],
        folder: Path | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self._columns = {
            name: Spool(
                dtype, None if folder is None else folder / f"{name}.column", 0 if sizes is None else sizes[name]
            )
            for name, dtype in dtypes.items()
        }

    def append(self, **values: NDArray[Any]) -> None:
        """Add numbers at the ends of columns."""
        for name, numbers in values.items():
            self._columns[name].append(numbers)
        if sum(column.held_bytes for column in self._columns.values()) > self.max_bytes:
            for column in self._columns.values():
                column.flush()

    def sync(self) -> dict[str, int]:
        """Make sure that all are on the disk; return how many numbers each has."""
        for column in self._columns.values():
            column.sync()
        return {name: column.size for name, column in self._columns.items()}

    def size(self, name: str) -> int:
        """How many numbers a column has."""
        return self._columns[name].size

    def array(self, name: str) -> NDArray[Any]:
        """A column's numbers."""
        return self._columns[name].array()
