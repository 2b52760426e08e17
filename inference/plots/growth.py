"""The plot of what fits and imputations cost as tables grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from .shown_figure import ShownFigure
from .style import MECHANISM, TRUE


class Cost(NamedTuple):
    """What a fit or an imputation of a table of some size cost.

    Attributes:
        rows: number of rows of the table.
        columns: number of its columns.
        what: "fit" or "impute".
        seconds: CPU seconds.
        megabytes: peak memory of the process.
    """

    rows: int
    columns: int
    what: str
    seconds: float
    megabytes: float


def plot_growth(costs: Sequence[Cost]) -> Figure:
    """Plot CPU seconds and peak memory against rows and against columns, on logarithmic axes.

    A grey line in each panel has slope 1, so that what is steeper grows faster than the table.

    Args:
        costs: costs at several numbers of rows with the fewest columns that occur, and at several
            numbers of columns with the fewest rows.
    """
    figure = ShownFigure(figsize=(8.0, 6.0), layout="constrained")
    panels = figure.subplots(2, 2, sharey="row", sharex="col", squeeze=False)
    narrow, short = min(cost.columns for cost in costs), min(cost.rows for cost in costs)
    growing = (
        ("rows", f"rows, of {narrow} columns", [c for c in costs if c.columns == narrow]),
        ("columns", f"columns, of {short:,} rows", [c for c in costs if c.rows == short]),
    )
    for side, (size, label, chosen) in enumerate(growing):
        for row, (cost, unit) in enumerate((("seconds", "CPU seconds"), ("megabytes", "peak MB"))):
            panel = panels[row][side]
            for what, colour in (("fit", MECHANISM), ("impute", TRUE)):
                those = sorted(
                    (getattr(one, size), getattr(one, cost)) for one in chosen if one.what == what
                )
                at, spent = [one for one, _ in those], [one for _, one in those]
                panel.loglog(at, spent, "o-", color=colour, ms=4, label=what)
                if what == "fit" and len(at) > 1:
                    along = [spent[-1] * one / at[-1] for one in at]
                    panel.loglog(at, along, color="0.7", lw=0.8, zorder=0)
            panel.grid(alpha=0.25)
            panel.set_ylabel(unit if side == 0 else "")
            panel.set_xlabel(label if row == 1 else "")
    panels[0][0].legend(frameon=False)
    return figure
