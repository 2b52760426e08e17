"""Log-weights against traces, and every refusal."""

import pyro
import pytest
import torch
from pyro import poutine
from pyro.distributions import Bernoulli, Delta, Normal, TransformedDistribution
from pyro.distributions.transforms import AffineTransform
from torch import nn

import absentia as ab
from absentia.inference import WeightError
from absentia.inference.densities import log_prob_without_score
from absentia.inference.importance import weights
from absentia.models import SelfMasking
from tests.oracles import as_data, log_weights_at, traced_log_weights

N, P = 7, 4
MECHANISMS = ["self-masking", "self-masking-probit", "linear", "nonlinear", "ignorable"]


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(N, P, generator=generator)
    s = torch.rand(N, P, generator=generator) < 0.6
    s[0], s[1] = True, False
    return as_data(x.numpy(), s.numpy())


def not_miwae(data, mechanism="self-masking", **options):
    model = ab.NotMIWAE(data, mechanism, slope_prior="flat", latent_dim=2, hidden=[6], **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def assert_as_traced(model, guide, *args, particles=5, **options):
    pyro.set_rng_seed(11)
    run = weights(model, guide, *args, num_particles=particles, **options)
    pyro.set_rng_seed(11)
    nesting = options.get("max_plate_nesting", 2)
    row_plate = options.get("row_plate", "rows")
    expected = traced_log_weights(
        model, guide, *args, num_particles=particles, nesting=nesting, row_plate=row_plate
    )
    expected = expected.reshape(particles, -1)
    torch.testing.assert_close(run.log_weight, expected, rtol=1e-9, atol=1e-9)
    one_by_one = log_weights_at(run, model, guide, *args, row_plate=row_plate)
    torch.testing.assert_close(run.log_weight, one_by_one.reshape(particles, -1))
    assert bool((run.log_weight.std(0) > 1e-4).any())  # numbers that vary
    return run


# --- models of the library ---


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_not_miwae(data, mechanism):
    model = not_miwae(data, mechanism)
    run = assert_as_traced(model.model, model.guide, data.x, data.s)
    assert run.log_weight.shape == (5, N)
    assert float(run.scale) == 1.0
    assert run.log_global.item() == 0.0
    assert set(run.sites) == {"z", "x_observed", "x_unobserved", "s"}
    assert run.sites["z"].in_guide
    assert not run.sites["x_unobserved"].in_guide


@pytest.mark.parametrize("encoder", ["mask-aware", "zero-filled", "set"])
@pytest.mark.parametrize("decoder", ["gaussian", "student-t"])
def test_encoders_and_decoders(data, encoder, decoder):
    model = not_miwae(data, encoder=encoder, decoder=decoder)
    assert_as_traced(model.model, model.guide, data.x, data.s)


@pytest.mark.parametrize("scale", ["shared", "column"])
def test_exact_guide_that_is_correlated_over_the_latents(data, scale):
    model = ab.NotMIWAEPPCA(
        data, SelfMasking(P, slope=[1.0, -2.0, 0.5, 3.0]), latent_dim=3, scale=scale
    )
    assert_as_traced(model.model, model.guide, data.x, data.s)


def test_float32(data):
    data = data.to(dtype=torch.float32)
    torch.set_default_dtype(torch.float32)
    model = not_miwae(data)
    pyro.set_rng_seed(2)
    run = weights(model.model, model.guide, data.x, data.s, num_particles=5)
    pyro.set_rng_seed(2)
    expected = traced_log_weights(model.model, model.guide, data.x, data.s, num_particles=5)
    torch.testing.assert_close(run.log_weight, expected, rtol=1e-5, atol=1e-5)


def test_one_particle_and_one_row(data):
    model = not_miwae(data)
    for rows in (slice(0, 1), slice(2, 3)):
        part = data.rows(rows)
        for particles in (1, 4):
            run = weights(model.model, model.guide, part.x, part.s, num_particles=particles)
            assert run.log_weight.shape == (particles, 1)
            expected = log_weights_at(run, model.model, model.guide, part.x, part.s)
            torch.testing.assert_close(run.log_weight, expected)


def test_the_fill_value_of_missing_cells_is_not_read(data):
    model = not_miwae(data, "linear")
    results = []
    for fill in (0.0, 1e3):
        pyro.set_rng_seed(5)
        x = torch.where(data.s, data.x, fill)
        run = weights(model.model, model.guide, x, data.s, num_particles=3)
        results.append(run.log_weight)
    torch.testing.assert_close(*results)


# --- programs of a user's own ---


class Vectors(nn.Module):
    """Rows at dim -1 and vectors as events."""

    def __init__(self, plate="people"):
        super().__init__()
        self.plate = plate
        self.weight = nn.Parameter(torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.3, -0.7]]))
        self.guess = nn.Linear(3, 2)

    def model(self, x):
        with pyro.plate(self.plate, len(x), dim=-1):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            noise = pyro.sample("noise", Normal(0.0, 1.0))  # proposed from the model
            mean = z @ self.weight + 0.1 * noise.unsqueeze(-1)
            pyro.sample("x", Normal(mean, 0.8).to_event(1), obs=x)

    def guide(self, x):
        with pyro.plate(self.plate, len(x), dim=-1):
            pyro.sample("z", Normal(self.guess(x), 0.9).to_event(1))


