"""The command ``mlkit``: which commands and options there are."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from mlkit._cli.errors import InputError

_DESCRIPTION = (
    "The multi-label data toolkit: which labels of a data set are wrong, what to look at first, how good a model is."
)
_AUDIT = """\
Audit given labels against a model's probabilities: which labels are wrong, how wrong each label is, what to look at
first. Probabilities must be out of sample: each example's from a model that has not seen its labels."""
_AUDIT_FILES = """\
files of labels and probabilities (examples x labels, told apart by suffix):
  .npy            a NumPy array; memory-mapped, never copied
  .npz            a SciPy sparse matrix (save_npz), or arrays; of several, FILE.npz:NAME takes one, dense or CSR
                  (NAME_indptr, NAME_indices, and where they are there NAME_data, NAME_shape)
  .csv .tsv       a header with label names, separated by comma, semicolon or tab
  .parquet        columns are labels (needs the extra "parquet")
labels are 0 and 1; -1, NaN and empty cells are unknown. names, ids and folds are text, one a line, or .npy, or
FILE.npz:NAME.

files of --hierarchy and --rules (labels by name or number; lines that begin with # are skipped):
  --hierarchy     lines PARENT,CHILD; or for each label, one a line, its parent's number (-1: none) or its path A/B/C;
                  or an array of parents (.npy, FILE.npz:NAME)
  --rules         lines implies,A,B (A only with B), excludes,A,B (never both), count,LEAST,MOST,A,B,...

exit codes: 0 fine, 2 bad input (one line says what is wrong; nothing is written), 130 interrupted"""
_EVALUATE = """\
Measure a multi-label model: set metrics, rankings, areas under curves and calibration, with confidence intervals. Give
its scores (--probs), or its predicted labels (--pred), or both."""
_EVALUATE_FILES = """\
files (examples x labels, told apart by suffix): .npy, .npz or FILE.npz:NAME, .csv, .tsv, .parquet, as for mlkit audit.
labels are 0 and 1; -1, NaN and empty cells are unknown and take no part. names, weights, groups and thresholds are
text, one a line, or .npy, or FILE.npz:NAME.

exit codes: 0 fine, 2 bad input (one line says what is wrong; nothing is written), 130 interrupted"""
_APPLY = """\
Make the changes of a patch (patch.json of an audit) in the labels that it is for, and write new labels. Other labels
are refused. Of the changes with an estimated score only so many are made, the likeliest first, that the expected share
of right ones stays at or above --min-precision; changes without a score (CellPatch.diff) are all made."""
_DEMO = """\
Compose pictures of real handwritten digits, plant label errors, and watch an audit find them: the summary, the ten most
suspicious pictures as a PNG, and precision and recall of the flags against the planted truth. Nothing is downloaded."""


_PAIRS = (("audit", "apply"),)  # commands of two words


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Commands(_Parser):
    """Knows the commands of two words."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        if tuple(words[:2]) in _PAIRS:
            words[:2] = [" ".join(words[:2])]
        return super().parse_known_args(words, namespace)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an integer, got {text!r}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Describe all commands and options; return the parser and those of its commands."""
    from mlkit import __version__

    parser = _Commands(prog="mlkit", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mlkit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=_Parser)
    _add_audit(commands)
    _add_apply(commands)
    _add_evaluate(commands)
    _add_demo(commands)
    commands.add_parser(
        "versions",
        help="show versions and build settings, for bug reports",
        description="Show versions of mlkit and of what it works with, and how it was built.",
        allow_abbrev=False,
    )
    return parser, dict(commands.choices)


def _add_audit(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "audit",
        help="audit the labels in your files",
        description=_AUDIT,
        epilog=_AUDIT_FILES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    data = parser.add_argument_group("data")
    data.add_argument("--labels", metavar="FILE", required=True, help="given labels, examples x labels")
    data.add_argument("--probs", metavar="FILE", required=True, help="a model's probabilities, of the same shape")
    data.add_argument("--names", metavar="FILE", help="names of the labels (default: the header of a table)")
    ids = data.add_mutually_exclusive_group()
    ids.add_argument("--ids", metavar="FILE", help="names of the examples, all different (default: row numbers)")
    ids.add_argument(
        "--id-column",
        metavar="NAME",
        help="the column of a table that holds the ids; two tables that have it are matched by it",
    )
    data.add_argument(
        "--unknown",
        metavar="VALUE|FILE",
        help="the value in --labels that means unknown (0: all that is not given), or a file with a mask",
    )
    data.add_argument("--folds", metavar="FILE", help="cross-validation fold of each example: looks for shifts")
    data.add_argument(
        "--trusted",
        metavar="FILE",
        help="a mask of cells, or a .npy mask of examples, that are known to be right: probabilities are recalibrated "
        "on them",
    )
    data.add_argument("--no-header", action="store_true", help="tables in text begin with data, not with label names")
    data.add_argument("--hierarchy", metavar="FILE", help="which label stands above which: finds those without parents")
    data.add_argument(
        "--rules", metavar="FILE", help="what else must hold between labels: finds the rows that break it"
    )

    search = parser.add_argument_group("search")
    search.add_argument(
        "--filter",
        metavar="RULE",
        default="prune_by_noise_rate",
        help="prune_by_noise_rate (default), prune_by_class, both, confident_learning, predicted_neq_given, "
        "low_self_confidence or low_normalized_margin",
    )
    search.add_argument(
        "--rank-by",
        metavar="SCORE",
        default="balanced_posterior",
        help="order of the cells: balanced_posterior (default), self_confidence or error_posterior",
    )
    search.add_argument(
        "--min-support",
        metavar="N",
        type=_integer,
        default=10,
        help="flag nothing in labels with fewer examples on one side (default: 10)",
    )
    search.add_argument(
        "--nan-policy",
        metavar="POLICY",
        default="raise",
        help="NaN in --probs: raise (default: bad input) or mask (such cells take no part)",
    )
    search.add_argument("--from-logits", action="store_true", help="--probs holds logits: apply the sigmoid")
    search.add_argument("--force", action="store_true", help="accept 0/1 predictions in place of probabilities")

    output = parser.add_argument_group("output")
    output.add_argument(
        "--out",
        metavar="DIR",
        help="write labels.csv, cells.csv, examples.csv, breaks.csv, pairs.csv, violations.csv, summary.json and "
        "patch.json there (default: print the summary alone)",
    )
    output.add_argument(
        "--top",
        metavar="N",
        type=_integer,
        help="list only the N most suspicious cells and examples; without --out, print these cells",
    )
    output.add_argument(
        "--jobs", metavar="N", type=_integer, help="threads (default: all); results do not depend on it"
    )
    output.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="such as 256MB: go through the rows in batches and keep no more than about this of what is found in "
        "memory (default: only for large .npy files); results do not depend on it",
    )
    output.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="go through the rows in batches and keep there what has been done: after a kill the same command goes on",
    )
    _add_progress(output)


