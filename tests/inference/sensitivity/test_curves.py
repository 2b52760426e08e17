"""Curves over slopes and shifts, against closed forms and refits."""

import numpy as np
import pandas as pd
import pytest

import absentia as ab
from absentia.inference.sensitivity import SensitivityCurve
from absentia.inference.sensitivity.curve import fit_settings
from absentia.inference.sensitivity.profile import interval

FIT = {"validation": 0.0, "progress": False}


def gaussian(n=300, seed=0, rate=0.4):
    """a missing completely at random, beside a correlated b."""
    rng = np.random.default_rng(seed)
    rows = rng.multivariate_normal([2.0, 0.0], [[4.0, 1.2], [1.2, 1.0]], size=n)
    frame = pd.DataFrame(rows, columns=["a", "b"])
    frame.loc[rng.random(n) < rate, "a"] = np.nan
    return frame


def mean_of_a(table):
    return table["a"].mean(), table["a"].var() / len(table)


@pytest.fixture(scope="module")
def data():
    return ab.IncompleteData.from_frame(gaussian())


@pytest.fixture(scope="module")
def at_random(data):
    model = ab.PPCA(data, latent_dim=1, scale="column")
    fitted = ab.fit(model, data, **FIT)
    return ab.multiple_imputation(fitted, data, 30)


@pytest.fixture(scope="module")
def curve(data):
    return ab.sensitivity.slope_sensitivity("a", data, mean_of_a, [-0.4, 0.8], m=30)


@pytest.mark.slow
def test_slope_zero_is_missing_at_random(curve, at_random):
    """To Monte-Carlo error: both are means over 30 draws of parameters and values."""
    mar = at_random.pool(mean_of_a).table.loc["estimate"]
    found = curve.of().loc[0.0]
    error = (2 * mar["between"] / 30) ** 0.5
    assert abs(found["estimate"] - mar["estimate"]) < 4 * error
    assert found["se"] == pytest.approx(mar["se"], rel=0.35)


@pytest.mark.slow
def test_weights_and_refits_agree(data, curve):
    refitted = ab.sensitivity.slope_sensitivity(
        "a", data, mean_of_a, [-0.4, 0.8], m=30, reweight=False, seed=1
    ).of()
    found = curve.of().loc[refitted.index]
    assert (found["how"] == "reweighted").sum() >= 1
    assert set(refitted["how"]) == {"fitted", "refitted"}
    assert (found.loc[found["how"] == "reweighted", "khat"] < 0.7).all()
    # two means of 30 draws whose sd is the posterior's, nearly se
    error = refitted["se"] * (2 / 30) ** 0.5
    assert ((found["estimate"] - refitted["estimate"]).abs() < 4 * error).all()
    assert np.allclose(found["se"], refitted["se"], rtol=0.4)


@pytest.mark.slow
def test_the_profile_is_the_likelihoods(data, curve):
    """Refitted or reached from the anchor, the maximum is the same within .05 nats."""
    refitted = ab.sensitivity.slope_sensitivity(
        "a", data, mean_of_a, [0.8], m=2, reweight=False
    ).profile
    both = [0.0, 0.8]
    assert np.allclose(curve.profile[both], refitted[both], atol=0.05)
    assert curve.supported() == pytest.approx(interval(refitted, 0.95), abs=0.02)
    # missing completely at random, and b is not read: the data are against steep slopes
    low, high = curve.supported()
    assert low < 0 < high < 0.8


@pytest.mark.slow
def test_a_shift_is_a_slope_times_the_variance(data):
    """Gaussian and logistic: delta = a v, v the variance given what was observed of the row.

    p(x | s = 0) ~ p(x | s = 1) exp(a x) is exact; a factor analysis has p(x) Normal instead of
    p(x | s = 1), so the slope is kept small.
    """
    slope = 0.3
    sd = float(data.scaler.scale[0])
    frame = gaussian()
    seen = frame.dropna()
    v = seen["a"].var() * (1 - seen["a"].corr(seen["b"]) ** 2) / sd**2
    tilted = ab.sensitivity.slope_sensitivity("a", data, mean_of_a, [slope], m=40).of()["estimate"]
    model = ab.PPCA(data, latent_dim=1, scale="column")
    fitted = ab.fit(model, data, **FIT)
    tables = ab.multiple_imputation(fitted, data, 40)
    shifted = ab.sensitivity.delta_sensitivity(tables, "a", mean_of_a, [0.0, slope * v]).of()[
        "estimate"
    ]
    rise = tilted[slope] - tilted[0.0]
    want = shifted.iloc[1] - shifted.iloc[0]
    assert want == pytest.approx(slope * v * sd * frame["a"].isna().mean())
    assert rise == pytest.approx(want, rel=0.15)


