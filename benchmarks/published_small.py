"""The published table of example scores on small made-up data, again, with mlkit's scores.

    python benchmarks/published_small.py                 # ten seeds, both models; about four minutes
    python benchmarks/published_small.py --models LR     # without the random forests; seconds

Protocol of the public repository cleanlab/multilabel-error-detection-benchmarks (arXiv 2211.13895): make_multilabel_
classification, one noise matrix for each label whose trace is drawn, at most three flips in an example, one-vs-rest
models out of five folds stratified by label sets, all from NumPy's global generator with one seed. Noise matrices come
from cleanlab (extra "bench"), because the drawing is part of the protocol. Prints the means over the seeds beside the
published ones (its data/scores/metrics.csv) and the largest difference. `--large` makes the large data, with logistic
regression alone.

The last digits depend on the solvers: with NumPy 1.24.4, SciPy 1.10.1, scikit-learn 1.2.2, pandas 1.5.3, cleanlab 2.9.0
on CPython 3.11 no number of the small table is off by more than 0.00004; with scikit-learn 1.9.1 the columns that rest
on few examples (AP@T of two and three errors) are off by up to 0.023, the others by 0.0002. An environment of its own:

    pip install numpy==1.24.4 scipy==1.10.1 scikit-learn==1.2.2 pandas==1.5.3 cleanlab==2.9.0
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.base import ClassifierMixin
from sklearn.datasets import make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.multiclass import OneVsRestClassifier

from mlkit.quality import get_label_quality_scores

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

METRICS = ("AUPRC", "AUROC", "AP@T", "AP@T >=2", "AP@T >=3", "Spearman")
AGGREGATORS: dict[str, dict[str, Any]] = {
    "min": {"aggregator": "min"},
    "mean": {"aggregator": "mean"},
    "EMA 0.8": {"alpha": 0.8},
    "softmin 0.1": {"aggregator": "softmin", "temperature": 0.1},
    "k_smallest 2": {"aggregator": "k_smallest", "k": 2},
    "EMA 0.6": {"alpha": 0.6},
    "log": {"aggregator": "log"},
}
PUBLISHED = {
    ("small", "LR", "min"): (0.68414, 0.79998, 0.79563, 0.32004, 0.09123, 0.49175),
    ("small", "LR", "mean"): (0.54532, 0.70927, 0.65084, 0.50801, 0.39461, 0.35337),
    ("small", "LR", "EMA 0.8"): (0.67257, 0.79869, 0.77933, 0.62049, 0.49343, 0.49207),
    ("small", "LR", "softmin 0.1"): (0.68841, 0.80209, 0.80098, 0.23678, 0.00000, 0.49454),
    ("small", "LR", "k_smallest 2"): (0.62420, 0.77475, 0.72248, 0.69942, 0.41909, 0.45761),
    ("small", "LR", "EMA 0.6"): (0.64809, 0.78779, 0.75433, 0.65477, 0.68954, 0.47663),
    ("small", "LR", "log"): (0.62420, 0.76141, 0.74644, 0.57729, 0.53506, 0.43552),
    ("small", "RF", "min"): (0.75819, 0.88559, 0.81071, 0.20676, 0.02374, 0.62683),
    ("small", "RF", "mean"): (0.59067, 0.81633, 0.60467, 0.21248, 0.07235, 0.52512),
    ("small", "RF", "EMA 0.8"): (0.70281, 0.87502, 0.73427, 0.39165, 0.34807, 0.61493),
    ("small", "RF", "softmin 0.1"): (0.77190, 0.88693, 0.82881, 0.11156, 0.00000, 0.62746),
    ("large", "LR", "min"): (0.85360, 0.78800, 0.88061, 0.53693, 0.21884, 0.51285),
    ("large", "LR", "mean"): (0.73549, 0.62983, 0.75980, 0.45127, 0.21408, 0.26716),
    ("large", "LR", "EMA 0.8"): (0.83297, 0.76765, 0.85813, 0.64871, 0.43305, 0.52768),
    ("large", "LR", "softmin 0.1"): (0.86413, 0.79597, 0.89326, 0.46597, 0.12840, 0.51372),
}
SIZES = {
    "small": {"n_samples": 6000, "n_features": 3, "n_classes": 4, "n_labels": 2, "test_size": 1000},
    "large": {"n_samples": 37500, "n_features": 20, "n_classes": 50, "n_labels": 5, "test_size": 7500},
}


class Data(NamedTuple):
    """Features, true and noisy labels of the training part."""

    X: Floats
    truth: Labels
    labels: Labels


def average_traces(n_labels: int) -> Floats:
    """Mean of the diagonal of each label's noise matrix; the noisiest labels lose a little more."""
    traces = 1 - np.random.gamma(2.0, 0.01, size=n_labels)  # noqa: NPY002 (the protocol's generator)
    rank = np.arange(n_labels)
    traces[np.argsort(traces)] *= 1 - np.exp(-(rank**2) / n_labels) / (2 * n_labels)
    return np.maximum(traces, 1 - traces)


