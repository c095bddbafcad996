"""scikit-learn's own checks: everything but what contradicts a statement of our documentation."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlkit.trees import BalancedKMeans, HOMERClassifier, LabelTreeClassifier

ORDER = "examples are visited in random order and weights kept in single precision: equal to 1e-4, not to 1e-7"
OF_LINEAR_MODELS = {
    "check_sample_weight_equivalence_on_dense_data": ORDER,
    "check_sample_weight_equivalence_on_sparse_data": ORDER,
}
OF_TREES = {
    **OF_LINEAR_MODELS,
    "check_classifier_multioutput": "scores are products along paths: score >= 0.5 is not margin > 0 of the last model",
}
ESTIMATORS = {
    LabelTreeClassifier(max_leaf=2): OF_TREES,
    LabelTreeClassifier("flat", loss="log"): OF_LINEAR_MODELS,
    HOMERClassifier(max_leaf=2): {},
    BalancedKMeans(2): {},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    list(ESTIMATORS),
    expected_failed_checks=lambda estimator: next(v for k, v in ESTIMATORS.items() if repr(k) == repr(estimator)),
)
def test_scikit_learn_agrees(estimator, check):
    check(estimator)
