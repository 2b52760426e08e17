"""What a fit, an imputation and a description say of slopes that nothing identifies."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import absentia as ab
from absentia.inference.identification import identification_table
from absentia.inference.imputing.at_random import at_random_cells


def skewed(n=400, tie=0.0, seed=0, **more):
    """Skewed values hidden completely at random, and a column that goes with them or does not."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n)
    a = np.exp(0.7 * (tie * b + (1 - tie**2) ** 0.5 * rng.normal(size=n)))
    frame = pd.DataFrame({"a": a, "b": b})
    frame.loc[rng.random(n) < 0.4, "a"] = np.nan
    return frame.assign(**more)


def quick_fit(data, what="self-masking", **options):
    model = ab.NotMIWAEPPCA(data, what, latent_dim=1, **options)
    return ab.fit(model, data, steps=60, learning_rate=1e-2, progress=False)


def misled(fitted):
    """The fit as a longer one with a flat prior ends: the hidden values far off, for a reason."""
    with torch.no_grad():
        fitted.model.missingness.raw_slope[0] = -4.0
        fitted.model.decoder.mean.bias[0] = 12.0
    return fitted


def messages(heard, category):
    return [str(w.message) for w in heard if issubclass(w.category, category)]


@pytest.mark.parametrize("what", ["self-masking", "two-sided", "a ~ a"])
def test_a_fit_warns_of_what_nothing_identifies(what):
    data = ab.IncompleteData.from_frame(skewed())
    with pytest.warns(ab.inference.IdentificationWarning, match="why 'a' is missing"):
        fitted = quick_fit(data, what)
    assert not fitted.identification.loc["a", "identified"]
    assert fitted.identification.loc["a", "rests_on"] == "the decoder's shape alone"


@pytest.mark.parametrize("what", ["self-masking", "a ~ b", "ignorable"])
def test_a_fit_is_silent_where_something_identifies_it_or_need_not(what):
    data = ab.IncompleteData.from_frame(skewed(tie=0.8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = quick_fit(data, what)
    assert fitted.identification["identified"].all()


def test_all_columns_are_said_in_one_warning():
    rng = np.random.default_rng(1)
    values = np.exp(rng.normal(size=(300, 6)))
    values[rng.random(values.shape) < 0.3] = np.nan
    data = ab.IncompleteData.from_numpy(values)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        quick_fit(data)
    (said,) = messages(heard, ab.inference.IdentificationWarning)
    assert "'x0', 'x1', 'x2', 'x3' and 2 more columns" in said


def test_an_imputation_warns_only_where_the_fit_did_not(tmp_path):
    data = ab.IncompleteData.from_frame(skewed())
    with pytest.warns(ab.inference.IdentificationWarning):
        fitted = quick_fit(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ab.inference.IdentificationWarning)
        assert ab.impute(fitted, data, 100).identification is fitted.identification
    fitted.save(tmp_path / "fit")
    with pytest.warns(ab.inference.IdentificationWarning, match="'a'"):
        ab.impute(ab.load(tmp_path / "fit"), data, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ab.inference.IdentificationWarning)
        ab.impute(ab.load(tmp_path / "fit"), data, 100, check=False)
        quick_check = ab.fit(fitted.model, data, steps=1, check=False, progress=False)
    assert quick_check.identification is None


def test_the_imputer_warns():
    imputer = ab.MNARImputer(missingness="self-masking", steps=40, particles=50, random_state=0)
    with pytest.warns(ab.inference.IdentificationWarning):
        imputer.fit(skewed())


def test_a_check_leaves_the_fit_as_it_is():
    data = ab.IncompleteData.from_frame(skewed(tie=0.8))
    states = [
        ab.fit(
            ab.NotMIWAEPPCA(data, "self-masking", latent_dim=1),
            data,
            steps=5,
            check=check,
            progress=False,
        ).model.state_dict()
        for check in (True, False)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    "numbers",
    [
        np.arange(10_001, 10_401),
        np.random.default_rng(3).permutation(400),
        200_000 + 7 * np.random.default_rng(3).permutation(400),
    ],
    ids=["in order", "shuffled", "with gaps"],
)
def test_a_number_of_the_row_is_no_shadow_variable(numbers):
    """Here the values do go with it: the rows were sorted before they were numbered."""
    frame = skewed()
    frame["number"] = np.sort(numbers)[np.argsort(np.argsort(frame["a"].fillna(0.0)))]
    data = ab.IncompleteData.from_frame(frame)
    described = ab.NotMIWAEPPCA(data, "self-masking").missingness.describe(data)
    assert "number" not in described["a"].reason
    assert "b (never missing" in described["a"].reason
    model = ab.NotMIWAEPPCA(data, "self-masking")
    completed = np.where(np.isnan(data.values), 0.0, data.values)
    found = identification_table(model, data, completed)
    assert not found.loc["a", "identified"]
    plain = ab.IncompleteData.from_frame(frame.assign(number=frame["number"] + 0.5))
    completed = np.where(np.isnan(plain.values), 0.0, plain.values)
    found = identification_table(ab.NotMIWAEPPCA(plain, "self-masking"), plain, completed)
    assert found.loc["a", "by"].startswith("number")


@pytest.mark.parametrize(("rows", "columns"), [(60, 40), (60, 100), (400, 80)])
@pytest.mark.thin(1)
def test_many_columns_explain_nothing_by_chance(rows, columns):
    rng = np.random.default_rng(0)
    identified = []
    for _ in range(20):
        values = rng.normal(size=(rows, columns))
        values[: rows // 3, 0] = np.nan
        data = ab.IncompleteData.from_numpy(values)
        model = ab.NotMIWAEPPCA(data, "x0 ~ x0", latent_dim=1)
        completed = np.where(np.isnan(values), rng.normal(size=values.shape), values)
        identified.append(bool(identification_table(model, data, completed)["identified"].all()))
    assert sum(identified) <= 2  # of 20, each by a chance of at most .01


def test_a_column_among_many_is_found():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 100))
    values[:, 0] = values[:, 57] + 0.7 * rng.normal(size=200)
    data = ab.IncompleteData.from_numpy(np.where(rng.random(values.shape) < 0.1, np.nan, values))
    found = identification_table(ab.NotMIWAEPPCA(data, "x0 ~ x0", latent_dim=1), data, values)
    assert found.loc["x0", "identified"]
    assert found.loc["x0", "by"].startswith("x57")


def test_descriptions_agree_with_the_check():
    frame = skewed(tie=0.8, c=np.random.default_rng(5).normal(size=400))
    for tie, word in ((0.8, "on a condition, if b"), (0.0, "NO, by nothing but the shape")):
        frame = skewed(tie=tie)
        data = ab.IncompleteData.from_frame(frame)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ab.inference.IdentificationWarning)
            fitted = quick_fit(data)
        text = str(fitted.model.missingness.describe(fitted))
        assert f"identified: {word}" in text
        assert "shrunk towards 0" in text


