"""Text identifiers, and their translation to positions 0, 1, ... and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import InputError


def are_text(given: Any) -> bool:
    """Whether these identifiers are text and not numbers."""
    if getattr(getattr(given, "dtype", None), "kind", "O") in "iufb":
        return False
    return any(isinstance(value, str | bytes) for value in given)


def known_ids(what: str, given: Any) -> tuple[str, ...]:
    """Return the distinct identifiers among these, sorted.

    >>> known_ids("user", ["eve", "bob", "eve"])
    ('bob', 'eve')

    Raises:
        ValueError: one that is no text, or empty.
    """
    for value in given:
        if not isinstance(value, str) or not value:
            raise InputError(
                f"{what} {value!r} is not a text identifier, and others are; give text that is not "
                f"empty for all of them, or positions from 0."
            )
    return tuple(sorted({str(value) for value in given}))


def coded(what: str, given: Any, ids: Sequence[str]) -> np.ndarray:
    """Return the position of each identifier among the known ones.

    Raises:
        ValueError: one that is not known.
    """
    place = {one: k for k, one in enumerate(ids)}
    found = np.array([place.get(one, -1) for one in given], dtype=np.int64)
    if len(found) and found.min() < 0:
        odd = list(given)[int(np.flatnonzero(found < 0)[0])]
        few = ", ".join(repr(one) for one in ids[:8]) + (", ..." if len(ids) > 8 else "")
        raise InputError(f"{what} {odd!r} is not one of {few}.")
    return found