def test_tipping_points_and_what_the_data_support():
    at = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    estimate = 0.5 * at + 0.25
    table = pd.DataFrame(
        {"at": at, "estimand": "mean", "estimate": estimate, "se": 0.1, "lower": estimate - 0.5,
         "upper": estimate + 0.5, "fmi": 0.3, "how": "fitted", "khat": 0.1}
    )  # fmt: skip
    profile = pd.Series(-0.5 * (at - 0.5) ** 2 * 4, index=at)
    found = SensitivityCurve(table, "slope", "a", 0.95, profile)
    assert found.tipping_points() == [-0.5]
    assert found.tipping_points(of="lower") == [0.5]
    assert found.tipping_points(value=9.0) == []
    assert found.tipping_points(value=0.75) == [1.0]
    low, high = found.supported()
    assert -1 < low < 0 < 1 < high < 2
    assert not found.weakly_identified
    flat = SensitivityCurve(table, "slope", "a", 0.95, profile / 100)
    assert flat.weakly_identified
    assert flat.supported() == (-np.inf, np.inf)
    shift = SensitivityCurve(table, "shift", "a", 0.95)
    with pytest.raises(ValueError, match=r"support.*shift"):
        shift.supported()
    with pytest.raises(ValueError, match=r"estimand.*'x'"):
        found.of("x")
    with pytest.raises(ValueError, match="'middle'"):
        found.tipping_points(of="middle")


@pytest.mark.slow
def test_larger_models_are_refitted_from_the_nearest_slope(data):
    few = data.rows(slice(0, 60))

    def family(slope):
        why = ab.missing("a ~ a", fixed={"a": slope})
        return ab.NotMIWAE(few, why, latent_dim=1)

    found = ab.sensitivity.slope_sensitivity(
        family, few, mean_of_a, [1.0, 2.0], m=2, fit_options={"steps": 12}, particles=20
    )
    assert list(found.of()["how"]) == ["fitted", "refitted", "refitted"]
    assert found.profile.notna().all()


@pytest.mark.slow
def test_several_estimands():
    data = ab.IncompleteData.from_frame(gaussian(60))

    def both(table):
        return pd.Series({"mean": table["a"].mean(), "p90": table["a"].quantile(0.9)})

    options = {"m": 2, "reweight": False, "fit_options": {"steps": 50}}
    found = ab.sensitivity.slope_sensitivity("a", data, both, [0.3], **options)
    assert found.estimands == ("mean", "p90")
    assert (found.of("p90")["estimate"] > found.of("mean")["estimate"]).all()
    assert "p90" in repr(found)


def test_mistakes(data):
    with pytest.raises(ValueError, match="there is no column 'c'; give one of a, b"):
        ab.sensitivity.slope_sensitivity("c", data, mean_of_a, [1.0])
    with pytest.raises(ValueError, match="one slope is no curve"):
        ab.sensitivity.slope_sensitivity("a", data, mean_of_a, [0.0])
    fitted = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=3, progress=False)
    tables = ab.multiple_imputation(fitted, data, 2, parameters="fixed")
    with pytest.raises(ValueError, match="there is no column 'c'"):
        ab.sensitivity.delta_sensitivity(tables, "c", mean_of_a, [1.0])
    frame = pd.DataFrame({"a": [1.0, 2.5, np.nan, 0.5], "n": [1, 2, 3, None]})
    counts = ab.IncompleteData.from_frame(frame, schema={"n": "count"})
    fitted = ab.fit(ab.PPCA(counts, latent_dim=1), counts, steps=3, progress=False)
    tables = ab.multiple_imputation(fitted, counts, 2, parameters="fixed")
    with pytest.raises(ValueError, match="column 'n' is count: shifted"):
        ab.sensitivity.delta_sensitivity(tables, "n", mean_of_a, [1.0])


def test_small_models_are_fitted_by_l_bfgs_unless_steps_are_given():
    data = ab.IncompleteData.from_numpy(np.array([[1.0, np.nan], [0.0, 2.0], [3.0, 1.0]]))
    small, network = ab.PPCA(data, latent_dim=1), ab.MIWAE(data, latent_dim=1, hidden=[4])
    rows = {"validation": 0.0, "progress": False}
    assert fit_settings(small, data, None) == rows
    assert fit_settings(small, data, {"seed": 3}) == {"seed": 3, **rows}
    adam = {"steps": 2_000, "learning_rate": 2e-3, **rows}
    assert fit_settings(network, data, None) == adam
    few = {"steps": 9, "learning_rate": 1e-2, **rows}
    assert fit_settings(small, data, {"steps": 9}) == few
