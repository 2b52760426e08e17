"""Checks of a model: right ones pass, wrong ones are found."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import absentia as ab
from absentia.inference.checks import Calibration
from absentia.inference.checks.predictive import _compared


def at_random(n=500, seed=0):
    """a is missing where b is high."""
    rng = np.random.default_rng(seed)
    rows = rng.multivariate_normal([3.0, 0.0], [[1, 0.7], [0.7, 1]], size=n)
    frame = pd.DataFrame(rows, columns=["a", "b"])
    frame.loc[rng.random(n) < 1 / (1 + np.exp(-2 * frame["b"])), "a"] = np.nan
    return ab.IncompleteData.from_frame(frame)


def fitted(data, why):
    model = ab.NotMIWAEPPCA(data, why, scale="column")
    return ab.fit(model, data, progress=False)


@pytest.fixture(scope="module")
def data():
    return at_random()


@pytest.fixture(scope="module")
def right_one(data):
    return fitted(data, "a ~ b")


def test_a_right_mechanism_passes_and_a_constant_one_does_not(data, right_one):
    right = ab.check.check_mask(right_one, data, replications=100)
    assert right.worst > 0.05
    assert right.rates.loc["a", "p_value"] > 0.05
    assert right.deciles.loc[("a", "b", 1), "observed"] < 0.2
    wrong = ab.check.check_mask(fitted(data, "a ~ 1"), data, replications=250)
    assert wrong.rates.loc["a", "p_value"] > 0.05  # the rate is right
    assert (wrong.deciles.loc[("a", "b")]["p_value"] < 0.01).sum() >= 4  # where they lie is not
    assert wrong.worst < 0.1


def test_calibration_of_the_mask(data, right_one):
    """Predicted and seen shares agree within four binomial standard errors."""
    found = ab.check.check_mask(right_one, data, replications=20).calibration
    assert found["cells"].sum() == pytest.approx(len(data), abs=10)
    error = np.sqrt(found["predicted"] * (1 - found["predicted"]) / found["cells"])
    assert ((found["missing"] - found["predicted"]).abs() < 4 * error + 0.02).all()


@pytest.mark.slow
def test_what_goes_missing_together():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"])
    both = rng.random(400) < 0.3
    frame.loc[both, ["a", "b"]] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    found = ab.check.check_mask(fitted(data, ["a ~ 1", "b ~ 1"]), data, replications=100)
    row = found.pairs.loc[("a", "b")]
    assert row["observed"] == both.mean()
    # independent in the replicates
    low, high = binom.interval(0.9, 400, both.mean() ** 2)
    assert row["lower"] == pytest.approx(low / 400, abs=0.02)
    assert row["upper"] == pytest.approx(high / 400, abs=0.02)
    assert row["p_value"] < 0.05


@pytest.mark.slow
def test_columns_without_a_formula_are_left_out():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(150, 3)), columns=["a", "b", "c"])
    frame.loc[rng.random(150) < 0.3, "a"] = np.nan
    frame.loc[rng.random(150) < 0.3, "b"] = np.nan
    data = ab.IncompleteData.from_frame(frame)
    found = ab.check.check_mask(fitted(data, "a ~ c"), data, replications=10)
    assert list(found.rates.index) == ["a"]
    assert found.pairs.empty
    assert set(found.deciles.index.get_level_values("by")) == {"b", "c"}
    assert found.calibration["missing"].mean() == pytest.approx(0.3, abs=0.2)
    several = ab.missing("a ~ is_missing(b)") & ab.missing("b ~ 1")
    both = ab.check.check_mask(fitted(data, several), data, replications=10)
    assert list(both.rates.index) == ["a", "b"]


def test_an_ignorable_mechanism_has_no_mask_to_check(data):
    with pytest.raises(ValueError, match=r"ignorable.*mask"):
        ab.check.check_mask(fitted(data, "ignorable"), data)


def test_values_of_the_right_shape_pass_and_skewed_ones_do_not(data, right_one):
    found = ab.check.check_values(right_one, data, replications=100)
    assert (found["p_value"] > 0.02).all()
    assert found.loc[("b", "mean"), "observed"] == pytest.approx(np.nanmean(data.values[:, 1]))
    skewed = ab.IncompleteData.from_numpy(
        np.random.default_rng(0).exponential(size=(400, 2)), columns=["a", "b"]
    )
    poor = ab.check.check_values(fitted(skewed, "ignorable"), skewed, replications=100)
    assert poor.loc[("a", "skewness"), "p_value"] < 0.05


def right_model():
    """A linear-Gaussian model with known parameters, its own posterior exact up to weights."""
    rng = np.random.default_rng(0)
    table = rng.multivariate_normal([0, 0, 0], [[1, 0.8, 0.3], [0.8, 1, 0.5], [0.3, 0.5, 1]], 50)
    table[rng.random(table.shape) < 0.4] = np.nan
    data = ab.IncompleteData.from_numpy(table)
    return ab.NotMIWAEPPCA(data, sign="+", latent_dim=2, seed=3), data


def test_ranks_of_the_right_inference_are_uniform():
    model, data = right_model()
    found = ab.check.calibration(model, data, rows=1500, particles=300)
    assert found.p_value > 0.01
    assert (found.table["bias"].abs() < 4).all()
    assert found.counts("x0").sum() == found.table.loc["x0", "ranks"]


def test_a_wrong_weight_fails():
    """The published rule leaves the mask's density out of the cells: truths rank too high."""
    model, data = right_model()

    def published(table):
        options = {"rule": "decoder-mean", "refine": False, "draws": 99}
        return ab.impute(model, table, 300, unfitted=True, **options).draws(99)

    found = ab.check.calibration(model, data, rows=4000, infer=published)
    assert found.p_value < 1e-6
    assert (found.table["bias"] > 4).all()  # the truth lies above the draws

    def unweighted(table):
        mar = ab.PPCA(data, latent_dim=2, seed=3)
        mar.decoder.load_state_dict(model.decoder.state_dict())
        return ab.impute(mar, table, 300, draws=99, unfitted=True).draws(99)

    assert ab.check.calibration(model, data, rows=4000, infer=unweighted).p_value < 1e-6


