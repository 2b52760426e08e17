"""Whether a model has never been fitted: all of its parameters are as they were initialised.

A model remembers a hash of its initial parameters. Training changes the parameters, whether by
:func:`absentia.fit` or by a user's own loop; so does ``load_state_dict``.
"""

from __future__ import annotations

import hashlib

import torch
from torch import nn

_START = "_start"


def remember_start(model: nn.Module) -> None:
    """Record the current parameters as the start."""
    model.__dict__[_START] = _hash(model)


def forget_start(model: nn.Module) -> None:
    """Mark the parameters as the result of a fit, whatever their values."""
    model.__dict__.pop(_START, None)


def never_fitted(model: nn.Module) -> bool:
    """Whether all parameters still have their initial values; False if these are unknown."""
    start = model.__dict__.get(_START)
    return start is not None and start == _hash(model)


def _hash(model: nn.Module) -> str | None:
    """Hash the learnt parameters in float32, so that ``double()`` does not change the hash."""
    learnt = [p for p in model.parameters() if p.requires_grad]
    if not learnt:
        return None
    found = hashlib.sha256()
    for parameter in learnt:
        found.update(parameter.detach().to("cpu", torch.float32).numpy().tobytes())
    return found.hexdigest()
