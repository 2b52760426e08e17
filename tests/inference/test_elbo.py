"""The bound against exact log-likelihoods, across K, and across minibatches."""

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.distributions import Bernoulli, Normal
from pyro.infer import RenyiELBO
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.inference import ImportanceWeightedELBO, IntegrationError
from absentia.models import (
    ExactConditionalEncoder,
    Ignorable,
    LinearMissingness,
    MaskAwareEncoder,
    SelfMasking,
)
from absentia.models.distributions.row_normal import RowNormal
from tests.oracles import as_data, assert_within_se, log_expected_sigmoid, mean_and_se, true_model

P, D = 4, 2
TRUTH = LinearGaussian.random(P, D, sigma=[0.5, 0.8, 0.6, 1.0], seed=1)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


def mcar(n, seed=0):
    _, x = TRUTH.sample(n, seed=seed)
    s = np.random.default_rng(seed + 1).random(x.shape) < 0.6
    s[0], s[1] = True, False
    return x, s


class Broadened(ExactConditionalEncoder):
    """The exact conditional shifted and 1.4 times as wide: weights vary, and are bounded."""

    def forward(self, x, s):
        exact = super().forward(x, s)
        return RowNormal(exact.loc + 0.2, exact.precision_tril / 1.4)


def untrained():
    torch.manual_seed(0)
    return MaskAwareEncoder(P, D, hidden=[8])


def ppca(encoder):
    return true_model(TRUTH, Ignorable(P), encoder, [f"x{j}" for j in range(P)])


def evidence_and_se(log_weight):
    """log mean w and its standard error by the delta method, each (n,)."""
    weight = (log_weight - log_weight.logsumexp(0)).exp().numpy() * len(log_weight)
    value = log_weight.logsumexp(0).numpy() - np.log(len(log_weight))
    return value, weight.std(0) / np.sqrt(len(weight))


# --- exact answers ----


def test_the_exact_guide_gives_the_exact_log_likelihood():
    x, s = mcar(12)
    data, model = as_data(x, s), ppca(ExactConditionalEncoder(P, D))
    elbo = ImportanceWeightedELBO(7)
    log_weight = elbo.weighted(model.model, model.guide, data.x, data.s).log_weight
    exact = TRUTH.log_prob_observed(x, s)
    np.testing.assert_allclose(log_weight.detach().numpy(), np.tile(exact, (7, 1)), atol=1e-10)
    # a second oracle, with nothing of the package in it
    cov = TRUTH.weights @ TRUTH.weights.T + np.diag(TRUTH.sigma**2)
    for i in range(2, 12):
        o = s[i]
        if not o.any():
            continue
        density = multivariate_normal.logpdf(x[i, o], TRUTH.mean[o], cov[np.ix_(o, o)])
        assert exact[i] == pytest.approx(density, abs=1e-10)
    assert elbo.loss(model.model, model.guide, data.x, data.s) == pytest.approx(-exact.sum())


@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
def test_five_thousand_particles_reach_the_exact_log_likelihood(unobserved):
    x, s = mcar(25)
    data, model = as_data(x, s), ppca(Broadened(P, D))
    elbo = ImportanceWeightedELBO(5000, unobserved=unobserved)
    with torch.no_grad():
        log_weight = elbo.weighted(model.model, model.guide, data.x, data.s).log_weight
    value, se = evidence_and_se(log_weight)
    assert se.max() < 0.2
    assert se.min() > 1e-3  # the weights vary
    assert_within_se(value, TRUTH.log_prob_observed(x, s), se)
    pyro.set_rng_seed(0)
    pooled = np.sqrt((se**2).sum())
    loss = elbo.loss(model.model, model.guide, data.x, data.s)
    assert_within_se(-loss, TRUTH.log_prob_observed(x, s).sum(), pooled, floor=0.05)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_mnar_reaches_the_exact_joint_log_likelihood(link):
    slope, offset = np.array([-2.0, 3.0, 0.5, -1.0]), np.array([0.5, 1.0, 0.0, 2.0])
    x, s = mcar(20, seed=5)
    mechanism = SelfMasking(P, link, slope=slope.tolist(), offset=offset.tolist())
    data = as_data(x, s)
    model = true_model(TRUTH, mechanism, ExactConditionalEncoder(P, D), data.columns)
    exact = TRUTH.log_prob_joint(x, s, slope, offset, link)
    for unobserved in ("integrate", "sample"):
        pyro.set_rng_seed(1)
        elbo = ImportanceWeightedELBO(5000, unobserved=unobserved)
        with torch.no_grad():
            log_weight = elbo.weighted(model.model, model.guide, data.x, data.s).log_weight
        value, se = evidence_and_se(log_weight)
        assert_within_se(value, exact, se, floor=2e-9)


