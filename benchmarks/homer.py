"""HOMER against binary relevance and label powerset on real data: micro and macro F1, 5 x 2 cross-validation.

    python benchmarks/homer.py                               # every set, with and without class weights (half an hour)
    python benchmarks/homer.py --sets hwv --weights balanced # one part of it

The same linear base everywhere: scikit-learn's LinearSVC, on standardised columns where the features are dense. Real
data come from the folder that MLKIT_DATA names.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mlkit.trees import HOMERClassifier

SETS = ("emotions", "scene", "yeast", "birds", "medical", "enron", "hwv")


def load(name: str) -> tuple[Any, Any]:
    with np.load(Path(os.environ["MLKIT_DATA"]) / f"{name}.npz", allow_pickle=False) as a:
        y = sparse.csr_matrix((np.ones(a["Y_indices"].size, int), a["Y_indices"], a["Y_indptr"]), tuple(a["Y_shape"]))
        if "X_data" in a.files:
            X = sparse.csr_matrix((a["X_data"], a["X_indices"], a["X_indptr"]), tuple(a["X_shape"])).astype(float)
        else:
            X = a["X"].astype(float)
    return X, y.toarray()


class Powerset:
    """One class for each label set of the training rows."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def fit(self, X: Any, y: Any) -> Powerset:
        self.sets, codes = np.unique(y, axis=0, return_inverse=True)
        self.base.fit(X, codes.ravel())
        return self

    def predict(self, X: Any) -> Any:
        return self.sets[self.base.predict(X)]


def models(weight: str | None, is_sparse: bool, n_labels: int, seed: int) -> dict[str, Any]:
    # Standardised dense columns separate these few rows: without more regularisation nothing settles.
    base = LinearSVC(class_weight=weight, C=1.0 if is_sparse else 0.01, tol=1e-3, dual=is_sparse, random_state=0)
    each = OneVsRestClassifier(base)
    return {
        "BR": clone(each),
        "HOMER": HOMERClassifier(each, max_leaf=min(8, n_labels // 2), random_state=seed),
        "HOMER 1": HOMERClassifier(each, max_leaf=1, random_state=seed),
        "LP": Powerset(clone(base)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--weights", nargs="*", default=["none", "balanced"], choices=["none", "balanced"])
    options = parser.parse_args()
    for name in options.sets:
        X, y = load(name)
        for weight in options.weights:
            begin = time.perf_counter()
            found: dict[str, list[list[float]]] = {}
            for repeat in range(5):
                half = np.random.default_rng(repeat).permutation(len(y)) % 2 == 0
                for train in (half, ~half):
                    seen, new = X[train], X[~train]
                    if not sparse.issparse(X):
                        scaler = StandardScaler().fit(seen)
                        seen, new = scaler.transform(seen), scaler.transform(new)
                    for label, model in models(
                        None if weight == "none" else weight, sparse.issparse(X), y.shape[1], repeat
                    ).items():
                        predicted = model.fit(seen, y[train]).predict(new)
                        scores = [
                            float(f1_score(y[~train], predicted, average=average, zero_division=0))
                            for average in ("micro", "macro")
                        ]
                        found.setdefault(label, []).append(scores)
            print(f"{name:9s} {weight:9s} {time.perf_counter() - begin:5.0f} s", end="")
            for label, values in found.items():
                mean, spread = np.mean(values, axis=0), np.std(values, axis=0, ddof=1)
                print(f"  {label} {mean[0]:.3f}±{spread[0]:.3f} / {mean[1]:.3f}±{spread[1]:.3f}", end="")
            print(flush=True)


if __name__ == "__main__":
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)  # as far as 1,000 passes go: the same for all
    warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")  # sets of labels are many
    warnings.filterwarnings("ignore", "Label not .* is present in all training examples")  # of OneVsRestClassifier
    main()
