"""Train and ask a LabelTreeClassifier on generated Zipf labels under a limit of memory; a child process of a test.

    python train_many_labels.py LIMIT_MB [N_ROWS N_FEATURES N_LABELS]

Prints a JSON report.
"""

import json
import resource
import sys
import time
from pathlib import Path


def make_zipf(n, d, n_labels, seed=0, per_row=20, labels_per_row=5):
    """Rows about one topic each: labels and words of a topic are Zipf-distributed within it."""
    import numpy as np
    from scipy.sparse import csr_array

    rng = np.random.default_rng(seed)
    n_topics = max(1, n_labels // 40)
    topic = np.minimum((((n_topics + 10) / 10) ** rng.random(n) * 10 - 10).astype(np.int64), n_topics - 1)

    def draw(width, each, local, noise):
        own = np.minimum((((local + 2) / 2) ** rng.random((n, each)) * 2 - 2).astype(np.int64), local - 1)
        near = (topic[:, None] * 7919 + own * 104_729) % width
        far = np.minimum((((width + 20) / 20) ** rng.random((n, each)) * 20 - 20).astype(np.int64), width - 1)
        chosen = np.where(rng.random((n, each)) < noise, far, near)
        matrix = csr_array((np.ones(n * each), (np.repeat(np.arange(n), each), chosen.ravel())), shape=(n, width))
        matrix.sum_duplicates()
        return matrix

    X, y = draw(d, per_row, 60, 0.3), draw(n_labels, labels_per_row, 40, 0.1)
    y.data[:] = 1
    return X, y.astype("int8")


def status(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


def main(limit_mb, n=100_000, d=50_000, n_labels=200_000):
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mb * 2**20, limit_mb * 2**20))
    import numpy as np

    from mlkit.trees import LabelTreeClassifier

    X, y = make_zipf(n, d, n_labels)
    test = np.random.default_rng(1).random(n) < 0.05
    model = LabelTreeClassifier(n_trees=1, random_state=0, progress=False)
    begin = time.perf_counter()
    model.fit(X[~test], y[~test])
    trained = time.perf_counter()
    labels, _ = model.predict_topk(X[test], 5)
    asked = time.perf_counter()
    truth = y[test]
    rows = np.arange(labels.shape[0])[:, None]
    popular = np.argsort(-y[~test].sum(axis=0), kind="stable")[:5]
    few = X[test][:50]
    exact = model.predict_topk(few, 5, exact=True)
    wide = model.set_params(beam=None).predict_topk(few, 5)
    report = {
        "fit_s": round(trained - begin, 2),
        "predict_s": round(asked - trained, 2),
        "rows_asked": int(test.sum()),
        "precision": [float(truth[rows, labels[:, :k]].mean()) for k in (1, 5)],
        "popularity": [float(truth[:, popular[:k]].mean()) for k in (1, 5)],
        "weights": model.n_weights_,
        "peak_mb": status("VmHWM"),
        "exact_equals_wide_beam": bool(np.array_equal(exact[0], wide[0]) and np.array_equal(exact[1], wide[1])),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
