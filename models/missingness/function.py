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
    """A mechanism given by a function of x that returns the distribution of s.

    Args:
        function: a function of x, with the inputs that it asks for as further arguments.
        elementwise: whether, of the missing values, s_j depends on x_j only.
        asks: the inputs besides x that it takes by name; by default those in its signature.
    """

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
        """Return the distribution of s that the function returns."""
        return self.function(x, **context)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle the function by name where a decorator has replaced it by the mechanism.

        The function is then found as the attribute ``function`` of the object with its name, by a
        qualified name. Pickle protocols before 4, which ``torch.save`` uses, have no qualified
        names, so a reference takes the place of the function.
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
        elementwise: True promises that, of the missing values, s_j depends on x_j only. They are
            then integrated out by quadrature (or summed, where they are discrete); otherwise they
            are sampled.
        asks: the inputs besides x that the function takes by name, among ``"z"`` (..., n, d),
            ``"z_mask"``, ``"covariates"`` (n, q) and ``"s"`` (n, p); by default those in its
            signature.

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
