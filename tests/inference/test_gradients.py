"""The gradient estimators: equal in expectation, exact at K = 1, and how their noise behaves."""

import itertools
import math

import numpy as np
import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal
from scipy.stats import chi2
from torch import nn

from absentia.inference import ImportanceWeightedELBO
from absentia.models import (
    Decoder,
    ExactConditionalEncoder,
    GaussianDecoder,
    LinearGaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    SelectionModel,
    SelfMasking,
)
from tests.oracles import assert_within_se, mean_and_se

N, P = 3, 2
X = torch.tensor([[0.5, 0.0], [0.0, -1.2], [0.9, 0.4]], dtype=torch.float64)
S = torch.tensor([[True, False], [False, True], [True, True]])


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)


def small_model(mechanism="logit", exact=False):
    torch.manual_seed(1)
    if exact:
        decoder, encoder = LinearGaussianDecoder(1, P), ExactConditionalEncoder(P, 1)
    else:
        decoder = GaussianDecoder(1, P, hidden=[3])
        encoder = MaskAwareEncoder(P, 1, hidden=[3])
    missingness = LinearMissingness(P) if mechanism == "linear" else SelfMasking(P, mechanism)
    model = SelectionModel(decoder, encoder, missingness, ["a", "b"])
    with torch.no_grad():
        for parameter in missingness.parameters():
            parameter.add_(torch.linspace(-0.8, 1.2, parameter.numel()).view_as(parameter))
    return model


def gradients(elbo, model, repeats, seed, copies=1):
    """One row a repeat: the gradients of all parameters, one after the other.

    With ``copies`` of the data in one batch each is a mean of that many independent estimates.
    """
    x, s = X.repeat(copies, 1), S.repeat(copies, 1)
    parameters = list(model.parameters())
    pyro.set_rng_seed(seed)
    rows = []
    for _ in range(repeats):
        loss = elbo.differentiable_loss(model.model, model.guide, x, s) / copies
        grads = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows).numpy()


def named_coordinates(model):
    return [name for name, p in model.named_parameters() for _ in range(p.numel())]


def assert_equal_in_expectation(one, other):
    """Every coordinate within 4.5 SE (60 coordinates: p = 4e-4 in all), and all of them together.

    The aggregate is T^2 of the difference of means; its coordinates are correlated, so it uses
    the covariance, restricted to directions that vary.
    """
    difference = one.mean(0) - other.mean(0)
    covariance = np.cov(one.T) / len(one) + np.cov(other.T) / len(other)
    assert_within_se(difference, 0.0, np.sqrt(np.diag(covariance)), sigmas=4.5, floor=1e-12)
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-8 * values.max()
    statistic = ((vectors.T @ difference)[kept] ** 2 / values[kept]).sum()
    assert chi2.sf(statistic, kept.sum()) > 1e-4


@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
@pytest.mark.parametrize("mechanism", ["logit", "probit"])
@pytest.mark.thin(2)
def test_dreg_and_iwae_agree_in_expectation(mechanism, unobserved):
    model = small_model(mechanism)
    runs = [
        gradients(
            ImportanceWeightedELBO(4, gradient=kind, unobserved=unobserved),
            model,
            150,
            seed,
            copies=30,
        )
        for seed, kind in enumerate(("dreg", "iwae"))
    ]
    assert_equal_in_expectation(*runs)
    names = named_coordinates(model)
    for part in ("decoder", "encoder", "missingness"):
        mine = [j for j, name in enumerate(names) if name.startswith(part)]
        assert np.abs(runs[0][:, mine].mean(0)).max() > 0.01, f"no gradient for the {part}"


def test_dreg_and_iwae_agree_under_a_coupled_mechanism():
    model = small_model("linear")
    assert_equal_in_expectation(
        *(
            gradients(ImportanceWeightedELBO(4, gradient=kind), model, 150, seed, copies=30)
            for seed, kind in enumerate(("dreg", "iwae"))
        )
    )


@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
@pytest.mark.thin(1)
def test_dreg_and_iwae_agree_where_the_guide_shares_the_decoders_parameters(unobserved):
    model = small_model(exact=True)
    runs = [
        gradients(
            ImportanceWeightedELBO(4, gradient=kind, unobserved=unobserved),
            model,
            150,
            seed,
            copies=30,
        )
        for seed, kind in enumerate(("dreg", "iwae"))
    ]
    assert_equal_in_expectation(*runs)


def test_the_mean_gradient_is_that_of_the_mean_bound():
    """Against central differences of the bound under common random numbers."""
    model = small_model()
    elbo = ImportanceWeightedELBO(4, gradient="iwae")
    parameters = list(model.parameters())
    pyro.set_rng_seed(0)
    loss = elbo.differentiable_loss(model.model, model.guide, X, S)
    grads = torch.autograd.grad(loss, parameters)

    def value():
        pyro.set_rng_seed(0)
        return elbo.loss(model.model, model.guide, X, S)

    for (name, parameter), grad in zip(model.named_parameters(), grads, strict=True):
        flat, index = parameter.data.view(-1), parameter.numel() // 2
        kept, sides = flat[index].item(), []
        for step in (1e-5, -1e-5):
            flat[index] = kept + step
            sides.append(value())
        flat[index] = kept
        slope = (sides[0] - sides[1]) / 2e-5
        assert grad.flatten()[index].item() == pytest.approx(slope, rel=1e-5, abs=1e-7), name


