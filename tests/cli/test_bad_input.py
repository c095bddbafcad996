"""Bad input ends with exit code 2 and one line that names the option, and nothing is written."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse


@pytest.fixture
def refuse(refused, files):
    """What an audit says of the small data set's files with some of them replaced; nothing may be written."""

    def run(labels="y.npy", probs="p.npy", *more):
        out = files / "out"
        message = refused("audit", "--labels", f"{files}/{labels}", "--probs", f"{files}/{probs}", "--out", out, *more)
        assert not out.exists()
        return message

    return run


needs_permissions = pytest.mark.skipif(
    os.name == "nt" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="needs files that this user may not touch",
)


@pytest.fixture
def refused_for_lack_of_rights():
    """As ``refused``, by a process that permissions bind: those of the superuser's are taken away."""
    as_others = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

    def run(*arguments):
        command = [*as_others, sys.executable, "-m", "mlkit", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.count("\n") == 1
        return ended.stderr.removeprefix(f"mlkit {arguments[0]}: ").rstrip("\n")

    return run


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--filter", "prune_by_clas"],
            "--filter: expected one of 'prune_by_noise_rate', .*did you mean 'prune_by_class'",
        ),
        (["--rank-by", "margin"], "--rank-by: expected one of 'balanced_posterior'"),
        (["--trusted", "y.npy"], "--trusted: expected a file, got y.npy, which does not exist"),
        (["--min-support", "-1"], "--min-support: expected an integer >= 0, got -1"),
        (["--min-support", "ten"], "--min-support: expected an integer, got 'ten'"),
        (["--top", "-3"], "--top: expected an integer >= 0, got -3"),
        (["--jobs", "0"], "--jobs: expected a positive or negative integer or None, got 0"),
        (["--nan-policy", "drop"], "--nan-policy: expected one of 'raise', 'mask', got 'drop'"),
        (["--ids", "ids.txt", "--id-column", "key"], "--id-column: not allowed with argument --ids"),
        (["--id-column", "key"], "--id-column: expected a column of --labels or --probs, got 'key'"),
        (["--label", "y.npy"], "unrecognized arguments: --label y.npy"),
    ],
)
def test_options_are_judged(refuse, options, message):
    assert re.match(message, refuse("y.npy", "p.npy", *options))


def test_options_are_judged_before_files_are_opened(refused):
    message = refused("audit", "--labels", "none.npy", "--probs", "none.npy", "--filter", "best")
    assert message.startswith("--filter: ")


def test_labels_and_probabilities_are_required(refused):
    message = refused("audit", "--labels", "y.npy")
    assert message == "the following arguments are required: --probs (see mlkit audit --help)"


# Files


@pytest.mark.parametrize("option", ["--labels", "--probs", "--names", "--ids", "--folds", "--unknown"])
def test_a_file_that_does_not_exist(refused, files, option):
    given = {"--labels": files / "y.npy", "--probs": files / "p.npy", option: files / "mising.npy"}
    message = refused("audit", *(word for pair in given.items() for word in pair))
    assert message == f"{option}: expected a file, got {files}/mising.npy, which does not exist"


def test_a_similar_name_is_offered(refuse, files):
    assert refuse("z.npy").endswith("z.npy, which does not exist (did you mean 'y.npy'?)")


def test_all_files_must_exist_before_any_is_read(refuse, files):
    (files / "broken.csv").write_text("a,b\nx,y\n")
    assert refuse("broken.csv", "p.npy", "--ids", files / "none.txt").startswith("--ids: ")


def test_a_folder_is_no_file(refuse, files):
    (files / "folder.npy").mkdir()
    assert refuse("folder.npy") == f"--labels: expected a file, got {files}/folder.npy, which is a folder"


@pytest.mark.parametrize("name", ["y.npy", "y.npz", "y.csv", "y.parquet"])
def test_an_empty_file(refuse, files, name):
    (files / name).write_bytes(b"")
    assert refuse(name) == f"--labels: expected a file with content, got {files}/{name}, which is empty"


@needs_permissions
def test_a_file_that_may_not_be_read(refused_for_lack_of_rights, files):
    (files / "y.npy").chmod(0)
    said = refused_for_lack_of_rights("audit", "--labels", files / "y.npy", "--probs", files / "p.npy")
    assert said == f"--labels: cannot read {files}/y.npy (Permission denied)"


