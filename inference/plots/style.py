"""One look for all figures: Okabe & Ito's colours, legible to the colour-blind; no pyplot state."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data.shown_figure import ShownFigure

OBSERVED, IMPUTED, MECHANISM, TRUE = "#56B4E9", "#E69F00", "#D55E00", "#000000"
QUIET = "#6b7a83"
_PANEL = (4.2, 3.2)


def panels(count: int, across: int = 3, size: tuple[float, float] = _PANEL) -> tuple[Figure, Any]:
    """A figure with so many panels, in rows of up to ``across``; the axes in one list.

    A figure of its own, not pyplot's, which keeps figures and a backend for the whole process; a
    notebook shows it as the value of a cell.
    """
    across = max(min(across, count), 1)
    down = max(-(-count // across), 1)
    figure = ShownFigure(figsize=(size[0] * across, size[1] * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def plain(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Labels, and no frame above and at the right."""
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.title.set_fontsize(10)
    axes.spines[["top", "right"]].set_visible(False)
