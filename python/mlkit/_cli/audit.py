"""``mlkit audit``: files of labels and probabilities in, what is wrong with the labels out."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from mlkit._cli import text
from mlkit._cli.errors import InputError, as_options, bad_input
from mlkit._cli.inputs import find_files, read_matrices
from mlkit._cli.sources import check_folder
from mlkit._cli.unknown import read_mask


def run(args: argparse.Namespace) -> None:
    """Judge and read everything, audit, and only then write."""
    from mlkit._validation.cells import LabelQualityWarning
    from mlkit.quality.audit import audit

    with bad_input():
        _check_values(args)
    folder = None if args.out is None else check_folder("--out", args.out)
    ids_from = "--ids" if args.ids else "--id-column" if args.id_column else "the index of a table"
    with bad_input(ids=ids_from), warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelQualityWarning)  # the audit says the same under "Trust"
        result = audit(
            **_read(args),
            filter_by=args.filter,
            rank_by=args.rank_by,
            min_support=args.min_support,
            nan_policy=args.nan_policy,
            from_logits=args.from_logits,
            force=args.force,
            n_jobs=args.jobs,
            progress=args.progress,
        )
    written = []
    if folder is not None:
        from mlkit.quality._files import write_audit

        try:
            written = write_audit(result, folder, args.top)
        except OSError as error:
            raise InputError(f"--out: cannot write to {folder} ({error.strerror or error})") from error
    text.say(as_options(repr(result)))
    if folder is not None:
        text.say(f"Written: {', '.join(str(path) for path in written)}")
    elif args.top is not None:
        cells = result.cells(args.top)
        text.say(f"\nThe most suspicious {len(cells):,} of {len(result.cells()):,} flagged cells")
        if len(cells):
            text.say(text.table(cells))


def _check_values(args: argparse.Namespace) -> None:
    """What can be judged before any file is opened."""
    from mlkit._threads import resolve_threads
    from mlkit._validation.optional import require
    from mlkit._validation.params import check_choice, check_integer
    from mlkit.quality._engine import FILTERS, RANKINGS

    check_choice("filter_by", args.filter, FILTERS)
    check_choice("rank_by", args.rank_by, RANKINGS)
    check_choice("nan_policy", args.nan_policy, ("raise", "mask"))
    check_integer("min_support", args.min_support, low=0)
    if args.top is not None:
        check_integer("top", args.top, low=0)
    resolve_threads(args.jobs)
    if args.progress:
        require("tqdm", extra="progress", purpose="--progress")


def _read(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of an audit that come from files."""
    files = find_files(args, "labels", "probs", "names", "ids", "folds", "trusted")
    read = read_matrices(files, "probs")
    ids, trusted = files.list_of("ids"), files.sources["trusted"]
    return {
        "labels": read.labels,
        "pred_probs": read.others["probs"],
        "label_names": read.names,
        "ids": read.ids if ids is None else ids,
        "unknown": read.unknown,
        "trusted": None if trusted is None else read_mask(trusted, read.table, files.tables),
        "fold_ids": files.list_of("folds"),
    }
