"""The source distribution is complete: unpacked far from the checkout, the README's first command works in it."""

import json
import os
import re
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the README's commands are for a POSIX shell"),
]

CALL = """
    import json
    from importlib.metadata import files
    import mlkit
    from mlkit.quality import get_label_quality_scores
    print(mlkit.__version__, get_label_quality_scores([[0], [1]], [[0.9, 0.1], [0.8, 0.1]], aggregator="min"))
    print(json.dumps({file.as_posix(): file.locate().stat().st_size for file in files("multilabelkit")}))
"""


@pytest.fixture
def unpacked(checkout, tmp_path, run):
    """The source distribution in a folder of its own."""
    run(sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path / "dist", checkout)
    [archive] = (tmp_path / "dist").glob("multilabelkit-*.tar.gz")
    run("tar", "-xzf", archive, cwd=tmp_path)
    return tmp_path / archive.name.removesuffix(".tar.gz")


def test_a_source_distribution_holds_all_sources_and_runs_the_demo(checkout, unpacked, run, run_python):
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
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

    readme = (unpacked / "README.md").read_text(encoding="utf-8")
    command = re.search("^python3 -m venv .*/mlkit demo$", readme, re.MULTILINE)[0]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    environment.pop("PYTHONPATH", None)
    output = run("bash", "-c", command, cwd=unpacked, env=environment)
    assert "precision" in output
    assert "recall" in output
    assert [path for path in unpacked.rglob("*.png") if ".venv" not in path.parts]

    printed = run_python(CALL, python=unpacked / ".venv/bin/python", env={"PYTHONPATH": ""})
    scores, listing = printed.splitlines()
    assert scores.endswith("[0.9 0.1]")
    sizes = json.loads(listing)
    assert {"mlkit/py.typed", "mlkit/_core/__init__.pyi", "mlkit/__init__.py"} <= set(sizes)
    [extension] = [name for name in sizes if name.startswith("mlkit/_core.")]
    assert sizes[extension] < 3e6
    assert not [name for name in sizes if name.startswith("tests/") or name.endswith((".hpp", ".cpp"))]
