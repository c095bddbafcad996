"""Every accepted form of probabilities, brought into what the kernels read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.arrays import WIDEST, canonical_rows, check_native, is_array, is_sparse, take_rows
from mlkit._validation.frames import is_frame, read_frame
from mlkit._validation.params import label_text, shorten

_FORMS = (
    "an (n_samples, n_labels) array, a SciPy sparse matrix, a frame, "
    "or the list of (n_samples, 2) arrays of a multi-output classifier"
)
TOLERANCE = 1e-6  # how far rounding may carry a probability out of [0, 1]


@dataclass(frozen=True)
class Probabilities:
    """Probabilities that passed: dense (``array``) or CSR (``indptr``, ``indices``, ``array`` = stored values)."""

    shape: tuple[int, int]
    array: NDArray[Any]
    indptr: NDArray[np.int64] | None
    indices: NDArray[np.int32] | None
    core: _core.labels.Scores
    clip: bool = False
    nan_mask: Any = None  # cells that were NaN and are to be unknown

    @property
    def is_sparse(self) -> bool:
        return self.indptr is not None

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def take(self, rows: NDArray[np.int64]) -> Probabilities:
        """The probabilities of chosen rows, copied."""
        shape = (rows.size, self.shape[1])
        if self.indptr is None or self.indices is None:
            part = self.array[rows]
            return Probabilities(shape, part, None, None, _core.labels.Scores(part, self.clip), self.clip)
        indptr, stored = take_rows(self.indptr, rows)
        indices, array = self.indices[stored], self.array[stored]
        core = _core.labels.Scores(indptr, indices, array, shape[1], self.clip)
        return Probabilities(shape, array, indptr, indices, core, self.clip)

    def rows(self, begin: int, end: int) -> Probabilities:
        """The probabilities of a run of rows."""
        shape = (end - begin, self.shape[1])
        if self.indptr is None or self.indices is None:
            part = self.array[begin:end]
            return Probabilities(shape, part, None, None, _core.labels.Scores(part, self.clip), self.clip)
        stored = slice(int(self.indptr[begin]), int(self.indptr[end]))
        indptr = self.indptr[begin : end + 1] - self.indptr[begin]
        indices, array = self.indices[stored], self.array[stored]
        core = _core.labels.Scores(indptr, indices, array, shape[1], self.clip)
        return Probabilities(shape, array, indptr, indices, core, self.clip)


def read_probabilities(value: Any, label_names: Sequence[str] | None, *, force: bool) -> Any:
    """Return a 2-D float array or a SciPy sparse matrix of floats; nothing is looked at but the form.

    Raises
    ------
    TypeError, ValueError
        If ``value`` has no accepted form or holds hard 0/1 predictions and ``force`` is False.
    """
    if is_frame(value):
        value, _ = read_frame("pred_probs", value, label_names)
    elif isinstance(value, (list, tuple)):
        value = _from_pairs(value)
    if is_sparse(value):
        dtype, shape = value.dtype, tuple(value.shape)
    elif is_array(value):
        value = np.asarray(value)
        dtype, shape = value.dtype, value.shape
    else:
        raise TypeError(f"pred_probs: expected {_FORMS}, got {type(value).__name__}")
    if len(shape) != 2:
        raise ValueError(f"pred_probs: expected two dimensions (n_samples, n_labels), got shape {shape}")
    check_native("pred_probs", dtype)
    if dtype.kind in "biu":
        if not force:
            raise ValueError(
                f"pred_probs: expected probabilities, got {dtype} (hard predictions carry no confidence; pass "
                "probabilities, or force=True to use these as they are)"
            )
        return value.astype(np.float64 if dtype.itemsize > 2 else np.float32)
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise TypeError(f"pred_probs: expected float16, float32 or float64, got {dtype}")
    return value


def _from_pairs(value: Sequence[Any]) -> NDArray[Any]:
    """The list of (n, 2) arrays that scikit-learn's multi-output classifiers return, as one (n, L) array."""
    arrays = [np.asarray(a) for a in value]
    if not arrays:
        raise ValueError("pred_probs: expected probabilities, got an empty list")
    if all(a.ndim == 1 and a.dtype.kind in "biuf" for a in arrays) and len({a.size for a in arrays}) == 1:
        return np.asarray(value)  # a matrix written as nested lists
    for j, a in enumerate(arrays):
        if a.ndim != 2 or a.shape != (arrays[0].shape[0], 2):
            hint = " (the classifier saw only one class of this label)" if a.ndim == 2 and a.shape[1] == 1 else ""
            raise ValueError(
                f"pred_probs: expected a list of (n_samples, 2) arrays, one for each label, "
                f"got shape {a.shape} at position {j}{hint}"
            )
    return np.column_stack([a[:, 1] for a in arrays])


