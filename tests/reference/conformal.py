"""Conformal label sets by going through all 2^L of them, in whole numbers and fractions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np


def shift(n_labels: int) -> int:
    return min(40, 55 - math.ceil(math.log2(n_labels)))


def units(x: float, n_labels: int) -> int:
    return math.floor(x * 2 ** shift(n_labels) + 0.5)


def surprise(p: float, complement: float) -> float:
    if p > 0.5:
        return -math.log1p(-complement)
    return min(64.0, -math.log(p)) if p > 0 else 64.0


def cell_cost(score: str, p: float, value: int, n_labels: int) -> int:
    zero, one = surprise(1 - p, p), surprise(p, 1 - p)
    if score == "log":
        return units(one if value else zero, n_labels)
    if score == "log_centered":
        return units(one if value else zero, n_labels) - units((1 - p) * zero + p * one, n_labels)
    if score == "hamming":
        return units(float(value != (p >= 0.5)), n_labels)
    if score == "linf":
        return units(1.0, n_labels) - units(p, n_labels) if value else units(p, n_labels)
    power = {"l1": 1, "l2": 2, "lp": 2}[score]
    return units((1 - p if value else p) ** power, n_labels)


def set_score(score, p: np.ndarray, labels: tuple[int, ...]):
    """Score of a 0/1 tuple, by a built-in name or a function; -1 cells are left out."""
    if callable(score):
        return score(p, labels)
    costs = [cell_cost(score, float(x), v, len(p)) for x, v in zip(p, labels) if v >= 0]
    return (max if score == "linf" else sum)(costs, **({"default": 0} if score == "linf" else {}))


def all_sets(n_labels: int) -> list[tuple[int, ...]]:
    return list(itertools.product((0, 1), repeat=n_labels))


def p_value(calibration: list[int], a: int) -> Fraction:
    return Fraction(1 + sum(c >= a for c in calibration), len(calibration) + 1)


def smoothed_p_value(calibration: list[int], a: int, u: float) -> Fraction:
    above, tied = sum(c > a for c in calibration), sum(c == a for c in calibration)
    return (above + Fraction(u) * (1 + tied)) / (len(calibration) + 1)


def quadratic(upper: np.ndarray):
    """Squared length of U abs(y - p), added label after label."""

    def score(p: np.ndarray, labels: tuple[int, ...]) -> float:
        errors = [abs(v - float(x)) for v, x in zip(labels, p)]
        total = 0.0
        for i in range(len(p)):
            t = 0.0
            for j in range(i, len(p)):
                t += float(upper[i, j]) * errors[j]
            total += t * t
        return total

    return score


def pair_unseen(seen_in: np.ndarray, weight: float, power: str = "l2"):
    """Sum of powers of errors, and a weight for each pair of labels that no row of `seen_in` holds together."""

    def score(p: np.ndarray, labels: tuple[int, ...]) -> int:
        total = set_score(power, p, labels)
        for j, k in itertools.combinations([k for k, v in enumerate(labels) if v == 1], 2):
            if not any(row[j] == 1 and row[k] == 1 for row in seen_in.tolist()):
                total += units(weight, len(p))
        return total

    return score


class Region:
    """Every label set of one example with its p-value, and those that exceed the significance level."""

    def __init__(self, score, p: np.ndarray, calibration: list[int], level: str, u: float | None = None) -> None:
        significance = 1 - Fraction(level)
        self.n_labels = len(p)
        self.scores = {y: set_score(score, p, y) for y in all_sets(len(p))}
        self.p = {
            y: p_value(calibration, a) if u is None else smoothed_p_value(calibration, a, u)
            for y, a in self.scores.items()
        }
        self.sets = {y for y, value in self.p.items() if value > significance}

    def labels_in(self, test) -> list[bool]:
        return [bool(self.sets) and test(y[k] for y in self.sets) for k in range(self.n_labels)]

    @property
    def certain(self) -> list[bool]:
        return self.labels_in(all)

    @property
    def excluded(self) -> list[bool]:
        return self.labels_in(lambda values: not any(values))

    @property
    def best_p(self) -> Fraction:
        return max(self.p.values())

    @property
    def second_p(self) -> Fraction:
        return sorted(self.p.values())[-2]

    def flip_p(self, best: tuple[int, ...]) -> list[Fraction]:
        return [max(value for y, value in self.p.items() if y[k] != best[k]) for k in range(self.n_labels)]

    @property
    def cardinalities(self) -> tuple[int, int]:
        sizes = [sum(y) for y in self.sets]
        return (min(sizes), max(sizes)) if sizes else (-1, -1)

    @property
    def histogram(self) -> list[int]:
        counts = [0] * (self.n_labels + 1)
        for y in self.sets:
            counts[sum(y)] += 1
        return counts

    @property
    def frequency(self) -> list[Fraction]:
        return [Fraction(sum(y[k] for y in self.sets), len(self.sets)) for k in range(self.n_labels)]


def p_value_sum(score: str, p: np.ndarray, calibration: list[int]) -> Fraction:
    return sum((p_value(calibration, set_score(score, p, y)) for y in all_sets(len(p))), Fraction(0))