@pytest.mark.parametrize("name", ["y.pkl", "y", "y.txt", "y.mat"])
def test_an_unknown_suffix(refuse, files, name):
    (files / name).write_text("1,0\n")
    message = f"--labels: expected a file that ends in .npy, .npz, .csv, .tsv or .parquet, got {name}"
    assert refuse(name) == message


@pytest.mark.parametrize("name", ["y.npy", "y.npz"])
@pytest.mark.parametrize("kind", ["text", "cut short", "a pickle", "a broken archive"])
def test_a_broken_numpy_file(refuse, small, files, name, kind):
    path = files / name
    if kind == "text":
        path.write_text("1,0,1\n")
    elif kind == "a pickle":
        pd.to_pickle(small.labels, path)
    elif kind == "a broken archive":
        np.savez(files / "good.npz", small.labels)
        content = bytearray((files / "good.npz").read_bytes())
        content[200:230] = bytes(30)
        path.write_bytes(content)
    else:
        np.save(path, small.labels) if name == "y.npy" else np.savez(path, small.labels)
        path.write_bytes(path.read_bytes()[:-40])
    message = f"--labels: expected a file that NumPy has saved, got {name}, which is broken or in another format"
    assert refuse(name) == message


def test_python_objects_are_not_loaded(refuse, small, files):
    np.save(files / "y.npy", small.labels.astype(object))
    np.savez(files / "y.npz", labels=small.labels.astype(object))
    for name in ("y.npy", "y.npz"):
        expected = f"got {name}, which holds Python objects (these are not read: they could run code)"
        assert refuse(name) == f"--labels: expected numbers, {expected}"


def test_several_arrays_are_listed(refuse, small, files):
    np.savez(files / "all.npz", X=small.probs, labels=small.labels, Y_indptr=[0], Y_indices=[0])
    listed = "3 arrays: X, labels, Y (sparse)"
    assert refuse("all.npz") == f"--labels: expected one array, or all.npz:NAME, got all.npz with {listed}"
    message = refuse("all.npz:label")
    assert message == (
        "--labels: expected an array of all.npz, got all.npz:label (did you mean 'labels'?); it holds " + listed
    )


def test_an_empty_archive(refuse, files):
    np.savez(files / "none.npz")
    assert refuse("none.npz") == "--labels: expected one array, or none.npz:NAME, got none.npz with no arrays"


def test_many_arrays_are_listed_in_one_line(refuse, files):
    np.savez(files / "many.npz", **{f"array{i}": np.zeros(1) for i in range(40)})
    assert refuse("many.npz").endswith("with 40 arrays: " + ", ".join(f"array{i}" for i in range(12)) + " and 28 more")


def test_one_array_has_no_members(refuse, small, files):
    with (files / "y.npz").open("wb") as file:
        np.save(file, small.labels)
    message = "--labels: expected an .npz archive, got y.npz, which holds one array (leave out ':Y')"
    assert refuse("y.npz:Y") == message


def csr_arrays(**changed):
    arrays = {"Y_indptr": np.array([0, 1, 3]), "Y_indices": np.array([0, 1, 2]), "Y_shape": np.array([2, 3])}
    return {name: value for name, value in {**arrays, **changed}.items() if value is not None}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Y_indptr": [0, 2, 1]}, "CSR arrays that fit together (indptr 3, indices 3, data 3)"),
        ({"Y_indptr": [0, 3]}, "CSR arrays that fit together (indptr 2, indices 3, data 3)"),
        ({"Y_data": [1, 1]}, "CSR arrays that fit together (indptr 3, indices 3, data 2)"),
        ({"Y_indices": [0, 1, 3]}, "column numbers in [0, 3), found 0 to 3"),
        ({"Y_indices": [0, -1, 2]}, "column numbers in [0, 3), found -1 to 2"),
        ({"Y_indices": [0.0, 1.0, 2.0]}, "integers for indptr and indices"),
        ({"Y_shape": [2]}, "Y_shape to hold two integers"),
        ({"Y_indices": [[0, 1, 2]]}, "Y_indptr, Y_indices and Y_data of one dimension"),
    ],
)
def test_sparse_arrays_that_contradict_each_other(refuse, files, changed, expected):
    np.savez(files / "y.npz", **csr_arrays(**changed))
    assert refuse("y.npz:Y") == f"--labels: expected {expected} in y.npz:Y"


