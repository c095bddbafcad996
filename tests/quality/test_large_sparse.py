"""50,000 examples x 100,000 labels: found in little memory, and equal to the reference where that can follow.

A dense array of one byte for each cell would take 5 GB, the reference's doubles 40 GB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse

from mlkit import _core
from reference import quality as oracle

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="limits and measures memory as Linux does"),
    pytest.mark.skipif(bool(_core.build_info()["sanitizers"]), reason="sanitizers need memory of their own"),
]

N, L = 50_000, 100_000
LIMIT_MB = 400
CHILD = Path(__file__).with_name("audit_in_little_memory.py")


class Search(NamedTuple):
    """What went into the child process, what was planted, and what came out."""

    labels: sparse.csr_array
    probs: sparse.csr_array
    wrong: sparse.csr_array
    answers: dict[str, np.ndarray]
    memory: dict[str, float]

    @property
    def flagged(self):
        indices, indptr = self.answers["cells_indices"], self.answers["cells_indptr"]
        return sparse.csr_array((np.ones(indices.size, bool), indices, indptr), shape=(N, L))


def zipf(rng, size, popularity):
    """Draw labels with frequencies like 1 / (rank + 20)."""
    rank = 20 * ((L + 20) / 20) ** rng.random(size) - 20
    return popularity[np.minimum(rank.astype(np.int64), L - 1)]


def rows_of(cells, values):
    """Compressed rows from ascending cell numbers row * L + label."""
    indptr = np.searchsorted(cells, np.arange(N + 1) * L)
    return sparse.csr_array((values, (cells % L).astype(np.int32), indptr), shape=(N, L))


def sigmoid_of_normal(rng, mean, sd, size):
    return (1 / (1 + np.exp(-rng.normal(mean, sd, size)))).astype(np.float32)


def make_large(seed=0):
    """11 true labels a row, 3 % of them not given, 25,000 given that are not true; 93 scored labels a row."""
    rng = np.random.default_rng(seed)
    popularity = rng.permutation(L)
    row = np.repeat(np.arange(N), 11)
    true = np.unique(row * L + zipf(rng, row.size, popularity))
    spurious = np.unique(rng.integers(0, N, 25_000) * L + zipf(rng, 25_000, popularity))
    spurious = spurious[~np.isin(spurious, true)]
    dropped = rng.random(true.size) < 0.03
    given = np.sort(np.concatenate([true[~dropped], spurious]))
    wrong = np.sort(np.concatenate([true[dropped], spurious]))

    row = np.repeat(np.arange(N), 83)
    anywhere, popular = rng.integers(0, L, row.size), zipf(rng, row.size, popularity)
    other = row * L + np.where(rng.random(row.size) < 0.5, popular, anywhere)
    seen = true[rng.random(true.size) < 0.97]  # the others are not among the model's best: p = 0
    p = np.concatenate([sigmoid_of_normal(rng, 1.6, 1.2, seen.size), sigmoid_of_normal(rng, -3.5, 1.3, other.size)])
    cells, first = np.unique(np.concatenate([seen, other]), return_index=True)
    ones = np.ones(given.size, np.int8)
    return rows_of(given, ones), rows_of(cells, p[first]), rows_of(wrong, np.ones(wrong.size, bool))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    labels, probs, wrong = make_large()
    np.save(folder / "shape.npy", [N, L])
    for name, matrix in (("labels", labels), ("probs", probs)):
        for part in ("indptr", "indices", "data"):
            np.save(folder / f"{name}_{part}.npy", getattr(matrix, part))
    child = subprocess.run(
        [sys.executable, str(CHILD), str(folder), str(LIMIT_MB)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    answers = dict(np.load(folder / "answers.npz"))
    memory = json.loads((folder / "memory.json").read_text())
    print(json.dumps(memory, indent=1))
    return Search(labels, probs, wrong, answers, memory)


# -------------------------------------------------------------------------------------------------------------- memory


def test_the_problem_is_as_large_as_it_claims(search):
    assert search.labels.nnz + search.probs.nnz >= 5_000_000
    assert search.labels.shape == search.probs.shape == (N, L)
    assert (np.bincount(search.labels.indices) >= 10).sum() > 5000


def test_the_search_stays_below_the_limit_of_anonymous_memory(search):
    """RLIMIT_DATA stopped it otherwise; the resident peak counts shared libraries too."""
    assert search.memory["anonymous"] < LIMIT_MB
    assert search.memory["peak"] < LIMIT_MB


def test_every_step_needs_memory_for_what_is_stored_and_not_for_all_cells(search):
    """8 bytes for each stored cell, 200 for each label and thread, and the answer."""
    n_stored, n_flagged = search.labels.nnz + search.probs.nnz, search.answers["cells_indices"].size
    allowed = 8 * n_stored + 2 * 200 * L + 16 * N + 32 * n_flagged
    assert allowed < 0.02 * N * L
    for name, step in search.memory["steps"].items():
        assert step["peak"] - step["before"] < allowed / 2**20, name


# ---------------------------------------------------------------------------------------------------------- the answers


def chosen_labels(search):
    """50 labels at random: 20 of all, 30 of those with at least 20 positives."""
    rng = np.random.default_rng(1)
    common = np.flatnonzero(np.bincount(search.labels.indices, minlength=L) >= 20)
    return np.concatenate([rng.choice(L, 20, replace=False), rng.choice(common, 30, replace=False)])


def test_flags_and_thresholds_equal_the_reference_on_fifty_label_columns(search):
    columns = chosen_labels(search)
    labels = search.labels.tocsc()[:, columns].toarray()
    probs = search.probs.tocsc()[:, columns].toarray()
    flagged = search.flagged.tocsc()[:, columns].toarray()
    thresholds = search.answers["thresholds"][columns]
    np.testing.assert_allclose(thresholds, oracle.confident_thresholds(labels, probs), rtol=0, atol=1e-12)
    for at in range(len(columns)):
        one = labels[:, at : at + 1], probs[:, at : at + 1]
        expected = oracle.cell_flags(*one, filter_by="prune_by_noise_rate", thresholds=thresholds[at : at + 1])
        np.testing.assert_array_equal(flagged[:, at], expected[:, 0])
    assert flagged.sum() > 100
    assert (flagged & (labels == 1)).any()
    assert (flagged & (labels == 0)).any()


def test_flags_equal_the_reference_of_stored_cells_on_two_thousand_labels(search):
    """The reference again, with the cells that are stored nowhere as one group."""
    rng = np.random.default_rng(2)
    columns = rng.choice(L, 2000, replace=False)
    labels = search.labels.tocsc()[:, columns].astype(np.int8)
    probs, flagged = search.probs.tocsc()[:, columns], search.flagged.tocsc()[:, columns]
    for at, label in enumerate(columns):
        given, p, flags = (matrix[:, [at]].tocoo() for matrix in (labels, probs, flagged))
        rows = np.union1d(given.row, p.row)
        dense = [np.zeros(rows.size), np.zeros(rows.size)]
        for values, matrix in zip(dense, (given, p)):
            values[np.searchsorted(rows, matrix.row)] = matrix.data
        expected = oracle.stored_cell_flags(
            dense[0].astype(np.int8), dense[1], N - rows.size, search.answers["thresholds"][label]
        )
        np.testing.assert_array_equal(np.sort(flags.row), rows[expected])


def test_the_flagged_rows_are_those_with_a_flagged_cell(search):
    np.testing.assert_array_equal(search.answers["rows"], np.diff(search.answers["cells_indptr"]) > 0)


def cell_numbers(matrix):
    """row * L + label of the stored cells, ascending."""
    return np.repeat(np.arange(N), np.diff(matrix.indptr)) * L + matrix.indices


def probs_of(search, cells):
    """Probabilities of these cells, as doubles."""
    stored = np.append(cell_numbers(search.probs), N * L)
    at = np.searchsorted(stored, cells)
    return np.where(stored[at] == cells, np.append(search.probs.data, 0)[at], 0).astype(np.float64)


def explicit_scores(search, row):
    """Self-confidence of the labels of a row that are given or scored, ascending; all others have 1."""
    given = search.labels.indices[slice(*search.labels.indptr[row : row + 2])]
    stored = slice(*search.probs.indptr[row : row + 2])
    scored, p = search.probs.indices[stored], search.probs.data[stored].astype(np.float64)
    is_given = np.isin(scored, given)
    n_unscored = given.size - np.count_nonzero(is_given)
    return sorted([*np.where(is_given, p, 1 - p).tolist(), *[0.0] * n_unscored])


def test_scores_of_every_flagged_row_equal_the_reference(search):
    rows = np.flatnonzero(search.answers["rows"])
    assert len(rows) > 1000
    expected = np.empty(len(rows))
    for at, row in enumerate(rows):
        scores = explicit_scores(search, row)
        expected[at] = oracle.moving_average_with_ones(scores, L - len(scores), 0.8)
    np.testing.assert_allclose(search.answers["scores"][rows], expected, rtol=0, atol=1e-12)


def test_every_flagged_cell_contradicts_the_model(search):
    flagged = cell_numbers(search.flagged)
    is_given, p = np.isin(flagged, cell_numbers(search.labels)), probs_of(search, flagged)
    assert np.where(is_given, p < 0.5, p > 0.5).all()


def adjusted(cells, labels, thresholds):
    """Shift self-confidences by the labels' thresholds, of all labels at once."""
    largest = thresholds.max(axis=1)
    own = np.where(labels == 1, thresholds[:, 1], thresholds[:, 0])
    return (cells - own + largest) / (1 - thresholds.sum(axis=1) + 2 * largest)


