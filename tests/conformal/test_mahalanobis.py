"""Mahalanobis regions equal those of going through all label sets, to the last bit of every score."""

from __future__ import annotations

import collections
import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError

from mlkit.conformal import LabelPowersetConformalClassifier, _searched
from mlkit.conformal.scores import Mahalanobis
from mlkit.conformal.validity import coverage_test
from reference import conformal as oracle

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")


def load_neighbour(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shared = load_neighbour("test_regions")


def dependent(n_labels, n, seed, kind="smooth"):
    """Probabilities, and label sets whose errors go together."""
    rng = np.random.default_rng([seed, *kind.encode()])
    probs = shared.make(kind, n_labels, n, seed)[0]
    common = rng.normal(size=(n, 1))
    noise = 0.7 * common + 0.7 * rng.normal(size=(n, n_labels))
    from scipy.special import ndtr

    return probs, (ndtr(noise) < probs).astype(np.int8)


def calibrated(n_labels, n, seed, kind="smooth", score="mahalanobis", **options):
    probs, labels = dependent(n_labels, 200 + n + 6, seed, kind)
    clf = LabelPowersetConformalClassifier(score=score, **options).fit_proba(probs[:200], labels[:200])
    clf.conformalize_proba(probs[200 : 200 + n], labels[200 : 200 + n])
    return clf, probs[200:], labels[200:]


@pytest.mark.parametrize("kind", shared.KINDS)
def test_regions_equal_brute_force(kind):
    for n_labels, n, seed in ((1, 5, 0), (2, 30, 1), (5, 40, 2), (7, 60, 3)):
        clf, probs, labels = calibrated(n_labels, n, seed, kind)
        score = oracle.quadratic(clf.form_.upper)
        calibration = [score(p, tuple(y)) for p, y in zip(probs[:n], labels[:n])]
        assert clf.calibration_scores_.tolist() == calibration
        first = clf.predict_region_proba(probs[n:])
        for level in shared.LEVELS:
            expected = [oracle.Region(score, p, calibration, level) for p in probs[n:]]
            shared.compare(first.at(float(level)), expected, labels[n:])


def test_a_set_that_scores_exactly_the_threshold_is_found():
    clf, probs, labels = calibrated(9, 199, 12)
    regions = clf.predict_region_proba(probs[:199])  # those of the calibration itself: tau is the score of one of them
    for k in range(1, 200):
        part = regions.at(1 - k / 200)
        [i] = np.flatnonzero(clf.calibration_scores_ == part._thresholds[0])
        region, truth = part[int(i)], tuple(np.flatnonzero(labels[i]).tolist())
        assert truth in region
        assert region.count() == region.size().lower == len(listed := list(region))
        assert truth == listed[-1]  # the last by p-value


def test_the_form_is_the_inverse_covariance():
    probs, labels = dependent(6, 300, 0)
    errors = np.abs(labels - probs)
    clf = LabelPowersetConformalClassifier(score=Mahalanobis(shrinkage=0.0)).fit_proba(probs, labels)
    np.testing.assert_allclose(clf.form_.precision, np.linalg.inv(np.cov(errors.T, bias=True)))
    np.testing.assert_allclose(clf.form_.upper.T @ clf.form_.upper, clf.form_.precision)
    one = np.abs(labels[0] - probs[0])
    clf.conformalize_proba(probs, labels)
    assert clf.calibration_scores_[0] == pytest.approx(one @ clf.form_.precision @ one)
    shrunk = LabelPowersetConformalClassifier(score="mahalanobis").fit_proba(probs, labels)
    assert shrunk.form_.condition < clf.form_.condition


def test_regions_of_14_labels_equal_brute_force():
    clf, probs, _ = calibrated(14, 150, 4)
    masks = ((np.arange(2**14)[:, None] >> np.arange(14)) & 1).astype(bool)
    for i, region in enumerate(clf.predict_region_proba(probs[150:152])):
        errors = np.abs(masks - probs[150 + i])
        scores = ((errors @ clf.form_.upper.T) ** 2).sum(axis=1)
        inside = masks[scores <= region._threshold]
        found = {sum(1 << k for k in labels) for labels in region}
        assert found == set((inside @ (1 << np.arange(14))).tolist())
        assert region.size().lower == len(inside)


def test_p_values_sum_up_as_brute_force_says():
    clf, probs, labels = calibrated(6, 50, 5)
    score = oracle.quadratic(clf.form_.upper)
    calibration = clf.calibration_scores_.tolist()
    expected = np.mean([float(oracle.p_value_sum(score, p, calibration)) for p in probs[50:]])
    found = clf.predict_region_proba(probs[50:]).evaluate(labels[50:])
    assert found["S"] == found["S_lower"] == pytest.approx(expected)


def test_large_regions_are_bracketed_and_list_their_first_sets(monkeypatch):
    clf, probs, _ = calibrated(60, 300, 6, confidence_level=0.99)
    region = clf.predict_region_proba(probs[300:])[0]
    size = region.size(node_cap=1)
    assert not size.exact
    assert 2 <= size.lower < size.upper
    assert size.upper > 10**6
    first = region.top(300)
    assert first.truncated
    assert first.n_left.lower > 0
    assert (np.diff(first.p_values) <= 0).all()
    assert first.p_values[0] == region.credibility
    assert first.sets == region.top(1000).sets[:300]
    assert len(set(first.sets)) == 300
    monkeypatch.setattr(_searched, "MOST_LISTED", 4096)
    sets = region.sets()
    with pytest.raises(ValueError, match="region: expected at most 4096 label sets to list with 'mahalanobis'"):
        collections.deque(sets, maxlen=0)
    with pytest.raises(ValueError, match="region: expected at most 4194304 label sets to go through"):
        region.sample(1)


def test_bounds_hold_the_count():
    clf, probs, _ = calibrated(24, 300, 11)
    n_inside = 0
    for region in clf.predict_region_proba(probs[300:], 0.5):
        size, rough = region.size(), region.size(node_cap=3)
        assert size.exact
        assert rough.lower <= size.lower <= rough.upper
        n_inside += rough.lower > 4
    assert n_inside  # the lower bound, too, says more than what was gone through


def test_the_first_sets_of_a_region_are_those_of_the_whole_list():
    clf, probs, _ = calibrated(14, 150, 4)
    region = clf.predict_region_proba(probs[150:])[0]
    listed = list(region.sets())
    scores = [region._score(region._members(labels)) for labels, _ in listed]
    assert scores == sorted(scores)
    for most in (1, 2, 50, len(listed)):
        assert region.top(most).sets == [labels for labels, _ in listed[:most]]
    assert region.top(len(listed)).next_p_value is None


def test_coverage_follows_its_law():
    rng_probs, rng_labels = dependent(8, 200 + 499 + 2000, 7)
    clf = LabelPowersetConformalClassifier(score="mahalanobis").fit_proba(rng_probs[:200], rng_labels[:200])
    regions = clf.conformalize_proba(rng_probs[200:699], rng_labels[200:699]).predict_region_proba(rng_probs[699:])
    assert coverage_test(regions.contains(rng_labels[699:]), 499, 0.9) > 1e-6


def test_threads_slices_and_pickles_do_not_matter():
    clf, probs, labels = calibrated(9, 80, 8)
    regions = clf.predict_region_proba(probs[80:])
    for other in (
        clf.set_params(n_jobs=3).predict_region_proba(np.asfortranarray(probs[80:])),
        pickle.loads(pickle.dumps(regions)),
        regions[:],
    ):
        assert (other.certain == regions.certain).all()
        assert (other.flip_pvalues == regions.flip_pvalues).all()
        assert other.size()[0].tolist() == regions.size()[0].tolist()
        assert list(other[2].sets()) == list(regions[2].sets())
    assert (regions[1:4].p_values(labels[81:84]) == regions.p_values(labels[80:])[1:4]).all()


def test_around_an_estimator():
    rng = np.random.default_rng(0)
    Y = (rng.random((300, 4)) < 0.4).astype(int)
    X = rng.normal(size=(300, 6)) + np.pad(Y, ((0, 0), (0, 2)))
    forest = RandomForestClassifier(20, random_state=0)
    parts = slice(0, 150), slice(150, 250), slice(250, 300)
    forms = []
    for errors in ("oof", "training"):
        clf = LabelPowersetConformalClassifier(forest, prefit=False, score=Mahalanobis(errors=errors))
        clf.fit(X[parts[0]], Y[parts[0]]).conformalize(X[parts[1]], Y[parts[1]])
        assert clf.predict_region(X[parts[2]]).contains(Y[parts[2]]).mean() > 0.7
        forms.append(clf.form_)
    assert np.trace(forms[0].precision) < np.trace(forms[1].precision)  # errors in training are smaller
    prefit = LabelPowersetConformalClassifier(forest.fit(X[parts[0]], Y[parts[0]]), score="mahalanobis")
    prefit.fit(X[parts[1]], Y[parts[1]]).conformalize(X[parts[2]], Y[parts[2]])
    assert prefit.form_.n_labels == 4


def test_what_it_cannot_do_is_said():
    probs, labels = dependent(4, 60, 9)
    clf = LabelPowersetConformalClassifier(score="mahalanobis")
    with pytest.raises(NotFittedError, match="score: expected a fitted covariance for 'mahalanobis'"):
        clf.conformalize_proba(probs, labels)
    with pytest.raises(ValueError, match="score: expected dense pred_probs with 'mahalanobis'"):
        clf.fit_proba(sparse.csr_array(probs), labels)
    with pytest.raises(ValueError, match="score: expected errors with a covariance that can be inverted"):
        LabelPowersetConformalClassifier(score=Mahalanobis(shrinkage=0.0)).fit_proba(np.full((60, 4), 0.5), labels)
    with pytest.raises(ValueError, match=r"shrinkage: expected a number in \[0, 1\]"):
        LabelPowersetConformalClassifier(score=Mahalanobis(shrinkage=2)).fit_proba(probs, labels)
    clf.fit_proba(probs, labels)
    with pytest.raises(ValueError, match="pred_probs: expected 4 labels as in fit, got 3"):
        clf.conformalize_proba(probs[:, :3], labels[:, :3])
    hidden = labels.astype(float)
    hidden[0, 0] = np.nan
    with pytest.raises(ValueError, match="y: expected known cells with the score 'mahalanobis'"):
        LabelPowersetConformalClassifier(score="mahalanobis", unknown_policy="marginal").fit_proba(
            probs, labels
        ).conformalize_proba(probs, hidden)
    regions = clf.conformalize_proba(probs, labels).predict_region_proba(probs)
    with pytest.raises(ValueError, match="to_bdd: expected a score that is a sum over labels"):
        regions[0].to_bdd()
