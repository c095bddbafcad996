"""Bad input is answered by one clear message: the argument, what was expected, what was got, where, and what to do."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from mlkit._validation.cells import check_cells
from mlkit._validation.params import (
    check_choice,
    check_flag,
    check_ids,
    check_integer,
    check_label_names,
    check_memory,
    check_number,
    format_bytes,
    shorten,
)
from mlkit.labels import as_label_matrix
from mlkit.quality import (
    LabelQualityWarning,
    find_cell_issues,
    find_label_issues,
    get_cell_quality_scores,
    get_label_quality_scores,
)

NAMES = ["cat", "bird", "dog", "fish"]


def data(n=30, n_labels=4, seed=0):
    """Labels that half of the rows have, and probabilities that disagree with a tenth of them."""
    rng = np.random.default_rng(seed)
    half = (np.arange(n) < n // 2).astype(np.int8)
    labels = rng.permuted(np.tile(half[:, None], n_labels), axis=0)
    return labels, np.where(rng.random((n, n_labels)) < 0.1, 1 - labels, labels) * 0.8 + 0.1


@pytest.fixture
def labels():
    return data()[0]


@pytest.fixture
def probs():
    return data()[1]


def raises(kind, message):
    """Expect an error whose whole text is this, in at most two lines."""
    return pytest.raises(kind, match=rf"\A{re.escape(message)}\Z")


def find(labels, probs, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelQualityWarning)
        return find_label_issues(labels, probs, **options)


# ------------------------------------------------------------------------------------ the table of bad inputs, in order


def test_row_1_one_nan_is_an_error_that_names_its_place(labels, probs):
    probs[3, 2] = np.nan
    with raises(
        ValueError,
        "pred_probs: expected no missing values, got 1 NaN "
        "(first at row 3, label 2 'dog'; nan_policy='mask' treats such cells as unknown)",
    ):
        find_label_issues(labels, probs, label_names=NAMES)


def test_row_1_masked_nan_is_an_unknown_cell(labels, probs):
    holed = probs.copy()
    holed[3, 2] = np.nan
    unknown = np.isnan(holed)
    np.testing.assert_array_equal(find(labels, holed, nan_policy="mask"), find(labels, probs, unknown=unknown))


@pytest.mark.parametrize(
    ("value", "guess"),
    [
        (-4.125, "values look like logits (min -4.12, max 1); pass from_logits=True"),
        (97.5, "values look like percentages (max 97.5); divide by 100"),
        (1.75, "max 1.75; logits? pass from_logits=True"),
        (1.00001, "max 1.00001"),
        (np.inf, "max inf"),
        (255.0, "max 255"),
        (-np.inf, "values look like logits (min -inf, max 1); pass from_logits=True"),
    ],
)
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, pd.DataFrame], ids=["array", "csr", "frame"])
def test_row_2_values_out_of_range_are_an_error_with_a_guess(labels, probs, make, value, guess):
    probs[17, 3] = value
    with raises(
        ValueError, f"pred_probs: expected values in [0, 1], got {value:.7g} at row 17, label 3 'fish' ({guess})"
    ):
        find_label_issues(labels, make(probs), label_names=NAMES)


def test_row_2_percentages_are_guessed_from_the_largest(labels, probs):
    with pytest.raises(ValueError, match=r"got \d+ at row 0, label 0 \(values look like percentages \(max 90\)"):
        find_label_issues(labels, np.round(100 * probs))


def test_row_3_hard_predictions_are_an_error(labels):
    with raises(
        ValueError,
        "pred_probs: expected probabilities, got int64 (hard predictions carry no confidence; "
        "pass probabilities, or force=True to use these as they are)",
    ):
        find_label_issues(labels, labels.astype(np.int64))
    assert not find(labels, labels, force=True).any()


def test_row_4_a_label_that_every_row_has_is_checked_on_one_side_and_named(labels, probs):
    labels[:, 1] = 1
    with pytest.warns(
        LabelQualityWarning, match=r"^1 label without a known negative \(only spurious labels can be found\): 'bird'$"
    ):
        flagged = find_cell_issues(labels, probs, label_names=NAMES)
    assert set(flagged.nonzero()[1]) <= {0, 1, 2, 3}


def test_row_5_labels_that_no_row_has_are_named_in_one_warning(labels, probs):
    labels[:, [0, 2]] = 0
    with pytest.warns(
        LabelQualityWarning,
        match=r"^2 labels without a known positive \(only missing labels can be found\): 'cat', 'dog'$",
    ) as record:
        find_label_issues(labels, probs, label_names=NAMES)
    assert len(record) == 1


@pytest.mark.parametrize(("value", "side"), [(0, "positive"), (1, "negative")])
def test_row_6_rows_that_are_all_empty_or_all_full_run(probs, value, side):
    labels = np.full(probs.shape, value)
    with pytest.warns(LabelQualityWarning, match=rf"^4 labels without a known {side} \(.*\): 0, 1, 2, 3$"):
        assert find_label_issues(labels, probs).shape == (30,)
    assert np.isfinite(get_label_quality_scores(labels, probs)).all()


def test_row_6_one_label_runs(labels, probs):
    assert find_label_issues(labels[:, :1], probs[:, :1]).shape == (30,)
    assert get_label_quality_scores(labels[:, :1], probs[:, :1]).shape == (30,)


def test_row_7_labels_with_few_positives_are_named(labels, probs):
    labels[:, 3] = 0
    labels[:4, 3] = 1
    with pytest.warns(
        LabelQualityWarning, match=r"^1 label with fewer than 10 positives \(flags rest on few cells\): 'fish'$"
    ):
        find_label_issues(labels, probs, label_names=NAMES)


def test_row_8_binary_tables_of_every_kind_are_accepted(labels, probs):
    expected = find(labels, probs)
    for table in (labels == 1, labels.astype(float), pd.DataFrame(labels), sparse.csr_matrix(labels)):
        np.testing.assert_array_equal(find(table, probs), expected)


@pytest.mark.parametrize("kind", [int, bool, float, np.int8])
def test_row_9_rows_of_a_binary_matrix_are_not_taken_for_label_numbers(labels, probs, kind):
    rows = [[kind(value) for value in row] for row in labels.tolist()]
    with raises(
        ValueError,
        "labels: expected a list of label numbers for each example, got 30 rows of 4 zeros and ones "
        "(looks like a binary matrix; pass np.asarray(labels))",
    ):
        find_label_issues(rows, probs)
    np.testing.assert_array_equal(find(np.asarray(rows), probs), find(labels, probs))


def test_row_9_the_same_with_one_label_with_two_and_without_their_number():
    with pytest.raises(ValueError, match=r"got 2 rows of 1 zeros and ones \(looks like a binary matrix"):
        find_label_issues([[0], [1]], np.full((2, 1), 0.5))
    with pytest.raises(ValueError, match=r"pass np.asarray\(labels\); if these are label numbers, sort each row\)$"):
        find_label_issues([[0, 1], [1, 0]], np.full((2, 2), 0.5))
    with pytest.raises(ValueError, match=r"got 2 rows of 3 zeros and ones \(looks like a binary matrix"):
        as_label_matrix([[0, 1, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match=r"got 2 rows of 3 zeros and ones \(looks like a binary matrix"):
        as_label_matrix([np.array([0, 1, 1]), np.array([1, 0, 0])], n_labels=3)


@pytest.mark.parametrize(
    ("bad", "shown"),
    [(-1, "-1"), (7, "7"), (1.5, "1.5"), ("a", "'a'"), (float("nan"), "nan"), (None, "None"), (True, "True"),
     (np.int64(9), "9"), (2.0, "2.0"), ([0], "[0]"), (2**70, "1180591620717411303424"), (np.float32(0.5), "0.5")],
)  # fmt: skip
def test_row_10_labels_that_do_not_exist_are_an_error_with_row_and_value(bad, shown):
    probs = np.full((4, 4), 0.5)
    with raises(
        ValueError,
        f"labels: expected label numbers in [0, 4), got {shown} at row 2 (invalid_ids='ignore' drops such labels)",
    ):
        find_label_issues([[0], [], [3, 1, bad], [2]], probs)
    matrix = check_cells([[0], [], [3, 1, bad], [2]], probs, invalid_ids="ignore").labels
    assert matrix.to_lists() == [[0], [], [1, 3], [2]]
    assert matrix.notes == {"ignored_ids": 1}


def test_row_10_names_that_do_not_exist_are_an_error_with_a_suggestion():
    with raises(
        ValueError,
        "labels: expected names in label_names, got 'brid' at row 1 (did you mean 'bird'?) "
        "(invalid_ids='ignore' drops such labels)",
    ):
        find_label_issues([["cat"], ["dog", "brid"]], np.full((2, 4), 0.5), label_names=NAMES)


def test_row_10_arrays_of_labels_that_do_not_exist_are_an_error_too():
    with pytest.raises(ValueError, match=r"^labels: expected label numbers in \[0, 4\), got 4 at row 1 "):
        find_label_issues([np.array([0, 1]), np.array([4])], np.full((2, 4), 0.5))


def test_row_11_repeated_labels_are_merged_and_counted():
    cells = check_cells([[0, 0, 1], [2], [2, 2]], np.full((3, 4), 0.5))
    assert cells.labels.to_lists() == [[0, 1], [2], [2]]
    assert cells.labels.notes == {"merged_duplicates": 2}


@pytest.mark.parametrize(
    ("shape", "hint"), [((29, 4), ""), ((30, 5), ""), ((4, 30), " (transposed?)"), ((1, 1), "")], ids=str
)
def test_row_12_shapes_that_disagree_are_both_told(labels, shape, hint):
    with raises(
        ValueError,
        f"pred_probs: expected shape (n_samples, n_labels) = (30, 4) to match labels, got {shape}{hint}",
    ):
        find_label_issues(labels, np.full(shape, 0.5))


def test_row_12_lists_of_another_length_than_the_probabilities_are_told(probs):
    with pytest.raises(ValueError, match=r"^pred_probs: .* = \(3, 4\) to match labels, got \(30, 4\)$"):
        find_label_issues([[0], [1], [2]], probs)


def test_row_12_a_mask_of_another_shape_is_told(labels, probs):
    with raises(ValueError, "unknown: expected shape (30, 4) to match labels, got (4, 30) (transposed?)"):
        find_label_issues(labels, probs, unknown=np.zeros((4, 30), bool))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, pd.DataFrame], ids=["array", "csr", "frame"])
def test_row_13_no_rows_and_no_labels_are_an_error(make, probs):
    with raises(ValueError, "labels: expected at least one example, got no rows (shape (0, 4))"):
        find_label_issues(make(np.zeros((0, 4))), probs)
    with raises(ValueError, "labels: expected at least one label, got no columns (shape (30, 0))"):
        find_label_issues(make(np.zeros((30, 0))), probs)
    with raises(ValueError, "pred_probs: expected at least one example and one label, got shape (0, 4)"):
        find_label_issues(np.eye(4), make(np.zeros((0, 4))))


def test_row_13_empty_lists_are_an_error(probs):
    with raises(ValueError, "labels: expected at least one example, got no rows (shape (0, 4))"):
        find_label_issues([], probs)
    with raises(ValueError, "pred_probs: expected at least one example and one label, got an empty list"):
        find_label_issues(np.eye(4), [])


def test_row_13_one_example_runs():
    with pytest.warns(LabelQualityWarning):
        assert find_label_issues([[0]], [[0.9, 0.2]]).tolist() == [False]
    assert get_label_quality_scores([[0]], [[0.9, 0.2]]).shape == (1,)


def test_row_14_columns_are_aligned_by_name_or_refused(labels, probs):
    expected = find(labels, probs)
    named = pd.DataFrame(labels, columns=NAMES)
    columns = pd.DataFrame(probs, columns=NAMES)
    np.testing.assert_array_equal(find(named, columns[["dog", "cat", "fish", "bird"]]), expected)
    with raises(
        ValueError,
        "pred_probs: expected the columns ['cat', 'bird', 'dog', 'fish'] in any order, "
        "got ['cat', 'bird', 'dog', 'cow'] (missing ['fish'], unexpected ['cow'])",
    ):
        find_label_issues(named, columns.rename(columns={"fish": "cow"}))


def test_row_14_a_label_that_no_row_has_keeps_its_column(labels, probs):
    labels[:, 1] = 0
    lists = [np.flatnonzero(row).tolist() for row in labels]
    np.testing.assert_array_equal(find(lists, probs), find(labels, probs))


def test_row_16_a_model_that_says_nothing_of_a_label_is_named(labels, probs):
    probs[:, 1] = 0.7 - 0.4 * labels[:, 1]
    with pytest.warns(
        LabelQualityWarning,
        match=r"^1 label with probabilities no higher where the label is given \(the model says nothing\): 'bird'$",
    ):
        find_label_issues(labels, probs, label_names=NAMES)


def test_rows_5_7_and_16_share_one_warning_that_shows_five_names_of_each_kind():
    labels, probs = data(n=40, n_labels=12)
    labels[:, :7] = 0
    labels[:2, 11] = 1
    labels[2:, 11] = 0
    with pytest.warns(LabelQualityWarning) as record:
        find_label_issues(labels, probs)
    (warning,) = record
    assert str(warning.message) == (
        "7 labels without a known positive (only missing labels can be found): 0, 1, 2, 3, 4 and 2 more; "
        "1 label with fewer than 10 positives (flags rest on few cells): 11"
    )
    assert warning.filename == __file__


def test_labels_of_which_nothing_is_known_are_named(labels, probs):
    unknown = np.zeros(labels.shape, bool)
    unknown[:, 2] = True
    with pytest.warns(LabelQualityWarning, match=r"^1 label without a known cell: 'dog'$"):
        find_label_issues(labels, probs, unknown=unknown, label_names=NAMES)


def test_good_labels_pass_without_a_warning(labels, probs):
    find_label_issues(labels, probs)


def test_row_21_halves_are_accepted(labels, probs):
    exact = np.round(probs * 64) / 64
    np.testing.assert_array_equal(find(labels, exact.astype(np.float16)), find(labels, exact))


def test_row_22_no_layout_is_copied(labels, probs):
    for layout in (np.asfortranarray, lambda p: p[::-1], lambda p: np.repeat(p, 2, axis=1)[:, ::2]):
        table = layout(probs)
        table.flags.writeable = False
        assert np.shares_memory(check_cells(labels, table).probs.array, table)


def test_row_24_an_answer_that_cannot_fit_is_refused_with_its_size():
    shape = (2**17, 2**17)
    with pytest.raises(MemoryError, match=r"131072 x 131072 cells need 128.0 GB, the limit is 2.0 GB \(top= returns"):
        get_cell_quality_scores(sparse.csr_array(shape, dtype=bool), sparse.csr_array(shape, dtype=np.float32))


# --------------------------------------------------------------------------------------------------- values of labels


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, pd.DataFrame, np.asfortranarray])
@pytest.mark.parametrize(
    ("value", "shown"), [(2, "2.0"), (-2, "-2.0"), (0.5, "0.5"), (np.inf, "inf"), (1e300, "1e+300")]
)
def test_values_that_no_label_has_are_named_with_their_place(make, value, shown):
    y = np.zeros((5, 4))
    y[4, 0], y[3, 2], y[3, 3] = 7, value, 9
    hint = " (threshold it first)" if value == 0.5 else ""
    with raises(
        ValueError, f"labels: expected 0 or 1 (-1 or NaN where unknown), got {shown} at row 3, label 2 'dog'{hint}"
    ):
        as_label_matrix(make(y), label_names=NAMES)


def test_integers_are_shown_as_such():
    with raises(ValueError, "labels: expected 0 or 1 (-1 or NaN where unknown), got 255 at row 0, label 1"):
        as_label_matrix(np.array([[0, 255]], np.uint8))


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1", "'1'"), ([1], "[1]"), (2, "2.0"), (10**400, "1" + "0" * 56 + "..."), (1 + 2j, "(1+2j)"), (b"1", "b'1'")],
)
def test_odd_things_in_object_cells_are_named_with_their_place(value, shown):
    cells = np.array([[0, 1, 0], [None, 0, 0]], object)
    cells[1, 2] = value
    with raises(ValueError, f"labels: expected 0 or 1 (-1 or NaN where unknown), got {shown} at row 1, label 2"):
        as_label_matrix(cells)


@pytest.mark.parametrize(
    ("frame", "got"),
    [
        (pd.DataFrame({"a": [1, 0], "b": ["1", "0"]}).astype({"b": "string"}), "string in column 'b'"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), r"datetime64\[\w+\] in column 'a'"),
        (pd.DataFrame({"a": [1j]}), "complex128 in column 'a'"),
        (pd.DataFrame({"a": ["x"]}).astype("category"), "category in column 'a'"),
        (pl.DataFrame({"a": [1], "b": ["1"]}), "String in column 'b'"),
        (pl.DataFrame({"a": [[1]]}), r"List\(Int64\) in column 'a'"),
    ],
    ids=str,
)
@pytest.mark.parametrize("argument", ["labels", "pred_probs", "unknown"])
def test_columns_that_hold_no_numbers_are_named(frame, got, argument):
    n, n_labels = frame.shape
    given_ = {"labels": np.zeros((n, n_labels)), "pred_probs": np.full((n, n_labels), 0.5), argument: frame}
    with pytest.raises(TypeError, match=rf"^{argument}: expected columns of numbers, got {got}$"):
        check_cells(**given_)


# ------------------------------------------------------------------------------------------------------ hostile things


class Tensor:
    """What tensors of other libraries look like."""

    def __init__(self, array, error=None):
        self.array, self.error, self.shape = array, error, array.shape

    def __array__(self, dtype=None, copy=None):
        if self.error:
            raise self.error
        return self.array


class Verbose:
    """Shows itself in many lines, or not at all."""

    def __init__(self, fails=False):
        self.fails = fails

    def __repr__(self):
        if self.fails:
            raise RuntimeError("no")
        return "a\nlong " * 100


def broken_csr(**parts):
    matrix = sparse.csr_array(np.eye(2))
    for name, array in parts.items():
        setattr(matrix, name, np.asarray(array))
    return matrix


HOSTILE = {
    "nothing": lambda: None,
    "text": lambda: "abc",
    "bytes": lambda: b"ab",
    "an int": lambda: 3,
    "a negative int": lambda: -1,
    "a float": lambda: 2.5,
    "nan": lambda: float("nan"),
    "a complex": lambda: 1j,
    "a dict": lambda: {0: [1]},
    "a set": lambda: {1, 2},
    "an object": object,
    "a function": lambda: len,
    "a type": lambda: int,
    "a verbose object": Verbose,
    "a module": lambda: np,
    "a class of arrays": lambda: np.ndarray,
    "a class of sparse arrays": lambda: sparse.csr_array,
    "a class of frames": lambda: pd.DataFrame,
    "an int of 10,000 digits": lambda: 10**10_000,
    "what cannot be shown": lambda: Verbose(fails=True),
    "a range": lambda: range(2),
    "a slice": lambda: slice(2),
    "an empty list": list,
    "an empty tuple": tuple,
    "a list with an empty list": lambda: [[]],
    "a list of None": lambda: [None, None],
    "a list of text": lambda: ["a", "b"],
    "a list of ints": lambda: [1, 0],
    "a list of dicts": lambda: [{0: 1}, {1: 1}],
    "a list of objects": lambda: [object(), object()],
    "ragged lists of lists": lambda: [[[0, 1]], [[1]]],
    "ragged lists": lambda: [[0.1, 0.2], [0.3]],
    "lists of text": lambda: [["a"], ["b", "c"]],
    "lists of 2-D arrays": lambda: [np.zeros((2, 3)), np.zeros((2, 2))],
    "a list of 0-d arrays": lambda: [np.array(1), np.array(0)],
    "a list of frames": lambda: [pd.DataFrame([[1]]), pd.DataFrame([[1]])],
    "a generator of ints": lambda: (j for j in range(2)),
    "an endless repr": lambda: [list(range(10**6))],
    "0 dimensions": lambda: np.array(1.0),
    "a NumPy scalar": lambda: np.float64(1),
    "1 dimension": lambda: np.array([0.0, 1.0]),
    "3 dimensions": lambda: np.zeros((2, 2, 2)),
    "no rows": lambda: np.zeros((0, 2)),
    "no columns": lambda: np.zeros((2, 0)),
    "no anything": lambda: np.zeros((0, 0)),
    "complex numbers": lambda: np.ones((2, 2), complex),
    "dates": lambda: np.zeros((2, 2), "M8[s]"),
    "durations": lambda: np.zeros((2, 2), "m8[s]"),
    "an array of text": lambda: np.array([["a", "b"], ["c", "d"]]),
    "an array of bytes": lambda: np.array([[b"1", b"0"], [b"0", b"1"]]),
    "raw memory": lambda: np.zeros((2, 2), "V8"),
    "records": lambda: np.zeros((2, 2), [(name * 30, float) for name in "abcdef"]),
    "objects of all sorts": lambda: np.array([[1, "a"], [None, object()]], object),
    "1-D objects": lambda: np.array([None, None], object),
    "foreign byte order": lambda: np.eye(2).astype(">f8" if np.little_endian else "<f8"),
    "foreign ints": lambda: np.eye(2).astype(">i4" if np.little_endian else "<i4"),
    "masked": lambda: np.ma.masked_array(np.eye(2), np.eye(2, dtype=bool)),
    "huge ints": lambda: np.array([[0, 2**63 - 1], [0, 0]]),
    "huge unsigned ints": lambda: np.array([[0, 2**64 - 1], [0, 0]], np.uint64),
    "too wide": lambda: np.broadcast_to(np.zeros((1, 1)), (1, 2**31)),
    "a tensor that refuses": lambda: Tensor(np.eye(2), RuntimeError("Can't call numpy()\non a Tensor with grad.")),
    "a tensor on another device": lambda: Tensor(np.eye(2), TypeError("x" * 1000)),
    "a 3-D tensor": lambda: Tensor(np.zeros((2, 2, 2))),
    "complex sparse": lambda: sparse.csr_array(1j * np.eye(2)),
    "foreign sparse": lambda: broken_csr(data=np.ones(2).astype(">f8" if np.little_endian else "<f8")),
    "sparse without rows": lambda: sparse.csr_array((0, 2)),
    "sparse without columns": lambda: sparse.csr_array((2, 0)),
    "sparse that is too wide": lambda: sparse.csr_array((2, 2**31)),
    "sparse beyond its columns": lambda: broken_csr(indices=np.array([0, 7], np.int32)),
    "sparse before its columns": lambda: broken_csr(indices=np.array([0, -1], np.int32)),
    "sparse with odd indices": lambda: broken_csr(indices=np.array([0, 2**32 - 1], np.uint32)),
    "sparse with too many rows": lambda: broken_csr(indptr=np.array([0, 1, 2, 2], np.int32)),
    "sparse with rows beyond the data": lambda: broken_csr(indptr=np.array([0, 1, 9], np.int32)),
    "sparse with rows that go back": lambda: broken_csr(indptr=np.array([0, 3, 2], np.int32)),
    "sparse with rows from nowhere": lambda: broken_csr(indptr=np.array([-1, 1, 2], np.int32)),
    "sparse with too little data": lambda: broken_csr(data=np.ones(1)),
    "an empty frame": pd.DataFrame,
    "an empty polars frame": pl.DataFrame,
    "a frame of text": lambda: pd.DataFrame([["1", "0"], ["0", "1"]]),
    "a frame with equal names": lambda: pd.DataFrame(np.eye(2), columns=["x", "x"]),
    "a Series of numbers": lambda: pd.Series([0.0, 1.0]),
    "a Series of None": lambda: pd.Series([None, None], dtype=object),
    "a lazy frame": lambda: pl.DataFrame({"a": [1, 0]}).lazy(),
    "a polars Series": lambda: pl.Series([0.5, 0.5]),
}  # fmt: skip
if sparse.coo_array(np.zeros(2)).ndim == 1:  # which older SciPy knows not
    HOSTILE["1-D sparse"] = lambda: sparse.coo_array(np.eye(2)[0])
FORM = re.compile(r"\A(?P<argument>\w+)( columns)?: expected [^\n]+(\n[^\n]+)?\Z")


def assert_clear(error, *arguments):
    """The error has the form of the house, and nothing of the machine room in it."""
    text = str(error)
    found = FORM.match(text)
    assert found, text
    assert found["argument"] in arguments, text
    assert type(error) in (TypeError, ValueError), type(error)
    assert ", got " in text, text
    assert all(len(line) < 300 for line in text.split("\n")), text
    assert "incompatible" not in text
    assert "_core" not in text


@pytest.mark.parametrize("thing", list(HOSTILE))
def test_hostile_labels_are_refused_clearly(thing):
    probs = np.full((2, 2), 0.5)
    calls = [
        lambda: find_label_issues(HOSTILE[thing](), probs),
        lambda: as_label_matrix(HOSTILE[thing]()),
        lambda: as_label_matrix(HOSTILE[thing](), background="unknown"),
    ]
    if thing != "a list with an empty list":  # which is an example without labels
        calls.append(lambda: as_label_matrix(HOSTILE[thing](), n_labels=2))
    for call in calls:
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert_clear(caught.value, "labels", "pred_probs")  # one row of labels against two of probabilities


@pytest.mark.parametrize("thing", list(HOSTILE))
def test_hostile_probabilities_are_refused_clearly(thing):
    for options in ({}, {"nan_policy": "mask"}, {"from_logits": True}, {"force": True}):
        with pytest.raises((TypeError, ValueError)) as caught:
            find_label_issues(np.array([[1, 0, 1], [0, 1, 1]]), HOSTILE[thing](), **options)
        assert_clear(caught.value, "pred_probs")


@pytest.mark.parametrize("thing", list(HOSTILE))
def test_hostile_probabilities_beside_lists_are_refused_clearly(thing):
    with pytest.raises((TypeError, ValueError)) as caught:
        find_label_issues([[0], [1], []], HOSTILE[thing]())
    assert_clear(caught.value, "pred_probs", "labels")


@pytest.mark.parametrize("thing", [thing for thing in HOSTILE if thing != "nothing"])
def test_hostile_masks_are_refused_clearly(thing):
    for labels in (np.eye(3), [[0], [1], []]):
        with pytest.raises((TypeError, ValueError)) as caught:
            find_label_issues(labels, np.full((3, 3), 0.5), unknown=HOSTILE[thing]())
        assert_clear(caught.value, "unknown")


@pytest.mark.parametrize("thing", [thing for thing in HOSTILE if thing != "nothing"])
def test_hostile_label_names_are_refused_clearly(thing):
    with pytest.raises((TypeError, ValueError)) as caught:
        find_label_issues(np.eye(3), np.full((3, 3), 0.5), label_names=HOSTILE[thing]())
    assert_clear(caught.value, "label_names", "labels")  # names of another number than the labels


@pytest.mark.parametrize("argument", ["n_labels", "background", "invalid_ids"])
@pytest.mark.parametrize("thing", list(HOSTILE))
def test_hostile_choices_beside_labels_are_refused_clearly(thing, argument):
    if argument == "n_labels" and thing == "nothing":
        return
    with pytest.raises((TypeError, ValueError)) as caught:
        as_label_matrix(np.eye(2), **{argument: HOSTILE[thing]()})
    assert_clear(caught.value, argument, "labels")


@pytest.mark.parametrize("argument", ["nan_policy", "from_logits", "force", "invalid_ids", "n_jobs", "filter_by",
                                      "frac_noise", "min_examples_per_class", "compat"])  # fmt: skip
@pytest.mark.parametrize("thing", [thing for thing in HOSTILE if thing != "nothing"])
def test_hostile_choices_beside_probabilities_are_refused_clearly(thing, argument, labels, probs):
    if (argument, thing) in {
        ("n_jobs", "an int"),
        ("n_jobs", "a negative int"),
        ("n_jobs", "an int of 10,000 digits"),
        ("min_examples_per_class", "an int"),
        ("frac_noise", "a NumPy scalar"),
    }:
        return
    with pytest.raises((TypeError, ValueError)) as caught:
        find_label_issues(labels, probs, **{argument: HOSTILE[thing]()})
    assert_clear(caught.value, argument)


def test_masked_arrays_without_masked_cells_are_arrays():
    assert as_label_matrix(np.ma.masked_array(np.eye(2))).nnz == 2


def test_masked_cells_are_counted():
    with raises(
        TypeError, "labels: expected an array without masked cells, got 2 of them (.filled(...) says what they mean)"
    ):
        as_label_matrix(np.ma.masked_array(np.eye(2), np.eye(2, dtype=bool)))


def test_what_a_tensor_says_when_it_refuses_is_passed_on():
    with raises(
        TypeError,
        "labels: expected an array, got Tensor that NumPy cannot read (Can't call numpy() on a Tensor with grad.)",
    ):
        as_label_matrix(HOSTILE["a tensor that refuses"]())
    assert as_label_matrix(Tensor(np.eye(2))).nnz == 2


def test_rows_that_are_missing_get_a_hint():
    with raises(
        TypeError,
        "labels: expected a list of labels for each example, got None at row 1 "
        "(an example without labels is an empty list)",
    ):
        as_label_matrix([[0], None], n_labels=2)
    with pytest.raises(TypeError, match=r"got float nan at row 1 \(an example without labels is an empty list\)$"):
        as_label_matrix(pd.Series([[0], np.nan], dtype=object), n_labels=2)


def test_one_label_as_a_vector_gets_a_hint():
    with raises(
        ValueError,
        "labels: expected two dimensions (n_samples, n_labels), got shape (3,) (of one label? .reshape(-1, 1))",
    ):
        as_label_matrix(np.array([0, 1, 1]))


def test_lists_need_to_know_how_many_labels_there_are():
    with raises(ValueError, "labels: expected n_labels or label_names beside lists of label numbers, got neither"):
        as_label_matrix([[0], [2]])
    with raises(ValueError, "labels: expected label_names beside lists of names, got 'cat' at row 1"):
        as_label_matrix([[], ["cat"]], n_labels=2)


def test_numbers_of_labels_that_disagree_are_told():
    with raises(ValueError, "labels: expected 3 labels (columns) to match n_labels, got shape (2, 2)"):
        as_label_matrix(np.eye(2), n_labels=3)
    with raises(ValueError, "labels: expected 3 labels (columns) to match n_labels, got shape (2, 2)"):
        as_label_matrix(pd.DataFrame(np.eye(2), columns=["a", "b"]), n_labels=3)
    with raises(ValueError, "labels: expected 3 labels (columns) to match label_names, got shape (2, 2)"):
        as_label_matrix(np.eye(2), label_names=["a", "b", "c"])
    with raises(ValueError, "label_names: expected 3 names, one for each label, got 2"):
        as_label_matrix(np.eye(3), n_labels=3, label_names=["a", "b"])
    with raises(ValueError, "label_names: expected the names that labels already has, ['a', 'b'], got ['b', 'a']"):
        as_label_matrix(as_label_matrix(np.eye(2), label_names=["a", "b"]), label_names=["b", "a"])


def test_names_are_shortened_in_messages():
    with pytest.raises(ValueError, match=r"label 0 'x{36}\.\.\.$"):
        as_label_matrix(np.array([[2]]), label_names=["x" * 1000])


def test_logits_that_are_not_stored_are_refused():
    with raises(
        ValueError,
        "pred_probs: expected a dense array with from_logits=True, got a sparse matrix "
        "(a logit that is not stored would mean 0.5)",
    ):
        check_cells(np.eye(2), sparse.csr_array(np.eye(2)), from_logits=True)


def test_longer_floats_and_objects_get_a_hint():
    for table in (np.full((2, 2), 0.5, np.longdouble), np.full((2, 2), 0.5, object)):
        with pytest.raises(TypeError, match=r"expected float16, float32 or float64, got \w+ \(use .astype\(float\)\)$"):
            check_cells(np.eye(2), table)


def test_rows_of_probabilities_of_unequal_length_are_told():
    with raises(ValueError, "pred_probs: expected rows of equal length, got 2 values at row 0 and shape (3,) at row 1"):
        check_cells(np.eye(2), [[0.1, 0.2], [0.1, 0.2, 0.3]])


# ------------------------------------------------------------------------------------------------------ small arguments


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: check_choice("kind", "meen", ("mean", "max")),
         ValueError("kind: expected one of 'mean', 'max', got 'meen' (did you mean 'mean'?)")),
        (lambda: check_choice("kind", 3, ("mean", "max")), TypeError("kind: expected one of 'mean', 'max', got 3")),
        (lambda: check_choice("kind", ["mean"], ("mean",)), TypeError("kind: expected one of 'mean', got ['mean']")),
        (lambda: check_integer("k", 0, low=1), ValueError("k: expected an integer >= 1, got 0")),
        (lambda: check_integer("k", 9, low=1, high=8), ValueError("k: expected an integer in [1, 8], got 9")),
        (lambda: check_integer("k", 9, high=8), ValueError("k: expected an integer <= 8, got 9")),
        (lambda: check_integer("k", 2**63), ValueError("k: expected an integer, got 9223372036854775808")),
        (lambda: check_number("rate", 10**400, 0, 1),
         ValueError("rate: expected a number in [0, 1], got 1" + "0" * 56 + "...")),
        (lambda: check_integer("k", True), TypeError("k: expected an integer, got bool True")),
        (lambda: check_integer("k", 2.0), TypeError("k: expected an integer, got float 2.0")),
        (lambda: check_integer("k", np.zeros(3)), TypeError("k: expected an integer, got float64 array of shape (3,)")),
        (lambda: check_number("rate", 95, 0, 1),
         ValueError("rate: expected a number in [0, 1], got 95 (did you mean 0.95?)")),
        (lambda: check_number("rate", 0, 0, 1, open_low=True), ValueError("rate: expected a number in (0, 1], got 0")),
        (lambda: check_number("rate", float("nan"), 0), ValueError("rate: expected a number in [0, inf), got nan")),
        (lambda: check_number("rate", "0.5", 0, 1), TypeError("rate: expected a number in [0, 1], got str '0.5'")),
        (lambda: check_number("rate", None, 0, 1), TypeError("rate: expected a number in [0, 1], got None")),
        (lambda: check_flag("force", 1), TypeError("force: expected True or False, got int 1")),
        (lambda: check_label_names(["a", 1]), TypeError("label_names: expected strings, got int 1 at position 1")),
        (lambda: check_label_names("ab"), TypeError("label_names: expected a sequence of strings, got str 'ab'")),
        (lambda: check_label_names({"a"}), TypeError("label_names: expected a sequence of strings, got set {'a'}")),
        (lambda: check_label_names(["a", "b", "a"]),
         ValueError("label_names: expected distinct names, got 'a' at positions 0 and 2")),
        (lambda: check_label_names(np.eye(2)), ValueError("label_names: expected one dimension, got shape (2, 2)")),
        (lambda: check_memory("memory_limit", "2 bananas"),
         ValueError("memory_limit: expected bytes or text such as '2GB', got '2 bananas'")),
        (lambda: check_memory("memory_limit", 0), ValueError("memory_limit: expected an integer >= 1, got 0")),
        (lambda: check_ids([1, 2], 3), ValueError("ids: expected 3 ids, one for each example, got shape (2,)")),
        (lambda: check_ids(["x", "y", "x"], 3), ValueError("ids: expected distinct ids, got 'x' at rows 0 and 2")),
        (lambda: check_ids(np.array([4, 4]), 2), ValueError("ids: expected distinct ids, got 4 at rows 0 and 1")),
        (lambda: check_ids("ab", 2), TypeError("ids: expected 2 ids, one for each example, got str 'ab'")),
        (lambda: check_ids(None, 2), TypeError("ids: expected 2 ids, one for each example, got None")),
        (lambda: check_ids([[1], [2]], 2), TypeError("ids: expected numbers or strings, got list [1] at row 0")),
    ],
)  # fmt: skip
def test_small_arguments_are_refused_in_one_line(call, error):
    with raises(type(error), str(error)):
        call()


def test_ids_of_several_types_stay_what_they_are():
    assert check_ids([1, "1", ("a", 2)], 3).tolist() == [1, "1", ("a", 2)]
    assert check_ids(pd.Index(["x", "y"]), 2).tolist() == ["x", "y"]
    assert check_ids(range(3), 3).dtype.kind == "i"


@pytest.mark.parametrize(
    ("text", "n"),
    [("2GB", 2**31), ("1.5 kB", 1536), ("100", 100), ("3MiB", 3 * 2**20), (7, 7), (None, None), ("1t", 2**40)],
)
def test_memory_is_read_from_numbers_and_text(text, n):
    assert check_memory("memory_limit", text) == n


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 kB"), (2**31, "2.0 GB"), (5 * 2**40, "5.0 TB"), (2**60, "1048576.0 TB")],
)
def test_memory_is_shown_in_units(n, text):
    assert format_bytes(n) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("short", "'short'"), ("x" * 100, "'" + "x" * 56 + "..."),
        (np.zeros((3, 4), np.float32), "float32 array of shape (3, 4)"),
        (np.int64(3), "3"), (np.float32(0.5), "0.5"), (list(range(10**6)), str(list(range(100)))[:57] + "..."),
        (np.array(3), "array(3)"), ("a\n b", "'a\\n b'"), (np.longdouble(2), "2.0"),
    ],
)  # fmt: skip
def test_values_are_shown_on_one_short_line(value, text):
    assert shorten(value) == text
    assert len(shorten(value)) <= 60
