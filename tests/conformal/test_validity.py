"""Coverage keeps its law: two-sided without ties or smoothed, one-sided with ties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, binomtest

from mlkit.conformal import LabelPowersetConformalClassifier
from mlkit.conformal.validity import coverage_interval, coverage_test, online_p_values, uniformity_test

ALPHA = 1e-6  # of each test, so that the whole suite errs once in ten thousand years


def drawn(rng, n, n_labels=8, decimals=None):
    probs = rng.beta(0.3, 0.8, (n, n_labels))
    labels = rng.random(probs.shape) < probs**1.5  # the model need not be right
    return (probs if decimals is None else probs.round(decimals)), labels


def covered_once(rng, score, n, level, smoothing, decimals=None, m=1):
    probs, labels = drawn(rng, n + m, decimals=decimals)
    clf = LabelPowersetConformalClassifier(
        score=score, confidence_level=level, smoothing=smoothing, random_state=rng_seed(rng)
    )
    if score in ("mahalanobis", "pair_unseen"):
        clf.fit_proba(*drawn(rng, 40))
    return clf.conformalize_proba(probs[:n], labels[:n]).predict_region_proba(probs[n:]).contains(labels[n:])


def rng_seed(rng):
    return int(rng.integers(2**31))


@pytest.mark.parametrize("score", ["log", "l1", "l2", "linf", "log_centered", "mahalanobis", "pair_unseen"])
@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_coverage_follows_its_law(score, level):
    rng = np.random.default_rng([int(100 * level), *score.encode()])
    covered = covered_once(rng, score, 499, level, smoothing=False, m=3000)
    assert coverage_test(covered, 499, level) > ALPHA


@pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")
def test_coverage_over_many_small_calibration_sets():
    rng = np.random.default_rng(0)
    hits = sum(bool(covered_once(rng, "log", 24, 0.8, smoothing=False)[0]) for _ in range(2000))
    assert binomtest(hits, 2000, 0.8).pvalue > ALPHA  # 1 - k / (n + 1) = 0.8 exactly


def test_with_ties_coverage_is_too_high_and_smoothing_mends_it():
    rng = np.random.default_rng(0)
    plain, smooth = (sum(covered_once(rng, "hamming", 199, 0.8, s)[0] for _ in range(1000)) for s in (False, True))
    assert binomtest(int(plain), 1000, 0.8, alternative="greater").pvalue < ALPHA
    assert binomtest(int(smooth), 1000, 0.8).pvalue > ALPHA
    covered = covered_once(rng, "hamming", 499, 0.9, smoothing=True, m=3000)
    assert coverage_test(covered, 499, 0.9) > ALPHA
    assert coverage_test(covered_once(rng, "hamming", 499, 0.9, False, m=3000), 499, 0.9, alternative="less") > ALPHA


@pytest.mark.parametrize("score", ["log", "log_centered", "l1", "l2", "lp", "linf", "hamming"])
def test_ties_only_raise_coverage_and_smoothing_brings_it_back(score):
    probs, labels = drawn(np.random.default_rng([1, *score.encode()]), 3499, decimals=0)
    plain, smooth = (
        LabelPowersetConformalClassifier(score=score, smoothing=smoothing, random_state=0)
        .conformalize_proba(probs[:499], labels[:499])
        .predict_region_proba(probs[499:])
        .contains(labels[499:])
        for smoothing in (False, True)
    )
    assert coverage_test(plain, 499, 0.9, alternative="less") > ALPHA
    assert coverage_test(smooth, 499, 0.9) > ALPHA
    assert (smooth <= plain).all()


@pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")
@pytest.mark.parametrize("score", ["log", "hamming"])
def test_smoothed_coverage_is_exact_whatever_the_number_of_calibration_examples(score):
    rng = np.random.default_rng(2)
    hits = sum(bool(covered_once(rng, score, 6, 0.75, True)[0]) for _ in range(1500))  # 0.25 * 7 is not whole
    assert binomtest(hits, 1500, 0.75).pvalue > ALPHA


def test_certain_and_excluded_labels_hold_together():
    rng = np.random.default_rng(0)
    probs, labels = drawn(rng, 4499)
    clf = LabelPowersetConformalClassifier(score="linf", confidence_level=0.8).conformalize_proba(
        probs[:499], labels[:499]
    )
    regions, truth = clf.predict_region_proba(probs[499:]), labels[499:].astype(bool)
    between = (regions.inner <= truth).all(axis=1) & (truth <= regions.outer).all(axis=1)
    assert coverage_test(between, 499, 0.8, alternative="less") > ALPHA


def test_the_interval_is_that_of_the_law():
    law = betabinom(200, 90, 10)  # n = 99, k = 10
    assert coverage_interval(99, 0.9, 200, 0.9) == (law.ppf(0.05) / 200, law.ppf(0.95) / 200)
    assert coverage_interval(8, 0.9, 200) == (1.0, 1.0)


def test_the_coverage_test_counts_tails():
    law = betabinom(10, 90, 10)
    covered = [True] * 6 + [False] * 4
    assert coverage_test(covered, 99, 0.9) == pytest.approx(2 * law.cdf(6))
    assert coverage_test(covered, 99, 0.9, alternative="less") == pytest.approx(law.cdf(6))
    assert coverage_test([True] * 10, 99, 0.9) == pytest.approx(min(1, 2 * law.pmf(10)))
    assert coverage_test([True], 3, 0.9) == 1.0
    assert coverage_test([False], 3, 0.9) == 0.0
    with pytest.raises(ValueError, match="alternative: expected one of 'two-sided', 'less'"):
        coverage_test(covered, 99, 0.9, alternative="greater")


def test_online_p_values_are_those_of_growing_ranks():
    rng = np.random.default_rng(0)
    calibration, test = rng.integers(0, 6, 20), rng.integers(0, 6, 15)
    found = online_p_values(calibration, test, random_state=3)
    uniforms = np.random.default_rng(3).random(15)
    for t in range(15):
        seen = np.concatenate([calibration, test[:t]])
        expected = ((seen > test[t]).sum() + uniforms[t] * (1 + (seen == test[t]).sum())) / (seen.size + 1)
        assert found[t] == pytest.approx(expected)


def test_uniformity_is_tested_on_independent_p_values():
    rng = np.random.default_rng(0)
    rejected = naive = 0
    for _ in range(200):
        scores = rng.normal(size=1000)
        rejected += uniformity_test(online_p_values(scores[:500], scores[500:], rng)) < 0.05
        ranked = (1 + (scores[:500, None] >= scores[500:]).sum(axis=0)) / 501
        naive += uniformity_test(ranked) < 0.05
    assert rejected <= 22  # 5 %: more than 22 of 200 happen once in 3000
    assert naive > 40  # p-values that share a calibration set: about 30 %
    assert uniformity_test(rng.beta(1, 2, 500)) < 1e-4
    with pytest.raises(ValueError, match=r"p_values: expected at least one number, all in \[0, 1\]"):
        uniformity_test([0.5, 1.5])
