"""log E[sigmoid(t)] for t ~ Normal(m, r^2), to a *relative* accuracy that no slope can spoil.

By the polynomials of :mod:`.chebyshev`: in single precision as exact as that is, in double to eight
digits and more. The series of :mod:`.series`, from which they are made, is some ten times slower.
Lower precisions are computed in single.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...models.distributions.shapes import broadcast
from .chebyshev import by_table


class LogisticNormal(NamedTuple):
    """The function log P = log E[sigmoid(t)], with its first two derivatives in m."""

    log_prob: Tensor
    first: Tensor
    second: Tensor


def _evaluate(m: Tensor, r: Tensor, derivatives: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Return log P, E[sigmoid'(t)] / P and E[sigmoid''(t)] / P in the shape of m."""
    dtype = torch.float64 if m.dtype == torch.float64 else torch.float32
    log_prob, first, second = by_table(m.to(dtype), r.to(dtype), derivatives)
    return log_prob.to(m.dtype), first.to(m.dtype), second.to(m.dtype)


class _LogProbability(torch.autograd.Function):
    """log P with its gradient, which is computed along with it; it has no second derivative."""

    @staticmethod
    def forward(m: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_prob, first, second = _evaluate(m, r)
        # d/dv = half the second derivative in m (heat equation), and dv = 2 r dr
        return log_prob, first, second.mul_(r)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, r = inputs
        _, first, by_r = output
        ctx.mark_non_differentiable(first, by_r)
        ctx.save_for_backward(first, by_r)
        ctx.shape = r.shape

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        first, by_r = ctx.saved_tensors
        return grad * first, (grad * by_r).sum_to_size(ctx.shape)

    @staticmethod
    def vmap(info: Any, dims: Any, m: Tensor, r: Tensor) -> tuple[Any, Any]:
        # elementwise: a batch is one dimension more, to the left of all others
        m, r = (
            value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)
            for value, dim in zip((m, r), dims, strict=True)
        )
        m, r = torch.broadcast_tensors(*_aligned(m, r))
        return _LogProbability.apply(m, r), (0, 0, 0)


# torch asks for the signature at every call, which takes a tenth of a millisecond to find
setattr(_LogProbability.forward, "__signature__", inspect.signature(_LogProbability.forward))  # noqa: B010


def _aligned(m: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """Give two batches the same number of dimensions, by new ones right of the first."""
    most = max(m.dim(), r.dim())
    m, r = (v.reshape(len(v), *(1,) * (most - v.dim()), *v.shape[1:]) for v in (m, r))
    return m, r


def log_expected_sigmoid(m: Tensor, r: Tensor) -> Tensor:
    """Return log E[sigmoid(t)], t ~ Normal(m, r^2), differentiable once in m and r.

    An r of fewer cells than m, to which it broadcasts, spares work.

    >>> import torch
    >>> from absentia.inference.integration.logistic_normal import log_expected_sigmoid
    >>> log_expected_sigmoid(torch.tensor([0.0, -200.0]), torch.tensor([5.0, 0.1]))
    tensor([  -0.6931, -199.9950])
    """
    shape = broadcast(m.shape, r.shape)
    result: Tensor = _LogProbability.apply(m.expand(shape), r)[0]
    return result


def logistic_normal(m: Tensor, r: Tensor) -> LogisticNormal:
    """Return log P, d log P/dm and d^2 log P/dm^2 without gradients, for conditional moments."""
    with torch.no_grad():
        shape = broadcast(m.shape, r.shape)
        log_prob, first, second = _evaluate(m.expand(shape), r)
        return LogisticNormal(log_prob, first, second - first.square())
