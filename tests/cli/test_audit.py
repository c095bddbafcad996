"""``mlkit audit`` says and writes what ``mlkit.audit`` finds."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import logit

import mlkit as library
from mlkit._cli.errors import as_options
from mlkit._cli.numpy_files import read_numpy
from mlkit._cli.sources import find_source
from mlkit.labels import as_label_matrix
from mlkit.quality import CellPatch


@pytest.fixture
def audit(mlkit, files):
    """Run an audit of the small data set's files with further options; it must end well."""

    def run(*options, labels="y.npy", probs="p.npy"):
        ended = mlkit("audit", "--labels", f"{files}/{labels}", "--probs", f"{files}/{probs}", *options)
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    return run


def test_the_summary_is_printed(audit, small):
    assert audit() == f"{library.audit(small.labels, small.probs)!r}\n"


def test_nothing_is_written_unasked(audit, files):
    before = sorted(files.iterdir())
    audit()
    assert sorted(files.iterdir()) == before


def test_tables_are_those_of_the_audit(audit, small, files, contents):
    out = files / "new" / "folder"
    said = audit("--names", files / "names.txt", "--ids", files / "ids.txt", "--out", out)
    tables = [f"{name}.csv" for name in ("labels", "cells", "examples", "breaks", "pairs", "violations")]
    expected = library.audit(small.labels, small.probs, label_names=small.names, ids=small.ids)
    assert said == f"{expected!r}\nWritten: " + ", ".join(
        str(out / name) for name in (*tables, "summary.json", "patch.json")
    ) + "\n"  # fmt: skip
    written = contents(out)
    assert json.loads(written["summary.json"]) == json.loads(expected.to_json())
    assert CellPatch.from_json(out / "patch.json") == expected.patch()
    pd.testing.assert_frame_equal(pd.read_csv(out / "labels.csv"), expected.labels, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(out / "cells.csv"), expected.cells(), check_dtype=False)
    examples = pd.read_csv(out / "examples.csv", keep_default_na=False)
    assert examples["id"].tolist() == expected.examples()["id"].tolist()
    shown = [" ".join(f'"{name}"' if " " in name else name for name in row) for row in expected.examples()["given"]]
    assert examples["given"].tolist() == shown


def test_top_limits_the_tables(audit, files):
    audit("--top", 3, "--out", files / "out")
    sizes = {name: len(pd.read_csv(files / "out" / f"{name}.csv")) for name in ("labels", "cells", "examples")}
    assert sizes == {"labels": 4, "cells": 3, "examples": 3}


def test_top_without_a_folder_prints_cells(audit, small):
    result = library.audit(small.labels, small.probs)
    said = audit("--top", 3)
    assert f"The most suspicious 3 of {len(result.cells())} flagged cells" in said
    assert len(said.splitlines()) == len(repr(result).splitlines()) + 6
    assert str(result.cells(1)["row"][0]) in said.splitlines()[-3].split()


def test_no_flagged_cells_make_no_table(audit):
    assert audit("--min-support", 1000, "--top", 3).endswith("\nThe most suspicious 0 of 0 flagged cells\n")


