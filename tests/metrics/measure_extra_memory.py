"""Bytes of memory for each cell that calls take beyond their input and answer; a child process of a test.

    python measure_extra_memory.py N_ROWS N_LABELS DTYPE PERCENT_POSITIVE

Prints a JSON object. Where peaks cannot be reset they are those of all calls so far, whose bounds ascend.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np

import mlkit
from mlkit import metrics


def status(key):
    """A line of /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def main(n, n_labels, dtype, percent):
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    small = rng.random((50, 3))
    mlkit.evaluate(small < 0.5, small, n_boot=2)  # loads what is loaded late
    y = np.zeros((n, n_labels), np.int8)
    for row in y:
        row[rng.random(n_labels, dtype=np.float32) * 100 < percent] = 1
    s = np.empty((n, n_labels), dtype)
    for row in s:
        row[:] = rng.random(n_labels, dtype=np.float32)
    p = y[::-1].copy()
    calls = {
        "f1_macro": lambda: metrics.f1_score(y, p, average="macro", n_jobs=2),
        "hamming_loss": lambda: metrics.hamming_loss(y, p, n_jobs=2),
        "lrap": lambda: metrics.label_ranking_average_precision_score(y, s, n_jobs=2),
        "average_precision_micro": lambda: metrics.average_precision_score(y, s, average="micro", n_jobs=2),
        "ece": lambda: metrics.expected_calibration_error(y, s, n_jobs=2),
        "roc_auc_macro": lambda: metrics.roc_auc_score(y, s, average="macro", n_jobs=2),
        "evaluate": lambda: mlkit.evaluate(y, s, n_jobs=2),
        "evaluate with replicates": lambda: mlkit.evaluate(y, s, n_boot=64, n_jobs=2),
    }
    extra = {}
    for name, call in calls.items():
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        before = status("VmRSS")
        call()
        extra[name] = max(0, status("VmHWM") - before) / y.size
    json.dump(extra, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
