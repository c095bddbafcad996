"""Thresholds that keep a risk below a level: conformal risk control, RCPS, learn then test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from mlkit import _core
from mlkit._validation.cells import Cells
from mlkit._validation.params import check_choice, check_number, described
from mlkit.conformal._bounds import UNIT, loss_p_values
from mlkit.conformal._inputs import check_known, check_probs
from mlkit.conformal._sequences import certified_thresholds, holm
from mlkit.conformal._thresholded import SMALLEST, InnerOuterSets, sets_above
from mlkit.conformal._wrapped import PredictsLabelSets, check_columns

RISKS = ("fnr", "fdr", "miscoverage", "fp")
METHODS = ("crc", "rcps", "ltt")
BOUNDS = ("hoeffding_bentkus", "hoeffding", "binomial", "wsr")
SAFE_WHEN_SMALL = ("fnr", "miscoverage")  # thresholds; for the others large ones are safe
_OPEN = {"open_low": True, "open_high": True}


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


class MultiLabelRiskController(PredictsLabelSets):
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
    params : {"threshold", "inner_outer"}, default="threshold"
        ``"inner_outer"``, for ``"ltt"`` with several risks: two thresholds, one of outer sets that keep ``"fnr"`` and
        ``"miscoverage"`` below their levels, and one of inner sets that keep ``"fdr"`` and ``"fp"`` below theirs, all
        with probability ``confidence_level``.
    fwer : {"fixed_sequence", "holm"}, default="fixed_sequence"
        How ``"ltt"`` allows for many tests: one after the other from the safe end until one fails, or Holm's
        correction. Risks whose safe ends differ share the error evenly, one sequence from each end; a sequence that
        never fails leaves its share to the other.
    empty : {"zero", "drop", "error"}, default="zero"
        Calibration examples without a positive label: loss 0 for ``"fnr"`` and ``"miscoverage"``, left out, or refused.
    unknown_policy : {"error", "marginal"}, default="error"
        Unknown calibration labels: refuse them, or leave such cells out of the losses.
    from_logits : bool, default=False
        Take the sigmoid of what comes as probabilities.
    n_jobs : int, optional
        See :func:`mlkit.quality.find_label_issues`.

    Attributes
    ----------
    thresholds_ : float, or ndarray of shape (n_levels,)
        For each level; for ``"inner_outer"`` the inner and the outer one. 0 predicts every label, infinity none.
    feasible_ : bool, or ndarray of shape (n_levels,)
        Whether any threshold could be certified, like ``thresholds_``. If not, the threshold is the safest one: every
        label for ``"fnr"`` and ``"miscoverage"``, none for ``"fdr"``, ``"fp"`` and several risks, and nothing is
        promised.
    risk_curve_ : RiskCurve, or dict of RiskCurve by risk
        The empirical risk, exact at every threshold (on the grid for ``"fdr"``).
    n_labels_ : int
    label_names_ : tuple of str or None

    Notes
    -----
    Losses of ``"fnr"``, ``"miscoverage"`` and ``"fp"`` jump at observed probabilities only, so that sorting those gives
    the risk at every threshold without a grid: O(T log T) for T true labels. ``"crc"`` takes the largest threshold t
    with (sum of losses + 1) / (n + 1) <= level, which a selection finds in O(T); the curve is sorted when asked for.
    Losses are summed as whole multiples of 2^-40. ``"wsr"`` follows the capital along its whole path and tests each
    threshold in turn: O(n) for each that is passed.

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
        params: str = "threshold",
        fwer: str = "fixed_sequence",
        empty: str = "zero",
        unknown_policy: str = "error",
        from_logits: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.predict_function = predict_function
        self.risk = risk
        self.risk_level = risk_level
        self.method = method
        self.confidence_level = confidence_level
        self.bound = bound
        self.thresholds = thresholds
        self.params = params
        self.fwer = fwer
        self.empty = empty
        self.unknown_policy = unknown_policy
        self.from_logits = from_logits
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
        check_choice("fwer", self.fwer, ("fixed_sequence", "holm"))
        if check_choice("params", self.params, ("threshold", "inner_outer")) == "inner_outer":
            if self.method != "ltt" or names <= set(SAFE_WHEN_SMALL) or not names & set(SAFE_WHEN_SMALL):
                raise ValueError(
                    "params: expected 'threshold' without method='ltt' and a list of risks of both kinds, 'fnr' or "
                    "'miscoverage' (of outer sets) and 'fdr' or 'fp' (of inner sets), got 'inner_outer'"
                )
            if self.fwer == "holm":
                raise ValueError("fwer: expected 'fixed_sequence' with params='inner_outer', got 'holm'")
        return plan

    def _grid(self) -> NDArray[np.float64]:
        if self.thresholds is None:
            return np.arange(1, 1001) / 1000
        grid = np.unique([check_number("thresholds", t, 0, 1, open_low=True) for t in self.thresholds])
        if grid.size == 0:
            raise ValueError("thresholds: expected at least one number, got none")
        return grid

    # -------------------------------------------------------------------------------------------------------- calibrate

    def fit(self, X: Any, y: Any) -> MultiLabelRiskController:
        """:meth:`calibrate` under scikit-learn's name: thresholds are fitted, for a model that is fitted already.

        Parameters
        ----------
        X : array-like
            Calibration examples, which the model has not seen.
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : MultiLabelRiskController
        """
        return self.calibrate(X, y)

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
        return self.calibrate_proba(self._probabilities(X, reset=True), y)

    def _probabilities(self, X: Any, *, reset: bool) -> Any:
        """What the function makes of examples as wide as those of calibration."""
        if self.predict_function is None:
            return X
        if len(getattr(X, "shape", ())) == 2:
            check_columns(self, X, reset=reset)
        return self.predict_function(X)

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
        cells = check_known(
            pred_probs,
            y,
            label_names=None,
            unknown_policy=self.unknown_policy,
            n_jobs=self.n_jobs,
            from_logits=self.from_logits,
        )
        self.n_labels_, self.label_names_ = cells.shape[1], cells.label_names
        cells = self._without_empty(cells)
        names = list(dict.fromkeys(name for risks in plan for name, _ in risks))
        self._steps = {name: _Steps(cells, name, self._grid() if name == "fdr" else None) for name in names}
        found = [self._choose(risks, cells.n_threads) for risks in plan]
        if self.params == "inner_outer":
            [(self.thresholds_, self.feasible_)] = found
            return self
        thresholds, feasible = np.array([t for t, _ in found]), np.array([ok for _, ok in found])
        single = isinstance(self.risk, (list, tuple)) or np.ndim(self.risk_level) == 0
        self.thresholds_ = float(thresholds[0]) if single else thresholds
        self.feasible_ = bool(feasible[0]) if single else feasible
        return self

    @property
    def risk_curve_(self) -> RiskCurve | dict[str, RiskCurve]:
        """The empirical risk, exact at every threshold (on the grid for ``"fdr"``); of several risks by their names."""
        if not hasattr(self, "_steps"):
            raise AttributeError("risk_curve_: expected a calibrated controller (call calibrate or calibrate_proba)")
        curves = {name: steps.curve for name, steps in self._steps.items()}
        return curves if len(curves) > 1 else next(iter(curves.values()))

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

    def _choose(self, risks: list[tuple[str, float]], n_threads: int) -> tuple[Any, Any]:
        if self.method == "ltt":
            return self._choose_on_grid(risks)
        [(name, level)] = risks
        s = self._steps[name]
        if self.method == "crc":
            slack = s.n / 2 + 8 * np.finfo(float).eps * (s.n + 1) * UNIT  # rounding of losses, of the level
            return s.last_within(math.floor((level * (s.n + 1) - 1) * UNIT + slack))
        if self.bound == "wsr":
            return s.walk(level, -np.log(1 - float(self.confidence_level or 0)), n_threads)
        return s.boundary(loss_p_values(s.totals, s.n, level, self.bound) <= 1 - float(self.confidence_level or 0))

    def _choose_on_grid(self, risks: list[tuple[str, float]]) -> tuple[Any, Any]:
        grid, delta = self._grid(), 1 - float(self.confidence_level or 0)
        p_values: dict[bool, NDArray[np.float64]] = {}
        for name, level in risks:
            side, s = name in SAFE_WHEN_SMALL, self._steps[name]
            p = loss_p_values(s.at(grid), s.n, level, self.bound)
            p_values[side] = np.maximum(p, p_values.get(side, 0.0))
        small_is_safe = risks[0][0] in SAFE_WHEN_SMALL
        if self.fwer == "holm":
            valid = holm(np.max(list(p_values.values()), axis=0), delta)
        else:
            from_low, from_high = certified_thresholds(p_values.get(True), p_values.get(False), delta)
            if self.params == "inner_outer":
                outer = grid[from_low[-1]] if from_low.size else 0.0
                inner = max(grid[from_high[0]], outer) if from_high.size else np.inf  # never outside of the outer set
                return np.array([inner, outer]), np.array([from_high.size > 0, from_low.size > 0])
            valid = np.intersect1d(from_low, from_high)
        if valid.size == 0:
            return (0.0 if small_is_safe and len(risks) == 1 else np.inf), False
        prefers_small = small_is_safe == (len(risks) > 1)  # of all that are valid the best for the risk named first
        return float(grid[valid[0] if prefers_small else valid[-1]]), True

    # ---------------------------------------------------------------------------------------------------------- predict

    def predict(self, X: Any) -> Any:
        """Label sets of examples.

        Parameters
        ----------
        X : array-like

        Returns
        -------
        ndarray of shape (n_samples, n_labels), or (n_samples, n_labels, n_levels) for several levels, bool
            Or, for sparse probabilities, a csr_array, or a list of one for each level; with ``params="inner_outer"``
            :class:`InnerOuterSets` of either.
        """
        return self.predict_proba_sets(self._probabilities(X, reset=False))

    def predict_proba_sets(self, pred_probs: Any) -> Any:
        """Label sets from probabilities.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)

        Returns
        -------
        ndarray, csr_array, list or InnerOuterSets
            As :meth:`predict`.
        """
        if not hasattr(self, "thresholds_"):
            raise NotFittedError(
                "MultiLabelRiskController: expected a calibrated controller (call calibrate or calibrate_proba first)"
            )
        probs = check_probs(pred_probs, self.n_labels_, self.label_names_, self.n_jobs, from_logits=self.from_logits)
        if np.ndim(self.thresholds_) == 0:
            return sets_above(probs, float(self.thresholds_))
        sets = [sets_above(probs, float(t)) for t in self.thresholds_]
        if self.params == "inner_outer":
            return InnerOuterSets(*sets)
        return sets if probs.is_sparse else np.stack(sets, axis=2)


class _Steps:
    """Total losses of all calibration examples at every threshold, as whole numbers of 2^-40; sorted when asked for."""

    def __init__(self, cells: Cells, name: str, grid: NDArray[np.float64] | None) -> None:
        self.n = cells.shape[0]
        self.grows = name in SAFE_WHEN_SMALL  # with the threshold
        if grid is not None:
            totals = _core.conformal.false_discoveries(*cells.core, grid, cells.n_threads)
            self.thresholds, self.totals = np.append(grid, np.inf), np.append(totals, 0)
            return
        kind = getattr(_core.conformal.Risk, name)
        self._jumps = _core.conformal.risk_jumps(*cells.core, kind, cells.n_threads)

    @cached_property
    def _sorted(self) -> tuple[NDArray[Any], ...]:
        return _core.conformal.risk_steps(*self._jumps)

    @cached_property
    def thresholds(self) -> NDArray[np.float64]:
        return self._sorted[0]

    @cached_property
    def totals(self) -> NDArray[np.int64]:
        passed: NDArray[np.int64] = self._sorted[1]
        return passed if self.grows else passed[-1] - passed

    @cached_property
    def curve(self) -> RiskCurve:
        return RiskCurve(self.thresholds, self.totals / (UNIT * self.n))

    def last_within(self, most: int) -> tuple[float, bool]:
        """The least cautious threshold at which the total is at most so much: without sorting."""
        if most < 0:
            return (0.0 if self.grows else np.inf), False
        p, _, units = self._jumps
        most = min(most, np.iinfo(np.int64).max)
        if self.grows:
            return _core.conformal.where_exceeded(p, units, most), True
        passed = int(units.sum()) - most  # has to be
        return (_just_above(_core.conformal.where_exceeded(p, units, passed - 1)) if passed > 0 else SMALLEST), True

    def at(self, grid: NDArray[np.float64]) -> NDArray[np.int64]:
        """Totals at given thresholds."""
        totals: NDArray[np.int64] = self.totals[np.searchsorted(self.thresholds, grid, side="left")]
        return totals

    def threshold(self, step: int) -> float:
        """The least cautious threshold of a step: its upper end where losses grow, else just above its lower end."""
        if self.grows:
            return float(self.thresholds[step])
        return _just_above(self.thresholds[step - 1]) if step else SMALLEST

    def boundary(self, passes: NDArray[np.bool_]) -> tuple[float, bool]:
        """The last step that passes, from the safe end."""
        good = np.flatnonzero(passes)
        if good.size == 0:
            return (0.0 if self.grows else np.inf), False
        return self.threshold(int(good[-1] if self.grows else good[0])), True

    def walk(self, level: float, log_inverse_delta: float, n_threads: int) -> tuple[float, bool]:
        """As far from the safe end as betting certifies every step."""
        _, _, ends, examples, units = self._sorted
        m = ends.size
        if not self.grows:
            examples, units = examples[::-1].copy(), units[::-1].copy()
            ends = ends[-1:] - np.append(0, ends[:-1])[::-1] if m else ends
        n_jumps = _core.conformal.certified_groups(examples, units, ends, self.n, level, log_inverse_delta, n_threads)
        if n_jumps < 0:
            return (0.0 if self.grows else np.inf), False
        n_groups = int(np.searchsorted(ends, n_jumps, side="right")) if n_jumps else 0
        return self.threshold(n_groups if self.grows else m - n_groups), True


def _just_above(threshold: float) -> float:
    return float(np.nextafter(threshold, np.inf))


def _pair(pair: Any) -> tuple[str, float]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise TypeError(f"risk: expected (name, level) pairs, got {described(pair)}")
    return check_choice("risk", pair[0], RISKS), check_number("risk", pair[1], 0, 1, **_OPEN)
