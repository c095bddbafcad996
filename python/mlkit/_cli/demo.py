"""``mlkit demo``: an audit finds label errors that were planted, and the truth says how many of them."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._cli import text
from mlkit._cli.errors import InputError, bad_input
from mlkit._cli.sheet import Suspect, draw_sheet
from mlkit._cli.sources import check_folder
from mlkit._files import write_whole
from mlkit._progress import steps

if TYPE_CHECKING:
    from mlkit.datasets import MultiDigits
    from mlkit.quality.label_audit import LabelAudit

_FOLDS = 5
_RATE = 0.1  # of the labels are moved to a digit that is not there
_LEAST = 200  # pictures; of fewer, some fold would lack the rare digits
_BUDGETS = (100, 500)  # cells that somebody may have the time to check
_SHOWN = 10  # pictures on the sheet
_SHEET = "most-suspicious.png"


@dataclass(frozen=True)
class Story:
    """Pictures, the labels that somebody gave them, which of these are wrong, and what an audit made of it."""

    data: MultiDigits
    given: NDArray[np.int8]
    is_wrong: NDArray[np.bool_]
    audit: LabelAudit


def run(args: argparse.Namespace) -> None:
    """Make the data, audit them, draw, print."""
    from mlkit._validation.optional import require
    from mlkit._validation.params import check_integer

    with bad_input():
        check_integer("n_samples", args.samples, low=_LEAST)
        check_integer("random_state", args.seed, low=0, high=2**32 - 1)
        require("matplotlib", extra="demo", purpose="mlkit demo")
        if args.progress:
            require("tqdm", extra="progress", purpose="--progress")
    sheet = check_folder("--out", args.out) / _SHEET
    stages = ["pictures", *(f"model {k} of {_FOLDS}" for k in range(1, _FOLDS + 1)), "audit", "drawing"]
    under_way = steps(stages, "demo", args.progress)

    next(under_way)
    from mlkit.datasets import inject_label_noise, make_multidigits

    data = make_multidigits(args.samples, random_state=args.seed)
    given, is_wrong = inject_label_noise(data.Y, kind="swap", rate=_RATE, random_state=args.seed)

    pred_probs, fold = np.empty(given.shape), np.empty(len(given), np.int64)
    for k, (train, test) in enumerate(_split(len(given), args.seed)):
        next(under_way)
        pred_probs[test], fold[test] = _predict(data.X[train], given[train], data.X[test]), k

    next(under_way)
    from mlkit.quality.audit import audit

    result = audit(given, pred_probs, label_names=data.label_names, fold_ids=fold, progress=False)
    story = Story(data, given, is_wrong, result)

    next(under_way)
    suspects = _suspects(story)
    _save(suspects, len(given), sheet)
    for _ in under_way:  # closes the bar
        pass
    _tell(story, suspects, sheet)


def _split(n: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import KFold

    return list(KFold(_FOLDS, shuffle=True, random_state=seed).split(np.empty(n)))


def _predict(X: NDArray[np.float32], Y: NDArray[np.int8], X_new: NDArray[np.float32]) -> NDArray[np.float64]:
    """An ordinary model, fitted to the labels as they were given."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    from mlkit._validation.optional import require

    threadpool_limits = require("threadpoolctl", extra="demo", purpose="mlkit demo").threadpool_limits
    model = make_pipeline(
        Nystroem(gamma=0.03, n_components=min(600, len(X)), random_state=0),
        OneVsRestClassifier(LogisticRegression(C=10, max_iter=100)),
    )
    with warnings.catch_warnings(), threadpool_limits(1):  # for matrices this small threads only cost time
        warnings.simplefilter("ignore")  # a model that has not quite converged will do
        probs: NDArray[np.float64] = model.fit(X, Y).predict_proba(X_new)
    return probs


