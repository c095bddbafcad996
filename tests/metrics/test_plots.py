"""Pictures of a report draw its numbers, for any names, forms and sizes, and leave the caller's figures alone."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import auc, precision_recall_curve, roc_curve

import mlkit
from mlkit.metrics import MetricState
from reference.metrics_inputs import as_csr

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

NAMES = ["cat", "costs $5 or $10", "<b>&\n_", "the name of a label that goes on and on, as they sometimes do", "never"]


@pytest.fixture(autouse=True)
def _no_figure_left():
    yield
    pyplot.close("all")


def problem(n=500, seed=0, unknown=0.0, digits=3):
    rng = np.random.default_rng(seed)
    score = np.clip(rng.normal([0.5, 0.4, 0.3, 0.2, 0.1], 0.25, (n, 5)), 0, 1).round(digits)
    truth = (rng.random(score.shape) < score).astype(np.int8)
    truth[:, 4] = 0
    truth[rng.random(truth.shape) < unknown] = -1
    return truth, score


def render(ax):
    """Draw for real: only then do layout, text and ticks show what is wrong with them."""
    ax.figure.canvas.draw()
    return ax


def lines(ax):
    """What each curve of the legend draws."""
    found = {}
    for line in ax.get_lines():
        if not line.get_label().startswith("_"):
            found[line.get_label()] = np.array(line.get_data(), float)
    return found


@pytest.mark.parametrize("form", ["dense", "csr", "unknown", "weights"])
def test_the_area_of_the_steps_is_the_average_precision(form):
    truth, score = problem(unknown=0.2 if form == "unknown" else 0)
    weight = np.arange(1, 501) / 100 if form == "weights" else None
    if form == "csr":
        truth, score = as_csr(truth), as_csr(score)
    report = mlkit.evaluate(truth, score, sample_weight=weight, label_names=NAMES)
    drawn = lines(render(report.plot_pr(labels=NAMES)))
    assert len(drawn) == 6
    for at, (legend, (recall, precision)) in enumerate(drawn.items()):
        if legend.startswith("never"):
            assert legend == "never: no positive"
            continue
        area = float(np.sum(np.diff(recall) * precision[1:]))
        of = report["average_precision_micro"].value if at == 0 else report.per_label["average_precision"][at - 1]
        assert area == pytest.approx(of, abs=1e-9)
        assert legend.endswith(f": AP {of:.3f}")


@pytest.mark.parametrize("form", ["dense", "csr", "unknown"])
def test_the_area_below_is_the_roc_auc(form):
    truth, score = problem(unknown=0.2 if form == "unknown" else 0)
    if form == "csr":
        truth, score = as_csr(truth), sparse.csr_array(as_csr(score))
    report = mlkit.evaluate(truth, score)
    drawn = list(lines(render(report.plot_roc(labels=range(5)))).items())
    assert drawn[5][0] == "label 4: no positive"
    for at, (legend, (x, y)) in enumerate(drawn[:5]):
        of = report["roc_auc_micro"].value if at == 0 else report.per_label["roc_auc"][at - 1]
        assert auc(x, y) == pytest.approx(of, abs=1e-9)
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert legend.endswith(f": AUC {of:.3f}")


def test_curves_go_through_the_points_of_scikit_learn():
    truth, score = problem(digits=2)
    report = mlkit.evaluate(truth, score)
    recall, precision = lines(report.plot_pr(labels=[1]))[f"label 1: AP {report.per_label['average_precision'][1]:.3f}"]
    p, r, _ = precision_recall_curve(truth[:, 1], score[:, 1])
    theirs = set(zip(r.round(9).tolist(), p.round(9).tolist()))
    assert set(zip(recall[1:].round(9).tolist(), precision[1:].round(9).tolist())) <= theirs
    x, y = lines(report.plot_roc(labels=[1]))[f"label 1: AUC {report.per_label['roc_auc'][1]:.3f}"]
    false, true, _ = roc_curve(truth[:, 1], score[:, 1])
    for a, b in zip(false, true):  # each point is on the curve, on a rise of it perhaps
        low, high = np.interp([a - 1e-9, a + 1e-9], x, y, left=0, right=1)
        assert low - 1e-6 <= b <= high + 1e-6


def test_long_curves_are_thinned_and_keep_their_ends_and_area():
    rng = np.random.default_rng(0)
    score = rng.random((40_000, 2))
    truth = rng.random(score.shape) < score
    report = mlkit.evaluate(truth, score)
    recall, precision = next(iter(lines(report.plot_pr(labels=[])).values()))
    x, y = next(iter(lines(report.plot_roc(labels=[])).values()))
    assert recall.size == 2001
    assert x.size == 4002
    assert (recall[-1], x[-1], y[-1]) == (1, 1, 1)
    area = float(np.sum(np.diff(recall) * precision[1:]))
    assert area == pytest.approx(report["average_precision_micro"].value, abs=1e-3)
    assert auc(x, y) == pytest.approx(report["roc_auc_micro"].value, abs=1e-4)


def test_labels_with_the_most_positives_are_drawn_unasked():
    rng = np.random.default_rng(0)
    truth = rng.random((200, 9)) < np.linspace(0.1, 0.9, 9)
    truth[:, 8] = False
    report = mlkit.evaluate(truth, rng.random(truth.shape))
    assert [x.split(":")[0] for x in lines(report.plot_roc())] == [
        "all cells",
        *(f"label {j}" for j in (7, 6, 5, 4, 3)),
    ]


@pytest.mark.parametrize("label", [None, "cat", 1, "never"])
@pytest.mark.parametrize("form", ["dense", "csr", "unknown"])
def test_points_of_reliability_are_the_bins(label, form):
    truth, score = problem(unknown=0.2 if form == "unknown" else 0)
    table = mlkit.metrics.reliability_curve(truth, score, average=None if label is not None else "micro")
    if form == "csr":
        truth, score = as_csr(truth), as_csr(score)
    report = mlkit.evaluate(truth, score, label_names=NAMES)
    ax = render(report.plot_reliability(label))
    if label is not None:
        table = table[table["label"] == (NAMES.index(label) if isinstance(label, str) else label)]
    points = ax.containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(points, table[["mean_probability", "share_positive"]], atol=1e-12)
    bars = ax.child_axes[0].containers[0]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(table["weight"].sum())
    assert f"calibration error {report['expected_calibration_error'].value:.3g}" in ax.texts[0].get_text() or label


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "jaccard", "roc_auc", "average_precision"])
@pytest.mark.parametrize("top", [20, 2])
def test_labels_are_drawn_worst_first_with_their_intervals(metric, top):
    truth, score = problem()
    report = mlkit.evaluate(truth, score, label_names=NAMES)
    ax = render(report.plot_labels(metric, top=top))
    expected = report.per_label[report.per_label["support"] > 0].sort_values(metric)[:top]
    np.testing.assert_allclose(ax.get_lines()[0].get_xdata(), expected[metric])
    assert [text.get_text().split("   n = ")[1] for text in ax.get_yticklabels()] == [
        f"{n:,}" for n in expected["support"]
    ]
    assert "1 without a value not shown" in ax.get_xlabel()
    assert ("the 2 worst of 4 labels" in ax.get_xlabel()) == (top == 2)
    if metric in ("roc_auc", "average_precision"):
        ends = np.array([segment[:, 0] for segment in ax.collections[0].get_segments()])
        np.testing.assert_allclose(ends, expected[[f"{metric}_low", f"{metric}_high"]])


def test_wilsons_intervals_are_those_of_the_definition():
    from mlkit.metrics._intervals import wilson_intervals

    low, high = wilson_intervals(np.array([0.0, 3.0, 10.0]), np.array([10.0, 10.0, 10.0]), 1.959964)
    np.testing.assert_allclose(low, [0, 0.10779, 0.72247], atol=1e-5)
    np.testing.assert_allclose(high, [0.27753, 0.60322, 1], atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (50, 40)])
def test_any_size_is_drawn(shape):
    rng = np.random.default_rng(0)
    score = rng.random(shape)
    for truth in (rng.random(shape) < score, np.zeros(shape, int), np.ones(shape, int)):
        report = mlkit.evaluate(truth, score)
        for ax in (report.plot_pr(), report.plot_roc(), report.plot_reliability(), report.plot_labels("roc_auc")):
            render(ax)
        pyplot.close("all")


@pytest.mark.parametrize("form", ["dense", "csr"])
def test_a_report_can_be_sent_and_drawn_elsewhere(form):
    truth, score = problem()
    truth, score = (as_csr(truth), as_csr(score)) if form == "csr" else (truth, score)
    report = mlkit.evaluate(truth, score, sample_weight=np.arange(1, 501), n_boot=5)
    again = pickle.loads(pickle.dumps(report))
    assert again.to_json() == report.to_json()
    for name in ("plot_pr", "plot_roc"):
        mine, theirs = (lines(getattr(r, name)()) for r in (report, again))
        assert mine.keys() == theirs.keys()
        assert all((mine[key] == theirs[key]).all() for key in mine)
    render(again.plot_reliability())
    assert (report.compare(again)["p_value"] == 1).all()


def test_axes_of_the_caller_are_used():
    truth, score = problem()
    report = mlkit.evaluate(truth, score)
    for plot in (report.plot_pr, report.plot_roc, report.plot_reliability, report.plot_labels):
        ax = Figure().subplots()
        assert plot(ax=ax) is ax
    assert not pyplot.get_fignums()


BAD = [
    (lambda r: r.plot_pr(["cow"]), ValueError, "labels: expected names of labels, got 'cow'"),
    (lambda r: r.plot_roc([9]), ValueError, r"labels: expected an integer in \[0, 4\], got 9"),
    (lambda r: r.plot_pr("cat"), TypeError, "labels: expected a sequence of label numbers or names, got str 'cat'"),
    (lambda r: r.plot_reliability("cow"), ValueError, "labels: expected names of labels, got 'cow'"),
    (lambda r: r.plot_labels("f2"), ValueError, "metric: expected one of 'f1', 'precision', .*, got 'f2'"),
    (lambda r: r.plot_labels(top=0), ValueError, "top: expected an integer >= 1, got 0"),
]


@pytest.mark.parametrize(("call", "kind", "message"), BAD)
def test_bad_arguments_are_named(call, kind, message):
    truth, score = problem()
    with pytest.raises(kind, match=message):
        call(mlkit.evaluate(truth, score, label_names=NAMES))


def test_what_a_report_does_not_hold_is_not_drawn():
    truth, score = problem()
    with pytest.raises(
        ValueError, match=r"plot_reliability: expected probabilities in \[0, 1\], got a report of other"
    ):
        mlkit.evaluate(truth, 3 * score).plot_reliability()
    for report in (
        mlkit.evaluate(truth, y_pred=score > 0.5),
        MetricState(5, metrics=["f1_macro"]).update(truth, score).compute(),
    ):
        with pytest.raises(ValueError, match="plot_roc: expected a report of y_score"):
            report.plot_roc()
        with pytest.raises(ValueError, match="metric: expected one that the report has, got 'roc_auc'"):
            report.plot_labels("roc_auc")
        render(report.plot_labels())


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch):
    truth, score = problem()
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"plotting needs matplotlib: pip install 'multilabelkit\[plot\]'"):
        mlkit.evaluate(truth, score).plot_pr()
