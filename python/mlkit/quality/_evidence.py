"""Evidence beyond scores in an audit: what breaks along the rows, goes wrong in pairs, or violates rules.

Each finding is a sentence, most damning first; the tables behind them are made by the modules that find them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlkit._validation.cells import Cells
from mlkit._validation.params import list_labels
from mlkit._validation.rules import Rules
from mlkit.quality import _engine, _trust
from mlkit.quality._columns import ColumnReader, Mask
from mlkit.quality._trust import Remark, counted
from mlkit.quality.pairs import Pair, find_pairs
from mlkit.quality.row_order import LEVEL, Break, find_breaks, flag_matrix
from mlkit.quality.rules import Violations, find_violations

AUDIT_LEVEL = LEVEL / 3  # of each of three searches: right labels in random order are told of in one audit of a hundred
_MANY = 3  # breaks or pairs that are told one by one
_MOST = 0.9  # share of violations that lie in one part of the rows, to say so


@dataclass(frozen=True)
class Evidence:
    """What was found, beyond chance (or certain), in one audit."""

    breaks: list[Break]
    pairs: list[Pair]
    violations: Violations
    shape: tuple[int, int]
    names: tuple[str, ...] | None
    probs_fit: bool  # to these labels: what pairs are held against
    has_pairs: bool = True  # they were looked for

    @property
    def label_breaks(self) -> list[Break]:
        return [b for b in self.breaks if b.kind == "labels"]

    @property
    def remarks(self) -> list[Remark]:
        """The sentences, most damning first."""
        by_size = sorted(self.label_breaks, key=lambda b: (b.p_value, -b.labels.size))
        shifts = [b for b in by_size if b.shift.lag]
        others = [b for b in by_size if not b.shift.lag]
        shared = [b for b in others if b.labels.size != 1]
        found = [self._shift(b) for b in shifts]
        found += self._rules()
        if self.probs_fit:
            found += self._pairs("swap") + self._pairs("implied")
        if len(others) <= _MANY:  # where rows have an order of their own, so have flags
            found += self._flags()
        if len(others) > _MANY:
            found.append(self._order(others))
        else:
            found += [self._break(b) for b in (*shared, *(b for b in others if b.labels.size == 1))]
        return found

    def _shift(self, at: Break) -> Remark:
        shift = at.shift
        side = "right" if shift.lag > 0 else "left"
        far = "its neighbour on the" if abs(shift.lag) == 1 else f"the one {abs(shift.lag)} columns to its"
        which = "each column"
        if shift.last - shift.first + 1 + abs(shift.lag) < self.shape[1]:
            which = f"each of the columns {self._named([shift.first])} to {self._named([shift.last])}"
        return Remark(
            "shift",
            f"break near row {at.row:,}: labels shifted by {shift.lag:+d} ({counted(abs(shift.lag), 'column')}) after "
            f"it; {which} holds there what {far} {side} held before (frequencies before and after correlate "
            f"{shift.correlations[0]:.2f} as they are, {shift.correlations[1]:.2f} shifted; {_chance(shift.p_value)})",
        )

    def _break(self, at: Break) -> Remark:
        if at.labels.size:
            n = at.labels.size
            what = f"{counted(n, 'label')} {'is' if n == 1 else 'are'} given at another rate after it"
            what += f" ({self._named(at.labels)}; {_chance(at.p_value)})"
        else:
            what = f"examples have more or fewer labels after it ({_chance(at.p_value)})"
        return Remark("break", f"break near row {at.row:,}: {what}")

    def _order(self, breaks: list[Break]) -> Remark:
        labels = breaks[0].labels
        most = f", {self._named(labels)}" if labels.size else ""
        return Remark(
            "order",
            f"rows are in an order of their own: labels are given at other rates after {len(breaks):,} places, most "
            f"clearly after row {breaks[0].row:,} ({_chance(breaks[0].p_value)}{most})",
        )

    def _flags(self) -> list[Remark]:
        """Breaks of flags that are not the labels' own."""
        near = max(50, self.shape[0] // 100)
        rows = np.array([b.row for b in self.label_breaks])
        found = [b for b in self.breaks if b.kind == "flags" and not (np.abs(rows - b.row) <= near).any()]
        if not found:
            return []
        found.sort(key=lambda b: b.p_value)
        places = ", ".join(f"{b.row:,}" for b in sorted(found[:_MANY], key=lambda b: b.row))
        more = f" and {len(found) - _MANY:,} more" if len(found) > _MANY else ""
        labels = found[0].labels
        where = f" (most in {self._named(labels)}; " if labels.size else " ("
        text = (
            f"labels contradict the model at another rate after row {places}{more}{where}{_chance(found[0].p_value)})"
        )
        return [Remark("flags", text)]

    def _rules(self) -> list[Remark]:
        found = []
        texts = (
            (
                "orphan",
                "labels are given without their parent (orphans)",
                "label is given without its parent (an orphan)",
            ),
            ("implies", "labels are given without what they imply", "label is given without what it implies"),
            (
                "excludes",
                "pairs of labels are given together although one excludes the other",
                "pair of labels is given together although one excludes the other",
            ),
        )
        for kind, plural, singular in texts:
            rows = self.violations.of(kind).row
            if rows.size:
                what = singular if rows.size == 1 else plural
                where = f"in {counted(np.unique(rows).size, 'example')}{self._where(rows)}"
                found.append(Remark(kind, f"{rows.size:,} {what}, {where}"))
        rows = np.unique(self.violations.of("count").row)
        if rows.size:
            what = f"{counted(rows.size, 'example')} with more or fewer labels than the rules allow"
            found.append(Remark("count", f"{what}{self._where(rows)}"))
        return found

    def _where(self, rows: Any) -> str:
        """In which part of the rows, between the breaks of the labels, most of them lie."""
        bounds = np.array([0, *sorted(b.row for b in self.label_breaks), self.shape[0]])
        counts = np.bincount(np.searchsorted(bounds, rows, side="right") - 1, minlength=bounds.size - 1)
        part = int(np.argmax(counts))
        if bounds.size == 2 or counts[part] < _MOST * rows.size:
            return ""
        share = "all of them" if counts[part] == rows.size else _trust.percent(counts[part] / rows.size)
        return f", {share} in rows {bounds[part]:,} to {bounds[part + 1] - 1:,}"

    def _pairs(self, kind: str) -> list[Remark]:
        pairs = [pair for pair in self.pairs if pair.kind == kind]
        found = []
        for pair in pairs[:_MANY]:
            a, b = self._named([pair.a]), self._named([pair.b])
            rows = f"rows {pair.first:,} to {pair.last:,}"
            if kind == "swap":
                text = f"{a} is given where {b} should be, in {counted(pair.count, 'example')} ({rows}"
                text += f"; at most {pair.expected:,.1f} expected" if pair.expected < pair.count else ""
                text += f"; {_chance(pair.p_value)})"
            else:
                text = f"{b} is missing in {counted(pair.count, 'example')} with {a}, of which "
                text += (
                    f"{_trust.percent(pair.share)} carry it ({pair.expected:,.1f} expected; {_chance(pair.p_value)})"
                )
            found.append(Remark(kind, text))
        if len(pairs) > _MANY:
            more = counted(len(pairs) - _MANY, "more pair")
            found.append(Remark(kind, f"{more} of labels {'swapped' if kind == 'swap' else 'missing'}: see pairs()"))
        return found

    def _named(self, labels: Any) -> str:
        text = list_labels(np.asarray(labels), self.names)
        return text if self.names is not None else f"label {text}" if len(labels) == 1 else f"labels {text}"


def _chance(p_value: float) -> str:
    return f"p = {p_value:.2g}" if p_value >= 1e-12 else "p < 1e-12"


def gather(
    cells: Cells,
    flagged: _engine.FlaggedCells,
    contradicted: Callable[[], _engine.FlaggedCells],
    rules: Rules | None,
    columns_of: Callable[[Mask], ColumnReader] | None,
    *,
    probs_fit: bool,
    n_cells: int | None = None,
) -> Evidence:
    """Look for all of it.

    ``contradicted`` gives the cells of which the model's likelier outcome is the other one, in labels that are judged;
    ``columns_of`` the probabilities of some labels, of which ``n_cells`` are kept at a time. Without it pairs are not
    looked for.
    """
    breaks = find_breaks(cells.labels, AUDIT_LEVEL, cells.n_threads)
    pairs: list[Pair] = []
    if columns_of is not None:
        pairs = find_pairs(cells.labels, contradicted(), breaks, AUDIT_LEVEL, columns_of, n_cells)
    breaks += find_breaks(flag_matrix(cells.labels, flagged), AUDIT_LEVEL, cells.n_threads, kind="flags")
    violations = find_violations(cells.labels, rules)
    return Evidence(breaks, pairs, violations, cells.shape, cells.label_names, probs_fit, columns_of is not None)
