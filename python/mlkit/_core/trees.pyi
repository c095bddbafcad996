import numpy as np
from numpy.typing import NDArray

from mlkit._core.labels import Labels

_Ints = NDArray[np.int32]
_Longs = NDArray[np.int64]
_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]

class Rows:
    def __init__(self, indptr: _Longs, indices: _Ints, values: _Floats, n_features: int) -> None: ...

class Tree:
    def __init__(
        self,
        parent: _Ints,
        first_child: _Ints,
        n_children: _Ints,
        label_begin: _Ints,
        label_end: _Ints,
        label_order: _Ints,
    ) -> None: ...

class Models:
    def __init__(
        self,
        chunk_begin: _Longs,
        features: _Ints,
        row_begin: _Longs,
        columns: _Ints,
        weights: _Floats,
        node_bias: _Floats,
        label_bias: _Floats,
    ) -> None: ...

class Forest:
    def __init__(self, trees: list[Tree], models: list[Models]) -> None: ...

class Loss:
    squared_hinge: Loss
    log: Loss

def balanced_clusters(
    vectors: Rows, n_clusters: int, max_iter: int, seed: int, n_threads: int
) -> tuple[_Ints, int]: ...
def balanced_tree_order(
    vectors: Rows, arity: int, max_leaf: int, max_iter: int, seed: int, n_threads: int
) -> _Ints: ...
def train_tree(
    tree: Tree,
    x: Rows,
    y: Labels,
    loss: Loss,
    C: float,
    eps: float,
    max_iter: int,
    weight_threshold: float,
    is_balanced: bool,
    sample_weight: _Doubles | None,
    label_weight: _Doubles | None,
    seed: int,
    n_threads: int,
) -> tuple[_Longs, _Ints, _Longs, _Ints, _Floats, _Floats, _Floats, int]: ...
def most_weights(tree: Tree, x: Rows, y: Labels, n_threads: int) -> int: ...
def best_labels(
    forest: Forest, x: Rows, loss: Loss, k: int, beam: int, is_exact: bool, threshold: float, n_threads: int
) -> tuple[_Longs, _Ints, _Floats]: ...
def all_labels(forest: Forest, x: Rows, loss: Loss, as_margins: bool, n_threads: int) -> _Floats: ...
