"""Injected label noise: the promised share of errors, in the promised cells, and nowhere else."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from mlkit.datasets import inject_label_noise

KINDS = ("uniform", "label_dependent", "missing_positives", "swap")


def random_labels(n_samples=200, n_labels=12, density=0.2, unknown=0.1, seed=0):
    """0/1 labels with -1 where unknown; the last label has no positive, the first row and label only zeros and ones."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n_samples, n_labels)) < density).astype(np.int64)
    labels[:, -1] = 0
    labels[rng.random(labels.shape) < unknown] = -1
    labels[0], labels[:, 0] = 1, rng.random(n_samples) < 0.5
    return labels


def with_nan(labels, dtype=np.float64):
    return np.where(labels < 0, np.nan, labels).astype(dtype)


def frame(labels):
    names = [f"label {j}" for j in range(labels.shape[1])]
    return pd.DataFrame(labels, index=[f"row {i}" for i in range(labels.shape[0])], columns=names)


FORMS = {
    "int64": lambda labels: labels.copy(),
    "int8": lambda labels: labels.astype(np.int8),
    "float32": lambda labels: with_nan(labels, np.float32),
    "float64 with -1": lambda labels: labels.astype(np.float64),
    "Fortran order": lambda labels: np.asfortranarray(labels),
    "strided": lambda labels: np.repeat(labels, 2, axis=1)[:, ::2],
    "csr_matrix": lambda labels: sp.csr_matrix(labels),
    "csr_array": lambda labels: sp.csr_array(labels.astype(np.int8)),
    "csr_array of floats": lambda labels: sp.csr_array(with_nan(labels)),
    "csc_array": lambda labels: sp.csc_array(labels),
    "DataFrame": frame,
    "DataFrame of Int64": lambda labels: frame(labels).mask(labels < 0).astype("Int64"),
    "DataFrame of sparse columns": lambda labels: frame(labels).astype(pd.SparseDtype("int64", 0)),
}


def dense(labels):
    """Any form as float with NaN where unknown."""
    if sp.issparse(labels):
        labels = labels.toarray()
    elif isinstance(labels, pd.DataFrame):
        labels = labels.to_numpy(dtype=np.float64, na_value=np.nan)
    labels = np.array(labels, dtype=np.float64)
    return np.where(labels == -1, np.nan, labels)


def assert_same_input(labels, before):
    if sp.issparse(labels):
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(labels, part), getattr(before, part))
    elif isinstance(labels, pd.DataFrame):
        pd.testing.assert_frame_equal(labels, before)
    else:
        np.testing.assert_array_equal(labels, before)


def within(count, n, rate, z=4.5):
    """Whether a binomial count is where it should be."""
    return abs(count - n * rate) <= z * np.sqrt(n * rate * (1 - rate)) + 1e-9


# Form ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_truth_is_exactly_what_changed(form, kind):
    labels = FORMS[form](random_labels())
    before = labels.copy()
    noisy, truth = inject_label_noise(labels, kind=kind, rate=0.2, random_state=3)
    assert_same_input(labels, before)
    assert type(noisy) is type(labels)
    assert noisy.shape == labels.shape
    if sp.issparse(labels):
        assert noisy.format == labels.format
        assert noisy.dtype == labels.dtype
        assert noisy.has_canonical_format
        assert isinstance(truth, sp.csr_array)
        truth = truth.toarray()
    elif isinstance(labels, pd.DataFrame):
        pd.testing.assert_index_equal(noisy.index, labels.index)
        pd.testing.assert_index_equal(noisy.columns, labels.columns)
        assert noisy.dtypes.equals(labels.dtypes)
    else:
        assert noisy.dtype == labels.dtype
        assert not np.shares_memory(noisy, labels)
    assert truth.dtype == bool
    assert truth.any()
    clean, dirty = dense(labels), dense(noisy)
    np.testing.assert_array_equal(np.isnan(clean), np.isnan(dirty))
    known = ~np.isnan(clean)
    np.testing.assert_array_equal(truth[known], (clean != dirty)[known])
    assert not truth[~known].any()
    assert set(np.unique(dirty[known])) == {0, 1}


