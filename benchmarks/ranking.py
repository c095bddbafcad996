"""Which score of a cell finds planted errors? Real label sets, planted noise, a model fitted to the noisy labels.

    MLKIT_DATA=folder python benchmarks/ranking.py                 # all sets, five seeds; about 15 minutes, one core
    MLKIT_DATA=folder python benchmarks/ranking.py --seeds 1       # a glance
    python benchmarks/ranking.py --tables results.json             # print the tables of an earlier run

For every set, kind of noise and seed: errors are planted in the labels, ridge regression with a logistic link on its
margins is fitted to the noisy labels out of fold (5 folds; features reduced once to at most 100 components, which sees
no labels), every known cell is scored, and the average precision of "this cell was planted" is taken over all cells.
On the sets with at most 20 labels and 3,000 rows the same is done with one-vs-rest logistic regression.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, logit
from scipy.stats import rankdata
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from mlkit.datasets import inject_label_noise
from mlkit.quality import get_cell_quality_scores, get_confident_thresholds

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Score = Callable[[Labels, Floats], Floats]

SETS = ("emotions", "scene", "yeast", "birds", "cal500", "enron", "medical", "bibtex", "rcv1sub1", "brighter")
MAX_ROWS, MAX_COMPONENTS, MIN_SUPPORT = 4000, 100, 10


def load(folder: Path, name: str) -> tuple[Floats, Labels]:
    """Features of at most 100 components and dense labels with at least ten examples on each side."""
    with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    if "X" in arrays:
        features = arrays["X"]
    else:
        parts = (arrays["X_data"], arrays["X_indices"], arrays["X_indptr"])
        features = sparse.csr_matrix(parts, shape=tuple(arrays["X_shape"]))
    shape = tuple(arrays["Y_shape"])
    ones = np.ones(arrays["Y_indices"].size, np.int8)
    labels = sparse.csr_matrix((ones, arrays["Y_indices"], arrays["Y_indptr"]), shape=shape).toarray()
    rows = np.sort(np.random.default_rng(0).permutation(shape[0])[:MAX_ROWS])
    features, labels = features[rows], labels[rows]
    if sparse.issparse(features) or features.shape[1] > MAX_COMPONENTS:
        if not sparse.issparse(features):
            features = StandardScaler().fit_transform(features)
        features = TruncatedSVD(min(MAX_COMPONENTS, min(features.shape) - 1), random_state=0).fit_transform(features)
    support = labels.sum(axis=0)
    labels = labels[:, (support >= MIN_SUPPORT) & (support <= len(labels) - MIN_SUPPORT)]
    return StandardScaler().fit_transform(features).astype(np.float64), labels


# ---------------------------------------------------------------------------------------------------------------- noise


def plant(labels: Labels, kind: str, seed: int) -> Labels:
    """Noisy labels; but for "missing" about a tenth as many cells are wrong as labels are given."""
    share = labels.mean(axis=0)
    odds = share / (1 - share)
    none = np.zeros_like(share)
    if kind == "missing":
        return inject_label_noise(labels, kind="missing_positives", rate=0.2, random_state=seed)[0]
    if kind == "swap":
        return inject_label_noise(labels, kind="swap", rate=0.1, random_state=seed)[0]
    if kind == "uniform":
        return inject_label_noise(labels, kind="uniform", rate=0.1 * labels.mean(), random_state=seed)[0]
    if kind == "spurious":
        rates = np.stack([0.1 * odds, none], axis=1)
    elif kind == "both":
        rates = np.stack([0.1 * odds, none + 0.1], axis=1)
    else:  # "by label": anything up to twice as much, each label and side on its own
        draw = np.random.default_rng([seed, 7]).uniform(0, 0.2, (share.size, 2))
        rates = draw * np.stack([odds, none + 1], axis=1)
    return inject_label_noise(labels, kind="label_dependent", rate=np.minimum(rates, 1), random_state=seed)[0]


KINDS = ("missing", "spurious", "both", "by label", "uniform", "swap")

# --------------------------------------------------------------------------------------------------------------- models


def ridge_out_of_fold(features: Floats, labels: Labels, seed: int) -> Floats:
    """Ridge regression; a logistic curve through its margins, label by label, makes probabilities of them."""
    probs = np.empty(labels.shape)
    for train, test in KFold(5, shuffle=True, random_state=seed).split(features):
        model = Ridge(alpha=len(train) * 0.02).fit(features[train], labels[train].astype(np.float64))
        inner, outer = np.atleast_2d(model.predict(features[train])), np.atleast_2d(model.predict(features[test]))
        for j in range(labels.shape[1]):
            probs[test, j] = _logistic(inner[:, j], labels[train, j], outer[:, j])
    return probs


def _logistic(margin: Floats, given: Labels, new: Floats) -> Floats:
    """One-dimensional logistic regression by Newton's method, with a little shrinkage."""
    scale = margin.std() or 1.0
    x, bias, slope = (margin - margin.mean()) / scale, logit(np.clip(given.mean(), 1e-3, 1 - 1e-3)), 1.0
    for _ in range(12):
        p = expit(bias + slope * x)
        w, residual = p * (1 - p) + 1e-9, given - p
        h00, h01, h11 = w.sum(), (w * x).sum(), (w * x * x).sum() + 0.1
        g0, g1 = residual.sum(), (residual * x).sum() - 0.1 * slope
        determinant = h00 * h11 - h01 * h01
        bias += np.clip((h11 * g0 - h01 * g1) / determinant, -2, 2)
        slope += np.clip((h00 * g1 - h01 * g0) / determinant, -2, 2)
    return expit(bias + slope * (new - margin.mean()) / scale)


