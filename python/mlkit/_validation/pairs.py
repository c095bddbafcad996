"""Truth beside predicted labels or scores, judged together for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.arrays import canonical_rows, is_sparse, read_array
from mlkit._validation.frames import frame_names
from mlkit._validation.params import check_label_names, described, label_text, shorten_type
from mlkit._validation.probabilities import TOLERANCE, read_probabilities
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import read_labels

HEAVIEST = 1e100  # weight of a row: products of sums of weights must not leave what floats hold


@dataclass(frozen=True)
class Weights:
    """Weights of the rows: as given, and as whole multiples of ``unit`` for sums that no order can change."""

    values: NDArray[np.float64]
    units: NDArray[np.uint64]
    unit: float

    @property
    def scaled(self) -> NDArray[np.float64]:
        """The weights over a power of two, at most 1."""
        return self.values / (self.unit * 2.0**61)

    @property
    def scale(self) -> float:
        return self.unit * 2.0**61


class Pair:
    """Canonical truth and predicted labels."""

    def __init__(self, truth: LabelMatrix, predicted: LabelMatrix, weights: Weights | None, n_threads: int) -> None:
        self._read = truth, predicted
        self.shape: tuple[int, int] = truth.shape
        self.weights, self.n_threads = weights, n_threads

    @property
    def truth(self) -> LabelMatrix:
        return self._read[0]

    @property
    def predicted(self) -> LabelMatrix:
        return self._read[1]

    def count(self, by_label: bool, by_row: bool) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Hits, predicted, positive and known cells of each label (or of all in one row), and of each row if asked."""
        units = None if self.weights is None else self.weights.units
        of = (self.truth._core, self.predicted._core, units, by_row, self.n_threads)
        labels, rows = _core.metrics.count_cells(*of)
        return labels if by_label else labels.sum(axis=0)[None], rows


class UnreadPair(Pair):
    """Two matrices as they came: counted in one pass where they hold nothing but 0 and 1, read where they do not."""

    def __init__(self, y_true: Any, y_pred: Any, n_threads: int) -> None:
        self._given = y_true, y_pred
        self.shape = tuple(y_true.shape)
        self.weights, self.n_threads = None, n_threads

    @cached_property
    def _read(self) -> tuple[LabelMatrix, LabelMatrix]:  # type: ignore[override]
        truth = read_labels(self._given[0], n_threads=self.n_threads, argument="y_true")
        return truth, check_predicted(self._given[1], truth, self.n_threads)

    def count(self, by_label: bool, by_row: bool) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        y_true, y_pred = self._given
        counted = None
        if "_read" not in self.__dict__:
            if is_sparse(y_true):
                of = [(m.indptr, m.indices, m.data) for m in (y_true, y_pred)]
                counted = _core.metrics.count_plain_csr(of[0], of[1], *self.shape, by_label, by_row, self.n_threads)
            else:
                counted = _core.metrics.count_plain_rows(y_true, y_pred, by_row, self.n_threads)
        if counted is None:
            return super().count(by_label, by_row)
        labels, rows = counted
        return labels if by_label or len(labels) == 1 else labels.sum(axis=0)[None], rows


def _is_plain(y_true: Any, y_pred: Any) -> bool:
    """Whether both are dense arrays, or both CSR matrices, of the same cells; their values are not looked at."""
    if is_sparse(y_true) and is_sparse(y_pred):
        if not y_true.format == y_pred.format == "csr":
            return False
        parts = [part for m in (y_true, y_pred) for part in (m.indptr, m.indices, m.data)]
    elif type(y_true) is np.ndarray and type(y_pred) is np.ndarray:
        parts = [y_true, y_pred]
    else:
        return False
    shape = tuple(y_true.shape)
    return len(shape) == 2 and 0 not in shape and tuple(y_pred.shape) == shape and all(p.flags.aligned for p in parts)


@dataclass(frozen=True)
class Scored:
    """Canonical truth and scores: any numbers but NaN, or probabilities where a function asked for them."""

    truth: LabelMatrix
    array: NDArray[Any]
    rows: tuple[NDArray[np.int64], NDArray[np.int32]] | None  # of sparse scores: indptr, indices
    scores: _core.labels.Scores
    weights: Weights | None
    n_threads: int
    in_unit: bool  # all scores are in [0, 1]
    clips: bool = False  # what rounding has put beyond them counts as 0 and 1

    @property
    def is_sparse(self) -> bool:
        return self.rows is not None

    @property
    def shape(self) -> tuple[int, int]:
        return self.truth.shape

    @property
    def core(self) -> tuple[_core.labels.Labels, _core.labels.Scores]:
        """The two views that every kernel takes first."""
        return self.truth._core, self.scores

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.truth, np.asarray(self.array), self.rows, self.weights, self.n_threads, self.in_unit, self.clips)
        return scored_of, parts

    def csr(self) -> Any:
        """Sparse scores as a SciPy matrix, half precision widened."""
        from scipy.sparse import csr_array

        if self.rows is None:
            raise TypeError("dense scores have no compressed rows")
        data = self.array.astype(np.float32) if self.array.dtype == np.float16 else self.array
        return csr_array((data, self.rows[1], self.rows[0]), shape=self.shape)


