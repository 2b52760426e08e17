"""Encoding of a column of any dtype as the numbers that a model sees, by its kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..errors import InputError
from .column import LEVELLED, Column, Level
from .dates import TICKS, is_duration, zoned
from .present import Present
from .types import row_name


def encoded(present: Present, column: Column) -> np.ndarray:
    """Encode a column as float64 (n,), NaN where missing: numbers, codes, or seconds.

    >>> answer = Column("answer", "binary", levels=("no", "yes"))
    >>> encoded(Present(pd.Series(["yes", None, "no"]), "answer"), answer)
    array([ 1., nan,  0.])

    Raises:
        ValueError: another type of values than the column's, or a value that the column cannot
            take; the message names column, row and value.
    """
    found = present.family
    if found == "empty":
        return np.full(len(present), np.nan)
    if column.kind in LEVELLED:
        return _codes(present, column)
    if column.kind == "datetime":
        if found != "dates":
            raise present.refused(found, "convert it with pd.to_datetime")
        return _seconds_after(present, column)
    durations = is_duration(column.dtype)
    if (found == "durations") != durations and found in ("numbers", "durations"):
        was = "durations" if durations else "numbers"
        raise InputError(
            f"column {column.name!r} holds {found}, but the schema says that it holds {was}; "
            "convert the column, or correct the schema."
        )
    values = present.seconds if found == "durations" else present.numbers
    check_domain(values, column, present.series.index)
    return values


def check_domain(values: np.ndarray, column: Column, index: pd.Index) -> None:
    """Refuse numbers or codes (n,) that the column's kind does not allow; NaN means missing.

    Raises:
        ValueError: naming column, row, value and what to do.
    """
    present = ~np.isnan(values)
    kind = column.kind
    if kind in LEVELLED or kind == "count":
        bad = present & ((values < 0) | (values >= column.num_values) | (np.floor(values) < values))
        if kind != "count":
            rule = (
                f"the column has {column.num_values} levels with codes 0 to "
                f"{column.num_values - 1}; correct the code, or declare more levels"
            )
        else:
            rule = (
                f"counts in this column are whole numbers from 0 to {column.top}; declare the "
                "column 'positive' or 'continuous', or give its largest value as top"
            )
    elif kind == "positive":
        bad = present & ~(values > 0)
        rule = "positive columns hold values above 0; declare the column 'continuous'"
    elif kind == "bounded":
        assert column.lower is not None  # checked by Column
        assert column.upper is not None
        bad = present & ~((values >= column.lower) & (values <= column.upper))
        rule = (
            f"it lies outside the bounds [{column.lower:g}, {column.upper:g}]; correct the value "
            "or the bounds"
        )
    else:
        return
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        where = f"column {column.name!r}, row {row_name(index, i)}"
        raise InputError(f"{where}: got {values[i]:g}; {rule}.")


def _codes(present: Present, column: Column) -> np.ndarray:
    known: Mapping[Level, int] = {level: code for code, level in enumerate(column.levels)}
    positions, values = present.distinct
    unseen = [k for k, value in enumerate(values) if value not in known]
    if unseen:
        i = int(np.flatnonzero(np.isin(positions, unseen))[0])
        raise InputError(
            f"column {column.name!r}, row {row_name(present.series.index, i)}: got "
            f"{values[positions[i]]!r}, but the levels are {column.allowed}; correct it, mark it "
            "missing, or declare it as a level."
        )
    codes = np.array([*(known[value] for value in values), np.nan], dtype=np.float64)
    return codes[positions]  # position -1 selects the last code, NaN


def _seconds_after(present: Present, column: Column) -> np.ndarray:
    index = present.instants
    aware = index.tz is not None
    if aware != zoned(column.dtype):
        raise InputError(
            f"column {column.name!r} has {'a' if aware else 'no'} time zone, but in the schema it "
            f"has {'none' if aware else 'one'}; convert it with .dt.tz_localize."
        )
    ticks, (whole, rest) = TICKS[index.unit], divmod(column.origin or 0, TICKS["ns"])
    values = np.full(len(present), np.nan)
    # Whole seconds and fractions are subtracted separately, because a difference in nanoseconds
    # overflows after 292 years.
    late, part = np.divmod(index.asi8, ticks)
    values[present.series.notna().to_numpy()] = (late - whole) + (part / ticks - rest / TICKS["ns"])
    return values
