"""Proposals of their own for the rows where the amortised guide fails."""

import copy

import numpy as np
import pyro
import pytest
import torch
from scipy.stats import norm
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.inference import khat_threshold, pareto_khat, refined_guide, weights
from absentia.inference.imputing import own_proposals
from absentia.inference.imputing.proposal import (
    SHARE_OF_GUIDE,
    SHARES,
    LatentSite,
    RowMixture,
    latent_sites,
    widths,
)
from absentia.models import (
    ExactConditionalEncoder,
    Ignorable,
    LinearGaussianDecoder,
    LinearMissingness,
    MaskAwareEncoder,
    SelectionModel,
    SelfMasking,
)
from tests.oracles import as_data, mean_and_se, true_model

P, D, SLOPE, OFFSET = 4, 2, -2.0, 0.5
L = 400


@pytest.fixture(scope="module")
def truth():
    return LinearGaussian.random(p=P, d=D, sigma=0.25, seed=1)


@pytest.fixture(scope="module")
def data(truth):
    _, x = truth.sample(24, seed=2)
    rng = np.random.default_rng(3)
    hidden = rng.random(x.shape) > 1 / (1 + np.exp(-(SLOPE * x + OFFSET)))
    x[hidden] = np.nan
    x[0] = truth.mean  # complete
    x[1] = np.nan  # empty
    return ab.IncompleteData.from_numpy(x, standardise=False)


def bad_model(truth, mechanism=None, loc=1.0, scale=0.3):
    """The true model with a guide that is off the mark and too narrow."""
    decoder = LinearGaussianDecoder(D, P, floor=0.0)
    encoder = MaskAwareEncoder(P, D, hidden=[4])
    mechanism = mechanism or SelfMasking(P, slope=SLOPE, offset=OFFSET)
    with torch.no_grad():
        decoder.mean.weight.copy_(torch.tensor(truth.weights))
        decoder.mean.bias.copy_(torch.tensor(truth.mean))
        decoder.scale.raw.fill_(float(np.log(np.expm1(0.25))))
        for parameter in encoder.heads.parameters():
            parameter.zero_()
        encoder.heads.mean.bias.fill_(loc)
        encoder.heads.scale.bias.fill_(float(np.log(np.expm1(scale))))
    return SelectionModel(decoder, encoder, mechanism, [f"x{j}" for j in range(P)])


@pytest.fixture(scope="module")
def imputations(truth, data):
    model = bad_model(truth)
    return {refine: ab.impute(model, data, L, refine=refine, draws=100) for refine in (True, False)}


def test_a_bad_guide_is_found_out_and_repaired(imputations):
    threshold = khat_threshold(L)
    before, after = imputations[False], imputations[True]
    assert (before.khat > threshold).mean() > 0.5
    assert not before.refined.any()
    assert after.refined.mean() > 0.9
    assert (after.khat <= threshold)[after.refined].all()
    # a row that the pilot thought well of is left as it is, and reported as it is
    kept = ~after.refined
    assert np.array_equal(after.reliable, after.refined | (before.khat <= threshold))
    assert np.array_equal(after.khat[kept], before.khat[kept])
    assert np.array_equal(after.khat_before, before.khat)
    assert after.summary()["weights_good"] == np.mean(after.reliable) > 0.9
    assert after.summary()["weights_good_before"] == before.summary()["weights_good"]


def test_refined_estimates_agree_with_the_exact_answers(truth, data, imputations):
    found = imputations[True]
    s = data.s.numpy()
    exact = truth.log_prob_joint(np.where(s, data.values, 0.0), s, SLOPE, OFFSET)
    # delta method: sd of log mean w is sqrt(1 / ESS - 1 / L)
    error = np.sqrt(1 / found.ess - 1 / found.row_particles) + 1e-4
    # the rows left alone are judged by their weights, which cannot show what the guide missed
    new = found.refined
    assert new.mean() > 0.5
    assert (np.abs(found.log_evidence - exact) < 4 * error)[new].all()
    means = truth.posterior_mean(np.where(s, data.values, 0.0), s, SLOPE, OFFSET)
    difference = np.abs(found.mean - means)
    assert (difference <= 4.5 * found.mcse + 1e-4)[~s & new[:, None]].all()
    # and they were wrong before
    rough = np.abs(imputations[False].log_evidence - exact)
    assert np.median(rough) > 0.5


