"""Clusters of equal size: exact, settled, the same for any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from mlkit.trees import BalancedKMeans


@given(st.integers(1, 50), st.integers(1, 12), st.integers(0, 10**6))
def test_sizes_differ_by_at_most_one(n, k, seed):
    k = min(n, k)
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * (rng.random((n, 1)) < 0.7)
    X[rng.integers(n, size=n // 3)] = X[0]  # equal rows, some of them zero
    sizes = np.bincount(BalancedKMeans(k, random_state=seed).fit(X).labels_, minlength=k)
    assert sizes.tolist() == [n // k + (c < n % k) for c in range(k)]


@pytest.mark.parametrize("k", [2, 3, 5])
def test_separated_groups_are_found(k):
    rng = np.random.default_rng(0)
    truth = np.arange(30 * k) % k
    X = np.eye(k)[truth] + 0.1 * rng.random((30 * k, k))
    scores = [adjusted_rand_score(truth, BalancedKMeans(k, random_state=seed).fit_predict(X)) for seed in range(6)]
    assert max(scores) == 1
    assert np.mean(scores) > 0.7


def test_a_settled_clustering_has_no_pair_that_would_gain_by_changing_places():
    rng = np.random.default_rng(1)
    for seed in range(10):
        X = rng.random((24, 4))
        model = BalancedKMeans(2, max_iter=100, random_state=seed).fit(X)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        gain = unit @ (model.cluster_centers_[1] - model.cluster_centers_[0])
        assert model.n_iter_ < 100
        assert gain[model.labels_ == 0].max() <= gain[model.labels_ == 1].min() + 1e-7


@pytest.mark.parametrize("n_jobs", [2, 3, 8])
def test_clusters_do_not_depend_on_n_jobs_nor_on_the_form_of_rows(n_jobs):
    X = sparse.random_array((3000, 50), density=0.1, format="csr", rng=np.random.default_rng(2))
    one = BalancedKMeans(7, n_jobs=1, random_state=0).fit(X).labels_
    assert np.array_equal(BalancedKMeans(7, n_jobs=n_jobs, random_state=0).fit(X.toarray()).labels_, one)
    assert not np.array_equal(BalancedKMeans(7, random_state=1).fit(X).labels_, one)


def test_a_second_fit_is_like_the_first():
    X = np.random.default_rng(3).random((40, 5))
    model = BalancedKMeans(4, random_state=0)
    assert np.array_equal(model.fit(X).labels_, model.fit(X).labels_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, "n_clusters: expected an integer >= 1, got 0"),
        ({"n_clusters": 6}, "n_clusters: expected at most the number of rows, 5, got 6"),
        ({"max_iter": 0}, "max_iter: expected an integer >= 1, got 0"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        BalancedKMeans(**parameters).fit(np.eye(5))
