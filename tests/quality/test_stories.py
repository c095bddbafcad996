"""Which story an audit tells, against worlds in which the truth is known."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from scipy import sparse

import mlkit
from mlkit import _core
from mlkit._validation.cells import check_cells
from mlkit.labels import as_label_matrix
from mlkit.quality import CellPatch, _engine, estimate_noise_rates
from mlkit.quality._stories import CANNOT_TELL, LABELS_FINE, MODEL_BETTER, most_if_learned
from reference import noise as oracle
from reference.quality_inputs import KINDS, as_csr, make_data

WORLDS = [(-3.0, 2.5), (-1.0, 1.5), (-5.0, 2.0), (0.0, 1.0)]  # logits of p: mean, standard deviation
RATES = [(0.1, 0.0), (0.2, 0.01), (0.05, 0.05)]  # missing, spurious


def simulate(seed, n, n_labels, world, rates):
    rng = np.random.default_rng([seed, n, n_labels])
    p = 1 / (1 + np.exp(-rng.normal(*world, (n, n_labels))))
    truth = rng.random(p.shape) < p
    given = np.where(truth, rng.random(p.shape) >= rates[0], rng.random(p.shape) < rates[1]).astype(np.int8)
    return given, p, truth


def learned(p, rates):
    """What a model says that has learned the errors."""
    return p * (1 - rates[0]) + (1 - p) * rates[1]


def wrong_cells(given, truth):
    return int(((given == 1) & ~truth).sum()), int(((given == 0) & truth).sum())


def holds(story, given, truth):
    spurious, missing = wrong_cells(given, truth)
    ranges = (story.n_spurious, spurious), (story.n_missing, missing), (story.n_wrong, spurious + missing)
    return [low <= actual <= high for (low, high), actual in ranges]


# ----------------------------------------------------------------------------------------------------- which story fits


@pytest.mark.parametrize("n_labels", [5, 50, 200])
def test_error_free_labels_are_not_called_wrong(n_labels):
    """Where 24, 94 and 100 % of the examples have a flagged cell."""
    given, p, truth = simulate(0, 4000, n_labels, (-3.0, 2.5), (0.0, 0.0))
    audit = mlkit.audit(given, p)
    assert audit.story.kind == LABELS_FINE
    assert audit.story.n_wrong[0] == 0
    assert audit.story.n_wrong[1] <= 0.05 * given.sum()
    assert all(holds(audit.story, given, truth))
    for text in (repr(audit), audit._repr_html_()):
        assert "Wrong cells: between 0 and" in text
        assert "the labels look fine" in text
        assert "errors found" not in text


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("n_labels", [5, 50, 200])
def test_error_free_labels_of_any_world_are_never_contradicted(n_labels, world):
    for seed in range(3):
        given, p, _ = simulate(seed, 2000, n_labels, world, (0.0, 0.0))
        story = mlkit.audit(given, p).story
        assert story.kind != MODEL_BETTER
        assert story.n_wrong[0] == 0


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("world", WORLDS)
def test_a_model_that_knows_the_truth_is_believed(world, rates):
    given, p, truth = simulate(1, 4000, 50, world, rates)
    story = mlkit.audit(given, p).story
    assert story.kind == MODEL_BETTER
    assert story.n_wrong[0] > 0
    assert all(holds(story, given, truth))
    assert "the model seems to know better: if it does, about" in story.text


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("n_labels", [5, 50])
def test_a_model_that_has_learned_the_errors_cannot_tell(world, rates, n_labels):
    given, p, truth = simulate(2, 4000, n_labels, world, rates)
    audit = mlkit.audit(given, learned(p, rates))
    assert audit.story.kind == CANNOT_TELL
    assert "cannot tell" in repr(audit)
    assert audit.story.n_wrong[0] == 0
    assert all(holds(audit.story, given, truth))


@pytest.mark.slow
@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("world", WORLDS)
def test_ranges_hold_over_many_draws(world, rates):
    held = {"p is the truth's": [], "p has learned the errors": []}
    for seed in range(25):
        given, p, truth = simulate(seed + 10, 2000, 20, world, rates)
        for found, probs in zip(held.values(), (p, learned(p, rates))):
            found += holds(mlkit.audit(given, probs).story, given, truth)
    assert {name: np.mean(found) >= 0.93 for name, found in held.items()} == dict.fromkeys(held, True)


def test_probabilities_that_fit_nothing_are_said_to_do_so():
    given, p, _ = simulate(3, 4000, 10, (-1.0, 1.5), (0.0, 0.0))
    story = mlkit.audit(given, 0.3 + 0.4 * (p > 0.5)).story  # two values, both too timid
    assert story.kind in (MODEL_BETTER, CANNOT_TELL)
    bent = mlkit.audit(given, np.sqrt(p)).story
    assert bent.kind == CANNOT_TELL
    assert "calibrated neither to these labels nor to a truth behind them" in bent.text


@pytest.mark.parametrize("rates", [(0.1, 0.02), (0.3, 0.0), (0.0, 0.05)])
@pytest.mark.parametrize("bend", [lambda p: p**0.5, lambda p: p**3, lambda p: 0.3 + 0.4 * p])
def test_the_range_holds_where_only_the_order_of_p_is_right(bend, rates):
    given, p, truth = simulate(5, 4000, 10, (-1.0, 3.0), rates)
    story = mlkit.audit(given, bend(p)).story
    assert story.kind == CANNOT_TELL
    assert all(holds(story, given, truth))


def test_no_judged_label_no_story():
    story = mlkit.audit(np.zeros((20, 3), int), np.full((20, 3), 0.2)).story
    assert (story.kind, story.n_wrong) == (CANNOT_TELL, (0, 0))
    assert story.text == "cannot tell: no label is judged, see trust"


@pytest.mark.parametrize("kind", KINDS)
def test_every_input_has_a_story_and_patches_that_storage_does_not_change(kind):
    data = make_data(kind, 1)
    for labels in (data.matrix, data.positive_only):
        shown = []
        for probs in (data.probs, as_csr(data.probs)):
            audit = mlkit.audit(labels, probs, min_support=0)
            shown.append(repr(audit) + audit._repr_html_() + audit.to_json())
            low, high = audit.story.n_wrong
            assert 0 <= low <= high
            for policy in ("flagged", "fdr", "budget"):
                patch = audit.patch(policy=policy, max_changes=50)
                assert CellPatch.from_json(patch.to_json()) == patch
                assert patch.invert().apply(patch.apply(labels)) == labels
        assert shown[0] == shown[1]


def test_the_story_is_in_every_form_of_the_audit():
    given, p, _ = simulate(4, 1000, 5, (-1.0, 1.5), (0.2, 0.02))
    audit = mlkit.audit(given, p)
    story = audit.story
    content = json.loads(audit.to_json())["story"]
    assert content["kind"] == story.kind
    assert content["n_wrong"] == list(story.n_wrong)
    assert [row["n"] for row in content["reliability"]] == story.reliability[:, 0].astype(int).tolist()
    lines = repr(audit).splitlines()
    assert f"Wrong cells: between {story.n_wrong[0]:,} and {story.n_wrong[1]:,} (" in "\n".join(lines)
    assert lines[-2:] == [f"  {story.text}", f"  {story.assumption}"] or "Trust:" in lines
    assert pickle.loads(pickle.dumps(audit)).story.text == story.text


# -------------------------------------------------------------------------------------------------------------- trusted


@pytest.mark.parametrize("form", ["rows", "cells", "sparse cells", "list of rows"])
def test_trusted_cells_settle_what_the_range_of_p_cannot(form):
    rates = (0.2, 0.0)
    given, p, truth = simulate(11, 4000, 20, (-1.0, 1.5), rates)
    rng = np.random.default_rng(0)
    rows = rng.random(4000) < 0.2
    mask = np.repeat(rows[:, None], 20, axis=1) if "rows" in form else rng.random(given.shape) < 0.2
    given = np.where(mask, truth, given).astype(np.int8)
    trusted = {"rows": rows, "cells": mask, "sparse cells": sparse.csr_array(mask), "list of rows": rows.tolist()}[form]
    probs = learned(p, rates)
    assert mlkit.audit(given, probs).story.kind == CANNOT_TELL
    audit = mlkit.audit(given, probs, trusted=trusted)
    assert audit.story.kind == MODEL_BETTER
    low, high = audit.story.n_missing
    assert 0 < low <= wrong_cells(given, truth)[1] <= high
    assert f"recalibrated on {mask.sum():,} trusted cells" in audit.story.assumption
    cells = audit.cells()
    assert not mask[cells["row"], cells["label"]].any()
    for policy in ("flagged", "fdr", "budget"):
        patch = audit.patch(policy=policy, fdr=0.3, max_changes=400)
        assert len(patch) > 0
        assert not mask[patch.rows, patch.labels].any()
    fdr = audit.patch(policy="fdr", fdr=0.3)
    scores = [dict(zip(zip(x.rows.tolist(), x.labels.tolist()), x.score.tolist())) for x in (fdr, audit.patch())]
    both = scores[0].keys() & scores[1].keys()
    assert len(both) > 10
    assert all(scores[0][cell] == scores[1][cell] for cell in both)  # recalibrated, whatever suggests them
    assert np.mean(fdr.new != truth[fdr.rows, fdr.labels]) <= 0.35
    frame = estimate_noise_rates(given, probs, trusted=trusted)
    assert frame["n_side"].sum() == given.size - mask.sum()
    assert frame.loc[frame["direction"] == "missing", "n_wrong"].sum() == pytest.approx(
        wrong_cells(given, truth)[1], rel=0.1
    )
    again = pickle.loads(pickle.dumps(audit))
    assert again.to_json() == audit.to_json()


def test_trusted_cells_clear_labels_that_are_right():
    given, p, _ = simulate(6, 4000, 20, (-3.0, 2.5), (0.0, 0.0))
    audit = mlkit.audit(given, 0.8 * p, trusted=np.arange(4000) % 5 == 0)  # p too timid, labels right
    assert audit.story.kind != MODEL_BETTER
    assert audit.story.n_wrong[0] == 0


def test_trusted_cells_do_not_depend_on_storage():
    given, p, _ = simulate(7, 1500, 20, (-3.0, 2.5), (0.2, 0.0))
    p[p < 0.02] = 0
    rows = np.arange(1500) % 3 == 0
    expected = mlkit.audit(given, p, trusted=rows)
    found = mlkit.audit(sparse.csr_array(given), as_csr(p), trusted=rows, n_jobs=3)
    assert found.to_json() == expected.to_json()
    assert found.patch(policy="fdr") == expected.patch(policy="fdr")


@pytest.mark.parametrize(
    ("trusted", "error", "message"),
    [
        (np.ones(10, bool), ValueError, r"trusted: expected 200 examples, or shape \(200, 2\), got shape \(10,\)"),
        (
            np.ones(200, int),
            TypeError,
            r"trusted: expected a mask of True and False, got int64 \(use .astype\(bool\)\)",
        ),
        (np.ones(200, bool), ValueError, "trusted: expected some examples that are not trusted, got none"),
        (np.ones((2, 200), bool), ValueError, r"trusted: expected shape \(200, 2\) .* got \(2, 200\) \(transposed\?\)"),
        (np.arange(200) < 3, ValueError, "trusted: expected at least 20 cells with the label and 20 without it"),
        ("all", TypeError, "trusted: expected a mask of True and False, got str 'all'"),
    ],
)
def test_bad_masks_are_named(trusted, error, message):
    given, p, _ = simulate(8, 200, 2, (-1.0, 1.5), (0.1, 0.0))
    with pytest.raises(error, match=message):
        mlkit.audit(given, p, trusted=trusted)
    with pytest.raises(error, match=message):
        estimate_noise_rates(given, p, trusted=trusted)


# -------------------------------------------------------------------------------------------------------------- kernels


@pytest.mark.parametrize("kind", KINDS)
def test_reliability_counts_every_known_cell_once(kind):
    for seed in range(3):
        data = make_data(kind, seed)
        known = data.labels >= 0
        for labels, probs in ((data.matrix, data.probs), (data.matrix, as_csr(data.probs))):
            found = _engine.reliability(check_cells(labels, probs), 5)
            p = np.clip(data.probs.astype(float), 0, 1)
            for j in range(data.labels.shape[1]):
                assert found[j, :10, 0].sum() == np.count_nonzero(data.labels[:, j] == 0)
                assert found[j, :10, 1].sum() == np.count_nonzero(data.labels[:, j] == 1)
                mine = p[known[:, j], j]
                assert found[j, :10, 2].sum() == pytest.approx(mine.sum(), rel=0.01, abs=1e-6)
                n_tail = min(5, mine.size)
                for tail, ordered in ((10, np.sort(mine)), (11, np.sort(mine)[::-1])):
                    count = int(found[j, tail, :2].sum())
                    assert count >= n_tail
                    if mine.size:  # whole bins: nothing beyond them is more extreme
                        assert found[j, tail, 2] == pytest.approx(ordered[:count].sum(), rel=0.01, abs=1e-6)


def test_reliability_by_tenths():
    p = np.array([[0.05], [0.15], [0.16], [0.55], [0.95], [0.99]])
    given = np.array([[0], [1], [0], [1], [1], [0]])
    bins = _engine.reliability(check_cells(given, p), 2)[0]
    assert bins[:10, 0].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bins[:10, 1].tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    np.testing.assert_allclose(bins[10:, 2], [0.2, 1.94], rtol=0.01)


def test_reliability_has_the_same_bits_on_all_roads():
    data = make_data("smooth", 3)
    expected = _engine.reliability(check_cells(data.matrix, data.probs, n_jobs=1), 5).tobytes()
    for probs in (np.asfortranarray(data.probs), as_csr(data.probs)):
        for n_jobs in (1, 2, 8):
            assert _engine.reliability(check_cells(data.matrix, probs, n_jobs=n_jobs), 5).tobytes() == expected


@pytest.mark.parametrize("rates", [(0.0, 0.0), *RATES])
def test_errors_and_deviance_are_those_of_the_plain_likelihood(rates):
    given, p, _ = simulate(9, 3000, 3, (-1.0, 1.5), rates)
    cells = check_cells(given, p)
    found = _core.quality.noise_rates(*cells.core, cells.n_negative, 0.0, 0.0, 1)
    for j in range(3):
        m, s = found[j, :, 0]
        y, q = given[:, j], p[:, j]
        deviance = 2 * (oracle.log_likelihood(y, q, m, s) - oracle.log_likelihood(y, q, 0, 0))
        np.testing.assert_allclose(found[j, :, 8], deviance, rtol=2e-3, atol=0.1)
        for which in range(2):
            expected = oracle.standard_error(y, q, m, s, which)
            assert found[j, which, 7] == pytest.approx(expected, rel=0.02, abs=0.05)


def test_rates_that_one_value_of_p_cannot_tell_apart_have_no_standard_error():
    cells = check_cells(np.array([[0], [1]] * 20), np.full((40, 1), 0.4))
    assert np.isinf(_engine.noise(cells)[0, :, 7]).all()


def test_what_the_range_of_p_leaves_room_for_by_hand():
    """1,000 cells of p = 0.2 and 1,000 of 0.8: m and s are at most 0.2, and then the truth is certain."""
    given = np.zeros((2000, 1), np.int8)
    given[:200] = 1  # a fifth of those with p = 0.2
    given[1000:1800] = 1  # four fifths of those with p = 0.8
    p = np.repeat([0.2, 0.8], 1000)[:, None]
    cells = check_cells(given, p)
    most = most_if_learned(_engine.reliability(cells, 10), cells.n_positive, cells.n_negative)
    np.testing.assert_allclose(most, [[200, 200]], rtol=0.03)


def test_positive_only_labels_have_a_story_too():
    given, p, _ = simulate(10, 500, 3, (-1.0, 1.5), (0.0, 0.1))
    audit = mlkit.audit(as_label_matrix(sparse.csr_array(given), background="unknown"), p)
    assert audit.story.text == "cannot tell: no label is judged, see trust"
