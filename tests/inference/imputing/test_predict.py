"""p(y | x_o, s) against the Bayes answer, by quadrature of a linear-Gaussian model."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm

import absentia as ab

# x1 | x0 ~ Normal(.8 x0, .6^2), x0 ~ Normal(0, 1); y | x ~ Normal(x0 - 2 x1, .5^2)
SLOPE, OFFSET = -3.0, 0.5  # P(x1 seen) = sigmoid(SLOPE x1 + OFFSET)


def model_of(kind):
    """The generating model in the place of a fitted one: PPCA with one latent is x0 itself."""
    data = ab.IncompleteData.from_numpy(ROWS, columns=["x0", "x1"], standardise=False)
    labels = np.zeros(len(ROWS)) if kind == "continuous" else np.arange(len(ROWS)) % 2 == 0
    mechanism = ab.models.SelfMasking(2, slope=[0.0, SLOPE], offset=[30.0, OFFSET])
    model = ab.models.SupervisedNotMIWAE(
        data.with_target(labels),
        mechanism,
        latent_dim=1,
        predictor=[],
        decoder=ab.models.LinearGaussianDecoder(1, 2, scale="column", floor=0.0),
        encoder=ab.models.ExactConditionalEncoder(2, 1),
    ).double()
    with torch.no_grad():
        raw = lambda sd: np.log(np.expm1(sd))  # noqa: E731 (softplus back)
        model.decoder.mean.weight.copy_(torch.tensor([[1.0], [0.8]]))
        model.decoder.mean.bias.zero_()
        model.decoder.scale.raw.copy_(torch.tensor([raw(0.05), raw(0.6)]))
        model.predictor.head.weight.copy_(torch.tensor([[1.0, -2.0]]))
        model.predictor.head.bias.zero_()
        if kind == "continuous":
            model.predictor.raw_scale.fill_(raw(0.49))
            model.predictor.center, model.predictor.unit = 0.0, 1.0
    return model, data.to(dtype=torch.float64)


ROWS = np.array([[0.0, np.nan], [1.0, np.nan], [-1.5, np.nan], [0.7, 0.2]])


def bayes(x0, f):
    """E[f(x1) | x0, x1 missing], by quadrature over x1 and over what x0's noise leaves open."""
    grid = np.linspace(-12, 12, 40001)
    # x0 = z + .05 e: z | x0 is Normal(x0 / 1.0025, .05^2 / 1.0025)
    sd = np.hypot(0.6, 0.8 * 0.05 / 1.0025**0.5)
    density = norm.pdf(grid, 0.8 * x0 / 1.0025, sd) * (1 - expit(SLOPE * grid + OFFSET))
    return np.trapezoid(density * f(grid), grid) / np.trapezoid(density, grid)


def test_a_continuous_target():
    model, data = model_of("continuous")
    found = ab.inference.predict(model, data, 40_000, seed=0)
    for i, x0 in enumerate([0.0, 1.0, -1.5]):
        mean = bayes(x0, lambda x1, x0=x0: x0 - 2 * x1)
        square = bayes(x0, lambda x1, x0=x0: (x0 - 2 * x1) ** 2) + 0.5**2
        sd = (square - mean**2) ** 0.5
        error = sd / found.ess[i] ** 0.5
        assert abs(found.mean[i] - mean) < 4 * error
        assert abs(found.sd[i] - sd) < 4 * error
    np.testing.assert_allclose([found.mean[3], found.sd[3]], [0.3, 0.5], rtol=1e-5)
    np.testing.assert_array_equal(found.best, found.mean)


def test_two_levels():
    model, data = model_of("binary")
    found = ab.inference.predict(model, data, 40_000, seed=0)
    for i, x0 in enumerate([0.0, 1.0, -1.5]):
        chance = bayes(x0, lambda x1, x0=x0: expit(x0 - 2 * x1))
        error = 0.5 / found.ess[i] ** 0.5  # of something between 0 and 1
        assert abs(found.mean[i] - chance) < 4 * error
        assert found.probabilities.loc[i, True] == pytest.approx(found.mean[i])
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0)
    assert found.probabilities.loc[3, True] == pytest.approx(expit(0.3), rel=1e-5)


def test_ignoring_the_mask_would_not_do():
    model, data = model_of("continuous")
    found = ab.inference.predict(model, data, 20_000, seed=0).mean[0]
    at_random = 0.0 - 2 * 0.8 * 0.0
    assert abs(found - at_random) > 0.5


def test_more_levels():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 2))
    y = pd.cut(rows.sum(1), 3, labels=["low", "mid", "high"])
    rows[rng.random(40) < 0.5, 1] = np.nan
    data = ab.IncompleteData.from_numpy(rows).with_target(y)
    model = ab.models.SupervisedNotMIWAE(data, latent_dim=1, hidden=[8])
    found = ab.inference.predict(model, data, 4000, seed=0, unfitted=True)
    assert list(found.probabilities) == ["low", "mid", "high"]
    assert set(found.best) <= {"low", "mid", "high"}
    assert np.isnan(found.mean).all()
    again = ab.inference.predict(model, data, 4000, seed=0, unfitted=True)
    np.testing.assert_array_equal(found.probabilities, again.probabilities)
    other = ab.inference.predict(model, data, 4000, seed=1, unfitted=True)
    error = 0.5 / np.sqrt(np.minimum(found.ess, other.ess))[:, None]
    assert (np.abs(found.probabilities - other.probabilities) < 5 * error).all(axis=None)
