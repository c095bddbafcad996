"""What cannot be answered is refused in one line, before any work."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier

from mlkit.conformal import (
    ConformalWarning,
    InnerOuterConformalClassifier,
    LabelPowersetConformalClassifier,
    MultiLabelRiskController,
)
from mlkit.conformal.scores import Hamming, Lp, Mahalanobis, Separable
from reference import conformal as oracle
from reference.conformal_risk import is_seldom

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
        ({"from_logits": "no"}, TypeError, "from_logits: expected True or False"),
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
        (changed(PROBS, np.nan), LABELS, r"pred_probs: expected no missing values, got 1 NaN .*row 2, label 1\)$"),
        (changed(PROBS, np.inf), LABELS, r"pred_probs: expected values in \[0, 1\], got inf at row 2, label 1"),
        (changed(PROBS, 1.001), LABELS, r"pred_probs: expected values in \[0, 1\], got 1.001 at row 2, label 1"),
        (6 * PROBS - 3, LABELS, "look like logits"),
        (PROBS[:, :2], LABELS, r"pred_probs: expected shape \(n_samples, n_labels\) = \(40, 3\)"),
        (PROBS, changed(LABELS, 0.5), r"y: expected 0 or 1 .*, got 0.5 at row 2, label 1"),
        (PROBS, LABELS - 2 * (LABELS == 0) + (LABELS == 0), "y: expected 0 where a label is absent, got only -1 and 1"),
        (PROBS, LABELS[:, :2], r"pred_probs: expected shape \(n_samples, n_labels\) = \(40, 2\) to match y, got"),
        (PROBS > 0.5, LABELS, r"pred_probs: expected probabilities, got bool \(hard .* or \.astype\(float\) to use"),
        (PROBS, changed(LABELS, np.nan), r"y: expected known cells, got 1 unknown ones \(unknown_policy='marginal'"),
        (PROBS, LABELS[:30], "pred_probs: expected shape"),
        (PROBS[:0], LABELS[:0], "pred_probs: expected at least one example"),
        (PROBS[:, :0], LABELS[:, :0], "pred_probs: expected at least one example and one label"),
    ],
)
def test_calibration_data_are_judged(probs, labels, message):
    with pytest.raises(ValueError, match=message):
        LabelPowersetConformalClassifier().conformalize_proba(probs, labels)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.int64, np.float32, np.float64, sparse.csr_array])
def test_labels_of_any_type_that_hold_0_and_1_are_the_same(kind):
    labels = kind(LABELS) if kind is sparse.csr_array else LABELS.astype(kind)
    clf = LabelPowersetConformalClassifier().conformalize_proba(PROBS, labels)
    assert (clf.calibration_scores_ == calibrated().calibration_scores_).all()
    assert (clf.predict_region_proba(PROBS).p_values(labels) == calibrated().p_values_proba(PROBS, LABELS)).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_narrow_probabilities_are_widened(kind):
    narrow = PROBS.astype(kind)
    clf, wide = (
        LabelPowersetConformalClassifier().conformalize_proba(p, LABELS) for p in (narrow, narrow.astype(np.float64))
    )
    assert (clf.calibration_scores_ == wide.calibration_scores_).all()
    a, b = (c.predict_region_proba(p) for c, p in ((clf, narrow), (wide, narrow.astype(np.float64))))
    assert (a.flip_pvalues == b.flip_pvalues).all()


@pytest.mark.parametrize("score", ["log", "mahalanobis", "pair_unseen"])
def test_logits_are_taken_where_asked_for(score):
    logits = np.log(PROBS) - np.log1p(-PROBS)
    plain, clf = (LabelPowersetConformalClassifier(score=score, from_logits=x) for x in (False, True))
    plain.fit_proba(expit(logits), LABELS).conformalize_proba(expit(logits), LABELS)
    clf.fit_proba(logits, LABELS).conformalize_proba(logits, LABELS)
    assert (clf.calibration_scores_ == plain.calibration_scores_).all()
    a, b = clf.predict_region_proba(logits), plain.predict_region_proba(expit(logits))
    assert (a.flip_pvalues == b.flip_pvalues).all()
    assert (clf.p_values_proba(logits, LABELS) == plain.p_values_proba(expit(logits), LABELS)).all()
    for one in (MultiLabelRiskController(from_logits=True), InnerOuterConformalClassifier(from_logits=True)):
        calibrate = getattr(one, "calibrate_proba", None) or one.conformalize_proba
        with pytest.raises(ValueError, match="expected a dense array with from_logits=True, got a sparse matrix"):
            calibrate(sparse.csr_array(logits), LABELS)
    rc = MultiLabelRiskController(from_logits=True).calibrate_proba(logits, LABELS)
    assert rc.thresholds_ == MultiLabelRiskController().calibrate_proba(expit(logits), LABELS).thresholds_
    assert (rc.predict_proba_sets(logits) == (expit(logits) >= rc.thresholds_)).all()
    sets = InnerOuterConformalClassifier(from_logits=True).conformalize_proba(logits, LABELS).predict_sets_proba(logits)
    assert (sets.inner <= sets.outer).all()


def test_unknown_calibration_labels_are_left_out_where_asked_for():
    hidden = LABELS.astype(float)
    hidden[::3, 1] = np.nan
    clf = LabelPowersetConformalClassifier(score="l2", unknown_policy="marginal").conformalize_proba(PROBS, hidden)
    known = np.where(np.isnan(hidden), -1, hidden).astype(int)
    assert clf.calibration_scores_.tolist() == [oracle.set_score("l2", p, tuple(y)) for p, y in zip(PROBS, known)]
    with pytest.raises(ValueError, match="y: expected known cells, got 14 unknown ones"):
        clf.p_values_proba(PROBS, hidden)


@pytest.mark.parametrize("score", ["log", "linf", "mahalanobis", "pair_unseen"])
@pytest.mark.parametrize("value", [0, 1])
def test_a_label_without_positives_or_negatives_does_not_matter(score, value):
    labels = LABELS.copy()
    labels[:, 1] = value
    clf = LabelPowersetConformalClassifier(score=score).fit_proba(PROBS, labels).conformalize_proba(PROBS, labels)
    assert clf.predict_region_proba(PROBS).contains(labels).mean() >= 0.9


def test_one_label_is_enough_and_one_example_rules_nothing_out():
    clf = LabelPowersetConformalClassifier().conformalize_proba(PROBS[:, :1], LABELS[:, :1])
    assert set(clf.predict_region_proba([[0.5]])[0]) <= {(), (0,)}
    with pytest.warns(ConformalWarning, match="n_calibration: expected at least 9 examples"):
        clf = LabelPowersetConformalClassifier().conformalize_proba(PROBS[:1, :1], LABELS[:1, :1])
    assert clf.predict_region_proba([[0.5]])[0].is_trivial


def test_a_level_that_needs_more_examples_warns_when_it_is_asked_for():
    clf = calibrated()
    with pytest.warns(ConformalWarning, match=r"expected at least 99 examples for confidence_level=0\.99, got 40"):
        regions = clf.predict_region_proba(PROBS, 0.99)
    assert regions.is_trivial.all()
    assert regions.evaluate(LABELS)["coverage"] == 1


def test_few_examples_for_a_covariance_are_shrunk():
    rng = np.random.default_rng(0)
    probs = rng.random((105, 20))
    labels = (rng.random(probs.shape) < probs).astype(int)
    conditions = []
    for score in ("mahalanobis", Mahalanobis(shrinkage=0.1), Mahalanobis(shrinkage=0.5)):
        clf = LabelPowersetConformalClassifier(score=score).fit_proba(probs[:5], labels[:5])
        assert clf.conformalize_proba(probs[5:], labels[5:]).predict_region_proba(probs).contains(labels).mean() > 0.8
        conditions.append(clf.cov_condition_)
    assert conditions[1] > conditions[2] > 1
    with pytest.raises(ValueError, match=r"score: expected errors with a covariance that can be inverted, got eigenv"):
        LabelPowersetConformalClassifier(score=Mahalanobis(shrinkage=0.0)).fit_proba(probs[:5], labels[:5])


# ----------------------------------------------------------------------------------- examples that are not exchangeable


def test_one_example_of_each_group_counts():
    groups = np.repeat(np.arange(20), 2)
    clf = LabelPowersetConformalClassifier(random_state=0).conformalize_proba(PROBS, LABELS, groups=groups)
    assert clf.n_calibration_ == clf.calibration_scores_.size == 20
    whole = calibrated().calibration_scores_
    for pair, drawn in zip(whole.reshape(20, 2).tolist(), clf.calibration_scores_.tolist()):
        assert drawn in pair
    other = LabelPowersetConformalClassifier(random_state=1).conformalize_proba(PROBS, LABELS, groups=groups)
    assert (other.calibration_scores_ != clf.calibration_scores_).any()
    again = LabelPowersetConformalClassifier(random_state=0).conformalize(PROBS, LABELS, groups=groups.astype(str))
    assert again.n_calibration_ == 20
    alone = LabelPowersetConformalClassifier(random_state=0).conformalize_proba(PROBS, LABELS, groups=range(40))
    assert (alone.calibration_scores_ == whole).all()
    with pytest.raises(ValueError, match=r"groups: expected shape \(40,\), one for each example, got shape \(39,\)"):
        LabelPowersetConformalClassifier().conformalize_proba(PROBS, LABELS, groups=np.arange(39))


def test_groups_keep_the_promise_for_new_groups():
    rng = np.random.default_rng(0)
    covered = {True: [], False: []}
    for _ in range(300):
        # 30 patients, some with many examples, each patient with errors of one's own
        sizes = np.append(rng.choice([1, 40], 30, p=[0.8, 0.2]), 1)
        shift = np.where(sizes > 1, 0.05, rng.choice([0.1, 0.45], 31))
        of = np.repeat(np.arange(31), sizes)
        probs = np.clip(rng.random((of.size, 3)).round() * (1 - 2 * shift[of, None]) + shift[of, None], 0, 1)
        labels = (rng.random(probs.shape) < probs).astype(int)
        new = of == 30
        for grouped in (True, False):
            clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.8, random_state=rng.integers(2**31))
            clf.conformalize_proba(probs[~new], labels[~new], groups=of[~new] if grouped else None)
            covered[grouped].append(clf.predict_region_proba(probs[new]).contains(labels[new])[0])
    assert np.mean(covered[False]) < 0.75  # as if examples were exchangeable
    assert is_seldom(300 - sum(covered[True]), 300, 0.2)


@pytest.mark.parametrize("score", ["log", "mahalanobis", "pair_unseen"])
def test_training_examples_that_come_back_are_noticed(score):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    Y = (X[:, :3] + rng.normal(size=(300, 3)) > 0).astype(int)
    clf = LabelPowersetConformalClassifier(RandomForestClassifier(20, random_state=0), prefit=False, score=score)
    clf.fit(X[:200], Y[:200])
    with pytest.warns(ConformalWarning, match="X: expected calibration examples that the estimator was not trained on"):
        clf.conformalize(X[:200], Y[:200])
    with pytest.warns(ConformalWarning, match="X: expected calibration examples that the estimator was not trained on"):
        clf.conformalize(X[20:], Y[20:])
    clf.conformalize(X[200:], Y[200:])  # no warning


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
