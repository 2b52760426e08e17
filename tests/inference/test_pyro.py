"""A model of absentia is a Pyro program: Pyro's own tools work on it unchanged."""

import warnings

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO
from scipy.integrate import quad
from scipy.stats import norm

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.inference import ImportanceWeightedELBO, integrate_out
from absentia.models import ExactConditionalEncoder, SelfMasking
from tests.oracles import as_data, assert_within_se, log_expected_sigmoid, true_model

N, P = 30, 3


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def data():
    truth = LinearGaussian.random(P, 1, sigma=0.6, seed=2)
    _, x = truth.sample(N, seed=1)
    s = np.random.default_rng(0).random(x.shape) < 0.7
    s[0], s[1] = True, False
    return as_data(x, s)


MODELS = {
    "ppca": lambda data: ab.NotMIWAEPPCA(data, "self-masking", latent_dim=1),
    "deep": lambda data: ab.NotMIWAE(data, "self-masking", latent_dim=1, hidden=[6]),
    "coupled": lambda data: ab.NotMIWAE(data, "linear", latent_dim=1, hidden=[6]),
    "probit": lambda data: ab.NotMIWAE(data, "self-masking-probit", latent_dim=1, hidden=[6]),
    "ignorable": lambda data: ab.MIWAE(data, latent_dim=1, hidden=[6]),
    "student": lambda data: ab.NotMIWAE(
        data, "self-masking", latent_dim=1, hidden=[6], decoder="student-t"
    ),
    "prior": lambda data: ab.NotMIWAE(
        data, SelfMasking(P, prior_scale=1.0), latent_dim=1, hidden=[6]
    ),
}


@pytest.fixture(params=MODELS)
def model(request, data):
    return MODELS[request.param](data)


def snapshot(model):
    return [p.detach().clone() for p in model.parameters()]


def assert_all_moved(model, before):
    for (name, parameter), old in zip(model.named_parameters(), before, strict=True):
        assert not torch.equal(parameter, old), f"{name} did not move"


def test_trace_condition_uncondition(model, data):
    trace = poutine.trace(model.model).get_trace(data.x, data.s)
    assert trace.nodes["z"]["value"].shape == (N, 1)
    assert trace.nodes["x_unobserved"]["is_observed"] is False
    assert trace.nodes["s"]["is_observed"]
    torch.testing.assert_close(trace.nodes["s"]["value"], data.s.double())
    z = torch.randn(N, 1)
    conditioned = poutine.trace(poutine.condition(model.model, {"z": z}))
    assert torch.equal(conditioned.get_trace(data.x, data.s).nodes["z"]["value"], z)
    free = poutine.trace(poutine.uncondition(model.model)).get_trace(data.x, data.s)
    assert not free.nodes["s"]["is_observed"]
    assert set(free.nodes["s"]["value"].unique().tolist()) <= {0.0, 1.0}
    assert bool(trace.log_prob_sum().isfinite())


def test_predictive(model, data):
    samples = Predictive(model.model, guide=model.guide, num_samples=4)(data.x, data.s)
    assert samples["z"].shape == (4, N, 1)
    x = samples["x"]
    assert x.shape == (4, N, P)
    torch.testing.assert_close(x[:, data.s], data.x[data.s].expand(4, -1))
    assert bool((x[:, ~data.s].std(0) > 0).all())


def test_predictive_from_the_prior_has_the_models_moments(data):
    truth = LinearGaussian.random(P, 1, sigma=0.6, seed=2)
    model = true_model(truth, SelfMasking(P, slope=1.0), ExactConditionalEncoder(P, 1), "abc")
    everything = torch.zeros_like(data.s)
    draws = Predictive(model.model, num_samples=300)(data.x, everything)["x"]
    draws = draws.detach().numpy().reshape(-1, P)
    count = len(draws)
    sd = np.sqrt(np.diag(truth.covariance))
    assert_within_se(draws.mean(0), truth.mean, sd / np.sqrt(count))
    assert_within_se(draws.std(0) / sd, 1.0, np.full(P, 1 / np.sqrt(2 * count)))


