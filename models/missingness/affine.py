"""Mechanisms whose scores are affine in each value, which gives integrals in closed form."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor
from torch.nn.functional import logsigmoid

from ..distributions.special import log_ndtr

Link = Literal["logit", "probit"]


class Affine(NamedTuple):
    """P(s_j = 1 | x) = link^-1(slope_j x_j + offset_j), integrated in closed form.

    Attributes:
        slope, offset: they broadcast to (..., n, p), since a row may have its own, for example by a
            mask latent or an observed column.
        link: ``"logit"`` or ``"probit"``.
        columns: (p,) booleans, the columns of this form; None if all are.
    """

    slope: Tensor
    offset: Tensor
    link: Link
    columns: Tensor | None = None

    def at(self, rows: Tensor, columns: Tensor) -> Affine:
        """Return the slopes and offsets of the cells (rows[c], columns[c])."""
        return Affine(
            _at_cells(self.slope, rows, columns), _at_cells(self.offset, rows, columns), self.link
        )

    def log_missing(self, x: Tensor) -> Tensor:
        """Return log P(s = 0 | x) of each cell."""
        score = -(self.slope * x + self.offset)
        return log_ndtr(score) if self.link == "probit" else logsigmoid(score)


def _at_cells(value: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Index (p,) or (..., 1 or n, p) at single cells, giving (..., M)."""
    if value.dim() < 2:
        return value[columns]
    if value.shape[-2] == 1:
        return value[..., 0, columns]
    # a single index per cell, whose gradient takes half the time of that of a pair
    cells = rows * value.shape[-1] + columns
    return value.flatten(-2).index_select(-1, cells)
