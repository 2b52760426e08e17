"""A missingness mechanism made of any function of x."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pyro.distributions import TorchDistribution
from torch import Tensor

from .base import Missingness
from .inputs import inputs_of


class FunctionMissingness(Missingness):
    """A mechanism given by a function of x that returns the distribution of s."""

    def __init__(
        self,
        function: Callable[..., TorchDistribution],
        elementwise: bool = False,
        asks: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.asks = inputs_of(function) if asks is None else tuple(asks)
        self.function = function
        self.elementwise = elementwise

    def forward(self, x: Tensor, **context: Any) -> TorchDistribution:
        """Return what the function returns."""
        return self.function(x, **context)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle the mechanism by name where a decorator has put it in its function's place.

        The function is found as an attribute of what has its name: that is what qualified names
        are for. Protocols before 4, such as that of ``torch.save``, do not know them.
        """
        name = _name_of_mechanism(self.function)
        if name is not None:
            self.function.__qualname__ = f"{name}.function"
        reduced: Any = super().__reduce_ex__(protocol)
        if name is None or protocol >= 4:
            return reduced
        by_name = _ByName(self.function.__module__, name)
        state = {**reduced[2], "function": by_name, "config": {**self.config, "function": by_name}}
        return (*reduced[:2], state, *reduced[3:])

    def extra_repr(self) -> str:
        """Return the function's name and whether the mechanism is elementwise."""
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{name}, elementwise={self.elementwise}"


class _ByName:
    """A reference by name, pickled in place of a decorated function."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __reduce__(self) -> Any:
        return _function_behind, (self.module, self.name)


def _function_behind(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found.function


def _name_of_mechanism(function: Any) -> str | None:
    """Return the name under which the module of a function holds its mechanism, if it does."""
    name = getattr(function, "__qualname__", "").removesuffix(".function")
    found: Any = sys.modules.get(getattr(function, "__module__", None) or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    return name if isinstance(found, FunctionMissingness) and found.function is function else None


def missingness(
    *, elementwise: bool = False, asks: Sequence[str] | None = None
) -> Callable[[Callable[..., TorchDistribution]], FunctionMissingness]:
    """Turn a function of x, shape (..., n, p), into a mechanism; s = 1 means observed.

    Args:
        elementwise: True promises that s_j reads of the missing values only x_j; then they are
            integrated out by quadrature (or summed, where they are discrete), else sampled.
        asks: what the function takes by name beside x, of ``"z"`` (..., n, d), ``"z_mask"``,
            ``"covariates"`` (n, q) and ``"s"`` (n, p); by default what its signature names.

    >>> import torch
    >>> from pyro.distributions import Bernoulli
    >>> from absentia.models.missingness import missingness
    >>> @missingness(elementwise=True)
    ... def hides_extremes(x):
    ...     return Bernoulli(logits=3 - x**2)
    >>> hides_extremes(torch.zeros(7, 3)).batch_shape
    torch.Size([7, 3])
    """

    def decorate(function: Callable[..., TorchDistribution]) -> FunctionMissingness:
        return FunctionMissingness(function, elementwise, asks)

    return decorate
