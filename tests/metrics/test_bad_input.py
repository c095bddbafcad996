"""What other libraries take without a word, or refuse without a reason: every row of it has one clear answer here."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import UndefinedMetricWarning

import mlkit
from mlkit import metrics

Y = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]])
S = np.array([[0.9, 0.2, 0.3], [0.1, 0.6, 0.4], [0.3, 0.2, 0.1], [0.4, 0.8, 0.2]])
P = (S >= 0.5).astype(int)
NAMES = ["cat", "dog", "owl"]

SETS = {
    name: getattr(metrics, name)
    for name in (
        "f1_score", "precision_score", "recall_score", "jaccard_score", "specificity_score", "balanced_accuracy_score",
        "mcc_score", "hamming_loss", "accuracy_score", "zero_one_loss", "multilabel_confusion_matrix",
        "classification_report", "precision_recall_fscore_support",
    )
}  # fmt: skip
RANKS = {
    name: getattr(metrics, name)
    for name in (
        "label_ranking_average_precision_score", "label_ranking_loss", "coverage_error", "one_error", "ndcg_score",
        "dcg_score", "instance_roc_auc", "r_precision", "roc_auc_score", "average_precision_score",
        "mean_average_precision",
    )
}  # fmt: skip
CALIBRATION = {
    name: getattr(metrics, name)
    for name in (
        "binary_log_loss", "multilabel_brier_score", "expected_calibration_error", "reliability_curve",
        "brier_decomposition",
    )
}  # fmt: skip
TOP = {
    name: getattr(metrics, name)
    for name in (
        "precision_at_k", "recall_at_k", "rank_precision_at_k", "hit_rate_at_k", "ndcg_at_k", "macro_precision_at_k",
        "macro_recall_at_k", "macro_f1_at_k", "label_coverage_at_k",
    )
}  # fmt: skip
SCORED = {name: getattr(metrics, name) for name in ("psprecision_at_k", "psndcg_at_k", "psrecall_at_k")}
CALLS = {
    **SETS,
    **RANKS,
    **CALIBRATION,
    **{name: lambda y, s, f=f, **o: f(y, s, 2, **o) for name, f in TOP.items()},
    **{
        name: lambda y, s, f=f, **o: f(y, s, 2, inv_propensity=np.ones(np.shape(s)[1]), **o)
        for name, f in SCORED.items()
    },
    "evaluate": mlkit.evaluate,
}


def says(name):
    """What the function takes beside the truth."""
    return P if name in SETS else S


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        yield


def same(a, b):
    if isinstance(a, str):
        assert a == b
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif isinstance(a, mlkit.EvaluationReport):
        same(a.to_frame(), b.to_frame())
    elif isinstance(a, tuple):
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------------------------------------------------------- truth


@pytest.mark.parametrize("name", CALLS)
def test_stored_zeros_are_negatives(name):
    stored = sparse.csr_array(np.ones_like(Y))
    stored.data[:] = Y.ravel()
    same(CALLS[name](stored, says(name)), CALLS[name](Y, says(name)))
    assert stored.nnz == Y.size


@pytest.mark.parametrize("name", CALLS)
def test_other_values_than_0_and_1_are_refused(name):
    with pytest.raises(ValueError, match=r"^y_true: expected 0 or 1 .*, got 2 at row 0, label 0"):
        CALLS[name](2 * Y, says(name))
    with pytest.raises(ValueError, match=r"^y_true: expected 0 or 1 .*, got 0.5 at row 0, label 0"):
        CALLS[name](0.5 * Y, says(name))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_signs_are_refused_and_both_ways_out_are_named(name, form):
    with pytest.raises(
        ValueError,
        match=r"(?s)^y_true: expected 0 where .* got only -1 and 1.*pass y_true > 0.*unknown=y_true < 0",
    ):
        CALLS[name](form(2 * Y - 1), says(name))


@pytest.mark.parametrize("name", CALLS)
def test_unknown_cells_take_no_part_in_any_form(name):
    hidden = Y.copy()
    hidden[0, 1] = hidden[3, 2] = -1
    expected = CALLS[name](hidden, says(name))
    as_float = np.where(hidden < 0, np.nan, hidden)
    for other in (as_float, sparse.csr_array(hidden), pd.DataFrame(as_float)):
        same(CALLS[name](other, says(name)), expected)
    same(CALLS[name](Y, says(name), unknown=hidden < 0), expected)
    same(CALLS[name](Y, says(name), unknown=sparse.csr_array(hidden < 0)), expected)


def test_a_report_counts_what_is_unknown():
    hidden = np.where(np.eye(4, 3) > 0, -1, Y)
    report = mlkit.evaluate(hidden, S)
    assert report.per_label["n_known"].tolist() == [3, 3, 3]
    assert report["hamming_loss"].n_defined == 9
    empty = mlkit.evaluate(np.column_stack([Y[:, :2], [-1] * 4]), S)
    assert empty.undefined["without_known_cell"].tolist() == [2]


@pytest.mark.parametrize("name", CALLS)
def test_one_dimension_is_refused(name):
    with pytest.raises(ValueError, match=r"^y_true: expected two dimensions .* got shape \(4,\)"):
        CALLS[name](Y[:, 0], says(name))


@pytest.mark.parametrize("name", CALLS)
def test_no_rows_are_refused(name):
    with pytest.raises(ValueError, match=r"expected at least one example"):
        CALLS[name](Y[:0], says(name)[:0])


@pytest.mark.parametrize("name", CALLS)
def test_one_column_is_one_label(name):
    got = CALLS[name](Y[:, :1], says(name)[:, :1])
    if name == "f1_score":
        assert got == metrics.f1_score(Y, P, labels=[0])


def test_lists_of_names_need_the_names():
    names = [["cat"], ["dog", "owl"], [], ["cat", "dog"]]
    expected = mlkit.evaluate(Y, S, label_names=NAMES)
    same(mlkit.evaluate(names, S, label_names=NAMES), expected)
    same(mlkit.evaluate([set(row) for row in names], S, label_names=NAMES), expected)
    with pytest.raises(ValueError, match=r"^y_true: expected label_names beside lists of names"):
        mlkit.evaluate(names, S)
    with pytest.raises(ValueError, match=r"^y_true: .*'cow'.*row 0"):
        mlkit.evaluate([["cow"], [], [], []], S, label_names=NAMES)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("form", ["csc", "csr int64", "unsorted", "duplicates", "bool"])
def test_sparse_truth_of_any_kind_is_taken_and_left_alone(name, form):
    m = sparse.csr_matrix(Y)
    if form == "csc":
        m = sparse.csc_array(Y)
    elif form == "csr int64":
        m = sparse.csr_array((m.data, m.indices.astype(np.int64), m.indptr.astype(np.int64)), shape=m.shape)
    elif form == "unsorted":
        m = sparse.csr_array((np.ones(5, int), np.array([0, 2, 1, 1, 0]), np.array([0, 1, 3, 3, 5])), shape=(4, 3))
    elif form == "duplicates":
        m = sparse.coo_array((np.ones(6, bool), ([0, 0, 1, 1, 3, 3], [0, 0, 1, 2, 0, 1])), shape=(4, 3))
    else:
        m = m.astype(bool)
    parts = (m.data, *((m.row, m.col) if form == "duplicates" else (m.indices, m.indptr)))
    before = [x.copy() for x in parts]
    same(CALLS[name](m, says(name)), CALLS[name](Y, says(name)))
    after = parts
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


# --------------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("name", [*RANKS, *CALIBRATION, *TOP, *SCORED, "evaluate"])
def test_missing_scores_are_refused_with_their_place(name):
    broken = S.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"^y_score: expected no missing values, got 1 NaN \(first at row 2, label 1"):
        CALLS[name](Y, broken)


@pytest.mark.parametrize("name", [*RANKS, *TOP, *SCORED, "evaluate"])
def test_infinite_scores_are_the_largest_and_the_smallest(name):
    order = np.where(S == 0.9, np.inf, np.where(S == 0.1, -np.inf, S))
    finite = np.where(S == 0.9, 9.0, np.where(S == 0.1, -9.0, S))
    same(CALLS[name](Y, order), CALLS[name](Y, finite))


@pytest.mark.parametrize("name", [*RANKS, *CALIBRATION, *TOP, *SCORED, "evaluate"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_scores_without_an_entry_are_zeros(name, dtype):
    same(CALLS[name](Y, sparse.csr_array(S.shape, dtype=dtype)), CALLS[name](Y, np.zeros(S.shape, dtype)))


@pytest.mark.parametrize("name", CALIBRATION)
@pytest.mark.parametrize("value", [np.inf, -3.2, 1.001])
def test_calibration_is_of_probabilities(name, value):
    broken = S.copy()
    broken[1, 2] = value
    with pytest.raises(ValueError, match=r"^y_score: expected probabilities in \[0, 1\], got values from .* \("):
        CALLS[name](Y, broken)
    rounded = S.copy()
    rounded[0, 0] = 1 + 1e-7
    assert CALLS[name](Y, rounded) is not None
    with pytest.raises(ValueError, match=r"of logits pass scipy\.special\.expit\(y_score\)"):
        CALLS[name](Y, 5 * S - 3)


def test_nobody_applies_a_sigmoid():
    logits = 6 * S - 3
    report = mlkit.evaluate(Y, logits)
    assert "binary_log_loss" not in report
    assert report["f1_micro"].value == metrics.f1_score(Y, logits >= 0.5, average="micro")


@pytest.mark.parametrize("name", [*RANKS, *CALIBRATION, *TOP, "evaluate"])
def test_lists_of_two_columns_are_probabilities(name):
    pairs = [np.column_stack([1 - s, s]) for s in S.T]
    same(CALLS[name](Y, pairs), CALLS[name](Y, np.column_stack([pair[:, 1] for pair in pairs])))
    with pytest.raises(ValueError, match=r"^y_score: .*got shape \(4, 1\) at position 1 \(the classifier saw only one"):
        CALLS[name](Y, [pairs[0], pairs[1][:, :1], pairs[2]])


@pytest.mark.parametrize("name", [*SETS, "evaluate"])
def test_scores_in_place_of_predictions_are_refused(name):
    call = (lambda y, p: mlkit.evaluate(y, y_pred=p)) if name == "evaluate" else SETS[name]
    with pytest.raises(
        ValueError, match=r"^y_pred: expected 0 or 1, got 0.9 at row 0, label 0 \(scores\? compare them"
    ):
        call(Y, S)
    with pytest.raises(ValueError, match=r"^y_pred: expected 0 or 1, got -1 or NaN at row 0, label 1"):
        call(Y, P - (Y == 0) * (P == 0))


@pytest.mark.parametrize("name", CALLS)
def test_shapes_must_match(name):
    argument = "y_pred" if name in SETS else "y_score"
    expected = rf"^{argument}: expected shape \(n_samples, n_labels\) = \(4, 3\) to match y_true, got "
    with pytest.raises(ValueError, match=rf"{expected}\(3, 4\) \(transposed\?\)"):
        CALLS[name](Y, says(name).T)
    with pytest.raises(ValueError, match=rf"{expected}\(4, 2\)$"):
        CALLS[name](Y, says(name)[:, :2])
    with pytest.raises(ValueError, match=rf"{expected}\(2, 3\)$"):
        CALLS[name](Y, says(name)[:2])


# ----------------------------------------------------------------------------------------------------- other arguments


WEIGHTS = [
    ([1, -1, 1, 1], "expected finite numbers >= 0, got -1 at row 1"),
    ([1, 1, np.nan, 1], "expected finite numbers >= 0, got nan at row 2"),
    ([1, 1, 1, np.inf], "expected finite numbers >= 0, got inf at row 3"),
    ([0, 0, 0, 0], "expected a weight above 0, got zeros alone"),
    ([1e101] * 4, r"expected a largest weight from 1e-100 to 1e\+100, got 1e\+101 \(divide all of them"),
    ([0, 1e-310, 0, 0], r"expected a largest weight from 1e-100 to 1e\+100, got 1e-310 \(divide all of them"),
    ([1, 1], r"expected shape \(4,\), one for each example, got shape \(2,\)"),
]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(("weights", "message"), WEIGHTS)
def test_weights_are_judged(name, weights, message):
    with pytest.raises(ValueError, match=f"^sample_weight: {message}"):
        CALLS[name](Y, says(name), sample_weight=weights)


@pytest.mark.parametrize("scale", [1e-100, 1e-20, 1e99])
@pytest.mark.parametrize("name", ["mcc_score", "roc_auc_score", "average_precision_score", "evaluate", "f1_score"])
def test_the_scale_of_weights_does_not_matter(name, scale):
    weights = np.array([1.0, 3.0, 2.0, 1.0])
    a, b = CALLS[name](Y, says(name), sample_weight=weights), CALLS[name](Y, says(name), sample_weight=scale * weights)
    if name == "evaluate":
        a, b = (r.to_frame()[["value", "low", "high", "se"]].to_numpy() for r in (a, b))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_small_weights_of_many_rows_are_not_lost():
    n = 3_000_000  # in float32 the sum of so many tenths is off by 2 %
    y = np.zeros((n, 1), np.int8)
    y[::2] = 1
    weight = np.full(n, 0.1, np.float32)
    counts = metrics.multilabel_confusion_matrix(y, y, sample_weight=weight)[0]
    np.testing.assert_allclose(np.diag(counts), float(np.float32(0.1)) * n / 2, rtol=1e-12)


@pytest.mark.parametrize("name", [*TOP, *SCORED])
def test_cut_offs_are_judged(name):
    call = {**TOP, **SCORED}[name]
    more = {"inv_propensity": np.ones(3)} if name in SCORED else {}
    with pytest.raises(ValueError, match=r"^k: expected an integer >= 1, got 0"):
        call(Y, S, 0, **more)
    with pytest.raises(TypeError, match=r"^k: expected an integer >= 1, got float 1.5"):
        call(Y, S, 1.5, **more)
    with pytest.raises(ValueError, match=r"^k: expected an integer >= 1 or a sequence of them, got none"):
        call(Y, S, [], **more)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(Y, S, [4, 5], **more)
    told = [str(w.message) for w in caught if "exceeds" in str(w.message)]
    assert told == [f"{name}: k = 5 exceeds the 3 labels; ranks that do not exist are misses"]


def test_propensities_are_judged():
    with pytest.raises(ValueError, match=r"^y_train: expected at least 3 examples, got 2"):
        metrics.inverse_propensity(Y[:2])
    for bad, message in (
        ([1, 2], r"expected shape \(3,\), one for each label, got shape \(2,\)"),
        ([1, 0, 2], "expected finite numbers > 0, got 0 at label 1"),
        ([1, 2, -1], "expected finite numbers > 0, got -1 at label 2"),
        ([1, 2, np.nan], "expected finite numbers > 0, got nan at label 2"),
    ):
        for call in SCORED.values():
            with pytest.raises(ValueError, match=f"^inv_propensity: {message}"):
                call(Y, S, 2, inv_propensity=bad)


# ---------------------------------------------------------------------------------------------------- what has no value


def warned(call, *arguments, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(*arguments, **options), (line := inspect.currentframe().f_lineno)
    assert all(w.category is UndefinedMetricWarning for w in caught)
    assert all((w.filename, w.lineno) == (__file__, line) for w in caught)
    return [str(w.message) for w in caught]


def test_absent_labels_are_counted_once_and_named():
    y, p = np.column_stack([Y, np.zeros((4, 2), int)]), np.column_stack([P, np.zeros((4, 2), int)])
    s = np.column_stack([S, np.zeros((4, 2))])
    counted = "2 of 5 labels have no positive (3, 4); the macro mean counts them as 0. absent_labels='skip' gives "
    for function in (metrics.f1_score, metrics.recall_score, metrics.jaccard_score):
        [text] = warned(function, y, p, average="macro")
        name, without = function.__name__, function(y, p, average="macro", absent_labels="skip")
        assert text == f"{name}: {counted}{without:.3g}; zero_division= says otherwise"
    [text] = warned(metrics.average_precision_score, y, s)
    without = metrics.average_precision_score(y, s, absent_labels="skip")
    assert text == f"average_precision_score: {counted}{without:.3g}"
    [text] = warned(metrics.roc_auc_score, y, s)
    without = metrics.roc_auc_score(y, s, absent_labels="skip")
    assert text.startswith("roc_auc_score: 2 of 5 labels have positives or negatives only, their area is NaN (3, 4)")
    assert text.endswith(f"; absent_labels='skip' gives {without:.3g}")
    [text] = warned(metrics.f1_score, y, p, average="weighted")
    assert text.startswith("f1_score: 2 of 5 labels have no positive or prediction and count as 0 (3, 4)")
    report = metrics.classification_report
    for call in (metrics.precision_recall_fscore_support, report):
        [text] = warned(call, y, p)
        assert text.startswith(f"{call.__name__}: ")
        assert "2 of 5 labels have no positive (3, 4); the macro mean counts them as 0" in text or call is not report
        assert text.endswith("; zero_division= says otherwise")
    assert warned(metrics.f1_score, y, p, zero_division=0) == []
    note = mlkit.evaluate(y, s)["f1_macro"].note
    assert note == "2 of 5 labels without a positive, left out"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_warns_once(name):
    y, s = np.column_stack([Y, np.zeros(4, int)]), np.column_stack([says(name), np.zeros(4)])
    y[1] = -1
    options = {"k": [1, 2]} if name in TOP or name in SCORED else {}
    call = getattr(metrics, name) if name in metrics.__all__ else mlkit.evaluate
    if name in SCORED:
        options["inv_propensity"] = np.ones(4)
    averages = {"precision_recall_fscore_support": ("samples", "macro"), "roc_auc_score": ("samples", "macro", "micro")}
    averages |= dict.fromkeys(("f1_score", "fbeta_score"), ("samples", "macro_pr", "micro"))
    for average in averages.get(name, (None,)):
        more = {} if average is None else {"average": average}
        texts = warned(call, y, s, **options, **more)
        assert len(texts) <= 1
        assert all(text.startswith(f"{name}: ") for text in texts)
    if name == "classification_report":
        assert "2 of 4 labels have no prediction" in texts[0]
        assert "2 of 4 labels have no positive and" in texts[0]
        assert "examples have no prediction" in texts[0]


def test_groups_and_cut_offs_of_odd_kinds():
    with pytest.raises(TypeError, match=r"^groups: expected numbers or texts, got objects that have no order"):
        mlkit.evaluate(Y, S, groups=np.array(["a", 1, "b", "a"], object))
    with pytest.raises(ValueError, match=r"^groups: expected a group for each example, got none at row 1$"):
        mlkit.evaluate(Y, S, groups=["a", None, "b", "a"])
    assert metrics.precision_at_k(Y, S, np.array(2)) == metrics.precision_at_k(Y, S, 2)


def test_labels_of_one_kind_are_listed():
    y = np.column_stack([Y, np.ones(4, int), np.zeros(4, int)])
    report = mlkit.evaluate(y, np.column_stack([S, S[:, :2]]))
    assert report.undefined["without_negative"].tolist() == [3]
    assert report.undefined["without_positive"].tolist() == [4]
    assert np.isnan(report.per_label["roc_auc"][3])


def test_ties_follow_the_documented_rule():
    tied = np.full(S.shape, 0.5)
    assert metrics.precision_at_k(Y, tied, 1) == Y[:, 0].mean()
    assert metrics.precision_at_k(Y, tied, 1, ties="average") == pytest.approx(Y.mean())
    assert metrics.roc_auc_score(Y, tied, average="micro") == 0.5
    assert metrics.one_error(Y, tied) == 1 - Y[:, 0].mean()


def test_places_that_ties_decide_are_counted_and_told_once():
    tied = np.full(S.shape, 0.5)
    [text] = warned(mlkit.evaluate, Y, tied)
    assert text.startswith("evaluate: equal scores of true and absent labels hold 75 % of the first 1 places of rows")
    assert mlkit.evaluate(Y, tied).tie_fraction == 0.75  # one row has no label: its order does not matter
    assert mlkit.evaluate(Y, tied, k=3).tie_fraction == 0  # of three labels all are among the first three
    assert mlkit.evaluate(Y, S).tie_fraction == 0
    assert warned(mlkit.evaluate, Y, S) == []
    assert np.isnan(mlkit.evaluate(Y, y_pred=P).tie_fraction)
    two = S.copy()
    two[1, 0] = two[1, 1]  # a true and an absent label share the first place of one row of four
    assert mlkit.evaluate(Y, two, k=[1, 2]).tie_fraction == 0.25
    two[1] = [0.1, 0.6, 0.6]  # two true ones: whichever comes first is right
    assert mlkit.evaluate(Y, two, k=[1, 2]).tie_fraction == 0
    hidden = Y.copy()
    hidden[0, 1:] = hidden[3, 2] = -1
    report = mlkit.evaluate(hidden, tied, k=[1, 2])
    assert report.tie_fraction == 2 / 7  # of the first two places of all rows (one row has one known cell)
    none = sparse.csr_array((np.zeros(1), ([0], [0])), shape=(4, 3))  # what is not stored has score 0
    assert mlkit.evaluate(sparse.csr_array(Y), none, k=1).tie_fraction == 0.75
    assert warned(metrics.compare, Y, tied, S, metrics=["f1_macro", "lrap"]) == []
    [text] = warned(metrics.compare, Y, tied, S, metrics=["precision_at_1"])
    assert text.startswith("compare: equal scores")


# ----------------------------------------------------------------------------------------------------------- two models


def test_models_are_aligned_by_the_names_of_labels():
    y, a = pd.DataFrame(Y, columns=NAMES), pd.DataFrame(S, columns=NAMES)
    mixed = a[["owl", "cat", "dog"]]
    table = metrics.compare(y, a, mixed)
    assert (table["delta"] == 0).all()
    with pytest.raises(
        ValueError,
        match=r"^y_score: expected the columns .* in any order, got .* \(missing \['owl'\], unexpected \['cow'\]\)",
    ):
        metrics.compare(y, a, a.rename(columns={"owl": "cow"}))
    with pytest.raises(ValueError, match=r"expected distinct names, got 'cat' at positions 0 and 1"):
        mlkit.evaluate(Y, S, label_names=["cat", "cat", "owl"])


def test_other_rows_are_not_compared():
    a = mlkit.evaluate(Y, S)
    for other, what in (
        (mlkit.evaluate(1 - Y, S), "truth"),
        (mlkit.evaluate(Y, S, sample_weight=[1, 2, 1, 1]), "sample_weight"),
        (mlkit.evaluate(Y, S, groups=[0, 0, 1, 1]), "groups"),
    ):
        with pytest.raises(
            ValueError, match=f"^other: expected a report of the same examples, got one whose {what} di"
        ):
            a.compare(other)
