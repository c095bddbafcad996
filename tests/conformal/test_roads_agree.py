"""Every road to a region ends at the same one: storage, threads, order of labels, slices, pickles, names."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from mlkit.conformal import LabelPowersetConformalClassifier
from mlkit.conformal.scores import Lp
from mlkit.labels import as_label_matrix

SCORES = ("log", "log_centered", "l1", "l2", "linf", "hamming")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    probs = rng.beta(0.1, 0.9, (300, 12)).astype(np.float32)
    probs[rng.random(probs.shape) < 0.5] = 0
    return probs, (rng.random(probs.shape) < 0.8 * probs + 0.05).astype(np.int8)


def answers(regions):
    """All that can be told for every storage."""
    dense = lambda a: a.toarray() if sparse.issparse(a) else a  # noqa: E731
    yield "best", dense(regions.best)
    yield "certain", dense(regions.certain)
    yield "outer", dense(regions.outer)
    yield "undecided", dense(regions.undecided)
    yield "credibility", regions.credibility
    yield "confidence", regions.confidence
    yield "cardinalities", np.stack([regions.min_cardinality, regions.max_cardinality])
    yield "size", np.stack(regions.size()[:2])


def assert_same(a, b):
    for (name, x), (_, y) in zip(answers(a), answers(b)):
        np.testing.assert_array_equal(x, y, err_msg=name)


def regions_of(probs, labels, test=None, **options):
    clf = LabelPowersetConformalClassifier(**options).conformalize_proba(probs[:200], labels[:200])
    return clf.predict_region_proba(probs[200:] if test is None else test)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.999])
@pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")
def test_sparse_is_dense(data, score, level):
    probs, labels = data
    dense = regions_of(probs, labels, score=score, confidence_level=level)
    stored = sparse.csr_array(probs)
    csr = regions_of(stored, sparse.csr_array(labels), score=score, confidence_level=level)
    assert sparse.issparse(csr.certain)
    assert_same(dense, csr)
    truth = labels[200:]
    assert (dense.p_values(truth) == csr.p_values(sparse.csr_array(truth))).all()
    assert dense.evaluate(truth) == csr.evaluate(truth)
    seen = probs[200:] > 0
    np.testing.assert_array_equal(csr.flip_pvalues.toarray()[seen], dense.flip_pvalues[seen])
    assert list(dense[0].sets(order="dfs")) == list(csr[0].sets(order="dfs"))
    with pytest.raises(ValueError, match=r"excluded: expected regions of dense probabilities, .* is in .outer"):
        csr.excluded  # noqa: B018


@pytest.mark.parametrize("score", SCORES)
def test_memory_order_width_threads_and_forms_do_not_matter(data, score):
    probs, labels = data
    expected = regions_of(probs, labels, score=score)
    assert_same(expected, regions_of(np.asfortranarray(probs), labels, score=score))
    assert_same(expected, regions_of(probs.astype(np.float64), labels.astype(bool), score=score))
    lists = as_label_matrix(labels[:200]).to_lists()
    assert_same(expected, regions_of(probs, lists, score=score))
    for n_jobs in (1, 2, 3, 8):
        assert_same(expected, regions_of(probs, labels, score=score, n_jobs=n_jobs))


@pytest.mark.parametrize("score", SCORES)
def test_labels_in_another_order_are_answered_in_that_order(data, score):
    probs, labels = data
    order = np.random.default_rng(1).permutation(12)
    plain, moved = regions_of(probs, labels, score=score), regions_of(probs[:, order], labels[:, order], score=score)
    assert (plain.certain[:, order] == moved.certain).all()
    assert (plain.flip_pvalues[:, order] == moved.flip_pvalues).all()
    assert plain.size()[0].tolist() == moved.size()[0].tolist()


@pytest.mark.parametrize("score", ["mahalanobis", "pair_unseen"])
def test_searched_labels_in_another_order_are_answered_in_that_order(score):
    rng = np.random.default_rng(4)
    probs = rng.beta(0.5, 0.9, (330, 10))
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    order = rng.permutation(10)
    plain, moved = (
        LabelPowersetConformalClassifier(score=score)
        .fit_proba(p[:20], y[:20])
        .conformalize_proba(p[20:300], y[20:300])
        .predict_region_proba(p[300:])
        for p, y in ((probs, labels), (probs[:, order], labels[:, order]))
    )
    assert (plain.certain[:, order] == moved.certain).all()
    assert (plain.excluded[:, order] == moved.excluded).all()
    assert (plain.flip_pvalues[:, order] == moved.flip_pvalues).all()
    assert plain.size()[0].tolist() == moved.size()[0].tolist()
    truth = labels[300:]
    assert (plain.p_values(truth) == moved.p_values(truth[:, order])).all()
    if score == "mahalanobis":  # errors do not change with the sides of labels
        other = LabelPowersetConformalClassifier(score=score).fit_proba(1 - probs[:20], 1 - labels[:20])
        other = other.conformalize_proba(1 - probs[20:300], 1 - labels[20:300]).predict_region_proba(1 - probs[300:])
        assert (plain.certain == other.excluded).all()
        assert plain.size()[0].tolist() == other.size()[0].tolist()


@pytest.mark.parametrize("score", ["log", "l1", "l2", "linf"])
def test_complements_have_complementary_regions(score):
    rng = np.random.default_rng(0)
    probs = rng.integers(1, 2**20, (260, 6)) / 2**20  # 1 - p is exact
    probs[probs == 0.5] = 0.25
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    plain, other = regions_of(probs, labels, score=score), regions_of(1 - probs, 1 - labels, score=score)
    assert (plain.certain == other.excluded).all()
    assert (plain.flip_pvalues == other.flip_pvalues).all()
    for a, b in zip(plain[:5], other[:5]):
        assert {tuple(sorted(set(range(6)) - set(y))) for y in a} == set(b)


def test_regions_are_nested_in_the_level(data):
    regions = regions_of(*data, score="l2")
    sizes = [regions.at(level).size()[0] for level in (0.1, 0.5, 0.9, 0.95, 0.99)]
    assert all((a <= b).all() for a, b in itertools.pairwise(sizes))
    inner, outer = set(regions.at(0.5)[0]), set(regions.at(0.9)[0])
    assert inner <= outer


def test_l2_orders_sets_as_the_norm_does(data):
    probs, labels = data
    assert_same(regions_of(probs, labels, score="l2"), regions_of(probs, labels, score=Lp(2)))


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_slices_and_pickles_are_the_same_regions(data, storage):
    probs, labels = data
    regions = regions_of(storage(probs), labels, smoothing=True, random_state=0)
    assert len(regions) == 100
    part = regions[10:40:3]
    assert repr(part).splitlines()[0] == "RegionArray: 10 examples x 12 labels, p > 0.1"
    assert list(part[1].sets()) == list(regions[13].sets())
    assert list(regions[-1].sets()) == list(regions[99].sets())
    assert_same(pickle.loads(pickle.dumps(regions)), regions)
    assert repr(pickle.loads(pickle.dumps(regions[3]))) == repr(regions[3])
    with pytest.raises(ValueError, match="index: expected an integer"):
        regions[100]


def test_names_come_from_frames(data):
    probs, labels = data
    names = [f"topic {k}" for k in range(12)]
    frames = pd.DataFrame(probs, columns=names), pd.DataFrame(labels, columns=names)
    clf = LabelPowersetConformalClassifier().conformalize_proba(frames[0][:200], frames[1][:200])
    regions = clf.predict_region_proba(frames[0][200:][names[::-1]])  # columns are put in order
    plain = regions_of(probs, labels)
    assert_same(regions, plain)
    assert regions.label_names == tuple(names)
    region, numbers = regions[0], plain[0]
    assert list(region) == [tuple(names[k] for k in labels_) for labels_ in numbers]
    for labels_ in numbers:
        assert [names[k] for k in labels_] in region
        assert region.p_value([names[k] for k in labels_]) == numbers.p_value(labels_)
    table = regions.to_frame(max_sets=3)
    assert list(table.columns) == ["row", "rank", "labels", "p_value", "truncated"]
    assert table["labels"][0] == next(iter(region))
    assert table.groupby("row")["rank"].max().max() == 2
    assert (table.groupby("row")["truncated"].first() == (regions.size()[0] > 3)[~regions.is_empty]).all()
    other = plain.to_frame(max_sets=3, label_names=names)
    assert other.equals(table)


def test_around_an_estimator(data):
    _, labels = data
    X = np.random.default_rng(0).normal(size=(300, 5)) + labels[:, :5]
    Y = labels[:, :4]
    Y[:2] = [[0] * 4, [1] * 4]
    forest = RandomForestClassifier(10, random_state=0).fit(X[:100], Y[:100])
    prefit = LabelPowersetConformalClassifier(forest).fit(X[:100], Y[:100]).conformalize(X[100:200], Y[100:200])
    own = LabelPowersetConformalClassifier(RandomForestClassifier(10, random_state=0), prefit=False)
    with pytest.raises(NotFittedError, match="call fit first"):
        own.conformalize(X[100:200], Y[100:200])
    own.fit(X[:100], Y[:100]).conformalize(X[100:200], Y[100:200])
    a, b = prefit.predict_region(X[200:]), own.predict_region(X[200:])
    assert_same(a, b)
    assert (prefit.p_values(X[200:], Y[200:]) == a.p_values(Y[200:])).all()
    assert (prefit.predict(X[200:]) == a.best).all()
    assert prefit.predict(X[200:]).dtype == np.int8
    linear = MultiOutputClassifier(LogisticRegression()).fit(X[:100], Y[:100])  # its answer is a list of arrays
    assert len(LabelPowersetConformalClassifier(linear).conformalize(X[100:200], Y[100:200]).predict_region(X[200:]))


def test_it_is_an_estimator_of_scikit_learn():
    clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.8)
    assert clone(clf).get_params() == clf.get_params()
    assert clf.set_params(score="l2").score == "l2"
    with pytest.raises(NotFittedError, match="call conformalize or conformalize_proba first"):
        clf.predict_region_proba([[0.5, 0.2]])


def test_unknown_labels_count_for_nothing_when_asked_for():
    rng = np.random.default_rng(0)
    probs = rng.random((50, 6))
    labels = (rng.random(probs.shape) < probs).astype(float)
    hidden = labels.copy()
    hidden[:, 4:] = np.nan
    marginal = {"unknown_policy": "marginal"}
    for score in ("log", "l1", "linf"):
        clf = LabelPowersetConformalClassifier(score=score, **marginal).conformalize_proba(probs, hidden)
        # units differ with the number of labels only beyond 2^15 of them
        fewer = LabelPowersetConformalClassifier(score=score).conformalize_proba(probs[:, :4], labels[:, :4])
        assert (clf.calibration_scores_ == fewer.calibration_scores_).all()
        csr = LabelPowersetConformalClassifier(score=score, **marginal)
        csr.conformalize_proba(sparse.csr_array(probs), hidden)
        assert (clf.calibration_scores_ == csr.calibration_scores_).all()
        positives = as_label_matrix([np.flatnonzero(row == 1) for row in hidden], n_labels=6, background="unknown")
        known = LabelPowersetConformalClassifier(score=score, **marginal).conformalize_proba(probs, positives)
        only = np.where(hidden == 1, hidden, np.nan)
        expected = LabelPowersetConformalClassifier(score=score, **marginal).conformalize_proba(probs, only)
        assert (known.calibration_scores_ == expected.calibration_scores_).all()
