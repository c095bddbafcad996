"""A ranking under label errors equals what changing the labels by hand gives."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import mlkit
from mlkit.metrics import rank_stability
from mlkit.metrics.stability import METRICS
from mlkit.quality import CellPatch, suggest_labels
from reference.metrics_inputs import as_csr


def problem(n=60, n_labels=4, seed=0, unknown=False):
    rng = np.random.default_rng(seed)
    p = rng.random((n, n_labels))
    truth = (rng.random(p.shape) < p).astype(np.int8)
    given = np.where(rng.random(p.shape) < 0.1, 1 - truth, truth)
    if unknown:
        given = np.where(rng.random(p.shape) < 0.15, -1, given)
    models = {
        "best": p,
        "noisy": np.clip(p + rng.normal(0, 0.3, p.shape), 0, 1),
        "parrot": (np.clip(p + rng.normal(0, 0.2, p.shape), 0, 1) > 0.6).astype(int),
    }
    return truth, given, models


def value(metric, truth, model):
    """The number by the room's own function, unsure labels skipped."""
    predicted = np.asarray(model) >= 0.5
    if metric == "hamming_loss":
        return mlkit.metrics.hamming_loss(truth, predicted)
    if metric == "accuracy":
        return mlkit.metrics.accuracy_score(truth, predicted)
    name, _, average = metric.rpartition("_")
    function = getattr(mlkit.metrics, f"{name}_score")
    return function(truth, predicted, average=average, zero_division=0, absent_labels="skip")


def patch_of(given, changed, score):
    """A patch that knows how likely each of its changes is."""
    found = CellPatch.diff(given, changed)
    keep = dict(zip(zip(found.rows.tolist(), found.labels.tolist()), score))
    rows, labels = found.rows, found.labels
    cells = rows * found.shape[1] + labels
    return CellPatch(
        found.shape, found.background, None, int(found.before, 16), cells, found.old, found.new,
        np.array([keep[key] for key in zip(rows.tolist(), labels.tolist())]), ("by hand",) * rows.size,
    )  # fmt: skip


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("unknown", [False, True])
def test_values_are_those_of_the_changed_labels(metric, unknown):
    truth, given, models = problem(unknown=unknown)
    patch = CellPatch.diff(given, truth)
    found = rank_stability(given, models, patch, metric=metric, n_draws=3)
    for name, model in models.items():
        assert found.models["value"][name] == pytest.approx(value(metric, given, model), abs=1e-12)
        for column in ("corrected", "mean", "low", "high"):  # changes without a score are certain
            assert found.models[column][name] == pytest.approx(value(metric, truth, model), abs=1e-12)
    sign = -1 if metric == "hamming_loss" else 1
    assert (np.diff(sign * found.models["value"]) <= 0).all()
    leaders = found.models.index[:2]
    lead = sign * (found.models["value"].iloc[0] - found.models["value"].iloc[1])
    for cell in found.cells.itertuples():
        changed = given.copy()
        changed[cell.row, cell.label] = cell.new
        assert cell.old == given[cell.row, cell.label]
        by_hand = sign * (value(metric, changed, models[leaders[0]]) - value(metric, changed, models[leaders[1]]))
        assert cell.effect == pytest.approx(by_hand - lead, abs=1e-12)


def test_draws_are_all_subsets_by_their_chance():
    """Five changes: the exact distribution over 2^5 label matrices against many draws."""
    truth, given, models = problem(12, 3)
    rows, labels = np.nonzero(given != truth)
    changed = given.copy()
    changed[rows[:5], labels[:5]] = truth[rows[:5], labels[:5]]
    n = int((changed != given).sum())
    score = np.linspace(0.2, 0.8, n)
    patch = patch_of(given, changed, score)
    found = rank_stability(given, models, patch, n_draws=20_000)
    expected = dict.fromkeys(models, 0.0)
    p_best = dict.fromkeys(models, 0.0)
    for made in itertools.product([False, True], repeat=n):
        chance = np.prod(np.where(made, 1 - score, score))
        labels_now = given.copy()
        labels_now[patch.rows[list(made)], patch.labels[list(made)]] = patch.new[list(made)]
        values = {name: value("f1_macro", labels_now, model) for name, model in models.items()}
        best = [name for name in models if values[name] == max(values.values())]
        for name in models:
            expected[name] += chance * values[name]
            p_best[name] += chance * (name in best) / len(best)
    for name in models:
        assert found.models["mean"][name] == pytest.approx(expected[name], abs=0.003)
        assert found.models["p_best"][name] == pytest.approx(p_best[name], abs=0.015)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("metric", ["f1_samples", "jaccard_samples", "accuracy"])
def test_rows_that_lose_or_gain_their_only_known_cell_leave_and_enter_the_mean(metric):
    _, given, models = problem(20)
    given, changed = given.copy(), given.copy()
    given[3], changed[3] = -1, [1, 0, 0, 1]
    changed[5] = -1
    found = rank_stability(given, models, CellPatch.diff(given, changed), metric=metric, n_draws=2)
    for name, model in models.items():
        assert found.models["value"][name] == pytest.approx(value(metric, given, model), abs=1e-12)
        assert found.models["corrected"][name] == pytest.approx(value(metric, changed, model), abs=1e-12)