@pytest.mark.parametrize("kind", KINDS)
def test_all_forms_get_the_same_errors(kind):
    labels = random_labels()
    _, expected = inject_label_noise(labels, kind=kind, rate=0.3, random_state=5)
    for form, convert in FORMS.items():
        _, truth = inject_label_noise(convert(labels), kind=kind, rate=0.3, random_state=5)
        np.testing.assert_array_equal(truth.toarray() if sp.issparse(truth) else truth, expected, err_msg=form)


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, pd.DataFrame], ids=["ndarray", "csr_array", "DataFrame"])
@pytest.mark.parametrize("kind", KINDS)
def test_bool_labels_stay_bool(convert, kind):
    labels = random_labels(unknown=0) == 1
    noisy, truth = inject_label_noise(convert(labels), kind=kind, rate=0.2, random_state=0)
    assert (dense(noisy) != labels).sum() == truth.sum() > 0
    dtypes = noisy.dtypes.tolist() if isinstance(noisy, pd.DataFrame) else [noisy.dtype]
    assert all(dtype == np.bool_ for dtype in dtypes)


def test_frame_with_mixed_types_and_equal_names_keeps_both():
    labels = pd.DataFrame({"a": [True, False] * 50, "b": np.int8(1), "c": 0.0, "d": [np.nan, 1.0] * 50})
    labels.columns = ["a", "b", "a", "d"]
    noisy, truth = inject_label_noise(labels, rate=0.4, random_state=0)
    assert noisy.dtypes.tolist() == labels.dtypes.tolist()
    assert noisy.columns.tolist() == ["a", "b", "a", "d"]
    np.testing.assert_array_equal((dense(noisy) != dense(labels)) & ~np.isnan(dense(labels)), truth)


def test_missing_values_of_a_frame_stay_missing():
    labels = pd.DataFrame({"a": pd.array([1, 0, pd.NA] * 20, dtype="Int8"), "b": pd.array([True, pd.NA, False] * 20)})
    noisy, truth = inject_label_noise(labels, rate=1.0, random_state=0)
    pd.testing.assert_frame_equal(noisy.isna(), labels.isna())
    assert noisy["a"].tolist()[:2] == [0, 1]
    np.testing.assert_array_equal(truth, labels.notna())


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_sparse_input_may_be_untidy(index_dtype):
    labels = sp.csr_array(random_labels(unknown=0).astype(np.float32))
    tidy = labels.copy()
    for i in range(labels.shape[0]):  # columns in falling order, one stored zero
        row = slice(labels.indptr[i], labels.indptr[i + 1])
        labels.indices[row], labels.data[row] = labels.indices[row][::-1].copy(), labels.data[row][::-1].copy()
    labels.data[-1] = tidy.data[tidy.indptr[-2]] = 0
    labels.has_sorted_indices = False
    labels.indices, labels.indptr = labels.indices.astype(index_dtype), labels.indptr.astype(index_dtype)
    before = labels.copy()
    noisy, truth = inject_label_noise(labels, kind="swap", rate=0.3, random_state=0)
    assert_same_input(labels, before)
    assert noisy.indices.dtype == noisy.indptr.dtype == index_dtype
    assert (noisy.data == 1).all()
    np.testing.assert_array_equal(truth.toarray(), noisy.toarray() != tidy.toarray())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1), (1, 6), (6, 1)])
@pytest.mark.parametrize("fill", [0, 1])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, pd.DataFrame], ids=["ndarray", "csr_array", "DataFrame"])
def test_extreme_shapes_and_contents(kind, rate, shape, fill, convert):
    labels = convert(np.full(shape, fill))
    noisy, truth = inject_label_noise(labels, kind=kind, rate=rate, random_state=0)
    assert noisy.shape == truth.shape == shape
    changed = truth.toarray() if sp.issparse(truth) else truth
    np.testing.assert_array_equal(changed, dense(noisy) != dense(labels))
    if kind == "uniform" and rate != 0.5:
        assert changed.sum() == rate * changed.size
    if kind == "swap" or rate == 0:  # rows without zeros cannot swap, rows without positives need not
        assert not changed.any()


