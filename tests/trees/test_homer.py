"""HOMER equals its recursive definition, with any base."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mlkit.trees import HOMERClassifier, HuffmanLabelTree, LabelTree, RandomLabelTree, homer
from reference import trees as oracle
from trees.data import make

BASES = {
    "tree": DecisionTreeClassifier(random_state=0),
    "neighbours": KNeighborsClassifier(3),
    "one-vs-rest": OneVsRestClassifier(LinearSVC(random_state=0)),
    "balanced": OneVsRestClassifier(LinearSVC(class_weight="balanced", random_state=0)),
    "multi-output": MultiOutputClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)),
    "chain": ClassifierChain(DecisionTreeClassifier(max_depth=3, random_state=0)),
    "forest": RandomForestClassifier(3, random_state=0),
    "pipeline": make_pipeline(StandardScaler(with_mean=False), DecisionTreeClassifier(random_state=0)),
}


def pairs(matrix):
    return set(zip(*(part.tolist() for part in np.nonzero(matrix)), strict=True))


@pytest.mark.parametrize("max_leaf", [1, 3, 100])
@pytest.mark.parametrize("name", BASES)
def test_predictions_equal_the_recursive_definition(name, max_leaf):
    X, y = make(0, n_labels=11)
    model = HOMERClassifier(BASES[name], max_leaf=max_leaf, random_state=0).fit(X[:120], y[:120])
    expected = oracle.homer(model.tree_, lambda: clone(BASES[name]), X[:120], y[:120].astype(np.int64), X[120:])
    assert pairs(model.predict(X[120:])) == expected
    if name not in ("one-vs-rest", "balanced"):
        assert model.predict_proba(X[120:]).shape == (30, 11)


@pytest.mark.parametrize("builder", [HuffmanLabelTree(3), RandomLabelTree(2, 3)])
def test_any_tree_serves(builder):
    X, y = make(1)
    model = HOMERClassifier(DecisionTreeClassifier(random_state=0), tree=builder, random_state=2).fit(X, y)
    again = HOMERClassifier(DecisionTreeClassifier(random_state=0), tree=model.tree_).fit(X, y)
    assert np.array_equal(model.predict(X), again.predict(X))
    assert again.tree_ is model.tree_


def test_confidences_are_products_along_paths():
    X, y = make(2, n_empty=0)
    tree = LabelTree.from_parents([-1, 0, 0, 0], [[], range(8), range(8, 16), [16]])
    base = MultiOutputClassifier(LogisticRegression(solver="liblinear"))
    X = X.astype(float)
    dense = X
    model = HOMERClassifier(base, tree=tree).fit(X, y)
    groups = np.column_stack([y[:, :8].any(axis=1), y[:, 8:16].any(axis=1), y[:, 16]]).astype(int)
    top = clone(base).fit(dense, groups).predict_proba(dense)
    got = model.predict_proba(X)
    np.testing.assert_allclose(got[:, 16], top[2][:, 1])
    rows = groups[:, 0] == 1
    leaf = clone(base).fit(dense[rows], y[rows, :8].astype(int)).predict_proba(dense)
    np.testing.assert_allclose(got[:, 3], top[0][:, 1] * leaf[3][:, 1])
    assert not hasattr(HOMERClassifier(OneVsRestClassifier(LinearSVC())), "predict_proba")


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what it was given."""

    seen: list = []  # noqa: RUF012

    def fit(self, X, y):
        Recorder.seen.append(y)
        self.width_ = y.shape[1]
        return self

    def predict(self, X):
        return np.zeros((X.shape[0], self.width_), int)


def test_bases_get_dense_int64_columns_that_vary():
    X, y = make(3)
    Recorder.seen = []
    for labels in (y, sparse.csr_array(y), y.astype(bool)):
        HOMERClassifier(Recorder(), max_leaf=2).fit(X, labels)
    assert Recorder.seen
    for given in Recorder.seen:
        assert type(given) is np.ndarray
        assert given.dtype == np.int64
        assert given.shape[1] >= 2
        assert ((given.sum(axis=0) > 0) & (given.sum(axis=0) < len(given))).all()


