"""Every accepted form of probabilities is read as the same values, without copying or touching more than it must."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from scipy import sparse
from scipy.special import expit
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier

from mlkit import _core
from mlkit._validation.cells import check_cells
from mlkit._validation.probabilities import TOLERANCE
from mlkit.labels import as_label_matrix
from mlkit.quality import find_label_issues, get_cell_quality_scores
from reference.label_forms import FORMATS, LAYOUTS, names_of, some_labels

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")

N, L = 40, 7
LABELS = some_labels(N, L, density=0.3)


def some_probs(n=N, n_labels=L, stored=1.0, seed=3):
    """Probabilities that every float type holds exactly; the share that is not stored is 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, n_labels)) < stored, rng.integers(1, 1025, (n, n_labels)) / 1024, 0.0)


def values_of(cells):
    """What the kernels see of a cell's probability: the self-confidence of a label that is given everywhere."""
    everywhere = as_label_matrix(np.ones(cells.shape, bool))
    kind = _core.quality.CellScore.self_confidence
    return _core.quality.cell_scores(everywhere._core, cells.probs.core, kind, None, 1)


def csr(p, index_dtype="int32"):
    """Compressed rows of any float type, halves too, which SciPy itself does not make."""
    out = sparse.csr_array(p.astype(np.float64))
    out.data = out.data.astype(p.dtype)
    out.indices, out.indptr = out.indices.astype(index_dtype), out.indptr.astype(index_dtype)
    return out


def read(probs, labels=LABELS, **options):
    return check_cells(labels, probs, **options)


# ------------------------------------------------------------------------------------------------------ all roads agree


DENSE = {
    f"{dtype}, {layout}": (dtype, LAYOUTS[layout]) for dtype in ("float16", "float32", "float64") for layout in LAYOUTS
}
SPARSE = {f"{fmt}_{kind}": getattr(sparse, f"{fmt}_{kind}") for fmt in FORMATS for kind in ("matrix", "array")}
OTHERS = {
    "nested lists": np.ndarray.tolist,
    "nested tuples": lambda p: tuple(tuple(row) for row in p.tolist()),
    "list of rows": list,
    "list of (n, 2) arrays": lambda p: [np.stack([1 - p[:, j], p[:, j]], axis=1) for j in range(p.shape[1])],
    "tuple of (n, 2) float32 arrays": lambda p: tuple(np.stack([1 - c, c], 1).astype("f4") for c in p.T),
    "matrix subclass": lambda p: p.view(np.matrix),
    "pandas": pd.DataFrame,
    "pandas with names": lambda p: pd.DataFrame(p, columns=names_of(p.shape[1])),
    "pandas Float64": lambda p: pd.DataFrame(p).astype("Float64"),
    "pandas arrow": lambda p: pd.DataFrame(p).astype("double[pyarrow]"),
    "pandas sparse": lambda p: pd.DataFrame.sparse.from_spmatrix(sparse.csr_matrix(p)),
    "pandas of different floats": lambda p: pd.DataFrame(p).astype({0: "float32"}),
    "polars": lambda p: pl.DataFrame(p, schema=names_of(p.shape[1])),
    "polars Float32": lambda p: pl.DataFrame(p.astype(np.float32), schema=names_of(p.shape[1])),
}


@pytest.mark.parametrize("form", list(DENSE))
def test_dense_arrays_of_any_layout_are_read_as_the_same_values(form):
    dtype, layout = DENSE[form]
    for shape in ((1, 1), (1, 9), (9, 1), (N, L)):
        p = some_probs(*shape)
        cells = read(layout(p.astype(dtype)), some_labels(*shape))
        assert cells.probs.dtype == dtype
        assert not cells.probs.is_sparse
        np.testing.assert_array_equal(values_of(cells), p)


@pytest.mark.parametrize("form", list(SPARSE))
def test_sparse_matrices_of_any_format_are_read_as_the_same_values(form):
    for shape in ((1, 1), (1, 9), (9, 1), (N, L)):
        p = some_probs(*shape, stored=0.4)
        cells = read(SPARSE[form](p), some_labels(*shape))
        assert cells.probs.is_sparse
        np.testing.assert_array_equal(values_of(cells), p)


@pytest.mark.parametrize("form", list(OTHERS))
def test_lists_and_frames_are_read_as_the_same_values(form):
    for shape in ((9, 1), (N, L)):
        p = some_probs(*shape)
        np.testing.assert_array_equal(values_of(read(OTHERS[form](p), some_labels(*shape))), p)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("index_dtype", ["int32", "int64"])
