"""Arguments that both makers take."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

RandomState = int | np.integer[Any] | np.random.RandomState | np.random.Generator | None


def make_generator(random_state: RandomState) -> np.random.Generator:
    """One kind of generator from all that users pass; a RandomState is advanced, so repeated calls differ."""
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**32, size=4, dtype=np.uint32))
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        if random_state < 0:
            raise ValueError(f"random_state: expected a number of at least 0, got {random_state}")
        return np.random.default_rng(int(random_state))
    raise TypeError(
        f"random_state: expected None, an int, a RandomState or a Generator, got {type(random_state).__name__}"
    )


def check_floats(name: str, values: Any, wanted: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected {wanted}, got {values!r}") from None
