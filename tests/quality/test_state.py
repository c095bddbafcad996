"""Batches, in any number and order, say what all the data at once say, to the bit."""

from __future__ import annotations

import itertools
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mlkit
from mlkit.labels import as_label_matrix
from mlkit.quality import LabelQualityState, _engine

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.quality.LabelQualityWarning")


def problem(n=900, n_labels=11, seed=0, unknown=0.03):
    """Calibrated probabilities, labels drawn from them, some unknown, one label never given."""
    rng = np.random.default_rng(seed)
    probs = 1 / (1 + np.exp(-rng.normal(rng.uniform(-3, 0, n_labels), 2, (n, n_labels))))
    labels = (rng.random(probs.shape) < probs).astype(np.int8)
    labels[:, 3] = 0
    labels[rng.random(labels.shape) < unknown] = -1
    return labels, probs


def cut(n, sizes):
    """Bounds of batches, sizes repeated until all rows are used."""
    bounds = [0]
    for size in itertools.cycle(sizes):
        bounds.append(min(n, bounds[-1] + size))
        if bounds[-1] == n:
            break
    return list(itertools.pairwise(bounds))


def run(labels, probs, batches, n_labels=None, **options):
    """Both passes over batches in the order given."""
    state = LabelQualityState(n_labels or probs.shape[1], **options)
    for begin, end in batches:
        state.update_thresholds(labels[begin:end], probs[begin:end])
    state.freeze()
    for begin, end in batches:
        state.update_issues(labels[begin:end], probs[begin:end], first_row=begin)
    return state.finalize()


def assert_same(got, expected):
    pd.testing.assert_frame_equal(got.labels, expected.labels, check_exact=True)
    pd.testing.assert_frame_equal(got.cells(), expected.cells(), check_exact=True)
    pd.testing.assert_frame_equal(got.examples(), expected.examples(), check_exact=True)
    pd.testing.assert_frame_equal(got.summary, expected.summary, check_exact=True)
    said = got.trust[got.trust["kind"] != "batches"].reset_index(drop=True)
    pd.testing.assert_frame_equal(said, expected.trust, check_exact=True)
    of_pairs = expected.evidence["kind"].isin(["swap", "implied"])
    pd.testing.assert_frame_equal(got.evidence, expected.evidence[~of_pairs].reset_index(drop=True), check_exact=True)
    pd.testing.assert_frame_equal(got.breaks(), expected.breaks(), check_exact=True)
    np.testing.assert_array_equal(got.scores, expected.scores)
    assert got.story.to_dict() == expected.story.to_dict()
    assert got.patch() == expected.patch()


def test_what_is_in_files_stays_there_when_states_are_merged():
    labels, probs = problem(n=300)
    first = LabelQualityState(11, max_memory=1).freeze(np.full((11, 2), 0.5))
    second = pickle.loads(pickle.dumps(first))
    for k in range(400):
        (first if k % 2 else second).update_issues(labels, probs, first_row=300 * k)
    kept = 2 * 200 * 300 * 8  # bytes of the scores alone
    tracemalloc.start()
    merged = first.merge(second)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < kept / 4
    assert merged.n_rows_ == 120_000
    assert (first.n_rows_, second.n_rows_) == (60_000, 60_000)
    assert merged.finalize().scores.shape == (120_000,)


@pytest.mark.parametrize("filter_by", _engine.FILTERS)
@pytest.mark.parametrize("sizes", [(900,), (450,), (1, 17, 300), (64,)])
def test_batches_of_any_size_give_the_audit_of_the_whole(filter_by, sizes):
    labels, probs = problem()
    whole = mlkit.audit(labels, probs, filter_by=filter_by)
    assert_same(run(labels, probs, cut(900, sizes), filter_by=filter_by), whole)


