"""The files that options name, found before any of them is read."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mlkit._cli.errors import InputError
from mlkit._validation.params import suggest

_MEMBER = re.compile(r"(?P<path>.+\.npz):(?P<member>[^/\\]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A file, and for an archive which of its arrays; ``option`` is what named it."""

    option: str
    path: Path
    member: str | None = None

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    def bad(self, expected: str, got: str) -> InputError:
        """The file is not what the option needs; ``got`` goes on after the file's name."""
        return InputError(f"{self.option}: expected {expected}, got {self.path.name}{got}")

    def unreadable(self, error: OSError) -> InputError:
        """The system does not let us read the file."""
        return InputError(f"{self.option}: cannot read {self.path} ({error.strerror or error})")


def find_source(option: str, text: str) -> Source:
    """Tell file and member apart, and make sure that the file is there and not empty."""
    match = _MEMBER.fullmatch(text)
    source = Source(option, Path(match["path"]), match["member"]) if match else Source(option, Path(text))
    path = source.path
    try:
        if not path.exists():
            raise InputError(f"{option}: expected a file, got {path}, which does not exist{_similar(path)}")
        if path.is_dir():
            raise InputError(f"{option}: expected a file, got {path}, which is a folder")
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{option}: expected a file with content, got {path}, which is empty")
    except OSError as error:
        raise source.unreadable(error) from error
    return source


def _similar(path: Path) -> str:
    folder = path.parent
    return suggest(path.name, os.listdir(folder)) if folder.is_dir() else ""


def check_folder(option: str, text: str) -> Path:
    """Make sure, before long work, that files can be written to a folder that need not exist yet."""
    folder = Path(text)
    nearest = folder
    try:
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        is_folder = nearest.is_dir()
    except OSError as error:
        raise InputError(f"{option}: cannot write to {folder} ({error.strerror or error})") from error
    if not is_folder:
        raise InputError(f"{option}: expected a folder, got the file {nearest}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{option}: cannot write to {folder} (no permission)")
    return folder
