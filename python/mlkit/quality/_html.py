"""An audit in a notebook: the summary, what limits it, the labels and the worst cells."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mlkit.quality.audit import LabelAudit

_TOP = 10


def audit_html(audit: LabelAudit) -> str:
    """Self-contained HTML without scripts or styles of its own."""
    n, n_labels = audit.shape
    summary = audit.summary
    shares = summary["share"].map(lambda x: "" if np.isnan(x) else f"{100 * x:.2f} %")
    table = summary.assign(value=summary["value"].map(lambda x: f"{int(x):,}"), share=shares).reset_index()
    labels = audit.labels
    flagged = (labels["spurious_n"] + labels["missing_n"]).to_numpy()
    worst = labels.iloc[np.argsort(-flagged, kind="stable")[:_TOP]]
    columns = ["label", "support", "auc", "spurious_n", "spurious_share", "missing_n", "missing_share", "status"]
    parts = [
        f"<p><b>LabelAudit</b>: {n:,} examples &times; {n_labels:,} labels ({escape(audit.filter_by)})</p>",
        table.to_html(index=False, border=0, header=False),
        "<p>Flags are candidates for review: where people checked them, about half were errors.</p>",
    ]
    for kind, is_warning, text in audit.trust.itertuples(index=False):
        parts.append(f'<p title="{escape(kind)}">{"&#9888;" if is_warning else "&bull;"} {escape(text)}</p>')
    parts.append(f"<details><summary>Labels with the most flags ({min(_TOP, n_labels)} of {n_labels})</summary>")
    parts.append(worst[columns].to_html(index=False, border=0, float_format=lambda x: f"{x:.3f}", na_rep=""))
    parts.append("</details>")
    parts.append("<details><summary>Most suspicious cells</summary>")
    parts.append(audit.cells(top=_TOP).to_html(index=False, border=0, float_format=lambda x: f"{x:.4g}"))
    parts.append("</details>")
    return "\n".join(parts)
