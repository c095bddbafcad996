"""Which labels occur together, and how strongly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.arrays import WIDEST
from mlkit._validation.params import check_choice, check_integer
from mlkit.labels.reading import read_labels

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MEASURES = ("count", "jaccard", "dice", "cosine", "lift", "pmi", "phi")


def label_cooccurrence(
    labels: Any,
    *,
    measure: str = "count",
    min_count: int = 1,
    top: int | None = None,
    n_jobs: int | None = None,
) -> csr_array:
    """Measure how strongly each pair of labels occurs together.

    Parameters
    ----------
    labels : array-like, sparse matrix, DataFrame or LabelMatrix of shape (n_samples, n_labels)
        Labels in any form that :func:`mlkit.labels.as_label_matrix` reads.
    measure : {"count", "jaccard", "dice", "cosine", "lift", "pmi", "phi"}, default="count"
        With ``c_i`` and ``c_ij`` the numbers of examples that carry one or both labels, of ``n``: ``c_ij``,
        ``c_ij / (c_i + c_j - c_ij)``, ``2 c_ij / (c_i + c_j)``, ``c_ij / sqrt(c_i c_j)``, ``n c_ij / (c_i c_j)``, the
        natural logarithm of the last, or Pearson's correlation of the two indicators.
    min_count : int, default=1
        Only pairs seen at least so often are stored. What is not stored is 0 for the first five measures and was not
        computed for "pmi" and "phi".
    top : int, optional
        Store only the ``top`` strongest other labels of each row, equal ones by the lower label number. The matrix
        need not be symmetric then.
    n_jobs : int or None, default=None
        Number of threads; the result has the same bits for every value.

    Returns
    -------
    csr_array of shape (n_labels, n_labels)
        Both triangles and the diagonal; int64 for counts (whose diagonal is the support), else float64. Columns ascend
        in each row.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Notes
    -----
    An example counts for a pair if both of its labels are known there; ``n``, ``c_i`` and ``c_j`` are counted among
    these examples, so that they may differ from pair to pair where cells are unknown. Phi of a label that is constant
    among them is 0.

    O(stored + increments) time, an increment being two labels in one example; memory in proportion to the stored
    pairs, 16 bytes for each positive and one counter for each label and thread. Nothing of size L x L is held. With
    ``top`` the pairs kept number at most ``n_labels * (top + 1)``; each pair is then counted from both sides.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.labels import label_cooccurrence
    >>> labels = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]])
    >>> label_cooccurrence(labels).toarray()
    array([[3, 2, 1],
           [2, 2, 0],
           [1, 0, 1]])
    >>> label_cooccurrence(labels, measure="jaccard").toarray().round(2)
    array([[1.  , 0.67, 0.33],
           [0.67, 1.  , 0.  ],
           [0.33, 0.  , 1.  ]])
    """
    from scipy.sparse import csr_array

    n_threads = resolve_threads(n_jobs)
    check_choice("measure", measure, MEASURES)
    min_count = check_integer("min_count", min_count, low=1)
    limit = -1 if top is None else check_integer("top", top, low=0, high=WIDEST)
    matrix = read_labels(labels, n_threads=n_threads)
    kind = getattr(_core.labels.PairMeasure, measure)
    indptr, indices, data = _core.labels.cooccurrence(matrix._core, kind, min_count, limit, n_threads)
    n_labels = matrix.shape[1]
    return csr_array((data, indices, indptr), shape=(n_labels, n_labels))
