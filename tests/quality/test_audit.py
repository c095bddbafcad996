"""The audit's tables equal their slow definitions in every form of the input, and it can be kept, sent and shown."""

from __future__ import annotations

import copy
import doctest
import itertools
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mlkit
from mlkit.labels import as_label_matrix
from mlkit.quality import find_cell_issues, get_confident_thresholds, get_label_quality_scores
from reference import audit as oracle
from reference.quality import FILTERS
from reference.quality_inputs import DTYPES, KINDS, Data, as_csr, make_data, smooth

LABEL_COLUMNS = [
    "label", "support", "known", "threshold_0", "threshold_1", "auc", "auc_error", "spurious_n", "spurious_share",
    "missing_n", "missing_share", "quality", "status",
]  # fmt: skip
CELL_COLUMNS = ["id", "row", "label", "direction", "given", "suggested", "p", "score", "rank"]
EXAMPLE_COLUMNS = ["id", "row", "score", "n_flagged", "given", "suggested", "rank"]


def drawn(n=400, n_labels=6, seed=0, wrong=0.05):
    """Good probabilities and labels of which some were turned round."""
    rng = np.random.default_rng(seed)
    probs = 1 / (1 + np.exp(-rng.normal(-1, 4, (n, n_labels))))
    return Data(((rng.random(probs.shape) < probs) ^ (rng.random(probs.shape) < wrong)).astype(np.int8), probs)


def assert_records_equal(frame, records, columns):
    assert list(frame.columns) == columns
    assert len(frame) == len(records)
    for column in columns:
        ours, expected = frame[column].tolist(), [record[column] for record in records]
        if column == "fold_spread":
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-15)
        elif isinstance(expected[0] if expected else None, float):
            np.testing.assert_array_equal(ours, expected, err_msg=column)
        else:
            assert ours == expected, column


def assert_equals_the_definitions(data, labels, probs, filter_by, min_support, fold_ids=None):
    thresholds = get_confident_thresholds(labels, probs)
    folds = [] if fold_ids is None else [np.flatnonzero(fold_ids == fold) for fold in np.unique(fold_ids)]
    audit = mlkit.audit(
        labels, probs, filter_by=filter_by, rank_by="self_confidence", min_support=min_support, fold_ids=fold_ids
    )
    found = oracle.audit(*data, thresholds, filter_by=filter_by, min_support=min_support, n_folds=len(folds))
    by_fold = [get_confident_thresholds(data.rows(rows).matrix, data.probs[rows]) for rows in folds]
    columns = [*LABEL_COLUMNS, "fold_spread"] if folds else LABEL_COLUMNS
    assert_records_equal(audit.labels, oracle.label_table(found, by_fold if folds else None), columns)
    cells = oracle.cell_table(found)
    assert_records_equal(audit.cells(), cells, CELL_COLUMNS)
    for top in (1, 3):
        assert_records_equal(audit.cells(top), cells[:top], CELL_COLUMNS)
    np.testing.assert_array_equal(audit.scores, get_label_quality_scores(labels, probs))
    examples = oracle.example_table(found, audit.scores)
    assert_records_equal(audit.examples(), examples, EXAMPLE_COLUMNS)
    assert_records_equal(audit.examples(2), examples[:2], EXAMPLE_COLUMNS)
    assert_summary_equals(audit.summary, oracle.summary(found))
    assert tie_counts(audit) == (sum(found.n_tied.values()), len(found.n_tied))


def assert_summary_equals(summary, expected):
    assert summary.index.name == "measure"
    assert list(summary.columns) == ["value", "share"]
    assert summary.index.tolist() == [measure for measure, _, _ in expected]
    shares = [share for _, _, share in expected]
    np.testing.assert_allclose(summary["share"], shares, rtol=1e-12, atol=1e-15)
    for (measure, value, _), ours in zip(expected, summary["value"]):
        slack = 1 if "random" in measure else 0  # a rounded product
        assert abs(ours - value) <= slack, measure


def tie_counts(audit):
    text = " ".join(audit.trust.loc[audit.trust["kind"] == "ties", "text"])
    return tuple(int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:cell|label)", text)[:2]) or (0, 0)


