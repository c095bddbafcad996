"""``mlkit audit apply`` makes the changes of a patch in the labels that it is for, and refuses others."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mlkit as library
from mlkit.labels import as_label_matrix
from mlkit.quality import CellPatch


@pytest.fixture
def patch(mlkit, files):
    """The patch that an audit of the small data set has written, and its path."""
    ended = mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", files / "audit")
    assert (ended.code, ended.err) == (0, "")
    path = files / "audit" / "patch.json"
    return CellPatch.from_json(path), path


@pytest.fixture
def apply(mlkit):
    """Apply a patch; it must end well."""

    def run(path, labels, out, *options):
        ended = mlkit("audit", "apply", path, "--labels", labels, "--out", out, *options)
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    return run


def test_the_patch_is_that_of_the_audit(patch, small):
    assert patch[0] == library.audit(small.labels, small.probs).patch()
    assert len(patch[0]) > 5


@pytest.mark.parametrize("precision", [0, 0.5, 0.9, 1])
def test_labels_are_changed_as_far_as_the_precision_allows(apply, patch, small, files, precision):
    found, path = patch
    said = apply(path, files / "y.npy", files / "clean.npy", "--min-precision", precision)
    chosen = found.select(fdr=1 - precision)
    np.testing.assert_array_equal(np.load(files / "clean.npy"), chosen.apply(small.labels))
    assert said.startswith(f"{len(chosen)} of {len(found)} changes made: ")
    assert said.endswith(f"Written: {files / 'clean.npy'}\n")
    assert ("left out" in said) == (len(chosen) < len(found))
    np.testing.assert_array_equal(np.load(files / "y.npy"), small.labels)


def test_nine_of_ten_is_the_default(apply, patch, files):
    default = apply(patch[1], files / "y.npy", files / "a.npy")
    assert (
        default.splitlines()[:-1]
        == apply(patch[1], files / "y.npy", files / "b.npy", "--min-precision", 0.9).splitlines()[:-1]
    )


def test_changes_without_a_score_are_all_made(apply, small, files):
    after = small.labels ^ (np.random.default_rng(1).random(small.labels.shape) < 0.1)
    CellPatch.diff(small.labels, after).to_json(files / "diff.json")
    apply(files / "diff.json", files / "y.npy", files / "clean.npy", "--min-precision", 1)
    np.testing.assert_array_equal(np.load(files / "clean.npy"), after)


def test_deleted_lines_are_changes_not_made(apply, patch, small, files):
    found, path = patch
    lines = path.read_text(encoding="utf-8").splitlines()
    lines.remove(next(line for line in lines if line.startswith(f"    [{found.rows[2]}, {found.labels[2]},")))
    path.write_text("\n".join(lines), encoding="utf-8")
    apply(path, files / "y.npy", files / "clean.npy", "--min-precision", 0)
    keep = np.arange(len(found)) != 2
    np.testing.assert_array_equal(np.load(files / "clean.npy"), found.select(keep).apply(small.labels))


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "tsv", "parquet"])
@pytest.mark.parametrize("form", ["npy", "npz", "csv"])
def test_every_format_in_and_out(mlkit, apply, small, files, form, suffix):
    labels = small.labels.copy()
    labels[np.random.default_rng(2).random(labels.shape) < 0.1] = -1
    frame = pd.DataFrame(labels, columns=small.names).replace(-1, np.nan).assign(key=small.ids)
    write = {
        "npy": lambda path: np.save(path, labels),
        "npz": lambda path: sparse.save_npz(path, sparse.csr_array(labels)),
        "csv": lambda path: frame.to_csv(path, index=False),
    }
    write[form](files / f"y.{form}")
    table = ["--id-column", "key"] if form == "csv" else []
    names = [] if table else ["--names", files / "names.txt"]
    ended = mlkit(
        "audit", "--labels", files / f"y.{form}", "--probs", files / "p.npy", "--out", files / "a", *table, *names
    )
    assert ended.code == 0
    out = files / f"clean.{suffix}"
    apply(files / "a" / "patch.json", files / f"y.{form}", out, "--min-precision", 0, *table)
    expected = library.audit(labels, small.probs).patch().apply(labels)
    if suffix in ("npy", "npz"):
        found = np.load(out) if suffix == "npy" else sparse.load_npz(out).toarray()
    else:
        found = pd.read_parquet(out) if suffix == "parquet" else pd.read_csv(out, sep="\t" if suffix == "tsv" else ",")
        if table:
            assert found.pop("key").tolist() == small.ids
        assert list(found.columns) == small.names
        found = found.astype(float).fillna(-1).to_numpy()
    np.testing.assert_array_equal(found, expected)


def test_a_cleaned_table_can_be_audited_again(mlkit, apply, small, files):
    pd.DataFrame(small.labels, columns=small.names, index=small.ids).to_csv(files / "y.csv")
    options = ["--probs", files / "p.npy", "--out", files / "a"]
    assert mlkit("audit", "--labels", files / "y.csv", *options).code == 0
    apply(files / "a" / "patch.json", files / "y.csv", files / "clean.csv", "--min-precision", 0)
    ended = mlkit("audit", "--labels", files / "clean.csv", *options)
    assert ended.code == 0
    cleaned = pd.read_csv(files / "clean.csv", index_col=0)
    expected = library.audit(cleaned, small.probs, ids=small.ids)
    assert ended.out.startswith(f"{expected!r}\nWritten")


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_labels_of_which_only_the_positives_are_known(mlkit, apply, small, files, form):
    name = files / ("y.npz" if form == "sparse" else "y.npy")
    if form == "sparse":
        sparse.save_npz(name, sparse.csr_array(small.labels))
    options = ["--unknown", "0"]
    audit = ["--probs", files / "p.npy", "--filter", "predicted_neq_given", "--out", files / "a"]
    assert mlkit("audit", "--labels", name, *audit, *options).code == 0
    apply(files / "a" / "patch.json", name, files / "clean.npz", "--min-precision", 0, *options)
    cleaned = as_label_matrix(sparse.load_npz(files / "clean.npz"), background="unknown")
    expected = np.where(small.labels == 1, small.probs >= 0.5, -1)
    np.testing.assert_array_equal(cleaned.to_dense(), expected)


def test_a_mask_is_given_as_to_the_audit(mlkit, apply, small, files):
    mask = np.random.default_rng(3).random(small.labels.shape) < 0.2
    np.save(files / "m.npy", mask)
    options = ["--unknown", files / "m.npy"]
    assert (
        mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", files / "a", *options).code
        == 0
    )
    apply(files / "a" / "patch.json", files / "y.npy", files / "clean.npy", "--min-precision", 0, *options)
    expected = library.audit(small.labels, small.probs, unknown=mask).patch().apply(small.labels, unknown=mask)
    np.testing.assert_array_equal(np.load(files / "clean.npy"), np.where(mask, -1, expected))


# What is refused


def test_other_labels_are_refused_and_nothing_is_written(refused, patch, small, files):
    labels = small.labels.copy()
    labels[0, 0] ^= 1
    np.save(files / "y.npy", labels)
    before = sorted(files.iterdir())
    said = refused("audit", "apply", patch[1], "--labels", files / "y.npy", "--out", files / "clean.npy")
    assert said.startswith(
        f"--labels: expected those that this patch is for (fingerprint {patch[0].before}), got others"
    )
    assert sorted(files.iterdir()) == before


def test_labels_that_have_the_changes_are_refused(apply, refused, patch, files):
    apply(patch[1], files / "y.npy", files / "clean.npy", "--min-precision", 0)
    options = ["--labels", files / "clean.npy", "--out", files / "again.npy", "--min-precision", 0]
    assert refused("audit", "apply", patch[1], *options) == (
        "--labels: expected the labels before this patch, got those after it (applied already)"
    )


def test_an_interrupt_leaves_the_old_output(mlkit, patch, files, monkeypatch):
    (files / "clean.npy").write_bytes(b"older")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupt)
    ended = mlkit("audit", "apply", patch[1], "--labels", files / "y.npy", "--out", files / "clean.npy")
    assert ended == (130, "", "")
    assert (files / "clean.npy").read_bytes() == b"older"


REFUSED = {
    "no patch": (["nothing.json"], r"PATCH: expected a file, got \S+nothing.json, which does not exist"),
    "labels for a patch": (["y.npy"], r"PATCH: expected text in UTF-8, got y.npy, which is not"),
    "names for a patch": (["names.txt"], r"PATCH: expected JSON, got names.txt that is none"),
    "a folder for output": (["audit/patch.json", "--out", "audit.npy/"], r"--out: expected a file, got the folder"),
    "output as text": (["audit/patch.json", "--out", "clean.txt"], r"--out: expected a file that ends in \.npy, \.npz"),
    "percent": (["audit/patch.json", "--min-precision", "90"], r"--min-precision: expected a number in \[0, 1\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_and_why(mlkit, patch, files, name):
    (path, *options), message = REFUSED[name]
    (files / "audit.npy").mkdir()
    options = [f"{files}/{option}" if "." in option or "/" in option else option for option in options]
    out = [] if "--out" in options else ["--out", files / "clean.npy"]
    ended = mlkit("audit", "apply", files / path, "--labels", files / "y.npy", *out, *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert re.match(f"mlkit audit apply: {message}", ended.err), ended.err
    assert not (files / "clean.npy").exists()


def test_a_share_that_is_no_number_is_refused(refused):
    said = refused("audit", "apply", "p.json", "--labels", "y.npy", "--out", "z.npy", "--min-precision", "high")
    assert said.startswith("--min-precision: expected a number, got 'high'")


def test_a_patch_of_a_later_version_is_refused(refused, patch, files):
    text = json.loads(patch[1].read_text(encoding="utf-8"))
    patch[1].write_text(json.dumps({**text, "version": 2}))
    said = refused("audit", "apply", patch[1], "--labels", files / "y.npy", "--out", files / "z.npy")
    assert said == "PATCH: expected version 1, which this mlkit reads (got 2, a later one?) in patch.json"
