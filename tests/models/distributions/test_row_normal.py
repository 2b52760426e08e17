"""A Gaussian with correlated components, laid out over the latent plate."""

import copy

import pytest
import torch
from torch.distributions import MultivariateNormal

from absentia.models.distributions.information import solved
from absentia.models.distributions.row_normal import RowNormal

N, D = 5, 3


@pytest.fixture
def parts():
    generator = torch.Generator().manual_seed(4)
    loc = torch.randn(N, D, generator=generator, dtype=torch.float64)
    root = torch.randn(N, D, D, generator=generator, dtype=torch.float64)
    precision = root @ root.mT + torch.eye(D)
    return loc, precision


@pytest.fixture
def pair(parts):
    loc, precision = parts
    ours = RowNormal(loc, torch.linalg.cholesky(precision))
    return ours, MultivariateNormal(loc, precision_matrix=precision)


@pytest.mark.parametrize("shape", [(), (7,), (2, 7)])
def test_log_prob_sums_to_the_joint_density(pair, shape):
    ours, theirs = pair
    value = torch.randn(*shape, N, D, dtype=torch.float64)
    found = ours.log_prob(value)
    assert found.shape == (*shape, N, D)
    torch.testing.assert_close(found.sum(-1), theirs.log_prob(value))


def test_each_term_is_a_conditional_given_the_later_components(parts):
    loc, precision = parts
    ours = RowNormal(loc, torch.linalg.cholesky(precision))
    value = torch.randn(N, D, dtype=torch.float64)
    for j in range(D):
        covariance = torch.linalg.inv(precision)[:, j:, j:]
        joint = MultivariateNormal(loc[:, j:], covariance).log_prob(value[:, j:])
        torch.testing.assert_close(ours.log_prob(value)[:, j:].sum(-1), joint)


def test_moments(pair):
    ours, theirs = pair
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)


@pytest.mark.parametrize("shape", [(40_000,), (2, 20_000)])
def test_samples_have_the_covariance(pair, shape):
    ours, theirs = pair
    torch.manual_seed(5)
    draws = ours.rsample(shape)
    assert draws.shape == (*shape, N, D)
    draws = draws.flatten(0, -3)
    count, covariance = len(draws), theirs.covariance_matrix
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    # 5 standard errors: 60 comparisons fail by chance once in 30,000 runs
    assert ((draws.mean(0) - theirs.mean).abs() < 5 * (variance / count).sqrt()).all()
    centred = (draws - theirs.mean).movedim(0, 1)
    found = centred.mT @ centred / count
    spread = variance.unsqueeze(-1) * variance.unsqueeze(-2) + covariance.square()
    assert ((found - covariance).abs() < 5 * (spread / count).sqrt()).all()


def test_expand_and_copy(pair):
    ours, _ = pair
    wide = ours.expand((7, N, D))
    assert wide.batch_shape == (7, N, D)
    value = torch.randn(7, N, D, dtype=torch.float64)
    torch.testing.assert_close(wide.log_prob(value), ours.log_prob(value))
    assert wide.sample().shape == (7, N, D)
    assert wide.sample((2,)).shape == (2, 7, N, D)
    torch.testing.assert_close(copy.deepcopy(ours).log_prob(value), ours.log_prob(value))


def test_draws_are_reparameterised(pair):
    loc = torch.zeros(N, D, dtype=torch.float64, requires_grad=True)
    tril = torch.linalg.cholesky(pair[1].precision_matrix).requires_grad_()
    for shape in ((), (4,)):
        draw = RowNormal(loc, tril).rsample(shape)
        by_loc, by_tril = torch.autograd.grad(draw.square().sum(), [loc, tril])
        torch.testing.assert_close(by_loc, (2 * draw).reshape(-1, N, D).sum(0))
        assert by_tril.isfinite().all()
        assert by_tril.tril().abs().max() > 0


def test_given_by_its_precision_it_is_the_same_distribution(parts):
    loc, precision = parts
    shift = (precision @ loc.unsqueeze(-1)).squeeze(-1)
    mean, tril, inverse, log_diagonal = solved(precision, shift)
    torch.testing.assert_close(mean, loc)
    torch.testing.assert_close(tril @ inverse, torch.eye(D).double().expand(N, D, D))
    torch.manual_seed(0)
    known = RowNormal(mean, tril, inverse, log_diagonal).rsample((6,))
    torch.manual_seed(0)
    torch.testing.assert_close(known, RowNormal(loc, tril).rsample((6,)))


def test_gradient_through_a_precision(parts):
    loc, _ = parts
    root = torch.randn(N, D, D, dtype=torch.float64, requires_grad=True)
    shift = loc.clone().requires_grad_()

    def of(root, shift):
        return solved(root @ root.mT + torch.eye(D), shift)

    assert torch.autograd.gradcheck(of, (root, shift))
    for k in range(4):  # each alone
        assert torch.autograd.gradcheck(lambda *a, k=k: of(*a)[k], (root, shift))


def test_the_density_of_its_own_draws_is_that_of_any_values(parts):
    """Their numbers are known, so that value and gradient need no product with the factor."""
    loc, _ = parts
    root = torch.randn(N, D, D, dtype=torch.float64, requires_grad=True)
    shift = loc.clone().requires_grad_()
    eps = torch.randn(4, N, D, dtype=torch.float64)
    weight = torch.randn(4, N, D, dtype=torch.float64)

    def gradients(own):
        ours = RowNormal(*solved(root @ root.mT + torch.eye(D), shift))
        draw = ours.transformed(eps)
        log_prob = ours.log_prob(draw if own else draw.clone())
        # only sums over the components are densities
        total = (weight * draw).sum() + (weight[..., 0] * log_prob.sum(-1)).sum()
        return total, *torch.autograd.grad(total, (root, shift))

    for known, plain in zip(gradients(own=True), gradients(own=False), strict=True):
        torch.testing.assert_close(known, plain)
