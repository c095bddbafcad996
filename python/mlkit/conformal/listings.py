"""Label sets written out: of one region, and of many as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_memory, format_bytes
from mlkit.conformal._sizes import SizeBound
from mlkit.conformal._words import short_number

if TYPE_CHECKING:
    from mlkit.conformal.regions import RegionArray

__all__ = ["SetArray", "SetList"]


class SetList(NamedTuple):
    """The first label sets of a region by p-value, and what is left.

    Attributes
    ----------
    sets : list of tuple
        Each set's labels, by name where names are known.
    p_values : ndarray of shape (len(sets),), float64
        Descending.
    truncated : bool
        Whether the region holds more sets. A truncated list is no prediction set: it has no coverage guarantee.
    next_p_value : float or None
        P-value of the next set; None when there is none.
    n_left : SizeBound
        Bounds on the number of sets that are not listed.

    Examples
    --------
    >>> from mlkit.conformal import LabelPowersetConformalClassifier
    >>> clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.7)
    >>> clf = clf.conformalize_proba([[0.9, 0.2], [0.6, 0.3], [0.8, 0.4]], [[0], [], [0]])
    >>> clf.predict_region_proba([[0.7, 0.4]])[0].top(1).sets
    [(0,)]
    """

    sets: list[tuple[Any, ...]]
    p_values: NDArray[np.float64]
    truncated: bool
    next_p_value: float | None
    n_left: SizeBound


class SetArray(NamedTuple):
    """The label sets of many regions in one array, by descending p-value within each region.

    Attributes
    ----------
    sets : ndarray of shape (n_sets, n_labels), bool, or (n_sets, ceil(n_labels / 64)), uint64
        ``sets[offsets[i] : offsets[i + 1]]`` are those of example ``i``. As words, label ``k`` is bit ``k % 64`` of
        word ``k // 64``.
    offsets : ndarray of shape (n_samples + 1,), int64
    p_values : ndarray of shape (n_sets,), float64
    truncated : ndarray of shape (n_samples,), bool
        Whether the region holds more sets than are listed. A truncated list is no prediction set.

    Examples
    --------
    >>> from mlkit.conformal import LabelPowersetConformalClassifier
    >>> clf = LabelPowersetConformalClassifier(score="l1", confidence_level=0.7)
    >>> clf = clf.conformalize_proba([[0.9, 0.2], [0.6, 0.3], [0.8, 0.4]], [[0], [], [0]])
    >>> listed = clf.predict_region_proba([[0.95, 0.4], [0.6, 0.45]]).to_numpy()
    >>> listed.sets.astype(int)
    array([[1, 0],
           [1, 1],
           [1, 0]])
    >>> listed.offsets
    array([0, 2, 3])
    """

    sets: NDArray[Any]
    offsets: NDArray[np.int64]
    p_values: NDArray[np.float64]
    truncated: NDArray[np.bool_]


def packed(rows: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Rows of bits as words of 64, the first the lowest."""
    n_words = (rows.shape[-1] + 63) // 64
    wide = np.zeros((*rows.shape[:-1], 64 * n_words), bool)
    wide[..., : rows.shape[-1]] = rows
    words: NDArray[np.uint64] = np.packbits(wide, axis=-1, bitorder="little").view("<u8").astype(np.uint64)
    return words


def list_sets(regions: RegionArray, max_sets: int | None, memory_limit: Any, *, pack: bool) -> SetArray:
    """What :meth:`RegionArray.to_numpy` and, packed, :meth:`RegionArray.to_bitsets` say."""
    n, n_labels = regions.shape
    width = 8 * ((n_labels + 63) // 64) if pack else n_labels
    bounds = ([size if max_sets is None else min(size, max_sets) for size in sizes] for sizes in regions.size()[:2])
    lower, upper = bounds
    n_listed = sum(upper)
    limit, need = check_memory("memory_limit", memory_limit), n_listed * (width + 8)
    if limit is not None and need > limit:
        name, what = ("to_bitsets", "bits") if pack else ("to_numpy", "a byte for each label")
        raise MemoryError(
            f"{name}: up to {short_number(n_listed, up=True)} label sets need {format_bytes(need)} as {what} "
            f"(memory_limit is {format_bytes(limit)}; max_sets lists the first of each region)"
        )
    most = int(np.argmax(lower))
    regions[most]._check_listable(lower[most])
    sets: list[NDArray[Any]] = [np.zeros((0, width // 8), np.uint64) if pack else np.zeros((0, n_labels), bool)]
    p_values: list[NDArray[np.float64]] = [np.zeros(0)]
    offsets, truncated = np.zeros(n + 1, np.int64), np.zeros(n, bool)
    for i, region in enumerate(regions):
        n_here = 0
        for rows, p in region._batches("p_value", 64 if max_sets is None else max_sets + 1):
            left = len(p) if max_sets is None else max_sets - n_here
            sets.append(packed(rows[:left]) if pack else rows[:left])
            p_values.append(p[:left])
            n_here += min(len(p), left)
            truncated[i] = len(p) > left
            if truncated[i]:
                break
        offsets[i + 1] = offsets[i] + n_here
    return SetArray(np.concatenate(sets), offsets, np.concatenate(p_values), truncated)
