"""Which labels are wrong: label-error audits by confident learning, for examples, cells and whole data sets."""

from mlkit._validation.cells import LabelQualityWarning
from mlkit.quality.issues import find_cell_issues, find_label_issues
from mlkit.quality.label_audit import LabelAudit
from mlkit.quality.noise import estimate_noise_rates
from mlkit.quality.pairs import label_pair_issues
from mlkit.quality.patch import CellPatch
from mlkit.quality.row_order import row_order_scan
from mlkit.quality.rules import rule_violations
from mlkit.quality.scores import get_cell_quality_scores, get_label_quality_scores
from mlkit.quality.state import LabelQualityState
from mlkit.quality.suggest import suggest_labels
from mlkit.quality.thresholds import compute_confident_joint, get_confident_thresholds

__all__ = [
    "CellPatch",
    "LabelAudit",
    "LabelQualityState",
    "LabelQualityWarning",
    "compute_confident_joint",
    "estimate_noise_rates",
    "find_cell_issues",
    "find_label_issues",
    "get_cell_quality_scores",
    "get_confident_thresholds",
    "get_label_quality_scores",
    "label_pair_issues",
    "row_order_scan",
    "rule_violations",
    "suggest_labels",
]
