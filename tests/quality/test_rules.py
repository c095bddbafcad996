"""Rules: violations against plain loops, every form of a hierarchy, unknown cells, each message."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from mlkit._validation.rules import check_hierarchy
from mlkit.labels import as_label_matrix
from mlkit.quality import rule_violations
from reference import evidence as oracle

NAMES = ["animal", "dog", "poodle", "cat", "car"]
PARENTS = [-1, 0, 1, 0, -1]


class Graph:
    """What is used of a networkx graph."""

    def __init__(self, edges, directed=True):
        self._edges, self._directed = edges, directed

    def edges(self):
        return self._edges

    def is_directed(self):
        return self._directed


def random_rules(rng, n_labels):
    orphan = [(int(c), int(p)) for c, p in zip(rng.permutation(n_labels)[1:], range(n_labels)) if p < c][:4]
    pairs = [tuple(map(int, rng.choice(n_labels, 2, replace=False))) for _ in range(4)]
    counts = [(sorted(map(int, rng.choice(n_labels, 3, replace=False))), 1, 2), (list(range(n_labels)), 0, 3)]
    return orphan, sorted(set(pairs[:2])), sorted(set(pairs[2:])), counts


@pytest.mark.parametrize("n", [1, 2, 30])
def test_violations_equal_the_plain_loops(n):
    for seed in range(25):
        rng = np.random.default_rng([seed, n])
        labels = rng.choice(np.array([-1, 0, 1], np.int8), (n, 6), p=[0.1, 0.5, 0.4])
        orphan, implies, excludes, counts = random_rules(rng, 6)
        rules = [("implies", *pair) for pair in implies] + [("excludes", *pair) for pair in excludes]
        rules += [("count", *count) for count in counts]
        expected = oracle.violations(labels, orphan, implies, excludes, counts)
        for form in (labels, csr_array(labels), as_label_matrix(labels, background="unknown")):
            if n == 1 and not isinstance(form, np.ndarray):
                continue
            found = rule_violations(form, hierarchy=[(p, c) for c, p in orphan], rules=rules)
            assert list(found.itertuples(index=False, name=None)) == expected


@pytest.mark.parametrize(
    "hierarchy",
    [
        PARENTS,
        np.array(PARENTS, np.int32),
        [(0, 1), (1, 2), (0, 3)],
        [("animal", "dog"), ("dog", "poodle"), ("animal", "cat")],
        np.array([[0, 1], [1, 2], [0, 3]]),
        Graph([("animal", "dog"), ("dog", "poodle"), ("animal", "cat")]),
        ["animal", "animal/dog", "animal/dog/poodle", "animal/pets/cat", "car"],
    ],
)
def test_every_form_of_a_hierarchy_means_the_same(hierarchy):
    assert sorted(check_hierarchy(hierarchy, 5, NAMES)) == [(1, 0), (2, 1), (3, 0)]
    labels = [["dog", "poodle"], ["animal", "poodle"], ["car"], ["animal", "cat"]]
    found = rule_violations(labels, label_names=NAMES, hierarchy=hierarchy)
    assert found.to_numpy().tolist() == [[0, "orphan", "dog", "animal"], [1, "orphan", "poodle", "dog"]]


def test_a_label_may_have_several_parents():
    found = rule_violations(np.array([[0, 1, 1], [1, 1, 1]]), hierarchy=[(0, 2), (1, 2)])
    assert found.to_numpy().tolist() == [[0, "orphan", 2, 0]]


def test_without_rules_nothing_is_broken():
    found = rule_violations(np.eye(4, dtype=int))
    assert list(found.columns) == ["row", "kind", "label", "other"]
    assert len(found) == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"hierarchy": "A/B"}, TypeError, r"hierarchy: expected a parent array .*, got str 'A/B'"),
        ({"hierarchy": [0, -1]}, ValueError, r"hierarchy: expected 5 parents, one for each label, got 2"),
        ({"hierarchy": [-1, 0, 9, 0, -1]}, ValueError, r"label numbers in \[0, 5\) or -1, got 9 at position 2"),
        ({"hierarchy": [1, 2, 0, -1, -1]}, ValueError, r"hierarchy: expected no cycles, got one through label 0"),
        ({"hierarchy": [(1, 1)]}, ValueError, r"expected no label above itself, got label 1 at position 0"),
        ({"hierarchy": [("dog", "pudel")]}, ValueError, r"hierarchy: expected names in label_names, got 'pudel'"),
        ({"hierarchy": [("dog", "poodel")]}, ValueError, r"at position 0 \(did you mean 'poodle'\?\)"),
        ({"hierarchy": [(0, 1, 2)]}, TypeError, r"got tuple \(0, 1, 2\) at position 0"),
        ({"hierarchy": [(0, 5)]}, ValueError, r"expected label numbers in \[0, 5\), got 5 at position 0"),
        ({"hierarchy": [(0, 1.5)]}, TypeError, r"expected label numbers or names, got float 1.5 at position 0"),
        ({"hierarchy": Graph([(0, 1)], False)}, ValueError, r"expected a directed graph"),
        ({"hierarchy": ["a", "b"]}, ValueError, r"expected 5 paths, one for each label, got 2"),
        ({"hierarchy": ["a", "b", "a", "c", "d"]}, ValueError, r"distinct paths, got 'a' at positions 0 and 2"),
        ({"rules": "implies"}, TypeError, r"rules: expected a list of \('implies', a, b\), .*, got str 'implies'"),
        ({"rules": [("implies", 0)]}, ValueError, r"rules: expected .*, got \('implies', 0\) at position 0"),
        ({"rules": [([], 0, 1)]}, ValueError, r"rules: expected .* at position 0"),
        ({"rules": [("excludes", 0, 0)]}, ValueError, r"rules: expected two different labels"),
        ({"rules": [("count", "dog", 0, 1)]}, TypeError, r"expected a list of labels to count, got str 'dog'"),
        ({"rules": [("count", [0], 2, 1)]}, ValueError, r"rules: the largest count at position 0: .*>= 2, got 1"),
    ],
)
def test_bad_rules_are_named(options, error, message):
    with pytest.raises(error, match=message):
        rule_violations([["dog"]], label_names=NAMES, **options)


def test_names_need_label_names():
    with pytest.raises(
        ValueError, match=r"hierarchy: expected label numbers, got 'dog' at position 0 \(pass label_nam"
    ):
        rule_violations(np.eye(2, dtype=int), hierarchy=[("dog", "poodle")])
