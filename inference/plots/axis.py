"""Axes of a column's values: numbers written in full, dates as days, levels by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import AutoLocator, Formatter, FuncFormatter, MaxNLocator, ScalarFormatter

from ...data.columns.column import Column
from .names import shorts

#: the characters that levels beside each other have room for
_ROOM = 40
#: the most characters of a number in full
_FULL = 7


class WholeNumbers(Formatter):
    """Numbers with all that belongs to them, and not a part of it at the end of the axis.

    Matplotlib writes a factor or a summand that is common to all once, where it meets the label.
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Write one number."""
        return numbers([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Write the numbers of one axis alike."""
        return numbers(values)


def numbers(values: Sequence[float]) -> list[str]:
    """Write numbers with as many digits as tell them apart, with a power of ten where shorter.

    >>> numbers([0.0, 5000000.0, 10000000.0]), numbers([100.0, 100.005])
    (['0', '5e6', '1e7'], ['100.000', '100.005'])
    """
    there = np.asarray(values, dtype=float)
    top = float(np.abs(there).max(initial=0.0))
    gaps = np.diff(np.unique(there))
    step = float(gaps.min()) if len(gaps) else top
    full = _written(there, 0, step)
    if not top or (max(map(len, full)) <= _FULL and top >= 1e-3):
        return full
    powers = [_written(np.array([one]), 1, step)[0] for one in there]
    return min(full, powers, key=lambda texts: max(map(len, texts)))


def value_axis(panel: Axes, column: Column) -> None:
    """Write days in place of the seconds of a date, and levels in place of their codes."""
    if column.kind == "datetime":

        def day(seconds: float, _: int) -> str:
            return str((pd.Timestamp(column.origin or 0) + pd.Timedelta(seconds=seconds)).date())

        panel.xaxis.set_major_locator(MaxNLocator(3))
        panel.xaxis.set_major_formatter(FuncFormatter(day))
    elif column.levels:
        levels = column.levels
        panel.set_xticks(range(len(levels)), shorts(levels))
        if max(len(str(level)) for level in levels) * len(levels) > _ROOM:
            size = 8 if len(levels) <= 15 else 6
            panel.tick_params(axis="x", labelrotation=60, labelsize=size)


def write_whole(panel: Axes) -> None:
    """Write whole numbers on axes that matplotlib labels by itself, and few on the x axis."""
    for axis in (panel.xaxis, panel.yaxis):
        if type(axis.get_major_formatter()) is ScalarFormatter:
            axis.set_major_formatter(WholeNumbers())
    if type(panel.xaxis.get_major_locator()) is AutoLocator:
        panel.xaxis.set_major_locator(MaxNLocator(5))


def _written(values: Any, by_power: bool | int, step: float) -> list[str]:
    found = []
    for one in values:
        power = int(np.floor(np.log10(abs(one)))) if by_power and one else 0
        factor, digits = one / 10.0**power, 0
        while digits < 12 and abs(round(factor, digits) - factor) * 10.0**power > 1e-3 * step:
            digits += 1
        found.append((factor, digits, power))
    if not by_power:  # one number of digits for all
        most = max((digits for _, digits, _ in found), default=0)
        found = [(factor, most, power) for factor, _, power in found]
    texts = [f"{f:.{d}f}" + (f"e{p}" if p else "") for f, d, p in found]
    return [("0" if float(text) == 0 else text).replace("-", "\N{MINUS SIGN}") for text in texts]
