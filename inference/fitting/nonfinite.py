"""The error for a loss that is NaN or infinite, with the site responsible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ...data.errors import AbsentiaError
from ...models.distributions.mask import MaskDistribution
from ..importance import weights


class NonFiniteLossError(AbsentiaError, FloatingPointError):
    """The loss became NaN or infinite; the message names the first site responsible."""


class NotFiniteAt(Exception):
    """The bound of some rows is not finite; says which rows, so that the cause can be looked for.

    Attributes:
        x, s: the rows and their masks.
        extras: what goes with them, by name.
        taken: steps since the last evaluation, before this one.
    """

    def __init__(
        self, x: torch.Tensor, s: torch.Tensor, extras: dict[str, torch.Tensor], taken: int = 0
    ) -> None:
        super().__init__("the bound is not finite")
        self.x, self.s, self.extras, self.taken = x, s, extras, taken


def first_bad_site(
    model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **extras: Any
) -> str:
    """Find the first site, in program order, with non-finite parameters, value or density."""
    with torch.no_grad():
        try:
            run = weights(model, guide, *args, num_particles=2, **extras)
        except (ValueError, RuntimeError) as error:
            return f"the model raises: {str(error).splitlines()[0]}"
        for name, site in {**run.globals, **run.sites}.items():
            fn = site.fn.base if isinstance(site.fn, MaskDistribution) else site.fn
            for key, value in vars(fn).items():
                if isinstance(value, torch.Tensor) and not bool(value.isfinite().all()):
                    return f"site '{name}' ({type(fn).__name__}) has {key} that is not finite"
            if not bool(site.value.isfinite().all()):
                return f"site '{name}' has values that are not finite"
            if not bool(site.fn.log_prob(site.value).isfinite().all()):
                return f"site '{name}' ({type(site.fn).__name__}) has a density that is not finite"
    return "all sites are finite, and the gradient overflowed"