def test_scores_of_whole_dense_rows_equal_the_reference(search):
    """All 100,000 cells of sixty rows, flagged and not, thirty at a time."""
    rng = np.random.default_rng(3)
    flagged = np.flatnonzero(search.answers["rows"])
    unflagged = np.flatnonzero(~search.answers["rows"])
    for rows in (rng.choice(flagged, 30, replace=False), rng.choice(unflagged, 30, replace=False)):
        labels = search.labels[rows].toarray()
        p = search.probs[rows].toarray().astype(np.float64)
        for name, adjust in (("scores", False), ("adjusted_scores", True)):
            cells = np.where(labels == 1, p, 1 - p)
            if adjust:
                cells = adjusted(cells, labels, search.answers["thresholds"])
            expected = oracle.aggregate(cells, aggregator="exponential_moving_average")
            np.testing.assert_allclose(search.answers[name][rows], expected, rtol=0, atol=1e-12)


def test_the_worst_cells_are_those_of_the_reference(search):
    """Sorted out of all that score at most 1/2: the given cells, and those with p of 1/2 and more."""
    given, high = cell_numbers(search.labels), cell_numbers(search.probs)[search.probs.data >= 0.5]
    cells = np.union1d(given, high)
    is_given, p = np.isin(cells, given), probs_of(search, cells)
    scores = np.where(is_given, p, 1 - p)
    worst = np.lexsort((cells, scores))[:10_000]
    assert scores[worst[-1]] < 0.5
    answers = search.answers
    np.testing.assert_array_equal(answers["worst_row"] * L + answers["worst_label"], cells[worst])
    for name, values in (("score", scores), ("p", p), ("given", is_given)):
        np.testing.assert_array_equal(answers[f"worst_{name}"], values[worst])


def test_most_planted_errors_are_flagged_and_most_flags_are_planted_errors(search):
    n_found = search.flagged.multiply(search.wrong).nnz
    assert n_found / search.wrong.nnz > 0.75
    assert n_found / search.flagged.nnz > 0.5
