"""An audit in a notebook: the summary, what limits it, the labels and the worst cells."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkit.quality._trust import counted, percent
from mlkit.quality.label_audit import AT_RANDOM

if TYPE_CHECKING:
    from mlkit.quality.label_audit import LabelAudit

_TOP = 10
_LABEL_COLUMNS = ["label", "support", "auc", "spurious_n", "spurious_share", "missing_n", "missing_share", "status"]


def audit_html(audit: LabelAudit) -> str:
    """Self-contained HTML without scripts, and with no styles but what a table cell says of itself."""
    n, n_labels = audit.shape
    size = f"{counted(n, 'example')} &times; {counted(n_labels, 'label')}"
    parts = [
        f"<p><b>LabelAudit</b>: {size} ({escape(audit.filter_by)})</p>",
        *_evidence_list(audit),
        _summary_table(audit),
        "<p>Flags are candidates for review: where people checked them, about half were errors.</p>",
    ]
    parts.append("<p><b>" + "</b><br>".join(escape(line.strip()) for line in audit.story.lines()) + "</p>")
    if len(audit.trust):
        parts.append("<p><b>Trust</b></p>")
        parts.append("<ul>")
        for kind, is_warning, text in audit.trust.itertuples(index=False):
            sign = "&#9888; " if is_warning else ""
            parts.append(f'<li title="{escape(kind)}">{sign}{escape(text)}</li>')
        parts.append("</ul>")
    labels = audit.labels
    n_flagged = (labels["spurious_n"] + labels["missing_n"]).to_numpy()
    worst = labels.iloc[np.argsort(-n_flagged, kind="stable")[:_TOP]]
    title = f"Labels with the most flagged cells ({min(_TOP, n_labels):,} of {n_labels:,})"
    parts.append(_folded(title, worst[_LABEL_COLUMNS], ".3f"))
    cells = audit.cells(top=_TOP)
    title = f"Most suspicious cells ({len(cells):,} of {n_flagged.sum():,} flagged)"
    parts.append(_folded(title, cells, ".4g"))
    return "\n".join(parts)


def _evidence_list(audit: LabelAudit) -> list[str]:
    evidence = audit.evidence
    if not len(evidence):
        return []
    items = [f'<li title="{escape(kind)}">&#9888; {escape(text)}</li>' for kind, text in evidence.to_numpy()]
    return ["<p><b>Evidence</b></p>", "<ul>", *items, "</ul>"]


def _summary_table(audit: LabelAudit) -> str:
    right = ' style="text-align: right"'
    rows = []
    for name, value, share in audit.summary.itertuples():
        indent = "&emsp;" if name == AT_RANDOM else ""
        left = ' style="text-align: left"'
        rows.append(
            f"<tr><td{left}>{indent}{escape(name)}</td><td{right}>{value:,}</td><td{right}>{percent(share)}</td></tr>"
        )
    return "\n".join(['<table class="dataframe">', *rows, "</table>"])


def _folded(title: str, frame: Any, number: str) -> str:
    table = frame.to_html(index=False, border=0, float_format=lambda x: format(x, number), na_rep="")
    return f"<details><summary>{title}</summary>\n{table}\n</details>"
