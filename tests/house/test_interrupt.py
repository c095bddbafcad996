"""Ctrl-C ends a long kernel at once."""

import os
import signal
import subprocess
import sys
import time

import pytest

# One row of probabilities, repeated without memory: with 2 * 10^11 cells the first pass alone takes minutes.
# A process started in the background may have been told to ignore SIGINT; this one listens.
CHILD = """
import signal
import numpy as np
from scipy.sparse import csr_array
from mlkit.quality import get_label_quality_scores

signal.signal(signal.SIGINT, signal.default_int_handler)
shape = (200_000, 1_000_000)
labels = csr_array(shape, dtype=np.int8)
pred_probs = np.broadcast_to(np.random.default_rng(0).random(shape[1]), shape)
get_label_quality_scores([[0]], [[0.5]], n_jobs={n_jobs})  # what is loaded on first use is loaded now
print("begin", flush=True)
get_label_quality_scores(labels, pred_probs, n_jobs={n_jobs})
print("end", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="this system sends Ctrl-C to whole groups of processes")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_ends_a_long_kernel(n_jobs):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(n_jobs=n_jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "begin\n"
        time.sleep(0.5)  # by now it is inside
        child.send_signal(signal.SIGINT)
        sent = time.monotonic()
        output, errors = child.communicate(timeout=60)
        waited = time.monotonic() - sent
    finally:
        child.kill()
    assert output == ""
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "_core." in errors  # the last line of ours that the traceback shows
    assert child.returncode == -signal.SIGINT
    assert waited < 5  # the kernel looks ten times a second; without a look it would run on
