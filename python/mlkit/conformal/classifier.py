"""Label-powerset inductive conformal prediction."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state

from mlkit import _core
from mlkit._threads import resolve_threads
from mlkit._validation.cells import Cells
from mlkit._validation.pairs import check_groups
from mlkit._validation.params import check_choice, check_flag, check_number, described
from mlkit._validation.probabilities import Probabilities
from mlkit.conformal._flips import flip_table, own_units
from mlkit.conformal._inputs import ConformalWarning, check_known, check_probs
from mlkit.conformal._pairs import PairForm
from mlkit.conformal._quadratic import QuadraticForm, fit_form
from mlkit.conformal._ranks import RankTable, snapped
from mlkit.conformal._searched import SearchedTable, score_cells
from mlkit.conformal._wrapped import WrapsEstimator
from mlkit.conformal.regions import RegionArray
from mlkit.conformal.scores import LEARNED, Mahalanobis, PairUnseen, Separable, resolve_score
from mlkit.labels.reading import read_labels

_OPEN = {"open_low": True, "open_high": True}
_MOST_REMEMBERED = 1000  # training examples, to tell them when they come back as calibration examples


class LabelPowersetConformalClassifier(WrapsEstimator):
    """Label sets with a guarantee: which of all 2^L sets the calibration data do not rule out.

    Around any multi-label classifier, or on probabilities alone. Calibration needs examples that the model was not
    trained on. A region is never enumerated: its certain and excluded labels, p-values and membership cost O(L) for any
    L, its size is counted exactly or bounded with a certificate, its sets come one by one by p-value.

    Parameters
    ----------
    estimator : estimator with ``predict_proba``, optional
        None: ``X`` holds the probabilities themselves.
    prefit : bool, default=True
        Whether the estimator is fitted already; if not, ``fit`` fits a clone. A fitted estimator stays so when this one
        is cloned (by ``GridSearchCV``, say) inside of ``sklearn.frozen.FrozenEstimator``.
    score : str or object of mlkit.conformal.scores, default="log"
        How strange a label set is: ``"log"``, ``"log_centered"``, ``"l1"``, ``"l2"``, ``"lp"`` (``Lp(phi=2)``),
        ``"linf"``, ``"hamming"``, and after ``fit`` or ``fit_proba`` ``"mahalanobis"`` and ``"pair_unseen"``.
    confidence_level : float in (0, 1), default=0.9
        Of the regions; every prediction method can be asked for another.
    smoothing : bool, default=False
        Break ties by chance, for coverage that is exact instead of at least ``confidence_level``.
    allow_empty : bool, default=True
        Whether a region may hold no set (for an example unlike the calibration examples); if not, the best set is
        added.
    unknown_policy : {"error", "marginal"}, default="error"
        Unknown calibration labels: refuse them, or score the known labels alone. The guarantee then holds only for
        examples whose labels are unknown in the same way; for fully labelled ones regions are too small.
    from_logits : bool, default=False
        Take the sigmoid of what comes as probabilities.
    n_jobs : int, optional
        See :func:`mlkit.quality.find_label_issues`.
    random_state : int, RandomState or None
        For ``smoothing``, and for the draw from ``groups``.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator, if there is one.
    calibration_scores_ : ndarray of shape (n_calibration_,), int64 or float64
        Scores of the calibration examples in their order; whole multiples of 2^-40 or so for sums.
    n_calibration_ : int
        Number of calibration examples; with ``groups`` of groups.
    n_labels_ : int
    form_ : object
        What ``"mahalanobis"`` has learned (``precision`` (n_labels, n_labels)), or ``"pair_unseen"``
        (``n_seen_pairs``).
    cov_condition_ : float
        Condition number of the covariance of ``"mahalanobis"``.
    label_names_ : tuple of str or None

    Notes
    -----
    The p-value of a label set is (1 + number of calibration scores that are at least its score) / (n + 1) [1]_, the
    region all sets whose p-value exceeds 1 - confidence_level. Costs of labels are whole numbers, so that ties are ties
    and every way to add them up agrees. Fewer than 1 / (1 - confidence_level) - 1 calibration examples rule nothing
    out: the region is every label set, with a :class:`ConformalWarning`. O(n_samples * n_labels) time.

    References
    ----------
    .. [1] Papadopoulos, "A cross-conformal predictor for multi-label classification", 2014; Katsios, Papadopoulos,
       "Multi-label conformal prediction with a Mahalanobis distance nonconformity measure", COPA 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.conformal import LabelPowersetConformalClassifier
    >>> rng = np.random.default_rng(0)
    >>> probs = rng.beta(0.2, 0.6, (600, 8))
    >>> y = rng.random(probs.shape) < probs
    >>> clf = LabelPowersetConformalClassifier(confidence_level=0.9)
    >>> clf = clf.conformalize_proba(probs[:500], y[:500])
    >>> regions = clf.predict_region_proba(probs[500:])
    >>> regions[0]
    {} + 5 undecided; 9 sets; p > 0.1
    >>> float(regions.contains(y[500:]).mean())
    0.87
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        prefit: bool = True,
        score: Any = "log",
        confidence_level: float = 0.9,
        smoothing: bool = False,
        allow_empty: bool = True,
        unknown_policy: str = "error",
        from_logits: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.prefit = prefit
        self.score = score
        self.confidence_level = confidence_level
        self.smoothing = smoothing
        self.allow_empty = allow_empty
        self.unknown_policy = unknown_policy
        self.from_logits = from_logits
        self.n_jobs = n_jobs
        self.random_state = random_state

    # -------------------------------------------------------------------------------------------------------------- fit

    def _check(self) -> Any:
        check_number("confidence_level", self.confidence_level, 0, 1, **_OPEN)
        for name in ("prefit", "smoothing", "allow_empty", "from_logits"):
            check_flag(name, getattr(self, name))
        check_choice("unknown_policy", self.unknown_policy, ("error", "marginal"))
        resolve_threads(self.n_jobs)
        return resolve_score(self.score)

    def fit(self, X: Any, y: Any) -> LabelPowersetConformalClassifier:
        """Fit a clone of the estimator, unless ``prefit``, and what the score learns.

        ``predict`` works from then on; regions and p-values also take :meth:`conformalize`, with other examples.

        Parameters
        ----------
        X : array-like
            Training examples, of any form that the estimator takes; without one as :meth:`fit_proba`.
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : LabelPowersetConformalClassifier
        """
        score = self._check()
        if self.estimator is None:
            return self.fit_proba(X, y)
        self._fit_estimator(X, y)
        if isinstance(score, PairUnseen):
            labels = read_labels(y, n_threads=resolve_threads(self.n_jobs), argument="y")
            self.form_: Any = PairForm(labels, score)
        if isinstance(score, Mahalanobis):
            if not self.prefit and score.errors == "oof":
                from sklearn.model_selection import cross_val_predict

                self.fit_proba(cross_val_predict(self.estimator, X, y, cv=5, method="predict_proba"), y)
            else:
                self.fit_proba(self._probabilities(X), y)
        if not self.prefit:
            self._remember_training(X, y, score)
        return self

    def _remember_training(self, X: Any, y: Any, score: Any) -> None:
        """Keep the scores of some training examples."""
        from scipy.sparse import issparse
        from sklearn.utils import _safe_indexing
        from sklearn.utils.validation import _num_samples

        n = _num_samples(X)
        rows = np.unique(np.linspace(0, n - 1, min(n, _MOST_REMEMBERED)).astype(np.int64))
        some = _safe_indexing(X.tocsr() if issparse(X) else X, rows)
        probs = self._probabilities(some)
        cells = self._cells(probs, _safe_indexing(y, rows), unknown_policy="marginal")
        self._learn_labels(cells)
        self._training_scores = np.unique(_rounded(self._scores_of(cells, score)))

    def fit_proba(self, pred_probs: Any, y: Any) -> LabelPowersetConformalClassifier:
        """Fit what a score learns: the covariance of errors (``"mahalanobis"``), pairs of labels (``"pair_unseen"``).

        Other scores learn nothing but the number of labels.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)
            Of examples that are not used for calibration.
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        self : LabelPowersetConformalClassifier
        """
        score = self._check()
        cells = self._cells(pred_probs, y, unknown_policy="error" if isinstance(score, LEARNED) else "marginal")
        self._learn_labels(cells)
        if isinstance(score, PairUnseen):
            self.form_ = PairForm(cells.labels, score)
        elif isinstance(score, Mahalanobis):
            self.form_ = fit_form(cells, score)
            self.cov_condition_ = self.form_.condition
        return self

    def _learn_labels(self, cells: Cells) -> None:
        """Names known from training say which column of later labels is which."""
        self.n_labels_ = cells.shape[1]
        self.label_names_ = self._trained_names = cells.label_names

    def _cells(self, pred_probs: Any, y: Any, *, unknown_policy: str, label_names: Any = None) -> Cells:
        return check_known(
            pred_probs,
            y,
            label_names=label_names,
            unknown_policy=unknown_policy,
            n_jobs=self.n_jobs,
            from_logits=self.from_logits,
        )

    def conformalize(self, X: Any, y: Any, *, groups: Any = None) -> LabelPowersetConformalClassifier:
        """Calibrate with examples that the estimator has not seen.

        Parameters
        ----------
        X : array-like
            Calibration examples; the probabilities themselves when there is no estimator.
        y : labels of shape (n_samples, n_labels)
            Their true label sets.
        groups : array-like of shape (n_samples,), optional
            Examples of one group (a patient, a document) are not exchangeable with those of another: one of each group
            counts, drawn by ``random_state``. The guarantee is then for an example of a new group.

        Returns
        -------
        self : LabelPowersetConformalClassifier

        Warns
        -----
        ConformalWarning
            If there are too few examples for the level, all scores are equal, or the examples are those that ``fit``
            has trained the estimator on.
        """
        return self._conformalize(self._probabilities(X), y, groups)

    def conformalize_proba(self, pred_probs: Any, y: Any, *, groups: Any = None) -> LabelPowersetConformalClassifier:
        """Calibrate with the probabilities of examples that the model has not seen.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)
            Dense or sparse; see :func:`mlkit.quality.find_label_issues`.
        y : labels of shape (n_samples, n_labels)
        groups : array-like of shape (n_samples,), optional
            As :meth:`conformalize`.

        Returns
        -------
        self : LabelPowersetConformalClassifier

        Warns
        -----
        ConformalWarning
            As :meth:`conformalize`.
        """
        return self._conformalize(pred_probs, y, groups)

    def _conformalize(self, pred_probs: Any, y: Any, groups: Any) -> LabelPowersetConformalClassifier:
        score = self._check()
        names = getattr(self, "_trained_names", None)
        cells = self._cells(pred_probs, y, unknown_policy=self.unknown_policy, label_names=names)
        numbers = check_groups(groups, cells.shape[0])
        if numbers is not None:
            drawn = check_random_state(self.random_state).permutation(numbers.size)
            cells = cells.take(np.sort(drawn[np.unique(numbers[drawn], return_index=True)[1]]))
        self.calibration_scores_ = self._scores_of(cells, score)
        self.n_calibration_, self.n_labels_ = cells.shape
        self.label_names_ = cells.label_names
        self._ranks = RankTable(self.calibration_scores_)
        self._warn()
        return self

    def _warn_of_level(self, level: float, stacklevel: int) -> None:
        n, significance = self.n_calibration_, 1 - level
        if snapped(significance, n) < 1:
            enough = math.ceil(1 / significance - 1e-9) - 1
            warnings.warn(
                f"n_calibration: expected at least {enough} examples for confidence_level={level:g}, "
                f"got {n} (regions hold every label set)",
                ConformalWarning,
                stacklevel=stacklevel,
            )

    def _warn(self) -> None:
        n = self.n_calibration_
        self._warn_of_level(self.confidence_level, 5)
        known = getattr(self, "_training_scores", np.zeros(0))
        if known.size >= 20 and np.isin(known, _rounded(self.calibration_scores_)).mean() > 0.5:
            warnings.warn(
                "X: expected calibration examples that the estimator was not trained on, got scores that are those of "
                "the examples given to fit (regions are too small for new examples)",
                ConformalWarning,
                stacklevel=4,
            )
        if n > 1 and self._ranks.scores[0] == self._ranks.scores[-1]:
            warnings.warn(
                f"y: expected scores that differ, got {n} equal ones (regions cover more than asked for; "
                "smoothing=True breaks ties by chance)",
                ConformalWarning,
                stacklevel=4,
            )

    # ---------------------------------------------------------------------------------------------------------- predict

    def _check_calibrated(self) -> None:
        if not hasattr(self, "_ranks"):
            raise NotFittedError(
                f"{type(self).__name__}: expected a calibrated classifier "
                "(call conformalize or conformalize_proba first)"
            )

    def predict_region(self, X: Any, confidence_level: Any = None) -> Any:
        """Prediction regions of examples.

        Parameters
        ----------
        X : array-like
            Examples; the probabilities themselves when there is no estimator.
        confidence_level : float or sequence of float, optional
            Default: that of the constructor.

        Returns
        -------
        RegionArray or list of RegionArray
            One for each level asked for.
        """
        self._check_calibrated()
        return self.predict_region_proba(self._probabilities(X), confidence_level)

    def predict_region_proba(self, pred_probs: Any, confidence_level: Any = None) -> Any:
        """Prediction regions from probabilities.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)
        confidence_level : float or sequence of float, optional

        Returns
        -------
        RegionArray or list of RegionArray
        """
        self._check_calibrated()
        score = self._check()
        levels: Any = self.confidence_level if confidence_level is None else confidence_level
        many = isinstance(levels, (list, tuple, np.ndarray))
        checked = [check_number("confidence_level", x, 0, 1, **_OPEN) for x in (levels if many else [levels])]
        if not checked:
            raise ValueError(f"confidence_level: expected at least one number, got {described(levels)}")
        probs = check_probs(pred_probs, self.n_labels_, self.label_names_, self.n_jobs, from_logits=self.from_logits)
        for level in checked if confidence_level is not None else ():
            self._warn_of_level(level, 3)
        table = self._table(probs, score)
        uniforms = None
        if self.smoothing:
            uniforms = check_random_state(self.random_state).uniform(size=probs.shape[0])
        first = RegionArray(
            table, self._ranks, checked[0], uniforms, bool(self.allow_empty), self.label_names_, self.n_jobs
        )
        return [first, *(first.at(level) for level in checked[1:])] if many else first

    def _table(self, probs: Probabilities, score: Any) -> Any:
        """What the score makes of probabilities."""
        if isinstance(score, LEARNED):
            return SearchedTable(probs, self._form(score, probs.shape[1]), resolve_threads(self.n_jobs))
        return flip_table(probs, score, resolve_threads(self.n_jobs))

    def predict(self, X: Any) -> Any:
        """Forced prediction: the label set with the largest p-value, which takes no calibration to know.

        Parameters
        ----------
        X : array-like

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_labels), int8
        """
        if not hasattr(self, "estimator_") and not hasattr(self, "n_labels_"):
            raise NotFittedError(
                f"{type(self).__name__}: expected a fitted or calibrated classifier (call fit or conformalize first)"
            )
        score, n_labels, names = self._check(), getattr(self, "n_labels_", None), getattr(self, "label_names_", None)
        probs = check_probs(self._probabilities(X), n_labels, names, self.n_jobs, from_logits=self.from_logits)
        return self._table(probs, score).best_sets().astype(np.int8)

    def p_values(self, X: Any, y: Any) -> NDArray[np.float64]:
        """P-value of one label set for each example.

        Parameters
        ----------
        X : array-like
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        ndarray of shape (n_samples,), float64
        """
        self._check_calibrated()
        return self.p_values_proba(self._probabilities(X), y)

    def p_values_proba(self, pred_probs: Any, y: Any) -> NDArray[np.float64]:
        """P-value of one label set for each example, from probabilities.

        Parameters
        ----------
        pred_probs : array-like of shape (n_samples, n_labels)
        y : labels of shape (n_samples, n_labels)

        Returns
        -------
        ndarray of shape (n_samples,), float64
        """
        self._check_calibrated()
        score = self._check()
        cells = self._cells(pred_probs, y, unknown_policy="error", label_names=self.label_names_)
        if cells.shape[1] != self.n_labels_:
            raise ValueError(
                f"pred_probs: expected {self.n_labels_} labels (columns) as in calibration, got shape {cells.shape}"
            )
        uniforms = None
        if self.smoothing:
            uniforms = check_random_state(self.random_state).uniform(size=cells.shape[0])
        return self._ranks.p_values(self._scores_of(cells, score), uniforms)

    def _form(self, score: Any, n_labels: int) -> Any:
        kind, what = (
            (PairForm, "pairs of labels that were seen")
            if isinstance(score, PairUnseen)
            else (QuadraticForm, "a fitted covariance")
        )
        if not isinstance(getattr(self, "form_", None), kind):
            raise NotFittedError(
                f"score: expected {what} for {kind.name!r} (call fit or fit_proba with examples that are not used for "
                "calibration)"
            )
        if self.form_.n_labels != n_labels:
            raise ValueError(f"pred_probs: expected {self.form_.n_labels} labels as in fit, got {n_labels}")
        return self.form_

    def _scores_of(self, cells: Cells, score: Any) -> NDArray[Any]:
        if not isinstance(score, LEARNED):
            return _scores_of(cells, score)
        if isinstance(score, Mahalanobis) and cells.labels.n_unknown:
            raise ValueError("y: expected known cells with the score 'mahalanobis' (it ties all labels together)")
        return score_cells(cells, self._form(score, cells.shape[1]))


def _rounded(scores: NDArray[Any]) -> NDArray[np.float64]:
    """To what another order of additions does not change."""
    mantissa, exponent = np.frexp(scores.astype(np.float64))
    rounded: NDArray[np.float64] = np.ldexp(np.round(mantissa * 2.0**30), exponent)
    return rounded


def _scores_of(cells: Cells, score: Any) -> NDArray[Any]:
    """Scores of each example's known labels."""
    if not isinstance(score, Separable):
        return _core.conformal.score_cells(*cells.core, score._rule(cells.shape[1]), cells.n_threads)
    if cells.probs.is_sparse:
        raise ValueError("score: expected dense pred_probs with a score of your own, got a sparse matrix")
    scores = np.empty(cells.shape[0], np.int64)
    for rows, zero, one in own_units(cells.probs, score):
        given = cells.labels._rows(rows.start, rows.stop).to_dense(memory_limit=None)
        scores[rows] = np.where(given == 1, one, np.where(given == 0, zero, 0)).sum(axis=1)
    return scores