def test_a_broken_sparse_file(refuse, small, files):
    sparse.save_npz(files / "good.npz", sparse.csr_matrix(small.labels))
    with np.load(files / "good.npz") as archive:
        arrays = dict(archive)
    np.savez(files / "y.npz", **{**arrays, "indptr": arrays["indptr"][:5]})
    message = "expected a sparse matrix that SciPy has saved, got y.npz, which is broken or in another format"
    assert refuse("y.npz") == f"--labels: {message}"


def test_nothing_says_how_many_labels_there_are(refuse, files):
    np.savez(files / "two.npz", **csr_arrays(Y_shape=None), P_indptr=[0, 1, 1], P_indices=[0], P_data=[0.5])
    assert refuse("two.npz:Y", "two.npz:P").startswith("--labels: expected a shape in one of the two files")


@pytest.mark.parametrize("content", [b"\x00\x01", b"PAR1 is not enough", b"a,b\n1,0\n"])
def test_a_broken_parquet_file(refuse, files, content):
    (files / "y.parquet").write_bytes(content)
    assert refuse("y.parquet").startswith("--labels: expected a Parquet file, got y.parquet, which is none (")


def test_parquet_without_pyarrow(refuse, files, monkeypatch):
    (files / "y.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refuse("y.parquet") == "reading Parquet files needs pyarrow: pip install 'multilabelkit[parquet]'"


# Tables in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,0\n1,yes\n0,1\n", "expected numbers, got t.csv with 'yes' at row 1, column 'b' (--unknown says which"),
        ("a,b\nx1,0\nx2,1\n", "expected numbers, got t.csv with 'x1' at row 0, column 'a' (ids? --id-column a)"),
        ("a,b\n1,0\n1\n", "expected rows of equal length, got t.csv with 2 cells in its first line, 1 in line 3"),
        ("a,b\n1,0,0\n1,1\n", "expected rows of equal length, got t.csv with 2 cells in its first line, 3 in the next"),
        ("a,b\n1,0\n1,0,0\n", "expected a table, got t.csv, which is none (Expected 2 fields in line 3, saw 3)"),
        ("1,0,1\n0,1,0\n", "expected a header with label names, got t.csv, which begins with ['1', '0', '1'] (--no-h"),
        ("a,,c\n1,0,1\n", "expected a name for each column, got t.csv, whose header is empty in column 2"),
        ("a,b\n", "expected a header and rows, got t.csv, which has one line"),
        ("\n\n", "expected a table, got t.csv, which holds nothing but blank lines"),
        ('a,b\n1,0\n1,"0\n', "expected a table, got t.csv, which is none (EOF inside string starting at row 2)"),
        ("a,a\n1,0\n0,1\n", "columns: expected distinct names, got 'a' at positions 0 and 1"),
        ("a,b\n1,2\n", "expected 0 or 1 (-1 or NaN where unknown), got 2 at row 0, label 1 'b'"),
        ("a,b\n1,0.5\n", "expected 0 or 1 (-1 or NaN where unknown), got 0.5 at row 0, label 1 'b' (threshold it fi"),
    ],
)
def test_text_that_is_no_label_table(refuse, files, text, message):
    (files / "t.csv").write_text(text)
    said = refuse("t.csv", "p.npy")
    assert said.removeprefix("--labels").removeprefix(":").lstrip().startswith(message), said


def test_numbers_without_names_need_no_header(refuse, files):
    (files / "t.csv").write_text("cat,dog\n1,0\n")
    said = refuse("t.csv", "p.npy", "--no-header")
    assert said.endswith("got t.csv with 'cat' at row 0, column 0 (a header? leave out --no-header)")


def test_text_in_another_encoding(refuse, files):
    (files / "t.csv").write_bytes("Käfer,b\n1,0\n".encode("latin-1"))
    assert refuse("t.csv").startswith("--labels: expected text in UTF-8, got t.csv, which is not (")


