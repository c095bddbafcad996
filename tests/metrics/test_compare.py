"""Comparisons find what is there, keep their level, and agree with plain definitions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import mlkit
from mlkit.metrics import compare
from mlkit.metrics._comparison import benjamini_hochberg, holm, mid_p
from reference.metrics_inputs import as_csr, hide

pytestmark = pytest.mark.filterwarnings("ignore:.*equal scores of true and absent labels")


def problem(n=300, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    a = rng.random((n, 5))
    truth = (rng.random(a.shape) < a**2).astype(np.int8)
    return truth, a, np.clip(a + rng.normal(0, noise, a.shape), 0, 1)


def test_reports_and_arrays_are_compared_alike():
    truth, a, b = problem()
    reports = [mlkit.evaluate(truth, s) for s in (a, b)]
    pd.testing.assert_frame_equal(compare(truth, a, b), reports[0].compare(reports[1]))
    some = compare(truth, a, b, metrics=["f1_macro", "lrap"])
    assert some.index.tolist() == ["f1_macro", "lrap"]
    assert some["p_holm"].tolist() == holm(some["p_value"].to_numpy()).tolist()
    assert "p_bh" in compare(truth, a, b, correction="bh")
    assert compare(truth, a, b, correction=None).columns[-1] == "p_value"


def test_predictions_are_told_from_scores():
    truth, a, b = problem()
    table = compare(truth, a >= 0.5, b)
    assert "f1_macro" in table.index
    assert "lrap" not in table.index
    for form in (
        (a >= 0.5).astype(int),
        as_csr(a >= 0.5),
        pd.DataFrame(a >= 0.5),
        [np.flatnonzero(r).tolist() for r in a >= 0.5],
    ):
        pd.testing.assert_frame_equal(compare(truth, form, b), table)
    assert "lrap" in compare(truth, a.tolist(), sparse.csr_array(b)).index
    assert "lrap" in compare(truth, pd.DataFrame(a), [np.column_stack([1 - c, c]) for c in b.T]).index


@pytest.mark.parametrize("test", ["influence", "permutation", "bootstrap"])
@pytest.mark.parametrize("clustered", [False, True])
def test_tests_agree_where_all_are_right(test, clustered):
    truth, a, b = problem(600, noise=0.25)
    groups = np.arange(600) // 3 if clustered else None
    weight = np.linspace(0.5, 2, 600)
    table = compare(truth, a, b, test=test, groups=groups, sample_weight=weight)
    plain = compare(truth, a, b, groups=groups, sample_weight=weight)
    assert (table["delta"] == plain["delta"][table.index]).all()
    for key in ("f1_macro", "f1_micro", "hamming_loss", "lrap"):
        assert table["se"][key] == pytest.approx(plain["se"][key], rel=0.1)
        z = abs(table["delta"][key]) / plain["se"][key]
        assert table["p_value"][key] == pytest.approx(2 * stats.norm.sf(z), abs=0.03)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_permutations_of_row_means_are_those_of_the_rows(seed):
    """All 2^n signs of a small sample, with many equal differences, against the sampled ones."""
    truth, a, b = problem(10, seed, noise=0.6)
    table = compare(truth, a, b, metrics=["hamming_loss"], test="permutation", n_resamples=40_000)
    d = ((a >= 0.5) != truth).mean(axis=1) - ((b >= 0.5) != truth).mean(axis=1)
    signs = 2 * (np.arange(2**10)[:, None] >> np.arange(10) & 1) - 1
    exact = np.mean(np.abs(signs @ d) >= abs(d.sum()) * (1 - 1e-9))
    assert table["p_value"]["hamming_loss"] == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("hidden", [False, True])
def test_mcnemar_counts_by_hand(hidden):
    truth, a, b = problem(60)
    truth = hide(truth, 1) if hidden else truth
    names = list("abcde")
    table = compare(truth, a, b, test="mcnemar", label_names=names)
    assert table.index.tolist() == ["accuracy", *names]
    right_a, right_b = ((s >= 0.5) == (truth == 1) for s in (a, b))
    known = truth >= 0
    for j, name in enumerate(names):
        assert table["only_a"][name] == (right_a & ~right_b & known)[:, j].sum()
        assert table["only_b"][name] == (right_b & ~right_a & known)[:, j].sum()
    rows_a, rows_b = (np.all(right | ~known, axis=1) & known.any(axis=1) for right in (right_a, right_b))
    assert table["only_a"]["accuracy"] == (rows_a & ~rows_b).sum()
    assert table["only_b"]["accuracy"] == (rows_b & ~rows_a).sum()
    for form in (as_csr, sparse.csr_array):
        again = compare(as_csr(truth), form(a), form(b), test="mcnemar", label_names=names)
        pd.testing.assert_frame_equal(again, table)
    positive_only = mlkit.labels.as_label_matrix(truth, background="unknown", label_names=names)
    pd.testing.assert_frame_equal(compare(positive_only, a, b, test="mcnemar"), table)
    assert (compare(truth, a, a, test="mcnemar")["p_value"] == 1).all()


def test_cuts_of_zero_predict_what_sparse_rows_do_not_store():
    truth, a, b = problem(40)
    a, b = np.where(a > 0.6, a, 0), np.where(b > 0.6, b, 0)
    cut = np.array([0.0, 0.5, 0.5, 0.0, 0.9])
    dense = compare(truth, a, b, test="mcnemar", threshold=cut)
    pd.testing.assert_frame_equal(compare(truth, as_csr(a), as_csr(b), test="mcnemar", threshold=cut), dense)


def test_mid_p_values_by_hand():
    def by_hand(a, b):
        n, least = a + b, min(a, b)
        mass = [math.comb(n, i) / 2**n for i in range(n + 1)]
        return 1.0 if a == b else min(1.0, 2 * (sum(mass[:least]) + mass[least] / 2))

    pairs = [(0, 0), (1, 0), (5, 1), (3, 3), (10, 2), (0, 20)]
    a, b = np.array(pairs).T
    np.testing.assert_allclose(mid_p(a, b), [by_hand(x, y) for x, y in pairs], atol=1e-14)


def test_corrections_by_hand():
    p = np.array([0.01, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    assert holm(np.zeros(0)).size == benjamini_hochberg(np.zeros(0)).size == 0


@pytest.mark.slow
@pytest.mark.parametrize("test", ["influence", "permutation", "bootstrap", "mcnemar"])
def test_models_alike_are_told_apart_in_five_of_a_hundred(test):
    """Two models with the same errors in distribution: the level of each test over 400 samples."""
    keys = ["accuracy"] if test == "mcnemar" else ["f1_macro", "f1_micro", "hamming_loss"]
    hits = dict.fromkeys(keys, 0)
    for seed in range(400):
        rng = np.random.default_rng([seed, 7])
        p = rng.random((300, 4))
        truth = rng.random(p.shape) < p
        a, b = (np.clip(p + rng.normal(0, 0.3, p.shape), 0, 1) for _ in range(2))
        table = compare(truth, a, b, test=test, n_resamples=200, correction=None, random_state=seed, n_jobs=1)
        for key in keys:
            hits[key] += table["p_value"][key] < 0.05
    assert all(0.02 <= n / 400 <= 0.085 for n in hits.values()), hits


BAD = [
    ({"test": "t"}, "test: expected one of 'influence', 'permutation', 'bootstrap', 'mcnemar', got 't'"),
    ({"correction": "bonferroni"}, "correction: expected one of 'holm', 'bh', got 'bonferroni'"),
    ({"test": "mcnemar", "sample_weight": np.ones(300)}, "sample_weight: expected None with test='mcnemar'"),
    ({"test": "mcnemar", "groups": np.ones(300)}, "groups: expected None with test='mcnemar'"),
    ({"n_resamples": 0, "test": "permutation"}, "n_resamples: expected an integer >= 1, got 0"),
    ({"metrics": ["f1_makro"]}, "metrics: expected names of measures, got 'f1_makro' .did you mean 'f1_macro'"),
    (
        {"metrics": ["expected_calibration_error"]},
        "metrics: expected measures with an interval in both reports, got 'expected_calibration_error'",
    ),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_arguments_are_named(options, message):
    truth, a, b = problem()
    with pytest.raises(ValueError, match=message):
        compare(truth, a, b, **options)


def test_reports_without_replicates_have_no_bootstrap():
    truth, a, b = problem()
    reports = [mlkit.evaluate(truth, s, n_boot=20, random_state=seed) for seed, s in enumerate((a, b))]
    for other in (mlkit.evaluate(truth, b), reports[1]):
        with pytest.raises(ValueError, match="test: expected reports with replicates of one seed"):
            reports[0].compare(other, test="bootstrap")
