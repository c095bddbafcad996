"""Thresholds that were chosen on the rows they are judged on are told from others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

import mlkit


def draw(rng, n=400, n_labels=8):
    scores = rng.random((n, n_labels)).astype(np.float32)
    return (rng.random(scores.shape) < scores**2).astype(int), scores


def best_thresholds(truth, scores, weights=None):
    """For the largest F1 of each label, by trying every score; unknown cells take no part."""
    weights = np.ones(len(truth)) if weights is None else weights
    best = []
    for y, s in zip(truth.T, scores.T):
        w = weights * (y >= 0)
        f1 = [2 * w @ ((s >= t) & (y == 1)) / (w @ (y == 1) + w @ (s >= t)) for t in s]
        best.append(s[int(np.argmax(f1))])
    return np.array(best, np.float64)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_thresholds_of_the_same_rows_are_noticed(storage):
    truth, scores = draw(np.random.default_rng(0))
    report = mlkit.evaluate(truth, storage(scores), threshold=best_thresholds(truth, scores))
    assert report.thresholds_from == "same data: optimistic"
    assert repr(report).endswith("measures; thresholds from the same data: optimistic")
    assert "same data" in report._repr_html_()
    assert json.loads(report.to_json())["thresholds_from"] == "same data: optimistic"


def test_unknown_cells_and_weights_take_part_as_in_f1():
    rng = np.random.default_rng(1)
    truth, scores = draw(rng)
    truth[rng.random(truth.shape) < 0.2] = -1
    weights = rng.integers(1, 5, len(truth)).astype(float)
    cuts = best_thresholds(truth, scores, weights)
    assert mlkit.evaluate(truth, scores, threshold=cuts, sample_weight=weights).thresholds_from
    assert not mlkit.evaluate(np.where(truth < 0, 1, truth), scores, threshold=cuts).thresholds_from


def test_thresholds_of_other_rows_are_not_taken_for_them():
    rng = np.random.default_rng(2)
    for _ in range(100):
        truth, scores = draw(rng, n=60)
        other = draw(rng, n=60)
        assert mlkit.evaluate(truth, scores, threshold=best_thresholds(*other)).thresholds_from is None


def test_what_cannot_be_told_is_not_claimed():
    truth, scores = draw(np.random.default_rng(3))
    cuts = best_thresholds(truth, scores)
    few = slice(0, 4)  # labels
    assert mlkit.evaluate(truth[:, few], scores[:, few], threshold=cuts[few]).thresholds_from is None
    assert mlkit.evaluate(truth, scores).thresholds_from is None
    assert mlkit.evaluate(truth, y_pred=scores >= cuts).thresholds_from is None
    perfect = np.where(truth == 1, 0.9, 0.1)  # any threshold between is as good
    assert mlkit.evaluate(truth, perfect, threshold=np.full(8, 0.5)).thresholds_from is None
    rare = np.zeros_like(truth)
    rare[:9] = 1
    assert mlkit.evaluate(rare, scores, threshold=best_thresholds(rare, scores)).thresholds_from is None


def test_rows_of_no_weight_and_infinite_scores_do_no_harm():
    truth, scores = draw(np.random.default_rng(4))
    cuts = best_thresholds(truth, scores)
    only_negatives = (truth == 0).all(axis=1).astype(float)
    report = mlkit.evaluate(truth, scores, threshold=cuts, sample_weight=only_negatives)
    assert report.thresholds_from is None  # nothing is left to choose by
    some = (np.arange(len(truth)) % 2).astype(float)
    cuts = best_thresholds(truth, scores, some)
    assert mlkit.evaluate(truth, scores, threshold=cuts, sample_weight=some).thresholds_from
    endless = np.where(scores > 0.7, np.inf, np.where(scores < 0.3, -np.inf, scores))
    every = {"k": truth.shape[1]}  # no cut among the many ties
    assert mlkit.evaluate(truth, endless, threshold=best_thresholds(truth, endless), **every).thresholds_from
    assert mlkit.evaluate(truth, endless, threshold=np.linspace(0.31, 0.69, 8), **every).thresholds_from is None