def test_probabilities_of_other_labels(refuse, small, files):
    pd.DataFrame(small.labels, columns=small.names).to_csv(files / "y.csv", index=False)
    pd.DataFrame(small.probs, columns=[*small.names[:3], "cow"]).to_csv(files / "p.csv", index=False)
    assert refuse("y.csv", "p.csv").startswith("--probs: expected the columns ['cat', ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda ids: [*ids[:-1], "x"],
            "--probs: expected the ids of y.csv, got p.csv, which lacks 'img119' of row 119",
        ),
        (lambda ids: ids[:-1], "--probs: expected the ids of y.csv, got p.csv, which lacks 'img119' of row 119"),
        (lambda ids: [*ids, "x"], "--probs: expected the ids of y.csv, got p.csv with 1 more, the first 'x'"),
        (lambda ids: [*ids[:-1], ids[0]], "--probs: expected distinct ids, got p.csv with 'img000' at rows 0 and 119"),
    ],
)
def test_ids_of_two_tables_that_differ(refuse, small, files, change, message):
    ids = change(small.ids)
    probs = np.resize(small.probs, (len(ids), 4))
    pd.DataFrame(small.labels, columns=small.names).assign(key=small.ids).to_csv(files / "y.csv", index=False)
    pd.DataFrame(probs, columns=small.names).assign(key=ids).to_csv(files / "p.csv", index=False)
    assert refuse("y.csv", "p.csv", "--id-column", "key").startswith(message)


def test_ids_in_a_column_must_differ(refuse, small, files):
    frame = pd.DataFrame(small.labels, columns=small.names).assign(key=["same", "same", *small.ids[2:]])
    frame.to_csv(files / "y.csv", index=False)
    said = refuse("y.csv", "p.npy", "--id-column", "key")
    assert said == "--id-column: expected distinct ids, got 'same' at rows 0 and 1"


def test_an_index_must_differ_as_well(refuse, small, files):
    pd.DataFrame(small.labels, columns=small.names, index=[0, 0, *range(118)]).to_csv(files / "y.csv")
    assert refuse("y.csv", "p.npy") == "the index of a table: expected distinct ids, got '0' at rows 0 and 1"


# What the audit itself refuses, in the words of the command line


def with_value(array, row, column, value):
    changed = np.array(array, float)
    changed[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        (lambda p: p[:, :3], "expected shape (n_samples, n_labels) = (120, 4) to match --labels, got (120, 3)"),
        (lambda p: p.T, "expected shape (n_samples, n_labels) = (120, 4) to match --labels, got (4, 120) (tran"),
        (lambda p: p[0], "expected two dimensions (n_samples, n_labels), got shape (4,)"),
        (lambda p: p > 0.5, "expected probabilities, got bool (hard predictions carry no confidence; "),
        (lambda p: with_value(p, 3, 2, np.nan), "expected no missing values, got 1 NaN (first at row 3, label 2; "),
        (lambda p: with_value(p, 3, 2, 1.2), "expected values in [0, 1], got 1.2 at row 3, label 2 (max 1.2"),
        (lambda p: p.astype("U5"), "expected float16, float32 or float64, got <U"),
        (lambda p: p.astype(">f8"), "expected native byte order, got >f8"),
        (lambda p: p[:0], "expected "),
    ],
)
def test_probabilities_are_judged(refuse, small, files, probs, message):
    np.save(files / "p.npy", probs(small.probs))
    assert refuse().startswith(f"--probs: {message}")


@pytest.mark.parametrize(
    ("probs", "advice"),
    [
        (lambda p: 8 * p - 4, "; pass --from-logits)"),
        (lambda p: p > 0.5, "; pass probabilities, or --force to use these as they are)"),
        (lambda p: with_value(p, 3, 2, np.nan), "; --nan-policy mask treats such cells as unknown)"),
    ],
)
def test_advice_names_options(refuse, small, files, probs, advice):
    np.save(files / "p.npy", probs(small.probs))
    assert refuse().endswith(advice)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda y: y * 2, "--labels: expected 0 or 1 (-1 or NaN where unknown), got 2 at row "),
        (lambda y: y * 2 - 1, "--labels: expected 0 where a label is absent, got only -1 and 1 (-1 means unknown: "),
        (lambda y: y[:50], "--probs: expected shape (n_samples, n_labels) = (50, 4) to match --labels, got (120, 4)"),
        (lambda y: y[:0], "--labels: expected at least one example, got no rows (shape (0, 4))"),
        (lambda y: y.astype(str), "--labels: expected "),
        (lambda y: y[:, 0], "--labels: expected two dimensions (n_samples, n_labels), got shape (120,)"),
    ],
)
def test_labels_are_judged(refuse, small, files, labels, message):
    np.save(files / "y.npy", labels(small.labels))
    assert refuse().startswith(message)


