"""What the score ``"pair_unseen"`` learns: which pairs of labels were seen together."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit import _core
from mlkit._validation.params import check_number
from mlkit.conformal.listings import packed
from mlkit.conformal.scores import PairUnseen, unit_shift
from mlkit.labels.cooccurrence import label_cooccurrence
from mlkit.labels.matrix import LabelMatrix

MOST_LABELS = 4096  # of searches: one bit for each pair


class PairForm:
    """Pairs of labels seen in training examples, and the score they make."""

    name = "pair_unseen"
    dtype: Any = np.int64
    most_labels = MOST_LABELS

    def __init__(self, labels: LabelMatrix, score: PairUnseen) -> None:
        self.n_labels = n = labels.shape[1]
        self.phi = check_number("phi", score.phi, 0, open_low=True)
        weight = check_number("weight", score.weight, 0, 64)
        most = n + weight * n * (n - 1) / 2  # that a set can score
        self.shift = min(unit_shift(n), 61 - math.ceil(math.log2(most + 1)))
        self.weight = math.floor(weight * 2.0**self.shift + 0.5)
        together = label_cooccurrence(labels)
        rows = np.repeat(np.arange(n), np.diff(together.indptr))
        is_pair = rows != together.indices
        self.indptr: NDArray[np.int64] = np.append(0, np.cumsum(np.bincount(rows[is_pair], minlength=n)))
        self.indices: NDArray[np.int32] = together.indices[is_pair].astype(np.int32)

    @property
    def n_seen_pairs(self) -> int:
        """Number of pairs of labels that occur together."""
        return self.indices.size // 2

    @property
    def rule(self) -> _core.conformal.ScoreRule:
        return _core.conformal.ScoreRule(_core.conformal.Score.lp, self.phi, 0.5, self.shift)

    @cached_property
    def core(self) -> _core.conformal.PairForm:
        unseen = self._unseen if self.n_labels <= MOST_LABELS else None
        return _core.conformal.PairForm(self.indptr, self.indices, unseen, self.rule, self.weight)

    @cached_property
    def _unseen(self) -> NDArray[np.uint64]:
        """Bits of the pairs that were not seen, one row for each label."""
        n = self.n_labels
        unseen = ~np.eye(n, dtype=bool)
        unseen[np.repeat(np.arange(n), np.diff(self.indptr)), self.indices] = False
        return packed(unseen)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("core", "_unseen")}

    def as_sum(self, probs: NDArray[np.float64], threshold: Any) -> tuple[NDArray[np.int64], int] | None:
        """Flip costs and best score of an example where no two labels of its region's sets make an unseen pair."""
        scores = _core.labels.Scores(probs[None], False)
        differences, best, _, _ = _core.conformal.flip_costs(scores, self.rule, 1)
        if threshold < best[0]:
            return None
        allowed = np.flatnonzero((differences < 0) | (np.abs(differences) <= threshold - best[0]))
        mask = np.zeros(self.n_labels, bool)
        mask[allowed] = True
        return None if (self._unseen[allowed] & packed(mask)).any() else (differences, int(best[0]))
