"""Values that are declared to stand for missing ones, such as -99, "unknown" or 1900-01-01."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from .columns.types import column_names
from .errors import InputError


def without_markers(frame: pd.DataFrame, markers: Any) -> pd.DataFrame:
    """Return the table with these values missing, or the table itself if it contains none of them.

    A number matches equal numbers and text that spells it; a string matches equal text, and the
    date that it spells. Columns of whole numbers and booleans keep their type.

    >>> table = pd.DataFrame({"bmi": [24, -99, 31], "smokes": ["no", "?", "-99"]})
    >>> without_markers(table, [-99, "?"]).isna().to_numpy().tolist()
    [[False, False], [True, True], [False, True]]
    >>> without_markers(table, {"bmi": -99})["bmi"].tolist()
    [24, <NA>, 31]

    Args:
        frame: n rows, p columns.
        markers: a value or several values for all columns, or a mapping from columns to these.

    Raises:
        ValueError: the mapping names a column that the table does not have.
    """
    if markers is None:
        return frame
    names = column_names(frame.columns)
    by_name = isinstance(markers, Mapping)
    if by_name:
        unknown = [name for name in markers if str(name) not in names]
        if unknown:
            raise InputError(
                f"na_values names column {unknown[0]!r}, but the table has {', '.join(names[:10])}."
            )
        wanted = {str(name): _several(value) for name, value in markers.items()}
    else:
        wanted = dict.fromkeys(names, _several(markers))
    result = frame
    for j, name in enumerate(names):
        marked = _marked(frame.iloc[:, j], wanted.get(name, []))
        if marked.any():
            result = frame.copy() if result is frame else result
            result.isetitem(j, _masked(frame.iloc[:, j], marked).array)
    return result


def _several(markers: Any) -> list[Any]:
    single = isinstance(markers, str | bytes) or not isinstance(markers, Iterable)
    return [markers] if single else list(markers)


def _marked(series: pd.Series[Any], markers: list[Any]) -> np.ndarray:
    """Return booleans (n,), True where an entry is one of the markers."""
    found = np.zeros(len(series), dtype=bool)
    dates = series.dtype.kind == "M"
    for marker in markers:
        if pd.api.types.is_scalar(marker) and pd.isna(marker):
            continue  # missing already
        if dates:
            found |= _same_moment(series, marker)
            continue
        number = isinstance(marker, Real) and not isinstance(marker, bool | np.bool_)
        if pd.api.types.is_bool_dtype(series.dtype) and number:
            continue  # in a column of booleans, 1 does not match True
        found |= np.array([_is(value, marker, number) for value in series], dtype=bool)
    return found


def _is(value: Any, marker: Any, number: bool) -> bool:
    if isinstance(value, str):
        text = value.strip()
        return text == str(marker).strip() or (number and _number(text) == marker)
    if isinstance(value, bool | np.bool_) != isinstance(marker, bool | np.bool_):
        return False
    if isinstance(marker, str) and isinstance(value, Real):
        return _number(marker) == value
    return not (value is None or value is pd.NA) and bool(value == marker)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same_moment(series: pd.Series[Any], marker: Any) -> np.ndarray:
    if isinstance(marker, Real):
        return np.zeros(len(series), dtype=bool)
    try:
        moment = pd.Timestamp(marker)
    except (ValueError, TypeError):
        return np.zeros(len(series), dtype=bool)
    zone = getattr(series.dt, "tz", None)
    if zone is not None and moment.tzinfo is None:
        moment = moment.tz_localize(zone)
    same: np.ndarray = (series == moment).to_numpy(dtype=bool, na_value=False)
    return same


def _masked(series: pd.Series[Any], marked: np.ndarray) -> pd.Series[Any]:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu":
        nullable: Any = series.dtype.name.replace("i", "I", 1).replace("u", "U", 1)
        series = series.astype(nullable)
    elif series.dtype == np.dtype(bool):
        series = series.astype("boolean")
    return series.mask(marked)
