"""mlkit: the multi-label data toolkit.

Given a label matrix and any model's probabilities: which labels are wrong, which label sets can be trusted, how the
label space is structured, how good the model is.

Rooms are attributes, loaded on first use: ``mlkit.labels``, ``mlkit.quality``, ``mlkit.conformal``, ``mlkit.trees``,
``mlkit.metrics``, ``mlkit.datasets``, ``mlkit.compat``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mlkit._core import __version__

if TYPE_CHECKING:
    from mlkit import compat, conformal, datasets, labels, metrics, quality, trees
    from mlkit._build_info import show_versions
    from mlkit.metrics.evaluate import evaluate
    from mlkit.metrics.report import EvaluationReport
    from mlkit.quality.audit import audit
    from mlkit.quality.label_audit import LabelAudit

_ROOMS = ("compat", "conformal", "datasets", "labels", "metrics", "quality", "trees")
_NAMES = {
    "audit": "mlkit.quality.audit",
    "EvaluationReport": "mlkit.metrics.report",
    "LabelAudit": "mlkit.quality.label_audit",
    "evaluate": "mlkit.metrics.evaluate",
    "show_versions": "mlkit._build_info",
}

__all__ = [
    "EvaluationReport",
    "LabelAudit",
    "__version__",
    "audit",
    "compat",
    "conformal",
    "datasets",
    "evaluate",
    "labels",
    "metrics",
    "quality",
    "show_versions",
    "trees",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"mlkit.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'mlkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
