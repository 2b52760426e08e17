"""Directions of missingness (high or low values), given for all columns or by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ...data.errors import InputError

#: ``"+"`` or ``"high"`` where high values go missing, ``"-"`` or ``"low"`` where low ones do,
#: ``"free"`` or None where that is not known: for all columns, by column name, or one per column.
#: For ``missingness="limit"`` also a limit as laboratories write it, ``"<0.5"`` or ``">400"``
Sign = str | Mapping[str, str | None] | Sequence[str | None] | None
Direction = Literal["+", "-"]

_MEANINGS: dict[str, Direction | None] = {
    "+": "+", "high": "+", "-": "-", "low": "-", "free": None,
}  # fmt: skip

_LIMIT = re.compile(r"\s*([<>≤≥])=?\s*(-?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)\s*")


class Limit(NamedTuple):
    """A limit of detection: which values are beyond it, and where it is, in the data's units."""

    direction: Direction
    value: float


def limit_in(value: Any) -> Limit | None:
    """Read a limit as laboratories write it; None for anything else.

    >>> limit_in("<0.5"), limit_in(">= 400"), limit_in("high")
    (Limit(direction='-', value=0.5), Limit(direction='+', value=400.0), None)
    """
    found = _LIMIT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    return Limit("-" if found[1] in "<≤" else "+", float(found[2].replace(",", ".")))


def sides_and_limits(
    sign: Any, columns: Sequence[str]
) -> tuple[list[Direction | None], list[float | None]]:
    """Return the direction of each column, and its limit where one was given.

    >>> sides_and_limits({"crp": "<0.5", "age": "high"}, ["age", "crp"])
    (['+', '-'], [None, 0.5])

    Args:
        sign: as for :func:`directions`, with limits such as ``"<0.5"`` among the directions.
        columns: the names of the columns, in order.

    Raises:
        ValueError: as :func:`directions`.
    """

    def side(value: Any) -> Any:
        limit = limit_in(value)
        return value if limit is None else limit.direction

    def place(value: Any) -> float | None:
        limit = limit_in(value)
        return None if limit is None else limit.value

    if isinstance(sign, Mapping):
        sides = directions({name: side(value) for name, value in sign.items()}, columns)
        return sides, [place(sign.get(name)) for name in columns]
    if sign is None or isinstance(sign, str) or not isinstance(sign, Iterable):
        return directions(side(sign), columns), [place(sign)] * len(columns)
    given = list(sign)
    return directions([side(value) for value in given], columns), [place(v) for v in given]


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
        if limit_in(value) is not None:
            raise InputError(
                f"sign {value!r}{whose} is a limit, which belongs to missingness='limit'; give "
                f"that, or a direction: 'high' or 'low'"
            )
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
