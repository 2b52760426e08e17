"""The common style of all figures: Okabe & Ito's colours, legible to the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from ...data.errors import InputError
from .axis import write_whole
from .names import LINE, lines
from .shown_figure import ShownFigure

OBSERVED, IMPUTED, MECHANISM, TRUE = "#56B4E9", "#E69F00", "#D55E00", "#000000"
QUIET = "#6b7a83"
_PANEL = (4.2, 3.2)
#: the most panels of one figure: by default, and where columns= names what to draw
MOST_PANELS, _MOST_NAMED = 12, 48


def panels(
    count: int, across: int = 3, size: tuple[float, float] = _PANEL, first: float = 1.0
) -> tuple[Figure, Any]:
    """Make a figure with this many panels, in rows of up to ``across``, and list its axes.

    The panels at the left are ``first`` times as wide as the others.

    A figure of its own, not pyplot's, which keeps figures and a backend for the whole process; a
    notebook shows it as the value of a cell.
    """
    across = max(min(across, count), 1)
    down = max(-(-count // across), 1)
    widths = [first] + [1.0] * (across - 1)
    figure = ShownFigure(figsize=(size[0] * sum(widths), size[1] * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False, width_ratios=widths).flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def shown(
    names: Sequence[str],
    columns: Sequence[str] | None,
    missing: Sequence[float] | None = None,
    most: int = MOST_PANELS,
    which: str = "most missing",
) -> tuple[list[str], str]:
    """Return the names that one figure has room for, and a line that says how many are left out.

    >>> shown(["a", "b", "c"], None, missing=[0.1, 0.3, 0.2], most=2)[0]
    ['b', 'c']

    Args:
        names: the names of all columns that could be drawn.
        columns: the names that were asked for; None for as many as there is room for.
        missing: the share missing of each name, or another measure: those of the largest are kept.
        most: the most columns to draw where none was asked for.
        which: in words, the columns of which the measure is large.

    Raises:
        ValueError: there is no column of a name, or a name is repeated.
    """
    of = list(names)
    if columns is not None:
        asked = [columns] if isinstance(columns, str) else list(columns)
        for name in asked:
            if name not in of:
                listed = ", ".join(map(str, of[:12])) + (", ..." if len(of) > 12 else "")
                raise InputError(f"columns= names {name!r}, which is not one of {listed}")
            if asked.count(name) > 1:
                raise InputError(f"columns= names {name!r} twice; give it once")
        if not asked:
            raise InputError("columns= is empty; name at least one, or leave it out")
        if len(asked) <= _MOST_NAMED:
            return asked, ""
        return asked[:_MOST_NAMED], f"the first {_MOST_NAMED} of {len(asked)} columns asked for"
    if len(of) <= most:
        return of, ""
    if missing is None:
        return of[:most], f"the first {most} of {len(of)}; columns= names others"
    rank = np.argsort(-np.asarray(missing, dtype=float), kind="stable")[:most]
    kept = [of[k] for k in sorted(rank)]
    return kept, f"the {most} {which} of {len(of)} columns; columns= names others"


def plain(axes: Axes, title: str = "", x: str = "", y: str = "", width: int = LINE) -> None:
    """Set the labels, in lines that fit the panel, and remove the frame at the top and right.

    Numbers on the axes are written in full.
    """
    write_whole(axes)
    axes.set(title=lines(title, width), xlabel=lines(x, width), ylabel=lines(y, 32))
    axes.title.set_fontsize(10)
    axes.spines[["top", "right"]].set_visible(False)


def ink_on(colour: ColorType) -> str:
    """Return black or white, whichever is easier to read on a colour (by WCAG's contrast)."""
    parts = np.asarray(to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"
