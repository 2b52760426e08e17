"""Missing values integrated out: against enumeration, quadrature, and the sampled bound."""

from itertools import pairwise, product

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.distributions import Bernoulli, Categorical, Gamma, LogNormal, Normal, Poisson
from scipy.integrate import quad
from scipy.special import expit, log_expit, logsumexp
from scipy.stats import norm
from scipy.stats import t as student
from torch import nn

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.inference import ImportanceWeightedELBO, IntegrationError, integrate_out
from absentia.inference.integration.conditionals import TiltedNormal, Untilted
from absentia.inference.integration.summed import TiltedDiscrete, TiltedQuadrature
from absentia.models import (
    Decoder,
    ExactConditionalEncoder,
    GaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    Missingness,
    NonLinearMissingness,
    SelectionModel,
    SelfMasking,
    StudentTDecoder,
)
from absentia.models.missingness import missingness
from tests.oracles import (
    LOG_LINK,
    as_data,
    assert_within_se,
    mean_and_se,
    self_masked_table,
    true_model,
)

N, P = 5, 4
LINKS = ["logit", "probit"]


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


class LinearDecoder(Decoder):
    """``family(linear(z))`` for any family of one parameter a cell."""

    def __init__(self, latent_dim, num_columns, family, outputs=1):
        super().__init__()
        self.latent_dim, self.num_columns = latent_dim, num_columns
        self.family, self.outputs = family, outputs
        self.linear = nn.Linear(latent_dim, num_columns * outputs)

    def forward(self, z):
        h = self.linear(z)
        if self.outputs > 1:
            h = h.unflatten(-1, (self.num_columns, self.outputs))
        return self.family(h)


def made(decoder, mechanism, p=P):
    torch.manual_seed(0)
    encoder = MaskAwareEncoder(p, decoder.latent_dim, hidden=[4])
    return SelectionModel(decoder, encoder, mechanism, [f"x{j}" for j in range(p)])


def table(values=None, n=N, p=P, seed=1):
    torch.manual_seed(seed)
    x = torch.randn(n, p) if values is None else torch.randint(values, (n, p)).double()
    s = torch.rand(n, p) < 0.5
    s[0], s[1] = True, False
    return torch.where(s, x, 0.0), s


def collapsed_run(model, x, s):
    """Trace of the collapsed program, one latent a row, and its cells."""
    with integrate_out() as handler:
        trace = poutine.trace(model.model).get_trace(x, s)
    trace.compute_log_prob()
    return trace, handler.cells


# --- enumeration ----


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("slope", [1.5, 100.0])
@pytest.mark.parametrize("kind", ["bernoulli", "categorical"])
def test_discrete_values_against_every_completion_of_the_row(kind, slope, link):
    levels = 2 if kind == "bernoulli" else 3
    if kind == "bernoulli":
        decoder = LinearDecoder(2, P, lambda h: Bernoulli(logits=h))
    else:
        decoder = LinearDecoder(2, P, lambda h: Categorical(logits=h), outputs=3)
    mechanism = SelfMasking(P, link, slope=[slope, -slope, 1.0, 0.5], offset=[-0.4, 0.3, -1.0, 0.0])
    model = made(decoder, mechanism)
    x, s = table(levels)
    trace, cells = collapsed_run(model, x, s)
    assert isinstance(cells.tilted, TiltedDiscrete)
    z = trace.nodes["z"]["value"]
    with torch.no_grad():
        got = sum(trace.nodes[n]["log_prob"].sum(-1) for n in ("x_observed", "x_unobserved", "s"))
        mean, variance = cells.tilted.moments()
    cell = 0
    for i in range(N):
        hidden = (~s[i]).nonzero().flatten().tolist()
        joint, completions = [], []
        for values in product(range(levels), repeat=len(hidden)):
            row = x[i].clone()
            row[hidden] = torch.tensor(values, dtype=row.dtype)
            with torch.no_grad():
                density = decoder(z[i]).log_prob(row).sum()
                seen = mechanism(row).log_prob(s[i].double()).sum()
            joint.append((density + seen).item())
            completions.append(row.numpy())
        joint, completions = np.array(joint), np.array(completions)
        assert got[i].item() == pytest.approx(logsumexp(joint), abs=1e-9)
        posterior = np.exp(joint - logsumexp(joint))
        for j in hidden:
            first = posterior @ completions[:, j]
            second = posterior @ (completions[:, j] - first) ** 2
            assert mean.flatten()[cell].item() == pytest.approx(first, abs=1e-9)
            assert variance.flatten()[cell].item() == pytest.approx(second, abs=1e-9)
            cell += 1
    assert cell == int((~s).sum())


