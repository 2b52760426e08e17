"""Mechanisms of pictures: which pixels they read, and what a channel shares."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.integrator import Marginal
from absentia.models import ChannelSelfMasking, ConvMissingness, ImageNotMIWAE, OutshinesOthers

SHAPE = (3, 4, 5)
P = 60


def test_a_channel_shares_slope_and_offset():
    mechanism = ChannelSelfMasking(SHAPE)
    with torch.no_grad():
        mechanism.slope.copy_(torch.tensor([-1.0, 0.0, 2.0]))
        mechanism.offset.copy_(torch.tensor([0.5, 1.0, -0.5]))
    x = torch.randn(7, *SHAPE)
    expected = torch.stack([0.5 - x[:, 0], 1.0 + 0 * x[:, 1], 2 * x[:, 2] - 0.5], 1)
    torch.testing.assert_close(mechanism(x.flatten(1)).logits, expected.flatten(1))


@pytest.mark.parametrize("make", [ChannelSelfMasking, ConvMissingness])
def test_offsets_start_from_the_channels_rates(make):
    mechanism = make(SHAPE)
    rate = torch.tensor([0.3, 0.6, 0.9]).repeat_interleave(20)
    mechanism.initialise(rate)
    torch.testing.assert_close(mechanism(torch.zeros(1, P)).mean[0], rate)


@pytest.mark.parametrize(("hidden", "reach"), [([], 1), ([4], 2)])
def test_a_convolution_reads_the_pixels_around(hidden, reach):
    torch.manual_seed(0)
    mechanism = ConvMissingness((1, 9, 9), hidden=hidden)
    x = torch.randn(1, 81)
    moved = x.clone()
    moved[0, 40] += 1.0  # the middle
    there = (mechanism(moved).logits != mechanism(x).logits).reshape(9, 9)
    expected = torch.zeros(9, 9, dtype=torch.bool)
    expected[4 - reach : 5 + reach, 4 - reach : 5 + reach] = True
    assert not bool((there & ~expected).any())
    assert int(there.sum()) > (2 * reach + 1) ** 2 // 2
    with pytest.raises(ValueError, match="give an odd number"):
        ConvMissingness(SHAPE, kernel=4)


def test_outshining_by_hand_and_in_any_channel():
    mechanism = OutshinesOthers(SHAPE, 2, gain=3.0, offset=0.5)
    x = torch.rand(7, *SHAPE)
    logits = 0.5 - 3.0 * (x[:, 2] - torch.maximum(x[:, 0], x[:, 1]))
    expected = torch.nn.functional.logsigmoid(logits).flatten(1)
    found = mechanism(x.flatten(1)).log_prob(torch.ones(7, P)).reshape(7, 3, 20)
    torch.testing.assert_close(found[:, 2], expected)
    assert not bool(found[:, :2].any())
    green = mechanism.of_channel(1)
    turned = x[:, [0, 2, 1]].flatten(1)  # green and blue change places
    other = green(turned).log_prob(torch.ones(7, P)).reshape(7, 3, 20)
    torch.testing.assert_close(other[:, 1], found[:, 2])
    assert not bool(other[:, [0, 2]].any())
    mechanism = OutshinesOthers(SHAPE, 0)
    mechanism.initialise(torch.tensor([0.8, 1.0, 1.0]).repeat_interleave(20))
    torch.testing.assert_close(mechanism(torch.zeros(1, P)).base.base_dist.mean[0, 0].item(), 0.8)


def test_what_it_hides_is_integrated_out():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(12, *SHAPE, generator=generator, dtype=torch.float64)
    gone = pixels[:, 2] > torch.maximum(pixels[:, 0], pixels[:, 1])
    pixels[:, 2][gone] = torch.nan
    data = ab.IncompleteData.from_torch(pixels.flatten(1), standardise=False, dtype=torch.float64)
    mechanism = OutshinesOthers(SHAPE, 2, gain=8.0, offset=0.3)
    model = ImageNotMIWAE(data, SHAPE, mechanism, latent_dim=2, channels=[4]).double()
    run, tilted = Marginal("integrate").run(
        model.model, model.guide, data.x, data.s, num_particles=2
    )
    rows, columns = (~data.s).nonzero(as_tuple=True)
    decoder = model.decoder(run.sites["z"].value)
    nodes = torch.linspace(-10, 10, 8001, dtype=torch.float64)
    density = torch.distributions.Normal(0.0, 1.0).log_prob(nodes).exp()
    for c in range(0, len(rows), 5):
        i, j = int(rows[c]), int(columns[c])
        others = data.x[i].reshape(3, 20)[:2, j - 40].max()
        for k in range(2):
            x = decoder.loc[k, i, j] + decoder.scale.expand_as(decoder.loc)[k, i, j] * nodes
            missing = torch.sigmoid(-(0.3 - 8.0 * (x - others)))
            expected = torch.trapezoid(density * missing, nodes).log()
            torch.testing.assert_close(tilted.log_missing[k, c], expected, rtol=1e-6, atol=1e-6)


def test_another_channel_with_gaps_is_refused():
    pixels = np.random.default_rng(0).random((4, P))
    pixels[0, 3] = np.nan
    data = ab.IncompleteData.from_numpy(pixels, standardise=False)
    with pytest.raises(ValueError, match=r"channel 0 .* only channel 2"):
        ImageNotMIWAE(data, SHAPE, "outshines", channel=2, channels=[4])
    with pytest.raises(ValueError, match="channel is 3"):
        OutshinesOthers(SHAPE, 3)
    with pytest.raises(ValueError, match=r"channels.*height"):
        ChannelSelfMasking([4, 4])


def test_channels_that_never_go_missing_are_expected_to_be_seen():
    mechanism = OutshinesOthers(SHAPE, 2, gain=5.0, offset=0.0)
    chance = mechanism(torch.rand(4, P)).mean.reshape(4, 3, 20)
    assert bool((chance[:, :2] > 0.999).all())
    assert bool((mechanism(torch.rand(4, P)).sample().reshape(4, 3, 20)[:, :2] == 1).all())
    assert "max of the pixel's other channels" in mechanism.equation(45, ["p"] * P, None)


def test_a_fit_refuses_gaps_in_the_other_channels():
    pixels = np.random.default_rng(0).random((6, P))
    pixels[0, 50] = np.nan
    data = ab.IncompleteData.from_numpy(pixels, standardise=False)
    model = ImageNotMIWAE(data, SHAPE, "outshines", channel=2, channels=[4], latent_dim=1)
    pixels[1, 3] = np.nan
    other = ab.IncompleteData.from_numpy(pixels, standardise=False)
    with pytest.raises(ValueError, match=r"channel 0.*missing"):
        ab.fit(model, other, steps=2, progress=False)
