"""Files of labels and of what a model says of them, found first, then read and brought together."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

from mlkit._cli.errors import InputError
from mlkit._cli.numpy_files import Rows
from mlkit._cli.reading import read_list, read_matrix, width_of
from mlkit._cli.sources import Source, find_source
from mlkit._cli.tables import Table, TableOptions, match_rows
from mlkit._cli.unknown import is_background, mark_value, parse_unknown, read_mask, text_for_missing


@dataclass(frozen=True)
class Files:
    """The files that options name, and what is said of all of them."""

    sources: dict[str, Source | None]
    unknown: Source | str | None
    tables: TableOptions

    def list_of(self, name: str) -> Any:
        """What a file lists, or None."""
        source = self.sources[name]
        return None if source is None else read_list(source)


@dataclass(frozen=True)
class Matrices:
    """Labels, what a model says of them (by option), and what describes rows, columns and cells."""

    labels: Any
    others: dict[str, Any]
    names: Any
    ids: Any
    unknown: Any
    table: Any  # the labels as their file has them


def find_files(args: argparse.Namespace, *options: str) -> Files:
    """Make sure that every file is there before any is read."""
    sources: dict[str, Source | None] = {}
    for name in options:
        text = getattr(args, name)
        sources[name] = None if text is None else find_source(f"--{name}", text)
    unknown = None if args.unknown is None else parse_unknown(args.unknown)
    return Files(sources, unknown, TableOptions(args.id_column, not args.no_header))


def read_matrices(files: Files, *others: str) -> Matrices:
    """Read labels and the others that are given; bring columns, rows and ids together."""
    value = files.unknown if isinstance(files.unknown, str) else None
    labels_at = files.sources["labels"]
    assert labels_at is not None
    labels = read_matrix(labels_at, replace(files.tables, missing=text_for_missing(value)))
    found = {name: read_matrix(at, files.tables) for name in others if (at := files.sources[name]) is not None}
    labels, found = _same_width(labels, found)
    tables = [m for m in (labels, *found.values()) if isinstance(m, Table)]
    if files.tables.id_column is not None and not any(m.ids is not None for m in tables):
        listed = " or ".join(["--labels", *(f"--{name}" for name in found)])
        raise InputError(f"--id-column: expected a column of {listed}, got {files.tables.id_column!r}")
    names = _names(files.sources["names"], labels, list(found.values()))
    ids = next((m.ids for m in tables if m.ids is not None), None)
    mask = read_mask(files.unknown, labels, files.tables) if isinstance(files.unknown, Source) else None
    matched = {name: match_rows(labels, m) if isinstance(m, Table) else m for name, m in found.items()}
    table = labels
    if is_background(value):
        labels = without_background(labels, names)
    elif value is not None:
        labels, mask = mark_value(labels, value)
    elif isinstance(labels, Table):
        labels = labels.frame
    return Matrices(labels, matched, names, ids, mask, table)


def _same_width(labels: Any, others: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Sparse arrays that do not say how many columns there are have as many as the other files."""
    if any(isinstance(m, Rows) for m in (labels, *others.values())):
        width = next((w for m in (labels, *others.values()) if (w := width_of(m))), None)
        if width is None:
            how_many = {1: "one of the two files"}.get(len(others), "one of the files")
            raise InputError(f"--labels: expected a shape in {how_many}, got CSR arrays without (NAME_shape)")
        labels = labels.widened(width) if isinstance(labels, Rows) else labels
        others = {name: m.widened(width) if isinstance(m, Rows) else m for name, m in others.items()}
    return labels, others


def _names(source: Source | None, labels: Any, others: list[Any]) -> Any:
    """Names from their own file; else another file's header if the labels have none."""
    from mlkit._validation.frames import frame_names

    if source is not None:
        return read_list(source)
    if isinstance(labels, Table) and frame_names("labels", labels.frame) is not None:
        return None
    headers = (frame_names("pred_probs", m.frame) for m in others if isinstance(m, Table))
    return next((names for names in headers if names is not None), None)


def without_background(labels: Any, names: Any) -> Any:
    """Labels of which only the positives are known (in a sparse file also zeros that are stored)."""
    from mlkit._validation.arrays import is_sparse
    from mlkit.labels import as_label_matrix

    if is_sparse(labels):
        return as_label_matrix(labels, background="unknown", label_names=names)
    matrix = as_label_matrix(labels.frame if isinstance(labels, Table) else labels, label_names=names)
    return as_label_matrix(matrix.to_csr(), background="unknown", label_names=matrix.label_names)
