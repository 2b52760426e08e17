"""Rows of a sparsely held table, which are made dense a few at a time."""

from __future__ import annotations

import torch
from torch import Tensor

#: positions of rows: a slice, integers or booleans
Positions = slice | int | list[int] | Tensor


class DenseRows:
    """A table (n, p) that is held sparsely and made dense a few rows at a time.

    ``table[rows]`` is a tensor (k, p) of the rows at these positions (a slice, integers or
    booleans).

    Args:
        starts: (n + 1,) where the entries of each row begin.
        items: (entries,) the column of each entry.
        values: (entries,) the entries.
        num_columns: the number of columns p.
    """

    def __init__(self, starts: Tensor, items: Tensor, values: Tensor, num_columns: int) -> None:
        self.starts, self.items, self.values = starts, items, values
        self.shape = (len(starts) - 1, num_columns)

    @property
    def device(self) -> torch.device:
        """The device that holds the entries."""
        return self.values.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the entries."""
        return self.values.dtype

    def __len__(self) -> int:
        """The number of rows n."""
        return self.shape[0]

    def __getitem__(self, rows: Positions) -> Tensor:
        """Return the rows as a tensor (k, p), zero where there is no entry."""
        if not isinstance(rows, slice):
            rows = torch.as_tensor(rows, device=self.device)
        chosen = torch.atleast_1d(torch.arange(len(self), device=self.device)[rows])
        dense = torch.zeros(len(chosen), self.shape[1], dtype=self.dtype, device=self.device)
        row, entry = entries_of(self.starts, chosen)
        dense[row, self.items[entry]] = self.values[entry]
        return dense


def entries_of(starts: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return, for each entry of the chosen rows, its row among them and its position."""
    counts = starts[rows + 1] - starts[rows]
    which = torch.arange(len(rows), device=rows.device).repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    within = torch.arange(len(which), device=rows.device) - before[which]
    return which, starts[rows][which] + within
