"""One version, told once."""

import re
from importlib import metadata

import pytest

import mlkit
from mlkit import _core


def declared_version(root):
    return re.search(r'^version = "([^"]+)"', (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]


def test_the_extension_tells_the_version_of_the_package():
    assert mlkit.__version__ == _core.__version__


def test_the_version_is_the_declared_one(root):
    assert mlkit.__version__ == declared_version(root)


def test_the_installed_distribution_has_the_version_of_the_package():
    try:
        installed = metadata.version("multilabelkit")
    except metadata.PackageNotFoundError:
        pytest.skip("mlkit runs from a build folder: no distribution is installed")
    assert installed == mlkit.__version__


def test_no_other_project_file_repeats_the_version(root):
    for name in ("CMakeLists.txt", "CITATION.cff", "README.md"):
        assert declared_version(root) not in (root / name).read_text(encoding="utf-8"), name


def test_versions_are_shown_one_on_a_line(capsys):
    mlkit.show_versions()
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if len(line.split()) == 2)
    assert lines["mlkit"] == mlkit.__version__
    assert {"python", "numpy", "threads", "compiler", "eigen"} <= set(lines)
