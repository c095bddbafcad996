"""Pictures draw the tables' numbers, whatever the names and counts, and leave the caller's figures alone."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy import sparse

import mlkit
from mlkit.labels import as_label_matrix
from reference.quality_inputs import as_csr

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

NAMES = [
    "cat",
    "costs $5 or $10",
    "<script>&\n_",
    "the name of a label that goes on and on, as names of labels sometimes do",
]


@pytest.fixture(autouse=True)
def _no_figure_left():
    yield
    pyplot.close("all")


def drawn(n=600, n_labels=4, seed=0, wrong=0.05):
    rng = np.random.default_rng(seed)
    probs = 1 / (1 + np.exp(-rng.normal(-1, 4, (n, n_labels))))
    return (rng.random(probs.shape) < probs) ^ (rng.random(probs.shape) < wrong), probs


def render(ax):
    """Draw for real: only then do layout, text and ticks show what is wrong with them."""
    ax.figure.canvas.draw()
    return ax


def bars(ax):
    """Names and lengths of the bars of plot_labels, in the order of the picture from top to bottom."""
    names = [text.get_text().split("   n = ")[0] for text in ax.get_yticklabels()]
    spurious, missing = ([bar.get_width() for bar in group] for group in ax.containers)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    return names, spurious, missing


# --------------------------------------------------------------------------------------------------------- plot_labels


@pytest.mark.parametrize(("n_labels", "top"), [(1, 20), (3, 20), (40, 20), (40, 7), (1000, 20)])
def test_bars_are_the_numbers_of_flagged_cells_and_texts_their_shares(n_labels, top):
    audit = mlkit.audit(*drawn(200, n_labels, wrong=0.1))
    frame = audit.labels.assign(n=lambda f: f["spurious_n"] + f["missing_n"])
    frame = frame.sort_values("n", ascending=False, kind="stable").head(top)
    ax = render(audit.plot_labels(top=top))
    names, spurious, missing = bars(ax)
    assert names == [str(label) for label in frame["label"]]
    assert spurious == (-frame["spurious_n"]).tolist()
    assert missing == frame["missing_n"].tolist()
    texts = [text.get_text() for text in ax.texts]
    for side, shown in (("spurious", texts[: len(frame)]), ("missing", texts[len(frame) :])):
        assert shown == [f"{100 * s:.2g} %" if n else "" for n, s in zip(frame[f"{side}_n"], frame[f"{side}_share"])]
    supports = [text.get_text().split("n = ")[1] for text in ax.get_yticklabels()]
    assert supports == [f"{support:,}" for support in frame["support"]]
    rest = f"\nthe {top} most flagged of {n_labels:,} labels" if top < n_labels else ""
    assert ax.get_xlabel() == f"flagged cells: candidates for review{rest}"


def test_what_is_drawn_lies_inside_the_picture():
    labels, probs = drawn()
    for n_labels, names in ((4, NAMES), (1, ["x"]), (4, ["Wide Name " * 20, *"abc"])):
        audit = mlkit.audit(labels[:, :n_labels], probs[:, :n_labels], label_names=names)
        for ax in (audit.plot_labels(), audit.plot_labels(top=1), audit.plot_score_hist(), audit.plot_score_hist(0)):
            figure = render(ax).figure
            frame = figure.bbox
            names = ax.get_yticklabels() if ax.get_yscale() == "linear" else []
            texts = [*names, ax.xaxis.label, ax.yaxis.label, *ax.get_legend().get_texts(), *ax.texts]
            for box in (text.get_window_extent() for text in texts if text.get_text()):
                assert frame.x0 - 1 <= box.x0
                assert box.x1 <= frame.x1 + 1
                assert frame.y0 - 1 <= box.y0
                assert box.y1 <= frame.y1 + 1
            legend = ax.get_legend().get_window_extent()
            assert legend.y0 >= ax.get_window_extent().y1 - 1  # above the bars, never on them


def test_names_are_shown_as_they_are_on_one_line_and_not_too_long():
    ax = render(mlkit.audit(*drawn(), label_names=NAMES).plot_labels())
    names = set(bars(ax)[0])
    assert {"cat", r"costs \$5 or \$10", "<script>& _", "the name of a label that goes o…"} == names
    assert max(map(len, names)) <= 34
    title = mlkit.audit(*drawn(), label_names=NAMES).plot_score_hist(NAMES[1])
    assert render(title).get_xlabel() == r"probability of costs \$5 or \$10"


@pytest.mark.parametrize("side", ["missing", "spurious"])
def test_flags_on_one_side_fill_the_picture(side):
    rng = np.random.default_rng(0)
    truth = rng.random((500, 5)) < 0.5
    wrong = (rng.random(truth.shape) < 0.1) & (truth if side == "missing" else ~truth)
    audit = mlkit.audit(truth ^ wrong, np.where(truth, 0.9, 0.1))
    ax = render(audit.plot_labels())
    other = "spurious" if side == "missing" else "missing"
    assert audit.labels[f"{side}_n"].sum() == wrong.sum()
    assert audit.labels[f"{other}_n"].sum() == 0
    low, high = ax.get_xlim()
    assert (low == 0) == (side == "missing")
    assert (high == 0) == (side == "spurious")
    assert all("-" not in tick.get_text() and "−" not in tick.get_text() for tick in ax.get_xticklabels())


def test_no_flag_at_all_is_said():
    labels = np.tile([[1, 0], [0, 1]], (20, 1))
    audit = mlkit.audit(labels, np.where(labels, 0.75, 0.25))
    ax = render(audit.plot_labels())
    assert ax.get_xlabel() == "no cell is flagged"
    assert bars(ax)[1:] == ([0, 0], [0, 0])
    render(audit.plot_score_hist())
    render(audit.plot_score_hist(1))


def test_top_is_at_least_one():
    with pytest.raises(ValueError, match="top: expected an integer >= 1, got 0"):
        mlkit.audit(*drawn()).plot_labels(top=0)


# ----------------------------------------------------------------------------------------------------- plot_score_hist


def histogram(values):
    return np.histogram(values, np.linspace(0, 1, 51))[0]


def heights(container):
    return np.array([bar.get_height() for bar in container])


def test_the_histogram_of_examples_shows_all_and_those_with_a_flag():
    labels, probs = drawn()
    labels = labels.astype(np.int8)
    labels[::7] = -1
    audit = mlkit.audit(labels, probs)
    ax = render(audit.plot_score_hist())
    flagged = audit.examples()["score"]
    every, with_flag = ax.containers
    np.testing.assert_array_equal(heights(every), histogram(audit.scores[~np.isnan(audit.scores)]))
    np.testing.assert_array_equal(heights(with_flag), histogram(flagged))
    assert [bar.get_y() for bar in with_flag] == [0] * 50
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == [f"all: {np.count_nonzero(~np.isnan(audit.scores))}", f"with a flagged cell: {len(flagged)}"]
    assert ax.get_yscale() == "log"
    assert ax.get_ylim()[1] > heights(every).max()


@pytest.mark.parametrize("form", ["dense", "sparse", "unknown", "positive only", "clipped"])
def test_the_histogram_of_a_label_shows_its_cells_by_what_was_given(form):
    labels, probs = drawn(wrong=0.15)
    labels = labels.astype(np.int8)
    given, scores, filter_by = labels, probs, "prune_by_noise_rate"
    if form == "sparse":
        probs = np.where(probs < 0.2, 0, probs)
        given, scores = sparse.csr_array(labels), as_csr(probs)
    elif form == "unknown":
        labels[::3, 1] = -1
    elif form == "positive only":
        given, filter_by = as_label_matrix(sparse.csr_array(labels), background="unknown"), "predicted_neq_given"
        labels[labels == 0] = -1
    elif form == "clipped":
        scores = np.where(probs > 0.9, 1 + 5e-7, probs)
        probs = scores.clip(0, 1)
    names = list("abcd")
    audit = mlkit.audit(given, scores, label_names=names, filter_by=filter_by)
    ax = render(audit.plot_score_hist("b"))
    cells = audit.cells(label="b")
    expected = {
        "not given": probs[labels[:, 1] == 0, 1],
        "flagged as missing": cells.loc[cells["direction"] == "missing", "p"],
        "flagged as spurious": cells.loc[cells["direction"] == "spurious", "p"],
    }
    assert len(cells)
    for container, (name, values) in zip(ax.containers, expected.items()):
        np.testing.assert_array_equal(heights(container), histogram(values))
        assert container[0].get_label() == f"{name}: {len(values)}"
    with_label = probs[labels[:, 1] == 1, 1]
    [outline] = [patch for patch in ax.patches if patch.get_label().startswith("given")]
    assert outline.get_label() == f"given: {len(with_label)}"
    np.testing.assert_array_equal(outline.get_xy()[1:-1:2, 1], histogram(with_label))
    assert ax.get_xlabel() == "probability of b"


def test_the_two_kinds_of_flags_have_the_same_colours_everywhere():
    audit = mlkit.audit(*drawn())
    bars_of_labels = [to_hex(group[0].get_facecolor()) for group in audit.plot_labels().containers]
    histogram_of_label = [to_hex(group[0].get_facecolor()) for group in audit.plot_score_hist(0).containers]
    assert bars_of_labels == histogram_of_label[:0:-1]


def test_a_label_that_does_not_exist_is_named():
    audit = mlkit.audit(*drawn(), label_names=list("abcd"))
    with pytest.raises(ValueError, match="label: expected one of 'a', 'b', 'c', 'd', got 'e'"):
        audit.plot_score_hist("e")


def test_data_without_a_known_cell_are_drawn():
    audit = mlkit.audit(np.full((20, 2), -1), np.full((20, 2), 0.5))
    for ax in (audit.plot_labels(), audit.plot_score_hist(), audit.plot_score_hist(0)):
        render(ax)


# ------------------------------------------------------------------------------------------- figures and missing extra


@pytest.mark.parametrize(
    "draw", [lambda audit, **how: audit.plot_labels(**how), lambda audit, **how: audit.plot_score_hist(**how)]
)
def test_the_callers_axes_are_drawn_on_and_nothing_else_changes(draw):
    audit = mlkit.audit(*drawn())
    settings = dict(matplotlib.rcParams)
    figure = Figure()
    ax, other = figure.subplots(1, 2)
    assert draw(audit, ax=ax) is ax
    assert pyplot.get_fignums() == []
    assert not other.has_data()
    own, _ = pyplot.subplots()
    draw(audit, ax=ax)
    assert pyplot.gcf() is own
    assert dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize("draw", [lambda audit: audit.plot_labels(), lambda audit: audit.plot_score_hist(0)])
def test_without_axes_one_new_figure_is_made(draw):
    own, own_ax = pyplot.subplots()
    settings = dict(matplotlib.rcParams)
    ax = draw(mlkit.audit(*drawn()))
    assert len(pyplot.get_fignums()) == 2
    assert ax.figure is not own
    assert not own_ax.has_data()
    assert dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize("draw", [lambda audit: audit.plot_labels(), lambda audit: audit.plot_score_hist()])
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    audit = mlkit.audit(*drawn())
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"plotting needs matplotlib: pip install 'multilabelkit\[plot\]'"):
        draw(audit)


def test_an_audit_needs_no_matplotlib(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    audit = mlkit.audit(*drawn())
    assert len(audit.cells())
    assert audit._repr_html_()
