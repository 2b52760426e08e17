"""The sampler as a whole leaves the joint distribution of data and parameters as it is."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from absentia.inference.gibbs.chains import Chains
from absentia.inference.gibbs.random import normal
from absentia.models.missingness.averaged import FORMS, SLOPE_SCALE

N, P, D = 12, 2, 1
#: the forms of a table in which no column is complete
CONSIDERED = [form for form in FORMS if "other" not in form]


def made(seed):
    """Return chains in which every column has a mechanism, whether or not it misses values."""
    seen = torch.zeros(N, P, dtype=torch.bool)
    seen[: N // 2] = True
    return Chains(
        torch.randn(N, P, dtype=torch.float64), seen, torch.ones(P, dtype=torch.bool),
        latent_dim=D, chains=1, shared=False, floor=0.0, forms=CONSIDERED,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip


def new_data(chains):
    """Sample values, utilities and mask anew, given the parameters and the latents."""
    decoder, forms, g = chains.decoder, chains.forms, chains.generator
    mean = decoder.predicted(chains.z)
    chains.y = mean + normal(mean.shape, mean, g) * decoder.noise.sqrt().unsqueeze(1)
    score = forms.score(chains.z) + forms.slope.unsqueeze(1) * chains.y
    chains.u = score + normal(score.shape, score, g)
    chains.missing = chains.u[0] > 0
    chains.seen = ~chains.missing
    chains.patterns, chains.pattern = chains.seen.unique(dim=0, return_inverse=True)


@pytest.mark.slow
def test_parameters_keep_their_prior_when_data_are_sampled_anew_from_them():
    """Geweke (JASA 2004): alternate between parameters given data and data given parameters.

    The parameters must then have their prior. Every statistic is the mean of a bounded function,
    with a standard error from batches.
    """
    chains, found = made(seed=3), []
    for _ in range(16_000):
        chains.sweep(bend=False)
        new_data(chains)
        decoder, forms = chains.decoder, chains.forms
        own = forms.own[forms.form[0]]
        found.append(
            [
                *(forms.form[0] == list(FORMS).index(form) for form in CONSIDERED),
                own * (forms.slope[0].abs() < SLOPE_SCALE),
                own * (forms.slope[0] > 0),
                forms.offset[0] < 1.5,
                decoder.mean[0] < 1.0,
                decoder.noise[0] < 0.1,
                decoder.noise[0] < 0.3,
                (decoder.weight[0, :, 0].abs() < 1.0),
            ]
        )
    values = np.array([[float(torch.as_tensor(v).double().mean()) for v in row] for row in found])
    batches = values[: len(values) // 40 * 40].reshape(40, -1, values.shape[1]).mean(1)
    error = batches.std(0, ddof=1) / math.sqrt(40)
    share = np.array([FORMS[form] for form in CONSIDERED])
    share = share / share.sum()
    with_own = share[2:].sum()
    t = stats.t(3)
    # weight | precision ~ Normal with precision ~ Gamma(1, 1) is t with 2 degrees of freedom
    expected = [
        *share,
        with_own * (t.cdf(1) - t.cdf(-1)),
        with_own / 2,
        stats.norm.cdf(0.5),
        stats.norm.cdf(0.5),
        stats.invgamma(1.0, scale=0.1).cdf(0.1),
        stats.invgamma(1.0, scale=0.1).cdf(0.3),
        1 - 2 * stats.t(2).sf(1.0),
    ]
    score = (values.mean(0) - expected) / error
    assert np.abs(score).max() < 3.8, score.round(1)
