"""Race `mlkit.metrics` against scikit-learn and against one compiled pass over the same arrays, in one run on the same
data; against torchmetrics, napkinXC and xCOLUMNs, too, where they are installed.

    python benchmarks/metrics.py                  # all cases, some 20 minutes: scikit-learn takes 9 for 1M x 100
    python benchmarks/metrics.py --only imdb      # cases whose name contains this
    python benchmarks/metrics.py --no-row-loops   # without scikit-learn's loops over a million rows: 2 minutes for 9
    python benchmarks/metrics.py --no-peer        # without other libraries

Every number is compared (with scikit-learn to 1e-12). Medians of several runs, one for calls over ten seconds. The
floor is the fastest reduction that NumPy has for the very arrays that are measured, its maximum or its sum of them as
64-bit words: truth and prediction for set metrics, the scores for all others, and what is stored of sparse ones. The
case "imdb" has the size of that data set with made-up scores; "growth" shows that sparse scores cost what is stored.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import sklearn.metrics as peer
from numpy.typing import NDArray
from scipy.sparse import csr_array

import mlkit
from mlkit import metrics

DENSE = (("20k x 1000", 20_000, 1_000), ("imdb 120919 x 28", 120_919, 28), ("1M x 100", 1_000_000, 100))
SPARSE = (("sparse 200k x 100k", 200_000, 100_000),)
GROWTH = ("growth, sparse x 100k", (20_000, 80_000, 320_000), 100_000)
SETS = {
    "f1_micro",
    "f1_macro",
    "f1_samples",
    "precision_macro",
    "recall_macro",
    "jaccard_samples",
    "hamming_loss",
    "accuracy",
}
ROW_LOOPS = {"lrap", "average_precision_samples", "ndcg"}  # take scikit-learn seven minutes on a million rows


def make_dense(n: int, n_labels: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Calibrated probabilities, about 1.2 % positives; labels drawn from them, each with one at least."""
    rng = np.random.default_rng(0)
    shift = rng.uniform(-9.5, -5.5, n_labels).astype(np.float32)
    logits = rng.standard_normal((n, n_labels), dtype=np.float32) * np.float32(2.5) + shift
    probs = 1 / (1 + np.exp(-logits))
    labels = (rng.random(probs.shape, dtype=np.float32) < probs).astype(np.int8)
    labels[rng.integers(0, n, n_labels), np.arange(n_labels)] = 1
    return labels, probs


def make_sparse(n: int, n_labels: int, top: int = 50, given: int = 10) -> tuple[csr_array, csr_array]:
    """The best labels of each row with scores; the given labels are among them or anywhere."""
    rng = np.random.default_rng(0)
    step = n_labels // top
    columns = (np.arange(top) * step + rng.integers(0, step, (n, top))).astype(np.int32)
    scores = rng.beta(0.5, 2, (n, top)).astype(np.float32)
    indptr = np.arange(0, n * top + 1, top)
    y_score = csr_array((scores.ravel(), columns.ravel(), indptr), shape=(n, n_labels))
    is_given = rng.random((n, top)) < scores
    is_given[:, :given] |= rng.random((n, given)) < 0.1
    rows, places = np.nonzero(is_given)
    y_true = csr_array((np.ones(rows.size, np.int8), (rows, columns[rows, places])), shape=(n, n_labels))
    return y_true, y_score


