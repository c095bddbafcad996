"""What an audit can and cannot say: the status of every label and the remarks on the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import list_labels

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Names = tuple[str, ...] | None

OK, UNTRUSTED, SUPPORT, CONSTANT_1, NO_POSITIVE, NO_KNOWN = range(6)  # what can be the matter with a label
_STATUS = (
    "ok",
    "",  # says the AUC
    "insufficient support",
    "constant_1: only spurious-label side checked, no negatives",
    "no_positive",
    "no known cell",
)
OTHER_ERRORS, OTHER_SHARE = 5.0, 0.2  # a mean probability is off by more than so many standard errors, and by so much
IN_SAMPLE_AUC, IN_SAMPLE_DISAGREEMENT = 0.9995, 0.001
FOLD_SPREAD, FOLD_ERRORS = 0.1, 4.0  # a shift is larger than the one and than so many standard errors


@dataclass(frozen=True)
class Remark:
    """One remark: ``kind`` is stable, ``text`` is for people, ``is_warning`` tells doubts from information."""

    kind: str
    text: str
    is_warning: bool = True


@dataclass(frozen=True)
class LabelStatus:
    """What can be said of each label: one of the numbers above, and a text."""

    kind: NDArray[np.int8]
    text: NDArray[np.object_]
    needed: int  # examples that a side must have

    @property
    def is_excluded(self) -> Mask:
        """Labels in which nothing is flagged."""
        is_judged: Mask = (self.kind == OK) | (self.kind == CONSTANT_1)
        return ~is_judged


@dataclass(frozen=True)
class FoldSpread:
    """By label and side, (L, 2): how far the confident thresholds of two folds lie apart, and whether by chance."""

    spread: Floats  # NaN where fewer than two folds have the side
    is_shift: Mask


def percent(share: float) -> str:
    """``12.34 %``; small shares with two digits, and nothing for NaN."""
    if np.isnan(share):
        return ""
    return f"{100 * share:.2f} %" if share == 0 or share >= 0.0001 else f"{100 * share:.2g} %"


def counted(n: int, noun: str) -> str:
    """``1 label``, ``2,345 labels``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def label_status(n_positive: Counts, n_negative: Counts, auc: Floats, needed: int) -> LabelStatus:
    """Judge each label by its sides' sizes and by how the model ranks its examples."""
    kind = np.full(n_positive.size, OK, np.int8)
    kind[auc <= 0.5] = UNTRUSTED
    kind[n_negative == 0] = CONSTANT_1
    kind[(np.minimum(n_positive, n_negative) < needed) & (kind != CONSTANT_1)] = SUPPORT
    kind[n_positive < needed] = SUPPORT
    kind[n_positive == 0] = NO_POSITIVE
    kind[(n_positive == 0) & (n_negative == 0)] = NO_KNOWN
    text = np.array(_STATUS, object)[kind]
    for j in np.flatnonzero(kind == UNTRUSTED):
        text[j] = f"untrusted: AUC {auc[j]:.2f}"
    return LabelStatus(kind, text, needed)


def judge(
    n_positive: Counts, n_negative: Counts, auc: Floats, needed: int, disagreements: Callable[[], Counts]
) -> tuple[LabelStatus, Remark | None]:
    """The status of each label, and whether the model seems to have seen the labels.

    ``disagreements`` counts each label's cells of which the model's likelier outcome is the other one; it is called
    only where that matters.
    """
    status = label_status(n_positive, n_negative, auc, needed)
    suspects = too_good(status, auc)
    if suspects is None:
        return status, None
    return status, in_sample(status, suspects, disagreements(), n_positive + n_negative)


def too_good(status: LabelStatus, auc: Floats) -> Mask | None:
    """Labels that are ranked as only a model that has seen them would; None unless they are most of those judged."""
    judged = status.kind == OK
    perfect = judged & (auc > IN_SAMPLE_AUC)
    return perfect if 2 * np.count_nonzero(perfect) > np.count_nonzero(judged) else None


def in_sample(status: LabelStatus, suspects: Mask, disagreements: Counts, known: Counts) -> Remark | None:
    """Of the suspects, most labels' cells are hardly ever contradicted by the model."""
    n_judged = int(np.count_nonzero(status.kind == OK))
    n = int(np.count_nonzero(suspects & (disagreements < IN_SAMPLE_DISAGREEMENT * known)))
    if 2 * n <= n_judged:
        return None
    return Remark(
        "in_sample",
        f"probabilities look in-sample: in {n:,} of {counted(n_judged, 'label')} the AUC is above {IN_SAMPLE_AUC} and "
        f"the model contradicts less than {percent(IN_SAMPLE_DISAGREEMENT)} of the cells; audit with out-of-fold ones",
    )


def other_labels(status: LabelStatus, thresholds: Floats, n_positive: Counts, n_negative: Counts) -> Remark | None:
    """Some labels are given much oftener than the model says and others much less often: what it was fitted to had them
    elsewhere. A model that is merely not calibrated errs in one direction."""
    known = n_positive + n_negative
    present = np.where(n_positive > 0, thresholds[:, 1], 0.0) * n_positive
    expected = present + np.where(n_negative > 0, 1 - thresholds[:, 0], 0.0) * n_negative
    rate = np.clip(expected / np.maximum(known, 1), 0, 1)
    gap = expected - n_positive
    judged = (status.kind == OK) | (status.kind == UNTRUSTED)
    is_off = judged & (np.abs(gap) > OTHER_ERRORS * np.sqrt(known * rate * (1 - rate)))
    is_off &= np.abs(gap) > OTHER_SHARE * np.maximum(expected, n_positive)
    n_rarer, n_oftener = int(np.count_nonzero(is_off & (gap > 0))), int(np.count_nonzero(is_off & (gap < 0)))
    if min(n_rarer, n_oftener) < max(3, 0.05 * np.count_nonzero(judged)):
        return None
    return Remark(
        "other_labels",
        f"probabilities were fitted to other labels than these: {counted(n_oftener, 'label')} are given much oftener "
        f"than their mean probability says and {n_rarer:,} much less often; compute them again from these labels",
    )


