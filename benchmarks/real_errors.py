"""How well an audit finds the mistakes that people really made: where raters of the same text disagree, and where
listeners reviewed the labels of sounds.

    MLKIT_DATA=... python benchmarks/real_errors.py

brighter: emotions in short texts, three to nine raters each. Every text is given the answers of one of its raters,
drawn at random; a cell is wrong where this rater stands against the majority of the others (ties are left out). The
model is fitted out of fold to these single answers. audioset_eval: labels of sounds and a model's predicted label sets;
307 clips were chosen because they looked wrong, and their labels reviewed by five listeners each.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from mlkit.quality import LabelQualityWarning, find_cell_issues, get_cell_quality_scores

METHODS = (
    ("self_confidence", {}),
    ("self_confidence, adjusted", {"adjust_pred_probs": True}),
    ("confidence_weighted_entropy", {"method": "confidence_weighted_entropy"}),
    ("error_posterior", {"method": "error_posterior"}),
)


def open_data(name: str) -> dict[str, NDArray[np.generic]]:
    folder = os.environ.get("MLKIT_DATA")
    if not folder:
        raise SystemExit("MLKIT_DATA: expected the folder of the data sets in this variable")
    with np.load(Path(folder) / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def single_answers(data: dict[str, NDArray[np.generic]], seed: int) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """One rater's answers for each text, and what the majority of the others says; -1: not answered, or a tie."""
    item, votes = data["vote_item"].astype(np.int64), data["vote_intensity"]
    answered, yes = votes != 255, (votes > 0) & (votes != 255)
    n = int(item.max()) + 1
    order = np.lexsort((np.random.default_rng(seed).random(item.size), item))
    chosen = order[np.searchsorted(item[order], np.arange(n))]
    n_yes, n_answers = np.zeros((n, votes.shape[1])), np.zeros((n, votes.shape[1]))
    np.add.at(n_yes, item, yes)
    np.add.at(n_answers, item, answered)
    n_yes -= yes[chosen]
    n_answers -= answered[chosen]
    given = np.where(answered[chosen], yes[chosen], -1).astype(np.int8)
    others = np.where(2 * n_yes > n_answers, 1, np.where(2 * n_yes < n_answers, 0, -1)).astype(np.int8)
    return given, others


def features(data: dict[str, NDArray[np.generic]]) -> csr_matrix:
    return csr_matrix((data["X_data"], data["X_indices"], data["X_indptr"]), shape=tuple(data["X_shape"]))


def out_of_fold(x: csr_matrix, given: NDArray[np.int8], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities of a linear model, label by label, that has seen neither the row nor unknown cells."""
    probs = np.empty(given.shape)
    for k in range(3):
        for j in range(given.shape[1]):
            known = (fold != k) & (given[:, j] >= 0)
            model = LogisticRegression(C=10, max_iter=300).fit(x[known], given[known, j])
            probs[fold == k, j] = model.predict_proba(x[fold == k])[:, 1]
    return probs


def brighter(seeds: int) -> None:
    data = open_data("brighter")
    x = features(data)
    print(f"brighter: {x.shape[0]:,} texts, one rater's answers against the majority of the others, {seeds} draws\n")
    print("| ranking | average precision | precision of the first 500 | of the first 5,000 | share of wrong cells |")
    print("|---|---|---|---|---|")
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name, _ in METHODS}
    rates = []
    for seed in range(seeds):
        given, others = single_answers(data, seed)
        judged = (given >= 0) & (others >= 0)
        probs = out_of_fold(x, given, np.random.default_rng(seed).permutation(x.shape[0]) % 3)
        wrong = (given != others)[judged]
        rates.append(wrong.mean())
        for name, options in METHODS:
            doubt = 1 - get_cell_quality_scores(given, probs, **options)[judged]
            order = np.argsort(-doubt, kind="stable")
            results[name].append(
                (average_precision_score(wrong, doubt), wrong[order[:500]].mean(), wrong[order[:5000]].mean())
            )
    for name, rows in results.items():
        ap, first, more = np.mean(rows, axis=0)
        print(f"| {name} | {ap:.3f} | {first:.1%} | {more:.1%} | {np.mean(rates):.1%} |")


def audioset() -> None:
    data = open_data("audioset_eval")
    given = csr_matrix(
        (np.ones(data["Y_indices"].size, np.int8), data["Y_indices"], data["Y_indptr"]), shape=tuple(data["Y_shape"])
    )
    predicted = csr_matrix(
        (np.ones(data["pred_indices"].size), data["pred_indices"], data["pred_indptr"]), shape=given.shape
    )
    warnings.simplefilter("ignore", LabelQualityWarning)
    flags = find_cell_issues(given, predicted, filter_by="predicted_neq_given", force=True)
    item, label = data["review_item"].astype(np.int64), data["review_label"].astype(np.int64)
    is_given, heard = data["review_given"].astype(bool), data["review_yes_of5"] >= 3
    flagged = np.asarray(flags[item, label]).ravel().astype(bool)
    print(f"\naudioset_eval: {item.size:,} reviewed cells of {np.unique(item).size} clips that looked wrong\n")
    assert flagged.all()  # the clips were chosen because labels and model differ there
    print("| flagged cells | reviewed | wrong by three of five listeners |")
    print("|---|---|---|")
    print(f"| given, not predicted | {is_given.sum()} | {(~heard[is_given]).mean():.1%} |")
    print(f"| predicted, not given | {(~is_given).sum()} | {heard[~is_given].mean():.1%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="draws of a rater for each text (default: 3)")
    brighter(parser.parse_args().seeds)
    audioset()


if __name__ == "__main__":
    main()