def check_probabilities(
    value: Any,
    shape: tuple[int, int],
    label_names: Sequence[str] | None,
    *,
    nan_policy: str = "raise",
    from_logits: bool = False,
    n_threads: int = 1,
) -> Probabilities:
    """Judge what :func:`read_probabilities` returned against the labels' shape, in one pass over the values.

    Raises
    ------
    ValueError
        If shapes disagree, or a value is NaN (unless ``nan_policy="mask"``) or outside [0, 1].
    """
    if tuple(value.shape) != shape:
        hint = " (transposed?)" if tuple(value.shape) == shape[::-1] else ""
        raise ValueError(
            f"pred_probs: expected shape (n_samples, n_labels) = {shape} to match labels, got {tuple(value.shape)}{hint}"
        )
    if shape[1] > WIDEST:
        raise ValueError(f"pred_probs: expected at most {WIDEST} columns, got shape {shape}")
    if from_logits:
        if is_sparse(value):
            raise ValueError("pred_probs: expected a dense array with from_logits=True, got a sparse matrix (a logit that is not stored would mean 0.5)")
        from scipy.special import expit

        value = expit(value)
    indptr = indices = None
    if is_sparse(value):
        indptr, indices, array = canonical_rows("pred_probs", value)
    else:
        array = value

    def core(clip: bool) -> _core.labels.Scores:
        if indptr is None or indices is None:
            return _core.labels.Scores(array, clip)
        return _core.labels.Scores(indptr, indices, array, shape[1], clip)

    scores, nan_mask = core(False), None
    seen = _core.labels.scan_scores(scores, -TOLERANCE, 1 + TOLERANCE, n_threads)
    if seen["n_nan"] and nan_policy == "mask":
        array, nan_mask = _mask_nan(array, indptr, indices, shape)
        scores = core(False)
        seen = _core.labels.scan_scores(scores, -TOLERANCE, 1 + TOLERANCE, n_threads)
    _judge(seen, value, shape, label_names)
    if seen["n_outside"]:
        scores = core(True)
    return Probabilities(shape, array, indptr, indices, scores, bool(seen["n_outside"]), nan_mask)


def _mask_nan(
    array: NDArray[Any], indptr: NDArray[np.int64] | None, indices: NDArray[np.int32] | None, shape: tuple[int, int]
) -> tuple[NDArray[Any], Any]:
    """Replace NaN by 0 in a copy; return it and the mask of those cells."""
    missing = np.isnan(array)
    filled = np.where(missing, array.dtype.type(0), array)
    if indptr is None or indices is None:
        return filled, missing
    from scipy.sparse import csr_array

    mask = csr_array((missing, indices, indptr), shape=shape)
    mask.eliminate_zeros()
    return filled, mask


def _judge(seen: dict[str, Any], value: Any, shape: tuple[int, int], names: Sequence[str] | None) -> None:
    if seen["n_nan"]:
        row, label = seen["nan"]
        raise ValueError(
            f"pred_probs: expected no missing values, got {seen['n_nan']} NaN (first at row {row}, "
            f"{label_text(label, names)}; nan_policy='mask' treats such cells as unknown)"
        )
    places = [seen[side] for side in ("low", "high") if seen[side][0] >= 0]
    if not places:
        return
    row, label = min(places)
    low, high = seen["min"], seen["max"]
    if low < -TOLERANCE:
        hint = f"values look like logits (min {low:.3g}, max {high:.3g}); pass from_logits=True"
    elif 1.5 < high <= 100:
        hint = f"values look like percentages (max {high:.3g}); divide by 100"
    else:
        hint = f"min {low:.3g}, max {high:.7g}"
    got = value[row, label]
    raise ValueError(
        f"pred_probs: expected values in [0, 1], got {shorten(float(got))} at row {row}, {label_text(label, names)} ({hint})"
    )
