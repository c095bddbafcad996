"""One call for everything that is reported about a multi-label model, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlkit.metrics._measuring import measure, tell_ties
from mlkit.metrics.report import EvaluationReport


def evaluate(
    y_true: Any,
    y_score: Any = None,
    y_pred: Any = None,
    *,
    threshold: Any = 0.5,
    k: Any = (1, 3, 5),
    unknown: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    label_names: Sequence[str] | None = None,
    inv_propensity: Any = None,
    ci: float = 0.95,
    ci_method: str = "auto",
    n_boot: int = 0,
    absent_labels: str = "skip",
    random_state: int = 0,
    n_jobs: int | None = None,
) -> EvaluationReport:
    """Measure a multi-label model: set metrics, rankings, areas under curves, calibration, with intervals.

    Parameters
    ----------
    y_true : array-like, sparse matrix, DataFrame, list of lists or LabelMatrix of shape (n_samples, n_labels)
        True labels in any form of :func:`mlkit.labels.as_label_matrix`; cells of -1 or NaN are unknown.
    y_score : array-like, sparse matrix, DataFrame or list of ndarray of shape (n_samples, n_labels), optional
        Scores, the higher the likelier; where all lie in [0, 1] their calibration is measured too.
    y_pred : array-like, sparse matrix, DataFrame or list of lists of shape (n_samples, n_labels), optional
        Predicted labels; default: the scores that reach ``threshold``.
    threshold : float or array-like of shape (n_labels,), default=0.5
        A label is predicted where its score is at least this, as NumPy compares them: a plain number is rounded to the
        type of the scores (0.7 reaches a float32 of 0.7), those of an array are not.
    k : int or sequence of int, default=(1, 3, 5)
        Cut-offs of the top-k metrics; those above the number of labels are left out.
    unknown : mask of shape (n_samples, n_labels), bool, optional
        Cells that take no part, besides those that ``y_true`` says are unknown.
    sample_weight : array-like of shape (n_samples,), optional
        Weights of the rows, at least 0.
    groups : array-like of shape (n_samples,), optional
        Rows of one group (a patient, a user) are not independent: intervals are those of groups drawn at random.
    label_names : sequence of str, optional
        One name for each label; default: the columns of a frame.
    inv_propensity : array-like of shape (n_labels,), optional
        Inverse propensities: propensity-scored metrics are reported too.
    ci : float in (0, 1), default=0.95
        Level of the intervals.
    ci_method : {"auto", "influence", "bootstrap"}, default="auto"
        "influence": normal intervals from the influence of each row, for areas on the logit scale. "bootstrap": from
        the spread of Poisson replicates instead, for all but areas and means over labels at k (256, unless ``n_boot``
        says otherwise). "auto": "bootstrap" if ``n_boot`` is positive, else "influence".
    n_boot : int, default=0
        Number of bootstrap replicates.
    absent_labels : {"skip", "sklearn", "nan"}, default="skip"
        Labels without a positive in means over labels: left out and counted, counted as scikit-learn does (0, or NaN
        for ROC AUC), or making the mean NaN.
    random_state : int, default=0
        Seed of the bootstrap.
    n_jobs : int, optional
        Threads; None: all available. The result has the same bits for every value.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    TypeError, ValueError
        One line that names the argument, what was expected, what was got and where.

    Warns
    -----
    UndefinedMetricWarning
        Once, where the tie rule of the top-k metrics decides more than 1 % of the first k places (``tie_fraction``).

    Notes
    -----
    Every number equals that of the function of its name in :mod:`mlkit.metrics`. A fixed number of passes over the
    scores: one each for judging, counting, ranking rows, sorting labels, pooling and calibration.

    Standard errors are roots of sums of squared influences: for a single ROC AUC this is [1]_, for means over labels
    the influences of a row are added over labels first, so that labels need not be independent. Areas of fewer than
    about 50 positives carry a note: their intervals cover less than they say.

    References
    ----------
    .. [1] DeLong, DeLong, Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver Operating
       Characteristic Curves", Biometrics 1988.

    Examples
    --------
    >>> import numpy as np, mlkit
    >>> rng = np.random.default_rng(0)
    >>> y_score = rng.random((1000, 4))
    >>> y_true = rng.random((1000, 4)) < y_score**2
    >>> report = mlkit.evaluate(y_true, y_score)
    >>> report["f1_macro"]
    Estimate(0.684, 0.666 to 0.703)
    >>> round(report["roc_auc_macro"].se, 4)
    0.0059
    """
    report = measure(
        y_true,
        y_score,
        y_pred,
        threshold=threshold,
        k=k,
        unknown=unknown,
        sample_weight=sample_weight,
        groups=groups,
        label_names=label_names,
        inv_propensity=inv_propensity,
        ci=ci,
        ci_method=ci_method,
        n_boot=n_boot,
        absent_labels=absent_labels,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    tell_ties(report, "evaluate")
    return report
