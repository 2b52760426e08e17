"""A hard limit beyond which every value is missing."""

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from scipy import stats

import absentia as ab
from absentia.inference import integrate_out
from absentia.models import Threshold


def truncated(n=2000, limit=0.3):
    x = np.random.default_rng(0).normal(5.0, 2.0, size=(n, 1))
    other = 0.7 * (x - 5) / 2 + 0.5 * np.random.default_rng(1).normal(size=(n, 1))
    table = np.hstack([x, other])
    table[table[:, 0] > 5 + 2 * limit, 0] = np.nan
    return np.hstack([x, other]), ab.IncompleteData.from_numpy(table)


def test_it_stands_at_the_largest_observed_value():
    _, data = truncated()
    mechanism = Threshold.limit_of(data)
    at = data.scaler.invert(mechanism.threshold.double().numpy()[None])[0]
    largest = np.nanmax(data.values, 0)
    assert np.allclose(at, largest, atol=0.01 * data.scaler.scale)
    assert (mechanism(data.x).probs[data.s] > 0.99).all()
    below = Threshold.limit_of(data, hides="below")
    at = data.scaler.invert(below.threshold.double().numpy()[None])[0]
    assert np.allclose(at, np.nanmin(data.values, 0), atol=0.01 * data.scaler.scale)


def test_integrated_it_is_the_normal_tail():
    """P(s = 0 | z) and E[x | z, s = 0] against scipy's truncated normal."""
    _, data = truncated(50)
    model = ab.NotMIWAEPPCA(data, "limit", sign="+", latent_dim=1)
    torch.manual_seed(0)
    with torch.no_grad(), integrate_out() as handler:
        z_and_x = pyro.poutine.trace(model.model).get_trace(data.x, data.s)
    tilted = handler.cells.tilted
    fn = z_and_x.nodes["x_unobserved"]["fn"]
    loc = fn.loc[handler.cells.rows, handler.cells.columns].double().numpy()
    scale = fn.scale.expand(fn.loc.shape)[handler.cells.rows, handler.cells.columns]
    scale = scale.detach().double().numpy()
    at = (float(model.missingness.threshold[0]) - loc) / scale
    want = stats.norm.logsf(at)
    assert np.allclose(tilted.log_missing.detach().squeeze(0).numpy(), want, rtol=2e-3, atol=2e-3)
    mean = stats.truncnorm.mean(at, np.inf, loc, scale)
    assert np.allclose(tilted.moments()[0].detach().squeeze(0).numpy(), mean, atol=5e-3)


@pytest.mark.slow
def test_fitted_it_recovers_the_hidden_half():
    """The mean of what is hidden, within four standard errors of a mean of so many values."""
    x, data = truncated()
    model = ab.NotMIWAEPPCA(data, "limit", sign=["+", "-"], latent_dim=1)
    fitted = ab.fit(model, data, progress=False)
    filled = ab.impute(fitted, data, particles=200, draws=0)
    hidden = ~data.s[:, 0].numpy()
    error = filled.mean[hidden, 0].mean() - x[hidden, 0].mean()
    # the limit is known to 1/n, mean and sd from the 62 % below it: about twice the complete se
    assert abs(error) < 4 * 2 * 2.0 / hidden.sum() ** 0.5
    assert (filled.mean[hidden, 0] > np.nanmax(data.values[:, 0])).all()


def test_it_is_described_by_its_place():
    frame = pd.DataFrame({"pay": [10.0, 30.0, None], "age": [1.0, 2, None]})
    data = ab.IncompleteData.from_frame(frame)
    described = Threshold.limit_of(data, ["above", "below"]).describe(data)
    assert described["pay"].equation == "pay missing where pay > 30"
    assert described["age"].equation == "age missing where age < 1"


def test_sides_must_be_given():
    _, data = truncated(20)
    for sign in (None, [None, "+"]):
        with pytest.raises(ValueError, match="which side is hidden"):
            ab.NotMIWAE(data, "limit", sign=sign)


def test_a_limit_as_the_laboratory_writes_it():
    table = truncated(60)[1].values
    data = ab.IncompleteData.from_numpy(table, columns=["dose", "age"])
    seen = np.nanmax(table[:, 0])
    for sign in ({"dose": ">7.5"}, {"dose": "≥7,5"}, [">=7.5", None]):
        model = ab.NotMIWAEPPCA(data, "limit", sign=sign, latent_dim=1)
        found = model.missingness.describe(data)["dose"].equation
        assert found == "dose missing where dose > 7.5"
    # values between the largest that was seen and the limit are observed
    places = np.array([[0.5 * (seen + 7.5), 0.0], [7.6, 0.0]])
    within, beyond = model.missingness(torch.tensor(data.scaler.apply(places))).mean[:, 0].tolist()
    assert within > 0.99
    assert beyond < 0.01
    with pytest.raises(ab.AbsentiaError, match="beyond it"):
        ab.NotMIWAEPPCA(data, "limit", sign={"dose": ">5"})
    with pytest.raises(ab.AbsentiaError, match="missingness='limit'"):
        ab.NotMIWAEPPCA(data, "self-masking", sign={"dose": ">7.5"})


def test_a_limit_of_a_positive_column_is_in_its_own_units():
    values = np.exp(np.random.default_rng(0).normal(size=(80, 1)))
    values[values < 0.5] = np.nan
    data = ab.IncompleteData.from_numpy(values, columns=["crp"], schema={"crp": "positive"})
    limit = ab.models.Threshold.limit_of(data, "below", [0.45])
    assert limit.describe(data)["crp"].equation == "crp missing where crp < 0.45"
    with pytest.raises(ab.AbsentiaError, match="positive"):
        ab.models.Threshold.limit_of(data, "below", [0.0])


def test_levels_have_no_limit():
    frame = pd.DataFrame({"age": [30.5, 41.0, None], "smokes": ["yes", "no", "yes"]})
    with pytest.raises(ValueError, match="'smokes' is binary"):
        ab.NotMIWAE(ab.IncompleteData.from_frame(frame), "limit", sign="+")


def test_links():
    with pytest.raises(ValueError, match="link 'cauchit'"):
        Threshold(1, link="cauchit")
    x = torch.tensor([[0.5]])
    probit = Threshold(1, sharpness=2.0, threshold=0.0, link="probit")
    assert float(probit(x).probs) == pytest.approx(stats.norm.cdf(-1.0), abs=1e-6)
    assert float(Threshold(1, sharpness=2.0, threshold=0.0)(x).probs) == pytest.approx(
        1 / (1 + np.exp(1.0)), abs=1e-6
    )
