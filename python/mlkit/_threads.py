"""How many threads a call may use."""

from __future__ import annotations

import operator
import os
from typing import Any

from mlkit import _core
from mlkit._validation.params import described

MOST_THREADS = 4096
_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    # An OpenMP runtime that was used before a fork hangs in the child: there, kernels run on one thread.
    os.register_at_fork(after_in_child=_note_fork)


def available_threads() -> int:
    """Threads this process may use: affinity, cgroup limits, ``OMP_NUM_THREADS``, limits set by the caller.

    Returns
    -------
    int
        At least 1; exactly 1 inside a parallel region and in a forked child.
    """
    if _forked:
        return 1
    from joblib import cpu_count

    cores = int(cpu_count())
    limit = _core.thread_limit()  # 0: the backend has no opinion
    if limit == 0:
        asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
        limit = int(asked) if asked.isdigit() and int(asked) > 0 else cores
    return max(1, min(cores, limit))


def resolve_threads(n_jobs: Any) -> int:
    """Turn ``n_jobs`` into a number of threads, in scikit-learn's sense.

    Parameters
    ----------
    n_jobs : int or None
        None: all available threads. Negative: ``available + 1 + n_jobs``. Positive: as asked, but at most 4096.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    TypeError
        If ``n_jobs`` is neither None nor an integer.
    ValueError
        If ``n_jobs`` is 0.
    """
    if n_jobs is None:
        return available_threads()
    try:
        n = None if isinstance(n_jobs, bool) else operator.index(n_jobs)
    except TypeError:
        n = None
    if n is None:
        raise TypeError(f"n_jobs: expected an integer or None, got {described(n_jobs)}")
    if n == 0:
        raise ValueError(
            "n_jobs: expected a positive or negative integer or None, got 0 (1 runs on one thread, -1 on all)"
        )
    if _forked:
        return 1
    return min(n, MOST_THREADS) if n > 0 else max(1, available_threads() + 1 + n)
