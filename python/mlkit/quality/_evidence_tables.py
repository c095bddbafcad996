"""The part of an audit that shows its evidence: tables and pictures of breaks, pairs and violations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mlkit._validation.cells import Cells
from mlkit._validation.params import check_integer
from mlkit.quality._evidence import Evidence
from mlkit.quality.pairs import pair_table
from mlkit.quality.row_order import break_table
from mlkit.quality.rules import violation_table

if TYPE_CHECKING:
    import pandas as pd


class EvidenceTables:
    """What :class:`mlkit.quality.LabelAudit` says of its evidence."""

    _cells: Cells
    _evidence: Evidence

    if TYPE_CHECKING:

        def _id_column(self, rows: NDArray[Any]) -> NDArray[Any]: ...

    @property
    def evidence(self) -> pd.DataFrame:
        """What breaks along the rows, goes wrong in pairs, or violates rules."""
        import pandas as pd

        return pd.DataFrame([(r.kind, r.text) for r in self._evidence.remarks], columns=["kind", "text"])

    def breaks(self) -> pd.DataFrame:
        """List the rows after which labels are given, or flagged, at other rates.

        Returns
        -------
        DataFrame
            As :func:`mlkit.quality.row_order_scan` with the flags of this audit, at a third of its level.
        """
        return break_table(self._evidence.breaks, self._cells.label_names)

    def pairs(self) -> pd.DataFrame:
        """List the pairs of labels that are wrong together.

        Returns
        -------
        DataFrame
            As :func:`mlkit.quality.label_pair_issues`, at a third of its level, without the labels in which nothing is
            flagged.
        """
        return pair_table(self._evidence.pairs, self._cells.label_names)

    def violations(self) -> pd.DataFrame:
        """List the examples that break the hierarchy or the rules.

        Returns
        -------
        DataFrame
            As :func:`mlkit.quality.rule_violations`, with the examples' ``id`` in front.
        """
        frame = violation_table(self._evidence.violations, self._cells.label_names)
        frame.insert(0, "id", self._id_column(frame["row"].to_numpy()))
        return frame

    def plot_breaks(self, *, ax: Any = None) -> Any:
        """Draw the cumulative sums of the labels that break along the rows, and where.

        Parameters
        ----------
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
        from mlkit.quality import _evidence_plots

        return _evidence_plots.plot_breaks(self._evidence, self._cells.labels, ax=ax)

    def plot_pairs(self, *, top: int = 20, ax: Any = None) -> Any:
        """Draw the pairs of labels that are wrong together, beside what chance allows.

        Parameters
        ----------
        top : int, default=20
            How many pairs.
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
        from mlkit.quality import _evidence_plots

        return _evidence_plots.plot_pairs(self._evidence, top=check_integer("top", top, low=1), ax=ax)

    def plot_violations(self, *, ax: Any = None) -> Any:
        """Draw where along the rows rules are broken.

        Parameters
        ----------
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
        from mlkit.quality import _evidence_plots

        return _evidence_plots.plot_violations(self._evidence, ax=ax)
