"""Convolutional decoders and encoders for images of any size C x H x W.

The features plate is flat, with p = C * H * W columns, channel by channel; the networks reshape
rows into images and back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from pyro.distributions import Bernoulli, Normal, TorchDistribution
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from ...data.datasets.images import checked_shape
from ...data.errors import InputError
from ..distributions.pixel_normal import PixelNormal
from .decoders import Decoder
from .encoders import Encoder, GaussianHeads
from .mlp import ACTIVATIONS

ImageFamily = Literal["gaussian", "bernoulli"]


class ConvDecoder(Decoder):
    """A decoder of images by transposed convolutions, each of which doubles height and width.

    Args:
        latent_dim: the number d of latent dimensions.
        shape: (C, H, W).
        channels: the channels of the layers, in the order of the encoder: the first is next to the
            pixels, the last next to z.
        activation: the name of the activation function.
        family: ``"gaussian"``, or ``"bernoulli"`` for pixels of 0 and 1, which are summed out
            exactly where they are missing.
        scale: ``"channel"`` for one learnt scale per channel, ``"entry"`` for sigma(z) per pixel.
        floor: the lower limit of the scale, in the data's units.
        squash: keep the location of a Normal between 0 and 1, for pixels in that range.
        correlated: learn correlations between the channels of a pixel given z, so that the observed
            channels of a pixel inform its missing ones
            (:class:`~absentia.models.distributions.pixel_normal.PixelNormal`).

    >>> import torch
    >>> from absentia.models import ConvDecoder
    >>> ConvDecoder(4, (3, 10, 7), channels=[8, 16])(torch.zeros(5, 2, 4)).batch_shape
    torch.Size([5, 2, 210])
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        channels: Sequence[int] = (32, 64, 128),
        activation: str = "relu",
        family: ImageFamily = "gaussian",
        scale: Literal["channel", "entry"] = "channel",
        floor: float = 1e-2,
        squash: bool = False,
        correlated: bool = False,
    ) -> None:
        super().__init__()
        if family not in ("gaussian", "bernoulli"):
            raise InputError(f"family {family!r} is not one of gaussian, bernoulli")
        _check_activation(activation)
        if scale not in ("channel", "entry"):
            raise InputError(f"scale {scale!r} is not one of channel, entry")
        self.shape = checked_shape(shape)
        self.latent_dim, self.num_columns = latent_dim, math.prod(self.shape)
        self.family, self.scale, self.floor = family, scale, floor
        self.squash = squash and family == "gaussian"
        sizes = _sizes(self.shape, len(channels))
        self.smallest = (channels[-1], *sizes[-1])
        self.linear = nn.Linear(latent_dim, math.prod(self.smallest))
        entry = family == "gaussian" and scale == "entry"
        outputs = self.shape[0] * (2 if entry else 1)
        layers: list[nn.Module] = [ACTIVATIONS[activation]()]
        widths = [*reversed(channels), outputs]
        for k, (given, wanted) in enumerate(itertools.pairwise(widths)):
            small, large = sizes[-1 - k], sizes[-2 - k]
            extra = (large[0] - 2 * small[0] + 1, large[1] - 2 * small[1] + 1)
            layers.append(nn.ConvTranspose2d(given, wanted, 3, 2, 1, output_padding=extra))
            if k < len(channels) - 1:
                layers.append(ACTIVATIONS[activation]())
        self.network = nn.Sequential(*layers)
        self.raw_correlation: Tensor | None = None
        if correlated:
            if family != "gaussian" or self.shape[0] < 2:
                raise InputError(
                    f"correlated=True is for family='gaussian' and at least two channels; the "
                    f"family is {family!r}, and there are {self.shape[0]} channels"
                )
            self.raw_correlation = nn.Parameter(torch.ones(self.shape[0], self.shape[0]))
        self.raw_scale: Tensor | None = None
        if family == "gaussian" and not entry:
            self.raw_scale = nn.Parameter(torch.full((self.shape[0],), _START_OF_SCALE))

    @torch.no_grad()
    def start_at(self, mean: Tensor) -> None:
        """Start at these means of the channels (C,), in [0, 1] for pixels of 0 and 1."""
        last = self.network[-1]
        assert isinstance(last, nn.ConvTranspose2d)
        assert last.bias is not None
        mean = mean.to(last.bias)
        if self.family == "bernoulli" or self.squash:
            mean = torch.logit(mean.clamp(0.01, 0.99))
        last.bias[: len(mean)] = mean

    def forward(self, z: Tensor) -> TorchDistribution:
        """Return a Normal, PixelNormal or Bernoulli of batch shape (..., n, p)."""
        leading = z.shape[:-1]
        h = self.linear(z.reshape(-1, self.latent_dim)).unflatten(-1, self.smallest)
        out = self.network(h)
        if self.family == "bernoulli":
            return Bernoulli(logits=out.reshape(*leading, self.num_columns))
        if self.raw_scale is None:
            location, raw = out.chunk(2, 1)
            raw = raw.reshape(*leading, self.num_columns) + _START_OF_SCALE
        else:
            location = out
            raw = self.raw_scale.repeat_interleave(self.shape[1] * self.shape[2])
        location = location.reshape(*leading, self.num_columns)
        location = location.sigmoid() if self.squash else location
        spread = self.floor + softplus(raw)
        if self.raw_correlation is None:
            return Normal(location, spread)
        factor = self.raw_correlation.tril(-1) + torch.eye(self.shape[0]).to(location)
        return PixelNormal(location, spread, normalize(factor, dim=-1))


class ConvEncoder(Encoder):
    """q(z | x_o, s) by convolutions that halve height and width; the mask enters as channels.

    Args:
        shape: (C, H, W).
        latent_dim: the number d of latent dimensions.
        channels: the channels of the layers, first to last.
        activation: the name of the activation function.

    >>> import torch
    >>> from absentia.models import ConvEncoder
    >>> encoder = ConvEncoder((3, 10, 7), 4, channels=[8, 16])
    >>> encoder(torch.zeros(2, 210), torch.ones(2, 210, dtype=torch.bool)).batch_shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int,
        channels: Sequence[int] = (32, 64, 128),
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.shape = checked_shape(shape)
        _check_activation(activation)
        layers: list[nn.Module] = []
        widths = [2 * self.shape[0], *channels]
        for given, wanted in itertools.pairwise(widths):
            layers += [nn.Conv2d(given, wanted, 3, 2, 1), ACTIVATIONS[activation]()]
        self.network = nn.Sequential(*layers, nn.Flatten())
        smallest = _sizes(self.shape, len(channels))[-1]
        self.heads = GaussianHeads(channels[-1] * math.prod(smallest), latent_dim)

    def forward(self, x: Tensor, s: Tensor) -> Normal:
        """Return a Normal of batch shape (n, d)."""
        mask = s.to(x.dtype)
        both = torch.stack([x * mask, mask - 0.5], 1)  # (n, 2, p)
        return self.heads(self.network(both.reshape(len(x), -1, *self.shape[1:])))


_START_OF_SCALE = -1.5  # its softplus is 0.2, a fifth of the range from black to white


def _check_activation(activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise InputError(f"activation {activation!r} is not one of {', '.join(ACTIVATIONS)}")


def _sizes(shape: tuple[int, int, int], layers: int) -> list[tuple[int, int]]:
    """Return height and width before each layer and after the last; a layer halves both."""
    if layers < 1:
        raise InputError("channels is empty; give at least one layer, as in channels=[32]")
    found = [shape[1:]]
    for _ in range(layers):
        found.append((-(-found[-1][0] // 2), -(-found[-1][1] // 2)))
    return found
