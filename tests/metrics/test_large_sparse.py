"""20,000 x 20,000 cells in little memory: what a dense array of them would take 1.6 GB for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as peer
from scipy import sparse

import mlkit
from mlkit import _core

N = 20_000
LIMIT_MB = 300
CHILD = Path(__file__).with_name("evaluate_in_little_memory.py")
needs_plain_memory = pytest.mark.skipif(
    bool(_core.build_info()["sanitizers"]) or not sys.platform.startswith("linux"),
    reason="limits of data memory are Linux's, and sanitizers reserve more",
)


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(N), 40)
    columns = (20_000 ** rng.random(rows.size) - 1).astype(np.int64)
    score = sparse.csr_array((rng.beta(0.5, 2, rows.size).astype(np.float32), (rows, columns)), shape=(N, N))
    score.sum_duplicates()
    score.data = np.minimum(score.data, 1)
    truth = score.copy()
    truth.data = rng.random(score.nnz) < score.data
    truth.eliminate_zeros()
    missed = sparse.csr_array(
        (np.ones(N, bool), (np.arange(N), (20_000 ** rng.random(N) - 1).astype(np.int64))), shape=(N, N)
    )
    return ((truth + missed) > 0).astype(np.int8), score


@pytest.mark.slow
@needs_plain_memory
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_evaluate_needs_little_memory_and_equals_scikit_learn_on_a_dense_slice(pair, tmp_path):
    truth, score = pair
    np.save(tmp_path / "shape.npy", truth.shape)
    for name, matrix in (("truth", truth), ("score", score)):
        for part in ("data", "indices", "indptr"):
            np.save(tmp_path / f"{name}_{part}.npy", getattr(matrix, part))
    done = subprocess.run([sys.executable, CHILD, tmp_path, str(LIMIT_MB)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "values.json").read_text())
    some = np.random.default_rng(1).choice(2000, 200, replace=False)
    y, s = truth[:, some].toarray(), score[:, some].toarray()
    ours = {name: np.array(values, float)[some] for name, values in found["labels"].items()}
    present = y.any(axis=0)
    assert present.sum() > 150
    with np.errstate(all="ignore"):
        expected = {
            "f1": peer.f1_score(y, s >= 0.5, average=None, zero_division=0),
            "roc_auc": [peer.roc_auc_score(y[:, j], s[:, j]) if present[j] else np.nan for j in range(200)],
            "average_precision": [
                peer.average_precision_score(y[:, j], s[:, j]) if present[j] else np.nan for j in range(200)
            ],
            "brier": ((s.astype(float) - y) ** 2).mean(axis=0),
        }
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values, rtol=0, atol=1e-12, equal_nan=True, err_msg=name)
    of_slice = mlkit.evaluate(sparse.csr_array(y), sparse.csr_array(s), absent_labels="sklearn")
    sets = {
        f"{name}_{average}": getattr(peer, f"{name}_score")(y, s >= 0.5, average=average, zero_division=0)
        for name in ("f1", "precision", "recall", "jaccard")
        for average in ("micro", "macro", "weighted", "samples")
    }
    for key, value in {
        **sets,
        "accuracy": peer.accuracy_score(y, s >= 0.5),
        "ndcg": peer.ndcg_score(y, s),
        "average_precision_macro": peer.average_precision_score(y, s),
        "average_precision_weighted": peer.average_precision_score(y, s, average="weighted"),
        "hamming_loss": peer.hamming_loss(y, s >= 0.5),
        "lrap": peer.label_ranking_average_precision_score(y, s),
        "coverage_error": peer.coverage_error(y, s),
        "ranking_loss": peer.label_ranking_loss(y, s),
        "roc_auc_micro": peer.roc_auc_score(y, s, average="micro"),
        "average_precision_micro": peer.average_precision_score(y, s, average="micro"),
    }.items():
        assert of_slice[key].value == pytest.approx(value, abs=1e-12), key


def test_unknown_cells_are_cells_left_out(pair):
    """Labels measured with some rows unknown are the same labels without those rows."""
    truth, score = (matrix[:, :50] for matrix in pair)
    gone = np.random.default_rng(2).random(N) < 0.3
    unknown = sparse.csr_array(np.repeat(gone[:, None], 50, axis=1))
    a = mlkit.evaluate(truth, score, unknown=unknown)
    b = mlkit.evaluate(truth[~gone], score[~gone])
    for key in a:
        assert a[key].value == pytest.approx(b[key].value, abs=1e-12, nan_ok=True), key
        if key != "roc_auc_samples":
            assert a[key].n_defined == b[key].n_defined, key
