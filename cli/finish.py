"""How imputed values are written: rounded as the column is, and flagged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..data import Schema
from ..data.errors import InputError
from .csv_options import FinishOptions

#: more decimals than these are those of computed numbers, which are not rounded
_MOST_DECIMALS = 6
_PREFIX = "missingindicator_"


def digits_in(text: str) -> int | str | None:
    """Read --digits: a number of decimals, "observed", or None for all.

    Raises:
        InputError: it is none of these.
    """
    if text == "observed":
        return text
    if text == "all":
        return None
    if text.isdecimal() and int(text) <= 15:
        return int(text)
    raise InputError(f"--digits is '{text}'; give 'observed', 'all', or a number from 0 to 15")


def finished(
    completed: pd.DataFrame, frame: pd.DataFrame, schema: Schema, options: FinishOptions
) -> pd.DataFrame:
    """Return the completed table with its imputed numbers rounded.

    Args:
        completed: the completed table (n, p).
        frame: the table as it was read.
        schema: the kinds of the modelled columns.
        options: what was asked for.
    """
    digits = digits_in(options.digits)
    result = completed
    for name in frame.columns:
        if name not in schema.names or not pd.api.types.is_float_dtype(frame[name].dtype):
            continue
        filled = (frame[name].isna() & completed[name].notna()).to_numpy()
        seen = frame[name].dropna().to_numpy(dtype=np.float64)
        decimals = decimals_of(seen) if digits == "observed" else digits
        if decimals is None or not filled.any():
            continue
        values = completed[name].to_numpy(dtype=np.float64, copy=True)
        values[filled] = _rounded(values[filled], int(decimals), schema[str(name)])
        result = result.assign(**{str(name): values.astype(frame[name].dtype.name.lower())})
    return result


def _rounded(values: np.ndarray, decimals: int, column: Any) -> np.ndarray:
    """Round values without leaving the range that the column's kind has."""
    found: np.ndarray = np.round(values, decimals)
    if column.kind == "positive":
        return np.maximum(found, 10.0**-decimals)
    if column.kind == "bounded" and column.lower is not None and column.upper is not None:
        return np.clip(found, column.lower, column.upper)
    return found


def decimals_of(values: np.ndarray) -> int | None:
    """Return the number of decimals that observed numbers (m,) are written with, up to six.

    >>> decimals_of(np.array([1.5, 2.25, 3.0])), decimals_of(np.array([1 / 3, 2.0]))
    (2, None)
    """
    finite = values[np.isfinite(values)]
    for decimals in range(_MOST_DECIMALS + 1):
        if len(finite) and (np.round(finite, decimals) == finite).all():
            return decimals
    return None


def indicators(frame: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """Return a column of 0 and 1 for each incomplete column, under scikit-learn's names.

    Raises:
        InputError: the table has a column of that name.
    """
    found = {
        f"{_PREFIX}{name}": column.isna().astype("int64")
        for name, column in frame.items()
        if column.isna().any()
    }
    taken = [name for name in found if name in frame.columns]
    if taken:
        raise InputError(f"the table has a column '{taken[0]}'; rename it, or drop --add-indicator")
    return found
