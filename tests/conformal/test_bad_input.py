"""What cannot be answered is refused in one line, before any work."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mlkit.conformal import ConformalWarning, LabelPowersetConformalClassifier
from mlkit.conformal.scores import Hamming, Lp, Separable

RNG = np.random.default_rng(0)
PROBS = RNG.random((40, 3))
LABELS = (RNG.random((40, 3)) < PROBS).astype(int)


def calibrated(**options):
    return LabelPowersetConformalClassifier(**options).conformalize_proba(PROBS, LABELS)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"confidence_level": 95},
            ValueError,
            r"confidence_level: expected a number in \(0, 1\), got 95 \(did you mean 0.95",
        ),
        ({"confidence_level": 1.0}, ValueError, r"confidence_level: expected a number in \(0, 1\), got 1"),
        ({"confidence_level": "high"}, TypeError, "confidence_level: expected a number"),
        ({"score": "l3"}, ValueError, "score: expected one of 'hamming', 'l1', .*, got 'l3'"),
        ({"score": 2}, TypeError, "score: expected one of .* or an object from mlkit.conformal.scores, got int 2"),
        ({"score": Lp(0)}, ValueError, r"phi: expected a number in \(0, inf\), got 0"),
        ({"score": Hamming(1.5)}, ValueError, r"threshold: expected a number in \(0, 1\]"),
        ({"score": Separable(lambda p: (p, p[:1]))}, ValueError, "costs: expected a function that returns two arrays"),
        ({"score": Separable(lambda p: (p, p - 2))}, ValueError, r"costs: expected costs in \[0, 64\], got -"),
        ({"smoothing": "yes"}, TypeError, "smoothing: expected True or False"),
        ({"unknown_policy": "skip"}, ValueError, "unknown_policy: expected one of 'error', 'marginal'"),
        ({"n_jobs": 0}, ValueError, "n_jobs: expected a positive or negative integer"),
    ],
)
def test_options_are_judged_at_calibration(options, error, message):
    with pytest.raises(error, match=message):
        calibrated(**options)


def changed(array, value, at=(2, 1)):
    copy = np.array(array, float)
    copy[at] = value
    return copy


@pytest.mark.parametrize(
    ("probs", "labels", "message"),
    [
        (changed(PROBS, np.nan), LABELS, "pred_probs: expected no missing values, got 1 NaN .*row 2, label 1"),
        (changed(PROBS, np.inf), LABELS, r"pred_probs: expected values in \[0, 1\], got inf at row 2, label 1"),
        (changed(PROBS, 1.001), LABELS, r"pred_probs: expected values in \[0, 1\], got 1.001 at row 2, label 1"),
        (6 * PROBS - 3, LABELS, "look like logits"),
        (PROBS[:, :2], LABELS, r"pred_probs: expected shape \(n_samples, n_labels\) = \(40, 3\)"),
        (PROBS, changed(LABELS, 0.5), "labels: expected 0 or 1"),
        (PROBS, changed(LABELS, np.nan), r"y: expected known cells, got 1 unknown ones \(unknown_policy='marginal'"),
        (PROBS, LABELS[:30], "pred_probs: expected shape"),
        (PROBS[:0], LABELS[:0], "pred_probs: expected at least one example"),
    ],
)
def test_calibration_data_are_judged(probs, labels, message):
    with pytest.raises(ValueError, match=message):
        LabelPowersetConformalClassifier().conformalize_proba(probs, labels)


def test_probabilities_out_of_range_by_rounding_are_clipped():
    clf = calibrated(score="l1")
    a = clf.predict_region_proba(changed(PROBS, 1 + 5e-7))
    assert (a.flip_pvalues == clf.predict_region_proba(changed(PROBS, 1.0)).flip_pvalues).all()


def test_new_examples_are_judged():
    clf = calibrated()
    with pytest.raises(
        ValueError, match=r"pred_probs: expected 3 labels \(columns\) as in calibration, got shape \(40, 2\)"
    ):
        clf.predict_region_proba(PROBS[:, :2])
    with pytest.raises(ValueError, match="pred_probs: expected no missing values"):
        clf.predict_region_proba(changed(PROBS, np.nan))
    with pytest.raises(ValueError, match=r"pred_probs: expected 3 labels \(columns\) as in calibration"):
        clf.p_values_proba(PROBS[:, :2], LABELS[:, :2])
    with pytest.raises(ValueError, match="confidence_level: expected at least one number"):
        clf.predict_region_proba(PROBS, [])
    regions = clf.predict_region_proba(PROBS)
    with pytest.raises(ValueError, match=r"y: expected shape \(n_samples, n_labels\) = \(40, 3\), got \(39, 3\)"):
        regions.contains(LABELS[1:])
    with pytest.raises(ValueError, match="y: expected known cells, got 1 unknown ones"):
        regions.p_values(changed(LABELS, np.nan))
    with pytest.raises(ValueError, match="confidence_level: expected a number"):
        regions.at(0)


def test_given_sets_are_judged():
    region = calibrated().predict_region_proba(PROBS)[0]
    with pytest.raises(TypeError, match="labels: expected a list of labels, got int 1"):
        1 in region  # noqa: B015
    with pytest.raises(ValueError, match=r"labels: expected an integer in \[0, 2\], got 3"):
        region.p_value([3])
    with pytest.raises(ValueError, match="labels: expected known label names, got 'cat'"):
        region.p_value(["cat"])
    with pytest.raises(ValueError, match=r"position: expected an integer in \[0, "):
        region.unrank(-1)
    with pytest.raises(ValueError, match="order: expected one of 'p_value', 'dfs'"):
        next(region.sets(order="score"))
    outside = calibrated(confidence_level=0.05).predict_region_proba([[0.9, 0.9, 0.9]])[0]
    with pytest.raises(ValueError, match="labels: expected a set of the region"):
        outside.rank([])


def test_a_region_of_many_labels_has_no_words():
    probs = np.full((30, 65), 0.01)
    labels = np.zeros((30, 65), int)
    labels[0, 0] = 1
    [region] = (
        LabelPowersetConformalClassifier(score="l1").conformalize_proba(probs, labels).predict_region_proba(probs[:1])
    )
    with pytest.raises(ValueError, match="to_bitsets: expected at most 64 labels, got 65"):
        region.to_bitsets()


def test_a_score_of_ones_own_wants_dense_probabilities():
    clf = LabelPowersetConformalClassifier(score=Separable(lambda p: (p, 1 - p)))
    with pytest.raises(ValueError, match="score: expected dense pred_probs with a score of your own"):
        clf.conformalize_proba(sparse.csr_array(PROBS), LABELS)
    clf.conformalize_proba(PROBS, LABELS)
    with pytest.raises(ValueError, match="score: expected dense pred_probs with a score of your own"):
        clf.predict_region_proba(sparse.csr_array(PROBS))


def test_equal_scores_warn():
    with pytest.warns(ConformalWarning, match="y: expected scores that differ, got 40 equal ones .*smoothing=True"):
        LabelPowersetConformalClassifier().conformalize_proba(np.full((40, 3), 0.5), LABELS)


def test_sparse_answers_that_would_be_dense_are_refused():
    probs = sparse.csr_array((np.ones(2), ([0, 1], [0, 0])), shape=(300, 2_000_000))
    labels = sparse.csr_array((np.ones(2, np.int8), ([0, 299], [0, 7])), shape=(300, 2_000_000))
    clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.999)
    with pytest.warns(ConformalWarning, match="n_calibration"):
        regions = clf.conformalize_proba(probs, labels).predict_region_proba(probs)
    with pytest.raises(MemoryError, match=r"undecided: 300 rows hold nearly all 2000000 labels, which needs 7\.3 GB"):
        regions.undecided  # noqa: B018
    assert regions.at(0.9).certain.nnz == 2
    assert regions.at(0.9).outer.nnz == 2
