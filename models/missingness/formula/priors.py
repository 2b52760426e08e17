"""Priors of coefficients as plain data, so that a mechanism with priors can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor

from ....data.errors import InputError

#: the families on the whole real line, and their arguments
FAMILIES: dict[str, tuple[type[dist.TorchDistribution], tuple[str, ...]]] = {
    "Normal": (dist.Normal, ("loc", "scale")),
    "StudentT": (dist.StudentT, ("df", "loc", "scale")),
    "Laplace": (dist.Laplace, ("loc", "scale")),
    "Cauchy": (dist.Cauchy, ("loc", "scale")),
    "Logistic": (dist.Logistic, ("loc", "scale")),
}


def prior_to_dict(prior: Any) -> dict[str, Any]:
    """Convert the prior of one number to plain data.

    >>> from pyro.distributions import Normal
    >>> prior_to_dict(Normal(0, 1))
    {'family': 'Normal', 'loc': 0.0, 'scale': 1.0}

    Raises:
        ValueError: for a family that is not on the whole real line, or a prior of many numbers.
    """
    if isinstance(prior, Mapping):
        return dict(prior)
    family = type(prior).__name__
    if family not in FAMILIES:
        raise InputError(
            f"prior {family} is not one of {', '.join(FAMILIES)}; give one of these, and a "
            f"direction by sign="
        )
    _, names = FAMILIES[family]
    values = {name: torch.as_tensor(vars(prior)[name]) for name in names}
    for name, value in values.items():
        if value.numel() != 1:
            raise InputError(f"the prior's {name} has {value.numel()} values; give one number")
    return {"family": family, **{name: float(value) for name, value in values.items()}}


def prior_from_dict(state: Mapping[str, Any], like: Tensor) -> dist.TorchDistribution:
    """Rebuild the distribution in the dtype and on the device of ``like``."""
    arguments = {k: like.new_tensor(v) for k, v in state.items() if k != "family"}
    family, _ = FAMILIES[state["family"]]
    return family(**arguments)


def prior_text(state: Mapping[str, Any]) -> str:
    """Write the prior as a call in Python.

    >>> prior_text({"family": "Normal", "loc": 0.0, "scale": 2.5})
    'Normal(0, 2.5)'
    """
    inside = ", ".join(f"{v:g}" for k, v in state.items() if k != "family")
    return f"{state['family']}({inside})"
