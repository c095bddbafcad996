import numpy as np
from numpy.typing import NDArray

from mlkit._core.labels import Labels, Scores

_Costs = NDArray[np.int64]
_Subsets = tuple[_Costs, NDArray[np.int64], NDArray[np.int32]]
_Nodes = tuple[int, NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.uint64]]

class Score:
    lp: Score
    log: Score
    log_centered: Score
    hamming: Score
    linf: Score

class ScoreRule:
    def __init__(self, kind: Score, power: float, cut: float, shift: int) -> None: ...

class Flips:
    def __init__(
        self,
        differences: _Costs,
        best: _Costs,
        empty: _Costs,
        indptr: NDArray[np.int64] | None,
        indices: NDArray[np.int32] | None,
        n_labels: int,
        implicit: int,
        one: int,
    ) -> None: ...

class DepthFirst:
    def __init__(self, costs: _Costs, budget: int, maximum: bool) -> None: ...
    def take(self, most: int) -> _Subsets: ...

class ByCost:
    def __init__(self, costs: _Costs, budget: int, maximum: bool) -> None: ...
    def take(self, most: int) -> _Subsets: ...

class QuadraticForm:
    def __init__(self, precision: NDArray[np.float64], upper: NDArray[np.float64], split: float) -> None: ...

class Risk:
    fnr: Risk
    miscoverage: Risk
    fp: Risk

def flip_costs(scores: Scores, rule: ScoreRule, n_threads: int) -> tuple[_Costs, _Costs, _Costs, int]: ...
def score_cells(labels: Labels, scores: Scores, rule: ScoreRule, n_threads: int) -> _Costs: ...
def score_sets(flips: Flips, labels: Labels, n_threads: int) -> _Costs: ...
def project(flips: Flips, thresholds: _Costs, n_threads: int) -> NDArray[np.uint8]: ...
def flip_p_values(flips: Flips, calibration: _Costs, n_threads: int) -> NDArray[np.float64]: ...
def cardinality_bounds(
    flips: Flips, thresholds: _Costs, n_threads: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def count_rows(
    flips: Flips, thresholds: _Costs, node_cap: int, n_buckets: int, n_threads: int
) -> tuple[list[bytes], list[bytes]]: ...
def total_sizes(
    flips: Flips, calibration: _Costs, n_buckets: int, n_threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def write_bits(
    costs: _Costs, bits: NDArray[np.uint64], budget: int, best: int, most: int
) -> tuple[NDArray[np.uint64], int]: ...
def count_one_by_one(costs: _Costs, budget: int) -> int: ...
def count_in_halves(costs: _Costs, budget: int, list_cap: int) -> int | None: ...
def count_bracket(costs: _Costs, budget: int, n_buckets: int) -> tuple[bytes, bytes]: ...
def threshold_bdd(costs: _Costs, budget: int, node_cap: int) -> _Nodes | None: ...
def quadratic_scores(labels: Labels, scores: Scores, form: QuadraticForm, n_threads: int) -> NDArray[np.float64]: ...
def quadratic_best(
    scores: Scores, form: QuadraticForm, with_flips: bool, n_threads: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]: ...
def quadratic_project(
    scores: Scores, form: QuadraticForm, thresholds: NDArray[np.float64], n_threads: int
) -> NDArray[np.uint8]: ...
def quadratic_count(
    scores: Scores, form: QuadraticForm, thresholds: NDArray[np.float64], most: int, n_threads: int
) -> tuple[list[bytes], list[bytes]]: ...
def quadratic_sets(
    scores: Scores, form: QuadraticForm, threshold: float, most: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]: ...
def risk_jumps(
    labels: Labels, scores: Scores, risk: Risk, n_threads: int
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64]]: ...
def false_discoveries(
    labels: Labels, scores: Scores, grid: NDArray[np.float64], n_threads: int
) -> NDArray[np.int64]: ...
def extremes(labels: Labels, scores: Scores, n_threads: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def certified_groups(
    examples: NDArray[np.int32],
    units: NDArray[np.int64],
    ends: NDArray[np.int64],
    n_examples: int,
    level: float,
    log_inverse_delta: float,
    n_threads: int,
) -> int: ...
