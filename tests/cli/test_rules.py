"""Files of hierarchies and rules: what they may look like, and what is said of those that do not."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import mlkit as library

NAMES = ["animal", "dog", "a horse", "boat"]
PAIRS = [("animal", "dog"), ("animal", "a horse")]
RULES = [("excludes", "dog", "boat"), ("implies", "a horse", "animal"), ("count", ["dog", "boat"], 0, 1)]
TEXT = "# what our annotators agreed on\n\nexcludes,dog,boat\nimplies, a horse ,animal\ncount,0,1,dog,boat\n"


@pytest.fixture
def audit(mlkit, files):
    """Audit the small data set with label names and further options; return what is written."""
    (files / "own.txt").write_text("\n".join(NAMES))

    def run(*options, names=True):
        named = ("--names", files / "own.txt") if names else ()
        arguments = ("--labels", files / "y.npy", "--probs", files / "p.npy", *named, "--out", files / "out")
        ended = mlkit("audit", *arguments, *options)
        assert (ended.code, ended.err) == (0, "")
        return ended.out, files / "out"

    return run


@pytest.fixture
def refuse(refused, files):
    """What is said of a file with this text; nothing may be written."""
    (files / "own.txt").write_text("\n".join(NAMES))

    def run(option, text, *options, suffix=".txt"):
        path = files / f"rules{suffix}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        said = refused("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", option, path, *options,
                       "--out", files / "out")  # fmt: skip
        assert not (files / "out").exists()
        return said

    return run


def written(folder, name):
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False)


def test_rules_are_those_of_the_library(audit, small, files):
    (files / "rules.txt").write_text(TEXT)
    (files / "tree.csv").write_text("parent,child\nanimal,dog\nanimal,a horse\n")
    said, folder = audit("--rules", files / "rules.txt", "--hierarchy", files / "tree.csv")
    expected = library.audit(small.labels, small.probs, label_names=NAMES, hierarchy=PAIRS, rules=RULES)
    assert said.startswith(repr(expected))
    assert set(expected.violations()["kind"]) == {"orphan", "excludes", "implies", "count"}
    assert written(folder, "violations").astype(str).equals(expected.violations().astype(str))
    assert json.loads((folder / "summary.json").read_text())["evidence"] == expected.evidence.to_dict(orient="records")


@pytest.mark.parametrize(
    "text",
    [
        "animal,dog\nanimal,a horse\n",
        "animal\tdog\r\nanimal\ta horse",
        "\ufeff0;1\n# comment\n0;2\n",
        '"animal","dog"\n\n  \n"animal", "a horse"\n',
        "-1\n0\n0\n-1\n",
        "animal\nanimal/dog\nanimal/a horse\nboat",
    ],
)
def test_every_form_of_a_hierarchy(audit, files, small, text):
    (files / "tree.txt").write_text(text, encoding="utf-8")
    expected = library.audit(small.labels, small.probs, label_names=NAMES, hierarchy=PAIRS).violations()
    _, folder = audit("--hierarchy", files / "tree.txt")
    assert len(expected) > 10
    assert written(folder, "violations").astype(str).equals(expected.astype(str))


@pytest.mark.parametrize("form", ["parents", "pairs", "archive"])
def test_a_hierarchy_as_an_array(audit, files, small, form):
    parents = np.array([-1, 0, 0, -1], np.int32)
    path = files / "tree.npy"
    if form == "archive":
        np.savez(files / "tree.npz", parent=parents, other=parents)
        path = f"{files}/tree.npz:parent"
    else:
        np.save(path, parents if form == "parents" else np.array([[0, 1], [0, 2]]))
    _, folder = audit("--hierarchy", path)
    expected = library.audit(small.labels, small.probs, label_names=NAMES, hierarchy=PAIRS).violations()
    assert written(folder, "violations").astype(str).equals(expected.astype(str))


def test_labels_without_names_have_numbers(audit, files, small):
    (files / "rules.txt").write_text("excludes,1,3\n")
    _, folder = audit("--rules", files / "rules.txt", names=False)
    expected = library.audit(small.labels, small.probs, rules=[("excludes", 1, 3)]).violations()
    assert written(folder, "violations").astype(str).equals(expected.astype(str))


def test_a_name_that_looks_like_a_number_is_a_name(audit, files, small):
    (files / "own.txt").write_text("3\n2\n1\n0")
    (files / "rules.txt").write_text("excludes,3,0\n")
    _, folder = audit("--rules", files / "rules.txt")
    assert written(folder, "violations")["row"].tolist() == np.flatnonzero(small.labels[:, [0, 3]].all(axis=1)).tolist()


def test_names_in_the_header_of_a_table_will_do(mlkit, files, small):
    pd.DataFrame(small.labels, columns=NAMES).to_csv(files / "y.csv", index=False)
    (files / "rules.txt").write_text(TEXT)
    arguments = ("--labels", files / "y.csv", "--probs", files / "p.npy", "--rules", files / "rules.txt")
    expected = library.audit(small.labels, small.probs, label_names=NAMES, rules=RULES)
    assert mlkit("audit", *arguments).out == f"{expected!r}\n"


def test_breaks_and_pairs_are_written(mlkit, files):
    rng = np.random.default_rng(0)
    truth = rng.random((2000, 4)) < [0.2, 0.15, 0.4, 0.2]
    probs = np.where(truth, 0.97, 0.03)
    labels = truth ^ (rng.random(truth.shape) < 0.02)
    swapped = np.flatnonzero(labels[:, 1] & ~labels[:, 0])[::5]
    labels[swapped, 0], labels[swapped, 1] = True, False
    labels[1500:, 3] = False
    np.save(files / "y.npy", labels)
    np.save(files / "p.npy", probs)
    (files / "own.txt").write_text("cat\ndog\na horse\nbig cat\n")
    arguments = ("--labels", files / "y.npy", "--probs", files / "p.npy", "--names", files / "own.txt")
    assert mlkit("audit", *arguments, "--out", files / "out").code == 0
    expected = library.audit(labels, probs, label_names=["cat", "dog", "a horse", "big cat"])
    pairs, breaks = written(files / "out", "pairs"), written(files / "out", "breaks")
    pd.testing.assert_frame_equal(pairs, expected.pairs(), check_dtype=False)
    assert ("cat", "dog") in list(zip(pairs["label_a"], pairs["label_b"]))
    pd.testing.assert_frame_equal(
        breaks.drop(columns="labels"), expected.breaks().drop(columns="labels"), check_dtype=False
    )
    assert '"big cat"' in breaks["labels"].tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "excludes,dog,boat\nexcludes,dgo,boat\n",
            "expected names of labels, got 'dgo' in line 2 of rules.txt (did yo",
        ),
        ("# one\n\nimplies,dog,9\n", r"expected label numbers in [0, 4), got 9 in line 3 of rules.txt"),
        ("implies,dog,dog\n", "expected two different labels, got ('implies', 'dog', 'dog') in line 1 of rules.txt"),
        ("count,1,0,dog\n", "the largest count in line 1 of rules.txt: expected an integer >= 1, got 0"),
        ("count,dog,boat\n", "expected 'implies,A,B', 'excludes,A,B' or 'count,LEAST,MOST,A,B,...', got 'count,dog,bo"),
        ("forbids,dog,boat\n", "expected 'implies,A,B', 'excludes,A,B' or 'count,LEAST,MOST,A,B,...', got 'forbids,do"),
        ("excludes,dog\n", "expected 'implies,A,B', 'excludes,A,B' or 'count,LEAST,MOST,A,B,...', got 'excludes,dog' "),
        (" \n# nothing\n", "expected a line for each rule, got rules.txt, which is blank"),
        (b"excludes,\xff,boat", "expected text in UTF-8, got rules.txt, which is not (invalid start byte at byte 9)"),
    ],
)
def test_rules_that_are_none(refuse, files, text, message):
    said = refuse("--rules", text, "--names", files / "own.txt")
    assert said.startswith(f"--rules: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("animal,dog\nanimal,hose\n", "expected names of labels, got 'hose' in line 2 of rules.txt (did you mean 'a h"),
        ("animal,dog\ndog\n", "expected 'PARENT,CHILD', got 'dog' in line 2 of rules.txt"),
        ("animal,dog\ndog,\n", "expected 'PARENT,CHILD', got 'dog,' in line 2 of rules.txt"),
        ("a,b,c\n", "expected 'PARENT,CHILD', or a parent's number or a path for each label, got 'a,b,c' in line 1 of"),
        ("animal,dog\ndog,animal\n", "expected no cycles, got one through label 0 (in rules.txt)"),
        ("\nanimal,animal\n", "expected no label above itself, got label 0 in line 2 of rules.txt"),
        ("-1\n0\n0\n", "expected 4 parents, one for each label, got 3 (in rules.txt)"),
        ("-1\n0\n0\n7\n", "expected label numbers in [0, 4) or -1, got 7 in line 4 of rules.txt"),
        ("a\nb\na\nc\n", "expected distinct paths, got 'a' in lines 1 and 3 of rules.txt"),
        ("# nothing", "expected a hierarchy, got rules.txt, which is blank"),
    ],
)
def test_hierarchies_that_are_none(refuse, files, text, message):
    said = refuse("--hierarchy", text, "--names", files / "own.txt")
    assert said.startswith(f"--hierarchy: {message}")


def test_names_in_rules_need_names(refuse):
    said = refuse("--rules", "excludes,dog,boat\n")
    assert said == (
        "--rules: expected label numbers, got 'dog' in line 1 of rules.txt (--names says what labels are called)"
    )


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([0.5, 1.0, 2.0, 3.0]), "expected the number of each label's parent (-1: none), got tree.npy with fl"),
        (np.zeros((2, 2, 2), int), "expected the number of each label's parent (-1: none), got tree.npy with int64 of"),
        (np.array([-1, 0]), "expected 4 parents, one for each label, got 2 (in tree.npy)"),
        (np.array([[0, 1, 2]]), "expected a parent array (-1: no parent), (parent, child) pairs, a networkx.DiGraph o"),
    ],
)
def test_arrays_that_are_no_hierarchy(refused, files, array, message):
    np.save(files / "tree.npy", array)
    arguments = ("--labels", files / "y.npy", "--probs", files / "p.npy", "--hierarchy", files / "tree.npy")
    assert refused("audit", *arguments).startswith(f"--hierarchy: {message}")


@pytest.mark.parametrize(("option", "suffix"), [("--rules", ".npy"), ("--rules", ".parquet"), ("--hierarchy", ".pq")])
def test_formats_that_hold_no_rules(refuse, option, suffix):
    assert re.match(rf"{option}: expected text.*, got rules{suffix}$", refuse(option, "PAR1", suffix=suffix))


def test_files_of_rules_must_exist(refused, files):
    for option in ("--rules", "--hierarchy"):
        said = refused("audit", "--labels", files / "y.npy", "--probs", files / "p.npy", option, files / "0.rules")
        assert said == f"{option}: expected a file, got {files}/0.rules, which does not exist"
