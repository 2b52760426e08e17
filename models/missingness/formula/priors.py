"""Priors of coefficients as plain data, so that a mechanism with priors can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor

from ....data.errors import InputError

#: families with the real line as support, and their arguments
FAMILIES = {
    "Normal": ("loc", "scale"),
    "StudentT": ("df", "loc", "scale"),
    "Laplace": ("loc", "scale"),
    "Cauchy": ("loc", "scale"),
    "Logistic": ("loc", "scale"),
}


def prior_to_dict(prior: Any) -> dict[str, Any]:
    """Convert a distribution of one number to plain data.

    >>> from pyro.distributions import Normal
    >>> prior_to_dict(Normal(0, 1))
    {'family': 'Normal', 'loc': 0.0, 'scale': 1.0}

    Raises:
        ValueError: a family without the whole line as support, or a prior of many numbers.
    """
    if isinstance(prior, Mapping):
        return dict(prior)
    family = type(prior).__name__
    if family not in FAMILIES:
        raise InputError(
            f"prior {family} is not one of {', '.join(FAMILIES)}; a direction is given by sign="
        )
    values = {name: torch.as_tensor(getattr(prior, name)) for name in FAMILIES[family]}
    for name, value in values.items():
        if value.numel() != 1:
            raise InputError(f"the prior's {name} has {value.numel()} values; give one number")
    return {"family": family, **{name: float(value) for name, value in values.items()}}


def prior_from_dict(state: Mapping[str, Any], like: Tensor) -> dist.TorchDistribution:
    """Rebuild the distribution in the dtype and on the device of ``like``."""
    arguments = {k: like.new_tensor(v) for k, v in state.items() if k != "family"}
    prior: dist.TorchDistribution = getattr(dist, state["family"])(**arguments)
    return prior


def prior_text(state: Mapping[str, Any]) -> str:
    """Write the prior as it is written in Python.

    >>> prior_text({"family": "Normal", "loc": 0.0, "scale": 2.5})
    'Normal(0, 2.5)'
    """
    inside = ", ".join(f"{v:g}" for k, v in state.items() if k != "family")
    return f"{state['family']}({inside})"
