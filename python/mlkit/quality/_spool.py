"""Columns of numbers that grow: in memory while they are small, else in temporary files."""

from __future__ import annotations

import tempfile
import weakref
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Spool:
    """One column. What is appended stays in memory until :meth:`flush` moves it to a file without a name."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.size = 0
        self._held: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes that are kept in memory."""
        return sum(part.nbytes for part in self._held)

    def append(self, values: NDArray[Any]) -> None:
        """Add numbers at the end; a copy is kept."""
        if values.size:
            self._held.append(np.array(values, self.dtype))
            self.size += values.size

    def flush(self) -> None:
        """Move what is in memory to the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="mlkit-")  # noqa: SIM115 (lives as long as the column)
            weakref.finalize(self, self._file.close)
        for part in self._held:
            self._file.write(part.data)
        self._held.clear()

    def array(self) -> NDArray[Any]:
        """All numbers, from memory or mapped from the file."""
        if self._file is None:
            self._held = [np.concatenate(self._held)] if self._held else []
            return self._held[0] if self._held else np.empty(0, self.dtype)
        self.flush()
        self._file.flush()
        return np.asarray(np.memmap(self._file, self.dtype, mode="r", shape=(self.size,)))

    def __getstate__(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "values": np.array(self.array())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["dtype"])  # type: ignore[misc]
        self.append(state["values"])


class Spools:
    """Columns that together keep no more than so many bytes in memory."""

    def __init__(self, max_bytes: int, **dtypes: DTypeLike) -> None:
        self.max_bytes = max_bytes
        self._columns = {name: Spool(dtype) for name, dtype in dtypes.items()}

    def append(self, **values: NDArray[Any]) -> None:
        """Add numbers at the ends of columns."""
        for name, numbers in values.items():
            self._columns[name].append(numbers)
        if sum(column.held_bytes for column in self._columns.values()) > self.max_bytes:
            for column in self._columns.values():
                column.flush()

    def size(self, name: str) -> int:
        """How many numbers a column has."""
        return self._columns[name].size

    def array(self, name: str) -> NDArray[Any]:
        """A column's numbers."""
        return self._columns[name].array()
