"""The container of labels: three-valued, sparse, immutable."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.arrays import take_rows
from mlkit._validation.params import check_memory, format_bytes, shorten

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _check_dtype(dtype: Any) -> np.dtype[Any]:
    checked: np.dtype[Any]
    try:
        checked = np.dtype(dtype)
    except TypeError:
        checked = np.dtype(object)
    if checked.kind not in "biuf":
        raise TypeError(f"dtype: expected an integer or float type, got {shorten(dtype)}")
    return checked


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view: NDArray[Any] = array.view()
    view.flags.writeable = False
    return view


class LabelMatrix:
    """Labels of ``n`` examples: each of the ``n x L`` cells is positive, negative or unknown.

    Make one with :func:`mlkit.labels.as_label_matrix`; every function that takes labels does so by itself. Arrays are
    read-only, and shared with the caller's where their types allow: those should be left alone then.

    Attributes
    ----------
    shape : tuple of int
        ``(n_samples, n_labels)``.
    nnz : int
        Number of positive cells.
    indptr : ndarray of shape (n_samples + 1,), int64
        Row ``i``'s positives are ``indices[indptr[i]:indptr[i + 1]]``.
    indices : ndarray of shape (nnz,), int32
        Label numbers of the positive cells, ascending in each row.
    unknown : csr_array of shape (n_samples, n_labels), bool
        The unknown cells.
    background : {"negative", "unknown"}
        What a cell is that is not stored.
    label_names : tuple of str or None
        One name for each label.
    support : ndarray of shape (n_labels,), int64
        Number of examples that carry each label.
    n_negative : ndarray of shape (n_labels,), int64
        Number of examples known not to carry it.
    notes : dict
        What was noticed while reading: ``merged_duplicates`` and ``ignored_ids``, where there were any.

    Examples
    --------
    >>> from mlkit.labels import as_label_matrix
    >>> labels = as_label_matrix([[0, 2], [], [1]], n_labels=3)
    >>> labels
    LabelMatrix: 3 examples x 3 labels, 3 positives (33.33 %)
    >>> labels.support
    array([1, 1, 1])
    >>> labels.to_dense()
    array([[1, 0, 1],
           [0, 0, 0],
           [0, 1, 0]], dtype=int8)
    """

    __slots__ = ("__dict__", "_cells", "_names", "_notes", "_shape", "_unknown_background")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        values: NDArray[np.int8] | None,
        n_labels: int,
        *,
        background: str = "negative",
        label_names: tuple[str, ...] | None = None,
        notes: dict[str, int] | None = None,
    ) -> None:
        # Trusted input: rows sorted and distinct, indices in range, values 1, 0 or -1 and never the background itself.
        self._cells = (_frozen(indptr), _frozen(indices), None if values is None else _frozen(values))
        self._shape = (indptr.size - 1, int(n_labels))
        self._unknown_background = background == "unknown"
        self._names = label_names
        self._notes = dict(notes or {})

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_samples, n_labels)``."""
        return self._shape

    @property
    def background(self) -> str:
        """What a cell is that is not stored."""
        return "unknown" if self._unknown_background else "negative"

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """One name for each label, or None."""
        return self._names

    @property
    def notes(self) -> dict[str, int]:
        """What was noticed while reading the input."""
        return dict(self._notes)

    @cached_property
    def _positives(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        indptr, indices, values = self._cells
        if values is None:
            return indptr, indices
        keep = values == 1
        before = np.zeros(keep.size + 1, np.int64)
        np.cumsum(keep, out=before[1:])
        return _frozen(before[indptr]), _frozen(indices[keep])

    @property
    def indptr(self) -> NDArray[np.int64]:
        """Bounds of each row's positives in ``indices``."""
        return self._positives[0]

    @property
    def indices(self) -> NDArray[np.int32]:
        """Label numbers of the positive cells."""
        return self._positives[1]

    @property
    def nnz(self) -> int:
        """Number of positive cells."""
        return int(self.indices.size)

    def _take(self, rows: NDArray[np.int64]) -> LabelMatrix:
        """Chosen rows, copied."""
        indptr, indices, values = self._cells
        bounds, stored = take_rows(indptr, rows)
        return LabelMatrix(
            bounds,
            indices[stored],
            None if values is None else values[stored],
            self._shape[1],
            background=self.background,
            label_names=self._names,
        )

    def _take_labels(self, labels: NDArray[np.int64]) -> LabelMatrix:
        """Chosen columns in the order given, copied."""
        indptr, indices, values = self._cells
        n = self._shape[0]
        place = np.full(self._shape[1], -1, np.int64)
        place[labels] = np.arange(labels.size)
        keep = np.flatnonzero(place[indices] >= 0)
        cells = np.repeat(np.arange(n), np.diff(indptr))[keep] * labels.size + place[indices[keep]]
        order = np.argsort(cells, kind="stable")
        cells = cells[order]
        return LabelMatrix(
            np.searchsorted(cells, np.arange(n + 1) * labels.size).astype(np.int64),
            (cells % max(1, labels.size)).astype(np.int32),
            None if values is None else values[keep][order],
            labels.size,
            background=self.background,
            label_names=None if self._names is None else tuple(self._names[j] for j in labels),
        )

    def _rows(self, begin: int, end: int) -> LabelMatrix:
        """A run of rows, sharing memory."""
        indptr, indices, values = self._cells
        stored = slice(int(indptr[begin]), int(indptr[end]))
        return LabelMatrix(
            indptr[begin : end + 1] - indptr[begin],
            indices[stored],
            None if values is None else values[stored],
            self._shape[1],
            background=self.background,
            label_names=self._names,
        )

    @cached_property
    def _core(self) -> _core.labels.Labels:
        indptr, indices, values = self._cells
        return _core.labels.Labels(indptr, indices, values, self._shape[1], self._unknown_background)

    def _count(self, n_threads: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positives and negatives of each label, counted on the first call."""
        if "_counts" not in self.__dict__:
            n_threads = resolve_threads(None) if n_threads is None else n_threads
            positive, negative = _core.labels.count_labels(self._core, n_threads)
            self.__dict__["_counts"] = _frozen(positive), _frozen(negative)
        counts: tuple[NDArray[np.int64], NDArray[np.int64]] = self.__dict__["_counts"]
        return counts

    @property
    def support(self) -> NDArray[np.int64]:
        """Number of examples that carry each label."""
        return self._count()[0]

    @property
    def n_negative(self) -> NDArray[np.int64]:
        """Number of examples known not to carry each label."""
        return self._count()[1]

    @property
    def n_unknown(self) -> int:
        """Number of unknown cells."""
        n, n_labels = self._shape
        return int(n * n_labels - self.support.sum() - self.n_negative.sum())

    @property
    def unknown(self) -> csr_array:
        """The unknown cells as a boolean csr_array.

        Raises
        ------
        MemoryError
            If the background is unknown and listing the unknown cells would take more than 2 GB.
        """
        from scipy.sparse import csr_array

        indptr, indices, values = self._cells
        if not self._unknown_background:
            keep = np.zeros(indices.size, bool) if values is None else values < 0
            before = np.concatenate([[0], np.cumsum(keep)])
            return csr_array((np.ones(int(keep.sum()), bool), indices[keep], before[indptr]), shape=self._shape)
        if 5 * self.n_unknown > 2 * 2**30:
            raise MemoryError(
                f"labels.unknown: {self.n_unknown} unknown cells need {format_bytes(5 * self.n_unknown)}; "
                "the background is unknown: what to_csr() does not store is unknown"
            )
        known = csr_array((np.ones(indices.size, bool), indices, indptr), shape=self._shape)
        return csr_array(~known.toarray())

    def to_csr(self) -> csr_array:
        """Return the stored cells.

        Returns
        -------
        csr_array of shape (n_samples, n_labels), int8
            1 positive, -1 unknown (background "negative"), explicitly stored 0 negative (background "unknown").
            ``as_label_matrix(m.to_csr(), background=m.background)`` is ``m`` again, but for names (and is refused if
            no cell is negative).
        """
        from scipy.sparse import csr_array

        indptr, indices, values = self._cells
        data = np.ones(indices.size, np.int8) if values is None else values.copy()
        return csr_array((data, indices.copy(), indptr.copy()), shape=self._shape)

    def to_dense(self, dtype: DTypeLike = np.int8, *, memory_limit: int | str | None = "2GB") -> NDArray[Any]:
        """Return all cells: 1, 0, and -1 (NaN in a float type) where unknown.

        Parameters
        ----------
        dtype : dtype, default=int8
            An integer or float type or bool; with unknown cells a signed one.
        memory_limit : int, str or None, default="2GB"
            Largest array to make.

        Returns
        -------
        ndarray of shape (n_samples, n_labels)

        Raises
        ------
        MemoryError
            If the array would be larger than ``memory_limit``.
        TypeError
            If ``dtype`` holds no numbers.
        ValueError
            If some cells are unknown and ``dtype`` has no value for them.
        """
        n, n_labels = self._shape
        dtype = _check_dtype(dtype)
        if dtype.kind in "bu" and self.n_unknown:
            raise ValueError(
                f"dtype: expected a signed integer or float type, got {dtype} "
                f"({self.n_unknown} unknown cells are -1 or NaN)"
            )
        limit, size = check_memory("memory_limit", memory_limit), n * n_labels * dtype.itemsize
        if limit is not None and size > limit:
            raise MemoryError(
                f"labels.to_dense: needs {format_bytes(size)}, memory_limit is {format_bytes(limit)}; "
                "use to_csr(), or raise memory_limit"
            )
        unknown = np.nan if dtype.kind == "f" else -1
        dense = np.full(self._shape, unknown if self._unknown_background else 0, dtype)
        indptr, indices, values = self._cells
        rows = np.repeat(np.arange(n), np.diff(indptr))
        if values is None:
            dense[rows, indices] = 1
        else:
            dense[rows, indices] = np.where(values < 0, unknown, values).astype(dtype)
        return dense

    def to_lists(self) -> list[list[int]]:
        """Return the numbers of each example's positive labels (unknown cells do not show)."""
        flat, bounds = self.indices.tolist(), self.indptr.tolist()
        return [flat[bounds[i] : bounds[i + 1]] for i in range(self._shape[0])]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelMatrix):
            return NotImplemented
        if (self._shape, self.background, self._names) != (other._shape, other.background, other._names):
            return False
        (indptr, indices, values), (indptr_, indices_, values_) = self._cells, other._cells
        if not (np.array_equal(indptr, indptr_) and np.array_equal(indices, indices_)):
            return False
        all_one = [v is None or bool((v == 1).all()) for v in (values, values_)]  # in either form
        return all(all_one) or (not any(all_one) and np.array_equal(values, values_))  # type: ignore[arg-type]

    def __repr__(self) -> str:
        n, n_labels = self._shape

        def part(count: int, noun: str) -> str:
            return f"{count} {noun} ({100 * count / max(1, n * n_labels):.2f} %)"

        parts = [f"{_counted(n, 'example')} x {_counted(n_labels, 'label')}"]
        parts.append(part(self.nnz, "positive" if self.nnz == 1 else "positives"))
        if self.n_unknown:
            parts.append(part(self.n_unknown, "unknown"))
        return "LabelMatrix: " + ", ".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        indptr, indices, values = (None if a is None else np.asarray(a) for a in self._cells)
        return _rebuild, (indptr, indices, values, self._shape[1], self.background, self._names, self._notes)


def _rebuild(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: NDArray[np.int8] | None,
    n_labels: int,
    background: str,
    names: tuple[str, ...] | None,
    notes: dict[str, int],
) -> LabelMatrix:
    return LabelMatrix(indptr, indices, values, n_labels, background=background, label_names=names, notes=notes)
