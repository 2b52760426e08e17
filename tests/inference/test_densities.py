"""Rows' log-densities in few passes against the distribution's own, summed."""

import pytest
import torch
from pyro.distributions import Normal

from absentia.inference import densities
from absentia.inference.densities import summed_log_density

K, N, P = 3, 5, 4


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [(), (P,), (N, P), (K, N, 1), (K, N, P)])
@pytest.mark.parametrize("observed", [False, True])
def test_value_and_gradients_are_those_of_the_distribution(masked, scale, observed, monkeypatch):
    monkeypatch.setattr(densities, "_MANY", 0)
    torch.manual_seed(0)
    mask = torch.rand(N, P) < 0.5 if masked else None
    value = torch.randn(N, P) if observed else torch.randn(K, N, P)
    value, loc = value.double().requires_grad_(), torch.randn(K, N, P).double().requires_grad_()
    sd = (0.5 + torch.rand(scale)).double().requires_grad_()
    weight = torch.randn(K, N).double()
    found = summed_log_density(Normal(loc, sd), value, mask)
    expected = Normal(loc, sd).log_prob(value)
    expected = (expected if mask is None else expected.masked_fill(~mask, 0.0)).sum(-1)
    torch.testing.assert_close(found, expected)
    wanted = [value, loc, sd]
    ours = torch.autograd.grad((weight * found).sum(), wanted)
    theirs = torch.autograd.grad((weight * expected).sum(), wanted)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_cells_that_do_not_count_may_be_anything(monkeypatch):
    monkeypatch.setattr(densities, "_MANY", 0)
    loc = torch.tensor([[0.0, torch.inf]], requires_grad=True)
    mask = torch.tensor([[True, False]])
    found = summed_log_density(Normal(loc, torch.ones(1, 2)), torch.zeros(1, 2), mask)
    found.sum().backward()
    assert found.item() == pytest.approx(-0.9189385)
    assert loc.grad.isfinite().all()


def test_without_its_score_only_the_value_gets_a_gradient(monkeypatch):
    monkeypatch.setattr(densities, "_MANY", 0)
    loc, sd = torch.zeros(N, P, requires_grad=True), torch.ones(N, P, requires_grad=True)
    value = torch.randn(K, N, P, requires_grad=True)
    found = summed_log_density(Normal(loc, sd), value, None, score=False)
    (by_value,) = torch.autograd.grad(found.sum(), [value], retain_graph=True)
    torch.testing.assert_close(by_value, -value)
    assert torch.autograd.grad(found.sum(), [loc, sd], allow_unused=True) == (None, None)


def test_others_have_no_short_way():
    assert summed_log_density(Normal(0.0, 1.0).expand([2]), torch.zeros(2), None) is None
