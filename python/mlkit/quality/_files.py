"""An audit as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkit._files import as_csv, write_together

if TYPE_CHECKING:
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
        folder / "labels.csv": as_csv(audit.labels),
        folder / "cells.csv": as_csv(audit.cells(top)),
        folder / "examples.csv": as_csv(examples),
        folder / "breaks.csv": as_csv(breaks),
        folder / "pairs.csv": as_csv(audit.pairs()),
        folder / "violations.csv": as_csv(audit.violations()),
        folder / "summary.json": lambda part: part.write_text(summary, encoding="utf-8"),
        folder / "patch.json": lambda part: part.write_text(patch, encoding="utf-8"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_together(list(files.items()))
    return list(files)


def _quote(label: Any) -> str:
    """A label in a space-separated list; names with spaces are quoted as JSON strings."""
    import json

    text = str(label)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "\\\n\t') else text
