"""Any function of x as a missingness mechanism."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyro.distributions import TorchDistribution
from torch import Tensor

from .base import Missingness


class FunctionMissingness(Missingness):
    """A mechanism given by a function of x that returns the distribution of s."""

    def __init__(
        self,
        function: Callable[..., TorchDistribution],
        elementwise: bool = False,
        asks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.asks = tuple(asks)
        self.function = function
        self.elementwise = elementwise

    def forward(self, x: Tensor, **context: Any) -> TorchDistribution:
        """What the function says."""
        return self.function(x, **context)

    def extra_repr(self) -> str:
        """The function's name and whether it is elementwise."""
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{name}, elementwise={self.elementwise}"


def missingness(
    *, elementwise: bool = False, asks: Sequence[str] = ()
) -> Callable[[Callable[..., TorchDistribution]], FunctionMissingness]:
    """Turn a function of x, shape (..., n, p), into a mechanism; s = 1 means observed.

    :param elementwise: True promises that s_j reads of the missing values only x_j; then they
        are integrated out by quadrature (or summed, where they are discrete), else sampled.
    :param asks: what the function takes by name beside x, of ``"z"`` (..., n, d), ``"covariates"``
        (n, q) and ``"s"`` (n, p).

    >>> import torch
    >>> from pyro.distributions import Bernoulli
    >>> from absentia.models import missingness
    >>> @missingness(elementwise=True)
    ... def hides_extremes(x):
    ...     return Bernoulli(logits=3 - x**2)
    >>> hides_extremes(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    def decorate(function: Callable[..., TorchDistribution]) -> FunctionMissingness:
        return FunctionMissingness(function, elementwise, asks)

    return decorate
