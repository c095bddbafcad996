"""How time and memory of LabelTreeClassifier grow with the examples, the labels and the features of an example.

    python benchmarks/trees_growth.py [--threads 1]

Generated Zipf labels (`make_zipf` of trees.py). From one size in the middle each quantity is varied alone; the slope of
the logarithms is fitted by least squares: 1 is linear growth, 0 none. Every size runs in a child process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

MIDDLE = {"n": 20_000, "d": 50_000, "L": 20_000, "nnz": 20}
VARIED = {
    "n": (10_000, 20_000, 40_000, 80_000),
    "L": (2_000, 6_000, 20_000, 60_000, 200_000),
    "nnz": (10, 20, 40, 80),
}
MEASURED = ("fit s", "predict s", "model MB", "peak MB")


def measure(size: dict[str, int], threads: int) -> dict[str, float]:
    data = "zipf:{n}:{d}:{L}:{nnz}".format(**size)
    script = Path(__file__).with_name("trees.py")
    command = [sys.executable, str(script), "--child", "mlkit-one", data, str(threads), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    report: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(VARIED), choices=list(VARIED))
    options = parser.parse_args()
    for name in options.only:
        print(f"\n{name} varied, else {MIDDLE}; one tree, {options.threads} thread(s)")
        reports = []
        for value in VARIED[name]:
            report = measure({**MIDDLE, name: value}, options.threads)
            reports.append([report[key] for key in MEASURED])
            print(f"  {name} = {value:7d}" + "".join(f"  {key} {report[key]:9.2f}" for key in ("P@1", *MEASURED)))
        logs = np.log(np.maximum(np.array(reports), 1e-9))
        slopes = np.polyfit(np.log(VARIED[name]), logs, 1)[0]
        print(
            "  slope      " + "".join(f"  {key} {slope:9.2f}" for key, slope in zip(MEASURED, slopes, strict=True)),
            flush=True,
        )


if __name__ == "__main__":
    main()
