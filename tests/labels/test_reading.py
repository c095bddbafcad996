"""Every accepted form of labels is read as the same LabelMatrix, without copying or touching more than it must."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from scipy import sparse

from mlkit import _core
from mlkit._validation.cells import check_cells
from mlkit.labels import as_label_matrix
from mlkit.labels.reading import read_labels
from reference import label_forms as forms
from reference import labels as oracle

FORMS = {**forms.WITH_UNKNOWN, **forms.WITHOUT_UNKNOWN}
SHAPES = [(1, 1), (1, 7), (9, 1), (4, 3), (13, 40), (70, 33)]


def read(form, y, **options):
    return as_label_matrix(FORMS[form](y), **forms.options_of(form, y), **options)


def assert_cells(matrix, y):
    """The matrix holds exactly these cells, whichever way it is asked."""
    assert matrix.shape == y.shape
    np.testing.assert_array_equal(matrix.to_dense(), y)
    assert matrix == as_label_matrix(y, label_names=matrix.label_names)
    assert matrix.indptr.dtype == np.int64
    assert matrix.indices.dtype == np.int32
    for i, row in enumerate(y):
        np.testing.assert_array_equal(matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]], np.flatnonzero(row == 1))


# ------------------------------------------------------------------------------------------------------ all roads agree


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_of_known_labels_is_read_as_the_same_matrix(form):
    for shape in SHAPES:
        y = forms.some_labels(*shape)
        assert_cells(read(form, y), y)


@pytest.mark.parametrize("form", list(forms.WITH_UNKNOWN))
def test_every_form_that_can_say_unknown_is_read_as_the_same_matrix(form):
    for shape in SHAPES:
        y = forms.some_labels(*shape, unknown=0.3)
        assert_cells(read(form, y), y)


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_every_form_of_labels_that_are_all_alike_is_read(form, density):
    y = forms.some_labels(5, 3, density=density)
    assert_cells(read(form, y), y)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "csr with spare room"])  # on which SciPy trips
def test_the_reference_reads_every_form_as_what_it_was_made_of(form):
    y = forms.some_labels(6, 5, unknown=0.3 if form in forms.WITH_UNKNOWN else 0.0)
    np.testing.assert_array_equal(oracle.dense(FORMS[form](y), **forms.options_of(form, y)), y)


def test_a_label_matrix_is_returned_as_it_is():
    matrix = as_label_matrix(forms.some_labels(4, 3, unknown=0.2), label_names=["a", "b", "c"])
    assert as_label_matrix(matrix) is matrix
    assert as_label_matrix(matrix, n_labels=3, label_names=["a", "b", "c"]) is matrix


def test_a_label_matrix_without_names_takes_them_and_shares_its_memory():
    matrix = as_label_matrix(forms.some_labels(4, 3, unknown=0.2))
    named = as_label_matrix(matrix, label_names=["a", "b", "c"])
    assert named.label_names == ("a", "b", "c")
    assert np.shares_memory(named._cells[1], matrix._cells[1])
    assert matrix.label_names is None


def test_the_answer_has_the_same_bits_for_every_number_of_threads():
    y = forms.some_labels(3000, 211, density=0.1, unknown=0.01)
    for form in ("int8 array", "float64 array, Fortran order", "csr unsorted"):
        one = read_labels(forms.WITH_UNKNOWN[form](y), n_threads=1)
        for n_threads in (2, 3, 8):
            assert read_labels(forms.WITH_UNKNOWN[form](y), n_threads=n_threads) == one


# --------------------------------------------------------------------------------------------------------- dense kernel


DTYPES = (*forms.SIGNED, *forms.FLOATS, *forms.UNSIGNED)


@st.composite
def tables(draw):
    """An array of 0, 1 and, where the type has them, -1 and NaN, with any strides."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=70))
    allowed = {"b": [0, 1], "u": [0, 1], "i": [0, 1, -1], "f": [0.0, -0.0, 1.0, -1.0, np.nan]}[dtype.kind]
    values = draw(hnp.arrays(np.int8, shape, elements=st.integers(0, len(allowed) - 1), fill=st.just(0)))
    return forms.LAYOUTS[draw(st.sampled_from(list(forms.LAYOUTS)))](np.array(allowed, dtype)[values])


@settings(max_examples=150)
@given(tables(), st.sampled_from(["negative", "unknown"]))
def test_any_table_is_read_as_the_reference_reads_it(table, background):
    matrix = read_labels(table, background=background, is_whole=False)
    np.testing.assert_array_equal(matrix.to_dense(), oracle.dense(table))
    assert matrix.background == background


