"""Every accepted form of probabilities, brought into what the kernels read."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.arrays import WIDEST, canonical_rows, check_native, is_array, is_sparse, read_array, take_rows
from mlkit._validation.frames import is_frame, read_frame
from mlkit._validation.params import described, label_text, shorten_type

_FORMS = "a float array, a SciPy sparse matrix, a frame, or a multi-output classifier's list of (n_samples, 2) arrays"
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

    def __reduce__(self) -> tuple[Any, ...]:
        """Compiled views are left out of a pickle, and made again."""
        return _rebuild, (self.shape, np.asarray(self.array), self.indptr, self.indices, self.clip, self.nan_mask)

    def clipped(self) -> Probabilities:
        """The same, of which some may leave [0, 1] by rounding."""
        return _rebuild(self.shape, self.array, self.indptr, self.indices, True, self.nan_mask)

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


def _rebuild(shape: tuple[int, int], array: Any, indptr: Any, indices: Any, clip: bool, nan_mask: Any) -> Probabilities:
    if indptr is None:
        core = _core.labels.Scores(array, clip)
    else:
        core = _core.labels.Scores(indptr, indices, array, shape[1], clip)
    return Probabilities(shape, array, indptr, indices, core, clip, nan_mask)


def read_probabilities(
    value: Any, label_names: Sequence[str] | None, *, force: bool | None, argument: str = "pred_probs"
) -> Any:
    """Return a 2-D float array or a SciPy sparse matrix of floats; nothing is looked at but the form.

    ``argument`` is what the caller calls them; a caller without a switch ``force`` says None.

    Raises
    ------
    TypeError, ValueError
        If ``value`` has no accepted form or holds hard 0/1 predictions and ``force`` is not True.
    """
    if is_frame(value):
        value, _ = read_frame(argument, value, label_names)
    elif isinstance(value, (list, tuple)):
        value = _from_list(value, argument)
    if not is_sparse(value):
        if not is_array(value):
            raise TypeError(f"{argument}: expected {_FORMS}, got {described(value)}")
        value = read_array(argument, value)
    dtype, shape = value.dtype, tuple(value.shape)
    if len(shape) != 2:
        hint = " (of one label? .reshape(-1, 1))" if len(shape) == 1 else ""
        raise ValueError(f"{argument}: expected two dimensions (n_samples, n_labels), got shape {shape}{hint}")
    check_some(shape, argument)
    if shape[1] > WIDEST:
        raise ValueError(f"{argument}: expected at most {WIDEST} columns, got shape {shape}")
    check_native(argument, dtype)
    if dtype.kind in "biu":
        if not force:
            anyway = ".astype(float)" if force is None else "force=True"
            raise ValueError(
                f"{argument}: expected probabilities, got {dtype} (hard predictions carry no confidence; pass "
                f"probabilities, or {anyway} to use these as they are)"
            )
        return value.astype(np.float64 if dtype.itemsize > 2 else np.float32)
    if dtype.kind != "f" or dtype.itemsize > 8:
        hint = " (use .astype(float))" if dtype.kind in "fO" else ""
        raise TypeError(f"{argument}: expected float16, float32 or float64, got {shorten_type(dtype)}{hint}")
    return value if is_sparse(value) else np.require(value, requirements="A")


def _from_list(value: Sequence[Any], argument: str) -> NDArray[Any]:
    """A matrix written as a list of rows, or the list of (n, 2) arrays of a multi-output classifier as one array."""
    if not value:
        raise ValueError(f"{argument}: expected at least one example and one label, got an empty list")
    if not any(hasattr(kind, "__array__") for kind in set(map(type, value))):
        with contextlib.suppress(ValueError):  # rows of unequal length
            matrix = np.asarray(value)
            if matrix.ndim == 2 and matrix.dtype.kind in "biuf":
                return matrix
    items = [read_array(argument, item) for item in value]
    for at, item in enumerate(items):
        if item.ndim == 0 or item.dtype.kind not in "biuf":
            raise TypeError(f"{argument}: expected {_FORMS}, got a list with {described(value[at])} at position {at}")
    first = items[0].shape
    if len(first) == 1:
        for row, item in enumerate(items):
            if item.shape != first:
                raise ValueError(
                    f"{argument}: expected rows of equal length, got {first[0]} values at row 0 and shape {item.shape} "
                    f"at row {row}"
                )
        return np.stack(items)
    for label, item in enumerate(items):
        if item.ndim != 2 or item.shape != (first[0], 2):
            one_class = " (the classifier saw only one class of this label)" if item.shape == (first[0], 1) else ""
            raise ValueError(
                f"{argument}: expected a list of (n_samples, 2) arrays, one for each label, "
                f"got shape {item.shape} at position {label}{one_class}"
            )
    return np.column_stack([item[:, 1] for item in items])


def check_some(shape: tuple[int, ...], argument: str = "pred_probs") -> None:
    """There is at least one cell."""
    if 0 in shape:
        raise ValueError(f"{argument}: expected at least one example and one label, got shape {shape}")


def check_shape(got: tuple[int, ...], labels: tuple[int, ...], argument: str = "labels") -> None:
    """Probabilities have the shape of the labels, which the caller calls ``argument``."""
    if got != labels:
        hint = " (transposed?)" if got == labels[::-1] else ""
        expected = f"expected shape (n_samples, n_labels) = {labels} to match {argument}"
        raise ValueError(f"pred_probs: {expected}, got {got}{hint}")


def check_probabilities(
    value: Any,
    shape: tuple[int, int],
    label_names: Sequence[str] | None,
    *,
    nan_policy: str | None = "raise",
    from_logits: bool = False,
    n_threads: int = 1,
    labels: str = "labels",
) -> Probabilities:
    """Judge what :func:`read_probabilities` returned against the labels' shape, in one pass over the values.

    ``nan_policy`` None: the caller has no such parameter, and NaN is an error. ``labels``: what it calls the labels.

    Raises
    ------
    ValueError
        If shapes disagree, or a value is NaN (unless ``nan_policy="mask"``) or outside [0, 1].
    """
    check_shape(tuple(value.shape), shape, labels)
    if from_logits:
        if is_sparse(value):
            raise ValueError(
                "pred_probs: expected a dense array with from_logits=True, got a sparse matrix "
                "(a logit that is not stored would mean 0.5)"
            )
        from scipy.special import expit

        value = expit(value)
    indptr = indices = None
    if is_sparse(value):
        indptr, indices, array = canonical_rows("pred_probs", value, n_threads)
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
    if seen["n_nan"]:
        row, label = seen["nan"]
        hint = "; nan_policy='mask' treats such cells as unknown" if nan_policy is not None else ""
        raise ValueError(
            f"pred_probs: expected no missing values, got {seen['n_nan']} NaN (first at row {row}, "
            f"{label_text(label, label_names)}{hint})"
        )
    if seen["low"][0] >= 0 or seen["high"][0] >= 0:
        row, label = min(place for place in (seen["low"], seen["high"]) if place[0] >= 0)
        got = _value_at(array, indptr, indices, row, label)
        raise ValueError(
            f"pred_probs: expected values in [0, 1], got {got:.7g} at row {row}, {label_text(label, label_names)} "
            f"({_guess(seen['min'], seen['max'])})"
        )
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

    before = np.zeros(missing.size + 1, np.int64)
    np.cumsum(missing, out=before[1:])
    stored = indices[missing]
    return filled, csr_array((np.ones(stored.size, bool), stored, before[indptr]), shape=shape)


def _value_at(
    array: NDArray[Any], indptr: NDArray[np.int64] | None, indices: NDArray[np.int32] | None, row: int, label: int
) -> float:
    if indptr is None or indices is None:
        return float(array[row, label])
    begin, end = int(indptr[row]), int(indptr[row + 1])
    return float(array[begin + np.searchsorted(indices[begin:end], label)])


def _guess(low: float, high: float) -> str:
    """What values outside [0, 1] probably are, from their extremes."""
    if low < -TOLERANCE:
        return f"values look like logits (min {low:.3g}, max {high:.3g}); pass from_logits=True"
    if 10 < high <= 100:
        return f"values look like percentages (max {high:.3g}); divide by 100"
    if 1.5 < high <= 10:
        return f"max {high:.3g}; logits? pass from_logits=True"
    return f"max {high:.7g}"
