"""The command itself: help, version, start."""

import os
import re
import subprocess
import sys

import pytest

from mlkit import __version__
from mlkit._cli.sheet import Suspect
from mlkit.cli import make_parser

HEAVY = ("scipy", "sklearn", "pandas", "matplotlib", "joblib", "tqdm", "pyarrow")


@pytest.fixture
def process(tmp_path):
    """Run ``python -m mlkit`` in a process of its own, where warnings are errors."""

    def run(*arguments, **options):
        command = [sys.executable, "-W", "error", "-m", "mlkit", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, **options)

    return run


def test_version(mlkit):
    assert mlkit("--version") == (0, f"mlkit {__version__}\n", "")


def test_versions_show_how_it_was_built(mlkit, capsys):
    ended = mlkit("versions")
    assert (ended.code, ended.err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines() if len(line.split()) == 2)
    assert lines["mlkit"] == __version__
    assert "compiler" in lines


def test_no_command_shows_help(mlkit):
    ended = mlkit()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("usage: mlkit ")
    for command in make_parser()[1]:
        assert command in ended.err


@pytest.mark.parametrize("command", [None, *make_parser()[1]])
def test_help(mlkit, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    ended = mlkit(*([command] if command else []), "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: mlkit {command or '['}")
    assert max(map(len, ended.out.splitlines())) <= 120


@pytest.mark.parametrize("command", make_parser()[1])
def test_every_option_is_explained(command):
    for action in make_parser()[1][command]._actions:
        assert action.help, action.option_strings


def test_an_unknown_command(mlkit):
    code, out, err = mlkit("adit")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"mlkit: .*adit.*audit.*\n", err)


def test_an_unknown_option(mlkit):
    expected = "mlkit demo: unrecognized arguments: --sample 3 (see mlkit demo --help)\n"
    assert mlkit("demo", "--sample", 3) == (2, "", expected)


@pytest.mark.parametrize("arguments", [["--help"], ["audit", "--help"], ["--version"], ["audit", "--labels"]])
def test_help_loads_nothing_heavy(tmp_path, arguments):
    code = f"import sys; from mlkit.cli import main; main({arguments}); print({{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = eval(done.stdout.splitlines()[-1])
    assert "mlkit" in loaded
    assert not loaded & set(HEAVY)


def test_a_process_of_its_own(process, files):
    done = process("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", files / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("LabelAudit: 120 examples x 4 labels")
    assert len(list((files / "out").iterdir())) == 8


def test_bad_input_in_a_process_of_its_own(process, files):
    done = process("audit", "--labels", files / "y.npy", "--probs", files / "q.npy")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mlkit audit: --probs: expected a file, got ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="pipes end in another way there")
def test_a_reader_that_stops_early_is_no_error(files):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "mlkit", "audit", "--labels", files / "y.npy", "--probs", files / "p.npy"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_suggestion_is_judged_by_the_truth():
    suspect = {"row": 0, "image": None, "given": {1, 2}}
    assert Suspect(**suspect, suggested={3}, truth={3}).is_right
    assert not Suspect(**suspect, suggested={3}, truth={3, 4}).is_right
    assert Suspect(**suspect, suggested={3}, truth={3, 4}).is_closer
    assert not Suspect(**suspect, suggested={3}, truth={1, 2}).is_closer
