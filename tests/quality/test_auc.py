"""The area under each label's ROC curve: the binned definition to the last bit, the exact area within its bound."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlkit._validation.cells import check_cells
from mlkit.quality import _engine
from reference import quality as oracle
from reference.quality_inputs import KINDS, Data, as_csr, make_data, smooth


def label_auc(labels, probs, n_jobs=1):
    """Return value and error bound of each label, shape (L, 2)."""
    return _engine.label_auc(check_cells(labels, probs, n_jobs=n_jobs))


def exact_areas(data):
    areas = np.full(data.labels.shape[1], np.nan)
    for label in range(len(areas)):
        known = data.labels[:, label] >= 0
        given, p = data.labels[known, label], data.probs[known, label].astype(np.float64)
        if 0 < given.sum() < len(given):
            areas[label] = roc_auc_score(given, p.clip(0, 1))
    return areas


@pytest.mark.parametrize("kind", KINDS)
def test_areas_equal_the_binned_definition(kind):
    rng = np.random.default_rng([1, *kind.encode()])
    for dtype in ("float16", "float32", "float64"):
        for seed in range(4):
            data = make_data(kind, seed, dtype)
            expected = oracle.label_areas(data.labels, data.probs)
            for labels in (data.matrix, data.positive_only):
                for probs in (data.probs, as_csr(data.probs, rng)):
                    np.testing.assert_array_equal(label_auc(labels, probs), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_the_exact_area_lies_within_the_stated_error(kind):
    for seed in range(6):
        data = make_data(kind, seed)
        value, error = label_auc(data.matrix, data.probs).T
        exact = exact_areas(data)
        np.testing.assert_array_equal(np.isnan(value), np.isnan(exact))
        np.testing.assert_array_equal(np.isnan(error), np.isnan(exact))
        assert (np.abs(value - exact) <= error + 1e-12)[~np.isnan(exact)].all()


def test_the_error_is_small_on_data_like_a_models():
    rng = np.random.default_rng(2)
    probs = smooth(rng, 20_000, 8)
    data = Data((rng.random(probs.shape) < probs).astype(np.int8), probs)
    value, error = label_auc(*data).T
    assert np.abs(value - exact_areas(data)).max() < 1e-4
    assert error.max() < 2e-3


def test_bins_ascend_with_p_and_mirror_at_one_half():
    rng = np.random.default_rng(3)
    p = np.concatenate([2.0 ** -rng.uniform(0, 40, 3000), rng.random(3000), [0.0, 5e-324, 2.0**-33, 0.5, 1.0]])
    p = np.unique(np.concatenate([p, 1 - p, np.nextafter(p, 0), np.nextafter(p, 1)]))
    bins = np.array([oracle.logit_bin(x) for x in p])
    assert (np.diff(bins) >= 0).all()
    assert (bins.min(), bins.max()) == (0, 4095)
    below = p[(p > 2.0**-33) & (p < 0.5)]
    mirrored = [oracle.logit_bin(1 - x) for x in below if 1 - (1 - x) == x]
    assert mirrored == [4095 - oracle.logit_bin(x) for x in below if 1 - (1 - x) == x]


def test_cells_next_to_each_border_fall_into_the_right_bins():
    """One positive against one negative a label: the area says whether their bins ascend, tie or descend."""
    step = np.arange(2048)
    border = (64 + step % 64) / 128 * 2.0 ** (step // 64 - 32)
    border = np.concatenate([border, [0.5], 1 - border])
    beside = (np.nextafter(border, 0), np.nextafter(border, 1), 0.999 * border, border)
    pairs = np.concatenate([np.stack([border, other]) for other in beside], axis=1)
    labels = np.zeros(pairs.shape, np.int8)
    labels[0] = 1
    expected = [
        {1: 1.0, 0: 0.5, -1: 0.0}[np.sign(oracle.logit_bin(a) - oracle.logit_bin(b)).item()] for a, b in pairs.T
    ]
    for probs in (pairs, as_csr(pairs)):
        np.testing.assert_array_equal(label_auc(labels, probs)[:, 0], expected)


def test_ties_count_half_and_perfect_and_reversed_order_one_and_zero():
    labels = np.array([[1, 1, 1], [0, 0, 0]])
    probs = np.array([[0.3, 0.9, 0.1], [0.3, 0.1, 0.9]])
    np.testing.assert_array_equal(label_auc(labels, probs), [[0.5, 0.5], [1, 0], [0, 0]])


def test_a_label_without_both_sides_has_no_area():
    data = Data(np.array([[1, 0, -1], [1, 0, 1]], np.int8), np.full((2, 3), 0.4))
    assert np.isnan(label_auc(data.matrix, data.probs)).all()


@pytest.mark.parametrize("n_jobs", [2, 3, 8])
def test_areas_do_not_depend_on_n_jobs(n_jobs):
    rng = np.random.default_rng(4)
    probs = smooth(rng, 8000, 110).round(3)
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    for form in (probs, np.asfortranarray(probs, np.float32), as_csr(probs)):
        assert label_auc(labels, form, n_jobs).tobytes() == label_auc(labels, form).tobytes()


def test_counts_of_many_rows_stay_exact():
    """All cells in two bins: the products of counts exceed 32 bits."""
    n = 200_000
    labels = (np.arange(n) % 2 == 0)[:, None]
    probs = np.where(np.arange(n) % 4 < 3, 0.7, 0.2).astype(np.float32)[:, None]
    value = label_auc(labels, probs)
    # positives: all at .7; negatives: half at .7, half at .2
    np.testing.assert_array_equal(value, oracle_of_two_bins(labels[:, 0], probs[:, 0] > 0.5))


def oracle_of_two_bins(given, high):
    n = {(side, up): int(np.sum((given == side) & (high == up))) for side in (0, 1) for up in (0, 1)}
    pairs = int(given.sum()) * int((~given).sum())
    tied = n[1, 1] * n[0, 1] + n[1, 0] * n[0, 0]
    return [[(n[1, 1] * n[0, 0] + 0.5 * tied) / pairs, 0.5 * tied / pairs]]
