"""Identifiers of users and items: text, or positions 0, 1, ..., and the map between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from .errors import InputError

#: identifiers, or positions, as a caller gives them
Ids = Sequence[str] | Sequence[int] | np.ndarray | pd.Series | pd.Index


def are_text(given: Ids) -> bool:
    """Whether these identifiers are text rather than numbers."""
    if isinstance(given, np.ndarray | pd.Series | pd.Index) and given.dtype.kind in "iufb":
        return False
    return any(isinstance(value, str | bytes) for value in given)


def known_ids(what: str, given: Iterable[object]) -> tuple[str, ...]:
    """Return the distinct identifiers among these, sorted.

    >>> known_ids("user", ["eve", "bob", "eve"])
    ('bob', 'eve')

    Raises:
        ValueError: an identifier is not text, or is empty.
    """
    found = set()
    for value in given:
        if not isinstance(value, str) or not value:
            raise InputError(
                f"{what} {value!r} is not a text identifier, but others are; give text that is not "
                "empty for all of them, or positions from 0 for all of them."
            )
        found.add(str(value))
    return tuple(sorted(found))


def coded(what: str, given: Iterable[object], ids: Sequence[str]) -> np.ndarray:
    """Return the position of each identifier among the known ones.

    Raises:
        ValueError: an identifier is not known.
    """
    place: dict[object, int] = {one: k for k, one in enumerate(ids)}
    wanted = list(given)
    found = np.array([place.get(one, -1) for one in wanted], dtype=np.int64)
    if len(found) and found.min() < 0:
        unknown = wanted[int(np.flatnonzero(found < 0)[0])]
        few = ", ".join(repr(one) for one in ids[:8]) + (", ..." if len(ids) > 8 else "")
        raise InputError(f"{what} {unknown!r} is not known; give one of {few}.")
    return found


def whole_positions(what: str, given: Ids) -> np.ndarray:
    """Return positions as integers.

    Raises:
        ValueError: a position is not a whole number.
    """
    found = np.asarray(given)
    if found.size and not np.issubdtype(found.dtype, np.integer):
        odd = found[found != np.floor(found)]
        if len(odd):
            raise InputError(f"{what} {odd[0]} is not a position; give whole numbers from 0.")
    return found.astype(np.int64)


def check_positions(what: str, found: np.ndarray, count: int) -> None:
    """Refuse positions outside 0, ..., ``count`` - 1.

    Raises:
        ValueError: naming the first such position.
    """
    outside = (found < 0) | (found >= count)
    if outside.any():
        bad = int(found[outside][0])
        raise InputError(f"{what} {bad} does not exist; give positions from 0 to {count - 1}.")


def positions_and_ids(
    what: str, given: Ids, ids: Sequence[str] | None, count: int | None
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Return the positions of users or items, and the identifiers at these positions.

    Args:
        what: "user" or "item", for errors.
        given: (entries,) identifiers or positions.
        ids: all identifiers in order; by default those that occur, sorted.
        count: how many there are, if they are counted from 0.

    Returns:
        The positions (entries,) and, where identifiers are text, these in the order of positions.

    Raises:
        ValueError: an unknown or repeated identifier, a position that is not a whole number, or a
            ``count`` of identifiers that are text.
    """
    if ids is None and not are_text(given):
        return whole_positions(what, given), None
    if count is not None:
        raise InputError(
            f"num_{what}s={count} is for {what}s that are counted from 0, but these have names; "
            f"give {what}_ids= instead, or neither of the two."
        )
    known = known_ids(what, given if ids is None else ids)
    if ids is not None:
        if len(known) < len(list(ids)):
            raise InputError(f"{what}_ids contains an identifier twice; give each of them once.")
        known = tuple(ids)
    return coded(what, given, known), known


def shown(position: int, ids: tuple[str, ...] | None) -> str:
    """Write a user or an item for an error: the identifier, or else the position."""
    return str(position) if ids is None else repr(ids[int(position)])


def named(positions: np.ndarray, ids: tuple[str, ...] | None) -> np.ndarray:
    """Return users or items as they were given: identifiers, or else positions."""
    return positions if ids is None else np.array(ids, dtype=object)[positions]
