"""What the README tells a stranger to type works."""

import doctest
import re

import pytest

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def blocks(root):
    """The code blocks of the README as pairs of language and text."""
    return BLOCK.findall((root / "README.md").read_text(encoding="utf-8"))


def test_the_demo_and_the_tests_are_one_command_each(blocks):
    commands = [text.strip() for language, text in blocks if language in ("sh", "bash") and text.count("\n") == 1]
    assert "python3 -m venv .venv && .venv/bin/pip install '.[demo]' && .venv/bin/mlkit demo" in commands
    assert "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/python -m pytest" in commands


def test_python_examples_give_the_output_that_is_printed(blocks):
    examples = [text for language, text in blocks if language in ("python", "pycon") and ">>>" in text]
    assert examples
    test = doctest.DocTestParser().get_doctest("\n".join(examples), {}, "README.md", "README.md", 0)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize().failed == 0


def test_nobody_is_told_to_install_another_package_of_our_name(root):
    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
        assert not re.search(r"pip3? install (-\S+ )*['\"]?mlkit\b", page.read_text(encoding="utf-8")), page.name


def test_linked_files_exist(root):
    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
