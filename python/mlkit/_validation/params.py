"""Small arguments: choices, numbers, names, ids, sizes."""

from __future__ import annotations

import difflib
import math
import re
import reprlib
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

_REPR = reprlib.Repr()  # looks at no more of a container than a message can show
_REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxfrozenset = _REPR.maxdict = 30
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 1000


def shorten(value: Any, limit: int = 60) -> str:
    """``repr`` of a value on one short line; of an array only what it is."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{shorten_type(value.dtype)} array of shape {value.shape}"
    if isinstance(value, np.generic):
        value = value.item()
    try:
        text = str(value) if isinstance(value, np.generic) else _REPR.repr(value)  # (a longdouble stays one)
    except Exception:  # whatever somebody else's __repr__ raises
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def shorten_type(dtype: Any) -> str:
    """The name of a dtype, on one short line."""
    text = str(dtype)
    return text if len(text) <= 40 else text[:37] + "..."


def described(value: Any) -> str:
    """Kind and value, as messages say what they got: ``int 3``, ``list ['a', 'b']``, ``None``."""
    if value is None or (isinstance(value, np.ndarray) and value.ndim):
        return shorten(value)
    return f"{type(value).__name__} {shorten(value)}"


def suggest(value: Any, options: Iterable[str]) -> str:
    """A hint at the option that was probably meant, or nothing."""
    close = difflib.get_close_matches(value, list(options), n=1) if isinstance(value, str) else []
    return f" (did you mean {close[0]!r}?)" if close else ""


def check_choice(name: str, value: Any, options: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``options``."""
    if isinstance(value, str) and value in options:
        return value
    listed = ", ".join(repr(option) for option in options)
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(f"{name}: expected one of {listed}, got {shorten(value)}{suggest(value, options)}")


def check_number(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Return ``value`` as a float inside the interval."""
    left = "(" if open_low or low == -math.inf else "["
    right = ")" if open_high or high == math.inf else "]"
    wanted = f"a number in {left}{low:g}, {high:g}{right}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected {wanted}, got {described(value)}")
    try:
        x = float(value)
    except OverflowError:
        raise ValueError(f"{name}: expected {wanted}, got {shorten(value)}") from None
    inside = (x > low if open_low else x >= low) and (x < high if open_high else x <= high)
    if not inside:  # NaN is never inside
        hint = f" (did you mean {x / 100:g}?)" if high <= 1 < x <= 100 and low >= 0 and x == int(x) else ""
        raise ValueError(f"{name}: expected {wanted}, got {x:g}{hint}")
    return x


def check_integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """Return ``value`` as an int inside the bounds (both included) and inside 64 bits."""
    bounds = "" if low is None else f" >= {low}"
    if high is not None:
        bounds = f" <= {high}" if low is None else f" in [{low}, {high}]"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected an integer{bounds}, got {described(value)}")
    n = int(value)
    if not (-(2**63) if low is None else low) <= n <= (2**63 - 1 if high is None else high):
        raise ValueError(f"{name}: expected an integer{bounds}, got {shorten(n)}")
    return n


def check_flag(name: str, value: Any) -> bool:
    """Return ``value`` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {described(value)}")
    return bool(value)


def check_label_names(names: Any, n_labels: int | None = None, *, argument: str = "label_names") -> tuple[str, ...]:
    """Return ``names`` as a tuple of distinct strings, ``n_labels`` of them where that is known."""
    if isinstance(names, (str, bytes, Mapping, Set)) or not isinstance(names, Iterable):
        raise TypeError(f"{argument}: expected a sequence of strings, got {described(names)}")
    shape = tuple(getattr(names, "shape", (1,)))
    if len(shape) != 1:
        raise ValueError(f"{argument}: expected one dimension, got shape {shape}")
    listed = list(names)
    for position, name in enumerate(listed):
        if not isinstance(name, str):
            raise TypeError(f"{argument}: expected strings, got {described(name)} at position {position}")
    if n_labels is not None and len(listed) != n_labels:
        raise ValueError(f"{argument}: expected {n_labels} names, one for each label, got {len(listed)}")
    if len(set(listed)) != len(listed):
        seen: dict[str, int] = {}
        for position, name in enumerate(listed):
            if name in seen:
                raise ValueError(
                    f"{argument}: expected distinct names, got {shorten(name)} at positions {seen[name]} and {position}"
                )
            seen[name] = position
    return tuple(str(name) for name in listed)


def check_ids(ids: Any, n_rows: int) -> NDArray[Any]:
    """Return ``ids`` as an array of ``n_rows`` distinct values."""
    if isinstance(ids, (str, bytes, Mapping, Set)) or not isinstance(ids, Iterable):
        raise TypeError(f"ids: expected {n_rows} ids, one for each example, got {described(ids)}")
    if hasattr(ids, "__array__"):
        array = np.asarray(ids)
    else:
        listed = list(ids)
        array = np.empty(len(listed), object)
        for row, value in enumerate(listed):
            array[row] = value
        kinds = {type(value) for value in listed}  # of several, NumPy would turn 1 and "1" into the same text
        if len(kinds) == 1 and issubclass(next(iter(kinds)), (str, int, float)):
            array = np.asarray(listed)
    if array.ndim != 1 or array.shape[0] != n_rows:
        raise ValueError(f"ids: expected {n_rows} ids, one for each example, got shape {array.shape}")
    values = array.tolist()
    try:
        n_distinct = len(set(values))
    except TypeError:
        bad = next(row for row, value in enumerate(values) if not isinstance(value, Hashable))
        raise TypeError(f"ids: expected numbers or strings, got {described(values[bad])} at row {bad}") from None
    if n_distinct < n_rows:
        seen: dict[Any, int] = {}
        for row, value in enumerate(values):
            first = seen.setdefault(value, row)
            if first < row:
                raise ValueError(f"ids: expected distinct ids, got {shorten(value)} at rows {first} and {row}")
    return array


def label_text(label: int, names: Sequence[str] | None) -> str:
    """``label 3`` or ``label 3 'dog'``."""
    return f"label {label}" if names is None else f"label {label} {shorten(names[label], 40)}"


def list_labels(labels: Sequence[int] | NDArray[Any], names: Sequence[str] | None, limit: int = 5) -> str:
    """The first labels by name or number, and how many more there are."""
    shown = [str(int(j)) if names is None else shorten(names[int(j)], 40) for j in labels[:limit]]
    more = len(labels) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def check_memory(name: str, value: Any) -> int | None:
    """Return a number of bytes from an int or from text such as ``"2GB"``; None stays None."""
    if value is None:
        return None
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", value.lower())
        if match is None:
            raise ValueError(f"{name}: expected bytes or text such as '2GB', got {shorten(value)}")
        return int(float(match[1]) * _UNITS[match[2]])
    return check_integer(name, value, low=1)


def format_bytes(n: float) -> str:
    """``1.5 GB`` from a number of bytes (powers of 1024)."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} TB"
