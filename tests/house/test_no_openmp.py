"""Without OpenMP everything works the same, on threads of the standard library or on one."""

import sys

import pytest

from mlkit import _core

pytestmark = pytest.mark.slow

CALL = """
    import hashlib
    import numpy as np
    from mlkit import _core
    from mlkit.quality import find_cell_issues, get_label_quality_scores

    rng = np.random.default_rng(0)
    pred_probs = rng.random((60_000, 12))
    labels = pred_probs > rng.random(pred_probs.shape)
    issues = find_cell_issues(labels, pred_probs, n_jobs=3)
    scores = get_label_quality_scores(labels, pred_probs, n_jobs=3)
    print(_core.build_info()["threads"])
    print(hashlib.sha256(issues.indptr.tobytes() + issues.indices.tobytes() + scores.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("threads", ["serial", "std::thread"])
def test_a_build_without_openmp_gives_the_same_bits(threads, checkout, tmp_path, run, run_python):
    here, expected = run_python(CALL).split()
    assert here == _core.build_info()["threads"]

    target = tmp_path / "without-openmp"
    options = ["-Ccmake.define.MLKIT_OPENMP=OFF", f"-Ccmake.define.MLKIT_STD_THREADS={int(threads != 'serial')}"]
    # quickly built, and bits do not depend on it either
    options += ["-Ccmake.build-type=Debug", "-Ccmake.define.CMAKE_CXX_FLAGS_DEBUG=-O0"]
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", target, *options, checkout)
    without = run_python(CALL, env={"PYTHONPATH": str(target)})
    assert without.split() == [threads, expected]
