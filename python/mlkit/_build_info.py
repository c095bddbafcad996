"""How this package was built and what it runs with."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

from mlkit import _core

_PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "tqdm", "pyarrow", "polars")


def build_info() -> dict[str, str]:
    """Collect versions and build settings.

    Returns
    -------
    dict of str to str
        Versions of mlkit, Python and the packages it works with, then compiler, threading backend and the rest of the
        extension's build settings.

    Examples
    --------
    >>> from mlkit._build_info import build_info
    >>> sorted(build_info())[:3]
    ['available threads', 'build_type', 'compiler']
    """
    from mlkit._threads import available_threads

    info = {"mlkit": _core.__version__, "python": sys.version.split()[0], "platform": platform.platform()}
    info.update({package: _version(package) for package in _PACKAGES})
    info["available threads"] = str(available_threads())
    info.update({key: str(value) for key, value in _core.build_info().items()})
    return info


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def show_versions() -> None:
    """Print versions and build settings: the first lines of every bug report.

    Examples
    --------
    >>> import mlkit
    >>> mlkit.show_versions()  # doctest: +ELLIPSIS
    mlkit ...
    """
    info = build_info()
    width = max(len(key) for key in info)
    for key, value in info.items():
        print(f"{key:<{width}}  {value}")
