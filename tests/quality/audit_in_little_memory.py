"""Run a label-error search on saved CSR arrays under a limit of anonymous memory; a child process of a test.

    python audit_in_little_memory.py FOLDER LIMIT_MB

Reads ``<name>_{indptr,indices,data}.npy`` for ``labels`` and ``probs`` from the folder and writes ``answers.npz`` and
``memory.json`` (MB; peaks since the input was loaded) there.
"""

import contextlib
import json
import resource
import sys
import warnings
from pathlib import Path


def status(key):
    """A line of /proc/self/status, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def forget_peak():
    """Let VmHWM start again from what is resident now, where the kernel allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def main(folder, limit_mb):
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mb * 2**20, limit_mb * 2**20))
    import numpy as np
    from scipy.sparse import csr_array

    from mlkit.quality import (
        LabelQualityWarning,
        find_cell_issues,
        find_label_issues,
        get_cell_quality_scores,
        get_confident_thresholds,
        get_label_quality_scores,
    )

    get_cell_quality_scores([[0]], np.array([[0.5]]), top=1)  # loads what is loaded late
    shape = tuple(np.load(folder / "shape.npy").tolist())
    parts = ("data", "indices", "indptr")
    labels, probs = (
        csr_array(tuple(np.load(folder / f"{name}_{part}.npy") for part in parts), shape=shape)
        for name in ("labels", "probs")
    )
    memory = {"loaded_anonymous": status("RssAnon"), "loaded": status("VmRSS"), "steps": {}}
    memory["peak_until_loaded"] = status("VmHWM")
    answers = {}

    def step(name, work):
        forget_peak()
        before = status("VmRSS")
        result = work()
        memory["steps"][name] = {
            "before": before,
            "peak": status("VmHWM"),
            "anonymous": status("RssAnon"),
        }
        return result

    warnings.simplefilter("ignore", LabelQualityWarning)
    options = {"n_jobs": 2}
    answers["thresholds"] = step("thresholds", lambda: get_confident_thresholds(labels, probs, **options))
    answers["rows"] = step("rows", lambda: find_label_issues(labels, probs, **options))
    cells = step("cells", lambda: find_cell_issues(labels, probs, **options))
    answers["cells_indptr"], answers["cells_indices"] = cells.indptr, cells.indices
    answers["scores"] = step("scores", lambda: get_label_quality_scores(labels, probs, **options))
    answers["adjusted_scores"] = step(
        "adjusted scores", lambda: get_label_quality_scores(labels, probs, adjust_pred_probs=True, **options)
    )
    worst = step("worst", lambda: get_cell_quality_scores(labels, probs, top=10_000, **options))
    for column in worst.columns:
        answers[f"worst_{column}"] = worst[column].to_numpy()
    np.savez(folder / "answers.npz", **answers)
    memory["peak"] = max(memory["peak_until_loaded"], status("VmHWM"), *(s["peak"] for s in memory["steps"].values()))
    memory["anonymous"] = max(memory["loaded_anonymous"], *(s["anonymous"] for s in memory["steps"].values()))
    (folder / "memory.json").write_text(json.dumps(memory))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
