"""``mlkit evaluate``: files of labels and of scores or predictions in, how good these are out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkit._cli import text
from mlkit._cli.errors import InputError, bad_input
from mlkit._cli.inputs import Files, find_files, read_matrices
from mlkit._cli.reading import SUFFIXES
from mlkit._cli.sources import check_folder, find_source
from mlkit._files import as_csv, write_together

if TYPE_CHECKING:
    from mlkit.metrics.report import EvaluationReport

FORMATS = ("text", "json", "markdown")


def run(args: argparse.Namespace) -> None:
    """Judge and read everything, evaluate, and only then write."""
    from mlkit.metrics._measuring import measure

    with bad_input():
        ks = _check_values(args)
    if args.probs is None and args.pred is None:
        raise InputError("--probs: expected a file of scores, or one of predicted labels as --pred, got neither")
    folder = None if args.out is None else check_folder("--out", args.out)
    with bad_input():
        report = measure(
            **_read(args),
            k=ks,
            ci=args.ci,
            n_boot=args.boot,
            absent_labels=args.absent,
            random_state=args.seed,
            n_jobs=args.jobs,
        )
    written = [] if folder is None else _write(report, folder)
    text.say({"json": report.to_json, "markdown": report.to_markdown}.get(args.format, lambda: _shown(report))())
    if written and args.format == "text":
        text.say(f"Written: {', '.join(str(path) for path in written)}")


def _check_values(args: argparse.Namespace) -> list[int]:
    """What can be judged before any file is opened."""
    from mlkit._threads import resolve_threads
    from mlkit._validation.params import check_choice, check_integer, check_number
    from mlkit.metrics._averages import ABSENT

    check_choice("format", args.format, FORMATS)
    check_choice("absent_labels", args.absent, ABSENT)
    check_number("ci", args.ci, 0, 1, open_low=True, open_high=True)
    check_integer("n_boot", args.boot, low=0)
    check_integer("random_state", args.seed, low=0)
    resolve_threads(args.jobs)
    parts = args.k.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise ValueError(f"k: expected whole numbers with commas between them, got {args.k!r}")
    return [check_integer("k", int(part), low=1) for part in parts]


def _read(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of an evaluation that come from files."""
    cut = _threshold(args.threshold)
    files = find_files(args, "labels", "probs", "pred", "names", "weights", "groups")
    read = read_matrices(files, "probs", "pred")
    return {
        "y_true": read.labels,
        "y_score": read.others.get("probs"),
        "y_pred": read.others.get("pred"),
        "label_names": read.names,
        "unknown": read.unknown,
        "threshold": cut,
        "sample_weight": _numbers(files, "weights"),
        "groups": files.list_of("groups"),
    }


def _threshold(given: str) -> Any:
    """A number, or those that a file lists."""
    from mlkit._cli.reading import read_list

    try:
        return float(given)
    except ValueError:
        named = given.lower().rpartition(":")[0] or given.lower()
        if not given.lower().endswith((*SUFFIXES, ".txt")) and not named.endswith(".npz"):
            raise InputError(f"--threshold: expected a number or a file, got {given!r}") from None
    return _as_numbers("--threshold", read_list(find_source("--threshold", given)))


def _numbers(files: Files, name: str) -> Any:
    listed = files.list_of(name)
    return None if listed is None else _as_numbers(f"--{name}", listed)


def _as_numbers(option: str, listed: Any) -> Any:
    if isinstance(listed, np.ndarray):
        return listed
    import pandas as pd

    numbers = pd.to_numeric(pd.Series(listed, dtype=object), errors="coerce").to_numpy(float)
    wrong = np.isnan(numbers)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"{option}: expected numbers, got {listed[at]!r} on line {at + 1}")
    return numbers


def _write(report: EvaluationReport, folder: Path) -> list[Path]:
    summary = report.to_json()
    files = {
        folder / "measures.csv": as_csv(report.to_frame().reset_index()),
        folder / "labels.csv": as_csv(report.per_label),
        folder / "summary.json": lambda part: part.write_text(summary, encoding="utf-8"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_together(list(files.items()))
    except OSError as error:
        raise InputError(f"--out: cannot write to {folder} ({error.strerror or error})") from error
    return list(files)


def _shown(report: EvaluationReport) -> str:
    """The measures as an aligned table, and below it what limits them."""
    from mlkit.metrics._measuring import of_ties

    frame = report.to_frame().reset_index()
    lines = [repr(report), text.table(frame[["measure", "value", "low", "high"]])]
    notes: dict[str, list[str]] = {}
    for name, note in zip(frame["measure"], frame["note"]):
        if note and not note.startswith("no interval"):
            notes.setdefault(note, []).append(name)
    lines += [f"note: {note} ({', '.join(names)})" for note, names in notes.items()]
    ties = of_ties(report)
    return "\n".join(lines + ([f"note: {ties}"] if ties else []))
