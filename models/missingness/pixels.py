"""Mechanisms for images: by channel, by neighbouring pixels, or by the channels of a pixel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from pyro.distributions import Bernoulli, Normal, TorchDistribution
from torch import Tensor, nn

from ...data import IncompleteData, Standardiser
from ...data.datasets.images import checked_shape
from ...data.errors import InputError
from .affine import Affine
from .base import Missingness
from .dependence import Dependence
from .equations import equation, in_units
from .shrinkage import checked_shrinkage
from .starts import score_of_rate

_ALWAYS = 30.0  # log-odds of a pixel that never goes missing
# the channels of a pixel differ by hundredths, so a gain that starts at 1 never becomes steep
_START_OF_GAIN = 20.0


class ChannelSelfMasking(Missingness):
    """logit P(s_j = 1 | x) = a_c x_j + b_c: one slope and offset for each channel c.

    Args:
        shape: (C, H, W).
        shrinkage: the standard deviation of a Normal prior with mean 0 on the slopes; None is a
            flat prior.

    Raises:
        ValueError: the standard deviation is not positive.

    >>> import torch
    >>> from absentia.models import ChannelSelfMasking
    >>> ChannelSelfMasking((3, 4, 4)).slope.shape
    torch.Size([3])
    """

    elementwise = True

    def __init__(self, shape: Sequence[int], shrinkage: float | None = None) -> None:
        super().__init__()
        self.channels, self.pixels = _channels_and_pixels(shape)
        self.shrinkage = checked_shrinkage(shrinkage)
        self.slope = nn.Parameter(torch.zeros(self.channels))
        self.offset = nn.Parameter(torch.zeros(self.channels))

    def forward(self, x: Tensor) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        slope, offset, *_ = self.affine(x)
        return Bernoulli(logits=slope * x + offset)

    def affine(self, x: Tensor) -> Affine:
        """Return slopes and offsets, repeated over the pixels."""
        slope, offset = (v.repeat_interleave(self.pixels) for v in (self.slope, self.offset))
        return Affine(slope, offset, "logit")

    def log_prior(self) -> Tensor | None:
        """Return the log-density Normal(0, shrinkage) of the slopes, summed."""
        if self.shrinkage is None:
            return None
        return Normal(0.0, self.shrinkage).log_prob(self.slope).sum()

    def known(self, column: int) -> str | None:
        """Return "shrunk" where a prior draws the slopes towards 0."""
        return None if self.shrinkage is None else "shrunk"

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the log-odds of being missing, with slope and offset of the pixel's channel."""
        k = column // self.pixels
        terms = [(-float(self.slope[k]), column)]
        intercept = -float(self.offset[k])
        return equation("logit", names[column], *in_units(intercept, terms, names, scaler))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offsets from the channels' observed rates."""
        rate = observed_rate.reshape(self.channels, self.pixels).mean(1)
        self.offset.copy_(score_of_rate(rate))


