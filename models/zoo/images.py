"""not-MIWAE for images: convolutional networks, and mechanisms that use the positions of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...data import IncompleteData
from ...data.datasets.images import checked_shape
from ...data.errors import InputError
from ...data.system.process import seeded
from ..configurable import argument_of
from ..missingness import (
    ChannelSelfMasking,
    ConvMissingness,
    MaskLatentShift,
    Missingness,
    OutshinesOthers,
)
from ..networks.convolutional import ConvDecoder, ConvEncoder, ImageFamily
from ..programs.selection import SelectionModel
from .building import building
from .mechanism_names import MISSINGNESS, USUAL, WEAK, mechanism_for
from .modelled import check_data
from .parts import checked_latent_dim

IMAGE_MISSINGNESS = (
    "channel",
    "conv",
    "conv2",
    "outshines",
    *(name for name in MISSINGNESS if name not in ("limit", "mask-latent")),
)
#: dimensions of the latent of the mask where nothing is known, and hidden units of its shift
_MASK_LATENTS, _UNITS = 8, 64


@building
def ImageNotMIWAE(
    data: IncompleteData,
    shape: Sequence[int],
    missingness: str | Missingness = USUAL,
    *,
    channel: int | None = None,
    latent_dim: int = 64,
    channels: Sequence[int] = (32, 64, 128),
    activation: str = "relu",
    family: ImageFamily = "gaussian",
    scale: Any = "channel",
    floor: float = 1e-2,
    squash: bool = False,
    correlated: bool = False,
    mask_latent_dim: int | None = None,
    seed: int = 0,
) -> SelectionModel:
    """not-MIWAE with a convolutional decoder and encoder, for rows that are images.

    Read the images with ``standardise=False``: pixels then keep their units, and all of them can
    share a slope. ``"channel"`` has two parameters per channel, whereas ``"self-masking"`` has two
    per pixel.

    Args:
        data: the table, with a row per image and C * H * W columns, channel by channel.
        shape: (C, H, W).
        missingness: ``"auto"``, for pictures of which nobody knows why pixels are missing: a latent
            of the mask alone says where pixels go missing together, such as under a disc, and
            beside it stands ``"channel"`` with slopes shrunk towards 0;
            ``"channel"``, self-masking with a slope and offset per channel; ``"conv"``,
            one 3 x 3 convolution; ``"conv2"``, two of them; ``"outshines"``, where a pixel is
            missing if ``channel`` exceeds the other channels; one of the names of :func:`NotMIWAE`;
            or a mechanism.
        channel: the channel that goes missing, for ``"outshines"``.
        latent_dim: the number of latent dimensions.
        channels: the channels of the encoder's layers, each of which halves height and width; the
            decoder has them in reverse order.
        activation: the name of the activation function.
        family: ``"gaussian"``, or ``"bernoulli"`` for pixels of 0 and 1.
        scale, floor, squash, correlated: see :class:`~absentia.models.ConvDecoder`.
        mask_latent_dim: the dimensions of a latent that only the mask reads, whose shift of the
            log-odds is a network of 64 units (:class:`~absentia.models.MaskLatentShift`); when left
            out, 8 under "auto" and 0 otherwise.
        seed: the seed of the initial weights; the global random state does not change.

    Raises:
        ValueError: if the shape does not fit the columns, for an unknown name, or if ``squash`` is
            used with values that are not between 0 and 1.

    >>> import numpy as np
    >>> import absentia as ab
    >>> pixels = np.random.default_rng(0).random((6, 27))
    >>> pixels[pixels > 0.9] = np.nan
    >>> data = ab.IncompleteData.from_numpy(pixels, standardise=False)
    >>> model = ab.models.ImageNotMIWAE(data, (3, 3, 3), latent_dim=2, channels=[4])
    >>> fitted = ab.fit(model, data, steps=2, progress=False)
    >>> ab.impute(fitted, data, particles=20).mean.shape
    (6, 27)
    """
    check_data(data)
    latent_dim = checked_latent_dim(latent_dim, len(data.columns), latent_dim)
    shape = checked_shape(shape)
    if shape[0] * shape[1] * shape[2] != len(data.columns):
        raise InputError(
            f"images of {' x '.join(map(str, shape))} have {shape[0] * shape[1] * shape[2]} "
            f"values, but the data have {len(data.columns)} columns; give shape= as (C, H, W)"
        )
    if isinstance(missingness, str) and missingness not in IMAGE_MISSINGNESS:
        raise InputError(
            f"missingness {missingness!r} is not one of {', '.join(IMAGE_MISSINGNESS)}"
        )
    pixels = data.x[data.s]
    if family == "bernoulli" and not bool(((pixels == 0) | (pixels == 1)).all()):
        raise InputError(
            "family='bernoulli' is for pixels of 0 and 1, but there are other values; read the "
            "data with standardise=False, or use family='gaussian'"
        )
    if squash and not bool(((data.x >= 0) & (data.x <= 1)).all()):
        raise InputError(
            "squash=True is for pixels between 0 and 1, but there are other values; read the data "
            "with standardise=False, or leave squash= out"
        )
    with seeded(seed):
        decoder = ConvDecoder(
            latent_dim, shape, channels, activation, family, scale, floor, squash, correlated
        )
        encoder = ConvEncoder(shape, latent_dim, channels, activation)
        if missingness == USUAL and bool(data.s.all()):
            missingness = "ignorable"  # there are no missing pixels to explain
        unsaid = missingness == USUAL
        if unsaid:
            pixels_sd = float(data.x[data.s].double().std(correction=0))
            mechanism: str | Missingness = ChannelSelfMasking(shape, WEAK / max(pixels_sd, 1e-6))
        else:
            mechanism = _mechanism(missingness, shape, channel)
        if mask_latent_dim is None:
            mask_latent_dim = _MASK_LATENTS if unsaid else 0
        mechanism = mechanism_for(mechanism, data, None, latent_dim, 0)
        mask_encoder = None
        if mask_latent_dim:
            mechanism = MaskLatentShift(mechanism, len(data.columns), mask_latent_dim, [_UNITS])
        if isinstance(missingness, str):
            mechanism.initialise(data.s.float().mean(0))
        _check_images(mechanism, shape)
        if mechanism.mask_latent_dim:
            mask_encoder = ConvEncoder(shape, mechanism.mask_latent_dim, channels, activation)
    seen = data.x.where(data.s, torch.nan)
    decoder.start_at(seen.reshape(len(data), shape[0], -1).movedim(1, 0).flatten(1).nanmean(1))
    return SelectionModel(decoder, encoder, mechanism, data.columns, mask_encoder=mask_encoder)


def _check_images(mechanism: Missingness, shape: tuple[int, int, int]) -> None:
    made_for = argument_of(mechanism, "shape")
    if made_for is not None and tuple(made_for) != shape:
        raise InputError(
            f"the mechanism was made for images of shape {made_for}, but these have {shape}"
        )


def _mechanism(
    what: str | Missingness, shape: tuple[int, int, int], channel: int | None
) -> str | Missingness:
    if channel is not None and what != "outshines":
        raise InputError("channel= is only used with missingness='outshines'; leave it out")
    if what == "outshines":
        if channel is None:
            raise InputError(
                "missingness='outshines' needs to know the channel that goes missing; give channel="
            )
        return OutshinesOthers(shape, channel)
    if what == "channel":
        return ChannelSelfMasking(shape)
    if what in ("conv", "conv2"):
        return ConvMissingness(shape, hidden=[] if what == "conv" else [16])
    return what
