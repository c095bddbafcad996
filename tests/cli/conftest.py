"""The command line in this process, and a small data set to write to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from mlkit.cli import main

FILES = (
    "labels.csv", "cells.csv", "examples.csv", "breaks.csv", "pairs.csv", "violations.csv", "summary.json", "patch.json"
)  # fmt: skip


class Ended(NamedTuple):
    """How a run of the command ended."""

    code: int
    out: str
    err: str


class Small(NamedTuple):
    """Labels, probabilities and names of a small data set with some wrong labels."""

    labels: np.ndarray
    probs: np.ndarray
    names: list[str]
    ids: list[str]


@pytest.fixture
def mlkit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command with these arguments."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(mlkit: Callable[..., Ended]) -> Callable[..., str]:
    """Run the command with arguments that it must refuse in one line; return what it says after its own name."""

    def run(*arguments: object) -> str:
        code, out, err = mlkit(*arguments)
        assert (code, out) == (2, "")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        name = f"mlkit {' '.join(arguments[:2]) if arguments[1] == 'apply' else arguments[0]}: "
        assert err.startswith(name)
        return err.removeprefix(name).rstrip("\n")

    return run


@pytest.fixture(scope="session")
def small() -> Small:
    rng = np.random.default_rng(0)
    truth = rng.random((120, 4)) < [0.5, 0.4, 0.3, 0.2]
    probs = np.clip(np.where(truth, 0.75, 0.25) + rng.normal(0, 0.15, truth.shape), 0, 1)
    labels = (truth ^ (rng.random(truth.shape) < 0.05)).astype(np.int8)
    return Small(labels, probs, ["cat", "dog", "a horse", "Eule \N{OWL}"], [f"img{row:03d}" for row in range(120)])


@pytest.fixture
def files(small: Small, tmp_path: Path) -> Path:
    """The small data set as y.npy, p.npy, names.txt and ids.txt."""
    np.save(tmp_path / "y.npy", small.labels)
    np.save(tmp_path / "p.npy", small.probs)
    (tmp_path / "names.txt").write_text("\n".join(small.names) + "\n", encoding="utf-8")
    (tmp_path / "ids.txt").write_text("\n".join(small.ids) + "\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Read the files that an audit writes; nothing else may be in the folder."""

    def read(folder: Path) -> dict[str, bytes]:
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert sorted(found) == sorted(FILES)
        return found

    return read
