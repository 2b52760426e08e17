"""A mixture as the prior of the latents: its exact guide, and models that are built with it."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import absentia as ab
from absentia.data.errors import InputError, KindError
from absentia.inference.imputing.mode import has_one_mode
from absentia.inference.uncertainty.sources import is_small
from absentia.models import (
    DirectDecoder,
    ExactConditionalEncoder,
    ExactMixtureEncoder,
    GaussianDecoder,
    LinearGaussianDecoder,
    MixturePrior,
    StandardNormalPrior,
)

P, C = 3, 2


def made(latent_dim=P, components=C):
    torch.manual_seed(3)
    prior = MixturePrior(latent_dim, components)
    torch.nn.init.normal_(prior.factor, std=0.4)
    torch.nn.init.normal_(prior.logit)
    direct = latent_dim == P
    decoder = DirectDecoder(P) if direct else LinearGaussianDecoder(latent_dim, P, "column")
    decoder.scale.start_at(0.4)
    encoder = ExactMixtureEncoder(P, latent_dim)
    encoder.attach(decoder.double())
    encoder.attach_prior(prior.double())
    return prior, decoder, encoder


@pytest.mark.parametrize("latent_dim", [P, 2])
@torch.no_grad()
def test_the_guide_is_exact_in_every_pattern(latent_dim):
    prior, decoder, encoder = made(latent_dim)
    patterns = list(itertools.product([True, False], repeat=P))
    s = torch.tensor(patterns)
    x = torch.where(s, torch.randn(len(s), P, dtype=torch.float64), 0.0)
    found = encoder(x, s)
    tril = prior.precision_tril()
    covariance = (tril @ tril.mT).inverse().numpy()
    weight, bias = decoder.mean.weight.numpy(), decoder.mean.bias.numpy()
    noise = np.diag(decoder.scale(x).square().expand(P).numpy())
    share = prior.logit.softmax(0).numpy()
    for i, seen in enumerate(s.numpy()):
        of, odds = weight[seen], []
        for c in range(C):
            mean = prior.mean[c].numpy()
            spread = of @ covariance[c] @ of.T + noise[seen][:, seen]
            left = x[i].numpy()[seen] - bias[seen] - of @ mean
            if seen.any():
                odds.append(share[c] * stats.multivariate_normal.pdf(left, cov=spread))
                gain = covariance[c] @ of.T @ np.linalg.inv(spread)
            else:
                odds.append(share[c])
                gain = np.zeros((latent_dim, 0))
            np.testing.assert_allclose(found.loc[i, :, c], mean + gain @ left, rtol=1e-8)
            factor = found.precision_tril[i, :, c]
            precision = factor @ factor.mT
            exact = covariance[c] - gain @ of @ covariance[c]
            np.testing.assert_allclose(precision.inverse(), exact, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(found.log_share[i].exp(), odds / np.sum(odds), rtol=1e-8)


@torch.no_grad()
def test_one_component_has_the_guide_of_probabilistic_pca():
    prior, decoder, encoder = made(2, components=1)
    prior.mean.zero_()
    prior.factor.zero_()
    plain = ExactConditionalEncoder(P, 2)
    plain.attach(decoder)
    s = torch.rand(9, P) < 0.6
    x = torch.where(s, torch.randn(9, P, dtype=torch.float64), 0.0)
    z = torch.randn(9, 2, dtype=torch.float64)
    torch.testing.assert_close(encoder(x, s).log_prob(z).sum(-1), plain(x, s).log_prob(z).sum(-1))
    torch.testing.assert_close(encoder(x, s).mean, plain(x, s).mean)


@torch.no_grad()
def test_a_start_from_covariances_of_pairs_that_fit_no_table():
    prior = MixturePrior(2, 4).double()
    prior.start_from(torch.tensor([[1.0, 1.4], [1.4, 1.0]]))
    tril = prior.precision_tril()
    variance = torch.linalg.eigvalsh((tril @ tril.mT).inverse())
    torch.testing.assert_close(variance[0], torch.tensor([0.02, 1.2], dtype=torch.float64))
    assert bool(prior().log_prob(torch.zeros(3, 2, dtype=torch.float64)).isfinite().all())


def test_the_parts_say_what_they_need():
    encoder = ExactMixtureEncoder(P, P)
    with pytest.raises(KindError, match="LinearGaussianDecoder, not GaussianDecoder"):
        encoder.attach(GaussianDecoder(P, P))
    with pytest.raises(KindError, match="MixturePrior"):
        encoder.attach_prior(StandardNormalPrior(P))


def ring(rows, seed=0):
    """Return points around a circle, whose coordinates are uncorrelated, and a mask at random."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, rows)
    x = np.column_stack([np.cos(angle), np.sin(angle), np.cos(2 * angle)])
    x = 2 * x + 0.1 * rng.normal(size=x.shape)
    gaps = x.copy()
    gaps[rng.random(rows) < 0.3, 2] = np.nan
    return x, gaps


def test_a_fit_by_gradients_finds_what_no_line_can(tmp_path):
    x, gaps = ring(120)
    data = ab.IncompleteData.from_numpy(gaps)
    model = ab.NotMIWAE(data, "ignorable", decoder="mixture")
    fit = ab.fit(model, data, steps=120, learning_rate=0.05, particles=5, progress=False)
    filled = ab.impute(fit, data, particles=50, draws=5)
    missing = np.isnan(gaps)
    error = np.sqrt(np.mean((filled.mean[missing] - x[missing]) ** 2))
    assert error < 0.6 * x[:, 2].std()
    assert not has_one_mode(fit.model.model)
    assert not is_small(fit.model)
    fit.save(tmp_path / "fit")
    again = ab.impute(ab.load(tmp_path / "fit"), data, particles=50, draws=5)
    np.testing.assert_array_equal(again.mean, filled.mean)


def test_columns_of_levels_are_refused():
    frame = {"a": [1.0, 2.0, None, 4.0], "b": ["x", "y", "x", None]}
    data = ab.IncompleteData.from_frame(pd.DataFrame(frame))
    with pytest.raises(InputError, match="'b' is"):
        ab.NotMIWAE(data, "self-masking", decoder="mixture")
