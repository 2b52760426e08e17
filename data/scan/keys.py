"""Rows told apart by a hash of their key, so that a choice of rows does not depend on files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def hashes(keys: np.ndarray, purpose: str, seed: int) -> np.ndarray:
    """Return (n,) whole numbers of 64 bits that follow from key, purpose and seed alone.

    They are SplitMix64's (Steele, Lea & Flood, OOPSLA 2014) at the keys, beside a start that
    purpose and seed determine.

    >>> keys = np.arange(3, dtype=np.uint64)
    >>> bool((hashes(keys, "sample", 0)[1:] == hashes(keys[1:], "sample", 0)).all())
    True
    """
    start = pd.util.hash_array(np.array([f"{purpose} {seed}"], dtype=object))[0]
    state: Any = start + (keys + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: np.ndarray = state ^ (state >> np.uint64(31))
    return found


def keys_of(column: pd.Series[Any]) -> np.ndarray:
    """Return (n,) numbers of 64 bits that stand for the values of a key column.

    Whole numbers of any width that are equal have equal numbers here, and so have equal texts.
    """
    if pd.api.types.is_unsigned_integer_dtype(column.dtype):
        return column.to_numpy(dtype=np.uint64)
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.to_numpy(dtype=np.int64).view(np.uint64)
    return pd.util.hash_array(column.to_numpy(dtype=object), categorize=False)


class Smallest:
    """The rows with the smallest hashes, of all rows that have come by.

    Args:
        most: the number of rows to keep.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._hashes = np.zeros(0, dtype=np.uint64)
        self._places = np.zeros(0, dtype=np.int64)

    def add(self, found: np.ndarray, first: int) -> None:
        """Take in the hashes (n,) of rows that begin at this position."""
        every = np.concatenate([self._hashes, found])
        places = np.concatenate([self._places, np.arange(first, first + len(found))])
        if len(every) > self.most:
            chosen = np.argpartition(every, self.most - 1)[: self.most]
            every, places = every[chosen], places[chosen]
        self._hashes, self._places = every, places

    @property
    def places(self) -> np.ndarray:
        """The positions of the rows that were kept, in the order of their hashes."""
        return self._places[np.lexsort((self._places, self._hashes))]

    @property
    def last(self) -> int:
        """The largest hash among them."""
        return int(self._hashes.max())
