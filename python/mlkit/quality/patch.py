"""Changes of labels, cell by cell, that know which labels they are for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._files import write_whole
from mlkit._validation.params import check_integer, check_number, described, label_text, shorten
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import as_label_matrix
from mlkit.quality import _patch_json, _patching
from mlkit.quality._fingerprint import fingerprint, moved

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class CellPatch:
    """Changes of single cells of one label matrix.

    :func:`mlkit.quality.suggest_labels` and :meth:`mlkit.LabelAudit.patch` make patches, :meth:`diff` finds the one
    between two matrices. A patch knows by a fingerprint which labels it is for, and refuses others. It never changes.

    Attributes
    ----------
    shape : tuple of int
        ``(n_samples, n_labels)`` of the labels.
    background : {"negative", "unknown"}
        What a cell of the labels is that is not stored (see :func:`mlkit.labels.as_label_matrix`).
    label_names : tuple of str or None
        Names of all labels.
    before, after : str
        Fingerprints of the labels that the patch is for, and of what it makes of them.
    rows, labels : ndarray of shape (n_cells,), int64 and int32
        The changed cells, ascending.
    old, new : ndarray of shape (n_cells,), int8
        What is there, and what it becomes: 1, 0, or -1 (unknown).
    score : ndarray of shape (n_cells,), float64
        1 - P(the given value is wrong) when the change was suggested; NaN for changes that nobody estimated.
    why : tuple of str
        For each cell what asked for the change.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.quality import CellPatch
    >>> before, after = np.array([[1, 0], [0, 1]]), np.array([[1, 1], [0, 1]])
    >>> patch = CellPatch.diff(before, after)
    >>> patch
    CellPatch: 1 cell of 2 examples x 2 labels (1 added, 0 removed)
    >>> patch.apply(before)
    array([[1, 1],
           [0, 1]])
    >>> patch.invert().apply(after)
    array([[1, 0],
           [0, 1]])
    """

    __slots__ = ("_before", "_cells", "_new", "_old", "_score", "_why", "background", "label_names", "shape")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        shape: tuple[int, int],
        background: str,
        label_names: tuple[str, ...] | None,
        before: int,
        cells: NDArray[np.int64],
        old: NDArray[np.int8],
        new: NDArray[np.int8],
        score: Floats,
        why: Sequence[str],
    ) -> None:
        # Trusted input: cells (row * n_labels + label) ascending and distinct, old and new in {1, 0, -1} and different.
        self.shape = (int(shape[0]), int(shape[1]))
        self.background = background
        self.label_names = label_names
        self._before = before
        self._cells, self._old, self._new, self._score = (_frozen(part) for part in (cells, old, new, score))
        self._why = tuple(why)

    @classmethod
    def _for(
        cls, labels: LabelMatrix, cells: NDArray[np.int64], new: NDArray[np.int8], score: Floats, why: str
    ) -> CellPatch:
        """A patch of these labels; cells distinct, in any order, and none of them the same as before."""
        order = np.argsort(cells, kind="stable")
        cells, new, score = cells[order], new[order], score[order]
        old = _patching.values_at(labels, *_split(cells, labels.shape[1]))
        names, whys = labels.label_names, (why,) * cells.size
        return cls(labels.shape, labels.background, names, fingerprint(labels), cells, old, new, score, whys)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The changed cells' examples."""
        return _split(self._cells, self.shape[1])[0]

    @property
    def labels(self) -> NDArray[np.int32]:
        """The changed cells' labels, by number."""
        return _split(self._cells, self.shape[1])[1]

    @property
    def old(self) -> NDArray[np.int8]:
        """What is there."""
        return self._old

    @property
    def new(self) -> NDArray[np.int8]:
        """What it becomes."""
        return self._new

    @property
    def score(self) -> Floats:
        """1 - P(the given value is wrong), or NaN."""
        return self._score

    @property
    def why(self) -> tuple[str, ...]:
        """What asked for each change."""
        return self._why

    @property
    def before(self) -> str:
        """The fingerprint of the labels that the patch is for."""
        return f"{self._before:016x}"

    @property
    def after(self) -> str:
        """The fingerprint of the labels that it makes of them."""
        return f"{self._fingerprint_after():016x}"

    def apply(self, labels: Any, *, unknown: Any = None) -> Any:
        """Return the labels with the changes made.

        Parameters
        ----------
        labels : label matrix in any form of :func:`mlkit.labels.as_label_matrix`
            The very labels that the patch is for; they are left as they are.
        unknown : mask of shape (n_samples, n_labels), optional
            The mask that was given beside the labels when the patch was made.

        Returns
        -------
        ndarray, sparse matrix, DataFrame or LabelMatrix
            What ``labels`` is, with its type; CSR for other sparse formats, a LabelMatrix for lists and polars frames.

        Raises
        ------
        ValueError
            If these are other labels: another shape, other names, or other values in any cell.

        Notes
        -----
        O(stored cells + changes) time and memory, beyond the copy of a dense array.
        """
        matrix = self._read(labels, unknown)
        self._check_same(matrix)
        made = _patching.changed(matrix, self._cells, self._new)
        return _patching.in_the_form_of(labels, made, self._cells, self._new)

    def invert(self) -> CellPatch:
        """Return the patch that takes this one back.

        Returns
        -------
        CellPatch
            Scores and reasons stay with their cells.
        """
        after = self._fingerprint_after()
        return self._with(before=after, old=self._new, new=self._old)

    def compose(self, other: CellPatch) -> CellPatch:
        """Return the patch that does this one and then another.

        Parameters
        ----------
        other : CellPatch
            For the labels that this patch makes.

        Returns
        -------
        CellPatch
            Cells that end as they began are not in it; of a cell that both change, score and reason are the other's.

        Raises
        ------
        ValueError
            If ``other`` is for other labels.
        """
        if not isinstance(other, CellPatch):
            raise TypeError(f"other: expected a CellPatch, got {described(other)}")
        if (self.shape, self.background) != (other.shape, other.background) or self.after != other.before:
            raise ValueError(
                f"other: expected a patch for the labels that this one makes (fingerprint {self.after}), "
                f"got one for {_size(other.shape)} with fingerprint {other.before}"
            )
        if None not in (self.label_names, other.label_names) and self.label_names != other.label_names:
            raise ValueError("other: expected a patch with the same label names, got others")
        again = np.isin(self._cells, other._cells)
        first = self._take(~again)
        old = other._old.copy()
        old[np.isin(other._cells, self._cells)] = self._old[again]
        second = other._with(old=old)
        second = second._take(old != other._new)
        cells = np.concatenate([first._cells, second._cells])
        order = np.argsort(cells, kind="stable")
        why = [*first._why, *second._why]
        return CellPatch(
            self.shape,
            self.background,
            other.label_names if self.label_names is None else self.label_names,
            self._before,
            cells[order],
            np.concatenate([first._old, second._old])[order],
            np.concatenate([first._new, second._new])[order],
            np.concatenate([first._score, second._score])[order],
            [why[at] for at in order.tolist()],
        )

    @classmethod
    def diff(cls, before: Any, after: Any) -> CellPatch:
        """Return the patch that makes one label matrix of another.

        Parameters
        ----------
        before, after : label matrices in any form of :func:`mlkit.labels.as_label_matrix`
            Of the same shape and, where both have names, with the same names; lists need the other to say how many
            labels there are.

        Returns
        -------
        CellPatch
            Without scores.

        Raises
        ------
        ValueError
            If shape, names or background differ.
        """
        old, new = _read_pair(before, after)
        if old.shape != new.shape:
            raise ValueError(f"after: expected shape {old.shape} to match before, got {new.shape}")
        if None not in (old.label_names, new.label_names) and old.label_names != new.label_names:
            raise ValueError("after: expected the label names of before in the same order, got others")
        if old.background != new.background:
            raise ValueError(f"after: expected background={old.background!r} as before, got {new.background!r}")
        cells, was, becomes = _patching.differences(old, new)
        names = new.label_names if old.label_names is None else old.label_names
        nothing = np.full(cells.size, np.nan)
        why = ("diff",) * cells.size
        return cls(old.shape, old.background, names, fingerprint(old), cells, was, becomes, nothing, why)

    def select(self, keep: Any = None, *, fdr: float | None = None, max_changes: int | None = None) -> CellPatch:
        """Return the patch of some of the changes.

        Parameters
        ----------
        keep : bool array-like of shape (n_cells,), optional
            The changes to keep, in the order of :meth:`to_frame`: what a reviewer has accepted.
        fdr : float in [0, 1], optional
            Keep so many of the changes with the lowest scores that the expected share of wrong ones among them, the
            mean of their scores, is at most this.
        max_changes : int, optional
            Keep at most so many, those with the lowest scores, ties by row and label.

        Returns
        -------
        CellPatch
            For the same labels. Changes without a score were decided, not estimated: ``fdr`` and ``max_changes`` keep
            them all and do not count them.
        """
        chosen = np.ones(len(self), bool) if keep is None else _check_mask(keep, len(self))
        estimated = np.flatnonzero(chosen & ~np.isnan(self._score))
        order = estimated[np.argsort(self._score[estimated], kind="stable")]
        n = order.size
        if fdr is not None:
            n = within_fdr(self._score[order], check_number("fdr", fdr, 0, 1))
        if max_changes is not None:
            n = min(n, check_integer("max_changes", max_changes, low=0))
        chosen[order[n:]] = False
        return self._take(chosen)

    def to_frame(self) -> pd.DataFrame:
        """Return the changes as a table.

        Returns
        -------
        DataFrame
            ``row``, ``label`` (name, or number without names), ``old``, ``new``, ``score``, ``why``, ordered by row and
            label.
        """
        import pandas as pd

        labels = self.labels
        names: Any = labels if self.label_names is None else np.asarray(self.label_names, object)[labels]
        columns = {"row": self.rows, "label": names, "old": self._old, "new": self._new, "score": self._score}
        return pd.DataFrame({**columns, "why": np.array(self._why, object)})

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the patch as JSON text, and write it to a file if asked to.

        Parameters
        ----------
        path : str or Path, optional
            A file that appears complete or not at all.

        Returns
        -------
        str
            The patch with a line for each change: ``[row, label, old, new, score, why]``.
        """
        text = _patch_json.write(self)
        if path is not None:
            write_whole(Path(path), lambda part: part.write_text(text, encoding="utf-8"))
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> CellPatch:
        """Return the patch that :meth:`to_json` wrote.

        Parameters
        ----------
        source : str or Path
            The text, or a Path to a file with it. Lines of changes may have been deleted from it.

        Returns
        -------
        CellPatch

        Raises
        ------
        ValueError
            If this is no patch, or one of a later version.
        """
        if not isinstance(source, (str, Path)):
            raise TypeError(f"source: expected JSON text or a Path, got {described(source)}")
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        return cls(*_patch_json.read(text, source if isinstance(source, Path) else None))

    def __len__(self) -> int:
        return int(self._cells.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CellPatch):
            return NotImplemented
        head, other_head = (
            (patch.shape, patch.background, patch.label_names, patch._before, patch._why) for patch in (self, other)
        )
        parts, other_parts = ((patch._cells, patch._old, patch._new, patch._score) for patch in (self, other))
        return head == other_head and all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(parts, other_parts)
        )

    def __repr__(self) -> str:
        n_added, n_removed = int((self._new == 1).sum()), int((self._old == 1).sum())
        cells = f"{len(self):,} cell" if len(self) == 1 else f"{len(self):,} cells"
        return f"CellPatch: {cells} of {_size(self.shape)} ({n_added:,} added, {n_removed:,} removed)"

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (np.array(part) for part in (self._cells, self._old, self._new, self._score))
        return CellPatch, (self.shape, self.background, self.label_names, self._before, *parts, self._why)

    def _fingerprint_after(self) -> int:
        background = -1 if self.background == "unknown" else 0
        return moved(self._before, self.rows, self.labels, self._old, self._new, background)

    def _take(self, chosen: NDArray[np.bool_]) -> CellPatch:
        why = [reason for reason, is_chosen in zip(self._why, chosen.tolist()) if is_chosen]
        return CellPatch(
            self.shape,
            self.background,
            self.label_names,
            self._before,
            self._cells[chosen],
            self._old[chosen],
            self._new[chosen],
            self._score[chosen],
            why,
        )

    def _with(
        self, before: int | None = None, old: NDArray[np.int8] | None = None, new: NDArray[np.int8] | None = None
    ) -> CellPatch:
        return CellPatch(
            self.shape,
            self.background,
            self.label_names,
            self._before if before is None else before,
            self._cells,
            self._old if old is None else old,
            self._new if new is None else new,
            self._score,
            self._why,
        )

    def _read(self, labels: Any, unknown: Any) -> LabelMatrix:
        """Judge labels as those that the patch was made for were judged."""
        n_rows, n_labels = self.shape
        shape = getattr(labels, "shape", None)
        if isinstance(shape, tuple) and len(shape) == 2 and shape != self.shape:
            raise ValueError(f"labels: expected shape {self.shape}, for which this patch is, got {shape}")
        own_names = isinstance(labels, LabelMatrix) and self.label_names is None
        matrix = as_label_matrix(
            labels,
            n_labels=n_labels if self.label_names is None else None,
            unknown=unknown,
            label_names=labels.label_names if own_names else self.label_names,
        )
        if matrix.shape != self.shape:
            raise ValueError(f"labels: expected {n_rows} examples, for which this patch is, got {matrix.shape[0]}")
        return matrix

    def _check_same(self, matrix: LabelMatrix) -> None:
        if matrix.background != self.background:
            raise ValueError(
                f"labels: expected cells that are not given to be {self.background}, as when this patch was made, "
                f"got {matrix.background} (as_label_matrix(labels, background={self.background!r}) says so)"
            )
        found = fingerprint(matrix)
        if found == self._before:
            values = _patching.values_at(matrix, self.rows, self.labels)
            wrong = np.flatnonzero(values != self._old)
            if wrong.size:  # somebody has edited the patch
                raise ValueError(
                    f"labels: expected {self._at(wrong[0], self._old)}, as the patch says, got {values[wrong[0]]}"
                )
            return
        if found == self._fingerprint_after():
            raise ValueError("labels: expected the labels before this patch, got those after it (applied already)")
        values = _patching.values_at(matrix, self.rows, self.labels)
        wrong = np.flatnonzero(values != self._old)
        where = ""
        if wrong.size:
            where = f"; they have {values[wrong[0]]} where the patch expects {self._at(wrong[0], self._old)}"
        raise ValueError(
            f"labels: expected those that this patch is for (fingerprint {self.before}), "
            f"got others ({found:016x}){where}"
        )

    def _at(self, place: Any, values: NDArray[np.int8]) -> str:
        label = label_text(int(self.labels[place]), self.label_names)
        return f"{values[place]} at row {self.rows[place]}, {label}"


def within_fdr(scores: Floats, fdr: float) -> int:
    """How many of the ascending scores have a mean of at most ``fdr``."""
    means = np.cumsum(scores) / np.arange(1, scores.size + 1)
    return int(np.searchsorted(means, fdr, side="right"))


def _check_mask(keep: Any, n: int) -> NDArray[np.bool_]:
    mask = np.asarray(keep)
    if mask.dtype != bool or mask.shape != (n,):
        got = f"{mask.dtype} of shape {mask.shape}" if mask.ndim else shorten(keep)
        raise ValueError(f"keep: expected {n} times True or False, one for each change, got {got}")
    kept: NDArray[np.bool_] = mask.copy()
    return kept


def _read_pair(before: Any, after: Any) -> tuple[LabelMatrix, LabelMatrix]:
    """Both label matrices; of the names and the number of labels, what one lacks the other may know."""
    known = next((x for x in (before, after) if len(getattr(x, "shape", ())) == 2), None)
    n_labels = None if known is None else int(known.shape[1])
    read = []
    for name, value in (("before", before), ("after", after)):
        has_shape = len(getattr(value, "shape", ())) == 2
        try:
            read.append(as_label_matrix(value, n_labels=None if has_shape else n_labels))
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("labels: ", f"{name}: ", 1)) from None
    return read[0], read[1]


def _split(cells: NDArray[np.int64], n_labels: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    rows, labels = np.divmod(cells, np.int64(n_labels))
    return rows, labels.astype(np.int32)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view: NDArray[Any] = array.view()
    view.flags.writeable = False
    return view


def _size(shape: tuple[int, int]) -> str:
    return " x ".join(f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in zip(shape, ("example", "label")))
