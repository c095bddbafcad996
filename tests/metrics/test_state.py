"""Batches, in any number and order, say what all the rows at once say."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mlkit
from mlkit.labels import as_label_matrix
from mlkit.metrics import MetricState
from mlkit.metrics._fixed import UNIT, exact_sums
from mlkit.metrics._names import AREA_KEYS, CALIBRATION_KEYS, SET_KEYS, rank_keys
from reference.metrics_inputs import as_csr

NO_AREAS = [*SET_KEYS, *CALIBRATION_KEYS, *rank_keys((1, 3), scored=False)]
FORMS = ("dense", "csr", "unknown", "unknown csr", "positive only", "float32", "weights")


def problem(form="dense", n=400, n_labels=7, seed=0):
    """Truth, scores and further arguments of `update`."""
    rng = np.random.default_rng(seed)
    score = np.clip(rng.normal(0.3, 0.3, (n, n_labels)), 0, 1).round(3)
    truth = (rng.random(score.shape) < score).astype(np.int8)
    truth[:, 2] = 0
    more = {}
    if "unknown" in form:
        truth[rng.random(truth.shape) < 0.2] = -1
    if form == "float32":
        score = score.astype(np.float32)
    if form == "weights":
        more["sample_weight"] = rng.integers(1, 60, n) * rng.choice([0.1, 0.25, 1], n)
    if "csr" in form:
        return sparse.csr_array(as_csr(truth)), sparse.csr_array(as_csr(score)), more
    if form == "positive only":
        known = sparse.csr_array(truth)
        known.data[::7] = 0
        return known, score, more
    return truth, score, more


def wrap(form, truth):
    return as_label_matrix(truth, background="unknown") if form == "positive only" else truth


def test_weights_that_sums_would_lose_are_refused():
    truth, score, _ = problem()
    light = np.full(len(truth), 1e-9)
    with pytest.raises(
        ValueError, match=r"^sample_weight: expected a largest weight of at least 0.000976562, got 1e-09"
    ):
        MetricState(7, metrics=["f1_macro"]).update(truth, score, sample_weight=light)
    kept = MetricState(7).update(truth, score, sample_weight=light).compute()
    assert kept.to_dict() == mlkit.evaluate(truth, score, sample_weight=light).to_dict()


def cuts(n, rng):
    at = np.unique(np.concatenate([[0, n], rng.integers(0, n, rng.integers(1, 9))]))
    return list(itertools.pairwise(at.tolist()))


def states(form, truth, score, more, parts, **options):
    """One state for each of three workers, which take the parts in turn."""
    workers = [MetricState(score.shape[1], **options) for _ in range(3)]
    for at, (begin, end) in enumerate(parts):
        own = {name: values[begin:end] for name, values in more.items()}
        workers[at % 3].update(wrap(form, truth[begin:end]), score[begin:end], row_start=begin, **own)
    return workers


def bits(report):
    frame = report.to_frame()
    table = report.per_label
    return frame.drop(columns="note").to_numpy(float).tobytes() + table.to_numpy(float).tobytes(), list(frame["note"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, {"n_boot": 20}, {"metrics": NO_AREAS, "n_boot": 20}, {"curves": "histogram"}])
def test_no_split_and_no_order_changes_a_bit(form, options):
    if form == "weights" and options.get("curves"):
        options = {"metrics": NO_AREAS}
    truth, score, more = problem(form)
    options = {"k": (1, 3), **options}
    whole = MetricState(7, **options).update(wrap(form, truth), score, row_start=0, **more).compute()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        parts = cuts(400, rng)
        rng.shuffle(parts)
        a, b, c = (pickle.loads(pickle.dumps(s)) for s in states(form, truth, score, more, parts, **options))
        merged = (a.merge(b).merge(c), c.merge(a.merge(b)), b.merge(c).merge(a))[seed % 3]
        assert bits(merged.compute()) == bits(whole)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_boot", [0, 20])
def test_kept_cells_give_the_report_of_the_whole(form, n_boot):
    truth, score, more = problem(form)
    q = np.linspace(1, 2, 7)
    expected = mlkit.evaluate(wrap(form, truth), score, n_boot=n_boot, inv_propensity=q, **more)
    state = MetricState(7, n_boot=n_boot, inv_propensity=q)
    for begin, end in [(0, 1), (1, 150), (150, 400)]:
        own = {name: values[begin:end] for name, values in more.items()}
        state.update(wrap(form, truth[begin:end]), score[begin:end], **own)
    got = state.compute()
    pd.testing.assert_frame_equal(got.to_frame(), expected.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(got.per_label, expected.per_label, check_exact=True)
    assert got.compare(expected)["delta"].abs().max() == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("absent", ["skip", "sklearn", "nan"])
def test_sums_give_the_numbers_of_the_whole(form, absent):
    truth, score, more = problem(form)
    expected = mlkit.evaluate(wrap(form, truth), score, absent_labels=absent, k=(1, 3), **more)
    state = MetricState(7, metrics=NO_AREAS, absent_labels=absent, k=(1, 3))
    for begin, end in [(0, 170), (170, 400)]:
        own = {name: values[begin:end] for name, values in more.items()}
        state.update(wrap(form, truth[begin:end]), score[begin:end], **own)
    got = state.compute()
    assert set(got) == set(NO_AREAS)
    for key in NO_AREAS:
        of, wanted = got[key], expected[key]
        if form != "weights" and key in SET_KEYS and not key.endswith("samples"):
            assert of.value == wanted.value or np.isnan(wanted.value)
        np.testing.assert_allclose(of.value, wanted.value, rtol=0, atol=1e-12, equal_nan=True, err_msg=key)
        assert of.n_defined == wanted.n_defined
        if not np.isnan(of.se):
            assert of.se == pytest.approx(wanted.se, rel=1e-9), key
            assert (of.low, of.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    for column in ("support", "n_known", "n_predicted", "f1", "brier", "ece"):
        np.testing.assert_allclose(got.per_label[column], expected.per_label[column], rtol=0, atol=1e-12)


def test_replicates_of_sums_are_those_of_the_whole():
    truth, score, _ = problem()
    expected = mlkit.evaluate(truth, score, n_boot=200)
    state = MetricState(7, metrics=NO_AREAS[:-5], n_boot=200)
    for begin, end in [(0, 170), (170, 400)]:
        state.update(truth[begin:end], score[begin:end])
    got = state.compute()
    for key in ("f1_macro", "f1_micro", "recall_weighted", "lrap", "hamming_loss"):
        assert got[key].se == pytest.approx(expected[key].se, rel=1e-6)
    grouped = MetricState(7, metrics=["f1_macro"], n_boot=200).update(truth, score, groups=np.arange(400) // 4)
    expected = mlkit.evaluate(truth, score, n_boot=200, groups=np.arange(400) // 4)
    assert grouped.compute()["f1_macro"].se == pytest.approx(expected["f1_macro"].se, rel=0.01)


@pytest.mark.parametrize("form", ["dense", "csr", "unknown csr", "positive only"])
@pytest.mark.parametrize("step", [0.0, 1e-3, 0.01])
def test_binned_areas_are_as_near_as_they_say(form, step):
    truth, score, more = problem(form, n=1500, seed=3)
    if step and not sparse.issparse(score):
        rng = np.random.default_rng(0)
        score = np.clip(0.7 + step * rng.normal(size=score.shape), 0, 1)  # many scores in few bins
    expected = mlkit.evaluate(wrap(form, truth), score, absent_labels="skip")
    got = MetricState(7, curves="histogram").update(wrap(form, truth), score, **more).compute()
    assert set(got) == set(expected)
    table, exact = got.per_label, expected.per_label
    for name in ("roc_auc", "average_precision"):
        off, bound = (table[name] - exact[name]).abs(), table[f"{name}_error"]
        assert (off[~bound.isna()] <= bound[~bound.isna()] + 1e-12).all()
        assert (bound.isna() == exact[name].isna()).all()
    for key in AREA_KEYS:
        bound = float(got[key].note.split("within ")[1].split(" ")[0])
        assert abs(got[key].value - expected[key].value) <= 1.06 * bound + 1e-12, key  # (the note is rounded)
        assert got[key].n_defined == expected[key].n_defined


def test_predictions_alone_are_measured_too():
    truth, score, _ = problem("unknown")
    predicted = score >= 0.4
    state = MetricState(7).update(truth[:99], y_pred=predicted[:99]).update(truth[99:], y_pred=as_csr(predicted[99:]))
    expected = mlkit.evaluate(truth, y_pred=predicted)
    got = state.compute()
    assert set(got) == set(expected)
    for key in expected:
        np.testing.assert_allclose(got[key].value, expected[key].value, rtol=0, atol=1e-12, equal_nan=True)
    both = MetricState(7).update(truth[:99], score[:99], predicted[:99]).update(truth[99:], score[99:], predicted[99:])
    assert both.compute().to_dict() == mlkit.evaluate(truth, score, predicted).to_dict()


def test_merging_leaves_both_states_as_they_were():
    truth, score, _ = problem()
    for options in ({}, {"curves": "histogram"}, {"metrics": ["f1_macro", "lrap"]}):
        a = MetricState(7, **options).update(truth[:100], score[:100])
        b = MetricState(7, **options).update(truth[100:], score[100:])
        before = [bits(s.compute()) for s in (a, b)]
        merged = a.merge(b)
        assert [bits(s.compute()) for s in (a, b)] == before
        assert (a.n_rows_, b.n_rows_, merged.n_rows_) == (100, 300, 400)
        merged.update(truth, score)
        assert [bits(s.compute()) for s in (a, b)] == before
        assert bits(MetricState(7, **options).merge(a).compute()) == before[0]


def test_batches_are_copied():
    truth, score, _ = problem()
    own = score.copy()
    state = MetricState(7).update(truth, own)
    own[:] = 0
    assert state.compute().to_dict() == mlkit.evaluate(truth, score).to_dict()


def test_names_come_from_frames_or_the_caller():
    truth, score, _ = problem()
    names = [f"label {j}" for j in range(7)]
    frames = pd.DataFrame(truth, columns=names), pd.DataFrame(score, columns=names)[names[::-1]]
    state = MetricState(7).update(frames[0][:200], frames[1][:200]).update(frames[0][200:], frames[1][200:])
    assert state.compute().per_label["label"].tolist() == names
    assert state.compute().to_dict() == mlkit.evaluate(truth, score).to_dict()


def test_sums_are_exact():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3)) * [1e-9, 1.0, 1e12]
    from fractions import Fraction

    for column, total in enumerate(exact_sums(x)):
        expected = sum((Fraction(v) for v in x[:, column].tolist()), Fraction(0))
        assert abs(total * Fraction(UNIT) - expected) <= 1000 * Fraction(UNIT) / 2
    assert exact_sums(np.zeros((0, 2))) == [0, 0]


def test_names_of_measures_are_those_of_a_report():
    truth, score, _ = problem()
    report = mlkit.evaluate(truth, score, k=(1, 3), inv_propensity=np.ones(7))
    assert set(report) == {*SET_KEYS, *AREA_KEYS, *CALIBRATION_KEYS, *rank_keys((1, 3))}


def test_scores_outside_the_unit_interval_have_no_calibration():
    truth, score, _ = problem()
    state = MetricState(7, metrics=["f1_macro", "lrap"]).update(truth[:200], score[:200])
    state.update(truth[200:], 3 * score[200:])
    assert state.compute()["lrap"].value == pytest.approx(
        mlkit.evaluate(truth, np.concatenate([score[:200], 3 * score[200:]]))["lrap"].value
    )
    with pytest.raises(KeyError, match="'binary_log_loss' was not measured"):
        MetricState(7, metrics=["binary_log_loss"]).update(truth, 3 * score).compute()


def fitting(**options):
    truth, score, _ = problem()
    return MetricState(7, **options).update(truth[:100], score[:100]), truth[100:], score[100:]


BAD = [
    (lambda s, t, p: MetricState(0), ValueError, "n_labels: expected an integer >= 1, got 0"),
    (lambda s, t, p: MetricState(7, metrics=["f1_makro"]), ValueError, "metrics: expected names of measures, got"),
    (lambda s, t, p: MetricState(7, metrics="f1"), TypeError, "metrics: expected a sequence of names of measures"),
    (lambda s, t, p: MetricState(7, curves="rough"), ValueError, "curves: expected one of 'exact'"),
    (lambda s, t, p: MetricState(7).compute(), ValueError, r"compute: expected a batch in update\(\) before, got none"),
    (lambda s, t, p: s.update(t), ValueError, "y_score: expected scores, or predicted labels as y_pred, got neither"),
    (lambda s, t, p: s.update(t[:, :3], p[:, :3]), ValueError, r"y_true: expected 7 labels \(columns\), got shape"),
    (lambda s, t, p: s.update(t, as_csr(p)), ValueError, "y_score: expected the same form for every batch, got"),
    (lambda s, t, p: s.update(t, p, sample_weight=np.ones(300)), ValueError, "sample_weight: expected the same form"),
    (lambda s, t, p: s.update(t, p, row_start=100), ValueError, "row_start: expected the same form for every batch"),
    (lambda s, t, p: MetricState(7).update(t, p, sample_weight=np.full(300, 65)), ValueError, "weights of at most 64"),
    (lambda s, t, p: MetricState(7, metrics=["lrap"]).update(t, p, groups=np.ones(300, int)), ValueError,
     "groups: expected n_boot > 0, or kept cells"),
    (lambda s, t, p: MetricState(7).update(t, p, groups=["a"] * 300), TypeError, "groups: expected integers, got <U1"),
    (lambda s, t, p: MetricState(7).update(t, p, groups=[1]), ValueError, r"groups: expected shape \(300,\), one for"),
    (lambda s, t, p: MetricState(7, curves="histogram").update(t, 3 * p), ValueError, "y_score: expected prob"),
    (lambda s, t, p: MetricState(7, memory_limit="1kB").update(t, p), MemoryError, "MetricState: the cells of exact"),
    (lambda s, t, p: s.merge({}), TypeError, "other: expected a MetricState, got dict"),
    (lambda s, t, p: s.merge(MetricState(7, k=2)), ValueError, r"other: expected a state with k=\(1, 3, 5\), got"),
    (lambda s, t, p: s.merge(MetricState(7).update(t, y_pred=t)), ValueError, "other: expected batches with the same"),
    (lambda s, t, p: MetricState(7, label_names=list("abcdefg")).merge(MetricState(7, label_names=list("hijklmn"))),
     ValueError, "other: expected a state of the same labels"),
    (lambda s, t, p: MetricState(7).update(2 * t - 1, p).compute(), ValueError, "y_true: expected 0 where a label is"),
    (lambda s, t, p: MetricState(7).update(t, p, row_start=5).merge(MetricState(7).update(t, p, row_start=304)),
     ValueError, "row_start: expected every row once, got row 304 twice"),
    (lambda s, t, p: fitting(metrics=["f1_macro"], n_boot=9)[0].merge(fitting(metrics=["f1_macro"], n_boot=9)[0]),
     ValueError, "other: expected batches with row_start"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_input_is_named(call, kind, message):
    state, truth, score = fitting()
    with pytest.raises(kind, match=message):
        call(state, truth, score)
    assert state.n_rows_ == 100


def test_a_state_of_another_version_is_refused():
    state = fitting()[0]
    inside = state.__getstate__()
    with pytest.raises(ValueError, match="MetricState: expected a state of version 1, got version 99"):
        MetricState(7).__setstate__({**inside, "version": 99})


def test_a_report_of_sums_says_what_it_lacks():
    truth, score, _ = problem()
    report = MetricState(7, curves="histogram").update(truth, score).compute()
    with pytest.raises(ValueError, match=r"other: expected reports of mlkit\.evaluate, got one of sums"):
        report.compare(mlkit.evaluate(truth, score))
    with pytest.raises(ValueError, match=r"plot_pr: expected a report of y_score by mlkit\.evaluate"):
        report.plot_pr()
