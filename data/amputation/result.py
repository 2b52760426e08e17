"""The result of an amputation, and the checks of input that all amputations share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..columns.types import array_values
from ..errors import InputError


@dataclass(frozen=True, eq=False)
class Amputation:
    """A mask of complete data, with the probability of each entry being observed.

    >>> x = np.array([[1.0, 5.0], [3.0, 6.0]])
    >>> certain(np.array([[1, 1], [0, 1]])).apply(x)
    array([[ 1.,  5.],
           [nan,  6.]])

    Attributes:
        mask: (n, p) boolean, True where observed.
        probability: (n, p) probabilities P(s = 1 | x), which are 0 or 1 if the mechanism is
            deterministic.
    """

    mask: np.ndarray
    probability: np.ndarray

    def apply(self, x: ArrayLike) -> np.ndarray:
        """Return a float64 copy of ``x`` (n, p) with NaN where missing."""
        x = array_values(x)
        if x.shape != self.mask.shape:
            raise InputError(
                f"x has shape {x.shape}, but the mask has {self.mask.shape}; give the data that "
                "were amputated."
            )
        return np.where(self.mask, x, np.nan)


def certain(probability: np.ndarray) -> Amputation:
    """Make the amputation of a deterministic mechanism from zeros and ones (n, p)."""
    return Amputation(probability == 1, np.asarray(probability, dtype=np.float64))


def sampled(probability: np.ndarray, seed: int | np.random.Generator) -> Amputation:
    """Sample the mask of each entry independently with these probabilities (n, p).

    A mechanism that has sampled weights or columns of its own gives its generator and not its seed,
    so that the mask is independent of them.
    """
    # uniform() lies in [0, 1), so an entry of probability 1 is always observed and one of 0 never
    uniform = np.random.default_rng(seed).uniform(size=probability.shape)
    return Amputation(uniform < probability, probability)


def complete_values(x: ArrayLike) -> np.ndarray:
    """Return ``x`` as float64 (n, p), which must be complete.

    Raises:
        ValueError: naming the first entry that is not finite.
    """
    values = array_values(x)
    if 0 in values.shape:
        raise InputError(f"x has shape {values.shape}; give at least one row and one column.")
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        i, j = (int(k) for k in bad[0])
        raise InputError(
            f"x holds {values[i, j]} in row {i}, column {j}; give complete data to amputate."
        )
    return values


def column_positions(columns: Sequence[int] | None, p: int, default: int) -> list[int]:
    """Return positions among ``p`` columns; if none are given, the first ``default`` of them.

    Raises:
        ValueError: a position does not exist, is not an integer or is repeated; the message names
            it.
    """
    return list(range(default)) if columns is None else positions(columns, p)


def positions(columns: Sequence[int], p: int) -> list[int]:
    """Return positions among ``p`` columns, counted from 0.

    Raises:
        ValueError: a position does not exist, is not an integer or is repeated; the message names
            it.
    """
    chosen = []
    for c in columns:
        if isinstance(c, bool) or not isinstance(c, int | np.integer):
            raise InputError(f"column {c!r} is not a position; give integers from 0 to {p - 1}.")
        if not -p <= c < p:
            raise InputError(f"column {c} does not exist; give positions from 0 to {p - 1}.")
        if int(c) % p in chosen:
            raise InputError(f"column {c} is given twice; give each column once.")
        chosen.append(int(c) % p)
    return chosen


def every_second(p: int) -> list[int]:
    """Return the positions of every second of ``p`` columns, from the second one on.

    >>> every_second(5), every_second(1)
    ([1, 3], [0])
    """
    return list(range(1, p, 2)) or [0]


def check_share(name: str, value: float, upper: float) -> None:
    """Refuse a share outside [0, upper]."""
    if not 0 <= value <= upper:
        raise InputError(f"{name} is {value}; give a number between 0 and {upper:g}.")


def one_each(name: str, values: ArrayLike, count: int) -> np.ndarray:
    """Return one finite number, or one for each of ``count`` columns, as (count,) or ()."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (count,)):
        raise InputError(f"{name} have shape {array.shape}; give one number, or {count} numbers.")
    if not np.isfinite(array).all():
        raise InputError(f"{name} are not all finite; give finite numbers.")
    return array
