"""Small data to play with, made on the spot: nothing is downloaded.

:func:`make_multidigits` composes pictures of real handwritten digits; which digits a picture shows are its labels.
:func:`inject_label_noise` breaks a known share of any label matrix and says exactly which cells it broke.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MultiDigits", "inject_label_noise", "make_multidigits"]

NoiseKind = Literal["uniform", "label_dependent", "missing_positives", "swap"]
RandomState = int | np.integer[Any] | np.random.RandomState | np.random.Generator | None
LabelsT = TypeVar("LabelsT")

_N_DIGITS = 10
_SIDE = 8  # height and width of one scan, in pixels
_FALL = 6.0  # "falling": weight of digit 0 over weight of digit 9
_DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NOISE_KINDS = ("uniform", "label_dependent", "missing_positives", "swap")


# Pictures ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class MultiDigits:
    """Pictures of handwritten digits and the digits they show; made by :func:`make_multidigits`.

    Attributes
    ----------
    images : ndarray of shape (n_samples, height, width), float32, in [0, 1]
        The pictures; 0 is blank paper, 1 is full ink.
    Y : ndarray of shape (n_samples, 10), int8
        ``Y[i, d]`` is 1 where picture ``i`` shows digit ``d``, else 0; the truth, before anyone errs.
    label_names : tuple of 10 str
        Names of the columns of `Y`.
    scans : ndarray of shape (n_samples, max_digits), int32
        Rows of :func:`sklearn.datasets.load_digits` that the picture was made of; -1 pads.

    Examples
    --------
    >>> from mlkit.datasets import make_multidigits
    >>> data = make_multidigits(500, random_state=0)
    >>> data.X.shape, data.Y.shape
    ((500, 256), (500, 10))
    >>> sorted(set(data.Y.sum(axis=1).tolist()))
    [1, 2, 3, 4]
    """

    images: NDArray[np.float32]
    Y: NDArray[np.int8]
    label_names: tuple[str, ...]
    scans: NDArray[np.int32]

    @property
    def X(self) -> NDArray[np.float32]:  # noqa: N802
        """Pictures as rows: `images` seen as (n_samples, height * width), without a copy."""
        return self.images.reshape(len(self.images), -1)

    def __repr__(self) -> str:
        n_samples, height, width = self.images.shape
        support = ", ".join(f"{name} {count}" for name, count in zip(self.label_names, self.Y.sum(axis=0), strict=True))
        return (
            f"MultiDigits: {n_samples} pictures of {height} x {width} pixels, {self.Y.shape[1]} labels, "
            f"{self.Y.sum() / n_samples:.2f} labels a picture\n  support: {support}"
        )


def make_multidigits(
    n_samples: int = 3000,
    *,
    max_digits: int = 4,
    canvas: tuple[int, int] = (16, 16),
    digit_weights: Literal["falling", "equal"] | ArrayLike = "falling",
    pair_weights: ArrayLike | None = None,
    jitter: float = 0.75,
    scale: tuple[float, float] = (0.85, 1.0),
    noise: float = 0.05,
    label_names: Sequence[str] | None = None,
    random_state: RandomState = None,
) -> MultiDigits:
    """Make pictures that show several real handwritten digits; the labels of a picture are the digits in it.

    The digits are the 1797 scans of 8 x 8 pixels that come with scikit-learn. With the default settings and a few
    thousand pictures, plain models (one-vs-rest logistic regression, a random forest) rank the labels well but not
    perfectly, as on real data, and fit in seconds.

    Parameters
    ----------
    n_samples : int, default=3000
        Number of pictures.
    max_digits : int, default=4
        Most digits a picture can show, 1 to 10. Few digits are more frequent than many: the number ``m`` is drawn with
        probability proportional to ``max_digits + 1 - m``, from 1 to `max_digits`. The digits of a picture differ.
    canvas : (int, int), default=(16, 16)
        Height and width of the pictures in pixels, each at least 8.
    digit_weights : {"falling", "equal"} or array-like of shape (10,), default="falling"
        How readily each digit is drawn, which sets the supports of the labels. "falling" goes in equal ratios from 6
        (digit 0, frequent) down to 1 (digit 9, rare).
    pair_weights : array-like of shape (10, 10), optional
        Symmetric, non-negative. Once digit ``a`` is in a picture, the weight of digit ``b`` is multiplied by
        ``pair_weights[a, b]``: above 1 the two like to appear together, 0 keeps them apart. The diagonal has no effect.
        A picture for which no digit is left to draw keeps the digits it has.
    jitter : float, default=0.75
        Digits sit in the cells of a grid (two by two on the default canvas), in random order, and are moved from there
        by up to `jitter` pixels in either direction, never beyond the edge. The larger, the more they overlap and the
        harder the task. With more digits than grid cells, cells are used again.
    scale : (float, float), default=(0.85, 1.0)
        Smallest and largest size of a digit relative to its scan, drawn uniformly for each digit, in (0, 1].
    noise : float, default=0.05
        Standard deviation of the Gaussian noise added to each pixel (ink is 1, paper 0; the sum is clipped to [0, 1]).
    label_names : sequence of 10 str, optional
        Names of the labels, digit 0 first; by default "zero" to "nine", which cannot be taken for column numbers.
    random_state : int, RandomState, Generator or None, default=None
        Seed or source of the random numbers; the same int gives the same pictures.

    Returns
    -------
    data : MultiDigits
        ``images`` (n_samples, height, width) float32 in [0, 1], ``X`` the same pictures as rows, ``Y`` (n_samples, 10)
        int8, ``label_names``, and ``scans``, the rows of :func:`sklearn.datasets.load_digits` in each picture.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range; the message begins with its name.

    Notes
    -----
    Where digits overlap, the darker ink shows. Positions and sizes are continuous; scans are resampled bilinearly.

    There are only 1797 scans, so they recur: 3000 pictures use each three to four times (more often for frequent
    digits), each time at another place, in another size and company. The scans of a digit are dealt out like shuffled
    packs of cards, so that none is used twice before each was used once. Having met a scan in training helps a model
    little: macro ROC-AUC on pictures of scans never seen is lower by about 0.006. ``scans`` tells which is where.

    O(n_samples * max_digits * height * width) time.

    Examples
    --------
    >>> from mlkit.datasets import make_multidigits
    >>> make_multidigits(2000, random_state=0)  # doctest: +ELLIPSIS
    MultiDigits: 2000 pictures of 16 x 16 pixels, 10 labels, ... labels a picture
      support: zero ..., one ..., two ..., three ..., four ..., five ..., six ..., seven ..., eight ..., nine ...

    Keep "eight" and "nine" apart, and draw all digits alike:

    >>> import numpy as np
    >>> apart = np.ones((10, 10))
    >>> apart[8, 9] = apart[9, 8] = 0
    >>> data = make_multidigits(1000, digit_weights="equal", pair_weights=apart, random_state=0)
    >>> bool((data.Y[:, 8] & data.Y[:, 9]).any())
    False
    """
    n_samples = _check_int("n_samples", n_samples, low=1)
    max_digits = _check_int("max_digits", max_digits, low=1, high=_N_DIGITS)
    height, width = _check_canvas(canvas)
    log_weights, log_pairs = _check_digit_weights(digit_weights), _check_pair_weights(pair_weights)
    jitter = _check_number("jitter", jitter, low=0.0)
    sizes = _check_scale(scale)
    noise = _check_number("noise", noise, low=0.0)
    names = _check_label_names(label_names)
    rng = _generator(random_state)

    digits = _draw_digits(n_samples, max_digits, log_weights, log_pairs, rng)
    scans = _deal_scans(digits, rng)
    images = _compose(scans, (height, width), jitter, sizes, rng)
    if noise > 0:
        images += np.float32(noise) * rng.standard_normal(images.shape, dtype=np.float32)
    np.clip(images, 0.0, 1.0, out=images)

    labels = np.zeros((n_samples, _N_DIGITS), dtype=np.int8)
    rows, slots = np.nonzero(digits >= 0)
    labels[rows, digits[rows, slots]] = 1
    return MultiDigits(images=images, Y=labels, label_names=names, scans=scans)


@lru_cache(maxsize=1)
def _load_scans() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The 1797 scans in [0, 1] and the digit that each shows."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images / 16.0).astype(np.float32), np.asarray(digits.target, dtype=np.int64)


def _draw_digits(
    n_samples: int,
    max_digits: int,
    log_weights: NDArray[np.float64],
    log_pairs: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Different digits for each picture, (n_samples, max_digits), -1 where there is none.

    Drawing one digit after the other, in proportion to the weights of those left, is taking the largest of
    log weight + Gumbel noise.
    """
    odds = np.arange(max_digits, 0, -1, dtype=np.float64)
    wanted = rng.choice(np.arange(1, max_digits + 1), size=n_samples, p=odds / odds.sum())
    digits = np.full((n_samples, max_digits), -1, dtype=np.int64)
    log_left = np.tile(log_weights, (n_samples, 1))
    for slot in range(max_digits):
        best = np.argmax(log_left + rng.gumbel(size=log_left.shape), axis=1)
        rows = np.flatnonzero((wanted > slot) & (log_left[np.arange(n_samples), best] > -np.inf))
        digits[rows, slot] = best[rows]
        log_left[rows, best[rows]] = -np.inf
        if log_pairs is not None:
            log_left[rows] += log_pairs[best[rows]]
    return digits