@pytest.mark.parametrize("max_memory", [1, "1kB", "64MB"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_batches_and_of_merges_does_not_matter(max_memory, seed):
    labels, probs = problem(seed=seed)
    whole = mlkit.audit(labels, probs)
    batches = cut(900, (100, 7, 60))
    rng = np.random.default_rng(seed)
    shuffled = [batches[k] for k in rng.permutation(len(batches))]
    assert_same(run(labels, probs, shuffled, max_memory=max_memory), whole)

    parts = [LabelQualityState(11, max_memory=max_memory) for _ in range(4)]
    for k, (begin, end) in enumerate(shuffled):
        parts[k % 4].update_thresholds(labels[begin:end], probs[begin:end])
    first = parts[0].merge(parts[1]).merge(parts[2].merge(parts[3])).freeze()
    workers = [pickle.loads(pickle.dumps(first)) for _ in range(3)]
    for k, (begin, end) in enumerate(shuffled):
        workers[k % 3].update_issues(labels[begin:end], probs[begin:end], first_row=begin)
    merged = workers[2].merge(pickle.loads(pickle.dumps(workers[0]))).merge(workers[1])
    assert_same(merged.finalize(), whole)


def test_merging_leaves_both_states_as_they_were():
    labels, probs = problem()
    a, b = LabelQualityState(11), LabelQualityState(11)
    a.update_thresholds(labels[:400], probs[:400])
    b.update_thresholds(labels[400:], probs[400:])
    merged = a.merge(b)
    assert (a.n_rows_, b.n_rows_, merged.n_rows_) == (400, 500, 900)
    a.freeze()
    np.testing.assert_array_equal(a.thresholds_, mlkit.quality.get_confident_thresholds(labels[:400], probs[:400]))
    np.testing.assert_array_equal(merged.freeze().thresholds_, mlkit.quality.get_confident_thresholds(labels, probs))


@pytest.mark.parametrize("form", ["csr labels", "csr both", "lists", "float32", "positive only", "frames"])
def test_every_form_of_batch_is_taken(form):
    labels, probs = problem(unknown=0.0)
    kept = np.where(probs > 0.05, probs, 0)
    if form == "csr both":
        whole = mlkit.audit(sparse.csr_array(labels), sparse.csr_array(kept))
        got = run(sparse.csr_array(labels), sparse.csr_array(kept), cut(900, (70,)))
    elif form == "csr labels":
        whole, got = mlkit.audit(labels, probs), run(sparse.csr_array(labels), probs, cut(900, (70,)))
    elif form == "lists":
        lists = [np.flatnonzero(row).tolist() for row in labels]
        whole, got = mlkit.audit(lists, probs), run(lists, probs, cut(900, (70,)))
    elif form == "float32":
        whole = mlkit.audit(labels, probs.astype(np.float32))
        got = run(labels, probs.astype(np.float32), cut(900, (70,)))
    elif form == "positive only":
        csr = sparse.csr_array(labels)
        csr.data[::9] = 0  # a stored 0 is a known negative

        def of(part):
            return as_label_matrix(part, background="unknown")

        whole = mlkit.audit(of(csr), probs)
        state = LabelQualityState(11)
        for begin, end in cut(900, (70,)):
            state.update_thresholds(of(csr[begin:end]), probs[begin:end])
        state.freeze()
        for begin, end in cut(900, (70,)):
            state.update_issues(of(csr[begin:end]), probs[begin:end])
        got = state.finalize()
    else:
        names = [f"label {j}" for j in range(11)]
        y, p = pd.DataFrame(labels, columns=names), pd.DataFrame(probs, columns=names)[names[::-1]]
        whole, got = mlkit.audit(y, p), run(y, p, cut(900, (70,)))
        assert got.label_names == tuple(names)
    assert_same(got, whole)


def test_ids_come_along():
    labels, probs = problem()
    ids = [f"text {i}" for i in range(900)]
    whole = mlkit.audit(labels, probs, ids=ids)
    state = LabelQualityState(11).update_thresholds(labels, probs).freeze()
    for begin, end in ((500, 900), (0, 500)):
        state.update_issues(labels[begin:end], probs[begin:end], ids=ids[begin:end], first_row=begin)
    assert_same(state.finalize(), whole)


def test_given_thresholds_need_no_first_pass():
    labels, probs = problem()
    thresholds = mlkit.quality.get_confident_thresholds(labels, probs)
    state = LabelQualityState(11).freeze(thresholds)
    halves = [pickle.loads(pickle.dumps(state)) for _ in range(2)]
    halves[0].update_issues(labels[:300], probs[:300])
    halves[1].update_issues(labels[300:], probs[300:], first_row=300)
    assert_same(halves[1].merge(halves[0]).finalize(), mlkit.audit(labels, probs))


def test_a_pickle_of_another_version_is_refused():
    state = LabelQualityState(3)
    values = state.__getstate__()
    values["version"] = 99
    with pytest.raises(ValueError, match="expected a state of version 2, got version 99"):
        LabelQualityState.__new__(LabelQualityState).__setstate__(values)


def test_the_passes_come_in_their_order():
    labels, probs = problem()
    state = LabelQualityState(11)
    with pytest.raises(ValueError, match=r"^freeze: expected a batch in update_thresholds, or thresholds, got none"):
        state.freeze()
    with pytest.raises(ValueError, match=r"^update_issues: expected a frozen state"):
        state.update_issues(labels, probs)
    with pytest.raises(ValueError, match=r"^finalize: expected a frozen state that has seen batches"):
        state.finalize()
    with pytest.raises(AttributeError, match="there are none before freeze"):
        _ = state.thresholds_
    state.update_thresholds(labels, probs).freeze()
    with pytest.raises(ValueError, match=r"^update_thresholds: expected a state that is not frozen"):
        state.update_thresholds(labels, probs)
    with pytest.raises(ValueError, match=r"^freeze: expected a state that is not frozen"):
        state.freeze()
    with pytest.raises(ValueError, match=r"^finalize: expected a frozen state that has seen batches"):
        state.finalize()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([(0, 500)], "^finalize: expected the 900 examples of the first pass, got 500 in the second"),
        ([(0, 500), (400, 900)], "^first_row: .* got rows 400 to 499 there twice"),
        ([(0, 400), (500, 900)], "^first_row: .* got rows 400 to 499 missing"),
        ([(10, 900)], "^first_row: .* got rows 0 to 9 missing"),
    ],
)
def test_no_row_is_lost_or_counted_twice(bounds, message):
    labels, probs = problem()
    state = LabelQualityState(11).update_thresholds(labels, probs).freeze()
    for begin, end in bounds:
        state.update_issues(labels[begin:end], probs[begin:end], first_row=begin)
    with pytest.raises(ValueError, match=message):
        state.finalize()