def _suspects(story: Story) -> list[Suspect]:
    """The most suspicious pictures with three label sets each."""
    number = {name: digit for digit, name in enumerate(story.data.label_names)}
    found = story.audit.examples(_SHOWN)
    return [
        Suspect(
            row=row,
            image=story.data.images[row],
            given={number[name] for name in given},
            suggested={number[name] for name in suggested},
            truth=set(np.flatnonzero(story.data.Y[row]).tolist()),
        )
        for row, given, suggested in zip(found["row"], found["given"], found["suggested"])
    ]


def _save(suspects: list[Suspect], n_samples: int, sheet: Path) -> None:
    figure = draw_sheet(suspects, n_samples)
    try:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        write_whole(sheet, lambda part: figure.savefig(part, format="png"))
    except OSError as error:
        raise InputError(f"--out: cannot write to {sheet.parent} ({error.strerror or error})") from error


def _tell(story: Story, suspects: list[Suspect], sheet: Path) -> None:
    n, n_wrong = len(story.given), int(story.is_wrong.sum())
    n_labels = int(story.data.Y.sum())
    text.say(
        f"{n:,} pictures show one to four handwritten digits each. Of their {n_labels:,} labels {n_wrong // 2:,} were "
        f"moved\nto a digit that is not there: {n_wrong:,} of {story.given.size:,} cells are wrong. A kernel logistic "
        f"regression was\nfitted to these labels; its out-of-fold probabilities ({_FOLDS} folds) are all that the "
        "audit has.\n"
    )
    text.say(f"{story.audit!r}\n")
    text.say("By label: cells that are flagged, how many of these are wrong indeed, and how many were planted")
    text.say(text.indented(_label_table(story)))
    share = _percent(n_wrong, story.given.size)
    text.say(f"\nHow good are the flags? Of all cells {share} are wrong; of those that the audit points at:")
    text.say(text.indented(_quality_table(story)))
    text.say(f"\nThe {len(suspects)} most suspicious pictures, with given, suggested and true labels: {sheet}")


def _label_table(story: Story) -> str:
    """By label and direction: cells that are flagged, those of them that are wrong, and those that were planted."""
    import pandas as pd

    labels = story.audit.labels
    n_labels = len(labels)
    columns, given, is_hit = _flagged(story)
    parts: dict[tuple[str, str], Any] = {("", name): labels[name] for name in ("label", "support", "auc")}
    for value, direction in ((1, "spurious"), (0, "missing")):
        parts[direction, "flagged"] = labels[f"{direction}_n"]
        parts[direction, "right"] = np.bincount(columns[is_hit & (given == value)], minlength=n_labels)
        parts[direction, "planted"] = (story.is_wrong & (story.given == value)).sum(axis=0)
    parts["", "status"] = labels["status"]
    shown: str = pd.DataFrame(parts).to_string(index=False, float_format=lambda x: f"{x:.3f}")
    return shown


def _flagged(story: Story) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.bool_]]:
    """The flagged cells, most suspicious first: digit, what was given, and whether that is wrong."""
    cells = story.audit.cells()
    number = {name: digit for digit, name in enumerate(story.data.label_names)}
    columns = cells["label"].map(number).to_numpy(dtype=np.int64)
    return columns, cells["given"].to_numpy(), story.is_wrong[cells["row"].to_numpy(), columns]


def _quality_table(story: Story) -> str:
    """Precision and recall of the flagged cells, the most suspicious first."""
    import pandas as pd

    is_hit = _flagged(story)[2]
    n_wrong = int(story.is_wrong.sum())
    budgets = {f"the {k} most suspicious cells": k for k in _BUDGETS if k < is_hit.size}
    rows = {}
    for name, k in {**budgets, "all flagged cells": is_hit.size}.items():
        n_hits = int(is_hit[:k].sum())
        rows[name] = (f"{k:,}", f"{n_hits:,}", _percent(n_hits, k), _percent(n_hits, n_wrong))
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["cells", "right", "precision", "recall"])
    shown: str = frame.to_string()
    return shown


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
