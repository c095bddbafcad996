"""Around a model: what it was trained on, which labels it knows, and what a new fit leaves of a calibration."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from mlkit.conformal import ConformalWarning, InnerOuterConformalClassifier, LabelPowersetConformalClassifier
from mlkit.conformal.scores import Mahalanobis, PairUnseen

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5))
Y = (X[:, :3] + RNG.normal(size=(400, 3)) > 0).astype(int)
NAMES = ["a", "b", "c"]
TEXTS = [" ".join(f"word{j}" for j in np.flatnonzero(row > 0)) + f" number{i}" for i, row in enumerate(X)]
SEEN = "X: expected calibration examples that the estimator was not trained on"


def around(model, X=X, Y=Y, **options):
    return LabelPowersetConformalClassifier(model, prefit=False, **options).fit(X[:200], Y[:200])


@pytest.mark.parametrize("model", [RandomForestClassifier(3, random_state=0), KNeighborsClassifier(3)])
def test_models_with_few_different_answers_are_not_suspected(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConformalWarning)
        around(model).conformalize(X[200:], Y[200:])


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, sparse.csr_array, "texts", "series"])
def test_examples_of_any_kind_are_noticed_when_they_come_back(kind):
    linear = OneVsRestClassifier(LogisticRegression())
    if isinstance(kind, str):
        model, given = make_pipeline(CountVectorizer(), linear), pd.Series(TEXTS) if kind == "series" else TEXTS
    else:
        model, given = linear, kind(X)
    clf = around(model, given)
    with pytest.warns(ConformalWarning, match=SEEN):
        clf.conformalize(given[20:220], Y[20:220])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConformalWarning)
        clf.conformalize(given[200:], Y[200:])


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("score", ["log", "mahalanobis"])
def test_a_label_with_one_value_in_training_has_that_for_certain(score, value):
    labels = Y.copy()
    labels[:200, 1] = value
    clf = around(RandomForestClassifier(20, random_state=0), Y=labels, score=score)
    regions = clf.conformalize(X[200:], labels[200:]).predict_region(X[200:])
    assert (regions.best[:, 1] == value).all()
    assert regions.contains(labels[200:]).mean() >= 0.9
    model = RandomForestClassifier(5, random_state=0).fit(X[:200], labels[:200])
    sets = InnerOuterConformalClassifier(model).conformalize(X[200:], labels[200:]).predict_sets(X)
    assert sets.outer.shape == (400, 3)


def test_a_chain_of_classifiers_has_errors_out_of_fold():
    clf = around(ClassifierChain(LogisticRegression()), score="mahalanobis").conformalize(X[200:], Y[200:])
    assert clf.predict_region(X[200:]).contains(Y[200:]).mean() >= 0.9


def test_a_model_without_probabilities_is_refused():
    with pytest.raises(TypeError, match="estimator: expected one with predict_proba, got object"):
        LabelPowersetConformalClassifier(object()).conformalize(X, Y)


@pytest.mark.parametrize("fit", ["fit", "fit_proba"])
@pytest.mark.parametrize("score", ["log", "mahalanobis", "pair_unseen"])
def test_a_new_fit_leaves_no_calibration_behind(fit, score):
    probs = RNG.random((100, 3))
    clf = LabelPowersetConformalClassifier(score=score).fit_proba(probs, Y[:100]).conformalize_proba(probs, Y[:100])
    assert len(clf.predict_region_proba(probs)) == 100
    getattr(clf, fit)(probs[:50], Y[:50])
    assert not hasattr(clf, "calibration_scores_")
    with pytest.raises(NotFittedError, match="call conformalize or conformalize_proba first"):
        clf.predict_region_proba(probs)
    with pytest.raises(NotFittedError, match="call conformalize or conformalize_proba first"):
        clf.p_values_proba(probs, Y[:100])


def test_another_score_needs_another_calibration():
    probs = RNG.random((100, 3))
    clf = LabelPowersetConformalClassifier(score="l2").conformalize_proba(probs, Y[:100])
    expected = clf.predict_region_proba(probs).credibility
    assert (clf.set_params(score="lp").predict_region_proba(probs).credibility == expected).all()  # another name of it
    clf.set_params(score="log")
    with pytest.raises(ValueError, match=r"score: expected that of the calibration, Lp\(phi=2\), got Log"):
        clf.predict_region_proba(probs)
    with pytest.raises(ValueError, match="score: expected that of the calibration"):
        clf.p_values_proba(probs, Y[:100])


def test_columns_are_put_in_the_order_of_fit():
    frame = pd.DataFrame(Y, columns=NAMES)
    turned = frame[NAMES[::-1]]
    plain = around(RandomForestClassifier(10, random_state=0)).conformalize(X[200:], Y[200:])
    clf = around(RandomForestClassifier(10, random_state=0), Y=frame).conformalize(X[200:], turned[200:])
    assert clf.label_names_ == tuple(NAMES)
    assert (clf.calibration_scores_ == plain.calibration_scores_).all()
    probs = pd.DataFrame(RNG.random((400, 3)), columns=NAMES)
    for score in (Mahalanobis(shrinkage=0.01), PairUnseen()):
        one, other = (
            LabelPowersetConformalClassifier(score=score)
            .fit_proba(probs[:20], frame[:20] * [1, 0, 1])
            .conformalize_proba(probs[20:][order], frame[20:][order])
            for order in (NAMES, NAMES[::-1])
        )
        assert (one.calibration_scores_ == other.calibration_scores_).all()
        assert (one.predict_region_proba(probs).credibility == other.predict_region_proba(probs).credibility).all()
    with pytest.raises(ValueError, match=r"expected the columns \['a', 'b', 'c'\] in any order"):
        clf.conformalize(X[200:], frame[200:].rename(columns={"a": "z"}))


def test_enough_examples_are_as_few_as_can_be():
    probs = RNG.random((5, 3))
    for digits in range(1, 6):
        level = round(1 - 10.0**-digits, digits)
        with pytest.warns(ConformalWarning, match=f"expected at least {10**digits - 1} examples"):
            LabelPowersetConformalClassifier(confidence_level=level).conformalize_proba(probs, Y[:5])
    with pytest.warns(ConformalWarning, match="expected at least 6 examples"):
        LabelPowersetConformalClassifier(confidence_level=0.85).conformalize_proba(probs, Y[:5])


def test_where_every_example_has_every_label_the_inner_set_has_too():
    clf = InnerOuterConformalClassifier(confidence_level=0.5).conformalize_proba(RNG.random((20, 3)), np.ones((20, 3)))
    assert clf.inner_threshold_ == -np.inf
    for kind in (np.asarray, sparse.csr_array):
        assert clf.predict_sets_proba(kind([[0.0, 0.2, 1.0]])).inner.sum() == 3
