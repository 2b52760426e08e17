"""MNARImputer: scikit-learn's own checks, and those that its suite does not call."""

import json

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import absentia as ab
from absentia import MNARImputer

QUICK = {"steps": 4, "particles": 20, "latent_dim": 1, "random_state": 0}


def quick(**options):
    return MNARImputer(**{**QUICK, **options})


# scikit-learn's checks fit to complete tables, of which the imputer warns
COMPLETE = "ignore:no value of the table is missing:UserWarning"


@pytest.mark.filterwarnings(COMPLETE)
@parametrize_with_checks([quick()])
def test_scikit_learn(estimator, check):
    check(estimator)


EXTRA = [
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_global_output_transform_pandas",
    "check_dataframe_column_names_consistency",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_n_features_in_after_fitting",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_estimators_unfitted",
]


# these checks transform arrays after a fit to tables, which scikit-learn itself warns of
@pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
@pytest.mark.filterwarnings(COMPLETE)
@pytest.mark.parametrize("name", EXTRA)
def test_scikit_learn_s_other_checks(name):
    getattr(estimator_checks, name)("MNARImputer", quick())


def table(rows=150, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal([0, 0, 0], np.eye(3) * 0.3 + 0.7, size=rows)
    holed = x.copy()
    holed[:, 0][x[:, 0] + 0.5 * rng.normal(size=rows) > 0.3] = np.nan
    return x, holed


def mixed(rows=80, seed=0):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "x": size + 0.2 * rng.normal(size=rows),
            "n": pd.array(rng.poisson(np.exp(0.3 * size)), "Int64"),
            "c": pd.Categorical(rng.choice(["a", "b", "c"], rows)),
            "b": pd.array(size > 0, "boolean"),
        },
        index=[f"r{i}" for i in range(rows)],
    )
    for name in frame:
        frame.loc[rng.random(rows) < 0.2, name] = None if name == "c" else pd.NA
    return frame