@settings(max_examples=60)
@given(tables())
def test_what_was_read_counts_its_own_cells(table):
    matrix = read_labels(table, is_whole=False)
    y = oracle.dense(table)
    np.testing.assert_array_equal(matrix.support, (y == 1).sum(axis=0))
    np.testing.assert_array_equal(matrix.n_negative, (y == 0).sum(axis=0))
    assert matrix.n_unknown == (y == -1).sum()
    assert matrix.nnz == (y == 1).sum()


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bool"])
@pytest.mark.parametrize("layout", list(forms.LAYOUTS))
def test_the_first_bad_value_in_row_major_order_is_named(dtype, layout):
    y = np.zeros((300, 130), dtype)
    y[7, 3], y[7, 100], y[200, 0], y[299, 1] = 2, 3, 4, 5
    table = forms.LAYOUTS[layout](y)
    for n_threads in (1, 4):
        with pytest.raises(ValueError, match=r"got 2(\.0)? at row 7, label 3$"):
            read_labels(table, n_threads=n_threads)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float16", 0.999), ("float16", 1.001), ("float16", 6e-8), ("float16", -0.5), ("float16", np.inf),
        ("float32", np.nextafter(np.float32(1), np.float32(0))), ("float32", 1e-45), ("float32", -np.inf),
        ("float64", np.nextafter(1, 2)), ("float64", 0.5), ("float64", 0.75), ("float64", 5e-324), ("float64", 2.0),
        ("longdouble", np.nextafter(np.longdouble(1), np.longdouble(2))), ("longdouble", np.longdouble(-2)),
        ("int8", -2), ("int8", -128), ("uint8", 255), ("int16", 256), ("int32", 2**16), ("int64", 2**32), ("int64", -2),
        ("uint16", 257), ("uint32", 2**31), ("uint64", 2**63),
    ],
)  # fmt: skip
def test_no_other_value_passes_for_0_1_or_unknown(dtype, value):
    for shape in ((1, 1), (3, 40)):
        table = np.zeros(shape, dtype)
        table[-1, -1] = value
        for background in ("negative", "unknown"):
            with pytest.raises(ValueError, match=rf"^labels: .* at row {shape[0] - 1}, label {shape[1] - 1}"):
                as_label_matrix(table, background=background)


def test_a_row_repeated_without_memory_is_read():
    y = np.broadcast_to(np.array([[0, 1, -1]]), (4, 3))
    assert_cells(as_label_matrix(y), np.array(y, np.int8))
    column = np.broadcast_to(np.array([[0], [1]], np.float32), (2, 5))
    assert_cells(as_label_matrix(column), np.array(column, np.int8))


# ------------------------------------------------------------------------------------------------------------- unknown


MASKS = {
    "dense": np.asarray,
    "Fortran order": np.asfortranarray,
    "list of lists": lambda mask: mask.tolist(),
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "coo_array": sparse.coo_array,
    "csr with stored False": lambda mask: sparse.csr_array(
        (mask.ravel(), np.tile(np.arange(mask.shape[1]), len(mask)), np.arange(len(mask) + 1) * mask.shape[1]),
        shape=mask.shape,
    ),
    "pandas": pd.DataFrame,
    "pandas boolean": lambda mask: pd.DataFrame(mask).astype("boolean"),
    "polars": lambda mask: pl.DataFrame(mask, schema=forms.names_of(mask.shape[1])),
}


@pytest.mark.parametrize("mask_form", list(MASKS))
@pytest.mark.parametrize(
    "form", ["int8 array", "float64 array", "csr_array", "lists of ids", "lists of names", "label matrix"]
)
def test_masked_cells_are_unknown_whatever_the_labels_say(form, mask_form):
    y = forms.some_labels(7, 5, density=0.4)
    mask = forms.some_labels(7, 5, density=0.3, seed=1) == 1
    expected = np.where(mask, -1, y)
    unknown = MASKS[mask_form](mask)
    if form == "label matrix":
        matrix = as_label_matrix(as_label_matrix(y), unknown=unknown)
    else:
        matrix = read(form, y, unknown=unknown)
    np.testing.assert_array_equal(matrix.to_dense(), expected)
    np.testing.assert_array_equal(oracle.dense(y, unknown=mask), expected)


