"""Starting values of mechanisms, computed from the observed rates of the columns."""

from __future__ import annotations

import torch
from torch import Tensor

from .affine import Link


def score_of_rate(observed_rate: Tensor, link: Link = "logit") -> Tensor:
    """Return the scores whose probabilities are the observed rates, finite for complete columns.

    >>> score_of_rate(torch.tensor([0.5, 1.0])).round(decimals=2)
    tensor([0.0000, 5.2900])

    Args:
        observed_rate: the share of observed values of each column.
        link: ``"logit"`` for log-odds, ``"probit"`` for normal quantiles.
    """
    rate = observed_rate.clamp(0.005, 0.995)
    logit = torch.log(rate) - torch.log1p(-rate)
    return logit if link == "logit" else torch.special.ndtri(logit.sigmoid())