@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
def test_stl_is_dreg_with_one_particle(unobserved):
    model = small_model()
    results = [
        gradients(ImportanceWeightedELBO(1, gradient=kind, unobserved=unobserved), model, 3, seed=5)
        for kind in ("stl", "dreg")
    ]
    np.testing.assert_array_equal(*results)
    elbo = ImportanceWeightedELBO(1, gradient="iwae", unobserved=unobserved)
    iwae = gradients(elbo, model, 3, seed=5)
    names = named_coordinates(model)
    theirs = [j for j, name in enumerate(names) if name.startswith("encoder")]
    own = [j for j in range(len(names)) if j not in theirs]
    np.testing.assert_allclose(iwae[:, own], results[0][:, own], rtol=1e-9, atol=1e-12)
    assert np.abs(iwae[:, theirs] - results[0][:, theirs]).max() > 0.01  # the score


def test_decoder_and_mechanism_have_one_gradient_under_every_estimator():
    """Only the guide's parameters are treated differently."""
    model = small_model()
    names = named_coordinates(model)
    own = [j for j, name in enumerate(names) if not name.startswith("encoder")]
    runs = [
        gradients(ImportanceWeightedELBO(6, gradient=kind), model, 2, seed=1)[:, own]
        for kind in ("iwae", "dreg", "stl")
    ]
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(runs[2], runs[0], rtol=1e-9, atol=1e-12)


def encoder_signal_to_noise(kind, particles, repeats=300):
    model = small_model()
    with torch.no_grad():  # wider than the prior, so that the weights are bounded
        model.encoder.heads.scale.bias.fill_(1.3)
    elbo = ImportanceWeightedELBO(particles, gradient=kind)
    draws = gradients(elbo, model, repeats, seed=particles, copies=10)
    theirs = [j for j, n in enumerate(named_coordinates(model)) if n.startswith("encoder")]
    draws = draws[:, theirs]
    # of the gradient vector: |E g| / sd of g along E g, the mean's own noise taken off
    mean, spread = draws.mean(0), draws.var(0).sum()
    signal = max((mean**2).sum() - spread / repeats, 0.0)
    return np.sqrt(signal / spread)


@pytest.mark.slow
def test_the_encoders_signal_survives_many_particles_with_dreg_only():
    dreg = {k: encoder_signal_to_noise("dreg", k) for k in (5, 100)}
    iwae = {k: encoder_signal_to_noise("iwae", k) for k in (5, 100)}
    assert dreg[100] > dreg[5], dreg
    assert iwae[100] < 0.6 * iwae[5], iwae
    assert dreg[100] > 5 * iwae[100], (dreg, iwae)


# --- programs of other shapes ---


class Rows(nn.Module):
    """z ~ N(0, I_2) a row, rows at dim -1: as vector events, or under a second plate."""

    def __init__(self, events):
        super().__init__()
        self.events = events
        self.weight = nn.Parameter(torch.tensor([[0.5, -1.0], [1.0, 0.3]]))
        self.guess = nn.Linear(2, 2)

    def model(self, x):
        with pyro.plate("rows", len(x), dim=-1):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            pyro.sample("x", Normal(z @ self.weight, 0.8).to_event(1), obs=x)

    def guide(self, x):
        with pyro.plate("rows", len(x), dim=-1):
            pyro.sample("z", Normal(self.guess(x), 0.9).to_event(1))


@pytest.mark.parametrize("nesting", [1, 2])
@pytest.mark.parametrize("rows", [2, 5])  # 2 is also the width of the events
def test_dreg_with_rows_at_dim_minus_one(nesting, rows):
    """The gradient by hand: sum over k of w~^2 d log w / dz dz/dphi, with the score left out."""
    torch.manual_seed(0)
    program, x = Rows(True), torch.randn(rows, 2)
    elbo = ImportanceWeightedELBO(4, gradient="dreg", max_plate_nesting=nesting)
    pyro.set_rng_seed(3)
    loss = elbo.differentiable_loss(program.model, program.guide, x)
    by_elbo = torch.autograd.grad(loss, list(program.parameters()))

    pyro.set_rng_seed(3)
    guess = program.guess(x)
    eps = torch.randn(4, rows, 2)
    z = (guess + 0.9 * eps).detach().requires_grad_()
    log_w = (
        Normal(0.0, 1.0).log_prob(z)
        + Normal(z @ program.weight, 0.8).log_prob(x)
        - Normal(guess.detach(), 0.9).log_prob(z)
    ).sum(-1)
    share = torch.softmax(log_w.detach(), 0)
    by_weight, by_z = torch.autograd.grad((share * log_w).sum(), (program.weight, z))
    torch.testing.assert_close(by_elbo[0], -by_weight)
    surrogate = ((share.unsqueeze(-1) * by_z) * (guess + 0.9 * eps)).sum()
    by_guess = torch.autograd.grad(surrogate, list(program.guess.parameters()))
    for mine, hand in zip(by_elbo[1:], by_guess, strict=True):
        torch.testing.assert_close(mine, -hand)


