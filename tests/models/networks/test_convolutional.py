"""Convolutional decoders and encoders: pictures of any size, and pixels of 0 and 1."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.models import ConvDecoder, ConvEncoder, ImageNotMIWAE


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 28, 28), (3, 32, 32), (2, 5, 9), (3, 7, 2)])
@pytest.mark.parametrize("channels", [[4], [4, 5, 6]])
def test_any_size(shape, channels):
    p = shape[0] * shape[1] * shape[2]
    assert ConvDecoder(3, shape, channels)(torch.zeros(2, 5, 3)).batch_shape == (2, 5, p)
    encoder = ConvEncoder(shape, 3, channels)
    seen = torch.ones(5, p, dtype=torch.bool)
    assert encoder(torch.zeros(5, p), seen).batch_shape == (5, 3)


def test_pixels_stay_where_they_are():
    """The decoder's output at a pixel depends on the seed near it, not on the flat order."""
    torch.manual_seed(0)
    decoder = ConvDecoder(2, (3, 8, 8), [4])
    means = decoder(torch.randn(1, 2)).mean.reshape(3, 8, 8)
    with torch.no_grad():
        decoder.network[-1].bias[1] += 1.0
    moved = decoder(torch.zeros(1, 2)).mean.reshape(3, 8, 8)
    with torch.no_grad():
        decoder.network[-1].bias[1] -= 1.0
    still = decoder(torch.zeros(1, 2)).mean.reshape(3, 8, 8)
    torch.testing.assert_close(
        moved - still, torch.tensor([0.0, 1.0, 0.0])[:, None, None].expand(3, 8, 8)
    )
    assert means.shape == (3, 8, 8)


def test_what_is_missing_does_not_reach_the_encoder():
    torch.manual_seed(0)
    encoder = ConvEncoder((1, 6, 6), 2, [4])
    x, s = torch.randn(3, 36), torch.rand(3, 36) < 0.5
    other = torch.where(s, x, torch.randn(3, 36))
    torch.testing.assert_close(encoder(x, s).mean, encoder(other, s).mean)
    assert (encoder(x, s).mean != encoder(x, ~s).mean).any()


def test_squashed_locations_start_at_the_means_and_stay_inside():
    pixels = np.random.default_rng(0).random((50, 18)) * 0.4
    pixels[pixels > 0.3] = np.nan
    data = ab.IncompleteData.from_numpy(pixels, standardise=False)
    model = ImageNotMIWAE(data, (2, 3, 3), channels=[4], latent_dim=2, squash=True)
    bias = model.decoder.network[-1].bias.sigmoid().detach().numpy()
    np.testing.assert_allclose(bias, np.nanmean(pixels.reshape(50, 2, 9), (0, 2)), rtol=1e-5)
    location = model.decoder(100 * torch.randn(9, 2)).mean
    assert bool(((location >= 0) & (location <= 1)).all())


@pytest.mark.parametrize("scale", ["channel", "entry"])
def test_starts_at_the_channels_means(scale):
    rng = np.random.default_rng(0)
    pixels = rng.random((50, 2, 3, 3)) * np.array([0.2, 1.0])[:, None, None]
    pixels[rng.random(pixels.shape) < 0.3] = np.nan
    data = ab.IncompleteData.from_numpy(pixels.reshape(50, -1), standardise=False)
    model = ImageNotMIWAE(data, (2, 3, 3), channels=[4], latent_dim=2, scale=scale)
    bias = model.decoder.network[-1].bias[:2].detach().numpy()
    np.testing.assert_allclose(bias, np.nanmean(pixels, (0, 2, 3)), rtol=1e-5)


def test_pixels_of_zero_and_one_are_summed_out():
    rng = np.random.default_rng(0)
    pixels = (rng.random((12, 16)) < 0.4).astype(float)
    truth = pixels.copy()
    pixels[(pixels == 1) & (rng.random(pixels.shape) < 0.6)] = np.nan
    data = ab.IncompleteData.from_numpy(
        pixels, schema={f"x{j}": "binary" for j in range(16)}, dtype=torch.float64
    )
    model = ImageNotMIWAE(
        data, (1, 4, 4), "channel", latent_dim=2, channels=[4], family="bernoulli"
    ).double()
    with torch.no_grad():
        model.missingness.slope.fill_(-2.0)
        model.missingness.offset.fill_(1.0)
    from absentia.inference.integrator import Marginal

    run, tilted = Marginal("integrate").run(
        model.model, model.guide, data.x, data.s, num_particles=3
    )
    rows, columns = (~data.s).nonzero(as_tuple=True)
    p = model.decoder(run.sites["z"].value).probs[:, rows, columns]
    gone = torch.sigmoid(-torch.tensor([1.0, -1.0], dtype=torch.float64))  # at 0 and at 1
    torch.testing.assert_close(tilted.log_missing, ((1 - p) * gone[0] + p * gone[1]).log())
    torch.testing.assert_close(tilted.moments()[0], p * gone[1] / ((1 - p) * gone[0] + p * gone[1]))
    filled = ab.impute(ab.fit(model, data, steps=5, progress=False), data, particles=20)
    assert ((filled.mean >= 0) & (filled.mean <= 1)).all()
    assert truth.shape == filled.mean.shape


