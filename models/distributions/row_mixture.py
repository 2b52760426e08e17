"""A mixture of Normals over a row's whole latent vector, shaped for the latent plate."""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.distributions import constraints

from .row_normal import RowNormal


class RowMixture(TorchDistribution):
    """sum over c of w_c Normal(m_c, (L_c L_c^T)^-1), over the last batch dimension.

    ``log_weight`` is (..., C), ``loc`` (..., C, d) and ``precision_tril`` (..., C, d, d). As for
    :class:`RowNormal`, log_prob has a number for each dimension, of which only the sum over d is a
    log-density of interest. A sample has no gradient in the parameters.

    >>> import torch
    >>> from absentia.models.distributions.row_mixture import RowMixture
    >>> two = RowMixture(torch.tensor([0.5, 0.5]).log(), torch.zeros(2, 3), torch.eye(3).expand(2, 3, 3))
    >>> two.expand((7, 3)).log_prob(torch.zeros(7, 3)).shape
    torch.Size([7, 3])
    """  # noqa: E501

    arg_constraints = {  # noqa: RUF012 (torch's own convention)
        "log_weight": constraints.real_vector,
        "loc": constraints.real,
        "precision_tril": constraints.real_vector,  # each row of a factor is a vector
    }
    support = constraints.real
    has_rsample = False

    def __init__(
        self,
        log_weight: Tensor,
        loc: Tensor,
        precision_tril: Tensor,
        batch_shape: Size | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.log_weight = log_weight.log_softmax(-1)
        self.loc, self.precision_tril = loc, precision_tril
        shape = Size((*loc.shape[:-2], loc.shape[-1])) if batch_shape is None else batch_shape
        super().__init__(shape, Size(), validate_args=validate_args)

    @property
    def components(self) -> list[RowNormal]:
        """The components, each over the dimensions of the parameters."""
        pairs = zip(self.loc.unbind(-2), self.precision_tril.unbind(-3), strict=True)
        return [RowNormal(loc, tril, validate_args=False) for loc, tril in pairs]

    def expand(self, batch_shape: Size, _instance: object = None) -> RowMixture:
        """Return the same distribution over more leading dimensions; no parameter is repeated."""
        return RowMixture(
            self.log_weight, self.loc, self.precision_tril, Size(batch_shape), validate_args=False
        )

    @property
    def mean(self) -> Tensor:
        """The mean of every row's latents, of shape (..., n, d)."""
        weight = self.log_weight.exp().unsqueeze(-1)
        return (weight * self.loc).sum(-2).expand(self.batch_shape)

    @property
    def variance(self) -> Tensor:
        """The marginal variances, of shape (..., n, d)."""
        weight = self.log_weight.exp().unsqueeze(-1)
        within = torch.stack([part.variance for part in self.components], -2)
        mean = (weight * self.loc).sum(-2, keepdim=True)
        spread = within + (self.loc - mean).square()
        return (weight * spread).sum(-2).expand(self.batch_shape)

    @torch.no_grad()
    def sample(self, sample_shape: Size | tuple[int, ...] = ()) -> Tensor:
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
        upper = self.log_weight.exp().cumsum(-1)  # (..., C)
        first = uniform[..., 0].clamp(0, 1)
        chosen = (first.unsqueeze(-1) > upper[..., :-1]).sum(-1)
        lower = torch.nn.functional.pad(upper[..., :-1], (1, 0))
        start, stop = (_at(bound, chosen) for bound in (lower, upper))
        within = ((first - start) / (stop - start).clamp_min(tiny)).unsqueeze(-1)
        rest = torch.cat([within, uniform[..., 1:]], -1).clamp(tiny, 1 - tiny)
        eps = math.sqrt(2) * torch.erfinv(2 * rest - 1)
        value = torch.zeros_like(eps)
        for c, part in enumerate(self.components):
            moved = part.transformed(eps) if eps.dim() == 3 else _moved(part, eps)
            value = torch.where((chosen == c).unsqueeze(-1), moved, value)
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density of the whole vector, divided evenly among its dimensions."""
        parts = torch.stack([part.log_prob(value).sum(-1) for part in self.components], -1)
        total = (parts + self.log_weight).logsumexp(-1, keepdim=True)
        return total.expand(value.shape) / value.shape[-1]


def _at(bound: Tensor, chosen: Tensor) -> Tensor:
    """Return the entries of (..., C) at positions (K, ...)."""
    return bound.expand(*chosen.shape, -1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)


def _moved(part: RowNormal, eps: Tensor) -> Tensor:
    """Return loc + L^-T eps for numbers of any number of leading dimensions."""
    solved = torch.linalg.solve_triangular(part.precision_tril.mT, eps.unsqueeze(-1), upper=True)
    found: Tensor = part.loc + solved.squeeze(-1)
    return found
