"""Distributions of tables whose columns belong to different families, batch shape (..., n, p)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.distributions import constraints
from torch.nn.functional import one_hot

from .shapes import broadcast


class FiniteValues(TorchDistribution):
    """A distribution over the values 0, 1, ..., V - 1 with log-probabilities log softmax(logits).

    It serves levels, grades and counts. ``logits`` is (..., n, p, V), and -inf where a column has
    fewer than V values. Values are floats, since they share a table with real numbers.

    >>> import torch
    >>> from absentia.models.distributions.mixed import FiniteValues
    >>> FiniteValues(torch.zeros(7, 2, 3)).log_prob(torch.ones(7, 2)).exp()[0]
    tensor([0.3333, 0.3333])
    """

    arg_constraints = {"logits": constraints.real_vector}  # noqa: RUF012 (torch's own convention)
    has_enumerate_support = True

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits - logits.logsumexp(-1, keepdim=True)
        super().__init__(logits.shape[:-1], Size(), validate_args=validate_args)

    @property
    def num_values(self) -> int:
        """The number V of possible values."""
        return self.logits.shape[-1]

    @property
    def support(self) -> Any:
        """The support is the integers from 0 to V - 1."""
        return constraints.integer_interval(0, self.num_values - 1)

    @property
    def probs(self) -> Tensor:
        """The probability of each value, of shape (..., n, p, V)."""
        return self.logits.exp()

    @property
    def mean(self) -> Tensor:
        """The mean of the values, read as numbers."""
        return (self.probs * self._values()).sum(-1)

    @property
    def variance(self) -> Tensor:
        """The variance of the values, read as numbers."""
        return (self.probs * self._values().square()).sum(-1) - self.mean.square()

    def _values(self) -> Tensor:
        return torch.arange(self.num_values, dtype=self.logits.dtype, device=self.logits.device)

    def expand(self, batch_shape: Any, _instance: object = None) -> FiniteValues:
        """Return the same distribution over more leading dimensions."""
        logits = self.logits.expand(Size(batch_shape) + self.logits.shape[-1:])
        return FiniteValues(logits, validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Sample values, which are returned as floats."""
        shape = Size(sample_shape) + self.batch_shape
        with torch.no_grad():
            return self.icdf(torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device))

    def icdf(self, value: Tensor) -> Tensor:
        """Return the smallest value whose distribution function reaches ``value`` in (0, 1)."""
        cumulative = self.probs.cumsum(-1)[..., :-1]
        return (value.unsqueeze(-1) > cumulative).sum(-1).to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-probability of every cell, in the batch shape."""
        if self._validate_args:
            self._validate_sample(value)
        shape = broadcast(value.shape, self.batch_shape)
        if value.dim() <= len(self.batch_shape):  # one lookup per particle and cell
            index = value.long().expand(shape).unsqueeze(-1)
            return self.logits.expand(*shape, -1).gather(-1, index).squeeze(-1)
        # gather would copy the logits once for each of many values
        hot = one_hot(value.long(), self.num_values).to(torch.bool)
        return torch.where(hot, self.logits, 0.0).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """Return all values, shaped (V, 1, ..., 1), or V before the batch shape if expanded."""
        values = self._values().view(-1, *(1,) * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class MixedColumns(TorchDistribution):
    """Independent columns of several families: each part is the distribution of some columns.

    Samples are reparameterised in the columns whose family allows it. For the other columns the
    bound gets its gradient from their log-density, :meth:`score_log_prob`.

    >>> import torch
    >>> from pyro.distributions import Normal
    >>> from absentia.models.distributions.mixed import FiniteValues, MixedColumns
    >>> mixed = MixedColumns([(torch.tensor([0, 2]), Normal(torch.zeros(7, 2), 1.0)),
    ...                       (torch.tensor([1]), FiniteValues(torch.zeros(7, 1, 3)))])
    >>> mixed.batch_shape, mixed.sample().shape
    (torch.Size([7, 3]), torch.Size([7, 3]))
    """

    arg_constraints: dict[str, Any] = {}  # noqa: RUF012 (torch's own convention)
    support = constraints.real
    has_rsample = True

    def __init__(self, parts: Sequence[tuple[Tensor, Any]]) -> None:
        self.parts = list(parts)
        columns = torch.cat([own for own, _ in self.parts])
        self._order = columns.argsort()
        rows = broadcast(*(fn.batch_shape[:-1] for _, fn in self.parts))
        super().__init__(Size((*rows, len(columns))), Size(), validate_args=False)

    def expand(self, batch_shape: Any, _instance: object = None) -> MixedColumns:
        """Return the same distribution over more leading dimensions."""
        rows = Size(batch_shape)[:-1]
        return MixedColumns([(own, fn.expand((*rows, len(own)))) for own, fn in self.parts])

    def _together(self, values: list[Tensor], leading: Any = None) -> Tensor:
        if leading is None:
            leading = broadcast(*(value.shape[:-1] for value in values))
        whole = torch.cat([value.expand(*leading, value.shape[-1]) for value in values], -1)
        return whole[..., self._order]

    @property
    def mean(self) -> Tensor:
        """The mean of every cell, of shape (..., n, p)."""
        return self._together([fn.mean for _, fn in self.parts])

    @property
    def variance(self) -> Tensor:
        """The variance of every cell, of shape (..., n, p)."""
        return self._together([fn.variance for _, fn in self.parts])

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Sample values of shape sample_shape + (..., n, p)."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Sample values; gradients flow through the reparameterised columns only."""
        samples = [
            (fn.rsample if fn.has_rsample else fn.sample)(Size(sample_shape))
            for _, fn in self.parts
        ]
        return self._together(samples, Size(sample_shape) + self.batch_shape[:-1])

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantile of every cell, computed column by column."""
        return self._together([fn.icdf(value[..., own]) for own, fn in self.parts])

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density of every cell, in the batch shape."""
        return self._together([fn.log_prob(value[..., own]) for own, fn in self.parts])

    def score_log_prob(self, value: Tensor) -> Tensor | None:
        """Return log_prob of columns without reparameterisation, else zero; None if all have it."""
        if all(fn.has_rsample for _, fn in self.parts):
            return None
        return self._together(
            [
                torch.zeros_like(value[..., own])
                if fn.has_rsample
                else fn.log_prob(value[..., own])
                for own, fn in self.parts
            ]
        )
