"""With compat="cleanlab" the functions of the quality room give the peer's very answers, dense or sparse."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import sparse

pytest.importorskip("cleanlab")

from cleanlab.count import compute_confident_joint as peer_joint
from cleanlab.count import get_confident_thresholds as peer_thresholds
from cleanlab.multilabel_classification import filter as peer_filter
from cleanlab.multilabel_classification import rank as peer_rank

from compat.peer import (
    CROWDED,
    DISTINCT,
    KINDS,
    _one_process,  # noqa: F401 - a fixture that every test here uses
    assert_same_cells,
    lists,
    quiet,
    searchable,
    some_data,
)
from mlkit._validation.cells import check_cells
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
from reference.quality_inputs import Data, as_csr, make_data

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")]

DTYPES = ("float16", "float32", "float64")
SETTINGS = [(1.0, 1), (0.5, 1), (0.1, 0), (0.93, 3), (1.0, 6)]  # frac_noise, min_examples_per_class
SCORERS = [(method, False) for method in oracle.METHODS] + [(method, True) for method in oracle.METHODS[:2]]
PEER = {"compat": "cleanlab"}


def forms(data: Data) -> list[Any]:
    """The probabilities in each form that must not matter."""
    dense = [data.probs, np.asfortranarray(data.probs)]
    return dense if data.probs.dtype == np.float16 else [*dense, as_csr(data.probs, np.random.default_rng(0))]


# ------------------------------------------------------------------------------------------------ thresholds and joint


@pytest.mark.parametrize("kind", [*KINDS, "subnormal", "no_labels", "every_label", "one_row"])
def test_thresholds_and_joints_are_the_peers_to_the_bit(kind):
    n_labels = 0
    for data in some_data((kind,), 4, DTYPES):
        theirs = peer_thresholds(lists(data.labels), data.probs, multi_label=True)
        joints = [peer_joint(lists(data.labels), data.probs, multi_label=True, calibrate=c) for c in (False, True)]
        for probs in forms(data):
            np.testing.assert_array_equal(get_confident_thresholds(data.labels, probs, **PEER), theirs)
            for calibrate, joint in enumerate(joints):
                ours = compute_confident_joint(data.labels, probs, calibrate=bool(calibrate), **PEER)
                np.testing.assert_array_equal(ours, joint)
        n_labels += data.labels.shape[1]
    assert n_labels >= 12


def test_thresholds_of_long_columns_are_summed_in_the_peers_order():
    rng = np.random.default_rng(5)
    for n, dtype in itertools.product((127, 1_000, 12_345, 70_001), (np.float32, np.float64)):
        probs = rng.random((n, 3)).astype(dtype)
        labels = (rng.random((n, 3)) < [0.01, 0.2, 0.7]).astype(np.int8)
        theirs = peer_thresholds(lists(labels), probs, multi_label=True)
        np.testing.assert_array_equal(get_confident_thresholds(labels, probs, **PEER), theirs)


# --------------------------------------------------------------------------------------------------------------- flags


def peer_cells(data: Data, filter_by: str, frac_noise: float, least: int) -> np.ndarray:
    with quiet():
        return peer_filter.find_multilabel_issues_per_class(
            lists(data.labels),
            data.probs,
            filter_by=filter_by,
            frac_noise=frac_noise,
            min_examples_per_class=least,
            n_jobs=1,
        )


@pytest.mark.parametrize("filter_by", oracle.FILTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_flagged_cells_are_the_peers(kind, filter_by):
    n_labels = 0
    settings = SETTINGS if filter_by in oracle.PRUNE_FILTERS else SETTINGS[:1]
    for seed, raw in enumerate(some_data((kind,), 3, DTYPES)):
        data = searchable(raw, filter_by)
        if data.labels.shape[1] == 0:
            continue
        frac_noise, least = settings[seed % len(settings)]
        theirs = peer_cells(data, filter_by, frac_noise, least)
        for probs in forms(data):
            options = {"filter_by": filter_by, "frac_noise": frac_noise, "min_examples_per_class": least, **PEER}
            ours = find_cell_issues(data.labels, probs, **options).toarray()
            assert_same_cells(data, ours, theirs, filter_by)
            if kind in DISTINCT and data.probs.dtype == np.float64:
                np.testing.assert_array_equal(ours, theirs)
            n_labels += data.labels.shape[1]
            if filter_by not in oracle.LOW_FILTERS:
                rows = find_label_issues(data.labels, probs, **options)
                np.testing.assert_array_equal(rows, ours.any(axis=1))
    assert n_labels >= 8


@pytest.mark.parametrize("filter_by", [*oracle.PRUNE_FILTERS, "low_self_confidence"])
def test_with_a_stable_sort_in_its_place_the_peer_takes_the_cells_that_we_take(filter_by, monkeypatch):
    def stable_argsort(a: Any, *args: Any, _argsort: Any = np.argsort, **options: Any) -> Any:
        return _argsort(a, *args, **{**options, "kind": "stable"})

    monkeypatch.setattr(np, "argsort", stable_argsort)
    n_flags = 0
    for raw in some_data(("rounded", "saturated", "constant", "at_the_threshold"), 12, ("float32", "float64")):
        data = searchable(raw, filter_by)
        if data.labels.shape[1] == 0:
            continue
        ours = find_cell_issues(data.labels, data.probs, filter_by=filter_by, **PEER).toarray()
        np.testing.assert_array_equal(ours, peer_cells(data, filter_by, 1.0, 1))
        n_flags += int(ours.sum())
    assert n_flags > 1000


def test_the_veto_turns_at_the_peers_bit():
    for dtype, (centre, value) in itertools.product(DTYPES, ((0.5 + 5e-7, 0), (0.5 - 5e-7, 1))):
        kind = np.dtype(dtype).type
        probs = (kind(centre) + np.arange(-300, 301).astype(dtype) * np.spacing(kind(centre))).astype(dtype)
        probs = np.append(probs, kind(0.5))[:, None]
        labels = np.full(probs.shape, value, np.int8)
        labels[-1] = 1 - value  # the peer wants both values
        ours = find_cell_issues(labels, probs, filter_by="predicted_neq_given", **PEER).toarray()
        np.testing.assert_array_equal(ours, peer_cells(Data(labels, probs), "predicted_neq_given", 1.0, 1))
        assert 200 < ours.sum() < 400


def test_narrow_floats_make_a_difference_that_is_kept():
    """Hostile float32 columns in which the same values, widened to double, get other flags."""
    n_different = 0
    for data in some_data(("near_half", "at_the_veto", "small", "at_the_threshold"), 10, ("float32",)):
        data = searchable(data)
        narrow = find_cell_issues(data.labels, data.probs, **PEER).toarray()
        wide = find_cell_issues(data.labels, data.probs.astype(np.float64), **PEER).toarray()
        n_different += int((narrow != wide).any(axis=0).sum())
        assert_same_cells(data, narrow, peer_cells(data, "prune_by_noise_rate", 1.0, 1), "prune_by_noise_rate")
    assert n_different > 10


# -------------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize(("method", "adjust"), SCORERS)
def test_cell_scores_are_the_peers_to_1e_12(method, adjust):
    n_cells = 0
    for data in some_data((*KINDS, "subnormal"), 6, DTYPES):
        if method == "confidence_weighted_entropy" and (data.probs.min() < 0 or data.probs.max() > 1):
            continue  # the peer refuses these
        if not data.labels.any():
            continue
        theirs = peer_rank.get_label_quality_scores_per_class(
            lists(data.labels), data.probs, method=method, adjust_pred_probs=adjust
        )
        for probs in forms(data):
            ours = get_cell_quality_scores(data.labels, probs, method=method, adjust_pred_probs=adjust, **PEER)
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
            n_cells += ours.size
    assert n_cells > 40_000


AGGREGATORS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"method": "exponential_moving_average", "alpha": 0.8}),
    ({"alpha": 0.3}, {"method": "exponential_moving_average", "alpha": 0.3}),
    ({"alpha": 1.0}, {"method": "exponential_moving_average", "alpha": 1}),
    ({"alpha": None}, {"method": "exponential_moving_average"}),
    ({"aggregator": "softmin"}, {"method": "softmin"}),
    ({"aggregator": "softmin", "temperature": 1e-3}, {"method": "softmin", "temperature": 1e-3}),
    ({"aggregator": "mean"}, {"method": np.mean}),
    ({"aggregator": "min"}, {"method": np.min}),
    ({"aggregator": "max"}, {"method": np.max}),
    ({"aggregator": "median"}, {"method": np.median}),
]


@pytest.mark.parametrize(("ours", "theirs"), AGGREGATORS)
def test_row_scores_are_the_peers_to_1e_12(ours, theirs):
    n_rows = 0
    for method, adjust in SCORERS:
        for data in some_data(KINDS, 1, DTYPES):
            odd = data.probs.min() < 0 or data.probs.max() > 1
            if data.labels.shape[1] < 2 or not data.labels.any() or (method.endswith("entropy") and odd):
                continue  # the peer refuses these
            expected = peer_rank.get_label_quality_scores(
                lists(data.labels), data.probs, method=method, adjust_pred_probs=adjust, aggregator_kwargs=dict(theirs)
            )
            for probs in forms(data):
                scores = get_label_quality_scores(
                    data.labels, probs, method=method, adjust_pred_probs=adjust, **ours, **PEER
                )
                np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)
                n_rows += len(scores)
    assert n_rows > 4_000


@pytest.mark.parametrize("method", oracle.METHODS)
def test_ranks_of_rows_are_the_peers(method):
    n_rows = 0
    for seed, dtype in itertools.product(range(12), DTYPES):
        data = searchable(make_data("smooth", seed, dtype))
        options = {"return_indices_ranked_by": method}
        with quiet():
            theirs = peer_filter.find_label_issues(lists(data.labels), data.probs, n_jobs=1, **options)
        for probs in forms(data):
            ours = find_label_issues(data.labels, probs, **options, **PEER)
            if dtype == "float64":
                np.testing.assert_array_equal(ours, theirs)
            scores = get_label_quality_scores(data.labels, probs, method=method, **PEER)
            np.testing.assert_array_equal(np.sort(ours), np.sort(theirs))
            np.testing.assert_allclose(scores[ours], scores[theirs], rtol=0, atol=1e-12)
            n_rows += len(ours)
    assert n_rows > 1000


@pytest.mark.parametrize(("method", "adjust"), SCORERS)
def test_the_worst_cells_are_those_with_the_lowest_of_all_scores(method, adjust, monkeypatch):
    monkeypatch.setattr("mlkit.quality._peer.BLOCK", 100)  # several blocks of rows
    for data in some_data(("smooth", "rounded", "unknown_few"), 4, DTYPES):
        for probs in forms(data):
            cells = check_cells(data.labels, probs)
            thresholds = _engine.thresholds(cells, "cleanlab") if adjust else None
            scores = _engine.cell_scores(cells, method, thresholds, "cleanlab")
            rows, labels = oracle.worst_cells(data.labels, data.probs, scores, 25)
            found = _engine.worst_cells(cells, 25, method, thresholds, "cleanlab")
            for ours, expected in zip(found, (rows, labels, data.labels[rows, labels], data.probs[rows, labels])):
                np.testing.assert_array_equal(ours, expected)
            np.testing.assert_array_equal(found[4], scores[rows, labels])
            assert all(len(column) == 0 for column in _engine.worst_cells(cells, 0, method, thresholds, "cleanlab"))


# -------------------------------------------------------------------------------------------------------- our own ends


def test_the_entropy_of_the_peer_refuses_what_the_peer_refuses():
    probs = np.array([[0.5, 1 + 5e-7], [0.25, 0.5]])
    with pytest.raises(ValueError, match=r"pred_probs: expected values in \[0, 1\] without exception .*1\.0000005"):
        get_label_quality_scores([[0], [1]], probs, method="confidence_weighted_entropy", **PEER)


def test_a_score_that_the_peer_does_not_have_stays_ours():
    for dtype in DTYPES:
        data = make_data("smooth", 2, dtype)
        ours = [
            get_cell_quality_scores(*data, method="error_posterior", compat=compat) for compat in (None, "cleanlab")
        ]
        np.testing.assert_array_equal(*ours)


def test_a_function_as_aggregator_gets_the_peers_scores_of_the_cells():
    data = make_data("saturated", 2, "float32")
    for probs in forms(data):
        cells = get_cell_quality_scores(data.labels, probs, method="confidence_weighted_entropy", **PEER)
        rows = get_label_quality_scores(
            data.labels, probs, method="confidence_weighted_entropy", aggregator=lambda s: s.min(axis=1), **PEER
        )
        np.testing.assert_array_equal(rows, cells.min(axis=1))


def test_unknown_cells_take_no_part():
    for kind, dtype in itertools.product(("unknown_few", "unknown_most", "unknown_whole"), ("float32", "float64")):
        data = make_data(kind, 3, dtype)
        for probs in (data.probs, as_csr(data.probs)):
            ours = get_confident_thresholds(data.labels, probs, **PEER)
            np.testing.assert_array_equal(ours, oracle.confident_thresholds(*data, compat="cleanlab"))
            flags = find_cell_issues(data.labels, probs, **PEER).toarray()
            expected = oracle.cell_flags(*data, filter_by="prune_by_noise_rate", compat="cleanlab")
            assert_same_cells(data, flags, expected, "prune_by_noise_rate")
            for method in oracle.METHODS:
                cells = oracle.cell_scores(*data, method=method, compat="cleanlab")
                rows = oracle.aggregate(cells, aggregator="exponential_moving_average")
                scores = get_label_quality_scores(data.labels, probs, method=method, **PEER)
                np.testing.assert_allclose(scores, rows, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_neither_threads_nor_the_form_of_labels_matter(dtype):
    data = searchable(make_data("rounded", 6, dtype))
    for labels, n_jobs in itertools.product(
        (data.labels, sparse.csr_array(data.labels), lists(data.labels)), (1, 2, 3)
    ):
        how = {"n_jobs": n_jobs, **PEER}
        for method in oracle.METHODS:
            np.testing.assert_array_equal(
                get_label_quality_scores(labels, data.probs, method=method, **how),
                get_label_quality_scores(data.labels, data.probs, method=method, **PEER),
            )
        np.testing.assert_array_equal(
            find_label_issues(labels, data.probs, **how), find_label_issues(data.labels, data.probs, **PEER)
        )


def test_crowded_data_are_crowded():
    """What the kinds of data without distinct keys are for: keys tie at the cut, and the choice of the peer differs."""
    n_ties = 0
    for raw in some_data(CROWDED, 4, ("float32", "float64")):
        data = searchable(raw)
        for label in range(data.labels.shape[1]):
            keys = tie_keys_of_given(data, label)
            n_ties += len(keys) - len(np.unique(keys))
    assert n_ties > 1000


def tie_keys_of_given(data: Data, label: int) -> np.ndarray:
    return data.probs[data.labels[:, label] == 1, label]
