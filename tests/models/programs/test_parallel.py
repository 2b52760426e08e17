"""GNR: limits at alpha 0, the weights, and imputation that needs no draw of missing values."""

import pyro
import pytest
import torch

import absentia as ab
from absentia.inference.integrator import Marginal
from absentia.models import MIWAE, NoSelfCensoring, ParallelModel

HIDDEN = [8, 6]


def table(seed=0, n=9, p=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator, dtype=torch.float64)
    x[torch.rand(n, p, generator=generator) < 0.4] = torch.nan
    x[0] = 1.0
    return ab.IncompleteData.from_torch(x, dtype=torch.float64)


def gnr(data, **options):
    return ab.models.GNR(data, latent_dim=2, hidden=HIDDEN, **options).double()


def bound(model, data, seed=1, **options):
    pyro.set_rng_seed(seed)
    elbo = ab.ImportanceWeightedELBO(7, **options)
    return elbo.bound(model.model, model.guide, data.x, data.s)


def test_alpha_zero_is_miwae():
    data = table()
    model = gnr(data, alpha=0.0)
    twin = MIWAE(data, latent_dim=2, hidden=HIDDEN).double()
    twin.encoder.load_state_dict(model.encoder.state_dict())
    twin.decoder.network.load_state_dict(model.trunk.network.state_dict())
    for name in ("mean", "scale"):
        getattr(twin.decoder, name).load_state_dict(getattr(model.decoder, name).state_dict())
    torch.testing.assert_close(bound(model, data), bound(twin, data), rtol=1e-6, atol=1e-6)
    filled, expected = (
        ab.impute(m, data, 200, seed=3, refine=False, unfitted=True) for m in (model, twin)
    )
    torch.testing.assert_close(filled.mean, expected.mean, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("unobserved", ["integrate", "sample"])
def test_weights_by_hand(alpha, stochastic, unobserved):
    data = table()
    model = gnr(data, alpha=alpha, stochastic=stochastic)
    run, _ = Marginal(unobserved).run(model.model, model.guide, data.x, data.s, num_particles=5)
    z = run.sites["z"].value
    u = run.sites["u"].value if stochastic else model.trunk(z)
    normal = torch.distributions.Normal
    x_given_u = model.decoder(u)
    seen = torch.where(data.s, x_given_u.log_prob(data.x), 0.0).sum(-1)
    logits = model.missingness.linear(u)
    mask = -torch.nn.functional.binary_cross_entropy_with_logits(
        logits, data.s.double().expand_as(logits), reduction="none"
    ).sum(-1)
    q = model.encoder(data.x, data.s)
    by_hand = seen + alpha * mask + (normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(-1)
    torch.testing.assert_close(run.log_weight, by_hand)


def test_imputation_averages_the_decoder():
    data = table()
    model = gnr(data, alpha=2.0)
    posterior = ab.impute(model, data, 300, seed=0, refine=False, unfitted=True).mean
    decoder_mean = ab.impute(
        model, data, 300, seed=0, refine=False, rule="decoder-mean", unfitted=True
    ).mean
    torch.testing.assert_close(posterior, decoder_mean)


def test_the_bound_rises_with_the_particles_and_falls_with_alpha():
    data = table(n=40)
    model = gnr(data, alpha=1.0)
    few, many = (
        float(
            torch.stack(
                [
                    ab.ImportanceWeightedELBO(k).bound(model.model, model.guide, data.x, data.s)
                    for _ in range(60)
                ]
            ).mean()
        )
        for k in (1, 40)
    )
    assert few < many
    heavier = gnr(data, alpha=2.0)
    heavier.load_state_dict(model.state_dict())
    assert float(bound(heavier, data).mean()) < float(bound(model, data).mean())


@pytest.mark.parametrize("stochastic", [False, True])
def test_it_is_fitted_imputed_and_saved(stochastic, tmp_path):
    data = table(n=60)
    fitted = ab.fit(gnr(data, stochastic=stochastic), data, steps=20, progress=False)
    before = ab.impute(fitted, data, 50, seed=0).mean
    ab.save(fitted, tmp_path / "gnr")
    again = ab.load(tmp_path / "gnr")
    assert isinstance(again.model, ParallelModel)
    torch.testing.assert_close(ab.impute(again, data, 50, seed=0).mean, before)
    assert pyro.poutine.trace(fitted.model.guide).get_trace(data.x, data.s).nodes["z"]


def test_levels_and_numbers(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"a": ["x", None, "y", "x"], "b": [1.0, 2.0, None, 0.5]})
    data = ab.IncompleteData.from_frame(frame)
    filled = ab.impute(ab.models.GNR(data, latent_dim=1, hidden=[4]), data, 50, unfitted=True)
    assert set(filled.to_frame()["a"]) <= {"x", "y"}


def test_what_does_not_fit_is_refused():
    data = table()
    with pytest.raises(ValueError, match="alpha is -1"):
        ab.models.GNR(data, alpha=-1)
    with pytest.raises(ValueError, match="hidden is empty"):
        ab.models.GNR(data, hidden=[])
    model = gnr(data)
    with pytest.raises(ValueError, match=r"asks for .*z alone"):
        ParallelModel(
            model.trunk, model.decoder, ab.models.SelfMasking(4), model.encoder, data.columns
        )
    with pytest.raises(ValueError, match=r"reads 6 features.*trunk has 3"):
        ParallelModel(
            type(model.trunk)(2, [3]),
            model.decoder,
            NoSelfCensoring(4, 3),
            model.encoder,
            data.columns,
        )
    for alpha in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="alpha is"):
            ab.models.GNR(data, alpha=alpha)
    with pytest.raises(ValueError, match="latent_dim is 0"):
        ab.models.GNR(data, latent_dim=0)
    with pytest.raises(ValueError, match="3 latent dimensions, but the trunk has 2"):
        ab.models.GNR(data, latent_dim=2, encoder=ab.models.MaskAwareEncoder(4, 3))
    with pytest.raises(TypeError, match="needs a LinearGaussianDecoder"):
        ab.models.GNR(data, latent_dim=2, encoder=ab.models.ExactConditionalEncoder(4, 2))


def test_what_has_no_meaning_here_is_refused():
    data = table(n=60)
    fits = {a: ab.fit(gnr(data, alpha=a), data, steps=3, progress=False) for a in (0.5, 2.0)}
    with pytest.raises(ValueError, match="different powers"):
        ab.check.compare({"half": fits[0.5], "two": fits[2.0]}, data)
    with pytest.raises(ValueError, match="alpha other than 1"):
        ab.check.calibration(fits[2.0], data, rows=100)
    with pytest.raises(ValueError, match=r"trunk.*standard errors"):
        ab.inference.coefficient_posterior(fits[2.0], data)
    stochastic = gnr(data, stochastic=True)
    with pytest.raises(ValueError, match="stochastic trunk"):
        ab.check.cross_check(stochastic, data, rows=1)


@pytest.mark.slow
def test_nuts_agrees():
    data = table(n=30)
    found = ab.check.cross_check(gnr(data), data, rows=2, draws=400, warm_up=300, particles=4000)
    assert (found["difference"].abs() < 4.5).all()
