"""What a LabelTreeClassifier answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.params import check_flag, check_integer, check_memory, check_number, format_bytes
from mlkit.trees._features import Features, check_fitted_features
from mlkit.trees._model_store import MODEL_ARRAYS

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from mlkit.trees.label_tree import LabelTree

DENSE_LABELS = 1000  # most labels that sparse_output="auto" answers densely
_ANSWER = 2 * 2**30  # bytes of a dense answer where memory_limit says nothing
_THRESHOLD = 0.5


class TreeAnswers:
    """The methods of a fitted model that are asked about examples."""

    _forest: _core.trees.Forest
    _models: list[dict[str, NDArray[Any]]]
    _target_form: str | None
    trees_: list[LabelTree]
    _has_classes: bool
    classes_: NDArray[Any]
    n_labels_: int
    loss: str
    normalize: bool
    sparse_output: bool | str
    memory_limit: int | str | None
    beam: int | None
    n_jobs: int | None

    def predict(self, X: Any, k: int | None = None, threshold: float = _THRESHOLD) -> Any:
        """Predict the labels that score at least ``threshold``, or the best class; the search for them is exact.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        k : int, optional
            At most so many for each example, the best first.
        threshold : float, default=0.5

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_labels), or ndarray of shape (n_samples,)
            In the dtype of a dense ``y``, else int8; rows may be empty. The second where ``y`` held classes, for which
            ``k`` and ``threshold`` are refused.
        """
        threshold = check_number("threshold", threshold, 0.0, 1.0)
        check_is_fitted(self)
        if self._has_classes:
            if k is not None or threshold != _THRESHOLD:
                raise ValueError(
                    f"k, threshold: expected None and {_THRESHOLD} where y held a class for each example, got {k} and "
                    f"{threshold:g} (predict_topk ranks the classes)"
                )
            return self.classes_[self.predict_topk(X, 1, exact=True)[0][:, 0]]
        most = np.iinfo(np.int32).max if k is None else k
        indptr, labels, _ = self._search(X, most, False, threshold)
        matrix = _by_column(indptr, labels, np.ones(labels.size, np.int8), self.n_labels_)
        is_sparse = self._target_form is None or self.n_labels_ > DENSE_LABELS
        if is_sparse if self.sparse_output == "auto" else self.sparse_output:
            return matrix
        self._refuse(matrix.shape[0] * self.n_labels_, "predict", "sparse_output=True")
        return matrix.toarray().astype(self._target_form or "int8")

    def predict_topk(self, X: Any, k: int = 5, *, exact: bool = False) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the ``k`` best labels of each example, best first.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        k : int, default=5
            More than there are labels are as many.
        exact : bool, default=False
            Miss none, whatever the beam.

        Returns
        -------
        labels : ndarray of shape (n_samples, k), int32
            -1 where the beam found fewer.
        scores : ndarray of shape (n_samples, k), float32
            0 there.
        """
        check_flag("exact", exact)
        indptr, found, values = self._search(X, k, bool(exact), -1.0)
        width = min(int(k), self.n_labels_)
        place = np.arange(found.size) - np.repeat(indptr[:-1], np.diff(indptr))
        row = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
        labels = np.full((indptr.size - 1, width), -1, np.int32)
        scores = np.zeros(labels.shape, np.float32)
        labels[row, place] = found
        scores[row, place] = values
        return labels, scores

    def decision_topk(self, X: Any, k: int = 5) -> csr_array:
        """Return the scores of the ``k`` best labels of each example, by column.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        k : int, default=5

        Returns
        -------
        csr_array of shape (n_samples, n_labels), float32
        """
        indptr, labels, scores = self._search(X, k, False, -1.0)
        return _by_column(indptr, labels, scores, self.n_labels_)

    def predict_proba(self, X: Any, k: int | None = None) -> Any:
        """Return scores of all labels, or of the ``k`` best.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        k : int, optional

        Returns
        -------
        ndarray of shape (n_samples, n_labels), float32; with ``k`` a csr_array
            In (0, 1], exhaustively computed; with ``k`` by beam search. Where ``y`` held classes, and without ``k``,
            float64 and scaled to add up to 1.

        Raises
        ------
        MemoryError
            If a dense answer exceeds ``memory_limit`` (2 GB where that is None).
        """
        if k is not None:
            return self.decision_topk(X, k)
        scores = self._all(X, as_margins=False)
        if not self._has_classes:
            return scores
        shares = scores.astype(np.float64)
        return shares / shares.sum(axis=1, keepdims=True)

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the raw margins of the models of all labels, averaged over the trees.

        Of classes: the logarithms of their scores, for two of them that of the second less that of the first.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_labels), float32
            float64 for classes, and of shape (n_samples,) for two of them.
        """
        check_is_fitted(self)
        if not self._has_classes:
            return self._all(X, as_margins=True)
        logs: NDArray[np.float64] = np.log(self._all(X, as_margins=False).astype(np.float64))
        return logs[:, 1] - logs[:, 0] if self.n_labels_ == 2 else logs

    def _rows(self, X: Any) -> tuple[Features, int]:
        features = check_fitted_features(self, X)
        return (features.normalized() if self.normalize else features), resolve_threads(self.n_jobs)

    def _search(
        self, X: Any, k: Any, is_exact: bool, threshold: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        k = check_integer("k", k, low=1)
        features, n_threads = self._rows(X)
        return _core.trees.best_labels(
            self._forest,
            features.to_core(),
            getattr(_core.trees.Loss, self.loss),
            min(k, self.n_labels_),
            self._beam(),
            is_exact,
            threshold,
            n_threads,
        )

    def _all(self, X: Any, *, as_margins: bool) -> NDArray[np.float32]:
        features, n_threads = self._rows(X)
        name = "decision_function" if as_margins else "predict_proba"
        self._refuse(4 * features.n_rows * self.n_labels_, name, "predict_topk or predict_proba(k=...)")
        loss = getattr(_core.trees.Loss, self.loss)
        return _core.trees.all_labels(self._forest, features.to_core(), loss, as_margins, n_threads)

    def _refuse(self, size: int, name: str, way_out: str) -> None:
        limit = check_memory("memory_limit", self.memory_limit) or _ANSWER
        if size > limit:
            raise MemoryError(
                f"memory_limit: {name} needs {format_bytes(size)} for a dense answer, the limit is "
                f"{format_bytes(limit)} (use {way_out})"
            )

    def _beam(self) -> int:
        return -1 if self.beam is None else check_integer("beam", self.beam, low=1)

    def _load_models(self) -> None:
        """Hand the models to the kernels."""
        models = [_core.trees.Models(*(model[name] for name in MODEL_ARRAYS)) for model in self._models]
        self._forest = _core.trees.Forest([tree._core for tree in self.trees_], models)


def _by_column(indptr: NDArray[np.int64], labels: NDArray[np.int32], values: NDArray[Any], n_labels: int) -> csr_array:
    from scipy.sparse import csr_array

    matrix = csr_array((values, labels, indptr), shape=(indptr.size - 1, n_labels))
    matrix.sort_indices()
    return matrix
