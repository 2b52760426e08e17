"""The composite rule: its integrals, its reach, and where it applies."""

import itertools

import numpy as np
import pytest
import torch
from pyro.distributions import Cauchy, Gamma, Laplace, Normal, Poisson, StudentT
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import cauchy, laplace, norm, t

from absentia.inference.integration.quadrature import reach_of, rule_for

FAMILIES = {
    "normal": (Normal, norm.pdf),
    "student": (lambda m, s: StudentT(torch.full_like(m, 4.0), m, s), lambda x: t.pdf(x, 4)),
    "laplace": (Laplace, laplace.pdf),
    "cauchy": (Cauchy, cauchy.pdf),
}


def integral(decoder, function):
    nodes, log_weight = rule_for(decoder, function)
    return (log_weight + decoder.log_prob(nodes)).exp().mul(function(nodes)).sum(0)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("slope", [0.0, 1.0, -8.0, 100.0])
@pytest.mark.parametrize("knee", [-1.0, 0.3])
@pytest.mark.thin(11)
def test_integrals_of_a_sigmoid(name, slope, knee):
    """Many cells with other locations and scales in one rule."""
    make, pdf = FAMILIES[name]
    loc = torch.tensor([[-1.5, 0.0, 0.4], [0.3, 2.0, -0.2]]).double()
    scale = torch.tensor([[0.5, 1.0, 0.1], [1.5, 0.7, 0.3]]).double()
    result = integral(make(loc, scale), lambda x: torch.sigmoid(slope * (x - knee)))
    for result_, m, s in zip(result.flatten(), loc.flatten(), scale.flatten(), strict=True):
        m, s = m.item(), s.item()
        centre = (knee - m) / s

        def f(u, m=m, s=s):
            return pdf(u) * expit(slope * (m + s * u - knee))

        width = 40 / (abs(slope) + 1e-9) / s
        points = sorted(
            {-8.0, 0.0, 8.0, *np.clip([centre - width, centre, centre + width], -900, 900)}
        )
        cuts = [-1e3, *points, 1e3]
        expected = sum(
            quad(f, low, high, epsabs=1e-11, limit=400)[0]
            for low, high in itertools.pairwise(cuts)
            if high > low
        )
        tail = 2e-3 if name == "cauchy" else 2e-5  # beyond 1024 scales a Cauchy has 6e-4
        assert result_.item() == pytest.approx(expected, abs=tail)


def test_mechanisms_that_turn_more_than_once():
    def bumps(x):
        return torch.sigmoid(60 * (torch.sin(4 * x) - 0.5))

    result = integral(Normal(torch.tensor([[0.2]]).double(), 1.0), bumps).item()
    edges = np.linspace(-8, 8, 401)
    expected = sum(
        quad(lambda u: norm.pdf(u, 0.2) * expit(60 * (np.sin(4 * u) - 0.5)), a, b)[0]
        for a, b in itertools.pairwise(edges)
    )
    assert result == pytest.approx(expected, abs=1e-3)


def test_a_total_probability_of_one():
    for name, (make, _) in FAMILIES.items():
        decoder = make(torch.zeros(2, 3).double(), torch.ones(2, 3).double())
        total = integral(decoder, torch.ones_like)
        expected = 1 - 2 * cauchy.sf(1024) if name == "cauchy" else 1.0
        torch.testing.assert_close(
            total, torch.full_like(total, expected), rtol=0, atol=1e-4, msg=name
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_a_cell_does_not_depend_on_its_company(name):
    make, _ = FAMILIES[name]
    loc, scale = torch.randn(3, 40).double(), torch.rand(3, 40).double() + 0.05
    slope = torch.tensor([0.01, 0.8, 30.0, -5.0]).double().repeat(10)  # needs 0, 10 or 32 panels

    def part(cells):
        found = make(loc[:, cells], scale[:, cells])
        return integral(found, lambda x: torch.sigmoid(slope[cells] * (x - 0.3)))

    whole = part(torch.arange(40))
    alone = torch.cat([part(torch.tensor([c])) for c in range(40)], 1)
    torch.testing.assert_close(alone, whole, rtol=1e-13, atol=1e-15)


def test_the_rule_has_no_gradient_and_integrals_do():
    loc = torch.zeros(1, 1).double().requires_grad_()
    decoder = Normal(loc, 1.0)
    nodes, log_weight = rule_for(decoder, lambda x: torch.sigmoid(-5 * x))
    assert not nodes.requires_grad
    assert not log_weight.requires_grad
    integral(decoder, lambda x: torch.sigmoid(-5 * x)).sum().backward()
    expected = quad(lambda u: u * norm.pdf(u) * expit(-5 * u), -9, 9, points=[0.0])[0]
    assert loc.grad.item() == pytest.approx(expected, abs=1e-6)


def test_where_it_applies():
    zero, one = torch.zeros(1), torch.ones(1)
    for decoder in (Normal(zero, one), StudentT(one, zero, one), Laplace(zero, one)):
        assert reach_of(decoder) is not None
    for decoder in (Gamma(one, one), Poisson(one)):
        assert reach_of(decoder) is None
