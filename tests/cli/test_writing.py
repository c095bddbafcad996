"""Files of an audit appear together and whole, or not at all."""

import errno

import numpy as np
import pandas as pd
import pytest

EVIDENCE = ("breaks.csv", "pairs.csv", "violations.csv")  # there is none in the small data set


@pytest.fixture
def audit(mlkit, files):
    def run(*options):
        return mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", files / "out", *options)

    return run


@pytest.fixture
def full_disk(monkeypatch):
    """Make the disk full in the middle of a file."""
    to_csv = pd.DataFrame.to_csv

    def start(at):
        def fail(frame, part, **options):
            if at in part.name:
                part.write_text("half of a")
                raise OSError(errno.ENOSPC, "No space left on device")
            return to_csv(frame, part, **options)

        monkeypatch.setattr(pd.DataFrame, "to_csv", fail)

    return start


@pytest.mark.parametrize("name", ["labels.csv", "cells.csv", "examples.csv", "violations.csv"])
def test_a_full_disk_leaves_nothing_behind(audit, files, full_disk, name):
    full_disk(name)
    ended = audit()
    assert ended == (2, "", f"mlkit audit: --out: cannot write to {files}/out (No space left on device)\n")
    assert not list((files / "out").iterdir())


@pytest.mark.parametrize("name", ["labels.csv", "cells.csv", "examples.csv", "violations.csv"])
def test_a_full_disk_leaves_an_earlier_audit_as_it_was(audit, files, full_disk, contents, name):
    assert audit().code == 0
    before = contents(files / "out")
    np.save(files / "p.npy", np.load(files / "p.npy")[::-1])
    full_disk(name)
    assert audit().code == 2
    assert contents(files / "out") == before


def test_an_interrupt_while_writing_leaves_an_earlier_audit_as_it_was(audit, files, contents, monkeypatch):
    assert audit().code == 0
    before = contents(files / "out")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.write_text", interrupt)
    assert audit("--min-support", "40") == (130, "", "")
    assert contents(files / "out") == before


def test_bad_input_leaves_an_earlier_audit_as_it_was(audit, files, contents):
    assert audit().code == 0
    before = contents(files / "out")
    np.save(files / "p.npy", np.full((120, 4), np.nan))
    assert audit().code == 2
    assert contents(files / "out") == before


def test_a_later_audit_replaces_an_earlier_one(audit, files, contents):
    assert audit().code == 0
    before = contents(files / "out")
    assert audit("--min-support", "40").code == 0
    after = contents(files / "out")
    assert all((after[name] != before[name]) == (name not in EVIDENCE) for name in after)


def test_other_files_in_the_folder_are_left_alone(audit, files):
    (files / "out").mkdir()
    (files / "out" / "notes.txt").write_text("mine")
    assert audit().code == 0
    assert (files / "out" / "notes.txt").read_text() == "mine"
    assert len(list((files / "out").iterdir())) == 9
