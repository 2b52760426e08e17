"""L-BFGS over whole tables: against closed forms, Adam, and itself after a stop."""

import numpy as np
import pytest
import torch

import absentia as ab
from absentia.inference.fitting import fixed_bound, quasi_newton
from absentia.inference.fitting.nonfinite import NonFiniteLossError
from absentia.inference.fitting.quasi_newton import is_plain
from absentia.inference.fitting.settings import FitSettings
from absentia.models import SelectionModel


def rows(n=150, p=5, d=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, p)) + 0.5 * rng.normal(size=(n, p))


def hidden(complete, slope=2.0, seed=1):
    """The high values of the first two columns are missing more often."""
    found = complete.copy()
    chance = 1 / (1 + np.exp(-slope * (complete[:, :2] - 0.5)))
    found[:, :2][np.random.default_rng(seed).random(chance.shape) < chance] = np.nan
    return found[~np.isnan(found).all(1)]


def fitted(model, data, **options):
    return ab.fit(model, data, progress=False, check=False, **{"validation": 0.0, **options})


def likelihood_of_ppca(x, d):
    """The highest log-likelihood per row (Tipping & Bishop, JRSS B 1999, equations 7 and 8)."""
    p = x.shape[1]
    values = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    noise = values[d:].mean()
    log_det = np.log(values[:d]).sum() + (p - d) * np.log(noise)
    return -0.5 * (p * np.log(2 * np.pi) + log_det + p)


@pytest.mark.parametrize("n", [150, 9000])
def test_ppca_reaches_its_closed_form(n):
    """Also in stages: 9,000 rows are fitted by 4,096 and then by all."""
    complete = rows(n)
    data = ab.IncompleteData.from_numpy(complete)
    found = fitted(ab.PPCA(data, latent_dim=2), data)
    assert found.settings.optimiser == "l-bfgs"
    assert found.bound == pytest.approx(likelihood_of_ppca(data.x.numpy(), 2), abs=2e-3)


@pytest.mark.slow
def test_it_ends_above_adam_and_near_the_slope():
    data = ab.IncompleteData.from_numpy(hidden(rows(600)))
    ours = fitted(ab.NotMIWAEPPCA(data, sign="+", latent_dim=2), data)
    model = ab.NotMIWAEPPCA(data, sign="+", latent_dim=2)
    adam = fitted(model, data, steps=600, learning_rate=1e-2)
    assert (ours.settings.optimiser, adam.settings.optimiser) == ("l-bfgs", "adam")
    left, right = (
        ab.check.held_out_bound(one, data, particles=500).mean().item() for one in (ours, adam)
    )
    assert left > right - 5e-3
    # the other columns are complete, and nothing says how steep their slopes are
    gap = (ours.model.missingness.slope - adam.model.missingness.slope)[:2]
    assert gap.abs().max() < 0.15


class Stop(Exception):
    """What a callback raises, as a key that is pressed would."""


def stopped_and_resumed(data, path, evaluations):
    """A fit that is stopped at an evaluation, counted from one, and goes on from its checkpoint."""
    seen = []

    def stop(row):
        seen.append(row)
        if len(seen) == evaluations:
            raise Stop

    first, second = (ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2) for _ in range(2))
    with pytest.raises(Stop):
        fitted(first, data, checkpoint=path, callback=stop)
    return fitted(second, data, checkpoint=path)


def test_a_stopped_fit_goes_on_as_if_it_had_not(tmp_path):
    data = ab.IncompleteData.from_numpy(hidden(rows()))
    whole = fitted(ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2), data)
    assert whole.history["step"].iloc[-1] > 10
    resumed = stopped_and_resumed(data, tmp_path / "state", 1)
    assert resumed.history.equals(whole.history)
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.slow
def test_a_killed_fit_in_a_late_stage_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(quasi_newton, "_FIRST_STAGE", 40)
    data = ab.IncompleteData.from_numpy(hidden(rows(400)))
    whole = fitted(ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2), data)
    resumed = stopped_and_resumed(data, tmp_path / "state", len(whole.history) - 1)
    assert resumed.history.equals(whole.history)


