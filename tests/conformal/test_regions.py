"""Regions equal those of going through all label sets, to the last integer."""

from __future__ import annotations

import numpy as np
import pytest

from mlkit.conformal import ConformalWarning, LabelPowersetConformalClassifier
from mlkit.conformal.scores import Hamming, Lp, Separable
from reference import conformal as oracle

SCORES = ("log", "log_centered", "l1", "l2", "lp", "linf", "hamming")
KINDS = ("smooth", "rounded", "saturated", "half", "extreme")
LEVELS = ("0.02", "0.4", "0.75", "0.9", "0.99")

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")


def make(kind: str, n_labels: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and label sets; the kinds differ in ties and certainties."""
    rng = np.random.default_rng([seed, *kind.encode()])
    probs = rng.beta(0.6, 0.9, (n, n_labels))
    if kind == "rounded":
        probs = probs.round(1)
    elif kind == "saturated":
        probs = np.where(rng.random(probs.shape) < 0.6, probs.round(), probs)
    elif kind == "half":
        probs = np.where(rng.random(probs.shape) < 0.6, 0.5, probs)
    elif kind == "extreme":
        probs = np.where(rng.random(probs.shape) < 0.5, 10.0 ** -rng.integers(1, 330, probs.shape), probs)
    labels = (rng.random(probs.shape) < np.where(kind == "smooth", probs, 0.5 * probs + 0.2)).astype(np.int8)
    return probs, labels


def calibrated(score: str, kind: str, n_labels: int, n: int, seed: int, **options):
    probs, labels = make(kind, n_labels, n + 6, seed)
    clf = LabelPowersetConformalClassifier(score=score, **options).conformalize_proba(probs[:n], labels[:n])
    calibration = [oracle.set_score(score, p, tuple(y)) for p, y in zip(probs[:n], labels[:n])]
    assert clf.calibration_scores_.tolist() == calibration
    return clf, calibration, probs[n:], labels[n:]


def as_tuple(labels, n_labels):
    return tuple(int(k in set(labels)) for k in range(n_labels))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", SCORES)
def test_regions_equal_brute_force(score, kind):
    seed = SCORES.index(score)
    for n_labels, n in ((1, 1), (2, 3), (5, 30), (7, 60)):
        clf, calibration, probs, labels = calibrated(score, kind, n_labels, n, seed)
        first = clf.predict_region_proba(probs)
        for level in LEVELS:
            regions = first.at(float(level))
            expected = [oracle.Region(score, p, calibration, level) for p in probs]
            compare(regions, expected, labels)


def compare(regions, expected, labels):
    n_labels = regions.shape[1]
    best = [tuple(row) for row in regions.best.astype(int).tolist()]
    assert [e.scores[y] for e, y in zip(expected, best)] == [min(e.scores.values()) for e in expected]
    assert regions.is_empty.tolist() == [not e.sets for e in expected]
    assert regions.certain.tolist() == [e.certain for e in expected]
    assert regions.excluded.tolist() == [e.excluded for e in expected]
    assert (regions.undecided == ~(regions.certain | regions.excluded)).all()
    assert (regions.inner == regions.certain).all()
    assert (regions.outer == ~regions.excluded).all()
    assert regions.flip_pvalues.tolist() == [[float(x) for x in e.flip_p(y)] for e, y in zip(expected, best)]
    assert regions.credibility.tolist() == [float(e.best_p) for e in expected]
    assert regions.confidence.tolist() == [1 - float(e.second_p) for e in expected]
    cards = list(zip(regions.min_cardinality.tolist(), regions.max_cardinality.tolist()))
    assert cards == [e.cardinalities for e in expected]
    lower, upper, exact = regions.size()
    assert exact.all()
    assert lower.tolist() == upper.tolist() == [len(e.sets) for e in expected]
    truth = [tuple(y) for y in labels.tolist()]
    assert regions.contains(labels).tolist() == [y in e.sets for e, y in zip(expected, truth)]
    assert regions.p_values(labels).tolist() == [float(e.p[y]) for e, y in zip(expected, truth)]
    for region, e in zip(regions, expected):
        compare_one(region, e, n_labels)


def compare_one(region, e, n_labels):
    assert region.is_empty == (not e.sets)
    by_p = list(region.sets())
    assert {as_tuple(labels, n_labels) for labels, _ in by_p} == e.sets
    assert len(by_p) == len(e.sets) == region.count() == len(region)
    p_values = [p for _, p in by_p]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values == [float(e.p[as_tuple(labels, n_labels)]) for labels, _ in by_p]
    assert sorted(by_p) == sorted(region.sets(order="dfs"))
    words = region.to_bitsets()
    assert sorted(words.tolist()) == sorted(sum(1 << k for k in labels) for labels, _ in by_p)
    assert {y for y in oracle.all_sets(n_labels) if np.flatnonzero(y).tolist() in region} == e.sets
    some = list(oracle.all_sets(n_labels))[:: max(1, 2**n_labels // 11)]  # in the region or not
    assert [region.p_value(np.flatnonzero(y).tolist()) for y in some] == [float(e.p[y]) for y in some]
    assert region.credibility == float(e.best_p)
    assert region.confidence == 1 - float(e.second_p)
    assert as_tuple(region.certain, n_labels) == tuple(map(int, e.certain))
    assert as_tuple(region.excluded, n_labels) == tuple(map(int, e.excluded))
    assert len(region.certain) + len(region.excluded) + len(region.undecided) == n_labels
    if not e.sets:
        with pytest.raises(ValueError, match="empty region"):
            region.sample(1)
        return
    assert [region.rank(region.unrank(i)) for i in range(len(region))] == list(range(len(region)))
    assert {as_tuple(region.unrank(i), n_labels) for i in range(len(region))} == e.sets
    assert region.p_value(region.unrank(0)) == region.credibility
    assert region.inclusion_frequency().tolist() == [float(x) for x in e.frequency]
    assert region.cardinality_histogram() == e.histogram
    assert all(labels in region for labels in region.sample(5, random_state=0))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("kind", ["smooth", "rounded"])
def test_smoothed_regions_equal_brute_force(score, kind):
    clf, calibration, probs, labels = calibrated(score, kind, 4, 25, 3, smoothing=True, random_state=5)
    first = clf.predict_region_proba(probs)
    uniforms = np.random.RandomState(5).uniform(size=len(probs))
    for level in ("0.02", "0.5", "0.9", "0.97"):
        regions = first.at(float(level))
        expected = [oracle.Region(score, p, calibration, level, u) for p, u in zip(probs, uniforms)]
        truth = [tuple(y) for y in labels.tolist()]
        assert regions.contains(labels).tolist() == [y in e.sets for e, y in zip(expected, truth)]
        assert regions.size()[0].tolist() == [len(e.sets) for e in expected]
        assert regions.p_values(labels) == pytest.approx([float(e.p[y]) for e, y in zip(expected, truth)], abs=1e-15)
        best = [tuple(row) for row in regions.best.astype(int).tolist()]
        flips = [[float(x) for x in e.flip_p(y)] for e, y in zip(expected, best)]
        assert regions.flip_pvalues == pytest.approx(np.array(flips), abs=1e-15)
        assert [len(region.top(100).sets) for region in regions] == [len(e.sets) for e in expected]


def test_random_regions_of_16_labels_equal_brute_force():
    clf, calibration, probs, _ = calibrated("l2", "smooth", 16, 200, 1)
    regions = clf.predict_region_proba(probs[:2])
    for region, p in zip(regions, probs):
        expected = oracle.Region("l2", p, calibration, "0.9")
        assert {as_tuple(labels, 16) for labels in region} == expected.sets
        assert region.cardinality_histogram() == expected.histogram


@pytest.mark.parametrize("score", SCORES)
def test_sums_of_p_values_equal_brute_force(score):
    clf, calibration, probs, labels = calibrated(score, "rounded", 6, 40, 2)
    regions = clf.predict_region_proba(probs)
    found = regions.evaluate(labels)
    expected = [oracle.Region(score, p, calibration, "0.9") for p in probs]
    sums = [float(oracle.p_value_sum(score, p, calibration)) for p in probs]
    truth = [tuple(y) for y in labels.tolist()]
    p_true = [float(e.p[y]) for e, y in zip(expected, truth)]
    wrong = [float(max(v for z, v in e.p.items() if z != y)) for e, y in zip(expected, truth)]
    assert found["S"] == found["S_lower"] == pytest.approx(np.mean(sums))
    assert found["S_excess"] == pytest.approx(np.mean(sums) - 2**6 / 41)
    assert found["OF"] == pytest.approx(np.mean(sums) - np.mean(p_true))
    assert found["F"] == pytest.approx(np.mean(sums) - np.mean([float(e.best_p) for e in expected]))
    assert found["OU"] == pytest.approx(np.mean(wrong))
    assert found["N"] == np.mean([len(e.sets) for e in expected])
    assert found["OE"] == pytest.approx(np.mean([len(e.sets - {y}) for e, y in zip(expected, truth)]))
    assert found["M"] == np.mean([len(e.sets) > 1 for e in expected])
    assert found["OM"] == np.mean([bool(e.sets - {y}) for e, y in zip(expected, truth)])
    assert found["coverage"] == np.mean([y in e.sets for e, y in zip(expected, truth)])
    assert found["certain"] == np.mean([sum(e.certain) for e in expected])


def test_a_score_of_ones_own_equals_the_built_in_one():
    probs, labels = make("smooth", 6, 90, 0)
    own = Separable(lambda p: (p * p, (1 - p) ** 2))
    built_in, mine = (
        LabelPowersetConformalClassifier(score=score).conformalize_proba(probs[:60], labels[:60])
        for score in (Lp(2), own)
    )
    assert (built_in.calibration_scores_ == mine.calibration_scores_).all()
    a, b = (clf.predict_region_proba(probs[60:]) for clf in (built_in, mine))
    assert (a.flip_pvalues == b.flip_pvalues).all()
    assert a.size()[0].tolist() == b.size()[0].tolist()
    assert (a.p_values(labels[60:]) == b.p_values(labels[60:])).all()


def test_scores_have_parameters():
    probs, labels = make("smooth", 5, 40, 0)
    one, half, cubic = (
        LabelPowersetConformalClassifier(score=score).conformalize_proba(probs, labels).calibration_scores_
        for score in ("hamming", Hamming(0.2), Lp(3))
    )
    unit = 2.0 ** oracle.shift(5)
    assert (one / unit).tolist() == ((probs >= 0.5) != labels).sum(axis=1).tolist()
    assert (half / unit).tolist() == ((probs >= 0.2) != labels).sum(axis=1).tolist()
    assert cubic / unit == pytest.approx((np.abs(labels - probs) ** 3).sum(axis=1))


def test_one_level_or_many():
    clf, _, probs, _ = calibrated("log", "smooth", 5, 80, 0)
    low, high = clf.predict_region_proba(probs, confidence_level=[0.5, 0.95])
    assert (low.size()[0] <= high.size()[0]).all()
    assert low.confidence_level == 0.5
    assert high.size()[0].tolist() == clf.predict_region_proba(probs, 0.95).size()[0].tolist()


def test_an_empty_region_can_be_given_the_best_set():
    probs = np.tile([[0.01, 0.99]], (50, 1))
    labels = np.tile([[0, 1]], (50, 1))
    labels[0] = [1, 1]
    strange = [[0.5, 0.5]]
    for allow_empty in (True, False):
        clf = LabelPowersetConformalClassifier(allow_empty=allow_empty).conformalize_proba(probs, labels)
        [region] = clf.predict_region_proba(strange)
        assert region.is_empty == allow_empty
        assert set(region) == (set() if allow_empty else {(), (0,), (1,), (0, 1)})
    assert repr(region).startswith("{} + 2 undecided; 4 sets")


def test_too_few_calibration_examples_rule_nothing_out():
    probs, labels = make("smooth", 4, 12, 0)
    with pytest.warns(ConformalWarning, match="n_calibration: expected at least 9 examples for confidence_level=0.9"):
        clf = LabelPowersetConformalClassifier().conformalize_proba(probs[:8], labels[:8])
    regions = clf.predict_region_proba(probs[8:])
    assert regions.is_trivial.all()
    assert regions.size()[0].tolist() == [16] * 4
    assert regions.undecided.all()
    assert len(list(regions[0])) == 16
    assert not regions.at(0.8).is_trivial.any()


@pytest.mark.parametrize("n", [8, 9, 18, 19, 98, 99, 999])
def test_decimal_levels_mean_the_decimal(n):
    # calibration scores 1..n: at 0.9 the region reaches up to the k-th largest, k = (n + 1) / 10 rounded down
    from mlkit.conformal._ranks import RankTable

    ranks = RankTable(np.arange(1, n + 1))
    k = (n + 1) // 10
    expected = ranks.everything if k == 0 else n + 1 - k
    assert ranks.thresholds(1 - 0.9, 1)[0] == expected
