"""The hyperbolic tangent, twice as fast on processors where no gradient is wanted."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Tanh(nn.Tanh):
    """The hyperbolic tangent of every number, as ``torch.nn.Tanh``.

    Imputation evaluates networks at millions of particles without gradients, and torch has a
    vectorised sigmoid but a slow tanh. So it is computed as 2 sigmoid(2 x) - 1 there, with an
    absolute error of at most 2.5e-7 in single precision. Where gradients are wanted it is torch's.

    >>> import torch
    >>> from absentia.models.networks.tanh import Tanh
    >>> Tanh()(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.7616,  0.0000,  0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the hyperbolic tangents of a tensor of any shape."""
        if torch.is_grad_enabled() or input.device.type != "cpu":
            return torch.tanh(input)
        return (2 * input).sigmoid_().mul_(2).sub_(1)
