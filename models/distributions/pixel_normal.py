"""A normal distribution of pixels whose channels are correlated, shaped for the features plate.

In the plate an image is a row of batch shape (n, p) without event dimensions, with p = C * H * W,
channel by channel. A Gaussian with correlated channels still fits in: the log-density of each cell
is that given the channels before it, and these sum to the joint log-density over the plate.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import Normal, TorchDistribution
from torch import Size, Tensor
from torch.distributions import constraints


class PixelNormal(TorchDistribution):
    """Normal cells that are correlated between the channels of a pixel, independent between pixels.

    Args:
        loc: the means, (..., n, p).
        scale: the standard deviations, of a shape that broadcasts to that of ``loc``.
        tril: the lower Cholesky factor of the correlations between channels: (..., C, C) for all
            pixels alike, or (n, H * W, C, C).

    >>> import torch
    >>> from absentia.models.distributions.pixel_normal import PixelNormal
    >>> pixels = PixelNormal(torch.zeros(5, 12), torch.ones(12), torch.eye(3))
    >>> pixels.log_prob(torch.zeros(5, 12)).shape
    torch.Size([5, 12])
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 (torch would split parameters into cells)
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, tril: Tensor) -> None:
        self.loc, self.scale, self.tril = loc, scale, tril
        self.channels = tril.shape[-1]
        super().__init__(loc.shape, Size(), validate_args=False)

    def expand(self, batch_shape: Size, _instance: object = None) -> PixelNormal:
        """Return the same distribution over more leading dimensions."""
        return PixelNormal(self.loc.expand(Size(batch_shape)), self.scale, self.tril)

    @property
    def mean(self) -> Tensor:
        """The mean of every cell, of shape (..., n, p)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The marginal variance of every cell, of shape (..., n, p)."""
        tall = torch.atleast_2d(self.tril.square().sum(-1)).mT  # (C, 1) or (n, C, H * W)
        spread = self._pixels(self.scale.square().expand(self.loc.shape)) * tall
        return spread.flatten(-2)

    def rsample(self, sample_shape: Size | tuple[int, ...] = ()) -> Tensor:
        """Sample values of shape sample_shape + (..., n, p)."""
        shape = Size(sample_shape) + self.loc.shape
        return self.transformed(torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))

    def transformed(self, eps: Tensor) -> Tensor:
        """Return loc + scale L eps for standard normal numbers eps of shape (..., n, p)."""
        mixed = (self.tril @ self._pixels(eps).mT.unsqueeze(-1)).squeeze(-1).mT
        return self.loc + self.scale * mixed.flatten(-2)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return conditional log-densities, which sum to a pixel's log-density over channels."""
        error = self._pixels((value - self.loc) / self.scale).mT.unsqueeze(-1)  # (..., C, 1)
        eps = torch.linalg.solve_triangular(self.tril, error, upper=False).squeeze(-1)
        log_det = self.tril.diagonal(dim1=-2, dim2=-1).log()
        found = (-0.5 * eps.square() - log_det).mT.flatten(-2)
        return found - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def given(self, x: Tensor, s: Tensor) -> Normal | PixelNormal:
        """Condition on the observed cells of each pixel: x (n, p) where s (n, p) is True.

        The log-density of an observed cell is that given the observed channels before it, so that
        these sum to log p(x_o | z); that of a missing cell is given all observed channels. Where no
        pixel lacks two channels, the missing cells are independent: a plain Normal.

        Args:
            x: (n, p), with any finite value in the missing cells.
            s: (n, p), True where observed.
        """
        seen = self._pixels(s.bool())  # (n, C, H * W)
        code = (seen * (2 ** torch.arange(self.channels, device=s.device))[:, None]).sum(-2)
        coefficient, tril = _conditionals(self.tril @ self.tril.mT)
        error = (x - self.loc) / self.scale
        error = self._pixels(error.masked_fill(~s.bool(), 0.0))
        at = coefficient[code].movedim(1, -1)  # (n, C, C, H * W)
        shift = sum(at[..., e, :] * error[..., e, None, :] for e in range(self.channels))
        assert isinstance(shift, Tensor)
        loc = self.loc + self.scale * shift.flatten(-2)
        if bool((seen.sum(-2) < self.channels - 1).any()):
            return PixelNormal(loc, self.scale, tril[code])
        spread = tril.diagonal(dim1=-2, dim2=-1)[code].mT.flatten(-2)  # (n, p)
        return Normal(loc, self.scale * spread)

    def _pixels(self, cells: Tensor) -> Tensor:
        """Reshape (..., p) to (..., C, H * W)."""
        return cells.unflatten(-1, (self.channels, -1))


def given_observed(fn: TorchDistribution, x: Tensor, s: Tensor) -> TorchDistribution:
    """Return p(x | z), conditioned on the observed cells if cells are dependent given z."""
    return fn.given(x, s) if isinstance(fn, PixelNormal) else fn


def _conditionals(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Regress a pixel's channels on each other, for each pattern of observed channels.

    Each of the 2^C patterns is a number whose bit c is 1 if channel c is observed.

    Returns:
        For each pattern, the coefficients (2^C, C, C) on the errors of the observed channels, and
        the Cholesky factor (2^C, C, C) of the residual covariances.
    """
    channels = correlation.shape[-1]
    each = torch.arange(channels, device=correlation.device)
    codes = torch.arange(2**channels, device=correlation.device)
    seen = (codes[:, None] >> each & 1).bool()
    earlier = each < each[:, None]  # of channel c (row), the channels before it
    reads = seen[:, None, :] & (earlier | ~seen[:, :, None])  # (2^C, C, C)
    eye = torch.eye(channels, dtype=correlation.dtype, device=correlation.device)
    among = torch.where(reads[..., :, None] & reads[..., None, :], correlation, eye)
    beside = torch.where(reads, correlation, 0.0)
    coefficient = torch.linalg.solve(among, beside.unsqueeze(-1)).squeeze(-1)
    left = correlation - coefficient @ correlation
    own = 1 - (coefficient * beside).sum(-1)
    open_ = ~seen[:, :, None] & ~seen[:, None, :]
    left = torch.where(open_, left, 0.0)
    left = torch.where(eye.bool(), own.unsqueeze(-1), left)
    return coefficient, torch.linalg.cholesky(left)
