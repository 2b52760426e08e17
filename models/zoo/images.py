"""not-MIWAE for pictures: convolutional networks, and mechanisms that use pixel positions."""

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
    Missingness,
    OutshinesOthers,
)
from ..networks.convolutional import ConvDecoder, ConvEncoder, ImageFamily
from ..programs.selection import SelectionModel
from .building import building
from .mechanism_names import MISSINGNESS, mechanism_for
from .modelled import check_data
from .parts import checked_latent_dim

IMAGE_MISSINGNESS = (
    "channel",
    "conv",
    "conv2",
    "outshines",
    *(name for name in MISSINGNESS if name not in ("limit", "mask-latent")),
)


@building
def ImageNotMIWAE(
    data: IncompleteData,
    shape: Sequence[int],
    missingness: str | Missingness = "channel",
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
    seed: int = 0,
) -> SelectionModel:
    """not-MIWAE with a convolutional decoder and encoder, for rows that are pictures.

    Read the pictures with ``standardise=False``: pixels keep their units, and one slope can serve
    all of them. What a pixel costs in the weights is independent of its place: a mechanism a
    column (``"self-masking"``) has two parameters a pixel, ``"channel"`` two a channel.

    Args:
        shape: (C, H, W); the data have C * H * W columns, channel by channel.
        missingness: ``"channel"`` self-masking with a slope and offset a channel; ``"conv"``, one 3
            x 3 convolution, ``"conv2"``, two; ``"outshines"``, where ``channel`` exceeds the
            others; one of those of :func:`NotMIWAE`; or a mechanism.
        channels: of the encoder's layers, each of which halves the picture; the decoder's in the
            opposite order.
        family: ``"gaussian"``, or ``"bernoulli"`` for pixels of 0 and 1.
        scale, floor, squash, correlated: see :class:`~absentia.models.ConvDecoder`.

    Raises:
        ValueError: the shape does not fit the columns, an unknown name, or ``squash`` with values
            that are not between 0 and 1.

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
            f"pictures of {' x '.join(map(str, shape))} have {shape[0] * shape[1] * shape[2]} "
            f"pixels, but the data have {len(data.columns)} columns"
        )
    if isinstance(missingness, str) and missingness not in IMAGE_MISSINGNESS:
        raise InputError(
            f"missingness {missingness!r} is not one of {', '.join(IMAGE_MISSINGNESS)}"
        )
    pixels = data.x[data.s]
    if family == "bernoulli" and not bool(((pixels == 0) | (pixels == 1)).all()):
        raise InputError("family='bernoulli' is for pixels of 0 and 1: use standardise=False")
    if squash and not bool(((data.x >= 0) & (data.x <= 1)).all()):
        raise InputError("squash=True is for pixels between 0 and 1, read with standardise=False")
    with seeded(seed):
        decoder = ConvDecoder(
            latent_dim, shape, channels, activation, family, scale, floor, squash, correlated
        )
        encoder = ConvEncoder(shape, latent_dim, channels, activation)
        mechanism = _mechanism(missingness, shape, channel)
        if isinstance(missingness, str) and isinstance(mechanism, Missingness):
            mechanism.initialise(data.s.float().mean(0))
        mechanism = mechanism_for(mechanism, data, None, latent_dim, 0)
        _check_pictures(mechanism, shape)
    seen = data.x.where(data.s, torch.nan)
    decoder.start_at(seen.reshape(len(data), shape[0], -1).movedim(1, 0).flatten(1).nanmean(1))
    return SelectionModel(decoder, encoder, mechanism, data.columns)


def _check_pictures(mechanism: Missingness, shape: tuple[int, int, int]) -> None:
    if mechanism.mask_latent_dim:
        raise InputError("a mask latent needs a mask encoder: build a SelectionModel with one")
    made_for = argument_of(mechanism, "shape")
    if made_for is not None and tuple(made_for) != shape:
        raise InputError(f"the mechanism is for pictures of {made_for}, the model of {shape}")


def _mechanism(
    what: str | Missingness, shape: tuple[int, int, int], channel: int | None
) -> str | Missingness:
    if channel is not None and what != "outshines":
        raise InputError("channel= goes with missingness='outshines'")
    if what == "outshines":
        if channel is None:
            raise InputError("missingness='outshines' needs channel=, the one that goes missing")
        return OutshinesOthers(shape, channel)
    if what == "channel":
        return ChannelSelfMasking(shape)
    if what in ("conv", "conv2"):
        return ConvMissingness(shape, hidden=[] if what == "conv" else [16])
    return what
