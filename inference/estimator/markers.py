"""Markers of a missing value, besides what pandas calls missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ...data.arguments import nearest
from ...data.errors import InputError
from ...data.foreign import EXACT


def with_gaps(frame: pd.DataFrame, missing_values: Any, names: Sequence[str]) -> pd.DataFrame:
    """Return the table with its markers turned into missing values.

    A marker is a value of its own type: 0 is not False, 1 is not True, and "0" is text. A column
    of whole numbers becomes one of floats, or of nullable integers where floats would change it.

    Args:
        frame: the table (n, p).
        missing_values: a value, a list of values, or a mapping from columns to either.
        names: the names of the p columns.

    Raises:
        ValueError: a column that is not there, or a marker that is no single value.
    """
    found: dict[int, Any] = {}
    for j, markers in enumerate(_by_column(missing_values, names)):
        if markers:
            series = frame.iloc[:, j]
            where = _is_one_of(series, markers) & series.notna().to_numpy()
            if where.any():
                found[j] = _without(series, where)
    if not found:
        return frame
    result = frame.copy()
    for j, series in found.items():
        result.isetitem(j, series)
    return result


def _by_column(missing_values: Any, names: Sequence[str]) -> list[list[Any]]:
    if not isinstance(missing_values, Mapping):
        return [_listed(missing_values)] * len(names)
    given = {str(name): _listed(found) for name, found in missing_values.items()}
    for name in given:
        if name not in names:
            raise InputError(
                f"missing_values names column {name!r}, which the table does not have"
                f"{nearest(name, names)}"
            )
    return [given.get(name, []) for name in names]


def _listed(found: Any) -> list[Any]:
    """Return one marker or several as a list, without those that pandas knows itself."""
    several = isinstance(found, list | tuple | set | frozenset | np.ndarray | pd.Index)
    markers = []
    for marker in list(found) if several else [found]:
        if not pd.api.types.is_scalar(marker):
            raise InputError(
                f"missing_values holds {marker!r}; give a value, a list of values, or a mapping "
                f"from columns to either"
            )
        if not pd.isna(marker):
            markers.append(marker)
    return markers


def _is_one_of(series: pd.Series[Any], markers: list[Any]) -> np.ndarray:
    """Return booleans (n,), True where a column holds one of the markers."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        held = _each(series.cat.categories, markers)
        return np.append(held, False)[series.cat.codes.to_numpy()]  # the code of a gap is -1
    if pd.api.types.is_object_dtype(dtype):
        return _each(series, markers)
    fitting = [marker for marker in markers if _fits(marker, dtype)]
    where = np.zeros(len(series), dtype=bool)
    for marker in fitting:
        where |= (series == marker).fillna(False).to_numpy(dtype=bool)
    return where


def _each(values: Any, markers: list[Any]) -> np.ndarray:
    def one(value: Any) -> bool:
        return any(_type(value) is _type(marker) and bool(value == marker) for marker in markers)

    return np.fromiter((one(value) for value in values), dtype=bool, count=len(values))


def _type(value: Any) -> Any:
    """Return a value's type; all numbers share one, booleans and text have their own."""
    if isinstance(value, bool | np.bool_):
        return bool
    if isinstance(value, Real):
        return Real
    if isinstance(value, str):
        return str
    return type(value)


def _fits(marker: Any, dtype: Any) -> bool:
    """Whether a column of this dtype can hold the marker."""
    kind = _type(marker)
    if pd.api.types.is_bool_dtype(dtype):
        return kind is bool
    if pd.api.types.is_any_real_numeric_dtype(dtype):
        return kind is Real
    if pd.api.types.is_string_dtype(dtype):
        return kind is str
    return kind not in (bool, Real, str)  # dates and durations


def _without(series: pd.Series[Any], where: np.ndarray) -> pd.Series[Any]:
    """Return the column with missing values there, in a dtype that can hold them and all others."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.unique(series.cat.codes.to_numpy()[where])
        return series.mask(where).cat.remove_categories(series.cat.categories[codes])
    if isinstance(dtype, np.dtype) and dtype.kind == "b":
        return series.astype("boolean").mask(where)
    if isinstance(dtype, np.dtype) and dtype.kind in "iu" and has_inexact(series[~where]):
        return series.astype("Int64" if dtype.kind == "i" else "UInt64").mask(where)
    return series.mask(where)


def has_inexact(series: pd.Series[Any]) -> bool:
    """Whether a column holds whole numbers that float64 would change."""
    present = series[series.notna()]
    if pd.api.types.is_object_dtype(series.dtype):
        whole = [v for v in present if isinstance(v, int | np.integer)]
        return any(abs(int(v)) > EXACT for v in whole)
    if not len(present) or not pd.api.types.is_integer_dtype(series.dtype):
        return False
    return max(int(present.max()), -int(present.min())) > EXACT
