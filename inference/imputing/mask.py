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

    It is sum_k w_k P(s_j = 0 | x_o, x^m_k, z_k), with x^m_k sampled from p(x^m | z_k, s = 0), and
    shows whether the model expects the mask that was observed. (The mask accuracy of Chen et al.,
    GNR, CIKM 2023, is the share of cells in which the probability is above one half and the value
    missing, or neither.)

    Args:
        fitted: a fit, or a model.
        data: rows of the columns that it was fitted to.
        particles: importance samples per row.
        seed: the seed of the random numbers.

    Raises:
        ValueError: the mechanism is ignorable.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.inference.imputing.mask import mask_probability
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> mask_probability(ab.NotMIWAE(data, latent_dim=1, hidden=[8]), data).shape
    (3, 2)
    """
    model, data = prepared(fitted, data)
    if model.missingness.ignorable:
        raise InputError(
            "the mechanism is ignorable, so that the model has no distribution of the mask; fit a "
            "model with a mechanism that is not"
        )

    def missing(whole: Tensor, run: Weighted) -> Tensor:
        mask = run.sites[S].fn
        given = mask.given if isinstance(mask, IntegratedMask) else mask
        return 1 - given.missingness(whole, **given.context).mean.expand_as(whole)

    found: np.ndarray = (
        average(model, programs_of(model), data, particles, missing, seed)[0].double().cpu().numpy()
    )
    return found
