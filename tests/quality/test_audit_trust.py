"""The audit says what its findings are worth: labels not judged, useless probabilities, shares that mislead."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import sparse

import mlkit
from mlkit.labels import as_label_matrix
from mlkit.quality import get_cell_quality_scores, get_label_quality_scores
from reference.quality import FILTERS

NAMES = [f"label {letter}" for letter in "abcdef"]


def drawn(n=1000, n_labels=6, mean=-1.0, spread=3.0, seed=0):
    """Calibrated probabilities and labels without an error."""
    rng = np.random.default_rng(seed)
    probs = 1 / (1 + np.exp(-rng.normal(mean, spread, (n, n_labels))))
    return (rng.random(probs.shape) < probs).astype(np.int8), probs


def remarks(audit, kind):
    return audit.trust[audit.trust["kind"] == kind].to_dict(orient="records")


def the_remark(audit, kind, *, is_warning):
    [remark] = remarks(audit, kind)
    assert remark["is_warning"] == is_warning
    assert f"{'!' if is_warning else '-'} {remark['text']}" in repr(audit)
    return remark["text"]


# --------------------------------------------------------------------------------------------------- labels not judged


def test_good_probabilities_and_enough_examples_leave_nothing_to_remark():
    audit = mlkit.audit(*drawn(), label_names=NAMES)
    assert set(audit.labels["status"]) == {"ok"}
    assert not audit.trust["is_warning"].any()


@pytest.mark.parametrize("filter_by", FILTERS)
def test_a_label_given_to_every_example_is_audited_and_named(filter_by):
    labels, probs = drawn()
    labels[:, 2] = 1
    audit = mlkit.audit(labels, probs, label_names=NAMES, filter_by=filter_by)
    record = audit.labels.loc[2]
    assert record["status"] == "constant_1: only spurious-label side checked, no negatives"
    assert np.isnan(record["auc"])
    assert np.isnan(record["threshold_0"])
    assert record["missing_n"] == 0
    text = the_remark(audit, "constant_1", is_warning=True)
    assert text.startswith("1 label without a known negative ('label c'): ")
    if filter_by == "predicted_neq_given":
        assert record["spurious_n"] == np.count_nonzero(probs[:, 2] < 0.5)
        assert record["spurious_share"] == record["spurious_n"] / 1000
        assert text.endswith("only spurious labels can be found there")
    else:  # without negatives nothing says which probabilities are low
        assert record["spurious_n"] == 0
        assert np.isnan(record["spurious_share"])
        assert text.endswith(
            f"{filter_by!r} flags nothing there, since absence has no threshold; 'predicted_neq_given' does"
        )


@pytest.mark.parametrize("filter_by", FILTERS)
def test_labels_never_given_are_named_in_one_remark_and_not_flagged(filter_by):
    labels, probs = drawn()
    labels[:, [1, 4]] = 0
    audit = mlkit.audit(labels, probs, label_names=NAMES, filter_by=filter_by)
    assert audit.labels["status"].tolist() == ["ok", "no_positive", "ok", "ok", "no_positive", "ok"]
    assert audit.labels["missing_n"][[1, 4]].tolist() == [0, 0]
    text = the_remark(audit, "no_positive", is_warning=True)
    assert text == "nothing is flagged in 2 labels: never given ('label b', 'label e')"


@pytest.mark.parametrize("filter_by", FILTERS)
def test_labels_with_few_examples_on_a_side_are_not_flagged_but_scored(filter_by):
    labels, probs = drawn()
    labels[:, 0] = np.arange(1000) < 9
    labels[:, 3] = np.arange(1000) >= 9
    labels[:, 5] = np.arange(1000) < 10
    probs[:, 5] = np.clip(labels[:, 5] + np.linspace(-0.6, 0.6, 1000)[::-1], 0, 1)
    audit = mlkit.audit(labels, probs, label_names=NAMES, filter_by=filter_by)
    few = "insufficient support"
    assert audit.labels["status"].tolist() == [few, "ok", "ok", few, "ok", "ok"]
    assert not audit.cells()["label"].isin(["label a", "label d"]).any()
    unjudged = audit.labels.loc[[0, 3]]
    assert unjudged[["spurious_n", "missing_n"]].to_numpy().sum() == 0
    assert unjudged[["spurious_share", "missing_share", "quality"]].isna().all(axis=None)
    text = the_remark(audit, "support", is_warning=True)
    assert text == "nothing is flagged in 2 labels: fewer than 10 examples on one side ('label a', 'label d')"
    np.testing.assert_array_equal(audit.scores, get_label_quality_scores(labels, probs))
    some = mlkit.audit(labels, probs, filter_by=filter_by, min_support=9)
    assert set(some.labels["status"]) == {"ok"} | set(some.labels["status"][some.labels["auc"] <= 0.5])


def test_labels_with_fewer_positives_than_folds_are_not_flagged():
    labels, probs = drawn()
    labels[:, 0] = np.arange(1000) < 15
    folds = np.arange(1000) % 20
    assert mlkit.audit(labels, probs).labels["status"][0] != "insufficient support"
    audit = mlkit.audit(labels, probs, label_names=NAMES, fold_ids=folds)
    assert audit.labels["status"][0] == "insufficient support"
    assert "fewer than 20 examples on one side ('label a')" in the_remark(audit, "support", is_warning=True)


@pytest.mark.parametrize("filter_by", FILTERS)
def test_labels_that_the_model_ranks_worse_than_chance_are_not_flagged(filter_by):
    labels, probs = drawn()
    rng = np.random.default_rng(1)
    while not 0.475 <= auc(labels[:, 4], probs[:, 4]) < 0.485:
        probs[:, 4] = rng.random(1000)
    audit = mlkit.audit(labels, probs, label_names=NAMES, filter_by=filter_by)
    record = audit.labels.loc[4]
    assert record["status"] == "untrusted: AUC 0.48"
    assert (record["spurious_n"], record["missing_n"]) == (0, 0)
    assert np.isnan(record["quality"])
    text = the_remark(audit, "untrusted", is_warning=True)
    assert text == (
        "nothing is flagged in 1 label: ranked no better than chance by the model (AUC at most 0.5) ('label e')"
    )
    assert not audit.cells()["label"].eq("label e").any()


def auc(given, p):
    order = np.subtract.outer(p[given == 1], p[given == 0])
    return np.mean(order > 0) + 0.5 * np.mean(order == 0)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 0.7, 1.0])
def test_a_label_with_one_and_the_same_probability_is_untrusted(p):
    """Above 1/2 every cell without the label would be flagged."""
    labels, probs = drawn()
    probs[:, 1] = p
    audit = mlkit.audit(labels, probs)
    assert audit.labels["status"][1] == "untrusted: AUC 0.50"
    assert audit.labels[["spurious_n", "missing_n"]].loc[1].sum() == 0


def test_shuffled_rows_or_columns_are_suspected():
    labels, probs = drawn(2000, 40)
    hint = "are the columns and rows of labels and pred_probs in the same order?"
    assert hint not in repr(mlkit.audit(labels, probs))
    assert hint in the_remark(mlkit.audit(labels, np.roll(probs, 1, axis=1)), "untrusted", is_warning=True)
    assert hint in the_remark(mlkit.audit(labels, np.roll(probs, 1, axis=0)), "untrusted", is_warning=True)


def test_labels_without_a_known_cell_are_named():
    labels, probs = drawn()
    labels[:, 3] = -1
    audit = mlkit.audit(labels, probs, label_names=NAMES)
    assert audit.labels["status"][3] == "no known cell"
    text = the_remark(audit, "no_known", is_warning=True)
    assert text == "nothing is flagged in 1 label: no cell is known ('label d')"


def test_long_lists_of_labels_are_cut_short():
    labels, probs = drawn(200, 300)
    labels[:, 20:] = 0
    text = the_remark(mlkit.audit(labels, probs), "no_positive", is_warning=True)
    assert text == "nothing is flagged in 280 labels: never given (20, 21, 22, 23, 24 and 275 more)"


def test_positive_only_labels_are_said_to_need_another_filter():
    labels, probs = drawn()
    matrix = as_label_matrix(sparse.csr_array(labels), background="unknown")
    audit = mlkit.audit(matrix, probs)
    assert audit.summary["value"]["flagged cells"] == 0
    assert "6 labels without a known negative" in the_remark(audit, "constant_1", is_warning=True)
    flagged = mlkit.audit(matrix, probs, filter_by="predicted_neq_given").cells()
    assert len(flagged) == np.count_nonzero((labels == 1) & (probs < 0.5))
    assert set(flagged["direction"]) == {"spurious"}
    assert not remarks(mlkit.audit(matrix, probs, filter_by="predicted_neq_given"), "incomplete_positives")


# ------------------------------------------------------------------------------------- probabilities not to be trusted


def test_in_sample_probabilities_are_recognised():
    labels, _ = drawn(2000, 6)
    rng = np.random.default_rng(2)
    probs = np.clip(np.where(labels, 0.97, 0.03) + rng.uniform(-0.03, 0.03, labels.shape), 0, 1)
    text = the_remark(mlkit.audit(labels, probs), "in_sample", is_warning=True)
    assert text == (
        "probabilities look in-sample: in 6 of 6 labels the AUC is above 0.9995 and the model contradicts less than "
        "0.10 % of the cells; audit with out-of-fold ones"
    )
    probs[:, 1:4] = drawn(2000, 6)[1][:, 1:4]  # three of six are not most of them
    assert not remarks(mlkit.audit(labels, probs), "in_sample")


def test_a_good_model_and_wrong_labels_do_not_look_in_sample():
    labels, _ = drawn(2000, 6)
    probs = np.where(labels, 0.97, 0.03)
    labels[::500] ^= 1  # two in a thousand
    assert not remarks(mlkit.audit(labels, probs), "in_sample")


def test_contradicted_labels_do_not_look_in_sample_even_if_ranked_in_perfect_order():
    labels, _ = drawn(2000, 6)
    probs = np.where(labels, 0.4, 0.3)
    assert (mlkit.audit(labels, probs).labels["auc"] == 1).all()
    assert not remarks(mlkit.audit(labels, probs), "in_sample")


def test_a_forest_scored_on_its_own_training_rows_looks_in_sample_and_out_of_fold_it_does_not():
    from sklearn.datasets import make_multilabel_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import cross_val_predict

    features, labels = make_multilabel_classification(300, n_classes=4, random_state=0)
    forest = RandomForestClassifier(30, random_state=0, bootstrap=False)
    inside = forest.fit(features, labels).predict_proba(features)
    outside = cross_val_predict(forest, features, labels, cv=3, method="predict_proba")
    assert remarks(mlkit.audit(labels, inside), "in_sample")
    assert not remarks(mlkit.audit(labels, outside), "in_sample")


@pytest.mark.parametrize("names", [None, NAMES])
def test_a_shift_between_folds_is_reported(names):
    labels, probs = drawn(3000)
    folds = np.repeat(["one", "two", "three"], 1000)
    audit = mlkit.audit(labels, probs, fold_ids=folds, label_names=names)
    text = the_remark(audit, "folds", is_warning=False)
    assert text == (
        f"no shift between folds: confident thresholds differ by at most {audit.labels['fold_spread'].max():.3f}"
    )
    logits = np.log(probs / (1 - probs))
    logits[np.ix_(folds == "two", [1, 4])] += 3
    shifted = mlkit.audit(labels, 1 / (1 + np.exp(-logits)), fold_ids=folds, label_names=names)
    text = the_remark(shifted, "folds", is_warning=True)
    widest = shifted.labels["fold_spread"].max()
    order = shifted.labels["fold_spread"].sort_values(ascending=False).index[:2]
    assert set(order) == {1, 4}
    listed = ", ".join(str(label) if names is None else repr(names[label]) for label in order)
    assert text == (
        "probabilities are shifted between folds: confident thresholds differ by more than 0.1 and more than chance "
        f"explains (at most by {widest:.2f}) in 2 labels: {listed}"
    )


def test_few_examples_in_a_fold_are_no_shift():
    """The means of few cells differ by chance alone."""
    for seed in range(20):
        labels, probs = drawn(300, 20, mean=-4, seed=seed)
        audit = mlkit.audit(labels, probs, fold_ids=np.arange(300) % 5)
        if (audit.labels["status"] == "ok").any():
            assert "which chance explains" in the_remark(audit, "folds", is_warning=False)


def test_the_order_and_kind_of_fold_ids_do_not_matter():
    labels, probs = drawn(300)
    folds = np.arange(300) % 3
    expected = mlkit.audit(labels, probs, fold_ids=folds).to_json()
    for same in (folds[::1].tolist(), 2 - folds, np.array(["x", "y", "z"])[folds], folds.astype(float) / 2):
        assert mlkit.audit(labels, probs, fold_ids=same).to_json() == expected


def test_one_fold_is_no_reason_for_a_remark_on_shifts():
    audit = mlkit.audit(*drawn(), fold_ids=np.zeros(1000, int))
    assert (audit.labels["fold_spread"] == 0).all()


def test_ties_at_the_cut_are_counted():
    labels, probs = drawn(500)
    rounded = probs.round(1)
    text = the_remark(mlkit.audit(labels, rounded), "ties", is_warning=False)
    n, n_labels = (int(number) for number in re.findall(r"(\d+) (?:cell|label)", text)[:2])
    n_tied, tied_labels = 0, set()
    cells = mlkit.audit(labels, rounded, rank_by="self_confidence").cells()
    for (label, given), group in cells.groupby(["label", "given"]):
        s = np.where(given, rounded[:, label], 1 - rounded[:, label])
        same = (labels[:, label] == given) & (s == group["score"].max())
        left_out = np.count_nonzero(same) - np.count_nonzero(group["score"] == group["score"].max())
        n_tied += left_out
        tied_labels |= {label} if left_out else set()
    assert (n, n_labels) == (n_tied, len(tied_labels))
    assert text == (
        f"{n} cells tie at the cut in {n_labels} labels: scored like the last flagged cell and left out by the row "
        "number alone"
    )
    assert not remarks(mlkit.audit(labels, probs), "ties")
    assert not remarks(mlkit.audit(labels, rounded, filter_by="confident_learning"), "ties")


def test_one_tied_cell_is_one():
    counts = set()
    for seed in range(30):
        labels, probs = drawn(300, 2, seed=seed)
        for remark in remarks(mlkit.audit(labels, probs.round(2)), "ties"):
            found = re.match(r"(1 cell ties|(\d+) cells tie) at the cut in (1 label|2 labels): ", remark["text"])
            assert found[2] != "1"
            counts.add(found[1])
    assert "1 cell ties" in counts
    assert len(counts) > 1


def test_positives_left_out_are_suspected():
    labels, probs = drawn(2000, spread=8)
    rng = np.random.default_rng(3)
    audit = mlkit.audit(labels & (rng.random(labels.shape) > 0.3), probs)
    n_spurious, n_missing = audit.labels[["spurious_n", "missing_n"]].sum()
    text = the_remark(audit, "incomplete_positives", is_warning=True)
    assert text == (
        f"{n_missing:,} missing labels flagged against {n_spurious:,} spurious: looks like incomplete positives; "
        "consider background='unknown' (what is not given is not known to be absent)"
    )
    added = mlkit.audit(labels | (rng.random(labels.shape) < 0.3), probs)
    assert not remarks(added, "incomplete_positives")


def test_probabilities_cut_to_the_top_k_are_suspected():
    """Given labels beyond the top k look like certain errors."""
    labels, probs = drawn(1000, 20, mean=-3)
    cut = -np.sort(-probs, axis=1)[:, 2:3]
    top = np.where(probs >= cut, probs, 0)
    assert not remarks(mlkit.audit(labels, probs), "zero_probability")
    for scores in (top, sparse.csr_array(top)):
        audit = mlkit.audit(labels, scores)
        flagged = audit.cells(direction="spurious")
        n_zero = np.count_nonzero(flagged["p"] == 0)
        assert n_zero > 0.9 * np.count_nonzero(labels.astype(bool) & (top == 0))
        assert the_remark(audit, "zero_probability", is_warning=True) == (
            f"{n_zero:,} of {len(flagged):,} cells flagged as spurious have probability 0: if pred_probs hold only the "
            "largest values of each example, these are labels beyond them, not errors"
        )


@pytest.mark.parametrize(("mean", "spread"), [(-3, 2.5), (-7, 2.5), (-6, 4), (-2, 8), (-10, 8), (0, 2), (2, 2)])
def test_right_labels_of_any_frequency_do_not_look_incomplete(mean, spread):
    audit = mlkit.audit(*drawn(4000, 10, mean, spread))
    assert not audit.trust["is_warning"].any()


# ------------------------------------------------------------------------------------------------- reading, and shares


def test_repeated_labels_in_a_list_are_counted():
    lists = [[0, 0, 1], [1], [0], [1, 1, 1]] * 10
    audit = mlkit.audit(lists, np.tile([[0.8, 0.3], [0.3, 0.7]], (20, 1)))
    assert the_remark(audit, "duplicates", is_warning=False) == "30 repeated labels within one example were merged"
    once = mlkit.audit([[0, 0], [1]], [[0.8, 0.3], [0.3, 0.7]])
    assert the_remark(once, "duplicates", is_warning=False) == "1 repeated label within one example was merged"


def test_labels_that_do_not_exist_are_counted_where_they_are_ignored():
    audit = mlkit.audit([[0, 7], [1, -3]], [[0.8, 0.3], [0.3, 0.7]], invalid_ids="ignore")
    assert the_remark(audit, "ignored_ids", is_warning=True) == "2 given labels ignored that do not exist"


def test_ids_must_be_distinct():
    labels, probs = drawn(4)
    with pytest.raises(ValueError, match="ids: expected distinct ids, got 'b' at rows 1 and 3"):
        mlkit.audit(labels, probs, ids=["a", "b", "c", "b"])


def test_warnings_come_before_information():
    labels, probs = drawn(500, 60)
    labels[:, 3] = 0
    order = mlkit.audit(labels, probs.round(1)).trust["is_warning"].tolist()
    assert set(order) == {True, False}
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize(("n_labels", "least", "most"), [(5, 0.22, 0.28), (50, 0.92, 0.96), (200, 1.0, 1.0)])
@pytest.mark.parametrize("form", ["__repr__", "_repr_html_"])
def test_error_free_calibrated_data_are_not_called_bad(n_labels, least, most, form):
    """The more labels, the more examples have some flagged cell, up to all of them: so many would by chance."""
    audit = mlkit.audit(*drawn(5000, n_labels, mean=-3, spread=2.5))
    summary = audit.summary["share"]
    flagged, at_random = summary["examples with a flagged cell"], summary["the same if flags fell at random"]
    assert least <= flagged <= most
    assert abs(flagged - at_random) < 0.01
    assert summary["flagged cells"] < 0.06
    text = getattr(audit, form)()
    assert "the same if flags fell at random" in text
    assert f"{100 * at_random:.2f} %" in text
    assert "Flags are candidates for review: where people checked them, about half were errors." in text
    assert not audit.trust["is_warning"].any()
    if flagged < 0.5:
        assert not remarks(audit, "saturation")
        return
    assert the_remark(audit, "saturation", is_warning=False) == (
        f"{100 * flagged:.2f} % of the examples have a flagged cell, and {100 * at_random:.2f} % would if as many "
        f"flags fell at random: with {n_labels} labels this share does not tell how many are wrong; look at cells and "
        "labels"
    )


def test_flags_that_crowd_in_some_examples_are_not_explained_by_chance():
    labels, probs = drawn(2000, 30, spread=8)
    labels[:200] = 1 - (probs[:200] > 0.5)  # all that is wrong is wrong in a tenth of the examples
    share = mlkit.audit(labels, probs).summary["share"]
    assert share["the same if flags fell at random"] > share["examples with a flagged cell"] + 0.2


@pytest.mark.parametrize("filter_by", ["low_self_confidence", "low_normalized_margin"])
def test_the_low_filters_flag_label_by_label_as_many_cells_as_are_confidently_wrong(filter_by):
    labels, probs = drawn()
    counts = mlkit.audit(labels, probs, filter_by="confident_learning").labels[["spurious_n", "missing_n"]].sum(axis=1)
    audit = mlkit.audit(labels, probs, filter_by=filter_by, rank_by="self_confidence")
    assert audit.labels[["spurious_n", "missing_n"]].sum(axis=1).tolist() == counts.tolist()
    scores = get_cell_quality_scores(labels, probs)
    for label, count in enumerate(counts):
        rows = audit.cells(label=label)["row"].tolist()
        assert rows == np.argsort(scores[:, label], kind="stable")[:count].tolist()
