"""Inputs for holding the label-quality room against its reference: random, tiny, tied, saturated, unknown, hostile."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mlkit.labels import LabelMatrix, as_label_matrix

DTYPES = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


class Data(NamedTuple):
    """Labels (1 given, 0 not given, -1 unknown) and probabilities of the same cells."""

    labels: NDArray[np.int8]
    probs: NDArray[np.floating[Any]]

    @property
    def matrix(self) -> LabelMatrix:
        return as_label_matrix(self.labels == 1, unknown=self.labels < 0)

    @property
    def positive_only(self) -> LabelMatrix:
        """The same cells written the other way round: what is not stored is unknown."""
        return as_label_matrix(self.labels, background="unknown")

    def rows(self, keep: NDArray[Any]) -> Data:
        return Data(self.labels[keep], self.probs[keep])


def smooth(rng: np.random.Generator, n: int, n_labels: int) -> NDArray[np.float64]:
    """Return probabilities of labels that are rare, common, easy and hard; no two are equal."""
    logits = rng.normal(rng.normal(-1.0, 1.5, n_labels), rng.uniform(0.5, 4.0, n_labels), (n, n_labels))
    return 1 / (1 + np.exp(-logits))


def noisy_labels(rng: np.random.Generator, probs: NDArray[Any]) -> NDArray[np.int8]:
    """Return labels drawn from the probabilities, some of them then turned round."""
    labels = rng.random(probs.shape) < probs
    return (labels ^ (rng.random(probs.shape) < rng.uniform(0, 0.3))).astype(np.int8)


def with_odd_labels(rng: np.random.Generator, labels: NDArray[np.int8]) -> NDArray[np.int8]:
    """Give the first labels no positive, one, two, six, one negative and none; the others stay as they are."""
    n = len(labels)
    for label, n_positive in enumerate((0, 1, 2, 6, n - 1, n)[: max(labels.shape[1] - 2, 0)]):
        labels[:, label] = 0
        labels[rng.choice(n, min(n_positive, n), replace=False), label] = 1
    return labels


def scattered(rng: np.random.Generator, shape: tuple[int, int], share: float) -> NDArray[np.bool_]:
    return rng.random(shape) < share


def rounded(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return p.round(int(rng.integers(1, 3)))


def saturated(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(scattered(rng, p.shape, 0.7), p.round(), p)


def extreme(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    tiny = 10.0 ** -rng.integers(5, 320, p.shape)
    return np.where(scattered(rng, p.shape, 0.4), tiny, np.where(scattered(rng, p.shape, 0.2), 1 - tiny, p))


def subnormal(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    tiny = [0.0, 5e-324, 1e-323, 2.2e-308, 1e-45, 1e-17, 1e-12, 6e-8, 1e-7]
    return rng.choice([*tiny, 0.3, 0.7, 1 - 1e-7, 1.0], p.shape)


def near_half(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 + rng.uniform(-2e-6, 2e-6, p.shape)


def at_the_veto(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """The tolerance turns at 0.5 +- 5e-7: step over it bit by bit."""
    edge = rng.choice([0.5 - 5e-7, 0.5 + 5e-7], p.shape)
    return edge + rng.integers(-40, 41, p.shape) * np.spacing(0.5)


def at_the_threshold(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds are means: with few values 1e-6 apart, most cells lie within some bits of threshold - 1e-6."""
    centre = rng.uniform(0.1, 0.9, p.shape[1])
    return centre + rng.choice([-1e-6, 0.0, 1e-6], p.shape) + rng.integers(-2, 3, p.shape) * np.spacing(centre)


def small(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return rng.uniform(0, 1e-5, p.shape)


def outside(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(scattered(rng, p.shape, 0.4), p.round() + rng.uniform(-1e-7, 1e-7, p.shape), p)


def constant(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.broadcast_to(rng.choice([0.0, 0.25, 0.5, 0.75, 1.0, *rng.random(3)], p.shape[1]), p.shape).copy()


def all_zero(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.zeros(p.shape)


def all_one(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones(p.shape)


BENT = {
    bend.__name__: bend
    for bend in (
        rounded, saturated, extreme, subnormal, near_half, at_the_veto, at_the_threshold, small, outside, constant,
        all_zero, all_one,
    )
}  # fmt: skip
KINDS = (
    "smooth", *BENT, "no_labels", "every_label", "one_row", "one_label", "one_cell",
    "unknown_few", "unknown_most", "unknown_whole", "unknown_ties",
)  # fmt: skip


def make_data(kind: str, seed: int, dtype: str = "float64", n_labels: int = 12) -> Data:
    """Make a data set of one kind; every fourth has fewer than ten rows."""
    rng = np.random.default_rng([seed, *kind.encode()])
    n = int(rng.integers(2, 10)) if seed % 4 == 0 else int(rng.integers(20, 80))
    n = 1 if kind in ("one_row", "one_cell") else n
    n_labels = 1 if kind in ("one_label", "one_cell") else n_labels
    probs = smooth(rng, n, n_labels)
    labels = noisy_labels(rng, probs)
    if n > 1 and seed % 2:
        labels = with_odd_labels(rng, labels)
    if kind in BENT:
        probs = BENT[kind](rng, probs)
    if kind == "unknown_ties":
        probs = probs.round(1)
    if kind in ("no_labels", "every_label"):
        labels[:] = kind == "every_label"
    if kind in ("unknown_few", "unknown_most", "unknown_ties"):
        labels[scattered(rng, labels.shape, {"unknown_few": 0.1, "unknown_most": 0.9, "unknown_ties": 0.4}[kind])] = -1
    if kind == "unknown_whole":
        labels[rng.random(n) < 0.3] = -1
        labels[:, rng.random(n_labels) < 0.3] = -1
    return Data(labels, probs.astype(DTYPES[dtype]))


def all_data(n_seeds: int, dtypes: tuple[str, ...] = tuple(DTYPES)) -> Iterator[Data]:
    """Every kind in every type of float; each from a seed of its own, so that sizes and odd labels vary with both."""
    for seed, (_, kind, dtype) in enumerate(itertools.product(range(n_seeds), KINDS, dtypes)):
        yield make_data(kind, seed, dtype)


def as_csr(probs: NDArray[Any], rng: np.random.Generator | None = None) -> sparse.csr_array:
    """Return the same probabilities in compressed rows, with ``rng`` some of their zeros stored."""
    stored = probs != 0
    if rng is not None:
        stored |= rng.random(probs.shape) < 0.2
    indptr = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
    return sparse.csr_array((probs[stored], np.nonzero(stored)[1], indptr), shape=probs.shape)