def test_columns_go_by_their_names():
    truth, given, models = problem()
    names = ["a", "b", "c", "d"]
    patch = CellPatch.diff(given, truth)
    expected = rank_stability(given, models, patch)
    frames = {name: pd.DataFrame(model, columns=names) for name, model in models.items()}
    mixed = {**frames, "noisy": frames["noisy"][["c", "a", "d", "b"]]}
    labels, named = (
        pd.DataFrame(given, columns=names),
        CellPatch.diff(*(pd.DataFrame(y, columns=names) for y in (given, truth))),
    )
    for y_true, of, by in (
        (labels, mixed, named),
        (labels[names[::-1]], mixed, named),
        (given, mixed, named),
        (labels, mixed, patch),
        (given, frames, patch),
    ):
        got = rank_stability(y_true, of, by)
        pd.testing.assert_frame_equal(got.models, expected.models)
        pd.testing.assert_frame_equal(got.pairs, expected.pairs)
    with pytest.raises(
        ValueError, match=r"^models\['noisy'\]: expected the labels of models\['best'\] in the same order"
    ):
        rank_stability(given, mixed, patch)
    for y_true, by in ((labels, patch), (given, named)):
        with pytest.raises(ValueError, match=r"^models\['best'\]: expected the columns .* in any order, .* unexpected"):
            rank_stability(y_true, {**frames, "best": frames["best"].rename(columns={"a": "x"})}, by)
    with pytest.raises(ValueError, match=r"^y_true: expected the columns .* in any order, .* unexpected"):
        rank_stability(labels.rename(columns={"a": "x"}), frames, named)


def test_enough_cells_to_flip_are_enough():
    truth, given, models = problem(80, 4, seed=1)
    given = models["parrot"].copy()  # labels made by the model that will win on them
    found = rank_stability(given, models, CellPatch.diff(given, truth), metric="f1_micro")
    assert found.models.index[0] == "parrot"
    first = found.pairs.iloc[0]
    assert first["p_flip"] == 1
    n = int(first["n_cells_to_flip"])
    order = found.cells.sort_values("effect", kind="stable")

    def lead(k):
        changed = given.copy()
        for cell in order.head(k).itertuples():
            changed[cell.row, cell.label] = cell.new
        return value("f1_micro", changed, models["parrot"]) - value("f1_micro", changed, models[first["b"]])

    assert lead(n) <= 1e-12
    assert lead(n - 1) > 0
    assert f"{n} cells turn the lead" in repr(found)


def test_forms_and_threads_do_not_matter():
    truth, given, models = problem()
    patch = CellPatch.diff(given, truth)
    expected = rank_stability(given, models, patch, n_jobs=1)
    got = rank_stability(as_csr(given), {k: as_csr(v) for k, v in models.items()}, patch, n_jobs=3)
    for table in ("models", "pairs", "cells"):
        assert getattr(expected, table).equals(getattr(got, table))
    assert rank_stability(given, models, patch, random_state=1).models["value"].equals(expected.models["value"])
    assert "<table" in got._repr_html_()


def test_an_empty_patch_moves_nothing():
    _, given, models = problem()
    found = rank_stability(given, models, CellPatch.diff(given, given), n_draws=5)
    assert found.cells.empty
    assert (found.models["low"] == found.models["value"]).all()
    assert found.pairs["n_cells_to_flip"].isna().all()
    assert "no change of them turns the lead" in repr(found)


def test_a_patch_of_an_audit_is_taken():
    _, given, models = problem(400, seed=2)
    patch = suggest_labels(given, models["best"])
    found = rank_stability(given, models, patch, n_draws=200)
    assert (found.models["low"] <= found.models["mean"]).all()
    assert len(found.pairs) == 3
    assert found.cells["p_wrong"].between(0, 1).all()


BAD = [
    (lambda g, m, p: rank_stability(g, {"a": m["best"]}, p), TypeError, "models: expected a mapping from"),
    (lambda g, m, p: rank_stability(g, m, None), TypeError, "patch: expected a CellPatch, got None"),
    (lambda g, m, p: rank_stability(g, m, p, metric="f1"), ValueError, "metric: expected one of f1_micro, "),
    (lambda g, m, p: rank_stability(1 - g, m, p), ValueError, "patch: made for other labels than y_true"),
    (lambda g, m, p: rank_stability(g, {**m, "x": m["best"][:, :2]}, p), ValueError, r"models\['x'\]: expected shape"),
    (lambda g, m, p: rank_stability(g, m, p, n_draws=0), ValueError, "n_draws: expected an integer >= 1, got 0"),
    (lambda g, m, p: rank_stability(g, m, p, absent_labels="nan"), ValueError, "absent_labels: expected one of 'skip'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_named(call, kind, message):
    truth, given, models = problem()
    with pytest.raises(kind, match=message):
        call(given, models, CellPatch.diff(given, truth))