# --- integrals ----


def cell_integral(pdf, missing, points):
    """int pdf (1 - pi), cut at the points given."""
    cuts = [-60.0, *sorted(p for p in points if -60 < p < 60), 60.0]
    return sum(
        quad(lambda u: pdf(u) * missing(u), a, b, epsabs=1e-13, limit=300)[0]
        for a, b in pairwise(cuts)
    )


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("slope", [1.0, -100.0])
def test_normal_decoder(link, slope):
    model = made(GaussianDecoder(2, P, hidden=[5]), SelfMasking(P, link, slope=slope, offset=0.4))
    x, s = table()
    trace, cells = collapsed_run(model, x, s)
    assert isinstance(cells.tilted, TiltedNormal)
    check_mask_density(model, trace, x, s, score_of(slope), link, [-0.4 / slope])


def score_of(slope):
    return lambda u: slope * u + 0.4


def check_mask_density(model, trace, x, s, score, link, knees, atol=1e-6):
    z = trace.nodes["z"]["value"]
    got = trace.nodes["s"]["log_prob"].detach()
    with torch.no_grad():
        decoder = model.decoder(z)
    for i, j in product(range(N), range(P)):
        if s[i, j]:
            expected = LOG_LINK[link](score(x[i, j].item()))
        else:
            loc, scale = decoder.mean[i, j].item(), decoder.scale[i, j].item()
            if hasattr(decoder, "df"):
                pdf = student(decoder.df[i, j].item(), loc, scale).pdf
            else:
                pdf = norm(loc, scale).pdf
            around = [loc, loc - 3 * scale, loc + 3 * scale, loc - 9 * scale, loc + 9 * scale]
            around += [k + d for k in knees for d in (-0.5, -0.05, 0, 0.05, 0.5)]
            integral = cell_integral(pdf, lambda u: np.exp(LOG_LINK[link](-score(u))), around)
            expected = np.log(integral)
        assert got[i, j].item() == pytest.approx(expected, abs=atol, rel=1e-9), (i, j)


@pytest.mark.parametrize("steepness", [1.0, 100.0])
@pytest.mark.parametrize("decoder", [GaussianDecoder, StudentTDecoder])
@pytest.mark.thin(2)
def test_two_sided_mechanisms(decoder, steepness):
    @missingness(elementwise=True)
    def hides_both_ends(x):
        return Bernoulli(logits=steepness * (1.2 - x.abs()))

    model = made(decoder(2, P, hidden=[5]), hides_both_ends)
    x, s = table()
    trace, cells = collapsed_run(model, x, s)
    assert isinstance(cells.tilted, TiltedQuadrature)
    check_mask_density(
        model, trace, x, s, lambda u: steepness * (1.2 - abs(u)), "logit", [-1.2, 1.2], atol=1e-4
    )


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("slope", [1.0, 100.0])
@pytest.mark.thin(2)
def test_student_decoder_under_self_masking(link, slope):
    model = made(StudentTDecoder(2, P, hidden=[5]), SelfMasking(P, link, slope=slope, offset=0.4))
    x, s = table()
    trace, _ = collapsed_run(model, x, s)
    check_mask_density(model, trace, x, s, score_of(slope), link, [-0.4 / slope], atol=1e-4)


