"""The posterior of the parameters, where it is known."""

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.inference.uncertainty.parameters import ParameterPosterior, weighted_draws
from absentia.models import LinearGaussianDecoder


def complete(n=400, seed=0):
    rng = np.random.default_rng(seed)
    covariance = [[1.0, 0.6, 0.3], [0.6, 1.0, 0.5], [0.3, 0.5, 1.0]]
    table = rng.multivariate_normal([0.0, 1.0, 2.0], covariance, size=n)
    return table, ab.IncompleteData.from_numpy(table, standardise=False)


@pytest.fixture(scope="module")
def posterior():
    table, data = complete()
    model = ab.PPCA(data, latent_dim=2, scale="column")
    fitted = ab.fit(model, data, progress=False)
    return table, ParameterPosterior(fitted, data)


@pytest.mark.slow
def test_of_a_complete_table_it_is_the_textbooks(posterior):
    """Means N(x-bar, S / n), covariances with variance (S_ij^2 + S_ii S_jj) / n."""
    table, found = posterior
    n, draws = len(table), found.draws(800, seed=1)
    assert draws.khat < 0.7
    weight = np.exp(draws.log_weight)
    assert weight.sum() == pytest.approx(1.0)
    decoder, said = found.target.model.decoder, []
    for vector in draws.vectors:
        found.target.put(vector)
        with torch.no_grad():
            w = decoder.mean.weight
            sigma = w @ w.T + decoder.scale(w[:1]).expand(3).square().diag()
            said.append(torch.cat([decoder.mean.bias, sigma[0, :2]]).numpy())
    said = np.stack(said)
    mean = weight @ said
    sd = np.sqrt(weight @ (said - mean) ** 2)
    s = np.cov(table.T, bias=True)
    error = 1 / np.sum(weight**2) ** -0.5  # Monte-Carlo, in sd of what is drawn
    assert np.abs((mean[:3] - table.mean(0)) / sd[:3]).max() < 5 * error + 0.05
    of_sigma = [2 * s[0, 0] ** 2, s[0, 1] ** 2 + s[0, 0] * s[1, 1]]
    want = np.sqrt(np.array([*np.diag(s), *of_sigma]) / n)
    # an sd by so many weighted draws is known to error / sqrt(2); the posterior is skewed a little
    assert np.abs(sd / want - 1).max() < 5 * error / 2**0.5 + 0.05


def test_what_does_not_change_the_distribution_is_held(posterior):
    """Two factors for three columns: 9 loadings and scales, 6 covariances, 3 directions idle."""
    _, found = posterior
    found.target.put(found.maximum.at)
    held = found.target.redundant()
    assert held.shape == (12, 12 - 3 - 6)
    decoder = found.target.model.decoder

    def covariance(vector):
        found.target.put(vector)
        with torch.no_grad():
            w = decoder.mean.weight
            return w @ w.T + decoder.scale(w[:1]).expand(3).square().diag()

    at, step = found.maximum.at, 1e-5
    before = covariance(at)
    for direction in held.T:
        moved = (covariance(at + step * direction) - before).abs().max() / step
        assert float(moved) < 0.05
    spread = found.draws(50).vectors - at
    assert np.abs(spread @ held).max() < 1e-8


def test_turns_alone_are_idle_where_the_table_is_wide():
    data = ab.IncompleteData.from_numpy(np.random.default_rng(0).normal(size=(50, 8)))
    fitted = ab.fit(ab.PPCA(data, latent_dim=2), data, progress=False)
    found = ParameterPosterior(fitted, data, polish=0)
    assert found.target.redundant().shape == (8 * 3 + 1, 1)


def test_weights_correct_a_proposal_that_is_too_wide():
    """N(0, 2^2) for N(0, 1): the weighted variance is 1, k-hat fine; too narrow, it is not."""
    rng = np.random.default_rng(3)
    draws = rng.normal(0.0, 2.0, size=(4000, 1))
    found = weighted_draws(draws, (-0.5 * draws**2 + 0.125 * draws**2)[:, 0])
    weight = np.exp(found.log_weight)
    ess = 1 / np.sum(weight**2)
    assert found.khat < 0.5
    assert weight @ draws[:, 0] ** 2 == pytest.approx(1.0, abs=5 * (2 / ess) ** 0.5)
    chosen = found.resampled(1000, seed=0)
    assert chosen.var() == pytest.approx(1.0, abs=5 * (2 / 600) ** 0.5)
    narrow = rng.normal(0.0, 0.3, size=(4000, 1))
    poor = weighted_draws(narrow, (-0.5 * narrow**2 + 0.5 * narrow**2 / 0.09)[:, 0])
    assert poor.khat > 0.7
    assert np.array_equal(poor.resampled(5, seed=0), narrow[:5])


def test_too_many_parameters_are_refused():
    data = ab.IncompleteData.from_numpy(np.random.default_rng(0).normal(size=(30, 4)))
    with pytest.raises(ValueError, match="more than 600"):
        ParameterPosterior(ab.MIWAE(data, latent_dim=2), data)


def test_the_decoder_starts_from_what_can_be_seen():
    """PPCA's closed form of the available covariances: what is left is isotropic noise."""
    rng = np.random.default_rng(4)
    table = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 5)) + 0.4 * rng.normal(size=(300, 5))
    table[rng.random(table.shape) < 0.1] = np.nan
    data = ab.IncompleteData.from_numpy(table)
    decoder = ab.PPCA(data, latent_dim=2, seed=1).decoder
    assert isinstance(decoder, LinearGaussianDecoder)
    with torch.no_grad():
        w = decoder.mean.weight
        implied = w @ w.T + torch.eye(5) * decoder.scale(w[:1]).square()
    pairwise = pd.DataFrame(table).corr().to_numpy()
    assert np.abs(implied.numpy() - pairwise).max() < 0.1
    other = ab.PPCA(data, latent_dim=2, seed=2).decoder.mean.weight
    assert not torch.allclose(w, other)  # turned by another seed
    assert torch.allclose(w @ w.T, (other @ other.T).detach(), atol=1e-5)
