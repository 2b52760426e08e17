"""A mixture of Normals over a row's whole latent vector, shaped for the latent plate."""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.distributions import constraints

from .row_normal import RowNormal

#: up to so many draws for each component, each draw is made from the chosen one alone
_FEW = 2


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
        """Sample values of shape sample_shape + (..., n, d).

        Samples of the same row are spread evenly over the components: of K of them each falls into
        another Kth part of the shares, in random order. Each by itself is as before, and few
        particles seldom miss a component that a row's mask, which no share knows of, asks for.
        """
        shape = Size(sample_shape) + self.batch_shape
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        if len(shape) > 2 and shape[0] > 1:
            part = torch.rand_like(uniform[..., 0]).argsort(0)
            uniform[..., 0] = (part + uniform[..., 0]) / shape[0]
        return self.transformed(uniform)

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
        at = chosen.unsqueeze(-1)
        index = at.unsqueeze(-1).expand(*eps.shape[:-1], 1, eps.shape[-1])
        loc = self.loc.mT.expand(*chosen.shape, -1, -1).gather(-2, index).squeeze(-2)
        tril = self.precision_tril.movedim(-2, -3)
        if eps.dim() < 3 or len(eps) <= _FEW * self.loc.shape[-1]:
            # only of the chosen components, which takes C times less than all of them
            index = index.unsqueeze(-2).expand(*at.shape, *tril.shape[-2:])
            tril = tril.expand(*chosen.shape, -1, -1, -1).gather(-3, index).squeeze(-3)
            own = torch.linalg.solve_triangular(tril.mT, eps.unsqueeze(-1), upper=True).squeeze(-1)
            return loc + own
        # many draws of a row: those of all its components by one product
        eye = torch.eye(eps.shape[-1], dtype=eps.dtype, device=eps.device)
        inverse = torch.linalg.solve_triangular(tril, eye, upper=False)
        product, by_row = _products(eps, inverse.movedim(-3, -2))
        product = product.movedim(-3, 0) if by_row else product
        return loc + product.gather(-2, index).squeeze(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density of the whole vector, divided evenly among its dimensions."""
        total = (self._log_densities(value) + self.log_share).logsumexp(-1, keepdim=True)
        return total.expand(value.shape) / value.shape[-1]

    def _log_densities(self, value: Tensor) -> Tensor:
        """Return the log-density of each component (..., C), all of them by one product.

        Values and means are taken from the mixture's mean, so that little is lost where the
        components lie far from zero and the difference of two products is small.
        """
        d = value.shape[-1]
        centre = (self.log_weight.exp() * self.loc).sum(-1).detach()  # (..., d)
        product, by_row = _products(value - centre, self.precision_tril)
        means = (self.loc - centre.unsqueeze(-1)).mT.unsqueeze(-2)  # (..., C, 1, d)
        own = (means @ self.precision_tril.movedim(-2, -3)).squeeze(-2)  # (..., C, d)
        squares = (product - (own.unsqueeze(-3) if by_row else own)).square().sum(-1)
        squares = squares.movedim(-2, 0) if by_row else squares
        log_root = self.precision_tril.diagonal(dim1=-3, dim2=-1).log().sum(-1)
        return log_root - 0.5 * squares - 0.5 * d * math.log(2 * math.pi)


def _products(numbers: Tensor, matrices: Tensor) -> tuple[Tensor, bool]:
    """Multiply numbers (K, n, d) with the matrices (n, d, C, d) or (d, C, d) of C components.

    Returns:
        The products (K, n, C, d) and False, or (n, K, C, d) and True, where all samples of a row
        are multiplied at once and rows come first.
    """
    root, shape = matrices.flatten(-2), matrices.shape[-2:]
    if root.dim() == numbers.dim() == 3:
        return (numbers.movedim(0, -2) @ root).unflatten(-1, shape), True
    if root.dim() == 2:
        return (numbers @ root).unflatten(-1, shape), False
    return (numbers.unsqueeze(-2) @ root).squeeze(-2).unflatten(-1, shape), False


def _at(bound: Tensor, chosen: Tensor) -> Tensor:
    """Return the entries of (..., C) at positions (K, ...)."""
    return bound.expand(*chosen.shape, -1).gather(-1, chosen.unsqueeze(-1)).squeeze(-1)
