"""A user's own parts: a decoder's distribution, a mechanism, an encoder and a prior, from outside.

Nothing of the package is changed or patched for them: each is passed in, and the distribution is
registered where its kind has to be known.
"""

import math

import numpy as np
import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Logistic, Normal, TorchDistribution
from scipy.stats import logistic
from torch import nn

import absentia as ab
from absentia.inference.integration.quadrature import HEAVY_TAILS, reach_of
from absentia.inference.randomness.shared import from_uniform
from absentia.models import Decoder, Encoder, Missingness, Prior


class LogisticDecoder(Decoder):
    """Columns of heavier tails than a Normal's, which absentia does not know."""

    def __init__(self, latent_dim, num_columns):
        super().__init__()
        self.latent_dim, self.num_columns = latent_dim, num_columns
        self.mean = nn.Linear(latent_dim, num_columns)
        self.log_scale = nn.Parameter(torch.zeros(num_columns))

    def forward(self, z):
        loc = self.mean(z)
        return OwnLogistic(loc, self.log_scale.exp().expand_as(loc))


class OwnLogistic(Logistic):
    """A class of its own, so that what is registered here is nobody else's."""

    arg_constraints = {"loc": torch.distributions.constraints.real}  # noqa: RUF012
    arg_constraints |= {"scale": torch.distributions.constraints.positive}

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = loc, scale
        super().__init__(loc, scale, validate_args=validate_args)


class HidesExtremes(Missingness):
    """Values far from the middle go missing."""

    elementwise = True

    def __init__(self, num_columns):
        super().__init__()
        self.offset = nn.Parameter(torch.ones(num_columns))
        self.curve = nn.Parameter(torch.full((num_columns,), 0.5))

    def forward(self, x):
        return Bernoulli(logits=self.offset - self.curve * x**2)


class MeanEncoder(Encoder):
    """Reads the mean of what is observed of a row, and how much that is."""

    def __init__(self, num_columns, latent_dim):
        super().__init__()
        self.heads = nn.Linear(2, 2 * latent_dim)

    def forward(self, x, s):
        seen = s.to(x.dtype)
        inputs = torch.stack([(x * seen).mean(-1), seen.mean(-1)], -1)
        loc, raw = self.heads(inputs).chunk(2, -1)
        return Normal(loc, 0.1 + nn.functional.softplus(raw))


class WidePrior(Prior):
    """Latents of a standard deviation that is learnt."""

    def __init__(self, latent_dim):
        super().__init__()
        self.latent_dim = latent_dim
        self.log_scale = nn.Parameter(torch.full((latent_dim,), 0.3))

    def forward(self):
        return Normal(torch.zeros_like(self.log_scale), self.log_scale.exp())


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def registered():
    """The distribution's reach, as a user would register it at import."""
    reach_of.register(OwnLogistic, lambda decoder: HEAVY_TAILS)


def table(rows=60):
    rng = np.random.default_rng(0)
    x = rng.logistic(size=(rows, 2)) + rng.normal(size=(rows, 1))
    x[rng.random(x.shape) < 1 / (1 + np.exp(1.5 - 0.3 * x**2))] = np.nan
    return ab.IncompleteData.from_numpy(x, dtype=torch.float64)


def all_of_them(data):
    parts = LogisticDecoder(1, 2), MeanEncoder(2, 1), HidesExtremes(2), WidePrior(1)
    decoder, encoder, mechanism, prior = (part.double() for part in parts)
    return ab.NotMIWAE(data, mechanism, decoder=decoder, encoder=encoder, prior=prior)


