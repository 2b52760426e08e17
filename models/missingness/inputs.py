"""The inputs of a mechanism besides x, found in the signature of its ``forward``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

#: what a mechanism may read besides x, by the name under which ``forward`` takes it
INPUTS = ("z", "z_mask", "covariates", "s")


def inputs_of(forward: Callable[..., Any]) -> tuple[str, ...]:
    """List the parameters of ``forward`` besides x: the inputs of the mechanism.

    >>> inputs_of(lambda x, z, slope: None)
    ('z',)
    """
    named = inspect.signature(forward).parameters
    return tuple(name for name in named if name in INPUTS)