def _add_apply(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "audit apply", help="make the changes that an audit suggests", description=_APPLY, allow_abbrev=False
    )
    parser.add_argument("patch", metavar="PATCH", help="patch.json, or what CellPatch.to_json wrote")
    parser.add_argument("--labels", metavar="FILE", required=True, help="the labels that were audited")
    parser.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        help="new labels: .npy (unknown is -1), .npz (sparse), .csv, .tsv or .parquet",
    )
    parser.add_argument(
        "--min-precision",
        metavar="SHARE",
        type=_number,
        default=0.9,
        help="expected share of right changes among those made (default: 0.9; 0: make them all)",
    )
    parser.add_argument("--unknown", metavar="VALUE|FILE", help="as it was given to the audit")
    parser.add_argument("--id-column", metavar="NAME", help="the column of a table that holds the ids")
    parser.add_argument("--no-header", action="store_true", help="tables in text begin with data, not with label names")


def _add_evaluate(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a model's scores or predictions in your files",
        description=_EVALUATE,
        epilog=_EVALUATE_FILES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    data = parser.add_argument_group("data")
    data.add_argument("--labels", metavar="FILE", required=True, help="true labels, examples x labels")
    data.add_argument("--probs", metavar="FILE", help="a model's scores, of the same shape")
    data.add_argument("--pred", metavar="FILE", help="predicted labels (default: the scores that reach --threshold)")
    data.add_argument("--names", metavar="FILE", help="names of the labels (default: the header of a table)")
    data.add_argument(
        "--id-column", metavar="NAME", help="the column of a table that holds ids; rows are matched by it"
    )
    data.add_argument(
        "--unknown",
        metavar="VALUE|FILE",
        help="the value in --labels that means unknown (0: all that is not given), or a file with a mask",
    )
    data.add_argument("--weights", metavar="FILE", help="weights of the examples")
    data.add_argument("--groups", metavar="FILE", help="group of each example: rows of one group are not independent")
    data.add_argument("--no-header", action="store_true", help="tables in text begin with data, not with label names")

    rules = parser.add_argument_group("rules")
    rules.add_argument(
        "--threshold",
        metavar="X|FILE",
        default="0.5",
        help="a label is predicted where its score is at least this (default: 0.5), or a file with one for each label",
    )
    rules.add_argument("--k", metavar="K,K,...", default="1,3,5", help="cut-offs of the top-k metrics (default: 1,3,5)")
    rules.add_argument(
        "--absent",
        metavar="RULE",
        default="skip",
        help="labels without a positive in means over labels: skip (default), sklearn (count 0) or nan",
    )
    rules.add_argument(
        "--ci", metavar="LEVEL", type=_number, default=0.95, help="level of the intervals (default: 0.95)"
    )
    rules.add_argument(
        "--boot", metavar="N", type=_integer, default=0, help="bootstrap replicates (default: 0, influences instead)"
    )
    rules.add_argument("--seed", metavar="N", type=_integer, default=0, help="seed of the bootstrap (default: 0)")

    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", help="write measures.csv, labels.csv and summary.json there")
    output.add_argument(
        "--format", metavar="FORMAT", default="text", help="printed as text (default), json or markdown"
    )
    output.add_argument(
        "--jobs", metavar="N", type=_integer, help="threads (default: all); results do not depend on it"
    )


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="watch an audit find planted errors in pictures of handwritten digits",
        description=_DEMO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--out", metavar="DIR", default="mlkit-demo", help="folder for the PNG (default: mlkit-demo)")
    parser.add_argument(
        "--samples", metavar="N", type=_integer, default=5000, help="number of pictures (default: 5000)"
    )
    parser.add_argument("--seed", metavar="N", type=_integer, default=0, help="seed of everything random (default: 0)")
    _add_progress(parser)


def _add_progress(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show a bar (default: on a terminal, for work that takes a while)",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; default: those of the process.

    Returns
    -------
    int
        0: fine; 2: bad input, told in one line on stderr; 130: interrupted.
    """
    parser, commands = make_parser()
    try:
        args, unknown = parser.parse_known_args(argv)
        if unknown:
            (commands[args.command] if args.command else parser).error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as end:  # --help, --version, or arguments that argparse rejects
        return end.code if isinstance(end.code, int) else 2
    if args.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        importlib.import_module(f"mlkit._cli.{args.command.replace(' ', '_')}").run(args)
        sys.stdout.flush()
        return 0
    except InputError as error:
        problem = str(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    print(f"mlkit {args.command}: {problem}", file=sys.stderr)  # by now any progress bar is gone
    return 2
