"""The probability of each value being missing, given what is observed of its row."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...data import IncompleteData
from ...data.errors import InputError
from ...models.sites import S
from ..importance import Weighted
from ..integration.handler import IntegratedMask
from ..prepare import Fitted, prepared, programs_of
from .completed import average


def mask_probability(
    fitted: Fitted, data: IncompleteData, particles: int = 200, *, seed: int = 0
) -> np.ndarray:
    """Return P(s_j = 0 | row) per cell (n, p), averaged over the row's unobserved values.

    sum_k w_k P(s_j = 0 | x_o, x^m_k, z_k), with x^m_k from p(x^m | z_k, s = 0): whether the mask
    that was seen is the one that the model expects. (The mask accuracy of Chen et al., GNR, CIKM
    2023, is the share of cells where this is above a half and the value missing, or neither.)

    Raises:
        ValueError: for an ignorable mechanism.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.inference.imputing.mask import mask_probability
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> mask_probability(ab.NotMIWAE(data, latent_dim=1, hidden=[8]), data).shape
    (3, 2)
    """
    model, data = prepared(fitted, data)
    if model.missingness.ignorable:
        raise InputError("the mechanism is ignorable: the model says nothing of the mask")

    def missing(whole: Tensor, run: Weighted) -> Tensor:
        mask = run.sites[S].fn
        given = mask.given if isinstance(mask, IntegratedMask) else mask
        return 1 - given.missingness(whole, **given.context).mean.expand_as(whole)

    found: np.ndarray = (
        average(model, programs_of(model), data, particles, missing, seed)[0].double().cpu().numpy()
    )
    return found
