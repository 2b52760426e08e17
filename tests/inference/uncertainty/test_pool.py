"""Rubin's rules, against statsmodels' and the theory of a Normal mean."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import t as student_t
from statsmodels.imputation.mice import MICE, MICEData
from statsmodels.tsa.api import VAR

import absentia as ab
from absentia.inference.uncertainty.rubin import barnard_rubin


def regression(seed=0, n=120):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    frame = pd.DataFrame({"y": 1 + 0.5 * x + rng.normal(size=n), "x": x})
    frame.loc[rng.random(n) < 0.4, "x"] = np.nan
    return frame


def test_it_agrees_with_statsmodels():
    np.random.seed(0)  # noqa: NPY002, MICEData draws from numpy's global state
    chained = MICE("y ~ x", sm.OLS, MICEData(regression()))
    theirs = chained.fit(n_burnin=3, n_imputations=12)
    ours = ab.pool(chained.results_list, complete_df=np.inf)
    assert np.allclose(ours.table["estimate"], theirs.params)
    assert np.allclose(ours.covariance, theirs.cov_params())
    assert np.allclose(ours.table["se"], theirs.bse)
    table = ours.table
    share = table["riv"] / (1 + table["riv"])
    assert np.allclose(share, theirs.frac_miss_info)  # lambda is their fraction
    assert np.allclose(table["riv"], (1 + 1 / 12) * table["between"] / table["within"])


def test_results_of_statsmodels_and_pairs_say_the_same():
    frames = [regression(seed).dropna() for seed in range(3)]

    def fitted(frame):
        return sm.OLS(frame["y"], sm.add_constant(frame[["x"]])).fit()

    def pair(frame):
        result = fitted(frame)
        return result.params, result.cov_params()

    whole, parts = ab.pool(frames, fitted), ab.pool(frames, pair)
    assert np.allclose(whole.covariance, parts.covariance)
    assert list(whole.table.index) == ["const", "x"]
    # degrees of freedom are those of the smallest regression, less what is missing
    assert (whole.table["df"] < min(fitted(f).df_resid for f in frames)).all()
    assert np.isinf(ab.pool(frames, pair, complete_df=np.inf).table["df"]).sum() == 0


def test_degrees_of_freedom():
    """Barnard & Rubin (1999): Rubin's of 1987 for large tables, never above the complete ones."""
    share = np.array([0.05, 0.3, 0.8])
    assert np.allclose(barnard_rubin(share, 5, np.inf), 4 / share**2)
    for complete in (5.0, 50.0, 5e6):
        found = barnard_rubin(share, 5, complete)
        assert (found <= min(complete, np.inf)).all()
        assert (found <= 4 / share**2).all()
    assert np.allclose(barnard_rubin(share, 5, 1e12), 4 / share**2, rtol=1e-6)
    # nothing missing: (v + 1) / (v + 3) v, as in the paper
    assert barnard_rubin(np.array([0.0]), 5, 10.0)[0] == pytest.approx(11 / 13 * 10)


def test_a_mean_with_proper_draws_has_the_variance_of_the_observed_mean():
    """Normal values, n of 2n seen: with Bayesian draws T tends to s^2/n (1 + O(1/n))."""
    rng = np.random.default_rng(1)
    n, m = 400, 4000
    seen = rng.normal(3.0, 2.0, size=n)
    pairs = []
    for _ in range(m):
        variance = (n - 1) * seen.var(ddof=1) / rng.chisquare(n - 1)
        centre = rng.normal(seen.mean(), (variance / n) ** 0.5)
        table = np.concatenate([seen, rng.normal(centre, variance**0.5, size=n)])
        pairs.append((table.mean(), table.var(ddof=1) / (2 * n)))
    row = ab.pool(pairs).table.loc["estimate"]
    want = seen.var(ddof=1) / n
    # the variance between m tables is known to sqrt(2 / m), and is half of the total
    assert row["se"] ** 2 == pytest.approx(want, rel=0.02 + 4 * 0.5 * (2 / m) ** 0.5)
    assert row["fmi"] == pytest.approx(0.5, abs=0.03)
    half = student_t.ppf(0.975, row["df"]) * row["se"]
    assert row["upper"] - row["estimate"] == pytest.approx(half)


def test_p_values_and_intervals_agree():
    rng = np.random.default_rng(2)
    for _ in range(20):
        pairs = [(rng.normal(1.0, 0.5), 0.1 + rng.random()) for _ in range(5)]
        row = ab.pool(pairs, level=0.9).table.loc["estimate"]
        assert (row["lower"] > 0 or row["upper"] < 0) == (row["p_value"] < 0.1)


def test_tables_that_agree_lose_nothing():
    row = ab.pool([(2.0, 0.25)] * 4).table.loc["estimate"]
    assert (row["se"], row["fmi"], row["riv"]) == (0.5, 0.0, 0.0)
    assert np.isinf(row["df"])


