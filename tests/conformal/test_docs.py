"""What docs/conformal.md prints is what its code gives."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "conformal.md"


def test_the_pages_examples_give_the_output_that_is_printed():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 15
    assert result.failed == 0
