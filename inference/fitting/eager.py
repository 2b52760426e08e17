"""Optimisers of torch without their ties to its compiler.

The methods of ``torch.optim.Optimizer`` import torch's compiler when they are first called, to tell
it that it must not compile them. That takes over a second, longer than many a fit. Nothing here is
compiled, so that the methods are called as they are below those ties; what they compute is the
same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

_step_of_adam = inspect.unwrap(torch.optim.Adam.step)


class _Eager(torch.optim.Optimizer):
    """The methods of every optimiser, without torch's compiler."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or set them to zero, without a note to torch's profiler."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.zero_()


class Adam(_Eager, torch.optim.Adam):
    """Adam as torch has it (Kingma & Ba, 2015), without an import of torch's compiler.

    >>> import torch
    >>> weight = torch.ones(1, requires_grad=True)
    >>> optimiser = Adam([weight], lr=0.1)
    >>> weight.sum().backward()
    >>> optimiser.step()
    >>> weight
    tensor([0.9000], requires_grad=True)
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step, as :meth:`torch.optim.Adam.step` does."""
        with torch.no_grad():
            return _step_of_adam(self, closure)

    # torch wraps a step that has no such mark in notes to its profiler, some tenth of a millisecond
    setattr(step, "hooked", True)  # noqa: B010


class LBFGS(_Eager, torch.optim.LBFGS):
    """L-BFGS as torch has it (Liu & Nocedal, 1989), without an import of torch's compiler."""
