"""Child processes and copies of the checkout, for tests of the package as a whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv*", "build", "dist", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "mlkit-demo"
)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout (or unpacked source distribution) that these tests belong to."""
    return ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources alone: nothing that was built, nothing that git keeps for itself."""
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=NOT_SOURCES)
    return copy


@pytest.fixture
def run() -> Callable[..., str]:
    """Run a command to its end and return what it printed; an exit status other than 0 fails the test."""

    def run_command(*command: Any, timeout: float = 900, **options: Any) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            **options,
        )
        if done.returncode:
            pytest.fail(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    return run_command


@pytest.fixture
def run_python(run: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Run Python code in a fresh process where warnings are errors, and return what it printed."""

    def run_code(code: str, *options: str, python: Any = sys.executable, env: dict[str, str] | None = None) -> str:
        script = tmp_path / "child.py"
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        return run(
            python, "-W", "error", *options, script, env={**os.environ, **(env or {})}, cwd=tmp_path, timeout=120
        )

    return run_code
