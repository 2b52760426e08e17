"""The plot of tables of two columns: completed points, and the learnt mechanism on the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import IMPUTED, MECHANISM, OBSERVED, TRUE

_ACROSS = 5  # planes beside each other


class MissingGrid(NamedTuple):
    """The learnt P(x0 missing | x) on a grid over the plane.

    Attributes:
        x0: (A,) the grid's values of the first column.
        x1: (B,) the grid's values of the second column.
        missing: (B, A) the probabilities.
    """

    x0: np.ndarray
    x1: np.ndarray
    missing: np.ndarray


class Plane(NamedTuple):
    """What one method made of a table of two columns.

    Attributes:
        title: the text above the points.
        truth: (n, 2) the complete table.
        incomplete: (n,) booleans, True for rows with a missing value.
        points: (m, 2) the incomplete rows, as completed.
        mechanism: the mechanism that the method learnt; None if it has none.
    """

    title: str
    truth: np.ndarray
    incomplete: np.ndarray
    points: np.ndarray
    mechanism: MissingGrid | None


def plot_planes(planes: Sequence[Plane]) -> Figure:
    """Plot the completed points of each method, and below them its learnt P(missing | x)."""
    across = min(_ACROSS, len(planes))
    bands = -(-len(planes) // across)
    figure = Figure(figsize=(3.1 * across, 5.6 * bands), layout="constrained")
    axes = figure.subplots(2 * bands, across, squeeze=False)
    for panel in axes.flat:
        panel.set_visible(False)
    for number, plane in enumerate(planes):
        band, place = divmod(number, across)
        above, below = axes[2 * band, place], axes[2 * band + 1, place]
        above.set_visible(True)
        _points(above, plane)
        above.set_title(plane.title, fontsize=9)
        if plane.mechanism is not None:
            below.set_visible(True)
            _mechanism(below, plane.mechanism, plane.truth[plane.incomplete])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=3, frameon=False)
    return figure


def _points(panel: Axes, plane: Plane) -> None:
    complete, incomplete = plane.truth[~plane.incomplete], plane.truth[plane.incomplete]
    panel.scatter(complete[:, 0], complete[:, 1], s=2, color=OBSERVED, label="complete rows")
    panel.scatter(
        incomplete[:, 0],
        incomplete[:, 1],
        s=2,
        color=TRUE,
        alpha=0.35,
        label="rows with a missing value",
    )
    points = plane.points
    panel.scatter(points[:, 0], points[:, 1], s=3, color=IMPUTED, label="the same, as imputed")
    panel.set_xlabel("x0")
    panel.set_ylabel("x1")


def _mechanism(panel: Axes, grid: MissingGrid, incomplete: np.ndarray) -> None:
    shown = panel.pcolormesh(grid.x0, grid.x1, grid.missing, vmin=0, vmax=1, cmap="cividis")
    panel.scatter(incomplete[:, 0], incomplete[:, 1], s=1, color=MECHANISM, alpha=0.4)
    panel.set_xlabel("x0")
    panel.set_ylabel("x1")
    panel.figure.colorbar(shown, ax=panel, label="P(x0 missing | x)", shrink=0.8)
