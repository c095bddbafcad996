"""The balanced posterior: its definition, every road to it, and that audits list cells by it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score

import mlkit
from mlkit.datasets import inject_label_noise
from mlkit.quality import estimate_noise_rates, get_cell_quality_scores
from reference import patch as oracle
from reference.quality_inputs import KINDS, as_csr, make_data


def total(frame, direction):
    return float(np.nansum(frame.loc[frame["direction"] == direction, "n_wrong"]))


@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_their_slow_definition(kind):
    for seed in (1, 4):
        data = make_data(kind, seed)
        probs = np.clip(data.probs.astype(float), 0, 1)
        frame = estimate_noise_rates(data.matrix, data.probs)
        missing, spurious = total(frame, "missing"), total(frame, "spurious")
        expected = oracle.balanced_scores(data.labels, probs, missing, spurious)
        for given in (data.probs, as_csr(data.probs)):
            found = get_cell_quality_scores(data.matrix, given, method="balanced_posterior")
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def simulate(n=3000, n_labels=30, seed=0):
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-3, 2.5, (n, n_labels))))
    p[p < 0.02] = 0
    truth = (rng.random(p.shape) < p).astype(np.int8)
    return p, truth


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 8])
def test_same_bits_for_dense_sparse_and_any_number_of_threads(n_jobs):
    p, truth = simulate()
    labels, _ = inject_label_noise(truth, kind="swap", rate=0.1, random_state=0)
    expected = get_cell_quality_scores(labels, p, method="balanced_posterior", n_jobs=1)
    for given, probs in ((labels, np.asfortranarray(p)), (sparse.csr_array(labels), as_csr(p))):
        found = get_cell_quality_scores(given, probs, method="balanced_posterior", n_jobs=n_jobs)
        assert found.tobytes() == expected.tobytes()
    top = get_cell_quality_scores(sparse.csr_array(labels), as_csr(p), method="balanced_posterior", top=99)
    np.testing.assert_array_equal(top["score"], np.sort(expected, axis=None)[:99])


@pytest.mark.parametrize("rank_by", ["balanced_posterior", "self_confidence", "error_posterior"])
def test_an_audit_lists_cells_by_the_score_asked_for(rank_by):
    p, truth = simulate()
    labels, _ = inject_label_noise(truth, kind="swap", rate=0.1, random_state=0)
    audit = mlkit.audit(labels, p, rank_by=rank_by)
    cells = audit.cells()
    scores = get_cell_quality_scores(labels, p, method=rank_by)
    np.testing.assert_array_equal(cells["score"], scores[cells["row"], cells["label"]])
    keys = list(zip(cells["score"], cells["row"], cells["label"]))
    assert keys == sorted(keys)
    if rank_by == "balanced_posterior":
        assert cells.equals(mlkit.audit(labels, p).cells())


def test_labels_that_are_not_judged_do_not_sway_the_others():
    p, truth = simulate()
    labels, _ = inject_label_noise(truth, kind="missing_positives", rate=0.2, random_state=0)
    expected = mlkit.audit(labels, p).cells()
    rng = np.random.default_rng(1)
    wide = np.hstack([labels, rng.integers(0, 2, (3000, 3)).astype(np.int8)])
    upside_down = np.hstack([p, np.where(wide[:, -3:], 0.1, 0.9)])  # worse than chance
    cells = mlkit.audit(wide, upside_down).cells()
    assert cells.equals(expected)


@pytest.mark.parametrize("kind", ["missing", "swap"])
def test_missing_positives_are_ranked_better_than_by_self_confidence_and_swaps_no_worse(kind):
    p, truth = simulate(4000, 20)
    options = {"kind": "missing_positives", "rate": 0.2} if kind == "missing" else {"kind": "swap", "rate": 0.1}
    labels, wrong = inject_label_noise(truth, **options, random_state=0)
    ap = {
        method: average_precision_score(wrong.ravel(), -get_cell_quality_scores(labels, p, method=method).ravel())
        for method in ("balanced_posterior", "self_confidence")
    }
    assert ap["balanced_posterior"] > (1.3 if kind == "missing" else 0.97) * ap["self_confidence"]


def test_it_cannot_be_adjusted():
    with pytest.raises(
        ValueError, match="adjust_pred_probs: expected False with method='balanced_posterior', got True"
    ):
        get_cell_quality_scores([[0]], [[0.5]], method="balanced_posterior", adjust_pred_probs=True)
    with pytest.raises(ValueError, match="rank_by: expected one of 'balanced_posterior', 'self_confidence'"):
        mlkit.audit([[0]], [[0.5]], rank_by="margin")
