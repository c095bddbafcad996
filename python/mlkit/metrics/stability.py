"""Would the ranking of models be another one if the test set's labels were right?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.frames import frame_names
from mlkit._validation.pairs import check_pair, check_scored, check_threshold
from mlkit._validation.params import check_choice, check_integer, check_number, described, suggest
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics._averages import Floats, divide
from mlkit.metrics._counts import Counts
from mlkit.metrics._measures import RATIOS, Prediction, ratio
from mlkit.metrics._names import AVERAGED
from mlkit.metrics.comparing import is_prediction

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.quality.patch import CellPatch

METRICS = (*(f"{name}_{average}" for name in RATIOS for average in AVERAGED), "accuracy", "hamming_loss")
_AT_ONCE = 2**22  # numbers held for draws of counts


@dataclass(frozen=True)
class RankStability:
    """A ranking of models under the label errors of the test set; what :func:`rank_stability` returns.

    Attributes
    ----------
    metric : str
        What the models are ranked by.
    models : DataFrame
        One row for each model, best first: its ``value`` on the labels as they are, on ``corrected`` ones (all changes
        of the patch made), the ``mean`` and the bounds ``low`` and ``high`` over draws, and ``p_best``, the share of
        draws in which it is the best (ties shared).
    pairs : DataFrame
        One row for each two models, ``a`` ranked above ``b``: the difference ``delta`` as it is, ``corrected``,
        ``mean``, ``low`` and ``high`` over draws, ``p_flip`` (share of draws in which b is ahead, ties half), and
        ``n_cells_to_flip``, so many changes are enough to bring b level (NaN: all of them are not).
    cells : DataFrame
        The changes that would move the two models at the top, the most expected harm to the leader first: ``row label
        old new p_wrong effect``; effect is how far the leader's lead grows if this cell alone is changed.

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import rank_stability
    >>> from mlkit.quality import CellPatch
    >>> given, right = np.array([[1, 0], [0, 1], [1, 1], [0, 0]]), np.array([[1, 0], [0, 1], [0, 1], [0, 0]])
    >>> models = {"a": given, "b": right}
    >>> found = rank_stability(given, models, CellPatch.diff(given, right), metric="f1_micro")
    >>> found
    RankStability: a leads 2 models by f1_micro; b is ahead in 100 % of the draws, 1 cell turns the lead
    """

    metric: str
    models: pd.DataFrame
    pairs: pd.DataFrame
    cells: pd.DataFrame

    def __repr__(self) -> str:
        lead = f"RankStability: {self.models.index[0]} leads {len(self.models)} models by {self.metric}"
        if self.pairs.empty:
            return lead
        first = self.pairs.iloc[0]
        n = first["n_cells_to_flip"]
        turn = (
            "no change of them turns the lead"
            if np.isnan(n)
            else f"{n:.0f} cell{'s turn' if n > 1 else ' turns'} the lead"
        )
        return f"{lead}; {first['b']} is ahead in {100 * first['p_flip']:.3g} % of the draws, {turn}"

    def _repr_html_(self) -> str:
        from html import escape

        parts = [
            f"<p>{escape(repr(self))}</p>",
            self.models.to_html(),
            self.pairs.to_html(),
            self.cells.head(10).to_html(),
        ]
        return "".join(parts)


def rank_stability(
    y_true: Any,
    models: Mapping[str, Any],
    patch: CellPatch,
    *,
    metric: str = "f1_macro",
    threshold: Any = 0.5,
    unknown: Any = None,
    absent_labels: str = "skip",
    n_draws: int = 1000,
    ci: float = 0.95,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> RankStability:
    """Rank models as the test set's labels are, and as they may be without their errors.

    Parameters
    ----------
    y_true : array-like, sparse matrix, DataFrame, list of lists or LabelMatrix of shape (n_samples, n_labels)
        Labels of the test set as they are.
    models : mapping of str to predictions
        Each model's scores (floats) or predicted labels, as :func:`compare` takes them; at least two. Columns of frames
        go by their names: to those of the patch, else of ``y_true``; where neither has any, all models need the same.
    patch : CellPatch
        What an audit of these labels would change, :meth:`mlkit.LabelAudit.patch` or
        :func:`mlkit.quality.suggest_labels`: a change is right with probability 1 - its score; changes without a score
        are right.
    metric : str, default="f1_macro"
        ``{f1,precision,recall,jaccard}_{micro,macro,weighted,samples}``, ``accuracy`` (of whole rows) or
        ``hamming_loss`` (the lower the better).
    threshold, unknown
        See :func:`mlkit.evaluate`.
    absent_labels : {"skip", "sklearn"}, default="skip"
        Labels without a positive in means over labels: left out, or counted as 0.
    n_draws : int, default=1000
        So many times every change is made or not, by its probability, independently of the others.
    ci : float in (0, 1), default=0.95
        Level of the bounds over draws.
    random_state : int, default=0
        Seed of the draws.
    n_jobs : int, optional
        Threads; None: all available.

    Returns
    -------
    RankStability

    Raises
    ------
    TypeError, ValueError
        If arguments do not fit, or the patch is for other labels.

    Notes
    -----
    Every draw's values are exact, computed from the counts of the labels (for means over rows, of the rows) that the
    patch touches, and all models see the same draws. ``n_cells_to_flip`` is an upper bound: changes are made one after
    the other in the order of their effect alone. Bounds say how label errors move the numbers, not how another sample
    of examples would. O(n_models (n_draws + n_changes) touched labels or rows + n_draws n_changes).

    Examples
    --------
    >>> import numpy as np
    >>> from mlkit.metrics import rank_stability
    >>> from mlkit.quality import suggest_labels
    >>> rng = np.random.default_rng(0)
    >>> p = rng.random((500, 3))
    >>> truth = (rng.random(p.shape) < p).astype(int)
    >>> given = np.where(rng.random(p.shape) < 0.05, 1 - truth, truth)
    >>> models = {"good": p, "fair": np.clip(p + rng.normal(0, 0.2, p.shape), 0, 1)}
    >>> rank_stability(given, models, suggest_labels(given, p)).models.index.tolist()
    ['good', 'fair']
    """
    import pandas as pd

    from mlkit.quality.patch import CellPatch

    if not isinstance(models, Mapping) or len(models) < 2:
        raise TypeError(f"models: expected a mapping from at least two names to predictions, got {described(models)}")
    if not isinstance(patch, CellPatch):
        raise TypeError(f"patch: expected a CellPatch, got {described(patch)}")
    if metric not in METRICS:
        kind = ValueError if isinstance(metric, str) else TypeError
        raise kind(f"metric: expected one of {', '.join(METRICS)}, got {described(metric)}{suggest(metric, METRICS)}")
    check_choice("absent_labels", absent_labels, ("skip", "sklearn"))
    n_draws = check_integer("n_draws", n_draws, low=1)
    ci = check_number("ci", ci, 0, 1, open_low=True, open_high=True)
    random_state = check_integer("random_state", random_state, low=0)
    of = _Ranked(y_true, models, patch, metric, threshold, unknown, absent_labels, n_jobs)

    draws = of.draw(n_draws, random_state)
    bounds = [0.5 - ci / 2, 0.5 + ci / 2]
    ranked = np.argsort(-of.sign * of.value, kind="stable")
    better = of.sign * draws
    is_best = better == better.max(axis=1, keepdims=True)
    low, high = np.quantile(draws, bounds, axis=0)
    table = pd.DataFrame(
        {
            "value": of.value,
            "corrected": of.corrected,
            "mean": draws.mean(axis=0),
            "low": low,
            "high": high,
            "p_best": (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0),
        },
        index=pd.Index(list(models), name="model"),
    ).iloc[ranked]
    lines = []
    for a, b in combinations(ranked, 2):
        gap = of.sign * (draws[:, a] - draws[:, b])
        lines.append(
            (
                table.index[list(ranked).index(a)],
                table.index[list(ranked).index(b)],
                of.value[a] - of.value[b],
                of.corrected[a] - of.corrected[b],
                float(np.mean(draws[:, a] - draws[:, b])),
                *np.quantile(draws[:, a] - draws[:, b], bounds),
                float(np.mean(gap < 0) + 0.5 * np.mean(gap == 0)),
                of.n_to_flip(int(a), int(b)),
            )
        )
    columns = ["a", "b", "delta", "corrected", "mean", "low", "high", "p_flip", "n_cells_to_flip"]
    return RankStability(metric, table, pd.DataFrame(lines, columns=columns), of.cells(int(ranked[0]), int(ranked[1])))


class _Ranked:
    """Counts of all models, and how each change moves them."""

    def __init__(
        self,
        y_true: Any,
        models: Mapping[str, Any],
        patch: CellPatch,
        metric: str,
        threshold: Any,
        unknown: Any,
        absent_labels: str,
        n_jobs: int | None,
    ) -> None:
        predictions, truth = [], None
        names = _label_names(y_true, models, patch)
        for name, model in models.items():
            try:
                predictions.append(_predicted(y_true, model, threshold, unknown, names, n_jobs))
            except (TypeError, ValueError) as error:
                if not str(error).startswith(("y_pred: ", "y_score: ")):
                    raise
                raise type(error)(f"models[{name!r}]: {str(error).partition(': ')[2]}") from error
            truth = predictions[0].truth
        assert truth is not None
        try:
            patch.apply(truth)
        except ValueError as error:
            raise ValueError(f"patch: made for other labels than y_true ({str(error).partition(': ')[2]})") from error
        self.names, self.patch = truth.label_names, patch
        whole = {"hamming_loss": ("hamming", "micro"), "accuracy": ("accuracy", "samples")}
        self.name, self.average = whole.get(metric) or (metric.rpartition("_")[0], metric.rpartition("_")[2])
        self.sign = -1.0 if metric == "hamming_loss" else 1.0
        self.skips = absent_labels == "skip"
        self.p_wrong = np.where(np.isnan(patch.score), 1.0, 1.0 - patch.score)
        by_row = self.average == "samples"  # numbers are made of counts of rows, else of labels
        self.touched, self.place = np.unique(patch.rows if by_row else patch.labels, return_inverse=True)
        cells = patch.rows * truth.shape[1] + patch.labels
        self.counts, self.deltas = [], []
        for prediction in predictions:
            counts = prediction.counts(None)[by_row]
            self.counts.append(np.stack([counts.hits, counts.predicted, counts.positive, counts.known], axis=1))
            says = np.isin(cells, prediction.sets(), assume_unique=True)
            self.deltas.append(_of_cells(patch.new, says) - _of_cells(patch.old, says))
        rest = np.ones(truth.shape[0 if by_row else 1], bool)
        rest[self.touched] = False
        self.rest = [self._parts(counts[rest]).sum(axis=0) for counts in self.counts]
        self.value = np.array([self._value(m, counts[self.touched]) for m, counts in enumerate(self.counts)])
        every = [self._moved(m, np.ones((1, len(patch)), bool))[0] for m in range(len(models))]
        self.corrected = np.array(every)

    def _parts(self, counts: Floats) -> Floats:
        """(..., 2): what each label (or row) adds to numerator and denominator of the measure."""
        hits, predicted, positive, known = (counts[..., c] for c in range(4))
        if self.name == "hamming":
            return np.stack([positive + predicted - 2 * hits, known], axis=-1)
        if self.average == "micro":
            top, bottom = {
                "f1": (2 * hits, positive + predicted),
                "precision": (hits, predicted),
                "recall": (hits, positive),
                "jaccard": (hits, positive + predicted - hits),
            }[self.name]
            return np.stack([top, bottom], axis=-1)
        if self.name == "accuracy":
            values = (positive + predicted == 2 * hits).astype(np.float64)
        else:
            values = ratio(self.name, Counts(hits, predicted, positive, known))
        if self.average == "samples":
            has_cells = (known > 0).astype(np.float64)
            return np.stack([has_cells * values, has_cells], axis=-1)
        share = positive if self.average == "weighted" else (positive > 0 if self.skips else np.ones(positive.shape))
        return np.stack([share * values, share + 0.0 * values], axis=-1)

    def _value(self, model: int, counts: Floats) -> Any:
        """The measure for counts (..., n_touched, 4) of the touched labels (or rows)."""
        parts = self._parts(counts).sum(axis=-2) + self.rest[model]
        return divide(parts[..., 0], parts[..., 1], 0.0)

    def _moved(self, model: int, made: NDArray[np.bool_]) -> Floats:
        """Values with these changes made, one row of ``made`` (n, n_changes) each."""
        from scipy.sparse import csr_array

        n_cells, n_touched = len(self.patch), self.touched.size
        own = self.counts[model][self.touched]
        if not n_cells:
            return np.full(len(made), self.value[model])
        columns = (self.place[:, None] * 4 + np.arange(4)).ravel()
        steps = csr_array(
            (self.deltas[model].ravel(), columns, np.arange(0, 4 * n_cells + 1, 4)), shape=(n_cells, 4 * n_touched)
        )
        out = np.empty(len(made))
        step = max(1, _AT_ONCE // max(1, 4 * n_touched + n_cells))
        for begin in range(0, len(made), step):
            sums = made[begin : begin + step].astype(np.float64) @ steps
            out[begin : begin + step] = self._value(model, own + sums.reshape(-1, n_touched, 4))
        return out

    def draw(self, n: int, seed: int) -> Floats:
        """Values of all models (n, n_models) with changes made by chance."""
        rng = np.random.default_rng(seed)
        step = max(1, 2**24 // max(1, len(self.patch)))
        parts = []
        for begin in range(0, n, step):
            made = rng.random((min(step, n - begin), len(self.patch))) < self.p_wrong
            parts.append(np.stack([self._moved(m, made) for m in range(len(self.counts))], axis=1))
        return np.concatenate(parts)

    def effects(self, model: int) -> Floats:
        """How far each change alone moves a model's value."""
        own = self.counts[model][self.touched][self.place]
        parts = self._parts(self.counts[model][self.touched]).sum(axis=0) + self.rest[model]
        after = parts - self._parts(own) + self._parts(own + self.deltas[model])
        moved: Floats = divide(after[:, 0], after[:, 1], 0.0) - self.value[model]
        return moved

    def n_to_flip(self, a: int, b: int) -> float:
        """So many changes, by their effect on the lead of a over b, bring b level; NaN if none do."""
        lead = self.sign * (self.value[a] - self.value[b])
        effect = self.sign * (self.effects(a) - self.effects(b))
        order = np.flatnonzero(effect < 0)[np.argsort(effect[effect < 0], kind="stable")]
        if lead <= 0:
            return 0.0
        low, high = 0, order.size  # bisection over prefixes: the lead need not fall steadily, the answer is checked
        if not high or self._lead(a, b, order) > 0:
            return float("nan")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._lead(a, b, order[:middle]) <= 0 else (middle, high)
        return float(high)

    def _lead(self, a: int, b: int, changes: NDArray[np.int64]) -> float:
        made = np.zeros((1, len(self.patch)), bool)
        made[0, changes] = True
        return float(self.sign * (self._moved(a, made)[0] - self._moved(b, made)[0]))

    def cells(self, a: int, b: int) -> pd.DataFrame:
        """Changes that move the lead of a over b, the most harmful first."""
        import pandas as pd

        patch, effect = self.patch, self.sign * (self.effects(a) - self.effects(b))
        order = np.argsort(self.p_wrong * effect, kind="stable")
        order = order[effect[order] != 0]
        names = patch.labels if self.names is None else np.array(self.names, object)[patch.labels]
        return pd.DataFrame(
            {
                "row": patch.rows[order],
                "label": names[order],
                "old": patch.old[order],
                "new": patch.new[order],
                "p_wrong": self.p_wrong[order],
                "effect": effect[order],
            }
        )


