"""How good are noise rates, intervals, posteriors and stories? Worlds in which the truth is known.

    python benchmarks/noise_rates.py                # 400 labels of 4,000 examples for each case; about a minute
    python benchmarks/noise_rates.py --labels 50    # a glance

A world draws p with normal log-odds and the truth from p; then labels are flipped. Every case is told to the
likelihood, to the confident joint, and, with the p of a model that has learned the errors, to an audit. Prints the
tables of docs/noise.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mlkit
from mlkit.quality import estimate_noise_rates, get_cell_quality_scores

Floats = NDArray[np.float64]
WORLDS = ((-3.0, 2.5), (-1.0, 1.5), (-5.0, 2.0), (0.0, 1.0))  # log-odds of p: mean, standard deviation
RATES = ((0.0, 0.0), (0.1, 0.0), (0.2, 0.01), (0.05, 0.05))  # P(given 0 | true 1), P(given 1 | true 0)


class Case(NamedTuple):
    """One world with one pair of rates."""

    world: tuple[float, float]
    rates: tuple[float, float]
    p: Floats
    learned: Floats  # of a model that has learned the errors
    truth: NDArray[np.bool_]
    given: NDArray[np.int8]

    @property
    def name(self) -> str:
        return f"({self.world[0]:g}, {self.world[1]:g})"

    @property
    def wrong(self) -> NDArray[np.bool_]:
        return self.given != self.truth


def cases(n: int, n_labels: int) -> Iterator[Case]:
    for i, world in enumerate(WORLDS):
        for j, rates in enumerate(RATES):
            rng = np.random.default_rng([i, j])
            p = 1 / (1 + np.exp(-rng.normal(*world, (n, n_labels))))
            truth = rng.random(p.shape) < p
            draw = rng.random(p.shape)
            given = np.where(truth, draw >= rates[0], draw < rates[1]).astype(np.int8)
            yield Case(world, rates, p, p * (1 - rates[0]) + (1 - p) * rates[1], truth, given)


def print_table(rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows)
    print("| " + " | ".join(frame.columns) + " |")
    print("|" + "---:|" * frame.shape[1])
    for row in frame.itertuples(index=False):
        print("| " + " | ".join(row) + " |")
    print()


def coverage(frame: pd.DataFrame, direction: str, actual: Floats) -> float:
    rows = frame[frame["direction"] == direction]
    return float(((rows["low"] <= actual + 1e-12) & (actual - 1e-12 <= rows["high"])).mean())


def rates_of(case: Case) -> dict[str, Any]:
    """True shares of wrong cells, estimates and coverage, by direction."""
    likelihood = estimate_noise_rates(case.given, case.p)
    joint = estimate_noise_rates(case.given, case.p, method="confident_joint")
    row = {"p": case.name, "m, s": f"{case.rates[0]:g}, {case.rates[1]:g}"}
    for direction, value in (("spurious", 1), ("missing", 0)):
        side = case.given == value
        actual = (case.wrong & side).sum(axis=0) / np.maximum(1, side.sum(axis=0))
        mean = [f.loc[f["direction"] == direction, "rate"].mean() for f in (likelihood, joint)]
        row[f"{direction}: true"] = f"{actual.mean():.4f}"
        row["likelihood" if value else "likelihood "] = f"{mean[0]:.4f}"
        row["covers" if value else "covers "] = f"{coverage(likelihood, direction, actual):.2f}"
        row["joint" if value else "joint "] = f"{mean[1]:.4f}"
        row["joint covers" if value else "joint covers "] = f"{coverage(joint, direction, actual):.2f}"
    return row


def stories_of(case: Case, n_labels: int) -> dict[str, Any]:
    """What an audit of the first labels says of p, and of a model that has learned the errors."""
    given, wrong = case.given[:, :n_labels], case.wrong[:, :n_labels]
    row = {"p": case.name, "m, s": f"{case.rates[0]:g}, {case.rates[1]:g}", "wrong cells": f"{wrong.sum():,}"}
    for name, probs in (("p is the truth's", case.p), ("p has learned the errors", case.learned)):
        story = mlkit.audit(given, probs[:, :n_labels]).story
        row[name] = f"{story.kind.replace('_', ' ')}: {story.n_wrong[0]:,} to {story.n_wrong[1]:,}"
    return row


def calibration(every: list[Case]) -> list[dict[str, Any]]:
    """Predicted and real share of wrong cells by tenths of the posterior."""
    wrong = np.concatenate([case.wrong.ravel() for case in every])
    posterior = np.concatenate(
        [1 - get_cell_quality_scores(case.given, case.p, method="error_posterior").ravel() for case in every]
    )
    tenth = np.minimum((posterior * 10).astype(int), 9)
    rows = []
    for k in range(10):
        here = tenth == k
        if here.any():
            rows.append(
                {
                    "P(wrong)": f"{k / 10:.1f} to {(k + 1) / 10:.1f}",
                    "cells": f"{here.sum():,}",
                    "predicted": f"{posterior[here].mean():.3f}",
                    "real": f"{wrong[here].mean():.3f}",
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=400, help="labels a case")
    parser.add_argument("--rows", type=int, default=4000, help="examples a case")
    args = parser.parse_args()
    rates, stories, noisy = [], [], []
    for case in cases(args.rows, args.labels):
        rates.append(rates_of(case))
        stories.append(stories_of(case, min(50, args.labels)))
        if any(case.rates):
            n = min(40, args.labels)
            noisy.append(Case(case.world, case.rates, *(part[:, :n] for part in case[2:])))
    print("Shares of wrong cells, and how often the 95 % intervals hold\n")
    print_table(rates)
    print("The posterior, all cases with errors\n")
    print_table(calibration(noisy))
    print("Stories\n")
    print_table(stories)


if __name__ == "__main__":
    main()
