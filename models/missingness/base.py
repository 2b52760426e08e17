"""The contract of a missingness mechanism: (x, context) -> the distribution of the mask s."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.nn.functional import logsigmoid

from ..configurable import Configurable
from ..mask_distributions import MaskDistribution
from ..special import log_ndtr

Link = Literal["logit", "probit"]


class Affine(NamedTuple):
    """P(s_j = 1 | x) = link^-1(slope_j x_j + offset_j): the mechanisms integrated in closed form.

    ``slope`` is (p,), ``offset`` broadcasts to (..., n, p).
    """

    slope: Tensor
    offset: Tensor
    link: Link

    def at(self, rows: Tensor, columns: Tensor) -> Affine:
        """Slopes and offsets of the cells (rows[c], columns[c])."""
        offset = self.offset
        if offset.dim() > 1:  # an offset of its own for every row, as with a mask latent
            offset = offset[..., rows.clamp(max=offset.shape[-2] - 1), columns]
        else:
            offset = offset[columns]
        return Affine(self.slope[columns], offset, self.link)

    def log_missing(self, x: Tensor) -> Tensor:
        """log P(s = 0 | x)."""
        score = -(self.slope * x + self.offset)
        return log_ndtr(score) if self.link == "probit" else logsigmoid(score)


class Missingness(Configurable):
    """Base of the mechanisms: ``mechanism(x)`` returns p(s | x), batch shape (..., n, p).

    A new mechanism is a subclass with a ``forward`` that returns a Bernoulli over s, where
    **s = 1 means observed**::

        class HidesExtremes(Missingness):
            elementwise = True

            def __init__(self, num_columns):
                super().__init__()
                self.offset = nn.Parameter(torch.ones(num_columns))
                self.curve = nn.Parameter(torch.zeros(num_columns))

            def forward(self, x):
                return Bernoulli(logits=self.offset - self.curve * x**2)

    ``elementwise = True`` promises that s_j reads of the missing part of x only x_j (it may read
    observed values, z or covariates besides). Then the missing values can be integrated out
    (:func:`absentia.inference.collapse`); without the promise they are sampled.
    """

    elementwise: bool = False
    ignorable: bool = False

    def __call__(self, x: Tensor, **context: Any) -> MaskDistribution:
        """What ``forward`` returns, in the shape of x and remembering its mechanism."""
        mask = MaskDistribution(super().__call__(x, **context), self, context)
        return mask.expand(torch.broadcast_shapes(mask.batch_shape, x.shape))

    def forward(self, x: Tensor, **context: Any) -> TorchDistribution:
        """The distribution of s given x, s = 1 where observed."""
        raise NotImplementedError

    def affine(self, **context: Any) -> Affine | None:
        """Slope, offset and link if the mechanism is affine in x_j, else None."""
        return None

    def initialise(self, observed_rate: Tensor) -> None:
        """Start from the columns' observed rates (p,), as if values went missing at random."""

    def coefficients(self, features: Any) -> dict[str, Tensor]:
        """Sample the coefficients that have priors: sites outside the rows plate.

        What comes back joins the mechanism's context, ``mechanism(x, **coefficients)``.
        """
        return {}

    @property
    def has_priors(self) -> bool:
        """Whether :meth:`coefficients` samples anything."""
        return False


def logit_of_rate(observed_rate: Tensor) -> Tensor:
    """Log-odds of the observed rates, kept finite for columns without a missing value."""
    rate = observed_rate.clamp(0.005, 0.995)
    return torch.log(rate) - torch.log1p(-rate)
