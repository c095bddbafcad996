"""Plant known faults in real labels and count what an audit's evidence finds, misses and imagines.

    python benchmarks/evidence.py DATA_FOLDER             # 50 seeds; some minutes
    python benchmarks/evidence.py DATA_FOLDER --seeds 5

Every run shuffles the rows, plants one fault, fits a model to the faulty labels (ridge regression on the features'
leading singular vectors, 5 folds, a logistic curve over each label's margins) and audits. "found": the fault is told,
of its kind and at its place; "also": some other evidence is told in the same audit; the line "nothing" shows false
alarms. DATA_FOLDER holds emotions.npz and so on, as the tests of real data read them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mlkit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from conftest import read_dataset

Labels = NDArray[np.int8]
SETS = ("emotions", "yeast", "bibtex", "brighter")
N_FOLDS, N_COMPONENTS = 5, 150


@dataclass(frozen=True)
class Planted:
    """Faulty labels, and which findings (kind of evidence, tables) are the fault's."""

    labels: Labels
    is_told: Callable[[mlkit.LabelAudit], bool]
    kinds: frozenset[str]
    learned: Labels | None = None  # what the model was fitted to, if not to the faulty labels


def near(audit: mlkit.LabelAudit, rows: tuple[int, ...], kind: str | None = None, lag: int | None = None) -> bool:
    """Whether some break lies within 3 % of the rows of one of these."""
    breaks = audit.breaks()
    if kind is not None:
        breaks = breaks[breaks["kind"] == kind]
    if lag is not None:
        breaks = breaks[breaks["lag"] == lag]
    return any(abs(found - row) <= 0.03 * audit.shape[0] for found in breaks["row"] for row in rows)


def segment(rng: np.random.Generator, n: int, share: float) -> tuple[int, int]:
    begin = int(rng.uniform(0.15, 0.85 - share) * n)
    return begin, begin + int(share * n)


def nothing(rng: np.random.Generator, labels: Labels) -> Planted:
    return Planted(labels, lambda audit: False, frozenset())


def shifted_block(rng: np.random.Generator, labels: Labels) -> Planted:
    begin, end = segment(rng, len(labels), 0.4)
    labels[begin:end, :-1], labels[begin:end, -1] = labels[begin:end, 1:], 0
    kinds = frozenset({"shift", "break", "order", "flags", "swap"})
    return Planted(labels, lambda audit: near(audit, (begin, end)), kinds)


def shifted_block_named(rng: np.random.Generator, labels: Labels) -> Planted:
    begin, end = segment(rng, len(labels), 0.4)
    labels[begin:end, :-1], labels[begin:end, -1] = labels[begin:end, 1:], 0
    kinds = frozenset({"shift", "break", "order", "flags", "swap"})
    return Planted(labels, lambda audit: near(audit, (begin,), lag=1) or near(audit, (end,), lag=-1), kinds)


def common_pair(rng: np.random.Generator, labels: Labels) -> tuple[int, int]:
    """Two labels that at least 3 % of the rows carry one without the other."""
    often = np.flatnonzero(labels.mean(axis=0) >= 0.03)
    for _ in range(1000):
        a, b = rng.choice(often, 2, replace=False)
        if min((labels[:, a] > labels[:, b]).mean(), (labels[:, a] < labels[:, b]).mean()) >= 0.03:
            break
    return int(a), int(b)


def tells_pair(a: int, b: int) -> Callable[[mlkit.LabelAudit], bool]:
    def told(audit: mlkit.LabelAudit) -> bool:
        pairs = audit.pairs()
        pairs = pairs[pairs["kind"] == "swap"]
        return any({x, y} == {a, b} for x, y in zip(pairs["label_a"], pairs["label_b"]))

    return told


def swapped_pair(rng: np.random.Generator, labels: Labels) -> Planted:
    a, b = common_pair(rng, labels)
    rows = np.flatnonzero((labels[:, a] < labels[:, b]) & (rng.random(len(labels)) < 0.3))
    labels[rows, a], labels[rows, b] = 1, 0
    return Planted(labels, tells_pair(a, b), frozenset({"swap"}))


def swapped_pair_known_better(rng: np.random.Generator, labels: Labels) -> Planted:
    right = labels.copy()
    planted = swapped_pair(rng, labels)
    return Planted(planted.labels, planted.is_told, planted.kinds | {"implied"}, right)


def swapped_pair_in_a_block(rng: np.random.Generator, labels: Labels) -> Planted:
    a, b = common_pair(rng, labels)
    begin, end = segment(rng, len(labels), 0.3)
    labels[begin:end, [a, b]] = labels[begin:end, [b, a]]
    pair = tells_pair(a, b)
    kinds = frozenset({"swap", "break", "flags", "order", "shift"})
    return Planted(labels, lambda audit: pair(audit) or near(audit, (begin, end)), kinds)


def dropped_positives(rng: np.random.Generator, labels: Labels) -> Planted:
    labels &= rng.random(labels.shape) >= 0.2
    return Planted(labels, lambda audit: len(audit.evidence) > 0, frozenset())


