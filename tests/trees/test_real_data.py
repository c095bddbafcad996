"""What small inputs cannot show: exact search over 983 labels, and quality on published splits."""

from __future__ import annotations

import numpy as np
import pytest

from mlkit.trees import LabelTreeClassifier
from reference import trees as oracle


@pytest.fixture(scope="module")
def delicious(load_dataset):
    data = load_dataset("delicious")
    train = data.extra["train_mask"].astype(bool)
    return data.X[train], data.Y[train], data.X[~train], data.Y[~train]


@pytest.fixture(scope="module")
def model(delicious):
    X, y, _, _ = delicious
    return LabelTreeClassifier(random_state=0, progress=False).fit(X, y)


def precision(labels, y, k):
    return 100 * np.take_along_axis(y.toarray(), labels[:, :k].astype(np.int64), axis=1).mean()


def test_exact_search_equals_exhaustive_scoring_of_all_labels(delicious, model):
    X = delicious[2]
    scores, margins = model.predict_proba(X), model.decision_function(X)
    order = oracle.ranking(scores, margins)[:, :5]
    labels, values = model.predict_topk(X, 5, exact=True)
    assert np.array_equal(values, np.take_along_axis(scores, order, axis=1))
    assert np.mean(labels == order) > 0.999  # margins of equal scores were rounded once more in the reference
    differ = labels != order
    assert np.array_equal(np.take_along_axis(scores, labels.astype(np.int64), axis=1)[differ], values[differ])


def test_exact_answers_have_the_same_bits_for_one_and_three_threads(delicious, model):
    X = delicious[2]
    one, three = (model.set_params(n_jobs=jobs).predict_topk(X, 5, exact=True) for jobs in (1, 3))
    assert [part.tobytes() for part in one] == [part.tobytes() for part in three]


def test_the_beam_misses_next_to_nothing(delicious, model):
    X, y = delicious[2:]
    beam, exact = (model.predict_topk(X, 5, exact=exact)[0] for exact in (False, True))
    for k in (1, 3, 5):
        assert abs(precision(beam, y, k) - precision(exact, y, k)) < 0.3


def test_precision_on_delicious(delicious, model):
    X, y = delicious[2:]
    labels, _ = model.predict_topk(X, 5)
    assert precision(labels, y, 1) > 65.5
    assert precision(labels, y, 3) > 59.0
    assert precision(labels, y, 5) > 54.8


def test_precision_on_bibtex(load_dataset):
    data = load_dataset("bibtex")
    train = data.extra["train_mask"].astype(bool)
    model = LabelTreeClassifier(random_state=0, progress=False).fit(data.X[train], data.Y[train])
    labels, _ = model.predict_topk(data.X[~train], 5)
    assert precision(labels, data.Y[~train], 1) > 62.5
    assert precision(labels, data.Y[~train], 3) > 38.2
    assert precision(labels, data.Y[~train], 5) > 27.8
