"""``mlkit audit``: files of labels and probabilities in, what is wrong with the labels out."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from mlkit._cli import text
from mlkit._cli.errors import InputError, as_options, bad_input
from mlkit._cli.inputs import Files, Matrices, find_files, read_matrices
from mlkit._cli.reading import width_of
from mlkit._cli.rule_files import read_hierarchy, read_rules
from mlkit._cli.sources import check_folder
from mlkit._cli.tables import Table
from mlkit._cli.unknown import read_mask


def run(args: argparse.Namespace) -> None:
    """Judge and read everything, audit, and only then write."""
    from mlkit._validation.cells import LabelQualityWarning
    from mlkit.quality.audit import audit

    with bad_input():
        _check_values(args)
    folder = None if args.out is None else check_folder("--out", args.out)
    if args.checkpoint is not None:
        check_folder("--checkpoint", args.checkpoint)
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
            max_memory=args.max_memory,
            checkpoint=args.checkpoint,
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
    from mlkit._validation.params import check_choice, check_integer, check_memory
    from mlkit.quality._engine import FILTERS, RANKINGS

    check_choice("filter_by", args.filter, FILTERS)
    check_choice("rank_by", args.rank_by, RANKINGS)
    check_choice("nan_policy", args.nan_policy, ("raise", "mask"))
    check_integer("min_support", args.min_support, low=0)
    if args.top is not None:
        check_integer("top", args.top, low=0)
    check_memory("max_memory", args.max_memory)
    resolve_threads(args.jobs)
    if args.progress:
        require("tqdm", extra="progress", purpose="--progress")


def _read(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of an audit that come from files."""
    files = find_files(args, "labels", "probs", "names", "ids", "folds", "trusted", "hierarchy", "rules")
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
        **_read_rules(files, read),
    }


def _read_rules(files: Files, read: Matrices) -> dict[str, Any]:
    """What must hold between the labels, judged against their number and names."""
    from mlkit._validation.frames import frame_names
    from mlkit._validation.params import check_label_names

    hierarchy, rules = files.sources["hierarchy"], files.sources["rules"]
    width = width_of(read.table)
    if width is None or (hierarchy is None and rules is None):  # labels without a width are refused by the audit
        return {}
    names = read.names
    if names is not None:
        with bad_input():
            names = check_label_names(names, width)
    elif isinstance(read.table, Table):
        names = frame_names("labels", read.table.frame)
    return {
        "hierarchy": None if hierarchy is None else read_hierarchy(hierarchy, width, names),
        "rules": None if rules is None else read_rules(rules, width, names),
    }
