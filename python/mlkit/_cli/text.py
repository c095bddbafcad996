"""What people read on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def say(text: str) -> None:
    """Print; signs that the terminal's encoding lacks are spelled out."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def table(frame: pd.DataFrame) -> str:
    """An aligned table, two places to the right."""
    return indented(frame.to_string(index=False, float_format=lambda x: f"{x:.4g}", na_rep="", max_colwidth=40))


def indented(text: str) -> str:
    """Every line two places to the right."""
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
