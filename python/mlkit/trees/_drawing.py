"""Other forms of a tree: tables, graphs, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.optional import require

if TYPE_CHECKING:
    import pandas as pd

    from mlkit.trees._questions import TreeQuestions

_ROW = 0.22  # inches for a leaf
_LONGEST = 60  # characters at a leaf


def linkage_of(tree: TreeQuestions) -> NDArray[np.float64]:
    inner = np.flatnonzero(tree.n_children)
    if (tree.n_children[inner] != 2).any() or tree.leaves.size != tree.n_labels:
        raise ValueError("to_linkage: expected two children for every inner node and one label in every leaf")
    height = np.zeros(tree.n_nodes, np.int64)
    for v in range(tree.n_nodes - 1, 0, -1):
        height[tree.parent[v]] = max(height[tree.parent[v]], height[v] + 1)
    merges = inner[np.lexsort((-inner, height[inner]))]
    number = np.empty(tree.n_nodes, np.int64)
    number[tree.leaves] = tree.label_order[tree.label_begin[tree.leaves]]
    number[merges] = tree.n_labels + np.arange(merges.size)
    first = tree.first_child[merges]
    pairs = np.sort(np.column_stack([number[first], number[first + 1]]), axis=1)
    return np.column_stack([pairs, height[merges], (tree.label_end - tree.label_begin)[merges]]).astype(np.float64)


def frame_of(tree: TreeQuestions) -> pd.DataFrame:
    import pandas as pd

    is_leaf = tree.n_children == 0
    labels = [tree.labels(v).tolist() if is_leaf[v] else [] for v in range(tree.n_nodes)]
    if tree.label_names is not None:
        labels = [[tree.label_names[j] for j in of_leaf] for of_leaf in labels]
    columns: dict[str, Any] = {
        "parent": tree.parent,
        "depth": tree.node_depth,
        "n_children": tree.n_children,
        "n_labels": tree.label_end - tree.label_begin,
        "labels": labels,
    }
    if tree.node_names is not None:
        columns["name"] = list(tree.node_names)
    return pd.DataFrame(columns).rename_axis("node")


def graph_of(tree: TreeQuestions) -> Any:
    graph = require("networkx", extra="graph", purpose="to_networkx").DiGraph()
    for v in range(tree.n_nodes):
        leaf = {"labels": tree.labels(v).tolist()} if tree.n_children[v] == 0 else {}
        graph.add_node(v, **leaf, **({"name": tree.node_names[v]} if tree.node_names is not None else {}))
    graph.add_edges_from((int(tree.parent[v]), v) for v in range(1, tree.n_nodes))
    return graph


def dot_of(tree: TreeQuestions, names: tuple[str, ...]) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = ["digraph labels {", "  rankdir=LR;", "  node [shape=box];"]
    for v in range(tree.n_nodes):
        text = tree.node_names[v] if tree.node_names is not None else ""
        if tree.n_children[v] == 0:
            text = (text + ": " if text else "") + ", ".join(names[j] for j in tree.labels(v))
        lines.append(f"  {v} [label={quoted(text)}];")
    lines += [f"  {tree.parent[v]} -> {v};" for v in range(1, tree.n_nodes)]
    return "\n".join([*lines, "}"]) + "\n"


def draw(tree: TreeQuestions, ax: Any, names: tuple[str, ...], color: Any, max_names: int) -> Any:
    values = None
    if color is not None:
        values = np.asarray(color, dtype=float)
        if values.shape != (tree.n_labels,):
            raise ValueError(f"color: expected one number for each of {tree.n_labels} labels, got shape {values.shape}")
    leaves = tree.leaves[np.argsort(tree.label_begin[tree.leaves])]
    if ax is None:
        pyplot = require("matplotlib.pyplot", extra="plot", purpose="plotting")
        ax = pyplot.subplots(figsize=(8, max(1.5, _ROW * leaves.size)), layout="constrained")[1]
    y = np.zeros(tree.n_nodes)
    y[leaves] = np.arange(leaves.size)
    inner = np.flatnonzero(tree.n_children)
    for v in inner[::-1].tolist():
        below = tree.children(v)
        y[v] = (y[below[0]] + y[below[-1]]) / 2
    x = tree.node_depth.astype(float)
    for v in inner.tolist():
        below = tree.children(v)
        ax.plot([x[v], x[v]], [y[below].min(), y[below].max()], color="#9a9a9a", lw=1, zorder=1)
        for child in below:
            ax.plot([x[v], x[child]], [y[child], y[child]], color="#9a9a9a", lw=1, zorder=1)
    if values is None:
        ax.scatter(x, y, s=18, color="#2b6cb0", zorder=2)
    else:
        before = np.concatenate([[0.0], np.cumsum(values[tree.label_order])])
        mean = (before[tree.label_end] - before[tree.label_begin]) / (tree.label_end - tree.label_begin)
        points = ax.scatter(x, y, s=18, c=mean, cmap="viridis", zorder=2)
        ax.figure.colorbar(points, ax=ax, label="mean of the labels below", shrink=0.6)
    for v in leaves.tolist():
        labels = tree.labels(v)
        text = ", ".join(" ".join(names[j].split()) for j in labels[:max_names])
        more = labels.size - max_names
        text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
        text += f" + {more} more" if more > 0 else ""
        ax.annotate(text.replace("$", r"\$"), (x[v], y[v]), (6, 0), textcoords="offset points", va="center", fontsize=8)
    ax.invert_yaxis()
    ax.set_axis_off()
    return ax
