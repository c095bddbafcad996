"""scikit-learn scorers: measures by name for cross-validation and searches."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlkit._validation.params import described, shorten, suggest
from mlkit.metrics import agreement, calibration, confusion, curves, labels_at_k, ranking, sets, topk
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
_AGREEMENT: dict[str, tuple[Callable[..., Any], str]] = {
    "specificity_micro": (agreement.specificity_score, "micro"),
    "specificity_macro": (agreement.specificity_score, "macro"),
    "balanced_accuracy_macro": (agreement.balanced_accuracy_score, "macro"),
    "mcc_macro": (agreement.mcc_score, "macro"),
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
    "macro_precision": labels_at_k.macro_precision_at_k,
    "macro_recall": labels_at_k.macro_recall_at_k,
    "macro_f1": labels_at_k.macro_f1_at_k,
    "label_coverage": labels_at_k.label_coverage_at_k,
}
_AVERAGES = ("micro", "macro", "weighted", "samples")
_NAMES = [
    *(f"{name}_{average}" for name in (*_SETS, *_AREAS) for average in _AVERAGES),
    *_AGREEMENT,
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
        ``scorer(estimator, X, y)``, as :func:`sklearn.metrics.make_scorer` makes them; with ``set_score_request``.

    Raises
    ------
    TypeError, ValueError
        If there is no such measure.

    Notes
    -----
    The number is that of the function of the name, with scikit-learn's rule for labels without a positive. A label of
    which a multi-output classifier has seen one class alone has probability 0 or 1, as that class says.

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
    if by_score:
        return ScoreScorer(name)
    return make_scorer(function, response_method="predict", greater_is_better=key == name, **options)


class _Requests:
    """What scikit-learn's metadata routing asks of a scorer."""

    _request: bool | str | None = None

    def set_score_request(self, *, sample_weight: bool | str | None = None) -> Any:
        """Say whether weights of the rows are wanted, as scikit-learn's own scorers do.

        Parameters
        ----------
        sample_weight : bool, str or None
            True: they are; a text: under this name; False: they are not; None: an error if they are given.

        Returns
        -------
        self
        """
        self._request = sample_weight
        return self

    def get_metadata_routing(self) -> Any:
        """Return what was asked for.

        Returns
        -------
        MetadataRequest
        """
        from sklearn.utils.metadata_routing import MetadataRequest

        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self._request)
        return request


class ScoreScorer(_Requests):
    """One measure of scores; what :func:`scorer` returns for it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key, self._function, self._options, _ = _measure_of(name)

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        score = _scores_of(estimator, X, [self.name])
        value = float(self._function(y, score, sample_weight=sample_weight, **self._options))
        return value if self._key == self.name else -value

    def __repr__(self) -> str:
        return f"scorer({self.name!r})"


class MultiScorer(_Requests):
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
        asks = [by_score for *_, by_score in self._measures]
        score = _scores_of(estimator, X, self.names) if any(asks) else None
        predicted = None if all(asks) else estimator.predict(X)
        ks = [options["k"] for _, _, _, options, _ in self._measures if "k" in options]
        report = measure(y, score, predicted, k=ks or 1, sample_weight=sample_weight, absent_labels="sklearn")
        if ks:
            tell_ties(report, "multi_scorer")
        values = {}
        for name, key, function, options, _ in self._measures:
            if key in report:
                value = report[key].value
            else:  # more ranks than labels, or scores that are no probabilities: the function has the answer
                value = float(function(y, score, sample_weight=sample_weight, **options))
            values[name] = value if key == name else -value
        return values

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


def _scores_of(estimator: Any, X: Any, names: Sequence[str]) -> Any:
    """Probabilities, or else what the decision function says."""
    response = next((method for method in RESPONSES if hasattr(estimator, method)), None)
    if response is None:
        raise TypeError(
            f"estimator: expected predict_proba or decision_function for {shorten(names)}, "
            f"got {type(estimator).__name__}"
        )
    score = getattr(estimator, response)(X)
    if not isinstance(score, list):
        return score
    classes = getattr(estimator, "classes_", [()] * len(score))
    return [_both_classes(item, of) for item, of in zip(score, classes, strict=True)]


def _both_classes(probabilities: Any, classes: Any) -> Any:
    """Two columns where a classifier has seen one class of a label alone."""
    if np.shape(probabilities)[1:] != (1,) or len(classes) != 1 or classes[0] not in (0, 1):
        return probabilities
    sure = np.asarray(probabilities)
    return np.hstack([1 - sure, sure] if classes[0] == 1 else [sure, 1 - sure])


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
    if key in _AGREEMENT:
        of, mean = _AGREEMENT[key]
        return key, of, {"average": mean}, False
    if key in _PREDICTED:
        return key, _PREDICTED[key], {}, False
    if key in _SCORED:
        return key, _SCORED[key], {}, True
    raise ValueError(f"name: expected the name of a measure, got {shorten(name)}{suggest(name, _NAMES)}")