# ------------------------------------------------------------------------------------------------ against definitions


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")
def test_every_number_equals_its_slow_definition(kind):
    rng = np.random.default_rng([1, *kind.encode()])
    for seed, filter_by in enumerate(FILTERS):
        data = make_data(kind, seed, list(DTYPES)[seed % 3])
        for labels, probs in itertools.product(
            (data.matrix, data.positive_only), (data.probs, as_csr(data.probs, rng))
        ):
            assert_equals_the_definitions(data, labels, probs, filter_by, min_support=int(rng.choice([0, 2, 5, 10])))


@pytest.mark.parametrize("filter_by", FILTERS)
def test_numbers_with_folds_equal_their_slow_definitions(filter_by):
    rng = np.random.default_rng(2)
    for kind, seed in itertools.product(("smooth", "rounded", "unknown_few", "unknown_most"), (1, 2, 3)):
        data = make_data(kind, seed)
        folds = rng.integers(0, 3, len(data.labels))
        assert_equals_the_definitions(data, data.matrix, data.probs, filter_by, min_support=2, fold_ids=folds)


@pytest.mark.parametrize("filter_by", FILTERS)
def test_many_flagged_cells_come_in_order_whatever_top_is(filter_by):
    data = drawn(600, 8, wrong=0.2)
    rounded = Data(data.labels, data.probs.round(1))
    for labels, probs in (data, rounded):
        audit = mlkit.audit(labels, probs, filter_by=filter_by)
        every = audit.cells()
        assert len(every) > 100
        keys = list(zip(every["score"], every["row"], every["label"]))
        assert keys == sorted(keys)
        for top in (0, 1, 2, len(every) // 5, len(every) // 3, len(every), len(every) + 1):
            pd.testing.assert_frame_equal(audit.cells(top), every.head(top), check_dtype=top > 0)
            pd.testing.assert_frame_equal(audit.examples(top), audit.examples().head(top), check_dtype=top > 0)


@pytest.mark.parametrize("filter_by", FILTERS)
@pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")
def test_flags_are_those_of_find_cell_issues_but_for_labels_not_judged(filter_by):
    data = make_data("smooth", 7, n_labels=15)
    audit = mlkit.audit(*data, filter_by=filter_by)
    expected = find_cell_issues(*data, filter_by=filter_by).toarray()
    judged = audit.labels["status"].str.match("ok|constant_1").to_numpy()
    assert expected[:, ~judged].any()
    expected[:, ~judged] = False
    cells = audit.cells()
    flags = np.zeros_like(expected)
    flags[cells["row"], cells["label"]] = True
    np.testing.assert_array_equal(flags, expected)


def test_every_road_gives_the_same_audit():
    labels, probs = drawn(300, 7)
    names = [f"name {label}" for label in range(7)]
    lists = [np.flatnonzero(row).tolist() for row in labels]
    expected = mlkit.audit(labels, probs, label_names=names)
    roads = [
        (labels.astype(bool), np.asfortranarray(probs)),
        (labels.astype(float), probs[::-1][::-1]),
        (sparse.csc_matrix(labels), as_csr(probs)),
        (as_label_matrix(labels), as_csr(probs, np.random.default_rng(0))),
        (lists, probs),
        (lists, [np.stack([1 - p, p], axis=1) for p in probs.T]),
        ([[names[label] for label in row] for row in lists], pd.DataFrame(probs[:, ::-1], columns=names[::-1])),
    ]
    for (given, scores), n_jobs in itertools.product(roads, (1, 2, 3, 8)):
        audit = mlkit.audit(given, scores, label_names=names, n_jobs=n_jobs)
        assert audit.to_json() == expected.to_json()
        pd.testing.assert_frame_equal(audit.cells(), expected.cells())
        pd.testing.assert_frame_equal(audit.examples(), expected.examples())
        np.testing.assert_array_equal(audit.scores, expected.scores)


def test_a_hundred_thousand_labels_in_compressed_rows_equal_the_dense_audit_of_those_that_matter():
    rng = np.random.default_rng(3)
    n, wide = 500, 100_000
    columns = np.sort(rng.choice(wide, 20, replace=False))
    labels, probs = drawn(n, 20)
    few = sparse.csr_array(labels)
    many = sparse.csr_array((few.data, columns[few.indices], few.indptr), shape=(n, wide))
    dense = as_csr(probs)
    scores = sparse.csr_array((dense.data, columns[dense.indices], dense.indptr), shape=(n, wide))
    audit, expected = mlkit.audit(many, scores), mlkit.audit(few, dense)
    cells = expected.cells()
    cells["label"] = columns[cells["label"]]
    pd.testing.assert_frame_equal(audit.cells(), cells, check_dtype=False)
    frame = audit.labels.iloc[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(frame.drop(columns="label"), expected.labels.drop(columns="label"))
    assert audit.summary["value"]["labels in which nothing is flagged, see trust"] == wide - 20
    ours, theirs = (found.examples().set_index("row").sort_index() for found in (audit, expected))
    assert ours.index.tolist() == theirs.index.tolist()
    for column in ("given", "suggested"):
        assert ours[column].tolist() == [columns[numbers].tolist() for numbers in theirs[column]]
    assert len(json.loads(audit.to_json())["labels"]) == wide


# ------------------------------------------------------------------------------------------------------ names and ids


def small():
    """Four labels and ten of each side; two cells wrong in row 3, one in row 7."""
    labels = np.tile([[1, 0, 1, 0], [0, 1, 0, 1]], (10, 1))
    probs = np.where(labels, 0.875, 0.125)
    labels[3, 0], labels[3, 1], labels[7, 2] = 1, 0, 1
    return labels, probs


NAMES = ["cat", "dog", "owl", "<script>alert('&')</script>"]


def test_cells_and_examples_of_a_worked_case():
    audit = mlkit.audit(*small(), min_support=5, rank_by="self_confidence")
    cells = audit.cells()
    assert cells["row"].tolist() == [3, 3, 7]
    assert cells["label"].tolist() == [0, 1, 2]
    assert cells["direction"].tolist() == ["spurious", "missing", "spurious"]
    assert cells["given"].tolist() == [1, 0, 1]
    assert cells["suggested"].tolist() == [0, 1, 0]
    assert cells["p"].tolist() == [0.125, 0.875, 0.125]
    assert cells["score"].tolist() == [0.125, 0.125, 0.125]
    examples = audit.examples()
    assert examples["row"].tolist() == [3, 7]
    assert examples["n_flagged"].tolist() == [2, 1]
    assert examples["given"].tolist() == [[0, 3], [1, 2, 3]]
    assert examples["suggested"].tolist() == [[1, 3], [1, 3]]


def test_names_stand_in_every_table():
    audit = mlkit.audit(*small(), label_names=NAMES, min_support=5, rank_by="self_confidence")
    assert audit.label_names == tuple(NAMES)
    assert audit.labels["label"].tolist() == NAMES
    assert audit.cells()["label"].tolist() == ["cat", "dog", "owl"]
    examples = audit.examples()
    assert examples["given"].tolist() == [["cat", NAMES[3]], ["dog", "owl", NAMES[3]]]
    assert examples["suggested"].tolist() == [["dog", NAMES[3]], ["dog", NAMES[3]]]


def test_a_frames_columns_are_the_names():
    labels, probs = small()
    audit = mlkit.audit(pd.DataFrame(labels, columns=NAMES), pd.DataFrame(probs[:, ::-1], columns=NAMES[::-1]))
    assert audit.label_names == tuple(NAMES)


@pytest.mark.parametrize(
    "ids",
    [
        [f"picture {row}.png" for row in range(20)],
        list(range(100, 120)),
        np.arange(20) * 1000,
        pd.Index([f"i{row}" for row in range(20)], name="picture"),
        pd.Series(range(20, 40), index=range(20, 0, -1)),
        pd.date_range("2024-01-01", periods=20),
        [(row, str(row)) for row in range(20)],
        ["1", 1, *range(2, 20)],
    ],
)
def test_ids_stand_in_cells_and_examples(ids):
    audit = mlkit.audit(*small(), ids=ids, min_support=5, rank_by="self_confidence")
    expected = list(ids)
    assert audit.cells()["id"].tolist() == [expected[3], expected[3], expected[7]]
    assert audit.examples()["id"].tolist() == [expected[3], expected[7]]


def test_ids_changed_later_do_not_change_the_audit():
    ids = np.arange(20)
    audit = mlkit.audit(*small(), ids=ids, min_support=5, rank_by="self_confidence")
    ids[:] = 0
    assert audit.examples()["id"].tolist() == [3, 7]


# ---------------------------------------------------------------------------------------------------------- filtering


def test_cells_are_filtered_by_label_and_direction():
    labels, probs = drawn(500, 5, wrong=0.1)
    names = list("abcde")
    audit = mlkit.audit(labels, probs, label_names=names)
    every = audit.cells()
    for label, direction in itertools.product((None, 0, 3, "d", np.int64(4)), (None, "missing", "spurious")):
        keep = np.ones(len(every), bool)
        if label is not None:
            keep &= every["label"] == (label if isinstance(label, str) else names[label])
        if direction is not None:
            keep &= every["direction"] == direction
        expected = every[keep].reset_index(drop=True)
        expected["rank"] = np.arange(1, len(expected) + 1)
        assert len(expected)
        pd.testing.assert_frame_equal(audit.cells(label=label, direction=direction), expected)
        pd.testing.assert_frame_equal(audit.cells(3, label=label, direction=direction), expected.head(3))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"top": -1}, ValueError, "top: expected an integer >= 0, got -1"),
        ({"top": 1.5}, TypeError, "top: expected an integer >= 0, got float 1.5"),
        ({"label": 4}, ValueError, r"label: expected an integer in \[0, 3\], got 4"),
        ({"label": -1}, ValueError, r"label: expected an integer in \[0, 3\], got -1"),
        (
            {"label": "dogs"},
            ValueError,
            r"label: expected one of 'cat', 'dog', 'owl', .* got 'dogs' \(did you mean 'dog'\?",
        ),
        (
            {"direction": "spurios"},
            ValueError,
            r"direction: expected one of .*got 'spurios' \(did you mean 'spurious'\?",
        ),
        ({"direction": 1}, TypeError, "direction: expected one of 'missing', 'spurious', got 1"),
    ],
)
def test_a_wrong_filter_is_named(options, error, message):
    audit = mlkit.audit(*small(), label_names=NAMES)
    with pytest.raises(error, match=message):
        audit.cells(**options)