def test_csr_arrays_of_any_float_and_index_type_are_read(dtype, index_dtype):
    p = some_probs(stored=0.4)
    cells = read(csr(p.astype(dtype), index_dtype))
    assert cells.probs.dtype == dtype
    np.testing.assert_array_equal(values_of(cells), p)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_unsorted_and_repeated_entries_are_sorted_and_added_up(dtype):
    p = some_probs(stored=0.4)
    halves = [[(j, v / 2) for j, v in enumerate(row) if v] for row in p.tolist()]
    entries = [row[::-1] + row for row in halves]
    flat = [entry for row in entries for entry in row]
    value = sparse.csr_array(p.shape, dtype=np.float64)
    value.data = np.array([v for _, v in flat], dtype)
    value.indices = np.array([j for j, _ in flat], np.int32)
    value.indptr = np.cumsum([0, *map(len, entries)]).astype(np.int32)
    np.testing.assert_array_equal(values_of(read(value)), p)


@settings(max_examples=50)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_dense_and_sparse_probabilities_flag_and_score_alike(n, n_labels, stored, seed):
    p, y = some_probs(n, n_labels, stored, seed), some_labels(n, n_labels, density=0.4, seed=seed)
    np.testing.assert_array_equal(find_label_issues(y, p), find_label_issues(y, sparse.csr_array(p)))
    np.testing.assert_array_equal(get_cell_quality_scores(y, p), get_cell_quality_scores(y, sparse.csr_array(p)))


def test_what_a_multi_output_classifier_returns_is_read_as_its_positive_columns():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), some_labels(60, 3, density=0.5)
    model = RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y)
    by_label = model.predict_proba(X)
    expected = np.column_stack([columns[:, 1] for columns in by_label])
    np.testing.assert_array_equal(values_of(read(by_label, y)), expected)


def test_a_label_of_which_a_classifier_saw_one_class_is_named():
    y = some_labels(20, 3, density=0.5)
    y[:, 1] = 0
    by_label = DummyClassifier(strategy="prior").fit(np.zeros((20, 1)), y).predict_proba(np.zeros((20, 1)))
    message = r"got shape \(20, 1\) at position 1 \(the classifier saw only one class of this label\)$"
    with pytest.raises(ValueError, match=r"^pred_probs: expected a list of \(n_samples, 2\) arrays.*" + message):
        read(by_label, y)


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "make", [pd.DataFrame, lambda p, columns: pl.DataFrame(p, schema=columns)], ids=["pandas", "polars"]
)
def test_columns_of_a_frame_follow_the_names_of_the_labels(make):
    p, names = some_probs(), names_of(L)
    shuffled = [3, 1, 0, 6, 2, 5, 4]
    frame = make(p[:, shuffled], columns=[names[j] for j in shuffled])
    named_labels = pd.DataFrame(LABELS, columns=names)
    for labels, options in (
        (named_labels, {}),
        (as_label_matrix(named_labels), {}),
        (LABELS, {"label_names": names}),
        ([[names[j] for j in np.flatnonzero(row)] for row in LABELS], {"label_names": names}),
    ):
        cells = read(frame, labels, **options)
        assert cells.label_names == tuple(names)
        np.testing.assert_array_equal(values_of(cells), p)


def test_columns_without_names_are_taken_in_order():
    p = some_probs()
    np.testing.assert_array_equal(values_of(read(pd.DataFrame(p), label_names=names_of(L))), p)


def test_names_that_only_the_probabilities_have_are_those_of_the_labels():
    p, names = some_probs(), names_of(L)
    frame = pd.DataFrame(p, columns=names)
    assert read(frame).label_names == tuple(names)
    of_names = [[names[j] for j in np.flatnonzero(row)] for row in LABELS]
    cells = read(frame, of_names)
    np.testing.assert_array_equal(cells.labels.to_dense(), LABELS)


@pytest.mark.parametrize(
    "make", [pd.DataFrame, lambda p, columns: pl.DataFrame(p, schema=columns)], ids=["pandas", "polars"]
)
def test_columns_that_are_not_those_of_the_labels_are_named(make):
    message = (
        r"^pred_probs: expected the columns \['cat', 'dog'\] in any order, got \['cat', 'fox'\] "
        r"\(missing \['dog'\], unexpected \['fox'\]\)$"
    )
    with pytest.raises(ValueError, match=message):
        read(make(some_probs(2, 2), columns=["cat", "fox"]), np.eye(2), label_names=["cat", "dog"])


def test_too_few_or_repeated_columns_are_named():
    labels = pd.DataFrame(np.eye(2), columns=["cat", "dog"])
    with pytest.raises(ValueError, match=r"\(missing \['dog'\], unexpected \[\]\)$"):
        read(pd.DataFrame(some_probs(2, 1), columns=["cat"]), labels)
    with pytest.raises(
        ValueError, match=r"^pred_probs columns: expected distinct names, got 'cat' at positions 0 and 1$"
    ):
        read(pd.DataFrame(some_probs(2, 2), columns=["cat", "cat"]), labels)


# ---------------------------------------------------------------------------------------------------- sharing and care