def scored_of(
    truth: LabelMatrix,
    array: NDArray[Any],
    rows: tuple[NDArray[np.int64], NDArray[np.int32]] | None,
    weights: Weights | None,
    n_threads: int,
    in_unit: bool,
    clips: bool,
) -> Scored:
    """Canonical parts with the kernels' view of them."""
    if rows is None:
        view = _core.labels.Scores(array, clips)
    else:
        view = _core.labels.Scores(*rows, array, truth.shape[1], clips)
    return Scored(truth, array, rows, view, weights, n_threads, in_unit, clips)


def check_weights(sample_weight: Any, n_rows: int) -> Weights | None:
    """Judge weights of the rows.

    Raises
    ------
    TypeError, ValueError
        If they are not ``n_rows`` finite numbers of at least 0 with one above 0.
    """
    if sample_weight is None:
        return None
    array = read_array("sample_weight", sample_weight)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"sample_weight: expected numbers, got {shorten_type(array.dtype)}")
    if array.shape != (n_rows,):
        raise ValueError(f"sample_weight: expected shape ({n_rows},), one for each example, got shape {array.shape}")
    values = array.astype(np.float64)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"sample_weight: expected finite numbers >= 0, got {values[row]:g} at row {row}")
    largest = float(values.max())
    if largest == 0:
        raise ValueError("sample_weight: expected a weight above 0, got zeros alone")
    if not 1 / HEAVIEST <= largest <= HEAVIEST:
        raise ValueError(
            f"sample_weight: expected a largest weight from {1 / HEAVIEST:g} to {HEAVIEST:g}, got {largest:g} "
            "(divide all of them by one number: only sums of weights change)"
        )
    unit = float(np.ldexp(1.0, int(np.frexp(largest)[1]) - 61))
    return Weights(values, np.rint(values / unit).astype(np.uint64), unit)


def check_pair(
    y_true: Any,
    y_pred: Any,
    *,
    unknown: Any = None,
    sample_weight: Any = None,
    label_names: Sequence[str] | None = None,
    is_whole: bool = True,
    n_jobs: int | None = None,
) -> Pair:
    """Judge truth and predicted labels of the same cells; ``is_whole``: not one batch of many.

    Raises
    ------
    TypeError, ValueError
        With one line that names the argument, what was expected, what was got, and where.
    """
    n_threads = resolve_threads(n_jobs)
    if is_whole and unknown is None and sample_weight is None and label_names is None and _is_plain(y_true, y_pred):
        return UnreadPair(y_true, y_pred, n_threads)
    names = _names(y_true, label_names)
    width = _width(y_pred) if names is None and _width(y_true) is None else None
    truth = read_labels(
        y_true,
        n_labels=width,
        unknown=unknown,
        label_names=names,
        n_threads=n_threads,
        is_whole=is_whole,
        argument="y_true",
    )
    return Pair(
        truth, check_predicted(y_pred, truth, n_threads), check_weights(sample_weight, truth.shape[0]), n_threads
    )


def check_predicted(y_pred: Any, truth: LabelMatrix, n_threads: int) -> LabelMatrix:
    """Judge predicted labels: 0 or 1 each, in the shape of the truth.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_pair`.
    """
    names = truth.label_names
    if getattr(y_pred, "dtype", None) is not None and np.dtype(y_pred.dtype).kind == "f" and not is_sparse(y_pred):
        values = read_array("y_pred", y_pred)
        soft = (values > 0) & (values < 1)
        if values.ndim == 2 and soft.any():
            soft_row, soft_label = divmod(int(np.argmax(soft)), values.shape[1])
            raise ValueError(
                f"y_pred: expected 0 or 1, got {values[soft_row, soft_label]:g} "
                f"at row {soft_row}, {label_text(soft_label, names)} "
                "(scores? compare them with a threshold, or pass them as y_score)"
            )
    width = truth.shape[1] if _width(y_pred) is None and names is None else None
    # nothing but a prediction may be a batch without zeros: -1 is refused below with its place
    predicted = read_labels(
        y_pred, n_labels=width, label_names=names, n_threads=n_threads, is_whole=False, argument="y_pred"
    )
    check_same_shape("y_pred", predicted.shape, truth.shape)
    if predicted.background == "unknown":
        raise ValueError("y_pred: expected 0 or 1 for each cell, got a LabelMatrix with background 'unknown'")
    indptr, indices, values_ = predicted._cells
    if values_ is not None:
        at = int(np.argmin(values_))
        row = int(np.searchsorted(indptr, at, side="right")) - 1
        raise ValueError(
            f"y_pred: expected 0 or 1, got -1 or NaN at row {row}, {label_text(int(indices[at]), names)} "
            "(cells without an answer: mark them in unknown=)"
        )
    return predicted