def test_masked_cells_join_those_that_are_unknown_already():
    y = forms.some_labels(20, 6, density=0.4, unknown=0.3)
    mask = forms.some_labels(20, 6, seed=2) == 1
    np.testing.assert_array_equal(as_label_matrix(y, unknown=mask).to_dense(), np.where(mask, -1, y))


def test_an_empty_mask_changes_nothing_and_a_full_one_leaves_nothing_known():
    y = forms.some_labels(6, 4)
    assert as_label_matrix(y, unknown=np.zeros((6, 4), bool)) == as_label_matrix(y)
    matrix = as_label_matrix(y, unknown=np.ones((6, 4), bool))
    assert (matrix.nnz, matrix.n_unknown) == (0, 24)


def test_a_mask_frame_is_aligned_with_the_labels_by_name():
    y = pd.DataFrame([[1, 0], [0, 1]], columns=["cat", "dog"])
    mask = pd.DataFrame([[True, False], [False, False]], columns=["dog", "cat"])
    assert as_label_matrix(y, unknown=mask).to_dense().tolist() == [[1, -1], [0, 1]]


# ---------------------------------------------------------------------------------------------------------- background


def test_with_an_unknown_background_what_a_list_does_not_mention_is_unknown():
    matrix = as_label_matrix([[0], [], [2, 0]], n_labels=3, background="unknown")
    assert matrix.to_dense().tolist() == [[1, -1, -1], [-1, -1, -1], [1, -1, 1]]


def test_with_an_unknown_background_a_stored_zero_of_a_sparse_matrix_is_a_known_negative():
    stored = sparse.csr_array((np.array([1, 0, -1, 1]), [0, 1, 2, 1], [0, 3, 4]), shape=(2, 3))
    matrix = as_label_matrix(stored, background="unknown")
    assert matrix.to_dense().tolist() == [[1, 0, -1], [-1, 1, -1]]
    np.testing.assert_array_equal(oracle.dense(stored, background="unknown"), matrix.to_dense())


@pytest.mark.parametrize("form", ["int8 array", "float64 array", "object array", "pandas Int8", "polars Boolean"])
def test_with_an_unknown_background_the_zeros_of_a_table_stay_known(form):
    y = forms.some_labels(6, 5, unknown=0.3)
    matrix = read(form, y, background="unknown")
    assert matrix.background == "unknown"
    np.testing.assert_array_equal(matrix.to_dense(), y)


def test_positive_only_data_may_lack_zeros_when_the_background_is_unknown():
    assert as_label_matrix(np.array([[1, -1], [-1, 1]]), background="unknown").n_unknown == 2


def test_a_label_matrix_forgets_its_negatives_when_the_background_is_asked_to_be_unknown():
    y = forms.some_labels(6, 5, unknown=0.3)
    matrix = as_label_matrix(as_label_matrix(y), background="unknown")
    np.testing.assert_array_equal(matrix.to_dense(), np.where(y == 1, 1, -1))
    assert as_label_matrix(matrix) is matrix


def test_a_mask_takes_stored_cells_out_of_an_unknown_background():
    matrix = as_label_matrix(np.array([[1, 0], [0, 1]]), unknown=np.eye(2, dtype=bool), background="unknown")
    assert matrix.to_dense().tolist() == [[-1, 0], [0, -1]]


# --------------------------------------------------------------------------------------------------------------- signs


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, pd.DataFrame], ids=["array", "csr", "frame"])
def test_labels_of_minus_one_and_one_without_zero_are_refused_with_both_ways_out(make):
    with pytest.raises(ValueError, match=r"labels: expected 0 .* pass labels > 0;\n.*unknown=labels < 0") as error:
        as_label_matrix(make(np.array([[1, -1], [-1, 1]])))
    assert str(error.value).count("\n") == 1


def test_both_ways_out_of_a_sign_convention_lead_somewhere():
    y = np.array([[1, -1], [-1, 1]])
    assert as_label_matrix(y > 0).n_unknown == 0
    assert as_label_matrix(y > 0, unknown=y < 0).n_unknown == 2


def test_minus_one_is_unknown_as_soon_as_there_is_a_zero_anywhere():
    assert as_label_matrix(np.array([[1, -1], [-1, 0]])).n_unknown == 2
    assert as_label_matrix(sparse.csr_array(([1, -1], [0, 1], [0, 2, 2]), shape=(2, 2))).n_unknown == 1


def test_nan_beside_ones_is_no_sign_convention():
    assert as_label_matrix(np.array([[1.0, np.nan]])).n_unknown == 1


