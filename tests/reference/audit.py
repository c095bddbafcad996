"""Reference for the audit: plain loops over cells, one definition per function, no speed.

Labels and probabilities are those of :mod:`reference.quality`; flags, scores and areas come from there. Thresholds are
given, because the kernel's sums are rounded to fixed point and everything else is then exact.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from reference import quality as oracle
from reference.quality import Doubles, Floats, Labels, Mask

CONSTANT = "constant_1: only spurious-label side checked, no negatives"


class Findings(NamedTuple):
    """What an audit found, cell by cell."""

    labels: Labels
    probs: Doubles
    flags: Mask
    status: list[str]
    thresholds: Floats
    areas: Doubles
    filter_by: str
    n_tied: dict[int, int]  # by label, where there are any


def audit(
    labels: Labels, probs: Floats, thresholds: Floats, *, filter_by: str, min_support: int, n_folds: int = 0
) -> Findings:
    """Flag the cells, but none in labels about which the model can say nothing."""
    areas = oracle.label_areas(labels, probs)
    status = label_status(labels, areas[:, 0], max(min_support, n_folds))
    flags = oracle.cell_flags(labels, probs, filter_by=filter_by, thresholds=thresholds)
    probs = np.clip(np.asarray(probs, np.float64), 0, 1)
    for label, text in enumerate(status):
        if text not in ("ok", CONSTANT):
            flags[:, label] = False
    n_tied = {j: tied_cells(labels[:, j], probs[:, j], flags[:, j], filter_by) for j in range(labels.shape[1])}
    n_tied = {label: n for label, n in n_tied.items() if n}
    return Findings(labels, probs, flags, status, thresholds, areas, filter_by, n_tied)


def label_status(labels: Labels, areas: Doubles, needed: int) -> list[str]:
    """Say of each label whether it is judged, or why not."""
    status = []
    for label, area in enumerate(areas):
        n_positive, n_negative = int(np.sum(labels[:, label] == 1)), int(np.sum(labels[:, label] == 0))
        if n_positive == 0:
            status.append("no_positive" if n_negative else "no known cell")
        elif n_positive < needed or 0 < n_negative < needed:
            status.append("insufficient support")
        elif n_negative == 0:
            status.append(CONSTANT)
        else:
            status.append(f"untrusted: AUC {area:.2f}" if area <= 0.5 else "ok")
    return status


def tied_cells(given: Labels, p: Doubles, flags: Mask, filter_by: str) -> int:
    """Count the cells of one label that score what the last flagged one of their group scores, but are not flagged."""
    if filter_by in ("confident_learning", "predicted_neq_given"):
        return 0
    known = given >= 0
    score = np.where(given == 1, p, 1 - p)
    groups = [known] if filter_by in oracle.LOW_FILTERS else [given == 0, given == 1]
    n = 0
    for group in groups:
        if flags[group].any():
            last = score[group & flags].max()
            n += int(np.sum(group & ~flags & (score == last)))
    return n


def label_table(found: Findings, fold_thresholds: list[Floats] | None = None) -> list[dict[str, Any]]:
    """One record for each label."""
    table = []
    for label, status in enumerate(found.status):
        given, flags = found.labels[:, label], found.flags[:, label]
        n_positive, n_negative = int(np.sum(given == 1)), int(np.sum(given == 0))
        n_spurious, n_missing = int(np.sum(flags & (given == 1))), int(np.sum(flags & (given == 0)))
        is_judged = status == "ok" or (status == CONSTANT and found.filter_by == "predicted_neq_given")
        share = n_spurious / n_positive if is_judged and n_positive else math.nan
        record = {
            "label": label,
            "support": n_positive,
            "known": n_positive + n_negative,
            "threshold_0": found.thresholds[label, 0] if n_negative else math.nan,
            "threshold_1": found.thresholds[label, 1] if n_positive else math.nan,
            "auc": found.areas[label, 0],
            "auc_error": found.areas[label, 1],
            "spurious_n": n_spurious,
            "spurious_share": share,
            "missing_n": n_missing,
            "missing_share": n_missing / n_negative if is_judged and n_negative else math.nan,
            "quality": 1 - share,
            "status": status,
        }
        if fold_thresholds is not None:
            spreads = [side_spread([t[label, side] for t in fold_thresholds]) for side in (0, 1)]
            defined = [spread for spread in spreads if not math.isnan(spread)]
            record["fold_spread"] = max(defined) if defined else math.nan
        table.append(record)
    return table


def side_spread(thresholds: list[float]) -> float:
    """Return the largest difference between folds; NaN if none has the side (its threshold is then 2)."""
    reached = [t for t in thresholds if t <= 1]
    return max(reached) - min(reached) if reached else math.nan


def cell_table(found: Findings) -> list[dict[str, Any]]:
    """One record for each flagged cell, most suspicious first, ties by row and label."""
    table = []
    for row, label in np.argwhere(found.flags):
        given, p = int(found.labels[row, label]), float(found.probs[row, label])
        table.append(
            {
                "id": int(row),
                "row": int(row),
                "label": int(label),
                "direction": "spurious" if given else "missing",
                "given": given,
                "suggested": 1 - given,
                "p": p,
                "score": p if given else 1 - p,
            }
        )
    table.sort(key=lambda cell: cell["score"])
    return [{**cell, "rank": rank} for rank, cell in enumerate(table, 1)]


def example_table(found: Findings, scores: Doubles) -> list[dict[str, Any]]:
    """One record for each example with a flagged cell, lowest score first, ties by row."""
    rows = sorted(np.flatnonzero(found.flags.any(axis=1)), key=lambda row: scores[row])
    table = []
    for rank, row in enumerate(rows, 1):
        given = {int(label) for label in np.flatnonzero(found.labels[row] == 1)}
        flipped = {int(label) for label in np.flatnonzero(found.flags[row])}
        table.append(
            {
                "id": int(row),
                "row": int(row),
                "score": scores[row],
                "n_flagged": len(flipped),
                "given": sorted(given),
                "suggested": sorted(given ^ flipped),
                "rank": rank,
            }
        )
    return table


def summary(found: Findings) -> list[tuple[str, int, float]]:
    """The numbers on the whole: measure, value, share."""
    n, n_labels = found.labels.shape
    n_positive, n_negative = int(np.sum(found.labels == 1)), int(np.sum(found.labels == 0))
    known = n_positive + n_negative
    n_spurious = int(np.sum(found.flags & (found.labels == 1)))
    n_missing = int(np.sum(found.flags & (found.labels == 0)))
    n_rows = int(np.sum(found.flags.any(axis=1)))
    n_excluded = sum(status not in ("ok", CONSTANT) for status in found.status)
    expected = expected_share(found)

    def share(part: int, whole: int) -> float:
        return part / whole if whole else math.nan

    return [
        ("examples", n, math.nan),
        ("labels", n_labels, math.nan),
        ("known cells", known, known / (n * n_labels)),
        ("given labels", n_positive, share(n_positive, known)),
        ("flagged cells", n_spurious + n_missing, share(n_spurious + n_missing, known)),
        ("flagged as spurious, of the given labels", n_spurious, share(n_spurious, n_positive)),
        ("flagged as missing, of the labels not given", n_missing, share(n_missing, n_negative)),
        ("examples with a flagged cell", n_rows, n_rows / n),
        ("the same if flags fell at random", round(n * expected), expected),
        ("labels in which nothing is flagged, see trust", n_excluded, n_excluded / n_labels),
    ]


def expected_share(found: Findings) -> float:
    """Share of examples with a flag if each label's flags fell on its known examples independently."""
    total = 0.0
    for given in found.labels:
        none = 1.0
        for label in np.flatnonzero(given >= 0):
            none *= 1 - found.flags[:, label].sum() / np.sum(found.labels[:, label] >= 0)
        total += 1 - none
    return total / len(found.labels)
