"""Labels and probabilities of the same cells, judged together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.frames import frame_names
from mlkit._validation.params import check_choice, check_flag, check_label_names, list_labels
from mlkit._validation.probabilities import Probabilities, check_probabilities, read_probabilities
from mlkit.labels.matrix import LabelMatrix
from mlkit.labels.reading import read_labels


class LabelQualityWarning(UserWarning):
    """Something about labels or probabilities limits what an audit can say."""


@dataclass(frozen=True)
class Cells:
    """Canonical labels and probabilities of one data set, and how many threads may work on them."""

    labels: LabelMatrix
    probs: Probabilities
    n_threads: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.labels.shape

    @property
    def label_names(self) -> tuple[str, ...] | None:
        return self.labels.label_names

    @property
    def n_positive(self) -> NDArray[np.int64]:
        return self.labels.support

    @property
    def n_negative(self) -> NDArray[np.int64]:
        return self.labels.n_negative

    def rows(self, begin: int, end: int) -> Cells:
        """The cells of a run of rows."""
        return Cells(self.labels._rows(begin, end), self.probs.rows(begin, end), self.n_threads)

    def take(self, rows: NDArray[np.int64]) -> Cells:
        """The cells of chosen rows, copied."""
        return Cells(self.labels._take(rows), self.probs.take(rows), self.n_threads)

    @property
    def core(self) -> tuple[_core.labels.Labels, _core.labels.Scores]:
        """The two views that every kernel takes first."""
        return self.labels._core, self.probs.core


def check_cells(
    labels: Any,
    pred_probs: Any,
    *,
    unknown: Any = None,
    label_names: Sequence[str] | None = None,
    nan_policy: str | None = "raise",
    from_logits: bool = False,
    force: bool | None = False,
    invalid_ids: str = "error",
    n_jobs: int | None = None,
    is_whole: bool = True,
    argument: str = "labels",
) -> Cells:
    """Judge and canonicalise; the parameters are those of the public functions that call this.

    ``is_whole``: these are all the data, so that labels of -1 and 1 without any 0 are an error. ``force`` None: the
    caller has no such switch. ``argument`` is what the caller calls the labels.

    Raises
    ------
    TypeError, ValueError
        With one line that names the argument, what was expected, what was got, and where.
    """
    n_threads = resolve_threads(n_jobs)
    if nan_policy is not None:
        check_choice("nan_policy", nan_policy, ("raise", "mask"))
    if force is not None:
        check_flag("force", force)
    check_flag("from_logits", from_logits)
    names = None if label_names is None else check_label_names(label_names)
    if names is None:  # the labels' own names, which the probabilities' columns must follow
        names = labels.label_names if isinstance(labels, LabelMatrix) else frame_names(argument, labels)
    values = read_probabilities(pred_probs, names, force=from_logits or force)
    # lists do not say how many labels there are, nor what they are called; the probabilities may
    shape = getattr(labels, "shape", None)
    n_labels = shape[1] if isinstance(shape, tuple) and len(shape) == 2 else None
    if names is None:
        names = _names_from(pred_probs, n_labels)
    matrix = read_labels(
        labels,
        n_labels=values.shape[1] if n_labels is None and names is None else None,
        unknown=unknown,
        label_names=names,
        invalid_ids=invalid_ids,
        n_threads=n_threads,
        is_whole=is_whole,
        argument=argument,
    )
    probs = check_probabilities(
        values,
        matrix.shape,
        matrix.label_names,
        nan_policy=nan_policy,
        from_logits=from_logits,
        n_threads=n_threads,
        labels=argument,
    )
    if probs.nan_mask is not None:
        matrix = read_labels(matrix, unknown=probs.nan_mask, n_threads=n_threads)
    matrix._count(n_threads)
    return Cells(matrix, probs, n_threads)


def _names_from(pred_probs: Any, n_labels: int | None) -> tuple[str, ...] | None:
    """The columns of a frame of probabilities, unless there are more or fewer than labels."""
    names = frame_names("pred_probs", pred_probs)
    return names if names is None or n_labels in (None, len(names)) else None


def warn_about_labels(
    cells: Cells, thresholds: NDArray[np.float64], min_support: int = 10, stacklevel: int = 3
) -> None:
    """One warning that lists, by kind, the labels about which flags say little."""
    n_positive, n_negative = cells.n_positive, cells.n_negative
    both = (n_positive > 0) & (n_negative > 0)
    few = (n_positive > 0) & (n_positive < min_support)
    # t0 is the mean of 1 - p where the label is absent: t0 + t1 <= 1 means that p is no higher where it is given
    no_better = both & ~few & (thresholds.sum(axis=1) <= 1)
    groups = (
        ("without a known positive (only missing labels can be found)", (n_positive == 0) & (n_negative > 0)),
        ("without a known negative (only spurious labels can be found)", (n_negative == 0) & (n_positive > 0)),
        ("without a known cell", (n_positive == 0) & (n_negative == 0)),
        (f"with fewer than {min_support} positives (flags rest on few cells)", few),
        ("with probabilities no higher where the label is given (the model says nothing)", no_better),
    )
    found = []
    for text, where in groups:
        which = np.flatnonzero(where)
        if which.size:
            plural = "label" if which.size == 1 else "labels"
            found.append(f"{which.size} {plural} {text}: {list_labels(which, cells.label_names)}")
    if found:
        warnings.warn("; ".join(found), LabelQualityWarning, stacklevel=stacklevel)
