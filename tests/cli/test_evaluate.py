"""``mlkit evaluate`` says and writes what ``mlkit.evaluate`` finds."""

import errno
import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mlkit as library
from mlkit.labels import as_label_matrix


@pytest.fixture
def evaluate(mlkit, files):
    """Evaluate the small data set's files with further options; it must end well."""

    def run(*options, labels="y.npy", probs="p.npy"):
        given = ["--probs", f"{files}/{probs}"] if probs else []
        ended = mlkit("evaluate", "--labels", f"{files}/{labels}", *given, *options)
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    return run


def as_json(report):
    return json.loads(report.to_json())


def test_measures_are_printed(evaluate, small):
    said = evaluate().splitlines()
    report = library.evaluate(small.labels, small.probs)
    assert said[0] == repr(report)
    assert said[1].split() == ["measure", "value", "low", "high"]
    assert [line.split()[0] for line in said[2 : 2 + len(report)]] == report.keys()
    shown = dict(line.split()[:2] for line in said[2 : 2 + len(report)])
    assert all(float(shown[key]) == pytest.approx(report[key].value, rel=1e-3) for key in report)
    assert said[-1].startswith("note: 3 labels of fewer than 50 positives")
    named = ("roc_auc_macro", "average_precision_macro", "roc_auc_weighted", "average_precision_weighted")
    assert said[-1].endswith(f"({', '.join(named)})")


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_formats(evaluate, small, form):
    report = library.evaluate(small.labels, small.probs)
    assert evaluate("--format", form) == f"{report.to_json() if form == 'json' else report.to_markdown()}\n"


def test_nothing_is_written_unasked(evaluate, files):
    before = sorted(files.iterdir())
    evaluate()
    assert sorted(files.iterdir()) == before


def test_tables_are_those_of_the_report(evaluate, small, files):
    out = files / "new" / "folder"
    said = evaluate("--names", files / "names.txt", "--out", out)
    names = ("measures.csv", "labels.csv", "summary.json")
    assert said.endswith(f"\nWritten: {', '.join(str(out / name) for name in names)}\n")
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    expected = library.evaluate(small.labels, small.probs, label_names=small.names)
    assert json.loads((out / "summary.json").read_text(encoding="utf-8")) == as_json(expected)
    written = pd.read_csv(out / "measures.csv", index_col="measure", keep_default_na=False, na_values=[""])
    pd.testing.assert_frame_equal(written.fillna({"note": ""}), expected.to_frame(), check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(out / "labels.csv"), expected.per_label, check_dtype=False)


