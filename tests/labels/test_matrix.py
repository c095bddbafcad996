"""LabelMatrix: three-valued, sparse, immutable; it gives back what it was made of."""

from __future__ import annotations

import copy
import pickle

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse

from mlkit.labels import as_label_matrix
from mlkit.labels.reading import read_labels
from reference.label_forms import some_labels

BACKGROUNDS = ("negative", "unknown")


def matrices():
    """Cells of 1, 0 and -1, and a background to hold them against."""
    shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)
    cells = hnp.arrays(np.int8, shapes, elements=st.integers(-1, 1), fill=st.just(0))
    return st.tuples(cells, st.sampled_from(BACKGROUNDS))


def make(y, background="negative", **options):
    return read_labels(y, background=background, is_whole=False, **options)


# --------------------------------------------------------------------------------------------------------- what it says


@settings(max_examples=100)
@given(matrices())
def test_every_attribute_says_what_a_dense_array_would(given_):
    y, background = given_
    matrix = make(y, background)
    assert matrix.shape == y.shape
    assert matrix.background == background
    assert matrix.nnz == matrix.indices.size == (y == 1).sum()
    assert matrix.n_unknown == (y == -1).sum()
    np.testing.assert_array_equal(matrix.indptr, np.cumsum([0, *(y == 1).sum(axis=1)]))
    np.testing.assert_array_equal(matrix.indices, np.nonzero(y == 1)[1])
    np.testing.assert_array_equal(matrix.support, (y == 1).sum(axis=0))
    np.testing.assert_array_equal(matrix.n_negative, (y == 0).sum(axis=0))
    np.testing.assert_array_equal(matrix.unknown.toarray(), y == -1)
    assert matrix.to_lists() == [np.flatnonzero(row == 1).tolist() for row in y]


def test_types_are_those_that_the_kernels_take():
    for background in BACKGROUNDS:
        matrix = make(some_labels(5, 4, unknown=0.2), background)
        assert matrix.indptr.dtype == np.int64
        assert matrix.indices.dtype == np.int32
        assert matrix.support.dtype == matrix.n_negative.dtype == np.int64
        assert isinstance(matrix.unknown, sparse.csr_array)
        assert matrix.unknown.dtype == bool
        assert isinstance(matrix.to_csr(), sparse.csr_array)
        assert matrix.to_csr().dtype == np.int8


def test_label_names_are_a_tuple_or_none():
    assert as_label_matrix(np.eye(2)).label_names is None
    assert as_label_matrix(np.eye(2), label_names=["a", "b"]).label_names == ("a", "b")


def test_the_repr_counts_examples_labels_positives_and_unknown_cells():
    assert repr(as_label_matrix(np.eye(4)[:3])) == "LabelMatrix: 3 examples x 4 labels, 3 positives (25.00 %)"
    one = as_label_matrix(np.array([[1.0, np.nan]]))
    assert repr(one) == "LabelMatrix: 1 example x 2 labels, 1 positive (50.00 %), 1 unknown (50.00 %)"


# ---------------------------------------------------------------------------------------------------------- round trips


@settings(max_examples=100)
@given(matrices())
def test_a_matrix_comes_back_from_csr_and_from_dense(given_):
    y, background = given_
    matrix = make(y, background)
    assert make(matrix.to_csr(), background) == matrix
    assert make(matrix.to_dense(), background) == matrix
    assert make(matrix.to_dense(np.float16), background) == matrix
    np.testing.assert_array_equal(matrix.to_dense(), y)


@settings(max_examples=50)
@given(matrices())
def test_positives_come_back_from_lists(given_):
    y, _ = given_
    lists = make(y).to_lists()
    if any(lists) and not all(len(row) == y.shape[1] for row in lists):
        assert as_label_matrix(lists, n_labels=y.shape[1]) == as_label_matrix(y == 1)


def test_csr_holds_the_stored_cells_as_the_background_leaves_them():
    y = np.array([[1, 0, -1], [0, -1, 1]])
    assert make(y).to_csr().toarray().tolist() == [[1, 0, -1], [0, -1, 1]]
    assert make(y).to_csr().nnz == 4
    against_unknown = make(y, "unknown").to_csr()
    assert against_unknown.nnz == 4
    assert against_unknown.toarray().tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", np.int64])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_dense_integers_say_unknown_as_minus_one(dtype, background):
    y = some_labels(6, 5, unknown=0.3)
    out = make(y, background).to_dense(dtype)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, y)


@pytest.mark.parametrize("dtype", ["float16", "float32", float])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_dense_floats_say_unknown_as_nan(dtype, background):
    y = some_labels(6, 5, unknown=0.3)
    out = make(y, background).to_dense(dtype)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, np.where(y == -1, np.nan, y))


@pytest.mark.parametrize("dtype", [bool, "uint8"])
def test_types_without_a_value_for_unknown_hold_known_labels_only(dtype):
    y = some_labels(6, 5)
    np.testing.assert_array_equal(make(y).to_dense(dtype), y)
    y[0, 0] = -1
    with pytest.raises(
        ValueError, match=r"^dtype: expected a signed integer or float type, got (bool|uint8) \(1 unknown"
    ):
        make(y).to_dense(dtype)


@pytest.mark.parametrize("dtype", ["U3", complex, object, "no such type", 3, "M8[s]"])
def test_types_that_hold_no_numbers_are_refused(dtype):
    with pytest.raises(TypeError, match=r"^dtype: expected an integer or float type, got "):
        as_label_matrix(np.eye(2)).to_dense(dtype)


