"""A bar over the steps of long work."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

from mlkit._validation.optional import require

_DELAY = 2.0  # seconds of work before a bar appears unasked


def steps(names: list[str], title: str, progress: bool | None) -> Iterator[str]:
    """Yield the names one by one, the bar naming the step under way.

    Parameters
    ----------
    names : list of str
    title : str
        Shown before the bar.
    progress : bool or None
        True: a bar; False: none; None: a bar on a terminal or in a notebook once the work takes over 2 s.

    Yields
    ------
    str

    Raises
    ------
    ImportError
        If ``progress`` is True and tqdm is not installed.
    """
    bar = _bar(len(names), title, progress)
    if bar is None:
        yield from names
        return
    with bar:
        for name in names:
            bar.set_description_str(f"{title}: {name}", refresh=False)
            yield name
            bar.update()


def _bar(total: int, title: str, progress: bool | None) -> Any:
    if progress is False or (progress is None and not (sys.stderr.isatty() or "ipykernel" in sys.modules)):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a notebook without widgets gets a plain bar
            tqdm = require("tqdm.auto", extra="progress", purpose="progress=True").tqdm
    except ImportError:
        if progress:
            raise
        return None
    return tqdm(total=total, desc=title, delay=0 if progress else _DELAY, leave=False, bar_format="{l_bar}{bar}|")
