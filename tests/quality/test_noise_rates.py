"""Noise rates: the kernel against the plain likelihood, intervals against known truth, all roads against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from mlkit import _core
from mlkit._validation.cells import check_cells
from mlkit.quality import compute_confident_joint, estimate_noise_rates, get_cell_quality_scores
from reference import noise as oracle

INTERIOR, BORDER = oracle.deviance_limit(0.95, False), oracle.deviance_limit(0.95, True)
WORLDS = [(-3.0, 2.5), (-1.0, 1.5), (-5.0, 2.0), (0.0, 1.0)]  # logits of p: mean, standard deviation
RATES = [(0.0, 0.0), (0.1, 0.0), (0.2, 0.01), (0.05, 0.05)]  # missing, spurious


def simulate(rng, n, n_labels, world, rates):
    p = 1 / (1 + np.exp(-rng.normal(*world, (n, n_labels))))
    truth = rng.random(p.shape) < p
    given = np.where(truth, rng.random(p.shape) >= rates[0], rng.random(p.shape) < rates[1]).astype(np.int8)
    return p, truth, given


def kernel(labels, probs, n_jobs=1):
    cells = check_cells(labels, probs, n_jobs=n_jobs)
    return _core.quality.noise_rates(*cells.core, cells.n_negative, INTERIOR, BORDER, cells.n_threads)


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("world", WORLDS)
def test_estimates_maximise_the_plain_likelihood(world, rates):
    p, _, given = simulate(np.random.default_rng(3), 1500, 3, world, rates)
    found = kernel(given, p)
    for j in range(3):
        m, s = found[j, 0, 0], found[j, 1, 0]
        best = oracle.log_likelihood(given[:, j], p[:, j], *oracle.fit(given[:, j], p[:, j]))
        # a loss of 1e-3 in log-likelihood is a twentieth of a standard error
        assert oracle.log_likelihood(given[:, j], p[:, j], m, s) >= best - 1e-3
        missing, spurious = oracle.wrong_cells(given[:, j], p[:, j], m, s)
        assert found[j, :, 3] == pytest.approx([missing, spurious], rel=2e-2, abs=0.05)


@pytest.mark.parametrize("rates", RATES)
def test_interval_ends_lie_where_the_profile_deviance_reaches_its_limit(rates):
    p, _, given = simulate(np.random.default_rng(4), 800, 2, (-1.0, 1.5), rates)
    found = kernel(given, p)
    for j in range(2):
        for which in range(2):
            flip, low, high = found[j, which, :3]
            limit = INTERIOR if flip > 0 else BORDER
            assert low <= flip <= high
            for end, border in ((low, 0.0), (high, 1.0)):
                deviance = oracle.profile_deviance(given[:, j], p[:, j], which, end)
                if end == border:
                    assert deviance <= limit + 0.05
                else:
                    assert deviance == pytest.approx(limit, abs=0.05)


def test_error_free_labels_are_not_called_wrong_where_the_confident_joint_calls_them_wrong():
    p, _, given = simulate(np.random.default_rng(5), 20_000, 4, (-3.0, 2.5), (0.0, 0.0))
    likelihood = estimate_noise_rates(given, p)
    joint = estimate_noise_rates(given, p, method="confident_joint")
    assert (likelihood["rate"] < 0.005).all()
    assert (likelihood["low"] < 0.001).all()
    assert (joint.loc[joint["direction"] == "spurious", "rate"] > 0.10).all()


def test_a_model_that_learned_the_noise_hides_it():
    rng = np.random.default_rng(6)
    p, _, given = simulate(rng, 20_000, 1, (-1.0, 1.5), (0.2, 0.0))
    learned = 0.8 * p  # calibrated to the given labels
    assert estimate_noise_rates(given, learned).loc[1, "rate"] < 0.01
    assert estimate_noise_rates(given, p).loc[1, "rate"] > 0.05


@pytest.mark.parametrize("n_jobs", [2, 3, 8])
def test_same_bits_for_dense_sparse_and_any_number_of_threads(n_jobs):
    p, _, given = simulate(np.random.default_rng(7), 6000, 80, (-3.0, 2.5), (0.1, 0.01))
    p[p < 0.02] = 0
    expected = kernel(given, p).tobytes()
    assert kernel(given, p, n_jobs).tobytes() == expected
    assert kernel(given, np.asfortranarray(p), n_jobs).tobytes() == expected
    assert kernel(csr_array(given), csr_array(p), n_jobs).tobytes() == expected


def test_unknown_cells_take_no_part():
    p, _, given = simulate(np.random.default_rng(8), 3000, 2, (-1.0, 1.5), (0.1, 0.02))
    hidden = np.random.default_rng(9).random(3000) < 0.3
    masked = given.copy()
    masked[hidden] = -1
    left, right = estimate_noise_rates(masked, p), estimate_noise_rates(given[~hidden], p[~hidden])
    np.testing.assert_array_equal(left.drop(columns="direction"), right.drop(columns="direction"))
    known = csr_array(np.where(hidden[:, None], 0, np.where(given == 1, 1, -2)).astype(np.int8))
    known.data[known.data == -2] = 0  # explicit zeros: known negatives
    from mlkit.labels import as_label_matrix

    listed = estimate_noise_rates(as_label_matrix(known, background="unknown"), p)
    np.testing.assert_array_equal(left.drop(columns="direction"), listed.drop(columns="direction"))


def test_labels_with_one_side_only_give_no_rate_for_the_empty_side():
    p = np.full((50, 2), 0.3)
    given = np.zeros((50, 2), np.int8)
    given[:, 1] = 1
    frame = estimate_noise_rates(given, p, label_names=["never", "always"])
    empty = frame[frame["n_side"] == 0]
    assert list(zip(empty["label"], empty["direction"])) == [("never", "spurious"), ("always", "missing")]
    assert empty[["n_wrong", "rate", "low", "high"]].isna().all(axis=None)
    assert frame.loc[frame["n_side"] > 0, ["n_wrong", "rate", "low", "high"]].notna().all(axis=None)


def test_the_frame_has_the_promised_columns_and_consistent_numbers():
    p, _, given = simulate(np.random.default_rng(10), 4000, 3, (-1.0, 1.5), (0.1, 0.02))
    for options in (
        {},
        {"method": "confident_joint"},
        {"method": "confident_joint", "interval": "bootstrap", "random_state": 0},
    ):
        frame = estimate_noise_rates(given, p, label_names=list("abc"), **options)
        assert list(frame.columns) == ["label", "direction", "n_side", "n_wrong", "rate", "low", "high"]
        assert frame["label"].tolist() == list("aabbcc")
        assert frame["direction"].tolist() == ["spurious", "missing"] * 3
        assert frame["n_side"].tolist() == np.stack([given.sum(0), (given == 0).sum(0)], axis=1).ravel().tolist()
        np.testing.assert_allclose(frame["rate"], frame["n_wrong"] / frame["n_side"])
        assert (frame["low"] <= frame["high"]).all()
        assert frame[["low", "high"]].stack().between(0, 1).all()


def test_the_confident_joint_route_reports_its_off_diagonal():
    p, _, given = simulate(np.random.default_rng(11), 2000, 2, (-1.0, 1.5), (0.1, 0.02))
    joint = compute_confident_joint(given, p)
    frame = estimate_noise_rates(given, p, method="confident_joint")
    assert frame["n_wrong"].tolist() == [joint[0, 1, 0], joint[0, 0, 1], joint[1, 1, 0], joint[1, 0, 1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, r"method: expected one of 'likelihood', 'confident_joint', got 'guess'"),
        ({"confidence": 95}, r"confidence: expected a number in \(0, 1\), got 95 \(did you mean 0.95\?\)"),
        ({"interval": "exact"}, r"interval: expected one of"),
        ({"n_boot": 0}, r"n_boot: expected an integer >= 1, got 0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        estimate_noise_rates([[0]], [[0.5]], **options)


@pytest.mark.parametrize("world", WORLDS)
def test_the_posterior_is_calibrated(world):
    rng = np.random.default_rng(13)
    p, truth, given = simulate(rng, 20_000, 20, world, (0.2, 0.02))
    wrong = 1 - get_cell_quality_scores(given, p, method="error_posterior")
    is_wrong = given != truth
    for low in np.linspace(0, 0.9, 10):
        here = (wrong >= low) & (wrong < low + 0.1)
        if here.sum() >= 500:
            standard_error = np.sqrt(wrong[here].mean() / here.sum()) + 1e-3
            assert abs(is_wrong[here].mean() - wrong[here].mean()) <= 4 * standard_error + 0.01


def test_the_posterior_is_the_formula_and_the_same_bits_on_all_roads():
    p, _, given = simulate(np.random.default_rng(14), 4000, 60, (-3.0, 2.5), (0.1, 0.01))
    p[p < 0.02] = 0
    (m, s) = kernel(given, p)[:, :, 0].T
    g = p * (1 - m) + (1 - p) * s
    expected = np.where(given == 1, p * (1 - m) / g, (1 - p) * (1 - s) / (1 - g))
    scores = get_cell_quality_scores(given, p, method="error_posterior")
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)
    sparse = get_cell_quality_scores(csr_array(given), csr_array(p), method="error_posterior", n_jobs=3)
    assert sparse.tobytes() == scores.tobytes()
    top = get_cell_quality_scores(csr_array(given), csr_array(p), method="error_posterior", top=50)
    np.testing.assert_array_equal(top["score"], np.sort(scores, axis=None)[:50])


@pytest.mark.slow
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_cover_the_true_share_of_wrong_cells(world, rates):
    p, truth, given = simulate(np.random.default_rng(12), 4000, 400, world, rates)
    frame = estimate_noise_rates(given, p)
    for direction, value in (("spurious", 1), ("missing", 0)):
        rows = frame[frame["direction"] == direction]
        actual = ((given == value) & (truth != value)).sum(axis=0) / (given == value).sum(axis=0)
        covered = ((rows["low"] <= actual + 1e-12) & (actual - 1e-12 <= rows["high"])).mean()
        # 400 labels: two standard errors of a coverage of .95 are .022; the approximation itself costs a point or two
        assert covered >= 0.91
        error = rows["n_wrong"].to_numpy() - ((given == value) & (truth != value)).sum(axis=0)
        if rates[value] > 0:  # at the border estimates can only err upwards
            assert abs(error.mean()) <= 0.3 * error.std()
