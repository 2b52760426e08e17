"""Distributions of the mask s: with a reference to the mechanism, probit, tempered, sequential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import Bernoulli, TorchDistribution
from torch import Size, Tensor

from .affine_mask import AffineMask
from .of_base import OfBase
from .special import log_ndtr


class MaskDistribution(OfBase):
    """p(s | x, context) with a reference to its mechanism, for handlers that integrate x out.

    All methods call those of ``base``, the distribution that the mechanism returned.

    >>> import torch
    >>> from absentia.models import SelfMasking
    >>> mask = SelfMasking(2)(torch.zeros(7, 2))
    >>> type(mask.missingness).__name__, mask.expand([5, 7, 2]).batch_shape
    ('SelfMasking', torch.Size([5, 7, 2]))
    """

    def __init__(
        self, base: TorchDistribution, missingness: Any, context: dict[str, Any], x: Tensor
    ) -> None:
        self.missingness, self.context, self.x = missingness, context, x
        super().__init__(base)

    def affine(self) -> Any:
        """Return what the mechanism's ``affine`` says of these values, computed once."""
        if isinstance(self.base, AffineMask):
            return self.base.affine
        return self.missingness.affine(self.x, **self.context)

    @property
    def has_enumerate_support(self) -> bool:
        """Whether the base distribution can enumerate its support."""
        return bool(self.base.has_enumerate_support)

    def expand(self, batch_shape: Any, _instance: object = None) -> MaskDistribution:
        """Return the same mask distribution over more leading dimensions."""
        if Size(batch_shape) == self.batch_shape:
            return self
        base = self.base.expand(batch_shape)
        return MaskDistribution(base, self.missingness, self.context, self.x)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-probability of every cell, in the batch shape."""
        return self.base.log_prob(value)

    def summed_log_prob(self, value: Tensor, counted: Tensor) -> Tensor:
        """Return the sum of :meth:`log_prob` over the columns of the cells (n, p) that count."""
        if isinstance(self.base, AffineMask):
            return self.base.summed_log_prob(value, counted)
        return self.log_prob(value).masked_fill(~counted, 0.0).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Enumerate the support of the base distribution."""
        return self.base.enumerate_support(expand)

    def __getattr__(self, name: str) -> Any:
        """Look up ``probs``, ``logits`` and similar attributes on the base distribution."""
        if name in ("base", "__setstate__"):  # a copy in the making has neither yet
            raise AttributeError(name)
        return getattr(self.base, name)


class ProbitBernoulli(Bernoulli):
    """Bernoulli with P(s = 1) = Phi(score), whose log-density stays accurate in both tails.

    >>> import torch
    >>> from absentia.models.distributions.mask import ProbitBernoulli
    >>> ProbitBernoulli(torch.tensor([-40.0])).log_prob(torch.ones(1)).round(decimals=1)
    tensor([-804.6000])
    """

    def __init__(self, score: Tensor, validate_args: bool | None = None) -> None:
        self.score = score
        super().__init__(probs=torch.special.ndtr(score), validate_args=validate_args)

    def expand(self, batch_shape: Size, _instance: object = None) -> ProbitBernoulli:
        """Return the same distribution over more leading dimensions."""
        return ProbitBernoulli(self.score.expand(batch_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log Phi(score) where ``value`` is 1 and log Phi(-score) where it is 0."""
        if self._validate_args:
            self._validate_sample(value)
        return log_ndtr(torch.where(value > 0.5, self.score, -self.score))


class Tempered(OfBase):
    """A density to the power alpha: log p(s) is multiplied by alpha, and samples come from p.

    >>> import torch
    >>> from pyro.distributions import Bernoulli
    >>> from absentia.models.distributions.mask import Tempered
    >>> Tempered(Bernoulli(torch.tensor([0.5])), 2.0).log_prob(torch.ones(1)).exp()
    tensor([0.2500])
    """

    def __init__(self, base: TorchDistribution, alpha: float) -> None:
        super().__init__(base)
        self.alpha = alpha

    def expand(self, batch_shape: Any, _instance: object = None) -> Tempered:
        """Return the same distribution over more leading dimensions."""
        return Tempered(self.base.expand(batch_shape), self.alpha)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return alpha log p(value) for every cell."""
        return self.alpha * self.base.log_prob(value)


class SequentialMask(TorchDistribution):
    """A mask in which the absence of a column depends on whether earlier columns are absent.

    Args:
        given: the distributions of the columns given the observed mask, whose product is the
            density of that mask.
        order: the columns, each after those that it depends on.
        at: a function that returns the distributions of the columns given another mask (..., n, p).
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 (torch's own convention)

    def __init__(
        self,
        given: TorchDistribution,
        order: list[int],
        at: Callable[[Tensor], TorchDistribution],
    ) -> None:
        self.given, self.order, self.at = given, order, at
        super().__init__(given.batch_shape, given.event_shape, validate_args=False)

    @property
    def support(self) -> Any:
        """Each cell of a mask is a boolean."""
        return self.given.support

    @property
    def mean(self) -> Tensor:
        """The mean is P(observed) of each column given the mask that was observed."""
        return self.given.mean

    @property
    def variance(self) -> Tensor:
        """The variance of each cell, given the mask that was observed."""
        return self.given.variance

    def expand(self, batch_shape: Any, _instance: object = None) -> SequentialMask:
        """Return the same mask distribution over more leading dimensions."""
        return SequentialMask(self.given.expand(batch_shape), self.order, self.at)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-probability of every cell, given the mask that was observed."""
        return self.given.log_prob(value)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Sample masks, one column after the other."""
        with torch.no_grad():
            s = torch.ones(Size(sample_shape) + self.batch_shape, device=self.given.mean.device)
            s = s.to(self.given.mean.dtype)
            for j in self.order:
                s[..., j] = torch.bernoulli(self.at(s).mean.expand(s.shape)[..., j])
            return s
