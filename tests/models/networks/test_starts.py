"""Starting values: the most likely moments of columns whose values are missing at random."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

import absentia as ab
from absentia.models.networks import starts
from absentia.models.networks.starts import moments_at_random


def table(n=300, p=5):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, p)) + 0.4 * rng.normal(size=(n, p))
    x[rng.random(x.shape) < 0.3] = np.nan
    return ab.IncompleteData.from_numpy(x[~np.isnan(x).all(1)])


def likelihood(data, mean, covariance):
    """The log-likelihood per row of the observed values, row by row."""
    x, s = data.x.double().numpy(), data.s.numpy()
    terms = [
        multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(row[seen])
        for row, seen in zip(x, s, strict=True)
    ]
    return np.mean(terms)


def test_they_maximise_the_likelihood_of_the_observed_values(monkeypatch):
    data = table()
    found = moments_at_random(data, 2, 1e-4, iterations=300, tolerance=1e-7)
    best = likelihood(data, found.mean.numpy(), found.covariance.numpy())
    fitted = ab.fit(ab.PPCA(data, latent_dim=2), data, steps=1, optimiser="l-bfgs", progress=False)
    decoder = fitted.model.decoder
    with torch.no_grad():
        decoder.start_from(found.covariance, found.mean, 1e-4)
        assert torch.allclose(decoder.covariance().double(), found.covariance, atol=1e-5)
        # no small change of weights, means or noise is more likely
        torch.manual_seed(0)
        for _ in range(20):
            for parameter in decoder.parameters():
                parameter += 0.03 * torch.randn_like(parameter)
            other = decoder.covariance().double().numpy()
            assert likelihood(data, decoder.mean.bias.double().numpy(), other) < best
            decoder.start_from(found.covariance, found.mean, 1e-4)
    monkeypatch.setattr(starts, "_AT_ONCE", 5 * 25)
    parts = moments_at_random(data, 2, 1e-4, iterations=300, tolerance=1e-7)
    torch.testing.assert_close(parts.covariance, found.covariance)


def test_complete_columns_give_their_covariance_at_once():
    x = np.random.default_rng(0).normal(size=(200, 3)) @ np.diag([1.0, 2.0, 3.0])
    data = ab.IncompleteData.from_numpy(x)
    found = moments_at_random(data, 3, 1e-6, iterations=2)
    expected = np.cov(data.x.double().numpy().T, bias=True)
    np.testing.assert_allclose(found.covariance.numpy(), expected, atol=1e-10)


def test_many_columns_are_left_to_the_fit():
    x = np.random.default_rng(0).normal(size=(2000, 100))
    assert moments_at_random(ab.IncompleteData.from_numpy(x), 10, 1e-4) is None


@pytest.mark.parametrize("rows", [1, 3])
def test_few_rows_and_columns_without_values(rows):
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    x[:, 1] = float("nan")
    data = ab.IncompleteData.from_torch(torch.cat([x, torch.randn(1, 4)]), standardise=False)
    found = moments_at_random(data.rows(list(range(rows))), 3, 1e-4)
    assert bool(found.covariance.isfinite().all())
    assert float(torch.linalg.eigvalsh(found.covariance).min()) > 0
