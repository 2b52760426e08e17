"""The plot of pictures: complete, incomplete, and as each method completed them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: the grey of a missing pixel
GREY = 0.5


class PictureLine(NamedTuple):
    """One line of pictures.

    Attributes:
        name: the text at the line's left.
        pictures: (k, H, W) or (k, H, W, 3), in [0, 1].
        maps: up to as many (H, W) of P(missing | picture) as there is room for; None for none.
    """

    name: str
    pictures: np.ndarray
    maps: np.ndarray | None = None


def plot_pictures(lines: Sequence[PictureLine], room_for_maps: int) -> Figure:
    """Plot one line of pictures after another, with maps of P(missing | picture) at the right.

    Args:
        lines: the lines from top to bottom, all with the same number of pictures.
        room_for_maps: the number of maps that a line has room for.
    """
    shown = len(lines[0].pictures)
    across = shown + room_for_maps
    figure = Figure(figsize=(2.2 + 0.95 * across, 0.4 + 1.0 * len(lines)), layout="constrained")
    axes = figure.subplots(len(lines), across, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    for panels, line in zip(axes, lines, strict=True):
        for panel, picture in zip(panels, line.pictures, strict=False):
            _show(panel, picture)
        label = f"{line.name} " if len(line.name) < 24 else line.name.replace(", ", ",\n")
        panels[0].text(
            -0.08, 0.5, label, ha="right", va="center", fontsize=8, transform=panels[0].transAxes
        )
        if line.maps is not None:
            for panel, one in zip(panels[shown:], line.maps, strict=False):
                panel.imshow(one, vmin=0, vmax=1, cmap="cividis")
    axes[0, shown].set_title("P(missing | picture)", fontsize=8, loc="left")
    return figure


def _show(panel: Axes, picture: np.ndarray) -> None:
    panel.imshow(picture, vmin=0, vmax=1, cmap="gray", interpolation="nearest")
