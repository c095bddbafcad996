from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._core.labels import Labels, Scores

_Floats = NDArray[np.float64]
_Counts = NDArray[np.int64]
_Cells = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int8], NDArray[np.float64], NDArray[np.int64]]

class PruneRule:
    prune_by_noise_rate: PruneRule
    prune_by_class: PruneRule
    both: PruneRule

class CellScore:
    self_confidence: CellScore
    confidence_weighted_entropy: CellScore
    error_posterior: CellScore

class Aggregate:
    exponential_moving_average: Aggregate
    softmin: Aggregate
    mean: Aggregate
    min: Aggregate
    max: Aggregate
    median: Aggregate
    k_smallest: Aggregate
    log: Aggregate

class DoubtHistogram:
    def __init__(
        self, labels: Labels, scores: Scores, absent: _Floats, present: _Floats, pooled: bool, n_threads: int
    ) -> None: ...
    @property
    def totals(self) -> _Counts: ...

def side_sums(labels: Labels, scores: Scores, n_threads: int) -> _Counts: ...
def thresholds_from_sums(sums: _Counts, n_positive: _Counts, n_negative: _Counts) -> _Floats: ...
def guess_cuts(thresholds: _Floats) -> tuple[_Floats, _Floats]: ...
def confident_cuts(thresholds: _Floats) -> tuple[_Floats, _Floats]: ...
def disagreement_cuts() -> tuple[float, float]: ...
def confident_joint(
    labels: Labels,
    scores: Scores,
    one: _Floats,
    zero: _Floats,
    n_negative: _Counts,
    histogram: DoubtHistogram | None,
    n_threads: int,
) -> _Counts: ...
def fill_histogram(histogram: DoubtHistogram, labels: Labels, scores: Scores, n_threads: int) -> None: ...
def calibrate_joint(joint: _Counts, n_positive: _Counts, n_negative: _Counts) -> _Counts: ...
def prune_budgets(
    joint: _Counts, n_positive: _Counts, n_negative: _Counts, frac_noise: float, min_examples: int, rule: Any
) -> _Counts: ...
def flag_rows(
    labels: Labels, scores: Scores, absent: _Floats, present: _Floats, n_threads: int
) -> NDArray[np.bool_]: ...
def flag_cells(labels: Labels, scores: Scores, absent: _Floats, present: _Floats, n_threads: int) -> _Cells: ...
def flag_rows_within(
    labels: Labels, scores: Scores, histogram: DoubtHistogram, budgets: _Counts, n_threads: int
) -> NDArray[np.bool_]: ...
def flag_cells_within(
    labels: Labels, scores: Scores, histogram: DoubtHistogram, budgets: _Counts, n_threads: int
) -> _Cells: ...
def row_scores(
    labels: Labels,
    scores: Scores,
    kind: Any,
    thresholds: _Floats | None,
    aggregate: Any,
    alpha: float,
    temperature: float,
    k: int,
    n_threads: int,
) -> _Floats: ...
def cell_scores(labels: Labels, scores: Scores, kind: Any, thresholds: _Floats | None, n_threads: int) -> _Floats: ...
def worst_cells(
    labels: Labels, scores: Scores, kind: Any, thresholds: _Floats | None, top: int, n_threads: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int8], _Floats, _Floats]: ...
def label_auc(labels: Labels, scores: Scores, n_negative: _Counts, n_threads: int) -> _Floats: ...
def reliability(labels: Labels, scores: Scores, n_negative: _Counts, tail: int, n_threads: int) -> _Floats: ...
def noise_rates(
    labels: Labels, scores: Scores, n_negative: _Counts, interior: float, border: float, n_threads: int
) -> _Floats: ...
def histogram_entries(
    labels: Labels, scores: Scores, n_negative: _Counts, n_threads: int
) -> tuple[_Counts, _Counts]: ...
def merge_entries(
    keys_a: _Counts, counts_a: _Counts, keys_b: _Counts, counts_b: _Counts
) -> tuple[_Counts, _Counts]: ...
def auc_from_entries(keys: _Counts, counts: _Counts, n_labels: int, n_threads: int) -> _Floats: ...
def noise_rates_from_entries(
    keys: _Counts, counts: _Counts, n_labels: int, interior: float, border: float, n_threads: int
) -> _Floats: ...
def reliability_from_entries(keys: _Counts, counts: _Counts, n_labels: int, tail: int, n_threads: int) -> _Floats: ...
def largest_excursions(
    labels: Labels, n_positive: _Counts, n_known: _Counts, n_threads: int
) -> tuple[_Counts, _Counts, _Counts, _Counts]: ...
def shared_excursion(labels: Labels, weight: _Floats, rate: _Floats) -> _Floats: ...