@pytest.mark.parametrize("form", list(DENSE))
def test_dense_arrays_are_not_copied(form):
    dtype, layout = DENSE[form]
    p = layout(some_probs().astype(dtype))
    shared = np.shares_memory(read(p).probs.array, p)
    assert shared is (layout is not LAYOUTS["field of records"])  # odd addresses are no place for floats


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_canonical_csr_matrices_are_not_copied(kind):
    p = kind(some_probs(stored=0.4))
    probs = read(p).probs
    assert np.shares_memory(probs.array, p.data)
    assert np.shares_memory(probs.indices, p.indices)


def test_a_frame_of_one_type_is_not_copied():
    p = np.asfortranarray(some_probs())
    assert np.shares_memory(read(pd.DataFrame(p, copy=False)).probs.array, p)


def parts_of(value):
    """Copies of all that a caller could see changed."""
    if sparse.issparse(value):
        arrays = [getattr(value, part) for part in ("data", "indices", "indptr", "row", "col") if hasattr(value, part)]
        return [np.array(array) for array in arrays] + [value.toarray()]
    return [value.copy()]


def hostile_probs():
    """With a missing value and one that rounding carried out of the range."""
    p = some_probs(stored=0.6)
    p[3, 2] = p[17, 0] = np.nan
    p[5, 5] = 1 + 5e-7
    return p


@pytest.mark.parametrize("form", list(SPARSE))
def test_reading_leaves_the_callers_sparse_probabilities_alone(form):
    value = SPARSE[form](hostile_probs())
    before = parts_of(value)
    read(value, nan_policy="mask")
    for now, then in zip(parts_of(value), before):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("form", list(DENSE))
@pytest.mark.parametrize("from_logits", [False, True])
def test_reading_leaves_the_callers_dense_probabilities_alone(form, from_logits):
    dtype, layout = DENSE[form]
    value = layout(hostile_probs().astype(dtype))
    before = value.copy()
    read(value, nan_policy="mask", from_logits=from_logits)
    np.testing.assert_array_equal(value, before)


# ------------------------------------------------------------------------------------------------------ missing values


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, csr, pd.DataFrame], ids=["C", "F", "csr", "frame"])
def test_masked_nan_is_an_unknown_cell(make, dtype):
    p = some_probs(stored=0.6)
    where = some_labels(N, L, density=0.1, seed=4) == 1
    p[where] = np.nan
    cells = read(make(p.astype(dtype)), nan_policy="mask")
    np.testing.assert_array_equal(cells.labels.to_dense(), np.where(where, -1, LABELS))
    np.testing.assert_array_equal(values_of(cells), np.where(where, 0, p))
    flagged = find_label_issues(LABELS, make(p.astype(dtype)), nan_policy="mask")
    np.testing.assert_array_equal(flagged, find_label_issues(LABELS, np.where(where, 0.5, p), unknown=where))


def test_missing_values_of_frames_are_nan():
    for frame in (
        pd.DataFrame({"a": [0.5, None], "b": [0.25, 0.75]}).astype("Float32"),
        pl.DataFrame({"a": [0.5, None], "b": [0.25, 0.75]}),
    ):
        with pytest.raises(ValueError, match=r"got 1 NaN \(first at row 1, label 0 'a'; nan_policy='mask'"):
            read(frame, np.eye(2))
        assert read(frame, np.eye(2), nan_policy="mask").labels.to_dense().tolist() == [[1, 0], [-1, 1]]


def test_without_nan_masking_changes_nothing():
    p = some_probs()
    cells = read(p, nan_policy="mask")
    assert cells.labels == as_label_matrix(LABELS)
    assert np.shares_memory(cells.probs.array, p)


