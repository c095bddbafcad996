"""A hundred thousand labels: work and memory follow what is stored."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from mlkit.conformal import InnerOuterConformalClassifier, LabelPowersetConformalClassifier, MultiLabelRiskController

N_LABELS, TOP = 100_000, 50


def tagger(n, seed=0):
    """Top 50 of 100,000 labels with calibrated probabilities, and true labels among them."""
    rng = np.random.default_rng(seed)
    indices = np.sort(rng.integers(0, N_LABELS // TOP, (n, TOP)) + np.arange(TOP) * (N_LABELS // TOP), axis=1)
    probs = rng.beta(0.1, 2.0, (n, TOP))
    probs[:, 0] = 1 - 1e-9
    indptr = np.arange(0, n * TOP + 1, TOP)
    given = rng.random(probs.shape) < probs
    rows, places = np.nonzero(given)
    labels = sparse.csr_array((np.ones(rows.size, np.int8), (rows, indices[rows, places])), shape=(n, N_LABELS))
    return sparse.csr_array((probs.ravel(), indices.ravel(), indptr), shape=(n, N_LABELS)), labels


def test_regions_of_a_large_tagger():
    probs, labels = tagger(3000)
    tracemalloc.start()
    clf = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[:1000], labels[:1000])
    regions = clf.predict_region_proba(probs[1000:])
    assert regions.outer.nnz <= 2000 * TOP
    assert (regions.certain.multiply(labels[1000:])).nnz > 0.9 * regions.certain.nnz
    lower, _, exact = regions.size()
    assert exact.all()
    assert regions.contains(labels[1000:]).mean() == pytest.approx(0.9, abs=0.05)
    assert regions.max_cardinality.max() <= TOP
    assert tracemalloc.get_traced_memory()[1] < 200e6  # dense booleans alone would take 200 MB
    tracemalloc.stop()
    assert [len(region) for region in regions[:3]] == lower[:3].tolist()
    assert all(labels_ in regions[0] for labels_ in regions[0].sample(3, random_state=0))
    # labels that are not stored cost e^-64 each: with the whole of the budget none of them fits
    assert not regions._implicit_open.any()
    missing = labels[1000:].tolil()
    missing[0, 7] = 1
    assert not regions.contains(missing.tocsr())[0]


def test_risks_of_a_large_tagger():
    probs, labels = tagger(3000)
    rc = MultiLabelRiskController(risk="fnr", risk_level=0.2).calibrate_proba(probs[:1000], labels[:1000])
    sets = rc.predict_proba_sets(probs[1000:])
    found = np.asarray(sets.multiply(labels[1000:]).sum(axis=1)).ravel()
    size = np.asarray(labels[1000:].sum(axis=1)).ravel()
    missed = np.where(size > 0, 1 - found / np.maximum(size, 1), 0)
    assert missed.mean() == pytest.approx(0.2, abs=0.03)
    inner, outer = (
        InnerOuterConformalClassifier(confidence_level=0.8)
        .conformalize_proba(probs[:1000], labels[:1000])
        .predict_sets_proba(probs[1000:])
    )
    assert inner.nnz < outer.nnz < 2000 * TOP
