"""An audit as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkit._files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.quality.label_audit import LabelAudit


def write_audit(audit: LabelAudit, folder: Path, top: int | None = None) -> list[Path]:
    """Write the audit's tables; ``top`` limits cells and examples, not the rest."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder: expected a folder, got the file {folder}")
    examples, breaks = audit.examples(top), audit.breaks()
    for frame, columns in ((examples, ("given", "suggested")), (breaks, ("labels",))):
        for column in columns:
            frame[column] = [" ".join(_quote(x) for x in labels) for labels in frame[column]]
    summary, patch = audit.to_json(), audit.patch().to_json()
    files = {
        folder / "labels.csv": _csv(audit.labels),
        folder / "cells.csv": _csv(audit.cells(top)),
        folder / "examples.csv": _csv(examples),
        folder / "breaks.csv": _csv(breaks),
        folder / "pairs.csv": _csv(audit.pairs()),
        folder / "violations.csv": _csv(audit.violations()),
        folder / "summary.json": lambda part: part.write_text(summary, encoding="utf-8"),
        folder / "patch.json": lambda part: part.write_text(patch, encoding="utf-8"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    _write_together(list(files.items()))
    return list(files)


def _write_together(files: list[tuple[Path, Callable[[Path], Any]]]) -> None:
    """Write all files beside their places before the first of them takes its place: all of them, or none."""
    if not files:
        return
    path, write = files[0]

    def write_rest(part: Path) -> None:
        write(part)
        _write_together(files[1:])

    write_whole(path, write_rest)


def _quote(label: Any) -> str:
    """A label in a space-separated list; names with spaces are quoted as JSON strings."""
    import json

    text = str(label)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "\\\n\t') else text


def _csv(frame: pd.DataFrame) -> Callable[[Path], Any]:
    return lambda part: frame.to_csv(part, index=False)
