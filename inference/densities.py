"""Log-densities of samples: a Normal's quickly, and any distribution's without its score."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from pyro.distributions import Delta, Normal
from torch import Size, Tensor
from torch.distributions import Distribution

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def log_density(fn: Any, value: Tensor) -> Tensor:
    """Return ``fn.log_prob(value)``; that of a Normal in five passes over memory, not in nine."""
    if type(fn) is not Normal:
        log_prob: Tensor = fn.log_prob(value)
        return log_prob
    if fn._validate_args:
        fn._validate_sample(value)
    error = (value - fn.loc) / fn.scale
    return -torch.addcmul(fn.scale.log() + _HALF_LOG_2PI, error, error, value=0.5)


def log_prob_without_score(fn: Any, value: Tensor) -> Tensor:
    """Return log q(value), whose gradient reaches q's parameters only through ``value``."""
    if isinstance(fn, Delta):
        return fn.log_prob(value)
    frozen = _frozen(fn)
    if frozen is not None:
        return log_density(frozen, value)
    # parameters that are no attributes of the distribution, as those of a flow, cannot be
    # detached: the gradient of the score is subtracted
    score = fn.log_prob(value.detach())
    return fn.log_prob(value) - (score - score.detach())


def _frozen(fn: Distribution) -> Distribution | None:
    """Return a copy of the distribution with detached tensors, or None if it hides some of them."""
    twin = copy.copy(fn)
    for name, attribute in list(twin.__dict__.items()):
        if isinstance(attribute, Tensor):
            twin.__dict__[name] = attribute.detach()
        elif isinstance(attribute, Distribution):
            inner = _frozen(attribute)
            if inner is None:
                return None
            twin.__dict__[name] = inner
        elif not isinstance(attribute, bool | int | float | str | Size | type(None)):
            return None
    return twin
