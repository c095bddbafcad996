"""The room's kernels among processes: Ctrl-C ends them, a forked child can use them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

# Each would take minutes. What is loaded on first use is loaded before "begin".
LONG = {
    "co-occurrence": """
        few, many = np.eye(3, dtype=np.int8), np.ones((2_000, 10_000), np.int8)
        call = lambda labels: label_cooccurrence(labels, n_jobs=2)
    """,
    "clustering": """
        few, many = np.eye(8), sparse.random_array((200_000, 3_000), density=0.01, format="csr", rng=0)
        call = lambda X: BalancedKMeans(min(2_000, X.shape[0]), max_iter=1_000, n_jobs=2).fit(X)
    """,
    "training": """
        few, many = rng.random((9, 5)), rng.random((20_000, 50))
        model = LabelTreeClassifier("flat", C=1e6, eps=1e-300, max_iter=10**9, n_jobs=2, progress=False)
        call = lambda X: model.set_params(max_iter=3 if len(X) < 10 else 10**9).fit(X, X > 0.9)
    """,
    "logistic training": """
        few, many = rng.random((9, 5)), rng.random((20_000, 50))
        model = LabelTreeClassifier("flat", loss="log", eps=1e-300, max_iter=10**9, n_jobs=2, progress=False)
        call = lambda X: model.set_params(max_iter=3 if len(X) < 10 else 10**9).fit(X, X > 0.9)
    """,
    "exact search": """
        X, y = rng.random((40, 30)), sparse.random_array((40, 100_000), density=0.01, format="csr", rng=0) > 0
        model = LabelTreeClassifier("flat", max_iter=1, n_jobs=2, progress=False).fit(X, y)
        few, many = X[:1], rng.random((300_000, 30))
        call = lambda X: model.predict_topk(X, 5, exact=True)
    """,
}
CHILD = """
import signal
import numpy as np
from scipy import sparse
from mlkit.labels import label_cooccurrence
from mlkit.trees import BalancedKMeans, LabelTreeClassifier

signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
{prepare}
call(few)
print("begin", flush=True)
call(many)
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
        time.sleep(1.5)  # by now it is inside
        child.send_signal(signal.SIGINT)
        sent = time.monotonic()
        output, errors = child.communicate(timeout=60)
        waited = time.monotonic() - sent
    finally:
        child.kill()
    assert output == ""
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "_core.trees." in errors or "_core.labels." in errors  # the last line of ours that the traceback shows
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
