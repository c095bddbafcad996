"""Pictures of several digits: labels say what they show, and plain models rank them well, but not perfectly."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.multiclass import OneVsRestClassifier

from mlkit.datasets import make_multidigits


def test_shapes_types_and_ranges():
    data = make_multidigits(300, canvas=(16, 20), random_state=0)
    assert data.images.shape == (300, 16, 20)
    assert data.images.dtype == np.float32
    assert data.images.min() >= 0
    assert data.images.max() <= 1
    assert data.Y.shape == (300, 10)
    assert data.Y.dtype == np.int8
    assert set(np.unique(data.Y)) == {0, 1}
    assert data.label_names[0] == "zero"
    assert data.label_names[9] == "nine"
    assert data.scans.shape == (300, 4)


def test_x_is_a_view_of_the_images():
    data = make_multidigits(20, random_state=0)
    assert data.X.shape == (20, 256)
    assert np.shares_memory(data.X, data.images)
    np.testing.assert_array_equal(data.X[3].reshape(16, 16), data.images[3])


def test_data_is_frozen():
    data = make_multidigits(5, random_state=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.Y = None


def test_repr_says_what_a_reader_wants():
    text = repr(make_multidigits(200, label_names=list("abcdefghij"), random_state=0))
    assert text.startswith("MultiDigits: 200 pictures of 16 x 16 pixels, 10 labels, ")
    assert "support: a " in text
    assert max(map(len, text.splitlines())) <= 120


def test_labels_are_the_digits_of_the_scans():
    data = make_multidigits(500, random_state=1)
    target = load_digits().target
    for labels, scans in zip(data.Y, data.scans, strict=True):
        shown = target[scans[scans >= 0]]
        assert shown.size == labels.sum()
        assert (labels[shown] == 1).all()


def test_one_undisturbed_digit_is_the_scan_itself():
    data = make_multidigits(50, max_digits=1, canvas=(8, 8), jitter=0, scale=(1, 1), noise=0, random_state=0)
    np.testing.assert_allclose(data.images, load_digits().images[data.scans[:, 0]] / 16, atol=1e-6)


def test_undisturbed_digits_fill_the_cells_of_the_grid():
    data = make_multidigits(200, canvas=(16, 24), jitter=0, scale=(1, 1), noise=0, random_state=0)
    cells = data.images.reshape(200, 2, 8, 3, 8).transpose(0, 1, 3, 2, 4).reshape(200, 6, 8, 8)
    np.testing.assert_array_equal((cells.max(axis=(2, 3)) > 0).sum(axis=1), data.Y.sum(axis=1))
    first = cells.max(axis=(2, 3)).argmax(axis=1)
    assert set(first) == set(range(6))


@pytest.mark.parametrize("canvas", [(8, 8), (8, 31), (23, 9), (40, 40)])
@pytest.mark.parametrize("max_digits", [1, 4, 10])
def test_every_canvas_and_number_of_digits_works(canvas, max_digits):
    data = make_multidigits(60, canvas=canvas, max_digits=max_digits, jitter=3, scale=(0.5, 1), random_state=0)
    assert data.images.shape == (60, *canvas)
    assert np.isfinite(data.images).all()
    n_digits = data.Y.sum(axis=1)
    assert n_digits.min() >= 1
    assert n_digits.max() <= max_digits


def test_few_digits_are_more_frequent_than_many():
    n_digits = make_multidigits(20_000, random_state=0).Y.sum(axis=1)
    share = np.bincount(n_digits, minlength=5)[1:] / 20_000
    np.testing.assert_allclose(share, [0.4, 0.3, 0.2, 0.1], atol=0.015)


def test_supports_fall_by_default_and_are_alike_on_request():
    falling = make_multidigits(5000, random_state=0).Y.sum(axis=0)
    assert (np.diff(falling) < 0).all()
    assert falling[0] > 4 * falling[9]
    alike = make_multidigits(5000, digit_weights="equal", random_state=0).Y.sum(axis=0)
    assert alike.max() < 1.2 * alike.min()


def test_digit_weights_set_the_shares():
    weights = [9, 3, 1, 1, 1, 1, 1, 1, 1, 1]
    support = make_multidigits(20_000, max_digits=1, digit_weights=weights, random_state=0).Y.sum(axis=0)
    np.testing.assert_allclose(support / 20_000, np.array(weights) / 20, atol=0.015)


def test_pair_weights_attract_and_separate():
    pairs = np.ones((10, 10))
    pairs[0, 1] = pairs[1, 0] = 20
    pairs[2, 3] = pairs[3, 2] = 0
    plain = make_multidigits(4000, random_state=0).Y.astype(int)
    bound = make_multidigits(4000, pair_weights=pairs, random_state=0).Y.astype(int)
    assert (bound[:, 0] & bound[:, 1]).sum() > 1.5 * (plain[:, 0] & plain[:, 1]).sum()
    assert (plain[:, 2] & plain[:, 3]).sum() > 0
    assert (bound[:, 2] & bound[:, 3]).sum() == 0


def test_pictures_keep_fewer_digits_when_none_is_left_to_draw():
    data = make_multidigits(100, max_digits=4, pair_weights=np.zeros((10, 10)), random_state=0)
    assert (data.Y.sum(axis=1) == 1).all()


def test_scans_are_dealt_evenly():
    scans = make_multidigits(3000, random_state=0).scans
    uses = np.bincount(scans[scans >= 0], minlength=1797)
    target = load_digits().target
    for digit in range(10):
        of_digit = uses[target == digit]
        assert of_digit.max() - of_digit.min() <= 1


def test_no_two_pictures_are_equal():
    data = make_multidigits(2000, max_digits=1, noise=0, random_state=0)
    assert np.unique(data.X, axis=0).shape[0] == 2000


def test_same_seed_same_pictures():
    first, again, other = (make_multidigits(100, random_state=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.Y, again.Y)
    assert not np.array_equal(first.images, other.images)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_generators_are_accepted_and_advanced(make):
    source = make(0)
    first, second = make_multidigits(30, random_state=source), make_multidigits(30, random_state=source)
    assert not np.array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.images, make_multidigits(30, random_state=make(0)).images)


def test_no_seed_is_accepted():
    assert make_multidigits(3).images.shape == (3, 16, 16)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(OneVsRestClassifier(LogisticRegression(C=0.1, max_iter=200)), id="linear"),
        pytest.param(ExtraTreesClassifier(60, min_samples_leaf=3, random_state=0), id="forest"),
    ],
)
def test_plain_models_are_good_but_not_perfect(model):
    data = make_multidigits(random_state=0)
    scores = cross_val_predict(model, data.X, data.Y, cv=5, method="predict_proba")
    if np.ndim(scores) == 3:
        scores = np.asarray(scores)[:, :, 1].T
    assert 0.85 < roc_auc_score(data.Y, scores, average="macro") < 0.98
    assert roc_auc_score(data.Y, scores, average=None).min() > 0.75


def test_import_needs_nothing_heavier_than_numpy():
    code = "import sys, mlkit.datasets; print([m for m in ('scipy', 'sklearn', 'pandas') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, r"^n_samples: expected an integer >= 1, got 0$"),
        ({"n_samples": 10.0}, TypeError, r"^n_samples: expected an integer >= 1, got float 10\.0$"),
        ({"n_samples": True}, TypeError, r"^n_samples: expected an integer >= 1, got bool True$"),
        ({"max_digits": 11}, ValueError, r"^max_digits: expected an integer in \[1, 10\], got 11$"),
        ({"max_digits": "4"}, TypeError, r"^max_digits: expected an integer in \[1, 10\], got str '4'$"),
        ({"canvas": 16}, TypeError, r"^canvas: expected two integers \(height, width\) of at least 8, got 16$"),
        ({"canvas": (16, 7)}, ValueError, r"^canvas: expected two integers .* at least 8, got \(16, 7\)$"),
        ({"canvas": (16, 16, 1)}, ValueError, r"^canvas: expected two integers .*, got \(16, 16, 1\)$"),
        (
            {"digit_weights": "rare"},
            ValueError,
            r"^digit_weights: expected 'falling', 'equal' or 10 pos.*, got 'rare'$",
        ),
        ({"digit_weights": [1, 2]}, ValueError, r"^digit_weights: expected .*, got shape \(2,\)$"),
        ({"digit_weights": [0] * 10}, ValueError, r"^digit_weights: expected .* 10 positive numbers, got \[0\.0, "),
        ({"digit_weights": ["a"] * 10}, TypeError, r"^digit_weights: expected .*, got \['a', "),
        ({"pair_weights": [1, 2]}, ValueError, r"^pair_weights: expected a symmetric \(10, 10\) .* shape \(2,\)$"),
        ({"pair_weights": -np.ones((10, 10))}, ValueError, r"^pair_weights: .*, got negative, infinite or unequal"),
        ({"pair_weights": np.triu(np.ones((10, 10)))}, ValueError, r"^pair_weights: .* unequal mirrored values$"),
        ({"pair_weights": {}}, TypeError, r"^pair_weights: expected a symmetric .*, got \{\}$"),
        ({"jitter": -1}, ValueError, r"^jitter: expected a number in \[0, inf\), got -1$"),
        ({"jitter": "1"}, TypeError, r"^jitter: expected a number in \[0, inf\), got str '1'$"),
        ({"jitter": float("inf")}, ValueError, r"^jitter: expected a number in \[0, inf\), got inf$"),
        ({"scale": 1.0}, TypeError, r"^scale: expected two numbers 0 < smallest <= largest <= 1, got 1\.0$"),
        ({"scale": (0.5, 1.5)}, ValueError, r"^scale: expected two numbers .*, got \(0\.5, 1\.5\)$"),
        ({"scale": (0.9, 0.8)}, ValueError, r"^scale: expected two numbers .*, got \(0\.9, 0\.8\)$"),
        ({"noise": float("nan")}, ValueError, r"^noise: expected a number in \[0, inf\), got nan$"),
        ({"label_names": "0123456789"}, TypeError, r"^label_names: expected 10 different strings, got '0123456789'$"),
        ({"label_names": 10}, TypeError, r"^label_names: expected 10 different strings, got 10$"),
        ({"label_names": range(10)}, TypeError, r"^label_names: expected 10 different strings, got "),
        ({"label_names": ["a"] * 10}, ValueError, r"^label_names: expected 10 different strings, got 10 with 1 diff"),
        ({"random_state": -1}, ValueError, r"^random_state: expected a number of at least 0, got -1$"),
        ({"random_state": "0"}, TypeError, r"^random_state: expected None, an int, a RandomState or .*, got str$"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        make_multidigits(**arguments)
