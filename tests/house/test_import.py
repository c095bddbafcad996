"""Importing mlkit is cheap: NumPy and little else."""

import statistics

import pytest

import mlkit

HEAVY = ("scipy", "sklearn", "pandas", "matplotlib", "joblib", "tqdm", "pyarrow", "polars", "cleanlab")


def test_import_takes_at_most_50_ms_above_numpy(run_python):
    code = """
        import time
        import numpy
        begin = time.perf_counter()
        import mlkit
        print(time.perf_counter() - begin)
    """
    seconds = [float(run_python(code)) for _ in range(7)]
    assert statistics.median(seconds) <= 0.050, seconds


def test_import_loads_nothing_heavier_than_numpy(run_python):
    code = """
        import sys
        import mlkit
        print(*sorted({name.split(".")[0] for name in sys.modules}))
    """
    loaded = run_python(code).split()
    assert "mlkit" in loaded
    assert not set(HEAVY) & set(loaded)


def test_rooms_are_loaded_on_first_use(run_python):
    code = """
        import sys
        import mlkit
        before = "mlkit.quality" in sys.modules
        print(before, callable(mlkit.quality.find_label_issues), "mlkit.quality" in sys.modules)
    """
    assert run_python(code).split() == ["False", "True", "True"]


@pytest.mark.parametrize("name", mlkit.__all__)
def test_every_public_name_exists(name):
    assert getattr(mlkit, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mlkit' has no attribute 'qualty'"):
        mlkit.qualty  # noqa: B018


def test_dir_lists_the_public_names():
    assert dir(mlkit) == sorted(mlkit.__all__)
