"""One sheet of suspicious pictures: what was given, what the audit suggests, what is true."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ACROSS = 5
_INK, _FAINT, _PAPER = "#22282f", "#c9ced6", "#ffffff"
_PLAIN, _DROP, _ADD = "#e6e9ee", "#d1495b", "#2a7fba"
_RIGHT, _CLOSER, _WRONG = "#2b8a4b", "#b7791f", "#b3261e"
_N_DIGITS = 10
_SIDE, _PITCH, _MARGIN, _HEAD, _STRIPS, _BELOW = 2.3, 2.62, 0.32, 1.3, 0.75, 1.36  # inches


@dataclass(frozen=True)
class Suspect:
    """A picture with three sets of digits."""

    row: int
    image: NDArray[np.float32]
    given: set[int]
    suggested: set[int]
    truth: set[int]

    @property
    def is_right(self) -> bool:
        """The suggestion is the truth."""
        return self.suggested == self.truth

    @property
    def is_closer(self) -> bool:
        """The suggestion has fewer wrong cells than what was given."""
        return len(self.suggested ^ self.truth) < len(self.given ^ self.truth)


def draw_sheet(suspects: list[Suspect], n_samples: int) -> Any:
    """Return a Matplotlib figure; nobody's backend or settings are touched."""
    from matplotlib import rc_context, rcParamsDefault
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    down = max(1, math.ceil(len(suspects) / _ACROSS))
    width, height = _MARGIN + _ACROSS * _PITCH, _HEAD + down * (_SIDE + _BELOW) - 0.25
    style: Any = {key: rcParamsDefault[key] for key in ("font.family", "font.sans-serif", "font.size", "text.usetex")}
    with rc_context(style):
        figure = Figure(figsize=(width, height), dpi=140, facecolor=_PAPER)
        FigureCanvasAgg(figure)
        for place, suspect in enumerate(suspects):
            row, column = divmod(place, _ACROSS)
            x, y = _MARGIN + column * _PITCH, _HEAD + row * (_SIDE + _BELOW)
            _draw_picture(_add_axes(figure, x, y, _SIDE, _SIDE), suspect)
            _draw_strips(_add_axes(figure, x, y + _SIDE + 0.1, _SIDE, _STRIPS), suspect)
        _draw_head(figure, suspects, n_samples)
    return figure


def _add_axes(figure: Any, x: float, y: float, width: float, height: float) -> Any:
    """Axes at a place in inches, counted from the upper left."""
    across, down = figure.get_size_inches()
    return figure.add_axes((x / across, 1 - (y + height) / down, width / across, height / down))


def _draw_head(figure: Any, suspects: list[Suspect], n_samples: int) -> None:
    """What this is, how good it is, and what the colours mean."""
    from matplotlib.lines import Line2D

    across, down = figure.get_size_inches()
    changes = [(suspect.given ^ suspect.suggested, suspect.given ^ suspect.truth) for suspect in suspects]
    n_changes, n_good = sum(len(made) for made, _ in changes), sum(len(made & due) for made, due in changes)
    title = f"The {len(suspects)} most suspicious of {n_samples:,} pictures"
    verdict = f"{n_good} of the {n_changes} changes that the audit suggests are right"
    figure.text(_MARGIN / across, 1 - 0.48 / down, title, size=17, weight="bold", color=_INK)
    figure.text(_MARGIN / across, 1 - 0.8 / down, verdict, size=12, color=_INK)
    entries: tuple[tuple[str, Any], ...] = (
        ("drop this label", {"marker": "s", "color": _DROP}),
        ("add this label", {"marker": "s", "color": _ADD}),
        ("suggestion and truth differ", {"marker": "s", "markerfacecolor": "none", "markeredgecolor": _WRONG}),
    )
    figure.legend(
        handles=[
            Line2D([], [], linestyle="", markersize=10, markeredgewidth=1.6, label=name, **style)
            for name, style in entries
        ],
        loc="lower right",
        bbox_to_anchor=(1 - (_PITCH - _SIDE) / across, 1 - 0.86 / down),
        ncols=len(entries),
        frameon=False,
        fontsize=12,
        handletextpad=0.1,
        columnspacing=1.4,
        labelcolor=_INK,
        borderpad=0,
        borderaxespad=0,
    )


def _verdict(suspect: Suspect) -> tuple[str, str]:
    if suspect.is_right:
        return "\N{CHECK MARK} right", _RIGHT
    if suspect.is_closer:
        return "\N{ALMOST EQUAL TO} partly right", _CLOSER
    return "\N{BALLOT X} wrong", _WRONG


def _draw_picture(ax: Any, suspect: Suspect) -> None:
    name, color = _verdict(suspect)
    ax.imshow(suspect.image, cmap="gray_r", vmin=0, vmax=1, interpolation="bicubic")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(color=color, linewidth=2.2)
    ax.set_title(f"picture {suspect.row}", loc="left", size=10.5, color=_INK, pad=5)
    ax.set_title(name, loc="right", size=11, weight="bold", color=color, pad=5)


def _draw_strips(ax: Any, suspect: Suspect) -> None:
    """Three rows of ten places, one for each digit, so that what differs stands one above the other."""
    from matplotlib.patches import FancyBboxPatch

    ax.set(xlim=(-4.5, _N_DIGITS), ylim=(3, 0))
    ax.set_axis_off()
    rows = (("given", suspect.given), ("suggested", suspect.suggested), ("true", suspect.truth))
    for line, (name, digits) in enumerate(rows):
        y = line + 0.5
        ax.text(-4.5, y, name, ha="left", va="center", size=9.5, color=_INK)
        for digit in range(_N_DIGITS):
            fill = _fill(name, digit, suspect)
            edge = _WRONG if name == "true" and digit in suspect.suggested ^ suspect.truth else None
            if fill or edge:
                box = FancyBboxPatch(
                    (digit + 0.1, y - 0.36),
                    0.8,
                    0.72,
                    boxstyle="round,pad=0,rounding_size=0.16",
                    facecolor=fill or "none",
                    edgecolor=edge or "none",
                    linewidth=1.6,
                )
                ax.add_patch(box)
            is_coloured = fill in (_DROP, _ADD)
            ax.text(
                digit + 0.5,
                y + 0.02,
                str(digit),
                ha="center",
                va="center",
                size=10.5 if digit in digits else 8.5,
                weight="bold" if digit in digits else "normal",
                color=_PAPER if is_coloured else _INK if digit in digits else _FAINT,
            )


def _fill(row: str, digit: int, suspect: Suspect) -> str | None:
    """The colour behind a digit; None where the row does not have it."""
    if row == "given" and digit in suspect.given - suspect.suggested:
        return _DROP
    if row == "suggested" and digit in suspect.suggested - suspect.given:
        return _ADD
    digits = {"given": suspect.given, "suggested": suspect.suggested, "true": suspect.truth}[row]
    return _PLAIN if digit in digits else None
