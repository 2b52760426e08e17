"""The arguments that builders hand on to :func:`NotMIWAE` and :func:`NotMIWAEPPCA`.

Type checkers and editors read them here; the signatures that help() shows are made of them, and
a test keeps both in agreement with the builders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from ..missingness.directions import Sign
from ..networks.decoders import Decoder
from ..networks.encoders import Encoder
from ..networks.scales import ScaleKind
from ..programs.margins import KnownMargins
from .mechanism_names import SlopePrior

#: what is known of columns from elsewhere: (mean, sd) by name in the data's units, or a module
Margins = KnownMargins | Mapping[str, tuple[float, float]]


class NetworkOptions(TypedDict, total=False):
    """The networks of an encoder that is not exact."""

    hidden: Sequence[int]
    activation: str


class PartOptions(NetworkOptions, total=False):
    """The arguments of every builder of a selection model."""

    latent_dim: int | None
    encoder: str | Encoder
    scale: ScaleKind
    floor: float
    margins: Margins | None


class LinearOptions(PartOptions, total=False):
    """:func:`PPCA`: a linear decoder."""

    seed: int


class DeepOptions(LinearOptions, total=False):
    """:func:`PatternMixture`: a decoder that is a network and has been named already."""

    skip: bool


class DecoderOptions(DeepOptions, total=False):
    """:func:`MIWAE` and :func:`MaskedNotMIWAE`: a decoder of any kind."""

    decoder: str | Decoder


class MechanismOptions(PartOptions, total=False):
    """:func:`SupervisedNotMIWAE`: a decoder and a mechanism of any kind, seeded together."""

    sign: Sign
    slope_prior: SlopePrior
    decoder: str | Decoder
    skip: bool
    mask_latent_dim: int
