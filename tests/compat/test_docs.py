"""The page on switching from the peer tells the truth: its examples run."""

from __future__ import annotations

import doctest
import warnings
from pathlib import Path

from mlkit.quality import LabelQualityWarning

PAGE = Path(__file__).parents[2] / "docs" / "compat.md"


def test_examples_of_the_page_run():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelQualityWarning)
        result = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert result.attempted > 30