@pytest.mark.slow
def test_the_bound_rises_with_the_number_of_particles():
    x, s = mcar(10)
    data, model = as_data(x, s), ppca(untrained())
    exact = TRUTH.log_prob_observed(x, s).sum()
    levels = []
    for particles, repeats in ((1, 2000), (5, 1000), (50, 300), (500, 60)):
        elbo = ImportanceWeightedELBO(particles, unobserved="integrate")
        losses = [elbo.loss(model.model, model.guide, data.x, data.s) for _ in range(repeats)]
        levels.append(mean_and_se(-np.array(losses)))
    means, errors = (np.array(v) for v in zip(*levels, strict=True))
    assert (np.diff(means) > -4 * np.hypot(errors[1:], errors[:-1])).all(), means
    assert means[1] - means[0] > 4 * np.hypot(*errors[:2])  # and visibly at first
    assert (means < exact + 4 * errors).all()
    assert exact - means[-1] < 0.2 * (exact - means[0])


# --- minibatches ----


def normals(x, size=None):
    """z ~ N(0, 1), x ~ N(z, 1): the marginal is N(0, 2); a minibatch where size is given."""
    with pyro.plate("rows", size or len(x), subsample=torch.arange(len(x)), dim=-1):
        z = pyro.sample("z", Normal(0.0, 1.0))
        pyro.sample("x", Normal(z, 1.0), obs=x)


def exact_normals(x, size=None):
    with pyro.plate("rows", size or len(x), subsample=torch.arange(len(x)), dim=-1):
        pyro.sample("z", Normal(x / 2, 0.5**0.5))


def test_minibatches_average_to_the_table():
    """With the exact guide every weight is p(x_i), so there is no noise to hide behind."""
    x = torch.randn(60) * 2
    exact = norm.logpdf(x.numpy(), scale=2**0.5)
    ours = ImportanceWeightedELBO(10, max_plate_nesting=1)
    batches = x.reshape(10, 6)
    values = [-ours.loss(normals, exact_normals, batch, 60) for batch in batches]
    np.testing.assert_allclose(values, 10 * exact.reshape(10, 6).sum(1), rtol=1e-10)
    assert np.mean(values) == pytest.approx(exact.sum())
    whole = -ours.loss(normals, exact_normals, x)
    assert np.mean(values) == pytest.approx(whole)


def test_renyi_with_a_subsample_is_no_bound():
    """6 of 60 rows: its scale stands inside the logarithm and tempers the weights."""

    def guide(x, size=None):
        with pyro.plate("rows", size or len(x), subsample=torch.arange(len(x)), dim=-1):
            pyro.sample("z", Normal(0.0, 1.5))

    table = torch.randn(60) * 1.5
    x = table[:6]
    exact = 10 * norm.logpdf(x.numpy(), scale=2**0.5).sum()
    renyi = RenyiELBO(alpha=0, num_particles=500, max_plate_nesting=1, vectorize_particles=True)
    ours = ImportanceWeightedELBO(500, max_plate_nesting=1)
    theirs = [-renyi.loss(normals, guide, x, 60) for _ in range(20)]
    values, se = mean_and_se([-ours.loss(normals, guide, x, 60) for _ in range(20)])
    assert np.mean(theirs) > exact + 0.3 * abs(exact)
    assert values < exact + 4 * se
    assert values > exact - 0.01 * abs(exact)


@pytest.mark.parametrize("how", ["size", "scale"])
@pytest.mark.thin(1)
def test_minibatches_of_a_tenth(how):
    x, s = mcar(60)
    data, model = as_data(x, s), ppca(Broadened(P, D))
    elbo = ImportanceWeightedELBO(20)
    whole, whole_se = mean_and_se(
        [-elbo.loss(model.model, model.guide, data.x, data.s) for _ in range(60)]
    )
    parts = []
    for repeat in range(60):
        torch.manual_seed(repeat)
        total = 0.0
        for rows in torch.randperm(60).split(6):
            batch = data.x[rows], data.s[rows]
            if how == "size":
                total -= elbo.loss(model.model, model.guide, *batch, 60)
            else:
                programs = (poutine.scale(f, scale=10.0) for f in (model.model, model.guide))
                total -= elbo.loss(*programs, *batch)
        parts.append(total / 10)
    mean, se = mean_and_se(parts)
    assert_within_se(mean, whole, np.hypot(se, whole_se))
    assert se < 0.01 * abs(mean)


def test_gradients_scale_with_the_minibatch():
    x, s = mcar(6)
    data, model = as_data(x, s), ppca(untrained())
    for gradient in ("iwae", "dreg", "stl"):
        elbo = ImportanceWeightedELBO(5, gradient=gradient)
        results = []
        for size in (None, 60):
            pyro.set_rng_seed(3)
            loss = elbo.differentiable_loss(model.model, model.guide, data.x, data.s, size)
            parameters = [p for p in model.parameters() if p.requires_grad]
            results.append(torch.autograd.grad(loss, parameters, allow_unused=True))
        for one, ten in zip(*results, strict=True):
            if one is not None:
                torch.testing.assert_close(10 * one, ten)


