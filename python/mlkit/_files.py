"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def write_whole(path: Path, write: Callable[[Path], Any]) -> Path:
    """Let ``write`` fill a temporary file beside ``path`` and then take its place in one step.

    If writing fails, ``path`` is as it was before and no temporary file is left.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def write_together(files: list[tuple[Path, Callable[[Path], Any]]]) -> None:
    """Write all files beside their places before the first of them takes its place: all of them, or none."""
    if not files:
        return
    path, write = files[0]

    def write_rest(part: Path) -> None:
        write(part)
        write_together(files[1:])

    write_whole(path, write_rest)


def as_csv(frame: pd.DataFrame) -> Callable[[Path], Any]:
    """What writes a table as text."""
    return lambda part: frame.to_csv(part, index=False)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
