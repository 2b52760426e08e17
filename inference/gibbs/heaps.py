"""Heaps: numbers that many rows of a column share, each of which stands for an interval."""

from __future__ import annotations

import torch
from torch import Tensor

#: the share of a column's values that are one number, from which on it is a heap, and how many
#: times as often as any other number it has to be found: numbers that were rounded have no heap
_SHARE, _ABOVE = 1 / 3, 3
#: columns of fewer distinct values have no shape, with a heap or without one
FEWEST_VALUES = 6
#: the least width of an interval at the start, in standard deviations of the column
_LEAST_WIDTH = 0.1


class Heaps:
    """Numbers that stand for all values of an interval of y_j, with other values on both sides.

    No density has a heap, and no smooth map makes one normal. Where a usual age or dose is taken as
    it is, the column's mechanism is blamed for the values that a Normal has beside the heap and the
    table has not: it seems that all values on its thinner side were hidden.

    A heap at an end of a column, such as the zeros of an amount, has no interval. There it often is
    a kind of row of its own, far from the other values, which a half-line of y fits worse than the
    number itself.

    Args:
        x: (n, p) standardised values, 0 where missing.
        seen: (n, p) booleans, True where observed.
        straight: (p,) booleans, the columns that have no heaps.

    Attributes:
        value: (p,) the heap of each column, 0 without one.
        at: (n, p) booleans, the cells in heaps.
        above: (n, p) which share of an interval's width is added to a value: 0 below the heap, one
            half in it and 1 above; 0 in columns without one.
        width: (p,) the widths of the intervals at the start, 0 without one.
        exist: (p,) booleans, the columns with a heap.
    """

    def __init__(self, x: Tensor, seen: Tensor, straight: Tensor) -> None:
        self.at, self.above = torch.zeros_like(seen), torch.zeros_like(x)
        self.value, self.width = x.new_zeros(x.shape[1]), x.new_zeros(x.shape[1])
        for j in (~straight).nonzero().flatten().tolist():
            own = x[seen[:, j], j]
            found = _heap(own)
            if found is None:
                continue
            self.value[j], self.width[j] = found, _width(own, found)
            self.at[:, j] = seen[:, j] & (x[:, j] == found)
            self.above[:, j] = 0.5 * ((x[:, j] >= found).to(x) + (x[:, j] > found).to(x))
        self.exist = self.at.any(0)
        self.some = bool(self.exist.any())


def _heap(values: Tensor) -> float | None:
    """Return the number of which a column (m,) has a heap inside, None without one."""
    found, counts = values.unique(return_counts=True)
    if len(found) < FEWEST_VALUES:
        return None
    most, next_ = counts.sort(descending=True).values[:2].tolist()
    place = int(counts.argmax())
    if most < max(_SHARE * len(values), _ABOVE * next_) or place in (0, len(found) - 1):
        return None
    return float(found[place])


def _width(values: Tensor, heap: float) -> float:
    """Return how wide the interval of a heap is, if the column is normal with it in its place.

    The values beside it are regressed on their normal scores and on the side of the heap; how much
    too near to those below it those above it are is the width.
    """
    order = values.sort().values
    rank = torch.arange(1, len(order) + 1).to(order) / (len(order) + 1)
    above = (order > heap).to(order)
    terms = torch.stack([torch.ones_like(order), torch.special.ndtri(rank), -above], -1)
    beside = order != heap
    found = torch.linalg.lstsq(terms[beside], order[beside].unsqueeze(-1)).solution.flatten()
    return max(float(found[2]), _LEAST_WIDTH)
