"""Regions of sums with a price on pairs of labels that were never seen together equal those of all label sets."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier

from mlkit.conformal import LabelPowersetConformalClassifier
from mlkit.conformal.scores import Lp, PairUnseen
from mlkit.conformal.validity import coverage_test
from reference import conformal as oracle

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")


def load_neighbour(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shared = load_neighbour("test_regions")


def calibrated(n_labels, n, seed, kind="smooth", score="pair_unseen", n_seen=6, **options):
    """Fitted on few label sets, so that many pairs are unseen."""
    probs, labels = shared.make(kind, n_labels, n_seen + n + 5, seed)
    clf = LabelPowersetConformalClassifier(score=score, **options).fit_proba(probs[:n_seen], labels[:n_seen])
    clf.conformalize_proba(probs[n_seen : n_seen + n], labels[n_seen : n_seen + n])
    return clf, labels[:n_seen], probs[n_seen:], labels[n_seen:]


@pytest.mark.parametrize("weight", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("kind", shared.KINDS)
def test_regions_equal_brute_force(kind, weight):
    for n_labels, n, seed in ((1, 5, 0), (2, 30, 1), (5, 40, 2), (7, 60, 3)):
        clf, seen, probs, labels = calibrated(n_labels, n, seed, kind, PairUnseen(weight=weight))
        score = oracle.pair_unseen(seen, weight)
        calibration = [score(p, tuple(y)) for p, y in zip(probs[:n], labels[:n])]
        assert clf.calibration_scores_.tolist() == calibration
        first = clf.predict_region_proba(probs[n:])
        for level in shared.LEVELS:
            expected = [oracle.Region(score, p, calibration, level) for p in probs[n:]]
            shared.compare(first.at(float(level)), expected, labels[n:])


@pytest.mark.parametrize(("n_labels", "level"), [(12, 0.95), (16, 0.8)])
def test_regions_of_many_labels_equal_brute_force(n_labels, level):
    clf, seen, probs, _ = calibrated(n_labels, 120, 4, n_seen=10, score=PairUnseen(phi=1, weight=0.5))
    masks = (np.arange(2**n_labels)[:, None] >> np.arange(n_labels)) & 1
    unseen = np.triu(seen.T.astype(int) @ seen == 0, 1)
    n_pairs = np.einsum("si,ij,sj->s", masks, unseen.astype(int), masks, optimize=True)
    for i, region in enumerate(clf.predict_region_proba(probs[120:], level)):
        cost = np.array([[oracle.cell_cost("l1", p, v, n_labels) for v in (0, 1)] for p in probs[120 + i].tolist()])
        scores = np.where(masks, cost[:, 1], cost[:, 0]).sum(axis=1) + n_pairs * 2**39
        inside = np.flatnonzero(scores <= region._threshold)
        listed = list(region.sets())
        assert sorted(sum(1 << k for k in labels) for labels, _ in listed) == inside.tolist()
        assert region.count() == inside.size
        sizes = masks[inside].sum(axis=1)
        assert region.cardinality_histogram() == np.bincount(sizes, minlength=n_labels + 1).tolist()
        best = np.sort(scores[inside])[:10].tolist()
        assert [region._score(region._members(labels)) for labels in region.top(10).sets] == best


def test_sums_of_p_values_equal_brute_force():
    clf, seen, probs, labels = calibrated(6, 40, 5)
    score = oracle.pair_unseen(seen, 1.0)
    calibration = clf.calibration_scores_.tolist()
    expected = np.mean([float(oracle.p_value_sum(score, p, calibration)) for p in probs[40:]])
    found = clf.predict_region_proba(probs[40:]).evaluate(labels[40:])
    assert found["S"] == found["S_lower"] == pytest.approx(expected)


def test_smoothed_p_values_equal_brute_force():
    clf, seen, probs, labels = calibrated(4, 30, 6, "rounded", smoothing=True, random_state=3)
    score = oracle.pair_unseen(seen, 1.0)
    calibration = clf.calibration_scores_.tolist()
    regions = clf.predict_region_proba(probs[30:], 0.8)
    uniforms = np.random.RandomState(3).uniform(size=5)
    expected = [oracle.Region(score, p, calibration, "0.8", u) for p, u in zip(probs[30:], uniforms)]
    assert regions.size()[0].tolist() == [len(e.sets) for e in expected]
    truth = [tuple(y) for y in labels[30:].tolist()]
    assert regions.p_values(labels[30:]) == pytest.approx([float(e.p[y]) for e, y in zip(expected, truth)], abs=1e-15)


def test_without_weight_or_unseen_pairs_it_is_the_sum():
    probs, labels = shared.make("smooth", 9, 200, 7)
    every_pair = np.vstack([np.eye(9, dtype=int), 1 - np.eye(9, dtype=int)])
    plain = LabelPowersetConformalClassifier(score=Lp(2)).conformalize_proba(probs[:150], labels[:150])
    expected = plain.predict_region_proba(probs[150:])
    for score, seen in ((PairUnseen(weight=0), labels[:3]), (PairUnseen(), every_pair)):
        clf = LabelPowersetConformalClassifier(score=score).fit_proba(np.full(seen.shape, 0.5), seen)
        regions = clf.conformalize_proba(probs[:150], labels[:150]).predict_region_proba(probs[150:])
        assert (clf.calibration_scores_ == plain.calibration_scores_).all()
        assert regions.size()[0].tolist() == expected.size()[0].tolist()
        assert (regions.flip_pvalues == expected.flip_pvalues).all()
        assert list(regions[0].sets(order="dfs")) or regions[0].is_empty


def test_sets_outside_of_a_region_without_unseen_pairs_pay_for_theirs():
    probs, labels = shared.make("smooth", 5, 400, 1)
    clf = LabelPowersetConformalClassifier(score=PairUnseen(weight=0.3)).fit_proba(np.full((5, 5), 0.5), np.eye(5))
    regions = clf.conformalize_proba(probs[:350], labels[:350]).predict_region_proba(probs[350:], 0.3)
    without_pair = [i for i, row in enumerate(probs[350:]) if clf.form_.as_sum(row, regions._thresholds[i])]
    assert without_pair
    pair = np.array([[1, 1, 0, 0, 0]])
    for i in without_pair:
        for region in (regions[i], pickle.loads(pickle.dumps(regions[i]))):
            assert region.p_value([0, 1]) == regions[i : i + 1].p_values(pair)[0]
            assert ([0, 1] in region) == regions[i : i + 1].contains(pair)[0]


def test_large_regions_without_unseen_pairs_are_counted_exactly():
    rng = np.random.default_rng(0)
    probs = rng.beta(0.1, 0.9, (420, 54))
    labels = (rng.random(probs.shape) < probs).astype(int)
    everything = np.ones((1, 54), int)
    clf = LabelPowersetConformalClassifier(score="pair_unseen").fit_proba(np.full((1, 54), 0.5), everything)
    region = clf.conformalize_proba(probs[:400], labels[:400]).predict_region_proba(probs[400:], 0.99)[0]
    assert region.size().exact
    assert region.count() == sum(region.cardinality_histogram()) > 10**6
    assert region.rank(region.unrank(12345)) == 12345


def test_bounds_hold_the_count():
    clf, _, probs, _ = calibrated(18, 200, 8, n_seen=12, score=PairUnseen(weight=0.2))
    n_inside = 0
    for region in clf.predict_region_proba(probs[200:], 0.9):
        size, rough = region.size(), region.size(node_cap=3)
        assert size.exact
        assert not rough.exact
        assert rough.lower <= size.lower <= rough.upper
        n_inside += rough.lower > 4
    assert n_inside


def test_what_is_too_large_to_go_through_is_said():
    clf, _, probs, _ = calibrated(80, 200, 9, n_seen=3, score=PairUnseen(weight=0.01), confidence_level=0.99)
    regions = clf.predict_region_proba(probs[200:201])
    region = regions[0]
    size = region.size()
    assert not size.exact
    assert 10**6 < size.lower < size.upper
    first = region.top(50)
    assert first.truncated
    assert (np.diff(first.p_values) <= 0).all()
    with pytest.raises(ValueError, match="too many to count exactly"):
        len(region)
    with pytest.raises(ValueError, match="region: expected at most 4194304 label sets to go through with 'pair_unse"):
        region.inclusion_frequency()
    with pytest.raises(ValueError, match=r"cardinality: expected regions of at most 4194304 label sets .* at row 0"):
        regions.max_cardinality  # noqa: B018
    with pytest.raises(ValueError, match="to_bdd: expected a score that is a sum over labels, got 'pair_unseen'"):
        region.to_bdd()


def test_threads_slices_pickles_and_storage_do_not_matter():
    clf, seen, probs, labels = calibrated(9, 80, 10, "rounded")
    regions = clf.predict_region_proba(probs[80:])
    for other in (
        clf.set_params(n_jobs=3).predict_region_proba(np.asfortranarray(probs[80:])),
        pickle.loads(pickle.dumps(regions)),
        pickle.loads(pickle.dumps(clf)).predict_region_proba(probs[80:]),
        regions[:],
    ):
        assert (other.certain == regions.certain).all()
        assert (other.flip_pvalues == regions.flip_pvalues).all()
        assert other.size()[0].tolist() == regions.size()[0].tolist()
        assert list(other[2].sets()) == list(regions[2].sets())
    csr = LabelPowersetConformalClassifier(score="pair_unseen").fit_proba(sparse.csr_array(probs[:6]), seen)
    csr.conformalize_proba(sparse.csr_array(probs[:80]), sparse.csr_array(labels[:80]))
    assert (csr.calibration_scores_ == clf.calibration_scores_).all()
    assert (csr.p_values_proba(sparse.csr_array(probs[80:]), labels[80:]) == regions.p_values(labels[80:])).all()
    with pytest.raises(ValueError, match="score: expected dense pred_probs with 'pair_unseen'"):
        csr.predict_region_proba(sparse.csr_array(probs[80:]))


def test_p_values_of_a_hundred_thousand_labels():
    rng = np.random.default_rng(0)
    shape = (200, 100_000)
    labels = sparse.random_array(shape, density=4e-5, rng=rng, format="csr", dtype=np.float64)
    probs = labels.copy()
    probs.data = rng.random(probs.nnz)
    labels.data[:] = 1
    labels = labels.astype(np.int8)
    clf = LabelPowersetConformalClassifier(score="pair_unseen").fit_proba(probs[:50], labels[:50])
    assert 0 < clf.form_.n_seen_pairs < 1000
    clf.conformalize_proba(probs[50:150], labels[50:150])
    assert (clf.p_values_proba(probs[150:], labels[150:]) > 0.1).mean() > 0.7
    wide = np.full((30, 5000), 0.1, np.float32)
    y = sparse.csr_array((np.ones(2, np.int8), ([0, 1], [3, 9])), shape=wide.shape)
    clf = LabelPowersetConformalClassifier(score="pair_unseen").fit_proba(wide, y).conformalize_proba(wide, y)
    with pytest.raises(ValueError, match="score: expected at most 4096 labels for regions of 'pair_unseen', got 5000"):
        clf.predict_region_proba(wide)


def test_pairs_come_from_the_labels_given_to_fit():
    rng = np.random.default_rng(0)
    Y = (rng.random((300, 4)) < 0.3).astype(int)
    Y[:, 1] &= 1 - Y[:, 0]  # never together
    X = rng.normal(size=(300, 6)) + np.pad(Y, ((0, 0), (0, 2)))
    clf = LabelPowersetConformalClassifier(
        MultiOutputClassifier(LogisticRegression()), prefit=False, score=PairUnseen(weight=5)
    )
    clf.fit(X[:150], Y[:150]).conformalize(X[150:250], Y[150:250])
    assert clf.form_.n_seen_pairs == 5
    regions = clf.predict_region(X[250:])
    assert not (regions.best[:, 0] & regions.best[:, 1]).any()
    assert coverage_test(regions.contains(Y[250:]), 100, 0.9, alternative="less") > 1e-6
    hidden = Y[:150].astype(float)
    hidden[:5, 2] = np.nan
    unknown = LabelPowersetConformalClassifier(score="pair_unseen", unknown_policy="marginal")
    marginal = unknown.fit_proba(np.full((150, 4), 0.5), Y[:150]).conformalize_proba(np.full((150, 4), 0.5), hidden)
    assert (marginal.calibration_scores_[:5] / 2**40 % 1).tolist() == [0.75] * 5  # three labels at 1/4 each


def test_what_it_cannot_do_is_said():
    probs, labels = shared.make("smooth", 4, 60, 0)
    with pytest.raises(NotFittedError, match="score: expected pairs of labels that were seen for 'pair_unseen'"):
        LabelPowersetConformalClassifier(score="pair_unseen").conformalize_proba(probs, labels)
    with pytest.raises(ValueError, match=r"weight: expected a number in \[0, 64\], got -1"):
        LabelPowersetConformalClassifier(score=PairUnseen(weight=-1)).fit_proba(probs, labels)
    with pytest.raises(ValueError, match="phi: expected a number"):
        LabelPowersetConformalClassifier(score=PairUnseen(phi=0)).fit_proba(probs, labels)
    clf = LabelPowersetConformalClassifier(score="pair_unseen").fit_proba(probs, labels)
    with pytest.raises(ValueError, match="pred_probs: expected 4 labels as in fit, got 3"):
        clf.conformalize_proba(probs[:, :3], labels[:, :3])
    with pytest.raises(NotFittedError, match="score: expected a fitted covariance for 'mahalanobis'"):
        clf.set_params(score="mahalanobis").conformalize_proba(probs, labels)
