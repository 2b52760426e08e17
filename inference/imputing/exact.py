"""Particles under an exact guide, whose weights are the mask's density times one number a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...data import Standardiser
from ...models.missingness.averaged import AveragedMissingness
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.networks.encoders import ExactConditionalEncoder
from ...models.programs.mask_latent import MaskLatentEncoder
from ...models.programs.mixture import ExactMixtureEncoder
from ...models.programs.selection import SelectionModel
from ...models.sites import Z_MASK, Z
from ..importance import Weighted
from ..integration.conditionals import Tilted
from ..integration.dispatch import tilt
from ..integration.handler import Cells, IntegratedMask
from ..integrator import owner_of
from ..randomness.noise import Noise


def serves(model: Callable[..., Any], guide: Callable[..., Any], s: Tensor) -> bool:
    """Tell whether :func:`run_exact` gives what running the programs gives, for rows of this mask.

    No missing value may be read by the mask of another column, and the programs must be those of
    a linear Gaussian model with its exact guide and a mechanism whose form was averaged over.
    """
    owner = owner_of(model)
    if type(owner) is not SelectionModel or owner_of(guide) is not owner:
        return False
    if model != owner.model or guide != owner.guide or owner.margins is not None:
        return False
    parts = (owner.decoder, LinearGaussianDecoder), (owner.missingness, AveragedMissingness)
    if not all(isinstance(part, kind) for part, kind in parts):
        return False
    if not isinstance(owner.encoder, ExactConditionalEncoder | ExactMixtureEncoder):
        return False
    if not isinstance(owner.mask_encoder, MaskLatentEncoder | None):
        return False
    read = owner.missingness.dependence(s.shape[-1]).sampled
    return not bool((read & ~s.all(0).cpu()).any())


@torch.no_grad()
def run_exact(
    model: SelectionModel,
    x: Tensor,
    s: Tensor,
    particles: int,
    *,
    noise: Noise | None = None,
    units: Standardiser | None = None,
    samples: int | None = None,
    covariates: Tensor | None = None,
) -> tuple[Weighted, Tilted]:
    """Return the weights of K particles, and the missing cells' conditional.

    Since q(z | x_o) = p(z | x_o), the weight p(x_o, z) p(s | x_o, z) / q(z | x_o) is
    p(x_o) p(s | x_o, z): the densities of latents and values are the same for every particle of a
    row, and are computed at one of them. A latent v of the mask brings p(v) / q(v | x_o, s). The
    random numbers are those of :func:`~absentia.inference.importance.weights`, and so are the
    results, up to rounding.

    Args:
        model: a model that :func:`serves`.
        x, s: (n, p) the rows and their mask.
        particles: K.
        noise: the source of the rows' random numbers; torch's generator when left out.
        units: the scaler of a table with warped columns, whose moments are in the data's units.
        samples: how many samples of a particle's cell moments in other units come from.
        covariates: (n, q), columns that the mechanism may read.
    """
    if noise is not None:
        noise.start(particles)
    guide = model.encoder(x, s)
    z = guide.rsample((particles,)) if noise is None else noise.draw(Z, guide)
    z_mask, of_mask_latent = None, x.new_zeros(())
    if isinstance(model.mask_encoder, MaskLatentEncoder) and model.mask_prior is not None:
        near = model.mask_encoder.given(guide, x, s, covariates)
        z_mask = near.rsample((particles,)) if noise is None else noise.draw(Z_MASK, near)
        of_mask_latent = (model.mask_prior().log_prob(z_mask) - near.log_prob(z_mask)).sum(-1)
    decoder = model.decoder(z)
    context = model.missingness.context(z=z, z_mask=z_mask, covariates=covariates, s=s)
    mask = model.missingness(x, **context)
    rows, columns = (~s).nonzero(as_tuple=True)
    tilted = tilt(decoder, mask, s, rows, columns, units=units, samples=samples)
    cells = Cells(rows, columns, tilted, decoder.batch_shape)
    of_mask = IntegratedMask(mask, ~s, cells).summed_log_prob(s.to(x.dtype))
    one = z[:1]
    seen = model.decoder(one).log_prob(x).masked_fill(~s, 0.0).sum(-1)
    of_values = seen + (model.prior().log_prob(one) - guide.log_prob(one)).sum(-1)
    return Weighted(of_values + of_mask_latent + of_mask, 1.0, {}, {}, x.new_zeros(())), tilted
