"""Directions of missingness (high or low values), given for all columns or by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from ...data.errors import InputError

#: ``"+"`` or ``"high"`` where high values go missing, ``"-"`` or ``"low"`` where low ones do,
#: ``"free"`` or None where that is not known: for all columns, by column name, or one per column
Sign = str | Mapping[str, str | None] | Sequence[str | None] | None
Direction = Literal["+", "-"]

_MEANINGS: dict[str, Direction | None] = {
    "+": "+", "high": "+", "-": "-", "low": "-", "free": None,
}  # fmt: skip


def direction(value: Any, column: str | None = None) -> Direction | None:
    """Translate any name of one direction into ``"+"``, ``"-"`` or None.

    >>> [direction(value) for value in ("high", "-", "free", None)]
    ['+', '-', None, None]

    Args:
        value: the name of a direction.
        column: the column that it was given for, where it was given for one.

    Raises:
        ValueError: if it is no name of a direction.
    """
    if value is None:
        return None
    if not isinstance(value, str) or value not in _MEANINGS:
        whose = "" if column is None else f" of column '{column}'"
        raise InputError(
            f"sign {value!r}{whose} is not one of '+' or 'high' (high values go missing), '-' or "
            f"'low' (low values go missing), 'free' or None (the direction is not known)"
        )
    return _MEANINGS[value]


def directions(sign: Any, columns: Sequence[str]) -> list[Direction | None]:
    """Return the direction of each column; a column that a mapping does not name is free.

    >>> directions({"income": "high"}, ["age", "income"])
    [None, '+']

    Args:
        sign: one direction for all columns, directions by column name, or one per column.
        columns: the names of the columns, in order.

    Raises:
        ValueError: for an unknown direction or column, or if the numbers of directions and columns
            differ.
    """
    if sign is None or isinstance(sign, str):
        return [direction(sign)] * len(columns)
    if isinstance(sign, Mapping):
        for name in sign:
            if name not in columns:
                raise InputError(_unknown(name, columns))
        return [direction(sign.get(name), name) for name in columns]
    if not isinstance(sign, Iterable):
        return [direction(sign)] * len(columns)  # this raises the error that says what is allowed
    given = list(sign)
    if len(given) != len(columns):
        raise InputError(
            f"sign has {len(given)} entries for {len(columns)} columns; give one per column, or "
            f"give them by name: sign={{'{columns[0]}': 'high'}}"
        )
    return [direction(value, name) for value, name in zip(given, columns, strict=True)]


def _unknown(name: Any, columns: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(name), list(columns), 1)
    guess = f"did you mean '{close[0]}'? " if close else ""
    shown = ", ".join(list(columns)[:12]) + (", ..." if len(columns) > 12 else "")
    return f"sign names the column {name!r}, which the table does not have; {guess}it has {shown}"
