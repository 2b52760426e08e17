"""What the kind of a column of numbers is inferred from, of an array or of a stream of batches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

#: more distinct values than these are not told apart
MOST_DISTINCT = 12


class NumberFacts(Protocol):
    """What :func:`~absentia.data.columns.infer.kind_of_numbers` asks about the present values."""

    @property
    def count(self) -> int:
        """The number of values."""

    @property
    def finite(self) -> bool:
        """Whether no value is infinite."""

    @property
    def low(self) -> float:
        """The least of the values."""

    @property
    def high(self) -> float:
        """The greatest of the values."""

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""

    @property
    def distinct(self) -> int:
        """The number of distinct values, where it is less than :data:`MOST_DISTINCT`."""

    @property
    def share_of_high(self) -> float:
        """The share of the values that equal the greatest, where few are distinct."""

    @property
    def skewness(self) -> float:
        """The skewness of the values."""

    @property
    def skewness_of_logs(self) -> float:
        """The skewness of the logs of values above 0."""


@dataclass(frozen=True, eq=False)
class ArrayFacts:
    """The facts about numbers (m,) in memory; each is computed when it is first asked for.

    >>> facts = ArrayFacts(np.array([0.0, 1.0, 1.0]))
    >>> facts.whole, facts.distinct, facts.high
    (True, 2, 1.0)
    """

    values: np.ndarray

    @property
    def count(self) -> int:
        """The number of values."""
        return len(self.values)

    @cached_property
    def finite(self) -> bool:
        """Whether no value is infinite."""
        return bool(np.isfinite(self.values).all())

    @cached_property
    def low(self) -> float:
        """The least of the values."""
        return float(self.values.min())

    @cached_property
    def high(self) -> float:
        """The greatest of the values."""
        return float(self.values.max())

    @cached_property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return bool((np.floor(self.values) == self.values).all())

    @cached_property
    def distinct(self) -> int:
        """The number of distinct values, up to :data:`MOST_DISTINCT`."""
        return min(len(np.unique(self.values)), MOST_DISTINCT)

    @property
    def share_of_high(self) -> float:
        """The share of the values that equal the greatest."""
        return float((self.values == self.high).mean())

    @property
    def skewness(self) -> float:
        """The skewness of the values."""
        return _skewness(self.values / self.high)

    @property
    def skewness_of_logs(self) -> float:
        """The skewness of the logs of values above 0."""
        return _skewness(np.log(self.values))


def _skewness(values: np.ndarray) -> float:
    deviation = values - values.mean()
    spread = np.sqrt(np.mean(deviation**2))
    return float(np.mean((deviation / spread) ** 3)) if spread > 0 else 0.0
