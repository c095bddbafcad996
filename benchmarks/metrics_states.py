"""Time `MetricState` beside `mlkit.evaluate` of all rows at once, on the same data; every answer is compared first.

python benchmarks/metrics_states.py                  # 20,000 x 1,000 dense, 50,000 x 20,000 sparse
python benchmarks/metrics_states.py --small          # a quick look
"""

from __future__ import annotations

import argparse
import itertools
import pickle
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

import mlkit
from mlkit.metrics import MetricState

BOUND = re.compile(r"within ([\d.e-]+) of the area")


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    value = call()
    return value, time.perf_counter() - begin


def dense(n: int, n_labels: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    score = rng.random((n, n_labels), dtype=np.float32)
    return (rng.random((n, n_labels), dtype=np.float32) < 0.02 * score).astype(np.int8), score


def scattered(n: int, n_labels: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    score = sparse.random_array((n, n_labels), density=50 / n_labels, format="csr", dtype=np.float32, rng=rng)
    truth = score.copy()
    truth.data = (rng.random(truth.nnz) < 0.1 * truth.data).astype(np.float32)
    truth.eliminate_zeros()
    return truth.astype(np.int8), score


def run(name: str, truth: Any, score: Any, n_batches: int = 10) -> None:
    n, n_labels = truth.shape
    whole, seconds = timed(lambda: mlkit.evaluate(truth, score))
    print(f"{name}: {n:,} x {n_labels:,}, {n_batches} batches; evaluate {seconds:.2f} s")
    cuts = np.linspace(0, n, n_batches + 1).astype(int)
    for title, options in (
        ("cells kept", {}),
        ("histograms", {"curves": "histogram"}),
        ("sums alone", {"metrics": ["f1_micro", "f1_macro", "hamming_loss", "lrap", "precision_at_1"]}),
    ):
        state = MetricState(n_labels, **options)
        begin = time.perf_counter()
        for a, b in itertools.pairwise(cuts):
            state.update(truth[a:b], score[a:b])
        updated = time.perf_counter() - begin
        report, computed = timed(state.compute)
        worst = max(
            abs(report[key].value - whole[key].value)
            for key in report
            if not BOUND.search(report[key].note) and np.isfinite(whole[key].value)
        )
        assert worst <= 1e-12, worst
        found = [BOUND.search(report[key].note) for key in report]
        bound = max((float(match[1]) for match in found if match), default=0.0)
        size = len(pickle.dumps(state)) / 2**20
        print(f"  {title}: update {updated:.2f} s, compute {computed:.2f} s, {size:.1f} MB; off by {worst:.0e}", end="")
        print(f", areas by at most {bound:.0e}" if bound else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    small = parser.parse_args().small
    run("dense", *dense(2000 if small else 20_000, 1000))
    run("sparse", *scattered(5000 if small else 50_000, 20_000))


if __name__ == "__main__":
    main()
