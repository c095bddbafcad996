"""scikit-learn scorers: measures by name for cross-validation and searches."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from mlkit._validation.params import described, shorten, suggest
from mlkit.metrics import calibration, confusion, curves, ranking, sets, topk
from mlkit.metrics._measuring import measure, tell_ties

LOSSES = (
    "hamming_loss", "coverage_error", "ranking_loss", "one_error", "binary_log_loss", "multilabel_brier_score",
    "expected_calibration_error",
)  # fmt: skip
_SETS: dict[str, Callable[..., Any]] = {
    "f1": sets.f1_score,
    "precision": sets.precision_score,
    "recall": sets.recall_score,
    "jaccard": sets.jaccard_score,
}
_AREAS: dict[str, Callable[..., Any]] = {
    "roc_auc": curves.roc_auc_score,
    "average_precision": curves.average_precision_score,
}
_PREDICTED: dict[str, Callable[..., Any]] = {
    "accuracy": confusion.accuracy_score,
    "hamming_loss": confusion.hamming_loss,
}
_SCORED: dict[str, Callable[..., Any]] = {
    "lrap": ranking.label_ranking_average_precision_score,
    "coverage_error": ranking.coverage_error,
    "ranking_loss": ranking.label_ranking_loss,
    "one_error": ranking.one_error,
    "ndcg": ranking.ndcg_score,
    "r_precision": ranking.r_precision,
    "binary_log_loss": calibration.binary_log_loss,
    "multilabel_brier_score": calibration.multilabel_brier_score,
    "expected_calibration_error": calibration.expected_calibration_error,
}
_TOP: dict[str, Callable[..., Any]] = {
    "precision": topk.precision_at_k,
    "recall": topk.recall_at_k,
    "rank_precision": topk.rank_precision_at_k,
    "hit_rate": topk.hit_rate_at_k,
    "ndcg": topk.ndcg_at_k,
}
_AVERAGES = ("micro", "macro", "weighted", "samples")
_NAMES = [
    *(f"{name}_{average}" for name in (*_SETS, *_AREAS) for average in _AVERAGES),
    *(name if name not in LOSSES else f"neg_{name}" for name in (*_PREDICTED, *_SCORED)),
    *(f"{name}_at_k" for name in _TOP),
]
RESPONSES = ("predict_proba", "decision_function")


def scorer(name: str) -> Any:
    """Make a scorer of one measure.

    Parameters
    ----------
    name : str
        A key of :func:`mlkit.evaluate`'s report, such as ``"f1_macro"`` or ``"precision_at_5"``; of losses the
        negative, such as ``"neg_hamming_loss"``, since scorers are the higher the better.

    Returns
    -------
    callable
        As :func:`sklearn.metrics.make_scorer` makes them: ``scorer(estimator, X, y)``.

    Raises
    ------
    TypeError, ValueError
        If there is no such measure.

    Notes
    -----
    The number is that of the function of the name, with scikit-learn's rule for labels without a positive.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mlkit.metrics import scorer
    >>> X, y = make_multilabel_classification(random_state=0)
    >>> cross_val_score(KNeighborsClassifier(), X, y, scoring=scorer("lrap"), cv=3).round(2)
    array([0.77, 0.81, 0.81])
    """
    from sklearn.metrics import make_scorer

    key, function, options, by_score = _measure_of(name)
    response = RESPONSES if by_score else "predict"
    return make_scorer(function, response_method=response, greater_is_better=key == name, **options)


class MultiScorer:
    """Several measures from one prediction and one evaluation; what :func:`multi_scorer` returns.

    Parameters
    ----------
    names : sequence of str
        See :func:`scorer`.

    Examples
    --------
    >>> from mlkit.metrics import MultiScorer
    >>> MultiScorer(["f1_macro", "neg_hamming_loss"])
    MultiScorer(['f1_macro', 'neg_hamming_loss'])
    """

    def __init__(self, names: Sequence[str]) -> None:
        if isinstance(names, (str, bytes)) or not isinstance(names, Sequence) or not names:
            raise TypeError(f"names: expected a sequence of names of measures, got {described(names)}")
        self.names = list(names)
        self._measures = [(name, *_measure_of(name)) for name in self.names]

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        score = None
        if any(by_score for *_, by_score in self._measures):
            response = next((method for method in RESPONSES if hasattr(estimator, method)), None)
            if response is None:
                raise TypeError(
                    f"estimator: expected predict_proba or decision_function for {shorten(self.names)}, "
                    f"got {type(estimator).__name__}"
                )
            score = getattr(estimator, response)(X)
        ks = [options["k"] for _, _, _, options, _ in self._measures if "k" in options]
        of = {"k": ks or 1, "sample_weight": sample_weight, "absent_labels": "sklearn"}
        report = measure(y, score, estimator.predict(X), **of)
        if ks:
            tell_ties(report, "multi_scorer")
        return {name: report[key].value * (1 if key == name else -1) for name, key, *_ in self._measures}

    def __repr__(self) -> str:
        return f"MultiScorer({self.names!r})"


def multi_scorer(names: Sequence[str]) -> MultiScorer:
    """Make a scorer of several measures that predicts once and evaluates once.

    Parameters
    ----------
    names : sequence of str
        See :func:`scorer`.

    Returns
    -------
    MultiScorer
        For ``scoring=`` of :func:`sklearn.model_selection.cross_validate` and of searches (with ``refit=`` one of the
        names).

    Raises
    ------
    TypeError, ValueError
        If there is no such measure.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sklearn.model_selection import cross_validate
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mlkit.metrics import multi_scorer
    >>> X, y = make_multilabel_classification(random_state=0)
    >>> scores = cross_validate(KNeighborsClassifier(), X, y, scoring=multi_scorer(["f1_macro", "lrap"]), cv=3)
    >>> sorted(scores)
    ['fit_time', 'score_time', 'test_f1_macro', 'test_lrap']
    """
    return MultiScorer(names)


def _measure_of(name: Any) -> tuple[str, Callable[..., Any], dict[str, Any], bool]:
    """Key of the report, function, its options, and whether it takes scores."""
    if not isinstance(name, str):
        raise TypeError(f"name: expected the name of a measure, got {described(name)}")
    key = name.removeprefix("neg_")
    top = re.fullmatch(r"(\w+)_at_([1-9]\d*)", key)
    stem, _, average = key.rpartition("_")
    if (key in LOSSES) != (key != name):
        hint = f" (did you mean 'neg_{key}'?)" if key in LOSSES else ""
        raise ValueError(f"name: expected a measure that is the higher the better, got {shorten(name)}{hint}")
    if top and top[1] in _TOP:
        return key, _TOP[top[1]], {"k": int(top[2])}, True
    if average in _AVERAGES and stem in _SETS:
        return key, _SETS[stem], {"average": average, "zero_division": 0}, False
    if average in _AVERAGES and stem in _AREAS:
        return key, _AREAS[stem], {"average": average}, True
    if key in _PREDICTED:
        return key, _PREDICTED[key], {}, False
    if key in _SCORED:
        return key, _SCORED[key], {}, True
    raise ValueError(f"name: expected the name of a measure, got {shorten(name)}{suggest(name, _NAMES)}")
