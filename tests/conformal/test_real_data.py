"""Published and measured numbers on real data."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from mlkit.conformal import LabelPowersetConformalClassifier
from mlkit.conformal.scores import Lp


def fitted(load_dataset, name, seed):
    """A forest on two thirds of the data, and the two other parts (sizes of Katsios and Papadopoulos 2024)."""
    data = load_dataset(name)
    X = data.X.toarray() if hasattr(data.X, "toarray") else np.asarray(data.X)
    Y = data.Y.toarray()
    order = np.random.default_rng(seed).permutation(len(X))
    train, cal, test = order[:1620], order[1620:2175], order[2175:]
    forest = RandomForestClassifier(200, oob_score=True, random_state=seed, n_jobs=2).fit(X[train], Y[train])
    oob = forest.oob_decision_function_[:, 1, :]
    known = ~np.isnan(oob).any(axis=1)
    return forest, (oob[known], Y[train][known]), (X[cal], Y[cal]), (X[test], Y[test])


@pytest.mark.slow
def test_sizes_of_yeast_regions_are_those_measured_before(load_dataset):
    # Yeast, forest of 200 trees, 555 calibration examples, level .9, mean of 10 splits: within 15 %
    expected = {"l1": 2121, "l2": 1714, "lp4": 1539, "log": 1525, "linf": 3540, "mahalanobis": 252}
    sizes = {name: [] for name in expected}
    covered = {name: [] for name in expected}
    for seed in range(10):
        forest, errors, (X_cal, Y_cal), (X_test, Y_test) = fitted(load_dataset, "yeast", seed)
        p_cal, p_test = ([p[:, 1] for p in forest.predict_proba(X)] for X in (X_cal, X_test))
        p_cal, p_test = np.column_stack(p_cal), np.column_stack(p_test)
        for name in expected:
            clf = LabelPowersetConformalClassifier(score=Lp(4) if name == "lp4" else name).fit_proba(*errors)
            regions = clf.conformalize_proba(p_cal, Y_cal).predict_region_proba(p_test)
            sizes[name].append(np.mean(regions.size()[0].astype(float)))
            covered[name].append(regions.contains(Y_test).mean())
    means = {name: float(np.mean(values)) for name, values in sizes.items()}
    print({name: round(value) for name, value in means.items()})
    for name, value in expected.items():
        assert means[name] == pytest.approx(value, rel=0.15), means
        assert np.mean(covered[name]) == pytest.approx(0.9, abs=0.02)


def load_benchmark(name):
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_seeds"), [("emotions", 2), ("yeast", 1)])
def test_mahalanobis_regions_are_as_small_as_published(load_dataset, name, n_seeds):
    published = load_benchmark("published_regions")
    data = load_dataset(name)
    protocol = published.PROTOCOLS[name]
    found = [published.measure(np.asarray(data.X, np.float64), data.Y.toarray(), protocol, s) for s in range(n_seeds)]
    means = {score: np.mean([f.sizes[score] for f in found], axis=0) for score in ("mahalanobis", "norm")}
    print(means, [f.hamming_loss for f in found])
    assert (means["mahalanobis"] < means["norm"]).all()
    assert np.abs(means["mahalanobis"] - protocol.mahalanobis)[1:].max() <= 5
    assert min(f.coverage_p_value for f in found) > 1e-6
