"""Label errors of a known kind and rate, and exactly which cells they hit."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlkit._validation.params import check_number
from mlkit.datasets._arguments import RandomState, check_floats, make_generator

NoiseKind = Literal["uniform", "label_dependent", "missing_positives", "swap"]
LabelsT = TypeVar("LabelsT")
_NOISE_KINDS = ("uniform", "label_dependent", "missing_positives", "swap")


def inject_label_noise(
    labels: LabelsT,
    *,
    kind: NoiseKind = "uniform",
    rate: float | ArrayLike,
    random_state: RandomState = None,
) -> tuple[LabelsT, Any]:
    """Make known errors in a label matrix.

    Parameters
    ----------
    labels : ndarray, SciPy sparse matrix or array, or DataFrame, of shape (n_samples, n_labels)
        0/1 labels (bool, integer or float). Unknown cells are -1 or NaN (in sparse labels: stored as such; in a
        DataFrame also missing values); they never change. The input is not modified.
    kind : {"uniform", "label_dependent", "missing_positives", "swap"}, default="uniform"
        What goes wrong:

        - "uniform": each known cell flips (0 to 1, 1 to 0) independently with probability `rate`.
        - "label_dependent": each known cell flips independently with a probability that depends on its label and, if
          `rate` says so, on its value.
        - "missing_positives": the share `rate` of the positive cells, drawn at random, becomes 0.
        - "swap": the share `rate` of the positive cells, drawn at random, becomes 0, and for each of them a cell of the
          same row that is known and 0 in `labels`, drawn at random, becomes 1. No cell receives two positives. Where
          a row has fewer such cells than drawn positives, the surplus (drawn at random) stays where it is.
    rate : float in [0, 1], or array-like of shape (n_labels,) or (n_labels, 2)
        Noise rate. Arrays are for "label_dependent" alone: per label the probability of a flip, or per label the pair
        P(flip | 0), P(flip | 1). There, a number means rates that differ from label to label: values evenly spread
        over (0, 2 * rate), or (2 * rate - 1, 1) when `rate` exceeds one half, dealt to the labels in random order.
        Their mean is `rate`.
    random_state : int, RandomState, Generator or None, default=None
        Seed or source of the random numbers; the same int gives the same errors.

    Returns
    -------
    noisy : same form and dtype as `labels`
        The labels with errors. Sparse results are canonical: sorted, without stored zeros. A DataFrame keeps its index,
        columns and dtypes.
    truth : bool ndarray or csr_array of shape (n_samples, n_labels)
        True where `noisy` differs from `labels`; sparse for sparse labels, dense otherwise.

    Raises
    ------
    TypeError
        If `labels`, `rate` or `random_state` is of the wrong kind.
    ValueError
        If `labels` is not two-dimensional, holds other values than 0, 1 and unknown, or holds -1 and 1 but no 0 (then
        -1 may mean absent); if `kind` is unknown; if `rate` is outside [0, 1] or has the wrong shape.

    Notes
    -----
    The same `random_state` makes the same errors in dense, sparse and DataFrame labels. A share of the positives is
    ``floor(rate * n_positives + 0.5)`` cells.

    Mind that flipping zeros of a rare label at a few percent already buries its true positives: with 2 % positives and
    a uniform rate of 0.05, little more than a quarter of the given positives is true.

    O(p log p) time and O(p) memory on sparse labels, where p counts stored cells, changed cells, rows and labels:
    the number of flipped zeros of a label is drawn from its binomial distribution, then their places without
    replacement. No dense copy is made.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.datasets import inject_label_noise
    >>> labels = np.array([[1, 0, 0], [0, 1, 1], [1, -1, 0], [0, 0, 1]])
    >>> noisy, truth = inject_label_noise(labels, kind="missing_positives", rate=0.4, random_state=0)
    >>> int(labels[labels > 0].sum()), int(noisy[noisy > 0].sum()), int(truth.sum())
    (5, 3, 2)
    >>> bool((truth == (noisy != labels)).all())
    True

    Positives of the first label are missed, nothing else happens:

    >>> _, truth = inject_label_noise(
    ...     labels, kind="label_dependent", rate=[[0, 1], [0, 0], [0, 0]], random_state=0
    ... )
    >>> truth.sum(axis=0)
    array([2, 0, 0])
    """
    if not isinstance(kind, str) or kind not in _NOISE_KINDS:
        raise ValueError(f"kind: expected one of {', '.join(map(repr, _NOISE_KINDS))}, got {kind!r}")
    given: Any = labels  # of a class of SciPy or pandas only if that module is loaded already
    if "scipy.sparse" in sys.modules and sys.modules["scipy.sparse"].issparse(given):
        return _noise_in_sparse(given, kind, rate, random_state)
    if "pandas" in sys.modules and isinstance(given, sys.modules["pandas"].DataFrame):
        return _noise_in_frame(given, kind, rate, random_state)
    if isinstance(given, np.ndarray):
        return _noise_in_dense(given, kind, rate, random_state)
    raise TypeError(
        f"labels: expected a NumPy array, a SciPy sparse matrix or a pandas DataFrame, got {type(labels).__name__}"
    )


@dataclass(frozen=True)
class _Cells:
    """The cells of a label matrix that are not known zeros, as increasing positions ``row * n_labels + label``."""

    n_samples: int
    n_labels: int
    positive: NDArray[np.int64]
    unknown: NDArray[np.int64]

    def by_label(self) -> _Cells:
        """The transposed matrix: groups are labels, members are rows."""
        positive, unknown = (
            np.sort(cells % self.n_labels * self.n_samples + cells // self.n_labels)
            for cells in (self.positive, self.unknown)
        )
        return _Cells(self.n_labels, self.n_samples, positive, unknown)

    def n_zeros(self) -> NDArray[np.int64]:
        """Number of known zeros of each row."""
        occupied = np.concatenate([self.positive, self.unknown]) // max(self.n_labels, 1)
        return self.n_labels - np.bincount(occupied, minlength=self.n_samples).astype(np.int64)

    def nth_zero(self, row: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
        """Label of the known zero number `rank` (from 0) of each given row: `rank` plus the occupied cells before."""
        occupied = np.sort(np.concatenate([self.positive, self.unknown]))
        owner, label = np.divmod(occupied, max(self.n_labels, 1))
        first = np.searchsorted(owner, np.arange(self.n_samples))
        zeros_before = label - (np.arange(occupied.size) - first[owner])
        span = self.n_labels + 1
        n_passed = np.searchsorted(owner * span + zeros_before, row * span + rank, side="right") - first[row]
        return np.asarray(rank + n_passed, dtype=np.int64)


def _choose_changes(
    cells: _Cells, kind: str, rate: float | ArrayLike, random_state: RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions, both increasing, of the positives that become 0 and of the zeros that become 1."""
    rates = _check_rate(rate, kind, cells.n_labels)
    rng = make_generator(random_state)
    nothing = np.empty(0, dtype=np.int64)
    if kind in ("missing_positives", "swap"):
        n_drawn = int(np.floor(float(rates) * cells.positive.size + 0.5))
        drawn = cells.positive[rng.permutation(cells.positive.size)[:n_drawn]]
        return (np.sort(drawn), nothing) if kind == "missing_positives" else _swap(cells, drawn, rng)

    if rates.ndim == 0:
        rates = np.full(cells.n_labels, rates) if kind == "uniform" else _spread(float(rates), cells.n_labels, rng)
    if rates.ndim == 1:
        rates = np.stack([rates, rates], axis=1)
    lost = cells.positive[rng.random(cells.positive.size) < rates[cells.positive % max(cells.n_labels, 1), 1]]
    columns = cells.by_label()
    n_zeros = columns.n_zeros()
    label, rank = _draw_distinct(n_zeros, rng.binomial(n_zeros, rates[:, 0]), rng)
    return lost, np.sort(columns.nth_zero(label, rank) * cells.n_labels + label)


