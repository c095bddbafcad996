"""An audit's evidence: what it says, in which order, and that it keeps silent where there is nothing."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import mlkit
from mlkit.labels import as_label_matrix
from mlkit.quality import label_pair_issues, row_order_scan, rule_violations

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

NAMES = ["animal", "dog", "poodle", "cat", "car", "boat"]
PARENTS = [-1, 0, 1, 0, -1, -1]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def clean(rng, n=1200, n_labels=8, mean=-1.5, spread=2.5):
    probs = sigmoid(rng.normal(rng.normal(mean, 0.7, n_labels), spread, (n, n_labels)))
    return (rng.random(probs.shape) < probs).astype(np.int8), probs


def shifted(rng, n=3000, n_labels=30, row=1800):
    """Labels one column off from ``row`` on, and probabilities of a model that learned both labellings."""
    probs = sigmoid(rng.normal(rng.normal(-2, 1.5, n_labels), 1.5, (n, n_labels)))
    labels = rng.random(probs.shape) < probs
    labels[row:, :-1] = labels[row:, 1:]
    labels[row:, -1] = False
    return labels.astype(np.int8), (probs + np.roll(probs, -1, axis=1)) / 2


def kinds(audit):
    return audit.evidence["kind"].tolist()


@pytest.fixture(autouse=True)
def _no_figure_left():
    yield
    pyplot.close("all")


# ------------------------------------------------------------------------------------------------------------- silence


def test_right_labels_in_random_order_yield_no_evidence():
    """By chance one audit of a hundred has something to say."""
    n_told = 0
    for seed in range(120):
        rng = np.random.default_rng([1, seed])
        n_labels = int(rng.choice([3, 8, 25]))
        n_told += len(mlkit.audit(*clean(rng, 600, n_labels)).evidence) > 0
    assert n_told <= 4  # binomial(120, 0.01): 4 or fewer with probability 0.99


def test_an_audit_without_evidence_says_nothing_of_it():
    audit = mlkit.audit(*clean(np.random.default_rng(2)))
    assert list(audit.evidence.columns) == ["kind", "text"]
    assert len(audit.evidence) == 0
    assert "Evidence" not in audit._repr_html_()
    assert repr(audit).splitlines()[1].startswith("  examples")
    assert json.loads(audit.to_json())["evidence"] == []
    for table in (audit.breaks(), audit.pairs(), audit.violations()):
        assert len(table) == 0
    for draw in (audit.plot_breaks, audit.plot_pairs, audit.plot_violations):
        draw().figure.canvas.draw()


# -------------------------------------------------------------------------------------------------------- what it says


def test_a_shift_is_told_first_and_the_tables_are_those_of_the_functions():
    rng = np.random.default_rng(3)
    labels, probs = shifted(rng)
    names = [f"topic {j}" for j in range(30)]
    audit = mlkit.audit(labels, probs, label_names=names)
    assert kinds(audit)[0] == "shift"
    text = audit.evidence["text"][0]
    assert text.startswith("break near row 1,800: labels shifted by +1 (1 column) after it; each column holds there wh")
    lines = repr(audit).splitlines()
    assert lines[1] == f"  ! {text}"
    assert f'<li title="shift">&#9888; {text.replace("<", "&lt;")}</li>' in audit._repr_html_()
    assert json.loads(audit.to_json())["evidence"] == audit.evidence.to_dict(orient="records")
    assert audit.breaks().equals(row_order_scan(labels, probs, label_names=names, level=0.01 / 3))
    assert pickle.loads(pickle.dumps(audit)).evidence.equals(audit.evidence)


@pytest.mark.parametrize(("lag", "words"), [(-1, "its neighbour on the left"), (2, "the one 2 columns to its right")])
def test_other_shifts_say_which_column_holds_what(lag, words):
    rng = np.random.default_rng(4)
    rates = rng.beta(0.5, 3, 20)
    labels = (rng.random((3000, 20)) < rates).astype(int)
    labels[1000:] = np.roll(labels[1000:], -lag, axis=1)
    audit = mlkit.audit(labels, np.clip(labels.mean(axis=0) + rng.normal(0, 0.01, labels.shape), 0, 1))
    assert f"labels shifted by {lag:+d} ({abs(lag)} column" in audit.evidence["text"][0]
    assert f"each column holds there what {words} held before" in audit.evidence["text"][0]


def test_part_of_the_columns_is_named_where_only_they_moved():
    rng = np.random.default_rng(5)
    rates = rng.beta(0.5, 3, 40)
    labels = (rng.random((4000, 40)) < rates).astype(int)
    labels[2000:, 15:-1], labels[2000:, -1] = labels[2000:, 16:], 0
    audit = mlkit.audit(labels, np.tile(labels.mean(axis=0), (4000, 1)), label_names=[f"c{j:02}" for j in range(40)])
    found = audit.breaks().iloc[0]
    first, last = f"c{found['lag_first']:02}", f"c{found['lag_last']:02}"
    assert f"each of the columns '{first}' to '{last}' holds there" in audit.evidence["text"][0]


def test_broken_rules_are_counted_and_placed():
    rng = np.random.default_rng(6)
    labels, probs = clean(rng, 2000, 6)
    labels[:, 0] |= labels[:, 1] | labels[:, 3]
    labels[:, 1] |= labels[:, 2]
    labels[:, 0] |= labels[:, 1]
    labels[1200:, 0] = 0  # from here on no animals
    rules = [("excludes", "car", "boat"), ("count", ["car", "boat"], 0, 1), ("implies", "boat", "car")]
    audit = mlkit.audit(
        labels, probs, label_names=NAMES, hierarchy=PARENTS, rules=rules, ids=[f"r{i}" for i in range(2000)]
    )
    orphans = np.argwhere(labels[1200:, [1, 3]] == 1)
    both = int(((labels[:, 4] == 1) & (labels[:, 5] == 1)).sum())
    only_boat = int(((labels[:, 4] == 0) & (labels[:, 5] == 1)).sum())
    texts = dict(audit.evidence.to_numpy().tolist())
    row = audit.breaks()["row"][0]
    assert texts["orphan"].startswith(f"{len(orphans):,} labels are given without their parent (orphans), in ")
    assert texts["orphan"].endswith(f"in rows {row:,} to 1,999")
    assert texts["excludes"] == (
        f"{both} pairs of labels are given together although one excludes the other, in {both} examples"
    )
    assert texts["count"] == f"{both} examples with more or fewer labels than the rules allow"
    assert texts["implies"].startswith(f"{only_boat} labels are given without what they imply, in {only_boat} examples")
    expected = rule_violations(labels, hierarchy=PARENTS, rules=rules, label_names=NAMES)
    found = audit.violations()
    assert found["id"].tolist() == [f"r{i}" for i in found["row"]]
    assert found.drop(columns="id").equals(expected)


def test_one_broken_rule_is_told_in_the_singular():
    labels, probs = clean(np.random.default_rng(7), 300, 6)
    labels[:, 1] = 0
    labels[:, 0] |= labels[:, 3]
    labels[:, 2] = 0
    labels[9, [1, 2]], labels[9, 0] = 1, 0
    labels[9, 3] = 0
    audit = mlkit.audit(labels, probs, hierarchy=PARENTS)
    assert audit.evidence["text"][0] == "1 label is given without its parent (an orphan), in 1 example"


def test_swapped_labels_are_told_with_what_chance_allows():
    rng = np.random.default_rng(8)
    truth = rng.random((2500, 6)) < 0.2
    probs = np.clip(np.where(truth, 0.95, 0.05) + rng.normal(0, 0.02, truth.shape), 0, 1)
    labels = (truth ^ (rng.random(truth.shape) < 0.02)).astype(np.int8)
    rows = rng.permutation(np.flatnonzero((labels[:, 3] == 1) & (labels[:, 1] == 0) & (probs[:, 3] > 0.5)))[:90]
    labels[rows, 3], labels[rows, 1] = 0, 1
    audit = mlkit.audit(labels, probs, label_names=NAMES)
    assert kinds(audit) == ["swap"]
    pair = audit.pairs().iloc[0]
    assert audit.evidence["text"][0].startswith(
        f"'dog' is given where 'cat' should be, in {pair['count']} examples (rows {pair['first_row']} to "
    )
    assert audit.pairs().equals(label_pair_issues(labels, probs, label_names=NAMES, level=0.01 / 3))


def test_a_careless_annotator_is_told_by_the_rows():
    rng = np.random.default_rng(9)
    truth = rng.random((4000, 10)) < 0.3
    probs = np.clip(0.1 + 0.8 * truth + rng.normal(0, 0.1, truth.shape), 0, 1)
    labels = truth.astype(np.int8)
    segment = slice(1500, 2000)
    flip = rng.random((500, 10)) < 0.12
    flip[:, 5:] = False
    # as many labels are dropped as are made up: frequencies stay as they are
    flip &= np.where(truth[segment], rng.random((500, 10)) < 1.0, rng.random((500, 10)) < 3 / 7)
    labels[segment] ^= flip
    audit = mlkit.audit(labels, probs)
    assert kinds(audit) == ["flags"]
    text = audit.evidence["text"][0]
    assert text.startswith("labels contradict the model at another rate after row 1,")
    rows = [int(part.replace(",", "")) for part in text.split("after row ")[1].split(" (")[0].split(", ")]
    np.testing.assert_allclose(rows[:2], [1500, 2000], atol=30)


def test_rows_in_an_order_of_their_own_are_told_once():
    rng = np.random.default_rng(10)
    labels, probs = clean(rng, 3000, 6)
    order = np.lexsort((rng.random(3000), *labels.T[:3]))
    audit = mlkit.audit(labels[order], probs[order])
    assert kinds(audit) == ["order"]
    assert audit.evidence["text"][0].startswith("rows are in an order of their own: labels are given at other rates")


def test_one_label_that_changes_is_named_last():
    rng = np.random.default_rng(11)
    labels, probs = clean(rng, 3000, 6)
    labels[1500:, 2] = 0
    audit = mlkit.audit(labels, probs, label_names=NAMES, rules=[("excludes", "car", "boat")])
    assert kinds(audit)[0] == "excludes"
    assert kinds(audit)[-1] == "break"
    assert "1 label is given at another rate after it ('poodle'; p < 1e-12)" in audit.evidence["text"].iloc[-1]
    unknown = np.zeros(labels.shape, bool)
    unknown[1500:, 2] = True
    assert kinds(mlkit.audit(labels, probs, unknown=unknown)) == []


# --------------------------------------------------------------------------------------------------------------- trust


def test_probabilities_fitted_to_other_labels_are_named():
    labels, probs = clean(np.random.default_rng(12), 3000, 20, mean=-2)
    moved = np.roll(labels, 1, axis=1)
    assert "other_labels" not in mlkit.audit(labels, probs).trust["kind"].tolist()
    audit = mlkit.audit(moved, probs)
    [text] = audit.trust.loc[audit.trust["kind"] == "other_labels", "text"]
    assert text.startswith("probabilities were fitted to other labels than these: ")
    assert not {"swap", "implied"} & set(kinds(audit))  # nothing is held against them


@pytest.mark.parametrize("bend", [lambda odds: 3 * odds, lambda odds: odds + 2, lambda odds: odds / 3])
def test_probabilities_that_are_only_not_calibrated_are_not_taken_for_those_of_other_labels(bend):
    labels, probs = clean(np.random.default_rng(13), 3000, 20, mean=-2)
    audit = mlkit.audit(labels, sigmoid(bend(np.log(probs / (1 - probs)))))
    assert "other_labels" not in audit.trust["kind"].tolist()


# ------------------------------------------------------------------------------------------------------------ pictures


def test_pictures_draw_the_tables():
    rng = np.random.default_rng(14)
    labels, probs = shifted(rng)
    names = [f"costs ${j}" for j in range(30)]
    audit = mlkit.audit(labels, probs, label_names=names, hierarchy=[-1, *range(29)])
    ax = audit.plot_breaks()
    ax.figure.canvas.draw()
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines["break"].get_xdata()[0] == audit.breaks()["row"][0]
    first = audit.breaks()["labels"][0][0].replace("$", r"\$")
    heights = np.abs(lines[first].get_ydata())
    assert abs(lines[first].get_xdata()[np.argmax(heights)] - 1800) < 30
    ax = audit.plot_violations()
    ax.figure.canvas.draw()
    assert sum(bar.get_height() for bar in ax.patches) == len(audit.violations())
    with pytest.raises(ValueError, match="top: expected an integer >= 1, got 0"):
        audit.plot_pairs(top=0)


def test_the_picture_of_pairs_has_a_bar_for_each():
    rng = np.random.default_rng(15)
    truth = rng.random((3000, 6)) < 0.2
    probs = np.clip(np.where(truth, 0.95, 0.05) + rng.normal(0, 0.02, truth.shape), 0, 1)
    labels = (truth ^ (rng.random(truth.shape) < 0.01)).astype(np.int8)
    labels[1000:1400, [2, 3]] = labels[1000:1400, [3, 2]]
    audit = mlkit.audit(labels, probs, label_names=NAMES)
    assert len(audit.pairs()) >= 2
    _, given = pyplot.subplots()
    ax = audit.plot_pairs(ax=given)
    assert ax is given
    ax.figure.canvas.draw()
    assert [bar.get_width() for bar in ax.patches] == audit.pairs()["count"].tolist()
    assert [text.get_text() for text in ax.get_yticklabels()][:2] == [
        f"{a} for {b}" for a, b in audit.pairs()[["label_a", "label_b"]].head(2).to_numpy()
    ]


# --------------------------------------------------------------------------------------------------------------- roads


def test_evidence_is_the_same_for_every_form_of_the_labels():
    rng = np.random.default_rng(16)
    labels, probs = shifted(rng, 1500, 20, 700)
    labels[rng.random(labels.shape) < 0.05] = -1
    audit = mlkit.audit(labels, probs, hierarchy=[-1, *range(19)])
    assert len(audit.evidence) >= 2
    for n_jobs in (1, 4):
        other = mlkit.audit(
            as_label_matrix(labels, background="unknown"), probs, hierarchy=[-1, *range(19)], n_jobs=n_jobs
        )
        assert other.evidence.equals(audit.evidence)


def test_bad_rules_are_refused_before_any_work():
    with pytest.raises(ValueError, match=r"hierarchy: expected 2 parents, one for each label, got 3"):
        mlkit.audit(np.eye(2, dtype=int), np.full((2, 2), 0.5), hierarchy=[-1, 0, 1])
