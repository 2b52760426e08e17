"""Moments of a stream of numbers, which come in batches and are merged pairwise."""

from __future__ import annotations

import math

import numpy as np


class Moments:
    """Number, mean, squared and cubed deviations, and the ends, of numbers that come in batches.

    Two sets of moments are merged by the pairwise updates of Chan, Golub & LeVeque (American
    Statistician 1983) and of Pébay (Sandia report SAND2008-6212, eq. 2.2, for the cubes), which
    lose no digits where the mean is large. Numbers are divided by a power of two that is at least
    as large as the largest of them, so that their cubes fit into float64.

    >>> found = Moments()
    >>> for batch in ([1.0, 2.0], [6.0]):
    ...     found.add(np.array(batch))
    >>> found.count, found.mean, found.sd
    (3, 3.0, 2.6457513110645907)
    """

    def __init__(self) -> None:
        self.count = 0
        self.low, self.high = math.inf, -math.inf
        #: the first number of all
        self.first = math.nan
        self._unit = 0.0
        self._mean = self._squares = self._cubes = 0.0

    def add(self, values: np.ndarray) -> None:
        """Take in the numbers (m,) of a batch, none of them NaN."""
        if not len(values):
            return
        if not self.count:
            self.first = float(values[0])
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        largest = max(abs(self.low), abs(self.high))
        unit = 2.0 ** min(math.frexp(largest)[1], 1023) if largest else 1.0
        if unit > self._unit:
            share = self._unit / unit
            self._mean *= share
            self._squares *= share**2
            self._cubes *= share**3
            self._unit = unit
        scaled = values / self._unit
        mean = float(scaled.mean())
        deviation = scaled - mean
        squared = deviation**2
        self._merge(len(values), mean, float(squared.sum()), float((squared * deviation).sum()))

    def _merge(self, count: int, mean: float, squares: float, cubes: float) -> None:
        before, total = self.count, self.count + count
        apart = mean - self._mean
        self._cubes += (
            cubes
            + apart**3 * before * count * (before - count) / total**2
            + 3 * apart * (before * squares - count * self._squares) / total
        )
        self._squares += squares + apart**2 * before * count / total
        self._mean += apart * count / total
        self.count = total

    @property
    def mean(self) -> float:
        """The mean; exactly the one number where all are equal."""
        return self.first if self.low == self.high else self._mean * self._unit

    @property
    def sd(self) -> float:
        """The standard deviation (ddof 1); 1 where all numbers are equal."""
        if self.low == self.high:
            return 1.0
        found = self._unit * math.sqrt(self._squares / (self.count - 1))
        return max(found, float(np.finfo(np.float64).tiny))

    @property
    def skewness(self) -> float:
        """The third standardised moment; 0 where all numbers are equal."""
        if self.low == self.high or not self._squares > 0:
            return 0.0
        return (self._cubes / self.count) / (self._squares / self.count) ** 1.5