# --- global sites ----


class Conjugate(torch.nn.Module):
    """g ~ N(0, 1), z_i ~ N(g, 1), x_i ~ N(z_i, 1), AutoNormal for g."""

    def __init__(self, n):
        super().__init__()
        self.n = n
        self.autoguide = pyro.infer.autoguide.AutoNormal(
            lambda: pyro.sample("g", Normal(0.0, 1.0)), init_scale=0.2
        )
        self.autoguide()

    def model(self, x):
        g = pyro.sample("g", Normal(0.0, 1.0))
        with pyro.plate("rows", self.n, dim=-1):
            z = pyro.sample("z", Normal(g, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(self, x):
        g = self.autoguide()["g"]
        with pyro.plate("rows", self.n, dim=-1):
            # exact given g: every weight is p(x_i | g) = N(x_i; g, 2)
            pyro.sample("z", Normal((x + g) / 2, 0.5**0.5))


@pytest.mark.slow
def test_a_global_latent_against_the_closed_form():
    """E_q(g)[sum_i log N(x_i; g, 2)] - KL(q(g) || N(0, 1)), q = N(m, v)."""
    x = torch.randn(9) + 0.5
    program = Conjugate(9)
    with torch.no_grad():
        program.autoguide.locs.g.fill_(0.3)
    m, sd = program.autoguide.locs.g.item(), program.autoguide.scales.g.item()
    assert (m, sd) == (pytest.approx(0.3), pytest.approx(0.2))
    expected = norm.logpdf(x.numpy(), m, 2**0.5).sum() - 9 * sd**2 / 4
    kl = (sd**2 + m**2 - 1) / 2 - np.log(sd)
    elbo = ImportanceWeightedELBO(5, max_plate_nesting=1)
    draws = [-elbo.loss(program.model, program.guide, x) for _ in range(4000)]
    mean, se = mean_and_se(draws)
    assert_within_se(mean, expected - kl, se)
    assert se < 0.05


@pytest.mark.parametrize("p", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_prior_on_the_slopes_against_quadrature(p):
    """L_K to E_q(a)[log p(x_o, s | a)] - KL(q(a) || p(a)): the columns are independent given z.

    Here W = 0 in effect (x is independent of z), so log p(x_o, s | a) is a sum over cells.
    """
    truth = LinearGaussian(np.zeros((p, 1)), np.linspace(-0.3, 0.4, p), np.full(p, 0.9))
    _, x = truth.sample(6, seed=3)
    s = np.random.default_rng(2).random(x.shape) < 0.5
    s[0], s[1] = True, False
    mechanism = SelfMasking(p, prior_scale=1.3, offset=0.4)
    data = as_data(x, s)
    model = true_model(truth, mechanism, ExactConditionalEncoder(p, 1), data.columns)
    with torch.no_grad():
        model.coefficient_guide.locs.slope.copy_(torch.linspace(-0.5, 0.8, p))
    loc = model.coefficient_guide.locs.slope.detach().numpy()
    sd = model.coefficient_guide.scales.slope.detach().numpy()
    assert sd == pytest.approx(np.full(p, 0.1))

    def log_joint(a, j):
        seen = s[:, j]
        score = a * x[seen, j] + 0.4
        total = norm.logpdf(x[seen, j], truth.mean[j], 0.9).sum() - np.log1p(np.exp(-score)).sum()
        return total + (~seen).sum() * log_expected_sigmoid(-a * truth.mean[j] - 0.4, abs(a) * 0.9)

    expected = 0.0
    for j in range(p):
        low, high = loc[j] - 9 * sd[j], loc[j] + 9 * sd[j]
        expected += quad(
            lambda a, j=j: norm.pdf(a, loc[j], sd[j]) * log_joint(a, j), low, high, points=[0.0]
        )[0]
        expected -= np.log(1.3 / sd[j]) + (sd[j] ** 2 + loc[j] ** 2) / (2 * 1.3**2) - 0.5
    for unobserved in ("integrate", "sample"):
        elbo = ImportanceWeightedELBO(1000, unobserved=unobserved)
        draws = [-elbo.loss(model.model, model.guide, data.x, data.s) for _ in range(200)]
        mean, se = mean_and_se(draws)
        # the bias at K = 1000 with sampled values is some 6 rows * var(w) / 2K
        assert_within_se(mean, expected, se, floor=0.003 if unobserved == "sample" else 1e-6)
        assert se < 0.1


# --- options and values ----


@pytest.mark.parametrize("gradient", ["iwae", "dreg", "stl"])
@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
def test_loss_and_differentiable_loss_have_one_value(gradient, unobserved):
    x, s = mcar(8)
    data = as_data(x, s)
    model = true_model(TRUTH, SelfMasking(P, slope=-2.0), untrained(), data.columns)
    elbo = ImportanceWeightedELBO(6, gradient=gradient, unobserved=unobserved)
    values = []
    for function in (elbo.loss, elbo.differentiable_loss, elbo.loss_and_grads, elbo.bound):
        pyro.set_rng_seed(9)
        result = function(model.model, model.guide, data.x, data.s)
        result = torch.as_tensor(result).detach()
        values.append(float(-result.sum() if function == elbo.bound else result))
    assert values == pytest.approx([values[0]] * 4)
    assert isinstance(elbo.loss(model.model, model.guide, data.x, data.s), float)
    # as a module
    pyro.set_rng_seed(9)
    module = elbo(model.model, model.guide)
    assert module(data.x, data.s).item() == pytest.approx(values[0])
    assert {id(p) for p in module.parameters()} == {id(p) for p in model.parameters()}


def test_the_bound_of_a_row_does_not_depend_on_its_batch():
    x, s = mcar(8)
    data, model = as_data(x, s), ppca(ExactConditionalEncoder(P, D))
    elbo = ImportanceWeightedELBO(3)
    whole = elbo.bound(model.model, model.guide, data.x, data.s)
    for i in range(8):
        one = elbo.bound(model.model, model.guide, data.x[i : i + 1], data.s[i : i + 1])
        torch.testing.assert_close(one, whole[i : i + 1])


def test_auto_options():
    assert ImportanceWeightedELBO(4).gradient == "iwae"
    assert ImportanceWeightedELBO(5).gradient == "dreg"
    assert ImportanceWeightedELBO(20, gradient="stl").gradient == "stl"


@pytest.mark.parametrize(
    "options", [{"num_particles": 0}, {"gradient": "score"}, {"unobserved": "impute"}]
)
def test_unknown_options_are_refused(options):
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        ImportanceWeightedELBO(**options)


def test_auto_samples_what_cannot_be_collapsed():
    x, s = mcar(8)
    data = as_data(x, s)
    model = true_model(TRUTH, LinearMissingness(P), untrained(), data.columns)
    strict = ImportanceWeightedELBO(3, unobserved="integrate")
    with pytest.raises(IntegrationError, match=r"'s'.*LinearMissingness"):
        strict.loss(model.model, model.guide, data.x, data.s)
    auto = ImportanceWeightedELBO(3)
    auto.loss(model.model, model.guide, data.x, data.s)  # finds out
    values = []
    for elbo in (auto, ImportanceWeightedELBO(3, unobserved="sample")):
        pyro.set_rng_seed(1)
        values.append(elbo.loss(model.model, model.guide, data.x, data.s))
    assert values[0] == values[1]


def test_a_discrete_guide_site_is_refused_for_gradients():
    def model(x):
        with pyro.plate("rows", len(x), dim=-1):
            c = pyro.sample("c", Bernoulli(0.5))
            pyro.sample("x", Normal(c, 1.0), obs=x)

    def guide(x):
        with pyro.plate("rows", len(x), dim=-1):
            pyro.sample("c", Bernoulli(torch.full(x.shape, 0.4, requires_grad=True)))

    elbo = ImportanceWeightedELBO(5, max_plate_nesting=1)
    x = torch.randn(4)
    with pytest.raises(ValueError, match="site 'c'"):
        elbo.differentiable_loss(model, guide, x)
    # its value is a bound all the same
    exact = np.log(0.5 * norm.pdf(x.numpy()) + 0.5 * norm.pdf(x.numpy(), 1.0)).sum()
    many = ImportanceWeightedELBO(5000, max_plate_nesting=1)
    draws, se = mean_and_se([-many.loss(model, guide, x) for _ in range(20)])
    assert_within_se(draws, exact, se, floor=1e-3)


def test_a_named_model_is_bounded_by_its_own_many_particles():
    """Held-out bounds are the row bounds of the same ELBO."""
    x, s = mcar(15)
    data = as_data(x, s)
    model = true_model(TRUTH, SelfMasking(P, slope=1.0), Broadened(P, D), data.columns)
    few = ab.check.held_out_bound(model, data, particles=2000, seed=1).numpy()
    exact = TRUTH.log_prob_joint(x, s, 1.0, 0.0)
    with torch.no_grad():
        run = ImportanceWeightedELBO(2000).weighted(model.model, model.guide, data.x, data.s)
    _, se = evidence_and_se(run.log_weight)
    assert_within_se(few, exact, se, floor=2e-9)
