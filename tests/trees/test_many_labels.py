"""200,000 labels: trained and asked in a child process under 4 GB of anonymous memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlkit import _core

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits and measures memory as Linux does"),
    pytest.mark.skipif(bool(_core.build_info()["sanitizers"]), reason="sanitizers need memory of their own"),
]

CHILD = Path(__file__).with_name("train_many_labels.py")


def test_200_000_labels_are_learned_in_4_gb():
    done = subprocess.run([sys.executable, CHILD, "4096"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    print(report)
    assert report["peak_mb"] < 4096
    for precision, popularity in zip(report["precision"], report["popularity"], strict=True):  # at 1 and at 5
        assert precision > 10 * popularity
    assert report["exact_equals_wide_beam"]