@pytest.mark.parametrize(
    ("results", "error", "message"),
    [
        ([(1.0, 0.1)], ValueError, r"1 table\(s\) to pool"),
        ([1.0, 2.0], TypeError, "float.*statsmodels"),
        ([(1.0, -0.1)] * 2, ValueError, "'estimate' is 1 with variance -0.1"),
        ([(np.nan, 0.1)] * 2, ValueError, "'estimate' is nan"),
        ([(1.0, [0.1, 0.2])] * 2, ValueError, "estimates.*variances of shape"),
        (
            [(pd.Series({"a": 1.0}), 0.1), (pd.Series({"b": 1.0}), 0.1)],
            ValueError,
            r"table 1.*\['b'\].*table 0 \['a'\]",
        ),
    ],
)
def test_what_cannot_be_pooled(results, error, message):
    with pytest.raises(error, match=message):
        ab.pool(results)


def test_level():
    with pytest.raises(ValueError, match="level is 95"):
        ab.pool([(1.0, 0.1)] * 2, level=95)


ESTIMATE = pd.Series({"age": 0.5, "income": 20.0, "size": -3.0})
COVARIANCE = pd.DataFrame(
    [[0.01, 0.1, 0.0], [0.1, 4.0, -0.3], [0.0, -0.3, 0.25]], ESTIMATE.index, ESTIMATE.index
)


def shuffled(k, estimate=True):
    """The same estimates and covariance, with labels in other orders."""
    orders = [np.random.default_rng([k, part]).permutation(3) for part in range(3)]
    first = ESTIMATE.iloc[orders[0]] if estimate else ESTIMATE
    return first, COVARIANCE.iloc[orders[1], orders[2]]


def test_labels_say_which_variance_is_whose():
    want = ab.pool([(ESTIMATE, COVARIANCE)] * 4)
    # the first table decides on the order of the answer
    tables = [(ESTIMATE, COVARIANCE), *(shuffled(k) for k in range(3))]
    pd.testing.assert_frame_equal(ab.pool(tables).table, want.table)
    pd.testing.assert_frame_equal(ab.pool(tables).covariance, COVARIANCE)
    variances = pd.Series(np.diag(COVARIANCE), ESTIMATE.index).iloc[[2, 0, 1]]
    by_name = dict(ESTIMATE), dict(variances)
    for pair in ((ESTIMATE, variances), by_name, (ESTIMATE.to_numpy(), COVARIANCE)):
        found = ab.pool([pair] * 2).table.loc[list(ESTIMATE.index)]
        assert np.allclose(found["se"] ** 2, np.diag(COVARIANCE))
    # what has no labels goes by position
    found = ab.pool([(ESTIMATE, pd.DataFrame(COVARIANCE.to_numpy()))] * 2)
    assert np.allclose(found.covariance, COVARIANCE)


def labelled(labels):
    return pd.DataFrame(np.eye(len(labels)), labels, labels)


