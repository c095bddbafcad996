"""Names of the measures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlkit._validation.params import described, shorten, suggest
from mlkit.metrics._measures import RATIOS

AVERAGED = ("micro", "macro", "weighted", "samples")
SET_KEYS = (
    *(f"{name}_{average}" for name in RATIOS for average in AVERAGED),
    "specificity_micro", "specificity_macro", "balanced_accuracy_macro", "mcc_macro", "hamming_loss", "accuracy",
)  # fmt: skip
AREA_KEYS = tuple(f"{name}_{average}" for name in ("roc_auc", "average_precision") for average in AVERAGED[:3])
CALIBRATION_KEYS = ("multilabel_brier_score", "binary_log_loss", "expected_calibration_error")
_ROWS = (
    "roc_auc_samples", "average_precision_samples", "lrap", "coverage_error", "ranking_loss", "one_error", "ndcg",
    "r_precision",
)  # fmt: skip
_TOP = ("precision", "recall", "rank_precision", "hit_rate", "ndcg")
_TOP_MEANS = ("macro_precision", "macro_recall", "macro_f1", "label_coverage")
_SCORED = ("psprecision", "psndcg", "psrecall")


def rank_keys(ks: Sequence[int], scored: bool = True) -> tuple[str, ...]:
    """Measures of the order of scores within rows."""
    return (*_ROWS, *(f"{name}_at_{k}" for name in (_TOP + _SCORED if scored else _TOP) for k in ks))


def top_mean_keys(ks: Sequence[int]) -> tuple[str, ...]:
    """Measures of labels over the best-scored ones of each row."""
    return tuple(f"{name}_at_{k}" for name in _TOP_MEANS for k in ks)


def check_names(metrics: Any, ks: Sequence[int], scored: bool) -> tuple[str, ...]:
    """Return the names of measures.

    Raises
    ------
    TypeError, ValueError
        If one of them is not a measure's.
    """
    if isinstance(metrics, (str, bytes)) or not isinstance(metrics, Sequence) or not metrics:
        raise TypeError(f"metrics: expected a sequence of names of measures, got {described(metrics)}")
    known = (*SET_KEYS, *AREA_KEYS, *CALIBRATION_KEYS, *rank_keys(ks, scored), *top_mean_keys(ks))
    for name in metrics:
        if name not in known:
            raise ValueError(f"metrics: expected names of measures, got {shorten(name)}{suggest(name, known)}")
    return tuple(metrics)
