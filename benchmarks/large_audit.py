"""An audit of more cells than memory should hold: seconds and anonymous memory, from memory maps and in batches.

    python benchmarks/large_audit.py                     # 1,000,000 x 1,000: 5 GB in the temporary folder
    python benchmarks/large_audit.py --rows 100000

Calibrated float32 probabilities and int8 labels drawn from them, two of which are exchanged in some rows, are written
to disk, then audited in a child process that measures its own anonymous memory (Linux). All audits must say the same,
and their thresholds agree with plain arithmetic on some labels; on a run of rows they must say what the audit of arrays
in memory says.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

BLOCK, BATCH = 20_000, 16_384
WAYS = ("memory maps", "slices", "batches", "batches, checkpoint")
SLICE = 20_000  # rows that are compared with an audit in memory


def make(folder: Path, n: int, n_labels: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.lib.format.open_memmap(folder / "labels.npy", mode="w+", dtype=np.int8, shape=(n, n_labels))
    probs = np.lib.format.open_memmap(folder / "probs.npy", mode="w+", dtype=np.float32, shape=(n, n_labels))
    logits = rng.normal(rng.uniform(-8.5, -5.5, n_labels), 2.0, (min(BLOCK, n), n_labels))
    base = (1 / (1 + np.exp(-logits))).astype(np.float32)
    for begin in range(0, n, BLOCK):
        part = np.roll(base, 7 * begin // BLOCK, axis=0)[: n - begin]
        probs[begin : begin + len(part)] = part
        given = rng.random(part.shape, dtype=np.float32) < part
        given[: len(part) // 10, [3, 4]] = given[: len(part) // 10, [4, 3]]
        labels[begin : begin + len(part)] = given


def anonymous_mb() -> float:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def measure(folder: Path, way: str) -> None:
    """Runs in the child."""
    import mlkit

    labels, probs = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("labels", "probs"))
    mlkit.audit(labels[:1000], probs[:1000])  # whatever is loaded is loaded now
    begin, peak, stop = anonymous_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            peak[0] = max(peak[0], anonymous_mb())

    def batches():
        for row in range(0, len(probs), BATCH):
            yield labels[row : row + BATCH], probs[row : row + BATCH]

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    if way == "memory maps":
        audit = mlkit.audit(labels, probs)
    elif way == "slices":
        audit = mlkit.audit(labels, probs, max_memory="32MB")
    else:
        kept = folder / "checkpoint" if way.endswith("checkpoint") else None
        audit = mlkit.audit(batches, max_memory="32MB", checkpoint=kept)
    said = repr(audit)
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    thresholds = audit.labels[["threshold_0", "threshold_1"]].to_numpy()
    for j in (0, probs.shape[1] // 2):
        y, p = labels[:, j].astype(bool), probs[:, j].astype(float)
        np.testing.assert_allclose(thresholds[j], [1 - p[~y].mean(), p[y].mean()], atol=1e-9)
    flagged = audit.summary.loc["flagged cells", "value"]
    print(f"| {way} | {seconds:.1f} | {begin:.0f} | {max(peak[0], anonymous_mb()):.0f} | {flagged:,} |")
    print(said, audit.pairs(), audit.breaks(), audit.labels.to_csv(), sep="\n")


def compare(folder: Path) -> None:
    """On a run of rows, batches must say what the audit in memory says."""
    import mlkit

    labels, probs = (np.load(folder / f"{name}.npy", mmap_mode="r")[-SLICE:] for name in ("labels", "probs"))
    expected = mlkit.audit(np.array(labels), np.array(probs))
    got = mlkit.audit(labels, probs, max_memory="8MB")
    assert got.to_json() == expected.to_json()
    assert got.cells().equals(expected.cells())
    assert got.pairs().equals(expected.pairs())
    assert got.examples(1000).equals(expected.examples(1000))
    print(f"the last {len(labels):,} rows: as in memory ({len(expected.cells()):,} flagged cells)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=1000)
    parser.add_argument("--folder", help="where the data stay from run to run")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return measure(Path(options.child[0]), options.child[1])
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory())
        if not (Path(folder) / "probs.npy").exists():
            make(Path(folder), options.rows, options.labels)
        print(f"{options.rows:,} x {options.labels:,} float32\n")
        print("| way | s | MB before | MB at the peak | flagged cells |\n|---|---|---|---|---|", flush=True)
        answers = set()
        for way in options.ways:
            command = [sys.executable, "-W", "ignore", __file__, "--child", folder, way]
            line, answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n", 1)
            print(line, flush=True)
            answers.add(answer)
        assert len(answers) == 1, "the ways disagree"
        print("\n" + "\n".join(answers.pop().splitlines()[:20]) + "\n")
        compare(Path(folder))
    return None


if __name__ == "__main__":
    main()
