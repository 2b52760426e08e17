"""The standard deviation of a Normal prior that draws learnt slopes towards 0."""

from __future__ import annotations

import math

from ...data.errors import InputError


def checked_shrinkage(shrinkage: float | None) -> float | None:
    """Return a standard deviation, or None for a flat prior, once it is found to be positive.

    Raises:
        ValueError: the standard deviation is not a positive number.

    >>> from absentia.models.missingness.shrinkage import checked_shrinkage
    >>> checked_shrinkage(0.5)
    0.5
    """
    if shrinkage is not None and not 0 < shrinkage < math.inf:
        raise InputError(f"shrinkage is {shrinkage}; give a positive number, or None for no prior")
    return shrinkage
