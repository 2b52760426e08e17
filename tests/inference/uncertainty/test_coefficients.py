"""Laplace posteriors of coefficients, against maximum likelihood by other means."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from pyro.distributions import Normal

import absentia as ab


def table(rows=500, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=rows)
    frame = pd.DataFrame({"a": 0.8 * w + 0.6 * rng.normal(size=rows), "w": w})
    gone = rng.logistic(size=rows) < -0.5 + 1.2 * w
    frame.loc[gone, "a"] = np.nan
    return frame


def fitted(frame, what, **options):
    data = ab.IncompleteData.from_frame(frame)
    model = ab.NotMIWAEPPCA(data, what, latent_dim=1)
    return ab.fit(model, data, progress=False, **options), data


@pytest.fixture(scope="module")
def at_random():
    return fitted(table(), "a ~ w")


def test_at_random_it_is_a_logistic_regression(at_random):
    """p(s | x_o) separates from the rest, so statsmodels gives the same answer."""
    frame = table()
    result, data = fitted(frame, "a ~ w")
    found = ab.inference.coefficient_posterior(result, data)
    theirs = sm.Logit(frame["a"].isna().astype(float), sm.add_constant(frame["w"])).fit(disp=0)
    for name, k in (("a ~ Intercept", 0), ("a ~ w", 1)):
        assert found.loc[name, "estimate"] == pytest.approx(theirs.params.iloc[k], abs=2e-3)
        assert found.loc[name, "sd"] == pytest.approx(theirs.bse.iloc[k], rel=0.01)
        low, high = theirs.conf_int(0.1).iloc[k]
        assert found.loc[name, "lower"] == pytest.approx(low, abs=5e-3)
        assert found.loc[name, "upper"] == pytest.approx(high, abs=5e-3)


@pytest.mark.slow
def test_a_prior_pulls_by_its_precision(at_random):
    frame = table()
    free, data = at_random
    tight, _ = fitted(frame, ab.missing("a ~ w", prior=Normal(0.0, 0.3), units="data"))
    loose = ab.inference.coefficient_posterior(free, data).loc["a ~ w"]
    pulled = ab.inference.coefficient_posterior(tight, data).loc["a ~ w"]
    assert pulled["sd"] == pytest.approx((loose["sd"] ** -2 + 0.3**-2) ** -0.5, rel=0.1)
    weight = loose["sd"] ** -2 / (loose["sd"] ** -2 + 0.3**-2)
    assert pulled["estimate"] == pytest.approx(weight * loose["estimate"], abs=0.04)


def hidden_by_itself(rows=500, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.normal(size=rows)
    frame = pd.DataFrame({"a": 0.9 * w + 0.4 * rng.normal(size=rows), "w": w})
    frame.loc[rng.logistic(size=rows) < -0.5 + 1.5 * frame["a"], "a"] = np.nan
    return frame


@pytest.mark.slow
def test_a_fixed_decoder_makes_intervals_narrower_under_self_masking():
    result, data = fitted(hidden_by_itself(300), "a ~ +a")
    joint = ab.inference.coefficient_posterior(result, data)
    fixed = ab.inference.coefficient_posterior(result, data, decoder="fixed")
    assert fixed.loc["a ~ a", "sd"] < joint.loc["a ~ a", "sd"]


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("self-masking", ["a ~ a", "a ~ Intercept"]),
        ("two-sided", ["a ~ a^2", "a ~ a"]),
        ("a ~ +a", ["a ~ Intercept", "a ~ a"]),
    ],
    ids=["self-masking", "two-sided", "signed"],
)
def test_names_of_estimands(what, names):
    result, data = fitted(hidden_by_itself(200), what)
    found = ab.inference.coefficient_posterior(result, data, particles=5)
    assert set(names) <= set(found.index)
    assert not any("w" in name for name in found.index)  # never missing
    assert (found["lower"] < found["upper"]).all()


@pytest.mark.slow
def test_what_is_given_has_no_row():
    result, data = fitted(table(120), ab.missing("a ~ a + w", fixed={"a": 1.0}))
    assert list(ab.inference.coefficient_posterior(result, data, particles=5).index) == [
        "a ~ Intercept",
        "a ~ w",
    ]
    result, data = fitted(table(120), ab.missing("a ~ a + w", fixed={"a": 1.0, "w": 0.5}))
    assert list(ab.inference.coefficient_posterior(result, data, particles=5).index) == [
        "a ~ Intercept"
    ]


@pytest.mark.parametrize(
    "prior",
    [
        pytest.param(None, id="free"),
        pytest.param(Normal(0.0, 1.0), id="prior", marks=pytest.mark.slow),
    ],
)
def test_a_direction_that_the_data_contradict_is_said(prior):
    """w is seen, and a goes missing where w is high: '-w' ends at zero."""
    result, data = fitted(table(), ab.missing("a ~ -w", prior=prior, units="data"))
    with pytest.warns(UserWarning, match="'a ~ w' reaches zero"):
        found = ab.inference.coefficient_posterior(result, data, particles=5).loc["a ~ w"]
    assert found["estimate"] <= 0
    assert found["upper"] == 0


@pytest.mark.filterwarnings("ignore:the maximum of the likelihood is more than 5")
def test_a_fit_far_from_its_maximum_is_led_there(at_random):
    """From a few steps to the same table as from all of them."""
    done, data = at_random
    short = ab.fit(
        ab.NotMIWAEPPCA(data, "a ~ w", latent_dim=1),
        data, steps=5, learning_rate=1e-2, progress=False, validation=0.0,
    )  # fmt: skip
    expected = ab.inference.coefficient_posterior(done, data, polish=6)
    found = ab.inference.coefficient_posterior(short, data, polish=6)
    pd.testing.assert_frame_equal(found, expected, atol=2e-3, rtol=0)


@pytest.mark.slow
def test_a_fit_that_ended_elsewhere_is_said():
    """The slope of the fit has the wrong sign; the likelihood's maximum has the right one."""
    data = ab.IncompleteData.from_frame(hidden_by_itself())
    model = ab.NotMIWAEPPCA(data, "a ~ a", latent_dim=1)
    result = ab.fit(model, data, progress=False)
    with torch.no_grad():
        model.missingness.part_of[0].raw.fill_(-0.5)
    with pytest.warns(UserWarning, match=r"5 standard errors.*a ~ I"):
        found = ab.inference.coefficient_posterior(result, data).loc["a ~ a"]
    assert found["estimate"] > 1