def test_a_batch_of_a_stream_may_lack_zeros():
    cells = check_cells(np.array([[1, -1]]), np.array([[0.5, 0.5]]), is_whole=False)
    assert cells.labels.to_dense().tolist() == [[1, -1]]
    assert read_labels(np.array([[1, -1]]), is_whole=False).to_dense().tolist() == [[1, -1]]
    assert read_labels(sparse.csr_array([[1, -1]]), is_whole=False).to_dense().tolist() == [[1, -1]]


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("form", ["pandas Int64", "pandas sparse", "polars Int8"])
def test_the_columns_of_a_frame_become_label_names(form):
    y = forms.some_labels(4, 3)
    assert read(form, y).label_names == tuple(forms.names_of(3))


@pytest.mark.parametrize("form", ["pandas int", "pandas Int64", "pandas sparse", "polars Int8", "pandas object"])
def test_the_columns_of_a_frame_are_put_into_the_order_of_the_names(form):
    y = forms.some_labels(6, 5, density=0.4)
    backwards = forms.names_of(5)[::-1]
    matrix = read(form, y, label_names=backwards)
    assert matrix.label_names == tuple(backwards)
    np.testing.assert_array_equal(matrix.to_dense(), y[:, ::-1])


def test_numbered_columns_are_no_names_but_other_numbers_are():
    assert as_label_matrix(pd.DataFrame([[1, 0]])).label_names is None
    assert as_label_matrix(pd.DataFrame([[1, 0]], columns=[7, 8])).label_names == ("7", "8")
    assert as_label_matrix(pd.DataFrame([[1, 0]]), label_names=["a", "b"]).label_names == ("a", "b")


def test_a_subclass_of_a_frame_keeps_its_names():
    class Table(pd.DataFrame):
        pass

    assert as_label_matrix(Table([[1, 0]], columns=["a", "b"])).label_names == ("a", "b")


@pytest.mark.parametrize("names", [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Index(["a", "b"]), iter("ab")])
def test_label_names_come_in_any_sequence_and_leave_as_plain_strings(names):
    matrix = as_label_matrix(np.eye(2), label_names=names)
    assert matrix.label_names == ("a", "b")
    assert {type(name) for name in matrix.label_names} == {str}


# --------------------------------------------------------------------------------------------------------------- lists


def test_repeated_and_ignored_labels_are_counted_in_the_notes():
    matrix = as_label_matrix([[0, 0, 2, 0], [9, 1, -1]], n_labels=3, invalid_ids="ignore")
    assert matrix.to_lists() == [[0, 2], [1]]
    assert matrix.notes == {"merged_duplicates": 2, "ignored_ids": 2}
    assert as_label_matrix([[0], [1]], n_labels=2).notes == {}


@pytest.mark.parametrize("bad", [-1, 3, 1.5, "a", None, np.nan, True, 10**30, [0], np.float64(1)])
def test_labels_that_do_not_exist_can_be_ignored(bad):
    matrix = as_label_matrix([[0, bad], [2]], n_labels=3, invalid_ids="ignore")
    assert matrix.to_lists() == [[0], [2]]
    assert matrix.notes == {"ignored_ids": 1}


@pytest.mark.parametrize("bad", ["cta", "", 0, None, ["cat"]])
def test_names_that_do_not_exist_can_be_ignored(bad):
    matrix = as_label_matrix([["cat", bad], ["dog"]], label_names=["cat", "dog"], invalid_ids="ignore")
    assert matrix.to_lists() == [[0], [1]]
    assert matrix.notes == {"ignored_ids": 1}


def test_lists_may_be_empty_as_long_as_someone_says_how_many_labels_there_are():
    assert as_label_matrix([[], []], n_labels=3).shape == (2, 3)
    assert as_label_matrix([set()], label_names=["a"]).shape == (1, 1)


def test_two_labels_of_which_every_row_has_both_may_be_listed_in_order():
    assert as_label_matrix([[0, 1], [0, 1]], n_labels=2).support.tolist() == [2, 2]
    assert as_label_matrix([[0], [0]], n_labels=1).support.tolist() == [2]


@settings(max_examples=100)
@given(st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=30))
def test_any_lists_are_read_as_the_reference_reads_them(rows):
    matrix = as_label_matrix([*rows, [5]], n_labels=6)
    expected = oracle.dense([*rows, [5]], n_labels=6)
    np.testing.assert_array_equal(matrix.to_dense(), expected)
    assert matrix.notes.get("merged_duplicates", 0) == sum(map(len, rows)) + 1 - expected.sum()