OPTIONS = {
    "filter_by": (["--filter", "confident_learning"], {"filter_by": "confident_learning"}),
    "min_support": (["--min-support", "40"], {"min_support": 40}),
    "n_jobs": (["--jobs", "3"], {"n_jobs": 3}),
    "rank_by": (["--rank-by", "self_confidence"], {"rank_by": "self_confidence"}),
    "negative n_jobs": (["--jobs", "-1"], {"n_jobs": -1}),
    "max_memory": (["--max-memory", "10kB"], {}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_do_what_arguments_do(audit, small, name):
    options, arguments = OPTIONS[name]
    assert audit(*options) == f"{library.audit(small.labels, small.probs, **arguments)!r}\n"


@pytest.mark.parametrize("form", ["examples", "cells", "csv"])
def test_trusted_cells(audit, small, files, form):
    rows = np.arange(120) % 2 == 0
    mask = rows if form == "examples" else np.repeat(rows[:, None], 4, axis=1)
    if form == "csv":
        pd.DataFrame(mask.astype(int)).to_csv(files / "t.csv", index=False)
    else:
        np.save(files / "t.npy", mask)
    expected = library.audit(small.labels, small.probs, trusted=mask)
    assert audit("--trusted", files / ("t.csv" if form == "csv" else "t.npy")) == f"{expected!r}\n"


def test_folds(audit, small, files):
    folds = np.arange(120) % 5
    expected = repr(library.audit(small.labels, small.probs, fold_ids=folds))
    assert "folds" in expected
    np.save(files / "folds.npy", folds)
    (files / "folds.txt").write_text("\n".join(map(str, folds)))
    assert audit("--folds", files / "folds.npy") == audit("--folds", files / "folds.txt") == f"{expected}\n"


def test_logits(audit, small, files):
    logits = logit(np.clip(small.probs, 0.01, 0.99))
    np.save(files / "p.npy", logits)
    assert audit("--from-logits") == f"{library.audit(small.labels, logits, from_logits=True)!r}\n"


def test_missing_probabilities(audit, small, files):
    probs = small.probs.copy()
    probs[5, 1] = np.nan
    np.save(files / "p.npy", probs)
    assert audit("--nan-policy", "mask") == f"{library.audit(small.labels, probs, nan_policy='mask')!r}\n"


def test_hard_predictions(audit, small, files):
    np.save(files / "p.npy", small.probs > 0.5)
    expected = library.audit(small.labels, small.probs > 0.5, force=True, filter_by="predicted_neq_given")
    assert audit("--force", "--filter", "predicted_neq_given") == f"{expected!r}\n"


# Unknown cells


@pytest.fixture
def partly_known(small):
    """Labels with unknown cells (-1), and what an audit says of them."""
    labels = small.labels.copy()
    labels[np.random.default_rng(1).random(labels.shape) < 0.2] = -1
    return labels, f"{library.audit(labels, small.probs)!r}\n"


@pytest.mark.parametrize("value", ["-1", "9", "255", "nan", "default"])
@pytest.mark.parametrize("form", ["dense", "sparse", "csv"])
def test_a_value_that_means_unknown(audit, partly_known, files, value, form):
    labels, expected = partly_known
    number = -1 if value == "default" else float(value)
    marked = np.where(labels < 0, number, labels)
    if value == "255":
        marked = marked.astype(np.uint8)
    if form == "dense":
        np.save(files / "y.npy", marked)
    elif form == "sparse":
        sparse.save_npz(files / "y.npz", sparse.csc_array(marked))
    else:
        pd.DataFrame(marked).to_csv(files / "y.csv", index=False)
    name = {"dense": "y.npy", "sparse": "y.npz", "csv": "y.csv"}[form]
    options = [] if value == "default" else ["--unknown", value]
    assert audit(*options, labels=name) == expected


@pytest.mark.parametrize("word", ["?", "unsure", ""])
def test_a_word_that_means_unknown_in_a_table(audit, partly_known, files, word):
    labels, expected = partly_known
    pd.DataFrame(labels.astype(object)).replace(-1, word).to_csv(files / "y.csv", index=False)
    assert audit(*(["--unknown", word] if word else []), labels="y.csv") == expected


@pytest.mark.parametrize("form", ["bool", "0/1", "sparse", "csv"])
def test_a_mask_of_unknown_cells(audit, small, partly_known, files, form):
    labels, expected = partly_known
    mask = labels < 0
    if form in ("bool", "0/1"):
        np.save(files / "m.npy", mask if form == "bool" else mask.astype(int))
    elif form == "sparse":
        sparse.save_npz(files / "m.npz", sparse.csr_array(mask))
    else:
        pd.DataFrame(mask.astype(int)).to_csv(files / "m.csv", index=False)
    name = {"sparse": "m.npz", "csv": "m.csv"}.get(form, "m.npy")
    assert audit("--unknown", files / name) == expected


def test_a_mask_is_matched_by_ids(audit, small, partly_known, files):
    labels, expected = partly_known
    for name, values in (("y", small.labels), ("m", (labels < 0).astype(int))):
        table = pd.DataFrame(values, columns=small.names).assign(key=small.ids)
        (table if name == "y" else table[::-1]).to_csv(files / f"{name}.csv", index=False)
    ids = ["--id-column", "key", "--names", files / "names.txt"]
    said = audit("--unknown", files / "m.csv", *ids, labels="y.csv")
    assert said == expected


def test_signs_with_unknown_cells_alone(audit, small, files):
    labels = np.where(small.labels > 0, 1, -1)
    np.save(files / "y.npy", labels)
    expected = library.audit((labels > 0).astype(int), small.probs, unknown=labels < 0)
    assert audit("--unknown", "-1") == as_options(f"{expected!r}\n")


@pytest.mark.parametrize("form", ["dense", "sparse", "csv"])
def test_zero_as_unknown_leaves_the_positives(audit, small, files, form):
    expected = library.audit(as_label_matrix(sparse.csr_array(small.labels), background="unknown"), small.probs)
    if form == "sparse":
        sparse.save_npz(files / "y.npz", sparse.csr_array(small.labels))
    elif form == "csv":
        pd.DataFrame(small.labels).to_csv(files / "y.csv", index=False)
    name = {"dense": "y.npy", "sparse": "y.npz", "csv": "y.csv"}[form]
    assert audit("--unknown", "0", labels=name) == f"{expected!r}\n"


# Manners


def test_remarks_speak_of_options(audit, files):
    rng = np.random.default_rng(0)
    truth = rng.random((2000, 4)) < 0.3
    labels = truth & (rng.random(truth.shape) < 0.7)
    np.save(files / "y.npy", labels)
    np.save(files / "p.npy", np.clip(np.where(truth, 0.8, 0.2) + rng.normal(0, 0.1, truth.shape), 0, 1))
    said = audit()
    assert "consider --unknown 0 (" in said
    assert "background=" not in said


def test_doubts_are_told_under_trust_and_not_as_warnings(mlkit, small, files):
    labels = small.labels.copy()
    labels[:, 0], labels[:, 1], labels[3:, 2] = 1, 0, 0
    np.save(files / "y.npy", labels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ended = mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy")
    assert not caught
    assert (ended.code, ended.err) == (0, "")
    assert "Trust:\n  !" in ended.out


def test_arrays_are_mapped_and_not_copied(files):
    array = read_numpy(find_source("--probs", str(files / "p.npy")))
    assert isinstance(array, np.memmap)


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from scipy import sparse
from mlkit.cli import main

n, L = 200_000, 250  # 200 MB of zeros that take no place on the disk
probs = np.lib.format.open_memmap("p.npy", mode="w+", dtype=np.float32, shape=(n, L))
probs[:100] = np.random.default_rng(0).random((100, L), dtype=np.float32)
del probs
sparse.save_npz("y.npz", sparse.csr_array(([1] * 50, (range(50), [0] * 50)), shape=(n, L), dtype=np.int8))
main(["audit", "--labels", "y.npz", "--probs", "p.npy", "--jobs", "1"])  # whatever is loaded is loaded now
in_use = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (in_use + 50_000_000, -1))
sys.exit(main(["audit", "--labels", "y.npz", "--probs", "p.npy", "--jobs", "1"]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of anonymous memory are Linux's")
def test_probabilities_larger_than_the_memory(tmp_path):
    done = subprocess.run([sys.executable, "-W", "error", "-c", LIMITED], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_signs_that_the_terminal_lacks_are_spelled_out(files):
    done = subprocess.run(
        [sys.executable, "-m", "mlkit", "audit", "--labels", "y.npy", "--probs", "p.npy", "--names", "names.txt",
         "--min-support", "60"],
        cwd=files, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "Eule \\U0001f989" in done.stdout


def test_a_bar_is_shown_on_demand(mlkit, files):
    ended = mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--progress")
    assert ended.code == 0
    assert "audit" in ended.err


def test_an_error_stands_on_a_line_of_its_own_below_a_bar(mlkit, files):
    np.save(files / "p.npy", np.full((120, 4), 3.0))
    ended = mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--progress")
    assert ended.code == 2
    last = ended.err.rstrip("\n").split("\r")[-1]
    assert last.startswith("mlkit audit: --probs: ")


def test_ctrl_c_ends_quietly(mlkit, files, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mlkit.quality._engine.thresholds", interrupt)
    assert mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", files / "out") == (
        130,
        "",
        "",
    )
    assert not (files / "out").exists()