def test_they_are_fitted_imputed_with_and_integrated_out(registered):
    data = table()
    model = all_of_them(data)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    fitted = ab.fit(model, data, steps=5, learning_rate=1e-2, progress=False, check=False)
    moved = {
        name for name, value in model.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved == set(before)  # every part of one's own is learnt
    found = ab.impute(fitted, data, particles=20, check=False)
    assert np.isfinite(found.mean).all()
    assert (found.sd[~data.s.numpy()] > 0).all()


def test_the_integral_of_a_registered_distribution_is_right(registered):
    """log w against one-dimensional quadrature over a missing value, by scipy's density."""
    data = table(8)
    model = all_of_them(data)
    pyro.set_rng_seed(1)
    run = ab.ImportanceWeightedELBO(3, unobserved="integrate").weighted(
        model.model, model.guide, data.x, data.s
    )
    z = run.sites["z"].value  # (K, n, 1)
    guide, decoder, mechanism = model.encoder(data.x, data.s), model.decoder, model.missingness
    nodes = np.linspace(-400, 400, 800_001)
    for k in range(3):
        for i in range(len(data)):
            with torch.no_grad():
                expected = model.prior().log_prob(z[k, i]).sum() - guide.log_prob(z[k])[i].sum()
                loc = decoder(z[k]).loc[i].numpy()
                scale = decoder.log_scale.exp().numpy()
                b, c = mechanism.offset.numpy(), mechanism.curve.numpy()
            for j in range(2):
                x = float(data.x[i, j])
                if data.s[i, j]:
                    seen = 1 / (1 + math.exp(-(b[j] - c[j] * x**2)))
                    expected = expected + logistic.logpdf(x, loc[j], scale[j]) + math.log(seen)
                    continue
                gone = 1 / (1 + np.exp(np.clip(b[j] - c[j] * nodes**2, -700, 700)))
                density = logistic.pdf(nodes, loc[j], scale[j])
                expected = expected + math.log(np.trapezoid(density * gone, nodes))
            assert run.log_weight[k, i].item() == pytest.approx(float(expected), abs=1e-6)


def test_a_distribution_that_is_not_registered_is_refused_in_words():
    class Unknown(OwnLogistic):
        pass

    class Another(LogisticDecoder):
        def forward(self, z):
            loc = self.mean(z)
            return Unknown(loc, self.log_scale.exp().expand_as(loc))

    assert reach_of.dispatch(OwnLogistic) is not reach_of.dispatch(object)  # by the tests above
    data = table(8)
    model = ab.NotMIWAE(data, HidesExtremes(2).double(), decoder=Another(1, 2).double())
    reach_of.register(Unknown, lambda decoder: None)
    with pytest.raises(ab.AbsentiaError, match=r"no rule.*Unknown"):
        ab.ImportanceWeightedELBO(3, unobserved="integrate").weighted(
            model.model, model.guide, data.x, data.s
        )


def test_a_prior_of_another_size_is_refused():
    data = table(8)
    with pytest.raises(ValueError, match=r"prior.*decoder"):
        ab.NotMIWAE(data, "self-masking", latent_dim=2, prior=WidePrior(1))
    with pytest.raises(ValueError, match=r"margins.*prior"):
        ab.NotMIWAE(
            data, "self-masking", latent_dim=1, prior=WidePrior(1), margins={"x0": (0.0, 1.0)}
        )


class Skewed(TorchDistribution):
    """-log E for E ~ Exp(1) (Gumbel's distribution), of which no inverse is given."""

    arg_constraints = {"loc": torch.distributions.constraints.real}  # noqa: RUF012
    support = torch.distributions.constraints.real

    def __init__(self, loc, validate_args=None):
        self.loc = loc
        super().__init__(loc.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return type(self)(self.loc.expand(batch_shape))

    def sample(self, sample_shape=()):
        return self.loc - torch.empty(self._extended_shape(sample_shape)).exponential_().log()

    def log_prob(self, value):
        gap = value - self.loc
        return -gap - (-gap).exp()


class SkewedDecoder(LogisticDecoder):
    def forward(self, z):
        return Skewed(self.mean(z))


def imputed_alone_and_together():
    data = table(8)
    decoder = SkewedDecoder(1, 2).double()
    model = ab.NotMIWAE(data, HidesExtremes(2).double(), decoder=decoder)
    options = {"particles": 4000, "unobserved": "sample", "refine": False, "check": False}
    options |= {"unfitted": True, "draws": 0, "independent_rows": True}
    alone = [ab.impute(model, data.rows([i]), **options).mean[0] for i in range(len(data))]
    free = ab.impute(model, data, **{**options, "particles": 40_000, "independent_rows": False})
    return np.stack(alone), ab.impute(model, data, **options).mean, free


def test_a_distribution_without_an_inverse_is_refused_in_words():
    with pytest.raises(ab.AbsentiaError, match=r"Skewed.*from_uniform"):
        imputed_alone_and_together()


def test_rows_share_the_random_numbers_of_a_registered_distribution():
    inverse = from_uniform.dispatch(Skewed)
    assert inverse is from_uniform.dispatch(object)
    try:
        from_uniform.register(Skewed, lambda fn, uniform: fn.loc - (-uniform.log()).log())
        alone, together, free = imputed_alone_and_together()
    finally:
        from_uniform.register(Skewed, inverse)
    np.testing.assert_allclose(alone, together, rtol=1e-9)
    error = np.hypot(free.mcse, free.mcse * 10**0.5)  # of 40,000 particles and of 4,000
    assert (np.abs(together - free.mean) <= 4 * error + 1e-12).all()
