"""Random numbers from a generator of their own, in the dtype and on the device of a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def normal(shape: Sequence[int], like: Tensor, generator: torch.Generator) -> Tensor:
    """Sample standard normal numbers."""
    return torch.randn(*shape, generator=generator, dtype=like.dtype, device=like.device)


def gamma(shape: Tensor, generator: torch.Generator) -> Tensor:
    """Sample Gamma(shape, 1), one number for each entry of ``shape``."""
    return torch._standard_gamma(shape.contiguous(), generator=generator)
