"""Thresholds that keep a risk below a level: conformal risk control, RCPS, learn then test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.params import check_choice, check_memory, check_number, described, format_bytes
from mlkit._validation.probabilities import Probabilities
from mlkit.conformal._bounds import UNIT, loss_p_values
from mlkit.conformal._inputs import check_known, check_probs

RISKS = ("fnr", "fdr", "miscoverage", "fp")
METHODS = ("crc", "rcps", "ltt")
BOUNDS = ("hoeffding_bentkus", "hoeffding", "binomial", "wsr")
_OPEN = {"open_low": True, "open_high": True}
_SMALLEST = float(np.nextafter(0.0, 1.0))


class RiskCurve(NamedTuple):
    """An empirical risk at every threshold.

    Attributes
    ----------
    thresholds : ndarray of shape (m,), float64
        Ascending; the last is infinite (no label is predicted).
    risks : ndarray of shape (m,), float64
        ``risks[j]`` is the mean loss for every threshold above ``thresholds[j - 1]`` and up to ``thresholds[j]``.

    Examples
    --------
    >>> from mlkit.conformal import MultiLabelRiskController
    >>> rc = MultiLabelRiskController(risk_level=0.5).calibrate_proba([[0.9, 0.2], [0.6, 0.3]], [[0], [0, 1]])
    >>> rc.risk_curve_.risks
    array([0.  , 0.25, 0.5 , 1.  ])
    """

    thresholds: NDArray[np.float64]
    risks: NDArray[np.float64]


class MultiLabelRiskController(BaseEstimator):  # type: ignore[misc]
    """Label sets {labels with p >= t}, t chosen so that a risk stays below a level.

    Parameters
    ----------
    predict_function : callable, optional
        From examples to probabilities, such as a fitted classifier's ``predict_proba``. None: ``X`` holds the
        probabilities.
    risk : {"fnr", "fdr", "miscoverage", "fp"} or list of (name, level), default="fnr"
        ``"fnr"``: share of the true labels that are missed (0 for an example without labels). ``"miscoverage"``:
        whether any is missed. ``"fp"``: wrong labels divided by the number of labels. ``"fdr"``: share of the
        predicted labels that are wrong (0 when none is predicted). A list asks for several risks at
        once, for ``method="ltt"``.
    risk_level : float or sequence of float, default=0.1
        The largest accepted risk; several levels are answered in one pass. Not used with a list of risks.
    method : {"crc", "rcps", "ltt"}, default="crc"
        ``"crc"``: the expected risk, over calibration sets too, is at most the level [1]_. ``"rcps"``: the risk is at
        most the level with probability ``confidence_level`` over calibration sets [2]_. ``"ltt"``: the same, by testing
        a grid of thresholds; also for ``"fdr"``, which is not monotone in the threshold, and for several risks [3]_.
    confidence_level : float in (0, 1), optional
        For ``"rcps"`` and ``"ltt"``.
    bound : {"hoeffding_bentkus", "hoeffding", "binomial", "wsr"}, default="hoeffding_bentkus"
        Of the mean loss, for ``"rcps"`` and ``"ltt"``. ``"binomial"`` is exact for losses of 0 and 1 (miscoverage);
        ``"wsr"`` bets along the order of the calibration examples, for ``"rcps"``.
    thresholds : sequence of float in (0, 1], optional
        The grid of ``"ltt"``, fixed before seeing the data; default: 1000 even steps.
    fwer : {"fixed_sequence", "holm"}, optional
        How ``"ltt"`` allows for many tests: one after the other from the safe end until one fails (default for one
        risk) or Holm's correction (default, and the only way, for several).
    empty : {"zero", "drop", "error"}, default="zero"
        Calibration examples without a positive label: loss 0 for ``"fnr"`` and ``"miscoverage"``, left out, or refused.
    unknown_policy : {"error", "marginal"}, default="error"
        Unknown calibration labels: refuse them, or leave such cells out of the losses.
    n_jobs : int, optional
        See :func:`mlkit.quality.find_label_issues`.

    Attributes
    ----------
    thresholds_ : float, or ndarray of shape (n_levels,)
        For each level. 0 predicts every label, infinity none.
    feasible_ : bool, or ndarray of shape (n_levels,)
        Whether any threshold could be certified. If not, the threshold is the safest one: every label for ``"fnr"`` and
        ``"miscoverage"``, none for ``"fdr"``, ``"fp"`` and several risks, and nothing is promised.
    risk_curve_ : RiskCurve, or dict of RiskCurve by risk
        The empirical risk, exact at every threshold (on the grid for ``"fdr"``).
    n_labels_ : int
    label_names_ : tuple of str or None

    Notes
    -----
    Losses of ``"fnr"``, ``"miscoverage"`` and ``"fp"`` jump at observed probabilities only, so that sorting those gives
    the risk at every threshold without a grid: O(T log T) for T true labels. ``"crc"`` takes the largest threshold t
    with (sum of losses + 1) / (n + 1) <= level. Losses are summed as whole multiples of 2^-40. ``"wsr"`` follows the
    capital along its whole path and tests each threshold in turn: O(n) for each that is passed.

    References
    ----------
    .. [1] Angelopoulos, Bates, Fisch, Lei, Schuster, "Conformal risk control", 2022.
    .. [2] Bates, Angelopoulos, Lei, Malik, Jordan, "Distribution-free, risk-controlling prediction sets", 2021;
       Waudby-Smith, Ramdas, "Estimating means of bounded random variables by betting", 2024.
    .. [3] Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then test", 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.conformal import MultiLabelRiskController
    >>> rng = np.random.default_rng(0)
    >>> probs = rng.beta(0.2, 0.6, (1000, 8))
    >>> y = rng.random(probs.shape) < probs
    >>> rc = MultiLabelRiskController(risk="fnr", risk_level=0.1).calibrate_proba(probs[:500], y[:500])
    >>> sets = rc.predict_proba_sets(probs[500:])
    >>> missed = (y[500:] & ~sets).sum(axis=1) / np.maximum(1, y[500:].sum(axis=1))
    >>> round(float(missed.mean()), 3)
    0.117
    """

    def __init__(
        self,
        predict_function: Callable[[Any], Any] | None = None,
        *,
        risk: Any = "fnr",
        risk_level: Any = 0.1,
        method: str = "crc",
        confidence_level: float | None = None,
        bound: str = "hoeffding_bentkus",
        thresholds: Sequence[float] | None = None,
        fwer: str | None = None,
        empty: str = "zero",
        unknown_policy: str = "error",
        n_jobs: int | None = None,
    ) -> None:
        self.predict_function = predict_function
        self.risk = risk
        self.risk_level = risk_level
        self.method = method
        self.confidence_level = confidence_level
        self.bound = bound
        self.thresholds = thresholds
        self.fwer = fwer
        self.empty = empty
        self.unknown_policy = unknown_policy
        self.n_jobs = n_jobs

    # ------------------------------------------------------------------------------------------------------- parameters

    def _check(self) -> list[list[tuple[str, float]]]:
        """What to control together, one entry for each threshold that is asked for."""
        check_choice("method", self.method, METHODS)
        check_choice("bound", self.bound, BOUNDS)
        check_choice("empty", self.empty, ("zero", "drop", "error"))
        check_choice("unknown_policy", self.unknown_policy, ("error", "marginal"))
        if isinstance(self.risk, (list, tuple)):
            plan = [[_pair(pair) for pair in self.risk]]
            if not plan[0]:
                raise ValueError("risk: expected at least one (name, level), got none")
            if self.method != "ltt":
                raise ValueError(f"method: expected 'ltt' for several risks, got {self.method!r}")
        else:
            check_choice("risk", self.risk, RISKS)
            levels = np.atleast_1d(np.asarray(self.risk_level, object)).ravel().tolist()
            if not levels:
                raise ValueError(f"risk_level: expected at least one number, got {described(self.risk_level)}")
            plan = [[(self.risk, check_number("risk_level", level, 0, 1, **_OPEN))] for level in levels]
        names = {name for risks in plan for name, _ in risks}
        if "fdr" in names and self.method != "ltt":
            raise ValueError(
                f"method: expected 'ltt' for the risk 'fdr' (it is not monotone in the threshold), got {self.method!r}"
            )
        if self.method == "crc" and self.confidence_level is not None:
            raise ValueError(
                f"confidence_level: expected None with method='crc' (it bounds the mean risk), "
                f"got {self.confidence_level!r}"
            )
        if self.method != "crc":
            if self.confidence_level is None:
                raise ValueError(f"confidence_level: expected a number in (0, 1) with method={self.method!r}, got None")
            check_number("confidence_level", self.confidence_level, 0, 1, **_OPEN)
            if self.bound == "binomial" and names != {"miscoverage"}:
                raise ValueError(
                    "bound: expected another one than 'binomial' (it is for losses of 0 and 1: miscoverage)"
                )
            if self.bound == "wsr" and self.method == "ltt":
                raise ValueError("bound: expected another one than 'wsr' with method='ltt' (it is for method='rcps')")
        if self.fwer is not None:
            check_choice("fwer", self.fwer, ("fixed_sequence", "holm"))
            if self.fwer == "fixed_sequence" and len(plan[0]) > 1:
                raise ValueError(
                    "fwer: expected 'holm' for several risks (their safe ends differ), got 'fixed_sequence'"
                )
        return plan

    def _grid(self) -> NDArray[np.float64]:
        if self.thresholds is None:
            return np.arange(1, 1001) / 1000
        grid = np.unique([check_number("thresholds", t, 0, 1, open_low=True) for t in self.thresholds])
        if grid.size == 0:
            raise ValueError("thresholds: expected at least one number, got none")
        return grid

    # -------------------------------------------------------------------------------------------------------- calibrate

    def calibrate(self, X: Any, y: Any) -> MultiLabelRiskController:
        """Choose thresholds with examples that the model has not seen.

        Parameters
        ----------
        X : array-like
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : MultiLabelRiskController
        """
        return self.calibrate_proba(X if self.predict_function is None else self.predict_function(X), y)

    def calibrate_proba(self, pred_probs: Any, y: Any) -> MultiLabelRiskController:
        """Choose thresholds with the probabilities of examples that the model has not seen.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : MultiLabelRiskController
        """
        plan = self._check()
        cells = check_known(pred_probs, y, label_names=None, unknown_policy=self.unknown_policy, n_jobs=self.n_jobs)
        self.n_labels_, self.label_names_ = cells.shape[1], cells.label_names
        cells = self._without_empty(cells)
        names = list(dict.fromkeys(name for risks in plan for name, _ in risks))
        steps = {name: _Steps(cells, name, self._grid() if name == "fdr" else None) for name in names}
        curves = {name: RiskCurve(s.thresholds, s.totals / UNIT / cells.shape[0]) for name, s in steps.items()}
        self.risk_curve_ = curves if len(plan[0]) > 1 else curves[names[0]]
        found = [self._choose(risks, steps, cells) for risks in plan]
        thresholds, feasible = np.array([t for t, _ in found]), np.array([ok for _, ok in found])
        single = isinstance(self.risk, (list, tuple)) or np.ndim(self.risk_level) == 0
        self.thresholds_ = float(thresholds[0]) if single else thresholds
        self.feasible_ = bool(feasible[0]) if single else feasible
        return self

    def _without_empty(self, cells: Cells) -> Cells:
        if self.empty == "zero":
            return cells
        sizes = np.diff(cells.labels.indptr)
        if self.empty == "error" and not sizes.all():
            raise ValueError(
                f"y: expected at least one label for each example with empty='error', got none at row "
                f"{int(np.argmin(sizes))}"
            )
        if not sizes.any():
            raise ValueError("y: expected an example with a label, got none (empty='zero' counts them as without loss)")
        return cells.take(np.flatnonzero(sizes)) if not sizes.all() else cells

    def _choose(self, risks: list[tuple[str, float]], steps: dict[str, _Steps], cells: Cells) -> tuple[float, bool]:
        if self.method == "ltt":
            return self._choose_on_grid(risks, steps)
        [(name, level)] = risks
        s, n = steps[name], cells.shape[0]
        if self.method == "crc":
            slack = n / 2 + 8 * np.finfo(float).eps * (n + 1) * UNIT  # rounding of losses, of the level
            passes = s.totals <= np.floor((level * (n + 1) - 1) * UNIT + slack)
        elif self.bound == "wsr":
            return s.walk(level, -np.log(1 - float(self.confidence_level or 0)), cells)
        else:
            passes = loss_p_values(s.totals, n, level, self.bound) <= 1 - float(self.confidence_level or 0)
        return s.boundary(passes)

    def _choose_on_grid(self, risks: list[tuple[str, float]], steps: dict[str, _Steps]) -> tuple[float, bool]:
        grid, delta = self._grid(), 1 - float(self.confidence_level or 0)
        values = [loss_p_values(steps[name].at(grid), steps[name].n, level, self.bound) for name, level in risks]
        p_values = np.max(values, axis=0)
        small_is_safe = risks[0][0] in ("fnr", "miscoverage")
        if self.fwer == "holm" or len(risks) > 1:
            order = np.argsort(p_values, kind="stable")
            fails = np.flatnonzero(p_values[order] > delta / (grid.size - np.arange(grid.size)))
            valid = np.sort(order[: fails[0] if fails.size else grid.size])
        else:
            order = np.arange(grid.size) if small_is_safe else np.arange(grid.size)[::-1]
            fails = np.flatnonzero(p_values[order] > delta)
            valid = np.sort(order[: fails[0] if fails.size else grid.size])
        if valid.size == 0:
            return (0.0 if small_is_safe and len(risks) == 1 else np.inf), False
        if len(risks) > 1:  # of all that are valid, the best for the risk named first
            return float(grid[valid[0] if small_is_safe else valid[-1]]), True
        return float(grid[valid[-1] if small_is_safe else valid[0]]), True

    # ---------------------------------------------------------------------------------------------------------- predict

    def predict(self, X: Any) -> Any:
        """Label sets of examples.

        Parameters
        ----------
        X : array-like

        Returns
        -------
        ndarray of shape (n_samples, n_labels), or (n_samples, n_labels, n_levels) for several levels, bool
            Or, for sparse probabilities, a csr_array, or a list of one for each level.
        """
        return self.predict_proba_sets(X if self.predict_function is None else self.predict_function(X))

    def predict_proba_sets(self, pred_probs: Any) -> Any:
        """Label sets from probabilities.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)

        Returns
        -------
        ndarray or csr_array
            As :meth:`predict`.
        """
        if not hasattr(self, "thresholds_"):
            raise NotFittedError(
                "MultiLabelRiskController: expected a calibrated controller (call calibrate or calibrate_proba first)"
            )
        probs = check_probs(pred_probs, self.n_labels_, self.label_names_, self.n_jobs)
        thresholds = np.atleast_1d(np.asarray(self.thresholds_, np.float64))
        if probs.is_sparse:
            sets = [_sparse_sets(probs, float(t)) for t in thresholds]
            return sets if np.ndim(self.thresholds_) else sets[0]
        values = np.clip(probs.array, 0, 1) if probs.clip else probs.array
        answer = values[:, :, None] >= thresholds  # compared as float64, whatever the probabilities are
        return answer if np.ndim(self.thresholds_) else answer[:, :, 0]


class _Steps:
    """Total losses of all calibration examples at every threshold, as whole numbers of 2^-40."""

    def __init__(self, cells: Cells, name: str, grid: NDArray[np.float64] | None) -> None:
        self.name, self.n = name, cells.shape[0]
        self.grows = name in ("fnr", "miscoverage")  # with the threshold
        if grid is not None:
            totals = _core.conformal.false_discoveries(*cells.core, grid, cells.n_threads)
            self.thresholds, self.totals = np.append(grid, np.inf), np.append(totals, 0)
            return
        kind = getattr(_core.conformal.Risk, name)
        self.p, self.examples, self.units = _core.conformal.risk_jumps(*cells.core, kind, cells.n_threads)
        starts = np.flatnonzero(np.append(True, self.p[1:] != self.p[:-1])) if self.p.size else np.zeros(0, np.int64)
        self.starts = starts
        below = np.concatenate([[0], np.cumsum(self.units)])
        self.thresholds = np.append(self.p[starts], np.inf)
        passed = np.append(below[starts], below[-1])
        self.totals = passed if self.grows else below[-1] - passed

    def at(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        """Totals at given thresholds."""
        totals: NDArray[np.int64] = self.totals[np.searchsorted(self.thresholds, grid, side="left")]
        return totals

    def threshold(self, step: int) -> float:
        """The least cautious threshold of a step: its upper end where losses grow, else just above its lower end."""
        if self.grows:
            return float(self.thresholds[step])
        return float(np.nextafter(self.thresholds[step - 1], np.inf)) if step else _SMALLEST

    def boundary(self, passes: NDArray[np.bool_]) -> tuple[float, bool]:
        """The last step that passes, from the safe end."""
        good = np.flatnonzero(passes)
        if good.size == 0:
            return (0.0 if self.grows else np.inf), False
        return self.threshold(int(good[-1] if self.grows else good[0])), True

    def walk(self, level: float, log_inverse_delta: float, cells: Cells) -> tuple[float, bool]:
        """As far from the safe end as betting certifies every step."""
        m = self.starts.size
        if self.grows:
            examples, units, ends = self.examples, self.units, np.append(self.starts[1:], self.p.size)
        else:
            examples, units = self.examples[::-1].copy(), self.units[::-1].copy()
            ends = self.p.size - self.starts[::-1]
        ends = ends[:m].astype(np.int64)
        n_jumps = _core.conformal.certified_groups(
            examples, units, ends, self.n, level, log_inverse_delta, cells.n_threads
        )
        if n_jumps < 0:
            return (0.0 if self.grows else np.inf), False
        n_groups = int(np.searchsorted(ends, n_jumps, side="right")) if n_jumps else 0
        return self.threshold(n_groups if self.grows else m - n_groups), True


def _sparse_sets(probs: Probabilities, threshold: float) -> Any:
    from scipy.sparse import csr_array

    if threshold <= 0:
        need, limit = 5 * probs.shape[0] * probs.shape[1], check_memory("memory_limit", "2GB")
        if limit is not None and need > limit:
            raise MemoryError(
                f"predict: threshold 0 predicts all {probs.shape[1]} labels of {probs.shape[0]} examples, which needs "
                f"{format_bytes(need)} (no threshold could be certified: see feasible_)"
            )
        return csr_array(np.ones(probs.shape, bool))
    keep = (np.clip(probs.array, 0, 1) if probs.clip else probs.array) >= np.array([threshold])
    before = np.concatenate([[0], np.cumsum(keep)])
    assert probs.indptr is not None
    assert probs.indices is not None
    return csr_array((np.ones(int(before[-1]), bool), probs.indices[keep], before[probs.indptr]), shape=probs.shape)


def _pair(pair: Any) -> tuple[str, float]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise TypeError(f"risk: expected (name, level) pairs, got {described(pair)}")
    return check_choice("risk", pair[0], RISKS), check_number("risk", pair[1], 0, 1, **_OPEN)
