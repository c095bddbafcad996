"""The part of an audit that lists flagged cells and the examples that have some."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.arrays import take_rows
from mlkit._validation.cells import Cells
from mlkit._validation.params import check_choice, check_integer, list_labels, suggest
from mlkit.quality import _engine

if TYPE_CHECKING:
    import pandas as pd

DIRECTIONS = ("missing", "spurious")  # by the given value: a given 0 that should be 1, a given 1 that should be 0


class CellTables:
    """What :class:`mlkit.quality.LabelAudit` says of single cells and examples."""

    scores: NDArray[np.float64]
    _cells: Cells
    _flagged: _engine.FlaggedCells
    _ids: NDArray[Any] | None

    if TYPE_CHECKING:

        @property
        def _flag_scores(self) -> NDArray[np.float64]: ...

    def cells(
        self, top: int | None = None, *, label: str | int | None = None, direction: str | None = None
    ) -> pd.DataFrame:
        """List the flagged cells, most suspicious first.

        Parameters
        ----------
        top : int, optional
            Only so many.
        label : str or int, optional
            Only those of one label, by name or number.
        direction : {"spurious", "missing"}, optional
            Only labels given that should not be, or not given that should.

        Returns
        -------
        DataFrame
            ``id``, ``row``, ``label``, ``direction``, ``given``, ``suggested``, ``p`` (the model's probability of the
            label), ``score`` (of the ranking; lower is more suspicious), ``rank``. Ties by row and label.
        """
        import pandas as pd

        top = None if top is None else check_integer("top", top, low=0)
        flagged, rows = self._flagged, self._flagged.rows
        score = self._flag_scores
        keep = np.ones(score.size, bool)
        if label is not None:
            keep &= flagged.labels == self._label_number(label)
        if direction is not None:
            keep &= flagged.given == DIRECTIONS.index(check_choice("direction", direction, DIRECTIONS))
        which = np.flatnonzero(keep)
        if top is not None and 0 < top < which.size // 4:  # sort no more than can be shown
            which = which[score[which] <= np.partition(score[which], top - 1)[top - 1]]
        which = which[np.argsort(score[which], kind="stable")][:top]
        given = flagged.given[which]
        return pd.DataFrame(
            {
                "id": self._id_column(rows[which]),
                "row": rows[which],
                "label": self._name_column(flagged.labels[which]),
                "direction": np.asarray(DIRECTIONS, object)[given],
                "given": given,
                "suggested": 1 - given,
                "p": flagged.p[which],
                "score": score[which],
                "rank": np.arange(1, which.size + 1),
            }
        )

    def examples(self, top: int | None = None) -> pd.DataFrame:
        """List the examples with a flagged cell, most suspicious first.

        Parameters
        ----------
        top : int, optional
            Only so many.

        Returns
        -------
        DataFrame
            ``id``, ``row``, ``score``, ``n_flagged``, ``given`` and ``suggested`` (lists of labels), ``rank``. Ties by
            row.
        """
        import pandas as pd

        from mlkit.quality.issues import rank_rows

        top = None if top is None else check_integer("top", top, low=0)
        n_flagged = np.diff(self._flagged.indptr)
        rows = rank_rows(n_flagged > 0, self.scores)[:top]
        given, suggested = self._label_sets(rows)
        return pd.DataFrame(
            {
                "id": self._id_column(rows),
                "row": rows,
                "score": self.scores[rows],
                "n_flagged": n_flagged[rows],
                "given": given,
                "suggested": suggested,
                "rank": np.arange(1, rows.size + 1),
            }
        )

    def _name_column(self, numbers: NDArray[Any]) -> NDArray[Any]:
        names = self._cells.label_names
        return numbers if names is None else np.asarray(names, object)[numbers]

    def _id_column(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return rows if self._ids is None else self._ids[rows]

    def _label_number(self, label: Any) -> int:
        names = self._cells.label_names
        if isinstance(label, str):
            if names is None:
                raise ValueError(f"label: expected a number, got {label!r} (the labels have no names)")
            if label not in names:
                known = list_labels(np.arange(len(names)), names)
                raise ValueError(f"label: expected one of {known}, got {label!r}{suggest(label, names)}")
            return names.index(label)
        return check_integer("label", label, low=0, high=self._cells.shape[1] - 1)

    def _label_sets(self, rows: NDArray[np.int64]) -> tuple[list[list[Any]], list[list[Any]]]:
        """The given label set of each row, and the one with the flagged cells turned round."""
        labels, flagged, n_labels = self._cells.labels, self._flagged, np.int64(self._cells.shape[1])
        given_bounds, given_at = take_rows(labels.indptr, rows)
        flag_bounds, flags_at = take_rows(flagged.indptr, rows)
        given, flips = labels.indices[given_at], flagged.labels[flags_at]
        places = np.arange(rows.size)
        cells = np.concatenate(
            [
                np.repeat(places, np.diff(given_bounds)) * n_labels + given,
                np.repeat(places, np.diff(flag_bounds)) * n_labels + flips,
            ]
        )
        cells, times = np.unique(cells, return_counts=True)
        cells = cells[times == 1]  # in one of the two: turned round
        bounds = np.searchsorted(cells, np.arange(rows.size + 1) * n_labels)
        return self._split(given, given_bounds), self._split(cells % n_labels, bounds)

    def _split(self, numbers: NDArray[Any], bounds: NDArray[Any]) -> list[list[Any]]:
        flat, ends = self._name_column(numbers).tolist(), bounds.tolist()
        return [flat[begin:end] for begin, end in itertools.pairwise(ends)]
