"""Draws from truncated and tilted normals, body and deep tail."""

import numpy as np
import pytest
import torch
from scipy.special import log_expit, log_ndtr
from scipy.stats import kstest

from absentia.inference.integration.truncated import logistic_tilted, truncated_above
from tests.oracles import (
    assert_within_se,
    hidden_cdf,
    sigmoid_edges,
    sigmoid_tilted_moments,
)

DRAWS = 20_000
LEVEL = 1e-4  # of every Kolmogorov-Smirnov test; the seeds are fixed


def survival(bound):
    """log P(eps > e) - log P(eps > bound): minus it is Exp(1)."""
    return lambda e: -np.expm1(log_ndtr(-np.maximum(e, bound)) - log_ndtr(-bound))


@pytest.mark.parametrize("bound", [-30.0, -5.0, -1.0, 0.0, 0.7, 3.0, 8.0, 29.0, 31.0, 100.0, 1e4])
def test_truncated_normal(bound):
    torch.manual_seed(1)
    draws = truncated_above(torch.full((DRAWS,), bound)).numpy()
    assert draws.dtype == np.float64
    assert (draws >= bound).all()
    assert kstest(draws, survival(bound)).pvalue > LEVEL
    if bound > 20:  # the exceedance is Exp(bound)
        excess = (draws - bound) * bound
        assert_within_se(excess.mean(), 1 - 2 / bound**2, 1 / np.sqrt(DRAWS), floor=0.01)


def test_truncated_normal_is_elementwise_and_repeatable():
    bounds = torch.tensor([[-2.0, 0.0], [4.0, 50.0]]).repeat(1, 5000)
    first = truncated_above(bounds, torch.Generator().manual_seed(3))
    second = truncated_above(bounds, torch.Generator().manual_seed(3))
    assert torch.equal(first, second)
    for row, offset in ((0, 0), (0, 1), (1, 0), (1, 1)):
        bound = float(bounds[row, offset])
        draws = first[row, offset::2].numpy()
        assert kstest(draws, survival(bound)).pvalue > LEVEL


def test_truncated_normal_is_finite_at_any_bound():
    bounds = torch.tensor([-1e30, -1e6, -40.0, 30.0, 1e6, 1e15])
    draws = truncated_above(bounds)
    assert bool(draws.isfinite().all())
    assert bool((draws >= bounds).all())


@pytest.mark.parametrize("r", [1e-3, 0.1, 1.0, 5.0, 50.0])
@pytest.mark.parametrize("m", [-300.0, -40.0, -3.0, 0.0, 2.0, 30.0])
def test_logistic_tilted_normal(m, r):
    torch.manual_seed(2)
    draws = logistic_tilted(torch.full((DRAWS,), m), torch.tensor(r)).numpy()
    cdf = hidden_cdf(lambda t: -0.5 * ((t - m) / r) ** 2, log_expit, sigmoid_edges(m, r))
    assert kstest(draws, cdf).pvalue > LEVEL
    mean, variance = sigmoid_tilted_moments(m, r)
    assert_within_se(draws.mean(), mean, np.sqrt(variance / DRAWS))


def test_logistic_tilted_shapes_seeds_and_extremes():
    m = torch.tensor([[-1e5], [0.0], [1e5]])
    r = torch.tensor([0.0, 1e-8, 1.0, 1e4])
    first = logistic_tilted(m, r, torch.Generator().manual_seed(0))
    assert first.shape == (3, 4)
    assert bool(first.isfinite().all())
    assert torch.equal(first, logistic_tilted(m, r, torch.Generator().manual_seed(0)))
    torch.testing.assert_close(first[:, 0], m[:, 0].double())