def test_rows_that_need_nothing_are_left_alone(truth, data):
    model = bad_model(truth, loc=0.5, scale=0.8)
    before, after = (ab.impute(model, data, L, refine=r, draws=5) for r in (False, True))
    kept = ~after.refined
    assert 0.2 < kept.mean() < 0.9
    assert np.median(before.khat[kept]) < 0 < 1 < np.median(before.khat[~kept])
    for name in ("khat", "ess", "log_evidence"):
        assert np.array_equal(getattr(after, name)[kept], getattr(before, name)[kept])
    assert np.array_equal(after.mean[kept], before.mean[kept])
    assert (after.khat <= after.khat_before).all()


def test_a_good_guide_is_not_refined(truth, data):
    model = bad_model(truth)
    model = SelectionModel(
        model.decoder,
        ab.PPCA(data, latent_dim=D).encoder,
        SelfMasking(P, slope=-0.2, offset=OFFSET),
        model.columns,
    )
    plain, refined = (ab.impute(model, data, L, refine=r, draws=5) for r in (False, True))
    assert not refined.refined.any()
    assert np.array_equal(plain.mean, refined.mean)
    assert np.array_equal(plain.draws(5), refined.draws(5))


def test_the_better_of_the_two_is_kept(truth, data, monkeypatch):
    """A refinement that is worse than the guide changes nothing."""
    model = bad_model(truth, loc=0.5, scale=0.8)
    expected = ab.impute(model, data, L, refine=False, draws=5)
    assert (expected.khat > khat_threshold(L)).any()

    def worse(model, x, s, *_):
        scale = 0.05 * torch.eye(D).expand(len(x), D, D)
        return RowMixture(torch.full((len(x), D), 9.0), scale, latent_sites(model.guide, x, s))

    monkeypatch.setattr(own_proposals, "refined_proposal", worse)
    found = ab.impute(model, data, L, draws=5)
    assert (found.khat <= expected.khat).all()
    kept = ~found.refined
    assert kept.any()
    assert np.array_equal(found.mean[kept], expected.mean[kept])


def one_row_many_times(loc, spread, rows=600):
    """A row of which everything is known, and a model whose guide is off by so many sd.

    Returns the table, the model and the exact log p(x_o).
    """
    truth = LinearGaussian(np.array([[1.0], [0.5], [-0.8]]), np.zeros(3), np.full(3, 0.7))
    x, seen = np.array([0.6, -0.4, np.nan]), np.array([True, True, False])
    precision = 1 + (truth.weights[seen, 0] ** 2 / 0.49).sum()
    mean = (truth.weights[seen, 0] * x[seen] / 0.49).sum() / precision
    table = np.vstack([np.tile(x, (rows, 1)), np.zeros((1, 3))])
    data = ab.IncompleteData.from_numpy(table, standardise=False, dtype=torch.float64)
    encoder = MaskAwareEncoder(3, 1, hidden=[4])
    with torch.no_grad():
        for parameter in encoder.heads.parameters():
            parameter.zero_()
        encoder.heads.mean.bias.fill_(mean + loc * precision**-0.5)
        encoder.heads.scale.bias.fill_(float(np.log(np.expm1(spread * precision**-0.5))))
    model = true_model(truth, Ignorable(3), encoder, data.columns)
    return data, model, truth.log_prob_observed(np.nan_to_num(x)[None], seen[None])[0]


@pytest.mark.parametrize(("loc", "spread"), [(0.0, 0.5), (1.0, 0.8), (2.0, 1.0)])
@pytest.mark.thin(1)
def test_the_evidence_is_unbiased_whichever_rows_are_refined(loc, spread):
    """Six hundred repetitions of a row whose weights look well in some and poor in others."""
    data, model, exact = one_row_many_times(loc, spread)
    found = ab.impute(model, data, 200, draws=0, seed=2)
    share = np.exp(found.log_evidence[:-1] - exact)
    refined = found.refined[:-1]
    assert 0.3 < refined.mean() < 0.95
    for part in (share, share[refined], share[~refined]):
        mean, error = mean_and_se(part)
        assert abs(mean - 1) < 4 * error
    # choosing by the weights that are kept would take a seventh or more off the rows left alone
    assert mean_and_se(share)[1] < 0.01


