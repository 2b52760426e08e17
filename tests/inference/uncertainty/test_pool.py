"""Rubin's rules, against statsmodels' and the theory of a Normal mean."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import t as student_t
from statsmodels.imputation.mice import MICE, MICEData

import absentia as ab
from absentia.inference.uncertainty.pool import barnard_rubin


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
        ([1.0, 2.0], TypeError, "returned a float; return results of statsmodels"),
        ([(1.0, -0.1)] * 2, ValueError, "'estimate' is 1 with variance -0.1"),
        ([(np.nan, 0.1)] * 2, ValueError, "'estimate' is nan"),
        ([(1.0, [0.1, 0.2])] * 2, ValueError, r"1 estimates came with variances of shape \(2, 2\)"),
        (
            [(pd.Series({"a": 1.0}), 0.1), (pd.Series({"b": 1.0}), 0.1)],
            ValueError,
            r"table 1 has estimates \['b'\], table 0 \['a'\]",
        ),
    ],
)
def test_what_cannot_be_pooled(results, error, message):
    with pytest.raises(error, match=message):
        ab.pool(results)


def test_level():
    with pytest.raises(ValueError, match="level is 95"):
        ab.pool([(1.0, 0.1)] * 2, level=95)