@pytest.mark.parametrize(
    ("estimate", "variance", "message"),
    [
        (pd.Series([1.0, 2.0], ["a", "a"]), [1.0, 1.0], "estimates have the label 'a' twice"),
        (pd.Series({"a": 1.0, "b": 2.0}), labelled(["a", "a"]), "have the label 'a' twice"),
        (pd.Series({"a": 1.0, "b": 2.0}), labelled(["a", "c"]), r"\['a', 'c'\].*estimates"),
        (pd.Series({"a": 1.0}), pd.Series({"a": 1.0, "b": 1.0}), "give both the same labels"),
        ([1.0, 2.0], [[1.0, 0.5], [0.0, 1.0]], "is not symmetric"),
        ([1.0, 2.0], [[1.0, np.nan], [np.nan, 1.0]], "both must be finite"),
        ([], [], "no estimate"),
        (np.ones((2, 2)), np.ones((2, 2)), r"estimates of shape \(2, 2\) have no names"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_the_table(estimate, variance, message):
    with pytest.raises(ValueError, match=f"^table 0: .*{message}"):
        ab.pool([(estimate, variance)] * 2)


def survey(seed, n=150):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(2, n))
    answer = np.digitize(x + rng.logistic(size=n), [-1, 1])
    time = rng.exponential(np.exp(-0.5 * x))
    return pd.DataFrame(
        {"x": x, "w": w, "answer": answer, "time": time, "died": rng.random(n) < 0.7}
    )


def multinomial(table):
    return smf.mnlogit("answer ~ x + w", table).fit(disp=0)


def arrays(table):
    return sm.MNLogit(table["answer"].to_numpy(), table[["x", "w"]].to_numpy()).fit(disp=0)


def autoregression(table):
    return VAR(table[["x", "w"]]).fit(1)


def cox(table):
    return smf.phreg("time ~ x + w", table, status=table["died"].to_numpy()).fit()


def test_models_of_several_equations_are_named_by_equation_and_term():
    tables = [survey(seed) for seed in range(4)]
    found = ab.pool(tables, multinomial).table
    assert list(found.index) == [(y, t) for y in "12" for t in ("Intercept", "x", "w")]
    results = [multinomial(table) for table in tables]
    assert found.loc[("2", "x"), "estimate"] == np.mean([r.params.loc["x", 1] for r in results])
    assert found.loc[("2", "x"), "within"] == pytest.approx(
        np.mean([r.bse.loc["x", 1] ** 2 for r in results])
    )
    # no labels at all: the standard errors say where each equation's variances are
    found = ab.pool(tables, arrays).table
    results = [arrays(table) for table in tables]
    assert found.loc[(2, "x1"), "within"] == pytest.approx(
        np.mean([r.bse[0, 1] ** 2 for r in results])
    )
    # and where the covariance goes through the terms and not through the equations
    found = ab.pool(tables, autoregression).table
    results = [autoregression(table) for table in tables]
    assert found.loc[("L1.x", "w"), "within"] == pytest.approx(
        np.mean([r.stderr.loc["L1.x", "w"] ** 2 for r in results])
    )


def test_a_cox_model_names_its_coefficients():
    tables = [survey(seed) for seed in range(4)]
    found = ab.pool(tables, cox).table
    assert list(found.index) == ["x", "w"]
    assert found.loc["x", "estimate"] == np.mean([cox(t).params[0] for t in tables])


def mean_of_x(table):
    return table["x"].mean(), table["x"].var() / len(table)


def test_stacked_tables_are_taken_apart():
    tables = {k: survey(k, n=30) for k in (3, 1, 2)}
    want = ab.pool(tables.values(), mean_of_x).table
    stacked = pd.concat(tables, names=["imputation"])
    indices = []

    def seen(table):
        indices.append(table.index)
        return mean_of_x(table)

    numbered = stacked.reset_index("imputation")
    for given in (
        stacked,
        stacked.groupby(level="imputation"),
        list(stacked.groupby(level="imputation")),
        numbered.groupby("imputation"),
        numbered.groupby(["imputation"]),
        tables,
    ):
        pd.testing.assert_frame_equal(ab.pool(given, seen).table, want)
    assert all(index.equals(pd.RangeIndex(30)) for index in indices)


def test_what_is_not_several_tables():
    with pytest.raises(TypeError, match=r"30 rows.*'imputation'"):
        ab.pool(survey(0, n=30), mean_of_x)
    with pytest.raises(TypeError, match="tables is a int"):
        ab.pool(3, mean_of_x)


def test_an_analysis_that_fails_names_its_table():
    def analysis(table):
        if table["x"].iloc[0] == 7.0:
            raise np.linalg.LinAlgError("Singular matrix")
        return mean_of_x(table)

    tables = {"spring": survey(0, n=30), "autumn": survey(1, n=30).assign(x=7.0)}
    with pytest.raises(RuntimeError, match=r"LinAlgError.*Singular"):
        ab.pool(tables, analysis)
    with pytest.raises(RuntimeError, match=r"1 failed.*LinAlgError"):
        ab.pool(tables.values(), analysis)
    with pytest.raises(TypeError, match=r"table 1.*analysis"):
        ab.pool([(1.0, 0.1), "1.0"])


def test_complete_data_df_are_those_of_the_smallest_analysis():
    """Analyses of 10 and of 200 rows, say: the answer is as sure as the smaller one."""

    def of(rows):
        frame = regression(rows, n=rows).assign(x=lambda table: table["x"].fillna(0.0))
        return sm.OLS(frame["y"], sm.add_constant(frame[["x"]])).fit()

    results = [of(200), of(10), of(60)]
    found, want = ab.pool(results).table, ab.pool(results, complete_df=8).table
    assert np.allclose(found["df"], want["df"], rtol=1e-12)
    assert (found["df"] < 8).all()
    with pytest.raises(ValueError, match="complete_df is 0"):
        ab.pool(results, complete_df=0)
    saturated = SimpleNamespace(
        params=results[0].params, cov_params=results[0].cov_params, df_resid=0
    )
    with pytest.raises(ValueError, match=r"table 1.*0 degrees"):
        ab.pool([of(200), saturated])


def test_degrees_of_freedom_and_missing_information_are_barnard_and_rubin_s():
    """By hand, from the variance between tables with its correction for few of them."""
    m, complete_df = 3, 20.0
    pooled = ab.pool([(q, 0.5) for q in (1.0, 2.0, 3.0)], complete_df=complete_df).table.loc[
        "estimate"
    ]
    share = (1 + 1 / m) * 1.0 / (0.5 + (1 + 1 / m) * 1.0)
    old = (m - 1) / share**2
    observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
    df = 1 / (1 / old + 1 / observed)
    assert pooled["df"] == pytest.approx(df, rel=1e-12)
    riv = (1 + 1 / m) * 1.0 / 0.5
    assert pooled["fmi"] == pytest.approx((riv + 2 / (df + 3)) / (riv + 1), rel=1e-12)
