"""One call gives every function's number; intervals cover; comparisons pair the rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mlkit
from mlkit import metrics
from mlkit.metrics import _averages, calibration
from reference.metrics_inputs import KINDS, as_csr, hide, make

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12, equal_nan=True)


SETS = {
    "f1": metrics.f1_score,
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
    "jaccard": metrics.jaccard_score,
}
ROWS = {
    "lrap": metrics.label_ranking_average_precision_score,
    "coverage_error": metrics.coverage_error,
    "ranking_loss": metrics.label_ranking_loss,
    "one_error": metrics.one_error,
    "ndcg": metrics.ndcg_score,
    "r_precision": metrics.r_precision,
}
TOP = ("precision_at_k", "recall_at_k", "rank_precision_at_k", "hit_rate_at_k", "ndcg_at_k")
TOP_MEANS = ("macro_precision_at_k", "macro_recall_at_k", "macro_f1_at_k", "label_coverage_at_k")
SCORED = ("psprecision_at_k", "psndcg_at_k", "psrecall_at_k")


def expected_values(truth, score, predicted, weight, absent, ks, q):
    """The function that each key is named after."""
    of = {"sample_weight": weight}
    for name, function in SETS.items():
        for average in ("micro", "macro", "weighted", "samples"):
            yield f"{name}_{average}", function(truth, predicted, average=average, absent_labels=absent, **of)
    yield "specificity_micro", metrics.specificity_score(truth, predicted, average="micro", **of)
    for name in ("specificity", "balanced_accuracy", "mcc"):
        function = getattr(metrics, f"{name}_score")
        yield f"{name}_macro", function(truth, predicted, average="macro", absent_labels=absent, **of)
    yield "hamming_loss", metrics.hamming_loss(truth, predicted, **of)
    yield "accuracy", metrics.accuracy_score(truth, predicted, **of)
    for name, function in ROWS.items():
        yield name, function(truth, score, **of)
    for average in ("macro", "weighted", "micro"):
        yield f"roc_auc_{average}", metrics.roc_auc_score(truth, score, average=average, absent_labels=absent, **of)
        yield (
            f"average_precision_{average}",
            metrics.average_precision_score(truth, score, average=average, absent_labels=absent, **of),
        )
    yield "roc_auc_samples", metrics.roc_auc_score(truth, score, average="samples", absent_labels=absent, **of)
    yield "average_precision_samples", metrics.average_precision_score(truth, score, average="samples", **of)
    for k in ks:
        for name in TOP:
            yield f"{name[:-1]}{k}", getattr(metrics, name)(truth, score, k, **of)
        for name in TOP_MEANS:
            more = {} if name == "label_coverage_at_k" else {"absent_labels": absent}
            yield f"{name[:-1]}{k}", getattr(metrics, name)(truth, score, k, **of, **more)
        for name in SCORED:
            yield f"{name[:-1]}{k}", getattr(metrics, name)(truth, score, k, inv_propensity=q, **of)
    if np.all((score >= 0) & (score <= 1)):
        for name in ("binary_log_loss", "multilabel_brier_score", "expected_calibration_error"):
            yield name, getattr(metrics, name)(truth, score, **of)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("absent", ["skip", "sklearn", "nan"])
def test_every_key_is_the_number_of_its_function(kind, hidden, absent):
    truth, _, score, weights = make(kind, 1)
    truth = hide(truth, 2) if hidden and truth.size > 1 else truth
    if absent == "skip" and not (truth == 1).any():
        truth[0, 0] = 1  # else the functions say 0 for some means, a report that leaves labels out NaN
    predicted = (score >= 0.5).astype(int)
    q = np.linspace(1, 2, truth.shape[1])
    ks = [k for k in (1, 3) if k <= truth.shape[1]]
    for weight in (None, weights):
        options = {"sample_weight": weight, "absent_labels": absent, "k": (1, 3), "inv_propensity": q}
        for storage in (np.asarray, as_csr):
            report = mlkit.evaluate(storage(truth), storage(score), **options)
            expected = dict(expected_values(truth, score, predicted, weight, absent, ks, q))
            assert set(expected) == set(report)
            for key, value in expected.items():
                np.testing.assert_allclose(report[key].value, value, rtol=0, atol=1e-12, equal_nan=True, err_msg=key)


def test_given_predictions_are_measured_like_a_threshold():
    truth, _, score, _ = make("random", 3)
    cut = np.linspace(0.2, 0.8, truth.shape[1])
    a = mlkit.evaluate(truth, score, threshold=cut)
    b = mlkit.evaluate(truth, score, score >= cut)
    assert a.to_dict() == b.to_dict()
    c = mlkit.evaluate(truth, y_pred=as_csr(score >= cut))
    assert set(c) < set(a)
    assert all(c[key] == a[key] or np.isnan(c[key].se) for key in c)
    table = a.per_label
    close(table["f1"], metrics.f1_score(truth, score >= cut, average=None, zero_division=0))
    close(table["roc_auc"], metrics.roc_auc_score(truth, score, average=None))
    close(table["ece"], calibration.expected_calibration_error(truth, score, average=None))
    assert table["support"].tolist() == truth.sum(axis=0).tolist()


@pytest.mark.parametrize("key", ["macro_precision_at_2", "macro_recall_at_2", "macro_f1_at_2"])
def test_errors_of_means_over_labels_at_k_come_from_the_derivatives_by_the_weights(key):
    rng = np.random.default_rng(4)
    score = rng.random((30, 6))
    truth = (rng.random(score.shape) < score**2).astype(int)
    weight, step = rng.random(30) + 0.5, 1e-6
    report = mlkit.evaluate(truth, score, k=2, sample_weight=weight)
    slopes = []
    for row in range(30):
        up, down = (
            mlkit.evaluate(truth, score, k=2, sample_weight=weight + sign * step * (np.arange(30) == row))[key].value
            for sign in (1, -1)
        )
        slopes.append((up - down) / (2 * step) * weight[row])
    assert report[key].se == pytest.approx(np.sqrt(np.sum(np.square(slopes)) * 30 / 29), rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_threshold_is_compared_as_numpy_compares(dtype):
    score = np.repeat(np.array([0.1, 0.3, 0.7, 0.9], dtype)[:, None], 4, axis=1)
    truth = np.eye(4, dtype=int)
    for cut in (0.1, 0.7, np.float64(0.7), np.full(4, 0.3), np.array([0.1, 0.3, 0.7, 0.9])):
        expected = mlkit.evaluate(truth, y_pred=score >= cut)["f1_micro"].value
        assert mlkit.evaluate(truth, score, threshold=cut)["f1_micro"].value == expected
        for metrics_wanted in (None, ["f1_micro"]):
            state = metrics.MetricState(4, metrics=metrics_wanted, threshold=cut)
            assert state.update(truth, score).compute()["f1_micro"].value == expected


def bits(report):
    frame = report.to_frame().drop(columns="note").to_numpy(float)
    return frame.tobytes() + report.per_label.to_numpy(float).tobytes()


@pytest.mark.parametrize("n_boot", [0, 16])
def test_threads_and_storage_do_not_change_a_bit(n_boot):
    rng = np.random.default_rng(0)
    truth = (rng.random((1501, 101)) < 0.05).astype(np.int8)
    score = np.where(rng.random(truth.shape) < 0.5, 0, np.clip(rng.random(truth.shape) + 0.2 * truth, 0, 1)).round(3)
    score = score.astype(np.float32)
    for labels in (truth, np.where(rng.random(truth.shape) < 0.2, -1, truth)):
        expected = bits(mlkit.evaluate(labels, score, n_boot=n_boot, n_jobs=1))
        for n_jobs in (2, 3, 8):
            assert bits(mlkit.evaluate(labels, score, n_boot=n_boot, n_jobs=n_jobs)) == expected
        assert bits(mlkit.evaluate(as_csr(labels), as_csr(score), n_boot=n_boot)) == expected
        positive_only = mlkit.labels.as_label_matrix(labels, background="unknown")
        assert bits(mlkit.evaluate(positive_only, score, n_boot=n_boot)) == expected
        assert bits(mlkit.evaluate(positive_only, as_csr(score), n_boot=n_boot)) == expected


def derivatives_by_hand(truth, score, weight, i):
    """Change of each measure when a row's weight grows by a little, per unit of weight."""
    step = 1e-6
    up, down = weight.copy(), weight.copy()
    up[i] += step
    down[i] -= step
    high, low = (mlkit.evaluate(truth, score, sample_weight=w).to_dict() for w in (up, down))
    return {key: (high[key] - low[key]) / (2 * step) for key in high}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("storage", [np.asarray, as_csr])
