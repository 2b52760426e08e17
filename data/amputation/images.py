"""Amputation of pictures: a disc, a channel where it exceeds the others, or bright pixels.

Pictures are rows (n, p) with p = C * H * W, as
:func:`absentia.data.datasets.images.load_images` gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..datasets.images import Shape, checked_shape
from ..errors import InputError
from .result import Amputation, certain, complete_values, sampled


def circular_mask(x: ArrayLike, shape: Sequence[int], radius: float, seed: int = 0) -> Amputation:
    """Hide a disc whose centre is sampled for each picture, in all channels alike.

    The mask does not depend on the values, so the pixels are missing completely at random.

    >>> circular_mask(np.zeros((5, 64)), (1, 8, 8), radius=2.0).mask.shape
    (5, 64)

    Args:
        x: (n, p) complete pictures.
        shape: (C, H, W).
        radius: the radius of the disc in pixels; the disc lies inside the picture.
        seed: the seed of the sampled centres.

    Raises:
        ValueError: ``x`` is not complete or not of this shape, or the disc does not fit into it.
    """
    x, (channels, height, width) = _pictures(x, shape)
    if not 0 < 2 * radius <= min(height, width) - 1:
        raise InputError(
            f"radius {radius} does not fit into {height} x {width} pixels; give a positive "
            f"radius of at most {(min(height, width) - 1) / 2:g}."
        )
    rng = np.random.default_rng(seed)
    up = rng.uniform(radius, height - 1 - radius, size=(len(x), 1, 1))
    across = rng.uniform(radius, width - 1 - radius, size=(len(x), 1, 1))
    rows, columns = np.mgrid[:height, :width]
    outside = (rows - up) ** 2 + (columns - across) ** 2 > radius**2
    return certain(np.repeat(outside[:, None], channels, 1).reshape(len(x), -1))


def brightest_channel(x: ArrayLike, shape: Sequence[int], channel: int = 2) -> Amputation:
    """Hide a pixel of one channel where it exceeds the pixel's other channels.

    (Bire, Bouet & Caillaud: blue, where blue exceeds red and green.)

    Args:
        x: (n, p) complete pictures.
        shape: (C, H, W) with two channels or more.
        channel: 0 red, 1 green, 2 blue.

    Raises:
        ValueError: ``x`` is not complete or not of this shape, or there is no such channel.
    """
    x, (channels, height, width) = _pictures(x, shape)
    if channels < 2 or not 0 <= channel < channels:
        raise InputError(
            f"there is no channel {channel} among {channels} channels, or no other one to compare "
            "it to; give pictures of two or more channels, and a channel counted from 0."
        )
    pixels = x.reshape(len(x), channels, height, width)
    seen = np.ones(pixels.shape)
    others = np.delete(pixels, channel, axis=1).max(1)
    seen[:, channel] = pixels[:, channel] <= others
    return certain(seen.reshape(len(x), -1))


def clipped(
    x: ArrayLike, threshold: float = 0.75, slope: float | None = 50.0, seed: int = 0
) -> Amputation:
    """Hide bright pixels: P(s = 1 | x) = sigmoid(-slope (x - threshold)).

    (Ipsen, Mattei & Frellsen, ICLR 2021, section 4.3: slope 50, threshold .75.)

    Args:
        x: (n, p) complete values.
        threshold: the value beyond which a value is more likely missing than observed.
        slope: the steepness of the threshold; None for a hard one.
        seed: the seed of the sampled mask.

    Raises:
        ValueError: ``x`` is not complete, or the slope is not positive.
    """
    x = complete_values(x)
    if slope is None:
        return certain((x <= threshold).astype(float))
    if not slope > 0:
        raise InputError(f"slope is {slope}; give a positive number, or None for a hard threshold.")
    return sampled(expit(-slope * (x - threshold)), seed)


def _pictures(x: ArrayLike, shape: Sequence[int]) -> tuple[np.ndarray, Shape]:
    values = complete_values(x)
    channels, height, width = checked_shape(shape)
    if values.shape[1] != channels * height * width:
        raise InputError(
            f"x has {values.shape[1]} columns, but pictures of shape {channels} x {height} x "
            f"{width} "
            f"have {channels * height * width}; give the shape of the pictures."
        )
    return values, (channels, height, width)
