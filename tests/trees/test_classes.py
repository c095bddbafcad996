"""One class for each example: the road of scikit-learn's classifiers."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mlkit.trees import HOMERClassifier, LabelTreeClassifier

NAMES = np.array(["ash", "birch", "cedar", "elm", "fir", "oak"])


def blobs(n_classes=6, n=300):
    X, y = make_blobs(n, 8, centers=n_classes, random_state=0)
    return StandardScaler().fit_transform(X), y


MODELS = {
    "trees": LabelTreeClassifier(max_leaf=2, random_state=0),
    "flat": LabelTreeClassifier("flat", loss="log", C=10.0),
    "HOMER": HOMERClassifier(max_leaf=2, random_state=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_classes_come_back_in_their_own_words(name):
    X, y = blobs()
    model = MODELS[name].fit(X, NAMES[y])
    assert model.classes_.tolist() == NAMES.tolist()
    assert model.label_names_ == tuple(NAMES)
    assert model.score(X, NAMES[y]) > 0.95
    shares = model.predict_proba(X)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (model.classes_[shares.argmax(axis=1)] == model.predict(X)).mean() > 0.99
    for form in (NAMES[y].tolist(), pd.Series(NAMES[y]), NAMES[y].astype(object)):
        assert np.array_equal(model.fit(X, form).predict(X), MODELS[name].fit(X, NAMES[y]).predict(X))


def test_classes_are_labels_of_which_each_example_has_one():
    X, y = blobs()
    model = LabelTreeClassifier(max_leaf=2, random_state=0)
    ranked = model.fit(X, y).predict_topk(X, 6, exact=True)
    as_labels = model.fit(X, np.eye(6, dtype=int)[y]).predict_topk(X, 6, exact=True)
    for ours, theirs in zip(ranked, as_labels, strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_two_classes_are_decided_by_the_sign():
    X, y = blobs(2)
    model = LabelTreeClassifier(random_state=0).fit(X, y * 7 - 3)
    decision = model.decision_function(X)
    assert decision.shape == y.shape
    assert np.array_equal(model.predict(X), np.where(decision > 0, 4, -3))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1 / (1 + np.exp(-decision)))


def test_classes_work_in_pipelines_searches_and_files(tmp_path):
    X, y = blobs()
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LabelTreeClassifier("flat", random_state=0)),
        {"labeltreeclassifier__C": [0.1, 1.0]},
        cv=3,
    ).fit(X, NAMES[y])
    assert search.best_score_ > 0.9
    assert cross_val_score(LabelTreeClassifier(random_state=0), sparse.csr_array(X), y, cv=3).mean() > 0.9
    model = LabelTreeClassifier(random_state=0).fit(X, NAMES[y].astype(object))
    model.save(tmp_path / "model")
    for other in (LabelTreeClassifier.load(tmp_path / "model", mmap=True), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(other.predict(X), model.predict(X))
        assert other.n_iter_ == model.n_iter_


def test_class_weights_by_class_raise_its_share():
    X, y = make_blobs(200, 2, centers=3, cluster_std=8, random_state=0)
    shares = [
        np.mean(LabelTreeClassifier("flat", class_weight=weight).fit(X, NAMES[y]).predict(X) == "ash")
        for weight in (None, {"ash": 50.0}, np.array([50.0, 1, 1]))
    ]
    assert shares[1] > shares[0] + 0.2
    assert shares[1] == shares[2]


def test_weights_and_passes_are_counted():
    X, y = blobs()
    assert LabelTreeClassifier(max_iter=3, eps=1e-9).fit(X, y).n_iter_ == 3
    assert 1 <= LabelTreeClassifier(max_iter=500).fit(X, y).n_iter_ < 500


def test_a_column_of_what_cannot_be_labels_is_read_as_classes():
    X, y = blobs(3)
    model = LabelTreeClassifier(random_state=0)
    expected = model.fit(X, y).predict(X)
    with pytest.warns(DataConversionWarning, match="y: A column-vector y was passed"):
        assert np.array_equal(model.fit(X, y[:, None]).predict(X), expected)
    column = (y[:, None] == 1).astype(int)  # one label
    assert model.fit(X, column).predict(X).shape == column.shape


@pytest.mark.parametrize(
    ("y", "kind", "message"),
    [
        (np.arange(4), ValueError, "y: expected 5 rows to match X, got 4"),
        ([0.5, 1, 2, 3, 4], ValueError, r"y: expected classes .*, got 0.5 at row 0 \(Unknown label type: continuous\)"),
        ([0, 1, np.nan, 3, 4], ValueError, "y: expected a class for each example, got nan at row 2"),
        ([1, "a", 2, 3, 4], TypeError, "y: expected classes of one kind, got int, str"),
        ([None] * 5, TypeError, "y: expected a list of labels for each example, got None at row 0"),
    ],
)
def test_what_is_no_class_is_named(y, kind, message):
    with pytest.raises(kind, match=message):
        LabelTreeClassifier().fit(np.eye(5), y)


def test_questions_that_classes_do_not_answer_are_named():
    X, y = blobs()
    model = LabelTreeClassifier(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"k, threshold: expected None and 0.5 where y held a class .* got 2 and 0.5"):
        model.predict(X, k=2)
    with pytest.raises(ValueError, match=r"base: expected a classifier with predict_proba, .* got OneVsRestClassifier"):
        HOMERClassifier(OneVsRestClassifier(LinearSVC())).fit(X, y)
    with pytest.raises(ValueError, match=r"class_weight: expected labels of y, got 'brich' \(did you mean 'birch'\?\)"):
        LabelTreeClassifier(class_weight={"brich": 2.0}).fit(X, NAMES[y])


def test_homer_of_classes_is_a_tree_of_decisions():
    X, y = blobs()
    base = OneVsRestClassifier(LogisticRegression(solver="liblinear"))
    assert HOMERClassifier(base, max_leaf=1, random_state=0).fit(X, y).score(X, y) > 0.95
