"""A mixture of Normals over a row's whole latent vector, shaped for the latent plate."""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.distributions import constraints

from .row_normal import RowNormal


class RowNormalMixture(TorchDistribution):
    """sum over c of w_c Normal(m_c, (L_c L_c^T)^-1), over the last batch dimension.

    As for :class:`RowNormal`, log_prob has a number for each dimension, of which only the sum over
    d is a log-density of interest. Samples have no gradient in the parameters, so that those of a
    guide must not have any: a guide that is exact without being learnt needs none. Make it by
    :meth:`of`; its own arguments have the dimensions of the batch first, as those of all
    distributions have of which rows can be selected.

    Args:
        log_weight: (..., d, C), the same for each dimension, or (..., 1, C).
        loc: (..., d, C).
        precision_tril: (..., d, C, d), with the rows of the factors in the batch.
        batch_shape: (..., d), where it has more dimensions than ``loc``.
        validate_args: as for every distribution.

    >>> import torch
    >>> from absentia.models.distributions.row_mixture import RowNormalMixture
    >>> weight, root = torch.tensor([0.5, 0.5]), torch.eye(3).expand(2, 3, 3)
    >>> two = RowNormalMixture.of(weight.log(), torch.zeros(2, 3), root)
    >>> two.expand((7, 3)).log_prob(torch.zeros(7, 3)).shape
    torch.Size([7, 3])
    """

    arg_constraints = {  # noqa: RUF012 (torch's own convention)
        "log_weight": constraints.real_vector,
        "loc": constraints.real_vector,
        "precision_tril": constraints.independent(constraints.real, 2),
    }
    support = constraints.real
    has_rsample = True  # the gradient, where there is none to take, is 0

    def __init__(
        self,
        log_weight: Tensor,
        loc: Tensor,
        precision_tril: Tensor,
        batch_shape: Size | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.log_weight, self.loc, self.precision_tril = log_weight, loc, precision_tril
        super().__init__(batch_shape or loc.shape[:-1], Size(), validate_args=validate_args)

    @classmethod
    def of(cls, log_weight: Tensor, loc: Tensor, precision_tril: Tensor) -> RowNormalMixture:
        """Make a mixture of unnormalised log-weights (..., C), (..., C, d) and (..., C, d, d)."""
        share = log_weight.log_softmax(-1).unsqueeze(-2)
        return cls(share, loc.mT, precision_tril.movedim(-3, -2), validate_args=False)

    @property
    def log_share(self) -> Tensor:
        """The normalised log-weights, (..., C)."""
        return self.log_weight[..., 0, :]

    @property
    def components(self) -> list[RowNormal]:
        """The components, each over the dimensions of the parameters."""
        pairs = zip(self.loc.unbind(-1), self.precision_tril.unbind(-2), strict=True)
        return [RowNormal(loc, tril, validate_args=False) for loc, tril in pairs]

    def expand(self, batch_shape: Size, _instance: object = None) -> RowNormalMixture:
        """Return the same distribution over more leading dimensions; no parameter is repeated."""
        return RowNormalMixture(
            self.log_weight, self.loc, self.precision_tril, Size(batch_shape), validate_args=False
        )

    @property
    def mean(self) -> Tensor:
        """The mean of every row's latents, of shape (..., n, d)."""
        return (self.log_weight.exp() * self.loc).sum(-1).expand(self.batch_shape)

    @property
    def variance(self) -> Tensor:
        """The marginal variances, of shape (..., n, d)."""
        share = self.log_weight.exp()
        within = torch.stack([part.variance for part in self.components], -1)
        mean = (share * self.loc).sum(-1, keepdim=True)
        spread = within + (self.loc - mean).square()
        return (share * spread).sum(-1).expand(self.batch_shape)

    @torch.no_grad()
    def rsample(self, sample_shape: Size | tuple[int, ...] = ()) -> Tensor:
        """Sample values of shape sample_shape + (..., n, d)."""
        shape = Size(sample_shape) + self.batch_shape
        return self.transformed(torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    @torch.no_grad()
    def transformed(self, uniform: Tensor) -> Tensor:
        """Return samples made of numbers (..., n, d) that are uniform in (0, 1).

        The first number of a row chooses the component; where it lies within the component's share
        is uniform again, and stands for the first dimension.
        """
        tiny = torch.finfo(uniform.dtype).eps
        upper = self.log_share.exp().cumsum(-1)  # (..., C)
        first = uniform[..., 0].clamp(0, 1)
        chosen = (first.unsqueeze(-1) > upper[..., :-1]).sum(-1)
        lower = torch.nn.functional.pad(upper[..., :-1], (1, 0))
        start, stop = (_at(bound, chosen) for bound in (lower, upper))
        within = ((first - start) / (stop - start).clamp_min(tiny)).unsqueeze(-1)
        rest = torch.cat([within, uniform[..., 1:]], -1).clamp(tiny, 1 - tiny)
        eps = math.sqrt(2) * torch.erfinv(2 * rest - 1)
        # only of the chosen components, which takes C times less than all of them
        at = chosen.unsqueeze(-1)
        loc = self.loc.mT.expand(*chosen.shape, -1, -1)
        tril = self.precision_tril.movedim(-2, -3).expand(*chosen.shape, -1, -1, -1)
        size = eps.shape[-1]
        loc = loc.gather(-2, at.unsqueeze(-1).expand(*at.shape, size)).squeeze(-2)
        index = at[..., None, None].expand(*at.shape, size, size)
        tril = tril.gather(-3, index).squeeze(-3)
        solved = torch.linalg.solve_triangular(tril.mT, eps.unsqueeze(-1), upper=True)
        found: Tensor = loc + solved.squeeze(-1)
        return found

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density of the whole vector, divided evenly among its dimensions."""
        parts = torch.stack([part.log_prob(value).sum(-1) for part in self.components], -1)
        total = (parts + self.log_share).logsumexp(-1, keepdim=True)
        return total.expand(value.shape) / value.shape[-1]


def _at(bound: Tensor, chosen: Tensor) -> Tensor:
    """Return the entries of (..., C) at positions (K, ...)."""
    return bound.expand(*chosen.shape, -1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
