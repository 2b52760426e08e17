"""The missing values of a table in one figure: rates, patterns, and what goes missing together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .files import atomic_path
from .patterns import co_missing, missing_rates, patterns

_MOST_PATTERNS = 20
_MOST_COLUMNS = 30
_INK, _PALE = "#b5432f", "#e9e5dc"


def draw_missingness(frame: pd.DataFrame, path: Path) -> None:
    """Write the figure as PNG: one panel for rates and patterns, one for the masks' correlations.

    Columns that are never missing are counted in the title and not drawn; of more than 30 columns
    or 20 patterns the most frequent are.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rates = missing_rates(frame)
    rates = rates[rates["missing"] > 0].sort_values("rate", ascending=False, kind="stable")
    complete = frame.shape[1] - len(rates)
    names = list(rates.index[:_MOST_COLUMNS])
    found = patterns(frame).head(_MOST_PATTERNS)
    p, m = max(len(names), 1), len(found)
    figure = Figure(figsize=(5.5 + 0.75 * p, 2.6 + 0.28 * max(m, p)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 3, width_ratios=(p, 1.8, p), height_ratios=(1, 3))
    bars = figure.add_subplot(grid[0, 0])
    bars.bar(range(len(names)), 100 * rates["rate"].iloc[: len(names)], color=_INK, width=0.8)
    bars.set(xlim=(-0.5, p - 0.5), ylabel="missing, %", xticks=[])
    body = figure.add_subplot(grid[1, 0])
    cells = np.zeros((m, p))
    for i, label in enumerate(found.index):
        gone = set(str(label).split(", "))
        cells[i] = [float(name in gone) for name in names] or [0.0]
    body.imshow(_painted(cells), aspect="auto", interpolation="nearest")
    body.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    body.set(yticks=[], ylabel="patterns, most frequent first")
    body.set_xticks(np.arange(p + 1) - 0.5, minor=True)
    body.set_yticks(np.arange(m + 1) - 0.5, minor=True)
    body.grid(which="minor", color="white", linewidth=1.5)
    body.tick_params(which="minor", length=0)
    counts = figure.add_subplot(grid[1, 1], sharey=body)
    counts.barh(range(m), 100 * found["share"], color="#6b7a83", height=0.8)
    counts.set(xlabel="rows, %")
    counts.tick_params(labelleft=False)
    _correlations(figure, figure.add_subplot(grid[:, 2]), co_missing(frame), names)
    for axes in (bars, counts):
        axes.spines[["top", "right"]].set_visible(False)
    more = f", {complete} complete" if complete else ""
    figure.suptitle(f"{len(frame)} rows, {frame.shape[1]} columns{more}", x=0.01, ha="left")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def _painted(cells: np.ndarray) -> np.ndarray:
    colours = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (_PALE, _INK)])
    return np.asarray(colours[cells.astype(int)], dtype=np.uint8)


def _correlations(figure: Any, axes: Any, pairs: pd.DataFrame, names: list[str]) -> None:
    """The masks' correlations, upper triangle mirrored."""
    matrix = np.full((max(len(names), 1),) * 2, np.nan)
    for label, phi in pairs["phi"].items():
        first, second = str(label).split(", ")
        if first in names and second in names:
            i, j = names.index(first), names.index(second)
            matrix[i, j] = matrix[j, i] = phi
    image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_facecolor(_PALE)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("correlation of being missing", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.6)
