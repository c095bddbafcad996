"""What the estimators of this room have in common: the model inside, and what they tell scikit-learn."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import ClassifierTags, Tags, get_tags


class PredictsLabelSets(BaseEstimator):  # type: ignore[misc]
    """Takes a matrix of labels and, without a model inside, probabilities of any storage."""

    def __sklearn_tags__(self) -> Tags:
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

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
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
            return self.estimator.predict_proba(X)
        if not hasattr(self, "estimator_"):
            raise NotFittedError("estimator: expected a fitted estimator, got prefit=False and no fit (call fit first)")
        return self.estimator_.predict_proba(X)
