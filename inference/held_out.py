"""The bound on rows that a fit has not used, which serves to choose between settings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
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

    The density is that of the values in the data's own units, whatever scale or warp the fit read
    them on, and of the mask as far as the model has a density for it. This is log p(x_o, s) for a
    selection model, log p(x_o) where the mechanism is ignorable, and includes the masks of some
    columns only where a formula names some columns only. **Such bounds must not be compared with
    each other.** If ``mask`` is given, the masks that the mechanism leaves out get the density
    p(s | x_o) of a logistic regression on the observed values
    (:class:`~absentia.inference.mask_at_random.MaskAtRandom`). Then every model's bound is on
    log p(x_o, s), and the best model may be chosen, also between missing at random and not at
    random.

    Discrete columns have probabilities and other columns densities: a column that is a count in one
    model and a real number in another is compared fairly only if its numbers lie close together.
    With a target the bound is on log p(x_o, s, y), with y standardised. Two models of which only
    one models a column, while it is a covariate in the other, are not models of the same data.

    Args:
        fitted: the result of :func:`absentia.fit` or :func:`absentia.load`, or a model.
        data: rows that the fit has not used.
        particles: importance samples per row.
        seed: the same seed gives the same bound.
        mask: the training rows, or the density that was fitted to them, for the masks that the
            model leaves out.

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
    """Fit the density of the masks that a mechanism ignores, to its training rows."""
    model, data = prepared(fitted, data)
    return MaskAtRandom.fitted(data, _left_out(model.missingness, data))


def check_same_density(mechanisms: Mapping[str, Missingness], data: IncompleteData) -> None:
    """Refuse mechanisms whose bounds on these data are not bounds on the same quantity.

    Args:
        mechanisms: the mechanisms, by the names of their models.
        data: the table.

    Raises:
        ValueError: some mechanisms have no density of a mask for which others have one, or raise it
            to another power; the message names them.
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
                f"'{silent}' leaves out the density of the mask of column '{name}' and '{speaks}' "
                f"does not, so that their bounds are not on the same quantity. Give each a "
                f"mechanism that has one ('{name} ~ 1' is missing completely at random, "
                f"'{name} ~ other' at random given a complete column), or compare "
                f"absentia.check.held_out_bound(..., mask=training_data)"
            )
    powers = {name: one.alpha for name, one in mechanisms.items()}
    if len(set(powers.values())) > 1:
        raise InputError(
            f"the models raise the mask's density to different powers, alpha = {powers}, so that "
            f"their bounds are not on the same quantity; compare models of the same alpha"
        )


def _left_out(mechanism: Missingness, data: IncompleteData) -> np.ndarray:
    """Return booleans (p,), True for columns whose mask has no density under the mechanism."""
    return mechanism.dependence(len(data.columns)).ignorable.numpy()
