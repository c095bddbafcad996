from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

class Labels:
    def __init__(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        values: NDArray[np.int8] | None,
        n_labels: int,
        unknown_background: bool,
    ) -> None: ...

class Scores:
    @overload
    def __init__(self, dense: NDArray[Any], clip: bool) -> None: ...
    @overload
    def __init__(
        self, indptr: NDArray[np.int64], indices: NDArray[np.int32], data: NDArray[Any], n_labels: int, clip: bool
    ) -> None: ...

class PairMeasure:
    count: PairMeasure
    jaccard: PairMeasure
    dice: PairMeasure
    cosine: PairMeasure
    lift: PairMeasure
    pmi: PairMeasure
    phi: PairMeasure

def from_dense(indicator: NDArray[Any], unknown_background: bool, n_threads: int) -> dict[str, Any]: ...
def scan_rows(
    indptr: NDArray[np.int64], indices: NDArray[Any], n_columns: int, n_threads: int
) -> tuple[int, int, int]: ...
def scan_scores(scores: Scores, low: float, high: float, n_threads: int) -> dict[str, Any]: ...
def count_labels(labels: Labels, n_threads: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def cooccurrence(
    labels: Labels, measure: PairMeasure, min_count: int, top: int, n_threads: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]: ...
