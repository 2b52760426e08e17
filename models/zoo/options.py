"""The arguments that builders pass on to :func:`NotMIWAE` and :func:`NotMIWAEPPCA`.

Type checkers and editors read them here, and help() shows signatures that are made from them. A
test compares them with the arguments of the builders.
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

#: known margins of columns: (mean, sd) by name in the data's own units, or a module
Margins = KnownMargins | Mapping[str, tuple[float, float]]


class NetworkOptions(TypedDict, total=False):
    """The arguments of an encoder with a network."""

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
    """The arguments of :func:`PPCA`, which has a linear decoder."""

    seed: int


class DeepOptions(LinearOptions, total=False):
    """The arguments of :func:`PatternMixture`, whose ``decoder`` is an argument of its own."""

    skip: bool


class DecoderOptions(DeepOptions, total=False):
    """The arguments of :func:`MIWAE` and :func:`MaskedNotMIWAE`, with a decoder of any kind."""

    decoder: str | Decoder


class MechanismOptions(PartOptions, total=False):
    """The arguments of :func:`SupervisedNotMIWAE`, whose ``seed`` is an argument of its own."""

    sign: Sign
    slope_prior: SlopePrior
    decoder: str | Decoder
    skip: bool
    mask_latent_dim: int | None
