"""The parts of a selection model for a table, by name, and the model that is assembled of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...data import IncompleteData
from ...data.errors import InputError, KindError
from ..configurable import argument_of
from ..missingness import AveragedMissingness, Missingness
from ..networks.decoders import Decoder, GaussianDecoder, StudentTDecoder
from ..networks.encoders import (
    Encoder,
    ExactConditionalEncoder,
    ExactEncoder,
    MaskAwareEncoder,
    SetEncoder,
    ZeroFilledEncoder,
)
from ..networks.families import Families, all_real, families_of
from ..networks.mixed_decoder import MixedDecoder
from ..networks.modal_encoder import ModalEncoder
from ..programs.base import Prior
from ..programs.margins import KnownMargins
from ..programs.mask_latent import MaskLatentEncoder
from ..programs.selection import SelectionModel
from .options import Margins

ENCODERS: dict[str, Any] = {
    "mask-aware": MaskAwareEncoder,
    "zero-filled": ZeroFilledEncoder,
    "set": SetEncoder,
}
DECODERS: dict[str, Any] = {"gaussian": GaussianDecoder, "student-t": StudentTDecoder}


def decoder_for(
    decoder: str | Decoder,
    data: IncompleteData,
    families: Families,
    latent_dim: int,
    options: dict[str, Any],
) -> Decoder:
    """Make the decoder of a name, or return the decoder that was given.

    Raises:
        ValueError: for an unknown name, or a Student-t decoder of a warped column.
    """
    if not isinstance(decoder, str):
        return decoder
    _known("decoder", decoder, [*DECODERS, "linear"])
    warped = [c for c, linear in zip(data.columns, data.scaler.linear, strict=True) if not linear]
    if decoder == "student-t" and warped:
        raise InputError(
            f"column '{warped[0]}' is {data.schema[warped[0]].kind}, and on its own scale a "
            f"Student-t has no mean; use decoder='gaussian', or declare "
            f"schema={{'{warped[0]}': 'continuous'}}"
        )
    if all_real(families):
        made: Decoder = DECODERS[decoder](latent_dim, len(families), **options)
        return made
    return MixedDecoder(latent_dim, families, real=decoder, **options)  # type: ignore[arg-type]


def encoder_for(
    encoder: str | Encoder,
    families: Families,
    latent_dim: int,
    network: dict[str, Any],
    linear: bool = False,
) -> Encoder:
    """Make the encoder of a name, or return the encoder that was given.

    Args:
        linear: whether the decoder is linear, so that ``"exact"`` is an encoder too, or ``"mode"``
            where columns are of several kinds.

    Raises:
        TypeError: for options of a network with ``"exact"``, which has none.
        ValueError: for an unknown name, or ``"exact"`` where columns are not real numbers.
    """
    if not isinstance(encoder, str):
        return encoder
    _known("encoder", encoder, [*ENCODERS, "exact", "mode"] if linear else ENCODERS)
    if encoder not in ("exact", "mode"):
        mixed = {} if all_real(families) else {"families": families}
        made: Encoder = ENCODERS[encoder](len(families), latent_dim, **network, **mixed)
        return made
    if encoder == "exact" and not all_real(families):
        raise InputError(
            "encoder='exact' is for tables whose columns are all real numbers; use "
            "encoder='mode' or 'mask-aware'"
        )
    if network:
        raise KindError(
            f"{sorted(network)[0]!r} has no meaning with encoder={encoder!r}, which has no "
            f"network; leave it out, or use encoder='mask-aware'"
        )
    if all_real(families):
        return ExactConditionalEncoder(len(families), latent_dim)
    return ModalEncoder(len(families), latent_dim)


def assembled(
    data: IncompleteData,
    decoder: Decoder,
    encoder: Encoder,
    mechanism: Missingness,
    network: dict[str, Any],
    margins: Margins | None,
    prior: Prior | None = None,
) -> SelectionModel:
    """Compose the model, once its parts are found to fit the table and each other.

    Raises:
        ValueError: for parts that were made for other numbers of columns or latent dimensions.
    """
    columns = len(data.columns)
    for part, name in ((decoder, "decoder"), (encoder, "encoder"), (mechanism, "missingness")):
        found = argument_of(part, "num_columns", columns)
        if found != columns:
            raise InputError(
                f"the {name} is made for {found} columns, but the data have {columns}; make it for "
                f"{columns}"
            )
    size = argument_of(encoder, "latent_dim", decoder.latent_dim)
    if size != decoder.latent_dim:
        raise InputError(
            f"the encoder has {size} latent dimensions, but the decoder has {decoder.latent_dim}; "
            f"give both the same"
        )
    mask_encoder = None
    if mechanism.mask_latent_dim:
        # sampling the posterior trains no guide, and a fit by the bound needs none with this one
        plain = isinstance(mechanism, AveragedMissingness) and isinstance(encoder, ExactEncoder)
        size = mechanism.mask_latent_dim
        mask_encoder = (
            MaskLatentEncoder(columns, size)
            if plain
            else encoder_for("mask-aware", families_of(data), size, network)
        )
    if margins is not None and not isinstance(margins, KnownMargins):
        margins = KnownMargins.in_units_of(data, margins)
    return SelectionModel(decoder, encoder, mechanism, data.columns, prior, mask_encoder, margins)


def checked_latent_dim(given: int | None, columns: int, most: int) -> int:
    """Return the latent size that was given, or min(columns - 1, most).

    Raises:
        ValueError: for less than 1.
    """
    if given is not None and given < 1:
        raise InputError(f"latent_dim is {given}; give at least 1, or None for a default")
    return min(max(columns - 1, 1), most) if given is None else given


def _known(what: str, name: str, allowed: Iterable[str]) -> None:
    if name not in allowed:
        raise InputError(f"{what} {name!r} is not one of {', '.join(allowed)}")
