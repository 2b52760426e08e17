"""The bound on rows that a fit has not seen: what settings are chosen by."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..data import IncompleteData
from .imputing.impute import impute


def held_out_bound(
    fitted: Any, data: IncompleteData, particles: int = 1000, seed: int = 0
) -> Tensor:
    """The importance-weighted bound on log p(x_o, s) of each row, (n,), in nats.

    The densities are of the standardised columns; with a target, the bound is on log p(x_o, s, y).
    What settings are chosen by, on rows that the fit has not seen.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.held_out_bound(ab.PPCA(data, latent_dim=1), data, particles=50).shape
    torch.Size([3])
    """
    result = impute(fitted, data, particles, refine=False, num_draws=0, seed=seed)
    return torch.from_numpy(result.log_evidence)
