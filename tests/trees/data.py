"""Small data for the tests of this room."""

from __future__ import annotations

import numpy as np


def make(seed, n=150, d=20, n_labels=17, n_empty=2):
    """Sparse features, labels that depend on them, some labels and some rows empty."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, d)) * (rng.random((n, d)) < 0.4)
    margins = X @ rng.normal(size=(d, n_labels)) + rng.normal(-1.0, 0.5, n_labels)
    y = (margins + rng.normal(0, 0.3, margins.shape) > 0).astype(np.int8)
    y[:, rng.choice(n_labels, n_empty, replace=False)] = 0
    y[rng.random(n) < 0.1] = 0
    X[rng.random(n) < 0.03] = 0
    return X.astype(np.float32), y
