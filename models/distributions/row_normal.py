"""A normal distribution over a row's whole latent vector, shaped for the latent plate.

In the latent plate (one place for each latent dimension) z has batch shape (n, d) and no event
dimension, so log_prob must return a number for each component. A Gaussian with correlated
components still fits in: component j gets log q(z_j | the components after it), and the sum over
the plate is the joint log-density.
"""

from __future__ import annotations

import math

import torch
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.distributions import constraints


class RowNormal(TorchDistribution):
    """Normal with full covariance over the last batch dimension, given by its precision.

    ``loc`` is (..., n, d); ``precision_tril`` (..., n, d, d) is the lower Cholesky factor L of
    the precision, L L^T. A sample is loc + L^-T eps. log_prob has shape (..., n, d), and only its
    sum over d is a log-density of interest. ``inverse`` is L^-1 and ``log_diagonal`` the logarithm
    of L's diagonal (..., n, d), for callers that have them already.

    >>> import torch
    >>> from absentia.models.distributions.row_normal import RowNormal
    >>> RowNormal(torch.zeros(7, 2), torch.eye(2).expand(7, 2, 2)).log_prob(torch.zeros(7, 2)).shape
    torch.Size([7, 2])
    """

    arg_constraints = {  # noqa: RUF012 (torch's own convention)
        "loc": constraints.real,
        "precision_tril": constraints.real_vector,  # each row of the factor is a vector
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        precision_tril: Tensor,
        inverse: Tensor | None = None,
        log_diagonal: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.precision_tril, self.inverse = loc, precision_tril, inverse
        self.log_diagonal = log_diagonal
        #: the last values that were made from standard normal numbers, and these numbers
        self._made: Tensor | None = None
        self._made_from: Tensor | None = None
        super().__init__(loc.shape, Size(), validate_args=validate_args)

    def expand(self, batch_shape: Size, _instance: object = None) -> RowNormal:
        """Return the same distribution over more leading dimensions."""
        batch_shape = Size(batch_shape)
        return RowNormal(
            self.loc.expand(batch_shape),
            self.precision_tril.expand(batch_shape + batch_shape[-1:]),
            validate_args=False,
            inverse=None
            if self.inverse is None
            else self.inverse.expand(batch_shape + batch_shape[-1:]),
            log_diagonal=None
            if self.log_diagonal is None
            else self.log_diagonal.expand(batch_shape),
        )

    @property
    def mean(self) -> Tensor:
        """The mean of every row's latents, of shape (..., n, d)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The marginal variances, of shape (..., n, d)."""
        identity = torch.eye(self.loc.shape[-1], dtype=self.loc.dtype, device=self.loc.device)
        inverse = torch.linalg.solve_triangular(self.precision_tril, identity, upper=False)
        return inverse.square().sum(-2)

    def rsample(self, sample_shape: Size | tuple[int, ...] = ()) -> Tensor:
        """Sample values of shape sample_shape + (..., n, d)."""
        shape = Size(sample_shape) + self.loc.shape
        eps = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        if len(Size(sample_shape)) == 1:
            return self.transformed(eps)
        return self.loc + _solve_rows(self.precision_tril, eps, len(Size(sample_shape)))

    def transformed(self, eps: Tensor) -> Tensor:
        """Return loc + L^-T eps for standard normal numbers eps of shape (K, n, d)."""
        if self.inverse is not None and self.inverse.dim() == eps.dim():
            value = self.loc + (eps.movedim(0, -2) @ self.inverse).movedim(-2, 0)
        else:
            value = self.loc + _solve_rows(self.precision_tril, eps, 1)
        self._made, self._made_from = value, eps
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        """Return conditional log-densities, whose sum over the last dimension is log q(z)."""
        eps = self._standardised(value)
        log_diagonal = self.log_diagonal
        if log_diagonal is None:
            log_diagonal = self.precision_tril.diagonal(dim1=-2, dim2=-1).log()
        return -0.5 * eps.square() + log_diagonal - 0.5 * math.log(2 * math.pi)

    def _standardised(self, value: Tensor) -> Tensor:
        """Return L^T (value - loc), the numbers from which a value can be made."""
        if self._made is value and self._made_from is not None:
            # how the value depends on loc and L cancels: the numbers are the same for any of them
            return self._made_from
        centred = value - self.loc
        if centred.dim() == self.precision_tril.dim():
            # (K, n, d): one product per row for all K samples
            return (centred.movedim(0, -2) @ self.precision_tril).movedim(-2, 0)
        return (centred.unsqueeze(-2) @ self.precision_tril).squeeze(-2)


def _solve_rows(tril: Tensor, eps: Tensor, sample_dims: int) -> Tensor:
    """Return L^-T eps, where eps has ``sample_dims`` dimensions before those of the rows."""
    if sample_dims == 1 and tril.dim() == eps.dim():
        right = eps.movedim(0, -1)  # (n, d, K)
        return torch.linalg.solve_triangular(tril.mT, right, upper=True).movedim(-1, 0)
    return torch.linalg.solve_triangular(tril.mT, eps.unsqueeze(-1), upper=True).squeeze(-1)
