"""The sampler as a whole leaves the joint distribution of data and parameters as it is."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from absentia.inference.gibbs.chains import Chains
from absentia.inference.gibbs.random import normal
from absentia.models.missingness.averaged import FORMS, SHARED_SCALE, SLOPE_SCALE

N, P, D, E = 12, 3, 1, 1


def made(seed, **options):
    """Return chains in which all columns but a complete one have a mechanism, missing or not."""
    seen = torch.zeros(N, P, dtype=torch.bool)
    seen[: N // 2], seen[:, -1] = True, True
    return Chains(
        torch.randn(N, P, dtype=torch.float64), seen, torch.ones(P, dtype=torch.bool),
        mask_latent_dim=E, chains=1, shared=False, floor=0.0, forms=tuple(FORMS),
        generator=torch.Generator().manual_seed(seed), **{"latent_dim": D, **options},
    )  # fmt: skip


def new_data(chains):
    """Sample values, utilities and mask anew, given the parameters and the latents.

    Those of a mixture are new, too, given the components, since their means move slowly otherwise.
    """
    decoder, forms, g, mixture = chains.decoder, chains.forms, chains.generator, chains.mixture
    if mixture.number > 1:
        root = torch.linalg.cholesky(mixture.precision[0].inverse())[mixture.component[0]]
        noise = normal((1, N, root.shape[-1]), chains.z, g).unsqueeze(-1)
        of_rows = mixture.mean[:, mixture.component[0]] + (root @ noise).squeeze(-1)
        chains.z = torch.cat([of_rows, chains.z[..., of_rows.shape[-1] :]], -1)
    mean = decoder.predicted(chains.of_rows)
    chains.y = mean + normal(mean.shape, mean, g) * decoder.noise.sqrt().unsqueeze(1)
    # the mask's own latent has its mean from the complete column, which is new
    v = chains.z[..., chains.of_rows.shape[-1] :] - chains.shared.mean()
    forms.others = chains.shared.others = chains.y[0, :, -1:]
    chains.z = torch.cat([chains.of_rows, v + chains.shared.mean()], -1)
    score = forms.score(chains.z) + forms.slope.unsqueeze(1) * chains.y[..., :-1]
    chains.u = score + normal(score.shape, score, g)
    chains.missing = chains.u[0] > 0
    chains.seen = torch.cat([~chains.missing, torch.ones(N, 1, dtype=torch.bool)], 1)
    chains.patterns, chains.pattern = chains.seen.unique(dim=0, return_inverse=True)


@pytest.mark.slow
def test_parameters_keep_their_prior_when_data_are_sampled_anew_from_them():
    """Geweke (JASA 2004): alternate between parameters given data and data given parameters.

    The parameters must then have their prior. Every statistic is the mean of a bounded function,
    with a standard error from batches.
    """
    chains, found = made(seed=3), []
    for _ in range(50):  # as a warm-up does, so that modes are sought from where they were
        chains.sweep(bend=True)
        new_data(chains)
    decoder, forms, shared = chains.decoder, chains.forms, chains.shared
    for _ in range(10_000):
        chains.sweep(bend=False)
        new_data(chains)
        now = (
            forms.form, forms.slope, forms.offset, decoder.mean, decoder.noise, decoder.weight,
            forms.shared_variance, forms.loading, shared.variance, shared.coefficient,
            chains.z[..., D] - shared.mean()[..., 0],
        )  # fmt: skip
        found.append([value[0].clone() for value in now])
    of_all = (torch.stack(values) for values in zip(*found, strict=True))
    form, slope, offset, mean, noise, weight, spread, loading, variance, coefficient, z = of_all
    own = forms.own[form]
    bounded = [
        *(form == place for place in range(len(FORMS))),
        own * (slope.abs() < SLOPE_SCALE),
        own * (slope > 0),
        offset < 1.5,
        mean < 1.0,
        noise < 0.1,
        noise < 0.3,
        weight[..., 0].abs() < 1.0,
        spread < SHARED_SCALE**2,
        loading[..., D].abs() < SHARED_SCALE,
        loading[..., D] * loading[..., D].roll(1, -1) > 0,
        variance < 0.5,
        coefficient[:, 0].abs() < 0.5,
        z < 0,
    ]
    values = np.array([v.double().flatten(1).mean(1).numpy() for v in bounded]).T
    batches = values.reshape(40, -1, values.shape[1]).mean(1)
    error = batches.std(0, ddof=1) / math.sqrt(40)
    share = np.array(list(FORMS.values()))
    with_own = share[3:].sum()
    t = stats.t(3)
    # loading | spread ~ Normal(0, spread^2) with a half-Cauchy spread, in units of its scale
    of_loadings, _ = integrate.quad(
        lambda r: (2 * stats.norm.cdf(1 / r) - 1) * 2 * stats.cauchy.pdf(r), 0, np.inf
    )
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
        0.5,  # half-Cauchy with scale SHARED_SCALE
        of_loadings,
        0.5,
        stats.invgamma(1.0, scale=0.5).cdf(0.5),
        1 - 2 * stats.t(2, scale=0.5**0.5).sf(0.5),
        0.5,
    ]
    score = (values.mean(0) - expected) / error
    assert np.abs(score).max() < 3.8, score.round(1)


@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True])
def test_two_components_keep_their_prior(direct):
    """The same with a mixture of two Normals, of factors or of the values themselves."""
    d = P if direct else D
    chains, found = made(seed=5, components=2, direct=direct, latent_dim=d), []
    for _ in range(3_000):
        chains.sweep(bend=False)
        new_data(chains)
        mixture, forms = chains.mixture, chains.forms
        scale = (mixture.freedom - d - 1) * mixture.typical[0]
        # given freedom and typical covariance a diagonal entry of S^-1 is scaled chi-squared
        chi = mixture.precision[0].inverse()[:, 0, 0] / scale[0, 0]
        found.append(
            [
                *(forms.form[0] == place for place in range(len(FORMS))),
                # the shares of single components move too slowly
                mixture.component[0, 1:] == mixture.component[0, :-1],
                mixture.log_weight[0].exp() < 0.1,
                mixture.mean[0].abs() < 1.0,
                mixture.mean_variance[0] < 1.0,
                mixture.freedom[0] < d + 1 + 48,
                torch.special.gammainc((mixture.freedom[0] - d + 1) / 2, 0.5 / chi) < 0.3,
                chains.decoder.noise[0] < 0.3,
                forms.loading[0, 0, : chains.of_rows.shape[-1]] > 0,
                mixture.typical[0].diagonal() < 1.0,
            ]
        )
    values = np.array([[float(torch.as_tensor(v).double().mean()) for v in row] for row in found])
    batches = values[: len(values) // 40 * 40].reshape(40, -1, values.shape[1]).mean(1)
    error = batches.std(0, ddof=1) / math.sqrt(40) + 1e-12
    share = np.array(list(FORMS.values()))
    latent = sum(share[place] for place, form in enumerate(FORMS) if "latent" in form)
    expected = [
        *share,
        0.75,  # E[w^2 + (1 - w)^2] for w ~ Beta(1/2, 1/2)
        stats.beta(0.5, 0.5).cdf(0.1),
        1 - 2 * stats.t(4).sf(1.0),
        stats.invgamma(2.0, scale=2.0).cdf(1.0),
        2 / 5,
        0.3,
        stats.invgamma(1.0, scale=0.1).cdf(0.3),
        # a column does not read the latent that is its own value
        latent / 2 * (d - 1) / d if direct else latent / 2,
        stats.gamma((d + 2) / 2, scale=2 / (d + 2)).cdf(1.0) if direct else 0.0,
    ]
    score = (values.mean(0) - expected) / error
    assert np.abs(score).max() < 3.8, score.round(1)
