"""Laplace posteriors of coefficients, against maximum likelihood by other means."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
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
    settings = {"steps": 400, "learning_rate": 1e-2, "progress": False, "validation": 0.0}
    return ab.fit(model, data, **settings, **options), data


def test_at_random_it_is_a_logistic_regression():
    """p(s | x_o) separates from the rest, so statsmodels gives the same answer."""
    frame = table()
    result, data = fitted(frame, "a ~ w")
    found = ab.coefficient_posterior(result, data)
    theirs = sm.Logit(frame["a"].isna().astype(float), sm.add_constant(frame["w"])).fit(disp=0)
    for name, k in (("a ~ Intercept", 0), ("a ~ w", 1)):
        assert found.loc[name, "estimate"] == pytest.approx(theirs.params.iloc[k], abs=2e-3)
        assert found.loc[name, "sd"] == pytest.approx(theirs.bse.iloc[k], rel=0.01)
        low, high = theirs.conf_int(0.1).iloc[k]
        assert found.loc[name, "lower"] == pytest.approx(low, abs=5e-3)
        assert found.loc[name, "upper"] == pytest.approx(high, abs=5e-3)


def test_a_prior_pulls_by_its_precision():
    frame = table()
    free, data = fitted(frame, "a ~ w")
    tight, _ = fitted(frame, ab.missing("a ~ w", prior=Normal(0.0, 0.3), units="data"))
    loose = ab.coefficient_posterior(free, data).loc["a ~ w"]
    pulled = ab.coefficient_posterior(tight, data).loc["a ~ w"]
    assert pulled["sd"] == pytest.approx((loose["sd"] ** -2 + 0.3**-2) ** -0.5, rel=0.1)
    weight = loose["sd"] ** -2 / (loose["sd"] ** -2 + 0.3**-2)
    assert pulled["estimate"] == pytest.approx(weight * loose["estimate"], abs=0.04)


def test_a_fixed_decoder_makes_intervals_narrower_under_self_masking():
    frame = table()
    frame.loc[frame["a"] > 0.8, "a"] = np.nan
    result, data = fitted(frame, "a ~ a")
    joint = ab.coefficient_posterior(result, data)
    fixed = ab.coefficient_posterior(result, data, decoder="fixed")
    assert fixed.loc["a ~ a", "sd"] < joint.loc["a ~ a", "sd"]


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("self-masking", ["slope[a]", "slope[w]", "offset[a]", "offset[w]"]),
        ("two-sided", ["curve[a]", "slope[a]"]),
        ("a ~ +a", ["a ~ Intercept", "a ~ a"]),
    ],
    ids=["self-masking", "two-sided", "signed"],
)
def test_names_of_estimands(what, names):
    result, data = fitted(table(200), what)
    found = ab.coefficient_posterior(result, data, particles=5, polish=1)
    assert set(names) <= set(found.index)
    assert (found["lower"] < found["upper"]).all()


def test_what_is_refused():
    result, data = fitted(table(60), ab.missing("a ~ a", fixed={"a": 1.0, "Intercept": 0.0}))
    with pytest.raises(ValueError, match="no coefficient to estimate"):
        ab.coefficient_posterior(result, data)
    deep = ab.NotMIWAE(data, "a ~ a", latent_dim=1)
    with pytest.raises(ValueError, match="give decoder='fixed'"):
        ab.coefficient_posterior(deep, data)
    with pytest.raises(ValueError, match="level is 90"):
        ab.coefficient_posterior(result, data, level=90)
    with pytest.raises(ValueError, match="not one of joint, fixed"):
        ab.coefficient_posterior(result, data, decoder="both")
