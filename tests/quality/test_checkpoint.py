"""An audit of batches that is killed goes on where it was, and says the same to the bit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import mlkit
from mlkit.quality import LabelQualityState, _checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")

N, N_LABELS, SIZE = 1000, 7, 90  # twelve batches


def problem():
    rng = np.random.default_rng(11)
    probs = (1 / (1 + np.exp(-rng.normal(rng.uniform(-3, 0, N_LABELS), 2, (N, N_LABELS))))).astype(np.float32)
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    labels[rng.random(labels.shape) < 0.03] = -1
    return labels, probs


def batches_of(labels, probs, ids=None, size=SIZE):
    def batches():
        for begin in range(0, len(probs), size):
            part = labels[begin : begin + size], probs[begin : begin + size]
            yield part if ids is None else (*part, ids[begin : begin + size])

    return batches


def assert_same(got, expected):
    pd.testing.assert_frame_equal(got.labels, expected.labels, check_exact=True)
    pd.testing.assert_frame_equal(got.cells(), expected.cells(), check_exact=True)
    pd.testing.assert_frame_equal(got.examples(), expected.examples(), check_exact=True)
    np.testing.assert_array_equal(got.scores, expected.scores)
    assert got.patch() == expected.patch()
    assert got.to_json() == expected.to_json()


@pytest.fixture(autouse=True)
def _save_after_every_batch(monkeypatch):
    monkeypatch.setattr(_checkpoint, "SECONDS", 0)


@pytest.fixture
def worked_on(monkeypatch):
    """How many batches either pass has worked on."""
    counts = {"thresholds": 0, "issues": 0}
    add, search = mlkit.quality._tally.Tally.add, LabelQualityState._search

    def counted_add(self, cells):
        counts["thresholds"] += 1
        add(self, cells)

    def counted_search(self, *arguments):
        counts["issues"] += 1
        search(self, *arguments)

    monkeypatch.setattr(mlkit.quality._tally.Tally, "add", counted_add)
    monkeypatch.setattr(LabelQualityState, "_search", counted_search)
    return counts


class StopError(Exception):
    pass


def interrupt(folder, at_pass, at_batch, *, ids=None, **options):
    """An audit that ends as its function of batches fails in the middle."""
    labels, probs = problem()
    passes = []

    def batches():
        passes.append(None)
        for k, batch in enumerate(batches_of(labels, probs, ids)()):
            if (len(passes), k) == (at_pass, at_batch):
                raise StopError
            yield batch

    with pytest.raises(StopError):
        mlkit.audit(batches, checkpoint=folder, **options)


# -------------------------------------------------------------------------------------------------------- the same bits

KILLED = """
import os
import signal
import sys

import numpy as np
import mlkit
from mlkit.quality import _checkpoint

folder, where, at = sys.argv[1], sys.argv[2], int(sys.argv[3])
_checkpoint.SECONDS = 0
labels, probs = np.load("y.npy"), np.load("p.npy")
passes = []


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def batches():
    passes.append(None)
    for k in range(12):
        if where == f"pass {len(passes)}" and k == at:
            kill()
        yield labels[90 * k : 90 * k + 90], probs[90 * k : 90 * k + 90], np.arange(90 * k, min(1000, 90 * k + 90)) + 5


def killed_before(name, times):
    calls, real = [], getattr(_checkpoint, name)

    def call(*arguments, **options):
        calls.append(None)
        if len(calls) == times:
            kill()
        return real(*arguments, **options)

    setattr(_checkpoint, name, call)


if where == "between columns and progress":
    killed_before("write_whole", at)
elif where == "while progress is written":
    real, times = np.savez, []

    def half(file, **arrays):
        real(file, **arrays)
        times.append(None)
        if len(times) == at:
            file.truncate(100)
            kill()

    np.savez = half
