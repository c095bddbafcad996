from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._core.labels import Labels, Scores

_Floats = NDArray[np.float64]
_Units = NDArray[np.uint64] | None
_Plain = NDArray[Any] | tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

def count_cells(
    truth: Labels, predicted: Labels, weights: _Units, by_row: bool, n_threads: int
) -> tuple[_Floats, Any]: ...
def count_cells_at(
    truth: Labels, scores: Scores, cut: _Floats, weights: _Units, by_row: bool, n_threads: int
) -> tuple[_Floats, Any]: ...
def sum_influences(truth: Labels, predicted: Labels, coefficients: _Floats, n_threads: int) -> _Floats: ...
def sum_influences_at(
    truth: Labels, scores: Scores, cut: _Floats, coefficients: _Floats, n_threads: int
) -> _Floats: ...
def bootstrap_rows(
    ids: NDArray[np.int64], values: NDArray[np.int64], seed: int, n_boot: int, n_threads: int
) -> NDArray[np.int64]: ...
def bootstrap_columns(
    ids: NDArray[np.int64], columns: list[_Floats], scales: _Floats, seed: int, n_boot: int, n_threads: int
) -> NDArray[np.int64]: ...
def bootstrap_labels(
    truth: Labels,
    predicted: Labels,
    ids: NDArray[np.int64],
    seed: int,
    begin: int,
    n_boot: int,
    n_threads: int,
) -> NDArray[np.int32]: ...
def bootstrap_labels_at(
    truth: Labels,
    scores: Scores,
    cut: _Floats,
    ids: NDArray[np.int64],
    seed: int,
    begin: int,
    n_boot: int,
    n_threads: int,
) -> NDArray[np.int32]: ...
def rank_rows(
    labels: Labels,
    scores: Scores,
    discounts: _Floats,
    gain_limit: int,
    by_row: bool,
    ks: list[int],
    propensities: _Floats | None,
    ties_average: bool,
    drops_absent: bool,
    n_threads: int,
) -> tuple[_Floats, _Floats]: ...
def top_labels(labels: Labels, scores: Scores, k: int, drops_absent: bool, n_threads: int) -> NDArray[np.int32]: ...
def label_curves(labels: Labels, scores: Scores, weights: _Units, max_fpr: float, n_threads: int) -> _Floats: ...
def curve_influences(
    labels: Labels, scores: Scores, units: _Units, weights: _Floats | None, shares: _Floats, n_threads: int
) -> tuple[_Floats, _Floats, _Floats]: ...
def pooled_influences(labels: Labels, scores: Scores, weights: _Units, n_threads: int) -> tuple[_Floats, _Floats]: ...
def pooled_curve(labels: Labels, scores: Scores, weights: _Units, max_fpr: float, n_threads: int) -> _Floats: ...
def bin_cells(
    labels: Labels,
    scores: Scores,
    edges: _Floats,
    by_label: bool,
    closed_left: bool,
    weights: _Floats | None,
    n_threads: int,
) -> _Floats: ...
def sum_losses(
    labels: Labels, scores: Scores, by_label: bool, epsilon: float, weights: _Floats | None, n_threads: int
) -> _Floats: ...
def calibrate(
    labels: Labels, scores: Scores, edges: _Floats, epsilon: float, weights: _Floats | None, n_threads: int
) -> tuple[_Floats, _Floats]: ...
def cover_rows(labels: Labels, scores: Scores, n_threads: int) -> _Floats: ...
def count_plain_labels(
    truth: _Plain, predicted: _Plain, n_rows: int, n_labels: int, by_label: bool, n_threads: int
) -> _Floats | None: ...
def count_plain_rows(
    truth: _Plain, predicted: _Plain, n_rows: int, n_labels: int, n_threads: int
) -> NDArray[np.int32] | None: ...
def sum_plain_ratios(
    truth: _Plain, predicted: _Plain, n_rows: int, n_labels: int, ratio: _Floats, n_threads: int
) -> tuple[float, int, int, int] | None: ...
def sum_ratios(rows: NDArray[np.int32], ratio: _Floats) -> tuple[float, int, int, int]: ...
def count_words(truth: Labels, predicted: Labels, units: NDArray[np.uint64], n_threads: int) -> NDArray[np.int64]: ...
def count_words_at(
    truth: Labels, scores: Scores, cut: _Floats, units: NDArray[np.uint64], n_threads: int
) -> NDArray[np.int64]: ...
def bin_words(
    labels: Labels, scores: Scores, edges: _Floats, weights: _Floats | None, n_threads: int
) -> NDArray[np.int64]: ...
def loss_words(
    labels: Labels, scores: Scores, epsilon: float, weights: _Floats | None, n_threads: int
) -> NDArray[np.int64]: ...
def bootstrap_label_weights(
    truth: Labels,
    predicted: Labels,
    ids: NDArray[np.int64],
    units: NDArray[np.uint64],
    seed: int,
    begin: int,
    n_boot: int,
    n_threads: int,
) -> NDArray[np.int64]: ...
def bootstrap_label_weights_at(
    truth: Labels,
    scores: Scores,
    cut: _Floats,
    ids: NDArray[np.int64],
    units: NDArray[np.uint64],
    seed: int,
    begin: int,
    n_boot: int,
    n_threads: int,
) -> NDArray[np.int64]: ...
def curve_points(labels: Labels, scores: Scores, weights: _Units, n_threads: int) -> _Floats: ...
