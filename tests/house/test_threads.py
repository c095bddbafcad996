"""n_jobs means one thing everywhere."""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from mlkit import _core
from mlkit._threads import available_threads, resolve_threads
from mlkit.quality import get_label_quality_scores

needs_openmp = pytest.mark.skipif(
    _core.build_info()["threads"] != "openmp", reason="this build has no OpenMP, whose limits the test sets"
)


def test_none_means_all_available_threads():
    assert resolve_threads(None) == available_threads() >= 1


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 64, np.int64(2), np.uint8(5)])
def test_a_positive_number_is_taken_as_it_is(n_jobs):
    assert resolve_threads(n_jobs) == n_jobs
    assert type(resolve_threads(n_jobs)) is int


def test_negative_numbers_count_back_from_all_threads():
    assert resolve_threads(-1) == available_threads()
    assert resolve_threads(-2) == max(1, available_threads() - 1)
    assert resolve_threads(-10_000) == 1


def test_zero_is_a_value_error():
    with pytest.raises(ValueError, match=r"n_jobs: expected a positive or negative integer or None, got 0"):
        resolve_threads(0)


@pytest.mark.parametrize("n_jobs", [True, False, 2.0, "2", [2], np.float64(1)])
def test_anything_but_an_integer_is_a_type_error(n_jobs):
    with pytest.raises(TypeError, match=r"n_jobs: expected an integer or None, got "):
        resolve_threads(n_jobs)


def test_public_functions_judge_n_jobs_first():
    with pytest.raises(TypeError, match="n_jobs: expected an integer or None, got bool True"):
        get_label_quality_scores("nonsense", "nonsense", n_jobs=True)
    with pytest.raises(ValueError, match="n_jobs: expected a positive or negative integer or None, got 0"):
        get_label_quality_scores("nonsense", "nonsense", n_jobs=0)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3, 8, -1, -2])
def test_scores_do_not_depend_on_n_jobs(n_jobs):
    rng = np.random.default_rng(0)
    pred_probs = rng.random((40_000, 15))
    labels = pred_probs > rng.random(pred_probs.shape)
    expected = get_label_quality_scores(labels, pred_probs, n_jobs=1)
    assert get_label_quality_scores(labels, pred_probs, n_jobs=n_jobs).tobytes() == expected.tobytes()


@needs_openmp
def test_a_limit_set_by_the_caller_holds():
    with threadpool_limits(1):
        assert available_threads() == 1
        assert resolve_threads(-1) == 1


def test_omp_num_threads_limits_a_process(run_python):
    code = "from mlkit._threads import available_threads; print(available_threads())"
    assert int(run_python(code, env={"OMP_NUM_THREADS": "1"})) == 1
    assert int(run_python(code, env={"OMP_NUM_THREADS": "2"})) <= 2


def test_importing_mlkit_leaves_the_environment_alone(run_python):
    code = "import os; before = dict(os.environ); import mlkit.quality; print(before == dict(os.environ))"
    assert run_python(code).strip() == "True"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity to set")
def test_the_affinity_of_a_process_limits_it(run_python):
    code = """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from mlkit._threads import available_threads
        print(available_threads())
    """
    assert int(run_python(code)) == 1