def shuffled_rows(rng: np.random.Generator, labels: Labels) -> Planted:
    begin, end = segment(rng, len(labels), 0.3)
    labels[begin:end] = rng.permutation(labels[begin:end])
    return Planted(labels, lambda audit: near(audit, (begin, end), "flags"), frozenset({"flags", "swap"}))


def bad_annotator(rng: np.random.Generator, labels: Labels) -> Planted:
    begin, end = segment(rng, len(labels), 0.25)
    part = labels[begin:end]
    part &= rng.random(part.shape) >= 0.3
    part |= rng.random(part.shape) < 0.3 * labels.mean(axis=0)
    return Planted(labels, lambda audit: near(audit, (begin, end)), frozenset({"flags", "break", "order"}))


FAULTS: dict[str, Callable[[np.random.Generator, Labels], Planted]] = {
    "nothing": nothing,
    "shifted block (40 % of the rows): its edge": shifted_block,
    "the same: named as a shift by one": shifted_block_named,
    "swapped pair (30 % of b called a)": swapped_pair,
    "the same, by a model of the right labels": swapped_pair_known_better,
    "pair exchanged in a block (30 %)": swapped_pair_in_a_block,
    "labels shuffled among a block of rows (30 %)": shuffled_rows,
    "bad annotator (25 % of the rows; 30 % dropped, as many made up)": bad_annotator,
    "positives dropped anywhere (20 %)": dropped_positives,
}


def features(data: Any) -> NDArray[np.float64]:
    """Leading singular vectors, scaled, with a constant."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import StandardScaler

    dense = StandardScaler().fit_transform(np.asarray(data.X)) if isinstance(data.X, np.ndarray) else data.X
    if dense.shape[1] > N_COMPONENTS:
        dense = StandardScaler().fit_transform(TruncatedSVD(N_COMPONENTS, random_state=0).fit_transform(dense))
    return np.column_stack([dense, np.ones(len(dense))])


def out_of_fold(x: NDArray[np.float64], labels: Labels, rng: np.random.Generator) -> NDArray[np.float64]:
    """Ridge regression by folds; then a logistic curve for each label, by Newton's method for all at once."""
    fold = rng.permutation(np.arange(len(x)) % N_FOLDS)
    y = labels.astype(np.float64)
    margin = np.empty(y.shape)
    gram, moments = x.T @ x, x.T @ y
    for k in range(N_FOLDS):
        out = fold == k
        left = gram - x[out].T @ x[out] + 0.01 * len(x) * np.eye(x.shape[1])
        margin[out] = x[out] @ np.linalg.solve(left, moments - x[out].T @ y[out])
    margin = (margin - margin.mean(axis=0)) / np.maximum(margin.std(axis=0), 1e-12)
    rate = np.clip(y.mean(axis=0), 1e-4, 1 - 1e-4)
    bias, slope = np.log(rate / (1 - rate)), np.zeros(y.shape[1])
    for _ in range(8):
        p = 1 / (1 + np.exp(-np.clip(bias + slope * margin, -30, 30)))
        weight = p * (1 - p) + 1e-9
        d0, d1 = (y - p).sum(axis=0), ((y - p) * margin).sum(axis=0) - slope
        h00, h01, h11 = weight.sum(axis=0), (weight * margin).sum(axis=0), (weight * margin**2).sum(axis=0) + 1
        determinant = h00 * h11 - h01**2
        bias = bias + np.clip((h11 * d0 - h01 * d1) / determinant, -1, 1)
        slope = slope + np.clip((h00 * d1 - h01 * d0) / determinant, -1, 1)
    return 1 / (1 + np.exp(-np.clip(bias + slope * margin, -30, 30)))


def run(folder: Path, n_seeds: int, sets: list[str], only: str) -> None:
    for name in sets:
        data = read_dataset(folder / f"{name}.npz")
        x, truth = features(data), np.asarray(data.Y.todense()).astype(np.int8)
        begin = time.perf_counter()
        print(f"\n{name}: {truth.shape[0]:,} x {truth.shape[1]:,}, {n_seeds} seeds")
        for fault, plant in FAULTS.items():
            if only not in fault:
                continue
            n_found = n_other = 0
            for seed in range(n_seeds):
                rng = np.random.default_rng([seed, 7])
                order = rng.permutation(len(truth))
                planted = plant(rng, truth[order])
                learned = planted.labels if planted.learned is None else planted.learned
                audit = mlkit.audit(planted.labels, out_of_fold(x[order], learned, rng), progress=False)
                n_found += planted.is_told(audit)
                n_other += bool(set(audit.evidence["kind"]) - planted.kinds)
            print(f"  {fault:<66}found {n_found / n_seeds:4.0%}   also {n_other / n_seeds:4.0%}", flush=True)
        print(f"  ({time.perf_counter() - begin:.0f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    args = parser.parse_args()
    run(args.folder, args.seeds, args.sets, args.only)


if __name__ == "__main__":
    main()
