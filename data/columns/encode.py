"""Encoding of a column of any dtype as the numbers a model sees, by the column's kind."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from .column import LEVELLED, Column, Level
from .types import family, not_numeric, numbers, row_name

#: ticks a second of pandas' resolutions
TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_WHOLE = 2**53


def encoded(series: pd.Series[Any], column: Column) -> np.ndarray:
    """Encode a column as float64 (n,), NaN where missing: numbers, codes, or seconds.

    >>> answer = Column("answer", "binary", levels=("no", "yes"))
    >>> encoded(pd.Series(["yes", None, "no"]), answer)
    array([ 1., nan,  0.])

    Raises:
        ValueError: another type of values than the column's, or a value that it cannot take;
            names column, row and value.
    """
    found = family(series, column.name)
    if found == "empty":
        return np.full(len(series), np.nan)
    if column.kind in LEVELLED:
        return _codes(series, column)
    if column.kind == "datetime":
        if found != "dates":
            raise InputError(
                not_numeric(column.name, found, series.dropna(), "convert it with pd.to_datetime")
            )
        return _seconds_after(series, column)
    durations = is_duration(column.dtype)
    if (found == "durations") != durations and found in ("numbers", "durations"):
        was = "durations" if durations else "numbers"
        raise InputError(f"column {column.name!r} holds {found}; the schema has {was} there.")
    values = seconds(series) if found == "durations" else numbers(series, column.name)
    check_domain(values, column, series.index)
    return values


def check_domain(values: np.ndarray, column: Column, index: pd.Index) -> None:
    """Refuse numbers or codes (n,) that the column's kind does not allow; NaN means missing.

    Raises:
        ValueError: naming column, row, value and the way out.
    """
    present = ~np.isnan(values)
    kind = column.kind
    if kind in LEVELLED or kind == "count":
        bad = present & ((values < 0) | (values >= column.num_values) | (np.floor(values) < values))
        if kind != "count":
            rule = f"codes of its {column.num_values} levels are 0 to {column.num_values - 1}"
        else:
            rule = (
                f"the count goes from 0 to {column.top}; declare the column 'positive' or "
                "'continuous', or give its largest value as top"
            )
    elif kind == "positive":
        bad = present & ~(values > 0)
        rule = "a positive column holds values above 0; declare it 'continuous'"
    elif kind == "bounded":
        assert column.lower is not None  # seen by Column
        assert column.upper is not None
        bad = present & ~((values >= column.lower) & (values <= column.upper))
        rule = f"it lies outside [{column.lower:g}, {column.upper:g}]; correct it, or the bounds"
    else:
        return
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        where = f"column {column.name!r}, row {row_name(index, i)}"
        raise InputError(f"{where}: got {values[i]:g}; {rule}.")


def plain(value: Any) -> Level:
    """Convert a value for JSON: whole floats become integers, other objects become text."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) <= _WHOLE else number
    return str(value)


def distinct(series: pd.Series[Any]) -> tuple[np.ndarray, list[Level]]:
    """Return positions (n,) in the distinct values, -1 where missing, and these values.

    Of a categorical dtype only the categories that occur, in their order; else by appearance.
    """
    if isinstance(series.dtype, pd.CategoricalDtype):
        used = series.cat.remove_unused_categories()
        return used.cat.codes.to_numpy(), [plain(v) for v in used.cat.categories]
    positions, values = pd.factorize(series)
    return positions, [plain(v) for v in values]


def seconds(series: pd.Series[Any]) -> np.ndarray:
    """Convert durations to seconds (n,), NaN where missing."""
    present = series.notna().to_numpy()
    index = pd.TimedeltaIndex(series[present])
    values = np.full(len(series), np.nan)
    values[present] = index.asi8 / TICKS[index.unit]
    return values


def instants(series: pd.Series[Any]) -> pd.DatetimeIndex:
    """Return the dates that are present, whatever dtype holds them."""
    return pd.DatetimeIndex(series[series.notna()])


def start_of_day(moments: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the start of each moment's day: midnight, or later where clocks skip it."""
    local = moments.tz_localize(None).normalize()
    if moments.tz is None:
        return local
    first = np.ones(len(local), dtype=bool)  # where midnight comes twice
    return local.tz_localize(moments.tz, ambiguous=first, nonexistent="shift_forward")


def is_duration(dtype: str) -> bool:
    """Whether a dtype's name is that of numpy's or Arrow's durations."""
    return dtype.startswith(("timedelta64", "duration"))


def _codes(series: pd.Series[Any], column: Column) -> np.ndarray:
    known: Mapping[Level, int] = {level: code for code, level in enumerate(column.levels)}
    positions, values = distinct(series)
    unseen = [k for k, value in enumerate(values) if value not in known]
    if unseen:
        i = int(np.flatnonzero(np.isin(positions, unseen))[0])
        raise InputError(
            f"column {column.name!r}, row {row_name(series.index, i)}: got "
            f"{values[positions[i]]!r}; known are {column.allowed}; correct it, mark it missing, "
            "or declare it as a level."
        )
    codes = np.array([*(known[value] for value in values), np.nan], dtype=np.float64)
    return codes[positions]  # the last one, NaN, where the position is -1


def _seconds_after(series: pd.Series[Any], column: Column) -> np.ndarray:
    index = instants(series)
    aware = index.tz is not None
    if aware != zoned(column.dtype):
        raise InputError(
            f"column {column.name!r} has {'a' if aware else 'no'} time zone and the schema "
            f"{'none' if aware else 'one'}; convert it with .dt.tz_localize."
        )
    ticks, (whole, rest) = TICKS[index.unit], divmod(column.origin or 0, TICKS["ns"])
    values = np.full(len(series), np.nan)
    # whole seconds apart from their parts: a difference of nanoseconds overflows after 292 years
    late, part = np.divmod(index.asi8, ticks)
    values[series.notna().to_numpy()] = (late - whole) + (part / ticks - rest / TICKS["ns"])
    return values


def zoned(dtype: str) -> bool:
    """Whether the name of a date's dtype holds a time zone."""
    return "," in dtype or "tz=" in dtype
