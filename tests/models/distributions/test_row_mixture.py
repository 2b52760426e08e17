"""The mixture of Normals over a row's latents, against SciPy and by its moments."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from absentia.inference.integration.packing import parameters_of
from absentia.models.distributions.row_mixture import RowNormalMixture
from absentia.models.distributions.row_normal import RowNormal

C, D, N = 3, 2, 4


def parts(seed=0, rows=()):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*rows, *shape, generator=generator, dtype=torch.float64)

    root = 0.4 * random(C, D, D).tril() + torch.eye(D, dtype=torch.float64)
    return random(C).log_softmax(-1), random(C, D), root


def test_the_density_is_that_of_a_mixture():
    log_weight, loc, tril = parts(rows=(N,))
    value = torch.randn(5, N, D, dtype=torch.float64)
    found = RowNormalMixture.of(log_weight, loc, tril).log_prob(value)
    assert found.shape == (5, N, D)
    for k in range(5):
        for i in range(N):
            precision = (tril[i] @ tril[i].mT).inverse().numpy()
            density = [
                stats.multivariate_normal.pdf(value[k, i], loc[i, c], precision[c])
                for c in range(C)
            ]
            exact = np.log(np.exp(log_weight[i].numpy()) @ density)
            np.testing.assert_allclose(found[k, i].sum(), exact, rtol=1e-10)


@pytest.mark.parametrize(
    ("rows", "draws"),
    [((), ()), ((), (5,)), ((), (9,)), ((N,), ()), ((N,), (5,)), ((N,), (9,)), ((N,), (9, 5))],
)
def test_all_components_at_once_are_each_by_itself(rows, draws):
    batch = (*draws, N)
    log_weight, loc, tril = (part.float() for part in parts(rows=rows))
    loc = loc + 100  # far from zero, where differences of products would lose digits
    mixture = RowNormalMixture.of(log_weight, loc, tril)
    uniform = torch.rand(*batch, D, generator=torch.Generator().manual_seed(0))
    drawn = mixture.transformed(uniform)
    upper = mixture.log_share.exp().cumsum(-1).expand(*batch, C)
    chosen = (uniform[..., :1] > upper).sum(-1)  # (...)
    width = mixture.log_share.exp().expand(*batch, C).gather(-1, chosen[..., None])
    within = (uniform[..., :1] - upper.gather(-1, chosen[..., None])) / width + 1
    eps = math.sqrt(2) * torch.erfinv(2 * torch.cat([within, uniform[..., 1:]], -1) - 1)
    densities = []
    for c in range(C):
        root = tril[..., c, :, :].expand(*batch, D, D).double()
        place = loc[..., c, :].expand(*batch, D).double()
        moved = place + (root.mT.inverse() @ eps.double()[..., None]).squeeze(-1)
        own = chosen == c
        torch.testing.assert_close(drawn[own].double(), moved[own], rtol=1e-5, atol=1e-3)
        normal = torch.distributions.MultivariateNormal(place, precision_matrix=root @ root.mT)
        densities.append(normal.log_prob(drawn.double()) + mixture.log_share[..., c])
    exact = torch.stack(densities, -1).logsumexp(-1)
    torch.testing.assert_close(
        mixture.log_prob(drawn).sum(-1).double(), exact, rtol=1e-4, atol=1e-4
    )


def test_samples_have_its_moments_and_components():
    log_weight, loc, tril = parts(seed=1)
    fn = RowNormalMixture.of(log_weight, loc, tril)
    torch.manual_seed(0)
    drawn = fn.expand((N, D)).sample((5_000,)).flatten(0, 1)
    precision = tril @ tril.mT
    weight = log_weight.exp()
    mean = weight @ loc
    spread = precision.inverse() + (loc - mean).unsqueeze(-1) * (loc - mean).unsqueeze(-2)
    covariance = (weight[:, None, None] * spread).sum(0)
    error = 4 * covariance.diagonal().sqrt() / len(drawn) ** 0.5
    assert bool(((drawn.mean(0) - mean).abs() < error).all())
    torch.testing.assert_close(drawn.T.cov(), covariance, rtol=0.06, atol=0.03)
    torch.testing.assert_close(fn.mean, mean)
    torch.testing.assert_close(fn.variance, covariance.diagonal())


def test_evenly_spread_numbers_choose_each_component_as_often_as_its_weight():
    loc = torch.tensor([[-100.0], [0.0], [100.0]], dtype=torch.float64)
    weight = torch.tensor([0.25, 0.25, 0.5], dtype=torch.float64)
    fn = RowNormalMixture.of(weight.log(), loc, torch.ones(3, 1, 1, dtype=torch.float64))
    uniform = ((torch.arange(64, dtype=torch.float64) + 0.5) / 64).view(64, 1, 1)
    drawn = fn.expand((64, 1, 1)).transformed(uniform).flatten()
    near = (drawn.unsqueeze(-1) - loc.flatten()).abs() < 50
    assert near.sum(0).tolist() == [16, 16, 32]
    # and within a component they are as evenly spread again
    own = (drawn[near[:, 2]] - 100).sort().values
    expected = stats.norm.ppf((np.arange(32) + 0.5) / 32)
    np.testing.assert_allclose(own, expected, rtol=1e-8)


def test_rows_can_be_selected():
    fn = RowNormalMixture.of(*parts(rows=(N,)))
    own = {name: value[[2, 0]] for name, value in parameters_of(fn).items()}
    value = torch.randn(5, N, D, dtype=torch.float64)
    torch.testing.assert_close(
        RowNormalMixture(**own).log_prob(value[:, [2, 0]]), fn.log_prob(value)[:, [2, 0]]
    )


def test_one_component_is_the_normal():
    _, loc, tril = parts(seed=2)
    one = RowNormalMixture.of(torch.zeros(1, dtype=torch.float64), loc[:1], tril[:1])
    value = torch.randn(6, N, D, dtype=torch.float64)
    torch.testing.assert_close(
        one.expand((6, N, D)).log_prob(value).sum(-1),
        RowNormal(loc[0], tril[0]).log_prob(value).sum(-1),
    )


def test_particles_of_a_row_are_spread_over_the_components():
    torch.manual_seed(0)
    share = torch.tensor([0.75, 0.25])
    apart = torch.tensor([[-50.0], [50.0]])
    two = RowNormalMixture.of(share.log(), apart, torch.ones(2, 1, 1)).expand((4, 2_000, 1))
    right = (two.sample() > 0).float()
    # one of four particles is in the second component, in every row
    assert bool((right.sum(0) == 1).all())
    # and any of the four is, with the same chance: sd of its share sqrt(.25 * .75 / 2,000)
    assert float((right.mean((1, 2)) - 0.25).abs().max()) < 4 * 0.0097