def test_a_dense_array_beyond_the_memory_limit_is_refused_with_its_size():
    matrix = as_label_matrix(sparse.csr_array((2**17, 2**17), dtype=bool))
    with pytest.raises(MemoryError, match=r"labels.to_dense: needs 16.0 GB, memory_limit is 2.0 GB; use to_csr\(\)"):
        matrix.to_dense()
    small = as_label_matrix(np.eye(4))
    with pytest.raises(MemoryError, match="needs 128 B, memory_limit is 127 B"):
        small.to_dense(float, memory_limit=127)
    assert small.to_dense(float, memory_limit=128).nbytes == 128
    assert small.to_dense(memory_limit=None).nbytes == 16


def test_unknown_cells_of_an_unknown_background_beyond_2_gb_are_refused():
    matrix = as_label_matrix(sparse.csr_array((2**17, 2**17), dtype=bool), background="unknown")
    assert matrix.n_unknown == 2**34
    with pytest.raises(MemoryError, match=r"labels.unknown: 17179869184 unknown cells need 80.0 GB; the background"):
        _ = matrix.unknown


# ----------------------------------------------------------------------------------------------------------- immutable


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("name", ["indptr", "indices", "support", "n_negative"])
def test_arrays_are_read_only(name, background):
    array = getattr(make(some_labels(5, 4, unknown=0.2), background), name)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize("name", ["shape", "indptr", "indices", "support", "n_negative", "nnz", "unknown", "n_unknown",
                                  "background", "label_names", "notes"])  # fmt: skip
def test_attributes_cannot_be_set(name):
    with pytest.raises(AttributeError):
        setattr(as_label_matrix(np.eye(2)), name, None)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_what_a_matrix_hands_out_is_the_receivers_own(background):
    y = some_labels(5, 4, unknown=0.2)
    matrix = make(y, background)
    matrix.to_csr().data[:] = 7
    matrix.to_csr().indices[:] = 0
    matrix.to_csr().indptr[:] = 0
    matrix.to_dense()[:] = 7
    matrix.unknown.data[:] = False
    matrix.notes["more"] = 1
    for row in matrix.to_lists():
        row.append(3)
    assert matrix == make(y, background)
    assert matrix.notes == {}
    np.testing.assert_array_equal(matrix.to_dense(), y)


def test_a_matrix_cannot_be_hashed():
    with pytest.raises(TypeError, match="unhashable"):
        hash(as_label_matrix(np.eye(2)))


# ------------------------------------------------------------------------------------------------- equality and copies


def test_equal_means_the_same_cells_background_and_names():
    y = some_labels(5, 4, unknown=0.2)
    matrix = as_label_matrix(y)
    assert matrix == as_label_matrix(y.astype(float))
    other = y.copy()
    other[1, 2] = 1 - abs(y[1, 2])
    assert matrix != as_label_matrix(other)
    assert matrix != as_label_matrix(y, background="unknown")
    assert matrix != as_label_matrix(y, label_names=list("abcd"))
    assert matrix != as_label_matrix(y[:-1])
    assert matrix != as_label_matrix(y[:, :-1])
    assert matrix != y.tolist()
    assert (matrix == "labels") is False


def test_a_known_negative_differs_from_an_unknown_cell_at_the_same_place():
    assert as_label_matrix(np.array([[1, 0]])) != as_label_matrix(np.array([[1.0, np.nan]]))
    in_place = sparse.csr_array(([1, 0], [0, 1], [0, 2]), shape=(1, 2))
    assert as_label_matrix(in_place, background="unknown") != as_label_matrix(
        [[0, 1]], n_labels=2, background="unknown"
    )


def test_rows_without_an_unknown_cell_equal_a_matrix_that_never_had_one():
    y = np.array([[1, 0, 1], [0, -1, 1]])
    assert as_label_matrix(y)._rows(0, 1) == as_label_matrix(y[:1])
    assert as_label_matrix(y)._take(np.array([0])) == as_label_matrix(y[:1])


@settings(max_examples=50)
@given(matrices(), st.data())
def test_runs_and_choices_of_rows_are_those_rows(given_, data):
    y, background = given_
    matrix = make(y, background, label_names=[str(j) for j in range(y.shape[1])])
    begin = data.draw(st.integers(0, len(y) - 1))
    end = data.draw(st.integers(begin + 1, len(y)))
    rows = np.array(data.draw(st.lists(st.integers(0, len(y) - 1), min_size=1, max_size=9)))
    for part, cells in ((matrix._rows(begin, end), y[begin:end]), (matrix._take(rows), y[rows])):
        assert part.label_names == matrix.label_names
        assert part.background == background
        np.testing.assert_array_equal(part.to_dense(), cells)
        np.testing.assert_array_equal(part.support, (cells == 1).sum(axis=0))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_matrix_survives_pickling(background, protocol):
    y = some_labels(9, 4, unknown=0.2)
    matrix = make(y, background, label_names=list("abcd"))
    matrix.support  # noqa: B018 -- what is computed on demand must not get in the way
    twin = pickle.loads(pickle.dumps(matrix, protocol))
    assert twin == matrix
    np.testing.assert_array_equal(twin.to_dense(), y)
    with pytest.raises(ValueError, match="read-only"):
        twin.indices[0] = 0


def test_notes_survive_pickling():
    matrix = as_label_matrix([[0, 0], [1]], n_labels=2)
    assert pickle.loads(pickle.dumps(matrix)).notes == {"merged_duplicates": 1}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_equal(copied):
    matrix = as_label_matrix(some_labels(9, 4, unknown=0.2))
    assert copied(matrix) == matrix


def test_a_pickle_of_few_rows_does_not_carry_the_others():
    matrix = as_label_matrix(some_labels(2000, 50))
    assert len(pickle.dumps(matrix._rows(0, 2))) < 2000
