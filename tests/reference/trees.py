"""Reference for the tree room: plain NumPy over dense arrays, one label and one path at a time, no speed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALLEST = np.finfo(np.float32).tiny


# --------------------------------------------------------------------------------------------------------------- models


def dense_models(tree: Any, model: dict[str, NDArray[Any]], n_features: int) -> tuple[Floats, Floats]:
    """Return weights with the bias last: of each node's model at its parent, and of each label's at its leaf."""
    nodes = np.zeros((tree.n_nodes, n_features + 1))
    labels = np.zeros((tree.n_labels, n_features + 1))
    nodes[:, -1] = model["node_bias"]
    labels[tree.label_order, -1] = model["label_bias"]
    for v in range(tree.n_nodes):
        for at in range(model["chunk_begin"][v], model["chunk_begin"][v + 1]):
            feature = model["features"][at]
            for e in range(model["row_begin"][at], model["row_begin"][at + 1]):
                column, weight = model["columns"][e], model["weights"][e]
                if tree.n_children[v]:
                    nodes[tree.children(v)[column], feature] = weight
                else:
                    labels[tree.labels(v)[column], feature] = weight
    return nodes, labels


def score(loss: str, margin: float) -> float:
    """Return the score of one model."""
    if loss == "log":
        return float(1 / (1 + np.exp(-margin)))
    return float(np.exp(-(max(0.0, 1 - margin) ** 2)))


def all_scores(classifier: Any, X: Floats) -> tuple[Floats, Floats]:
    """Return mean path products and mean margins of all labels."""
    total, margins = np.zeros((2, len(X), classifier.n_labels_))
    X = np.column_stack([X, np.ones(len(X))])
    for tree, model in zip(classifier.trees_, classifier._models, strict=True):
        nodes, labels = dense_models(tree, model, X.shape[1] - 1)
        for i, x in enumerate(X):
            for label in range(tree.n_labels):
                product = score(classifier.loss, labels[label] @ x)
                for v in tree.path(label)[1:]:
                    product *= score(classifier.loss, nodes[v] @ x)
                total[i, label] += product
                margins[i, label] += labels[label] @ x
    n_trees = len(classifier.trees_)
    return np.maximum(total / n_trees, SMALLEST), margins / n_trees


def beam_scores(classifier: Any, X: Floats, beam: int) -> Floats:
    """Return mean path products of the labels that survive; 0 for the others."""
    total = np.zeros((len(X), classifier.n_labels_))
    X = np.column_stack([X, np.ones(len(X))])
    for tree, model in zip(classifier.trees_, classifier._models, strict=True):
        nodes, labels = dense_models(tree, model, X.shape[1] - 1)
        for i, x in enumerate(X):
            alive = {0: 1.0}
            while any(tree.n_children[v] for v in alive):
                grown = {v: p for v, p in alive.items() if not tree.n_children[v]}
                for v, p in alive.items():
                    grown.update({int(c): p * score(classifier.loss, nodes[c] @ x) for c in tree.children(v)})
                alive = dict(sorted(grown.items(), key=lambda item: (-item[1], item[0]))[:beam])
            for v, p in alive.items():
                for label in tree.labels(v):
                    total[i, label] += p * score(classifier.loss, labels[label] @ x)
    return total / len(classifier.trees_)


def ranking(scores: NDArray[np.float32], margins: Floats) -> NDArray[np.int64]:
    """Return the labels of each row, best first."""
    return np.stack([np.lexsort((np.arange(s.size), -m, -s)) for s, m in zip(scores, margins, strict=True)])


# ----------------------------------------------------------------------------------------------------------- objectives


def objective(loss: str, weights: Floats, X: Floats, signs: Floats, costs: Floats) -> float:
    """Return LIBLINEAR's primal objective; the bias is the last weight and X has its column of ones."""
    margins = signs * (X @ weights)
    errors = np.logaddexp(0, -margins) if loss == "log" else np.maximum(0, 1 - margins) ** 2
    return float(weights @ weights / 2 + costs @ errors)


# ------------------------------------------------------------------------------------------------------------ structure


def huffman_cost(weights: list[int]) -> int:
    """Return the least possible sum of weight times depth of a binary tree."""
    weights, cost = sorted(weights), 0
    while len(weights) > 1:
        joined = weights[0] + weights[1]
        cost += joined
        weights = sorted([*weights[2:], joined])
    return cost


# ---------------------------------------------------------------------------------------------------------------- HOMER


def homer(tree: Any, make: Any, X: Floats, y: NDArray[np.int64], new: Floats, node: int = 0) -> set[tuple[int, int]]:
    """Return the (row of ``new``, label) pairs that are reached from a node, training on the way down."""
    if not tree.n_children[node] and tree.labels(node).size == 1 and node:
        return {(i, int(tree.labels(node)[0])) for i in range(len(new))}
    groups = [tree.labels(c) for c in tree.children(node)] or [[j] for j in tree.labels(node)]
    targets = np.column_stack([y[:, group].any(axis=1) for group in groups]).astype(np.int64)
    found: set[tuple[int, int]] = set()
    decided = np.zeros((len(new), len(groups)), bool)
    varying = [c for c in range(len(groups)) if 0 < targets[:, c].sum() < len(targets)]
    for c in range(len(groups)):
        decided[:, c] = bool(len(targets) and targets[:, c].all())
    if varying:
        chosen = targets[:, varying * 2 if len(varying) == 1 else varying]
        decided[:, varying] = (make().fit(X, chosen).predict(new) > 0)[:, : len(varying)]
    for c, group in enumerate(groups):
        rows = np.flatnonzero(decided[:, c])
        if not tree.n_children[node]:
            found |= {(int(i), int(group[0])) for i in rows}
        elif rows.size:
            below = targets[:, c] == 1
            deeper = homer(tree, make, X[below], y[below], new[rows], int(tree.children(node)[c]))
            found |= {(int(rows[i]), label) for i, label in deeper}
    return found
