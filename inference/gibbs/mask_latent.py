"""The mask's own latent: what columns that go missing together share, whatever their values."""

from __future__ import annotations

import torch
from torch import Tensor

from .random import gamma, normal

#: parameters of the inverse gamma prior of the variance that complete columns add to a dimension
_SHAPE, _RATE = 1.0, 0.5


class MaskLatent:
    """v_i ~ Normal(G o_i, I) in K chains, with o_i the row's complete columns.

    Only the mask reads v. Drop-out, two-phase designs and blocks are of this kind: columns go
    missing together, for a reason that complete columns may explain and values that are missing
    need not. The coefficients of a dimension are Normal(0, t / r), with t ~ InverseGamma(1, .5).

    Args:
        size: the number e of dimensions.
        chains: the number K of chains.
        others: (n, r) the complete columns.
    """

    def __init__(self, size: int, chains: int, others: Tensor) -> None:
        self.size, self.others = size, others
        self.coefficient = others.new_zeros(chains, size, others.shape[1])
        self.variance = others.new_full((chains, size), _RATE)

    def mean(self) -> Tensor:
        """Return the means of v (K, n, e)."""
        return self.others @ self.coefficient.mT

    def step(self, v: Tensor, generator: torch.Generator) -> None:
        """Sample the coefficients given v (K, n, e), and the variances of their prior."""
        r = self.others.shape[1]
        if not r or not self.size:
            return
        gram = (self.others.T @ self.others).expand(*self.variance.shape, r, r)
        precision = (r / self.variance).unsqueeze(-1).expand_as(self.coefficient)
        factor = torch.linalg.cholesky(gram + torch.diag_embed(precision))
        moment = (v.mT @ self.others).unsqueeze(-1)
        spread = torch.linalg.solve_triangular(
            factor.mT, normal(moment.shape, v, generator), upper=True
        )
        self.coefficient = (torch.cholesky_solve(moment, factor) + spread).squeeze(-1)
        rate = _RATE + 0.5 * r * self.coefficient.square().sum(-1)
        self.variance = rate / gamma(torch.full_like(rate, _SHAPE + 0.5 * r), generator)
