"""The estimates of a whole table, put together from blocks of rows that come in any order."""

from __future__ import annotations

import torch
from torch import Tensor

from .stream import Estimates

_OF_ROWS = ("log_evidence", "ess", "khat")
_OF_CELLS = ("mean", "variance", "mcse", "draws", "probabilities", "between")


class Gathered:
    """Estimates of n rows and of their missing cells, on the processor.

    They take one float64 number per missing cell for each of four moments, one number of the
    model's dtype for each draw, and nothing else that grows with the table.

    Args:
        s: (n, p) the mask.
        num_draws: D, the draws of every missing cell.
        most_values: V, the most values of any column whose probabilities are wanted.
        dtype: the dtype of the draws.
    """

    def __init__(self, s: Tensor, num_draws: int, most_values: int, dtype: torch.dtype) -> None:
        kind = torch.float64
        #: the number of missing cells of each row, and how many cells come before them
        self.counts = (~s).sum(1).cpu()
        self.starts = self.counts.cumsum(0) - self.counts
        rows, cells = len(s), int(self.counts.sum())
        self.estimates = Estimates(
            log_evidence=torch.zeros(rows, dtype=kind),
            ess=torch.zeros(rows, dtype=kind),
            khat=torch.zeros(rows, dtype=kind),
            mean=torch.zeros(cells, dtype=kind),
            variance=torch.zeros(cells, dtype=kind),
            mcse=torch.zeros(cells, dtype=kind),
            draws=torch.zeros(num_draws, cells, dtype=dtype),
            probabilities=torch.zeros(most_values, cells, dtype=kind),
            between=torch.zeros(cells, dtype=kind),
        )

    def put(self, rows: Tensor, found: Estimates, taken: Tensor | None = None) -> None:
        """Take the estimates of some rows, in place of what these rows had.

        Args:
            rows: (m,) the numbers of the rows.
            found: their estimates, with the cells row by row.
            taken: (m,) booleans, the rows whose estimates are taken; all when left out.
        """
        rows = rows.cpu()
        taken = torch.ones(len(rows), dtype=torch.bool) if taken is None else taken.cpu()
        kept = taken.repeat_interleave(self.counts[rows])
        cells = self.cells_of(rows[taken])
        everything = bool(taken.all())
        for name in _OF_ROWS:
            getattr(self.estimates, name)[rows[taken]] = getattr(found, name).cpu().double()[taken]
        first, last = (int(cells[0]), int(cells[-1]) + 1) if len(cells) else (0, 0)
        in_turn = slice(first, last) if last - first == len(cells) else cells
        for name in _OF_CELLS:
            own, new = getattr(self.estimates, name), getattr(found, name).cpu().to
            own[..., in_turn] = new(own.dtype) if everything else new(own.dtype)[..., kept]

    def cells_of(self, rows: Tensor) -> Tensor:
        """Return the numbers of the missing cells of some rows, row by row."""
        counts = self.counts[rows]
        ends = counts.cumsum(0)
        shift = self.starts[rows] - (ends - counts)
        return torch.arange(int(counts.sum())) + shift.repeat_interleave(counts)

    def mean_over_cells(self, values: Tensor) -> Tensor:
        """Return the mean (n,) of values (M,) over each row's missing cells, 0 if it has none."""
        sums = values.new_zeros(len(self.counts))
        rows = torch.arange(len(self.counts)).repeat_interleave(self.counts)
        return sums.index_add(0, rows, values) / self.counts.clamp_min(1)