def flipped(truth: Labels, matrices: Floats) -> Labels:
    """Exact numbers of flips, label by label; an example with three of them is left alone."""
    from cleanlab.benchmarking.noise_generation import generate_noisy_labels

    noisy = truth.copy()
    for label, matrix in enumerate(matrices):
        open_rows = np.flatnonzero((noisy != truth).sum(axis=1) < 3)
        if open_rows.size:
            noisy[open_rows, label] = generate_noisy_labels(noisy[open_rows, label], matrix)
    return noisy


def make_data(size: str, seed: int) -> Data:
    from cleanlab.benchmarking.noise_generation import generate_noise_matrix_from_trace

    options = dict(SIZES[size])
    test_size = options.pop("test_size")
    np.random.seed(seed)  # noqa: NPY002
    traces = average_traces(options["n_classes"])
    X, y = make_multilabel_classification(**options, length=500, allow_unlabeled=True)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    X, _, truth, _ = train_test_split(X, y, test_size=test_size, random_state=seed)
    share = (truth == 0).mean(axis=0)
    matrices = np.array(
        [
            generate_noise_matrix_from_trace(
                2, trace=2 * trace, py=np.array([zero, 1 - zero]), valid_noise_matrix=True, seed=seed + label
            )
            for label, (trace, zero) in enumerate(zip(traces, share))
        ]
    )
    return Data(X, truth, flipped(truth, matrices))


def out_of_fold(model: ClassifierMixin, data: Data) -> Floats:
    sets = np.unique(data.labels, axis=0, return_inverse=True)[1].ravel()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # label sets with fewer examples than folds
        folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(sets, sets))
        return cross_val_predict(OneVsRestClassifier(model), data.X, data.labels, cv=folds, method="predict_proba")


def measure(scores: Floats, n_wrong: Labels) -> tuple[float, ...]:
    """The table's columns: higher `-scores` should mean more wrong cells. AP@T looks at the T worst examples alone."""
    doubt = 1 - scores
    order = np.argsort(doubt)

    def at_t(least: int) -> float:
        is_wrong = n_wrong >= least
        worst = order[-is_wrong.sum() :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no positive among them
            return average_precision_score(is_wrong[worst], doubt[worst])

    is_wrong = n_wrong > 0
    whole = average_precision_score(is_wrong, doubt), roc_auc_score(is_wrong, doubt)
    return (*whole, at_t(1), at_t(2), at_t(3), spearmanr(doubt, n_wrong).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--models", nargs="*", choices=["LR", "RF"], default=["LR", "RF"])
    parser.add_argument("--large", action="store_true")
    args = parser.parse_args()
    size = "large" if args.large else "small"
    models = {"LR": LogisticRegression(random_state=0), "RF": RandomForestClassifier(random_state=0)}
    rows = []
    for seed in range(args.seeds):
        data = make_data(size, seed)
        n_wrong = (data.truth != data.labels).sum(axis=1)
        for name in args.models if size == "small" else ["LR"]:
            probs = out_of_fold(models[name], data)
            for aggregator, options in AGGREGATORS.items():
                scores = get_label_quality_scores(data.labels, probs, **options)
                rows.append((name, aggregator, *measure(scores, n_wrong)))
    frame = pd.DataFrame(rows, columns=["model", "aggregator", *METRICS])
    means = frame.groupby(["model", "aggregator"], sort=False).mean()
    largest = 0.0
    print(f"{size}, {args.seeds} seeds: ours / published\n")
    print("| model | aggregator | " + " | ".join(METRICS) + " |\n|---|---|" + "---:|" * len(METRICS))
    for (name, aggregator), row in means.iterrows():
        published = PUBLISHED.get((size, name, aggregator))
        if published is None:
            continue
        largest = max(largest, float(np.abs(row.to_numpy() - published).max()))
        print(f"| {name} | {aggregator} | " + " | ".join(f"{a:.4f} / {b:.4f}" for a, b in zip(row, published)) + " |")
    print(f"\nlargest difference: {largest:.5f}")


if __name__ == "__main__":
    main()
