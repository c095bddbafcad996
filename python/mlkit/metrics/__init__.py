"""How good the model is: metrics of label sets, with unknown cells, sparse labels and any number of threads."""

from mlkit.metrics.confusion import (
    accuracy_score,
    classification_report,
    hamming_loss,
    multilabel_confusion_matrix,
    zero_one_loss,
)
from mlkit.metrics.sets import (
    balanced_accuracy_score,
    f1_score,
    fbeta_score,
    jaccard_score,
    mcc_score,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
    specificity_score,
)

__all__ = [
    "accuracy_score",
    "balanced_accuracy_score",
    "classification_report",
    "f1_score",
    "fbeta_score",
    "hamming_loss",
    "jaccard_score",
    "mcc_score",
    "multilabel_confusion_matrix",
    "precision_recall_fscore_support",
    "precision_score",
    "recall_score",
    "specificity_score",
    "zero_one_loss",
]