def test_a_name_is_no_label_where_labels_have_none():
    with pytest.raises(ValueError, match=r"label: expected a number, got 'cat' \(the labels have no names\)"):
        mlkit.audit(*small()).cells(label="cat")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"filter_by": "prune_by_noise"},
            ValueError,
            "filter_by: expected one of .*did you mean 'prune_by_noise_rate'",
        ),
        ({"min_support": -1}, ValueError, "min_support: expected an integer >= 0, got -1"),
        ({"min_support": None}, TypeError, "min_support: expected an integer >= 0, got None"),
        ({"ids": range(3)}, ValueError, r"ids: expected 20 ids, one for each example, got"),
        ({"ids": "abc"}, TypeError, "ids: expected 20 ids, one for each example, got str 'abc'"),
        ({"fold_ids": range(3)}, ValueError, r"fold_ids: expected 20 fold numbers, .* got shape \(3,\)"),
        ({"fold_ids": 5}, ValueError, "fold_ids: expected 20 fold numbers, one for each example, got int 5"),
        ({"fold_ids": [0, 1] * 9 + [0, np.nan]}, ValueError, "fold_ids: expected a fold for each .*nan at row 19"),
        (
            {"fold_ids": [None] + ["a"] * 19},
            ValueError,
            "fold_ids: expected a fold for each example, got None at row 0",
        ),
        ({"fold_ids": range(20)}, ValueError, r"fold_ids: .* a few folds, got 20 different ones for 20 examples"),
    ],
)
def test_wrong_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        mlkit.audit(*small(), **options)


