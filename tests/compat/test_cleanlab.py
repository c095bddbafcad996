"""mlkit.compat.cleanlab is cleanlab 2.9.0 for its callers: signatures, types, answers, refusals."""

from __future__ import annotations

import inspect
import itertools
import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

pytest.importorskip("cleanlab")

from cleanlab.multilabel_classification import dataset as peer_dataset
from cleanlab.multilabel_classification import filter as peer_filter
from cleanlab.multilabel_classification import rank as peer_rank

from compat.peer import (
    CROWDED,
    DISTINCT,
    KINDS,
    _one_process,  # noqa: F401 - a fixture that every test here uses
    assert_same_cells,
    columns,
    lists,
    outcome,
    quiet,
    searchable,
    some_data,
)
from mlkit.compat import cleanlab as ours
from mlkit.labels import as_label_matrix
from mlkit.quality import LabelQualityWarning
from reference import quality as oracle
from reference.quality_inputs import Data, as_csr, make_data, noisy_labels, smooth

pytestmark = pytest.mark.peer

DTYPES = ("float32", "float64")
PEERS = {
    **{name: getattr(peer_filter, name) for name in ("find_label_issues", "find_multilabel_issues_per_class")},
    **{name: getattr(peer_rank, name) for name in ("get_label_quality_scores", "get_label_quality_scores_per_class")},
    "common_multilabel_issues": peer_dataset.common_multilabel_issues,
    "rank_classes_by_multilabel_quality": peer_dataset.rank_classes_by_multilabel_quality,
    "overall_multilabel_health_score": peer_dataset.overall_multilabel_health_score,
    "multilabel_health_summary": peer_dataset.multilabel_health_summary,
}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_there_is_every_function_and_no_other():
    assert sorted(ours.__all__) == sorted(PEERS)


@pytest.mark.parametrize("name", PEERS)
def test_signatures_are_the_peers(name):
    assert parameters(getattr(ours, name)) == parameters(PEERS[name])


def both_ways(name: str, data: Data, **options: Any) -> tuple[Any, Any]:
    """Our answer and the peer's, either may be ValueError."""
    given = (lists(data.labels), data.probs)
    return outcome(getattr(ours, name), *given, **options), outcome(PEERS[name], *given, **options)


# ------------------------------------------------------------------------------------------------------------ searches


@pytest.mark.parametrize("filter_by", oracle.FILTERS)
def test_row_masks_are_the_peers(filter_by):
    n_refused = n_rows = 0
    for kind, seed, dtype in itertools.product(("smooth", "one_label", "one_row"), range(16), DTYPES):
        data = make_data(kind, seed, dtype, n_labels=6)
        data = data if seed % 4 == 1 else searchable(data, filter_by)
        if data.labels.shape[1] == 0:
            continue
        options = {"filter_by": filter_by, "frac_noise": (1.0, 0.6, 1.4)[seed % 3], "n_jobs": 1}
        mine, theirs = both_ways("find_label_issues", data, **options)
        if theirs is ValueError:
            assert mine is ValueError
            n_refused += 1
        else:
            assert mine.dtype == theirs.dtype == bool
            if dtype == "float64" or filter_by not in oracle.LOW_FILTERS:
                np.testing.assert_array_equal(mine, theirs)
            assert mine.sum() == theirs.sum()
            n_rows += len(mine)
    assert n_refused >= 5
    assert n_rows > 800


@pytest.mark.parametrize("filter_by", oracle.FILTERS)
@pytest.mark.parametrize("kind", CROWDED)
def test_cell_masks_of_crowded_data_are_the_peers_up_to_equal_keys(kind, filter_by):
    for seed, raw in enumerate(some_data((kind,), 2, DTYPES)):
        data = searchable(raw, filter_by)
        if data.labels.shape[1] == 0:
            continue
        options: dict[str, Any] = {"filter_by": filter_by, "n_jobs": 1}
        if filter_by in oracle.PRUNE_FILTERS:
            options |= {"frac_noise": (1.0, 0.7, 1.3)[seed % 3], "min_examples_per_class": (1, 0, 4, 2.5)[seed % 4]}
        mine, theirs = both_ways("find_multilabel_issues_per_class", data, **options)
        assert mine.dtype == theirs.dtype
        assert mine.flags.c_contiguous == theirs.flags.c_contiguous
        assert_same_cells(data, mine, theirs, filter_by)


