"""Race `mlkit.quality` against cleanlab and against the memory floor, in one run on the same data.

    python benchmarks/quality.py                 # all cases; some minutes, 8 GB
    python benchmarks/quality.py --only 10k      # cases whose name contains this
    python benchmarks/quality.py --no-peer       # without cleanlab

Before anything is timed the answers are compared: the flags of both must be equal, the scores within 1e-12. Medians of
several runs (one for calls over ten seconds). The floor is one NumPy pass over the probabilities. Memory is the growth
of anonymous memory during one call in a child process that reads its input from a memory map.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

import mlkit
from mlkit.quality import find_label_issues, get_label_quality_scores


@dataclass(frozen=True)
class DenseCase:
    """Calibrated probabilities with normal logits, and labels drawn from them."""

    name: str
    n: int
    n_labels: int
    dtype: str

    def make(self) -> tuple[NDArray[np.int8], NDArray[Any]]:
        rng = np.random.default_rng(0)
        logits = rng.normal(rng.uniform(-7.5, -3.5, self.n_labels), 2.5, (self.n, self.n_labels))
        probs = 1 / (1 + np.exp(-logits))
        labels = (rng.random(probs.shape) < probs).astype(np.int8)
        return labels, probs.astype(self.dtype)


DENSE = (
    DenseCase("10k x 20 float64", 10_000, 20, "float64"),
    DenseCase("100k x 100 float32", 100_000, 100, "float32"),
    DenseCase("100k x 100 float64", 100_000, 100, "float64"),
    DenseCase("20k x 2000 float64", 20_000, 2_000, "float64"),
)
SPARSE = ((125_000, 100_000), (1_000_000, 100_000))


def make_sparse(n: int, n_labels: int, top: int = 100, given: int = 20) -> tuple[csr_array, csr_array]:
    """Top-k output of a large tagger: Zipf labels; most given labels are among the predicted ones, with high p."""
    rng = np.random.default_rng(0)
    indptr = np.arange(0, n * top + 1, top, dtype=np.int64)
    indices = np.empty(n * top, np.int32)
    probs = np.empty(n * top, np.float32)
    chosen_rows, chosen_labels = [], []
    for begin in range(0, n, 20_000):
        rows = min(20_000, n - begin)
        labels = np.minimum((n_labels ** rng.random((rows, top)) - 1).astype(np.int64) * 7919 % n_labels, n_labels - 1)
        labels.sort(axis=1)
        for _ in range(60):  # make them distinct within a row
            again = np.zeros_like(labels, bool)
            again[:, 1:] = labels[:, 1:] == labels[:, :-1]
            if not again.any():
                break
            labels[again] = rng.integers(0, n_labels, int(again.sum()))
            labels.sort(axis=1)
        p = rng.beta(0.4, 1.6, (rows, top))
        indices[begin * top : (begin + rows) * top] = labels.ravel()
        probs[begin * top : (begin + rows) * top] = p.ravel()
        is_given = rng.random(p.shape) < p
        row, place = np.nonzero(is_given)
        chosen_rows.append(row + begin)
        chosen_labels.append(labels[row, place])
    row, label = np.concatenate(chosen_rows), np.concatenate(chosen_labels)
    extra = np.clip(given * n - row.size, 0, None)  # given labels that the model does not know
    row = np.concatenate([row, rng.integers(0, n, extra)])
    label = np.concatenate([label, rng.integers(0, n_labels, extra)])
    cells = np.unique(row * n_labels + label)
    bounds = np.searchsorted(cells, np.arange(n + 1, dtype=np.int64) * n_labels)
    labels = csr_array((np.ones(cells.size, np.int8), (cells % n_labels).astype(np.int32), bounds), shape=(n, n_labels))
    return labels, csr_array((probs, indices, indptr), shape=(n, n_labels))


def median_time(call: Callable[[], Any], repeats: int = 7) -> float:
    begin = time.perf_counter()
    call()
    first = time.perf_counter() - begin
    if first > 10:
        return first
    times = []
    for _ in range(repeats if first < 2 else 3):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def anonymous_kb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    return 0


def growth_of_memory(call: Callable[[], Any]) -> int:
    """Bytes by which anonymous memory grew at most while ``call`` ran."""
    stop = threading.Event()
    before = anonymous_kb()
    peak = [before]

    def watch() -> None:
        while not stop.wait(0.0005):
            peak[0] = max(peak[0], anonymous_kb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    stop.set()
    watcher.join()
    return (max(peak[0], anonymous_kb()) - before) * 1024


def child_memory(folder: Path, what: str) -> None:
    """Runs in the child: inputs from memory maps, one warm-up on a slice, then the measured call."""
    labels, probs = np.load(folder / "labels.npy", mmap_mode="r"), np.load(folder / "probs.npy", mmap_mode="r")
    call = {"find": find_label_issues, "scores": get_label_quality_scores}[what]
    call(np.array(labels[:100]), np.array(probs[:100]))
    print(growth_of_memory(lambda: call(labels, probs)))


def extra_bytes_per_cell(labels: NDArray[Any], probs: NDArray[Any], what: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "labels.npy", labels)
        np.save(Path(folder) / "probs.npy", probs)
        command = [sys.executable, "-W", "ignore", __file__, "--child", folder, what]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answer = labels.shape[0] * (1 if what == "find" else 8)
    return (int(out) - answer) / labels.size


def peers() -> Any:
    from cleanlab.multilabel_classification.filter import find_label_issues as find
    from cleanlab.multilabel_classification.rank import get_label_quality_scores as score

    return find, score


def race_dense(case: DenseCase, with_peer: bool) -> list[str]:
    labels, probs = case.make()
    cells = labels.size
    mask, scores = find_label_issues(labels, probs), get_label_quality_scores(labels, probs)
    per_cell = 1e9 / cells
    floor = median_time(probs.sum) * per_cell
    ours = {
        (what, jobs): median_time(lambda call=call, jobs=jobs: call(labels, probs, n_jobs=jobs)) * per_cell
        for what, call in (("find", find_label_issues), ("scores", get_label_quality_scores))
        for jobs in (1, None)
    }
    theirs: dict[tuple[str, int | None], float] = {}
    if with_peer:
        find, score = peers()
        lists = [np.flatnonzero(row).tolist() for row in labels]
        same = find_label_issues(labels, probs, compat="cleanlab") == find(lists, probs, n_jobs=1)
        assert same.all(), f"{case.name}: {np.sum(~same)} rows are flagged differently in compat mode"
        peer_scores = score(lists, probs)
        tolerance = 1e-12 if case.dtype == "float64" else 1e-6
        assert np.abs(peer_scores - scores).max() <= tolerance, case.name
        theirs["find", 1] = median_time(lambda: find(lists, probs, n_jobs=1), 3) * per_cell
        theirs["find", None] = median_time(lambda: find(lists, probs), 1) * per_cell
        theirs["scores", None] = theirs["scores", 1] = median_time(lambda: score(lists, probs), 3) * per_cell
    rows = []
    for what in ("find", "scores"):
        memory = extra_bytes_per_cell(labels, probs, what) if sys.platform == "linux" else float("nan")
        for jobs in (1, None):
            peer, own = theirs.get((what, jobs), float("nan")), ours[what, jobs]
            rows.append(
                f"| {case.name} | {what} | {jobs or 'all'} | {own:.2f} | {own / floor:.1f} | {peer:.0f} | "
                f"{peer / own:.0f} | {theirs.get((what, 1), float('nan')) / own:.0f} | {memory:.2f} |"
            )
    print(f"  {case.name}: {labels.mean():.1%} positives, {mask.mean():.1%} of the rows flagged", file=sys.stderr)
    return rows


def race_sparse(n: int, n_labels: int) -> list[str]:
    labels, probs = make_sparse(n, n_labels)
    stored = labels.nnz + probs.nnz
    rows = []
    for what, call in (("find", find_label_issues), ("scores", get_label_quality_scores)):
        result: list[Any] = []
        begin = time.perf_counter()
        grown = growth_of_memory(lambda call=call, result=result: result.append(call(labels, probs)))
        seconds = time.perf_counter() - begin
        rows.append(
            f"| {n:,} x {n_labels:,} | {what} | {labels.nnz / 1e6:.0f} M + {probs.nnz / 1e6:.0f} M | {seconds:.2f} | "
            f"{1e9 * seconds / stored:.1f} | {grown / 2**30:.2f} |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    parser.add_argument("--no-peer", action="store_true", help="leave cleanlab out")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.child:
        return child_memory(Path(options.child[0]), options.child[1])
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "scipy")}
    if not options.no_peer:
        versions["cleanlab"] = importlib.metadata.version("cleanlab")
    print(f"mlkit {mlkit.__version__}, {versions}, Python {platform.python_version()}, {os.cpu_count()} cores\n")
    print(
        "| dense case | call | threads | ns/cell | x floor | cleanlab ns/cell | faster | faster than its n_jobs=1 | "
        "extra bytes/cell |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for case in DENSE:
        if options.only in case.name:
            print("\n".join(race_dense(case, not options.no_peer)), flush=True)
    print("\n| sparse case | call | stored labels + probabilities | s | ns per stored entry | extra GB |")
    print("|---|---|---|---|---|---|")
    for n, n_labels in SPARSE:
        if options.only in f"{n} x {n_labels} sparse":
            print("\n".join(race_sparse(n, n_labels)), flush=True)
    return None


if __name__ == "__main__":
    main()