# ---------------------------------------------------------------------------------------------------------- odd cases


def shown(audit):
    """Everything that an audit says of itself."""
    strict = json.loads(audit.to_json(), parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))
    assert [record["status"] for record in strict["labels"]] == audit.labels["status"].tolist()
    return repr(audit) + audit._repr_html_()


def test_nothing_flagged_gives_empty_tables_with_their_columns():
    labels = np.tile([[1, 0], [0, 1]], (20, 1))
    audit = mlkit.audit(
        labels, np.where(labels, 0.75, 0.25), label_names=["a", "b"], ids=[f"i{row}" for row in range(40)]
    )
    cells, examples = audit.cells(), audit.examples()
    assert (len(cells), len(examples)) == (0, 0)
    assert list(cells.columns) == CELL_COLUMNS
    assert list(examples.columns) == EXAMPLE_COLUMNS
    assert cells["row"].dtype == np.int64
    assert cells["score"].dtype == np.float64
    assert audit.summary["share"]["examples with a flagged cell"] == 0
    assert "-0.00" not in shown(audit)


@pytest.mark.parametrize(
    ("labels", "probs", "status"),
    [
        ([[1]], [[0.25]], ["insufficient support"]),
        ([[0, 1, -1]], [[0.5, 0.5, 0.5]], ["no_positive", "insufficient support", "no known cell"]),
        (np.full((30, 2), -1), np.full((30, 2), 0.5), ["no known cell"] * 2),
        (np.zeros((30, 2), int), np.full((30, 2), 0.75), ["no_positive"] * 2),
        (np.ones((30, 1), int), np.full((30, 1), 0.25), [oracle.CONSTANT]),
        (np.ones((3, 1), int), np.full((3, 1), 0.25), ["insufficient support"]),
        ([[1], [0]] * 20, [[0.75], [0.25]] * 20, ["ok"]),
    ],
)
@pytest.mark.parametrize("filter_by", FILTERS)
def test_small_and_one_sided_data_are_audited(labels, probs, status, filter_by):
    labels, probs = np.asarray(labels), np.asarray(probs)
    for scores in (probs, sparse.csr_array(probs)):
        audit = mlkit.audit(labels, scores, filter_by=filter_by)
        assert audit.shape == labels.shape
        assert audit.labels["status"].tolist() == status
        shown(audit)
        n_flagged = 30 if filter_by == "predicted_neq_given" and status == [oracle.CONSTANT] else 0
        assert len(audit.cells()) == n_flagged
        assert len(audit.examples()) == n_flagged