def check_scored(
    y_true: Any,
    y_score: Any,
    *,
    unknown: Any = None,
    sample_weight: Any = None,
    label_names: Sequence[str] | None = None,
    probabilities: bool = False,
    is_whole: bool = True,
    n_jobs: int | None = None,
) -> Scored:
    """Judge truth and scores of the same cells; ``is_whole``: not one batch of many.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_pair`; also if a score is NaN or, with ``probabilities``, outside [0, 1].
    """
    n_threads = resolve_threads(n_jobs)
    names = _names(y_true, label_names)
    values = read_probabilities(y_score, names, force=True, argument="y_score")
    if names is None and _width(y_true) in (None, values.shape[1]):
        names = frame_names("y_score", y_score)
    width = values.shape[1] if names is None and _width(y_true) is None else None
    truth = read_labels(
        y_true,
        n_labels=width,
        unknown=unknown,
        label_names=names,
        n_threads=n_threads,
        is_whole=is_whole,
        argument="y_true",
    )
    check_same_shape("y_score", tuple(values.shape), truth.shape)
    rows, array = None, values
    if is_sparse(values):
        indptr, indices, array = canonical_rows("y_score", values, n_threads)
        rows = indptr, indices

    weights = check_weights(sample_weight, truth.shape[0])
    scored = scored_of(truth, array, rows, weights, n_threads, probabilities, False)
    low, high = (-TOLERANCE, 1 + TOLERANCE) if probabilities else (-np.inf, np.inf)
    seen = _core.labels.scan_scores(scored.scores, low, high, n_threads)
    if seen["n_nan"]:
        row, label = seen["nan"]
        raise ValueError(
            f"y_score: expected no missing values, got {seen['n_nan']} NaN (first at row {row}, "
            f"{label_text(label, truth.label_names)}; cells without truth are marked in unknown=, not in y_score)"
        )
    if seen["low"][0] >= 0 or seen["high"][0] >= 0:
        row, label = min(place for place in (seen["low"], seen["high"]) if place[0] >= 0)
        raise ValueError(
            f"y_score: expected probabilities in [0, 1], got values from {seen['min']:.3g} to {seen['max']:.3g} "
            f"(first at row {row}, {label_text(label, truth.label_names)}; of logits pass scipy.special.expit(y_score))"
        )
    if probabilities:
        return scored_of(truth, array, rows, weights, n_threads, True, clips=bool(seen["n_outside"]))
    return replace(scored, in_unit=not seen["n_outside"])


def check_groups(groups: Any, n_rows: int) -> NDArray[np.int64] | None:
    """Number the groups that rows belong to.

    Raises
    ------
    TypeError, ValueError
        If there is not one group for each row.
    """
    if groups is None:
        return None
    array = read_array("groups", groups)
    if array.shape != (n_rows,):
        raise ValueError(f"groups: expected shape ({n_rows},), one for each example, got shape {array.shape}")
    try:
        numbers: NDArray[np.int64] = np.unique(array, return_inverse=True)[1].astype(np.int64)
    except TypeError:
        raise TypeError("groups: expected numbers or texts, got objects that have no order among them") from None
    return numbers


def check_threshold(threshold: Any, n_labels: int, dtype: Any = np.float64) -> NDArray[np.float64]:
    """Return one threshold for each label; a plain number is rounded to ``dtype``, as NumPy does to compare with it.

    Raises
    ------
    TypeError, ValueError
        If it is neither a number nor one for each label.
    """
    array = read_array("threshold", threshold)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"threshold: expected a number or one for each label, got {shorten_type(array.dtype)}")
    if array.shape not in ((), (n_labels,)):
        raise ValueError(f"threshold: expected a number or shape ({n_labels},), got shape {array.shape}")
    if np.isnan(array).any():
        raise ValueError("threshold: expected numbers, got NaN")
    if isinstance(threshold, (int, float)) and not isinstance(threshold, np.generic):
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
    return np.ascontiguousarray(np.broadcast_to(array.astype(np.float64), (n_labels,)))


def check_same_shape(argument: str, got: tuple[int, ...], shape: tuple[int, int]) -> None:
    """Reject an array whose shape is not that of the truth."""
    if got != shape:
        hint = " (transposed?)" if got == shape[::-1] else ""
        raise ValueError(f"{argument}: expected shape (n_samples, n_labels) = {shape} to match y_true, got {got}{hint}")


def check_zero_division(value: Any) -> float | None:
    """Return 0, 1 or NaN as a float, and None for "warn".

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    if isinstance(value, str):
        if value == "warn":
            return None
    elif isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = float(value)
        if number in (0.0, 1.0) or np.isnan(number):
            return number
    kind = ValueError if isinstance(value, (str, int, float)) else TypeError
    raise kind(f"zero_division: expected 'warn', 0, 1 or NaN, got {described(value)}")


def _names(y_true: Any, label_names: Sequence[str] | None) -> tuple[str, ...] | None:
    if label_names is not None:
        return check_label_names(label_names)
    return y_true.label_names if isinstance(y_true, LabelMatrix) else frame_names("y_true", y_true)


def _width(value: Any) -> int | None:
    """Number of columns, where the value's form says it."""
    shape = getattr(value, "shape", None)
    return int(shape[1]) if isinstance(shape, tuple) and len(shape) == 2 else None