def test_influences_are_derivatives(hidden, storage):
    """The influence of a row is its weight times the derivative of the measure by it."""
    truth, _, score, weight = make("tied", 1)
    truth[0], truth[1] = 1, 0
    if hidden:
        truth[2:] = hide(truth, 3)[2:]
    score[rng_mask(score.shape)] = 0
    report = mlkit.evaluate(storage(truth), storage(score), sample_weight=weight)
    plain = mlkit.evaluate(storage(truth), storage(score))
    keys = [key for key in report if key in report._found.influences]
    assert {"f1_macro", "f1_weighted", "jaccard_weighted", "roc_auc_macro", "average_precision_macro"} < set(keys)
    for i in (0, 1, 3):
        by_hand = derivatives_by_hand(truth, score, weight, i)
        for key in keys:
            assert report._found.influences[key][i] == pytest.approx(weight[i] * by_hand[key], abs=1e-6), key
    by_hand = derivatives_by_hand(truth, score, np.ones(len(truth)), 3)
    for key in keys:
        assert plain._found.influences[key][3] == pytest.approx(by_hand[key], abs=1e-6), key


@pytest.mark.parametrize("storage", [np.asarray, as_csr])
def test_rows_of_weight_0_move_nothing_and_are_moved_by_nothing(storage):
    """Also where they alone hold the positives of a score."""
    rng = np.random.default_rng(0)
    truth = (rng.random((90, 4)) < 0.3).astype(np.int8)
    score = np.where(rng.random(truth.shape) < 0.3, 0, rng.random(truth.shape).round(2))
    weight = rng.random(90) * (rng.random(90) < 0.6)
    keep = weight > 0
    whole = mlkit.evaluate(storage(truth), storage(score), sample_weight=weight)
    part = mlkit.evaluate(storage(truth[keep]), storage(score[keep]), sample_weight=weight[keep])
    assert "roc_auc_macro" in part._found.influences
    for key, influence in part._found.influences.items():
        assert whole[key].value == pytest.approx(part[key].value, abs=1e-12)
        np.testing.assert_allclose(whole._found.influences[key][keep], influence, atol=1e-9, err_msg=key)
        assert not whole._found.influences[key][~keep].any()