@pytest.mark.slow
def test_a_long_table_ends_where_a_fit_of_all_rows_in_every_stage_does(monkeypatch):
    """From two fifths of the rows, within a fraction of the standard errors of all rows."""
    data = ab.IncompleteData.from_numpy(hidden(rows(2000)))
    whole = fitted(ab.NotMIWAEPPCA(data, sign="+", latent_dim=2), data)
    monkeypatch.setattr(quasi_newton, "_FIRST_STAGE", 400)
    monkeypatch.setattr(quasi_newton, "_LONGEST_STAGE", 800)
    monkeypatch.setattr(quasi_newton, "_CURVATURE_ROWS", 800)
    split = fitted(ab.NotMIWAEPPCA(data, sign="+", latent_dim=2), data)
    bounds = [ab.check.held_out_bound(one, data, particles=200).mean() for one in (whole, split)]
    assert abs(float(bounds[0] - bounds[1])) < 1e-3
    # their standard errors are .12 by coefficient_posterior; the other columns are complete
    gap = (whole.model.missingness.slope - split.model.missingness.slope)[:2]
    assert gap.abs().max() < 0.04


def test_parts_of_a_pass_add_up(monkeypatch):
    """PPCA's bound is exact, whatever part of the table is held at once."""
    data = ab.IncompleteData.from_numpy(hidden(rows()))
    whole = fitted(ab.PPCA(data, latent_dim=2), data)
    monkeypatch.setattr(fixed_bound, "_AT_ONCE", 20 * data.x.shape[1])
    parts = fitted(ab.PPCA(data, latent_dim=2), data)
    assert parts.bound == pytest.approx(whole.bound, abs=2e-3)


def test_what_auto_takes():
    data = ab.IncompleteData.from_numpy(hidden(rows()))
    linear = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    assert is_plain(linear, data, "auto")
    assert not is_plain(linear, data, "sample")
    assert not is_plain(ab.NotMIWAE(data, "self-masking", hidden=[4]), data, "auto")
    # another column's absence depends on the first, which must be sampled
    coupled = ab.NotMIWAEPPCA(data, ab.missing("x1 ~ x0"), latent_dim=2)
    assert not is_plain(coupled, data, "auto")
    for option in (
        {"steps": 3},
        {"steps": 3, "learning_rate": 1e-2},
        {"optimiser": "adam", "steps": 2},
    ):
        assert fitted(linear, data, **option).settings.optimiser == "adam"
    with pytest.raises(ValueError, match=r"l-bfgs.*adam"):
        fitted(ab.NotMIWAE(data, "self-masking", hidden=[4]), data, optimiser="l-bfgs")
    with pytest.raises(ValueError, match=r"optimiser.*newton"):
        fitted(linear, data, optimiser="newton")
    few = fitted(
        ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2), data, optimiser="l-bfgs", steps=12
    )
    assert few.history["step"].tolist() == [10, 12]


def test_a_bound_that_is_not_finite_is_named():
    data = ab.IncompleteData.from_numpy(hidden(rows()))
    model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2)
    with torch.no_grad():
        model.decoder.mean.weight.fill_(float("nan"))
    assert isinstance(model, SelectionModel)
    with pytest.raises(NonFiniteLossError, match="step 1"):
        fitted(model, data)


def test_the_prior_of_the_slopes_counts_once_per_table(monkeypatch):
    """The loss under Normal(0, .5) less that under a flat prior, in two parts of the rows too."""
    data = ab.IncompleteData.from_numpy(hidden(rows()))
    slope = torch.tensor([0.7, -1.2, 0.0, 0.0, 0.0])

    def loss(prior):
        model = ab.NotMIWAEPPCA(data, "self-masking", latent_dim=2, slope_prior=prior)
        with torch.no_grad():
            model.missingness.raw_slope.copy_(slope)
            stepper = quasi_newton.QuasiNewton(model, data, FitSettings())
            return float(stepper.bound())

    density = torch.distributions.Normal(0.0, 0.5).log_prob(slope).sum().item()
    for at_once in (10**6, 5 * data.x.shape[1] * 70):
        monkeypatch.setattr(fixed_bound, "_AT_ONCE", at_once)
        assert loss("weak") - loss("flat") == pytest.approx(-density / len(data), abs=1e-5)
