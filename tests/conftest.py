"""What the tests of all rooms share: the real data sets, and Hypothesis without chance or clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("mlkit", deadline=None, derandomize=True)
settings.load_profile("mlkit")


class Dataset(NamedTuple):
    """A real data set: features (dense, CSR or None), labels (CSR of int64 ones) and the other arrays by name."""

    X: Any
    Y: Any
    extra: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets, from MLKIT_DATA; without it the test is skipped, a wrong one is a failure."""
    folder = os.environ.get("MLKIT_DATA")
    if not folder:
        pytest.skip("MLKIT_DATA is not set: it names the folder with the real data sets")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"MLKIT_DATA: expected a folder, got {folder}")
    return path


@pytest.fixture(scope="session")
def load_dataset(data_dir: Path) -> Callable[[str], Dataset]:
    """A function from a data set's name to its arrays; a data set that is not there is a failure."""

    def load(name: str) -> Dataset:
        path = data_dir / f"{name}.npz"
        if not path.is_file():
            pytest.fail(
                f"MLKIT_DATA: expected {name}.npz in {data_dir}, got {sorted(p.name for p in data_dir.iterdir())}"
            )
        return read_dataset(path)

    return load


def read_dataset(path: Path) -> Dataset:
    from scipy import sparse

    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}

    def take_csr(prefix: str, data: np.ndarray) -> Any:
        indices, indptr = arrays.pop(f"{prefix}_indices"), arrays.pop(f"{prefix}_indptr")
        shape = tuple(int(length) for length in arrays.pop(f"{prefix}_shape"))
        return sparse.csr_matrix((data, indices, indptr), shape=shape)

    features = arrays.pop("X", None)
    if "X_data" in arrays:
        features = take_csr("X", arrays.pop("X_data"))
    labels = take_csr("Y", np.ones(arrays["Y_indices"].size, np.int64))
    return Dataset(features, labels, arrays)
