"""Is one model better than another, or is it chance?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlkit._validation.frames import is_frame
from mlkit._validation.params import check_choice
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics._comparison import TESTS, compare_rows, mcnemar_table
from mlkit.metrics._measuring import measure, tell_ties
from mlkit.metrics._names import check_names
from mlkit.metrics._ranks import check_ks


def compare(
    y_true: Any,
    a: Any,
    b: Any,
    *,
    metrics: Sequence[str] | None = None,
    test: str = "influence",
    correction: str | None = "holm",
    n_resamples: int = 2000,
    threshold: Any = 0.5,
    k: Any = (1, 3, 5),
    unknown: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    label_names: Sequence[str] | None = None,
    ci: float = 0.95,
    absent_labels: str = "skip",
    random_state: int = 0,
    n_jobs: int | None = None,
) -> Any:
    """Compare two models on the same examples, pairing the rows.

    Parameters
    ----------
    y_true, unknown, sample_weight, groups, label_names, threshold, k, ci, absent_labels, n_jobs
        See :func:`mlkit.evaluate`.
    a, b : array-like, sparse matrix, DataFrame or list of shape (n_samples, n_labels)
        Scores (floats), or predicted labels (integers, booleans, lists of labels, a LabelMatrix).
    metrics : sequence of str, optional
        Keys of the report to compare; default: all that have an interval in both. The correction is for their number.
    test : {"influence", "permutation", "bootstrap", "mcnemar"}, default="influence"
        "influence": normal test of the mean difference of the rows' influences. "permutation": the signs of the rows'
        contributions to the difference are turned round at random. "bootstrap": the spread of differences in paired
        Poisson replicates. "mcnemar": of the rows that just one model predicts exactly, and of the cells of each label
        that just one gets right, are there more of one model than a fair coin would give?
    correction : {"holm", "bh"} or None, default="holm"
        p-values for the number of tests: after Holm, or after Benjamini and Hochberg.
    n_resamples : int, default=2000
        Number of permutations or replicates.
    random_state : int, default=0
        Seed of both.

    Returns
    -------
    DataFrame
        One row for each measure: ``value other delta se low high p_value p_holm``, delta the first model's value less
        the second's. Of "mcnemar" one row for accuracy and one for each label: ``only_a only_b p_value p_holm``.

    Raises
    ------
    TypeError, ValueError
        As :func:`mlkit.evaluate`; also if "mcnemar" is given weights or groups, which it cannot take into account.

    Notes
    -----
    p-values are two-sided. Rows of one group are one unit for all tests. McNemar's is exact with the mid-p-value [1]_,
    which keeps its level better than the conditional one. The permutation test is of contributions: influences plus
    each row's share of the difference, which for means of rows are the differences of the rows themselves.

    References
    ----------
    .. [1] Fagerland, Lydersen, Laake, "The McNemar test for binary matched-pairs data: mid-p and asymptotic are better
       than exact conditional", BMC Medical Research Methodology 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import compare
    >>> rng = np.random.default_rng(0)
    >>> a = rng.random((1000, 4))
    >>> y_true = rng.random((1000, 4)) < a**2
    >>> b = np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1)
    >>> table = compare(y_true, a, b, metrics=["f1_macro", "roc_auc_macro"])
    >>> table[["delta", "low", "high"]].round(3).to_dict("index")["f1_macro"]
    {'delta': 0.036, 'low': 0.023, 'high': 0.049}
    """
    check_choice("test", test, (*TESTS, "mcnemar"))
    if test == "mcnemar" and (sample_weight is not None or groups is not None):
        what = "sample_weight" if sample_weight is not None else "groups"
        raise ValueError(f"{what}: expected None with test='mcnemar', which counts single rows (see 'permutation')")
    ks = check_ks(k, 2**62, "compare")[0]
    wanted = None if metrics is None else check_names(metrics, ks, False)
    options: dict[str, Any] = {
        "threshold": threshold,
        "k": k,
        "unknown": unknown,
        "sample_weight": sample_weight,
        "groups": groups,
        "label_names": label_names,
        "ci": ci,
        "absent_labels": absent_labels,
        "n_boot": n_resamples if test == "bootstrap" else 0,
        "random_state": random_state,
        "n_jobs": n_jobs,
    }
    reports = [
        measure(y_true, y_pred=of, **options) if is_prediction(of) else measure(y_true, of, **options) for of in (a, b)
    ]
    first, second = (report._found for report in reports)
    if test == "mcnemar":
        assert first.prediction is not None
        assert second.prediction is not None
        names = None if first.truth is None else first.truth.label_names
        return mcnemar_table(first.prediction, second.prediction, names, correction)
    if wanted is None or any("_at_" in key for key in wanted):
        tell_ties(max(reports, key=lambda report: np.nan_to_num(report.tie_fraction)), "compare")
    return compare_rows(first, second, test, correction, n_resamples, random_state, wanted)


def is_prediction(of: Any) -> bool:
    """Whether these are predicted labels rather than scores: whole numbers, booleans, lists of labels."""
    if isinstance(of, LabelMatrix):
        return True
    if is_frame(of):
        return all(np.dtype(of[c].to_numpy().dtype).kind in "biu" for c in of.columns)
    dtype = getattr(of, "dtype", None)
    if dtype is not None:
        return np.dtype(dtype).kind in "biu"
    rows = list(of) if hasattr(of, "__len__") else []
    return not any(isinstance(x, float) or getattr(x, "dtype", np.dtype(int)).kind == "f" for x in _flat(rows))


def _flat(rows: list[Any]) -> Any:
    for row in rows:
        if hasattr(row, "__len__") and not isinstance(row, str) and getattr(row, "dtype", None) is None:
            yield from row
        else:
            yield row
