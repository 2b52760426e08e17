"""Particles under exact guides: the same weights and cells as by the programs, at less cost."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.data.columns.warps import Warp
from absentia.data.standardiser import Standardiser
from absentia.inference.gibbs.posterior import Posterior
from absentia.inference.imputing import particles
from absentia.inference.imputing.by_draws import imputed_by_draws
from absentia.inference.imputing.exact import run_exact, serves
from absentia.inference.integrator import Marginal
from absentia.inference.randomness.shared import CommonNoise


def made(decoder, n=40):
    """A model with a mechanism of all kinds of terms, and a table whose last column is complete."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(n, 4))
    x[:, :3][rng.random((n, 3)) < 0.3] = np.nan
    data = ab.IncompleteData.from_numpy(x, dtype=torch.float64)
    model = ab.NotMIWAE(data, "auto", decoder=decoder).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name in ("slope", "offset", "loading", "shared"):
            value = getattr(model.missingness, name)
            value.copy_(0.7 * torch.randn(value.shape, generator=generator, dtype=value.dtype))
        model.missingness.others[0, 3] = 0.8
    return model, data


@pytest.mark.parametrize("decoder", ["mixture", "linear"])
@pytest.mark.parametrize("shared", [False, True])
def test_weights_and_cells_are_those_of_the_programs(decoder, shared):
    model, data = made(decoder)
    x, s = data.x, data.s
    assert serves(model.model, model.guide, s)

    def noise():
        return CommonNoise(8, x, 1) if shared else None

    torch.manual_seed(0)
    with torch.no_grad():
        slow, slow_cells = Marginal().run(
            model.model, model.guide, x, s, num_particles=8, noise=noise()
        )
    torch.manual_seed(0)
    fast, cells = run_exact(model, x, s, 8, noise=noise())
    assert float(slow.log_weight.std()) > 0.5
    torch.testing.assert_close(fast.log_weight, slow.log_weight, rtol=0, atol=1e-9)
    for one, other in zip(cells.moments(), slow_cells.moments(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_other_programs_and_masks_are_not_served():
    model, data = made("mixture")
    gap = data.s.clone()
    gap[0, 3] = False  # of a column that another one's mask reads
    assert not serves(model.model, model.guide, gap)
    assert not serves(model.model, lambda *args, **kwargs: model.guide(*args, **kwargs), data.s)
    told = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    assert not serves(told.model, told.guide, data.s)


def test_an_imputation_over_draws_is_that_of_the_programs_within_its_error(monkeypatch):
    """Also in a bent column, whose moments come from fewer samples of each particle."""
    model, data = made("mixture", n=12)
    warp = Warp("sinh-arcsinh", -4.0, 4.0, centre=0.0, spread=1.0, skew=0.3, tail=0.9)
    given = data.scaler
    scaler = Standardiser(given.center, given.scale, (warp, *given.warps[1:]))
    bent = data.rescaled(scaler)
    tensors = {name: torch.stack([value, value + 0.05]) for name, value in model.named_parameters()}
    forms = torch.zeros(2, 4, dtype=torch.long)
    posterior = Posterior(tensors, forms, torch.zeros(4, 6), scaler)

    def imputations(seeds):
        options = {"draws": 0, "rule": "posterior", "unobserved": "auto"}
        settings = {"independent_rows": False, "progress": False, **options}
        return [imputed_by_draws(model, bent, posterior, 1_000, seed=k, **settings) for k in seeds]

    fast = imputations(range(24))
    monkeypatch.setattr(particles, "serves", lambda *_: False)
    slow = imputations(range(24, 48))
    gap = ~bent.s.numpy()
    assert gap[:, 0].any()
    # the pooled error also counts how the two draws of the parameters differ, which both share
    error = np.hypot(fast[0].mcse, slow[0].mcse)[gap]
    standard = (fast[0].mean - slow[0].mean)[gap] / error
    assert np.abs(standard).max() < 4
    for of_one in (lambda made: made.sd[gap] ** 2, lambda made: np.exp(made.log_evidence)):
        ours, theirs = (np.array([of_one(one) for one in several]) for several in (fast, slow))
        error = np.hypot(*(all_.std(0, ddof=1) / 24**0.5 for all_ in (ours, theirs)))
        standard = (ours - theirs).mean(0) / error
        assert np.abs(standard).max() < 4.5
        assert np.sqrt(np.mean(standard**2)) < 1.8
