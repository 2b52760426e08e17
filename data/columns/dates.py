"""Dates and durations of any dtype, in pandas' resolutions and in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

#: the number of ticks in a second, for each resolution of pandas
TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def instants(series: pd.Series[Any]) -> pd.DatetimeIndex:
    """Return the dates that are present, whatever dtype holds them."""
    return pd.DatetimeIndex(series[series.notna()])


def seconds(series: pd.Series[Any]) -> np.ndarray:
    """Convert durations to seconds (n,), NaN where missing."""
    present = series.notna().to_numpy()
    index = pd.TimedeltaIndex(series[present])
    values = np.full(len(series), np.nan)
    values[present] = index.asi8 / TICKS[index.unit]
    return values


def start_of_day(moments: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the start of each moment's day: midnight, or later where clocks skip midnight."""
    local = moments.tz_localize(None).normalize()
    if moments.tz is None:
        return local
    first = np.ones(len(local), dtype=bool)  # take the first midnight where it occurs twice
    return local.tz_localize(moments.tz, ambiguous=first, nonexistent="shift_forward")


def is_duration(dtype: str) -> bool:
    """Whether the name of a dtype is that of numpy's or Arrow's durations."""
    return dtype.startswith(("timedelta64", "duration"))


def zoned(dtype: str) -> bool:
    """Whether the name of a date's dtype contains a time zone."""
    return "," in dtype or "tz=" in dtype
