"""``mlkit audit apply``: a patch and the labels that it is for in, labels with the changes out."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlkit._cli import text
from mlkit._cli.errors import InputError, bad_input
from mlkit._cli.numpy_files import Rows
from mlkit._cli.reading import read_matrix
from mlkit._cli.sources import Source, check_folder, find_source
from mlkit._cli.tables import Table, TableOptions
from mlkit._cli.unknown import is_background, mark_value, parse_unknown, read_mask, text_for_missing
from mlkit._files import write_whole

if TYPE_CHECKING:
    from mlkit.labels import LabelMatrix
    from mlkit.quality import CellPatch

_WRITTEN = (".npy", ".npz", ".csv", ".tsv", ".parquet", ".pq")


def run(args: argparse.Namespace) -> None:
    """Judge the patch and the labels, and only then write."""
    from mlkit._validation.params import check_number

    with bad_input():
        precision = check_number("min_precision", args.min_precision, 0, 1)
    out = _check_out(args.out)
    patch_at = find_source("PATCH", args.patch)
    with bad_input():
        patch = _read_patch(patch_at)
        chosen = patch.select(fdr=1 - precision)
        labels, ids = _read_labels(args, patch)
        matrix = chosen.apply(labels)
    write = _writer(out, matrix, ids, args.id_column)
    try:
        write_whole(out, write)
    except OSError as error:
        raise InputError(f"--out: cannot write {out} ({error.strerror or error})") from error
    _report(patch, chosen, precision)
    text.say(f"Written: {out}")


def _check_out(name: str) -> Path:
    out = Path(name)
    if out.suffix.lower() not in _WRITTEN:
        raise InputError(f"--out: expected a file that ends in {', '.join(_WRITTEN[:-2])} or .parquet, got {out.name}")
    if out.is_dir():
        raise InputError(f"--out: expected a file, got the folder {out}")
    if not out.parent.is_dir():
        raise InputError(f"--out: expected a file in a folder that exists, got {out}")
    check_folder("--out", str(out.parent))
    return out


def _read_patch(source: Source) -> CellPatch:
    from mlkit.quality import CellPatch

    try:
        return CellPatch.from_json(source.path)
    except OSError as error:
        raise source.unreadable(error) from error
    except UnicodeDecodeError as error:
        raise source.bad("text in UTF-8", f", which is not ({error.reason} at byte {error.start})") from error


def _read_labels(args: argparse.Namespace, patch: CellPatch) -> tuple[LabelMatrix, Any]:
    """The labels as the audit read them, and the ids of a table."""
    from mlkit.labels import as_label_matrix

    unknown = None if args.unknown is None else parse_unknown(args.unknown)
    value = unknown if isinstance(unknown, str) else None
    options = TableOptions(args.id_column, not args.no_header, text_for_missing(value))
    labels: Any = read_matrix(find_source("--labels", args.labels), options)
    if isinstance(labels, Rows):
        labels = labels.widened(patch.shape[1])
    ids = labels.ids if isinstance(labels, Table) else None
    mask = read_mask(unknown, labels, options) if isinstance(unknown, Source) else None
    names = patch.label_names
    if is_background(value):
        from mlkit._cli.inputs import without_background

        return without_background(labels, names), ids
    if value is not None:
        labels, mask = mark_value(labels, value)
    elif isinstance(labels, Table):
        labels = labels.frame
    return as_label_matrix(labels, label_names=names, unknown=mask), ids


def _writer(out: Path, matrix: LabelMatrix, ids: Any, id_column: str | None) -> Callable[[Path], Any]:
    """What fills the file, in the format that its name asks for."""
    suffix = out.suffix.lower()
    if suffix == ".npz":
        from scipy import sparse

        return lambda part: _through_handle(part, lambda file: sparse.save_npz(file, matrix.to_csr()))
    try:
        dense = matrix.to_dense()
    except MemoryError as error:
        raise InputError(f"--out: {error} (.npz is sparse)") from error
    if suffix == ".npy":
        return lambda part: _through_handle(part, lambda file: np.save(file, dense))
    import pandas as pd

    columns = [str(j) for j in range(matrix.shape[1])] if matrix.label_names is None else list(matrix.label_names)
    frame = pd.DataFrame(dense, columns=columns)
    if (dense < 0).any():
        frame = frame.astype("Int8").mask(dense < 0)
    if ids is not None:
        frame.insert(0, id_column or "", ids)
    if suffix in (".csv", ".tsv"):
        return lambda part: frame.to_csv(part, index=False, sep="\t" if suffix == ".tsv" else ",")
    from mlkit._validation.optional import require

    with bad_input():
        require("pyarrow", extra="parquet", purpose="writing Parquet files")
    return lambda part: frame.to_parquet(part, index=False)


def _through_handle(part: Path, save: Callable[[Any], Any]) -> None:
    """NumPy and SciPy add a suffix to names that lack it, but not to open files."""
    with part.open("wb") as file:
        save(file)


def _report(patch: CellPatch, chosen: CellPatch, precision: float) -> None:
    n_added, n_removed = int((chosen.new == 1).sum()), int((chosen.old == 1).sum())
    text.say(f"{len(chosen):,} of {len(patch):,} changes made: {n_added:,} labels added, {n_removed:,} removed")
    left = len(patch) - len(chosen)
    if left:
        text.say(
            f"{left:,} left out: with them fewer than {100 * precision:g} % of the changes would be right (expected)"
        )
