"""Data frames as tables on the console."""

from __future__ import annotations

import math

import pandas as pd
from rich.markup import escape
from rich.table import Table


def shown(
    frame: pd.DataFrame,
    title: str,
    index: str | None = None,
    folded: bool = True,
    digits: int = 3,
) -> Table:
    """Build a console table; numbers have so many digits, row labels the heading ``index``.

    Cells that are too wide are folded over several lines. Without ``folded`` every row stays on
    one line, and the table may be wider than the window.
    """
    table = Table(title=escape(title), title_justify="left")
    columns = [] if index is None else [(index, [str(label) for label in frame.index], False)]
    for name in frame.columns:
        numbers = pd.api.types.is_numeric_dtype(frame[name])
        columns.append((str(name), [_cell(value, digits) for value in frame[name]], numbers))
    for name, cells, numbers in columns:
        table.add_column(
            escape(name),
            justify="right" if numbers else "left",
            overflow="fold",
            no_wrap=name == "kind" or not folded,
            min_width=_narrowest(cells) if folded else max(map(len, [name, *cells])),
        )
    for row in zip(*(cells for _, cells, _ in columns), strict=True):
        table.add_row(*map(escape, row))
    return table


def _narrowest(cells: list[str]) -> int | None:
    """Return a width at which no word of usual length is broken; None where there is none."""
    return max(
        (len(word) for cell in cells for word in cell.split() if len(word) <= 14), default=None
    )


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.{digits}g}"
    return str(value)