def _swap(
    cells: _Cells, drawn: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Move the drawn positives, which come in random order, to distinct known zeros of their rows."""
    drawn = drawn[np.argsort(drawn // max(cells.n_labels, 1), kind="stable")]
    row = drawn // max(cells.n_labels, 1)
    n_zeros = cells.n_zeros()
    turn = np.arange(drawn.size) - np.searchsorted(row, row)
    moved = turn < n_zeros[row]
    n_moved = np.bincount(row[moved], minlength=cells.n_samples).astype(np.int64)
    target, rank = _draw_distinct(n_zeros, n_moved, rng)
    return np.sort(drawn[moved]), np.sort(target * cells.n_labels + cells.nth_zero(target, rank))


def _spread(rate: float, n_labels: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rates evenly spread around `rate`, dealt to the labels at random."""
    offsets = (2.0 * np.arange(n_labels) + 1.0 - n_labels) / max(n_labels, 1)
    return np.asarray(rate + min(rate, 1.0 - rate) * rng.permutation(offsets), dtype=np.float64)


def _draw_distinct(
    sizes: NDArray[np.int64], counts: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw ``counts[g]`` different numbers below ``sizes[g]`` for each group g; return groups and numbers.

    All groups at once: draw with replacement, drop repetitions, draw again what is missing. No number is treated
    unlike another, so every subset of the right size is equally likely. Where more than half of a group is wanted,
    the rest is drawn instead, so each round at least halves what is missing (in expectation).
    """
    inverted = counts > sizes - counts
    missing = np.where(inverted, sizes - counts, counts)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    drawn = np.empty(0, dtype=np.int64)
    while missing.any():
        group = np.repeat(np.arange(sizes.size), missing)
        fresh = np.unique(starts[group] + rng.integers(0, sizes[group]))
        if drawn.size:
            place = np.searchsorted(drawn, fresh)
            fresh = fresh[(place == drawn.size) | (drawn[np.minimum(place, drawn.size - 1)] != fresh)]
        missing = missing - np.bincount(np.searchsorted(ends, fresh, side="right"), minlength=sizes.size)
        drawn = np.sort(np.concatenate([drawn, fresh]), kind="stable")
    group = np.searchsorted(ends, drawn, side="right")
    number = drawn - starts[group]
    if not inverted.any():
        return group, number

    whole = np.flatnonzero(inverted)
    whole_ends = np.cumsum(sizes[whole])
    whole_starts = np.zeros(sizes.size, dtype=np.int64)
    whole_starts[whole] = whole_ends - sizes[whole]
    wanted = np.ones(whole_ends[-1], dtype=bool)
    spared = inverted[group]
    wanted[whole_starts[group[spared]] + number[spared]] = False
    taken = np.flatnonzero(wanted)
    taken_group = whole[np.searchsorted(whole_ends, taken, side="right")]
    return (
        np.concatenate([group[~spared], taken_group]),
        np.concatenate([number[~spared], taken - whole_starts[taken_group]]),
    )


def _noise_in_dense(labels: NDArray[Any], kind: str, rate: Any, random_state: RandomState) -> tuple[Any, Any]:
    changed = _changed_cells(labels, kind, rate, random_state)
    noisy = np.array(labels, order="K")
    rows, columns = np.divmod(changed, max(labels.shape[1], 1))
    noisy[rows, columns] = noisy[rows, columns] == 0
    return noisy, _dense_truth(changed, labels.shape)


def _noise_in_frame(labels: Any, kind: str, rate: Any, random_state: RandomState) -> tuple[Any, Any]:
    import pandas as pd

    for name, dtype in zip(labels.columns, labels.dtypes, strict=True):
        if dtype.kind not in "biuf":
            raise TypeError(f"labels: expected bool or numeric columns, got dtype {dtype} in column {name!r}")
    changed = _changed_cells(labels.to_numpy(dtype=np.float64, na_value=np.nan), kind, rate, random_state)
    truth = _dense_truth(changed, labels.shape)
    columns = {}
    for j in range(labels.shape[1]):
        column, hit = labels.iloc[:, j], truth[:, j]
        if isinstance(column.dtype, pd.SparseDtype):  # no item assignment
            values = np.array(column)
            values[hit] = values[hit] == 0
            columns[j] = pd.array(values, dtype=column.dtype)
        else:
            columns[j] = column.array.copy()
            columns[j][hit] = (columns[j][hit] == 0).astype(column.dtype)
    noisy = pd.DataFrame(columns, index=labels.index)
    noisy.columns = labels.columns
    return noisy, truth


def _noise_in_sparse(labels: Any, kind: str, rate: Any, random_state: RandomState) -> tuple[Any, Any]:
    from scipy.sparse import csr_array

    if labels.ndim != 2:
        raise ValueError(f"labels: expected shape (n_samples, n_labels), got {labels.shape}")
    n_samples, n_labels = _check_size(labels.shape)
    given = labels.tocsr(copy=True)
    given.sum_duplicates()
    rows = np.repeat(np.arange(n_samples, dtype=np.int64), np.diff(given.indptr))
    position = rows * n_labels + given.indices
    positive, unknown = _judge(given.data, has_zero=given.nnz < n_samples * n_labels, where=position, n_labels=n_labels)
    cells = _Cells(n_samples, n_labels, position[positive], position[unknown])
    lost, gained = _choose_changes(cells, kind, rate, random_state)

    kept = unknown | (positive & ~_contains(lost, position))
    merged = np.concatenate([position[kept], gained])
    order = np.argsort(merged, kind="stable")
    data = np.concatenate([given.data[kept], np.ones(gained.size, dtype=given.dtype)])[order]
    index_dtype = getattr(labels, "indices", given.indices).dtype
    noisy = _from_positions(type(given), merged[order], data, given.shape, index_dtype)
    changed = np.sort(np.concatenate([lost, gained]))
    truth = _from_positions(csr_array, changed, np.ones(changed.size, dtype=bool), given.shape, index_dtype)
    return noisy.asformat(labels.format), truth


def _from_positions(
    kind: Any, position: NDArray[np.int64], data: NDArray[Any], shape: tuple[int, int], index_dtype: Any
) -> Any:
    """CSR matrix or array with `data` at increasing positions; indices keep their dtype where the size allows."""
    n_samples, n_labels = shape
    rows, columns = np.divmod(position, max(n_labels, 1))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_samples))])
    if position.size > np.iinfo(index_dtype).max:
        index_dtype = np.int64
    matrix = kind((data, columns.astype(index_dtype), indptr.astype(index_dtype)), shape=shape)
    matrix.indices, matrix.indptr = (part.astype(index_dtype, copy=False) for part in (matrix.indices, matrix.indptr))
    matrix.has_canonical_format = True
    return matrix


def _changed_cells(labels: NDArray[Any], kind: str, rate: Any, random_state: RandomState) -> NDArray[np.int64]:
    """Positions of the cells of a dense label matrix to change."""
    if labels.ndim != 2:
        raise ValueError(f"labels: expected shape (n_samples, n_labels), got {labels.shape}")
    n_samples, n_labels = _check_size(labels.shape)
    flat = labels.reshape(-1)
    positive, unknown = _judge(flat, has_zero=False, where=None, n_labels=n_labels)
    cells = _Cells(n_samples, n_labels, np.flatnonzero(positive), np.flatnonzero(unknown))
    return np.concatenate(_choose_changes(cells, kind, rate, random_state))


def _dense_truth(changed: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    truth = np.zeros(shape, dtype=bool)
    truth.reshape(-1)[changed] = True
    return truth


def _judge(
    values: NDArray[Any], *, has_zero: bool, where: NDArray[np.int64] | None, n_labels: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values are positive and which unknown; an error unless all others are zero.

    `where` are the positions of the values (default: 0, 1, 2 ...); `has_zero` tells of zeros that are not stored.
    """
    if values.dtype.kind not in "biuf":
        raise TypeError(f"labels: expected bool, integer or float values, got dtype {values.dtype}")
    positive = values == 1
    unknown = np.zeros(values.shape, dtype=bool)
    if values.dtype.kind in "if":
        unknown = values == -1
        with_minus_one = bool(unknown.any())
        if values.dtype.kind == "f":
            unknown |= np.isnan(values)
        zero = values == 0
        if with_minus_one and positive.any() and not has_zero and not zero.any():
            raise ValueError(
                "labels: expected 0 and 1 (-1 = unknown), got -1 and 1 but no 0 (pass labels > 0 if -1 means absent,\n"
                "np.where(labels > 0, 1.0, np.nan) if it means unknown)"
            )
    else:
        zero = values == 0
    wrong = ~(positive | unknown | zero)
    if wrong.any():
        first = int(np.argmax(wrong))
        row, label = divmod(first if where is None else int(where[first]), n_labels)
        raise ValueError(
            f"labels: expected 0, 1 or unknown (-1 or NaN), got {values[first]} at row {row}, label {label}"
        )
    return positive, unknown


def _contains(pool: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the values are in the increasing pool."""
    if pool.size == 0:
        return np.zeros(values.shape, dtype=bool)
    place = np.minimum(np.searchsorted(pool, values), pool.size - 1)
    return np.asarray(pool[place] == values)


def _check_size(shape: tuple[int, ...]) -> tuple[int, int]:
    n_samples, n_labels = (int(side) for side in shape)
    if (n_samples + 1) * (n_labels + 1) > np.iinfo(np.int64).max:
        raise ValueError(f"labels: expected fewer than 2**63 cells, got shape {shape}")
    return n_samples, n_labels


def _check_rate(rate: Any, kind: str, n_labels: int) -> NDArray[np.float64]:
    if np.ndim(rate) == 0:
        return np.asarray(check_number("rate", rate.item() if isinstance(rate, np.ndarray) else rate, 0, 1))
    if kind != "label_dependent":
        raise ValueError(
            f"rate: expected a number in [0, 1] with kind={kind!r}, got shape {np.shape(rate)} "
            "(rates per label: kind='label_dependent')"
        )
    wanted = f"a number, or shape ({n_labels},) or ({n_labels}, 2)"
    rates = check_floats("rate", rate, wanted)
    if rates.shape not in ((n_labels,), (n_labels, 2)):
        raise ValueError(f"rate: expected {wanted}, got shape {rates.shape}")
    wrong = ~((rates >= 0) & (rates <= 1))
    if wrong.any():
        place = np.unravel_index(int(np.argmax(wrong)), rates.shape)
        raise ValueError(f"rate: expected values in [0, 1], got {rates[place]} for label {place[0]}")
    return rates