@pytest.mark.parametrize("nesting", [1, 2])
def test_rows_at_dim_minus_one_with_vector_events(nesting):
    program, x = Vectors(), torch.randn(6, 3)
    run = assert_as_traced(
        program.model, program.guide, x, row_plate="people", max_plate_nesting=nesting
    )
    assert run.log_weight.shape == (5, 6)


def test_an_auxiliary_site_of_the_guide_is_counted(data):
    model = not_miwae(data)

    def guide(x, s):
        rows, latent, _ = model.plates(x)
        with rows, latent:
            u = pyro.sample("u", Normal(0.3, 1.2), infer={"is_auxiliary": True})
            pyro.sample("z", Delta(0.5 * u))

    run = assert_as_traced(model.model, guide, data.x, data.s)
    assert {"u", "z"} <= set(run.sites)


class Shared(nn.Module):
    """g ~ N(0, 1), z_i ~ N(g, 1), x_i ~ N(z_i, 1)."""

    def model(self, x, size=None):
        g = pyro.sample("g", Normal(0.0, 1.0))
        shift = pyro.sample("shift", Normal(torch.zeros(2), 1.0).to_event(1))
        with self.rows(x, size):
            z = pyro.sample("z", Normal(g, 1.0))
            pyro.sample("x", Normal(z + shift.sum(), 1.0), obs=x)

    def guide(self, x, size=None):
        g = pyro.sample("g", Normal(0.2, 0.3))
        pyro.sample("shift", Normal(torch.tensor([0.1, -0.2]), 0.4).to_event(1))
        with self.rows(x, size):
            pyro.sample("z", Normal((x + g) / 2, 0.8))

    def rows(self, x, size):
        subsample = None if size is None else torch.arange(len(x))
        return pyro.plate("rows", size or len(x), subsample=subsample, dim=-1)


@pytest.mark.parametrize("size", [None, 40])
def test_global_sites_are_drawn_once_and_kept_apart(size):
    program, x = Shared(), torch.randn(8)
    run = weights(program.model, program.guide, x, size, num_particles=4, max_plate_nesting=1)
    assert run.log_weight.shape == (4, 8)
    assert set(run.globals) == {"g", "shift"}
    g, shift = run.globals["g"].value, run.globals["shift"].value
    assert g.shape == ()
    assert shift.shape == (2,)
    expected = Normal(0.0, 1.0).log_prob(g) - Normal(0.2, 0.3).log_prob(g)
    expected = expected + Normal(0.0, 1.0).log_prob(shift).sum()
    expected = expected - Normal(torch.tensor([0.1, -0.2]), 0.4).log_prob(shift).sum()
    torch.testing.assert_close(run.log_global, expected)
    torch.testing.assert_close(
        run.log_weight, log_weights_at(run, program.model, program.guide, x, size)
    )
    assert float(run.scale) == (1.0 if size is None else 5.0)


