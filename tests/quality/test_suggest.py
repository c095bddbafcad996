"""Suggested changes: the slow definition, the promised share of wrong ones, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import mlkit
from mlkit._validation.cells import check_cells
from mlkit.labels import as_label_matrix
from mlkit.quality import find_cell_issues, get_cell_quality_scores, suggest_labels
from mlkit.quality._engine import flip_rates, noise
from reference import patch as oracle
from reference.quality_inputs import KINDS, as_csr, make_data


def simulate(seed, n=4000, n_labels=10, rates=(0.1, 0.02), world=(-1.0, 2.5)):
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(*world, (n, n_labels))))
    truth = rng.random(p.shape) < p
    given = np.where(truth, rng.random(p.shape) >= rates[0], rng.random(p.shape) < rates[1]).astype(np.int8)
    return given, p, truth


def cells_of(patch):
    return list(zip(patch.rows.tolist(), patch.labels.tolist()))


def oracle_cells(labels, probs, min_support=10):
    cells = check_cells(labels, probs)
    scores = oracle.error_scores(cells.labels.to_dense(), np.clip(probs.astype(float), 0, 1), flip_rates(noise(cells)))
    status = mlkit.audit(labels, probs, min_support=min_support).labels["status"]
    return oracle.likely_errors(scores, ~status.str.match("ok|constant_1").to_numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")
def test_suggestions_equal_their_slow_definition(kind):
    for seed in range(4):
        data = make_data(kind, seed)
        expected = oracle_cells(data.matrix, data.probs, min_support=2)
        for probs in (data.probs, as_csr(data.probs)):
            budget = suggest_labels(data.matrix, probs, policy="budget", max_changes=10**6, min_support=2)
            assert sorted(cells_of(budget)) == sorted((i, j) for _, i, j in expected)
            for n in (0, 1, 5):
                few = suggest_labels(data.matrix, probs, policy="budget", max_changes=n, min_support=2)
                assert sorted(cells_of(few)) == sorted((i, j) for _, i, j in expected[:n])
            for fdr in (0.0, 0.1, 0.3):
                patch = suggest_labels(data.matrix, probs, policy="fdr", fdr=fdr, min_support=2)
                assert sorted(cells_of(patch)) == sorted((i, j) for _, i, j in oracle.within_fdr(expected, fdr))


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_the_cells_to_the_bit(seed):
    labels, probs, _ = simulate(seed)
    scores = get_cell_quality_scores(labels, probs, method="error_posterior")
    for policy in ("flagged", "budget", "fdr"):
        patch = suggest_labels(labels, probs, policy=policy, max_changes=500)
        assert len(patch) > 50
        np.testing.assert_array_equal(patch.score, scores[patch.rows, patch.labels])
        np.testing.assert_array_equal(patch.old, labels[patch.rows, patch.labels])
        np.testing.assert_array_equal(patch.new, 1 - patch.old)


@pytest.mark.parametrize("world", [(-1.0, 2.5), (-3.0, 2.5), (-1.0, 4.0)])
@pytest.mark.parametrize("rates", [(0.2, 0.0), (0.1, 0.02), (0.05, 0.05)])
def test_the_share_of_wrong_suggestions_is_what_was_asked_for(world, rates):
    wrong = total = 0
    for seed in range(5):
        labels, probs, truth = simulate(seed, 10_000, 10, rates, world)
        patch = suggest_labels(labels, probs, policy="fdr", fdr=0.2)
        assert patch.score.mean() <= 0.2
        wrong += np.count_nonzero(patch.new != truth[patch.rows, patch.labels])
        total += len(patch)
    assert total > 100
    assert wrong / total <= 0.2 + 3 * np.sqrt(0.16 / total) + 0.01  # and the error of the rates themselves


def test_error_free_labels_get_no_suggestions_to_speak_of():
    labels, probs, _ = simulate(0, 20_000, 10, (0.0, 0.0), (-3.0, 2.5))
    flagged = suggest_labels(labels, probs)
    assert len(flagged) > 5000
    assert len(flagged.select(fdr=0.1)) < 20
    assert len(suggest_labels(labels, probs, policy="fdr")) < 20


def test_flagged_cells_are_those_of_the_audit():
    labels, probs, _ = simulate(1)
    for filter_by in ("prune_by_noise_rate", "confident_learning"):
        flags = np.argwhere(find_cell_issues(labels, probs, filter_by=filter_by).toarray())
        patch = suggest_labels(labels, probs, filter_by=filter_by)
        assert cells_of(patch) == [tuple(cell) for cell in flags.tolist()]
        assert set(patch.why) == {filter_by}
        audit = mlkit.audit(labels, probs, filter_by=filter_by)
        assert audit.patch() == patch
        worst = audit.cells(100)
        assert cells_of(audit.patch(max_changes=100)) == sorted(zip(worst["row"], worst["label"]))


def test_the_audit_and_the_function_agree_on_every_policy():
    labels, probs, _ = simulate(2)
    labels[:, 3] = 0  # judged by neither
    audit = mlkit.audit(labels, probs, label_names=[f"name {j}" for j in range(10)])
    for options in (
        {"policy": "fdr"},
        {"policy": "fdr", "fdr": 0.3, "max_changes": 7},
        {"policy": "budget", "max_changes": 40},
    ):
        patch = audit.patch(**options)
        assert patch == suggest_labels(labels, probs, label_names=audit.label_names, **options)
        assert len(patch) > 0
        assert 3 not in patch.labels
        np.testing.assert_array_equal((patch.apply(labels) != labels).sum(), len(patch))


def test_all_roads_give_the_same_patch():
    labels, probs, _ = simulate(3, 2000, 40, world=(-3.0, 2.5))
    probs[probs < 0.02] = 0
    for policy in ("flagged", "budget", "fdr"):
        expected = suggest_labels(labels, probs, policy=policy, max_changes=300, n_jobs=1)
        for given, p in ((labels, np.asfortranarray(probs)), (sparse.csr_array(labels), as_csr(probs))):
            for n_jobs in (1, 3, 8):
                assert suggest_labels(given, p, policy=policy, max_changes=300, n_jobs=n_jobs) == expected


def test_unknown_cells_are_never_changed():
    labels, probs, _ = simulate(4)
    hidden = np.random.default_rng(0).random(labels.shape) < 0.5
    marked = np.where(hidden, -1, labels)
    for policy in ("flagged", "budget", "fdr"):
        patch = suggest_labels(marked, probs, policy=policy, max_changes=10**6)
        assert len(patch) > 0
        assert not hidden[patch.rows, patch.labels].any()
        assert patch == suggest_labels(labels, probs, policy=policy, max_changes=10**6, unknown=hidden)
    positive_only = as_label_matrix(sparse.csr_array(labels), background="unknown")
    patch = suggest_labels(positive_only, probs, policy="flagged", filter_by="predicted_neq_given")
    assert set(patch.new) == {0}
    assert (patch.apply(positive_only).to_csr() != sparse.csr_array(np.where(labels == 1, probs >= 0.5, 0))).sum() == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"policy": "all"}, ValueError, "policy: expected one of 'flagged', 'budget', 'fdr', got 'all'"),
        ({"policy": "budget"}, ValueError, "max_changes: expected an integer >= 0 with policy='budget', got None"),
        ({"max_changes": -1}, ValueError, "max_changes: expected an integer >= 0, got -1"),
        (
            {"policy": "fdr", "fdr": 10},
            ValueError,
            r"fdr: expected a number in \[0, 1\], got 10 \(did you mean 0.1\?\)",
        ),
        ({"min_support": "3"}, TypeError, "min_support: expected an integer >= 0, got str '3'"),
        ({"filter_by": "prune"}, ValueError, "filter_by: expected one of"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        suggest_labels([[0]], [[0.5]], **options)
    if "min_support" not in options and "filter_by" not in options:
        with pytest.raises(error, match=message):
            mlkit.audit([[0], []], [[0.5], [0.5]]).patch(**options)
