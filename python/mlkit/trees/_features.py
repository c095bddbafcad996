"""Features of estimators, judged and brought into the form that the kernels read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.arrays import canonical_rows, check_native, is_array, is_sparse, read_array
from mlkit._validation.frames import is_frame
from mlkit._validation.params import described, shorten, shorten_type

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_FORMS = "a numeric array, a SciPy sparse matrix or a frame"


@dataclass(frozen=True)
class Features:
    """Rows of finite numbers: CSR without stored zeros, columns ascending, and the columns' names if they have any."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.floating[Any]]
    n_features: int
    names: NDArray[Any] | None

    @property
    def n_rows(self) -> int:
        return self.indptr.size - 1

    def normalized(self) -> Features:
        """Rows of unit length; rows of zeros stay."""
        if self.values.size == 0:
            return self
        sizes = np.diff(self.indptr)
        rows = np.repeat(np.arange(self.n_rows), sizes)
        values = self.values.astype(np.float64)
        largest = np.zeros(self.n_rows)
        filled = np.flatnonzero(sizes)
        largest[filled] = np.maximum.reduceat(np.abs(values), self.indptr[filled])
        values /= largest[rows]  # first, so that squares can neither overflow nor vanish
        values /= np.sqrt(np.bincount(rows, values * values, self.n_rows))[rows]
        return Features(self.indptr, self.indices, values, self.n_features, self.names)

    def to_core(self) -> _core.trees.Rows:
        """Single precision for the kernels."""
        with np.errstate(over="ignore"):  # told below
            values = self.values.astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(
                "X: expected values that single precision can hold, got larger ones (normalize=True scales)"
            )
        return _core.trees.Rows(self.indptr, self.indices, values, self.n_features)

    def to_csr(self) -> csr_array:
        """As a SciPy matrix, with int32 indices where they suffice: LIBLINEAR takes no others."""
        from scipy.sparse import csr_array

        indptr = self.indptr.astype(np.int32) if self.values.size < 2**31 else self.indptr
        return csr_array((self.values, self.indices, indptr), shape=(self.n_rows, self.n_features))


def read_features(X: Any) -> Features:
    """Read features of any accepted form.

    Raises
    ------
    TypeError, ValueError
        If ``X`` has no accepted form, or holds NaN, an infinity or nothing at all.
    """
    from scipy.sparse import csr_array

    names = None
    if is_frame(X):
        columns = list(X.columns)
        if all(isinstance(name, str) for name in columns):
            names = np.array(columns, dtype=object)
        X = X.to_numpy()
    if is_sparse(X):
        _check_shape(tuple(X.shape))
        indptr, indices, values = canonical_rows("X", X)
        n_features = X.shape[1]
    else:
        if not is_array(X) and not isinstance(X, (list, tuple)) and not hasattr(X, "__array__"):
            raise TypeError(f"X: expected {_FORMS}, got {described(X)}")
        dense = read_array("X", X)
        _check_shape(dense.shape)
        if dense.dtype == object:
            try:
                dense = dense.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise type(error)(f"X: expected numbers, got an object array ({error})") from None
        if dense.dtype.kind not in "biuf":
            kind = ValueError if dense.dtype.kind in "cUS" else TypeError
            hint = " (Complex data not supported)" if dense.dtype.kind == "c" else ""
            raise kind(f"X: expected {_FORMS}, got {shorten_type(dense.dtype)}{hint}")
        check_native("X", dense.dtype)
        rows = csr_array(dense)
        indptr, indices, values = canonical_rows("X", rows)
        n_features = dense.shape[1]
    if values.dtype.kind not in "biuf":
        hint = " (Complex data not supported)" if values.dtype.kind == "c" else ""
        raise ValueError(f"X: expected {_FORMS}, got {shorten_type(values.dtype)}{hint}")
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(np.argmax(bad))
        row = int(np.searchsorted(indptr, at, side="right")) - 1
        raise ValueError(
            f"X: expected finite numbers, got {'NaN' if np.isnan(values[at]) else 'infinity (inf)'} at row {row}, "
            f"feature {indices[at]}"
        )
    if not values.all():
        keep = values != 0
        before = np.zeros(keep.size + 1, np.int64)
        np.cumsum(keep, out=before[1:])
        indptr, indices, values = before[indptr], indices[keep], values[keep]
    return Features(indptr, indices, values, int(n_features), names)


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        hint = " (Reshape your data: .reshape(-1, 1) for one feature, .reshape(1, -1) for one example)"
        raise ValueError(f"X: expected two dimensions (n_samples, n_features), got shape {shape}{hint}")
    if shape[0] == 0:
        raise ValueError(
            f"X: expected at least one example, got 0 sample(s) (shape={shape}) while a minimum of 1 is required."
        )
    if shape[1] == 0:
        raise ValueError(f"X: expected features, got 0 feature(s) (shape={shape}) while a minimum of 1 is required.")


def check_fitted_features(estimator: Any, X: Any) -> Features:
    """Read features for a fitted estimator and hold them against those it was fitted on."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(estimator)
    features = read_features(X)
    if features.n_features != estimator.n_features_in_:
        raise ValueError(
            f"X: expected {estimator.n_features_in_} features as in fit, got {features.n_features} (X has "
            f"{features.n_features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input)"
        )
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is not None and features.names is not None and not np.array_equal(fitted, features.names):
        raise ValueError(
            "X: expected the feature names of fit in their order, got others: The feature names should match those "
            f"that were passed during fit ({shorten(list(features.names))})"
        )
    return features


def remember_features(estimator: Any, features: Features) -> None:
    """Set ``n_features_in_`` and, for frames, ``feature_names_in_``."""
    estimator.n_features_in_ = features.n_features
    if features.names is not None:
        estimator.feature_names_in_ = features.names
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def seed_of(random_state: Any) -> int:
    """One 31-bit seed from ``random_state`` in any of scikit-learn's forms."""
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
