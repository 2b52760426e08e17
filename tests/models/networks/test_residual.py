"""The residual decoder and its encoder: against the linear ones, derivatives, and bent tables."""

import numpy as np
import pyro
import pytest
import torch
from torch.distributions import Normal

import absentia as ab
from absentia.models import (
    ExactConditionalEncoder,
    GaussNewtonEncoder,
    LinearGaussianDecoder,
    ResidualDecoder,
)
from absentia.models.sites import SHRINKAGE

N, P, D = 6, 5, 3


def decoder_of(gate, hidden=(7, 4)):
    torch.manual_seed(1)
    made = ResidualDecoder(D, P, hidden, scale="column")
    torch.nn.init.constant_(made.gate, gate)
    return made.double()


def encoder_of(decoder):
    made = GaussNewtonEncoder(P, D)
    made.attach(decoder)
    return made


@pytest.fixture
def rows():
    torch.manual_seed(0)
    s = torch.rand(N, P) < 0.7
    s[0] = False
    return torch.randn(N, P).double() * s, s


def test_with_closed_gates_it_is_the_linear_model(rows):
    residual = decoder_of(0.0)
    exact = ExactConditionalEncoder(P, D)
    exact.attach(residual.linear)
    found, expected = encoder_of(residual)(*rows), exact(*rows)
    torch.testing.assert_close(found.loc, expected.loc)
    torch.testing.assert_close(found.precision_tril, expected.precision_tril)
    z = torch.randn(N, D).double()
    torch.testing.assert_close(residual(z).mean, residual.linear(z).mean)


@pytest.mark.parametrize("hidden", [(7,), (7, 4)])
def test_derivatives_are_those_of_the_location(hidden):
    residual = decoder_of(0.8, hidden)
    z = torch.randn(N, D).double()
    location, slope = residual.linearised(z)
    torch.testing.assert_close(location, residual(z).mean)
    by_autograd = torch.func.vmap(torch.func.jacrev(lambda one: residual(one).mean))(z)
    torch.testing.assert_close(slope, by_autograd)


def test_it_lies_near_the_mode(rows):
    x, s = rows
    residual = decoder_of(0.3)
    found = encoder_of(residual)(x, s)
    z = found.loc.detach().requires_grad_()
    joint = (residual(z).log_prob(x) * s).sum() + Normal(0.0, 1.0).log_prob(z).sum()
    (gradient,) = torch.autograd.grad(joint, z)
    left = torch.cholesky_solve(gradient.unsqueeze(-1), found.precision_tril.detach())
    assert left.abs().max() < 0.03  # in units of z, whose prior has sd 1
    torch.testing.assert_close(found.loc[0], torch.zeros(D).double())


def test_the_joint_density_holds_the_priors():
    data = ab.IncompleteData.from_numpy(np.random.default_rng(0).normal(size=(4, 3)))
    model = ab.MIWAE(data, decoder="residual", latent_dim=1, hidden=[2])
    decoder = model.decoder
    with torch.no_grad():
        decoder.gate.fill_(0.05)
    expected = Normal(0.0, decoder.gate_scale).log_prob(decoder.gate).sum()
    expected += Normal(0.0, 1.0).log_prob(decoder.layers[0].weight).sum()
    expected += Normal(0.0, 1.0).log_prob(decoder.layers[0].bias).sum()
    expected += Normal(0.0, 2**-0.5).log_prob(decoder.bend.weight).sum()
    pattern = ab.models.PatternMixture(
        data, {"x1": -1.0}, decoder="residual", latent_dim=1, hidden=[2]
    )
    pattern.decoder.load_state_dict(decoder.state_dict())
    for program in (model.model, pattern.model):
        trace = pyro.poutine.trace(program).get_trace(data.x, data.s)
        trace.compute_log_prob()
        found = trace.nodes[SHRINKAGE]["log_prob_sum"].item()
        assert found == pytest.approx(expected.item(), rel=1e-5)


def table_of(bent):
    """Four columns of one latent, linear or with squares in two of them, 300 rows, 30 % missing."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 1))
    x = z * [1.0, -1.0, 0.8, 0.6] + bent * (z**2 - 1) * [0.0, 0.0, 1.0, -1.0]
    x = x + 0.3 * rng.normal(size=x.shape)
    hidden = rng.random(x.shape) < [0.0, 0.3, 0.3, 0.3]
    return x, hidden, ab.IncompleteData.from_numpy(np.where(hidden, np.nan, x))


def error_of(decoder, x, hidden, data):
    model = ab.MIWAE(data, decoder=decoder, latent_dim=1)
    fitted = ab.fit(model, data, progress=False)
    filled = ab.impute(fitted, data, particles=100, refine=False, check=False)
    return float(np.sqrt(np.mean((filled.mean - x)[hidden] ** 2))), fitted


def test_a_linear_table_stays_linear():
    linear, _ = error_of("linear", *table_of(0.0))
    residual, fitted = error_of("residual", *table_of(0.0))
    assert fitted.settings.optimiser == "l-bfgs"
    assert residual == pytest.approx(linear, rel=0.01)


def test_bent_columns_are_followed():
    linear, _ = error_of("linear", *table_of(0.7))
    residual, fitted = error_of("residual", *table_of(0.7))
    assert residual < 0.75 * linear
    gate = fitted.model.decoder.gate.abs()
    assert gate[2:].min() > 5 * gate[:2].max()


def test_what_it_does_not_serve_is_refused():
    with pytest.raises(TypeError, match=r"GaussNewtonEncoder.*ResidualDecoder"):
        GaussNewtonEncoder(2, 1).attach(LinearGaussianDecoder(1, 2))
    with pytest.raises(ValueError, match=r"hidden.*linear"):
        ResidualDecoder(1, 2, hidden=[])
    with pytest.raises(ValueError, match="gate_scale"):
        ResidualDecoder(1, 2, gate_scale=0.0)
