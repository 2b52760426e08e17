"""Cells under a smooth mechanism read their integrals off nodes that they share."""

import re

import numpy as np
import pytest
import torch
from pyro.distributions import Normal
from scipy.integrate import quad
from scipy.special import log_expit
from scipy.stats import kstest, norm

import absentia as ab
from absentia.inference.integration import dispatch
from absentia.inference.integration.shared_grid import SharedGrid
from absentia.inference.integration.summed import TiltedQuadrature
from absentia.models import FormulaMissingness, SplineMissingness, TwoSided

K, N, P = 3, 8, 2


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


FORMULAS = {
    "square": "x + I(x ** 2)",
    "polynomial": "poly(x, 3)",
    "natural": "ns(x, df=3)",
    "b-spline": "bs(x, df=4)",
    "abs": "abs(x)",
    "exp": "exp(x / 2)",
}


def of_formulas(right):
    table = np.random.default_rng(0).normal(size=(200, P)) * [1.0, 3.0]
    table[::5, 0] = table[1::5, 1] = np.nan
    data = ab.IncompleteData.from_numpy(table)
    formulas = [f"x{j} ~ " + re.sub(r"\bx\b", f"x{j}", right) for j in range(P)]
    return FormulaMissingness.declared(ab.missing(formulas), data)


def mechanism(name, size=1.0):
    if name in FORMULAS:
        made = of_formulas(FORMULAS[name])
    else:
        made = TwoSided(P) if name == "two-sided" else SplineMissingness(P)
    torch.manual_seed(5)
    with torch.no_grad():
        formulas = getattr(made, "parts", ())
        for parameter in made.parameters() if not formulas else ():
            parameter.add_(size * torch.randn_like(parameter))
        for own in formulas:
            own.raw.add_(size * torch.randn_like(own.raw))
            own.intercept.add_(size * torch.randn_like(own.intercept))
    return made


def tilted(made, scale, loc=None):
    torch.manual_seed(1)
    loc = 2 * torch.randn(K, N, P) if loc is None else loc
    s = torch.zeros(N, P, dtype=torch.bool)
    rows, columns = (~s).nonzero(as_tuple=True)
    decoder = Normal(loc, scale.expand(K, N, P))
    return dispatch.tilt(decoder, made(torch.zeros(N, P)), s, rows, columns)


SCALES = {
    "shared": torch.tensor(0.6),
    "by column": torch.tensor([0.3, 1.1]),
    "of every cell": torch.logspace(-1.5, 0.3, K * N * P).view(K, N, P),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two-sided", "spline"])
@pytest.mark.parametrize("which", SCALES)
def test_probability_and_moments_are_those_of_adaptive_quadrature(name, which):
    made = mechanism(name)
    found = tilted(made, SCALES[which])
    assert isinstance(found, SharedGrid)
    mean, variance = found.moments()
    tolerance = 1e-6 if name == "two-sided" else 2e-5  # a cubic spline bends at its knots
    for k in range(K):
        for cell in range(0, N * P, 7):
            mu, sigma = found.decoder.loc[k, cell].item(), found.decoder.scale[k, cell].item()
            j = found.columns[cell].item()

            def weight(x, power, mu=mu, sigma=sigma, j=j):
                row = torch.zeros(1, P)
                row[0, j] = x
                with torch.no_grad():
                    score = float(made(row).base.logits[0, j])
                return x**power * np.exp(log_expit(-score)) * norm.pdf(x, mu, sigma)

            ends, knots = (mu - 10 * sigma, mu + 10 * sigma), [mu - sigma, mu, mu + sigma]
            total, first, second = (
                quad(weight, *ends, (power,), epsabs=0, epsrel=1e-9, points=knots, limit=200)[0]
                for power in range(3)
            )
            assert found.log_missing[k, cell].item() == pytest.approx(np.log(total), abs=tolerance)
            assert mean[k, cell].item() == pytest.approx(first / total, abs=tolerance)
            spread = second / total - (first / total) ** 2
            assert variance[k, cell].item() == pytest.approx(spread, rel=1e-3 * sigma + 1e-4)


@pytest.mark.parametrize("which", SCALES)
def test_gradients_are_those_of_nodes_of_each_cell(which, monkeypatch):
    made = mechanism("two-sided")
    torch.manual_seed(2)
    weight, answers = torch.randn(K, N * P), []
    for nodes in (1, 0):
        monkeypatch.setattr(TwoSided, "nodes_per_sd", nodes)
        loc = (torch.linspace(-2, 2, K * N * P).view(K, N, P)).requires_grad_()
        scale = SCALES[which].clone().requires_grad_()
        found = tilted(made, scale, loc)
        assert isinstance(found, SharedGrid if nodes else TiltedQuadrature)
        wanted = [loc, scale, *made.parameters()]
        answers.append(torch.autograd.grad((weight * found.log_missing).sum(), wanted))
    for shared, own in zip(*answers, strict=True):
        torch.testing.assert_close(shared, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("which", SCALES)
def test_formulas_have_the_integrals_of_nodes_of_each_cell(name, which):
    made = mechanism(name, size=0.3)
    found = tilted(made, SCALES[which])
    assert isinstance(found, TiltedQuadrature if name in ("abs", "exp") else SharedGrid)
    made.nodes_per_sd = 0
    own = tilted(made, SCALES[which])
    assert isinstance(own, TiltedQuadrature)
    # where a spline bends, nodes of each cell are the less accurate ones
    tolerance = 2e-4 if "spline" in name or name == "natural" else 1e-6
    for shared, single in zip(
        (found.log_missing, *found.moments()), (own.log_missing, *own.moments()), strict=True
    ):
        torch.testing.assert_close(shared, single, rtol=tolerance, atol=tolerance)
    wanted = list(made.parameters())
    by_grid, by_nodes = (torch.autograd.grad(one.log_missing.sum(), wanted) for one in (found, own))
    for shared, single in zip(by_grid, by_nodes, strict=True):
        torch.testing.assert_close(shared, single, rtol=10 * tolerance, atol=10 * tolerance)


def test_what_jumps_between_nodes_has_nodes_of_its_own():
    made = mechanism("two-sided")
    with torch.no_grad():
        made.raw_curve.fill_(400.0)
    assert isinstance(tilted(made, torch.tensor(1.0)), TiltedQuadrature)
    assert isinstance(tilted(made, torch.tensor(0.005)), SharedGrid)


def test_draws_have_the_distribution_and_many_may_be_of_one_cell():
    made = mechanism("two-sided")
    torch.manual_seed(3)
    found = tilted(made, SCALES["of every cell"])
    count = 4000
    for k, cell in ((0, 1), (1, 6), (2, 13)):
        many = found.select(torch.full((count,), k), torch.full((count,), cell))
        draws = many.sample().flatten().numpy()
        mu, sigma = found.decoder.loc[k, cell].item(), found.decoder.scale[k, cell].item()
        j = found.columns[cell].item()
        x = np.linspace(mu - 9 * sigma, mu + 9 * sigma, 20_001)
        b, a, c = (v[j].item() for v in (made.offset, made.slope, made.curve))
        density = np.exp(log_expit(-(b + a * x - c * x**2))) * norm.pdf(x, mu, sigma)
        cdf = np.cumsum(density) / density.sum()
        assert kstest(draws, lambda v, x=x, cdf=cdf: np.interp(v, x, cdf)).pvalue > 1e-3
