"""From numbers back to a column of the dtype it came in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .column import LEVELLED, Column
from .encode import TICKS, distinct, instants, is_duration

_DAY = pd.Timedelta(days=1)


def restored(series: pd.Series[Any], column: Column, values: np.ndarray) -> pd.Series[Any]:
    """The series (n,) with its missing entries filled, observed ones as they are.

    >>> stage = pd.Series(["I", None, "II"], dtype="category")
    >>> column = Column("stage", "ordinal", levels=("I", "II"))
    >>> restored(stage, column, np.array([0, 1.0, 1])).tolist()
    ['I', 'II', 'II']

    Args:
        series: the column as it was given.
        column: what it is.
        values: (n,) numbers, codes or seconds; those at missing entries are read.
    """
    missing = np.flatnonzero(series.isna().to_numpy())
    if not missing.size:
        return series
    wanted = values[missing]
    if missing.size == len(series) and isinstance(series.dtype, np.dtype):
        # nothing tells the type of an empty column, a file least of all: it becomes what it holds
        series = series.astype(object)
    if column.kind in LEVELLED:
        return _with_levels(series, column, missing, wanted)
    if column.kind == "datetime":
        return _set(series, missing, _dates(series, column, wanted))
    if is_duration(column.dtype) or is_duration(str(series.dtype)):
        return _set(series, missing, _durations(series, wanted))
    if column.kind == "count":
        wanted = np.clip(np.rint(wanted), 0, column.top)
    return _set(series, missing, _numbers(series, wanted))


def _set(series: pd.Series[Any], missing: np.ndarray, filled: Any) -> pd.Series[Any]:
    if missing.size == len(series) and pd.api.types.is_object_dtype(series.dtype):
        return pd.Series(filled, index=series.index, name=series.name).infer_objects()
    array = series.array.copy()
    array[missing] = filled
    return pd.Series(array, index=series.index, name=series.name, dtype=series.dtype, copy=False)


def _with_levels(
    series: pd.Series[Any], column: Column, missing: np.ndarray, codes: np.ndarray
) -> pd.Series[Any]:
    # levels are plain values; the column's own objects where it holds them
    if isinstance(series.dtype, pd.CategoricalDtype):
        own: Any = series.cat.categories
        absent = [v for v in column.levels if v not in set(map(_plain, own))]
        if absent:
            series = series.cat.add_categories(absent)
            own = series.cat.categories
    else:
        own = pd.unique(series.dropna())
    objects = {_plain(value): value for value in own}
    levels = [objects.get(level, level) for level in column.levels]
    chosen = [levels[int(code)] for code in np.rint(codes)]
    if pd.api.types.is_bool_dtype(series.dtype):
        chosen = [bool(value) for value in chosen]
    if pd.api.types.is_object_dtype(series.dtype):
        filled = np.empty(len(chosen), dtype=object)
        filled[:] = chosen
        return _set(series, missing, filled)
    return _set(series, missing, chosen)


def _plain(value: Any) -> Any:
    return distinct(pd.Series([value], dtype=object))[1][0]


def _numbers(series: pd.Series[Any], values: np.ndarray) -> Any:
    dtype = series.dtype
    if pd.api.types.is_object_dtype(dtype):
        seen = series.dropna()
        whole = len(seen) > 0 and all(isinstance(v, int | np.integer) for v in seen)
        filled = np.empty(len(values), dtype=object)
        filled[:] = [int(v) for v in np.rint(values)] if whole else values.tolist()
        return filled
    if pd.api.types.is_integer_dtype(dtype):
        numpy_dtype = getattr(dtype, "numpy_dtype", np.dtype("int64"))
        limits = np.iinfo(numpy_dtype)
        # float64 cannot hold the largest 64-bit integers; the last one that it can
        top = np.nextafter(float(limits.max), 0) if limits.max > 2**53 else limits.max
        return np.clip(np.rint(values), limits.min, top).astype(numpy_dtype)
    return values


def _dates(series: pd.Series[Any], column: Column, seconds: np.ndarray) -> Any:
    seen = instants(series)
    unit = seen.unit if len(seen) else "ns"
    ticks = TICKS[unit]
    start = (column.origin or 0) // (TICKS["ns"] // ticks)
    largest = float(2**62)
    late = np.clip(np.rint(seconds * ticks), -largest, largest).astype(np.int64)
    moments = pd.DatetimeIndex((late + start).view(f"M8[{unit}]"))
    if seen.tz is not None:
        moments = moments.tz_localize("UTC").tz_convert(seen.tz)
    if column.whole_days:
        moments = (moments + _DAY / 2).normalize()
    return list(moments) if isinstance(series.dtype, pd.ArrowDtype) else moments.as_unit(unit)


def _durations(series: pd.Series[Any], seconds: np.ndarray) -> Any:
    seen = pd.TimedeltaIndex(series.dropna())
    unit = seen.unit if len(seen) else "ns"
    spans = pd.TimedeltaIndex(np.rint(seconds * TICKS[unit]).astype(np.int64).view(f"m8[{unit}]"))
    return list(spans) if isinstance(series.dtype, pd.ArrowDtype) else spans
