"""A start for networks: the mechanism that a linear decoder finds within a second or two."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch

from ...data import IncompleteData
from ...models import NotMIWAEPPCA
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.programs.selection import SelectionModel
from .nonfinite import NotFiniteAt
from .quasi_newton import QuasiNewton, is_plain
from .settings import FitSettings

_log = logging.getLogger(__name__)
#: iterations of L-BFGS, which bring slopes most of the way
_ITERATIONS = 30
#: particles per row, and the most rows that take part
_PARTICLES, _MOST_ROWS = 5, 4096
#: with more columns a full covariance takes longer than the network saves
_MOST_COLUMNS = 50


def start_mechanism(model: Any, train: Any, plan: FitSettings) -> bool:
    """Give the mechanism of a new network the coefficients that it has under a linear decoder.

    A network learns its decoder and a mechanism's slopes at once, and early in a fit the slopes
    follow a decoder that is still wrong. Under a linear Gaussian decoder both are found by L-BFGS,
    in some ten passes over the rows.

    Args:
        model: the network, whose mechanism is changed in place.
        train: the rows to fit.
        plan: the settings of the network's fit.

    Returns:
        Whether the mechanism was changed; it is not where a linear decoder does not serve the
        columns or where the mechanism reads a latent.
    """
    if not (isinstance(model, SelectionModel) and isinstance(train, IncompleteData)):
        return False
    if len(train.columns) > _MOST_COLUMNS or model.margins is not None or model.frozen:
        return False
    mechanism = model.missingness
    learnt = [p for p in mechanism.parameters() if p.requires_grad]
    if not learnt or {"z", "z_mask"} & set(mechanism.asks):
        return False
    generator = torch.Generator().manual_seed(plan.seed)
    chosen = torch.randperm(len(train), generator=generator)[:_MOST_ROWS].sort().values
    rows = train.rows(chosen).without_target()
    twin = NotMIWAEPPCA(rows, copy.deepcopy(mechanism), seed=plan.seed)
    linear = isinstance(twin.decoder, LinearGaussianDecoder)
    if not linear or not is_plain(twin, rows, plan.unobserved):
        return False
    twin.to(next(model.parameters()).device)
    own = FitSettings(
        particles=_PARTICLES, steps=_ITERATIONS, unobserved=plan.unobserved, seed=plan.seed
    )
    fitted = QuasiNewton(twin, rows, own)
    taken = 0
    try:
        while taken < _ITERATIONS and not fitted.finished:
            taken += fitted.advance(taken)[1]
    except NotFiniteAt:
        return False
    mechanism.load_state_dict(twin.missingness.state_dict())
    _log.info("the mechanism starts from %d iterations under a linear decoder", taken)
    return True
