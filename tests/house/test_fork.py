"""A forked child can use what its parent used before: threads do not survive a fork, kernels do."""

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# Enough cells that two threads are worth starting; from Python 3.12 on, forking a process with threads warns.
PREPARE = """
    import multiprocessing, os, signal, sys, warnings
    import numpy as np
    from mlkit._threads import available_threads
    from mlkit.quality import get_label_quality_scores

    warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
    rng = np.random.default_rng(0)
    pred_probs = rng.random((50_000, 20))
    labels = pred_probs > rng.random(pred_probs.shape)

    def score(n_jobs):
        return get_label_quality_scores(labels, pred_probs, n_jobs=n_jobs).tobytes()

    expected = score(2)
"""


def test_a_forked_child_gets_the_same_bits(run_python):
    output = run_python(
        PREPARE
        + """
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs ends here
        os._exit(0 if score(2) == expected and score(None) == expected else 1)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print("parent", score(2) == expected)
    """
    )
    assert output.splitlines() == ["child 0", "parent True"]


def test_a_forked_child_counts_one_available_thread(run_python):
    output = run_python(
        PREPARE
        + """
    child = os.fork()
    if child == 0:
        os._exit(available_threads())
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    )
    assert output.split() == ["1"]


def test_a_pool_of_forked_workers_gets_the_same_bits(run_python):
    output = run_python(
        PREPARE
        + """
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map_async(score, [1, 2, None, -1]).get(timeout=60)
    print([answer == expected for answer in answers])
    """
    )
    assert output.strip() == "[True, True, True, True]"
