"""mlkit.audit of batches: from functions, Parquet files and slices of arrays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mlkit
from mlkit import _core
from mlkit.labels import as_label_matrix
from mlkit.quality import _engine

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    probs = 1 / (1 + np.exp(-rng.normal(-2, 2, (700, 9))))
    return (rng.random(probs.shape) < probs).astype(np.int8), probs


@pytest.fixture(scope="module")
def swapped():
    """Two labels exchanged in some rows, one missing where another implies it, and a shift along the rows."""
    rng = np.random.default_rng(17)
    truth = rng.random((2000, 8)) < [0.2, 0.15, 0.25, 0.2, 0.1, 0.2, 0.15, 0.3]
    truth[:, 5] |= truth[:, 4]
    probs = np.clip(np.where(truth, 0.95, 0.05) + rng.normal(0, 0.02, truth.shape), 0, 1)
    labels = (truth ^ (rng.random(truth.shape) < 0.02)).astype(np.int8)
    labels[700:1000, [2, 3]] = labels[700:1000, [3, 2]]
    labels[:, 4:6] = truth[:, 4:6]
    labels[np.flatnonzero(truth[:, 4])[::6], 5] = 0
    labels[1200:, 7] &= rng.random(800) < 0.5
    return labels, probs.astype(np.float32)


def assert_same(got, expected):
    pd.testing.assert_frame_equal(got.labels, expected.labels, check_exact=True)
    pd.testing.assert_frame_equal(got.cells(), expected.cells(), check_exact=True)
    pd.testing.assert_frame_equal(got.examples(), expected.examples(), check_exact=True)
    pd.testing.assert_frame_equal(got.pairs(), expected.pairs(), check_exact=True)
    pd.testing.assert_frame_equal(got.breaks(), expected.breaks(), check_exact=True)
    np.testing.assert_array_equal(got.scores, expected.scores)
    assert got.patch() == expected.patch()
    assert got.to_json() == expected.to_json()


def in_batches(labels, probs, size, ids=None):
    def batches():
        for begin in range(0, probs.shape[0] if hasattr(probs, "shape") else len(probs), size):
            part = labels[begin : begin + size], probs[begin : begin + size]
            yield part if ids is None else (*part, ids[begin : begin + size])

    return batches


@pytest.mark.parametrize("size", [1, 99, 700, 1000])
def test_a_function_of_batches(data, size):
    assert_same(mlkit.audit(in_batches(*data, size)), mlkit.audit(*data))


def test_batches_with_ids_names_and_rules(data):
    labels, probs = data
    ids, names = [f"id {i}" for i in range(700)], [f"label {j}" for j in range(9)]
    options = {"label_names": names, "rules": [("implies", "label 0", "label 1")]}
    got = mlkit.audit(in_batches(labels, probs, 150, ids), **options)
    expected = mlkit.audit(labels, probs, ids=ids, **options)
    assert_same(got, expected)
    assert len(expected.violations()) > 0
    pd.testing.assert_frame_equal(got.violations(), expected.violations())


def test_batches_of_lists(data):
    labels, probs = data
    lists = [np.flatnonzero(row).tolist() for row in labels]
    assert_same(mlkit.audit(in_batches(lists, probs.tolist(), 100)), mlkit.audit(labels, probs))


@pytest.mark.parametrize("ids", [False, True])
def test_parquet_files(data, tmp_path, ids):
    pytest.importorskip("pyarrow")
    labels, probs = data
    names = [f"label {j}" for j in range(9)]
    index = [f"row {i}" for i in range(700)] if ids else None
    pd.DataFrame(labels, columns=names, index=index).to_parquet(tmp_path / "labels.parquet", row_group_size=50)
    pd.DataFrame(probs, columns=names, index=index).to_parquet(tmp_path / "probs.parquet", row_group_size=333)
    got = mlkit.audit(tmp_path / "labels.parquet", tmp_path / "probs.parquet")
    assert_same(got, mlkit.audit(labels, probs, label_names=names, ids=index))


@pytest.mark.parametrize("form", ["dense", "csr", "LabelMatrix", "memmap"])
def test_arrays_go_through_in_slices_where_memory_is_limited(data, tmp_path, form):
    labels, probs = (np.tile(part, (3, 1)) for part in data)
    y, p = labels, probs
    if form == "csr":
        y, p = sparse.coo_array(labels), sparse.csc_array(probs)
    elif form == "LabelMatrix":
        y = as_label_matrix(labels)
    elif form == "memmap":
        np.save(tmp_path / "p.npy", probs)
        p = np.load(tmp_path / "p.npy", mmap_mode="r")
    got = mlkit.audit(y, p, max_memory=1000, ids=np.arange(2100) + 7)
    assert_same(got, mlkit.audit(labels, probs, ids=np.arange(2100) + 7))


@pytest.mark.parametrize("filter_by", _engine.FILTERS)
@pytest.mark.parametrize("form", ["dense", "sparse", "float16", "slices", "in little memory"])
def test_pairs_are_found_in_batches(swapped, filter_by, form):
    labels, probs = swapped
    if form == "float16":
        probs = probs.astype(np.float16)
    expected = mlkit.audit(labels, probs, filter_by=filter_by)
    assert set(expected.pairs()["kind"]) >= {"swap", "implied"}
    options = {"filter_by": filter_by}
    if form == "slices":
        got = mlkit.audit(labels, probs, max_memory="20kB", **options)
    elif form == "sparse":
        got = mlkit.audit(in_batches(sparse.csr_array(labels), sparse.csr_array(probs), 300), **options)
    else:
        got = mlkit.audit(in_batches(labels, probs, 333), max_memory=1 if "little" in form else "64MB", **options)
    assert_same(got, expected)


def test_batches_of_several_types_are_read_as_they_are(swapped):
    labels, probs = swapped
    parts = [probs[:500].astype(np.float16), probs[500:1100], probs[1100:1500].astype(float), probs[1500:]]
    whole = np.concatenate([part.astype(float) for part in parts])

    def batches():
        begin = 0
        for part in (*parts[:3], sparse.csr_array(parts[3])):
            yield labels[begin : begin + part.shape[0]], part
            begin += part.shape[0]

    assert_same(mlkit.audit(batches), mlkit.audit(labels, whole))


@pytest.mark.parametrize("kind", ["numbers", "names"])
@pytest.mark.parametrize("way", ["function", "slices"])
def test_folds_are_compared_in_batches(data, kind, way):
    labels, probs = data
    folds = np.random.default_rng(0).integers(0, 4, 700)
    probs = np.clip(probs + 0.3 * (folds == 2)[:, None], 0, 1)
    ids = folds if kind == "numbers" else np.array(["a", "b", "c", "d"])[folds]
    expected = mlkit.audit(labels, probs, fold_ids=ids)
    assert "shifted between folds" in expected.trust.set_index("kind").loc["folds", "text"]
    if way == "function":
        got = mlkit.audit(in_batches(labels, probs, 99), fold_ids=ids)
    else:
        got = mlkit.audit(labels, probs, fold_ids=ids, max_memory="10kB")
    assert_same(got, expected)


@pytest.mark.parametrize("kind", ["rows", "first rows", "cells", "sparse cells"])
@pytest.mark.parametrize("way", ["function", "slices", "in little memory", "sparse"])
def test_trusted_cells_are_used_in_batches(data, kind, way):
    labels, probs = data
    labels = np.where(np.random.default_rng(5).random(labels.shape) < 0.05, -1, labels)
    trusted = np.arange(700) % 3 == 0 if kind == "rows" else np.arange(700) < 250
    if "cells" in kind:
        trusted = np.random.default_rng(1).random(labels.shape) < 0.3
        trusted[300:400] = False
    y, p = labels, np.where(probs > 0.05, probs, 0)
    expected = mlkit.audit(y, p, trusted=trusted)
    assert "trusted cells" in expected.story.assumption
    mask = sparse.csr_array(trusted) if kind == "sparse cells" else trusted
    if way == "slices":
        got = mlkit.audit(y, p, trusted=mask, max_memory="10kB")
    elif way == "sparse":
        got = mlkit.audit(in_batches(sparse.csr_array(y), sparse.csr_array(p), 90), trusted=mask)
    else:
        got = mlkit.audit(in_batches(y, p, 99), trusted=mask, max_memory=1 if "little" in way else "64MB")
    assert_same(got, expected)


@pytest.mark.parametrize("form", ["dense", "sparse", "lists", "frames"])
def test_unknown_cells_are_told_beside_slices(data, form):
    labels, probs = data
    unknown = np.random.default_rng(2).random(labels.shape) < 0.1
    expected = mlkit.audit(labels, probs, unknown=unknown)
    y, p, mask = labels, probs, unknown
    if form == "sparse":
        y, p, mask = (sparse.csr_array(part) for part in (y, p, mask))
    elif form == "lists":
        y, p, mask = [np.flatnonzero(row).tolist() for row in y], p.tolist(), mask.tolist()
    elif form == "frames":
        y, p, mask = pd.DataFrame(y, index=range(700, 0, -1)), pd.DataFrame(p), pd.DataFrame(mask)
    assert_same(mlkit.audit(y, p, unknown=mask, max_memory="10kB"), expected)


def test_rules_by_names_that_come_with_the_batches(data):
    labels, probs = data
    names = [f"label {j}" for j in range(9)]
    frame, rules = pd.DataFrame(labels, columns=names), [("implies", "label 0", "label 1")]
    expected = mlkit.audit(frame, probs, rules=rules)
    assert_same(mlkit.audit(in_batches(frame, probs, 150), rules=rules), expected)
    scores = pd.DataFrame(probs, columns=names)
    assert_same(mlkit.audit(in_batches(labels, scores, 150), rules=rules), expected)


def test_what_needs_probabilities_says_so(data):
    pytest.importorskip("matplotlib")
    got = mlkit.audit(in_batches(*data, 100))
    for call in (lambda: got.plot_score_hist(0), lambda: got.patch(policy="fdr")):
        with pytest.raises(ValueError, match=r"^pred_probs: this audit does not hold them"):
            call()
    assert len(got.patch()) == len(got.cells())


@pytest.mark.parametrize("form", ["dense", "csr", "rounded"])
def test_probabilities_that_stay_at_hand_are_used(data, form):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    labels, probs = data
    if form == "csr":
        probs = sparse.csr_array(np.where(probs > 0.1, probs, 0))
    elif form == "rounded":
        probs = np.where(probs > 0.9, 1 + 1e-7, probs)
    got, expected = mlkit.audit(labels, probs, max_memory="10kB"), mlkit.audit(labels, probs)
    for policy in ({"policy": "fdr"}, {"policy": "budget", "max_changes": 20}):
        assert got.patch(**policy) == expected.patch(**policy)
    bars = [[bar.get_path().vertices.tolist() for bar in x.plot_score_hist(0).patches] for x in (got, expected)]
    assert bars[0] == bars[1]
    matplotlib.pyplot.close("all")


def test_logits_do_not_stay_at_hand(data):
    labels, probs = data
    got = mlkit.audit(labels, np.log(probs / (1 - probs)), from_logits=True, max_memory="10kB")
    with pytest.raises(ValueError, match=r"^pred_probs: this audit does not hold them"):
        got.patch(policy="fdr")


def test_large_memory_maps_go_through_in_batches(swapped, tmp_path, monkeypatch):
    labels, probs = swapped
    np.save(tmp_path / "p.npy", probs)
    expected = mlkit.audit(labels, probs)
    mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
    monkeypatch.setattr("mlkit.quality._batches._LARGE", 1000)
    monkeypatch.setattr("mlkit.quality.audit.check_cells", None)  # what reads all at once
    assert_same(mlkit.audit(labels, mapped), expected)
    assert_same(mlkit.audit(labels, np.asarray(mapped)[:, :]), expected)
    with pytest.raises(TypeError):
        mlkit.audit(labels, probs)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (lambda: 3, {}, "labels: expected a function that returns an iterator .* returned int 3"),
        (list, {}, "labels: expected at least one batch, got none"),
        (lambda: [([[0]], [[0.5]]), 5], {}, "labels: expected batches .*, got int 5 as batch 1"),
        (lambda: [([[0]], [[0.5]]), ([[0]], [[1.5]])], {}, r"pred_probs: .*\(in batch 1, which begins at row 1\)"),
        (lambda: [([[1]], [[0.5]])], {"pred_probs": [[0.5]]}, "pred_probs: expected None, since labels is a function"),
        (lambda: [([[1]], [[0.5]])], {"ids": [1]}, "ids: expected None with batches, got list"),
        (lambda: [([[0]], [[0.5]])], {"trusted": [True, False]}, r"trusted: expected 1 examples, or shape \(1, 1\)"),
        (lambda: [([[1]], [[0.5]])], {"unknown": [[True]]}, "unknown: expected None with batches"),
        (lambda: [([[0]], [[0.5]])] * 9, {"fold_ids": [1, 2] * 4}, "fold_ids: expected a fold number for each example"),
        (lambda: [([[0]], [[0.5]])] * 7, {"fold_ids": [1, 2] * 4}, "fold_ids: expected 7 fold numbers, one for each"),
        (lambda: [([[0]], [[0.5]])], {"fold_ids": [[1]]}, r"fold_ids: expected fold numbers.* shape \(1, 1\)"),
        (lambda: [([[0]], [[0.5]])], {"fold_ids": range(9)}, "fold_ids: expected the numbers of a few folds, got 9"),
        (lambda: [([[1]], [[0.5]])], {"max_memory": "much"}, "max_memory: expected bytes or text such as '2GB'"),
        (Path("labels.parquet"), {"pred_probs": [[0.5]]}, "pred_probs: expected the Path of a Parquet file"),
        (Path("none.parquet"), {"pred_probs": Path("p.parquet")}, "labels: expected a Parquet file, got none.parquet"),
        (3, {"pred_probs": [[0.5, 0.5]], "max_memory": "1GB"}, "labels: expected a 2-D array, a sparse matrix"),
        ([[0]], {"pred_probs": "p", "max_memory": "1GB"}, "pred_probs: expected a 2-D array, a sparse matrix, a frame"),
        (np.zeros((2, 1), int), {"pred_probs": np.zeros((2, 1)), "unknown": np.zeros((1, 2), bool), "max_memory": 9},
         r"unknown: expected shape \(2, 1\) to match labels, got \(1, 2\) \(transposed\?\)"),
    ],
)  # fmt: skip
def test_bad_batches(source, options, message):
    pytest.importorskip("pyarrow")
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=f"^{message}"):
        mlkit.audit(source, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, p: (y, p[:-1], None), r"pred_probs: .* = \(700, 9\) to match labels, got \(699, 9\)"),
        (lambda y, p: (y[:-300], p, None), r"pred_probs: .* = \(400, 9\) to match labels, got \(700, 9\)"),
        (lambda y, p: (y, p.T, None), r"pred_probs: .* to match labels, got \(9, 700\) \(transposed\?\)"),
        (lambda y, p: (y, p, range(701)), r"ids: expected 700 ids, one for each example, got shape \(701,\)"),
        (lambda y, p: (y, p, range(699)), r"ids: expected 700 ids, one for each example, got shape \(699,\)"),
        (lambda y, p: (y, p, [0, *range(699)]), r"ids: expected distinct ids, got 0 at rows 0 and 1"),
    ],
)
def test_slices_of_arrays_that_do_not_fit(data, change, message):
    labels, probs, ids = change(*data)
    for options in ({}, {"max_memory": "1MB"}):
        with pytest.raises(ValueError, match=f"^{message}$"):
            mlkit.audit(labels, probs, ids=ids, **options)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("form", [np.zeros, sparse.csr_array])
def test_slices_of_nothing(shape, form):
    for options in ({}, {"max_memory": "1MB"}):
        with pytest.raises(ValueError, match=r"^pred_probs: expected at least one example and one label, got shape"):
            mlkit.audit(form(shape), form(shape), **options)


def test_an_iterator_that_can_be_used_only_once(data):
    once = iter([data])
    with pytest.raises(ValueError, match=r"^labels: expected a function that returns all batches each time"):
        mlkit.audit(lambda: once)


def test_parquet_files_that_do_not_fit(data, tmp_path):
    pytest.importorskip("pyarrow")
    labels, probs = data
    y, p = tmp_path / "y.parquet", tmp_path / "p.parquet"
    pd.DataFrame(labels, columns=list("abcdefghi")).to_parquet(y)
    pd.DataFrame(probs[:-1], columns=list("abcdefghi")).to_parquet(p)
    with pytest.raises(ValueError, match=r"^pred_probs: expected 700 rows as in y.parquet, got 699"):
        mlkit.audit(y, p)
    p.write_text("no table")
    with pytest.raises(ValueError, match=r"^pred_probs: expected a Parquet file, got .*p.parquet, which is none"):
        mlkit.audit(y, p)


LARGE = """
import sys, threading
from pathlib import Path
import numpy as np
import mlkit