@pytest.mark.parametrize("adjust", [False, True])
@pytest.mark.parametrize("method", oracle.METHODS)
def test_ranked_cells_have_the_peers_order_and_types(method, adjust):
    n_ranked = 0
    for seed, filter_by, dtype in itertools.product(range(3), oracle.FILTERS, DTYPES):
        data = searchable(make_data("smooth", seed, dtype, n_labels=5), filter_by)
        options = {"filter_by": filter_by, "n_jobs": 1, "return_indices_ranked_by": method}
        options["rank_by_kwargs"] = {"adjust_pred_probs": adjust}
        mine, theirs = both_ways("find_multilabel_issues_per_class", data, **options)
        if theirs is ValueError:
            assert mine is ValueError
            continue
        assert [type(part) for part in (mine, *mine)] == [type(part) for part in (theirs, *theirs)]
        for label, (rows, given, pair) in enumerate(zip(*mine)):
            np.testing.assert_array_equal(given, theirs[1][label])
            np.testing.assert_array_equal(pair, theirs[2][label])
            np.testing.assert_array_equal(np.sort(rows), np.sort(theirs[0][label]))
            if dtype == "float64":
                np.testing.assert_array_equal(rows, theirs[0][label])
            for part, other in ((rows, theirs[0]), (given, theirs[1]), (pair, theirs[2])):
                assert (part.dtype, part.shape) == (other[label].dtype, other[label].shape)
                assert part.flags.f_contiguous == other[label].flags.f_contiguous
            n_ranked += len(rows)
    assert n_ranked > 100 or (adjust and method == "confidence_weighted_entropy")


@pytest.mark.parametrize("filter_by", [*oracle.LOW_FILTERS, "prune_by_noise_rate", "predicted_neq_given"])
def test_ranked_rows_have_the_peers_order_even_where_it_is_none(filter_by):
    """Ranked by a low filter the rows come in an order that is sorted by nothing."""
    n_ranked = n_disordered = 0
    for seed, method, adjust in itertools.product(range(8), oracle.METHODS, (False, True)):
        data = searchable(make_data("smooth", seed, n_labels=5), filter_by)
        options = {"filter_by": filter_by, "n_jobs": 1, "return_indices_ranked_by": method}
        mine, theirs = both_ways("find_label_issues", data, rank_by_kwargs={"adjust_pred_probs": adjust}, **options)
        if theirs is ValueError:  # a few flagged rows that are all given, or all not given: an accident
            assert mine is ValueError or len(mine) < 5
            continue
        assert mine.dtype == np.int64
        np.testing.assert_array_equal(mine, theirs)
        scores = ours.get_label_quality_scores(lists(data.labels), data.probs, method=method)[mine]
        n_disordered += int((np.diff(scores) < 0).any()) if not adjust else 0
        n_ranked += len(mine)
    assert n_ranked > 100
    assert (n_disordered > 5) == (filter_by in oracle.LOW_FILTERS)