OPTIONS = {
    "threshold": (["--threshold", "0.3"], {"threshold": 0.3}),
    "k": (["--k", "1,2"], {"k": (1, 2)}),
    "absent": (["--absent", "sklearn"], {"absent_labels": "sklearn"}),
    "ci": (["--ci", "0.8"], {"ci": 0.8}),
    "boot": (["--boot", "30", "--seed", "3"], {"n_boot": 30, "random_state": 3}),
    "jobs": (["--jobs", "3"], {"n_jobs": 3}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_do_what_arguments_do(evaluate, small, name):
    options, arguments = OPTIONS[name]
    said = json.loads(evaluate("--format", "json", *options))
    assert said == as_json(library.evaluate(small.labels, small.probs, **arguments))


def test_lists_of_numbers_and_groups(evaluate, small, files):
    cut, weights, groups = np.array([0.2, 0.4, 0.6, 0.5]), np.linspace(1, 2, 120), np.arange(120) // 3
    expected = as_json(library.evaluate(small.labels, small.probs, threshold=cut, sample_weight=weights, groups=groups))
    for suffix in ("npy", "txt"):
        for name, values in (("t", cut), ("w", weights), ("g", groups)):
            if suffix == "npy":
                np.save(files / f"{name}.npy", values)
            else:
                (files / f"{name}.txt").write_text("\n".join(map(repr, values.tolist())))
        options = ["--threshold", files / f"t.{suffix}", "--weights", files / f"w.{suffix}"]
        said = json.loads(evaluate("--format", "json", *options, "--groups", files / f"g.{suffix}"))
        assert said["measures"].keys() == expected["measures"].keys()
        for key, of in said["measures"].items():
            assert of["value"] == expected["measures"][key]["value"]
            assert of["low"] == pytest.approx(expected["measures"][key]["low"])


def test_predictions(evaluate, small, files):
    predicted = small.probs >= 0.4
    sparse.save_npz(files / "d.npz", sparse.csr_array(predicted))
    said = json.loads(evaluate("--pred", files / "d.npz", "--format", "json", probs=None))
    assert said == as_json(library.evaluate(small.labels, y_pred=predicted))
    said = json.loads(evaluate("--pred", files / "d.npz", "--format", "json"))
    assert said == as_json(library.evaluate(small.labels, small.probs, predicted))


@pytest.mark.parametrize("form", ["sparse", "pieces", "csv", "parquet"])
def test_formats_of_files(evaluate, small, files, form):
    expected = as_json(library.evaluate(small.labels, small.probs))
    for name, values in (("y", small.labels), ("p", small.probs)):
        if form == "sparse":
            sparse.save_npz(files / f"{name}.npz", sparse.csr_array(values))
        elif form == "pieces":
            m = sparse.csr_array(values)
            shape = {"M_shape": m.shape} if name == "p" else {}
            np.savez(files / f"{name}.npz", M_indptr=m.indptr, M_indices=m.indices, M_data=m.data, **shape)
        else:
            table = pd.DataFrame(values, columns=small.names).assign(key=small.ids)
            table = table if name == "y" else table[::-1][["key", *small.names[::-1]]]  # matched by id and name
            if form == "parquet":
                pytest.importorskip("pyarrow")
                table.to_parquet(files / f"{name}.parquet")
            else:
                table.to_csv(files / f"{name}.csv", index=False)
    suffix = {"sparse": "npz", "pieces": "npz"}.get(form, form)
    options = ["--id-column", "key"] if form in ("csv", "parquet") else []
    said = json.loads(evaluate("--format", "json", *options, labels=f"y.{suffix}", probs=f"p.{suffix}"))
    assert said == expected


@pytest.mark.parametrize("form", ["value", "mask", "background"])
def test_unknown_cells(evaluate, small, files, form):
    hidden = np.random.default_rng(1).random(small.labels.shape) < 0.2
    if form == "background":
        truth = as_label_matrix(sparse.csr_array(small.labels), background="unknown")
        said, expected = evaluate("--unknown", "0", "--format", "json"), library.evaluate(truth, small.probs)
    else:
        expected = library.evaluate(small.labels, small.probs, unknown=hidden)
        np.save(files / "m.npy", hidden)
        if form == "value":
            np.save(files / "y.npy", np.where(hidden, 9, small.labels))
        said = evaluate("--unknown", "9" if form == "value" else files / "m.npy", "--format", "json")
    assert json.loads(said) == as_json(expected)


BAD = [
    (["--threshold", "half"], "--threshold: expected a number or a file, got 'half'"),
    (["--threshold", "none.npy"], "--threshold: expected a file, got none.npy, which does not exist"),
    (["--threshold", "nan"], "--threshold: expected numbers, got NaN"),
    (["--k", "1;2"], "--k: expected whole numbers with commas between them, got '1;2'"),
    (["--k", "0"], "--k: expected an integer >= 1, got 0"),
    (["--ci", "95"], r"--ci: expected a number in \(0, 1\), got 95 \(did you mean 0.95\?\)"),
    (["--boot", "-1"], "--boot: expected an integer >= 0, got -1"),
    (["--absent", "drop"], "--absent: expected one of 'sklearn', 'skip', 'nan', got 'drop'"),
    (["--format", "xml"], "--format: expected one of 'text', 'json', 'markdown', got 'xml'"),
    (["--jobs", "0"], "--jobs: expected a positive or negative integer or None, got 0"),
    (["--weights", "{files}/ids.txt"], "--weights: expected numbers, got 'img000' on line 1"),
    (["--groups", "{files}/names.txt"], r"--groups: expected shape \(120,\), one for each example, got shape \(4,\)"),
    (["--pred", "{files}/p.npy"], r"--pred: expected 0 or 1, got .* \(scores\? .* or pass them as --probs\)"),
    (["--id-column", "key"], "--id-column: expected a column of --labels or --probs, got 'key'"),
    (["--names", "{files}/ids.txt"], r"--labels: expected 120 labels \(columns\) to match --names"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_is_named_and_nothing_is_written(refused, files, options, message):
    options = [option.replace("{files}", str(files)) for option in options]
    given = ["--labels", files / "y.npy", "--probs", files / "p.npy", "--out", files / "out"]
    said = refused("evaluate", *given, *options)
    assert re.match(message, said), said
    assert not (files / "out").exists()


def test_scores_or_predictions_are_required(refused, files):
    said = refused("evaluate", "--labels", files / "y.npy")
    assert said == "--probs: expected a file of scores, or one of predicted labels as --pred, got neither"


def test_signs_are_explained_in_the_words_of_the_command_line(refused, files, small):
    np.save(files / "y.npy", np.where(small.labels > 0, 1, -1))
    said = refused("evaluate", "--labels", files / "y.npy", "--probs", files / "p.npy")
    assert said.startswith("--labels: ")
    assert "pass --unknown -1" in said
    np.save(files / "y.npy", small.labels)
    np.save(files / "p.npy", small.probs.T)
    said = refused("evaluate", "--labels", files / "y.npy", "--probs", files / "p.npy")
    assert re.match(r"--probs: expected shape .* = \(120, 4\) to match --labels, got \(4, 120\) \(transposed\?\)", said)


@pytest.mark.parametrize("name", ["measures.csv", "labels.csv"])
def test_a_full_disk_leaves_an_earlier_evaluation_as_it_was(mlkit, evaluate, files, monkeypatch, name):
    out = files / "out"
    evaluate("--out", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    np.save(files / "p.npy", np.load(files / "p.npy")[::-1])
    to_csv = pd.DataFrame.to_csv

    def fail(frame, part, **options):
        if name in part.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return to_csv(frame, part, **options)

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    ended = mlkit("evaluate", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", out)
    assert ended == (2, "", f"mlkit evaluate: --out: cannot write to {out} (No space left on device)\n")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
