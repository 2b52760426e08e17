"""The hidden layers of networks in half the bits, where the hardware is quicker with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def hidden_in_bfloat16(model: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Compute the hidden layers of a model's networks in bfloat16 within the block.

    Parameters, heads, densities, integrals and weights keep the model's own precision: a sum of
    log-densities over many columns would lose what the bound is about. What a network returns is
    converted back.

    >>> import torch
    >>> from absentia.inference.fitting.autocast import hidden_in_bfloat16
    >>> from absentia.models.networks.mlp import mlp
    >>> network, x = mlp(2, [8], 1), torch.ones(3, 2)
    >>> with hidden_in_bfloat16(network):
    ...     lower = network(x)
    >>> lower.dtype, bool(((lower - network(x)).abs() < 0.05).all())
    (torch.float32, True)

    Args:
        model: the module whose networks (``torch.nn.Sequential``) are meant.
        wanted: whether anything is to be done at all.
    """
    networks = [part for part in model.modules() if isinstance(part, nn.Sequential) and wanted]
    for network in networks:
        # in the place of the class's own method, for this module alone
        network.forward = partial(_in_bfloat16, network.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for network in networks:
            del network.forward


def _in_bfloat16(forward: Any, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, torch.bfloat16):
        found: Tensor = forward(x)
    return found.to(x.dtype)