def median_time(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    first = time.perf_counter() - begin
    if first > 10:
        return first
    times = []
    for _ in range(5 if first < 2 else 2):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def one_pass(*arrays: NDArray[Any]) -> float:
    """Seconds that reading them once takes at least: the fastest compiled reduction that NumPy has for each."""
    total = 0.0
    for array in arrays:
        flat = array.reshape(-1)
        words = flat[: flat.nbytes // 8 * 8 // flat.itemsize].view(np.int64)
        total += min(median_time(reduce) for reduce in (flat.max, words.max, words.sum))
    return total


def calls(y: Any, s: Any, p: Any) -> dict[str, Callable[[Any], float]]:
    """Each number by either library's function."""
    zero = {"zero_division": 0}
    return {
        "f1_micro": lambda m: m.f1_score(y, p, average="micro", **zero),
        "f1_macro": lambda m: m.f1_score(y, p, average="macro", **zero),
        "f1_samples": lambda m: m.f1_score(y, p, average="samples", **zero),
        "precision_macro": lambda m: m.precision_score(y, p, average="macro", **zero),
        "recall_macro": lambda m: m.recall_score(y, p, average="macro", **zero),
        "jaccard_samples": lambda m: m.jaccard_score(y, p, average="samples", **zero),
        "hamming_loss": lambda m: m.hamming_loss(y, p),
        "accuracy": lambda m: m.accuracy_score(y, p),
        "lrap": lambda m: m.label_ranking_average_precision_score(y, s),
        "coverage_error": lambda m: m.coverage_error(y, s),
        "ranking_loss": lambda m: m.label_ranking_loss(y, s),
        "roc_auc_macro": lambda m: m.roc_auc_score(y, s, average="macro"),
        "roc_auc_micro": lambda m: m.roc_auc_score(y, s, average="micro"),
        "average_precision_macro": lambda m: m.average_precision_score(y, s, average="macro"),
        "average_precision_micro": lambda m: m.average_precision_score(y, s, average="micro"),
        "average_precision_samples": lambda m: m.average_precision_score(y, s, average="samples"),
        "ndcg": lambda m: m.ndcg_score(y, s),
    }


def other_peers(y: Any, s: Any, p: Any) -> Iterator[tuple[str, str, Callable[[], Any], Callable[[], Any], float]]:
    """Library, measure, our call, its call, and how far they may differ (single precision, an added epsilon)."""
    ours = {name: partial(call, metrics) for name, call in calls(y, s, p).items()}
    ours["precision_at_5"] = lambda: metrics.precision_at_k(y, s, 5)
    if find_spec("torchmetrics"):
        import torch
        import torchmetrics.functional.classification as tm

        of = torch.from_numpy(s), torch.from_numpy(y), y.shape[1]
        for name, theirs, most in (
            ("f1_macro", tm.multilabel_f1_score, 1e-6),
            ("lrap", tm.multilabel_ranking_average_precision, 1e-5),
            ("coverage_error", tm.multilabel_coverage_error, 1e-3),
            ("ranking_loss", tm.multilabel_ranking_loss, 1e-5),
        ):
            yield "torchmetrics", name, ours[name], partial(theirs, *of), most
    if find_spec("napkinxc"):
        import napkinxc.metrics as nx

        name = "precision_at_5"
        yield "napkinXC", name, ours[name], lambda: nx.precision_at_k(y, s, k=5)[-1], 1e-6
    if find_spec("xcolumns"):
        import xcolumns.metrics as xm
        from xcolumns.weighted_prediction import predict_top_k

        name = "precision_at_5"
        yield "xCOLUMNs", name, ours[name], lambda: xm.precision_at_k(y, predict_top_k(s, 5), k=5), 1e-6
        yield "xCOLUMNs", "f1_macro", ours["f1_macro"], lambda: xm.macro_f1_score(y, p), 1e-4


def race_others(y: Any, s: Any, p: Any) -> None:
    lines = []
    for library, name, ours, theirs, most in other_peers(y, s, p):
        difference = abs(ours() - float(theirs()))
        assert difference <= most, (library, name, ours(), theirs())
        mine, seconds = median_time(ours), median_time(theirs)
        lines.append(f"| {library} | {name} | {mine:.4f} | {seconds:.3f} | {seconds / mine:.0f} | {difference:.0e} |")
    if lines:
        print("\n| library | measure | mlkit s | its s | faster | difference |\n|---|---|---|---|---|---|")
        print("\n".join(lines), flush=True)


def race_dense(name: str, n: int, n_labels: int, with_peer: bool, row_loops: bool) -> None:
    y, s = make_dense(n, n_labels)
    p = (s >= 0.5).astype(np.int8)
    floor, set_floor = one_pass(s), one_pass(y, p)
    passes = f"one pass {1000 * floor:.2f} ms (sets {1000 * set_floor:.2f})"
    print(f"\n## {name}: {100 * y.mean():.2f} % positives, {passes}\n")
    print("| measure | mlkit s | x pass | scikit-learn s | faster | difference |\n|---|---|---|---|---|---|")
    total, worst = 0.0, 0.0
    values = {}
    for key, call in calls(y, s, p).items():
        ours = median_time(lambda call=call: call(metrics))
        values[key] = call(metrics)
        line = f"| {key} | {ours:.5f} | {ours / (set_floor if key in SETS else floor):.1f} |"
        if with_peer and (row_loops or key not in ROW_LOOPS or n < 1_000_000):
            begin = time.perf_counter()
            expected = call(peer)
            theirs = time.perf_counter() - begin
            difference = abs(values[key] - expected)
            assert difference <= 1e-12 * max(1.0, abs(expected)), (key, values[key], expected)
            total, worst = total + theirs, max(worst, difference)
            line += f" {theirs:.3f} | {theirs / ours:.0f} | {difference:.0e} |"
        print(line, flush=True)
    report = mlkit.evaluate(y, s, absent_labels="sklearn")
    for key, value in values.items():
        assert abs(report[key].value - value) <= 1e-12 * max(1.0, abs(value)), key
    for n_jobs in (1, 2):
        for n_boot in (0, 256):
            seconds = median_time(
                lambda n_jobs=n_jobs, n_boot=n_boot: mlkit.evaluate(y, s, n_boot=n_boot, n_jobs=n_jobs)
            )
            what = f"evaluate, {len(report)} measures, n_jobs={n_jobs}, n_boot={n_boot}"
            line = f"| {what} | {seconds:.3f} | {seconds / floor:.0f} |"
            print(
                line + (f" {total:.1f} (sum) | {total / seconds:.0f} | {worst:.0e} |" if with_peer else ""), flush=True
            )
    if with_peer:
        race_others(y[:20_000], s[:20_000], p[:20_000])


def race_sparse(name: str, n: int, n_labels: int, with_peer: bool) -> None:
    y, s = make_sparse(n, n_labels)
    p = s.copy()
    p.data = (p.data >= 0.5).astype(np.int8)
    p.eliminate_zeros()
    floor = one_pass(s.data, s.indices, y.data, y.indices)
    set_floor = one_pass(p.data, p.indices, y.data, y.indices)
    passes = f"one pass {1000 * floor:.2f} ms (sets {1000 * set_floor:.2f})"
    print(f"\n## {name}: {y.nnz} labels, {s.nnz} scores stored, {p.nnz} of them predicted, {passes}\n")
    print("| measure | mlkit s | x pass | scikit-learn s | faster |\n|---|---|---|---|---|")
    for key in ("f1_macro", "hamming_loss"):
        call = calls(y, s, p)[key]
        ours = median_time(lambda call=call: call(metrics))
        line = f"| {key} | {ours:.4f} | {ours / set_floor:.1f} |"
        if with_peer:
            theirs = median_time(lambda call=call: call(peer))
            assert abs(call(metrics) - call(peer)) <= 1e-12
            line += f" {theirs:.3f} | {theirs / ours:.1f} |"
        print(line, flush=True)
    for key in ("lrap", "roc_auc_micro", "average_precision_macro"):
        ours = median_time(lambda key=key: calls(y, s, p)[key](metrics))
        print(f"| {key} | {ours:.4f} | {ours / floor:.1f} | refuses sparse scores | |", flush=True)
    seconds = median_time(lambda: mlkit.evaluate(y, s))
    print(f"| evaluate | {seconds:.3f} | {seconds / floor:.0f} | | |", flush=True)


def race_growth(name: str, sizes: tuple[int, ...], n_labels: int) -> None:
    print(f"\n## {name}: nanoseconds for each stored score, 50 a row\n")
    keys = ("lrap", "roc_auc_macro", "roc_auc_micro", "average_precision_macro", "average_precision_micro")
    print("| rows | stored | " + " | ".join(keys) + " |\n|---" + "|---" * len(keys) + "|---|")
    for n in sizes:
        y, s = make_sparse(n, n_labels)
        of = calls(y, s, s)
        times = [median_time(lambda key=key, of=of: of[key](metrics)) for key in keys]
        print(f"| {n} | {s.nnz} | " + " | ".join(f"{1e9 * t / s.nnz:.1f}" for t in times) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--no-row-loops", action="store_true", help="without the slowest peers of a million rows")
    parser.add_argument("--no-peer", action="store_true", help="without other libraries")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    names = ["numpy", "scipy", "scikit-learn", *filter(find_spec, ("torchmetrics", "napkinxc", "xcolumns"))]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    for name, n, n_labels in DENSE:
        if options.only in name:
            race_dense(name, n, n_labels, not options.no_peer, not options.no_row_loops)
    for name, n, n_labels in SPARSE:
        if options.only in name:
            race_sparse(name, n, n_labels, not options.no_peer)
    if options.only in GROWTH[0]:
        race_growth(*GROWTH)


if __name__ == "__main__":
    main()
