"""Pictures of an experiment: complete, incomplete, and as each method completed them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...data.datasets.images import as_pictures
from ..tasks.tables import Hidden, hidden_table

_MAPS = 3  # learnt P(missing | picture) beside the completed pictures
_GREY = 0.5  # of what is missing


def of_pictures(found: list[tuple[str, dict[str, Any]]]) -> Figure:
    """Draw a row per method: completed pictures, and where it expects pixels to be missing.

    Args:
        found: name and result of each method, of one table.
    """
    hidden = hidden_table(found[0][1]["configuration"]).scored
    chosen = found[0][1]["pictures"]["rows"]
    shown = len(chosen)
    truth, missing = np.clip(hidden.truth[chosen], 0, 1), hidden.missing[chosen]
    rows: list[tuple[str, np.ndarray, np.ndarray | None]] = [
        ("complete", truth, None),
        ("shown", np.where(missing, _GREY, truth), None),
    ]
    for name, result in found:
        pixels = np.asarray(result["pictures"]["imputed"]) / 255
        maps = result["pictures"].get("missing")
        completed = np.where(missing, pixels, truth)
        rows.append((name, completed, None if maps is None else np.asarray(maps)[:_MAPS] / 100))
    across = shown + _MAPS
    figure = Figure(figsize=(2.2 + 0.95 * across, 0.4 + 1.0 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), across, squeeze=False)
    for panel in axes.flat:
        panel.set_axis_off()
    for line, (name, pictures, maps) in zip(axes, rows, strict=True):
        for panel, picture in zip(line, as_pictures(pictures, _shape(hidden)), strict=False):
            _show(panel, picture)
        label = f"{name} " if len(name) < 24 else name.replace(", ", ",\n")
        line[0].text(
            -0.08, 0.5, label, ha="right", va="center", fontsize=8, transform=line[0].transAxes
        )
        if maps is not None:
            for panel, one in zip(line[shown:], _of_channel(maps, hidden), strict=False):
                panel.imshow(one, vmin=0, vmax=1, cmap="cividis")
    axes[0, shown].set_title("P(missing | picture)", fontsize=8, loc="left")
    return figure


def _shape(hidden: Hidden) -> tuple[int, int, int]:
    assert hidden.shape is not None
    return hidden.shape


def _of_channel(maps: np.ndarray, hidden: Hidden) -> np.ndarray:
    """Return the channel that loses most pixels, (n, H, W)."""
    channels, height, width = _shape(hidden)
    rates = hidden.missing.reshape(-1, channels, height * width).mean((0, 2))
    found: np.ndarray = maps.reshape(-1, channels, height, width)[:, int(rates.argmax())]
    return found


def _show(panel: Axes, picture: np.ndarray) -> None:
    panel.imshow(picture, vmin=0, vmax=1, cmap="gray", interpolation="nearest")