def test_everything_may_be_positional():
    data = searchable(make_data("smooth", 1))
    given = (None, {}, "prune_by_class", 0.5, None, 1, None, 1, False, False)
    mine, theirs = (
        outcome(f, lists(data.labels), data.probs, *given) for f in (ours.find_label_issues, PEERS["find_label_issues"])
    )
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("filter_by", oracle.PRUNE_FILTERS)
def test_numbers_to_remove_do_what_they_do_in_the_peer(filter_by):
    n_flags = 0
    for seed, raw in enumerate(some_data(("smooth", "rounded", "saturated", "near_half"), 6, DTYPES)):
        data = searchable(raw)
        rng = np.random.default_rng(seed)
        numbers = rng.integers(-1, 1 + len(data.labels) // 2, data.labels.shape[1] + seed % 2).tolist()
        options = {"filter_by": filter_by, "n_jobs": 1, "frac_noise": (1.0, 0.4)[seed % 2]}
        options["min_examples_per_class"] = seed % 3
        mine, theirs = both_ways("find_multilabel_issues_per_class", data, num_to_remove_per_class=numbers, **options)
        assert_same_cells(data, mine, theirs, filter_by)
        n_flags += int(mine.sum())
    assert (n_flags > 0) == (filter_by != "both")


@pytest.mark.parametrize("filter_by", oracle.PRUNE_FILTERS)
def test_a_joint_of_the_caller_is_used_as_it_is(filter_by):
    for seed, raw in enumerate(some_data(("smooth", "rounded", "saturated"), 6, DTYPES)):
        data = searchable(raw)
        rng = np.random.default_rng(seed)
        joint = rng.integers(0, 1 + len(data.labels) // 4, (data.labels.shape[1], 2, 2))
        for brought in (joint, joint + rng.random(joint.shape)):
            options = {"filter_by": filter_by, "n_jobs": 1, "frac_noise": 0.8, "confident_joint": brought}
            mine, theirs = both_ways("find_multilabel_issues_per_class", data, **options)
            assert_same_cells(data, mine, theirs, filter_by)


@pytest.mark.parametrize("method", [None, *oracle.METHODS])
@pytest.mark.parametrize("kind", KINDS)
def test_the_mini_batch_route_is_the_peers(kind, method):
    for seed, data in enumerate(some_data((kind,), 3, DTYPES)):
        if method == "confidence_weighted_entropy" and (data.probs.min() < 0 or data.probs.max() > 1):
            continue  # the peer refuses these
        options = {"low_memory": True, "return_indices_ranked_by": method}
        mine, theirs = both_ways("find_multilabel_issues_per_class", data, **options)
        if method is not None:
            for rows in mine[0]:
                np.testing.assert_array_equal(rows, np.sort(rows))  # by row number, not by severity
            mine, theirs = (mask_of(found[0], data.labels.shape) for found in (mine, theirs))
        keys = oracle.cell_scores(*data, method=method or "self_confidence", compat="cleanlab")
        for label in range(data.labels.shape[1]):
            assert len(np.unique(keys[mine[:, label] != theirs[:, label], label])) <= 1
            if kind in DISTINCT and data.probs.dtype == np.float64:
                np.testing.assert_array_equal(mine[:, label], theirs[:, label])
        if kind in DISTINCT and data.probs.dtype == np.float64 and data.labels.shape[1] > 1 and seed % 2:
            options["rank_by_kwargs"] = {"adjust_pred_probs": method == "normalized_margin"}
            mine, theirs = both_ways("find_label_issues", data, **options)
            np.testing.assert_array_equal(mine, theirs)


def mask_of(ranks: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for label, rows in enumerate(ranks):
        mask[rows, label] = True
    return mask


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_mini_batch_route_over_several_batches_is_the_peers(dtype):
    rng = np.random.default_rng(7)
    probs = smooth(rng, 25_000, 3).astype(dtype)
    data = Data(noisy_labels(rng, probs), probs)
    data.labels[:12_000, 1] = 0  # no positive in the first batch
    data.labels[:, 2] = 1  # no negative in any
    mine, theirs = both_ways("find_multilabel_issues_per_class", data, low_memory=True)
    assert_same_cells(data, mine, theirs, "low_self_confidence")
    assert mine.any(axis=0).tolist() == [True, True, True]


# -------------------------------------------------------------------------------------------------------------- scores


AGGREGATORS: list[Any] = [
    {},
    None,
    {"method": "exponential_moving_average"},
    {"method": "exponential_moving_average", "alpha": None},
    {"method": "exponential_moving_average", "alpha": 0},
    {"method": "exponential_moving_average", "alpha": 0.55, "temperature": 3, "unheard_of": 1},
    {"method": "exponential_moving_average", "alpha": 1},
    {"method": "softmin"},
    {"method": "softmin", "temperature": 0},
    {"method": "softmin", "temperature": -1.0},
    {"method": "softmin", "temperature": 2, "alpha": 7},
    {"method": np.mean},
    {"method": np.quantile, "q": 0.25},
    {"method": np.sort},
]


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_scores_are_the_peers_to_1e_12(aggregator):
    for data in some_data(("smooth", "rounded", "saturated", "constant"), 1, ("float16", *DTYPES)):
        for method, adjust in itertools.product((*oracle.METHODS, "Self_Confidence"), (False, True, 1)):
            options = {"method": method, "adjust_pred_probs": adjust}
            mine, theirs = both_ways("get_label_quality_scores", data, aggregator_kwargs=aggregator, **options)
            if theirs is ValueError:
                assert mine is ValueError
                continue
            assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)


def test_scores_per_class_are_the_peers_to_1e_12():
    n_cells = 0
    for data in some_data((*KINDS, "every_label"), 4, ("float16", *DTYPES)):
        for method, adjust in itertools.product(oracle.METHODS, (False, True)):
            options = {"method": method, "adjust_pred_probs": adjust}
            mine, theirs = both_ways("get_label_quality_scores_per_class", data, **options)
            if theirs is ValueError:
                assert mine is ValueError or not data.labels.any()  # without any label the peer fails by accident
                continue
            assert (mine.dtype, mine.shape, mine.flags.c_contiguous) == (theirs.dtype, theirs.shape, True)
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)
            n_cells += mine.size
    assert n_cells > 50_000


def test_whole_numbers_are_scored_as_probabilities():
    labels, hard = [[0], [0, 1], [2]], np.array([[1, 0, 0], [1, 0, 1], [0, 1, 1]])
    for method in oracle.METHODS:
        theirs = PEERS["get_label_quality_scores_per_class"](labels, hard, method=method)
        np.testing.assert_array_equal(ours.get_label_quality_scores_per_class(labels, hard, method=method), theirs)


# -------------------------------------------------------------------------------------------------------------- tables


def joint_of(data: Data, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 + len(data.labels) // 4, (data.labels.shape[1], 2, 2))


def test_tables_are_the_peers_to_the_dtype_of_every_column():
    n_tables = 0
    for seed, raw in enumerate(some_data(("smooth", "one_label"), 7, DTYPES, n_labels=11)):
        data = searchable(raw)
        n_labels = data.labels.shape[1]
        if n_labels == 0:
            continue
        joint = joint_of(data, seed) if seed % 3 == 2 else None
        texts = [f"label {j}" for j in range(n_labels + 1)]
        names: Any = (None, texts, dict(enumerate(texts)))[seed % 3]
        options = {"class_names": names, "confident_joint": joint}
        mine, theirs = both_ways("common_multilabel_issues", data, **options)
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
        for more in ({}, {"joint": joint}):
            mine, theirs = both_ways("rank_classes_by_multilabel_quality", data, **options, **more)
            pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
        mine, theirs = both_ways("overall_multilabel_health_score", data, confident_joint=joint)
        assert (mine, type(mine)) == (theirs, type(theirs))
        mine, theirs = both_ways("multilabel_health_summary", data, **options, verbose=False)
        assert list(mine) == list(theirs)
        for key in ("classes_by_multilabel_quality", "common_multilabel_issues"):
            pd.testing.assert_frame_equal(mine[key], theirs[key], check_exact=True)
        assert mine["overall_multilabel_health_score"] == theirs["overall_multilabel_health_score"]
        n_tables += 5
    assert n_tables >= 80


def test_counts_cut_from_shares_lose_one_where_the_peer_loses_one():
    labels = np.zeros((100, 2), np.int8)
    labels[:60, 0] = labels[::2, 1] = 1
    probs = np.where(labels == 1, 0.9, 0.1) + np.linspace(0, 0.05, 200).reshape(100, 2)
    probs[:29, 0] = 0.04 + np.linspace(0, 0.01, 29)
    data = Data(labels, probs)
    joint = np.array([[[40, 0], [29, 31]], [[50, 0], [0, 50]]])
    mine, theirs = both_ways("rank_classes_by_multilabel_quality", data, joint=joint)
    pd.testing.assert_frame_equal(mine, theirs)
    assert mine["Label Noise"][0] == 0.29
    assert mine["Label Issues"][0] == 28


def test_a_summary_is_printed_unless_it_is_told_not_to(capsys):
    data = searchable(make_data("smooth", 1))
    for verbose in (True, False):
        outcome(ours.multilabel_health_summary, lists(data.labels), data.probs, num_examples=12345, verbose=verbose)
        printed = capsys.readouterr().out
        assert ("12,345 examples" in printed) == verbose
        assert ("Label Quality Score" in printed and "Issue Probability" in printed) == verbose


def test_a_search_prints_one_line_for_each_label_when_asked(capsys):
    data = searchable(make_data("smooth", 2))
    for low_memory in (False, True):
        outcome(ours.find_label_issues, lists(data.labels), data.probs, verbose=True, low_memory=low_memory)
        assert len(capsys.readouterr().out.splitlines()) == data.labels.shape[1]
    outcome(ours.find_label_issues, lists(data.labels), data.probs, verbose=True, filter_by="low_self_confidence")
    assert capsys.readouterr().out.endswith("examples flagged\n")


# -------------------------------------------------------------------------------------------------------------- inputs


FORMS = {
    "tuple of tuples": lambda rows: tuple(map(tuple, rows)),
    "sets": lambda rows: [set(row) for row in rows],
    "arrays": lambda rows: [np.array(row, dtype=int) for row in rows],
    "narrow arrays": lambda rows: [np.array(row, dtype=np.uint8) for row in rows],
    "floats": lambda rows: [[float(label) for label in row] for row in rows],
    "repeated": lambda rows: [row + row[::-1] for row in rows],
    "ranges": lambda rows: [dict.fromkeys(row) for row in rows],
    "Series": lambda rows: pd.Series(rows),
    "generators": lambda rows: ((label for label in row) for row in rows),
    "generator": lambda rows: (row for row in rows),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_come_in_every_form_that_the_peer_takes(form):
    data = searchable(make_data("smooth", 5))
    rows = lists(data.labels)
    with quiet():
        theirs = PEERS["find_label_issues"](FORMS[form](rows), data.probs, n_jobs=1)
        np.testing.assert_array_equal(ours.find_label_issues(FORMS[form](rows), data.probs), theirs)


def test_labels_and_probabilities_come_in_every_form_that_we_take():
    data = searchable(make_data("smooth", 5))
    expected = outcome(ours.find_multilabel_issues_per_class, lists(data.labels), data.probs)
    scores = ours.get_label_quality_scores(lists(data.labels), data.probs)
    forms = [
        data.labels,
        data.labels.astype(bool),
        pd.DataFrame(data.labels),
        sparse.csr_matrix(data.labels),
        as_label_matrix(data.labels),
    ]
    for labels in forms:
        np.testing.assert_array_equal(outcome(ours.find_multilabel_issues_per_class, labels, data.probs), expected)
        np.testing.assert_array_equal(ours.get_label_quality_scores(labels, data.probs), scores)
    masked = np.ma.masked_array(data.probs, mask=data.probs > 0.5)
    for probs in (
        data.probs.tolist(),
        pd.DataFrame(data.probs),
        as_csr(data.probs),
        data.probs.astype(">f8"),
        data.probs.astype(object),
        data.probs.astype(np.longdouble),
        np.asfortranarray(data.probs),
        masked,
    ):
        np.testing.assert_array_equal(
            outcome(ours.find_multilabel_issues_per_class, lists(data.labels), probs), expected
        )


def test_an_array_of_label_numbers_is_no_indicator():
    labels = np.array([[0, 2], [1, 2], [0, 1], [1, 0], [2, 1], [1, 2]])
    probs = np.random.default_rng(0).random((6, 3))
    np.testing.assert_array_equal(
        outcome(ours.find_label_issues, labels, probs), outcome(ours.find_label_issues, labels.tolist(), probs)
    )


def test_sparse_probabilities_are_searched_and_ranked_like_dense_ones():
    rng = np.random.default_rng(3)
    for dtype, low_memory in itertools.product(DTYPES, (False, True)):
        data = searchable(make_data("smooth", 9, dtype))
        probs = np.where(rng.random(data.probs.shape) < 0.5, 0, data.probs).astype(dtype)
        for name in ("find_label_issues", "find_multilabel_issues_per_class"):
            for ranked_by in (None, "normalized_margin", "confidence_weighted_entropy"):
                options = {"low_memory": low_memory, "return_indices_ranked_by": ranked_by}
                found = [outcome(getattr(ours, name), lists(data.labels), p, **options) for p in (probs, as_csr(probs))]
                if isinstance(found[0], tuple):
                    for parts in zip(*found):
                        for dense, stored in zip(*parts):
                            np.testing.assert_array_equal(dense, stored)
                else:
                    np.testing.assert_array_equal(*found)


def test_entries_that_are_no_labels_are_left_out_with_one_warning():
    data = searchable(make_data("smooth", 5))
    rows = lists(data.labels)
    odd = [[*row, *extra] for row, extra in zip(rows, itertools.cycle([(-1,), (99,), (1.5, "a"), (np.nan,), ()]))]
    with quiet():
        theirs = PEERS["find_label_issues"](odd, data.probs, n_jobs=1)
        np.testing.assert_array_equal(ours.find_label_issues(odd, data.probs), theirs)
    text = the_warning(ours.find_label_issues, odd, data.probs)
    assert re.match(r"labels: left out \d+ entries that are no label number in \[0, \d+\), first -1 at row 0; ", text)
    with pytest.warns(LabelQualityWarning, match="left out 1 entries .* first -1 at row 0"):
        ours.get_label_quality_scores([[0, -1], [1]], np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match=r"labels: expected label numbers in \[0, 2\), .* got 2"):
        ours.get_label_quality_scores([[0, 2], [1]], np.full((2, 2), 0.5))


# ------------------------------------------------------------------------------------------------------------ warnings


def the_warning(call: Any, *args: Any, **options: Any) -> str:
    with pytest.warns(LabelQualityWarning) as record:
        call(*args, **options)
    assert len(record) == 1
    assert record[0].filename == __file__
    return str(record[0].message)


def test_there_is_one_warning_where_the_peer_has_many():
    rng = np.random.default_rng(0)
    probs = smooth(rng, 60, 5)
    labels = noisy_labels(rng, probs)
    labels[:, 1], labels[:, 3] = 0, 0
    labels[7, 3] = 1
    given = (lists(labels), probs)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        PEERS["find_label_issues"](*given, n_jobs=1)
    assert len(record) == 2
    text = the_warning(ours.find_label_issues, *given)
    assert text == "2 labels are given, or not given, in at most 1 examples; that side is not searched: label 1, 3"
    assert the_warning(ours.find_multilabel_issues_per_class, *given) == text
    for name in list(PEERS)[4:]:
        assert the_warning(getattr(ours, name), *given) == text


def test_what_is_not_used_is_named():
    rng = np.random.default_rng(0)
    probs = smooth(rng, 60, 3)
    given = (lists(noisy_labels(rng, probs)), probs)
    text = the_warning(ours.find_label_issues, *given, low_memory=True, filter_by="both", frac_noise=0.5, n_jobs=1)
    assert text == "filter_by, frac_noise, n_jobs: not used with low_memory=True"
    text = the_warning(
        ours.find_label_issues,
        *given,
        low_memory=True,
        num_to_remove_per_class=[1, 1, 1],
        confident_joint=np.ones((3, 2, 2)),
        min_examples_per_class=2,
    )
    assert text.startswith("num_to_remove_per_class, min_examples_per_class, confident_joint: not used")
    text = the_warning(ours.find_label_issues, *given, filter_by="confident_learning", frac_noise=0.5)
    assert text == "frac_noise: not used with filter_by='confident_learning'"
    text = the_warning(
        ours.find_label_issues, *given, filter_by="confident_learning", confident_joint=np.ones((3, 2, 2))
    )
    assert text == "confident_joint: not used with filter_by='confident_learning'"
    text = the_warning(ours.find_label_issues, *given, confident_joint=np.ones((3, 3)))
    assert text.startswith("confident_joint: not used, since its shape (3, 3)")


# ------------------------------------------------------------------------------------------------------------ refusals

LABELS = [[0], [1], [0, 2], [], [2], [1]]
PROBS = np.random.default_rng(8).random((6, 3))
REFUSED: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("find_label_issues", {"filter_by": "nonsense"}, ValueError, "filter_by: expected one of 'prune_by_noise_rate'"),
    (
        "find_label_issues",
        {"return_indices_ranked_by": "nonsense"},
        ValueError,
        "return_indices_ranked_by: expected one",
    ),
    ("find_label_issues", {"n_jobs": 0}, ValueError, "n_jobs: expected a positive"),
    ("find_label_issues", {"frac_noise": "half"}, TypeError, "frac_noise: expected a number"),
    (
        "find_label_issues",
        {"return_indices_ranked_by": "self_confidence", "rank_by_kwargs": {"alpha": 1}},
        TypeError,
        "rank_by_kwargs: expected at most the key 'adjust_pred_probs', got 'alpha'",
    ),
    (
        "find_label_issues",
        {"return_indices_ranked_by": "confidence_weighted_entropy", "rank_by_kwargs": {"adjust_pred_probs": True}},
        ValueError,
        "rank_by_kwargs: expected adjust_pred_probs=False",
    ),
    (
        "find_label_issues",
        {"confident_joint": np.ones((3, 2))},
        ValueError,
        r"\(n_labels, 2, 2\) = \(3, 2, 2\), got shape",
    ),
    ("find_label_issues", {"num_to_remove_per_class": [1, 1]}, ValueError, "expected 3 numbers, one for each label"),
    (
        "find_multilabel_issues_per_class",
        {"num_to_remove_per_class": [1, 1, 1], "filter_by": "confident_learning"},
        ValueError,
        "num_to_remove_per_class: expected None with filter_by='confident_learning'",
    ),
    ("find_label_issues", {"pred_probs": PROBS[:5]}, ValueError, r"expected shape .* = \(6, 3\) .* got \(5, 3\)"),
    ("find_label_issues", {"pred_probs": PROBS[:, 0]}, ValueError, "expected two dimensions"),
    ("find_label_issues", {"pred_probs": PROBS * 30}, ValueError, r"expected values in \[0, 1\], got"),
    ("find_label_issues", {"pred_probs": PROBS > 0.5}, TypeError, "expected probabilities, got bool"),
    ("find_label_issues", {"pred_probs": None}, TypeError, "pred_probs: expected"),
    (
        "find_label_issues",
        {"pred_probs": np.where(PROBS < 0.3, np.nan, PROBS)},
        ValueError,
        "NaN .*; nan_policy is an argument of mlkit.quality.find_label_issues",
    ),
    ("find_label_issues", {"labels": None}, ValueError, "labels: expected a list that holds"),
    ("find_label_issues", {"labels": [0, 1, 2, 0, 1, 2]}, ValueError, "got int 0 at row 0"),
    ("find_label_issues", {"labels": [[0], "1", [], [2], [1], [0]]}, ValueError, "got str '1' at row 1"),
    ("find_label_issues", {"labels": [[[0]], [], [], [], [], []]}, ValueError, "lists nested deeper"),
    ("find_label_issues", {"labels": []}, ValueError, "at least one example"),
    ("find_label_issues", {"labels": [[1, 0, 0]] * 5 + [[0, 1, 1]]}, ValueError, "looks like a binary matrix"),
    (
        "find_label_issues",
        {"labels": np.where(PROBS < 0.2, -1, PROBS > 0.5)},
        ValueError,
        "labels: expected every cell given or not given, got .* unknown cells",
    ),
    (
        "find_label_issues",
        {"labels": [[0, 1], [0], [0, 2], [0], [0, 2], [0, 1]]},
        ValueError,
        "got 1 given in every example: label 0",
    ),
    (
        "find_label_issues",
        {"labels": [[0], [1], [1], [], [1], []], "filter_by": "predicted_neq_given"},
        ValueError,
        r"got 1 given in no example \(with filter_by='predicted_neq_given'\): label 2",
    ),
    (
        "find_label_issues",
        {"labels": [[]] * 6, "return_indices_ranked_by": "self_confidence"},
        ValueError,
        "at least two labels, and cells both given and not given",
    ),
    ("get_label_quality_scores", {"labels": [[]] * 6}, ValueError, "at least two labels"),
    ("get_label_quality_scores", {"method": "nonsense"}, ValueError, "method: expected one of"),
    (
        "get_label_quality_scores",
        {"method": "confidence_weighted_entropy", "adjust_pred_probs": True},
        ValueError,
        "adjust_pred_probs: expected False",
    ),
    ("get_label_quality_scores", {"aggregator_kwargs": {"alpha": 1}}, TypeError, "expected the key 'method'"),
    ("get_label_quality_scores", {"aggregator_kwargs": {"method": "mean"}}, ValueError, "expected one of 'exponential"),
    ("get_label_quality_scores", {"aggregator_kwargs": {"method": 3}}, TypeError, "expected a name or a function"),
    (
        "get_label_quality_scores",
        {"aggregator_kwargs": {"method": "exponential_moving_average", "alpha": 1.5}},
        ValueError,
        r"aggregator_kwargs\['alpha'\]: expected a number in \[0, 1\], got 1.5",
    ),
    (
        "get_label_quality_scores_per_class",
        {"pred_probs": np.where(PROBS > 0.9, 1 + 5e-7, PROBS), "method": "confidence_weighted_entropy"},
        ValueError,
        "without exception",
    ),
    ("common_multilabel_issues", {"labels": list}, TypeError, "labels: expected a list of label numbers"),
    ("common_multilabel_issues", {"class_names": ["a"]}, ValueError, "class_names: expected a name for each of the 3"),
    ("overall_multilabel_health_score", {"labels": None}, ValueError, "labels: expected a list of label numbers"),
    ("multilabel_health_summary", {"labels": None}, ValueError, "labels: expected a list of label numbers"),
    ("rank_classes_by_multilabel_quality", {"joint": np.ones(4)}, ValueError, "confident_joint: expected counts"),
]


@pytest.mark.parametrize(("name", "changed", "error", "message"), REFUSED)
def test_refusals_name_the_argument(name, changed, error, message):
    with pytest.raises(error, match=message):
        getattr(ours, name)(**{"labels": LABELS, "pred_probs": PROBS, **changed})


def is_answered_by_the_peer(changed: dict[str, Any]) -> bool:
    """NaN, rows of 0 and 1 as lists and the like: misread in silence, or refused for another reason."""
    return "labels" in changed or "nan" in str(changed.get("pred_probs"))


@pytest.mark.parametrize(("name", "changed"), [case[:2] for case in REFUSED if not is_answered_by_the_peer(case[1])])
def test_what_we_refuse_the_peer_does_not_answer_either(name, changed):
    with quiet(), pytest.raises((ValueError, TypeError, AssertionError, IndexError, AttributeError)):
        PEERS[name](**{"labels": LABELS, "pred_probs": PROBS, **changed})


# ----------------------------------------------------------------------------------------------------------- accidents


def test_where_the_peer_fails_by_accident_there_is_an_answer():
    rng = np.random.default_rng(1)
    probs = smooth(rng, 40, 3)
    nothing = [[] for _ in probs]
    np.testing.assert_array_equal(ours.get_label_quality_scores_per_class(nothing, probs), 1 - probs)
    labels = noisy_labels(rng, probs)
    rows = lists(labels)
    np.testing.assert_array_equal(
        ours.get_label_quality_scores(tuple(map(set, rows)), probs.tolist()), ours.get_label_quality_scores(rows, probs)
    )
    joint = np.ones((3, 2, 2), int)
    np.testing.assert_array_equal(
        ours.find_label_issues(rows, probs, confident_joint=joint.tolist()),
        ours.find_label_issues(rows, probs, confident_joint=joint),
    )
    sure = np.where(labels == 1, 0.95, 0.05) + rng.uniform(-0.01, 0.01, labels.shape)
    ranked = ours.find_label_issues(
        rows, sure, filter_by="low_self_confidence", return_indices_ranked_by="self_confidence"
    )
    assert ranked.dtype == np.int64
    assert ranked.size == 0  # the peer refuses to rank no rows


def test_data_without_ties_are_what_the_row_tests_assume():
    for data in some_data(DISTINCT, 3, ("float64",)):
        assert np.unique(data.probs).size == data.probs.size


def test_the_columns_helper_keeps_labels_and_probabilities_together():
    data = make_data("smooth", 2)
    kept = columns(data, np.arange(data.labels.shape[1]) % 2 == 0)
    np.testing.assert_array_equal(kept.probs, data.probs[:, ::2])
    np.testing.assert_array_equal(kept.labels, data.labels[:, ::2])