@pytest.mark.parametrize("what", ["self-masking", "two-sided", "spline", "x0 ~ x0 * x1"])
@pytest.mark.thin(2)
def test_a_row_does_not_depend_on_its_company(what):
    _, holed = table()
    imputer = quick(steps=60, missingness=what).fit(holed)
    whole = imputer.transform(holed)
    order = np.random.default_rng(1).permutation(len(holed))
    np.testing.assert_allclose(imputer.transform(holed[order]), whole[order], rtol=0, atol=1e-10)
    alone = np.vstack([imputer.transform(holed[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(alone, whole[:10], rtol=0, atol=1e-10)
    seen = ~np.isnan(holed)
    assert np.array_equal(whole[seen], holed[seen])
    assert np.array_equal(imputer.transform(holed), whole)


@pytest.mark.parametrize("model", ["not-miwae-ppca", "not-miwae", "ppca", "miwae"])
def test_every_model(model):
    _, holed = table(60)
    options = {"model_options": {"hidden": [8]}} if "ppca" not in model else {}
    filled = quick(model=model, **options).fit_transform(holed)
    assert filled.shape == holed.shape
    assert np.isfinite(filled).all()


def test_mixed_tables_keep_their_dtypes():
    frame = mixed()
    imputer = quick(schema={"n": "count"})
    filled = imputer.fit_transform(frame)
    assert list(filled.dtypes) == list(frame.dtypes)
    assert filled.index.equals(frame.index)
    assert filled.notna().all(axis=None)
    for name in frame:
        seen = frame[name].notna()
        pd.testing.assert_series_equal(filled[name][seen], frame[name][seen])
    new = frame.iloc[:5]
    pd.testing.assert_frame_equal(imputer.transform(new), filled.iloc[:5])


def test_multiple_imputations_are_numbered():
    frame = mixed()
    imputer = quick(schema={"n": "count"}).fit(frame)
    stacked = imputer.multiple_impute(frame, m=3)
    assert stacked.index.names[0] == "imputation"
    assert stacked.index.get_level_values(0).unique().tolist() == [1, 2, 3]
    assert list(stacked.dtypes) == list(frame.dtypes)
    first, second = stacked.loc[1], stacked.loc[2]
    assert not first.equals(second)
    pd.testing.assert_frame_equal(imputer.multiple_impute(frame, m=3), stacked)


def test_new_rows_have_the_table_s_types():
    frame = mixed()
    drawn = quick(schema={"n": "count"}).fit(frame).sample(50)
    assert list(drawn.columns) == list(frame.columns)
    assert list(drawn.dtypes) == list(frame.dtypes)
    assert set(drawn["c"]) <= {"a", "b", "c"}
    integers = pd.DataFrame({"k": [1, 2, 3, 4], "v": [0.5, np.nan, 1.0, 2.0]})
    assert list(quick().fit(integers).sample(3).dtypes) == list(integers.dtypes)


def test_new_rows_have_the_table_s_types_after_loading(tmp_path):
    days = pd.to_datetime(pd.Series(["2024-01-01", None, "2024-03-01", "2024-02-01"] * 5))
    frame = pd.DataFrame(
        {
            0: days.astype("datetime64[s]"),
            1: pd.to_timedelta(pd.Series([1.5, 2.0, None, 4.0] * 5), unit="h"),
            2: pd.array([1, None, 3, 4] * 5, dtype="Int8"),
            3: pd.Categorical(["u", "v", None, "v"] * 5),
        }
    )
    imputer = quick().fit(frame)
    drawn = imputer.sample(6)
    assert list(drawn.dtypes) == list(frame.dtypes)
    assert list(drawn.columns) == list(frame.columns)
    imputer.save(tmp_path)
    pd.testing.assert_frame_equal(MNARImputer.load(tmp_path).sample(6), drawn)


def test_heavy_tails_and_columns_that_others_read():
    """Student-t has no inverse distribution function in torch."""
    _, holed = table(60)
    options = {"decoder": "student-t"}
    imputer = quick(missingness="x0 ~ x0 + x1", model="not-miwae", model_options=options)
    holed[::7, 1] = np.nan
    filled = imputer.fit_transform(holed)
    assert np.isfinite(filled).all()
    np.testing.assert_allclose(imputer.transform(holed[:9]), filled[:9], rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_bound_chooses_between_settings(jobs):
    _, holed = table()
    search = GridSearchCV(
        quick(steps=30), {"latent_dim": [1, 2], "sign": ["+", "-"]}, cv=2, n_jobs=jobs
    )
    search.fit(holed)
    assert set(search.best_params_) == {"latent_dim", "sign"}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    fitted = quick(steps=30).fit(holed)
    data = ab.IncompleteData.from_frame(
        pd.DataFrame(holed, columns=["x0", "x1", "x2"]), like=fitted.result_, dtype=torch.float64
    )
    bound = ab.check.held_out_bound(fitted.result_, data, 20, seed=fitted._seed % 2**16).mean()
    assert fitted.score(holed) == pytest.approx(float(bound))


def test_in_pipelines():
    complete, holed = table()
    answer = complete @ [1.0, 0.5, -0.2]
    pipeline = make_pipeline(StandardScaler(), quick(sign="+"), Ridge())
    assert pipeline.fit(holed, answer).predict(holed).shape == answer.shape
    frame = mixed()
    steps = make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough")
    classes = np.arange(len(frame)) % 2
    model = make_pipeline(quick(), steps, LogisticRegression())
    assert model.fit(frame, classes).predict(frame).shape == classes.shape


def test_indicators_and_empty_features():
    x, holed = table(40)
    x = np.column_stack([holed, np.full(40, np.nan)])
    dropped = quick().fit(x)
    assert dropped.transform(x).shape == (40, 3)
    assert dropped.get_feature_names_out().tolist() == ["x0", "x1", "x2"]
    kept = quick(keep_empty_features=True, add_indicator=True).fit(x)
    filled = kept.transform(x)
    assert kept.get_feature_names_out().tolist() == [
        "x0", "x1", "x2", "x3", "missingindicator_x0", "missingindicator_x3",
    ]  # fmt: skip
    assert (filled[:, 3] == 0).all()
    assert np.array_equal(filled[:, 4], np.isnan(holed[:, 0]).astype(float))
    with pytest.raises(ValueError, match=r"feature.*observed"):
        quick().fit(np.full((5, 2), np.nan))


@pytest.mark.parametrize("marker", [-999.0, -1])
def test_other_markers_of_missing_values(marker):
    _, holed = table(40)
    expected = quick().fit_transform(holed)
    filled = quick(missing_values=marker).fit_transform(np.nan_to_num(holed, nan=marker))
    np.testing.assert_array_equal(filled, expected)


def test_columns_that_lose_values_only_later():
    _, holed = table(60)
    imputer = quick().fit(holed)
    later = holed[:5].copy()
    later[2, 1] = np.nan
    assert np.isfinite(imputer.transform(later)).all()
    every = np.full((1, 3), np.nan)
    assert np.isfinite(imputer.transform(every)).all()


@pytest.mark.parametrize(
    "missingness",
    [
        "two-sided",
        "x0 ~ +x0 + x1",
        {"x0": "x0 + I(x0**2)"},
        ab.missing("x0 ~ x0", fixed={"x0": 1.0}),
        ab.models.SelfMasking(3, sign="+"),
    ],
    ids=["name", "formula", "dictionary", "declared", "module"],
)
def test_mechanisms_and_files(missingness, tmp_path):
    _, holed = table(60)
    imputer = quick(missingness=missingness)
    before = json.dumps(str(imputer.get_params()))
    filled = imputer.fit_transform(holed)
    assert json.dumps(str(imputer.get_params())) == before
    assert "R[" in str(imputer.describe())
    imputer.save(tmp_path / "imputer")
    again = MNARImputer.load(tmp_path / "imputer")
    np.testing.assert_array_equal(again.transform(holed), filled)
    assert again.n_features_in_ == 3
    twin = clone(imputer)
    assert not hasattr(twin, "result_")
    np.testing.assert_array_equal(twin.fit_transform(holed), filled)


def test_files_of_mixed_tables(tmp_path):
    frame = mixed()
    imputer = quick(schema={"n": "count"}).fit(frame)
    imputer.save(tmp_path)
    again = MNARImputer.load(tmp_path)
    pd.testing.assert_frame_equal(again.transform(frame), imputer.transform(frame))
    assert list(again.feature_names_in_) == list(frame.columns)
    assert again.sample(4).shape == (4, 4)


@pytest.mark.slow
def test_in_parallel_and_dumped(tmp_path):
    _, holed = table(60)
    prior = ab.missing("x0 ~ x0", prior=torch.distributions.Normal(0.0, 1.0))
    imputer = quick(missingness=prior).fit(holed)
    expected = imputer.transform(holed)
    joblib.dump(imputer, tmp_path / "imputer.joblib")
    np.testing.assert_array_equal(
        joblib.load(tmp_path / "imputer.joblib").transform(holed), expected
    )
    parts = joblib.Parallel(n_jobs=2)(
        joblib.delayed(imputer.transform)(part) for part in np.array_split(holed, 3)
    )
    np.testing.assert_allclose(np.vstack(parts), expected, rtol=0, atol=1e-10)


def test_seeds_and_the_caller_s_random_numbers():
    _, holed = table(60)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = quick(random_state=3).fit_transform(holed)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(quick(random_state=3).fit_transform(holed), first)
    assert not np.array_equal(quick(random_state=4).fit_transform(holed), first)


def test_covariates_pass_through():
    frame = mixed()[["x", "n"]].assign(site=np.arange(80.0))
    imputer = quick(missingness="x ~ x + site", covariates=["site"]).fit(frame)
    filled = imputer.transform(frame)
    pd.testing.assert_series_equal(filled["site"], frame["site"])


MISTAKES = {
    "model": ({"model": "gan"}, "model 'gan' is not one of"),
    "missingness": ({"missingness": "moon"}, "missingness 'moon' is not one of"),
    "schema": ({"schema": {"q": "count"}}, "schema names column 'q', which the table does not"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    options, message = MISTAKES[name]
    _, holed = table(30)
    with pytest.raises(ValueError, match=message):
        quick(**options).fit(holed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit_options": {"seed": 1}}, "fit_options gives 'seed'.* own argument random_state"),
        ({"fit_options": {"steps": 9}}, r"write MNARImputer\(steps=...\) and leave 'steps' out"),
        ({"fit_options": {"progress": True}}, "own argument verbose"),
        ({"fit_options": [("seed", 1)]}, "fit_options is .* give a mapping"),
        ({"model_options": {"latent_dim": 2}}, "model_options gives 'latent_dim'"),
        ({"model_options": {"seed": 2}}, "own argument random_state"),
    ],
    ids=str,
)
def test_arguments_that_are_the_imputer_s_own(options, message):
    with pytest.raises(ValueError, match=message):
        quick(**options).fit(table(30)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "not-miwae-pca"}, "not one of .*; did you mean 'not-miwae-ppca'?"),
        ({"particles": -5}, "particles is -5; give a whole number"),
        ({"particles": 10.5}, r"particles is 10\.5"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -0.1}, r"learning_rate is -0\.1; give a positive number"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"add_indicator": "yes"}, "add_indicator is 'yes'; give True or False"),
        ({"unseen_levels": "ignore"}, "give 'error' or 'missing'"),
        ({"fit_options": {"batchsize": 8}}, "gives 'batchsize'.*; did you mean 'batch_size'?"),
        ({"fit_options": {"warp": 9}}, "'warp', .* not one of rows_in_memory, distributed, check"),
        ({"fit_options": {"validation": 2.0}}, r"validation is 2\.0"),
        ({"model_options": {"hiden": (8,)}}, "gives 'hiden'.*; did you mean 'hidden'?"),
        ({"covariates": ["x00"]}, "covariate 'x00' is no column of the table; did you mean"),
        ({"covariates": "x1"}, "covariates is 'x1'; give a list of names"),
        ({"missing_values": {"x00": -1}}, "missing_values names column 'x00', .*; did you mean"),
        ({"missing_values": [[-1]]}, r"missing_values holds \[-1\]; give a value, a list"),
        ({"schema": {"x00": "count"}}, "schema names column 'x00', .*; did you mean"),
        ({"missingness": {"x00": "x1"}}, "missingness names column 'x00', .*; did you mean"),
    ],
    ids=str,
)
def test_what_could_not_be_used_is_refused_before_the_fit(options, message, monkeypatch):
    def fit(*args, **kwargs):
        raise AssertionError("the fit was begun")

    monkeypatch.setattr("absentia.inference.estimator.imputer.fit", fit)
    with pytest.raises(ValueError, match=message):
        quick(**options).fit(table(30)[1])


@pytest.mark.parametrize("other", ["names", "array"])
def test_a_fit_that_fails_leaves_the_last_one_as_it_was(other):
    frame = mixed()[["x", "n"]]
    imputer = quick().fit(frame)
    expected, before = imputer.transform(frame), {**vars(imputer)}
    values = frame.to_numpy(float, na_value=np.nan)
    imputer.set_params(fit_options={"callback": lambda row: 1 / 0})
    with pytest.raises(ZeroDivisionError):
        imputer.fit(pd.DataFrame(values, columns=["q", "r"]) if other == "names" else values)
    assert vars(imputer).keys() == before.keys()
    assert all(vars(imputer)[name] is before[name] for name in before if name != "fit_options")
    pd.testing.assert_frame_equal(imputer.transform(frame), expected)


def test_a_fit_to_an_array_forgets_the_names_of_a_table():
    frame = pd.DataFrame(table(30)[1], columns=["a", "b", "c"])
    imputer = quick().fit(frame)
    assert hasattr(imputer, "feature_names_in_")
    imputer.fit(frame.to_numpy())
    assert not hasattr(imputer, "feature_names_in_")


def test_a_decoder_that_was_given_is_not_trained_in_place():
    decoder = ab.models.LinearGaussianDecoder(1, 3)
    before = {k: v.clone() for k, v in decoder.state_dict().items()}
    imputer = quick(model="not-miwae", model_options={"decoder": decoder, "hidden": [4]})
    imputer.fit(table(30)[1])
    assert all(torch.equal(before[k], v) for k, v in decoder.state_dict().items())


def test_before_fit():
    for use in ("transform", "score", "multiple_impute"):
        with pytest.raises(NotFittedError):
            getattr(quick(), use)(table(10)[1])
    with pytest.raises(NotFittedError):
        quick().sample(3)


@pytest.mark.slow
def test_better_than_means_where_high_values_are_hidden():
    errors = {"ours": [], "mean": []}
    options = {"steps": 300, "learning_rate": 1e-2, "particles": 100}
    for seed in range(2):
        complete, holed = table(300, seed)
        gone = np.isnan(holed)
        ours = MNARImputer(sign="+", random_state=seed, **options)
        for name, imputer in (("ours", ours), ("mean", SimpleImputer())):
            filled = imputer.fit_transform(holed)
            errors[name].append(np.sqrt(np.mean((filled - complete)[gone] ** 2)))
    assert np.mean(errors["ours"]) < 0.5 * np.mean(errors["mean"])