# Rates ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array], ids=["ndarray", "csr_array"])
def test_uniform_flips_zeros_and_ones_at_the_rate(rate, convert):
    labels = random_labels(1000, 20)
    flips = np.zeros(2)
    n_seeds = 20
    for seed in range(n_seeds):
        _, truth = inject_label_noise(convert(labels), rate=rate, random_state=seed)
        truth = truth.toarray() if sp.issparse(truth) else truth
        flips += [truth[labels == 0].sum(), truth[labels == 1].sum()]
    for value in (0, 1):
        assert within(flips[value], n_seeds * (labels == value).sum(), rate)


@pytest.mark.parametrize("rate", [0.2, 0.75])
def test_uniform_treats_all_cells_alike_and_independently(rate):
    labels = random_labels(6, 5, density=0.4)
    n_seeds = 3000
    truths = np.array([inject_label_noise(labels, rate=rate, random_state=seed)[1].ravel() for seed in range(n_seeds)])
    truths = truths[:, labels.ravel() >= 0]
    np.testing.assert_allclose(truths.mean(axis=0), rate, atol=4.5 * np.sqrt(rate * (1 - rate) / n_seeds))
    correlation = np.corrcoef(truths.T) - np.eye(truths.shape[1])
    assert np.abs(correlation).max() < 5 / np.sqrt(n_seeds)


def test_one_rate_per_label_holds_for_zeros_and_ones():
    labels = random_labels(4000, 5, density=0.5)
    rates = np.array([0.0, 0.05, 0.3, 0.7, 1.0])
    _, truth = inject_label_noise(labels, kind="label_dependent", rate=rates, random_state=0)
    for j, rate in enumerate(rates):
        for value in (0, 1):
            cells = labels[:, j] == value
            assert within(truth[cells, j].sum(), cells.sum(), rate)


def test_pairs_of_rates_belong_to_zero_and_one():
    labels = random_labels(4000, 4, density=0.5)
    rates = [[0.1, 0.4], [0.0, 1.0], [1.0, 0.0], [0.02, 0.0]]
    for convert in (np.asarray, sp.csr_array):
        _, truth = inject_label_noise(convert(labels), kind="label_dependent", rate=rates, random_state=0)
        truth = truth.toarray() if sp.issparse(truth) else truth
        for j in range(4):
            for value in (0, 1):
                cells = labels[:, j] == value
                assert within(truth[cells, j].sum(), cells.sum(), rates[j][value])


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6, 1.0])
def test_one_number_spreads_evenly_over_the_labels_with_that_mean(rate):
    labels = np.random.default_rng(0).integers(0, 2, (20_000, 8))
    _, truth = inject_label_noise(labels, kind="label_dependent", rate=rate, random_state=1)
    reach = min(rate, 1 - rate)
    expected = rate + reach * (2 * np.arange(8) - 7) / 8
    np.testing.assert_allclose(np.sort(truth.mean(axis=0)), expected, atol=0.02)
    if 0 < rate < 1:
        assert (np.diff(truth.mean(axis=0)) < 0).any()  # dealt in random order
        _, other = inject_label_noise(labels, kind="label_dependent", rate=rate, random_state=2)
        assert (np.argsort(other.mean(axis=0)) != np.argsort(truth.mean(axis=0))).any()


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.333, 1.0])
def test_missing_positives_drops_the_exact_share_and_nothing_else(rate):
    labels = random_labels()
    n_positives = (labels == 1).sum()
    for seed in range(5):
        noisy, truth = inject_label_noise(labels, kind="missing_positives", rate=rate, random_state=seed)
        assert truth.sum() == int(rate * n_positives + 0.5)
        assert (labels[truth] == 1).all()
        assert (noisy[truth] == 0).all()


def test_missing_positives_drops_each_positive_equally_often():
    labels = random_labels(10, 5)
    positive = labels == 1
    n_seeds = 2000
    counts = sum(
        inject_label_noise(labels, kind="missing_positives", rate=0.4, random_state=seed)[1].astype(int)
        for seed in range(n_seeds)
    )
    share = int(0.4 * positive.sum() + 0.5) / positive.sum()
    assert all(within(count, n_seeds, share) for count in counts[positive])


