"""What the estimators of this room have in common: the model inside, and what they tell scikit-learn."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from mlkit.conformal._models import probabilities_of


class PredictsLabelSets(BaseEstimator):  # type: ignore[misc]
    """Takes a matrix of labels and, without a model inside, probabilities of any storage."""

    def __sklearn_tags__(self) -> Any:  # asked for by scikit-learn 1.6 and later
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.classifier_tags = ClassifierTags(multi_class=False, multi_label=True)
        tags.target_tags.required = tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.input_tags.sparse = True
        return tags


class WrapsEstimator(PredictsLabelSets):
    """Has ``estimator`` and ``prefit``; where there is no estimator, ``X`` holds the probabilities."""

    estimator: Any
    prefit: bool

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__"):  # a prefit model need not be one of scikit-learn's
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    def _fit_estimator(self, X: Any, y: Any) -> None:
        """Fit a clone, unless it is prefit."""
        self.estimator_ = self.estimator if self.prefit else clone(self.estimator).fit(X, y)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))

    def _probabilities(self, X: Any) -> Any:
        if self.estimator is None:
            return X
        if self.prefit:
            return probabilities_of(self.estimator, X)
        if not hasattr(self, "estimator_"):
            raise NotFittedError("estimator: expected a fitted estimator, got prefit=False and no fit (call fit first)")
        return probabilities_of(self.estimator_, X)


def check_columns(estimator: BaseEstimator, X: Any, *, reset: bool) -> None:
    """Hold the columns of X against those known, or with ``reset`` make them known."""
    try:
        from sklearn.utils.validation import validate_data
    except ImportError:  # before scikit-learn 1.6
        estimator._check_feature_names(X, reset=reset)
        estimator._check_n_features(X, reset=reset)
    else:
        validate_data(estimator, X, reset=reset, skip_check_array=True)