def test_unknown_rows_have_no_score_and_no_flag():
    labels, probs = drawn(200, 4, wrong=0.2)
    labels[::3] = -1
    audit = mlkit.audit(labels, probs)
    assert np.isnan(audit.scores[::3]).all()
    assert not np.isnan(audit.scores[1::3]).any()
    assert (audit.examples()["row"] % 3 != 0).all()
    assert audit.summary["value"]["known cells"] == 4 * np.count_nonzero(labels[:, 0] >= 0)


def test_the_callers_arrays_are_left_as_they_were():
    labels, probs = drawn()
    before = labels.copy(), probs.copy()
    audit = mlkit.audit(labels, probs, fold_ids=np.arange(len(labels)) % 2)
    shown(audit)
    np.testing.assert_array_equal(labels, before[0])
    np.testing.assert_array_equal(probs, before[1])


# ------------------------------------------------------------------------------------------------------ shown and kept


def test_names_are_escaped_in_html():
    audit = mlkit.audit(*small(), label_names=NAMES, min_support=11)
    html = audit._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "nothing is flagged in" in html


@pytest.mark.parametrize("form", ["__repr__", "_repr_html_"])
def test_what_is_shown_claims_no_errors(form):
    audit = mlkit.audit(*drawn(400, 40))
    text = getattr(audit, form)().lower()
    assert "candidates for review" in text
    assert "about half were errors" in text
    assert not re.search(r"\d[\d,]* (label )?(errors|mistakes|wrong)|errors? found|are wrong\b(?!;)", text)


def test_the_text_reads_like_this():
    audit = mlkit.audit(*small(), label_names=NAMES, min_support=5)
    assert repr(audit).splitlines() == [
        "LabelAudit: 20 examples x 4 labels (prune_by_noise_rate)",
        "  examples                                                  20",
        "  labels                                                     4",
        "  known cells                                               80    100.00 %",
        "  given labels                                              41     51.25 %",
        "  flagged cells                                              3      3.75 %",
        "  flagged as spurious, of the given labels                   2      4.88 %",
        "  flagged as missing, of the labels not given                1      2.56 %",
        "  examples with a flagged cell                               2     10.00 %",
        "    the same if flags fell at random                         3     14.26 %",
        "  labels in which nothing is flagged, see trust              0      0.00 %",
        "Flags are candidates for review: where people checked them, about half were errors.",
        "Wrong cells: between 0 and 19 (spurious 0 to 10, missing 0 to 10)",
        "  cannot tell: the labels are as p says; so they are if right, and also if the model has learned their errors",
        "  assumes p to be calibrated to the true labels (off by 0.088 from the given ones)",
    ]


def test_small_shares_do_not_become_zero():
    labels, probs = drawn(300, 5, wrong=0.1)
    wide = sparse.csr_array((300, 50_000), dtype=np.int8)
    audit = mlkit.audit(sparse.hstack([sparse.csr_array(labels), wide]), sparse.hstack([as_csr(probs), wide * 0.5]))
    flagged = audit.summary.loc["flagged cells"]
    assert 0 < flagged["share"] < 1e-4
    for text in (repr(audit), audit._repr_html_()):
        assert f"{100 * flagged['share']:.2g} %" in text