def incomplete(n_spurious: int, n_missing: int, background: str) -> Remark | None:
    """Missing labels outnumber spurious ones by more than calibrated probabilities of right labels ever make them."""
    if background == "unknown" or n_missing < 20 or n_missing < 5 * max(1, n_spurious):
        return None
    return Remark(
        "incomplete_positives",
        f"{counted(n_missing, 'missing label')} flagged against {n_spurious:,} spurious: looks like incomplete "
        "positives; consider background='unknown' (what is not given is not known to be absent)",
    )


def zeros(n_zero: int, n_spurious: int) -> Remark | None:
    """Most given labels that look spurious have no probability at all, as if only the top k had been kept."""
    if n_zero < 20 or 2 * n_zero < n_spurious:
        return None
    return Remark(
        "zero_probability",
        f"{n_zero:,} of {n_spurious:,} cells flagged as spurious have probability 0: if pred_probs hold only the "
        "largest values of each example, these are labels beyond them, not errors",
    )


def fold_shift(folds: FoldSpread, status: LabelStatus, names: Names) -> Remark | None:
    """How far the confident thresholds of the folds lie apart."""
    spread = np.nan_to_num(folds.spread).max(axis=1)
    shifted = np.flatnonzero(folds.is_shift.any(axis=1))
    if shifted.size:
        order = shifted[np.argsort(-spread[shifted], kind="stable")]
        return Remark(
            "folds",
            f"probabilities are shifted between folds: confident thresholds differ by more than {FOLD_SPREAD} and more "
            f"than chance explains (at most by {spread[shifted].max():.2f}) in {counted(shifted.size, 'label')}: "
            f"{list_labels(order, names)}",
        )
    judged = status.kind == OK
    if np.isnan(folds.spread[judged]).all():  # also if there are none
        return None
    widest = spread[judged].max()
    chance = ", which chance explains" if widest > FOLD_SPREAD else ""
    text = f"no shift between folds: confident thresholds differ by at most {widest:.3f}{chance}"
    return Remark("folds", text, is_warning=False)


def excluded(status: LabelStatus, filter_by: str, names: Names) -> list[Remark]:
    """The labels in which nothing is flagged, by reason, and those of which one side is missing."""
    reasons = (
        ("untrusted", UNTRUSTED, "ranked no better than chance by the model (AUC at most 0.5)"),
        ("no_positive", NO_POSITIVE, "never given"),
        ("no_known", NO_KNOWN, "no cell is known"),
        ("support", SUPPORT, f"fewer than {counted(status.needed, 'example')} on one side"),
    )
    found = []
    for kind, number, reason in reasons:
        which = np.flatnonzero(status.kind == number)
        if which.size:
            text = f"nothing is flagged in {counted(which.size, 'label')}: {reason} ({list_labels(which, names)})"
            if number == UNTRUSTED and which.size >= 3 and 3 * which.size >= np.count_nonzero(status.kind == OK):
                text += "; are the columns and rows of labels and pred_probs in the same order?"
            found.append(Remark(kind, text))
    one_sided = np.flatnonzero(status.kind == CONSTANT_1)
    if one_sided.size:
        text = f"{counted(one_sided.size, 'label')} without a known negative ({list_labels(one_sided, names)}): "
        if filter_by == "predicted_neq_given":
            text += "only spurious labels can be found there"
        else:
            text += f"{filter_by!r} flags nothing there, since absence has no threshold; 'predicted_neq_given' does"
        found.append(Remark("constant_1", text))
    return found


def saturation(flagged: float, expected: float, n_labels: int) -> Remark | None:
    """Most examples have a flagged cell because there are many labels, not because most examples are wrong."""
    if flagged < 0.5 or expected < 0.8 * flagged or n_labels < 2:
        return None
    return Remark(
        "saturation",
        f"{percent(flagged)} of the examples have a flagged cell, and {percent(expected)} would if as many flags fell "
        f"at random: with {n_labels:,} labels this share does not tell how many are wrong; look at cells and labels",
        is_warning=False,
    )


def ties(tied: Counts, n_labels: int) -> Remark | None:
    """Cells that were left out although they score what the last flagged one scores; ``tied`` is by group of cells."""
    n = int(tied.sum())
    if not n:
        return None
    n_in = int(np.count_nonzero(tied.reshape(n_labels, -1).any(axis=1)))
    return Remark(
        "ties",
        f"{counted(n, 'cell')} {'ties' if n == 1 else 'tie'} at the cut in {counted(n_in, 'label')}: scored like the "
        "last flagged cell and left out by the row number alone",
        is_warning=False,
    )


def no_pairs() -> Remark:
    """Of a state's two passes: what they did not leave behind."""
    return Remark(
        "batches",
        "pairs of labels that are wrong together were not looked for: that takes whole columns of probabilities "
        "(mlkit.audit of batches goes through them once more)",
        is_warning=False,
    )


def reading(notes: dict[str, int]) -> list[Remark]:
    """What was put right while reading the labels."""
    found = []
    if n := notes.get("ignored_ids"):
        found.append(
            Remark("ignored_ids", f"{counted(n, 'given label')} ignored that {'does' if n == 1 else 'do'} not exist")
        )
    if n := notes.get("merged_duplicates"):
        text = f"{counted(n, 'repeated label')} within one example {'was' if n == 1 else 'were'} merged"
        found.append(Remark("duplicates", text, is_warning=False))
    return found
