"""Clusters of equal size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.params import check_integer
from mlkit.trees._features import read_features, remember_features, seed_of


class BalancedKMeans(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Spherical k-means in which cluster sizes differ by at most one.

    Parameters
    ----------
    n_clusters : int, default=8
    max_iter : int, default=20
        Most iterations; fewer if no row moves.
    n_jobs : int or None, default=None
        Number of threads; the result is the same for every value.
    random_state : int, RandomState or None, default=None
        Seed of the first centres and of the order in which clusters are filled.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int32
        Cluster of each row; the larger clusters have the lower numbers.
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Normalised sums of the rows, themselves scaled to unit length.
    n_iter_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where ``X`` was a frame with string columns.

    Notes
    -----
    Two clusters are cut in the middle of the rows sorted by the difference of their similarities to the centres, equal
    ones by row number; more are filled row by row in random order, a full cluster giving up the row that suits it least
    (Tsoumakas et al., "HOMER", 2008), so that the assignment depends on that order. Rows of zeros are similar to
    nothing and go where there is room. O(n_iter (nnz n_clusters + n_samples n_clusters log n_samples)) time at most.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.trees import BalancedKMeans
    >>> X = np.array([[1, 0.1], [1, 0], [0, 1], [0.1, 1], [1, 0.2]])
    >>> BalancedKMeans(2, random_state=0).fit_predict(X)
    array([0, 0, 1, 1, 0], dtype=int32)
    """

    def __init__(
        self, n_clusters: int = 8, *, max_iter: int = 20, n_jobs: int | None = None, random_state: Any = None
    ) -> None:
        self.n_clusters = n_clusters
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> BalancedKMeans:
        """Find the clusters.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : object
            Not looked at.

        Returns
        -------
        BalancedKMeans
            The estimator itself.
        """
        n_threads = resolve_threads(self.n_jobs)
        max_iter = check_integer("max_iter", self.max_iter, low=1)
        features = read_features(X)
        n = features.n_rows
        k = check_integer("n_clusters", self.n_clusters, low=1)
        if k > n:
            raise ValueError(f"n_clusters: expected at most the number of rows, {n}, got {k}")
        rows = features.normalized()
        order, n_iter = _core.trees.balanced_clusters(
            rows.to_core(), k, max_iter, seed_of(self.random_state), n_threads
        )
        sizes = n // k + (np.arange(k) < n % k)
        self.labels_ = np.empty(n, np.int32)
        self.labels_[order] = np.repeat(np.arange(k), sizes)
        self.cluster_centers_ = _centres(rows.to_csr(), self.labels_, k)
        self.n_iter_ = int(n_iter)
        remember_features(self, features)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _centres(rows: Any, labels: NDArray[np.int32], k: int) -> NDArray[np.float64]:
    from scipy.sparse import csr_array
    from sklearn.preprocessing import normalize

    n = labels.size
    member = csr_array((np.ones(n), (labels, np.arange(n))), shape=(k, n))
    centres: NDArray[np.float64] = normalize((member @ rows).toarray())
    return centres