def test_dreg_refuses_guide_sites_that_depend_on_each_other():
    def model(x):
        with pyro.plate("rows", len(x), dim=-1):
            a = pyro.sample("a", Normal(0.0, 1.0))
            b = pyro.sample("b", Normal(a, 1.0))
            pyro.sample("x", Normal(b, 1.0), obs=x)

    loc = torch.zeros((), requires_grad=True)

    def guide(x):
        with pyro.plate("rows", len(x), dim=-1):
            a = pyro.sample("a", Normal(loc, 1.0))
            pyro.sample("b", Normal(a + x, 1.0))

    x = torch.randn(3)
    with pytest.raises(ValueError, match=r"'b'.*'a'"):
        ImportanceWeightedELBO(5, gradient="dreg", max_plate_nesting=1).differentiable_loss(
            model, guide, x
        )
    iwae = ImportanceWeightedELBO(5, gradient="iwae", max_plate_nesting=1)
    iwae.differentiable_loss(model, guide, x).backward()
    assert loc.grad is not None


class BernoulliDecoder(Decoder):
    def __init__(self, latent_dim, num_columns):
        super().__init__()
        self.latent_dim, self.num_columns = latent_dim, num_columns
        self.linear = nn.Linear(latent_dim, num_columns)

    def forward(self, z):
        return Bernoulli(logits=self.linear(z))


def bernoulli_model():
    torch.manual_seed(4)
    model = SelectionModel(
        BernoulliDecoder(1, P), MaskAwareEncoder(P, 1, hidden=[3]), SelfMasking(P), ["a", "b"]
    )
    with torch.no_grad():
        model.missingness.raw_slope.copy_(torch.tensor([1.5, -1.0]))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("particles", [1, 4])
def test_the_gradient_of_sampled_discrete_values_is_that_of_their_enumeration(particles):
    """VIMCO's mean over draws, against the sum over every value of every missing cell."""
    model = bernoulli_model()
    x = (X > 0).double()
    sampled = ImportanceWeightedELBO(particles, unobserved="sample")
    # z held at the guide's mean: what is left to chance are the discrete values alone
    given = pyro.poutine.condition(model.model, data={"z": model.encoder(x, S).mean.detach()})
    names = [n for n, _ in model.named_parameters() if not n.startswith("encoder")]
    parameters = [dict(model.named_parameters())[n] for n in names]

    def enumerated():
        z = model.encoder(x, S).mean.detach()
        decoder = model.decoder(z)
        total = 0.0
        for i in range(N):
            missing = [j for j in range(P) if not S[i, j]]
            # one missing cell a row at most: every row of K values in turn
            values = [0.0, 1.0] if missing else [0.0]
            bound = 0.0
            for combination in itertools.product(values, repeat=particles):
                rows = x[i].repeat(particles, 1)
                chance = torch.zeros(())
                for k, value in enumerate(combination):
                    for j in missing:
                        rows[k, j] = value
                        chance = chance + Bernoulli(decoder.probs[i, j]).log_prob(
                            torch.tensor(value)
                        )
                log_w = model.missingness(rows).log_prob(S[i].double()).sum(-1)
                log_w = log_w + (decoder.log_prob(x)[i] * S[i]).sum()
                bound = bound + chance.exp() * (log_w.logsumexp(0) - math.log(particles))
            total = total - bound
        return total

    truth = torch.autograd.grad(enumerated(), parameters)
    truth = torch.cat([g.flatten() for g in truth]).numpy()
    pyro.set_rng_seed(5)
    rows = []
    for _ in range(2000):
        loss = sampled.differentiable_loss(given, lambda *a: None, x, S)
        grads = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in grads]).numpy())
    mean, se = mean_and_se(rows)
    assert_within_se(mean, truth, se)


@pytest.mark.parametrize("particles", [1, 4])
def test_the_score_of_discrete_values_scales_with_the_minibatch(particles):
    model, x = bernoulli_model(), (X > 0).double()
    elbo = ImportanceWeightedELBO(particles, unobserved="sample")
    results = []
    for size in (None, 10 * N):
        pyro.set_rng_seed(3)
        loss = elbo.differentiable_loss(model.model, model.guide, x, S, size)
        parameters = list(model.decoder.parameters())
        results.append(torch.autograd.grad(loss, parameters))
    for one, ten in zip(*results, strict=True):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(10 * one, ten)


def test_summed_discrete_values_need_no_score():
    model = bernoulli_model()
    collapsed = ImportanceWeightedELBO(5, gradient="dreg", unobserved="integrate")
    collapsed.differentiable_loss(model.model, model.guide, (X > 0).double(), S).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_dreg_is_refused_for_sampled_discrete_values():
    model = bernoulli_model()
    sampled = ImportanceWeightedELBO(5, gradient="dreg", unobserved="sample")
    with pytest.raises(ValueError, match=r"gradient.*discrete"):
        sampled.differentiable_loss(model.model, model.guide, (X > 0).double(), S)