def test_a_loud_line_where_imputed_means_lie_outside():
    data = ab.IncompleteData.from_frame(skewed())
    with pytest.warns(ab.inference.IdentificationWarning):
        fitted = misled(quick_fit(data))
    with pytest.warns(ab.inference.OutsideRangeWarning, match=r"'a' has 1\d.*at random: 1\."):
        filled = ab.impute(fitted, data, 100)
    row = filled.by_column().loc["a"]
    assert row["outside"]
    assert row["imputed_mean"] > row["highest"]
    assert row["lowest"] < row["at_random_mean"] < row["highest"]
    assert "OUTSIDE the observed range" in repr(filled)


def test_values_that_are_known_to_lie_outside_are_not_loud():
    rng = np.random.default_rng(0)
    values = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=300)
    values[values[:, 0] > 0.5, 0] = np.nan
    data = ab.IncompleteData.from_numpy(values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = quick_fit(data, "limit", sign=["+", "-"])
        filled = ab.impute(fitted, data, 100)
    assert filled.by_column().loc["x0", "outside"]


def test_means_at_random_beside_those_imputed():
    """Of one incomplete column the Gaussian's maximum is least squares on the complete rows."""
    rng = np.random.default_rng(0)
    covariance = np.array([[1, 0.8, 0.3], [0.8, 1, 0.5], [0.3, 0.5, 1]])
    values = rng.multivariate_normal([3, 0, 1], covariance, size=800)
    hidden = np.zeros(values.shape, dtype=bool)
    hidden[:, 0] = rng.random(800) < 1 / (1 + np.exp(-2 * values[:, 1]))
    data = ab.IncompleteData.from_numpy(np.where(hidden, np.nan, values))
    given = np.column_stack([np.ones(800), values[:, 1:]])
    kept = ~hidden[:, 0]
    exact = given @ np.linalg.lstsq(given[kept], values[kept, 0], rcond=None)[0]
    found = at_random_cells(data)
    rows = hidden[:, 0]
    assert np.sqrt(np.mean((found - exact[rows]) ** 2)) < 0.03  # of an sd of .59 that is left
    filled = ab.impute(ab.PPCA(data, latent_dim=1), data, 20, unfitted=True)
    table = filled.by_column()
    assert list(table.index) == ["x0"]
    assert table.loc["x0", "missing"] == rows.sum()
    assert table.loc["x0", "at_random_mean"] == pytest.approx(found.mean())
    assert table.loc["x0", "observed_mean"] == pytest.approx(values[~rows, 0].mean())
    assert "weights good in" in repr(filled)
    assert "reliable" not in repr(filled)


def test_means_at_random_of_other_kinds():
    rng = np.random.default_rng(0)
    n = 500
    z = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "pay": np.exp(1 + z),
            "smokes": z + rng.normal(size=n) > 0,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(30 * z), "D"),
            "kind": rng.choice(["a", "b", "c"], size=n),
            "z": z,
        }
    ).astype({"smokes": "boolean"})
    whole = frame.copy()
    for name in ("pay", "smokes", "day", "kind"):
        frame.loc[rng.random(n) < 0.3, name] = None
    data = ab.IncompleteData.from_frame(frame, schema={"pay": "positive"})
    filled = ab.impute(ab.PPCA(data, latent_dim=1), data, 20, check=False, unfitted=True)
    table = filled.by_column()
    assert list(table.index) == ["pay", "smokes", "day"]  # a category has no mean
    gone = frame["pay"].isna()
    error = 5 * whole.loc[gone, "pay"].std() / gone.sum() ** 0.5
    assert table.loc["pay", "at_random_mean"] == pytest.approx(
        whole.loc[gone, "pay"].mean(), abs=error
    )
    assert 0 < table.loc["smokes", "at_random_mean"] < 1
    assert "2024-01" in repr(filled) or "2023-12" in repr(filled)