@pytest.mark.slow
def test_a_fit_at_no_maximum_is_said():
    frame = table()
    result, data = fitted(frame, "a ~ a + w", seed=0)
    with torch.no_grad():  # a saddle: the loadings of a and w take part nowhere
        result.model.decoder.mean.weight.zero_()
    with pytest.warns(UserWarning, match=r"maximum.*rises"):
        ab.inference.coefficient_posterior(result, data, polish=0)


@pytest.mark.slow
def test_the_spread_of_random_intercepts_is_held():
    rng = np.random.default_rng(0)
    frame = table(300).assign(site=pd.Categorical(rng.choice(list("uvwxy"), 300)))
    data = ab.IncompleteData.from_frame(frame, covariates=["site"])
    model = ab.NotMIWAEPPCA(data, ab.models.RandomIntercepts.by(data, "site"), latent_dim=1)
    result = ab.fit(model, data, steps=250, learning_rate=2e-2, progress=False)
    found = ab.inference.coefficient_posterior(result, data, particles=5)
    assert not any("tau" in name for name in found.index)
    assert np.isfinite(found).all().all()


def test_drawn_levels_are_refused():
    rng = np.random.default_rng(0)
    frame = table(100).assign(n=rng.poisson(2.0, 100).astype(float))
    frame.loc[rng.random(100) < 0.3, "n"] = np.nan
    data = ab.IncompleteData.from_frame(frame, schema={"n": "count"})
    model = ab.NotMIWAEPPCA(data, "a ~ n", latent_dim=1)
    result = ab.fit(model, data, steps=5, progress=False)
    with pytest.raises(ValueError, match=r"missing levels.*priors"):
        ab.inference.coefficient_posterior(result, data, particles=5)


def test_what_is_refused():
    result, data = fitted(table(60), ab.missing("a ~ a", fixed={"a": 1.0, "Intercept": 0.0}))
    with pytest.raises(ValueError, match="no coefficient to estimate"):
        ab.inference.coefficient_posterior(result, data)
    deep = ab.NotMIWAE(data, "a ~ a", latent_dim=1)
    with pytest.raises(ValueError, match="give decoder='fixed'"):
        ab.inference.coefficient_posterior(deep, data)
    with pytest.raises(ValueError, match="level is 90"):
        ab.inference.coefficient_posterior(result, data, level=90)
    with pytest.raises(ValueError, match=r"decoder.*joint"):
        ab.inference.coefficient_posterior(result, data, decoder="both")
