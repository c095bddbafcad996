"""Published and measured numbers on real data, by the scripts that print them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def load_script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_sizes_of_yeast_regions_are_those_measured_before(data_dir):
    # forest of 200 trees, 555 calibration examples, level .9, mean of 10 splits
    table = load_script("conformal_yeast").measure(data_dir)
    print(table)
    assert (table["difference"].abs() < 0.15).all()
    assert table["coverage"].between(0.88, 0.92).all()
    assert table["decided"].to_dict() == pytest.approx(
        {"mahalanobis": 0.077, "log": 0.008, "lp, phi = 4": 0, "l2": 0, "l1": 0, "linf": 0.21}, abs=0.02
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_seeds"), [("emotions", 2), ("yeast", 1)])
def test_mahalanobis_regions_are_as_small_as_published(load_dataset, name, n_seeds):
    published = load_script("published_regions")
    data = load_dataset(name)
    protocol = published.PROTOCOLS[name]
    found = [published.measure(np.asarray(data.X, np.float64), data.Y.toarray(), protocol, s) for s in range(n_seeds)]
    means = {score: np.mean([f.sizes[score] for f in found], axis=0) for score in ("mahalanobis", "norm")}
    print(means, [f.hamming_loss for f in found])
    assert (means["mahalanobis"] < means["norm"]).all()
    assert np.abs(means["mahalanobis"] - protocol.mahalanobis)[1:].max() <= 5
    assert min(f.coverage_p_value for f in found) > 1e-6


@pytest.mark.slow
def test_mahalanobis_regions_are_smaller_with_a_network_chosen_without_a_look_at_regions(load_dataset):
    published = load_script("published_regions")
    data, protocol = load_dataset("emotions"), published.PROTOCOLS["emotions"]
    X, Y = np.asarray(data.X, np.float64), data.Y.toarray()
    n_passes = published.passes_to_match(X, Y, protocol, 0)
    found = published.measure(X, Y, protocol._replace(n_passes=n_passes))
    print(n_passes, found)
    assert (found.sizes["mahalanobis"] < found.sizes["norm"]).all()
    assert (found.sizes["mahalanobis"] - protocol.mahalanobis)[1:].max() <= 5
    assert found.coverage_p_value > 1e-6
