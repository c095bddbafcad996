"""An audit as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlkit._files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.quality.audit import LabelAudit


def write_audit(audit: LabelAudit, folder: Path, top: int | None = None) -> list[Path]:
    """Write the audit's tables; ``top`` limits cells and examples."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"folder: expected a folder, got the file {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    examples = audit.examples(top)
    for column in ("given", "suggested"):
        examples[column] = [" ".join(_quote(x) for x in labels) for labels in examples[column]]
    return [
        _write_csv(folder / "labels.csv", audit.labels),
        _write_csv(folder / "cells.csv", audit.cells(top)),
        _write_csv(folder / "examples.csv", examples),
        write_whole(folder / "summary.json", lambda part: part.write_text(audit.to_json(), encoding="utf-8")),
    ]


def _quote(label: Any) -> str:
    """A label in a space-separated list; names with spaces are quoted as JSON strings."""
    import json

    text = str(label)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "\\\n\t') else text


def _write_csv(path: Path, frame: pd.DataFrame) -> Path:
    return write_whole(path, lambda part: frame.to_csv(part, index=False))
