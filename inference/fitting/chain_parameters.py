"""What the chains of the sampler hold, as parameters of the model."""

from __future__ import annotations

import torch
from torch import Tensor

from ...models.distributions.special import inverse_softplus
from ...models.missingness.averaged import ALWAYS_SEEN, AveragedMissingness
from ...models.programs.base import RowModel
from ...models.programs.mixture import raw_factor
from ..gibbs.chains import Chains
from ..gibbs.posterior import NO_FORM


def parameters(chains: Chains, model: RowModel) -> dict[str, Tensor]:
    """Return the parameters of every chain, by their names in the model, (K, ...).

    Args:
        chains: the chains.
        model: the model, of which each chain has parameters of its own.
    """
    k, p = chains.decoder.mean.shape
    forms, columns = chains.forms, chains.columns
    noise = chains.decoder.noise
    floor = chains.decoder.floor
    raw = (noise.sqrt() - floor).clamp_min(1e-6)
    raw = inverse_softplus(raw)
    kind = model.decoder.scale.kind  # type: ignore[union-attr]
    slope, offset = noise.new_zeros(k, p), noise.new_full((k, p), ALWAYS_SEEN)
    mechanism: AveragedMissingness = model.missingness  # type: ignore[assignment]
    d, e = chains.decoder.weight.shape[-1], mechanism.mask_latent_dim
    loading, shared = noise.new_zeros(k, p, d), noise.new_zeros(k, p, e)
    own, mask_own = forms.loading.tensor_split([d], -1)
    others = noise.new_zeros(k, p, p)
    slots = torch.cartesian_prod(columns, chains.complete)
    # v less its mean is Normal(0, I): what complete columns add to the mean goes through them
    read = -(forms.coefficient + mask_own @ chains.shared.coefficient) @ chains.directions.T
    read, of_covariates = read.tensor_split([len(chains.complete)], -1)
    others[:, slots[:, 0], slots[:, 1]] = read.flatten(1)
    form = torch.full((k, p), NO_FORM, device=noise.device)
    slope[:, columns], offset[:, columns] = -forms.slope, -forms.offset
    loading[:, columns], shared[:, columns, : chains.shared.size] = -own, -mask_own
    form[:, columns] = forms.form
    found = {
        "decoder.mean.weight": chains.decoder.weight,
        "decoder.mean.bias": chains.decoder.mean,
        "decoder.scale.raw": raw[:, :1] if kind == "shared" else raw,
        "missingness.slope": slope,
        "missingness.offset": offset,
        "missingness.loading": loading,
        "missingness.others": others,
        "form": form,
    }
    if e:
        found["missingness.shared"] = shared
    if of_covariates.shape[-1]:
        size = of_covariates.shape[-1]
        found["missingness.of_covariates"] = noise.new_zeros(k, p, size).index_copy(
            1, columns, of_covariates
        )
    mixture = chains.mixture
    if mixture.number > 1:
        found["prior.logit"], found["prior.mean"] = mixture.log_weight, mixture.mean
        found["prior.factor"] = raw_factor(torch.linalg.cholesky(mixture.precision))
    return found
