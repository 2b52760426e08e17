"""Typing of a CSV's columns: numbers, whole numbers, booleans, dates or text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from ..columns.column import LEVELLED, Column
from .format import FALSE_WORDS, TRUE_WORDS, CSVFormat

#: what the fields of a column spell
Spelled = Literal["nothing", "numbers", "booleans", "dates", "text"]

ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:([ T])\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")
_LEADING_ZERO = re.compile(r"\s*[+-]?0\d+\s*")
_INT64 = 2**63


@dataclass(frozen=True)
class Expected:
    """The type that a column is expected to be read as.

    Attributes:
        type: "anything" that the fields spell, "values" other than dates, "numbers" that were
            floats before, "whole" numbers, "dates" or "text".
        answers: texts that are answers even if they are words for missing.
    """

    type: Literal["anything", "values", "numbers", "whole", "dates", "text"] = "anything"
    answers: frozenset[str] = frozenset()


ANYTHING = Expected()


def expected_types(
    declared: Mapping[str, Any] | None, like: Sequence[Column] | None
) -> dict[str, Expected]:
    """Return the expected types of columns by name; other columns are read as "anything".

    Args:
        declared: kinds by column, as :meth:`absentia.data.Schema.read` returns them.
        like: the columns of the table that a model was fitted to; they take precedence.
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


@dataclass(frozen=True)
class Spelling:
    """What the distinct fields of a column spell, found out once.

    Attributes:
        kind: what all of the fields are.
        fields: the distinct fields, none of which is missing.
        form: for numbers, the format in which all of the fields are numbers.
        dates: for dates, the fields as dates, in the same order.
    """

    kind: Spelled
    fields: tuple[str, ...] = ()
    form: CSVFormat | None = None
    dates: pd.DatetimeIndex | None = None


def spelled_by(fields: Iterable[str], form: CSVFormat, expected: Expected = ANYTHING) -> Spelling:
    """Find out what all of these distinct fields spell, none of which is missing."""
    fields = tuple(fields)
    if not fields:
        return Spelling("nothing")
    if expected.type == "text":
        return Spelling("text", fields)
    # whole numbers that start with a zero, such as 08654, are codes
    codes = expected.type in ("anything", "values") and any(map(_LEADING_ZERO.fullmatch, fields))
    if expected.type in ("anything", "dates"):
        dates = _dates(fields, form)
        if dates is not None:
            return Spelling("dates", fields, dates=dates)
    way = form.of_numbers(fields)
    if way is not None and not (codes and all(map(way.is_whole, fields))):
        return Spelling("numbers", fields, way)
    if all(field in TRUE_WORDS or field in FALSE_WORDS for field in fields):
        return Spelling("booleans", fields)
    return Spelling("text", fields)


def typed(
    texts: pd.Series[Any], spelling: Spelling, expected: Expected = ANYTHING
) -> pd.Series[Any]:
    """Convert fields (n,) to the type that they spell; NaN (NA, NaT) where missing.

    Whole numbers become integers with all their digits, whether or not values are missing; those
    that 64 bits cannot hold, and those that start with a zero, stay text.

    Args:
        texts: (n,) fields; those that the spelling does not list are missing.
        spelling: what the other fields spell.
        expected: what the column is expected to be.
    """
    index, name = texts.index, texts.name
    if spelling.kind == "nothing":
        whole = expected.type == "whole" and len(texts)
        return pd.Series(np.nan, index=index, name=name).astype("Int64" if whole else "float64")
    places = pd.Index(spelling.fields, dtype=object).get_indexer(pd.Index(texts, dtype=object))
    if spelling.form is not None:
        found = _numbers(spelling.fields, spelling.form, bool((places < 0).any()), expected)
        if found is not None:
            numbers = found.take(places, allow_fill=True)
            return pd.Series(numbers, index=index, name=name, copy=False)
    if spelling.dates is not None:
        dates = spelling.dates.take(places, allow_fill=True, fill_value=cast(Any, pd.NaT))
        return pd.Series(dates, index=index, name=name)
    read: Callable[[str], Any] = str if spelling.kind != "booleans" else TRUE_WORDS.__contains__
    values = np.array([*map(read, spelling.fields), np.nan], dtype=object)[places]
    return pd.Series(values, index=index, name=name).infer_objects()


def _numbers(
    fields: Sequence[str], form: CSVFormat, gaps: bool, expected: Expected
) -> ExtensionArray | None:
    """Return the distinct numbers as a pandas array, or None where only text keeps their digits."""
    if all(map(form.is_whole, fields)) and not (gaps and expected.type == "numbers"):
        values = [form.whole_of(field) for field in fields]
        if any(not -_INT64 <= value < _INT64 for value in values):
            return None
        return pd.array(np.array(values, dtype=np.int64), dtype="Int64" if gaps else "int64")
    return pd.array(np.array([form.number_of(field) for field in fields]), dtype="float64")


def _dates(fields: Sequence[str], form: CSVFormat) -> pd.DatetimeIndex | None:
    """Return the distinct fields as dates (ISO 8601, or as the format says), or None."""
    if all(map(ISO_DATE.fullmatch, fields)):
        try:
            return pd.DatetimeIndex(pd.to_datetime(pd.Index(fields), format="ISO8601"))
        except ValueError:  # such as a thirteenth month
            return None
    if form.date_format is None:
        return None
    try:
        dates: Any = pd.to_datetime(pd.Index(fields), format=form.date_format)
    except ValueError:
        return None
    if not isinstance(dates, pd.DatetimeIndex):  # several time zones
        return None
    # numbers such as 20240531 are dates only if the format writes all of them in the same way
    if all(map(form.is_number, fields)) and list(dates.strftime(form.date_format)) != list(fields):
        return None
    return dates
