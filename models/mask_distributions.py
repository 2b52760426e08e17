"""Distributions of the mask that torch does not have."""

from __future__ import annotations

import torch
from pyro.distributions import Bernoulli
from torch import Size, Tensor

from .special import log_ndtr


class ProbitBernoulli(Bernoulli):
    """Bernoulli with P(s = 1) = Phi(score), whose log-density stays accurate in both tails.

    >>> import torch
    >>> from absentia.models.mask_distributions import ProbitBernoulli
    >>> ProbitBernoulli(torch.tensor([-40.0])).log_prob(torch.ones(1)).round(decimals=1)
    tensor([-804.6000])
    """

    def __init__(self, score: Tensor, validate_args: bool | None = None) -> None:
        self.score = score
        super().__init__(probs=torch.special.ndtr(score), validate_args=validate_args)

    def expand(self, batch_shape: Size, _instance: object = None) -> ProbitBernoulli:
        """The same distribution over more leading dimensions."""
        return ProbitBernoulli(self.score.expand(batch_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log Phi(score) where value is 1, log Phi(-score) where it is 0."""
        if self._validate_args:
            self._validate_sample(value)
        return log_ndtr(torch.where(value > 0.5, self.score, -self.score))