class ConvMissingness(Missingness):
    """A mechanism whose log-odds are convolutions of the image, so that neighbours matter.

    Args:
        shape: (C, H, W).
        hidden: the channels of the hidden layers; without any, there is a single convolution.
        kernel: the height and width of a convolution, an odd number of pixels.

    >>> import torch
    >>> from absentia.models import ConvMissingness
    >>> ConvMissingness((3, 4, 4), hidden=[8])(torch.zeros(7, 48)).batch_shape
    torch.Size([7, 48])
    """

    def __init__(self, shape: Sequence[int], hidden: Sequence[int] = (), kernel: int = 3) -> None:
        super().__init__()
        if kernel % 2 != 1 or kernel < 1:
            raise InputError(f"kernel is {kernel}; give an odd number of pixels")
        self.channels, self.pixels = _channels_and_pixels(shape)
        self.shape = checked_shape(shape)
        layers: list[nn.Module] = []
        widths = [self.channels, *hidden]
        for given, wanted in itertools.pairwise(widths):
            layers += [nn.Conv2d(given, wanted, kernel, padding=kernel // 2), nn.ReLU()]
        self.network = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], self.channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Bernoulli:
        """Return a Bernoulli of batch shape (..., n, p)."""
        logits = self.head(self.network(x.reshape(-1, *self.shape)))
        return Bernoulli(logits=logits.reshape(x.shape))

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start offsets from the channels' observed rates, and weights near zero."""
        rate = observed_rate.reshape(self.channels, self.pixels).mean(1)
        self.head.weight.mul_(0.1)
        bias: Any = self.head.bias
        bias.copy_(score_of_rate(rate))


class OutshinesOthers(Missingness):
    """logit P(s_j = 1 | x) = b - a (x_j - max of the pixel's other channels), in one channel.

    It is for pixels in [0, 1]. The other channels are never missing and have no mechanism, so the
    missing values can be integrated out. The two parameters do not depend on the channel, so they
    can be used for another channel, see :meth:`of_channel`.

    Args:
        shape: (C, H, W) with at least two channels.
        channel: the channel that goes missing.
        gain: a given value of a, which is then not learnt.
        offset: a given value of b, which is then not learnt.

    >>> import torch
    >>> from absentia.models import OutshinesOthers
    >>> mechanism = OutshinesOthers((2, 1, 1), channel=1, gain=20.0, offset=0.0)
    >>> mechanism(torch.tensor([[0.5, 0.9], [0.5, 0.1]])).mean[:, 1].round(decimals=3)
    tensor([0., 1.])
    """

    def __init__(
        self,
        shape: Sequence[int],
        channel: int,
        gain: float | None = None,
        offset: float | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.pixels = _channels_and_pixels(shape)
        if self.channels < 2 or not 0 <= channel < self.channels:
            raise InputError(
                f"channel is {channel}, and there are {self.channels} channels; give one of at "
                f"least two, which are numbered from 0"
            )
        self.channel = channel
        self.gain: Tensor
        self.offset: Tensor
        for name, value, start in (("gain", gain, _START_OF_GAIN), ("offset", offset, 0.0)):
            if value is None:
                self.register_parameter(name, nn.Parameter(torch.tensor(start)))
            else:
                self.register_buffer(name, torch.tensor(float(value)))

    def of_channel(self, channel: int) -> OutshinesOthers:
        """Return the same mechanism for another channel that goes missing."""
        shape = (self.channels, 1, self.pixels)
        gain, offset = (float(v.detach()) for v in (self.gain, self.offset))
        return OutshinesOthers(shape, channel, gain, offset).to(self.gain)

    def forward(self, x: Tensor) -> TorchDistribution:
        """Return a Bernoulli (..., n, p) that has density one in the other channels."""
        slope, offset, *_ = self.affine(x)
        here = self._channel(x).bool()
        # pixels of the other channels are always observed
        logits = torch.where(here, slope * x + offset, _ALWAYS)
        return Bernoulli(logits=logits).mask(here)

    def affine(self, x: Tensor) -> Affine:
        """Return the slope -a, with an offset for each pixel from the other channels."""
        pixels = x.unflatten(-1, (self.channels, self.pixels))
        beside = [c for c in range(self.channels) if c != self.channel]
        others = pixels[..., beside, :].amax(-2)
        here = self._channel(x)
        offset = x.new_zeros(*x.shape[:-1], self.channels, self.pixels)
        offset[..., self.channel, :] = self.offset + self.gain * others
        return Affine(-self.gain * here, offset.flatten(-2), "logit", here.bool())

    @torch.no_grad()
    def equation(self, column: int, names: Sequence[str], scaler: Standardiser | None) -> str:
        """Write the form of the mechanism with the values that were learnt."""
        gain, offset = float(self.gain), float(self.offset)
        others = "max of the pixel's other channels"
        return (
            f"logit P({names[column]} missing) = {-offset:.4g} + {gain:.4g} "
            f"({names[column]} - {others})"
        )

    @torch.no_grad()
    def initialise(self, observed_rate: Tensor) -> None:
        """Start the offset from the channel's observed rate, unless it was given."""
        if isinstance(self.offset, nn.Parameter):
            rate = observed_rate.reshape(self.channels, self.pixels)[self.channel].mean()
            self.offset.copy_(score_of_rate(rate))

    def check(self, data: IncompleteData) -> None:
        """Refuse a table in which another channel has missing values."""
        incomplete = ~data.s.all(0).reshape(self.channels, self.pixels).all(1)
        incomplete[self.channel] = False
        if bool(incomplete.any()):
            raise InputError(
                f"channel {int(incomplete.nonzero()[0])} has missing pixels, but only channel "
                f"{self.channel} may have them; use ChannelSelfMasking"
            )

    def dependence(self, num_columns: int) -> Dependence:
        """A pixel's absence depends on all channels of the pixel; other channels are ignorable.

        The other channels are never missing, so their values are always observed.
        """
        pixel = torch.arange(num_columns) % self.pixels
        hidden = self._channel(torch.zeros(())).bool()
        return Dependence((pixel[:, None] == pixel) & hidden[:, None], ~hidden, seen_only=True)

    def _channel(self, like: Tensor) -> Tensor:
        """Return (p,) indicators, which are one in the channel that goes missing."""
        found = torch.zeros(self.channels, self.pixels, dtype=like.dtype, device=like.device)
        found[self.channel] = 1
        return found.flatten()


def _channels_and_pixels(shape: Sequence[int]) -> tuple[int, int]:
    channels, height, width = checked_shape(shape)
    return channels, height * width
