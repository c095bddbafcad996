"""scikit-learn's own checks, as far as they speak of estimators that are calibrated after they were fitted."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlkit.conformal import (
    InnerOuterConformalClassifier,
    LabelPowersetConformalClassifier,
    MultiLabelRiskController,
)


def squashed(X):
    """A model that was fitted elsewhere: probabilities of one label from any examples."""
    first = check_array(X, accept_sparse="csr")[:, :1]
    return expit(first.toarray() if issparse(first) else first)


WITH_A_MODEL = [
    LabelPowersetConformalClassifier(MultiOutputClassifier(LogisticRegression()), prefit=False),
    InnerOuterConformalClassifier(MultiOutputClassifier(LogisticRegression()), prefit=False),
    MultiLabelRiskController(squashed),
]
A_SCORE = "calls the attribute score, here the name of a nonconformity score, as a method"
NO_LABELS = "gives the classes 1 and 2 where labels are 0 or 1; that is refused before what the check is after"
EXPECTED = {
    "LabelPowersetConformalClassifier": {
        "check_fit_score_takes_y": A_SCORE,
        "check_pipeline_consistency": A_SCORE,
        "check_n_features_in_after_fitting": A_SCORE,
        "check_estimators_dtypes": NO_LABELS,
        "check_fit2d_1feature": NO_LABELS,
    },
    "InnerOuterConformalClassifier": {},
    "MultiLabelRiskController": {
        "check_estimators_dtypes": NO_LABELS,
        "check_fit2d_1feature": NO_LABELS,
        "check_requires_y_none": "refuses y=None as a wrong kind (TypeError); the check wants a ValueError",
    },
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(WITH_A_MODEL, expected_failed_checks=lambda estimator: EXPECTED[type(estimator).__name__])
def test_scikit_learn_agrees(estimator, check):
    check(estimator)


NAMES = ["cat", "dog", "bird"]


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 4)), columns=list("abcd"))
    Y = pd.DataFrame((X.iloc[:, :3].to_numpy() + 0.5 * rng.normal(size=(400, 3)) > 0.4).astype(int), columns=NAMES)
    return (X[:200], Y[:200]), (X[200:300], Y[200:300]), (X[300:], Y[300:])


def model():
    return make_pipeline(StandardScaler(), MultiOutputClassifier(LogisticRegression()))


@pytest.mark.parametrize("score", ["log", "mahalanobis", "pair_unseen"])
def test_frames_go_in_and_label_names_come_out(frames, score):
    train, cal, (X, Y) = frames
    clf = LabelPowersetConformalClassifier(model(), prefit=False, score=score).fit(*train).conformalize(*cal)
    assert clf.label_names_ == tuple(NAMES)
    regions = clf.predict_region(X)
    assert regions.label_names == tuple(NAMES)
    assert {name for labels in regions[0] for name in labels} <= set(NAMES)
    assert regions.contains(Y).mean() > 0.8
    turned = Y[NAMES[::-1]]  # columns are matched by name
    assert (regions.contains(turned) == regions.contains(Y)).all()
    assert (clf.p_values(X, turned) == regions.p_values(Y)).all()
    plain = LabelPowersetConformalClassifier(model(), prefit=False, score=score)
    plain.fit(train[0].to_numpy(), train[1].to_numpy()).conformalize(cal[0].to_numpy(), cal[1].to_numpy())
    assert (plain.predict(X.to_numpy()) == clf.predict(X)).all()
    assert plain.label_names_ is None


@pytest.mark.parametrize("score", ["log", "mahalanobis", "pair_unseen"])
def test_columns_of_calibration_labels_are_matched_by_the_names_of_training(frames, score):
    train, (X, Y), (new, _) = frames
    clf = LabelPowersetConformalClassifier(model(), prefit=False, score=score).fit(*train).conformalize(X, Y)
    turned = clone(clf).fit(*train).conformalize(X, Y[NAMES[::-1]])
    assert turned.label_names_ == tuple(NAMES)
    assert (turned.calibration_scores_ == clf.calibration_scores_).all()
    assert turned.predict_region(new).size()[0].tolist() == clf.predict_region(new).size()[0].tolist()
    plain = clone(clf).fit(*train).conformalize(X, Y.to_numpy())
    assert plain.label_names_ == tuple(NAMES)
    with pytest.raises(ValueError, match="y: expected the columns"):
        clf.conformalize(X, Y.rename(columns={"cat": "cow"}))


@pytest.mark.parametrize("score", ["log", "linf", "mahalanobis", "pair_unseen"])
def test_the_forced_prediction_takes_no_calibration(frames, score):
    train, cal, (X, _) = frames
    clf = LabelPowersetConformalClassifier(model(), prefit=False, score=score)
    with pytest.raises(NotFittedError, match="expected a fitted or calibrated classifier"):
        clf.predict(X)
    before = clf.fit(*train).predict(X)
    with pytest.raises(NotFittedError, match="expected a calibrated classifier"):
        clf.predict_region(X)
    assert (clf.conformalize(*cal).predict(X) == before).all()
    assert (clf.predict_region(X).best == before).all()
    probs = clf.estimator_.predict_proba(X)
    alone = LabelPowersetConformalClassifier(score=score).fit(clf.estimator_.predict_proba(train[0]), train[1])
    assert alone.predict(probs).shape == before.shape
    with pytest.raises(ValueError, match="pred_probs: expected 3 labels"):
        alone.predict(np.ones((5, 2)) / 2)


def test_a_model_inside_is_fitted_for_inner_and_outer_sets_too(frames):
    train, cal, (X, Y) = frames
    clf = InnerOuterConformalClassifier(model(), prefit=False)
    with pytest.raises(NotFittedError, match="estimator: expected a fitted estimator, got prefit=False and no fit"):
        clf.conformalize(*cal)
    inner, outer = clf.fit(*train).conformalize(*cal).predict_sets(X)
    fitted = InnerOuterConformalClassifier(model().fit(*train))
    same = fitted.fit(*train).conformalize(*cal).predict_sets(X)
    assert (same.inner == inner).all()
    assert (same.outer == outer).all()
    assert ((inner <= Y.to_numpy()) & (Y.to_numpy() <= outer)).all(axis=1).mean() > 0.8
    with pytest.raises(ValueError, match="y: expected 0 or 1"):
        InnerOuterConformalClassifier().fit(np.ones((4, 2)) / 2, np.full((4, 2), 3))


def test_a_fitted_model_stays_fitted_in_a_clone_when_it_is_frozen(frames):
    train, cal, (X, _) = frames
    clf = LabelPowersetConformalClassifier(FrozenEstimator(model().fit(*train)))
    regions = clone(clf).conformalize(*cal).predict_region(X)
    assert (regions.certain == clf.conformalize(*cal).predict_region(X).certain).all()


def test_thresholds_are_fitted_where_scikit_learn_fits(frames):
    train, cal, (X, Y) = frames
    fitted = model().fit(*train)
    rc = MultiLabelRiskController(fitted.predict_proba, risk_level=0.2)
    assert clone(rc).fit(*cal).thresholds_ == rc.calibrate(*cal).thresholds_
    sets = cross_val_predict(rc, X, Y, cv=3)
    for _, test in KFold(3).split(X):
        rest = np.setdiff1d(np.arange(len(X)), test)
        other = clone(rc).fit(X.iloc[rest], Y.iloc[rest])
        assert (sets[test] == other.predict(X.iloc[test])).all()
    assert rc.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        rc.predict(X[list("dcba")])


def test_a_classifier_can_be_cloned_set_pickled_and_asked_for_other_levels(frames):
    train, cal, (X, Y) = frames
    clf = LabelPowersetConformalClassifier(model(), prefit=False, score="l2", confidence_level=0.8)
    again = clone(clf)
    assert again.get_params(deep=False).keys() == clf.get_params(deep=False).keys()
    assert not hasattr(again, "estimator_")
    clf.fit(*train).conformalize(*cal)
    assert not hasattr(clone(clf), "calibration_scores_")
    other = pickle.loads(pickle.dumps(clf))
    high = clf.predict_region(X, 0.95)
    for regions in (
        other.predict_region(X, 0.95),
        clf.predict_region(X).at(0.95),
        again.set_params(confidence_level=0.95).fit(*train).conformalize(*cal).predict_region(X),
        pickle.loads(pickle.dumps(high)),
    ):
        assert regions.confidence_level == 0.95
        assert regions.size()[0].tolist() == high.size()[0].tolist()
        assert (regions.p_values(Y) == high.p_values(Y)).all()
        assert list(regions[0]) == list(high[0])


def test_it_is_the_last_step_of_a_pipeline(frames):
    train, cal, (X, _) = frames
    scaler = StandardScaler().fit(train[0])
    last = LabelPowersetConformalClassifier(MultiOutputClassifier(LogisticRegression()), prefit=False)
    pipeline = make_pipeline(StandardScaler(), last).fit(*train)
    pipeline[-1].conformalize(pipeline[:-1].transform(cal[0]), cal[1])
    inside = LabelPowersetConformalClassifier(model(), prefit=False).fit(*train).conformalize(*cal)
    assert (pipeline.predict(X) == inside.predict(X)).all()
    assert (pipeline[-1].predict(scaler.transform(X)) == inside.predict(X)).all()


def test_a_controller_can_be_cloned_and_pickled_and_takes_frames(frames):
    train, cal, (X, _) = frames
    fitted = model().fit(*train)
    rc = MultiLabelRiskController(fitted.predict_proba, risk_level=[0.1, 0.2])
    rc.calibrate(*cal)
    assert rc.label_names_ == tuple(NAMES)
    copy = pickle.loads(pickle.dumps(rc))
    assert (copy.predict(X) == rc.predict(X)).all()
    again = clone(rc)
    assert again.risk_level == [0.1, 0.2]
    assert not hasattr(again, "thresholds_")