def test_columns_of_many_sparse_labels_keep_their_places():
    """scikit-learn 1.9.1 permutes the columns of a sparse int8 y with more than 128 labels."""
    rng = np.random.default_rng(0)
    y = (rng.random((400, 200)) < 0.05).astype(np.int8)
    base = OneVsRestClassifier(LinearSVC(random_state=0))
    expected = clone(base).fit(y.astype(float), y.astype(np.int64)).predict(y.astype(float))
    model = HOMERClassifier(base, max_leaf=200).fit(y.astype(float), sparse.csr_array(y))
    assert np.array_equal(model.predict(y.astype(float)).toarray(), expected)


@pytest.mark.parametrize("n_jobs", [2])
def test_predictions_do_not_depend_on_n_jobs_and_follow_the_seed(n_jobs, monkeypatch):
    monkeypatch.setattr(homer, "_LARGE", 0)
    X, y = make(4)
    base = RandomForestClassifier(2)
    one = HOMERClassifier(base, max_leaf=3, n_jobs=1, random_state=0).fit(X, y)
    many = clone(one).set_params(n_jobs=n_jobs).fit(X, y)
    assert one.predict_proba(X).tobytes() == many.predict_proba(X).tobytes()
    other = clone(one).set_params(random_state=1).fit(X, y)
    assert one.predict_proba(X).tobytes() != other.predict_proba(X).tobytes()
    assert np.array_equal(pickle.loads(pickle.dumps(one)).predict(X), one.predict(X))


def test_sparse_and_dense_input_agree():
    X, y = make(5)
    base = OneVsRestClassifier(LogisticRegression(solver="liblinear"))
    dense = HOMERClassifier(base, max_leaf=3, random_state=0).fit(X, y)
    scattered = HOMERClassifier(base, max_leaf=3, random_state=0).fit(sparse.csr_array(X), sparse.csr_array(y))
    assert sparse.issparse(scattered.predict(sparse.csr_array(X)))
    np.testing.assert_allclose(scattered.predict_proba(sparse.csr_array(X)), dense.predict_proba(X), rtol=1e-5)


def test_constant_labels_and_empty_rows():
    X, y = make(6)
    y[:, 0] = 1
    model = HOMERClassifier(DecisionTreeClassifier(random_state=0), max_leaf=1).fit(X, y)
    got = model.predict(X)
    assert got[:, 0].all()
    assert not got[:, (y == 0).all(axis=0)].any()
    empty = HOMERClassifier(DecisionTreeClassifier()).fit(X, np.zeros((len(X), 50)))
    assert not empty.predict(X).any()
    alone = HOMERClassifier(DecisionTreeClassifier(random_state=0)).fit(X, y[:, [3]])
    assert alone.predict(X).shape == (len(X), 1)


def test_examples_with_unknown_targets_are_left_out():
    X, y = make(7)
    hidden = np.zeros(len(X), bool)
    hidden[::3] = True
    unknown = y.copy()
    unknown[hidden] = -1
    tree = RandomLabelTree(2, 3, random_state=0).fit(None, y).tree_
    base = DecisionTreeClassifier(random_state=0)
    left_out = HOMERClassifier(base, tree=tree).fit(X, unknown).predict(X)
    assert np.array_equal(left_out, HOMERClassifier(base, tree=tree).fit(X[~hidden], y[~hidden]).predict(X))


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"arity": 1}, ValueError, "arity: expected an integer >= 2, got 1"),
        ({"max_leaf": 0}, ValueError, "max_leaf: expected an integer >= 1"),
        ({"base": 3}, TypeError, "base: expected a classifier with fit and predict, got int"),
        ({"tree": "flat"}, ValueError, "tree: expected one of"),
        ({"tree": LabelTree.from_parents([-1])}, ValueError, "tree: expected 17 labels to match y, got 1"),
        ({"sparse_output": 1}, TypeError, "sparse_output: expected True or False"),
    ],
)
def test_bad_parameters_are_named(parameters, kind, message):
    X, y = make(0)
    with pytest.raises(kind, match=message):
        HOMERClassifier(**parameters).fit(X, y)


def test_questions_before_fit_or_of_another_width_are_named():
    X, y = make(0)
    model = HOMERClassifier(max_leaf=4)
    with pytest.raises(ValueError, match="is not fitted yet"):
        model.predict(X)
    model.fit(X, y)
    with pytest.raises(ValueError, match="X: expected 20 features as in fit, got 2"):
        model.predict(X[:, :2])
