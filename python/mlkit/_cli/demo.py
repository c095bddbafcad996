"""``mlkit demo``: an audit finds label errors that were planted, and says how many it found."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlkit._cli import text
from mlkit._cli.errors import BadInput, bad_input
from mlkit._cli.sources import check_folder
from mlkit._files import write_whole
from mlkit._progress import steps

if TYPE_CHECKING:
    from mlkit.datasets import MultiDigits
    from mlkit.quality.audit import LabelAudit

_FOLDS = 5
_RATE = 0.1  # of the positives go to a wrong label
_LEAST = 200  # pictures; fewer leave rare digits out of some fold
_TOP = 10
_PICTURE = "most-suspicious.png"


@dataclass(frozen=True)
class Story:
    """Pictures, the labels somebody gave them, which of these are wrong, and what an audit made of it."""

    data: MultiDigits
    labels: NDArray[np.int8]
    wrong: NDArray[np.bool_]
    audit: LabelAudit


def run(args: argparse.Namespace) -> None:
    """Make the data, audit them, draw and print."""
    from mlkit._validation.optional import require
    from mlkit._validation.params import check_integer

    with bad_input():
        check_integer("n_samples", args.samples, low=_LEAST)
        check_integer("random_state", args.seed, low=0, high=2**32 - 1)
        require("matplotlib", extra="demo", purpose="mlkit demo")
        if args.progress:
            require("tqdm", extra="progress", purpose="--progress")
    folder = check_folder("--out", args.out)
    stages = steps(
        ["pictures", *(f"model {k} of {_FOLDS}" for k in range(1, _FOLDS + 1)), "audit", "drawing"],
        "demo",
        args.progress,
    )
    with stages as stage:
        pass