def test_what_is_used_does_not_look_at_what_was_used_to_choose():
    """Fresh draws are kept unconditionally: their ESS may be below the pilot's."""
    data, model, _ = one_row_many_times(1.0, 0.8, rows=200)
    plain = ab.impute(model, data, 200, draws=0, seed=1, refine=False)
    found = ab.impute(model, data, 200, draws=0, seed=1)
    kept = ~found.refined
    # rows left alone keep the estimates that they would have had without refinement
    np.testing.assert_array_equal(found.log_evidence[kept], plain.log_evidence[kept])
    # and among them weights look poor as often as they do where nothing was chosen
    threshold = khat_threshold(200)
    poor, rate = np.mean(plain.khat[kept] > threshold), np.mean(plain.khat > threshold)
    assert abs(poor - rate) < 4 * np.sqrt(rate * (1 - rate) / kept.sum())
    assert (found.khat_before == plain.khat).all()


def test_few_effective_particles_are_enough_to_be_refined():
    """Weights that are 1 for one draw in 25 and 0 else: k-hat, which sees equal ones, is good."""
    truth = LinearGaussian(np.ones((1, 1)), np.zeros(1), np.full(1, 0.02))
    data = as_data(np.zeros((3, 1)), np.array([[False], [False], [True]]))
    mechanism = SelfMasking(1, slope=-300.0, offset=300 * 1.75)
    model = true_model(truth, mechanism, ExactConditionalEncoder(1, 1), data.columns)
    before, after = (ab.impute(model, data, 40_000, draws=0, refine=r) for r in (False, True))
    assert (before.khat[:2] < 0.5).all()
    assert (before.ess[:2] < 0.05 * 40_000).all()
    assert after.refined.tolist() == [True, True, False]
    assert (after.ess[:2] > 20 * before.ess[:2]).all()
    exact = norm.logsf(1.75 / np.hypot(1, 0.02))
    np.testing.assert_allclose(after.log_evidence[:2], exact, atol=0.02)


def test_the_model_is_left_as_it_is(truth, data):
    model = bad_model(truth).train()
    before = copy.deepcopy(model.state_dict())
    flags = [p.requires_grad for p in model.parameters()]
    guide = refined_guide(model, data.x, data.s)
    weights(model.model, guide, data.x, data.s, num_particles=10)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_weights_become_steadier(truth, data, dtype):
    model = bad_model(truth).to(dtype)
    x = data.x.to(dtype)
    guide = refined_guide(model, x, data.s, unobserved="sample")
    for missing_sites in (model.guide, guide):
        run = weights(model.model, missing_sites, x, data.s, num_particles=L)
        assert run.log_weight.shape == (L, len(data))
        assert run.log_weight.dtype == dtype
    complete = data.s.all(1)
    assert complete.any()
    khat = pareto_khat(run.log_weight)
    assert (khat[complete] < khat_threshold(L)).all()


@pytest.mark.parametrize("unobserved", ["auto", "sample"])
@pytest.mark.thin(1)
def test_coupled_mechanisms(truth, data, unobserved):
    mechanism = LinearMissingness(P)
    with torch.no_grad():
        mechanism.linear.weight.copy_(SLOPE * torch.eye(P))
        mechanism.linear.bias.fill_(OFFSET)
    found = ab.impute(bad_model(truth, mechanism), data, L, unobserved=unobserved, draws=5)
    assert found.refined.any()
    s = data.s.numpy()
    exact = truth.log_prob_joint(np.where(s, data.values, 0.0), s, SLOPE, OFFSET)
    good = found.reliable & found.refined
    assert good.mean() > 0.5
    error = np.sqrt(1 / found.ess - 1 / found.row_particles) + 1e-4
    assert (np.abs(found.log_evidence - exact) < 5 * error)[good].all()