@pytest.mark.parametrize("rate", [0.05, 0.5, 1.0])
def test_swap_keeps_the_size_of_every_label_set(rate):
    labels = random_labels(n_labels=30, density=0.1)
    labels[0] = labels[1]
    n_positives = (labels == 1).sum()
    for convert in (np.asarray, sp.csr_array):
        noisy, truth = inject_label_noise(convert(labels), kind="swap", rate=rate, random_state=0)
        noisy, truth = dense(noisy), dense(truth) == 1
        np.testing.assert_array_equal((noisy == 1).sum(axis=1), (labels == 1).sum(axis=1))
        assert (truth & (labels == 1)).sum() == (truth & (labels == 0)).sum() == int(rate * n_positives + 0.5)


def test_swap_leaves_positives_that_have_nowhere_to_go():
    labels = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, -1, -1], [0, 0, 0, 1]])
    for seed in range(20):
        noisy, truth = inject_label_noise(labels, kind="swap", rate=1.0, random_state=seed)
        assert truth.sum(axis=1).tolist() == [2, 0, 0, 2]
        assert noisy[0, 3] == 1
        assert noisy[3, 3] == 0


def test_swap_moves_to_all_free_labels_alike():
    labels = np.zeros((3000, 6), dtype=np.int8)
    labels[:, [1, 4]] = 1
    labels[:, 5] = -1
    noisy, _ = inject_label_noise(labels, kind="swap", rate=0.5, random_state=0)
    arrived = noisy[:, [0, 2, 3]].sum(axis=0)
    assert arrived.sum() == 3000
    assert all(within(count, 3000, 1 / 3) for count in arrived)