def test_json_holds_what_the_tables_hold():
    audit = mlkit.audit(*make_data("smooth", 5), label_names=[*"abcdefghij", 'q"uo\\te', "ünï\n"])
    content = json.loads(audit.to_json())
    wanted = ["filter_by", "rank_by", "min_support", "summary", "story", "evidence", "trust", "labels"]
    assert list(content) == wanted
    assert (content["filter_by"], content["min_support"]) == ("prune_by_noise_rate", 10)
    frame = pd.DataFrame(content["labels"])
    pd.testing.assert_frame_equal(frame, audit.labels, check_dtype=False)
    assert None in [record["auc"] for record in content["labels"]]
    pd.testing.assert_frame_equal(pd.DataFrame(content["trust"]), audit.trust)
    assert content["evidence"] == audit.evidence.to_dict(orient="records")
    assert content["summary"]["examples"] == {"value": audit.shape[0], "share": None}
    assert list(content["summary"]) == audit.summary.index.tolist()


def test_save_writes_the_tables(tmp_path):
    audit = mlkit.audit(*small(), label_names=NAMES, min_support=5)
    files = audit.save(tmp_path / "new")
    assert sorted(path.name for path in files) == [
        "breaks.csv", "cells.csv", "examples.csv", "labels.csv", "pairs.csv", "patch.json", "summary.json",
        "violations.csv",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "labels.csv"), audit.labels)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "cells.csv"), audit.cells(), check_dtype=False)
    assert (tmp_path / "new" / "summary.json").read_text(encoding="utf-8") == audit.to_json()


@pytest.mark.parametrize("way", [lambda audit: pickle.loads(pickle.dumps(audit)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("form", ["dense", "fortran", "strided", "sparse", "clipped", "float16", "unknown", "memmap"])
def test_a_copy_says_the_same(way, form, tmp_path):
    labels, probs = drawn(100, 4, wrong=0.1)
    if form == "fortran":
        probs = np.asfortranarray(probs)
    elif form == "strided":
        probs = np.repeat(probs, 2, axis=1)[:, ::2]
    elif form == "sparse":
        labels, probs = sparse.csr_array(labels), as_csr(probs.round(1))
    elif form == "clipped":
        probs = np.where(probs > 0.99, 1 + 5e-7, probs)
    elif form == "float16":
        probs = probs.astype(np.float16)
    elif form == "unknown":
        labels = as_label_matrix(sparse.csr_array(labels), background="unknown")
    elif form == "memmap":
        np.save(tmp_path / "p.npy", probs)
        probs = np.load(tmp_path / "p.npy", mmap_mode="r")
    audit = mlkit.audit(labels, probs, label_names=list("abcd"), ids=[f"i{row}" for row in range(100)])
    other = way(audit)
    assert repr(other) == repr(audit)
    assert other._repr_html_() == audit._repr_html_()
    assert other.to_json() == audit.to_json()
    pd.testing.assert_frame_equal(other.cells(), audit.cells())
    pd.testing.assert_frame_equal(other.examples(), audit.examples())
    np.testing.assert_array_equal(other.scores, audit.scores)
    pd.testing.assert_frame_equal(way(other).labels, audit.labels)  # once more


def test_a_bar_is_shown_when_asked_for(capsys):
    pytest.importorskip("tqdm")
    mlkit.audit(*drawn(), progress=True)
    assert "audit" in capsys.readouterr().err
    mlkit.audit(*drawn(), progress=False)
    assert capsys.readouterr().err == ""


def test_nothing_is_written_or_warned_unasked(capsys):
    mlkit.audit(*make_data("smooth", 1))
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")


def test_probabilities_of_half_precision_give_the_audit_of_the_doubles_that_they_are():
    rng = np.random.default_rng(4)
    probs = smooth(rng, 200, 5).astype(np.float16)
    labels = rng.random(probs.shape) < probs
    assert mlkit.audit(labels, probs).to_json() == mlkit.audit(labels, probs.astype(np.float64)).to_json()


def test_the_example_of_the_rooms_page_runs():
    page = Path(__file__).parents[2] / "docs" / "quality.md"
    result = doctest.testfile(str(page), module_relative=False)
    assert result.failed == 0
    assert result.attempted >= 6
