"""Imputation and evidence under self-masking against quadrature over the latents."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.data.datasets.synthetic import LinearGaussian
from absentia.models import ExactConditionalEncoder, SelfMasking
from tests.oracles import as_data, assert_within_se, self_masked_table, true_model

P, D, N = 5, 2, 25
SLOPE, OFFSET = -3.0, 0.5


def problem(link="logit", slope=SLOPE):
    truth = LinearGaussian.random(P, D, sigma=0.6, seed=4)
    x, s = self_masked_table(truth, N, slope, OFFSET, link, seed=2)
    data = as_data(x, s)
    mechanism = SelfMasking(P, link, slope=slope, offset=OFFSET)
    model = true_model(truth, mechanism, ExactConditionalEncoder(P, D), data.columns)
    return truth, x, s, data, model


@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("slope", [SLOPE, pytest.param(40.0, marks=pytest.mark.slow)])
@pytest.mark.thin(2)
def test_posterior_means_and_evidence(link, unobserved, slope):
    if unobserved == "sample" and slope == 40.0:
        pytest.skip("sampled values almost never agree with a steep mechanism: no usable weights")
    truth, x, s, data, model = problem(link, slope)
    particles = 2000 if unobserved == "integrate" else 40_000
    imputed = ab.impute(
        model, data, particles, refine=False, unobserved=unobserved, draws=20, seed=1
    )
    hidden = ~s
    exact = truth.posterior_mean(x, s, slope, OFFSET, link)
    assert_within_se(imputed.mean[hidden], exact[hidden], imputed.mcse[hidden], floor=1e-6)
    evidence = truth.log_prob_joint(x, s, slope, OFFSET, link)
    # Var(log mean w) = (1/ESS - 1/L) by the delta method
    se = np.sqrt(np.maximum(1 / imputed.ess - 1 / particles, 0.0))
    # where P(s_j = 0 | z) is 1 but for rare z, the sample's own error is too small by some 1e-5
    assert_within_se(imputed.log_evidence, evidence, se, floor=1e-4)
    np.testing.assert_array_equal(imputed.mean[s], np.where(s, x, 0)[s])


@pytest.mark.slow
def test_refined_rows_stay_unbiased():
    truth, x, s, data, model = problem("logit", 40.0)
    imputed = ab.impute(model, data, 500, draws=20, seed=3)
    exact = truth.posterior_mean(x, s, 40.0, OFFSET)
    hidden = ~s & (imputed.khat < 0.5)[:, None]
    assert hidden.sum() > 0.5 * (~s).sum()
    assert_within_se(imputed.mean[hidden], exact[hidden], imputed.mcse[hidden], 4.5, floor=1e-6)


def test_the_decoder_mean_converges_to_something_else():
    truth, x, s, data, model = problem()
    imputed = ab.impute(model, data, 4000, rule="decoder-mean", refine=False, seed=1)
    hidden = ~s
    exact = truth.posterior_mean(x, s, SLOPE, OFFSET)
    off = (imputed.mean - exact)[hidden]
    errors = np.abs(off) / imputed.mcse[hidden]
    assert np.median(errors) > 10
    # high values are hidden; the published rule is biased to the side that is seen
    assert off.mean() < -0.05
    tilted = ab.impute(model, data, 4000, refine=False, seed=1)
    assert np.abs(tilted.mean - x)[hidden].mean() < np.abs(imputed.mean - x)[hidden].mean()


def test_draws_have_the_posterior_mean_and_spread():
    """Each draw is one of p(x_m | x_o, s): mean and total variance of the mixture."""
    truth, x, s, data, model = problem()
    draws = 2000
    imputed = ab.impute(model, data, 4000, refine=False, draws=draws, seed=5)
    hidden = ~s
    exact = truth.posterior_mean(x, s, SLOPE, OFFSET)[hidden]
    values = imputed.draws(draws)[:, hidden]
    se = np.hypot(values.std(0) / np.sqrt(draws), imputed.mcse[hidden])
    assert_within_se(values.mean(0), exact, se)
    ratio = values.std(0) / imputed.sd[hidden]
    assert_within_se(ratio, 1.0, np.full(ratio.shape, 1 / np.sqrt(2 * draws)), 5.0)


def test_float32_imputes_the_same():
    truth, x, s, data, model = problem()
    imputed = ab.impute(model.float(), data.to(dtype=torch.float32), 4000, refine=False, seed=1)
    exact = truth.posterior_mean(x, s, SLOPE, OFFSET)
    hidden = ~s
    assert_within_se(imputed.mean[hidden], exact[hidden], imputed.mcse[hidden], floor=1e-4)
