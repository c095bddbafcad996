"""What all pictures share: colours, axes, names, frames."""

from __future__ import annotations

from typing import Any

from mlkit._validation.optional import require

# one blue, one vermilion, greys: told apart also by those who see no red or no green, and in grey print
VERMILION, BLUE, PLAIN, DARK = "#c1440e", "#2b6cb0", "#d0d0d0", "#4d4d4d"
_LONGEST = 32  # characters of a name


def new_axes(ax: Any, size: tuple[float, float]) -> Any:
    """The caller's axes; or those of a new figure, made by pyplot so that notebooks and ``show`` know it."""
    if ax is not None:
        return ax
    pyplot = require("matplotlib.pyplot", extra="plot", purpose="plotting")
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def short_name(name: Any) -> str:
    """A name as a picture shows it: on one line, not too long, dollars as dollars."""
    text = " ".join(str(name).split())
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
    return text.replace("$", r"\$")


def tidy(ax: Any, *hidden: str) -> None:
    """Hide spines; grid lines behind the data."""
    ax.spines[list(hidden)].set_visible(False)
    ax.set_axisbelow(True)


def legend_above(ax: Any, columns: int, title: str | None = None) -> None:
    """Put the legend above the axes, where it hides nothing."""
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.2,
        fontsize="small",
        title=title,
        title_fontsize="small",
        alignment="left",
    )
