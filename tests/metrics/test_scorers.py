"""Scorers give the functions' numbers to scikit-learn's tools."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn import clone, config_context
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier

import mlkit
from mlkit.metrics import multi_scorer, scorer
from mlkit.metrics.scorers import LOSSES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
NAMES = [
    "f1_macro",
    "jaccard_samples",
    "neg_hamming_loss",
    "lrap",
    "roc_auc_micro",
    "precision_at_2",
    "precision_at_9",
    "specificity_macro",
    "mcc_macro",
    "neg_binary_log_loss",
]
X, Y = make_multilabel_classification(n_samples=120, random_state=0)
MODELS = [
    OneVsRestClassifier(LogisticRegression()),
    MultiOutputClassifier(LogisticRegression()),
    KNeighborsClassifier(),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_one_evaluation_gives_what_each_scorer_gives(model):
    model.fit(X[:80], Y[:80])
    many = pickle.loads(pickle.dumps(multi_scorer(NAMES)))(model, X[80:], Y[80:])
    report = mlkit.evaluate(Y[80:], model.predict_proba(X[80:]), model.predict(X[80:]), k=2, absent_labels="sklearn")
    assert list(many) == NAMES
    for name in NAMES:
        one = pickle.loads(pickle.dumps(scorer(name)))(model, X[80:], Y[80:])
        assert one == pytest.approx(many[name], abs=1e-12), name
        sign = -1 if name.startswith("neg_") else 1
        if name != "precision_at_9":  # a report leaves out more ranks than there are labels
            assert many[name] == sign * report[name.removeprefix("neg_")].value


def test_every_measure_of_a_report_has_a_scorer():
    score = np.random.default_rng(0).random(Y.shape)
    for key in mlkit.evaluate(Y, score, k=2):
        name = f"neg_{key}" if key in LOSSES else key
        assert scorer(name) is not None
        assert multi_scorer([name]).names == [name]


@pytest.mark.parametrize("names", [["lrap", "roc_auc_macro"], ["f1_macro", "hamming_loss"]])
def test_nothing_is_asked_of_a_model_that_is_not_needed(names):
    class Counting:
        def __init__(self):
            self.calls = []

        def predict(self, X):
            self.calls.append("predict")
            return np.zeros((len(X), Y.shape[1]), int)

        def predict_proba(self, X):
            self.calls.append("predict_proba")
            return np.zeros((len(X), Y.shape[1]))

    model = Counting()
    names = [f"neg_{name}" if name in LOSSES else name for name in names]
    assert list(multi_scorer(names)(model, X, Y)) == names
    assert model.calls == (["predict_proba"] if "lrap" in names else ["predict"])


@pytest.mark.parametrize("only", [0, 1])
def test_a_label_of_one_class_has_that_class_for_certain(only):
    seen = Y.copy()
    seen[:, 1] = only
    model = RandomForestClassifier(5, random_state=0).fit(X, seen)
    assert model.predict_proba(X)[1].shape == (len(X), 1)
    score = np.column_stack([p[:, 1] if p.shape[1] == 2 else np.full(len(X), only) for p in model.predict_proba(X)])
    expected = mlkit.metrics.label_ranking_loss(Y, score)
    assert scorer("neg_ranking_loss")(model, X, Y) == -expected
    assert multi_scorer(["neg_ranking_loss"])(model, X, Y)["neg_ranking_loss"] == pytest.approx(-expected, abs=1e-12)


@pytest.mark.parametrize("of", [multi_scorer(["f1_macro", "lrap"]), scorer("lrap"), scorer("f1_macro")], ids=str)
def test_weights_of_rows_are_routed(of):
    model, weights = KNeighborsClassifier(), np.random.default_rng(0).integers(1, 9, len(X))
    single = not isinstance(of, mlkit.metrics.MultiScorer)
    with config_context(enable_metadata_routing=True):
        asks = clone(of, safe=False).set_score_request(sample_weight=True)
        scores = cross_validate(model, X, Y, scoring=asks, cv=3, params={"sample_weight": weights})
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            cross_validate(model, X, Y, scoring=clone(of, safe=False), cv=3, params={"sample_weight": weights})
    plain = cross_validate(model, X, Y, scoring=of, cv=3)
    for key in ["test_score"] if single else ["test_f1_macro", "test_lrap"]:
        assert not np.array_equal(scores[key], plain[key])
    train, test = next(iter(KFold(3).split(X)))
    model.fit(X[train], Y[train])
    expected = of(model, X[test], Y[test], sample_weight=weights[test])
    assert scores["test_score" if single else "test_lrap"][0] == (expected if single else expected["lrap"])


def test_scikit_learns_tools_take_them():
    model = OneVsRestClassifier(LogisticRegression())
    scores = cross_validate(model, X, Y, scoring=multi_scorer(["f1_macro", "lrap"]), cv=3)
    assert scores["test_lrap"].shape == (3,)
    grid = {"estimator__C": [0.01, 1.0]}
    search = GridSearchCV(model, grid, scoring=multi_scorer(["f1_macro", "lrap"]), refit="f1_macro", cv=3).fit(X, Y)
    single = GridSearchCV(model, grid, scoring=scorer("f1_macro"), cv=3).fit(X, Y)
    assert search.best_params_ == single.best_params_
    np.testing.assert_allclose(
        search.cv_results_["mean_test_f1_macro"], single.cv_results_["mean_test_score"], atol=1e-12
    )


def test_decision_functions_serve_where_there_are_no_probabilities():
    model = OneVsRestClassifier(RidgeClassifier()).fit(X, Y)
    expected = mlkit.metrics.roc_auc_score(Y, model.decision_function(X))
    assert multi_scorer(["roc_auc_macro"])(model, X, Y)["roc_auc_macro"] == pytest.approx(expected)
    assert scorer("roc_auc_macro")(model, X, Y) == pytest.approx(expected)


BAD = [
    (lambda: scorer("f1_makro"), ValueError, r"name: expected the name of a measure, got 'f1_makro' \(did you mean"),
    (lambda: scorer("hamming_loss"), ValueError, r"name: expected a measure that is .* \(did you mean 'neg_"),
    (lambda: scorer("neg_lrap"), ValueError, "name: expected a measure that is the higher the better, got 'neg_lrap'"),
    (lambda: scorer(3), TypeError, "name: expected the name of a measure, got int 3"),
    (lambda: multi_scorer("lrap"), TypeError, "names: expected a sequence of names of measures, got str 'lrap'"),
    (lambda: multi_scorer([]), TypeError, r"names: expected a sequence of names of measures, got list \[\]"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_names_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_a_model_without_scores_is_named():
    class Silent:
        def predict(self, X):
            return np.zeros((len(X), 5), int)

    with pytest.raises(TypeError, match=r"estimator: expected predict_proba or decision_function for \['lrap'\]"):
        multi_scorer(["lrap"])(Silent(), X, Y)
