"""Pairs of labels are counted exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mlkit.labels import as_label_matrix, label_cooccurrence
from reference import labels as oracle

MEASURES = ("count", "jaccard", "dice", "cosine", "lift", "pmi", "phi")


def random_labels(seed, n=60, n_labels=12, density=0.25, unknown=0.0):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, n_labels)) < density * 2 * rng.random(n_labels)).astype(np.int8)
    labels[rng.random(labels.shape) < unknown] = -1
    return labels


NASTY = {
    "random": random_labels(0),
    "unknown cells": random_labels(1, unknown=0.2),
    "wide": random_labels(2, n=9, n_labels=70, density=0.05),
    "one row": np.array([[1, 0, 1, 1]], np.int8),
    "one label": np.array([[1], [0]], np.int8),
    "all zero": np.zeros((5, 3), np.int8),
    "all one": np.ones((5, 3), np.int8),
    "all unknown but one": np.array([[-1, -1, 1], [-1, -1, 0]], np.int8),
    "duplicate columns": np.repeat(random_labels(3, n_labels=4), 3, axis=1),
    "empty column": np.column_stack([random_labels(4), np.zeros(60, np.int8), np.ones(60, np.int8)]),
}


def pattern(matrix):
    ones = sparse.csr_array((np.ones(matrix.nnz, bool), matrix.indices, matrix.indptr), shape=matrix.shape)
    return ones.toarray()


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("measure", MEASURES)
def test_pairs_equal_the_reference(name, measure):
    for min_count in (1, 2, 4):
        values, stored = oracle.cooccurrence(NASTY[name], measure, min_count)
        got = label_cooccurrence(NASTY[name], measure=measure, min_count=min_count)
        assert np.array_equal(pattern(got), stored)
        assert got.has_sorted_indices
        np.testing.assert_allclose(got.toarray(), values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_with_unknown_background_only_stored_cells_are_known(measure):
    rng = np.random.default_rng(5)
    cells = rng.choice([-1, 0, 1], (40, 8), p=[0.5, 0.3, 0.2]).astype(np.int8)
    rows, columns = np.nonzero(cells >= 0)
    given = sparse.csr_array((cells[rows, columns], (rows, columns)), shape=cells.shape)
    values, stored = oracle.cooccurrence(cells, measure)
    got = label_cooccurrence(as_label_matrix(given, background="unknown"), measure=measure)
    assert np.array_equal(pattern(got), stored)
    np.testing.assert_allclose(got.toarray(), values, rtol=1e-12, atol=1e-12)


def test_positive_only_data_know_no_rows_but_the_shared_ones():
    got = label_cooccurrence(as_label_matrix([[0, 1], [0]], n_labels=2, background="unknown"), measure="jaccard")
    assert got.toarray().tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("top", [0, 1, 3, 100])
def test_top_keeps_the_strongest_others_and_the_diagonal(measure, top):
    for name in ("random", "unknown cells", "wide", "duplicate columns", "all one"):
        full = label_cooccurrence(NASTY[name], measure=measure)
        kept = oracle.strongest(full.toarray(), pattern(full), top)
        got = label_cooccurrence(NASTY[name], measure=measure, top=top)
        assert np.array_equal(pattern(got), kept)
        assert np.array_equal(got.toarray(), np.where(kept, full.toarray(), 0))


@pytest.mark.parametrize("n_jobs", [2, 3, 8, None])
@pytest.mark.parametrize(("measure", "top"), [("count", None), ("phi", None), ("pmi", 5)])
def test_pairs_do_not_depend_on_n_jobs(n_jobs, measure, top):
    labels = random_labels(6, n=4000, n_labels=300, density=0.03, unknown=0.001)
    one, many = (label_cooccurrence(labels, measure=measure, top=top, n_jobs=jobs) for jobs in (1, n_jobs))
    for part in ("indptr", "indices", "data"):
        assert getattr(one, part).tobytes() == getattr(many, part).tobytes()


def test_counts_equal_the_product_of_sparse_matrices():
    rng = np.random.default_rng(7)
    labels = sparse.random_array((3000, 400), density=0.02, format="csr", rng=rng)
    labels.data[:] = 1
    labels = labels.astype(np.int64)
    got = label_cooccurrence(labels)
    assert got.dtype == np.int64
    assert (got != labels.T @ labels).nnz == 0
    sizes = labels.sum(axis=1)
    assert sparse.triu(got, 1).sum() == (sizes * (sizes - 1) // 2).sum()


@given(st.integers(0, 10**6))
def test_order_of_rows_is_irrelevant_and_twice_the_rows_keep_ratios(seed):
    labels = random_labels(seed, n=20, n_labels=6)
    rows = np.random.default_rng(seed).permutation(20)
    assert (label_cooccurrence(labels) != label_cooccurrence(labels[rows])).nnz == 0
    twice = np.repeat(labels, 2, axis=0)
    assert (2 * label_cooccurrence(labels) != label_cooccurrence(twice)).nnz == 0
    once, again = (label_cooccurrence(y, measure="jaccard").toarray() for y in (labels, twice))
    assert np.array_equal(once, again)


FACTS = {  # co-occurring pairs, pair increments, largest Jaccard of two labels
    "emotions": (14, 615, 0.4976),
    "yeast": (89, 19_556, 0.9906),
    "bibtex": (4_173, 23_023, 0.6716),
    "delicious": (173_508, 2_967_044, 0.9643),
}


@pytest.mark.parametrize("name", FACTS)
def test_published_statistics_of_real_data(load_dataset, name):
    labels = load_dataset(name).Y
    counts = sparse.triu(label_cooccurrence(labels), 1)
    jaccard = sparse.triu(label_cooccurrence(labels, measure="jaccard"), 1)
    assert (counts.nnz, counts.sum(), round(jaccard.max(), 4)) == FACTS[name]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"measure": "jacard"}, ValueError, r"measure: expected one of .*did you mean 'jaccard'"),
        ({"measure": 3}, TypeError, "measure: expected one of "),
        ({"min_count": 0}, ValueError, "min_count: expected an integer >= 1, got 0"),
        ({"top": -1}, ValueError, r"top: expected an integer in \[0, 2147483647\], got -1"),
        ({"n_jobs": 0}, ValueError, "n_jobs: expected a positive or negative integer or None, got 0"),
        ({"labels": [[0.5]]}, ValueError, r"labels: expected 0 or 1 .*got 0.5"),
        ({"labels": np.zeros((0, 3))}, ValueError, "labels: expected at least one example"),
    ],
)
def test_bad_arguments_are_named(arguments, kind, message):
    arguments = {"labels": np.eye(2), **arguments}
    labels = arguments.pop("labels")
    with pytest.raises(kind, match=message):
        label_cooccurrence(np.asarray(labels), **arguments)