def test_signs_have_two_ways_out(refuse, small, files):
    np.save(files / "y.npy", small.labels * 2 - 1)
    advice = "if yours means absent, write 0 in its place; if it does mean unknown, pass --unknown -1)"
    assert refuse().endswith(advice)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\nc\n", "--names: expected 4 names, one for each label, got 3"),
        ("a\nb\nc\nb\n", "--names: expected distinct names, got 'b' at positions 1 and 3"),
        ("a\n\nc\nd\n", "--names: expected one entry a line, got n.txt, in which line 2 is empty"),
        (" \n", "--names: expected one entry a line, got n.txt, which is blank"),
    ],
)
def test_names_are_judged(refuse, files, text, message):
    (files / "n.txt").write_text(text)
    said = refuse("y.npy", "p.npy", "--names", files / "n.txt")
    assert said.startswith((message, "--labels: expected 3 labels (columns) to match --names"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ids: ids[1:], "--ids: expected 120 ids, one for each example, got shape (119,)"),
        (lambda ids: [*ids[:-1], ids[0]], "--ids: expected distinct ids, got 'img000' at rows 0 and 119"),
    ],
)
def test_ids_are_judged(refuse, small, files, change, message):
    (files / "ids.txt").write_text("\n".join(change(small.ids)))
    assert refuse("y.npy", "p.npy", "--ids", files / "ids.txt") == message


def test_folds_are_judged(refuse, files):
    np.save(files / "folds.npy", np.arange(119) % 5)
    said = refuse("y.npy", "p.npy", "--folds", files / "folds.npy")
    assert said == "--folds: expected 120 fold numbers, one for each example, got shape (119,)"


def test_a_list_is_one_dimension(refuse, files):
    assert (
        refuse("y.npy", "p.npy", "--names", files / "y.npy")
        == "--names: expected a list, got y.npy with shape (120, 4)"
    )


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((120, 3), bool), "--unknown: expected shape (120, 4) to match --labels, got (120, 3)"),
        (np.full((120, 4), 2), "--unknown: expected a mask of 0 and 1, got m.npy with 2"),
        (np.full((120, 4), "x"), "--unknown: expected a mask of 0 and 1, got m.npy with x"),
    ],
)
def test_a_mask_is_judged(refuse, files, mask, message):
    np.save(files / "m.npy", mask)
    assert refuse("y.npy", "p.npy", "--unknown", files / "m.npy") == message


def test_a_word_for_unknown_needs_a_table(refuse):
    said = refuse("y.npy", "p.npy", "--unknown", "?")
    assert said == "--unknown: expected a number or a file, got '?' (only tables can hold text)"


# The folder


def test_the_folder_may_not_be_a_file(refused, files):
    for out in (files / "y.npy", files / "y.npy" / "deeper"):
        said = refused("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", out)
        assert said == f"--out: expected a folder, got the file {files}/y.npy"


def test_the_folder_is_judged_before_the_files_are_read(refused, files):
    (files / "t.csv").write_text("broken")
    said = refused("audit", "--labels", files / "t.csv", "--probs", files / "p.npy", "--out", files / "y.npy")
    assert said.startswith("--out: ")


@needs_permissions
def test_a_folder_without_permission(refused_for_lack_of_rights, files):
    locked = files / "locked"
    locked.mkdir(mode=0o500)
    said = refused_for_lack_of_rights(
        "audit", "--labels", files / "y.npy", "--probs", files / "p.npy", "--out", locked / "out"
    )
    assert said == f"--out: cannot write to {locked}/out (no permission)"


# Defects are not bad input


def test_a_defect_keeps_its_traceback(mlkit, files, monkeypatch):
    def fail(*_, **__):
        raise ValueError("something else is wrong")

    monkeypatch.setattr("mlkit.quality._engine.row_scores", fail)
    with pytest.raises(ValueError, match="something else is wrong"):
        mlkit("audit", "--labels", files / "y.npy", "--probs", files / "p.npy")
