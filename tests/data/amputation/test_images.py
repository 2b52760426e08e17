"""Amputation of pictures: pixel by pixel against loops."""

import numpy as np
import pytest
from scipy.special import expit

from absentia.data.amputation.images import brightest_channel, circular_mask, clipped

SHAPE = (3, 7, 9)
X = np.random.default_rng(0).random((40, 189))


def test_brightest_channel_by_a_loop():
    found = brightest_channel(X, SHAPE, channel=1).mask.reshape(40, *SHAPE)
    pixels = X.reshape(40, *SHAPE)
    for i in range(40):
        for r in range(7):
            for c in range(9):
                red, green, blue = pixels[i, :, r, c]
                assert found[i, 1, r, c] == (not (green > red and green > blue))
    assert found[:, [0, 2]].all()


def test_a_disc_of_the_right_size_that_moves():
    found = circular_mask(X, SHAPE, radius=2.5, seed=1).mask.reshape(40, *SHAPE)
    assert (found == found[:, :1]).all()  # all channels alike
    gone = ~found[:, 0]
    assert 14 <= gone.sum((1, 2)).min() <= gone.sum((1, 2)).max() <= 24  # pi 2.5^2 = 19.6
    for one in gone:
        rows, columns = np.nonzero(one)
        apart = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
        assert apart.max() <= 5.0
    assert len({one.tobytes() for one in gone}) > 20
    np.testing.assert_array_equal(
        found, circular_mask(X, SHAPE, 2.5, seed=1).mask.reshape(found.shape)
    )


def test_clipping():
    found = clipped(np.full((400, 50), 0.78), seed=0)
    rate = expit(-50 * 0.03)
    np.testing.assert_allclose(found.probability, rate)
    assert abs(found.mask.mean() - rate) < 4 * (rate * (1 - rate) / 20_000) ** 0.5
    hard = clipped(X, 0.6, None)
    np.testing.assert_array_equal(hard.mask, X <= 0.6)


def test_what_is_refused():
    with pytest.raises(ValueError, match="3 x 7 x 8 have 168"):
        brightest_channel(X, (3, 7, 8))
    with pytest.raises(ValueError, match="no channel 3"):
        brightest_channel(X, SHAPE, 3)
    with pytest.raises(ValueError, match=r"radius 4.*into 7"):
        circular_mask(X, SHAPE, 4)
    with pytest.raises(ValueError, match="slope is -1"):
        clipped(X, slope=-1)
