"""The picture of a benchmark: methods by mechanisms, as ratios to the best peer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .style import MECHANISM, ink_on


class RatioCell(NamedTuple):
    """The ratio of one method under one mechanism.

    Attributes:
        method: the name of the method, a row.
        scenario: the name of the mechanism, a column.
        mean: the ratio, where less than 1 is better than the best peer.
        worst: the highest ratio of a table.
    """

    method: str
    scenario: str
    mean: float
    worst: float


def plot_ratios(
    cells: Sequence[RatioCell], methods: Sequence[str], scenarios: Sequence[str], label: str
) -> Figure:
    """Draw methods as rows and mechanisms as columns, blue below 1 and red above it.

    Each field has the mean ratio, and below it that of the worst table. The frame marks the field
    whose worst table is the worst of its method.

    Args:
        cells: the ratios; fields without one stay empty.
        methods: the names of the methods, from top to bottom.
        scenarios: the names of the mechanisms, from left to right.
        label: what the colours stand for.
    """
    table = np.full((len(methods), len(scenarios)), np.nan)
    worst = table.copy()
    for one in cells:
        place = methods.index(one.method), scenarios.index(one.scenario)
        table[place], worst[place] = one.mean, one.worst
    figure = Figure(
        figsize=(2.6 + 0.62 * len(scenarios), 2.4 + 0.5 * len(methods)), layout="constrained"
    )
    axes = figure.subplots()
    norm = TwoSlopeNorm(1.0, 0.5, 1.5)
    image = axes.imshow(table, cmap="RdBu_r", norm=norm, aspect="auto")
    for i in range(len(methods)):
        for j in range(len(scenarios)):
            if np.isfinite(table[i, j]):
                ink = ink_on(image.cmap(norm(table[i, j])))
                for up, value, size in ((-0.14, table[i, j], 8), (0.24, worst[i, j], 6.5)):
                    axes.text(
                        j, i + up, f"{value:.2f}", ha="center", va="center", fontsize=size,
                        color=ink,
                    )  # fmt: skip
        if np.isfinite(worst[i]).any():
            j = int(np.nanargmax(worst[i]))
            axes.add_patch(
                Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, fill=False, color=MECHANISM, lw=1.6)
            )
    axes.set_xticks(range(len(scenarios)), scenarios, rotation=55, ha="right", fontsize=8)
    axes.set_yticks(range(len(methods)), methods, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label=label, extend="both", shrink=0.8)
    return figure