def test_a_mechanism_that_reads_its_neighbours_observed_values():
    """elementwise allows it: what is observed is a constant."""

    class Neighbour(Missingness):
        elementwise = True

        def __init__(self, s):
            super().__init__()
            self.mask = s

        def forward(self, x):
            return Bernoulli(logits=0.5 - 2 * x + (x * self.mask).sum(-1, keepdim=True))

    x, s = table()
    model = made(GaussianDecoder(2, P, hidden=[5]), Neighbour(s))
    trace, _ = collapsed_run(model, x, s)
    z = trace.nodes["z"]["value"]
    decoder = model.decoder(z)
    for i, j in (~s).nonzero().tolist():
        shift = (x[i] * s[i]).sum().item()
        loc, scale = decoder.mean[i, j].item(), decoder.scale[i, j].item()
        expected = quad(
            lambda u, shift=shift, loc=loc, scale=scale: (
                norm.pdf(u, loc, scale) * expit(2 * u - 0.5 - shift)
            ),
            loc - 9 * scale,
            loc + 9 * scale,
        )[0]
        got = trace.nodes["s"]["log_prob"][i, j].item()
        assert got == pytest.approx(np.log(expected), abs=1e-6)


def test_an_ignorable_mechanism_leaves_the_mask_out():
    x, s = table()
    model = ab.MIWAE(as_data(*(v.numpy() for v in table(n=6))), latent_dim=2, hidden=[4])
    trace, cells = collapsed_run(model.double(), x, s)
    assert isinstance(cells.tilted, Untilted)
    assert trace.nodes["s"]["log_prob"].sum().item() == 0.0
    assert trace.nodes["x_unobserved"]["log_prob"].sum().item() == 0.0


@pytest.mark.parametrize("which", ["all", "none"])
def test_tables_without_missing_or_without_observed_values(which):
    x, _ = table()
    s = torch.full((N, P), which == "all")
    model = made(GaussianDecoder(2, P, hidden=[5]), SelfMasking(P, slope=1.0))
    trace, cells = collapsed_run(model, torch.where(s, x, 0.0), s)
    assert trace.nodes["s"]["log_prob"].shape == (N, P)
    assert len(cells.rows) == (0 if which == "all" else N * P)
    if which == "all":
        expected = log_expit(x.numpy())
        np.testing.assert_allclose(trace.nodes["s"]["log_prob"].detach().numpy(), expected)


def test_particles_stay_apart():
    """(K, n, p): every particle's own integral."""
    x, s = table()
    model = made(GaussianDecoder(2, P, hidden=[5]), SelfMasking(P, slope=-2.0, offset=0.4))
    elbo = ImportanceWeightedELBO(3, unobserved="integrate")
    run = elbo.weighted(model.model, model.guide, x, s)
    z = run.sites["z"].value
    for k in range(3):
        conditioned = poutine.condition(model.model, {"z": z[k]})
        with integrate_out():
            trace = poutine.trace(conditioned).get_trace(x, s)
        joint = trace.nodes["z"]["fn"].log_prob(z[k]).sum(-1)
        joint = joint + torch.where(s, trace.nodes["x_observed"]["fn"].log_prob(x), 0.0).sum(-1)
        joint = joint + trace.nodes["s"]["fn"].log_prob(s.double()).sum(-1)
        expected = joint - model.encoder(x, s).log_prob(z[k]).sum(-1)
        torch.testing.assert_close(run.log_weight[k], expected)


# --- against the sampled bound ---


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("slope", [1.0, 6.0])
@pytest.mark.thin(2)
def test_the_collapsed_bound_is_never_below_the_sampled_one(link, slope):
    truth = LinearGaussian.random(P, 2, sigma=0.6, seed=2)
    x, s = self_masked_table(truth, 8, -slope, 0.5, link)
    data = as_data(x, s)
    mechanism = SelfMasking(P, link, slope=-slope, offset=0.5)
    model = true_model(truth, mechanism, ExactConditionalEncoder(P, 2), data.columns)
    for particles in (1, 20):
        levels = {}
        for unobserved in ("integrate", "sample"):
            elbo = ImportanceWeightedELBO(particles, unobserved=unobserved)
            draws = [-elbo.loss(model.model, model.guide, data.x, data.s) for _ in range(150)]
            levels[unobserved] = (*mean_and_se(draws), np.std(draws))
        (high, high_se, high_sd), (low, low_se, low_sd) = levels["integrate"], levels["sample"]
        assert high > low - 4 * np.hypot(high_se, low_se), particles
        assert high_sd < 1.2 * low_sd
        if particles == 1 and slope == 6.0:
            assert high > low + 4 * np.hypot(high_se, low_se)  # and strictly, where K is small