def rng_mask(shape):
    return np.random.default_rng(8).random(shape) < 0.3


def test_a_single_auc_has_delongs_error():
    rng = np.random.default_rng(0)
    y = rng.random((80, 1)) < 0.4
    s = (rng.normal(size=y.shape) + y).round(1)
    positive, negative = s[y], s[~y]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    variance = wins.mean(axis=1).var() / positive.size + wins.mean(axis=0).var() / negative.size
    report = mlkit.evaluate(y, s)
    assert report["roc_auc_macro"].se == pytest.approx(np.sqrt(variance * 80 / 79), rel=1e-6)
    row = report.per_label.iloc[0]
    assert report["roc_auc_macro"].low == pytest.approx(row["roc_auc_low"], rel=1e-6)
    assert row["roc_auc_low"] < row["roc_auc"] < row["roc_auc_high"]


def draw(rng, n, n_groups=None):
    """Rows of six labels, or groups of five rows that share most of their luck."""
    units = n if n_groups is None else n_groups
    luck = np.repeat(rng.normal(size=(units, 6)), n // units, axis=0)
    logits = luck + (rng.normal(size=(n, 6)) if n_groups is None else 0.3 * rng.normal(size=(n, 6)))
    shared = rng.normal(size=(units, 1)).repeat(n // units, axis=0)
    y = rng.random((n, 6)) < 1 / (1 + np.exp(-(1.5 * logits + 0.7 * shared - 1)))
    return y.astype(np.int8), (1 / (1 + np.exp(-logits + 0.5))).astype(np.float32)


COVERED = (
    "f1_micro", "f1_macro", "roc_auc_macro", "average_precision_macro", "lrap", "hamming_loss", "precision_at_1",
)  # fmt: skip
BY_INFLUENCE = (
    "roc_auc_micro", "average_precision_micro", "roc_auc_weighted", "average_precision_weighted", "specificity_macro",
    "balanced_accuracy_macro", "mcc_macro",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("clustered", "n_boot"), [(False, 0), (True, 0), (False, 200), (True, 200)])
def test_intervals_cover(clustered, n_boot):
    """About 95 % of samples of 500 rows hold the truth (that of a huge sample) in their intervals."""
    rng = np.random.default_rng(0)
    truth = mlkit.evaluate(*draw(rng, 400_000, 80_000 if clustered else None))
    n_repeats = 400 if n_boot else 1000
    of_labels = () if clustered else ("roc_auc", "average_precision")
    covered = COVERED if n_boot else (*COVERED, *BY_INFLUENCE)
    hits = dict.fromkeys((*covered, *of_labels), 0)
    groups = np.repeat(np.arange(100), 5) if clustered else None
    for seed in range(n_repeats):
        report = mlkit.evaluate(
            *draw(rng, 500, 100 if clustered else None), groups=groups, n_boot=n_boot, random_state=seed, n_jobs=1
        )
        for key in covered:
            hits[key] += report[key].low <= truth[key].value <= report[key].high
        for key in of_labels:  # of single labels, about 150 positives each
            label, whole = report.per_label, truth.per_label
            assert label["support"].min() >= 50
            hits[key] += np.mean(label[f"{key}_low"].le(whole[key]) & label[f"{key}_high"].ge(whole[key]))
    shares = {key: n / n_repeats for key, n in hits.items()}
    assert all(0.92 <= share <= 0.98 for share in shares.values()), shares


def test_what_has_no_interval_says_why():
    """Losses, the calibration error and counts of labels, each with its reason; all others have one."""
    rng = np.random.default_rng(1)
    y, s = draw(rng, 300)
    report = mlkit.evaluate(y, s, inv_propensity=np.linspace(1, 2, 6))
    without = {key: report[key].note for key in report if np.isnan(report[key].low)}
    losses = {"multilabel_brier_score", "binary_log_loss", "expected_calibration_error"}
    assert set(without) == losses | {f"label_coverage_at_{k}" for k in (1, 3, 5)}
    assert all(note.startswith("no interval: ") for note in without.values())
    assert all(np.isfinite(report[key].se) for key in report if key not in without)


def test_the_bootstrap_agrees_with_influences():
    rng = np.random.default_rng(1)
    y, s = draw(rng, 2000)
    a, b = mlkit.evaluate(y, s), mlkit.evaluate(y, s, ci_method="bootstrap", n_boot=500)
    for key in ("f1_micro", "f1_macro", "jaccard_weighted", "accuracy", "lrap", "ndcg_at_3", "hamming_loss"):
        assert b[key].value == a[key].value
        assert b[key].se == pytest.approx(a[key].se, rel=0.12)
    assert b["f1_macro"] == mlkit.evaluate(y, s, n_boot=500)["f1_macro"]
    assert b["f1_macro"].low != mlkit.evaluate(y, s, n_boot=500, random_state=1)["f1_macro"].low


@pytest.mark.parametrize("storage", [np.asarray, as_csr])
def test_the_bootstrap_takes_weights(storage):
    """A row of weight 2 is drawn as often as one of weight 1, and counts twice: its group of two like rows."""
    rng = np.random.default_rng(1)
    y, s = draw(rng, 1500)
    weight = rng.choice([0.1, 1, 2], 1500)
    a = mlkit.evaluate(storage(y), storage(s), sample_weight=weight)
    b = mlkit.evaluate(storage(y), storage(s), sample_weight=weight, n_boot=500)
    for key in ("f1_micro", "f1_macro", "jaccard_weighted", "accuracy", "lrap", "ndcg_at_3", "hamming_loss"):
        assert b[key].value == a[key].value
        assert b[key].se == pytest.approx(a[key].se, rel=0.12)
    rows, groups = np.repeat(np.arange(300), [1, 2] * 150), np.repeat(np.arange(300), [1, 2] * 150)
    twice = mlkit.evaluate(storage(y[rows]), storage(s[rows]), groups=groups, n_boot=50)
    weighted = mlkit.evaluate(storage(y[:300]), storage(s[:300]), sample_weight=np.tile([1, 2], 150), n_boot=50)
    for key in ("f1_macro", "recall_weighted", "lrap"):
        assert weighted[key].se == pytest.approx(twice[key].se, rel=1e-6)


def test_replicates_are_those_of_the_ids():
    """Groups of rows are drawn together: each group's total counts as one row."""
    rng = np.random.default_rng(2)
    y, s = draw(rng, 300)
    a = mlkit.evaluate(y, s, n_boot=100)
    b = mlkit.evaluate(y, s, n_boot=100, groups=np.arange(300))
    assert a["f1_macro"] == b["f1_macro"]
    doubled = mlkit.evaluate(np.repeat(y, 2, axis=0), np.repeat(s, 2, axis=0), n_boot=100, groups=np.arange(600) // 2)
    assert doubled["f1_macro"].low == a["f1_macro"].low
    assert doubled["lrap"].se == pytest.approx(a["lrap"].se, rel=1e-9)
    assert (
        mlkit.evaluate(np.repeat(y, 2, axis=0), np.repeat(s, 2, axis=0))["lrap"].se
        < 0.72 * mlkit.evaluate(y, s)["lrap"].se
    )


def test_comparison_pairs_the_rows():
    rng = np.random.default_rng(3)
    y, s = draw(rng, 1000)
    same, noisy = s, (s + rng.normal(scale=0.3, size=s.shape)).astype(np.float32)
    a, b = mlkit.evaluate(y, same), mlkit.evaluate(y, noisy)
    table = a.compare(b)
    row = table.loc["roc_auc_macro"]
    assert row["delta"] == pytest.approx(a["roc_auc_macro"].value - b["roc_auc_macro"].value)
    assert row["delta"] > 0
    assert row["p_value"] < 1e-6
    assert row["se"] < np.hypot(a["roc_auc_macro"].se, b["roc_auc_macro"].se)
    assert (table["p_holm"] >= table["p_value"]).all()
    assert (a.compare(a)["p_value"] == 1).all()
    with pytest.raises(ValueError, match="other: expected a report of the same examples, got one whose truth differs"):
        a.compare(mlkit.evaluate(1 - y, same))
    with pytest.raises(TypeError, match="other: expected an EvaluationReport, got dict"):
        a.compare({})


def test_a_report_shows_itself():
    rng = np.random.default_rng(4)
    truth, score = draw(rng, 60)
    truth[:, 0] = 0
    report = mlkit.evaluate(truth, score, label_names=[f"<{j}>" for j in range(truth.shape[1])])
    assert json.loads(report.to_json())["measures"]["f1_macro"]["value"] == report["f1_macro"].value
    assert json.loads(report.to_json())["measures"]["expected_calibration_error"]["low"] is None
    assert list(report.to_frame().index) == report.keys() == list(report)
    assert len(report.to_markdown().splitlines()) == len(report) + 2
    assert report._repr_html_().count("<tr>") == len(report) + 1
    assert report["f1_macro"].n_defined == truth.shape[1] - 1
    assert f"1 of {truth.shape[1]} labels without a positive, left out" in report["f1_macro"].note
    assert report.undefined["without_positive"].tolist() == [0]
    assert "of fewer than 50 positives: the interval may be too short" in report["roc_auc_macro"].note
    assert report.per_label["label"][0] == "<0>"
    with pytest.raises(KeyError, match=r"'f1_makro' was not measured \(did you mean 'f1_macro'\?\); keys\(\) lists"):
        report["f1_makro"]


BAD = [
    (lambda t, s: mlkit.evaluate(t), "y_score: expected scores, or predicted labels as y_pred, got neither"),
    (lambda t, s: mlkit.evaluate(t, s, threshold=[0.5]), r"threshold: expected a number or shape \(2,\), got"),
    (lambda t, s: mlkit.evaluate(t, s, ci=95), r"ci: expected a number in \(0, 1\), got 95 \(did you mean 0.95\?\)"),
    (lambda t, s: mlkit.evaluate(t, s, groups=[0]), r"groups: expected shape \(2,\), one for each example, got shape"),
    (lambda t, s: mlkit.evaluate(t, s, ci_method="jackknife"), "ci_method: expected one of 'auto', 'influence'"),
    (lambda t, s: mlkit.evaluate(t, s, sample_weight=[1, -1]), "sample_weight: expected finite numbers >= 0, got -1"),
    (lambda t, s: mlkit.evaluate(t, s, sample_weight=[0, 0]), "sample_weight: expected a weight above 0, got zeros"),
    (lambda t, s: mlkit.evaluate(t, s, sample_weight=[1]), r"sample_weight: expected shape \(2,\), one for each"),
    (lambda t, s: mlkit.evaluate(t, s, s), "y_pred: expected 0 or 1, got 0.1 at row 0, label 0 .scores. compare"),
    (lambda t, s: mlkit.evaluate(t, s, t - 1), "y_pred: expected 0 or 1, got -1 or NaN at row 0, label 1"),
    (lambda t, s: mlkit.evaluate(t, s, t.T[:1]), r"y_pred: expected shape .* = \(2, 2\) to match y_true, got \(1, 2\)"),
    (lambda t, s: mlkit.evaluate(t[:, :1], s[:1]), r"y_score: expected shape .* = \(2, 1\) .* got \(1, 2\)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.array([[1, 0], [0, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]]))


def test_means_of_nothing_are_nan():
    assert np.isnan(_averages.mean(np.array([np.nan])))
    report = mlkit.evaluate(np.zeros((3, 2)), np.full((3, 2), 0.25))
    assert np.isnan(report["f1_macro"].value)
    assert np.isnan(report["roc_auc_micro"].value)
    assert report["hamming_loss"].value == 0
