"""Translation of codes, level order and date origins from one schema to another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import InputError
from .column import LEVELLED, Column, Level
from .dates import TICKS, is_duration, zoned
from .encode import check_domain
from .levels import plain
from .types import row_name


def same_meaning(one: Column, other: Column) -> bool:
    """Whether a number means the same in both columns."""
    if (one.kind == "datetime") != (other.kind == "datetime"):
        return False
    if one.kind == "datetime":
        return one.origin == other.origin and zoned(one.dtype) == zoned(other.dtype)
    return (
        one.kind == other.kind
        and one.levels == other.levels
        and (one.lower, one.upper, one.top) == (other.lower, other.upper, other.top)
        and is_duration(one.dtype) == is_duration(other.dtype)
    )


def recoded(values: np.ndarray, own: Column, wanted: Column, index: pd.Index) -> np.ndarray:
    """Translate a column's numbers (n,) into another schema's, NaN where missing.

    >>> own = Column("stage", "ordinal", levels=("high", "low"))
    >>> wanted = Column("stage", "ordinal", levels=("low", "mid", "high"))
    >>> recoded(np.array([0, 1, np.nan]), own, wanted, pd.RangeIndex(3))
    array([ 2.,  0., nan])

    Args:
        values: (n,) codes, seconds or numbers of the column ``own``.
        own: the column as the rows have it.
        wanted: the column into which it is translated.
        index: the n row labels, for errors.

    Raises:
        ValueError: a value is not allowed in the column ``wanted``, or the columns are of different
            types; the message names column, row and value.
    """
    present = ~np.isnan(values)
    if same_meaning(own, wanted) or not present.any():
        return values
    was, becomes = _type(own), _type(wanted)
    if was == becomes == "dates":
        _check_zones(own, wanted)
        return values + ((own.origin or 0) - (wanted.origin or 0)) / TICKS["ns"]
    if becomes == "levels" and was in ("levels", "numbers"):
        return _codes(values, own, wanted, index)
    if becomes == "numbers" and was == "levels":
        if any(isinstance(level, str) for level in own.levels):
            raise _other_type(own, wanted)
        lookup = np.array([float(level) for level in own.levels])
        values = np.where(present, lookup[np.where(present, values, 0).astype(int)], np.nan)
    elif was != becomes:
        raise _other_type(own, wanted)
    check_domain(values, wanted, index)
    return values


def _type(column: Column) -> str:
    """Return the type of a column's values: "levels", "dates", "durations" or "numbers"."""
    if column.kind in LEVELLED:
        return "levels"
    if column.kind == "datetime":
        return "dates"
    return "durations" if is_duration(column.dtype) else "numbers"


def _codes(values: np.ndarray, own: Column, wanted: Column, index: pd.Index) -> np.ndarray:
    known: dict[Level, int] = {level: code for code, level in enumerate(wanted.levels)}
    result = np.full(len(values), np.nan)
    for i in np.flatnonzero(~np.isnan(values)):
        number = values[i]
        level = own.levels[int(number)] if own.kind in LEVELLED else plain(number)
        if level not in known:
            raise InputError(
                f"column {own.name!r}, row {row_name(index, int(i))}: got {level!r}, but the fit "
                f"knows only {wanted.allowed}; correct it, mark it missing, or fit the model to "
                "data that contain it."
            )
        result[i] = known[level]
    return result


def _check_zones(own: Column, wanted: Column) -> None:
    if zoned(own.dtype) != zoned(wanted.dtype):
        has, had = ("a", "none") if zoned(own.dtype) else ("no", "one")
        raise InputError(
            f"column {own.name!r} has {has} time zone, but the data of the fit have {had}; convert "
            "it with .dt.tz_localize."
        )


def _other_type(own: Column, wanted: Column) -> InputError:
    has, had = (
        "durations" if is_duration(column.dtype) else f"{column.kind} values"
        for column in (own, wanted)
    )
    return InputError(
        f"column {own.name!r} holds {has}, but in the data of the fit it holds {had}; convert "
        "it, or read the rows with from_frame(rows, like=fit)."
    )
