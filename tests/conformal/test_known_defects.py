"""What goes wrong elsewhere goes right here; where the other package is installed, its wrong answer is shown beside."""

from __future__ import annotations

import contextlib
import math
import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.base import clone

from mlkit.conformal import InnerOuterConformalClassifier, LabelPowersetConformalClassifier, MultiLabelRiskController
from mlkit.conformal._ranks import RankTable
from reference import conformal_risk as oracle


def drawn(rng, n, n_labels, shape=(0.4, 0.9)):
    probs = rng.beta(*shape, (n, n_labels))
    return probs, (rng.random(probs.shape) < probs).astype(int)


@contextlib.contextmanager
def other_package(name):
    """The package without its warnings; the test is skipped where it is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pytest.importorskip(name, reason=f"{name} is not installed (extra bench)")


# -------------------------------------------------------------------------------------------- betting, of MAPIE 1.6.0


def capital(losses, level=0.1, delta=0.1):
    """Logarithm of the capital along the path of a bet against "the mean loss is at least the level"."""
    n, total, squares, variance, log_capital = len(losses), 0.0, 0.0, 0.25, [0.0]
    for j, loss in enumerate(losses):
        stake = min(1.0, math.sqrt(2 * math.log(1 / delta) / (n * variance)))
        log_capital.append(log_capital[-1] + math.log1p(-stake * (loss - level)))
        total += loss
        mean = (0.5 + total) / (j + 2)
        squares += (loss - mean) ** 2
        variance = (0.25 + squares) / (j + 2)
    return np.array(log_capital)


def won_twice():
    """Example 19 of 40 is missed above 0.2; the capital rises before it and after it, not above its price at once."""
    probs = np.full((40, 1), 0.9)
    probs[19] = 0.2
    path = capital(probs[:, 0] < 0.9)
    halves = path[:21].max() + (path[20:] - path[20]).max()
    assert path.max() < math.log(10) < halves
    return probs, np.ones((40, 1), int)


def test_betting_follows_the_whole_path():
    rc = MultiLabelRiskController(risk="fnr", risk_level=0.1, method="rcps", confidence_level=0.9, bound="wsr")
    assert rc.calibrate_proba(*won_twice()).thresholds_ == 0.2  # 0.9 would miss example 19


@pytest.mark.peer
def test_the_peer_adds_what_two_halves_of_the_path_won():
    probs, labels = won_twice()
    with other_package("mapie.risk_control") as mapie:
        peer = mapie.MultiLabelClassificationController(
            lambda X: X, risk="recall", method="rcps", target_level=0.9, confidence_level=0.9
        )
        peer.calibrate(probs, labels)
        assert peer.best_predict_param[0] > 0.8


# -------------------------------------------------------------------------------- thresholds and inputs, of MAPIE 1.6.0


def sparse_labels():
    rng = np.random.default_rng(0)
    probs = rng.beta(0.2, 3, (300, 20))
    labels = (rng.random(probs.shape) < 0.7 * probs + 0.02).astype(int)
    labels[labels.sum(axis=1) == 0, 0] = 1
    return probs, labels


def test_small_probabilities_do_not_fall_below_a_grid():
    probs, labels = sparse_labels()
    rc = MultiLabelRiskController(risk="fnr", risk_level=0.1).calibrate_proba(probs, labels)
    assert 0 < rc.thresholds_ < 0.01
    assert rc.predict_proba_sets(probs).sum(axis=1).mean() < 17


@pytest.mark.peer
def test_the_peers_grid_leaves_every_label_or_too_few():
    probs, labels = sparse_labels()
    with other_package("mapie.risk_control") as mapie:
        peer = mapie.MultiLabelClassificationController(lambda X: X, risk="recall", target_level=0.9)
        sets = peer.calibrate(probs, labels).predict(probs)[:, :, 0]
    assert peer.best_predict_param[0] == 0.0
    assert sets.mean() > 0.99


def test_a_level_that_is_met_exactly_counts_and_probability_0_can_be_included():
    # (9 + 1) / (99 + 1) = 0.1: nine of 99 examples may miss their label
    probs, labels = np.linspace(0.01, 0.99, 99)[:, None], np.ones((99, 1), int)
    rc = MultiLabelRiskController(risk="fnr", risk_level=0.1).calibrate_proba(probs, labels)
    assert (probs < rc.thresholds_).sum() == 9
    none = MultiLabelRiskController(risk="fnr", risk_level=0.1).calibrate_proba(0 * probs, labels)
    assert none.predict_proba_sets([[0.0]]).all()


@pytest.mark.peer
def test_the_peer_excludes_what_has_probability_0():
    with other_package("mapie.risk_control") as mapie:
        peer = mapie.MultiLabelClassificationController(lambda X: X, risk="recall", target_level=0.9)
        peer.calibrate(np.zeros((99, 1)), np.ones((99, 1), int))
        assert not peer.predict(np.zeros((1, 1))).any()


BROKEN = [
    (np.nan, "pred_probs: expected no missing values, got 1 NaN .*row 2, label 1"),
    (1.7, r"pred_probs: expected values in \[0, 1\], got 1.7 at row 2, label 1"),
]


@pytest.mark.parametrize(("value", "message"), BROKEN)
def test_what_is_no_probability_is_refused(value, message):
    probs, labels = drawn(np.random.default_rng(0), 50, 3)
    probs[2, 1] = value
    for estimator in (
        MultiLabelRiskController().calibrate_proba,
        LabelPowersetConformalClassifier().conformalize_proba,
    ):
        with pytest.raises(ValueError, match=message):
            estimator(probs, labels)


@pytest.mark.peer
@pytest.mark.parametrize("value", [value for value, _ in BROKEN])
def test_the_peer_takes_what_is_no_probability(value):
    probs, labels = drawn(np.random.default_rng(0), 50, 3)
    labels[:, 0] = 1
    probs[2, 1] = value
    with other_package("mapie.risk_control") as mapie:
        peer = mapie.MultiLabelClassificationController(lambda X: X, risk="recall", target_level=0.9)
        assert 0 <= peer.calibrate(probs, labels).best_predict_param[0] <= 1


def test_examples_without_labels_are_fine_and_estimators_can_be_cloned():
    probs, labels = drawn(np.random.default_rng(0), 200, 4)
    labels[:40] = 0
    rc = clone(MultiLabelRiskController(risk="fnr", risk_level=0.2)).calibrate_proba(probs, labels)
    assert rc.feasible_
    assert clone(rc).get_params() == rc.get_params()


@pytest.mark.peer
def test_the_peer_refuses_examples_without_labels_and_cannot_be_cloned():
    probs, labels = drawn(np.random.default_rng(0), 200, 4)
    labels[:40] = 0
    with other_package("mapie.risk_control") as mapie:
        peer = mapie.MultiLabelClassificationController(lambda X: X, risk="recall", target_level=0.9)
        with pytest.raises(ValueError, match="at least one label"):
            peer.calibrate(probs, labels)
        with pytest.raises((TypeError, AttributeError, RuntimeError)):
            clone(peer)


# ----------------------------------------------------------------------------------------------- of mulaconf 0.3.0


def copied_columns(n=400):
    """Five labels, the first given three times over."""
    probs, labels = drawn(np.random.default_rng(0), n, 5)
    columns = [0, 0, 0, 1, 2, 3, 4]
    return probs[:, columns], labels[:, columns]


def of_mulaconf(mulaconf, probs, labels, measure="norm"):
    return mulaconf.InductiveConformalPredictor(probs[:100], labels[:100], measure=measure)


def test_the_norm_is_the_norm_where_columns_repeat():
    probs, labels = copied_columns()
    clf = LabelPowersetConformalClassifier(score="l2").conformalize_proba(probs, labels)
    unit = clf.calibration_scores_ / ((probs - labels) ** 2).sum(axis=1)
    assert unit == pytest.approx(unit[0])


@pytest.mark.peer
def test_the_peers_norm_is_another_where_columns_repeat():
    with other_package("mulaconf.icp_predictor") as mulaconf:
        matrix = of_mulaconf(mulaconf, *copied_columns())._distance_matrix.numpy()
    assert np.abs(matrix - np.eye(7)).max() > 0.1


def test_constant_errors_have_no_covariance_and_it_is_said():
    labels = drawn(np.random.default_rng(0), 100, 4)[1]
    with pytest.raises(ValueError, match="score: expected errors with a covariance that can be inverted"):
        LabelPowersetConformalClassifier(score="mahalanobis").fit_proba(np.abs(labels - 0.25), labels)


@pytest.mark.peer
def test_the_peer_takes_constant_errors_without_a_word():
    labels = drawn(np.random.default_rng(0), 100, 4)[1]
    with other_package("mulaconf.icp_predictor") as mulaconf:
        matrix = of_mulaconf(mulaconf, np.abs(labels - 0.25), labels, "mahalanobis")._distance_matrix
    assert not np.isfinite(matrix.numpy()).all()


def test_levels_have_as_many_digits_as_they_have():
    rng = np.random.default_rng(0)
    probs, labels = drawn(rng, 6000, 4)
    regions = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[1:], labels[1:])
    [region] = regions.predict_region_proba(probs[:1], 0.9996)
    assert not region.is_trivial
    assert region._threshold == np.sort(regions.calibration_scores_)[-2]  # k = floor(0.0004 * 6000)


@pytest.mark.peer
def test_the_peer_rounds_levels_to_three_digits():
    rng = np.random.default_rng(0)
    probs, labels = drawn(rng, 6000, 4)
    with other_package("mulaconf.icp_predictor") as mulaconf:
        peer = of_mulaconf(mulaconf, probs, labels)
        regions = peer.calibrate(probs[1:], labels[1:]).predict(probs[:1])
        assert (regions.p_values > 0.0004).sum() < 16
        assert len(regions(0.0004)[0]) == 16  # of p-values above 0


def test_new_examples_without_a_number_are_refused():
    probs, labels = drawn(np.random.default_rng(0), 100, 4)
    clf = LabelPowersetConformalClassifier().conformalize_proba(probs, labels)
    with pytest.raises(ValueError, match="pred_probs: expected no missing values"):
        clf.predict_region_proba(np.full((1, 4), np.nan))


@pytest.mark.peer
def test_the_peer_gives_every_set_the_smallest_p_value_where_a_number_is_missing():
    probs, labels = drawn(np.random.default_rng(0), 100, 4)
    with other_package("mulaconf.icp_predictor") as mulaconf:
        regions = of_mulaconf(mulaconf, probs, labels).calibrate(probs, labels).predict(np.full((1, 4), np.nan))
    assert regions.p_values.numpy() == pytest.approx(1 / 101)


def test_labels_of_another_length_are_refused():
    probs, labels = drawn(np.random.default_rng(0), 100, 4)
    with pytest.raises(ValueError, match="pred_probs: expected shape"):
        LabelPowersetConformalClassifier().conformalize_proba(probs, labels[:1])


@pytest.mark.peer
def test_the_peer_repeats_one_label_set_for_all_examples():
    probs, labels = drawn(np.random.default_rng(0), 100, 4)
    with other_package("mulaconf.icp_predictor") as mulaconf:
        peer = of_mulaconf(mulaconf, probs, labels).calibrate(probs, labels[:1])
    assert len(peer.sorted_calibration_scores) == 100


# ---------------------------------------------------------------------------------------------- of published formulas


def test_quantiles_without_the_new_example_cover_too_little():
    # the formula of chemprop 2.3.1: plain quantiles of both extremes, examples without one left out
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for _ in range(2000):
        probs, labels = drawn(rng, 21, 3)
        new, truth = probs[20:], labels[20:] == 1
        clf = InnerOuterConformalClassifier(confidence_level=0.9).conformalize_proba(probs[:20], labels[:20])
        inner, outer = clf.predict_sets_proba(new)
        ours.append(bool(((inner <= truth) & (truth <= outer)).all()))
        wrong = np.where(labels[:20], -np.inf, probs[:20]).max(axis=1)
        right = np.where(labels[:20], probs[:20], np.inf).min(axis=1)
        high, low = np.quantile(wrong[np.isfinite(wrong)], 0.95), np.quantile(right[np.isfinite(right)], 0.05)
        theirs.append(bool((((new > high) <= truth) & (truth <= (new >= low))).all()))
    assert oracle.is_seldom(2000 - sum(ours), 2000, 0.1)
    assert not oracle.is_seldom(2000 - sum(theirs), 2000, 0.1)


def test_smoothed_p_values_are_uniform_and_those_of_the_other_orientation_are_not():
    # Tyagi & Guo 2023, Eq. (15), counts smaller scores and leaves the new example's own tie out
    rng = np.random.default_rng(0)
    scores, u = rng.normal(size=(20_000, 51)), rng.random(20_000)
    ours = np.array([RankTable(row[:50]).p_values(row[50:], v[None])[0] for row, v in zip(scores, u)])
    smaller = (scores[:, :50] < scores[:, 50:]).sum(axis=1)
    theirs = (smaller + u * (scores[:, :50] == scores[:, 50:]).sum(axis=1)) / 51
    assert binomtest(int((ours <= 0.1).sum()), 20_000, 0.1).pvalue > 1e-6
    assert binomtest(int((theirs <= 0.1).sum()), 20_000, 6 / 51).pvalue > 1e-6
    assert not oracle.is_seldom(int((theirs <= 0.1).sum()), 20_000, 0.1)


def test_sums_of_p_values_have_a_floor():
    # 14 labels and 555 calibration examples: no model can have S below 2^14 / 556 = 29.5
    probs, labels = drawn(np.random.default_rng(0), 655, 14, shape=(0.01, 0.02))
    clf = LabelPowersetConformalClassifier().conformalize_proba(probs[:555], labels[:555])
    found = clf.predict_region_proba(probs[555:]).evaluate(labels[555:])
    assert found["S"] == pytest.approx(2**14 / 556 + found["S_excess"])
    assert found["S_excess"] > 0


def test_a_label_that_calibration_never_saw_is_no_obstacle():
    probs, labels = drawn(np.random.default_rng(0), 250, 4)
    labels[:200, 2] = 0
    regions = LabelPowersetConformalClassifier().conformalize_proba(probs[:200], labels[:200])
    assert regions.predict_region_proba(probs[200:]).undecided.any(axis=0)[2]
