"""Label sets and their numbers as a reader sees them: a text holds no 2^15000."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlkit.conformal._sizes import log10_of

_LONGEST = 40  # characters of a name


def listed(labels: Sequence[Any], limit: int = 5) -> str:
    """The first labels, by name or number, and how many more there are."""
    names = [" ".join(str(label).split()) for label in labels[:limit]]
    names = [name if len(name) <= _LONGEST else name[: _LONGEST - 1].rstrip() + "…" for name in names]
    more = len(labels) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def short_number(n: int, up: bool = False) -> str:
    """``999,999`` or ``1.8e16``, rounded down, or up: a bound stays one."""
    if n < 10**6:
        return f"{n:,}"
    exponent = int(log10_of(n)) - 1
    lead = n // 10**exponent  # two digits, or by the rounding of the logarithm one or three
    exponent += (lead >= 100) - (lead < 10)
    lead, rest = divmod(n, 10**exponent)
    lead += up and rest > 0
    if lead == 100:
        lead, exponent = 10, exponent + 1
    return f"{lead // 10}.{lead % 10}e{exponent + 1}"


def counted_sets(lower: int, upper: int) -> str:
    """``18 sets``, or ``1.8e16 to 2.1e16 sets``."""
    if lower != upper:
        return f"{short_number(lower)} to {short_number(upper, up=True)} sets"
    return f"{short_number(lower)} set{'s' * (lower != 1)}"