def test_labels_that_change_between_the_passes_are_noticed():
    labels, probs = problem(unknown=0.0)
    state = LabelQualityState(11).update_thresholds(labels, probs).freeze()
    other = labels.copy()
    other[7, 5] = 1 - other[7, 5]
    state.update_issues(other, probs)
    with pytest.raises(ValueError, match=r"^finalize: expected the labels of the first pass, .* positives of label 5"):
        state.finalize()


def test_a_refused_batch_changes_nothing():
    labels, probs = problem()
    state = LabelQualityState(11).update_thresholds(labels[:400], probs[:400])
    bad = probs[400:].copy()
    bad[3, 2] = 1.5
    with pytest.raises(ValueError, match=r"^pred_probs: "):
        state.update_thresholds(labels[400:], bad)
    state.update_thresholds(labels[400:], probs[400:]).freeze()
    np.testing.assert_array_equal(state.thresholds_, mlkit.quality.get_confident_thresholds(labels, probs))
    with pytest.raises(ValueError, match=r"^pred_probs: "):
        state.update_issues(labels[400:], bad)
    assert_same(state.update_issues(labels, probs).finalize(), mlkit.audit(labels, probs))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, y, p: s.update_thresholds(y[:, :4], p[:, :4]), "^labels: expected 11 labels .* got shape"),
        (lambda s, y, p: s.update_thresholds(as_label_matrix(np.abs(y), background="unknown"), p),
         "^labels: expected background='negative' as in earlier batches, got 'unknown'"),
        (lambda s, y, p: s.merge(LabelQualityState(10)), "^other: expected a state with n_labels=11, got 10"),
        (lambda s, y, p: s.merge(LabelQualityState(11, filter_by="both")), "^other: .* filter_by="),
        (lambda s, y, p: s.merge(LabelQualityState(11).update_thresholds(y, p).freeze()), "^other: .* same pass"),
        (lambda s, y, p: s.freeze(np.ones(3)), "^thresholds: expected shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, message):
    labels, probs = problem()
    state = LabelQualityState(11).update_thresholds(labels, probs)
    with pytest.raises(ValueError, match=message):
        call(state, labels, probs)


def test_states_frozen_apart_are_not_merged():
    labels, probs = problem()
    a = LabelQualityState(11).update_thresholds(labels[:500], probs[:500]).freeze()
    b = LabelQualityState(11).update_thresholds(labels[500:], probs[500:]).freeze()
    with pytest.raises(ValueError, match=r"^other: expected a state in the same pass, frozen together"):
        a.merge(b)
    with pytest.raises(TypeError, match=r"^other: expected a LabelQualityState, got int"):
        a.merge(3)


def test_ids_are_given_for_all_batches_or_for_none():
    labels, probs = problem()
    state = LabelQualityState(11).update_thresholds(labels, probs).freeze()
    state.update_issues(labels[:500], probs[:500], ids=range(500))
    with pytest.raises(
        ValueError, match=r"^ids: expected ids for every batch or for none, got a batch after others with"
    ):
        state.update_issues(labels[500:], probs[500:])
    state.update_issues(labels[500:], probs[500:], ids=range(499, 899))
    with pytest.raises(ValueError, match=r"^ids: expected distinct ids, got 499 at rows 499 and 500"):
        state.finalize()


def test_minus_one_and_one_without_any_zero_is_refused_on_the_whole_not_on_a_batch():
    labels = np.array([[1, -1], [-1, 1], [0, 1], [1, 0]] * 20)
    probs = np.full(labels.shape, 0.5)
    state = LabelQualityState(2)
    state.update_thresholds(labels[:2], probs[:2]).update_thresholds(labels[2:], probs[2:]).freeze()
    only = LabelQualityState(2).update_thresholds(labels[:2], probs[:2])
    with pytest.raises(ValueError, match=r"^labels: expected 0 where a label is absent, got only -1 and 1"):
        only.freeze()