@settings(max_examples=100)
@given(st.data())
def test_any_entries_of_a_sparse_matrix_are_added_up_as_the_reference_does(data):
    n, n_labels = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    places = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n_labels - 1)), max_size=30))
    values = [(-1) ** k for k in range(len(places))]
    rows, columns = [p[0] for p in places], [p[1] for p in places]
    stored = sparse.coo_array((np.array(values, np.int64), (rows, columns)), shape=(n, n_labels))
    unsorted = sparse.csr_array(
        (
            np.array([v for _, v in sorted(zip(rows, values), key=lambda e: e[0])], np.int64),
            np.array([c for _, c in sorted(zip(rows, columns), key=lambda e: e[0])], np.int32),
            np.cumsum([0, *np.bincount(np.array(rows, int), minlength=n)]),
        ),
        shape=(n, n_labels),
    )
    expected = oracle.from_entries(stored, 0)
    for matrix in (stored, unsorted):
        if np.isin(expected, (0, 1, -1)).all():
            np.testing.assert_array_equal(read_labels(matrix, is_whole=False).to_dense(), expected)
        else:
            with pytest.raises(ValueError, match=r"^labels: expected 0 or 1 .* at row \d+, label \d+"):
                read_labels(matrix, is_whole=False)


# ---------------------------------------------------------------------------------------------------- sharing and care


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", ["int8", "bool", "float64"])
def test_a_canonical_csr_matrix_is_shared_not_copied(kind, dtype):
    csr = kind(forms.some_labels(40, 30).astype(dtype))
    assert np.shares_memory(as_label_matrix(csr).indices, csr.indices)


def test_the_values_of_a_canonical_csr_matrix_with_unknown_cells_keep_its_indices():
    csr = sparse.csr_array(forms.some_labels(40, 30, unknown=0.1))
    assert np.shares_memory(as_label_matrix(csr)._cells[1], csr.indices)


def snapshot(value):
    if sparse.issparse(value):
        parts = [getattr(value, name) for name in ("data", "indices", "indptr", "row", "col") if hasattr(value, name)]
        return [np.array(part, copy=True) for part in parts]
    if hasattr(value, "columns"):
        return [value[column].to_list() for column in value.columns]
    if isinstance(value, np.ndarray):
        return [value.copy()]
    return [list(row) for row in value]


def assert_unchanged(value, before):
    after = snapshot(value)
    assert len(after) == len(before)
    for now, then in zip(after, before):
        if isinstance(now, np.ndarray) and now.dtype != object:
            np.testing.assert_array_equal(now, then)
        else:
            assert str(now) == str(then)  # NaN equals itself in text


@pytest.mark.parametrize("form", [form for form in FORMS if form != "generators of ids"])  # which are used up
def test_reading_leaves_the_callers_labels_alone(form):
    y = forms.some_labels(9, 6, unknown=0.2 if form in forms.WITH_UNKNOWN else 0.0)
    value = FORMS[form](y)
    mask = sparse.csr_array(np.eye(9, 6, dtype=bool))
    before, mask_before = snapshot(value), snapshot(mask)
    options = forms.options_of(form, y)
    for background in ("negative", "unknown"):
        matrix = as_label_matrix(value, unknown=mask, background=background, **options)
        matrix.to_csr().data[:] = 5
        matrix.to_dense()[:] = 5
        matrix.unknown.data[:] = False
        assert_unchanged(value, before)
        assert_unchanged(mask, mask_before)


def test_an_unsorted_matrix_keeps_its_order_and_its_flags():
    csr = forms.csr_unsorted(forms.some_labels(9, 6, density=0.6))
    order = csr.indices.copy()
    as_label_matrix(csr)
    np.testing.assert_array_equal(csr.indices, order)
    assert not csr.has_sorted_indices


def test_a_matrix_that_wrongly_claims_to_be_canonical_is_read_all_the_same():
    y = forms.some_labels(9, 6, density=0.6)
    csr = forms.csr_unsorted(y)
    csr.has_canonical_format = True
    assert_cells(as_label_matrix(csr), y)


# -------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.skipif(bool(_core.build_info()["sanitizers"]), reason="sanitizers need memory of their own")
def test_sparse_labels_and_probabilities_never_become_dense():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    child = Path(__file__).with_name("read_in_little_memory.py")
    done = subprocess.run(
        [sys.executable, str(child), "300"], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