def logistic_out_of_fold(features: Floats, labels: Labels, seed: int) -> Floats:
    probs = np.empty(labels.shape)
    for train, test in KFold(5, shuffle=True, random_state=seed).split(features):
        for j in range(labels.shape[1]):
            given = labels[train, j]
            if given.min() == given.max():
                probs[test, j] = given[0]
                continue
            model = LogisticRegression(C=0.1, max_iter=300).fit(features[train], given)
            probs[test, j] = model.predict_proba(features[test])[:, 1]
    return probs


# --------------------------------------------------------------------------------------------------------------- scores


def self_confidence(labels: Labels, probs: Floats) -> Floats:
    return get_cell_quality_scores(labels, probs)


def margin(labels: Labels, probs: Floats) -> Floats:
    return get_cell_quality_scores(labels, probs, method="normalized_margin")


def adjusted(labels: Labels, probs: Floats) -> Floats:
    return get_cell_quality_scores(labels, probs, adjust_pred_probs=True)


def entropy(labels: Labels, probs: Floats) -> Floats:
    return get_cell_quality_scores(labels, probs, method="confidence_weighted_entropy")


def posterior(labels: Labels, probs: Floats) -> Floats:
    """Where the likelihood finds no errors at all, the posterior ties; self-confidence breaks the ties."""
    return get_cell_quality_scores(labels, probs, method="error_posterior") + 1e-9 * self_confidence(labels, probs)


def anchors(labels: Labels, probs: Floats) -> Floats:
    """The posterior if the model learned the noise: the flip rates are where the range of p ends."""
    missing, spurious = 1 - probs.max(axis=0), probs.min(axis=0)
    truth = np.clip((probs - spurious) / np.maximum(1 - missing - spurious, 1e-9), 0, 1)
    given_wrong = (1 - truth) * spurious / np.maximum(probs, 1e-12)
    absent_wrong = truth * missing / np.maximum(1 - probs, 1e-12)
    return 1 - np.where(labels == 1, given_wrong, absent_wrong)


def log_odds(labels: Labels, probs: Floats) -> Floats:
    """How far the evidence for the label exceeds its prior: log-odds of p less those of the label's frequency."""
    prior = logit(np.clip(labels.mean(axis=0), 1e-6, 1 - 1e-6))
    evidence = logit(np.clip(probs, 1e-9, 1 - 1e-9)) - prior
    return np.where(labels == 1, evidence, -evidence)


def centred(labels: Labels, probs: Floats) -> Floats:
    """Self-confidence less its mean over the label's cells with the same value."""
    t = get_confident_thresholds(labels, probs)
    return self_confidence(labels, probs) - np.where(labels == 1, t[:, 1], t[:, 0])


def ranks_of(*scores: Score) -> Score:
    """Mean of the ranks among all cells."""

    def score(labels: Labels, probs: Floats) -> Floats:
        return sum(rankdata(s(labels, probs)).reshape(labels.shape) for s in scores)  # type: ignore[return-value]

    return score


def log_ranks_of(*scores: Score) -> Score:
    """Mean of the logarithms of the ranks: what is far ahead in one list stays ahead."""

    def score(labels: Labels, probs: Floats) -> Floats:
        return sum(np.log(rankdata(s(labels, probs))).reshape(labels.shape) for s in scores)  # type: ignore[return-value]

    return score


