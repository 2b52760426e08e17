"""Typing of a CSV's columns: numbers, whole numbers, booleans, dates or text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from ..columns.column import LEVELLED, Column
from .format import FALSE_WORDS, TRUE_WORDS, CSVFormat

#: what the fields of a column spell
Spelled = Literal["nothing", "numbers", "booleans", "dates", "text"]

ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:([ T])\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")
_LEADING_ZERO = re.compile(r"\s*[+-]?0\d+\s*")
_INT64 = 2**63


@dataclass(frozen=True)
class Expected:
    """What a column is expected to be read as.

    Attributes:
        type: what its fields spell ("anything"), the same but no dates ("values"), numbers that
            were floats before, or whole ones, dates, or text.
        answers: text that is an answer, never a word for missing.
    """

    type: Literal["anything", "values", "numbers", "whole", "dates", "text"] = "anything"
    answers: frozenset[str] = frozenset()


ANYTHING = Expected()


def expected_types(
    declared: Mapping[str, Any] | None, like: Sequence[Column] | None
) -> dict[str, Expected]:
    """Return what columns are expected to be, by name; others are read as "anything".

    Args:
        declared: kinds by column, as :meth:`absentia.data.Schema.read` returns them.
        like: the columns of the table that a model was fitted to; these go before.
    """
    found = {name: _of_declared(details) for name, details in (declared or {}).items()}
    found.update({column.name: _of_column(column) for column in like or ()})
    return found


def _of_declared(details: Mapping[str, Any]) -> Expected:
    if details["kind"] == "datetime":
        return Expected("dates")
    if details["kind"] not in LEVELLED:
        return Expected("whole")
    return _of_levels(details.get("levels") or ())


def _of_column(column: Column) -> Expected:
    if column.kind == "datetime":
        return Expected("dates")
    if column.levels:
        return _of_levels(column.levels)
    whole = column.dtype.lower().lstrip("u").startswith("int")
    return Expected("whole" if whole else "numbers")


def _of_levels(levels: Sequence[Any]) -> Expected:
    words = frozenset(level for level in levels if isinstance(level, str))
    return Expected("text" if words and len(words) == len(levels) else "values", words)


def spelled_by(fields: Sequence[str], form: CSVFormat, expected: Expected = ANYTHING) -> Spelled:
    """Say what all of these distinct fields spell, none of which is missing."""
    if not fields:
        return "nothing"
    if expected.type == "text":
        return "text"
    # whole numbers with a zero in front are codes: 08654
    codes = expected.type in ("anything", "values") and any(map(_LEADING_ZERO.fullmatch, fields))
    if expected.type in ("anything", "dates") and _dates(fields, form) is not None:
        return "dates"
    way = form.of_numbers(fields)
    if way is not None and not (codes and all(map(way.is_whole, fields))):
        return "numbers"
    if all(field in TRUE_WORDS or field in FALSE_WORDS for field in fields):
        return "booleans"
    return "text"


def typed(
    texts: pd.Series[Any], missing: np.ndarray, form: CSVFormat, expected: Expected = ANYTHING
) -> pd.Series[Any]:
    """Convert fields (n,) to the type that they spell; NaN (NA, NaT) where missing.

    Whole numbers are integers, gaps or none, with all their digits; those that no 64 bits hold,
    and those with zeros in front, stay text.
    """
    codes, distinct = pd.factorize(texts.where(~missing))
    fields: list[str] = list(distinct)
    spelled = spelled_by(fields, form, expected)
    if spelled == "nothing":
        return pd.Series(np.nan, index=texts.index, name=texts.name).astype(
            "Int64" if expected.type == "whole" and len(texts) else "float64"
        )
    read: Callable[[str], Any]
    if spelled == "numbers":
        found = _numbers(fields, form, bool(missing.any()), expected)
        if found is not None:
            return pd.Series(
                found.take(codes, allow_fill=True), index=texts.index, name=texts.name, copy=False
            )
    if spelled == "dates":
        dates = _dates(fields, form)
        assert dates is not None  # seen by spelled_by
        taken = dates.take(codes, allow_fill=True, fill_value=cast(Any, pd.NaT))
        return pd.Series(taken, index=texts.index, name=texts.name)
    read = TRUE_WORDS.__contains__ if spelled == "booleans" else str
    values = np.array([*map(read, fields), np.nan], dtype=object)[codes]
    return pd.Series(values, index=texts.index, name=texts.name).infer_objects()


def _numbers(fields: Sequence[str], form: CSVFormat, gaps: bool, expected: Expected) -> Any:
    """Return the distinct numbers as a pandas array, or None where only text keeps their digits."""
    form = form.of_numbers(fields) or form
    whole = all(map(form.is_whole, fields))
    if whole and not (gaps and expected.type == "numbers"):
        values = [form.whole_of(field) for field in fields]
        if any(not -_INT64 <= value < _INT64 for value in values):
            return None
        array = np.array(values, dtype=np.int64)
        return pd.array(array, dtype="Int64") if gaps else pd.array(array, dtype="int64")
    return pd.array(np.array([form.number_of(field) for field in fields]), dtype="float64")


def _dates(fields: Sequence[str], form: CSVFormat) -> pd.DatetimeIndex | None:
    """Return the distinct fields as dates (ISO 8601, or as the format says), or None."""
    if all(map(ISO_DATE.fullmatch, fields)):
        try:
            return pd.DatetimeIndex(pd.to_datetime(pd.Index(fields), format="ISO8601"))
        except ValueError:  # the thirteenth month
            return None
    if form.date_format is None:
        return None
    try:
        dates: Any = pd.to_datetime(pd.Index(fields), format=form.date_format)
    except ValueError:
        return None
    if not isinstance(dates, pd.DatetimeIndex):  # several time zones
        return None
    # numbers are dates only where they are written as such to the last digit: 20240531
    if all(map(form.is_number, fields)) and list(dates.strftime(form.date_format)) != list(fields):
        return None
    return dates