@pytest.mark.parametrize(
    "missingness", ["auto", "channel", "conv", "conv2", "self-masking", "nonlinear"]
)
def test_every_mechanism_is_fitted_and_saved(missingness, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.random((20, 48))
    pixels[pixels > 0.8] = np.nan
    data = ab.IncompleteData.from_numpy(pixels, standardise=False)
    model = ImageNotMIWAE(data, (3, 4, 4), missingness, latent_dim=2, channels=[4])
    fitted = ab.fit(model, data, steps=4, particles=3, progress=False)
    ab.save(fitted, tmp_path / "model")
    again = ab.impute(ab.load(tmp_path / "model"), data, 10, seed=0)
    np.testing.assert_allclose(again.mean, ab.impute(fitted, data, 10, seed=0).mean)


def test_what_does_not_fit_is_refused():
    data = ab.IncompleteData.from_numpy(np.ones((3, 12)), standardise=False)
    with pytest.raises(ValueError, match=r"have 27 values.* 12 columns"):
        ImageNotMIWAE(data, (3, 3, 3))
    with pytest.raises(ValueError, match=r"'edges'.*channel"):
        ImageNotMIWAE(data, (3, 2, 2), "edges")
    outside = ab.IncompleteData.from_numpy(np.full((3, 12), 2.0), standardise=False)
    with pytest.raises(ValueError, match=r"squash=True.*between 0"):
        ImageNotMIWAE(outside, (3, 2, 2), squash=True)
    with pytest.raises(ValueError, match="give channel="):
        ImageNotMIWAE(data, (3, 2, 2), "outshines")
    with pytest.raises(ValueError, match="channel= is only used"):
        ImageNotMIWAE(data, (3, 2, 2), "conv", channel=1)
    with pytest.raises(ValueError, match="channels is empty"):
        ConvDecoder(2, (1, 2, 2), [])
    with pytest.raises(ValueError, match=r"gaussian.*bernoulli"):
        ConvDecoder(2, (1, 2, 2), family="poisson")
    with pytest.raises(ValueError, match=r"channel.*entry"):
        ConvDecoder(2, (1, 2, 2), scale="column")
    with pytest.raises(ValueError, match=r"'limit'.*channel"):
        ImageNotMIWAE(data, (3, 2, 2), "limit")
    with pytest.raises(ValueError, match=r"activation.*'foo'"):
        ConvEncoder((1, 2, 2), 2, activation="foo")
    with pytest.raises(ValueError, match="images of shape"):
        ImageNotMIWAE(data, (3, 2, 2), ab.models.ChannelSelfMasking((3, 4, 1)))
    grey = ab.IncompleteData.from_numpy(np.random.default_rng(0).random((5, 12)))
    with pytest.raises(ValueError, match="is for pixels of 0 and 1"):
        ImageNotMIWAE(grey, (3, 2, 2), family="bernoulli")


def test_by_default_the_mask_has_a_latent_and_slopes_are_shrunk():
    rng = np.random.default_rng(0)
    pixels = rng.normal(3, 2, (50, 12))
    whole = ab.IncompleteData.from_numpy(pixels, standardise=False)
    assert ImageNotMIWAE(whole, (3, 2, 2), channels=[4]).missingness.ignorable
    pixels[rng.random((50, 12)) < 0.2] = np.nan
    data = ab.IncompleteData.from_numpy(pixels, standardise=False)
    usual = ImageNotMIWAE(data, (3, 2, 2), channels=[4]).missingness
    assert usual.mask_latent_dim == 8
    # .5 in log-odds per standard deviation of the pixels, whatever their units
    assert usual.own.shrinkage == pytest.approx(0.5 / np.nanstd(pixels), rel=1e-6)
    with torch.no_grad():
        usual.own.slope.fill_(0.3)
    prior = torch.distributions.Normal(0.0, usual.own.shrinkage)
    torch.testing.assert_close(usual.log_prior(), 3 * prior.log_prob(torch.tensor(0.3)))
    published = ImageNotMIWAE(data, (3, 2, 2), "channel", channels=[4]).missingness
    assert published.log_prior() is None
    assert published.mask_latent_dim == 0


def test_a_mechanism_that_is_given_stays_as_it_is():
    data = ab.IncompleteData.from_numpy(np.random.default_rng(0).random((5, 12)))
    mechanism = ab.models.ChannelSelfMasking((3, 2, 2))
    with torch.no_grad():
        mechanism.offset.fill_(7.0)
    model = ImageNotMIWAE(data, (3, 2, 2), mechanism, channels=[4])
    assert model.missingness.offset.tolist() == [7.0, 7.0, 7.0]