def test_slopes_with_a_prior_still_come_from_their_posterior(truth, data):
    """The refined guide is for the rows' latents; global sites keep the model's own guide."""
    model = bad_model(truth, SelfMasking(P, prior_scale=1.0, offset=OFFSET))
    with torch.no_grad():
        for name, parameter in model.coefficient_guide.named_parameters():
            parameter.fill_(SLOPE if name.startswith("locs") else -15.0)
    posterior = model.coefficient_guide.median()["slope"]
    torch.testing.assert_close(posterior, torch.full((P,), SLOPE))
    guide = refined_guide(model, data.x, data.s)
    run = weights(model.model, guide, data.x, data.s, num_particles=20)
    torch.testing.assert_close(run.globals["slope"].value, posterior, atol=1e-3, rtol=0.0)
    found = ab.impute(model, data, L, draws=0)
    assert found.refined.any()
    s = data.s.numpy()
    exact = truth.log_prob_joint(np.where(s, data.values, 0.0), s, SLOPE, OFFSET)
    error = np.sqrt(1 / found.ess - 1 / found.row_particles) + 1e-3
    assert (np.abs(found.log_evidence - exact) < 4 * error)[found.reliable & found.refined].all()


# --- the mixture ----


@pytest.fixture
def mixtures():
    """Ours, and torch's for the same components."""
    n = 3
    generator = torch.Generator().manual_seed(0)
    loc = torch.randn(n, D, generator=generator, dtype=torch.float64)
    root = torch.randn(n, D, D, generator=generator, dtype=torch.float64)
    tril = 0.4 * torch.linalg.cholesky(root @ root.mT + 0.2 * torch.eye(D))
    mean = torch.randn(n, D, generator=generator, dtype=torch.float64)
    sd = torch.rand(n, D, generator=generator, dtype=torch.float64) + 0.2
    ours = RowMixture(loc, tril, [LatentSite("z", D, pyro.distributions.Normal(mean, sd))])
    trils = [width * tril for width in widths(D)] + [torch.diag_embed(sd)]
    components = MultivariateNormal(
        torch.stack([loc] * len(SHARES) + [mean], 1), scale_tril=torch.stack(trils, 1)
    )
    shares = torch.tensor([*SHARES, SHARE_OF_GUIDE], dtype=torch.float64)
    assert shares.sum().item() == pytest.approx(1.0)
    return ours, MixtureSameFamily(Categorical(shares.expand(n, -1)), components)


def test_density_of_the_mixture(mixtures):
    ours, theirs = mixtures
    value = 2 * torch.randn(50, 3, D, dtype=torch.float64)
    found = ours.log_prob(value.unsqueeze(-2))
    assert found.shape == (50, 3, 1)
    torch.testing.assert_close(found.squeeze(-1), theirs.log_prob(value))


def test_density_of_the_mixture_integrates_to_one(mixtures):
    ours, _ = mixtures
    axis = torch.linspace(-25, 25, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis).unsqueeze(1).expand(-1, 3, -1)
    mass = ours.log_prob(grid.unsqueeze(-2)).exp().sum(0).squeeze() * (axis[1] - axis[0]) ** 2
    torch.testing.assert_close(mass, torch.ones(3, dtype=torch.float64), atol=1e-3, rtol=0.0)


def test_samples_of_the_mixture(mixtures):
    ours, theirs = mixtures
    count = 40_000
    draws = ours.sample((count,))
    assert draws.shape == (count, 3, 1, D)
    draws = draws.squeeze(-2)
    reference = theirs.sample((count,))
    for power in (1, 2):
        a, b = draws**power, reference**power
        error = ((a.var(0) + b.var(0)) / count).sqrt()
        assert ((a.mean(0) - b.mean(0)).abs() < 5 * error).all()
    # between components too: the density at the draws has the same mean
    a, b = theirs.log_prob(draws), theirs.log_prob(reference)
    assert ((a.mean(0) - b.mean(0)).abs() < 5 * ((a.var(0) + b.var(0)) / count).sqrt()).all()


def test_the_guide_of_several_sites(mixtures):
    ours, _ = mixtures
    whole = ours.guide[0].fn
    parts = [
        LatentSite(f"z{j}", 1, pyro.distributions.Normal(whole.loc[:, [j]], whole.scale[:, [j]]))
        for j in range(D)
    ]
    split = RowMixture(ours.loc, ours.tril, parts)
    value = torch.randn(9, 3, 1, D, dtype=torch.float64)
    torch.testing.assert_close(split.log_prob(value), ours.log_prob(value))
    assert split.sample((5,)).shape == (5, 3, 1, D)


def test_the_mixture_draws_without_a_sample_shape(mixtures):
    """What ``poutine.trace`` of a refined guide asks of it."""
    assert mixtures[0].sample().shape == (3, 1, D)
