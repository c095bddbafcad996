"""What an evaluation found: numbers with intervals, tables, comparisons."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.pairs import Scored
from mlkit._validation.params import shorten, suggest
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics._averages import Floats
from mlkit.metrics._intervals import normal_intervals, standard_error
from mlkit.metrics._measures import Prediction


@dataclass(frozen=True, repr=False)
class Estimate:
    """A measured number and how sure it is.

    Attributes
    ----------
    value : float
    low, high : float
        Bounds of the interval; NaN where there is none.
    se : float
        Standard error; NaN where there is none.
    n_defined : int
        Number of labels, rows or cells that the number rests on.
    note : str
        What limits it, or nothing.

    Examples
    --------
    >>> from mlkit.metrics import Estimate
    >>> Estimate(0.5, 0.4, 0.6, 0.05, 100, "")
    Estimate(0.500, 0.400 to 0.600)
    """

    value: float
    low: float
    high: float
    se: float
    n_defined: int
    note: str

    def __repr__(self) -> str:
        bounds = "" if np.isnan(self.low) else f", {self.low:.3f} to {self.high:.3f}"
        note = f", {self.note}" if self.note else ""
        return f"Estimate({self.value:.3f}{bounds}{note})"


class Findings:
    """Numbers as they are found, with the influences of rows on them."""

    def __init__(
        self,
        truth: LabelMatrix | None,
        weights: Floats | None,
        groups: NDArray[np.int64] | None,
        ci: float,
        shape: tuple[int, int],
    ) -> None:
        self.truth, self.weights, self.groups, self.ci, self.shape = truth, weights, groups, ci, shape
        self.z = NormalDist().inv_cdf(0.5 + ci / 2)
        self.estimates: dict[str, Estimate] = {}
        self.influences: dict[str, NDArray[np.float32]] = {}
        self.replicates: dict[str, Floats] = {}
        self.boot: tuple[int, int] | None = None  # number and seed of the replicates
        self.prediction: Prediction | None = None
        self.tied: dict[int, float] = {}  # by k: share of places that the tie rule decides
        self.thresholds_from: str | None = None

    def add(
        self,
        key: str,
        value: float,
        influence: Floats | None,
        n_defined: int,
        note: str = "",
        on_logit: bool = False,
    ) -> None:
        """Take up a number; without influences it has no interval."""
        se = low = high = float("nan")
        if influence is not None and np.isfinite(value) and np.isfinite(influence).all():
            se = standard_error(influence, self.groups)
            low, high = map(float, normal_intervals(np.array(value), np.array(se), self.z, on_logit))
            self.influences[key] = influence.astype(np.float32)
        elif not note:
            note = "no interval"
        self.estimates[key] = Estimate(value, low, high, se, n_defined, note)

    def tie(self, ks: Sequence[int], places: NDArray[np.int64]) -> None:
        """Take up the places (k, 2) that the tie rule decides, and of how many."""
        self.tied = {k: int(tied) / max(1, int(n)) for k, (tied, n) in zip(ks, places)}

    def add_replicates(self, values: dict[str, Floats]) -> None:
        """Replace intervals by those from the spread of replicates."""
        self.replicates |= values
        for key, replicates in values.items():
            old, se = self.estimates[key], self.spread(replicates)
            if np.isnan(se) or not np.isfinite(old.value):
                continue
            low, high = old.value - self.z * se, old.value + self.z * se
            self.estimates[key] = Estimate(old.value, low, high, se, old.n_defined, old.note)

    def spread(self, replicates: Floats) -> float:
        """Standard error by replicates; NaN of fewer than two."""
        known = replicates[~np.isnan(replicates)]
        if known.size < 2:
            return float("nan")
        n = self.shape[0] if self.groups is None else int(self.groups.max()) + 1
        return float(known.std(ddof=1) * (n / max(1, n - 1)) ** 0.5)


class EvaluationReport:
    """The numbers of one model on one data set; what :func:`mlkit.evaluate` returns.

    A mapping from names to :class:`Estimate`: ``report["f1_macro"].value``, ``.low``, ``.high``, ``.se``.

    Attributes
    ----------
    shape : tuple of int
        ``(n_samples, n_labels)``.
    ci : float
        Level of the intervals.
    per_label : DataFrame
        One row for each label: support, precision, recall, F1, areas with intervals, calibration.
    undefined : dict of ndarray
        Labels without a positive, without a negative, without a known cell.
    tie_fraction : float
        Share of the first k places of all rows that the tie rule decides: the score of the cell in the k-th place is
        that of cells beyond it, and true and absent labels are among them. Of several k the largest; NaN where no
        top-k metric was measured.
    thresholds_from : str or None
        ``"same data: optimistic"`` where one threshold for each label was given and none gives a larger F1 on these
        rows, which hardly ever happens unless they were chosen on them; the view and ``repr`` say so, too.

    Examples
    --------
    >>> import numpy as np, mlkit
    >>> report = mlkit.evaluate(np.array([[1, 0], [0, 1], [1, 1]]), y_pred=np.array([[1, 0], [0, 1], [0, 1]]))
    >>> report
    EvaluationReport: 3 examples x 2 labels, 22 measures
    >>> report["hamming_loss"].value
    0.16666666666666666
    >>> report.per_label["f1"].round(3).tolist()
    [0.667, 1.0]
    """

    def __init__(
        self,
        findings: Findings,
        table: dict[str, Any],
        undefined: dict[str, NDArray[np.int64]],
        cells: Scored | None = None,
    ) -> None:
        import pandas as pd

        self._found = findings
        self._cells = cells
        self.shape = findings.shape
        self.ci = findings.ci
        self.per_label = pd.DataFrame(table)
        self.undefined = undefined
        self.tie_fraction = max(findings.tied.values(), default=float("nan"))
        self.thresholds_from = findings.thresholds_from

    def __getitem__(self, key: str) -> Estimate:
        try:
            return self._found.estimates[key]
        except KeyError:
            hint = suggest(key, self._found.estimates)
            raise KeyError(f"{shorten(key)} was not measured{hint}; keys() lists what was") from None

    def __contains__(self, key: object) -> bool:
        return key in self._found.estimates

    def __iter__(self) -> Iterator[str]:
        return iter(self._found.estimates)

    def __len__(self) -> int:
        return len(self._found.estimates)

    def _only(self, keys: Sequence[str]) -> EvaluationReport:
        """The same with these measures alone."""
        for key in keys:
            self[key]  # says what is missing
        report = copy.copy(self)
        report._found = copy.copy(self._found)
        report._found.estimates = {key: self._found.estimates[key] for key in keys}
        report._found.influences = {key: x for key, x in self._found.influences.items() if key in keys}
        if not any("_at_" in key for key in keys):
            report.tie_fraction = float("nan")
        return report

    def keys(self) -> list[str]:
        """Return the names of all measures.

        Returns
        -------
        list of str
        """
        return list(self._found.estimates)

    def to_dict(self) -> dict[str, float]:
        """Return the values alone.

        Returns
        -------
        dict
        """
        return {key: estimate.value for key, estimate in self._found.estimates.items()}

    def to_frame(self) -> Any:
        """Return all numbers as a table.

        Returns
        -------
        DataFrame
            One row for each measure: ``value low high se n_defined note``.
        """
        import pandas as pd

        rows = [vars(estimate) for estimate in self._found.estimates.values()]
        return pd.DataFrame(rows, index=pd.Index(self.keys(), name="measure"))

    def to_json(self) -> str:
        """Return all numbers as JSON text; what is NaN becomes null.

        Returns
        -------
        str
        """

        def known(x: Any) -> Any:
            return None if isinstance(x, float) and not np.isfinite(x) else x

        head = {
            "shape": list(self.shape),
            "ci": self.ci,
            "tie_fraction": known(self.tie_fraction),
            "thresholds_from": self.thresholds_from,
        }
        table = {
            key: {name: known(x) for name, x in vars(estimate).items()}
            for key, estimate in self._found.estimates.items()
        }
        return json.dumps({**head, "measures": table}, indent=1)

    def to_markdown(self) -> str:
        """Return all numbers as a Markdown table.

        Returns
        -------
        str
        """
        lines = [f"| measure | value | {100 * self.ci:g} % interval | note |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in self._rows()]
        return "\n".join(lines)

    def compare(
        self,
        other: EvaluationReport,
        *,
        test: str = "influence",
        correction: str | None = "holm",
        n_resamples: int = 2000,
        random_state: int = 0,
    ) -> Any:
        """Compare with another model's report on the same examples, pairing the rows.

        Parameters
        ----------
        other : EvaluationReport
            Of the same truth, with the same weights and groups.
        test, correction, n_resamples, random_state
            See :func:`mlkit.metrics.compare`; "bootstrap" needs reports with replicates (``n_boot=``) of one seed.

        Returns
        -------
        DataFrame
            One row for each measure that both have with an interval: ``value other delta se low high p_value p_holm``;
            delta is this report's value less the other's, p-values are two-sided.

        Raises
        ------
        TypeError
            If ``other`` is no report.
        ValueError
            If the two are not of the same truth, weights and groups, or hold no rows.

        Notes
        -----
        The standard error is that of the differences of the rows' influences: rows hard for both models cancel.
        """
        from mlkit.metrics._comparison import check_same_rows, compare_rows

        if not isinstance(other, EvaluationReport):
            raise TypeError(f"other: expected an EvaluationReport, got {type(other).__name__}")
        check_same_rows(self._found, other._found)
        return compare_rows(self._found, other._found, test, correction, n_resamples, random_state)

    def plot_pr(self, labels: Any = None, *, ax: Any = None) -> Any:
        """Draw precision against recall, for all cells together and for some labels.

        Parameters
        ----------
        labels : sequence of int or str, optional
            Labels to draw, by number or name; default: the five with the most positives.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        TypeError, ValueError
            If there is no such label, or the report holds no scores.

        Notes
        -----
        Steps, whose area is the average precision; of long curves 2,000 points are drawn.
        """
        from mlkit.metrics import plots

        return plots.plot_pr(self, labels, ax=ax)

    def plot_roc(self, labels: Any = None, *, ax: Any = None) -> Any:
        """Draw the ROC curves of all cells together and of some labels.

        Parameters
        ----------
        labels, ax
            See :meth:`plot_pr`.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError, TypeError, ValueError
            As :meth:`plot_pr`.
        """
        from mlkit.metrics import plots

        return plots.plot_roc(self, labels, ax=ax)

    def plot_reliability(self, label: Any = None, *, ax: Any = None) -> Any:
        """Draw how often cells of about equal probability are positive.

        Parameters
        ----------
        label : int or str, optional
            One label, by number or name; default: all cells.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError, TypeError, ValueError
            As :meth:`plot_pr`; also if scores are not probabilities.

        Notes
        -----
        15 bins of equal width, those of :func:`expected_calibration_error`, with Wilson's intervals, which take the
        cells for independent. The bars above count the cells.
        """
        from mlkit.metrics import plots

        return plots.plot_reliability(self, label, ax=ax)

    def plot_labels(self, metric: str = "f1", *, top: int = 20, ax: Any = None) -> Any:
        """Draw one number of each label, the worst first.

        Parameters
        ----------
        metric : {"f1", "precision", "recall", "jaccard", "roc_auc", "average_precision"}, default="f1"
            A column of ``per_label``.
        top : int, default=20
            So many labels at most.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        TypeError, ValueError
            If there is no such metric, or it needs scores.

        Notes
        -----
        Intervals: those of the table for areas, Wilson's for precision and recall.
        """
        from mlkit.metrics import plots

        return plots.plot_labels(self, metric, top=top, ax=ax)

    def __repr__(self) -> str:
        n, n_labels = self.shape
        tuned = f"; thresholds from the {self.thresholds_from}" if self.thresholds_from else ""
        return f"EvaluationReport: {n} examples x {n_labels} labels, {len(self)} measures{tuned}"

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for key, e in self._found.estimates.items():
            bounds = "" if np.isnan(e.low) else f"{e.low:.4f} to {e.high:.4f}"
            yield key, f"{e.value:.4f}", bounds, e.note

    def _repr_html_(self) -> str:
        head = f"<tr><th>measure</th><th>value</th><th>{100 * self.ci:g} % interval</th><th>note</th></tr>"
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows())
        return f"<p>{escape(repr(self))}</p><table>{head}{body}</table>"
