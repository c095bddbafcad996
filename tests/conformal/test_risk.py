"""Thresholds equal those of trying every one; the promises are kept where the truth is known."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from mlkit import _core
from mlkit._validation.cells import check_cells
from mlkit.conformal import InnerOuterConformalClassifier, MultiLabelRiskController
from mlkit.conformal.validity import coverage_test
from reference import conformal_risk as oracle

MONOTONE = ("fnr", "miscoverage", "fp")


def drawn(seed, n=60, n_labels=5, decimals=None, shape=(0.4, 0.9)):
    rng = np.random.default_rng(seed)
    probs = rng.beta(*shape, (n, n_labels))
    labels = (rng.random(probs.shape) < probs).astype(int)
    if decimals is not None:
        probs = probs.round(decimals)
        labels[0], labels[1] = 0, 1
    return probs, labels


@pytest.mark.parametrize("risk", MONOTONE)
@pytest.mark.parametrize("decimals", [None, 1])
def test_the_curve_is_the_risk_at_every_threshold(risk, decimals):
    probs, labels = drawn(0, decimals=decimals)
    rc = MultiLabelRiskController(risk=risk).calibrate_proba(probs, labels)
    for t, value in zip(*rc.risk_curve_):
        if risk != "fp" or t > 0:
            assert value == pytest.approx(float(oracle.total(risk, probs, labels, t)) / len(probs), abs=1e-11)
    between = (rc.risk_curve_.thresholds[2] + rc.risk_curve_.thresholds[3]) / 2
    expected = float(oracle.total(risk, probs, labels, between)) / len(probs)
    assert rc.risk_curve_.risks[3] == pytest.approx(expected, abs=1e-11)


def check(rc, risk, probs, passed):
    if not passed:
        assert not rc.feasible_
        assert rc.thresholds_ == (math.inf if risk == "fp" else 0.0)
        return
    assert rc.feasible_
    if risk == "fp":  # anything above the next lower probability of a wrong label makes the same sets
        assert ((probs >= rc.thresholds_) <= (probs >= passed[-1]) | (probs < passed[-1])).all()
        assert rc.thresholds_ <= passed[-1]
    else:
        assert rc.thresholds_ == passed[-1]


@pytest.mark.parametrize("level", ["0.02", "0.1", "0.25", "0.5", "0.95"])
@pytest.mark.parametrize("risk", MONOTONE)
@pytest.mark.parametrize("decimals", [None, 1])
def test_crc_equals_trying_every_threshold(risk, level, decimals):
    for seed, n in ((0, 60), (1, 9), (2, 1)):
        probs, labels = drawn(seed, n=max(n, 2 if decimals else 1), decimals=decimals)
        rc = MultiLabelRiskController(risk=risk, risk_level=float(level)).calibrate_proba(probs, labels)
        passed = oracle.choose("crc", risk, probs, labels, level)
        check(rc, risk, probs, passed)
        if risk == "fp" and passed:
            assert oracle.certified("crc", risk, probs, labels, rc.thresholds_, level, 0, "")
            below = float(np.nextafter(rc.thresholds_, 0))
            assert below == 0 or not oracle.certified("crc", risk, probs, labels, below, level, 0, "")


@pytest.mark.parametrize("bound", ["hoeffding_bentkus", "hoeffding", "binomial", "wsr"])
@pytest.mark.parametrize("risk", MONOTONE)
@pytest.mark.parametrize("level", ["0.15", "0.4"])
def test_rcps_equals_trying_every_threshold(bound, risk, level):
    options = {"risk": risk, "risk_level": float(level), "method": "rcps", "confidence_level": 0.9, "bound": bound}
    if bound == "binomial" and risk != "miscoverage":
        with pytest.raises(ValueError, match="bound: expected another one than 'binomial'"):
            MultiLabelRiskController(**options).calibrate_proba(*drawn(0))
        return
    for seed in range(3):
        probs, labels = drawn(seed, decimals=1 if seed else None)
        rc = MultiLabelRiskController(**options).calibrate_proba(probs, labels)
        passed = oracle.choose("rcps", risk, probs, labels, level, 1 - 0.9, bound)
        check(rc, risk, probs, passed)


def sorted_steps(cells):
    return _core.conformal.risk_steps(*_core.conformal.risk_jumps(*cells.core, _core.conformal.Risk.fnr, 2))


@pytest.mark.parametrize("decimals", [None, 2, 0])
def test_jumps_are_sorted_and_ties_stay_in_order(decimals):
    probs, labels = drawn(0, n=3000, n_labels=6, decimals=decimals)
    labels[:] = 1
    probs[0, 0] = -0.0
    cells = check_cells(labels, probs)
    thresholds, passed, ends, examples, units = sorted_steps(cells)
    jumps = np.sort(probs, axis=1).ravel()
    order = np.argsort(jumps, kind="stable")
    assert (np.repeat(thresholds[:-1], np.diff(ends, prepend=0)) == jumps[order]).all()
    assert thresholds.tolist() == [*np.unique(jumps).tolist(), math.inf]
    assert (examples == np.repeat(np.arange(3000), 6)[order]).all()
    assert (passed == np.append(0, np.cumsum(units))[np.append(0, ends)]).all()
    assert passed[-1] == 3000 * 2**40


def test_probabilities_that_differ_in_their_last_bits_are_sorted():
    rng = np.random.default_rng(0)
    probs = 0.5 + rng.integers(0, 1000, (2000, 3)) * 2.0**-52
    probs[::7] = rng.random((286, 3))
    cells = check_cells(np.ones(probs.shape, int), probs)
    thresholds, *_ = sorted_steps(cells)
    assert thresholds[:-1].tolist() == np.unique(probs).tolist()


def test_several_levels_in_one_pass():
    probs, labels = drawn(0, n=200)
    levels = [0.001, 0.1, 0.3]
    rc = MultiLabelRiskController(risk_level=levels).calibrate_proba(probs, labels)
    single = [MultiLabelRiskController(risk_level=x).calibrate_proba(probs, labels) for x in levels]
    assert rc.thresholds_.tolist() == [one.thresholds_ for one in single]
    assert rc.feasible_.tolist() == [False, True, True]
    sets = rc.predict_proba_sets(probs)
    assert sets.shape == (200, 5, 3)
    assert all((sets[:, :, k] == one.predict_proba_sets(probs)).all() for k, one in enumerate(single))
    assert sets[:, :, 0].all()


@pytest.mark.parametrize("risk", ["fdr", "fnr", "miscoverage", "fp"])
@pytest.mark.parametrize("fwer", ["fixed_sequence", "holm"])
def test_ltt_tests_its_grid(risk, fwer):
    probs, labels = drawn(3, n=150)
    grid = np.linspace(0.05, 1, 20)
    options = {"risk": risk, "risk_level": 0.3, "method": "ltt", "confidence_level": 0.9, "thresholds": grid}
    rc = MultiLabelRiskController(**options, fwer=fwer).calibrate_proba(probs, labels)
    p_values = [
        oracle.bound_p_value("hoeffding_bentkus", oracle.total(risk, probs, labels, t) / 150, 150, 0.3) for t in grid
    ]
    if fwer == "holm":
        valid = []
        for rank, k in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[k] > (1 - 0.9) / (20 - rank):
                break
            valid.append(grid[k])
    else:
        valid = []
        for k in range(20) if risk in ("fnr", "miscoverage") else range(19, -1, -1):
            if p_values[k] > 1 - 0.9:
                break
            valid.append(grid[k])
    assert rc.feasible_ == bool(valid)
    best = max if risk in ("fnr", "miscoverage") else min
    fallback = 0.0 if risk in ("fnr", "miscoverage") else math.inf
    assert rc.thresholds_ == (best(valid) if valid else fallback)


def test_several_risks_are_controlled_together():
    probs, labels = drawn(0, n=3000, shape=(0.15, 0.4))
    risks = [("fnr", 0.25), ("fdr", 0.3)]
    rc = MultiLabelRiskController(risk=risks, method="ltt", confidence_level=0.9).calibrate_proba(probs, labels)
    assert rc.feasible_
    assert set(rc.risk_curve_) == {"fnr", "fdr"}
    other = MultiLabelRiskController(risk=risks[::-1], method="ltt", confidence_level=0.9).calibrate_proba(
        probs, labels
    )
    assert rc.thresholds_ <= other.thresholds_  # the risk named first is made as small as it can be
    new, truth = drawn(1, n=20000, shape=(0.15, 0.4))
    for one in (rc, other):
        for name, level in risks:
            assert float(oracle.total(name, new[:3000], truth[:3000], one.thresholds_)) / 3000 < level
    hopeless = MultiLabelRiskController(risk=[("fnr", 0.001), ("fdr", 0.001)], method="ltt", confidence_level=0.9)
    assert not hopeless.calibrate_proba(probs, labels).feasible_
    assert hopeless.thresholds_ == math.inf


SEVERAL = [("fnr", 0.25), ("miscoverage", 0.6), ("fdr", 0.35), ("fp", 0.1)]


def leading(p_values, delta):
    return next((k for k, p in enumerate(p_values) if p > delta), len(p_values))


@pytest.mark.parametrize("grid", [np.linspace(0.02, 1, 50), np.array([0.05]), np.array([0.9, 1.0])])
@pytest.mark.parametrize("risks", [SEVERAL, SEVERAL[:1] + SEVERAL[2:3], SEVERAL[3:] + SEVERAL[:1]])
def test_two_sequences_certify_an_inner_and_an_outer_threshold(risks, grid):
    probs, labels = drawn(2, n=400, shape=(0.15, 0.4))
    options = {"risk": risks, "method": "ltt", "confidence_level": 0.9, "thresholds": grid}
    rc = MultiLabelRiskController(**options, params="inner_outer").calibrate_proba(probs, labels)
    p = {
        name: [
            oracle.bound_p_value("hoeffding_bentkus", oracle.total(name, probs, labels, t) / 400, 400, level)
            for t in grid
        ]
        for name, level in risks
    }
    outer = np.max([p[name] for name, _ in risks if name in ("fnr", "miscoverage")], axis=0)
    inner = np.max([p[name] for name, _ in risks if name in ("fdr", "fp")], axis=0)[::-1]
    n_outer, n_inner = leading(outer, 0.05), leading(inner, 0.05)
    if n_outer == grid.size:
        n_inner = leading(inner, 0.1)
    elif n_inner == grid.size:
        n_outer = leading(outer, 0.1)
    assert rc.feasible_.tolist() == [n_inner > 0, n_outer > 0]
    high = grid[n_outer - 1] if n_outer else 0.0
    low = max(grid[grid.size - n_inner], high) if n_inner else math.inf
    assert rc.thresholds_.tolist() == [low, high]
    sets = rc.predict_proba_sets(probs)
    assert (sets.inner == (probs >= low)).all()
    assert (sets.outer == (probs >= high)).all()
    assert (sets.inner <= sets.outer).all()
    stored = rc.predict_proba_sets(sparse.csr_array(probs))
    assert (stored.inner.toarray() == sets.inner).all()
    one = MultiLabelRiskController(**options).calibrate_proba(probs, labels)
    both = [t for k, t in enumerate(grid) if k < n_outer and k >= grid.size - n_inner]
    assert one.feasible_ == bool(both)
    small_first = risks[0][0] in ("fnr", "miscoverage")
    assert one.thresholds_ == (both[0 if small_first else -1] if both else math.inf)


def test_risks_with_one_safe_end_share_one_sequence():
    probs, labels = drawn(3, n=300)
    grid = np.linspace(0.02, 1, 50)
    options = {"method": "ltt", "confidence_level": 0.9, "thresholds": grid}
    both = MultiLabelRiskController(risk=[("fnr", 0.3), ("miscoverage", 0.5)], **options)
    single = [MultiLabelRiskController(risk=name, risk_level=x, **options) for name, x in both.risk]
    thresholds = [one.calibrate_proba(probs, labels).thresholds_ for one in single]
    both.calibrate_proba(probs, labels)
    assert both.feasible_
    assert both.thresholds_ == grid[0] <= min(thresholds)  # the smallest is best for "fnr", named first


def test_inner_and_outer_risks_are_seldom_too_high():
    rng = np.random.default_rng(4)
    big_probs, big_labels = drawn(rng, n=40_000, n_labels=3, shape=(0.15, 0.4))
    risks = [("fnr", 0.2), ("fdr", 0.2)]
    ltt = {"method": "ltt", "confidence_level": 0.8}
    true = {
        name: MultiLabelRiskController(risk=name, **ltt).calibrate_proba(big_probs, big_labels).risk_curve_
        for name, _ in risks
    }
    failures = certified = 0
    for _ in range(200):
        rows = rng.integers(0, 40_000, 300)
        rc = MultiLabelRiskController(risk=risks, params="inner_outer", **ltt)
        rc.calibrate_proba(big_probs[rows], big_labels[rows])
        inner, outer = rc.thresholds_
        certified += rc.feasible_.all()
        at = {"fnr": outer, "fdr": inner}
        failures += any(curve.risks[np.searchsorted(curve.thresholds, at[name])] > 0.2 for name, curve in true.items())
    assert certified > 150
    assert oracle.is_seldom(failures, 200, 0.2)


def test_crc_keeps_the_mean_risk_at_its_level():
    rng = np.random.default_rng(0)
    risks = []
    for _ in range(400):
        probs, labels = drawn(rng, n=80)
        t = MultiLabelRiskController(risk_level=0.2).calibrate_proba(probs[:79], labels[:79]).thresholds_
        risks.append(float(oracle.loss("fnr", probs[79], labels[79], t)))
    assert np.mean(risks) - 0.2 < 4 * np.std(risks) / 20
    assert np.mean(risks) > 0.15  # within 1 / (n + 1) but for chance: not merely cautious


class Population:
    """Examples to draw from, with the very risk of every threshold."""

    def __init__(self, risk, n_labels):
        self.rng = np.random.default_rng(n_labels)
        self.probs, self.labels = drawn(self.rng, n=20_000, n_labels=n_labels)
        self.curve = MultiLabelRiskController(risk=risk).calibrate_proba(self.probs, self.labels).risk_curve_

    def draw(self, n):
        rows = self.rng.integers(0, len(self.probs), n)
        return self.probs[rows], self.labels[rows]

    def risk(self, threshold):
        return self.curve.risks[np.searchsorted(self.curve.thresholds, threshold)]


# where the whole of MAPIE 1.6.0 fails in 13.6, 14.5 and 11.7 % of the sets instead of 10 %
SMALL = [(2, 100, 0.1), (5, 100, 0.1), (2, 200, 0.2)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "risk", "n_labels", "n", "level"),
    [
        *[("wsr", "fnr", *setup) for setup in SMALL],
        *[("hoeffding_bentkus", "fnr", *setup) for setup in SMALL],
        ("hoeffding_bentkus", "fp", 5, 100, 0.1),
        ("wsr", "fp", 5, 100, 0.1),
        ("hoeffding", "fnr", 2, 200, 0.2),
        ("hoeffding", "fnr", 5, 400, 0.1),
        ("binomial", "miscoverage", 2, 100, 0.1),
        ("binomial", "miscoverage", 5, 100, 0.2),
    ],
)
def test_rcps_seldom_certifies_too_high_a_risk(bound, risk, n_labels, n, level):
    population, n_sets = Population(risk, n_labels), 3000
    failures = n_feasible = 0
    rc = MultiLabelRiskController(risk=risk, risk_level=level, method="rcps", confidence_level=0.9, bound=bound)
    for _ in range(n_sets):
        rc.calibrate_proba(*population.draw(n))
        failures += population.risk(rc.thresholds_) > level
        n_feasible += rc.feasible_
    assert n_feasible > 0.8 * n_sets  # or nothing would be promised
    assert oracle.is_seldom(failures, n_sets, 0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("n_labels", "n", "level"), SMALL)
def test_the_sum_of_two_half_paths_certifies_too_high_a_risk_too_often(n_labels, n, level):
    # the defect that the test above is there to find
    population, n_sets, price = Population("fnr", n_labels), 3000, math.log(10)
    rc = MultiLabelRiskController(risk_level=level, method="rcps", confidence_level=0.9, bound="wsr")
    failures = {"whole": 0, "halves": 0}
    for k in range(n_sets):
        probs, labels = population.draw(n)
        steps = np.unique(probs[labels == 1])
        missed = ((labels == 1)[:, :, None] & (probs[:, :, None] < steps)).sum(axis=1)
        path = oracle.betting_path(missed / np.maximum(1, labels.sum(axis=1))[:, None], level, 0.1)
        best = {
            "whole": path.max(axis=0),
            "halves": path[: n // 2 + 1].max(axis=0) + (path[n // 2 :] - path[n // 2]).max(axis=0),
        }
        for name, capital in best.items():
            passed = int(np.argmin(np.append(capital > price, False)))  # up to the first that fails
            threshold = steps[passed - 1] if passed else 0.0
            failures[name] += population.risk(threshold) > level
            if name == "whole" and k < 200:
                assert threshold == rc.calibrate_proba(probs, labels).thresholds_
    assert oracle.is_seldom(failures["whole"], n_sets, 0.1)
    assert not oracle.is_seldom(failures["halves"], n_sets, 0.1)


def test_thresholds_are_not_those_of_a_grid():
    # regression: steps of .01 from 0 leave only "all 20 labels" here, where far fewer do
    rng = np.random.default_rng(0)
    probs = rng.beta(0.2, 3, (1000, 20))
    labels = (rng.random(probs.shape) < 0.7 * probs + 0.02).astype(int)
    rc = MultiLabelRiskController(risk="fnr", risk_level=0.1).calibrate_proba(probs, labels)
    assert 0 < rc.thresholds_ < 0.01
    assert not oracle.certified("crc", "fnr", probs, labels, 0.01, "0.1", 0, "")
    assert rc.predict_proba_sets(probs).sum(axis=1).mean() < 16


def test_labels_of_probability_0_can_be_included():
    probs, labels = np.zeros((50, 3)), np.ones((50, 3), int)
    rc = MultiLabelRiskController(risk_level=0.1).calibrate_proba(probs, labels)
    assert rc.feasible_
    assert rc.predict_proba_sets(probs).all()


def test_levels_that_decimals_meet_exactly_count_as_met():
    # (9 + 1) / (99 + 1) = 0.1: nine of 99 examples may miss a label
    probs = np.linspace(0.01, 0.99, 99)[:, None]
    rc = MultiLabelRiskController(risk="miscoverage", risk_level=0.1).calibrate_proba(probs, np.ones((99, 1), int))
    assert rc.thresholds_ == probs[9, 0]


@pytest.mark.parametrize("risk", ["fnr", "miscoverage", "fp", "fdr"])
def test_roads_agree(risk):
    probs, labels = drawn(5, n=200, n_labels=7)
    probs[probs < 0.2] = 0
    probs = probs.astype(np.float32)
    options = {"risk": risk, "risk_level": 0.2}
    if risk == "fdr":
        options |= {"method": "ltt", "confidence_level": 0.9}
    rc = MultiLabelRiskController(**options).calibrate_proba(probs, labels)
    csr = sparse.csr_array(probs)
    for jobs in (1, 3):
        other = MultiLabelRiskController(**options, n_jobs=jobs).calibrate_proba(csr, sparse.csr_array(labels))
        assert other.thresholds_ == rc.thresholds_
        if rc.thresholds_ > 0:
            assert (other.predict_proba_sets(csr).toarray() == rc.predict_proba_sets(probs)).all()
    assert clone(rc).calibrate_proba(np.asfortranarray(probs), labels).thresholds_ == rc.thresholds_
    through = MultiLabelRiskController(lambda X: X / 2, **options).calibrate(2 * probs, labels)
    assert (through.predict(2 * probs) == rc.predict_proba_sets(probs)).all()


def test_unknown_cells_and_examples_without_labels():
    probs, labels = drawn(0, decimals=2)
    labels[5:9] = 0
    hidden = labels.copy()
    hidden[:, 3] = -1
    rc = MultiLabelRiskController(risk_level=0.2, unknown_policy="marginal").calibrate_proba(probs, hidden)
    assert rc.thresholds_ == oracle.choose("crc", "fnr", probs, hidden, "0.2")[-1]
    with pytest.raises(ValueError, match="y: expected known cells, got 60 unknown ones"):
        MultiLabelRiskController().calibrate_proba(probs, hidden)
    keep = (labels == 1).any(axis=1)
    drop = MultiLabelRiskController(risk_level=0.2, empty="drop").calibrate_proba(probs, labels)
    assert drop.thresholds_ == oracle.choose("crc", "fnr", probs[keep], labels[keep], "0.2")[-1]
    with pytest.raises(
        ValueError, match="y: expected at least one label for each example with empty='error', got none at row 0"
    ):
        MultiLabelRiskController(empty="error").calibrate_proba(probs, labels)
    nothing = np.zeros_like(labels)
    assert MultiLabelRiskController().calibrate_proba(probs, nothing).thresholds_ == math.inf
    with pytest.raises(ValueError, match="y: expected an example with a label"):
        MultiLabelRiskController(empty="drop").calibrate_proba(probs, nothing)


def test_ten_thousand_examples_take_milliseconds():
    probs, labels = drawn(0, n=10_000, n_labels=50, shape=(0.1, 1.5))
    rc = MultiLabelRiskController()
    rc.calibrate_proba(probs, labels)
    begin = time.perf_counter()
    rc.calibrate_proba(probs, labels)
    assert time.perf_counter() - begin < 0.2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"risk": "recall"}, ValueError, "risk: expected one of 'fnr', 'fdr', 'miscoverage', 'fp', got 'recall'"),
        ({"risk_level": 10}, ValueError, r"risk_level: expected a number in \(0, 1\), got 10 \(did you mean 0.1"),
        ({"risk_level": []}, ValueError, "risk_level: expected at least one number"),
        ({"risk": "fdr"}, ValueError, "method: expected 'ltt' for the risk 'fdr'"),
        ({"risk": [("fnr", 0.1)]}, ValueError, "method: expected 'ltt' for several risks, got 'crc'"),
        ({"risk": [], "method": "ltt"}, ValueError, "risk: expected at least one"),
        ({"risk": ["fnr"], "method": "ltt"}, TypeError, r"risk: expected \(name, level\) pairs, got str 'fnr'"),
        (
            {"method": "rcps"},
            ValueError,
            r"confidence_level: expected a number in \(0, 1\) with method='rcps', got None",
        ),
        ({"confidence_level": 0.9}, ValueError, "confidence_level: expected None with method='crc'"),
        ({"method": "grid"}, ValueError, "method: expected one of 'crc', 'rcps', 'ltt', got 'grid'"),
        (
            {"method": "ltt", "confidence_level": 0.9, "bound": "wsr"},
            ValueError,
            "bound: expected another one than 'wsr'",
        ),
        ({"method": "ltt", "confidence_level": 0.9, "thresholds": [0]}, ValueError, "thresholds: expected a number in"),
        ({"method": "ltt", "confidence_level": 0.9, "thresholds": []}, ValueError, "thresholds: expected at least one"),
        ({"fwer": "none"}, ValueError, "fwer: expected one of 'fixed_sequence', 'holm', got 'none'"),
        ({"params": "pair"}, ValueError, "params: expected one of 'threshold', 'inner_outer', got 'pair'"),
        ({"params": "inner_outer"}, ValueError, "params: expected 'threshold' without method='ltt' and a list of"),
        (
            {
                "risk": [("fnr", 0.1), ("miscoverage", 0.1)],
                "method": "ltt",
                "confidence_level": 0.9,
                "params": "inner_outer",
            },
            ValueError,
            "params: expected 'threshold' without method='ltt' and a list of risks of both kinds",
        ),
        (
            {
                "risk": [("fnr", 0.1), ("fp", 0.1)],
                "method": "ltt",
                "confidence_level": 0.9,
                "params": "inner_outer",
                "fwer": "holm",
            },
            ValueError,
            "fwer: expected 'fixed_sequence' with params='inner_outer', got 'holm'",
        ),
        ({"from_logits": 1}, TypeError, "from_logits: expected True or False"),
        ({"empty": "skip"}, ValueError, "empty: expected one of 'zero', 'drop', 'error'"),
    ],
)
def test_options_are_judged(options, error, message):
    if options.get("method") == "ltt" and "thresholds" in options:
        options = {**options, "risk": "fdr"}
    with pytest.raises(error, match=message):
        MultiLabelRiskController(**options).calibrate_proba(*drawn(0))


def test_the_order_of_calls_is_named():
    with pytest.raises(NotFittedError, match="call calibrate or calibrate_proba first"):
        MultiLabelRiskController().predict([[0.5]])
    with pytest.raises(NotFittedError, match="call conformalize or conformalize_proba first"):
        InnerOuterConformalClassifier().predict_sets([[0.5]])


# ------------------------------------------------------------------------------------------------------ inner and outer


@pytest.mark.parametrize("n", [1, 18, 19, 20, 59])
def test_inner_and_outer_thresholds_are_order_statistics(n):
    probs, labels = drawn(n, n=n, decimals=None)
    if n > 2:
        labels[0], labels[1] = 0, 1
    clf = InnerOuterConformalClassifier(confidence_level=0.9).conformalize_proba(probs, labels)
    wrong = sorted(max([p for p, y in zip(*row) if not y], default=-math.inf) for row in zip(probs, labels))
    right = sorted(min([p for p, y in zip(*row) if y], default=math.inf) for row in zip(probs, labels))
    rank_in, rank_out = -((-95 * (n + 1)) // 100), 5 * (n + 1) // 100
    assert clf.inner_threshold_ == (wrong[rank_in - 1] if rank_in <= n else math.inf)
    assert clf.outer_threshold_ == (right[rank_out - 1] if rank_out else 0.0)
    inner, outer = clf.predict_sets_proba(probs)
    assert (inner == (probs > clf.inner_threshold_)).all()
    assert (outer == (probs >= clf.outer_threshold_)).all()
    csr = clone(clf).conformalize_proba(sparse.csr_array(probs), sparse.csr_array(labels))
    assert (csr.inner_threshold_, csr.outer_threshold_) == (clf.inner_threshold_, clf.outer_threshold_)
    stored = csr.predict_sets_proba(sparse.csr_array(probs))
    assert (stored.inner.toarray() == inner).all()
    assert (stored.outer.toarray() == outer).all()


def test_inner_and_outer_enclose_the_truth_even_with_few_calibration_examples():
    # regression: quantiles without the correction for the new example cover .86 at n = 20
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(600):
        probs, labels = drawn(rng, n=40)
        clf = InnerOuterConformalClassifier(confidence_level=0.8).conformalize_proba(probs[:39], labels[:39])
        inner, outer = clf.predict_sets_proba(probs[39:])
        inside.append(bool(((inner <= labels[39:]) & (labels[39:] <= outer)).all()))
    assert oracle.is_seldom(600 - sum(inside), 600, 0.2)
    probs, labels = drawn(rng, n=3500)
    clf = InnerOuterConformalClassifier(confidence_level=0.8).conformalize_proba(probs[:499], labels[:499])
    inner, outer = clf.predict_sets_proba(probs[499:])
    enclosed = ((inner <= labels[499:]) & (labels[499:] <= outer)).all(axis=1)
    assert coverage_test(enclosed, 499, 0.8, alternative="less") > 1e-6
