"""Starting values of decoders, which are computed from a table before a fit."""

from __future__ import annotations

import torch
from torch import Tensor

from ...data import IncompleteData


def available_covariance(data: IncompleteData) -> Tensor:
    """Compute the covariances (p, p) of standardised columns, each over the rows that have both.

    The matrix is symmetric, but not always positive definite. The covariance of two columns is 0 if
    fewer than two rows have both.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.models.networks.starts import available_covariance
    >>> table = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, np.nan]])
    >>> data = ab.IncompleteData.from_numpy(table, standardise=False)
    >>> available_covariance(data)[0].tolist()
    [0.6666666666666666, 0.25]
    """
    seen = data.s.cpu().double()
    x = data.x.cpu().double() * seen
    centre = x.sum(0) / seen.sum(0).clamp_min(1)
    deviation = (x - centre) * seen
    pairs = seen.T @ seen
    return torch.where(
        pairs > 1, deviation.T @ deviation / pairs.clamp_min(1), torch.zeros(()).double()
    )
