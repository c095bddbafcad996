"""What an audit can and cannot say: the status of every label and the remarks on the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import list_labels

OK = "ok"


@dataclass(frozen=True)
class Remark:
    """One remark: ``kind`` is stable, ``text`` is for people, ``is_warning`` tells doubts from information."""

    kind: str
    text: str
    is_warning: bool = True


def label_status(
    n_positive: NDArray[np.int64], n_negative: NDArray[np.int64], auc: NDArray[np.float64], min_support: int
) -> NDArray[np.object_]:
    """``"ok"``, or why nothing is flagged in a label (one-sided labels: what is still checked)."""
    status = np.full(n_positive.size, OK, object)
    for j in np.flatnonzero(auc < 0.5):
        status[j] = f"untrusted: AUC {auc[j]:.2f}"
    status[np.minimum(n_positive, n_negative) < min_support] = "insufficient support"
    status[n_negative == 0] = "constant_1: only spurious-label side checked, no negatives"
    status[n_positive == 0] = "no_positive"
    status[(n_positive == 0) & (n_negative == 0)] = "no known cell"
    return status


def is_excluded(status: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Labels in which nothing is flagged."""
    return np.array([s != OK and not s.startswith("constant_1") for s in status], bool)


def remarks(
    *,
    status: NDArray[np.object_],
    n_positive: NDArray[np.int64],
    n_negative: NDArray[np.int64],
    disagreements: NDArray[np.int64],
    auc: NDArray[np.float64],
    n_spurious: int,
    n_missing: int,
    n_tied: int,
    n_tied_labels: int,
    fold_spread: NDArray[np.float64] | None,
    notes: dict[str, int],
    names: tuple[str, ...] | None,
    min_support: int,
) -> list[Remark]:
    """Everything that limits or qualifies what the flags mean, most serious first."""
    found = [
        _in_sample(status, n_positive + n_negative, disagreements.sum(axis=1), auc),
        _incomplete(n_spurious, n_missing),
        _fold_shift(fold_spread, names),
        *_excluded(status, names, min_support),
    ]
    if n_tied:
        found.append(
            Remark(
                "ties",
                f"{n_tied} cells tie at the cut in {_count(n_tied_labels, 'label')}: they score what the last flagged cell "
                "scores and were left out by their row number alone",
                is_warning=False,
            )
        )
    if notes.get("merged_duplicates"):
        n = notes["merged_duplicates"]
        found.append(Remark("duplicates", f"{n} repeated labels within one example were merged", is_warning=False))
    if notes.get("ignored_ids"):
        found.append(Remark("ignored_ids", f"{notes['ignored_ids']} labels that do not exist were ignored"))
    return [remark for remark in found if remark is not None]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _in_sample(
    status: NDArray[np.object_], known: NDArray[np.int64], disagreements: NDArray[np.int64], auc: NDArray[np.float64]
) -> Remark | None:
    judged = status == OK
    if not judged.any():
        return None
    too_good = judged & (auc > 0.9995) & (disagreements < 0.001 * known)
    if 2 * too_good.sum() <= judged.sum():
        return None
    return Remark(
        "in_sample",
        f"probabilities look in-sample: in {too_good.sum()} of {judged.sum()} labels the AUC is above 0.9995 and the model "
        "contradicts less than 0.1 % of the cells; audit with out-of-fold probabilities",
    )


def _incomplete(n_spurious: int, n_missing: int) -> Remark | None:
    if n_missing < 20 or n_missing < 5 * max(1, n_spurious):
        return None
    return Remark(
        "incomplete_positives",
        f"{n_missing} missing labels were flagged against {n_spurious} spurious ones: looks like incomplete positives; "
        "consider background='unknown' (what is not given is not known to be absent)",
    )


def _fold_shift(spread: NDArray[np.float64] | None, names: tuple[str, ...] | None) -> Remark | None:
    if spread is None:
        return None
    widest = np.nan_to_num(spread).max(axis=1)
    shifted = np.flatnonzero(widest > 0.1)
    if not shifted.size:
        return Remark(
            "folds", f"confident thresholds differ by at most {widest.max():.3f} between folds", is_warning=False
        )
    order = shifted[np.argsort(-widest[shifted], kind="stable")]
    return Remark(
        "folds",
        f"probabilities are shifted between folds: confident thresholds differ by more than 0.1 "
        f"(at most {widest.max():.2f}) in {_count(shifted.size, 'label')}: {list_labels(order, names)}",
    )


def _excluded(status: NDArray[np.object_], names: tuple[str, ...] | None, min_support: int) -> list[Remark]:
    kinds: tuple[tuple[str, Any, str], ...] = (
        (
            "untrusted",
            lambda s: s.startswith("untrusted"),
            "the model ranks them no better than chance (AUC below 0.5)",
        ),
        ("no_positive", lambda s: s == "no_positive", "they are never given"),
        ("no_known", lambda s: s == "no known cell", "none of their cells is known"),
        ("support", lambda s: s == "insufficient support", f"fewer than {min_support} examples on one side"),
    )
    found = []
    for kind, belongs, reason in kinds:
        which = np.flatnonzero([belongs(s) for s in status])
        if which.size:
            text = f"nothing is flagged in {_count(which.size, 'label')}: {reason} ({list_labels(which, names)})"
            found.append(Remark(kind, text))
    one_sided = np.flatnonzero([s.startswith("constant_1") for s in status])
    if one_sided.size:
        text = f"{_count(one_sided.size, 'label')} given to every example: only spurious labels can be found there"
        found.append(Remark("constant_1", f"{text} ({list_labels(one_sided, names)})"))
    return found