def test_a_global_site_without_a_guide_cancels():
    def model(x):
        g = pyro.sample("g", Normal(0.0, 1.0))
        with pyro.plate("rows", len(x), dim=-1):
            z = pyro.sample("z", Normal(g, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(x):
        with pyro.plate("rows", len(x), dim=-1):
            pyro.sample("z", Normal(x, 1.0))

    x = torch.randn(5)
    run = weights(model, guide, x, num_particles=3, max_plate_nesting=1)
    assert run.log_global.item() == 0.0
    torch.testing.assert_close(run.log_weight, log_weights_at(run, model, guide, x))


def test_a_mechanism_with_a_prior(data):
    model = not_miwae(data, SelfMasking(P, prior_scale=1.5))
    run = weights(model.model, model.guide, data.x, data.s, num_particles=4)
    assert "slope" in run.globals
    torch.testing.assert_close(
        run.log_weight, log_weights_at(run, model.model, model.guide, data.x, data.s)
    )
    slope, posterior = run.globals["slope"].value, model.coefficient_guide
    proposed = Normal(posterior.locs.slope, posterior.scales.slope)
    expected = Normal(0.0, 1.5).log_prob(slope) - proposed.log_prob(slope)
    torch.testing.assert_close(run.log_global, expected.sum())


def test_a_scale_stands_outside(data):
    model = not_miwae(data)

    def scaled(program):
        return poutine.scale(program, scale=12.5)

    pyro.set_rng_seed(4)
    plain = weights(model.model, model.guide, data.x, data.s, num_particles=3)
    pyro.set_rng_seed(4)
    run = weights(scaled(model.model), scaled(model.guide), data.x, data.s, num_particles=3)
    assert float(run.scale) == 12.5
    torch.testing.assert_close(run.log_weight, plain.log_weight, rtol=0, atol=0)
    pyro.set_rng_seed(4)
    run = weights(model.model, model.guide, data.x, data.s, 70, num_particles=3)
    assert float(run.scale) == pytest.approx(10.0)
    torch.testing.assert_close(run.log_weight, plain.log_weight, rtol=0, atol=0)


def test_a_scale_counts_for_global_sites_too():
    """It is not inside their logarithm either: log p - log q of the one draw, so many times."""

    def model(x):
        g = pyro.sample("g", Normal(0.0, 1.0))
        with pyro.plate("rows", len(x), dim=-1):
            pyro.sample("x", Normal(pyro.sample("z", Normal(g, 1.0)), 1.0), obs=x)

    def guide(x):
        pyro.sample("g", Normal(0.3, 0.5))
        with pyro.plate("rows", len(x), dim=-1):
            pyro.sample("z", Normal(x, 1.0))

    scaled = [poutine.scale(program, scale=12.5) for program in (model, guide)]
    run = weights(*scaled, torch.randn(5), num_particles=3, max_plate_nesting=1)
    g = run.globals["g"].value
    expected = 12.5 * (Normal(0.0, 1.0).log_prob(g) - Normal(0.3, 0.5).log_prob(g))
    torch.testing.assert_close(run.log_global, expected)


def test_a_subsample_is_shared_by_guide_and_model():
    table = torch.arange(60.0)
    seen = []

    def model():
        with pyro.plate("rows", 60, subsample_size=6, dim=-1) as index:
            seen.append(index)
            z = pyro.sample("z", Normal(0.0, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=table[index])

    def guide():
        with pyro.plate("rows", 60, subsample_size=6, dim=-1) as index:
            seen.append(index)
            pyro.sample("z", Normal(table[index] / 2, 1.0))

    run = weights(model, guide, num_particles=3, max_plate_nesting=1)
    assert torch.equal(seen[0], seen[1])
    assert run.log_weight.shape == (3, 6)
    assert float(run.scale) == 10.0
    z = run.sites["z"].value
    expected = (
        Normal(0.0, 1.0).log_prob(z)
        + Normal(z, 1.0).log_prob(table[seen[0]])
        - Normal(table[seen[0]] / 2, 1.0).log_prob(z)
    )
    torch.testing.assert_close(run.log_weight, expected)


def test_a_masked_row_has_weight_one(data):
    model = not_miwae(data)
    here = torch.tensor([True, False] * N)[:N].unsqueeze(-1)

    def masked(program):
        return poutine.mask(program, mask=here)

    run = weights(masked(model.model), masked(model.guide), data.x, data.s, num_particles=3)
    whole = log_weights_at(run, model.model, model.guide, data.x, data.s)
    torch.testing.assert_close(
        run.log_weight, torch.where(here.squeeze(-1), whole, torch.zeros(()))
    )


def test_conditioning_the_model_observes_the_site():
    def model():
        with pyro.plate("rows", 4, dim=-1):
            z = pyro.sample("z", Normal(0.0, 1.0))
            pyro.sample("x", Normal(z, 1.0))

    def guide():
        with pyro.plate("rows", 4, dim=-1):
            pyro.sample("z", Normal(0.5, 1.0))

    x = torch.randn(4)
    conditioned = poutine.condition(model, {"x": x})
    run = weights(conditioned, guide, num_particles=3, max_plate_nesting=1)
    torch.testing.assert_close(run.log_weight, log_weights_at(run, conditioned, guide))
    assert run.sites["x"].is_observed


# --- the path-only density ---


def _flow(loc, scale):
    return TransformedDistribution(Normal(0.0, 1.0).expand([4]), AffineTransform(loc, scale))


@pytest.mark.parametrize(
    "make",
    [
        Normal,
        lambda loc, scale: Normal(loc, scale).to_event(1),
        lambda loc, scale: Normal(loc.exp(), scale).expand([3, 4]),
        lambda loc, scale: pyro.distributions.LogNormal(loc, scale),
        lambda loc, scale: pyro.distributions.MultivariateNormal(loc, scale.diag()),
        _flow,
    ],
    ids=["normal", "independent", "expanded", "log-normal", "multivariate", "flow"],
)
def test_without_score_the_value_stays_and_only_the_path_has_a_gradient(make):
    loc, scale = torch.randn(4).requires_grad_(), torch.rand(4).add(0.5).requires_grad_()
    value = make(loc, scale).rsample().detach().requires_grad_()
    plain = make(loc, scale).log_prob(value)
    (expected,) = torch.autograd.grad(plain.sum(), value)
    result = log_prob_without_score(make(loc, scale), value)
    torch.testing.assert_close(result, plain)
    by_value, by_loc, by_scale = torch.autograd.grad(
        result.sum(), (value, loc, scale), allow_unused=True, materialize_grads=True
    )
    torch.testing.assert_close(by_value, expected)
    torch.testing.assert_close(by_loc, torch.zeros(4), rtol=0, atol=1e-14)
    torch.testing.assert_close(by_scale, torch.zeros(4), rtol=0, atol=1e-14)


# --- refusals ----


def rows_model(x):
    with pyro.plate("rows", len(x), dim=-1):
        z = pyro.sample("z", Normal(0.0, 1.0))
        pyro.sample("x", Normal(z, 1.0), obs=x)


def rows_guide(x):
    with pyro.plate("rows", len(x), dim=-1):
        pyro.sample("z", Normal(x, 1.0))


def refused(match, model=rows_model, guide=rows_guide, particles=3, nesting=1, n=4):
    with pytest.raises(WeightError, match=match):
        weights(model, guide, torch.zeros(n), num_particles=particles, max_plate_nesting=nesting)


def test_refuses_a_guide_site_that_the_model_lacks():
    def guide(x):
        rows_guide(x)
        with pyro.plate("rows", len(x), dim=-1):
            pyro.sample("zeta", Normal(0.0, 1.0))

    refused("'zeta'", guide=guide)


def test_refuses_a_model_without_rows():
    def model(x):
        pyro.sample("z", Normal(0.0, 1.0))

    def guide(x):
        pyro.sample("z", Normal(0.0, 1.0))

    refused("'rows'", model=model, guide=guide)


def test_refuses_an_unconditioned_site():
    refused("'x'", model=poutine.uncondition(rows_model))


@pytest.mark.parametrize("where", ["model", "guide"])
def test_refuses_scales_that_differ(where):
    def model(x):
        with pyro.plate("rows", len(x), dim=-1):
            z = pyro.sample("z", Normal(0.0, 1.0))
            with poutine.scale(scale=3.0):
                pyro.sample("x", Normal(z, 1.0), obs=x)

    if where == "model":
        refused("'x' has scale 3", model=model)
    else:
        refused("'z' has scale 1", guide=poutine.scale(rows_guide, scale=3.0))


def test_refuses_a_scale_a_row():
    scale = torch.tensor([1.0, 2.0, 3.0, 4.0])
    refused(
        "'[xz]'",
        model=poutine.scale(rows_model, scale=scale),
        guide=poutine.scale(rows_guide, scale=scale),
    )


@pytest.mark.parametrize("size", [2, 3])  # 3 is the number of particles
def test_refuses_a_latent_plate_left_of_the_rows(size):
    def model(x):
        with pyro.plate("left", size, dim=-2), pyro.plate("rows", len(x), dim=-1):
            z = pyro.sample("z", Normal(0.0, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x.expand(size, -1))

    def guide(x):
        with pyro.plate("left", size, dim=-2), pyro.plate("rows", len(x), dim=-1):
            pyro.sample("z", Normal(x, 1.0))

    refused("'z'", model=model, guide=guide)


@pytest.mark.parametrize("size", [2, 3])
def test_refuses_an_observed_plate_left_of_the_rows(size):
    def model(x):
        with pyro.plate("rows", len(x), dim=-1):
            z = pyro.sample("z", Normal(0.0, 1.0))
            with pyro.plate("left", size, dim=-2):
                pyro.sample("x", Normal(z.unsqueeze(-2), 1.0), obs=x.expand(3, size, -1))

    refused("'x'", model=model)


def test_refuses_a_row_density_outside_the_rows_plate():
    """A factor that forgot its plate would be summed over the particles."""

    def model(x):
        with pyro.plate("rows", len(x), dim=-1):
            z = pyro.sample("z", Normal(0.0, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)
        pyro.sample("extra", Bernoulli(logits=z).to_event(1), obs=(x > 0).double())

    refused("'extra'", model=model)
