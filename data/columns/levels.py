"""The levels of a column: its distinct values as plain Python objects, and their positions."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from ..foreign import EXACT
from .column import Level


def plain(value: Any) -> Level:
    """Convert a value for JSON: whole floats become integers, other objects become text."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) <= EXACT else number
    return str(value)


def distinct(series: pd.Series[Any]) -> tuple[np.ndarray, list[Level]]:
    """Return positions (n,) in the distinct values, -1 where missing, and these values.

    For a categorical dtype the values are the categories that occur, in the order of the dtype;
    otherwise they are in order of appearance.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        used = series.cat.remove_unused_categories()
        return used.cat.codes.to_numpy(), [plain(v) for v in used.cat.categories]
    positions, values = pd.factorize(series)
    return positions, [plain(v) for v in values]
