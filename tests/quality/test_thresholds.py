"""Confident thresholds and joints: exact sums, the reference's numbers, its very counts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlkit import _core
from mlkit._validation.cells import check_cells
from mlkit.quality import compute_confident_joint, get_confident_thresholds
from reference import quality as oracle
from reference.quality_inputs import KINDS, Data, all_data, as_csr, make_data, smooth

UNIT = 2.0**-40  # sums are taken in whole multiples of it
SEEDS = range(12)


def every(kind):
    return [make_data(kind, seed, dtype) for dtype in ("float16", "float32", "float64") for seed in SEEDS]


@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_equal_the_reference(kind):
    for data in every(kind):
        ours = get_confident_thresholds(data.matrix, data.probs)
        np.testing.assert_allclose(ours, oracle.confident_thresholds(data.labels, data.probs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_joints_equal_the_reference(kind, calibrate):
    for data in every(kind):
        thresholds = get_confident_thresholds(data.matrix, data.probs)
        ours = compute_confident_joint(data.matrix, data.probs, calibrate=calibrate)
        np.testing.assert_array_equal(
            ours, oracle.confident_joint(data.labels, data.probs, thresholds, calibrate=calibrate)
        )


@pytest.mark.parametrize("calibrate", [False, True])
def test_joints_with_the_users_thresholds_equal_the_reference(calibrate):
    rng = np.random.default_rng(1)
    for data in all_data(2):
        shape = (data.labels.shape[1], 2)
        thresholds = rng.choice([-1.0, 0.0, 1e-6, 2e-6, 0.5, 0.5 + 1e-6, 1.0, 1 + 1e-6, 2.0, *rng.random(9)], shape)
        for probs in (data.probs, as_csr(data.probs, rng)):
            ours = compute_confident_joint(data.matrix, probs, thresholds=thresholds, calibrate=calibrate)
            np.testing.assert_array_equal(
                ours, oracle.confident_joint(data.labels, data.probs, thresholds, calibrate=calibrate)
            )


def test_thresholds_of_representable_probabilities_are_the_exact_means():
    rng = np.random.default_rng(2)
    probs = rng.integers(0, 2**40 + 1, (1000, 20)) * UNIT
    labels = (rng.random(probs.shape) < 0.3).astype(np.int8)
    thresholds = get_confident_thresholds(labels, probs)
    for label in range(20):
        of_ones, of_zeros = probs[labels[:, label] == 1, label], probs[labels[:, label] == 0, label]
        assert thresholds[label, 1] == math.fsum(of_ones) / len(of_ones)
        assert thresholds[label, 0] == math.fsum(1 - of_zeros) / len(of_zeros)


def test_thresholds_are_off_by_half_a_unit_where_every_term_is_rounded_alike():
    probs = np.full((3000, 2), 0.25 + 0.4999 * UNIT)
    labels = np.arange(3000)[:, None] % 3 == [[0, 1]]
    error = get_confident_thresholds(labels, probs)[:, 1] - probs[0]
    assert np.abs(error).max() <= 0.5 * UNIT <= 4.6e-13
    assert (error != 0).all()


def test_sums_do_not_wrap_around():
    """2 ** 24 ones are 2 ** 64 units: a label's running sum must be emptied before."""
    n = 2**24 + 12345
    probs = np.ones((n, 1), dtype=np.float16)
    probs[::1000] = 0.5
    labels = np.zeros((n, 1), dtype=bool)
    labels[500::1000] = True
    n_halves, n_positive = len(probs[::1000]), int(labels.sum())
    thresholds = get_confident_thresholds(labels, probs, n_jobs=1)
    np.testing.assert_array_equal(thresholds, [[0.5 * n_halves / (n - n_positive), 1]])


def test_sums_of_parts_add_up_to_the_sums_of_the_whole():
    rng = np.random.default_rng(3)
    probs = smooth(rng, 900, 7)
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    labels[rng.random(labels.shape) < 0.2] = -1
    data = Data(labels, probs)

    def value(part):
        words = _core.quality.side_sums(*check_cells(part.matrix, part.probs).core, 1)
        return [[int(high) * 2**32 + int(low) for high, low in sides] for sides in words]

    parts = [np.array(value(data.rows(slice(a, b))), object) for a, b in ((0, 1), (1, 500), (500, 900))]
    assert (parts[0] + parts[1] + parts[2]).tolist() == value(data)


def test_a_side_without_cells_is_out_of_reach_and_a_hopeless_one_has_the_lowest_threshold():
    labels = np.array([[0, 1, 0], [0, 1, 1]])
    probs = np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 1e-9]])
    np.testing.assert_array_equal(get_confident_thresholds(labels, probs), [[2e-6, 2.0], [2.0, 2e-6], [2e-6, 2e-6]])


def test_an_unknown_label_has_no_reachable_threshold_and_counts_nothing():
    data = Data(np.full((5, 1), -1, np.int8), np.full((5, 1), 0.9))
    assert get_confident_thresholds(data.matrix, data.probs).tolist() == [[2.0, 2.0]]
    assert compute_confident_joint(data.matrix, data.probs, calibrate=False).tolist() == [[[1, 0], [0, 1]]]
    assert compute_confident_joint(data.matrix, data.probs).tolist() == [[[0, 0], [0, 0]]]


@pytest.mark.parametrize(("largest_count", "largest_side"), [(12, 40), (4, 3), (1000, 10**6), (10**9, 10**12)])
def test_calibration_equals_the_reference_where_halves_decide(largest_count, largest_side):
    rng = np.random.default_rng(4)
    joints = rng.integers(0, largest_count, (4000, 2, 2))
    sizes = rng.integers(0, largest_side, (4000, 2))
    ours = _core.quality.calibrate_joint(joints, np.ascontiguousarray(sizes[:, 1]), np.ascontiguousarray(sizes[:, 0]))
    for joint, (n_negative, n_positive), calibrated in zip(joints, sizes.tolist(), ours):
        clipped = joint.copy()
        clipped[[0, 1], [0, 1]] = np.maximum(clipped[[0, 1], [0, 1]], 1)
        np.testing.assert_array_equal(calibrated, oracle.calibrated(clipped, n_negative, n_positive))


def test_a_calibrated_joint_sums_to_the_sizes_of_the_sides():
    for data in all_data(3, ("float64",)):
        matrix = data.matrix
        sums = compute_confident_joint(matrix, data.probs).sum(axis=2)
        np.testing.assert_array_equal(sums, np.stack([matrix.n_negative, matrix.support], axis=1))
