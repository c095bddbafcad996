"""Every road to an answer ends at the same bits: threads, memory layout, storage, width of floats, form of labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from mlkit import _core
from mlkit._validation.cells import check_cells
from mlkit.labels import as_label_matrix
from mlkit.quality import (
    _engine,
    compute_confident_joint,
    find_cell_issues,
    find_label_issues,
    get_cell_quality_scores,
    get_confident_thresholds,
    get_label_quality_scores,
)
from reference import quality as oracle
from reference.quality_inputs import Data, as_csr, make_data, smooth

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")

AGGREGATORS = [
    {"aggregator": "exponential_moving_average"},
    {"aggregator": "exponential_moving_average", "alpha": 0.05},
    {"aggregator": "exponential_moving_average", "alpha": None},
    {"aggregator": "softmin"},
    {"aggregator": "mean"},
    {"aggregator": "min"},
    {"aggregator": "max"},
    {"aggregator": "median"},
    {"aggregator": "k_smallest", "k": 5},
    {"aggregator": "log"},
]
SCORERS = [
    {"method": "self_confidence"},
    {"method": "self_confidence", "adjust_pred_probs": True},
    {"method": "confidence_weighted_entropy"},
]


def of_thresholds_and_joints(labels, probs, **how):
    cells = check_cells(labels, probs, **how)
    yield "side_sums", _core.quality.side_sums(*cells.core, cells.n_threads)
    yield "get_confident_thresholds", get_confident_thresholds(labels, probs, **how)
    for calibrate in (False, True):
        yield f"joint, calibrate={calibrate}", compute_confident_joint(labels, probs, calibrate=calibrate, **how)


def of_flags(labels, probs, **how):
    for filter_by in oracle.FILTERS:
        options = {"filter_by": filter_by, "frac_noise": 0.3 if filter_by == "both" else 1.0, **how}
        yield f"rows, {filter_by}", find_label_issues(labels, probs, **options)
        cells = find_cell_issues(labels, probs, **options).tocoo()
        yield f"cells, {filter_by}", np.stack([cells.row, cells.col])
    for method in oracle.METHODS:
        yield f"ranked by {method}", find_label_issues(labels, probs, return_indices_ranked_by=method, **how)


def of_row_scores(labels, probs, **how):
    for scorer in SCORERS:
        for aggregator in AGGREGATORS if scorer == SCORERS[0] else AGGREGATORS[::3]:
            yield f"{scorer}, {aggregator}", get_label_quality_scores(labels, probs, **scorer, **aggregator, **how)


def of_cell_scores(labels, probs, **how):
    for scorer in SCORERS:
        yield f"cells, {scorer}", get_cell_quality_scores(labels, probs, **scorer, **how)
        worst = get_cell_quality_scores(labels, probs, top=500, **scorer, **how)
        if worst["label"].dtype != np.int32:  # a frame's columns have names
            worst["label"] = worst["label"].map(list(probs.columns).index).astype(np.int32)
        for column in worst.columns:
            yield f"worst cells, {scorer}, {column}", worst[column].to_numpy()


def of_areas(labels, probs, **how):
    yield "label_auc", _engine.label_auc(check_cells(labels, probs, **how))


TOPICS = (of_thresholds_and_joints, of_flags, of_row_scores, of_cell_scores, of_areas)


def assert_same_bits(ours, expected):
    for (name, a), (_, b) in zip(ours, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), name
        assert a.tobytes() == b.tobytes(), name


def answers(topic, labels, probs, **how):
    return list(topic(labels, probs, **how))


def half_stored(n, n_labels, seed=0):
    """A third of the probabilities is 0, some are 1, many are tied; all are float32 numbers."""
    rng = np.random.default_rng([seed, n, n_labels])
    probs = smooth(rng, n, n_labels)
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    labels[rng.random(labels.shape) < 0.03] ^= 1
    probs = np.where(rng.random(probs.shape) < 0.3, probs.round(2), probs)
    probs[rng.random(probs.shape) < 0.3] = 0
    return Data(labels, probs.astype(np.float32).astype(np.float64))


def with_unknown(data, seed=1):
    rng = np.random.default_rng(seed)
    return Data(np.where(rng.random(data.labels.shape) < 0.2, -1, data.labels).astype(np.int8), data.probs)


# ------------------------------------------------------------------------------------------------------------- threads

# Threads start at one for each 100,000 cells read: at these sizes eight of them work.
LARGE = half_stored(5003, 151)
LARGE_SPARSE = half_stored(6803, 157, seed=1)


def large_cases():
    return {
        "float64 in C order": (LARGE.labels, LARGE.probs),
        "float32 in Fortran order": (LARGE.labels, np.asfortranarray(LARGE.probs, np.float32)),
        "CSR": (LARGE_SPARSE.labels, as_csr(LARGE_SPARSE.probs)),
        "float32 CSR with unknown cells": (
            with_unknown(LARGE_SPARSE).matrix,
            as_csr(LARGE_SPARSE.probs.astype(np.float32)),
        ),
        "positive-only labels": (with_unknown(LARGE).positive_only, LARGE.probs),
    }


@pytest.fixture(scope="module")
def one_thread():
    """Answers of one thread, by topic and case."""
    return {}


def test_the_large_cases_are_read_by_eight_threads():
    for _, probs in large_cases().values():
        n_stored = probs.nnz if sparse.issparse(probs) else probs.size
        assert 1 + n_stored // 100_000 >= 8


@pytest.mark.parametrize("n_jobs", [2, 3, 8])
@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("case", list(large_cases()))
def test_answers_have_the_same_bits_for_every_n_jobs(case, topic, n_jobs, one_thread):
    labels, probs = large_cases()[case]
    if (case, topic) not in one_thread:
        one_thread[case, topic] = answers(topic, labels, probs, n_jobs=1)
    assert_same_bits(answers(topic, labels, probs, n_jobs=n_jobs), one_thread[case, topic])


@pytest.mark.parametrize("topic", TOPICS)
def test_dense_and_sparse_answers_of_many_threads_have_the_same_bits(topic):
    dense = answers(topic, *LARGE_SPARSE, n_jobs=3)
    assert_same_bits(answers(topic, LARGE_SPARSE.labels, as_csr(LARGE_SPARSE.probs), n_jobs=2), dense)


# ------------------------------------------------------------------------------------------------- forms of the inputs

SMALL = half_stored(611, 37, seed=2)
SMALL_UNKNOWN = with_unknown(SMALL)


def memory_mapped(probs, folder):
    path = folder / "probs.npy"
    np.save(path, probs)
    return np.load(path, mmap_mode="r")


def read_only(probs):
    probs = probs.copy()
    probs.flags.writeable = False
    return probs


def strided(probs):
    wide = np.full((2 * probs.shape[0], 3 * probs.shape[1]), np.nan)
    wide[::2, 1::3] = probs
    return wide[::2, 1::3]


def misaligned_rows(probs):
    """Rows that do not begin at multiples of 8 bytes, as in a structured array."""
    record = np.zeros(len(probs), dtype=[("id", np.int8), ("p", np.float64, probs.shape[1])])
    record["p"] = probs
    return record["p"]


def unsorted_rows(probs):
    csr = as_csr(probs)
    for begin, end in zip(csr.indptr[:-1], csr.indptr[1:]):
        csr.indices[begin:end] = csr.indices[begin:end][::-1].copy()
        csr.data[begin:end] = csr.data[begin:end][::-1].copy()
    csr.has_sorted_indices = False
    return csr


def wide_indices(probs):
    csr = as_csr(probs)
    csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    return csr


def all_stored(labels):
    n, n_labels = labels.shape
    indices, indptr = np.tile(np.arange(n_labels), n), np.arange(n + 1) * n_labels
    return sparse.csr_array((labels.ravel(), indices, indptr), shape=labels.shape)


PROBS = {
    "Fortran order": lambda probs, folder: np.asfortranarray(probs),
    "strided": lambda probs, folder: strided(probs),
    "strided in Fortran order": lambda probs, folder: strided(probs.T).T,
    "rows backwards": lambda probs, folder: probs[::-1].copy()[::-1],
    "labels backwards": lambda probs, folder: probs[:, ::-1].copy()[:, ::-1],
    "both backwards in Fortran order": lambda probs, folder: np.asfortranarray(probs[::-1, ::-1])[::-1, ::-1],
    "misaligned": lambda probs, folder: misaligned_rows(probs),
    "memmap": memory_mapped,
    "memmap in Fortran order": lambda probs, folder: memory_mapped(np.asfortranarray(probs), folder),
    "read-only": lambda probs, folder: read_only(probs),
    "float32": lambda probs, folder: probs.astype(np.float32),
    "float32 in Fortran order": lambda probs, folder: np.asfortranarray(probs, np.float32),
    "float32 strided": lambda probs, folder: np.repeat(probs.astype(np.float32), 2, axis=1)[:, ::2],
    "float32 memmap": lambda probs, folder: memory_mapped(probs.astype(np.float32), folder),
    "CSR": lambda probs, folder: as_csr(probs),
    "CSR matrix": lambda probs, folder: sparse.csr_matrix(as_csr(probs)),
    "CSR of float32": lambda probs, folder: as_csr(probs.astype(np.float32)),
    "CSR with stored zeros": lambda probs, folder: as_csr(probs, np.random.default_rng(3)),
    "CSR with unsorted rows": lambda probs, folder: unsorted_rows(probs),
    "CSR with 64-bit indices": lambda probs, folder: wide_indices(probs),
    "CSC": lambda probs, folder: as_csr(probs).tocsc(),
    "COO": lambda probs, folder: as_csr(probs).tocoo(),
    "pandas": lambda probs, folder: pd.DataFrame(probs),
    "pandas of float32": lambda probs, folder: pd.DataFrame(probs.astype(np.float32)),
    "polars": lambda probs, folder: pl.DataFrame(probs),
    "pairs of a multi-output classifier": lambda probs, folder: [np.stack([1 - p, p], axis=1) for p in probs.T],
}
LABELS = {
    "bool": lambda labels: labels == 1,
    "int64": lambda labels: labels.astype(np.int64),
    "float32": lambda labels: labels.astype(np.float32),
    "Fortran order": np.asfortranarray,
    "strided": lambda labels: np.repeat(labels, 3, axis=0)[::3],
    "rows backwards": lambda labels: labels[::-1].copy()[::-1],
    "lists": lambda labels: [np.flatnonzero(row).tolist() for row in labels],
    "lists in disorder": lambda labels: [np.flatnonzero(row)[::-1].tolist() for row in labels],
    "tuples": lambda labels: [tuple(np.flatnonzero(row)) for row in labels],
    "CSR": sparse.csr_array,
    "CSR with stored zeros": lambda labels: all_stored(labels),
    "CSC": sparse.csc_array,
    "pandas": pd.DataFrame,
    "LabelMatrix": as_label_matrix,
}


@pytest.fixture(scope="module")
def plain():
    """Answers for C-contiguous float64, by topic, with and without unknown cells."""
    return {
        (topic, data is SMALL_UNKNOWN): answers(topic, data.matrix, data.probs, n_jobs=1)
        for topic in TOPICS
        for data in (SMALL, SMALL_UNKNOWN)
    }


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("form", list(PROBS))
def test_probabilities_of_every_form_give_the_same_bits(form, topic, plain, tmp_path):
    for data in (SMALL, SMALL_UNKNOWN):
        probs = PROBS[form](data.probs, tmp_path)
        assert_same_bits(answers(topic, data.matrix, probs), plain[topic, data is SMALL_UNKNOWN])


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("form", list(LABELS))
def test_labels_of_every_form_give_the_same_bits(form, topic, plain):
    assert_same_bits(answers(topic, LABELS[form](SMALL.labels), SMALL.probs), plain[topic, False])


@pytest.mark.parametrize("topic", TOPICS)
def test_float16_gives_the_bits_of_the_doubles_that_it_stands_for(topic):
    half = SMALL.probs.astype(np.float16)
    expected = answers(topic, SMALL.labels, half.astype(np.float64))
    for probs in (half, np.asfortranarray(half), as_csr(half) if sparse_floats_may_be_short() else half):
        assert_same_bits(answers(topic, SMALL.labels, probs), expected)


def sparse_floats_may_be_short():
    """SciPy has no sparse matrices of float16 in some versions."""
    try:
        sparse.csr_array((np.ones(1, np.float16), [0], [0, 1]), shape=(1, 1))
    except (TypeError, ValueError):
        return False
    return True


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("kind", ["outside", "saturated", "subnormal", "unknown_most", "one_row", "one_label"])
def test_dense_and_sparse_agree_in_bits_on_hard_data(kind, topic):
    rng = np.random.default_rng([4, *kind.encode()])
    for seed in range(1, 5):
        data = make_data(kind, seed)
        assert_same_bits(answers(topic, data.matrix, as_csr(data.probs, rng)), answers(topic, data.matrix, data.probs))


# ------------------------------------------------------------------------------------------------------- unknown cells


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("form", ["mask", "sparse mask", "minus one", "NaN", "NaN probabilities", "stored -1"])
def test_every_way_to_say_unknown_gives_the_same_bits(form, topic, plain):
    labels, probs = SMALL_UNKNOWN
    mask = labels < 0
    filled = np.where(mask, 1, labels)
    by_form = {
        "mask": (filled, probs, {"unknown": mask}),
        "sparse mask": (filled, probs, {"unknown": sparse.csr_array(mask)}),
        "minus one": (labels, probs, {}),
        "NaN": (np.where(mask, np.nan, labels), probs, {}),
        "NaN probabilities": (filled, np.where(mask, np.nan, probs), {"nan_policy": "mask"}),
        "stored -1": (sparse.csr_array(labels), as_csr(probs), {}),
    }
    given, p, how = by_form[form]
    assert_same_bits(answers(topic, given, p, **how), plain[topic, True])


@pytest.mark.parametrize("topic", TOPICS)
def test_positive_only_labels_give_the_bits_of_their_mask(topic, plain):
    for probs in (SMALL.probs, as_csr(SMALL.probs)):
        assert_same_bits(answers(topic, SMALL_UNKNOWN.positive_only, probs), plain[topic, True])


def test_an_unknown_cell_counts_for_its_label_as_if_it_had_been_deleted():
    """One label at a time: the known rows alone give the same bits."""
    whole = {topic: dict(topic(SMALL_UNKNOWN.matrix, SMALL_UNKNOWN.probs)) for topic in TOPICS}
    for label in range(SMALL.labels.shape[1]):
        known = np.flatnonzero(SMALL_UNKNOWN.labels[:, label] >= 0)
        one = SMALL_UNKNOWN.labels[known, label : label + 1], SMALL_UNKNOWN.probs[known, label : label + 1]
        for topic in (of_thresholds_and_joints, of_areas):
            for name, answer in topic(*one):
                assert answer[0].tobytes() == whole[topic][name][label].tobytes(), name
        for name, cells in of_flags(*one):
            if name.startswith("cells"):
                rows, columns = whole[of_flags][name]
                np.testing.assert_array_equal(known[cells[0]], rows[columns == label])
        for scorer in SCORERS:
            alone = get_cell_quality_scores(*one, **scorer)
            assert alone[:, 0].tobytes() == whole[of_cell_scores][f"cells, {scorer}"][known, label].tobytes()


def test_an_unknown_cell_counts_for_its_row_as_if_it_had_been_deleted():
    whole = dict(of_row_scores(SMALL_UNKNOWN.matrix, SMALL_UNKNOWN.probs))
    for row in range(40):
        known = SMALL_UNKNOWN.labels[row] >= 0
        one = SMALL_UNKNOWN.labels[row : row + 1, known], SMALL_UNKNOWN.probs[row : row + 1, known]
        for name, score in of_row_scores(*one):
            if "adjust" not in name:  # thresholds would be those of one row
                assert score[0] == whole[name][row], name


def test_a_row_without_a_known_cell_has_no_score_and_no_flag():
    labels = SMALL.labels.copy()
    labels[5] = -1
    data = Data(labels, SMALL.probs)
    for probs in (data.probs, as_csr(data.probs)):
        for _, scores in of_row_scores(data.matrix, probs):
            np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores)), [5])
        for name, answer in of_flags(data.matrix, probs):
            rows = np.flatnonzero(answer) if answer.dtype == bool else np.atleast_2d(answer)[0]
            assert 5 not in rows, name
