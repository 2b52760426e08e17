"""Special functions that are accurate in both tails, as are their gradients."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_SQRT_HALF = math.sqrt(0.5)
_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)


class _LogNdtr(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.special.log_ndtr(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * inverse_mills(x)


def log_ndtr(x: Tensor) -> Tensor:
    """Return log Phi(x), with the gradient phi(x) / Phi(x) accurate in both tails.

    The gradient in torch is computed as exp(-x^2/2 - log Phi(x)), a difference of large numbers. In
    float32 it is wrong by large factors from |x| around 3000.

    >>> import torch
    >>> from absentia.models.distributions.special import log_ndtr
    >>> x = torch.tensor(-1e4, requires_grad=True)
    >>> log_ndtr(x).backward(); round(x.grad.item())
    10000
    """
    result: Tensor = _LogNdtr.apply(x)
    return result


def inverse_mills(x: Tensor) -> Tensor:
    """Return phi(x) / Phi(x) for any x: about -x far below zero, 0 far above."""
    return _SQRT_2_OVER_PI / torch.special.erfcx(-x * _SQRT_HALF)


def inverse_softplus(value: Tensor) -> Tensor:
    """Return the number whose softplus is this one, for positive numbers of any size.

    >>> import torch
    >>> from torch.nn.functional import softplus
    >>> from absentia.models.distributions.special import inverse_softplus
    >>> softplus(inverse_softplus(torch.tensor([0.1, 50.0])))
    tensor([ 0.1000, 50.0000])
    """
    return value + torch.log(-torch.expm1(-value))
