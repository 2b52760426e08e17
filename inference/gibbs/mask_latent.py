"""The mask's own latent: what columns that go missing together share, whatever their values."""

from __future__ import annotations

import torch
from torch import Tensor

from .forms import Forms
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

    def exchange(
        self, v: Tensor, forms: Forms, residual: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Move what complete columns explain between v and the columns' own coefficients.

        The same scores result from v + D o with coefficients c_j - g_j D, where g_j is the column's
        loading, as from v with c_j: whether columns read complete ones by themselves or through v
        is hard to tell, and single steps go from one to the other in thousands of sweeps. So D is
        sampled for each dimension of v, given v - G o and the rest. Columns whose form has no such
        coefficients keep a D out that their utilities do not allow. (Liu & Sabatti, Biometrika
        2000, for moves along such directions.)

        Args:
            v: (K, n, e) the latents.
            forms: the columns' mechanisms, whose coefficients change.
            residual: (K, n, q) the utilities less the scores.
            generator: the source of random numbers.

        Returns:
            The latents after the move.
        """
        r = self.others.shape[1]
        if not r or not self.size:
            return v
        gram = self.others.T @ self.others
        reads = forms.reads_others[forms.form].to(v)  # (K, q)
        weight = reads * r / forms.coefficient_variance
        first = forms.loading.shape[-1] - self.size
        for e in range(self.size):
            loading = forms.loading[..., first + e]  # (K, q)
            fixed = (1 - reads) * loading
            along = r / self.variance[:, e] + (weight * loading.square()).sum(-1)
            across = (fixed * loading).sum(-1)[:, None, None]
            precision = across * gram + torch.diag_embed(along.unsqueeze(-1).expand(-1, r))
            shift = (residual @ fixed.unsqueeze(-1)).squeeze(-1) @ self.others
            shift = shift + ((weight * loading).unsqueeze(-1) * forms.coefficient).sum(1)
            shift = shift - (r / self.variance[:, e]).unsqueeze(-1) * self.coefficient[:, e]
            factor = torch.linalg.cholesky(precision)
            noise = normal((len(v), r, 1), v, generator)
            drawn = torch.cholesky_solve(shift.unsqueeze(-1), factor)
            drawn = drawn + torch.linalg.solve_triangular(factor.mT, noise, upper=True)
            drawn = drawn.squeeze(-1)  # (K, r)
            self.coefficient[:, e] += drawn
            moved = drawn @ self.others.T  # (K, n)
            v = v.clone()
            v[..., e] += moved
            taken = (reads * loading).unsqueeze(-1) * drawn.unsqueeze(1)
            forms.coefficient = forms.coefficient - taken
            residual = residual - moved.unsqueeze(-1) * fixed.unsqueeze(1)
        return v
