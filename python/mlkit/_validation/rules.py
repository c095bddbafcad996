"""What must hold between labels: hierarchies and rules, as implications, exclusions and counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.params import check_integer, described, shorten, suggest

Names = Sequence[str] | None
_FORMS = "a parent array (-1: no parent), (parent, child) pairs, a networkx.DiGraph or label paths such as 'A/B/C'"
_RULES = "('implies', a, b), ('excludes', a, b) or ('count', labels, lo, hi)"


@dataclass(frozen=True)
class Rules:
    """``orphan``: (child, parent); ``implies``: (a, b), a is given only with b; ``excludes``: (a, b), not both;
    ``counts``: labels, and the least and most of them that a row has."""

    orphan: NDArray[np.int64]
    implies: NDArray[np.int64]
    excludes: NDArray[np.int64]
    counts: tuple[tuple[NDArray[np.int64], int, int], ...]


def check_rules(hierarchy: Any, rules: Any, n_labels: int, names: Names) -> Rules | None:
    """Judge both arguments; None if there are none.

    Raises
    ------
    TypeError, ValueError
        With one line that names the argument, what was expected, what was got, and where.
    """
    if hierarchy is None and rules is None:
        return None
    orphan = _pairs([] if hierarchy is None else check_hierarchy(hierarchy, n_labels, names))
    by_kind: dict[str, list[tuple[int, int]]] = {"implies": [], "excludes": []}
    counts = []
    if rules is not None and (isinstance(rules, (str, bytes, Mapping, Set)) or not isinstance(rules, Iterable)):
        raise TypeError(f"rules: expected a list of {_RULES}, got {described(rules)}")
    for place, rule in enumerate([] if rules is None else rules):
        kind = rule[0] if isinstance(rule, (tuple, list)) and rule and isinstance(rule[0], str) else ""
        if kind in by_kind and len(rule) == 3:
            a, b = (_label("rules", label, n_labels, names, place) for label in rule[1:])
            if a == b:
                raise ValueError(f"rules: expected two different labels, got {shorten(rule)} at position {place}")
            by_kind[kind].append((a, b))
        elif kind == "count" and len(rule) == 4:
            counts.append(_count(rule, n_labels, names, place))
        else:
            raise ValueError(f"rules: expected {_RULES}, got {shorten(rule)} at position {place}")
    return Rules(orphan, _pairs(by_kind["implies"]), _pairs(by_kind["excludes"]), tuple(counts))


def _pairs(pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(sorted(set(pairs)), np.int64).reshape(-1, 2)


def _count(rule: Any, n_labels: int, names: Names, place: int) -> tuple[NDArray[np.int64], int, int]:
    members = rule[1]
    if isinstance(members, (str, bytes)) or not isinstance(members, Iterable):
        raise TypeError(f"rules: expected a list of labels to count, got {described(members)} at position {place}")
    labels = sorted({_label("rules", label, n_labels, names, place) for label in members})
    low = check_integer(f"rules: the least count at position {place}", rule[2], low=0)
    high = check_integer(f"rules: the largest count at position {place}", rule[3], low=low)
    return np.array(labels, np.int64), low, high


def _label(argument: str, label: Any, n_labels: int, names: Names, place: Any) -> int:
    if isinstance(label, str):
        if names is None:
            raise ValueError(
                f"{argument}: expected label numbers, got {shorten(label)} at position {place} "
                "(pass label_names to use names)"
            )
        if label not in names:
            raise ValueError(
                f"{argument}: expected names in label_names, got {shorten(label)} at position {place}"
                f"{suggest(label, names)}"
            )
        return names.index(label)
    if isinstance(label, (bool, np.bool_)) or not isinstance(label, Integral):
        raise TypeError(f"{argument}: expected label numbers or names, got {described(label)} at position {place}")
    number = int(label)
    if not 0 <= number < n_labels:
        raise ValueError(f"{argument}: expected label numbers in [0, {n_labels}), got {number} at position {place}")
    return number


def check_hierarchy(hierarchy: Any, n_labels: int, names: Names) -> list[tuple[int, int]]:
    """Return the (child, parent) pairs of a hierarchy over the labels, whatever its form.

    Raises
    ------
    TypeError, ValueError
        With one line that names the argument, what was expected, what was got, and where.
    """
    edges = _edges(hierarchy, n_labels, names)
    for place, (child, parent) in enumerate(edges):
        if child == parent:
            raise ValueError(f"hierarchy: expected no label above itself, got label {child} at position {place}")
    _check_no_cycle(edges, n_labels)
    return edges


def _edges(hierarchy: Any, n_labels: int, names: Names) -> list[tuple[int, int]]:
    if hasattr(hierarchy, "edges") and hasattr(hierarchy, "is_directed"):
        if not hierarchy.is_directed():
            raise ValueError("hierarchy: expected a directed graph, got an undirected one (edges go parent -> child)")
        hierarchy = list(hierarchy.edges())
    if isinstance(hierarchy, (str, bytes, Mapping, Set)) or not isinstance(hierarchy, Iterable):
        raise TypeError(f"hierarchy: expected {_FORMS}, got {described(hierarchy)}")
    items = hierarchy.tolist() if isinstance(hierarchy, np.ndarray) else list(hierarchy)
    if items and all(isinstance(item, str) for item in items):
        return _edges_of_paths(items, n_labels)
    if items and all(isinstance(item, Integral) and not isinstance(item, bool) for item in items):
        return _edges_of_parents([int(item) for item in items], n_labels)
    pairs = []
    for place, item in enumerate(items):
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise TypeError(f"hierarchy: expected {_FORMS}, got {described(item)} at position {place}")
        parent, child = (_label("hierarchy", label, n_labels, names, place) for label in item)
        pairs.append((child, parent))
    return pairs


def _edges_of_parents(parents: list[int], n_labels: int) -> list[tuple[int, int]]:
    if len(parents) != n_labels:
        raise ValueError(f"hierarchy: expected {n_labels} parents, one for each label, got {len(parents)}")
    for child, parent in enumerate(parents):
        if not -1 <= parent < n_labels:
            raise ValueError(
                f"hierarchy: expected label numbers in [0, {n_labels}) or -1, got {parent} at position {child}"
            )
    return [(child, parent) for child, parent in enumerate(parents) if parent >= 0]


def _edges_of_paths(paths: list[str], n_labels: int) -> list[tuple[int, int]]:
    """The parent of 'A/B/C' is the label with the path 'A/B' or, if there is none, that of the nearest one above."""
    if len(paths) != n_labels:
        raise ValueError(f"hierarchy: expected {n_labels} paths, one for each label, got {len(paths)}")
    number: dict[tuple[str, ...], int] = {}
    for label, path in enumerate(paths):
        parts = tuple(path.split("/"))
        if parts in number:
            raise ValueError(
                f"hierarchy: expected distinct paths, got {shorten(path)} at positions {number[parts]} and {label}"
            )
        number[parts] = label
    edges = []
    for parts, label in number.items():
        above = next((parts[:k] for k in range(len(parts) - 1, 0, -1) if parts[:k] in number), None)
        if above is not None:
            edges.append((label, number[above]))
    return edges


def _check_no_cycle(edges: list[tuple[int, int]], n_labels: int) -> None:
    """Take labels away from the bottom up; what is left goes in circles."""
    n_children = np.zeros(n_labels, np.int64)
    parents: dict[int, set[int]] = {}
    for child, parent in set(edges):
        n_children[parent] += 1
        parents.setdefault(child, set()).add(parent)
    ready = np.flatnonzero(n_children == 0).tolist()
    n_done = 0
    while ready:
        n_done += 1
        for parent in parents.get(ready.pop(), ()):
            n_children[parent] -= 1
            if not n_children[parent]:
                ready.append(parent)
    if n_done < n_labels:
        label = int(np.flatnonzero(n_children > 0)[0])
        raise ValueError(f"hierarchy: expected no cycles, got one through label {label}")
