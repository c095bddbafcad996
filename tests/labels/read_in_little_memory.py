"""Read sparse labels and probabilities under a limit of memory; a child process of a test.

    python read_in_little_memory.py LIMIT_MB

The limit is on top of what is taken once everything is loaded. A dense array of one byte for each cell would take 5 GB.
"""

import contextlib
import resource
import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from mlkit._validation.cells import check_cells
from mlkit.labels import as_label_matrix

N, L, PER_ROW = 50_000, 100_000, 10


def taken_mb():
    """Memory that counts against the limit."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) // 1024
    raise KeyError("VmData")


@contextlib.contextmanager
def refused():
    """Expect a MemoryError of our own, which says how large the answer would be."""
    try:
        yield
    except MemoryError as error:
        if "GB" not in str(error):
            raise
    else:
        raise AssertionError("a dense array was made")


def main(limit_mb):
    as_label_matrix([[0]], n_labels=1).unknown.tocsc()  # loads what is loaded late
    limit = (taken_mb() + limit_mb) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    rng = np.random.default_rng(0)
    step = L // PER_ROW
    indices = (rng.integers(0, step, (N, PER_ROW)) + np.arange(PER_ROW) * step).astype(np.int32)
    signs = np.where(rng.random(N * PER_ROW) < 0.1, -1, 1)

    def csr(data, kind=csr_array):
        return kind((data, indices.ravel(), np.arange(N + 1) * PER_ROW), shape=(N, L))

    all_stored = csr(np.ones(N * PER_ROW, bool))
    forms = {
        "csr of bool": all_stored,
        "csr with unknown": csr(signs),
        "coo of float": csr(signs.astype(float), csr_matrix).tocoo(),
        "csc": csr(signs).tocsc(),
        "lists": indices.tolist(),
    }
    for labels in forms.values():
        for background in ("negative", "unknown"):
            matrix = as_label_matrix(labels, n_labels=L, background=background)
            assert matrix.support.sum() == matrix.nnz
            assert as_label_matrix(matrix.to_csr(), background=background) == matrix
            assert len(matrix.to_lists()) == N
            masked = as_label_matrix(matrix, unknown=all_stored)
            assert masked.nnz == 0
            with refused():
                matrix.to_dense()
            if background == "negative":
                assert masked.unknown.nnz == N * PER_ROW
            else:
                with refused():
                    _ = matrix.unknown
    probs = csr(rng.random(N * PER_ROW, dtype=np.float32))
    probs.data[5] = np.nan
    cells = check_cells(csr(signs), probs, nan_policy="mask")
    assert cells.labels.n_unknown == (signs < 0).sum() + (signs[5] > 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
