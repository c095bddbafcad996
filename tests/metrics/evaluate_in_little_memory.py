"""Evaluate saved CSR arrays under a limit of anonymous memory; a child process of a test.

    python evaluate_in_little_memory.py FOLDER LIMIT_MB

Reads ``<name>_{indptr,indices,data}.npy`` for ``truth`` and ``score`` from the folder and writes ``values.json`` there.
"""

import json
import resource
import sys
from pathlib import Path


def main(folder, limit_mb):
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mb * 2**20, limit_mb * 2**20))
    import numpy as np
    from scipy.sparse import csr_array

    import mlkit

    shape = tuple(np.load(folder / "shape.npy").tolist())
    truth, score = (
        csr_array(tuple(np.load(folder / f"{name}_{part}.npy") for part in ("data", "indices", "indptr")), shape=shape)
        for name in ("truth", "score")
    )
    report = mlkit.evaluate(truth, score, n_jobs=2)
    areas = report.per_label[["f1", "roc_auc", "average_precision", "brier"]].to_dict("list")
    (folder / "values.json").write_text(json.dumps({"report": report.to_dict(), "labels": areas}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
