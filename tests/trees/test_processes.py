"""The room's kernels among processes: Ctrl-C ends them, a forked child can use them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

# Each would take minutes. Kernels are called as the methods above them do, so that the signal comes while they run.
LONG = {
    "co-occurrence": """
        labels = as_label_matrix(np.ones((500, 16_000), np.int8))
        call = lambda: _core.labels.cooccurrence(labels._core, _core.labels.PairMeasure.count, 1, -1, 2)
    """,
    "clustering": """
        rows = read_features(rng.random((40_000, 40))).normalized().to_core()
        call = lambda: _core.trees.balanced_clusters(rows, 20_000, 1_000, 0, 2)
    """,
    "training": """
        X = rng.random((5_000, 30))
        model = LabelTreeClassifier("flat", loss="squared_hinge", C=1e6, eps=1e-300, max_iter=10**9, n_jobs=2)
        call = lambda: model.fit(X, X > 0.9)
    """,
    "logistic training": """
        X = rng.random((5_000, 30))
        model = LabelTreeClassifier("flat", loss="log", eps=1e-300, max_iter=10**9, n_jobs=2)
        call = lambda: model.fit(X, X > 0.9)
    """,
    "exact search": """
        X, y = rng.random((40, 30)), csr_array(np.eye(40, 30_000, dtype=np.int8))
        model = LabelTreeClassifier("flat", max_iter=1, weight_threshold=0.0).fit(X, y)
        rows = read_features(rng.random((300_000, 30))).to_core()
        call = lambda: _core.trees.best_labels(
            model._forest, rows, _core.trees.Loss.squared_hinge, 30_000, -1, True, 0.0, 2
        )
    """,
}
CHILD = """
import signal
import numpy as np
from scipy.sparse import csr_array
from mlkit import _core
from mlkit.labels import as_label_matrix
from mlkit.trees import LabelTreeClassifier
from mlkit.trees._features import read_features

signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
{prepare}
print("begin", flush=True)
call()
print("end", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="this system sends Ctrl-C to whole groups of processes")
@pytest.mark.parametrize("kernel", LONG)
def test_ctrl_c_ends_a_long_kernel(kernel):
    code = CHILD.format(prepare=textwrap.dedent(LONG[kernel]))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "begin\n", child.stderr.read()
        time.sleep(1)  # by now it is inside
        child.send_signal(signal.SIGINT)
        sent = time.monotonic()
        output, errors = child.communicate(timeout=60)
        waited = time.monotonic() - sent
    finally:
        child.kill()
    assert output == ""
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "in <lambda>" in errors  # it came out of the call
    assert child.returncode == -signal.SIGINT
    assert waited < 5  # kernels look ten times a second; without a look they would run on


FORKED = """
import os, signal, warnings
import numpy as np
from scipy import sparse
from mlkit.labels import label_cooccurrence
from mlkit.trees import LabelTreeClassifier

warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
rng = np.random.default_rng(0)
X = rng.random((3_000, 30))
y = X[:, rng.integers(30, size=200)] > 0.9

def answers(n_jobs):
    model = LabelTreeClassifier(max_leaf=20, n_trees=2, random_state=0, n_jobs=n_jobs, progress=False).fit(X, y)
    return model.predict_topk(X, 5)[1].tobytes() + label_cooccurrence(y, n_jobs=n_jobs).data.tobytes()

expected = answers(2)
child = os.fork()
if child == 0:
    signal.alarm(100)  # a child that hangs ends here
    os._exit(0 if answers(2) == expected and answers(None) == expected else 1)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "parent", answers(2) == expected)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_gets_the_same_bits():
    done = subprocess.run([sys.executable, "-W", "error", "-c", FORKED], capture_output=True, text=True, timeout=300)
    assert done.stdout == "child 0 parent True\n", done.stderr
