"""What a model expects of the mask: the mechanism where all is seen, an average where not."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm

import absentia as ab
from absentia.inference.imputing.mask import mask_probability

SLOPE, OFFSET = -2.0, 0.3


def known(rows):
    """x1 | x0 ~ Normal(.8 x0, .6^2), of which x1 is hidden by a known mechanism."""
    data = ab.IncompleteData.from_numpy(rows, standardise=False, dtype=torch.float64)
    model = ab.NotMIWAE(
        data,
        ab.models.SelfMasking(2, slope=[0.0, SLOPE], offset=[30.0, OFFSET]),
        decoder=ab.models.LinearGaussianDecoder(1, 2, scale="column", floor=0.0),
        encoder=ab.models.ExactConditionalEncoder(2, 1),
        latent_dim=1,
    ).double()
    with torch.no_grad():
        model.decoder.mean.weight.copy_(torch.tensor([[1.0], [0.8]]))
        model.decoder.scale.raw.copy_(torch.tensor(np.log(np.expm1([0.05, 0.6]))))
    return model, data


def test_against_quadrature():
    rows = np.array([[0.5, np.nan], [-1.0, np.nan], [0.5, -0.7], [1.0, 0.9]])
    model, data = known(rows)
    found = mask_probability(model, data, 20_000)
    np.testing.assert_allclose(found[2:, 1], expit(-(SLOPE * rows[2:, 1] + OFFSET)), rtol=1e-6)
    grid = np.linspace(-10, 10, 20_001)
    gone = expit(-(SLOPE * grid + OFFSET))
    for i in range(2):
        sd = np.hypot(0.6, 0.8 * 0.05 / 1.0025**0.5)
        density = norm.pdf(grid, 0.8 * rows[i, 0] / 1.0025, sd) * gone
        expected = np.trapezoid(density * gone, grid) / np.trapezoid(density, grid)
        assert abs(found[i, 1] - expected) < 4 * 0.5 / 15_000**0.5
    np.testing.assert_allclose(found[:, 0], 0.0, atol=1e-10)


def test_gnr_averages_over_its_trunk():
    rows = np.random.default_rng(0).normal(size=(12, 3))
    rows[rows > 0.5] = np.nan
    data = ab.IncompleteData.from_numpy(rows, dtype=torch.float64)
    model = ab.models.GNR(data, alpha=2.0, latent_dim=2, hidden=[6]).double()
    found = mask_probability(model, data, 8_000, seed=1)
    torch.manual_seed(5)
    with torch.no_grad(), ab.inference.integrate_out():
        run = ab.inference.weights(model.model, model.guide, data.x, data.s, num_particles=8_000)
        weight = torch.softmax(run.log_weight, 0).unsqueeze(-1)
        u = model.trunk(run.sites["z"].value)
        chance = 1 - model.missingness.linear(u).sigmoid()  # not to the power alpha
        expected = (weight * chance).sum(0)
        spread = (weight.square() * (chance - expected).square()).sum(0).sqrt()
    np.testing.assert_array_less(np.abs(found - expected.numpy()), 6 * spread.numpy() + 1e-9)


def test_an_ignorable_mask_is_not_expected():
    _, data = known(np.array([[0.5, np.nan], [1.0, 2.0]]))
    with pytest.raises(ValueError, match=r"mechanism.*mask"):
        mask_probability(ab.PPCA(data, latent_dim=1), data)