# Scale and seeds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "rate"), [("uniform", 1e-5), ("label_dependent", 1e-5), ("swap", 0.3)])
def test_large_sparse_labels_are_never_made_dense(kind, rate):
    n_samples, n_labels = 20_000, 50_000  # 1 GB if dense, one byte a cell
    rng = np.random.default_rng(0)
    indices = rng.integers(0, n_labels, (n_samples, 5))
    ones = np.ones(indices.size, dtype=np.int8)
    labels = sp.csr_array((ones, indices.ravel(), np.arange(0, indices.size + 1, 5)), shape=(n_samples, n_labels))
    labels.sum_duplicates()
    labels.data[:] = 1
    tracemalloc.start()
    noisy, truth = inject_label_noise(labels, kind=kind, rate=rate, random_state=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert sp.issparse(noisy)
    assert (noisy != labels).nnz == truth.nnz
    if kind == "swap":
        assert truth.nnz == 2 * int(0.3 * labels.nnz + 0.5)
    else:
        assert within(truth.nnz, n_samples * n_labels, rate)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_errors(kind):
    labels = random_labels()
    first, again, other = (inject_label_noise(labels, kind=kind, rate=0.2, random_state=seed)[1] for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_generators_are_accepted_and_advanced(make):
    labels, source = random_labels(), make(0)
    first, second = (inject_label_noise(labels, rate=0.2, random_state=source)[1] for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, inject_label_noise(labels, rate=0.2, random_state=make(0))[1])


def test_numpy_integers_seed_like_python_integers_and_none_is_accepted():
    labels = random_labels()
    _, one = inject_label_noise(labels, rate=np.float32(0.25), random_state=np.int64(3))
    _, two = inject_label_noise(labels, rate=0.25, random_state=3)
    np.testing.assert_array_equal(one, two)
    assert inject_label_noise(labels, rate=0.25)[1].any()


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kind": "random"}, ValueError, r"^kind: expected one of 'uniform', 'label_dependent', .*, got 'random'$"),
        ({"kind": None}, ValueError, r"^kind: expected one of 'uniform', .*, got None$"),
        ({"rate": 1.7}, ValueError, r"^rate: expected a number in \[0, 1\], got 1\.7$"),
        ({"rate": -0.1}, ValueError, r"^rate: expected a number in \[0, 1\], got -0\.1$"),
        ({"rate": float("nan")}, ValueError, r"^rate: expected a number in \[0, 1\], got nan$"),
        ({"rate": "0.1"}, TypeError, r"^rate: expected a number in \[0, 1\], got str '0\.1'$"),
        ({"rate": None}, TypeError, r"^rate: expected a number in \[0, 1\], got None$"),
        ({"rate": True}, TypeError, r"^rate: expected a number in \[0, 1\], got bool True$"),
        (
            {"rate": [0.1] * 12},
            ValueError,
            r"^rate: expected a number in \[0, 1\] with kind='uniform', got shape \(12,\) \(rates per label: kind=",
        ),
        (
            {"kind": "label_dependent", "rate": [0.1, 0.2]},
            ValueError,
            r"^rate: expected a number, or shape \(12,\) or \(12, 2\), got shape \(2,\)$",
        ),
        (
            {"kind": "label_dependent", "rate": [0.1] * 11 + [1.7]},
            ValueError,
            r"^rate: expected values in \[0, 1\], got 1\.7 for label 11$",
        ),
        (
            {"kind": "label_dependent", "rate": [[0.1, 0.1]] * 3 + [[0.1, np.nan]] * 9},
            ValueError,
            r"^rate: expected values in \[0, 1\], got nan for label 3$",
        ),
        (
            {"kind": "label_dependent", "rate": ["a"] * 12},
            TypeError,
            r"^rate: expected a number, or shape \(12,\) or \(12, 2\), got \['a', ",
        ),
        ({"random_state": -1}, ValueError, r"^random_state: expected a number of at least 0, got -1$"),
        ({"random_state": 0.5}, TypeError, r"^random_state: expected None, an int, a RandomState or .*, got float$"),
        ({"random_state": True}, TypeError, r"^random_state: expected None, an int, a RandomState or .*, got bool$"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        inject_label_noise(random_labels(), **{"rate": 0.1, **arguments})


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (
            [[0, 1]],
            TypeError,
            r"^labels: expected a NumPy array, a SciPy sparse matrix or a pandas DataFrame, got list$",
        ),
        (np.zeros(3), ValueError, r"^labels: expected shape \(n_samples, n_labels\), got \(3,\)$"),
        (np.array([["a", "b"]]), TypeError, r"^labels: expected bool, integer or float values, got dtype <U1$"),
        (
            np.array([[0, 1], [1, 2]]),
            ValueError,
            r"^labels: expected 0, 1 or unknown \(-1 or NaN\), got 2 at row 1, label 1$",
        ),
        (np.array([[0, 0.5]]), ValueError, r"^labels: expected 0, 1 or unknown .*, got 0\.5 at row 0, label 1$"),
        (np.array([[np.inf, 0]]), ValueError, r"^labels: expected 0, 1 or unknown .*, got inf at row 0, label 0$"),
        (
            sp.csr_array(np.array([[0, 1, 0], [0, 0, 3]])),
            ValueError,
            r"^labels: expected 0, 1 or unknown .*, got 3 at row 1, label 2$",
        ),
        (
            sp.csr_matrix(([1, 1], ([0, 0], [1, 1])), shape=(2, 2)),
            ValueError,
            r"^labels: expected 0, 1 or unknown .*, got 2 at row 0, label 1$",
        ),
        (
            np.array([[-1, 1], [1, -1]]),
            ValueError,
            r"^labels: expected 0 and 1 \(-1 = unknown\), got -1 and 1 but no 0 \(pass labels > 0 if -1 means absent",
        ),
        (
            pd.DataFrame({"a": [-1, 1]}),
            ValueError,
            r"^labels: expected 0 and 1 \(-1 = unknown\), got -1 and 1 but no 0",
        ),
        (
            pd.DataFrame({"a": [0, 1], "b": ["x", "y"]}),
            TypeError,
            r"^labels: expected bool or numeric columns, got dtype \w+ in column 'b'$",
        ),
        (
            pd.DataFrame({"a": [0, 1], "b": [0, 7]}),
            ValueError,
            r"^labels: expected 0, 1 or unknown .*, got 7\.0 at row 1, label 1$",
        ),
    ],
)
def test_bad_labels_are_named_and_placed(labels, error, message):
    with pytest.raises(error, match=message):
        inject_label_noise(labels, rate=0.1)


def test_stored_minus_one_beside_absent_zeros_is_unknown():
    labels = sp.csr_array(np.array([[-1, 1, 0], [0, -1, 1]]))
    noisy, truth = inject_label_noise(labels, rate=1.0, random_state=0)
    np.testing.assert_array_equal(noisy.toarray(), [[-1, 0, 1], [1, -1, 0]])
    assert truth.nnz == 4
