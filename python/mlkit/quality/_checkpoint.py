"""What an audit of batches has done so far, in a folder, so that one that was killed goes on where it was.

The columns that the second pass keeps are files that grow; everything else is one small file that is replaced in one
step, and says how much of the columns counts. Both hold nothing but numbers and JSON: nothing in them can run code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import time
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._files import write_whole
from mlkit._validation.cells import Cells
from mlkit._validation.params import described, shorten
from mlkit.quality._findings import Findings
from mlkit.quality._folds import FoldSums
from mlkit.quality.state import LabelQualityState

SECONDS = 10.0  # of work that may be lost
_VERSION = 1
_PROGRESS, _LOCK = "progress.npz", "lock"
_ROWS = 4096  # of dense probabilities that are digested at a time


class Checkpoint:
    """Follows an audit's passes: :meth:`has_seen` on every batch, :meth:`save` after it.

    ``settings`` are those on which the passes depend, as JSON knows values.
    """

    def __init__(self, folder: Any, settings: dict[str, Any]) -> None:
        if not isinstance(folder, (str, Path)):
            raise TypeError(f"checkpoint: expected a folder, got {described(folder)}")
        self._folder = Path(folder)
        if self._folder.exists() and not self._folder.is_dir():
            raise ValueError(f"checkpoint: expected a folder, got the file {folder}")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._settings = json.loads(json.dumps(settings))
        self._digest, self._n_batches = b"", 0  # of the pass under way
        self._first: list[Any] | None = None  # the same of the first pass, once that is over
        self._wanted: tuple[str, int] | None = None  # the same where the interrupted pass was
        self._saved_at = time.monotonic()
        self._lock = _lock(self._folder)
        for path in self._folder.glob(f".{_PROGRESS}.*"):  # one that was being written
            path.unlink()

    def restore(self, state: LabelQualityState, folds: FoldSums | None) -> None:
        """Put a new state where the interrupted audit was, if there was one."""
        path = self._folder / _PROGRESS
        if not path.exists():
            state._findings = Findings(state.n_labels, state.max_bytes, self._folder)
            return
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(arrays["meta"].tobytes())
            if not isinstance(meta, dict) or "settings" not in meta:
                raise ValueError("no settings")
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"checkpoint: expected a folder of an interrupted audit, got a broken {path}") from error
        self._check(meta)
        self._first = meta["first"]
        if meta["n_batches"]:
            self._wanted = meta["digest"], meta["n_batches"]
        state.label_names = None if meta["label_names"] is None else tuple(meta["label_names"])
        state._background, state._has_ids = meta["background"], meta["has_ids"]
        state._is_clipped, state._has_nan = meta["is_clipped"], meta["has_nan"]
        state._tally.restore(_part(arrays, "tally"))
        if "thresholds" in arrays:
            state._thresholds = arrays["thresholds"]
            state._thresholds.flags.writeable = False
        state._findings.restore(_part(arrays, "findings"), meta["sizes"], meta["notes"], self._folder)
        for k, sums in enumerate(() if folds is None else folds.sums):
            sums.restore(_part(arrays, f"fold{k}"))

    def has_seen(self, cells: Cells) -> bool:
        """Whether the interrupted audit has been through this batch.

        Raises
        ------
        ValueError
            If it was through others.
        """
        self._digest = _digest(self._digest, cells)
        self._n_batches += 1
        if self._wanted is None:
            return False
        digest, n_batches = self._wanted
        if self._n_batches == n_batches:
            if self._digest.hex() != digest:
                raise self._other_data(f"others among the first {n_batches:,} batches")
            self._wanted = None
        return True

    def save(self, state: LabelQualityState, folds: FoldSums | None, *, at_once: bool = False) -> None:
        """Keep what has been done, if the last time is long enough ago."""
        if self._wanted is not None or (not at_once and time.monotonic() - self._saved_at < SECONDS):
            return
        findings, sizes, notes = state._findings.sync()
        parts = {"tally": state._tally.arrays(), "findings": findings}
        for k, sums in enumerate(() if folds is None else folds.sums):
            parts[f"fold{k}"] = sums.arrays()
        arrays = {f"{part}.{name}": array for part, named in parts.items() for name, array in named.items()}
        if state._thresholds is not None:
            arrays["thresholds"] = state._thresholds
        meta = {
            **_versions(),
            "settings": self._settings,
            "digest": self._digest.hex(),
            "n_batches": self._n_batches,
            "first": self._first,
            "label_names": state.label_names,
            "background": state._background,
            "has_ids": state._has_ids,
            "is_clipped": state._is_clipped,
            "has_nan": state._has_nan,
            "sizes": sizes,
            "notes": notes,
        }
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)

        def write(part: Path) -> None:
            with part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]

        write_whole(self._folder / _PROGRESS, write)
        self._saved_at = time.monotonic()

    def end_pass(self) -> None:
        """All batches have been there.

        Raises
        ------
        ValueError
            If the interrupted audit had seen more, or if the second pass saw others than the first.
        """
        if self._wanted is not None:
            raise self._other_data(f"{self._n_batches:,} batches where it saw {self._wanted[1]:,}")
        seen = [self._digest.hex(), self._n_batches]
        if self._first is None:
            self._first = seen
        elif self._first != seen:
            raise ValueError(
                "labels: expected the same batches each time with a checkpoint, got others in the second pass"
            )
        self._digest, self._n_batches = b"", 0

    def finish(self) -> None:
        """Remove the files: the audit is complete, and what it has mapped stays readable."""
        (self._folder / _PROGRESS).unlink(missing_ok=True)
        for path in (*self._folder.glob("*.column"), self._folder / _LOCK):
            with contextlib.suppress(PermissionError):  # Windows keeps files that are open
                path.unlink()
        if not any(self._folder.iterdir()):
            self._folder.rmdir()

    def close(self) -> None:
        """Let another audit use the folder."""
        self._lock.close()

    def _check(self, meta: dict[str, Any]) -> None:
        """Refuse what was begun by another version or with other settings."""
        own = _versions()
        if {name: meta[name] for name in own} != own:
            raise ValueError(
                f"checkpoint: expected an audit that mlkit {own['mlkit']} has begun, got one of mlkit {meta['mlkit']} "
                f"in {self._folder} ({_ADVICE})"
            )
        for name, value in self._settings.items():
            if meta["settings"][name] != value:
                raise ValueError(
                    f"checkpoint: expected {name}={shorten(meta['settings'][name])} as in the audit that was "
                    f"interrupted in {self._folder}, got {shorten(value)} ({_ADVICE})"
                )

    def _other_data(self, got: str) -> ValueError:
        return ValueError(
            f"checkpoint: expected the data of the audit that was interrupted in {self._folder}, got {got} ({_ADVICE})"
        )


_ADVICE = "delete the folder to begin anew"


def _versions() -> dict[str, Any]:
    from mlkit import __version__

    return {"version": _VERSION, "mlkit": __version__}


def _part(arrays: dict[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    begin = f"{part}."
    return {name.removeprefix(begin): array for name, array in arrays.items() if name.startswith(begin)}


def _digest(before: bytes, cells: Cells) -> bytes:
    """A number for all batches so far, from that of those before."""
    labels, probs = cells.labels, cells.probs
    digest = hashlib.blake2b(before, digest_size=20)
    kind = (labels.shape, labels.background, labels.label_names, probs.dtype.str, probs.is_sparse)
    digest.update(repr(kind).encode())
    for array in (*labels._cells, probs.indptr, probs.indices):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).data)
    for begin in range(0, probs.array.shape[0], _ROWS):
        digest.update(np.ascontiguousarray(probs.array[begin : begin + _ROWS]).data)
    return digest.digest()


def _lock(folder: Path) -> IO[str]:
    """Keep other audits away for as long as the file is open, or this process lives."""
    file = (folder / _LOCK).open("w")
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise ValueError(f"checkpoint: expected a folder that no other audit is using, got {folder}") from error
    return file
