"""Race `mlkit.trees` and label co-occurrence against other implementations, in one run on the same data.

    python benchmarks/trees.py                                    # all races that can be run here
    python benchmarks/trees.py --only cooccurrence                # or bibtex, delicious
    python benchmarks/trees.py --python pecos=/path/to/python     # a rival that needs an environment of its own
    python benchmarks/trees.py --threads 1 2

Every learner runs in a child process: P@k on the published test rows, wall time of training and prediction, model size
on disk, growth of peak memory. Rivals have their own defaults, rows are scaled to unit length for all. A rival that is
not installed is named and left out. Real data come from the folder that MLKIT_DATA names. `homer.py` and
`trees_growth.py` beside this file measure HOMER's quality and how time and memory grow.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

LEARNERS = ("mlkit", "mlkit-flat", "napkinxc", "napkinxc-parabel", "omikuji", "pecos", "libmultilabel")


# ----------------------------------------------------------------------------------------------------------------- data


def load(name: str) -> tuple[Any, Any, Any, Any]:
    if name.startswith("zipf"):
        X, y = make_zipf(*map(int, name.split(":")[1:]))
        train = np.random.default_rng(1).random(X.shape[0]) >= 0.05
    else:
        with np.load(Path(os.environ["MLKIT_DATA"]) / f"{name}.npz", allow_pickle=False) as a:
            shape = tuple(a["Y_shape"])
            y = sparse.csr_matrix((np.ones(a["Y_indices"].size), a["Y_indices"], a["Y_indptr"]), shape=shape)
            if "X_data" in a.files:
                X = sparse.csr_matrix((a["X_data"], a["X_indices"], a["X_indptr"]), shape=tuple(a["X_shape"]))
            else:
                X = sparse.csr_matrix(a["X"])
            train = a["train_mask"].astype(bool)
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1))).ravel()
    X = sparse.csr_matrix(sparse.diags(1 / np.where(norms > 0, norms, 1)) @ X, dtype=np.float32)
    y = sparse.csr_matrix(y, dtype=np.float32)
    return X[train], y[train], X[~train], y[~train]


def make_zipf(n: int, d: int, n_labels: int, per_row: int = 20, labels_per_row: int = 5) -> tuple[Any, Any]:
    """Rows about one topic each: labels and words of a topic are Zipf-distributed within it."""
    rng = np.random.default_rng(0)
    n_topics = max(1, n_labels // 40)
    topic = np.minimum((((n_topics + 10) / 10) ** rng.random(n) * 10 - 10).astype(np.int64), n_topics - 1)

    def draw(width: int, each: int, local: int, noise: float) -> Any:
        own = np.minimum((((local + 2) / 2) ** rng.random((n, each)) * 2 - 2).astype(np.int64), local - 1)
        near = (topic[:, None] * 7919 + own * 104_729) % width
        far = np.minimum((((width + 20) / 20) ** rng.random((n, each)) * 20 - 20).astype(np.int64), width - 1)
        chosen = np.where(rng.random((n, each)) < noise, far, near)
        matrix = sparse.csr_matrix((np.ones(n * each), (np.repeat(np.arange(n), each), chosen.ravel())), (n, width))
        matrix.sum_duplicates()
        return matrix

    X, y = draw(d, per_row, 60, 0.3), draw(n_labels, labels_per_row, 40, 0.1)
    y.data[:] = 1
    return X, y


# ------------------------------------------------------------------------------------------------------------- learners


def lists(y: Any) -> list[list[int]]:
    return [y.indices[a:b].tolist() for a, b in zip(y.indptr[:-1], y.indptr[1:], strict=True)]


def padded(rows: list[list[int]], k: int = 5) -> Any:
    return np.array([(row + [-1] * k)[:k] for row in rows])


def run_mlkit(X: Any, y: Any, new: Any, threads: int, seed: int, folder: Path, **options: Any) -> Any:
    from mlkit.trees import LabelTreeClassifier

    start()
    model = LabelTreeClassifier(random_state=seed, n_jobs=threads, progress=False, **options).fit(X, y)
    trained = time.perf_counter()
    labels = model.predict_topk(new, 5)[0]
    asked = time.perf_counter()
    model.save(folder / "model")
    return labels, trained, asked


def run_napkinxc(X: Any, y: Any, new: Any, threads: int, seed: int, folder: Path, **options: Any) -> Any:
    from napkinxc.models import PLT

    start()
    rows = lists(y)
    model = PLT(str(folder / "model"), threads=threads, seed=seed + 1, verbose=0, **options)
    model.fit(X, rows)
    trained = time.perf_counter()
    labels = model.predict(new, top_k=5)
    return padded([list(row) for row in labels]), trained, time.perf_counter()


def run_omikuji(X: Any, y: Any, new: Any, threads: int, seed: int, folder: Path) -> Any:
    import omikuji

    with open(folder / "train.txt", "w", encoding="ascii") as file:
        file.write(f"{X.shape[0]} {X.shape[1]} {y.shape[1]}\n")
        for i, labels in enumerate(lists(y)):
            row = X[i]
            features = " ".join(f"{f}:{v:.7g}" for f, v in zip(row.indices, row.data, strict=True))
            file.write(",".join(map(str, labels)) + " " + features + "\n")
    start()
    model = omikuji.Model.train_on_data(str(folder / "train.txt"), omikuji.Model.default_hyper_param(), threads)
    trained = time.perf_counter()
    found = [
        [label for label, _ in model.predict(list(zip(row.indices.tolist(), row.data.tolist(), strict=True)), top_k=5)]
        if row.nnz
        else []
        for row in (new[i] for i in range(new.shape[0]))
    ]
    asked = time.perf_counter()
    model.save(str(folder / "model"))
    return padded(found), trained, asked


def run_pecos(X: Any, y: Any, new: Any, threads: int, seed: int, folder: Path) -> Any:
    from pecos.xmc import Indexer, LabelEmbeddingFactory
    from pecos.xmc.xlinear.model import XLinearModel

    for matrix in (X, y, new):
        matrix.sort_indices()
    start()
    features = LabelEmbeddingFactory.create(y, X, method="pifa")
    chain = Indexer.gen(features, indexer_type="hierarchicalkmeans", seed=seed, threads=threads)
    model = XLinearModel.train(X, y, C=chain, threads=threads)
    trained = time.perf_counter()
    found = sparse.csr_matrix(model.predict(new, only_topk=5, threads=threads))
    asked = time.perf_counter()
    model.save(str(folder / "model"))
    rows = []
    for i in range(found.shape[0]):
        part = slice(found.indptr[i], found.indptr[i + 1])
        rows.append(found.indices[part][np.argsort(-found.data[part], kind="stable")].tolist())
    return padded(rows), trained, asked


def run_libmultilabel(X: Any, y: Any, new: Any, threads: int, seed: int, folder: Path) -> Any:
    import pickle

    from libmultilabel import linear

    np.random.seed(seed)  # noqa: NPY002
    X, new = X.astype(np.float64), new.astype(np.float64)
    start()
    model = linear.train_tree(y.astype(np.float64), X, f"-s 1 -e 0.0001 -B 1 -m {threads} -q", verbose=False)
    trained = time.perf_counter()
    scores = linear.predict_values(model, new)
    labels = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    asked = time.perf_counter()
    (folder / "model").write_bytes(pickle.dumps(model))
    return labels, trained, asked


begin = before = 0.0


def start() -> None:
    """What comes before (imports, files in a rival's format) is not counted."""
    global begin, before
    begin, before = time.perf_counter(), memory("VmRSS")


def child(name: str, data: str, threads: int, seed: int) -> dict[str, float]:
    X, y, new, truth = load(data)
    runs = {
        "mlkit": run_mlkit,
        "mlkit-one": lambda *a: run_mlkit(*a, n_trees=1),
        "mlkit-flat": lambda *a: run_mlkit(*a, tree="flat"),
        "napkinxc": run_napkinxc,
        "napkinxc-parabel": lambda *a: run_napkinxc(
            *a, ensemble=3, max_leaves=100, optimizer="liblinear", loss="l2", liblinear_c=1, liblinear_eps=0.1
        ),
        "omikuji": run_omikuji,
        "pecos": run_pecos,
        "libmultilabel": run_libmultilabel,
    }
    with tempfile.TemporaryDirectory() as folder:
        labels, trained, asked = runs[name](X, y, new, threads, seed, Path(folder))
        fit_s, predict_s, peak = trained - begin, asked - trained, memory("VmHWM")
        files = [Path(folder) / "model", *(Path(folder) / "model").rglob("*")]
        size = sum(path.stat().st_size for path in files if path.is_file())
    rows = np.repeat(np.arange(labels.shape[0])[:, None], labels.shape[1], axis=1)
    hits = np.asarray(truth[rows.ravel(), np.maximum(labels, 0).ravel()]).reshape(labels.shape) * (labels >= 0)
    report = {f"P@{k}": 100 * float(hits[:, :k].mean()) for k in (1, 3, 5)}
    return {**report, "fit s": fit_s, "predict s": predict_s, "model MB": size / 2**20, "peak MB": peak - before}


def memory(key: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


# ---------------------------------------------------------------------------------------------------------------- races


def race_learners(data: str, threads: int, pythons: dict[str, str], learners: list[str], seeds: int) -> None:
    print(f"\n{data}, {threads} thread(s), mean of {seeds} seed(s)")
    for name in learners:
        python = pythons.get(name.split("-")[0], sys.executable)
        reports = []
        for seed in range(seeds):
            command = [python, __file__, "--child", name, data, str(threads), str(seed)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=900)
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            if done.returncode or not lines:
                reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
                print(f"  {name:18s} left out: {reason[:110]}")
                break
            reports.append(json.loads(lines[-1]))
        else:
            mean = {key: float(np.mean([report[key] for report in reports])) for key in reports[0]}
            print(f"  {name:18s}" + "".join(f"  {key} {value:8.2f}" for key, value in mean.items()), flush=True)


def race_cooccurrence(threads: list[int]) -> None:
    from mlkit.labels import as_label_matrix, label_cooccurrence

    print("\nco-occurrence: median s of 5, beside SciPy's Y.T @ Y on the same CSR of int64")
    for n, n_labels, each in ((200_000, 50_000, 10), (100_000, 5_000, 10), (16_000, 1_000, 19)):
        rng = np.random.default_rng(0)
        rank = ((n_labels + 20) / 20) ** rng.random(n * each) * 20 - 20
        cells = np.unique(np.repeat(np.arange(n), each) * n_labels + np.minimum(rank.astype(np.int64), n_labels - 1))
        y = sparse.csr_array((np.ones(cells.size, np.int64), (cells // n_labels, cells % n_labels)), (n, n_labels))
        labels = as_label_matrix(y)
        expected = y.T @ y
        assert (label_cooccurrence(labels) != expected).nnz == 0
        pairs = (int(expected.sum()) - int(expected.trace())) / 2
        times: dict[str, list[float]] = {"scipy": [], **{f"mlkit {t}": [] for t in threads}}
        for _ in range(5):
            for name, values in times.items():
                start = time.perf_counter()
                if name == "scipy":
                    y.T @ y
                else:
                    label_cooccurrence(labels, n_jobs=int(name.split()[1]))
                values.append(time.perf_counter() - start)
        medians = {name: float(np.median(values)) for name, values in times.items()}
        print(
            f"  {n} x {n_labels}, {pairs / 1e6:.2f} M pairs:"
            + "".join(f"  {name} {s:.3f} s ({pairs / s / 1e6:.0f} M/s)" for name, s in medians.items()),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", nargs=4)
    parser.add_argument("--only", nargs="*", default=["cooccurrence", "bibtex", "delicious"])
    parser.add_argument("--learners", nargs="*", default=list(LEARNERS))
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--python", nargs="*", default=[])
    options = parser.parse_args()
    if options.child:
        name, data, threads, seed = options.child
        print(json.dumps(child(name, data, int(threads), int(seed))))
        return
    pythons = dict(item.split("=", 1) for item in options.python)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores")
    for race in options.only:
        if race == "cooccurrence":
            race_cooccurrence(options.threads)
        else:
            for threads in options.threads:
                race_learners(race, threads, pythons, options.learners, options.seeds)


if __name__ == "__main__":
    main()
