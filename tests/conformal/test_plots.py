"""Pictures draw the tables' numbers, and what is printed of a region says it in words."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from scipy import sparse

from mlkit.conformal import LabelPowersetConformalClassifier
from mlkit.conformal._sizes import log10_of
from mlkit.conformal._words import counted_sets, short_number
from mlkit.conformal.validity import coverage_interval, coverage_test

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::mlkit.conformal.ConformalWarning")
LEVELS = (0.3, 0.5, 0.8, 0.9, 0.97)


@pytest.fixture(autouse=True)
def _no_figure_left():
    yield
    pyplot.close("all")


def drawn(n=300, n_labels=6, seed=0, a=0.3, b=0.8):
    rng = np.random.default_rng(seed)
    probs = rng.beta(a, b, (n, n_labels))
    return probs, (rng.random(probs.shape) < probs).astype(np.int8)


def calibrated(score="log", kind="dense", n_labels=6, n=300, **options):
    probs, labels = drawn(n + 150, n_labels)
    if kind == "sparse":
        probs = np.where(probs < 0.1, 0, probs)
    given = sparse.csr_array(probs[150 : 150 + n]) if kind == "sparse" else probs[150 : 150 + n]
    n_fit = 8 if score == "pair_unseen" else 150  # too few for all pairs of labels to be seen
    clf = LabelPowersetConformalClassifier(score=score, **options).fit_proba(probs[:n_fit], labels[:n_fit])
    assert score != "pair_unseen" or 0 < clf.form_.n_seen_pairs < n_labels * (n_labels - 1) // 2
    clf.conformalize_proba(probs[:150], labels[:150])
    return clf.predict_region_proba(given), labels[150 : 150 + n]


def render(ax):
    """Draw for real: only then do layout, text and ticks show what is wrong with them."""
    ax.figure.canvas.draw()
    return ax


def dense(answer):
    return answer.toarray() if sparse.issparse(answer) else answer


# -------------------------------------------------------------------------------------------------- level after level


FORMS = [(score, kind) for score in ("log", "l1", "linf", "hamming") for kind in ("dense", "sparse")]


@pytest.mark.parametrize(("score", "kind"), [*FORMS, ("mahalanobis", "dense"), ("pair_unseen", "dense")])
@pytest.mark.parametrize("options", [{}, {"allow_empty": False}, {"smoothing": True, "random_state": 0}])
def test_the_table_of_levels_says_what_the_regions_say(score, kind, options):
    regions, truth = calibrated(score, kind, **options)
    table = regions.by_level(truth, LEVELS[::-1])
    assert table["confidence_level"].tolist() == list(LEVELS)
    for row in table.itertuples():
        part = regions.at(row.confidence_level)
        outer = dense(part.outer)
        assert row.certain == pytest.approx(dense(part.certain).sum() / 300)
        assert row.undecided == pytest.approx(dense(part.undecided).sum() / 300)
        assert row.excluded == pytest.approx((~outer).sum() / 300)
        assert row.empty == part.is_empty.mean()
        covered = part.contains(truth)
        assert row.coverage == covered.mean()
        assert (row.coverage_low, row.coverage_high) == coverage_interval(150, row.confidence_level, 300)
        assert row.p_value == coverage_test(covered, 150, row.confidence_level)
    assert list(regions.by_level().columns) == ["confidence_level", "certain", "undecided", "excluded", "empty"]
    assert regions.by_level()["confidence_level"].tolist() == [round(0.01 * k, 2) for k in range(50, 100)]


def test_levels_are_judged():
    regions, truth = calibrated()
    assert regions.by_level(levels=0.7)["confidence_level"].tolist() == [0.7]
    for levels, error, message in (
        ([], ValueError, "levels: expected at least one number"),
        ([0.9, 90], ValueError, r"levels: expected a number in \(0, 1\), got 90 \(did you mean 0.9"),
        (["high"], TypeError, "levels: expected a number"),
        ("high", TypeError, "levels: expected a number"),
    ):
        for ask in (regions.by_level, regions.plot_size, regions.plot_certain):
            with pytest.raises(error, match=message):
                ask(levels=levels)
        with pytest.raises(error, match=message):
            regions.plot_coverage(truth, levels)
    with pytest.raises(ValueError, match=r"level: expected a number in \(0, 1\), got 1"):
        regions.plot_coverage(truth, level=1)
    with pytest.raises(ValueError, match="y: expected shape"):
        regions.plot_coverage(truth[:10])


# ----------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("score", ["log", "mahalanobis", "pair_unseen"])
def test_the_line_of_sizes_is_the_share_of_examples_with_at_most_so_many_sets(score):
    regions, _ = calibrated(score)
    ax = render(regions.plot_size([0.5, 0.9]))
    assert len(ax.get_lines()) == 2
    for level, line in zip((0.5, 0.9), ax.get_lines()):
        sizes = np.array([region.count() for region in regions.at(level)])
        x, y = line.get_data()
        for most in (1, 2, 5, 10, 64):
            drawn_share = max((share for at, share in zip(x, y) if at <= np.log10(most) + 1e-9), default=0.0)
            assert drawn_share == pytest.approx((sizes <= most).mean())
        median = int(np.sort(sizes)[(len(sizes) - 1) // 2])
        assert line.get_label() == f"{level:g}: half of the examples have at most {counted_sets(median, median)}"
    has_empty = bool(regions.at(0.5).is_empty.any())
    assert ("none" in [tick.get_text() for tick in ax.get_xticklabels()]) == has_empty
    assert ax.get_xlabel() == "label sets in the region (of 64)"
    assert not ax.collections[0].get_array()


def test_bounds_of_sizes_are_a_band():
    probs, labels = drawn(1020, 100, a=0.6, b=1.6)
    clf = LabelPowersetConformalClassifier(score="l2", confidence_level=0.99)
    regions = clf.conformalize_proba(probs[:1000], labels[:1000]).predict_region_proba(probs[1000:])
    lower, upper, exact = regions.size()
    assert not exact.any()
    ax = render(regions.plot_size())
    [band] = [c for c in ax.collections if hasattr(c, "get_paths") and len(c.get_paths()[0].vertices) > 10]
    x = band.get_paths()[0].vertices[:, 0]
    assert x.min() == pytest.approx(min(map(log10_of, lower)))
    assert x.max() == pytest.approx(max(map(log10_of, upper)))
    assert ax.get_xlabel() == "label sets in the region (of 1.2e30)"


@pytest.mark.parametrize("score", ["log", "linf", "mahalanobis", "pair_unseen"])
def test_the_areas_of_labels_add_up_to_all_of_them(score):
    regions, _ = calibrated(score)
    table = regions.by_level()
    ax = render(regions.plot_certain())
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [name.split(":")[0] for name in names[:2]] == ["certain", "undecided"]
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in ax.collections]
    assert tops[0] == pytest.approx(table["certain"].max())
    assert tops[-1] == pytest.approx(6)
    assert ("of a region without a set" in names) == bool(table["empty"].any())
    assert ax.get_ylabel() == "labels of an example (of 6)"
    [own] = ax.get_lines()
    assert own.get_xdata() == [0.9, 0.9]


@pytest.mark.parametrize("score", ["log", "mahalanobis", "pair_unseen"])
def test_the_line_of_coverage_is_what_was_observed(score):
    regions, truth = calibrated(score)
    table = regions.by_level(truth)
    ax = render(regions.plot_coverage(truth))
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["observed"].get_ydata().tolist() == table["coverage"].tolist()
    assert lines["promised"].get_ydata().tolist() == table["confidence_level"].tolist()
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(table["coverage_low"].min())
    assert band.max() == pytest.approx(table["coverage_high"].max())


def test_coverage_outside_its_band_is_pointed_out():
    regions, truth = calibrated()
    wrong = 1 - truth
    ax = render(regions.plot_coverage(wrong, [0.8, 0.9]))
    assert "too low: 2 levels" in [text.get_text() for text in ax.get_legend().get_texts()]
    tied, truth = calibrated("hamming")
    ax = render(tied.plot_coverage(truth))
    [higher] = [text.get_text() for text in ax.get_legend().get_texts() if text.get_text().startswith("higher")]
    table = tied.by_level(truth)
    assert higher == f"higher than need be: {(table['coverage'] > table['coverage_high']).sum()} levels"


DRAW = [
    lambda regions, truth, **how: regions.plot_size([0.8, 0.9], **how),
    lambda regions, truth, **how: regions.plot_certain(**how),
    lambda regions, truth, **how: regions.plot_coverage(truth, **how),
]


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    "case", ["one example", "sparse", "thousand labels", "unseen pairs", "trivial", "mostly empty"]
)
def test_what_is_drawn_lies_inside_the_picture(draw, case):
    if case == "many labels":
        regions, truth = calibrated(n_labels=1000)
    elif case == "trivial":
        regions, truth = calibrated()
        regions = regions.at(0.999)
    elif case == "mostly empty":
        regions, truth = calibrated("l1")
        regions = regions.at(0.01)
    elif case == "one example":
        regions, truth = calibrated(n=1)
    elif case == "unseen pairs":
        regions, truth = calibrated("pair_unseen")
    else:
        regions, truth = calibrated(kind="sparse")
    ax = render(draw(regions, truth))
    frame, (low, high) = ax.figure.bbox, ax.get_xlim()
    ticks = [tick for tick in ax.get_xticklabels() if low <= tick.get_position()[0] <= high]
    texts = [*ticks, ax.xaxis.label, ax.yaxis.label, *ax.get_legend().get_texts()]
    for box in (text.get_window_extent() for text in texts if text.get_text()):
        assert frame.x0 - 1 <= box.x0
        assert box.x1 <= frame.x1 + 1
        assert frame.y0 - 1 <= box.y0
        assert box.y1 <= frame.y1 + 1
    boxes = [tick.get_window_extent() for tick in ticks]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(sorted(boxes, key=lambda box: box.x0)))
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1


@pytest.mark.parametrize("draw", DRAW)
def test_the_callers_axes_are_drawn_on_and_nothing_else_changes(draw):
    regions, truth = calibrated()
    settings = dict(matplotlib.rcParams)
    ax, other = Figure().subplots(1, 2)
    assert draw(regions, truth, ax=ax) is ax
    assert pyplot.get_fignums() == []
    assert not other.has_data()
    own = draw(regions, truth)
    assert pyplot.get_fignums() == [own.figure.number]
    assert dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize("draw", DRAW)
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    regions, truth = calibrated()
    for module in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"plotting needs matplotlib: pip install 'multilabelkit\[plot\]'"):
        draw(regions, truth)
    assert repr(regions)
    assert regions._repr_html_()


# -------------------------------------------------------------------------------------------------------------- text


def named(names, probs=(0.97, 0.96, 0.5, 0.4, 0.03), level=0.8):
    rng = np.random.default_rng(0)
    calibration = rng.beta(0.3, 0.8, (99, 5))
    import pandas as pd

    labels = (rng.random(calibration.shape) < calibration).astype(int)
    clf = LabelPowersetConformalClassifier(score="log", confidence_level=level)
    clf.conformalize_proba(pd.DataFrame(calibration, columns=names), pd.DataFrame(labels, columns=names))
    return clf.predict_region_proba(pd.DataFrame([probs] * 5, columns=names))


def test_a_region_says_what_is_certain_and_how_many_are_open():
    regions = named(["politics", "oil", "gas", "tax", "sport"])
    region = regions[0]
    assert region.certain == ("politics", "oil")
    assert region.undecided == ("gas", "tax")
    assert repr(region) == "{politics, oil} + 2 undecided; 4 sets; p > 0.2"
    lines = repr(regions).splitlines()
    assert lines[0] == "RegionArray: 5 examples x 5 labels, p > 0.2"
    assert lines[1:4] == [f"  {i}: {{politics, oil}} + 2 undecided; 4 sets" for i in range(3)]
    assert lines[4:] == ["  ... 2 more"]
    assert len(repr(regions[:3]).splitlines()) == 4
    html = region._repr_html_()
    assert "<b>{politics, oil} + 2 undecided; 4 sets; p &gt; 0.2</b>" in html
    for text in ("in every label set", ">politics, oil<", ">gas, tax<", ">1 label<", "0.8"):
        assert text in html
    table = regions._repr_html_()
    assert table.count("<td") == 5 * 5
    assert ">politics, oil<" in table
    assert ">4 sets<" in table
    assert "more</p>" not in table
    assert "<p>... 2 more</p>" in calibrated(n=12)[0]._repr_html_()


def test_names_are_shown_as_they_are():
    names = ["<script>", "a & b", "x" * 90, "d", "e"]
    regions = named(names)
    for html in (regions._repr_html_(), regions[0]._repr_html_()):
        assert "<script>" not in html
        assert "&lt;script&gt;, a &amp; b" in html
        assert "x" * 60 not in html


def test_an_empty_and_an_endless_region_are_said_to_be_so():
    empty = calibrated("l1")[0].at(0.01)
    empty = empty[int(np.argmax(empty.is_empty)) :]
    assert empty[0].is_empty
    assert repr(empty[0]) == "empty; p > 0.99"
    assert "unlike them" in empty[0]._repr_html_()
    assert "no label set is plausible" in empty._repr_html_()
    trivial = calibrated()[0].at(0.999)[0]
    assert repr(trivial) == "{} + 6 undecided; 64 sets; p > 0.001"
    assert "too few calibration examples" in trivial._repr_html_()


def test_numbers_of_any_size_are_shown_and_bounds_stay_bounds():
    assert [short_number(n) for n in (0, 1, 999_999, 10**6, 18_014_398_509_481_984)] == [
        "0",
        "1",
        "999,999",
        "1.0e6",
        "1.8e16",
    ]
    assert short_number(2**40_000) == "1.5e12041"
    assert (short_number(1_999_999), short_number(1_999_999, up=True)) == ("1.9e6", "2.0e6")
    assert (short_number(9_990_000), short_number(9_990_000, up=True)) == ("9.9e6", "1.0e7")
    assert short_number(2_000_000, up=True) == "2.0e6"
    for k in (7, 15, 22, 100, 308, 309, 5000):
        assert short_number(10**k) == short_number(10**k, up=True) == f"1.0e{k}"
        assert short_number(10**k - 1) == f"9.9e{k - 1}"
        assert short_number(10**k - 1, up=True) == f"1.0e{k}"
        assert log10_of(10**k) == pytest.approx(k, abs=1e-9)
    assert counted_sets(1, 1) == "1 set"
    assert counted_sets(1_000_001, 1_000_002) == "1.0e6 to 1.1e6 sets"


def test_regions_of_more_sets_than_a_float_holds_are_described():
    n_labels = 20_000
    probs = sparse.csr_array((np.full(9, 0.5), (range(9), range(9))), shape=(9, n_labels))
    labels = sparse.csr_array((np.ones(9, np.int8), (range(9), range(0, 18, 2))), shape=(9, n_labels))
    clf = LabelPowersetConformalClassifier(confidence_level=0.95).conformalize_proba(probs, labels)
    regions = clf.predict_region_proba(probs)
    assert repr(regions[0]) == "{} + 20,000 undecided; 3.9e6020 sets; p > 0.05"
    with pytest.raises(OverflowError, match=r"len: 3\.9e6020 sets are more than a len can say"):
        len(regions[0])
    ax = render(regions.plot_size())
    assert ax.get_lines()[0].get_xdata().max() == pytest.approx(6020.6, abs=0.01)
