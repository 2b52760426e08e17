"""Regressions by formula: against statsmodels' own, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import absentia as ab
from absentia.data.errors import AnalysisError, InputError
from absentia.inference import Regression
from absentia.inference.uncertainty.regression import with_common_levels


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 200
    x, group = rng.normal(size=n), rng.choice(["a", "b", "c"], n)
    y = 1 + 0.5 * x + (group == "b") + rng.normal(size=n)
    frame = pd.DataFrame({"y": y, "x": x, "g": group, "w": rng.uniform(1, 5, n)})
    frame["ill"] = np.where(rng.random(n) < 1 / (1 + np.exp(-x)), "yes", "no")
    frame["visits"] = rng.poisson(np.exp(0.3 * x))
    frame.loc[::9, "x"] = np.nan
    return frame.set_axis(np.repeat(7, n))  # labels that repeat must not matter


def test_each_family_is_that_of_statsmodels_on_complete_cases(table):
    own = Regression("y ~ x + g")(table)
    theirs = smf.ols("y ~ x + g", table.reset_index(drop=True)).fit()
    assert np.allclose(own.params, theirs.params[own.params.index])
    assert np.allclose(own.bse, theirs.bse[own.bse.index])
    assert own.df_resid == theirs.df_resid
    binary = table.assign(ill=(table["ill"] == "yes").astype(float)).reset_index(drop=True)
    own = Regression("ill ~ x", "binomial")(table)
    theirs = smf.logit("ill ~ x", binary).fit(disp=False)
    assert np.allclose(own.params, theirs.params, atol=1e-6)
    assert np.allclose(own.bse, theirs.bse, rtol=1e-4)
    own = Regression("visits ~ x", "poisson")(table)
    theirs = smf.poisson("visits ~ x", binary).fit(disp=False)
    assert np.allclose(own.params, theirs.params, atol=1e-6)


def test_a_response_of_two_values_counts_its_last_as_one(table):
    flags = table.assign(ill=table["ill"] == "yes")
    categories = table.assign(ill=pd.Categorical(table["ill"], ["no", "yes"]))
    found = [Regression("ill ~ x", "binomial")(one).params for one in (table, flags, categories)]
    assert np.allclose(found[0], found[1])
    assert np.allclose(found[0], found[2])
    assert found[0]["x"] > 0


def test_weights_are_scaled_and_errors_robust(table):
    given = table.dropna().reset_index(drop=True)
    own = Regression("y ~ x", weights="w")(given)
    theirs = sm.WLS(given["y"], sm.add_constant(given[["x"]]), weights=given["w"]).fit(
        cov_type="HC1", use_t=True
    )
    assert np.allclose(own.params, theirs.params)
    assert np.allclose(own.bse, theirs.bse)
    scaled = Regression("ill ~ x", "binomial", "w")(given.assign(w=given["w"] * 100))
    assert np.allclose(scaled.bse, Regression("ill ~ x", "binomial", "w")(given).bse)


def test_pool_takes_a_formula(table):
    tables = [table.dropna().assign(y=lambda t, k=k: t["y"] + 0.1 * k) for k in range(3)]
    by_formula = ab.pool(tables, "y ~ x + g")
    by_hand = ab.pool(tables, lambda t: smf.ols("y ~ x + g", t.reset_index(drop=True)).fit())
    theirs = by_hand.table.loc[by_formula.table.index]
    assert np.allclose(by_formula.table["estimate"], theirs["estimate"])
    assert np.allclose(by_formula.table["se"], theirs["se"])
    summary = by_formula.summary()
    assert list(summary.columns) == ["estimate", "se", "df", "p_value", "lower", "upper", "fmi"]
    assert str(summary) in repr(by_formula)
    own = by_formula.to_frame()
    own["estimate"] = 0.0
    assert (by_formula.table["estimate"] != 0).any()


def test_a_level_that_is_absent_from_one_table_keeps_its_coefficient(table):
    whole = table.dropna()
    tables = with_common_levels({1: whole, 2: whole[whole["g"] != "a"]})
    assert list(tables[2]["g"].cat.categories) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("formula", "options", "error", "message"),
    [
        ("y", {}, InputError, "left side"),
        ("y ~ ((x", {}, InputError, "cannot be read"),
        ("y ~ x", {"family": "gamma"}, InputError, "binomial"),
        ("y ~ nobody", {}, InputError, "'nobody'"),
        ("y ~ x", {"weights": "nobody"}, InputError, "'nobody'"),
        ("g ~ x", {"family": "binomial"}, InputError, "two values"),
        ("g ~ x", {}, InputError, "left side"),
        ("y ~ x + I(2 * x)", {}, AnalysisError, "linearly dependent"),
    ],
)
def test_what_is_refused(table, formula, options, error, message):
    with pytest.raises(error, match=message):
        Regression(formula, **options)(table)
    few = table.dropna().head(2)
    with pytest.raises(AnalysisError, match="2 rows"):
        Regression("y ~ x")(few)
    with pytest.raises(AnalysisError, match="table 0: "):
        ab.pool([few, few], "y ~ x")


def test_separated_classes_are_an_error_and_no_estimate(table):
    separated = table.assign(ill=np.where(table["x"] > 0, "yes", "no"))
    with pytest.raises(AnalysisError, match="separation"):
        Regression("ill ~ x", "binomial")(separated)


@pytest.mark.parametrize(
    ("formula", "family", "message"),
    [
        ("y ~ np.log(x)", "gaussian", "is no number in 2 rows in which its columns have values"),
        ("y ~ np.log(x + 2)", "gaussian", r"'np.log\(x \+ 2\)' in .* is infinite in 1 of 6 rows"),
        ("np.log(y) ~ x", "gaussian", r"'np.log\(y\)' in .* is infinite in 1 of 6 rows"),
        ("x ~ y", "poisson", "needs counts, and the response of 'x ~ y' is negative in 2 of 6"),
    ],
)
def test_terms_without_a_value_are_named_and_not_left_out(formula, family, message):
    frame = pd.DataFrame({"y": [0.0, 1, 2, 4, 3, 5], "x": [-2.0, -1, 1, 2, 3, 4]})
    with pytest.raises(InputError, match=message):
        Regression(formula, family)(frame)
    gap = pd.DataFrame({"y": [1.0, 2, np.nan, 4, 3], "x": [1.0, 2, 3, 3, np.nan]})
    assert Regression("y ~ np.log(x)")(gap).nobs == 3  # a gap of a column is no such thing


def test_completed_tables_are_counted_from_0():
    data = ab.IncompleteData.from_frame(pd.DataFrame({"a": [1.0, None], "b": [2, 3]}))
    values = np.arange(8.0).reshape(2, 2, 2)
    several = ab.inference.MultipleImputation(data, values, "fixed", np.nan, np.ones((2, 2)))
    pd.testing.assert_frame_equal(several[1], list(several)[1])
    pd.testing.assert_frame_equal(several[-1], several[1])
    with pytest.raises(IndexError):
        several[2]
