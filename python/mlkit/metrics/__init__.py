"""How good the model is: metrics of label sets and rankings, with unknown cells, sparse input and n_jobs."""

from mlkit.metrics.agreement import balanced_accuracy_score, mcc_score, specificity_score
from mlkit.metrics.calibration import (
    binary_log_loss,
    brier_decomposition,
    expected_calibration_error,
    multilabel_brier_score,
    reliability_curve,
)
from mlkit.metrics.comparing import compare
from mlkit.metrics.confusion import (
    accuracy_score,
    classification_report,
    hamming_loss,
    multilabel_confusion_matrix,
    zero_one_loss,
)
from mlkit.metrics.curves import average_precision_score, mean_average_precision, roc_auc_score
from mlkit.metrics.labels_at_k import label_coverage_at_k, macro_f1_at_k, macro_precision_at_k, macro_recall_at_k
from mlkit.metrics.propensity import inverse_propensity
from mlkit.metrics.ranking import (
    coverage_error,
    dcg_score,
    instance_roc_auc,
    label_ranking_average_precision_score,
    label_ranking_loss,
    ndcg_score,
    one_error,
    r_precision,
)
from mlkit.metrics.report import Estimate, EvaluationReport
from mlkit.metrics.scorers import MultiScorer, multi_scorer, scorer
from mlkit.metrics.sets import (
    f1_score,
    fbeta_score,
    jaccard_score,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
)
from mlkit.metrics.stability import RankStability, rank_stability
from mlkit.metrics.state import MetricState
from mlkit.metrics.topk import (
    hit_rate_at_k,
    ndcg_at_k,
    precision_at_k,
    psndcg_at_k,
    psprecision_at_k,
    psrecall_at_k,
    rank_precision_at_k,
    recall_at_k,
)

__all__ = [
    "Estimate",
    "EvaluationReport",
    "MetricState",
    "MultiScorer",
    "RankStability",
    "accuracy_score",
    "average_precision_score",
    "balanced_accuracy_score",
    "binary_log_loss",
    "brier_decomposition",
    "classification_report",
    "compare",
    "coverage_error",
    "dcg_score",
    "expected_calibration_error",
    "f1_score",
    "fbeta_score",
    "hamming_loss",
    "hit_rate_at_k",
    "instance_roc_auc",
    "inverse_propensity",
    "jaccard_score",
    "label_coverage_at_k",
    "label_ranking_average_precision_score",
    "label_ranking_loss",
    "macro_f1_at_k",
    "macro_precision_at_k",
    "macro_recall_at_k",
    "mcc_score",
    "mean_average_precision",
    "multi_scorer",
    "multilabel_brier_score",
    "multilabel_confusion_matrix",
    "ndcg_at_k",
    "ndcg_score",
    "one_error",
    "precision_at_k",
    "precision_recall_fscore_support",
    "precision_score",
    "psndcg_at_k",
    "psprecision_at_k",
    "psrecall_at_k",
    "r_precision",
    "rank_precision_at_k",
    "rank_stability",
    "recall_at_k",
    "recall_score",
    "reliability_curve",
    "roc_auc_score",
    "scorer",
    "specificity_score",
    "zero_one_loss",
]
