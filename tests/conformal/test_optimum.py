"""The best set of a region for a linear objective equals that of trying every set."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mlkit.conformal import LabelPowersetConformalClassifier

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")


def regions_of(score, level, n_labels, seed=0, n=8, n_calibration=150, decimals=None, **options):
    rng = np.random.default_rng(seed)
    probs = rng.beta(0.5, 0.9, (2 * n_calibration + n, n_labels))
    probs = probs if decimals is None else probs.round(decimals)
    labels = (rng.random(probs.shape) < probs).astype(int)
    clf = LabelPowersetConformalClassifier(score=score, confidence_level=level, random_state=0, **options)
    clf.fit_proba(probs[:n_calibration], labels[:n_calibration])
    clf.conformalize_proba(probs[n_calibration:-n], labels[n_calibration:-n])
    return clf.predict_region_proba(probs[-n:])


def weight(labels, weights):
    return sum((Fraction(float(weights[k])) for k in labels), Fraction(0))


WEIGHTS = [
    np.random.default_rng(1).normal(size=6),
    np.random.default_rng(2).integers(-2, 3, 6),
    np.array([1e308, -1e-308, 3, -4, -0.6, 7]),  # whose sums no float holds
    -np.ones(6),
    np.ones(6),
    np.zeros(6),
]


@pytest.mark.parametrize("score", ["log", "l1", "linf", "hamming", "log_centered", "mahalanobis", "pair_unseen"])
@pytest.mark.parametrize("level", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("options", [{}, {"decimals": 1}, {"decimals": 1, "smoothing": True}])
def test_no_set_of_the_region_weighs_less(score, level, options):
    for region in regions_of(score, level, 6, n=4, **options):
        if region.is_empty:
            with pytest.raises(ValueError, match="region: expected at least one set, got an empty region"):
                region.best_for(WEIGHTS[0])
            continue
        sets = list(region.sets())
        for weights in WEIGHTS:
            weighed = [(weight(labels, weights), -p) for labels, p in sets]
            found = region.best_for(weights)
            assert (weight(found, weights), -region.p_value(found)) == min(weighed)
            assert found in region


def least_by_diagram(diagram, weights):
    """Least total weight over all paths through the decision diagram."""
    best, labels = diagram["best"], diagram["labels"]
    n = labels.size
    gain = [int(-weights[k] if best[k] else weights[k]) for k in labels]  # of turning the level's label round
    free = [sum(min(0, g) for g in gain[i:]) for i in range(n + 1)]
    found: list[int | None] = []

    def at(node, level):
        return None if node == -1 else free[level] if node == -2 else found[node]

    for level, without, with_ in zip(diagram["level"], diagram["without"], diagram["with"]):
        turned, kept = at(with_, level + 1), at(without, level + 1)
        ways = [x for x in (kept, None if turned is None else turned + gain[level]) if x is not None]
        found.append(min(ways))
    return at(diagram["root"], 0) + int(weights[best].sum())


@pytest.mark.parametrize(("score", "n_labels", "level"), [("log", 20, 0.9), ("l2", 16, 0.9), ("l1", 18, 0.99)])
def test_the_least_weight_is_that_of_the_diagrams_paths(score, n_labels, level):
    rng = np.random.default_rng(3)
    for region in regions_of(score, level, n_labels, n=3, n_calibration=400):
        diagram = region.to_bdd()
        for weights in (rng.integers(-1000, 1000, n_labels), -rng.integers(1, 5, n_labels)):
            assert weights[list(region.best_for(weights))].sum() == least_by_diagram(diagram, weights)


def test_a_thousand_undecided_labels_are_no_obstacle():
    regions = regions_of("log", 0.9, 1000, n=1)
    region = regions[0]
    assert len(region.undecided) > 900
    weights = np.random.default_rng(0).normal(size=1000)
    found = region.best_for(weights)
    assert found in region
    for label in range(0, 1000, 5):  # no single change of the set is better
        other = sorted(set(found) ^ {label})
        assert other not in region or weights[other].sum() >= weights[list(found)].sum()
    assert len(region.best_for(-np.ones(1000))) == regions.max_cardinality[0]
    assert len(region.best_for(np.ones(1000))) == regions.min_cardinality[0]


def test_names_come_out_and_objectives_are_judged():
    regions = regions_of("log", 0.8, 3)
    regions.label_names = ("cat", "dog", "bird")
    region = regions[0]
    assert set(region.best_for([-1, -1, -1])) <= {"cat", "dog", "bird"}
    for weights, error, message in (
        ([1, 2], ValueError, r"weights: expected shape \(3,\), one for each label, got shape \(2,\)"),
        ([1, np.inf, 2], ValueError, "weights: expected finite numbers, got inf at label 1"),
        ("size", TypeError, "weights: expected one number for each label, got str 'size'"),
    ):
        with pytest.raises(error, match=message):
            region.best_for(weights)


def test_an_objective_that_goes_with_plausibility_is_refused_when_it_is_too_much():
    [region] = regions_of("log", 0.9, 400, n=1)
    with pytest.raises(ValueError, match="weights: expected an objective that 1,048,576 partial label sets decide"):
        region.best_for(np.where(region._best_row, 1, -1) * np.abs(region._differences))
