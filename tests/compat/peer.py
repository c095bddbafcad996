"""The peer for comparisons: quiet, in one process, and equal only up to its choice among equal keys."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mlkit.quality import LabelQualityWarning
from reference import quality as oracle
from reference.quality_inputs import Data, make_data

PEER_WARNINGS = (
    "May not flag all label issues",
    "frac_noise and num_to_remove_per_class parameters",
    "The multi_label argument to filter.find_label_issues",
    "The supplied `confident_joint` is ignored",
    "The new recommended format for `confident_joint`",
    "unknown class",
    ".* is not used when `low_memory=True`",
    "invalid value encountered in (divide|cast|multiply)",
    "divide by zero encountered",
)
DISTINCT = ("smooth", "one_label")  # kinds of data without equal keys
CROWDED = (
    "rounded", "saturated", "extreme", "near_half", "at_the_veto", "at_the_threshold", "small", "outside", "constant",
    "all_zero", "all_one",
)  # fmt: skip
KINDS = (*DISTINCT, *CROWDED)
NEEDS_BOTH_VALUES = ("predicted_neq_given", *oracle.LOW_FILTERS)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what the peer says about rare labels and unused options, and our one sentence about them."""
    with warnings.catch_warnings():
        for message in PEER_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        warnings.simplefilter("ignore", LabelQualityWarning)
        yield


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the peer from starting a pool of processes where it takes no n_jobs."""
    monkeypatch.setattr("multiprocessing.cpu_count", lambda: 1)
    with contextlib.suppress(ImportError):
        monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 1)


def lists(labels: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(row == 1).tolist() for row in labels]


def columns(data: Data, keep: np.ndarray) -> Data:
    return Data(data.labels[:, keep], data.probs[:, keep])


def searchable(data: Data, filter_by: str = "prune_by_noise_rate") -> Data:
    """The labels that the peer searches: given in not all examples, for some filters given at all."""
    keep = (data.labels == 0).any(axis=0)
    if filter_by in NEEDS_BOTH_VALUES:
        keep &= (data.labels == 1).any(axis=0)
    return columns(data, keep)


def some_data(kinds: tuple[str, ...], n_seeds: int, dtypes: tuple[str, ...], n_labels: int = 8) -> Iterator[Data]:
    for seed in range(n_seeds):
        for kind in kinds:
            for dtype in dtypes:
                yield make_data(kind, 7 * seed + len(dtype) + len(kind), dtype, n_labels)


def outcome(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a call answers, or ValueError where it refuses."""
    with quiet():
        try:
            return call(*args, **options)
        except ValueError:
            return ValueError


def tie_keys(data: Data, filter_by: str, label: int) -> np.ndarray:
    """What the cells of a label are sorted by; the peer may take either of two equal ones."""
    q = oracle.two_columns(data.probs[:, label], "cleanlab")
    given = data.labels[:, label]
    if filter_by in oracle.LOW_FILTERS:
        return oracle.side_scores(given, q, filter_by[4:], "cleanlab")
    if filter_by == "prune_by_class":
        return oracle.picked(q, given)
    return oracle.picked(q, given) - oracle.picked(q, 1 - given)


def assert_same_cells(data: Data, ours: np.ndarray, theirs: np.ndarray, filter_by: str) -> None:
    """Compare flags: per label and side the same count and the same keys ("both": a choice among equal keys twice)."""
    if np.array_equal(ours, theirs):
        return
    pooled = filter_by in oracle.LOW_FILTERS
    for label in range(data.labels.shape[1]):
        keys = tie_keys(data, filter_by, label)
        for side in [data.labels[:, label] >= 0] if pooled else [data.labels[:, label] == k for k in (0, 1)]:
            mine, others = ours[side, label], theirs[side, label]
            if filter_by == "both":
                assert len(np.unique(keys[side][mine != others])) <= 1
            else:
                assert mine.sum() == others.sum()
                np.testing.assert_array_equal(np.sort(keys[side][mine]), np.sort(keys[side][others]))