# ---------------------------------------------------------------------------------------------------- range and logits


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, sparse.csr_array], ids=["C", "F", "csr"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_beyond_the_range_is_clipped(make, dtype):
    p = some_probs(stored=0.7)
    outside = p.astype(dtype)
    outside[p > 0.8] = 1 + 9e-7
    outside[(p > 0) & (p < 0.2)] = -9e-7
    expected = np.where(p > 0.8, 1.0, np.where((p > 0) & (p < 0.2), 0.0, p))
    cells = read(make(outside))
    assert cells.probs.clip
    np.testing.assert_array_equal(values_of(cells), expected)
    for part in (cells.rows(10, 30), cells.take(np.arange(10, 30))):
        np.testing.assert_array_equal(values_of(part), expected[10:30])


def test_values_in_range_are_not_clipped():
    assert not read(some_probs()).probs.clip
    p = np.array([[0.0, 1.0], [-0.0, np.nextafter(1, 0)]])
    assert not read(p, np.eye(2)).probs.clip


@settings(max_examples=100)
@given(st.floats(-3e-6, 3e-6), st.booleans(), st.booleans(), st.integers(0, 5), st.integers(0, 3))
def test_exactly_what_leaves_the_range_by_more_than_the_tolerance_is_refused(beyond, is_high, is_sparse, row, label):
    p = np.full((6, 4), 0.5)
    p[row, label] = 1 + beyond if is_high else -beyond
    value = sparse.csr_array(p) if is_sparse else p
    if -TOLERANCE <= p[row, label] <= 1 + TOLERANCE:
        cells = read(value, some_labels(6, 4))
        np.testing.assert_array_equal(values_of(cells), np.clip(p, 0, 1))
    else:
        with pytest.raises(
            ValueError, match=rf"^pred_probs: expected values in \[0, 1\], got .* at row {row}, label {label} \("
        ):
            read(value, some_labels(6, 4))


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, sparse.csr_array, sparse.coo_array, sparse.bsr_array])
def test_the_first_value_out_of_range_in_row_major_order_is_named(make):
    p = np.full((400, 50), 0.5)
    p[3, 7], p[3, 30], p[200, 0], p[399, 49] = 1.25, -0.5, 2, -9
    for n_jobs in (1, 4):
        with pytest.raises(ValueError, match=r"got 1.25 at row 3, label 7 \(values look like logits \(min -9, max 2\)"):
            read(make(p), some_labels(400, 50), n_jobs=n_jobs)
    p[2, 9] = np.nan
    for n_jobs in (1, 4):
        with pytest.raises(ValueError, match=r"got 1 NaN \(first at row 2, label 9; "):
            read(make(p), some_labels(400, 50), n_jobs=n_jobs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "make", [np.asarray, np.asfortranarray, pd.DataFrame, np.ndarray.tolist], ids=["C", "F", "frame", "list"]
)
def test_logits_go_through_the_sigmoid(make, dtype):
    logits = np.random.default_rng(0).normal(0, 4, (N, L)).astype(dtype)
    if make is np.ndarray.tolist:
        logits = logits.astype(float)
    np.testing.assert_array_equal(values_of(read(make(logits), from_logits=True)), expit(logits).astype(float))


def test_whole_numbers_can_be_logits():
    logits = np.random.default_rng(0).integers(-9, 9, (N, L))
    np.testing.assert_array_equal(values_of(read(logits, from_logits=True)), expit(logits.astype(float)))


def test_nan_among_logits_is_still_missing():
    logits = np.zeros((2, 2))
    logits[1, 0] = np.nan
    with pytest.raises(ValueError, match="got 1 NaN"):
        read(logits, np.eye(2), from_logits=True)
    assert read(logits, np.eye(2), from_logits=True, nan_policy="mask").labels.n_unknown == 1


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64"])
@pytest.mark.parametrize(
    "make", [np.asarray, sparse.csr_array, pd.DataFrame, np.ndarray.tolist], ids=["C", "csr", "frame", "list"]
)
def test_hard_predictions_need_force(make, dtype):
    hard = some_labels(N, L, seed=5).astype(dtype)
    with pytest.raises(
        ValueError, match=r"^pred_probs: expected probabilities, got (bool|u?int\d+) \(hard predictions"
    ):
        read(make(hard))
    np.testing.assert_array_equal(values_of(read(make(hard), force=True)), hard.astype(float))


def test_nullable_integers_are_hard_predictions_too():
    for frame in (pd.DataFrame(np.eye(2)).astype("Int64"), pd.DataFrame(np.eye(2)).astype("boolean")):
        with pytest.raises(ValueError, match=r"hard predictions carry no confidence"):
            read(frame, np.eye(2))


# ------------------------------------------------------------------------------------------------------- parts of rows


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, sparse.csr_array], ids=["C", "F", "csr"])
def test_runs_and_choices_of_rows_are_those_rows(make):
    p = some_probs(stored=0.5)
    cells = read(make(p))
    rows = np.array([7, 0, 39, 7])
    for part, expected in ((cells.rows(5, 20), p[5:20]), (cells.take(rows), p[rows]), (cells.rows(0, 1), p[:1])):
        np.testing.assert_array_equal(values_of(part), expected)
        assert part.shape == expected.shape


def test_one_thread_was_asked_for_and_one_is_used(monkeypatch):
    asked = []
    for name in ("from_dense", "scan_rows", "scan_scores", "count_labels"):
        kernel = getattr(_core.labels, name)
        monkeypatch.setattr(_core.labels, name, lambda *args, kernel=kernel: asked.append(args[-1]) or kernel(*args))
    cells = read(some_probs(), n_jobs=1, unknown=LABELS == 1)
    assert cells.n_positive.sum() == 0
    read(
        sparse.csr_array(some_probs(stored=0.5)),
        sparse.csr_array(LABELS),
        n_jobs=1,
        unknown=sparse.csr_array(LABELS == 1),
    )
    assert set(asked) == {1}