folds = np.arange(1000) % 5
mlkit.audit(batches, checkpoint=folder, fold_ids=folds, max_memory=2000)
"""


@pytest.mark.parametrize(
    ("where", "at"),
    [
        ("pass 1", 7),
        ("pass 2", 5),
        ("between columns and progress", 18),
        ("while progress is written", 20),
        pytest.param("pass 1", 0, marks=pytest.mark.slow),
        pytest.param("pass 1", 1, marks=pytest.mark.slow),
        pytest.param("pass 2", 0, marks=pytest.mark.slow),
        pytest.param("pass 2", 11, marks=pytest.mark.slow),
        pytest.param("between columns and progress", 3, marks=pytest.mark.slow),
        pytest.param("while progress is written", 5, marks=pytest.mark.slow),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_an_audit_that_was_killed_goes_on(tmp_path, where, at):
    labels, probs = problem()
    np.save(tmp_path / "y.npy", labels)
    np.save(tmp_path / "p.npy", probs)
    ids, folds = np.arange(N) + 5, np.arange(N) % 5
    command = [sys.executable, "-W", "ignore", "-c", KILLED, "kept", where, str(at)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    got = mlkit.audit(batches_of(labels, probs, ids), checkpoint=tmp_path / "kept", fold_ids=folds, max_memory=2000)
    assert_same(got, mlkit.audit(labels, probs, ids=ids, fold_ids=folds))
    assert not (tmp_path / "kept").exists()


def test_what_has_been_done_is_not_done_again(tmp_path, worked_on):
    labels, probs = problem()
    interrupt(tmp_path / "kept", 1, 5)
    interrupt(tmp_path / "kept", 2, 4)
    assert worked_on == {"thresholds": 12, "issues": 4}
    got = mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path / "kept")
    assert worked_on == {"thresholds": 12, "issues": 12}
    assert not (tmp_path / "kept").exists()
    assert_same(got, mlkit.audit(labels, probs))


@pytest.mark.parametrize("filter_by", ["low_self_confidence", "confident_learning"])
def test_it_can_be_interrupted_again_and_again(tmp_path, filter_by):
    labels, probs = problem()
    ids = [f"text {i}" for i in range(N)]
    for at in ((1, 2), (1, 2), (1, 9), (2, 0), (2, 3), (2, 3), (2, 11)):
        interrupt(tmp_path, *at, ids=ids, filter_by=filter_by)
    got = mlkit.audit(batches_of(labels, probs, ids), checkpoint=tmp_path, filter_by=filter_by)
    assert_same(got, mlkit.audit(labels, probs, ids=ids, filter_by=filter_by))


def test_one_that_ends_in_the_search_for_evidence_goes_on(tmp_path, monkeypatch, worked_on):
    labels, probs = problem()
    with monkeypatch.context() as patched:
        patched.setattr("mlkit.quality._evidence.find_violations", None)
        with pytest.raises(TypeError):
            mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path)
    got = mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path)
    assert worked_on == {"thresholds": 12, "issues": 12}
    assert_same(got, mlkit.audit(labels, probs))


def test_arrays_parquet_files_and_names(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    labels, probs = np.abs(problem()[0]), problem()[1]
    names = [f"label {j}" for j in range(N_LABELS)]
    expected = mlkit.audit(labels, probs, label_names=names)
    y, p = tmp_path / "y.parquet", tmp_path / "p.parquet"
    pd.DataFrame(labels, columns=names).to_parquet(y)
    pd.DataFrame(probs, columns=names).to_parquet(p)
    monkeypatch.setattr("mlkit.quality._batches._CELLS", 600)
    search = LabelQualityState._search

    def fail(self, cells, ids, first_row):
        if first_row > 500:
            raise StopError
        search(self, cells, ids, first_row)

    for arguments, options in (((y, p), {}), ((labels, probs), {"label_names": names, "max_memory": "10kB"})):
        with monkeypatch.context() as patched:
            patched.setattr(LabelQualityState, "_search", fail)
            with pytest.raises(StopError):
                mlkit.audit(*arguments, checkpoint=tmp_path / "kept", **options)
        assert_same(mlkit.audit(*arguments, checkpoint=tmp_path / "kept", **options), expected)


def test_other_settings_may_change(tmp_path):
    """What passes do not depend on may be asked for anew."""
    labels, probs = problem()
    interrupt(tmp_path, 2, 6)
    more = {"min_support": 300, "rank_by": "self_confidence", "rules": [("excludes", 0, 1)], "n_jobs": 3}
    got = mlkit.audit(batches_of(labels, probs), checkpoint=str(tmp_path), max_memory=10, **more)
    assert_same(got, mlkit.audit(labels, probs, **more))


def test_nothing_is_kept_before_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(_checkpoint, "SECONDS", 1e9)
    interrupt(tmp_path, 1, 9)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    interrupt(tmp_path, 2, 9)
    assert (tmp_path / "progress.npz").exists()  # the end of the first pass is always kept


# ------------------------------------------------------------------------------------------------------ what is refused


def changed_cell(array, value):
    other = array.copy()
    other[100, 3] = value
    return other


@pytest.mark.parametrize("at", [(1, 6), (2, 6)])
@pytest.mark.parametrize(
    "what", ["a label", "a probability", "rows", "fewer rows", "columns", "smaller batches", "type"]
)
def test_other_data_are_refused(tmp_path, at, what):
    labels, probs = problem()
    interrupt(tmp_path, *at)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    size = SIZE
    if what == "a label":
        labels = changed_cell(labels, 1 - labels[100, 3])
    elif what == "a probability":
        probs = changed_cell(probs, np.nextafter(probs[100, 3], np.float32(1)))
    elif what == "rows":
        labels, probs = labels[::-1], probs[::-1]
    elif what == "fewer rows":
        labels, probs = labels[:200], probs[:200]
    elif what == "columns":
        labels, probs = labels[:, :4], probs[:, :4]
    elif what == "smaller batches":
        size = 45
    else:
        probs = probs.astype(float)
    with pytest.raises(
        ValueError, match=r"^checkpoint: expected .* interrupted in .* got .*\(delete the folder to beg"
    ):
        mlkit.audit(batches_of(labels, probs, size=size), checkpoint=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filter_by": "both"}, "expected filter_by='prune_by_noise_rate' as in the audit .*, got 'both' "),
        ({"nan_policy": "mask"}, "expected nan_policy='raise' as in the audit .*, got 'mask' "),
        ({"label_names": list("abcdefg")}, "expected label_names=None as in the audit .*, got "),
        ({"fold_ids": np.arange(N) % 3}, "expected fold_ids=None as in the audit .*, got '"),
    ],
)
def test_other_settings_are_refused(tmp_path, options, message):
    labels, probs = problem()
    interrupt(tmp_path, 2, 6)
    with pytest.raises(ValueError, match=f"^checkpoint: {message}.*delete the folder to begin anew"):
        mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path, **options)


def test_batches_that_change_from_pass_to_pass_are_refused(tmp_path):
    labels, probs = problem()
    sizes = iter([90, 45])
    with pytest.raises(ValueError, match=r"^labels: expected the same batches each time with a checkpoint"):
        mlkit.audit(lambda: batches_of(labels, probs, size=next(sizes))(), checkpoint=tmp_path)


def test_another_version_of_mlkit_is_refused(tmp_path, monkeypatch):
    labels, probs = problem()
    interrupt(tmp_path, 2, 6)
    monkeypatch.setattr(mlkit, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"^checkpoint: expected an audit that mlkit 99.0 has begun, got one of mlkit"):
        mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK no archive", None])
def test_a_broken_file_is_named(tmp_path, content):
    labels, probs = problem()
    interrupt(tmp_path, 2, 6)
    path = tmp_path / "progress.npz"
    if content is None:
        with path.open("wb") as file:
            np.savez(file, meta=np.frombuffer(json.dumps([]).encode(), np.uint8))
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^checkpoint: expected a folder of an interrupted audit, got a broken .*npz"):
        mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="locks as POSIX does")
def test_two_audits_do_not_share_a_folder(tmp_path):
    labels, probs = problem()

    def batches():
        first, *others = batches_of(labels, probs)()
        yield first
        with pytest.raises(ValueError, match=r"^checkpoint: expected a folder that no other audit is using, got"):
            mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path)
        yield from others

    assert_same(mlkit.audit(batches, checkpoint=tmp_path), mlkit.audit(labels, probs))


def test_a_folder_may_hold_other_files(tmp_path):
    labels, probs = problem()
    (tmp_path / "notes.txt").write_text("mine")
    mlkit.audit(batches_of(labels, probs), checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        (3, TypeError, "checkpoint: expected a folder, got int 3"),
        ("file", ValueError, "checkpoint: expected a folder, got the file "),
    ],
)
def test_what_is_no_folder_is_refused(tmp_path, folder, error, message):
    if folder == "file":
        folder = tmp_path / "file"
        folder.write_text("")
    with pytest.raises(error, match=f"^{message}"):
        mlkit.audit(batches_of(*problem()), checkpoint=folder)
