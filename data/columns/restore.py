"""Decoding of numbers, codes and seconds to a column of its original dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .column import LEVELLED, Column
from .dates import TICKS, instants, is_duration, start_of_day, zoned
from .encode import check_domain
from .levels import plain

_DAY = pd.Timedelta(days=1)
# Imputed dates and durations are limited to what every resolution and Python's own dates can hold:
_FIRST, _LAST = -62_135_510_400, 253_402_214_400  # the years 1 and 9999, in seconds after 1970
_NANOSECONDS = 9_200_000_000  # the seconds before and after 1970 whose nanoseconds fit into 64 bits


def restored(series: pd.Series[Any], column: Column, values: np.ndarray) -> pd.Series[Any]:
    """Return the series (n,) with missing entries filled and observed ones unchanged.

    >>> stage = pd.Series(["I", None, "II"], dtype="category")
    >>> column = Column("stage", "ordinal", levels=("I", "II"))
    >>> restored(stage, column, np.array([0, 1.0, 1])).tolist()
    ['I', 'II', 'II']

    Args:
        series: the column as it was given.
        column: the description of the column.
        values: (n,) numbers, codes or seconds; only those for missing entries are used. Numbers
            outside the range of the dtype are clipped to it, and codes are rounded.

    Raises:
        ValueError: a code has no level; the message names column, row and value.
    """
    missing = np.flatnonzero(series.isna().to_numpy())
    if not missing.size:
        return series
    wanted = values[missing]
    if column.kind in LEVELLED:
        check_domain(np.rint(wanted), column, series.index[missing])
    if missing.size < len(series):
        return _filled(series, column, missing, wanted)
    if column.kind == "datetime":
        return _filled(_blank_dates(series, column), column, missing, wanted)
    if not pd.api.types.is_object_dtype(series.dtype) and series.dtype != np.float64:
        try:
            return _filled(series, column, missing, wanted)
        except (TypeError, ValueError, NotImplementedError):
            pass  # the empty column has a type that does not hold the values, such as text
    # A column without values does not tell its type, so it gets that of the imputed values.
    return _filled(series.astype(object), column, missing, wanted)


def _filled(
    series: pd.Series[Any], column: Column, missing: np.ndarray, wanted: np.ndarray
) -> pd.Series[Any]:
    if column.kind in LEVELLED:
        return _with_levels(series, column, missing, wanted)
    if column.kind == "datetime":
        return _set(series, missing, _dates(series, column, wanted))
    if is_duration(column.dtype) or is_duration(str(series.dtype)):
        return _set(series, missing, _durations(series, column, wanted))
    if column.kind == "count":
        wanted = np.clip(np.rint(wanted), 0, column.top)
    return _set(series, missing, _numbers(series, column, wanted))


def _blank_dates(series: pd.Series[Any], column: Column) -> pd.Series[Any]:
    """Return an empty series of dates: in its own dtype if that holds dates, else in training's."""
    if series.dtype.kind == "M" and zoned(str(series.dtype)) == zoned(column.dtype):
        return series
    return pd.Series(pd.NaT, index=series.index, name=series.name, dtype=column.dtype)


def _set(series: pd.Series[Any], missing: np.ndarray, filled: Any) -> pd.Series[Any]:
    if missing.size == len(series) and pd.api.types.is_object_dtype(series.dtype):
        return pd.Series(filled, index=series.index, name=series.name).infer_objects()
    if isinstance(series.dtype, pd.ArrowDtype) and pa.types.is_dictionary(
        series.dtype.pyarrow_dtype
    ):
        # an Arrow dictionary cannot take a value that it does not contain yet, so a new one is made
        values = series.astype(object).to_numpy(copy=True)
        values[missing] = filled
        return pd.Series(values, index=series.index, name=series.name, dtype=series.dtype)
    array = series.array.copy()
    array[missing] = filled
    return pd.Series(array, index=series.index, name=series.name, dtype=series.dtype, copy=False)


def _with_levels(
    series: pd.Series[Any], column: Column, missing: np.ndarray, codes: np.ndarray
) -> pd.Series[Any]:
    # levels are plain Python values; the objects that the column itself holds are preferred
    if isinstance(series.dtype, pd.CategoricalDtype):
        own: Any = series.cat.categories
        known = {plain(value): value for value in own}
        absent = [level for level in column.levels if level not in known]
        if absent:
            if set(known) <= set(column.levels):  # use the order of training for all of them
                own = [known.get(level, level) for level in column.levels]
            else:
                own = [*own, *absent]
            series = series.cat.set_categories(own)
    else:
        own = pd.unique(series.dropna())
    objects = {plain(value): value for value in own}
    levels = [objects.get(level, level) for level in column.levels]
    chosen = [levels[int(code)] for code in np.rint(codes)]
    objects_own = pd.api.types.is_object_dtype(series.dtype) and len(own) > 0
    # 1 and True are the same level, so the type of the present values decides between them
    if pd.api.types.is_bool_dtype(series.dtype) or (objects_own and _all_of(own, bool, np.bool_)):
        chosen = [bool(value) for value in chosen]
    elif pd.api.types.is_any_real_numeric_dtype(series.dtype) or (
        objects_own and not _all_of(own, str)
    ):
        chosen = [value + 0 for value in chosen]
    if pd.api.types.is_object_dtype(series.dtype):
        filled = np.empty(len(chosen), dtype=object)
        filled[:] = chosen
        return _set(series, missing, filled)
    return _set(series, missing, chosen)