@pytest.mark.parametrize("gradient", ["dreg", "iwae"])
@pytest.mark.thin(5)
def test_svi_with_the_importance_weighted_bound(model, data, gradient):
    before = snapshot(model)
    elbo = ImportanceWeightedELBO(5, gradient=gradient)
    svi = SVI(model.model, model.guide, pyro.optim.Adam({"lr": 0.02}), elbo)
    losses = [svi.step(data.x, data.s) for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 5
    assert_all_moved(model, before)
    assert np.isfinite(svi.evaluate_loss(data.x, data.s))


@pytest.mark.thin(3)
def test_svi_with_a_stock_elbo(model, data):
    """It runs; where values are missing it adds log p(x_m | z), so it is another objective."""
    before = snapshot(model)
    with warnings.catch_warnings():
        # Pyro warns of sites that the guide does not sample
        warnings.filterwarnings("ignore", "Found vars in model but not guide", UserWarning)
        warnings.filterwarnings("ignore", "Found plate statements in guide", UserWarning)
        svi = SVI(model.model, model.guide, pyro.optim.Adam({"lr": 0.02}), Trace_ELBO(5))
        losses = [svi.step(data.x, data.s) for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 5
    assert_all_moved(model, before)


@pytest.mark.thin(3)
def test_torch_optimisers(model, data):
    before = snapshot(model)
    loss = ImportanceWeightedELBO(5)(model.model, model.guide)
    optimiser = torch.optim.Adam(loss.parameters(), 0.02)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        value = loss(data.x, data.s)
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 5
    assert_all_moved(model, before)
    assert len(pyro.get_param_store()) == 0


def test_one_particle_is_the_stock_elbo(data):
    """-L_1 is the loss of Trace_ELBO, in expectation, where no value is missing."""
    model, everything = MODELS["deep"](data), torch.ones_like(data.s)

    def losses(elbo):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found vars in model but not guide", UserWarning)
            args = model.model, model.guide, data.x, everything
            return np.array([elbo.loss(*args) for _ in range(400)])

    ours, stock = losses(ImportanceWeightedELBO(1, unobserved="sample")), losses(Trace_ELBO())
    se = np.hypot(ours.std(), stock.std()) / 20
    assert_within_se(ours.mean(), stock.mean(), se)


def test_fitting_leaves_the_param_store_alone(data):
    pyro.param("mine", torch.tensor(2.0))
    for name in ("ppca", "prior"):
        model = MODELS[name](data)
        ab.fit(model, data, steps=4, progress=False)
        ab.impute(model, data, 20, draws=2)
    assert list(pyro.get_param_store().keys()) == ["mine"]


def collapsed(model):
    def program(x, s):
        with integrate_out():
            return model.model(x, s)

    return program


def test_the_collapsed_program_has_the_joint_density(data):
    """log p(x_o, s, z), a cell at a time by quadrature."""
    slope, offset = -2.0, 0.4
    model = ab.NotMIWAEPPCA(data, SelfMasking(P, slope=slope, offset=offset), latent_dim=1).double()
    z = torch.randn(N, 1)
    program = poutine.condition(collapsed(model), {"z": z})
    trace = poutine.trace(program).get_trace(data.x, data.s)
    with torch.no_grad():
        decoder = model.decoder(z)
        loc, scale = decoder.mean.numpy(), decoder.scale.expand(N, P).numpy()
    expected = norm.logpdf(z.numpy()).sum()
    for i in range(N):
        for j in range(P):
            if data.s[i, j]:
                value = data.x[i, j].item()
                expected += norm.logpdf(value, loc[i, j], scale[i, j])
                expected -= np.log1p(np.exp(-slope * value - offset))
            else:
                m, r = -slope * loc[i, j] - offset, abs(slope) * scale[i, j]
                expected += log_expected_sigmoid(m, r)
                by_quad = quad(
                    lambda x, i=i, j=j: (
                        norm.pdf(x, loc[i, j], scale[i, j]) / (1 + np.exp(slope * x + offset))
                    ),
                    loc[i, j] - 9 * scale[i, j],
                    loc[i, j] + 9 * scale[i, j],
                )[0]
                assert log_expected_sigmoid(m, r) == pytest.approx(np.log(by_quad), abs=1e-9)
    assert trace.log_prob_sum().item() == pytest.approx(expected, abs=1e-6)


def run_nuts(program, data, samples, warmup):
    kernel = NUTS(program, max_tree_depth=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pyro and torch about their own internals
        mcmc = MCMC(kernel, num_samples=samples, warmup_steps=warmup, disable_progbar=True)
        mcmc.run(data.x, data.s)
    return mcmc.get_samples()


@pytest.mark.slow
def test_nuts_finds_the_exact_conditional(data):
    """PPCA: z | x_o is Normal in closed form; x_m | x_o as well."""
    truth = LinearGaussian.random(P, 1, sigma=0.6, seed=2)
    part = data.rows(slice(0, 5))
    encoder = ExactConditionalEncoder(P, 1)
    model = true_model(truth, SelfMasking(P, slope=0.0, offset=0.0), encoder, data.columns)
    model.requires_grad_(False)
    pyro.set_rng_seed(1)
    samples = run_nuts(model.model, part, samples=80, warmup=40)
    assert set(samples) == {"z", "x_unobserved"}
    exact = model.encoder(part.x, part.s)
    assert bool((samples["z"].std(0) > 0).all())
    # autocorrelation: count a quarter of the draws
    se = exact.variance.sqrt() / np.sqrt(len(samples["z"]) / 4)
    assert_within_se(samples["z"].mean(0), exact.mean, se)


@pytest.mark.slow
def test_nuts_on_thirty_rows_with_and_without_missing_values(data):
    model = ab.NotMIWAEPPCA(data, SelfMasking(P, slope=-2.0, offset=0.4), latent_dim=1).double()
    model.requires_grad_(False)
    pyro.set_rng_seed(2)
    both = run_nuts(model.model, data, samples=100, warmup=60)["z"]
    pyro.set_rng_seed(3)
    samples = run_nuts(collapsed(model), data, samples=100, warmup=60)
    assert set(samples) == {"z"}
    se = torch.hypot(both.std(0), samples["z"].std(0)) / np.sqrt(100 / 4)
    assert_within_se(both.mean(0), samples["z"].mean(0), se)