def _of_cells(values: NDArray[np.int8], says: NDArray[np.bool_]) -> Floats:
    """(n, 4): hits, predicted, positive, known of single cells."""
    known, positive = values >= 0, values == 1
    return np.stack([positive & says, known & says, positive, known], axis=1).astype(np.float64)


def _label_names(y_true: Any, models: Mapping[str, Any], patch: CellPatch) -> Sequence[str] | None:
    """Names in the order of the patch's columns, as far as anything has names.

    Raises
    ------
    ValueError
        If models have labels in different orders, and neither truth nor patch says which is theirs.
    """
    if patch.label_names is not None:
        return patch.label_names
    own = _names_of("y_true", y_true)
    if own is not None:
        return own
    named = [(name, names) for name in models if (names := _names_of(f"models[{name!r}]", models[name])) is not None]
    for name, names in named[1:]:
        if names != named[0][1]:
            raise ValueError(
                f"models[{name!r}]: expected the labels of models[{named[0][0]!r}] in the same order, got others "
                "(y_true and patch have no names to align them by)"
            )
    return named[0][1] if named else None


def _names_of(argument: str, value: Any) -> tuple[str, ...] | None:
    return value.label_names if isinstance(value, LabelMatrix) else frame_names(argument, value)


def _predicted(
    y_true: Any, model: Any, threshold: Any, unknown: Any, names: Sequence[str] | None, n_jobs: int | None
) -> Prediction:
    if is_prediction(model):
        pair = check_pair(y_true, model, unknown=unknown, label_names=names, n_jobs=n_jobs)
        return Prediction(pair.truth, pair.predicted, None, None, pair.n_threads)
    cells = check_scored(y_true, model, unknown=unknown, label_names=names, n_jobs=n_jobs)
    cut = check_threshold(threshold, cells.shape[1], cells.array.dtype)
    return Prediction(cells.truth, None, cells, cut, cells.n_threads)