def _all_of(values: Any, *types: type) -> bool:
    return all(isinstance(value, types) for value in values)


def _numbers(series: pd.Series[Any], column: Column, values: np.ndarray) -> Any:
    dtype = series.dtype
    if pd.api.types.is_object_dtype(dtype):
        seen = series.dropna()
        whole = len(seen) > 0 and _all_of(seen, int, np.integer)
        if whole:
            values = np.clip(np.rint(values), *_range(column, np.dtype("int64")))
        filled = np.empty(len(values), dtype=object)
        filled[:] = [int(v) for v in values] if whole else values.tolist()
        return filled
    held = getattr(dtype, "numpy_dtype", dtype)  # the dtype of the values in an extension array
    if not isinstance(held, np.dtype) or held.kind not in "iuf":
        return values  # decimals, which pandas converts itself
    values = values if held.kind == "f" else np.rint(values)
    return np.clip(values, *_range(column, held)).astype(held)


def _range(column: Column, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the smallest and the largest value of a dtype that the column allows."""
    lower, upper = column.lower, column.upper  # None unless the column is bounded
    if dtype.kind == "f":
        info, one = np.finfo(dtype), dtype.type
        if column.kind == "positive":
            return float(info.tiny), float(info.max)
        if lower is None or upper is None:
            return float(info.min), float(info.max)
        low, high = one(lower), one(upper)
        low = low if float(low) >= lower else np.nextafter(low, one(np.inf))
        high = high if float(high) <= upper else np.nextafter(high, one(-np.inf))
        return float(low), float(high)
    limits = np.iinfo(dtype)
    # float64 cannot hold the largest 64-bit integers, so the largest one that it holds is used
    top = float(np.nextafter(float(limits.max), 0)) if limits.max > 2**53 else float(limits.max)
    if column.kind == "positive":
        return 1.0, top
    if lower is not None and upper is not None:
        return float(np.ceil(lower)), float(np.floor(upper))
    return float(limits.min), top


def _dates(series: pd.Series[Any], column: Column, seconds: np.ndarray) -> Any:
    unit, zone = _unit_and_zone(series)
    ticks = TICKS[unit]
    whole, rest = divmod(column.origin or 0, TICKS["ns"])
    first, last = (-_NANOSECONDS, _NANOSECONDS) if unit == "ns" else (_FIRST, _LAST)
    seconds = np.clip(seconds, first - whole, last - whole)
    # Whole seconds and fractions are converted separately, because the ticks of a distant date are
    # too large for a float to hold exactly.
    late = np.floor(seconds)
    part = np.rint((seconds - late) * ticks).astype(np.int64) + rest // (TICKS["ns"] // ticks)
    moments = pd.DatetimeIndex(((late.astype(np.int64) + whole) * ticks + part).view(f"M8[{unit}]"))
    if zone is not None:
        moments = moments.tz_localize("UTC").tz_convert(zone)
    if column.whole_days:
        moments = start_of_day(moments + _DAY / 2)
    return list(moments) if isinstance(series.dtype, pd.ArrowDtype) else moments.as_unit(unit)


def _unit_and_zone(series: pd.Series[Any]) -> tuple[Any, Any]:
    if isinstance(series.dtype, pd.ArrowDtype):  # Arrow's type of days has no unit
        kind = series.dtype.pyarrow_dtype
        return getattr(kind, "unit", "s"), getattr(kind, "tz", None)
    seen = instants(series)
    return seen.unit, seen.tz


def _durations(series: pd.Series[Any], column: Column, seconds: np.ndarray) -> Any:
    seen = pd.TimedeltaIndex(series.dropna())
    unit = seen.unit if len(seen) or series.dtype != object else "ns"
    largest = _NANOSECONDS if unit == "ns" else _LAST
    ticks = np.rint(np.clip(seconds, -largest, largest) * TICKS[unit]).astype(np.int64)
    ticks = np.maximum(ticks, 1) if column.kind == "positive" else ticks
    spans = pd.TimedeltaIndex(ticks.view(f"m8[{unit}]"))
    return list(spans) if isinstance(series.dtype, pd.ArrowDtype) else spans