def _deal_scans(digits: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
    """A scan for each drawn digit; no scan is dealt again before all scans of its digit were."""
    _, shown = _load_scans()
    scans = np.full(digits.shape, -1, dtype=np.int32)
    for digit in range(_N_DIGITS):
        pack = np.flatnonzero(shown == digit)
        rows, slots = np.nonzero(digits == digit)
        n_packs = -(-rows.size // pack.size)
        dealt = rng.permuted(np.tile(pack, (n_packs, 1)), axis=1).ravel()
        scans[rows, slots] = dealt[: rows.size]
    return scans


def _compose(
    scans: NDArray[np.int32],
    canvas: tuple[int, int],
    jitter: float,
    sizes: tuple[float, float],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Place the scans of each picture on a blank canvas.

    Bilinear resampling is separable: a placed scan is ``down @ scan @ across.T``, where ``down`` (height, 8) and
    ``across`` (width, 8) hold the weights of its rows and columns. One batched product serves all pictures.
    """
    pixels, _ = _load_scans()
    height, width = canvas
    tops, lefts = _grid(height), _grid(width)
    n_samples, max_digits = scans.shape
    cells = rng.permuted(np.tile(np.arange(tops.size * lefts.size), (n_samples, 1)), axis=1)
    images = np.zeros((n_samples, height, width), dtype=np.float32)
    for slot in range(max_digits):
        rows = np.flatnonzero(scans[:, slot] >= 0)
        cell = cells[rows, slot % cells.shape[1]]
        size = rng.uniform(*sizes, size=rows.size)
        move = rng.uniform(-jitter, jitter, size=(2, rows.size))
        down = _resampling_weights(np.clip(tops[cell // lefts.size] + move[0], 0, height - _SIDE), size, height)
        across = _resampling_weights(np.clip(lefts[cell % lefts.size] + move[1], 0, width - _SIDE), size, width)
        placed = down @ pixels[scans[rows, slot]] @ across.transpose(0, 2, 1)
        images[rows] = np.maximum(images[rows], placed)
    return images


def _grid(length: int) -> NDArray[np.float64]:
    """Where grid cells start along one side: as many as fit, evenly spread."""
    n_cells = length // _SIDE
    if n_cells == 1:
        return np.array([(length - _SIDE) / 2.0])
    return np.linspace(0.0, length - _SIDE, n_cells)


def _resampling_weights(start: NDArray[np.float64], size: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    """Weight of each of the 8 scan lines in each of the `length` canvas lines, (n, length, 8).

    `start` is where the full-size scan begins; a smaller one shrinks towards its middle.
    """
    middle = (_SIDE - 1) / 2.0
    line = (np.arange(length) - (start + middle)[:, None]) / size[:, None] + middle
    return np.maximum(0.0, 1.0 - np.abs(line[:, :, None] - np.arange(_SIDE))).astype(np.float32)


# Label noise ---------------------------------------------------------------------------------------------------------


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
    rng = _generator(random_state)
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


# Arguments -----------------------------------------------------------------------------------------------------------


def _generator(random_state: RandomState) -> np.random.Generator:
    """One kind of generator from all that users pass; a RandomState is advanced, so repeated calls differ."""
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**32, size=4, dtype=np.uint32))
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        if random_state < 0:
            raise ValueError(f"random_state: expected a number of at least 0, got {random_state}")
        return np.random.default_rng(int(random_state))
    raise TypeError(
        f"random_state: expected None, an int, a RandomState or a Generator, got {type(random_state).__name__}"
    )


def _check_int(name: str, value: Any, *, low: int, high: int | None = None) -> int:
    wanted = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name}: expected {wanted}, got {value!r}")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: expected {wanted}, got {value}")
    return number


def _check_number(name: str, value: Any, *, low: float, high: float | None = None) -> float:
    wanted = f"a number of at least {low:g}" if high is None else f"a number in [{low:g}, {high:g}]"
    if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected {wanted}, got {value!r}")
    number = float(value)
    if not (low <= number < np.inf if high is None else low <= number <= high):
        raise ValueError(f"{name}: expected {wanted}, got {value}")
    return number


def _check_floats(name: str, values: Any, wanted: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected {wanted}, got {values!r}") from None


def _check_size(shape: tuple[int, ...]) -> tuple[int, int]:
    n_samples, n_labels = (int(side) for side in shape)
    if (n_samples + 1) * (n_labels + 1) > np.iinfo(np.int64).max:
        raise ValueError(f"labels: expected fewer than 2**63 cells, got shape {shape}")
    return n_samples, n_labels


def _check_rate(rate: Any, kind: str, n_labels: int) -> NDArray[np.float64]:
    if np.ndim(rate) == 0:
        return np.asarray(_check_number("rate", rate.item() if isinstance(rate, np.ndarray) else rate, low=0.0, high=1))
    if kind != "label_dependent":
        raise ValueError(
            f"rate: expected a number in [0, 1] with kind={kind!r}, got shape {np.shape(rate)} "
            "(rates per label: kind='label_dependent')"
        )
    wanted = f"a number, or shape ({n_labels},) or ({n_labels}, 2)"
    rates = _check_floats("rate", rate, wanted)
    if rates.shape not in ((n_labels,), (n_labels, 2)):
        raise ValueError(f"rate: expected {wanted}, got shape {rates.shape}")
    wrong = ~((rates >= 0) & (rates <= 1))
    if wrong.any():
        place = np.unravel_index(int(np.argmax(wrong)), rates.shape)
        raise ValueError(f"rate: expected values in [0, 1], got {rates[place]} for label {place[0]}")
    return rates


def _check_canvas(canvas: Any) -> tuple[int, int]:
    wanted = f"two integers (height, width) of at least {_SIDE}"
    if not isinstance(canvas, Sequence) or isinstance(canvas, str):
        raise TypeError(f"canvas: expected {wanted}, got {canvas!r}")
    if len(canvas) != 2 or not all(isinstance(side, Integral) and int(side) >= _SIDE for side in canvas):
        raise ValueError(f"canvas: expected {wanted}, got {canvas!r}")
    return int(canvas[0]), int(canvas[1])


def _check_scale(scale: Any) -> tuple[float, float]:
    wanted = "two numbers 0 < smallest <= largest <= 1"
    if not isinstance(scale, Sequence) or isinstance(scale, str):
        raise TypeError(f"scale: expected {wanted}, got {scale!r}")
    if len(scale) != 2 or not all(isinstance(size, Real) for size in scale) or not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale: expected {wanted}, got {scale!r}")
    return float(scale[0]), float(scale[1])


def _check_digit_weights(weights: Any) -> NDArray[np.float64]:
    """Logarithms of the weights."""
    wanted = f"'falling', 'equal' or {_N_DIGITS} positive numbers"
    if isinstance(weights, str):
        if weights not in ("falling", "equal"):
            raise ValueError(f"digit_weights: expected {wanted}, got {weights!r}")
        return np.linspace(np.log(_FALL) if weights == "falling" else 0.0, 0.0, _N_DIGITS)
    values = _check_floats("digit_weights", weights, wanted)
    if values.shape != (_N_DIGITS,):
        raise ValueError(f"digit_weights: expected {wanted}, got shape {values.shape}")
    if not ((values > 0) & (values < np.inf)).all():
        raise ValueError(f"digit_weights: expected {wanted}, got {values.tolist()}")
    return np.log(values)


def _check_pair_weights(weights: Any) -> NDArray[np.float64] | None:
    """Logarithms of the weights, -inf for 0; the diagonal is 0."""
    if weights is None:
        return None
    wanted = f"a symmetric ({_N_DIGITS}, {_N_DIGITS}) matrix of non-negative numbers"
    values = _check_floats("pair_weights", weights, wanted)
    if values.shape != (_N_DIGITS, _N_DIGITS):
        raise ValueError(f"pair_weights: expected {wanted}, got shape {values.shape}")
    if not ((values >= 0) & (values < np.inf)).all() or not np.array_equal(values, values.T):
        raise ValueError(f"pair_weights: expected {wanted}, got negative, infinite or unequal mirrored values")
    values = values.copy()
    np.fill_diagonal(values, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))


def _check_label_names(names: Any) -> tuple[str, ...]:
    if names is None:
        return _DIGIT_NAMES
    wanted = f"{_N_DIGITS} different strings"
    if isinstance(names, str) or not np.iterable(names):
        raise TypeError(f"label_names: expected {wanted}, got {names!r}")
    names = tuple(names)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"label_names: expected {wanted}, got {names!r}")
    if len(names) != _N_DIGITS or len(set(names)) != _N_DIGITS:
        raise ValueError(f"label_names: expected {wanted}, got {len(names)} with {len(set(names))} different")
    return tuple(str(name) for name in names)