def balanced(labels: Labels, probs: Floats) -> Floats:
    return get_cell_quality_scores(labels, probs, method="balanced_posterior")


def tempered_odds(labels: Labels, probs: Floats) -> Floats:
    """The log-odds of an error, a given label's raised by half the log-odds of its frequency: balanced, but M = S."""
    prior = logit(np.clip(labels.mean(axis=0), 1e-6, 1 - 1e-6))
    evidence = logit(np.clip(probs, 1e-9, 1 - 1e-9))
    return np.where(labels == 1, evidence - 0.5 * prior, -evidence)


SCORES: dict[str, Score] = {
    "self_confidence": self_confidence,
    "normalized_margin": margin,
    "confidence_weighted_entropy": entropy,
    "self_confidence, adjusted": adjusted,
    "error_posterior": posterior,
    "balanced_posterior": balanced,
    "tempered odds (no rates)": tempered_odds,
    "log odds against the prior": log_odds,
    "centred by label and side": centred,
    "anchors": anchors,
    "ranks of self_confidence + adjusted": ranks_of(self_confidence, adjusted),
    "log ranks of self_confidence + adjusted": log_ranks_of(self_confidence, adjusted),
    "log ranks of error_posterior + adjusted": log_ranks_of(posterior, adjusted),
    "log ranks of anchors + self_confidence": log_ranks_of(anchors, self_confidence),
    "log ranks of balanced_posterior + adjusted": log_ranks_of(balanced, adjusted),
}

# ------------------------------------------------------------------------------------------------------------------ run


def runs(folder: Path, names: list[str], n_seeds: int) -> Iterator[dict[str, Any]]:
    for name in names:
        features, labels = load(folder, name)
        models = {"ridge": ridge_out_of_fold}
        if labels.shape[1] <= 20 and len(labels) <= 3000:
            models["logistic"] = logistic_out_of_fold
        for kind in KINDS:
            for seed in range(n_seeds):
                noisy = plant(labels, kind, seed)
                wrong = (noisy != labels).ravel()
                for model, fit in models.items():
                    probs = fit(features, noisy, seed)
                    found = {s: average_precision_score(wrong, -f(noisy, probs).ravel()) for s, f in SCORES.items()}
                    yield {"set": name, "model": model, "kind": kind, "seed": seed, "wrong": wrong.mean(), "ap": found}


def print_tables(results: list[dict[str, Any]]) -> None:
    """Mean average precision by score and kind of noise, over sets, models and seeds; every set counts the same."""
    import pandas as pd

    flat = [{**{k: r[k] for k in ("set", "model", "kind")}, **r["ap"]} for r in results]
    every = pd.DataFrame(flat).groupby(["set", "model", "kind"]).mean()
    by_set = every.groupby(["set", "kind"]).mean()
    table = by_set.groupby("kind").mean().T[list(KINDS)]
    table["mean"] = by_set.mean()
    best = by_set.max(axis=1)
    table["worst kind"] = table[list(KINDS)].min(axis=1)
    table["worst set"] = by_set.groupby("set").mean().min()
    table["least of best"] = by_set.div(best, axis=0).min()  # in its worst set and kind, how much of the best score's
    table["mean of best"] = by_set.div(best, axis=0).mean()
    print(f"{len(results)} runs, {by_set.index.get_level_values(0).nunique()} sets\n")
    print("| score | " + " | ".join(table.columns) + " |\n|---|" + "---:|" * table.shape[1])
    for score, row in table.iterrows():
        print(f"| {score} | " + " | ".join(f"{x:.3f}" for x in row) + " |")
    print()
    sets = by_set.groupby("set").mean().T
    print("| score | " + " | ".join(sets.columns) + " |\n|---|" + "---:|" * sets.shape[1])
    for score, row in sets.iterrows():
        print(f"| {score} | " + " | ".join(f"{x:.3f}" for x in row) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="also write all results there (JSON)")
    parser.add_argument("--tables", type=Path, help="print the tables of such a file, and run nothing")
    args = parser.parse_args()
    if args.tables:
        return print_tables(json.loads(args.tables.read_text()))
    folder = os.environ.get("MLKIT_DATA")
    if not folder:
        sys.exit("MLKIT_DATA: expected the folder with the real data sets")
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for result in runs(Path(folder), args.sets, args.seeds):
            results.append(result)
            if args.out:
                args.out.write_text(json.dumps(results))
    print_tables(results)
    return None


if __name__ == "__main__":
    main()
