"""The source distribution is complete: it builds, installs and works far from the checkout."""

import sys
import tarfile
import zipfile

import pytest

pytestmark = pytest.mark.slow

CALL = """
    import mlkit
    from mlkit.quality import get_label_quality_scores
    print(mlkit.__version__, get_label_quality_scores([[0], [1]], [[0.9, 0.1], [0.8, 0.1]], aggregator="min"))
"""


def test_a_source_distribution_builds_installs_and_works(checkout, fresh_python, tmp_path, run, run_python):
    run(sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path / "dist", checkout)
    [archive] = (tmp_path / "dist").glob("multilabelkit-*.tar.gz")

    with tarfile.open(archive) as files:
        names = {name.split("/", 1)[1] for name in files.getnames() if "/" in name}
    sources = {
        path.relative_to(checkout).as_posix()
        for folder in ("cpp", "cmake", "python", "tests", "docs")
        for path in (checkout / folder).rglob("*")
        if path.is_file()
    }
    top_level = {"CMakeLists.txt", "CMakePresets.json", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    assert sources | top_level | {"PKG-INFO"} <= names
    assert not {
        name for name in names if name.startswith((".git/", ".ci/", "build/", ".venv/")) or name.endswith(".so")
    }

    run(fresh_python, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path / "wheels", archive, cwd=tmp_path)
    [wheel] = (tmp_path / "wheels").glob("multilabelkit-*.whl")
    with zipfile.ZipFile(wheel) as files:
        sizes = {info.filename: info.file_size for info in files.infolist()}
    assert {"mlkit/py.typed", "mlkit/_core/__init__.pyi", "mlkit/__init__.py"} <= set(sizes)
    [extension] = [name for name in sizes if name.startswith("mlkit/_core.")]
    assert sizes[extension] < 3e6
    assert not [name for name in sizes if name.startswith("tests/") or name.endswith((".hpp", ".cpp"))]

    run(fresh_python, "-m", "pip", "install", wheel, cwd=tmp_path)
    environment = {"PYTHONPATH": ""}
    assert run_python(CALL, python=fresh_python, env=environment).endswith("[0.9 0.1]\n")
