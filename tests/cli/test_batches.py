"""Audits in little memory, and audits that were killed, write what others write."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

NAMES = ["animal", "dog", "a horse", "boat"]


@pytest.mark.parametrize("size", ["much", "-1GB"])
def test_a_size_of_memory_is_judged(refused, files, size):
    said = refused("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", f"--max-memory={size}")
    assert said == f"--max-memory: expected bytes or text such as '2GB', got '{size}'"


@pytest.mark.parametrize("form", ["npy", "csv", "parquet", "npz"])
def test_little_memory_changes_nothing_that_is_written(mlkit, files, small, form):
    labels, probs = files / f"y.{form}", files / f"p.{form}"
    if form == "npz":
        np.savez(labels, small.labels)
        np.savez(probs, small.probs)
    elif form == "csv":
        pd.DataFrame(small.labels, columns=NAMES).to_csv(labels, index=False)
        pd.DataFrame(small.probs, columns=NAMES).to_csv(probs, index=False)
    elif form == "parquet":
        pytest.importorskip("pyarrow")
        pd.DataFrame(small.labels, columns=NAMES).to_parquet(labels)
        pd.DataFrame(small.probs, columns=NAMES).to_parquet(probs)
    found = []
    for options in ((), ("--max-memory", "1kB")):
        out = files / f"out{len(options)}"
        folds = ("--folds", files / "folds.npy", "--trusted", files / "trusted.npy")
        np.save(files / "folds.npy", np.arange(120) % 5)
        np.save(files / "trusted.npy", np.arange(120) % 2 == 0)
        arguments = ("--labels", labels, "--probs", probs, *folds, "--unknown", "9", "--out", out)
        ended = mlkit("audit", *arguments, *options)
        assert (ended.code, ended.err) == (0, "")
        found.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert found[0] == found[1]


KILLED = """
import os, signal, sys
from mlkit.cli import main
from mlkit.quality import LabelQualityState, _checkpoint

_checkpoint.SECONDS = 0
search = LabelQualityState._search


def killed(self, cells, ids, first_row):
    if first_row > 50:
        os.kill(os.getpid(), signal.SIGKILL)
    search(self, cells, ids, first_row)


LabelQualityState._search = killed
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_a_command_that_was_killed_goes_on(mlkit, files, refused):
    arguments = ["audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--ids", files / "ids.txt"]
    options = ["--checkpoint", files / "kept", "--max-memory", "1kB"]
    command = [sys.executable, "-c", KILLED, *map(str, [*arguments, *options, "--out", files / "out"])]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert not (files / "out").exists()
    assert "progress.npz" in os.listdir(files / "kept")
    said = refused(*arguments, *options, "--filter", "both")
    assert said.startswith(
        "--checkpoint: expected filter_by='prune_by_noise_rate' as in the audit that was interrupted"
    )
    for out, more in (("out", options), ("expected", [])):
        assert mlkit(*arguments, *more, "--out", files / out).code == 0
    assert not (files / "kept").exists()
    written = [{path.name: path.read_bytes() for path in (files / out).iterdir()} for out in ("out", "expected")]
    assert written[0] == written[1]


def test_a_checkpoint_is_a_folder(refused, files):
    arguments = ("--labels", files / "y.npy", "--probs", files / "p.npy", "--checkpoint", files / "names.txt")
    assert refused("audit", *arguments) == f"--checkpoint: expected a folder, got the file {files}/names.txt"
