"""Encoding of a column of any dtype as the numbers a model sees, by the column's kind."""

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
        raise InputError(f"column {column.name!r} holds {found}; the schema has {was} there.")
    values = present.seconds if found == "durations" else present.numbers
    check_domain(values, column, present.series.index)
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


def _codes(present: Present, column: Column) -> np.ndarray:
    known: Mapping[Level, int] = {level: code for code, level in enumerate(column.levels)}
    positions, values = present.distinct
    unseen = [k for k, value in enumerate(values) if value not in known]
    if unseen:
        i = int(np.flatnonzero(np.isin(positions, unseen))[0])
        raise InputError(
            f"column {column.name!r}, row {row_name(present.series.index, i)}: got "
            f"{values[positions[i]]!r}; known are {column.allowed}; correct it, mark it missing, "
            "or declare it as a level."
        )
    codes = np.array([*(known[value] for value in values), np.nan], dtype=np.float64)
    return codes[positions]  # the last one, NaN, where the position is -1


def _seconds_after(present: Present, column: Column) -> np.ndarray:
    index = present.instants
    aware = index.tz is not None
    if aware != zoned(column.dtype):
        raise InputError(
            f"column {column.name!r} has {'a' if aware else 'no'} time zone and the schema "
            f"{'none' if aware else 'one'}; convert it with .dt.tz_localize."
        )
    ticks, (whole, rest) = TICKS[index.unit], divmod(column.origin or 0, TICKS["ns"])
    values = np.full(len(present), np.nan)
    # whole seconds apart from their parts: a difference of nanoseconds overflows after 292 years
    late, part = np.divmod(index.asi8, ticks)
    values[present.series.notna().to_numpy()] = (late - whole) + (part / ticks - rest / TICKS["ns"])
    return values
