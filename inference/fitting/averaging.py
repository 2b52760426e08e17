"""Which models have a posterior that is sampled."""

from __future__ import annotations

from typing import Any

from ...data import IncompleteData
from ...models.missingness.averaged import AveragedMissingness
from ...models.networks.decoders import LinearGaussianDecoder
from ...models.networks.encoders import ExactConditionalEncoder
from ...models.programs.base import StandardNormalPrior
from ...models.programs.mask_latent import MaskLatentEncoder
from ...models.programs.mixture import DirectDecoder, ExactMixtureEncoder, MixturePrior
from ...models.programs.selection import SelectionModel

#: decoder, encoder and prior of the models that are sampled
_SAMPLED = (
    (LinearGaussianDecoder, ExactConditionalEncoder, StandardNormalPrior),
    (LinearGaussianDecoder, ExactMixtureEncoder, MixturePrior),
    (DirectDecoder, ExactMixtureEncoder, MixturePrior),
)


def averages_forms(model: Any, data: Any) -> bool:
    """Tell whether the posterior of a model can be sampled here."""
    parts = tuple(type(getattr(model, name, None)) for name in ("decoder", "encoder", "prior"))
    return (
        type(model) is SelectionModel
        and isinstance(model.missingness, AveragedMissingness)
        and parts in _SAMPLED
        and isinstance(model.mask_encoder, MaskLatentEncoder | None)
        and model.margins is None
        and model.delta is None
        and isinstance(data, IncompleteData)
        and data.target is None
        and not bool(data.s.all())
    )