def test_the_chi_square_of_ranks():
    rng = np.random.default_rng(5)
    even = Calibration({"a": rng.integers(0, 100, 5000), "b": rng.integers(0, 100, 5000)}, 99, 10)
    assert even.p_value > 0.01
    low = Calibration({"a": np.minimum(rng.integers(0, 110, 5000), 99)}, 99, 10)
    assert low.p_value < 1e-6
    assert low.table.loc["a", "bias"] > 4


def test_mistakes_in_calibration():
    model, data = right_model()
    with pytest.raises(ValueError, match="7 bins do not divide the 100 ranks"):
        ab.check.calibration(model, data, bins=7)
    complete = ab.NotMIWAEPPCA(data, ab.models.SelfMasking(3, slope=0.0, offset=50.0), latent_dim=1)
    with pytest.raises(ValueError, match="nothing to rank"):
        ab.check.calibration(complete, data, rows=20)


@pytest.mark.slow
def test_nuts_agrees_with_importance_sampling():
    rng = np.random.default_rng(0)
    table = rng.multivariate_normal([0, 0, 0], [[1, 0.8, 0.3], [0.8, 1, 0.5], [0.3, 0.5, 1]], 60)
    table[table[:, 0] > 0.3, 0] = np.nan
    table[rng.random(60) < 0.3, 2] = np.nan
    data = ab.IncompleteData.from_numpy(table)
    model = ab.NotMIWAEPPCA(data, sign="+", latent_dim=2)
    found = ab.check.cross_check(model, data, rows=2, draws=400, warm_up=150)
    assert (found["ess"] > 50).all()
    assert found["difference"].abs().max() < 4
    # a mechanism of the other sign is another posterior, and NUTS says so
    other = ab.NotMIWAEPPCA(data, sign="-", latent_dim=2)
    other.decoder.load_state_dict(model.decoder.state_dict())
    theirs = ab.impute(other, data, 2000, unfitted=True)
    place = data.index.get_indexer(found["row"]), [data.columns.index(c) for c in found["column"]]
    apart = (theirs.mean[place] - found["nuts"]) / found["nuts_se"]
    assert (apart.abs() > 4).any()


def test_nuts_is_for_few_real_numbers():
    frame = pd.DataFrame({"a": [1.5, np.nan, 0.5], "n": [1, 2, None]})
    data = ab.IncompleteData.from_frame(frame, schema={"n": "count"})
    with pytest.raises(ValueError, match=r"'n'.*NUTS"):
        ab.check.cross_check(ab.PPCA(data, latent_dim=1), data)
    numbers = at_random(50)
    with pytest.raises(ValueError, match=r"row.*missing value"):
        ab.check.cross_check(ab.PPCA(numbers), numbers, rows=[int(numbers.s.all(1).nonzero()[0])])


@pytest.mark.slow
# ArviZ says which rows are influential; of 120 rows and 400 draws it may find one
@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_models_are_compared_by_leaving_rows_out(data):
    few = data.rows(slice(0, 120))
    fits = {why: fitted(few, why) for why in ("a ~ b", "a ~ 1")}
    found = ab.check.compare(fits, few, particles=20, draws=200)
    assert list(found.index) == ["a ~ b", "a ~ 1"]
    with pytest.raises(ValueError, match=r"'mar'.*density.*column 'a'"):
        ab.check.compare({"mar": fitted(few, "ignorable"), **fits}, few)
    with pytest.raises(ValueError, match=r"1 model\(s\) to compare"):
        ab.check.compare({"one": fits["a ~ b"]}, few)


def test_replicates_without_a_value_of_a_statistic_do_not_count():
    """Such as the rate of a tenth of the values in which a replicate has no row."""
    observed = np.array([[1.0, 2.0, 3.0, np.nan]])
    tables = [np.array([[k, np.nan, 1.0 if k < 5 else np.nan, 1.0]]) for k in range(9)]
    pairs = [(table, table) for table in tables]
    found = _compared(lambda x, _: x[0], (observed, observed), pairs)
    # of 0, ..., 8 two are at most 1; nothing is known of the second; five stay, all below 3
    np.testing.assert_allclose(found["p_value"], [2 * 3 / 10, 1.0, 2 * 1 / 6, 1.0])
    np.testing.assert_allclose(found["mean"], [4.0, np.nan, 1.0, 1.0])
    assert found["lower"].isna().tolist() == [False, True, False, False]
