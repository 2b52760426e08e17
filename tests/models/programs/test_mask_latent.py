"""The guide of a latent that only the mask reads, against quadrature."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.models import (
    AveragedMissingness,
    ExactConditionalEncoder,
    GaussianDecoder,
    Ignorable,
    LinearGaussianDecoder,
    MaskAwareEncoder,
    MaskLatentEncoder,
)
from absentia.models.programs.mask_latent import propagated

DOUBLE = torch.float64


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def on_a_grid(mean, variance, loading, s, count):
    """Mean and covariance of v, and log P(s), by the trapezoidal rule."""
    axis = torch.linspace(-7, 7, count, dtype=DOUBLE)
    grid = torch.cartesian_prod(*[axis] * loading.shape[1]).reshape(-1, loading.shape[1])
    score = (mean.unsqueeze(1) + grid @ loading.T) / variance.sqrt().unsqueeze(1)
    sign = torch.where(s, 1.0, -1.0).unsqueeze(1)
    log_density = torch.special.log_ndtr(sign * score).sum(-1)
    log_density = log_density - 0.5 * (grid.square() + math.log(2 * math.pi)).sum(-1)
    step = loading.shape[1] * math.log(float(axis[1] - axis[0]))
    weight = log_density.softmax(-1)
    centre = weight @ grid
    apart = grid - centre.unsqueeze(1)
    covariance = (weight.unsqueeze(-1) * apart).mT @ apart
    return centre, covariance, log_density.logsumexp(-1) + step


@pytest.mark.parametrize(("size", "count"), [(1, 60_001), (2, 561)])
@pytest.mark.parametrize(("steepness", "off", "wide"), [(0.5, 2e-3, 0.01), (3.0, 0.03, 0.3)])
def test_its_moments_are_nearly_those_of_the_conditional(size, count, steepness, off, wide):
    loading = steepness * normal(5, size, seed=0)
    score = loading @ normal(size, 12, seed=1) + normal(5, 12, seed=2)
    s, mean = (score + normal(5, 12, seed=3) > 0).T, normal(12, 5, seed=4)
    variance = 1 + normal(12, 5, seed=5).square()
    centre, covariance, _ = on_a_grid(mean, variance, loading, s, count)
    found, precision = propagated(mean, variance, loading, s)
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert float(((found - centre) / sd).abs().max()) < off
    ratio = torch.linalg.eigvals(precision @ covariance).real
    assert float((ratio - 1).abs().max()) < wide


def test_one_column_gives_the_moments_of_a_cut_normal():
    """A loading without bound: v > 1/2 where observed, with the mean of a truncated Normal."""
    loading = torch.tensor([[1e5]], dtype=DOUBLE)
    mean, variance = torch.full((2, 1), -5e4, dtype=DOUBLE), torch.ones(2, 1, dtype=DOUBLE)
    centre, precision = propagated(mean, variance, loading, torch.tensor([[True], [False]]))
    density = math.exp(-0.125) / math.sqrt(2 * math.pi)
    above = 0.5 * math.erfc(math.sqrt(0.125))
    mills = torch.tensor([density / above, -density / (1 - above)], dtype=DOUBLE)
    torch.testing.assert_close(centre.squeeze(-1), mills, rtol=1e-4, atol=0)
    spread = 1 + 0.5 * mills - mills.square()
    torch.testing.assert_close(1 / precision.flatten(), spread, rtol=1e-4, atol=0)


def made(columns=6, size=1, rows=40, **given):
    """A model whose last columns share their fate, and a table of which these are often missing."""
    x = normal(rows, columns, seed=0).numpy()
    gone = normal(rows, seed=1).numpy() > 0.4
    x[gone, 1:] = np.nan
    data = ab.IncompleteData.from_numpy(x, dtype=DOUBLE)
    model = ab.NotMIWAEPPCA(data, "auto", latent_dim=2, mask_latent_dim=size, **given).double()
    with torch.no_grad():
        for place, (name, part) in enumerate(model.missingness.named_parameters()):
            part.copy_(0.5 * normal(*part.shape, seed=place))
            if name in ("shared", "offset"):
                part.mul_(2e3)
                part[1:] = part[1] + 0.3 * normal(*part[1:].shape, seed=7)
                part[0] = 8.0 if name == "offset" else 0.0  # the first column is complete
    return model, data


@pytest.mark.parametrize("size", [1, 2])
def test_few_particles_give_the_probability_of_columns_that_share_their_fate(size):
    """Where 20 draws of the prior would miss the half-line on which v must lie in some rows."""
    model, data = made(size=size)
    x, s = data.x, data.s
    with torch.no_grad():
        guide = model.mask_encoder(x, s)
        v = guide.rsample((4_000,))
        z = model.encoder(x, s).rsample((4_000,))
        score = model.missingness(torch.where(s, x, model.decoder(z).sample()), z=z, z_mask=v)
        log_mask = score.log_prob(s.to(x.dtype)).sum(-1)
        log_weight = log_mask + (model.mask_prior().log_prob(v) - guide.log_prob(v)).sum(-1)
        affine = model.missingness.affine(x, z=model.encoder(x, s).mean)
        threshold = -affine.offset[:, 1] / model.missingness.shared[1].norm()
    ess = (2 * log_weight.logsumexp(0) - (2 * log_weight).logsumexp(0)).exp()
    assert float(ess.min()) > 0.2 * len(v)
    assert float((log_weight - log_mask).max()) <= math.log(5) + 1e-6
    sign = torch.where(s[:, 1], -1.0, 1.0)
    truth = torch.special.log_ndtr(sign * threshold)
    assert float((log_weight.logsumexp(0) - math.log(len(v)) - truth).abs().max()) < 0.15


def test_it_reads_covariates():
    rng = np.random.default_rng(0)
    frame = {"a": rng.normal(size=50), "b": rng.normal(size=50), "w": rng.normal(size=50)}
    frame["a"][::3], frame["b"][::3] = np.nan, np.nan
    data = ab.IncompleteData.from_frame(pd.DataFrame(frame), covariates=["w"])
    model = ab.NotMIWAEPPCA(data, "auto", latent_dim=1)
    with torch.no_grad():
        model.missingness.shared.fill_(1.0)
        model.missingness.of_covariates.fill_(5.0)
    high = torch.full_like(data.covariates, 3.0)
    gap = ~data.s[:, :1]
    means = [model.mask_encoder(data.x, data.s, w).loc[..., -1] for w in (high, -high)]
    # where the covariate makes observing sure, only a low v explains a gap
    assert bool((means[0] < means[1])[gap].all())
    assert not means[0].requires_grad
    torch.manual_seed(0)
    filled = ab.impute(model, data, draws=2, particles=30)
    assert bool(np.isfinite(filled.mean).all())


def test_other_parts_are_refused():
    encoder = MaskLatentEncoder(3, 1)
    given = AveragedMissingness(3, 2), LinearGaussianDecoder(2, 3), ExactConditionalEncoder(3, 2)
    for place, other in enumerate((Ignorable(3), GaussianDecoder(2, 3), MaskAwareEncoder(3, 2))):
        parts = [*given[:place], other, *given[place + 1 :]]
        with pytest.raises(TypeError, match=rf"not {type(other).__name__}; give the model another"):
            encoder.attach_mechanism(*parts)
