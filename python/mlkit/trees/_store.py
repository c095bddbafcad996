"""Folders of a JSON header and plain arrays: written whole, read without executing anything."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VERSION = 1
_HEADER = "header.json"


def write_folder(path: str | Path, kind: str, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write a new folder that appears complete or not at all."""
    target = Path(path)
    if target.exists():
        raise ValueError(f"path: expected a folder that does not exist yet, got {str(path)!r}")
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        shapes = {name: [array.dtype.newbyteorder("<").str, list(array.shape)] for name, array in arrays.items()}
        header = {"format": f"mlkit.{kind}", "version": _VERSION, "arrays": shapes, **values}
        (part / _HEADER).write_text(json.dumps(header, indent=1), encoding="utf-8")
        for name, array in arrays.items():
            np.save(part / f"{name}.npy", array.astype(array.dtype.newbyteorder("<"), copy=False), allow_pickle=False)
        part.chmod(0o755)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def read_folder(path: str | Path, kind: str, *, mmap: bool = False) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read header and arrays of a folder that :func:`write_folder` wrote for the same ``kind``."""
    folder = Path(path)
    file = folder / _HEADER
    if not file.is_file():
        raise ValueError(f"path: expected a folder with {_HEADER}, got {str(path)!r}")
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"path: expected JSON in {file}, got {error}") from None
    if not isinstance(header, dict) or header.get("format") != f"mlkit.{kind}":
        got = header.get("format") if isinstance(header, dict) else header
        raise ValueError(f"path: expected a saved {kind}, got {got!r} in {file}")
    if header.get("version") != _VERSION:
        raise ValueError(
            f"path: expected format version {_VERSION}, got {header.get('version')!r} in {file} "
            "(written by another version of mlkit)"
        )
    arrays = {}
    for name, (dtype, shape) in header["arrays"].items():
        try:
            array = np.load(folder / f"{name}.npy", mmap_mode="r" if mmap else None, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"path: expected an array in {folder / name}.npy, got {error}") from None
        if array.dtype != np.dtype(dtype) or list(array.shape) != shape:
            got = f"{array.dtype.str} of shape {array.shape}"
            raise ValueError(f"path: expected {dtype} of shape {tuple(shape)} in {folder / name}.npy, got {got}")
        arrays[name] = array
    return header, arrays
