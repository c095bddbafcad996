"""Means over labels of what the best-scored labels of all rows retrieve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlkit import _core
from mlkit._validation.pairs import Scored
from mlkit.labels.matrix import LabelMatrix
from mlkit.metrics._counts import Counts
from mlkit.metrics._measures import LabelMeasure, Prediction
from mlkit.metrics.report import Findings


def top_predictions(cells: Scored, ks: Sequence[int]) -> Iterator[tuple[int, Prediction]]:
    """The best-scored known labels of each row as predicted ones, for each k, from one selection."""
    if not ks:
        return
    top = _core.metrics.top_labels(*cells.core, max(ks), False, cells.n_threads)
    for k in ks:
        best = np.sort(top[:, :k], axis=1)  # ranks that do not exist are -1
        indptr = np.concatenate([[0], np.cumsum((best >= 0).sum(axis=1), dtype=np.int64)])
        predicted = LabelMatrix(indptr, best[best >= 0], None, cells.shape[1])
        yield k, Prediction(cells.truth, predicted, None, None, cells.n_threads)


def top_measures(k: int) -> list[LabelMeasure]:
    """Means over labels of ratios of the k best-scored."""
    return [LabelMeasure(f"macro_{name}_at_{k}", name, False) for name in ("precision", "recall", "f1")]


def add_label_coverage(found: Findings, counts: Counts, k: int) -> None:
    """Share of the labels with a positive that are retrieved rightly."""
    n_present = int((counts.positive > 0).sum())
    share = int((counts.hits > 0).sum()) / n_present if n_present else float("nan")
    found.add(f"label_coverage_at_{k}", share, None, n_present, "no interval: one hit more or less turns a label")
