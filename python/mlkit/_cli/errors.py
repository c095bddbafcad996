"""What is wrong with the input, said in one line and in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_OPTIONS = {
    "labels": "--labels",
    "pred_probs": "--probs",
    "label_names": "--names",
    "ids": "--ids",
    "unknown": "--unknown",
    "fold_ids": "--folds",
    "trusted": "--trusted",
    "hierarchy": "--hierarchy",
    "rules": "--rules",
    "rank_by": "--rank-by",
    "filter_by": "--filter",
    "min_support": "--min-support",
    "nan_policy": "--nan-policy",
    "from_logits": "--from-logits",
    "force": "--force",
    "n_jobs": "--jobs",
    "max_memory": "--max-memory",
    "checkpoint": "--checkpoint",
    "top": "--top",
    "folder": "--out",
    "n_samples": "--samples",
    "random_state": "--seed",
    "min_precision": "--min-precision",
    "patch": "PATCH",
    "y_true": "--labels",
    "y_score": "--probs",
    "y_pred": "--pred",
    "sample_weight": "--weights",
    "groups": "--groups",
    "threshold": "--threshold",
    "k": "--k",
    "ci": "--ci",
    "n_boot": "--boot",
    "absent_labels": "--absent",
    "format": "--format",
}
_HEAD = re.compile(rf"({'|'.join(_OPTIONS)})( columns)?: ")
_PHRASES = (  # what to do about it: in the interface, on the command line
    (r"pass (labels|y_true) > 0 with the mask unknown=(labels|y_true) < 0", "pass --unknown -1"),
    (r"pass (labels|y_true) > 0", "write 0 in its place"),
    (r"background='unknown'", "--unknown 0"),
    (r"pass label_names to use names", "--names says what labels are called"),
    (r"names in label_names", "names of labels"),
    (r"nan_policy='mask'", "--nan-policy mask"),
    (r"(from_logits|force)=True", lambda m: _OPTIONS[m[1]]),
    (r"\bto match (labels|label_names|unknown|y_true)\b", lambda m: f"to match {_OPTIONS[m[1]]}"),
    (r"\blabels and pred_probs\b", "--labels and --probs"),
    (r"\b(as|not in) y_score\b", r"\1 --probs"),
    (r"\bmarked in unknown=", "marked by --unknown"),
    (r"of logits pass scipy\.special\.expit\(y_score\)", "of logits apply the sigmoid first"),
    (r" \(use \.astype\(.*?\)\)", ""),
)


class InputError(Exception):
    """Input that cannot be used; the message says which, and why."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def as_options(text: str) -> str:
    """Replace the advice of the programming interface by that of the command line."""
    for pattern, replacement in _PHRASES:
        text = re.sub(pattern, replacement, text)
    return text


@contextmanager
def bad_input(**renamed: str) -> Iterator[None]:
    """Turn errors about an argument into :class:`InputError` about the option it came from.

    ``renamed`` says where an argument came from this time, if not from its own option. Errors that are not about an
    argument are left alone: they are defects.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        head = _HEAD.match(text)
        if head is None:
            raise
        option = renamed.get(head[1], _OPTIONS[head[1]])
        raise InputError(f"{option}{head[2] or ''}: {as_options(text[head.end() :])}") from error
    except ImportError as error:
        if "multilabelkit[" not in str(error):
            raise
        raise InputError(str(error)) from error
