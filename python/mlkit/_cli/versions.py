"""``mlkit versions``."""

from __future__ import annotations

import argparse

from mlkit._build_info import show_versions


def run(args: argparse.Namespace) -> None:
    """Print versions and build settings."""
    show_versions()
