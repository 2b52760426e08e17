"""Replicated tables: z, x and s sampled from a fitted model, as if the study were repeated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from pyro import poutine
from torch import Tensor

from ..data import IncompleteData
from ..models.programs.base import RowModel
from ..models.sites import S
from .evaluating import evaluating
from .prepare import coefficient_medians


@torch.no_grad()
def replicates(
    model: RowModel,
    data: IncompleteData,
    coefficients: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a complete table (n, p) in the data's units and its mask (n, p), True where observed.

    z is sampled from its prior, x from the decoder and s from the mechanism, for as many rows as
    the data have and with their covariates. Columns that are complete in the data stay complete.

    >>> import numpy as np
    >>> import absentia as ab
    >>> from absentia.inference.replicate import replicates
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> x, s = replicates(ab.PPCA(data, latent_dim=1), data)
    >>> x.shape, s.dtype
    ((3, 2), dtype('bool'))
    """
    held = coefficient_medians(model) if coefficients is None else coefficients
    program = poutine.condition(poutine.uncondition(model.model), data=held)
    with evaluating(model, seed, data.x.device):
        trace = poutine.trace(program).get_trace(data.x, torch.zeros_like(data.s), **data.extras())
    x = trace.nodes["_RETURN"]["value"]
    s = trace.nodes[S]["value"].bool() | data.s.all(0)
    return data.scaler.invert(x.double().cpu().numpy()), s.cpu().numpy()
