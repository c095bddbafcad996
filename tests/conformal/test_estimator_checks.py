"""scikit-learn's own checks, as far as they speak of estimators that are calibrated after they were fitted."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlkit.conformal import LabelPowersetConformalClassifier, MultiLabelRiskController

CALIBRATED = "asks for predictions after fit: they need conformalize, with other examples"
NOT_READ = "without an estimator to fit, fit has nothing to learn and does not read its arguments"
EXPECTED_OF_CLASSIFIER = {
    "check_fit_score_takes_y": "takes the parameter score for a method",
    "check_pipeline_consistency": "takes the parameter score for a method",
    "check_n_features_in_after_fitting": NOT_READ,
    "check_complex_data": NOT_READ,
    "check_estimators_empty_data_messages": NOT_READ,
    "check_estimators_nan_inf": NOT_READ,
    "check_estimator_sparse_tag": NOT_READ,
    "check_estimator_sparse_array": CALIBRATED,
    "check_estimator_sparse_matrix": CALIBRATED,
    "check_fit_check_is_fitted": NOT_READ,
    "check_n_features_in": NOT_READ,
    "check_fit1d": NOT_READ,
    "check_estimators_dtypes": CALIBRATED,
    "check_dtype_object": CALIBRATED,
    "check_estimators_pickle": CALIBRATED,
    "check_f_contiguous_array_estimator": CALIBRATED,
    "check_methods_sample_order_invariance": CALIBRATED,
    "check_methods_subset_invariance": CALIBRATED,
    "check_dict_unchanged": CALIBRATED,
    "check_fit_idempotent": CALIBRATED,
    "check_fit2d_predict1d": CALIBRATED,
}
NO_FIT = "there is no fit: calibrate chooses thresholds for a model that was fitted elsewhere"
EXPECTED_OF_CONTROLLER = dict.fromkeys(
    [
        "check_complex_data",
        "check_dict_unchanged",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
        "check_estimator_sparse_tag",
        "check_estimators_dtypes",
        "check_estimators_empty_data_messages",
        "check_estimators_fit_returns_self",
        "check_estimators_nan_inf",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit1d",
        "check_fit2d_1feature",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_readonly_memmap_input",
    ],
    NO_FIT,
)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [LabelPowersetConformalClassifier(), MultiLabelRiskController()],
    expected_failed_checks=lambda estimator: (
        EXPECTED_OF_CONTROLLER if isinstance(estimator, MultiLabelRiskController) else EXPECTED_OF_CLASSIFIER
    ),
)
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
