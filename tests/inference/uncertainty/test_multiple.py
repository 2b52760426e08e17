"""Multiple imputation with uncertain parameters, against the theory of a monotone pattern."""

import numpy as np
import pandas as pd
import pytest
import torch
from pyro.distributions import Normal

import absentia as ab

KINDS = ["laplace", "bootstrap", "ensemble", "mechanism", "fixed"]


def monotone(n=400, seed=0):
    """y missing at random given x, on half of the rows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 0.8 * x + 0.6 * rng.normal(size=n)
    y[rng.random(n) < 1 / (1 + np.exp(-1.5 * x))] = np.nan
    return pd.DataFrame({"y": y, "x": x})


@pytest.fixture(scope="module")
def mar():
    frame = monotone()
    data = ab.IncompleteData.from_frame(frame)
    model = ab.PPCA(data, latent_dim=1, scale="column")
    fitted = ab.fit(model, data, progress=False)
    return frame, data, fitted


def mean_of_y(table):
    return table["y"].mean(), table["y"].var() / len(table)


def theory(frame):
    """The maximum-likelihood mean of y and its variance (Anderson, JASA 1957)."""
    seen = frame.dropna()
    n, m = len(frame), len(seen)
    slope = seen["y"].cov(seen["x"]) / seen["x"].var()
    mean = seen["y"].mean() + slope * (frame["x"].mean() - seen["x"].mean())
    noise = np.var(seen["y"] - seen["y"].mean() - slope * (seen["x"] - seen["x"].mean()))
    far = (frame["x"].mean() - seen["x"].mean()) ** 2 / np.var(seen["x"])
    return mean, noise / m * (1 + far) + slope**2 * frame["x"].var() / n


@pytest.mark.slow
def test_pooled_variance_is_the_one_of_maximum_likelihood(mar):
    frame, data, fitted = mar
    mean, variance = theory(frame)
    several = ab.multiple_imputation(fitted, data, 100, seed=1)
    assert several.parameters == "laplace"
    assert several.khat < 0.7
    row = several.pool(mean_of_y).table.loc["estimate"]
    assert abs(row["estimate"] - mean) < 0.3 * variance**0.5
    # B is known to sqrt(2 / 100) of itself, and is two thirds of the whole
    assert row["se"] ** 2 == pytest.approx(variance, rel=3 * 0.14 * 0.67)
    fixed = ab.multiple_imputation(fitted, data, 100, parameters="fixed", seed=1)
    assert fixed.pool(mean_of_y).table.loc["estimate", "se"] < 0.9 * row["se"]


@pytest.mark.slow
def test_bootstrap_finds_the_same_variance(mar):
    frame, data, fitted = mar
    _, variance = theory(frame)
    several = ab.multiple_imputation(fitted, data, 40, parameters="bootstrap", steps=80, seed=2)
    row = several.pool(mean_of_y).table.loc["estimate"]
    assert row["se"] ** 2 == pytest.approx(variance, rel=3 * (2 / 40) ** 0.5 * 0.67)


@pytest.fixture(scope="module")
def hidden_by_itself():
    frame = monotone(60)
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, "y ~ +y", latent_dim=1)
    return frame, data, ab.fit(model, data, steps=50, progress=False)


@pytest.mark.filterwarnings("ignore:a Normal approximation")  # of 60 rows, after 50 steps
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.thin(2)
def test_observed_cells_stay_and_seeds_decide(kind, hidden_by_itself):
    frame, data, fitted = hidden_by_itself
    before = {name: value.clone() for name, value in fitted.model.state_dict().items()}
    options = {"parameters": kind, "steps": 20, "particles": 50}
    several, again, other = (
        ab.multiple_imputation(fitted, data, 3, seed=seed, **options) for seed in (5, 5, 6)
    )
    assert np.array_equal(several.values, again.values)
    assert not np.array_equal(several.values, other.values)
    assert several.ess.shape == (3, 60)
    seen = frame.notna().to_numpy()
    for table in several:
        assert np.array_equal(table.to_numpy()[seen], frame.to_numpy()[seen])
        assert table.notna().to_numpy().all()
    assert not np.array_equal(several.values[0], several.values[1])
    after = fitted.model.state_dict()
    assert all((after[name] == value).all() for name, value in before.items())


@pytest.mark.slow
def test_several_processes_give_the_same_tables(mar):
    _, data, fitted = mar
    options = {"parameters": "bootstrap", "steps": 10, "seed": 3}
    one = ab.multiple_imputation(fitted, data, 2, **options)
    two = ab.multiple_imputation(fitted, data, 2, jobs=2, **options)
    assert np.array_equal(one.values, two.values)


@pytest.mark.slow
def test_coefficients_with_priors_are_drawn_from_their_posterior():
    """A slope that is known to about 1 moves the mean of a hidden half far more than draws do."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["y", "x"])
    frame.loc[:99, "y"] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    why = ab.missing("y ~ y", prior=Normal(0.0, 1.0))
    model = ab.NotMIWAEPPCA(data, why, latent_dim=1)
    fitted = ab.fit(model, data, steps=300, learning_rate=1e-2, progress=False)
    with torch.no_grad():
        for name, parameter in model.coefficient_guide.named_parameters():
            if "scales" in name:
                parameter.fill_(0.5413)  # softplus of it is 1
    between = {
        kind: ab.multiple_imputation(fitted, data, 20, parameters=kind, particles=100)
        .pool(mean_of_y)
        .table.loc["estimate", "between"]
        for kind in ("mechanism", "fixed")
    }
    # about (sd of the slope * variance of y / 4)^2: x | s = 0 lies half as far off as a step would
    assert between["mechanism"] > 4 * between["fixed"]


def test_networks_are_bootstrapped():
    data = ab.IncompleteData.from_frame(monotone(40))
    fitted = ab.fit(ab.MIWAE(data, latent_dim=1), data, steps=5, progress=False)
    assert ab.multiple_imputation(fitted, data, 2, steps=2).parameters == "bootstrap"
    latent = ab.fit(ab.NotMIWAEPPCA(data, "y ~ latent"), data, steps=5, progress=False)
    assert ab.multiple_imputation(latent, data, 2, steps=2).parameters == "bootstrap"


def test_mistakes():
    data = ab.IncompleteData.from_frame(monotone(40))
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=5, progress=False)
    with pytest.raises(ValueError, match=r"'jackknife'.*laplace"):
        ab.multiple_imputation(fitted, data, parameters="jackknife")
    with pytest.raises(ValueError, match=r"0 draws.*parameters"):
        ab.multiple_imputation(fitted, data, 0)
