"""scikit-learn's own checks, as far as they speak of several labels at once."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlkit.trees import BalancedKMeans, HOMERClassifier, LabelTreeClassifier

ONE_COLUMN = "gives one column of classes, or values other than 0 and 1, as y: labels are an (n, L) indicator"
NESTED = "gives y as a list of rows of zeros and ones, which as_label_matrix refuses as ambiguous"
EXPECTED = {
    "check_estimators_dtypes": ONE_COLUMN,
    "check_estimator_sparse_array": ONE_COLUMN,
    "check_estimator_sparse_matrix": ONE_COLUMN,
    "check_classifier_data_not_an_array": ONE_COLUMN,
    "check_classifiers_one_label": ONE_COLUMN,
    "check_classifiers_classes": ONE_COLUMN,
    "check_classifiers_train": ONE_COLUMN,
    "check_classifiers_regression_target": ONE_COLUMN,
    "check_classifier_not_supporting_multiclass": ONE_COLUMN,
    "check_fit2d_1feature": ONE_COLUMN,
    "check_classifiers_multilabel_representation_invariance": NESTED,
    "check_supervised_y_no_nan": "wants a message of scikit-learn's for infinite y; NaN means unknown here",
}
OF_LINEAR_MODELS = {
    "check_sample_weights_pandas_series": ONE_COLUMN,
    "check_sample_weights_not_an_array": ONE_COLUMN,
    "check_sample_weights_shape": ONE_COLUMN,
    "check_sample_weights_not_overwritten": ONE_COLUMN,
    "check_classifiers_one_label_sample_weights": ONE_COLUMN,
    "check_class_weight_classifiers": ONE_COLUMN,
    "check_decision_proba_consistency": ONE_COLUMN,
    "check_sample_weight_equivalence_on_dense_data": "training stops within eps, on another order of examples",
    "check_sample_weight_equivalence_on_sparse_data": "training stops within eps, on another order of examples",
    "check_classifier_multioutput": "predict compares scores, products along paths, with 0.5, not margins with 0",
    "check_non_transformer_estimators_n_iter": "each of the many models has its own number of iterations",
}


def expected_failures(estimator):
    if isinstance(estimator, BalancedKMeans):
        return {}
    return EXPECTED if isinstance(estimator, HOMERClassifier) else {**EXPECTED, **OF_LINEAR_MODELS}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [LabelTreeClassifier(max_leaf=2), HOMERClassifier(max_leaf=2), BalancedKMeans(2)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_agrees(estimator, check):
    check(estimator)
