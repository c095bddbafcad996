"""``mlkit audit``: files of labels and probabilities in, what is wrong with the labels out."""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from typing import Any

from mlkit._cli import text
from mlkit._cli.errors import InputError, as_options, bad_input
from mlkit._cli.numpy_files import Rows
from mlkit._cli.reading import read_list, read_matrix, width_of
from mlkit._cli.rule_files import read_hierarchy, read_rules
from mlkit._cli.sources import Source, check_folder, find_source
from mlkit._cli.tables import Table, TableOptions, match_rows
from mlkit._cli.unknown import is_background, mark_value, parse_unknown, read_mask, text_for_missing


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
            max_memory=args.max_memory,
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
    labels_at, probs_at = find_source("--labels", args.labels), find_source("--probs", args.probs)
    names_at, ids_at, folds_at = _find("--names", args.names), _find("--ids", args.ids), _find("--folds", args.folds)
    trusted_at = _find("--trusted", args.trusted)
    hierarchy_at, rules_at = _find("--hierarchy", args.hierarchy), _find("--rules", args.rules)
    unknown = None if args.unknown is None else parse_unknown(args.unknown)
    value = unknown if isinstance(unknown, str) else None

    options = TableOptions(args.id_column, not args.no_header)
    labels = read_matrix(labels_at, replace(options, missing=text_for_missing(value)))
    probs = read_matrix(probs_at, options)
    labels, probs = _same_width(labels, probs)
    names = _names(names_at, labels, probs)
    ids = None if ids_at is None else read_list(ids_at)
    if args.id_column is not None and not any(isinstance(m, Table) and m.ids is not None for m in (labels, probs)):
        raise InputError(f"--id-column: expected a column of --labels or --probs, got {args.id_column!r}")
    if ids is None:
        ids = next((m.ids for m in (labels, probs) if isinstance(m, Table) and m.ids is not None), None)
    mask = read_mask(unknown, labels, options) if isinstance(unknown, Source) else None
    trusted = None if trusted_at is None else read_mask(trusted_at, labels, options)
    of_labels = _read_rules(hierarchy_at, rules_at, labels, names)
    if isinstance(probs, Table):
        probs = match_rows(labels, probs)

    if is_background(value):
        labels = without_background(labels, names)
    elif value is not None:
        labels, mask = mark_value(labels, value)
    elif isinstance(labels, Table):
        labels = labels.frame
    return {
        "labels": labels,
        "pred_probs": probs,
        "label_names": names,
        "ids": ids,
        "unknown": mask,
        "trusted": trusted,
        "fold_ids": None if folds_at is None else read_list(folds_at),
        **of_labels,
    }


def _find(option: str, name: str | None) -> Source | None:
    return None if name is None else find_source(option, name)


def _same_width(labels: Any, probs: Any) -> tuple[Any, Any]:
    """Sparse arrays that do not say how many columns there are have as many as the other file."""
    if isinstance(labels, Rows) or isinstance(probs, Rows):
        width = width_of(labels) or width_of(probs)
        if width is None:
            raise InputError("--labels: expected a shape in one of the two files, got CSR arrays without (NAME_shape)")
        labels, probs = (m.widened(width) if isinstance(m, Rows) else m for m in (labels, probs))
    return labels, probs


def _names(source: Source | None, labels: Any, probs: Any) -> Any:
    """Names from their own file; else the probabilities' header if the labels have none."""
    from mlkit._validation.frames import frame_names

    if source is not None:
        return read_list(source)
    if isinstance(labels, Table) and frame_names("labels", labels.frame) is not None:
        return None
    return frame_names("pred_probs", probs.frame) if isinstance(probs, Table) else None


def _read_rules(hierarchy: Source | None, rules: Source | None, labels: Any, names: Any) -> dict[str, Any]:
    """What must hold between the labels, judged against their number and names."""
    from mlkit._validation.frames import frame_names
    from mlkit._validation.params import check_label_names

    width = width_of(labels)
    if width is None or (hierarchy is None and rules is None):  # labels without a width are refused by the audit
        return {}
    if names is not None:
        with bad_input():
            names = check_label_names(names, width)
    elif isinstance(labels, Table):
        names = frame_names("labels", labels.frame)
    return {
        "hierarchy": None if hierarchy is None else read_hierarchy(hierarchy, width, names),
        "rules": None if rules is None else read_rules(rules, width, names),
    }


def without_background(labels: Any, names: Any) -> Any:
    """Labels of which only the positives are known (in a sparse file also zeros that are stored)."""
    from mlkit._validation.arrays import is_sparse
    from mlkit.labels import as_label_matrix

    if is_sparse(labels):
        return as_label_matrix(labels, background="unknown", label_names=names)
    matrix = as_label_matrix(labels.frame if isinstance(labels, Table) else labels, label_names=names)
    return as_label_matrix(matrix.to_csr(), background="unknown", label_names=matrix.label_names)