n, L, block = 100_000, 1000, 10_000
probs = np.lib.format.open_memmap("p.npy", mode="w+", dtype=np.float32, shape=(n, L))
labels = np.lib.format.open_memmap("y.npy", mode="w+", dtype=np.int8, shape=(n, L))
rng = np.random.default_rng(0)
base = (1 / (1 + np.exp(-rng.normal(rng.uniform(-8.5, -5.5, L), 2, (block, L))))).astype(np.float32)
for begin in range(0, n, block):
    probs[begin : begin + block] = np.roll(base, begin // block, axis=0)
    labels[begin : begin + block] = rng.random((block, L), dtype=np.float32) < probs[begin : begin + block]
del probs, base
probs, labels = np.load("p.npy", mmap_mode="r"), np.load("y.npy", mmap_mode="r")
repr(mlkit.audit(labels[:500], probs[:500], n_jobs=1).summary)  # whatever is loaded is loaded now


def anonymous():
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


before, peak, stop = anonymous(), [0], threading.Event()


def watch():
    while not stop.wait(0.002):
        peak[0] = max(peak[0], anonymous())


watcher = threading.Thread(target=watch)
watcher.start()


def batches():
    for begin in range(0, n, 8192):
        yield labels[begin : begin + 8192], probs[begin : begin + 8192]


if sys.argv[1] == "memmap":
    audit = mlkit.audit(labels, probs, n_jobs=1)
else:
    audit = mlkit.audit(batches, n_jobs=1, max_memory="1MB")
stop.set()
watcher.join()
print(max(peak[0], anonymous()) - before)
thresholds = audit.labels[["threshold_0", "threshold_1"]].to_numpy()
for j in (0, 500, 999):  # against plain arithmetic on some labels
    y, p = labels[:, j].astype(bool), probs[:, j].astype(float)
    np.testing.assert_allclose(thresholds[j], [1 - p[~y].mean(), p[y].mean()], atol=1e-9)
print(audit.summary.to_csv(), end="")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
@pytest.mark.skipif(bool(_core.build_info()["sanitizers"]), reason="sanitizers need memory of their own")
def test_data_much_larger_than_memory(tmp_path):
    """400 MB of probabilities and 100 MB of labels, with 135 MB to work in; both ways say the same."""
    said = []
    for way in ("memmap", "batches"):
        command = [sys.executable, "-W", "ignore", "-c", LARGE, way]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        grown, summary = done.stdout.split("\n", 1)
        assert int(grown) < 135_000_000
        said.append(summary)
    assert "flagged cells" in said[0]
    assert said[0] == said[1]
