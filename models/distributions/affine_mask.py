"""The distribution of a mask whose scores are affine in each value, with one pass for its sum."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.nn.functional import logsigmoid

from .of_base import OfBase
from .shapes import broadcast
from .special import log_ndtr


class AffineMask(OfBase):
    """p(s | x) with the scores ``slope x + rest`` of being missing.

    It keeps slopes and rests, so that who integrates missing values out need not compute them
    again. Where the rests differ between particles, that is most of what a formula costs.

    Args:
        slope: (p,) slopes of the scores of being missing.
        rest: (..., n, p) or (p,) the scores at zero of the columns themselves.
        x: (..., n, p) the values.
        link: ``"logit"`` or ``"probit"``.
        columns: (p,) booleans, the columns that count in the density; None if all do.
        whole: makes the distribution from its scores (..., n, p).
        affine: what :meth:`Missingness.affine` would return for the same values.

    >>> import torch
    >>> from pyro.distributions import Bernoulli
    >>> x, one = torch.tensor([[0.0, 2.0]]), torch.ones(2)
    >>> mask = AffineMask(one, 0 * one, x, "logit", None, lambda score: Bernoulli(logits=-score))
    >>> mask.log_prob(torch.ones(1, 2)).sum(), mask.summed_log_prob(torch.ones(1, 2), x > -1)
    (tensor(-2.8201), tensor([-2.8201]))
    """

    def __init__(
        self,
        slope: Tensor,
        rest: Tensor,
        x: Tensor,
        link: str,
        columns: Tensor | None,
        whole: Callable[[Tensor], TorchDistribution],
        affine: Any = None,
    ) -> None:
        self.slope, self.rest, self.x, self.link = slope, rest, x, link
        self.columns, self._whole, self.affine = columns, whole, affine
        # not OfBase's own, which would need the scores of all cells
        TorchDistribution.__init__(
            self, broadcast(rest.shape, x.shape), Size(), validate_args=False
        )

    @functools.cached_property
    def base(self) -> TorchDistribution:
        """The distribution with a score for each cell."""
        return self._whole(self.slope * self.x + self.rest)

    def __getattr__(self, name: str) -> Any:
        """Look up ``probs``, ``logits`` and similar attributes on the whole distribution."""
        if name.startswith("_") or name in ("slope", "rest", "x"):  # a copy in the making
            raise AttributeError(name)
        return getattr(self.base, name)

    @property
    def has_enumerate_support(self) -> bool:
        """Whether the whole distribution can enumerate its support."""
        return bool(self.base.has_enumerate_support)

    def expand(self, batch_shape: Any, _instance: object = None) -> TorchDistribution:
        """Return the same distribution over more leading dimensions."""
        if Size(batch_shape) == self.batch_shape:
            return self
        return self.base.expand(batch_shape)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Enumerate the support of the whole distribution."""
        return self.base.enumerate_support(expand)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-probability of every cell."""
        return self.base.log_prob(value)

    def summed_log_prob(self, value: Tensor, counted: Tensor) -> Tensor:
        """Return the sum of :meth:`log_prob` over the columns of the cells (n, p) that count."""
        score = self.rest.addcmul(self.slope, self.x)
        if self.columns is not None:
            counted = counted & self.columns.to(counted.device)
        absent = counted & (value < 0.5)
        sign = None if not bool(absent.any()) else 1 - 2 * absent.to(score.dtype)
        score = -score if sign is None else -sign * score
        cells = log_ndtr(score) if self.link == "probit" else logsigmoid(score)
        return cells.masked_fill(~counted, 0.0).sum(-1)
