"""The tables of :mod:`mlkit.compat.cleanlab`, sorted by pandas itself: equal numbers come as the peer has them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlkit._validation.cells import Cells
from mlkit._validation.params import shorten
from mlkit.compat import _search

if TYPE_CHECKING:
    import pandas as pd


def issue_table(cells: Cells, options: _search.Options, class_names: Any) -> pd.DataFrame:
    """Flagged cells by label and direction, most frequent first; shares are of all examples."""
    import pandas as pd

    n, n_labels = cells.shape
    found = _search.flagged_cells(cells, options)
    counts = np.bincount(2 * found.labels + 1 - found.given, minlength=2 * n_labels)  # given 1 first
    label = np.repeat(np.arange(n_labels), 2)
    table: dict[str, Any] = {}
    if class_names is not None:
        table["Class Name"] = _names(class_names, label)
    table["Class Index"] = label
    table["In Given Label"] = np.tile([True, False], n_labels)
    table["In Suggested Label"] = np.tile([False, True], n_labels)
    table["Num Examples"] = counts
    table["Issue Probability"] = counts / n
    return pd.DataFrame(table).sort_values(by=["Issue Probability"], ascending=False).reset_index(drop=True)


def _names(class_names: Any, labels: NDArray[np.int64]) -> list[Any]:
    try:
        return [class_names[label] for label in labels.tolist()]
    except (IndexError, KeyError):
        raise ValueError(
            f"class_names: expected a name for each of the {labels[-1] + 1} labels, got {shorten(class_names)}"
        ) from None


def label_table(issues: pd.DataFrame, n: int, with_names: bool) -> pd.DataFrame:
    """One row a label out of the table of issues, in the order in which labels first come up there."""
    import pandas as pd

    first = issues.drop_duplicates("Class Index")
    order = first["Class Index"].to_numpy()
    spurious, missing = (
        issues[issues["In Given Label"] == given].set_index("Class Index")["Issue Probability"].loc[order].to_numpy()
        for given in (True, False)
    )
    table: dict[str, Any] = {"Class Name": first["Class Name"].to_numpy()} if with_names else {}
    table["Class Index"] = order
    table["Label Issues"] = (spurious * n).astype(np.int64)
    table["Inverse Label Issues"] = (missing * n).astype(np.int64)
    table["Label Noise"] = spurious
    table["Inverse Label Noise"] = missing
    table["Label Quality Score"] = 1 - spurious
    return pd.DataFrame(table).sort_values(by="Label Quality Score", ascending=True).reset_index(drop=True)


def health(cells: Cells, options: _search.Options) -> np.float64:
    """The share of examples without any flagged cell."""
    flagged = int(_search.flagged_rows(cells, options).sum())
    share: np.float64 = np.float64(1.0 - flagged / cells.shape[0])  # of NumPy's kind, as the peer's
    return share


def show(frame: pd.DataFrame) -> None:
    """Display a table in a notebook, print it elsewhere."""
    try:
        display = importlib.import_module("IPython.display").display
    except ImportError:
        print(frame)
    else:
        display(frame)