@pytest.mark.parametrize("decoder", ["gaussian", "student-t"])
def test_collapsed_and_sampled_bounds_meet(decoder):
    x, s = table()
    torch.manual_seed(1)
    part = GaussianDecoder if decoder == "gaussian" else StudentTDecoder
    model = made(part(1, P, hidden=[3]), SelfMasking(P, slope=-1.5, offset=0.5))
    with torch.no_grad():
        model.encoder.heads.scale.bias.fill_(1.5)
    values = []
    for unobserved in ("integrate", "sample"):
        particles = 20_000 if decoder == "gaussian" else 2_000
        run = ImportanceWeightedELBO(particles, unobserved=unobserved).weighted
        with torch.no_grad():
            log_w = run(model.model, model.guide, x, s).log_weight
        share = torch.softmax(log_w, 0)
        se = (share.square().sum(0)).sqrt()
        values.append((log_w.logsumexp(0), se))
    (a, a_se), (b, b_se) = values
    assert_within_se(a, b, torch.hypot(a_se, b_se).numpy())


# --- refusals ----


@pytest.mark.parametrize("mechanism", [LinearMissingness, NonLinearMissingness])
def test_refuses_coupled_mechanisms(mechanism):
    x, s = table()
    model = made(GaussianDecoder(2, P, hidden=[5]), mechanism(P))
    with pytest.raises(IntegrationError, match=f"'s': {mechanism.__name__}.*'x_unobserved'"):
        collapsed_run(model, x, s)
    auto = ImportanceWeightedELBO(5)
    auto.differentiable_loss(model.model, model.guide, x, s).backward()
    assert all(p.grad is not None for p in model.missingness.parameters())


def test_refuses_a_mask_that_is_no_mechanisms():
    def model(x, s):
        with pyro.plate("rows", N, dim=-2), pyro.plate("features", P, dim=-1):
            x = pyro.sample("x", Normal(torch.zeros(N, P), 1.0), obs=x, obs_mask=s)
            pyro.sample("s", Bernoulli(logits=x), obs=s.double())

    refused = pytest.raises(IntegrationError, match=r"'s'.*Missingness")
    with refused, integrate_out():
        poutine.trace(model).get_trace(*table())


def test_refuses_a_mask_that_is_not_observed():
    x, s = table()
    mechanism = SelfMasking(P, slope=1.0)

    def model(x, s):
        with pyro.plate("rows", N, dim=-2), pyro.plate("features", P, dim=-1):
            x = pyro.sample("x", Normal(torch.zeros(N, P), 1.0), obs=x, obs_mask=s)
            pyro.sample("s", mechanism(x))

    with pytest.raises(IntegrationError, match="'s' must be observed"), integrate_out():
        poutine.trace(model).get_trace(x, s)


@pytest.mark.parametrize(
    "family",
    [
        lambda h: Gamma(h.exp(), torch.ones_like(h)),
        lambda h: Poisson(h.exp()),
        lambda h: LogNormal(h, torch.ones_like(h)),
        lambda h: Normal(h, 1.0).mask(torch.ones_like(h).bool()),
    ],
    ids=["Gamma", "Poisson", "LogNormal", "MaskedDistribution"],
)
def test_refuses_decoders_without_a_rule_and_auto_samples(family, request):
    x, s = table()
    x = torch.where(s, x.abs().round() + 1, 1.0)
    model = made(LinearDecoder(2, P, family), SelfMasking(P, slope=-1.0))
    auto = ImportanceWeightedELBO(3).weighted(model.model, model.guide, x, s)
    assert bool(auto.log_weight.isfinite().all())
    name = request.node.callspec.id
    with pytest.raises(IntegrationError, match=f"'x_unobserved'.*{name}"):
        collapsed_run(model, x, s)
