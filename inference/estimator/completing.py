"""The output of an imputer: completed columns, empty ones, indicators, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...data import Schema
from ...data.columns.restore import restored
from ...data.columns.types import column_names
from .markers import has_inexact


def filled(
    frame: pd.DataFrame, schema: Schema, empty: np.ndarray, keep_empty: bool, values: Any
) -> pd.DataFrame:
    """Return the table as it was given, with its missing values filled.

    Args:
        frame: the table; columns that are neither modelled nor empty pass through.
        schema: the kinds of the modelled columns.
        empty: (p,) booleans, the columns that had no value in ``fit``.
        keep_empty: whether missing values of such columns become 0; otherwise the columns are left
            out.
        values: (n, q) the completed values of the modelled columns; None where no value is missing.
    """
    names = column_names(frame.columns)
    result = frame.copy()
    for j, column in enumerate(schema if values is not None else ()):
        k = names.index(column.name)
        series: Any = restored(frame.iloc[:, k], column, values[:, j])
        result.isetitem(k, series)
    for place in np.flatnonzero(empty):
        zeros: Any = _with_zeros(result.iloc[:, int(place)])
        result.isetitem(int(place), zeros)
    return result if keep_empty else result.loc[:, ~empty]


def _with_zeros(series: pd.Series[Any]) -> pd.Series[Any]:
    """Fill a column without any observed value: numbers with 0; dates and text stay missing."""
    if pd.api.types.is_bool_dtype(series.dtype):
        return series.fillna(False)
    if pd.api.types.is_object_dtype(series.dtype) and series.isna().all():
        return pd.Series(0.0, index=series.index, name=series.name)
    numeric = pd.api.types.is_numeric_dtype(series.dtype)
    return series.fillna(0) if numeric else series


def indicator_names(names: Sequence[str], gaps: Iterable[bool]) -> list[str]:
    """Name the missing indicators so that no name is a column's."""
    taken, found = set(names), []
    for name, gap in zip(names, gaps, strict=True):
        if gap:
            wanted = candidate = f"missingindicator_{name}"
            number = 2
            while candidate in taken:
                candidate, number = f"{wanted}_{number}", number + 1
            taken.add(candidate)
            found.append(candidate)
    return found


def with_indicators(completed: pd.DataFrame, frame: pd.DataFrame, gaps: np.ndarray) -> pd.DataFrame:
    """Append the missing mask of these columns to the completed table."""
    names = indicator_names(column_names(frame.columns), gaps)
    missing = frame.loc[:, gaps].isna().to_numpy(dtype=np.float64)
    indicators = pd.DataFrame(missing, index=completed.index, columns=names)
    return pd.concat([completed, indicators], axis=1)


def as_numbers(table: pd.DataFrame, array: bool) -> Any:
    """Convert a table of numbers to a float array, where that changes none of them.

    What came as an array goes as one: else of whole numbers, else of objects.
    """
    dtypes = [series.dtype for _, series in table.items()]
    numbers = all(isinstance(d, np.dtype) and d.kind in "iuf" for d in dtypes)
    if numbers and not any(has_inexact(series) for _, series in table.items()):
        return table.to_numpy(dtype=np.float64)
    if not array:
        return table
    if all(pd.api.types.is_signed_integer_dtype(d) for d in dtypes):
        return table.to_numpy(dtype=np.int64)
    return table.to_numpy(dtype=object)
