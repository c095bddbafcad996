"""Calls on dense arrays take little beside them: blocks of rows, or a few columns at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlkit import _core

CHILD = Path(__file__).with_name("measure_extra_memory.py")
BYTES_PER_CELL = {
    "f1_macro": 0.5,
    "hamming_loss": 0.5,
    "lrap": 1,
    "average_precision_micro": 2.5,
    "ece": 4,
    "roc_auc_macro": 4,
    "evaluate": 4,
    "evaluate with replicates": 4,
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory as Linux does")
@pytest.mark.skipif(bool(_core.build_info()["sanitizers"]), reason="sanitizers need memory of their own")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_at_most_four_bytes_for_each_cell(dtype):
    done = subprocess.run(
        [sys.executable, CHILD, "10000", "600", dtype, "2"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    extra = json.loads(done.stdout)
    assert set(extra) == set(BYTES_PER_CELL)
    for name, most in BYTES_PER_CELL.items():
        assert extra[name] <= most, extra
