"""Ways to count and walk a region agree where no oracle can follow."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from math import comb
from pathlib import Path

import numpy as np
import pytest

from mlkit import _core
from mlkit.conformal import LabelPowersetConformalClassifier

core = _core.conformal
CHILD = Path(__file__).with_name("regions_in_little_memory.py")


def drawn(n_labels: int, n: int, a: float, b: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    probs = rng.beta(a, b, (n, n_labels))
    return probs, rng.random(probs.shape) < probs


def subset_sums(costs):
    sums = [0]
    for d in costs:
        sums += [s + d for s in sums]
    return np.sort(sums)


@pytest.mark.parametrize("seed", range(20))
def test_counts_of_subsets_equal_those_of_all_sums(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 13))
    costs = np.sort(rng.integers(0, [3, 50, 2**45][seed % 3], n))
    sums = subset_sums(costs.tolist())
    for budget in {0, 1, int(sums[-1]), int(sums[-1]) + 1, *rng.integers(0, int(sums[-1]) + 2, 8).tolist()}:
        expected = int(np.searchsorted(sums, budget, side="right"))
        assert core.count_one_by_one(costs, budget) == expected
        assert core.count_in_halves(costs, budget, 1 << 20) == expected
        assert core.count_in_branches(costs, budget, 2) == expected
        root, *_, words = core.threshold_bdd(costs[::-1].copy(), budget, 10**6)
        counted = 2**n if root == -2 else int.from_bytes(words[root].tobytes(), "little")
        assert counted == expected
        for n_buckets in (1, 7, 4096):
            lower, upper = (int.from_bytes(b, "little") for b in core.count_bracket(costs, budget, n_buckets))
            assert lower <= expected <= upper
        for walk in (core.DepthFirst(costs, budget, False), core.ByCost(costs, budget, False)):
            spent, bounds, members = walk.take(10**6)
            assert np.sort(spent).tolist() == sums[:expected].tolist()
            assert [int(costs[members[b:e]].sum()) for b, e in itertools.pairwise(bounds)] == spent.tolist()
            assert walk.take(10)[0].size == 0


def test_a_walk_can_be_stopped_and_taken_up_again():
    costs = np.sort(np.random.default_rng(0).integers(0, 100, 12))
    for kind in (core.DepthFirst, core.ByCost):
        whole = kind(costs, 150, False).take(10**6)[0]
        parts, walk = [], kind(costs, 150, False)
        while (part := walk.take(7)[0]).size:
            parts.append(part)
        assert np.concatenate(parts).tolist() == whole.tolist()


@pytest.mark.parametrize(("n", "a", "b", "most"), [(200, 0.1, 0.9, 10**4), (8, 0.3, 2.0, 10**6)])
def test_regions_of_54_labels_are_counted_exactly(n, a, b, most):
    # the power set of 54 labels holds 1.8e16 sets
    probs, labels = drawn(54, 1000 + n, a, b)
    clf = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[:1000], labels[:1000])
    regions = clf.predict_region_proba(probs[1000:])
    lower, upper, exact = regions.size(exact=True)
    assert exact.all()
    assert n < 200 or regions.size()[2].all()  # certain examples: without being asked to
    assert max(upper) > most
    smaller = regions.at(0.5)
    for i, region in enumerate(regions):
        size, sizes = region.count(), region.cardinality_histogram()
        assert size == lower[i] == upper[i] == sum(sizes)
        assert core.count_in_halves(region._costs, region._budget, 1 << 22) == size
        for part in (region, smaller[i]):  # one by one at levels that keep that bounded
            if 0 < part.count() <= 3_000_000:
                assert core.count_one_by_one(part._costs, part._budget) == part.count()
        for labels_ in region.sample(2, random_state=i):
            assert region.unrank(region.rank(labels_)) == labels_
            assert labels_ in region
        frequency = region.inclusion_frequency()
        assert (frequency == 1)[list(region.certain)].all()
        assert not frequency[list(region.excluded)].any()
        assert sum(frequency) * size == pytest.approx(sum(k * c for k, c in enumerate(sizes)))
        cards = np.flatnonzero(sizes)
        assert (cards[0], cards[-1]) == (regions.min_cardinality[i], regions.max_cardinality[i])


def count_of_tied_costs(costs, budget):
    """Subsets within the budget, by how many of each distinct cost they take."""
    totals = {0: 1}
    for cost, n in Counter(costs.tolist()).items():
        after = Counter()
        for total, ways in totals.items():
            for k in range(n + 1):
                if total + k * cost <= budget:
                    after[total + k * cost] += ways * comb(n, k)
        totals = after
    return sum(totals.values())


def test_regions_of_nearly_all_sets_of_54_labels_are_counted_exactly():
    rng = np.random.default_rng(0)
    probs = rng.beta(8, 8, (1051, 54)).round(1).clip(0.1, 0.9)
    labels = rng.random(probs.shape) < probs
    probs[1000:1050] = rng.choice([0.4, 0.5, 0.6], (50, 54))
    probs[1050] = 0.5
    clf = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[:1000], labels[:1000])
    regions = clf.predict_region_proba(probs[1000:])
    lower, _, exact = regions.size(exact=True)
    assert exact.all()
    assert lower[50] == 2**54
    assert min(lower[:50]) > 2**52
    for region, n in zip(regions, lower):
        assert count_of_tied_costs(region._costs, region._budget) == n == sum(region.cardinality_histogram())
        for labels_ in region.sample(3, random_state=0):
            assert region.unrank(region.rank(labels_)) == labels_


def tied_in_their_upper_half(n, seed):
    """Distinct costs whose sums compare as those of their upper halves do, and the number of subsets by these sums."""
    rng = np.random.default_rng(seed)
    small = rng.integers(1, 700, n)
    ways = np.zeros(int(small.sum()) + 1, np.int64)
    ways[0] = 1
    for cost in small:
        ways[cost:] += ways[:-cost].copy()
    return np.sort((small << 32) + rng.integers(0, 2**26, n)), np.cumsum(ways)


@pytest.mark.parametrize(
    ("n", "share"),
    [(30, 0.5), (47, 0.2), (49, 0.15), (51, 0.9), pytest.param(54, 0.5, marks=pytest.mark.slow)],
)
def test_many_distinct_costs_are_counted_as_by_going_through_all_sums(n, share):
    costs, counts = tied_in_their_upper_half(n, seed=n)
    small = int(share * (counts.size - 1))
    budget = (small + 1 << 32) - 1
    assert core.count_in_branches(costs, budget, 2) == counts[small]
    assert core.count_in_branches(costs, budget, 1) == counts[small]


@pytest.mark.slow
def test_the_most_uncertain_regions_of_54_labels_are_counted_exactly():
    probs, labels = drawn(54, 1002, 8, 8)
    clf = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[:1000], labels[:1000])
    regions = clf.predict_region_proba(probs[1000:])
    lower, _, exact = regions.size(exact=True)
    assert exact.all()
    assert min(lower) > 2**51
    assert not regions.size()[2].any()
    for i, region in enumerate(regions):
        costs, budget = region._costs, region._budget
        low, high = (int.from_bytes(words, "little") for words in core.count_bracket(costs, budget, 1 << 14))
        assert low < lower[i] < high < 1.01 * low
        if i == 0:  # subsets with an element, and those without it
            rest = np.delete(costs, 30)
            parts = [core.count_in_branches(rest, left, 2) for left in (budget, budget - int(costs[30]))]
            assert sum(parts) == lower[0] == region.count()


@pytest.mark.slow
def test_uncertain_and_certain_regions_of_54_labels_are_all_counted_exactly():
    rng = np.random.default_rng(5)
    shape = rng.uniform(0.05, 0.6, (1200, 1))  # from nearly certain examples to such as hold 10^8 sets and more
    probs = rng.beta(shape, 4 * shape, (1200, 54))
    labels = rng.random(probs.shape) < probs
    clf = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[:1000], labels[:1000])
    regions = clf.predict_region_proba(probs[1000:])
    lower, _, exact = regions.size(exact=True)
    print(np.quantile(lower.astype(float), [0, 0.25, 0.5, 0.75, 1]))
    assert exact.all()
    for i, region in enumerate(regions):
        halves = core.count_in_halves(region._costs, region._budget, 1 << 23)
        assert halves is None or halves == lower[i]
    assert max(lower) > 10**8


def test_uncertain_regions_of_54_labels_are_counted_exactly():
    probs, labels = drawn(54, 502, 0.3, 2.0, seed=3)
    clf = LabelPowersetConformalClassifier(score="l2").conformalize_proba(probs[:500], labels[:500])
    for region in clf.predict_region_proba(probs[500:]):
        size = region.size()
        assert size.exact
        assert size.lower > 10**7
        bracket = core.count_bracket(region._costs, region._budget, 4096)
        lower, upper = (int.from_bytes(words, "little") for words in bracket)
        assert lower < size.lower < upper <= 1.5 * lower
        assert sum(region.cardinality_histogram()) == size.lower


@pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")
def test_a_whole_power_set_is_counted_exactly():
    probs, labels = drawn(54, 60, 0.1, 0.9)
    clf = LabelPowersetConformalClassifier(confidence_level=0.9).conformalize_proba(probs[:50], labels[:50])
    [region] = clf.predict_region_proba(probs[50:51], 0.99)
    assert region.is_trivial
    assert region.count() == 2**54
    assert region.cardinality_histogram() == [comb(54, k) for k in range(55)]
    assert region.inclusion_frequency().tolist() == [0.5] * 54
    assert region.rank(region.unrank(2**53 + 12345)) == 2**53 + 12345


@pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")
def test_a_thousand_labels_are_decided_and_bracketed():
    probs, labels = drawn(1000, 220, 0.004, 0.3)
    clf = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[:200], labels[:200])
    regions = clf.predict_region_proba(probs[200:])
    lower, upper, _ = regions.size()
    assert (lower >= 1).all()
    assert (lower <= upper).all()
    assert (regions.certain.sum(axis=1) + regions.excluded.sum(axis=1)).min() > 500
    assert regions.contains(labels[200:]).mean() > 0.7
    for i in (0, 1):
        exact = regions[i].size()
        assert exact.exact
        assert lower[i] <= exact.lower <= upper[i]
        for labels_ in regions[i].sample(1, random_state=i):
            assert regions[i].unrank(regions[i].rank(labels_)) == labels_
    found = regions.evaluate(labels[200:])
    assert found["S_excess_lower"] <= found["S_excess"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
@pytest.mark.skipif(bool(_core.build_info()["sanitizers"]), reason="sanitizers need memory of their own")
def test_regions_that_explode_are_bracketed_in_ten_seconds_and_500_mb(tmp_path):
    done = subprocess.run([sys.executable, CHILD, tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "answers.json").read_text())
    print(found)
    assert found["peak_mb"] < 500
    assert max(found["seconds"].values()) < 10
    for name, bounds in found["bounds"].items():
        lower, upper = map(int, bounds)
        assert 10**6 < lower < upper <= 2**100
        assert name[:2] != "l2" or upper < 2 * lower


def test_a_region_that_explodes_is_bracketed_in_little_time_and_memory():
    probs, labels = drawn(100, 3003, 0.6, 1.6)
    clf = LabelPowersetConformalClassifier(score="l2", confidence_level=0.999)
    regions = clf.conformalize_proba(probs[:3000], labels[:3000]).predict_region_proba(probs[3000:])
    tracemalloc.start()
    begin = time.perf_counter()
    lower, upper, exact = regions.size()
    assert time.perf_counter() - begin < 10
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert min(lower) > 10**15
    assert not exact.any()
    assert (upper / lower).max() < 2
    first = regions[0].top(100)
    assert first.truncated
    assert len(first.sets) == 100
    assert first.next_p_value <= first.p_values[-1]
    assert first.n_left.lower > 10**15
    with pytest.raises(ValueError, match="too many to count exactly"):
        len(regions[0])


def test_brackets_of_thousands_of_labels_leave_the_range_of_doubles_unharmed():
    costs = np.sort(np.random.default_rng(0).integers(2**30, 2**34, 3000))
    lower, upper = (int.from_bytes(b, "little") for b in core.count_bracket(costs, int(costs.sum()) // 2, 4096))
    assert 2**2900 < lower < upper <= 2**3000
    # by symmetry half of all subsets fit half of the sum, give or take those at the middle
    assert lower < 2**2999 < upper


def test_lists_of_a_large_region_come_by_p_value():
    probs, labels = drawn(200, 1001, 0.05, 0.9)
    clf = LabelPowersetConformalClassifier(score="log").conformalize_proba(probs[:1000], labels[:1000])
    [region] = clf.predict_region_proba(probs[1000:])
    listed = region.top(500)
    assert (np.diff(listed.p_values) <= 0).all()
    assert len(set(listed.sets)) == len(listed.sets)
    assert all(labels_ in region for labels_ in listed.sets[:20])
    assert [region.p_value(labels_) for labels_ in listed.sets[:20]] == listed.p_values[:20].tolist()
    assert listed.n_left.lower + len(listed.sets) == region.size().lower
