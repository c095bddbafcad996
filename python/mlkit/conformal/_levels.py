"""What regions say at one confidence level after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mlkit._validation.params import check_number, described
from mlkit.conformal.validity import coverage_interval, coverage_test

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.conformal.regions import RegionArray

LEVELS = tuple(round(0.01 * k, 2) for k in range(50, 100))


class LevelViews:
    """The part of :class:`mlkit.conformal.RegionArray` that looks at many levels: tables and pictures."""

    confidence_level: float

    def by_level(self, y: Any = None, levels: Any = None, *, level: float = 0.95) -> pd.DataFrame:
        """Say for one confidence level after the other how much is decided, and how many true label sets are covered.

        Parameters
        ----------
        y : labels of shape (n_samples, n_labels), optional
            The true label sets.
        levels : sequence of float in (0, 1), optional
            Default: 0.50, 0.51, ..., 0.99.
        level : float in (0, 1), default=0.95
            Probability of the coverage interval.

        Returns
        -------
        DataFrame
            One row for each of ``confidence_level``, ascending: mean numbers of ``certain``, ``undecided`` and
            ``excluded`` labels of an example, the share of ``empty`` regions (whose labels are all undecided) and, with
            ``y``, the ``coverage``, the interval ``coverage_low``, ``coverage_high`` of its law (see
            :func:`mlkit.conformal.validity.coverage_interval`) and the ``p_value`` of
            :func:`~mlkit.conformal.validity.coverage_test`.

        Notes
        -----
        The guarantee is for one level fixed beforehand: a level picked from this table because its coverage looks good
        has none.
        """
        check_number("level", level, 0, 1, open_low=True, open_high=True)
        return by_level(cast("RegionArray", self), y, check_levels(levels, LEVELS), level)

    def plot_size(self, levels: Any = None, *, ax: Any = None) -> Any:
        """Draw how many label sets the regions hold: the share of examples with at most so many.

        Parameters
        ----------
        levels : sequence of float in (0, 1), optional
            One line for each confidence level; default: the regions' own. Where sizes are bounds the line is the upper
            one, a band reaches to the lower one.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed (extra ``plot``).
        """
        from mlkit.conformal import plots

        return plots.plot_size(cast("RegionArray", self), check_levels(levels, (self.confidence_level,)), ax=ax)

    def plot_certain(self, levels: Any = None, *, ax: Any = None) -> Any:
        """Draw how many labels are certain, undecided and excluded along the confidence levels.

        Parameters
        ----------
        levels : sequence of float in (0, 1), optional
            Default: 0.50, 0.51, ..., 0.99.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed (extra ``plot``).
        """
        from mlkit.conformal import plots

        return plots.plot_certain(cast("RegionArray", self), check_levels(levels, LEVELS), ax=ax)

    def plot_coverage(self, y: Any, levels: Any = None, *, level: float = 0.95, ax: Any = None) -> Any:
        """Draw the coverage that was observed over the coverage that was promised, in the band that chance allows.

        Parameters
        ----------
        y : labels of shape (n_samples, n_labels)
            The true label sets.
        levels : sequence of float in (0, 1), optional
            Default: 0.50, 0.51, ..., 0.99.
        level : float in (0, 1), default=0.95
            Probability of the band at each confidence level.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed (extra ``plot``).

        Notes
        -----
        The points share one calibration set and are dependent: a line that lies on one side of the diagonal all along,
        inside the band, is chance. Ties of scores push it above the band, examples unlike the calibration examples
        below.
        """
        from mlkit.conformal import plots

        check_number("level", level, 0, 1, open_low=True, open_high=True)
        return plots.plot_coverage(cast("RegionArray", self), y, check_levels(levels, LEVELS), level, ax=ax)


def check_levels(levels: Any, default: tuple[float, ...]) -> list[float]:
    """Ascending confidence levels, each once."""
    if levels is None:
        return list(default)
    if isinstance(levels, str) or not np.iterable(levels):
        levels = [levels]
    checked = sorted({check_number("levels", x, 0, 1, open_low=True, open_high=True) for x in levels})
    if not checked:
        raise ValueError(f"levels: expected at least one number, got {described(levels)}")
    return checked


def by_level(regions: RegionArray, y: Any, levels: list[float], level: float) -> pd.DataFrame:
    """What :meth:`RegionArray.by_level` says."""
    import pandas as pd

    flips = regions._flips
    n, n_labels = regions.shape
    flipped = flips.flipped()
    best = flips.differences < 0 if flips.is_sparse else regions.best.ravel()
    sizes = np.diff(flips.indptr) if flips.is_sparse else np.full(n, n_labels)
    implicit = flips.implicit_flipped()
    scores = None if y is None else regions._scores(y)
    rows = []
    for confidence_level in levels:
        part = regions.at(confidence_level)
        tau, is_empty = part._thresholds, part.is_empty
        decided = flipped > np.repeat(np.where(is_empty, regions._ranks.everything, tau), sizes)
        certain = int(np.count_nonzero(decided & best))
        not_stored = int((n_labels - sizes)[~is_empty & (implicit > tau)].sum())
        excluded = int(np.count_nonzero(decided)) - certain + not_stored
        row = {
            "confidence_level": confidence_level,
            "certain": certain / n,
            "undecided": n_labels - (certain + excluded) / n,
            "excluded": excluded / n,
            "empty": float(is_empty.mean()),
        }
        if scores is not None:
            covered = scores <= tau
            low, high = coverage_interval(regions.n_calibration, confidence_level, n, level)
            row |= {"coverage": float(covered.mean()), "coverage_low": low, "coverage_high": high}
            row["p_value"] = coverage_test(covered, regions.n_calibration, confidence_level)
        rows.append(row)
    return pd.DataFrame(rows)
