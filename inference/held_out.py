"""The bound on rows that a fit has not used, by which settings are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..data import IncompleteData
from ..data.errors import InputError
from ..models import Missingness
from ..models.zoo.modelled import modelled
from .imputing.tables import impute
from .mask_at_random import MaskAtRandom
from .prepare import Fitted, prepared


def held_out_bound(
    fitted: Fitted,
    data: IncompleteData,
    particles: int = 1000,
    *,
    mask: MaskAtRandom | IncompleteData | None = None,
    seed: int = 0,
) -> Tensor:
    """Return the importance-weighted bound on the log-density per row, (n,), in nats.

    The density is of the values in the data's own units, whatever scale or warp the fit read them
    on, and of the mask in so far as the model has a density for it: log p(x_o, s) for a selection
    model, log p(x_o) alone where the mechanism is ignorable, and only some columns' masks where a
    formula speaks of some. **Such bounds must not be compared with each other.** Given ``mask``,
    the columns that the mechanism leaves out count by p(s | x_o), a logistic regression on what is
    observed (:class:`~absentia.inference.mask_at_random.MaskAtRandom`): every model's bound is
    then on log p(x_o, s), and the best one may be chosen, also between missing at random and not.

    Discrete columns have probabilities and others densities: a column that one model takes for a
    count and another for a number is compared fairly only in so far as its numbers lie close.
    With a target the bound is on log p(x_o, s, y), y standardised. Columns that one model takes
    as covariates and another models are not the same data.

    Args:
        fitted: what :func:`absentia.fit` or :func:`absentia.load` returned, or a model.
        data: rows that the fit has not seen.
        particles: importance samples a row.
        mask: the training rows, or what was fitted to them, for masks that the model leaves out.
        seed: the same seed gives the same bound.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, np.nan], [0.0, 1.0]]))
    >>> ab.check.held_out_bound(ab.PPCA(data, latent_dim=1), data, particles=50).shape
    torch.Size([3])
    """
    result = impute(
        fitted, data, particles, refine=False, draws=0, seed=seed, check=False, unfitted=True
    )
    _, own = prepared(fitted, data)
    bound = torch.from_numpy(result.log_evidence + own.log_slope())
    if isinstance(mask, IncompleteData):
        mask = mask_left_out(fitted, mask)
    return bound if mask is None else bound + mask.log_prob(own)


def mask_left_out(fitted: Fitted, data: IncompleteData) -> MaskAtRandom:
    """Fit the density of the masks that a mechanism ignores, from its training rows."""
    model, data = prepared(fitted, data)
    return MaskAtRandom.fitted(data, _left_out(model.missingness, data))


def check_same_density(mechanisms: Mapping[str, Missingness], data: IncompleteData) -> None:
    """Refuse mechanisms whose bounds on these data are not of the same quantity.

    Raises:
        ValueError: some have no density of a mask for which others have one, or count it to
            another power; names them and says what to do.
    """
    data = modelled(data)
    gaps = ~data.s.all(0).cpu().numpy()
    first, *others = mechanisms
    here = _left_out(mechanisms[first], data)
    for other in others:
        differ = (here != _left_out(mechanisms[other], data)) & gaps
        if differ.any():
            j = int(differ.argmax())
            silent, speaks = (first, other) if here[j] else (other, first)
            name = data.columns[j]
            raise InputError(
                f"'{silent}' leaves the mask's density of column '{name}' out and '{speaks}' does "
                f"not: their bounds are not of the same data. Give each a mechanism that has one "
                f"('{name} ~ 1' is missing completely at random, '{name} ~ other' at random given "
                f"a complete column), or compare "
                f"absentia.check.held_out_bound(..., mask=training_data)"
            )
    powers = {name: one.alpha for name, one in mechanisms.items()}
    if len(set(powers.values())) > 1:
        raise InputError(f"the mask counts to different powers, alpha = {powers}: no density each")


def _left_out(mechanism: Missingness, data: IncompleteData) -> Any:
    """Return booleans (p,), True for columns whose mask has no density under the mechanism."""
    return mechanism.dependence(len(data.columns)).ignorable.numpy()
