"""Tables that people have, through MNARImputer: what was observed comes back as it was given."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold

import absentia as ab
from absentia import MNARImputer
from absentia.data import Schema
from absentia.inference.estimator.markers import with_gaps

#: what is tested here does not depend on the mechanism
QUICK = {
    "missingness": "self-masking",
    "steps": 3,
    "particles": 20,
    "latent_dim": 1,
    "random_state": 0,
}
LARGE = 2**53


def quick(**options):
    return MNARImputer(**{**QUICK, **options})


def table(rows=60, seed=0, columns=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)) + rng.normal(size=(rows, 1))
    x[x[:, 0] > 0.8, 0] = np.nan
    return x


def frame(rows=60, **more):
    return pd.DataFrame(table(rows), columns=list("abc")).assign(**more)


# ------------------------------------------------------------------ columns without any value


def with_an_empty_column():
    x = table(40)
    x[:, 1] = np.nan
    return x


@pytest.mark.parametrize("add_indicator", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("container", ["array", "frame", "pandas"])
def test_a_column_that_was_empty_in_fit_keeps_its_values(container, keep, add_indicator):
    x = with_an_empty_column()
    new = x[:5].copy()
    new[:, 1] = [5.0, np.nan, 7.0, np.nan, 9.0]
    options = {"keep_empty_features": keep, "add_indicator": add_indicator}
    ours = quick(**options)
    theirs = SimpleImputer(**options)
    if container != "array":
        x, new = (pd.DataFrame(one, columns=list("abc")) for one in (x, new))
    if container == "pandas":
        ours.set_output(transform="pandas")
    with warnings.catch_warnings():  # scikit-learn says which features it drops
        warnings.simplefilter("ignore")
        expected = theirs.fit(x).transform(new)
        names = theirs.get_feature_names_out()
    found = ours.fit(x).transform(new)
    assert list(ours.get_feature_names_out()) == list(names)
    if container == "pandas":
        assert list(found.columns) == list(names)
    found = np.asarray(found)
    assert found.shape == expected.shape
    if keep:
        assert found[:, 1].tolist() == [5, 0, 7, 0, 9]
    if add_indicator:
        count = sum(name.startswith("missingindicator") for name in names)
        assert count == 2
        np.testing.assert_array_equal(found[:, -count:], expected[:, -count:])


def test_empty_columns_of_other_types_are_kept_as_they_are():
    given = frame(
        none=pd.Series([None] * 60, dtype=object),
        day=pd.Series([pd.NaT] * 60),
        yes=pd.array([pd.NA] * 60, "boolean"),
        count=pd.array([pd.NA] * 60, "Int64"),
    )
    imputer = quick(keep_empty_features=True).fit(given)
    new = given.head(3).copy()
    new["day"] = pd.to_datetime(["2020-01-01", None, "2020-01-03"])
    new["none"] = ["seen", None, "again"]
    found = imputer.transform(new)
    assert found["day"].equals(new["day"])
    assert found["none"].equals(new["none"])
    assert found["yes"].tolist() == [False] * 3
    assert found["count"].tolist() == [0] * 3
    assert found["count"].dtype == "Int64"
    stacked = imputer.multiple_impute(new, m=2)
    assert list(stacked.columns) == list(given.columns)
    assert stacked.loc[2, "day"].equals(new["day"])


EMPTY = {
    "sign list": {"sign": ["+", None, "-", "+"]},
    "signs by name": {"sign": {"a": "high", "d": "low"}},
    "formulas by column": {"missingness": {"a": "+a", "d": "+d"}},
    "formulas": {"missingness": ["a ~ a", "d ~ d + a"]},
    "one formula": {"missingness": "d ~ d"},
    "declared": {"missingness": ab.missing(["a ~ +a", "d ~ d"], fixed={"d": {"d": 1.0}})},
    "schema": {"schema": {"d": "positive", "b": "continuous"}},
    "schema of levels": {"schema": {"d": {"kind": "ordinal", "levels": ["lo", "hi"]}}},
    "whole schema": {"schema": Schema.continuous("abcd")},
    "margins": {"model_options": {"margins": {"a": (0.5, 1.0), "d": (3.0, 1.0)}}},
    "markers": {"missing_values": {"d": -9, "a": [-8, -9]}},
}


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.thin(4)
def test_settings_of_a_column_without_values_go_with_the_column(name):
    given = frame(d=np.nan)
    before = json.dumps(str(EMPTY[name]))
    imputer = quick(**EMPTY[name]).fit(given)
    assert json.dumps(str(EMPTY[name])) == before
    assert imputer.transform(given).shape == (60, 3)
    # nothing is lost where the column has values
    full = given.assign(d=np.exp(given["c"]))
    if name != "schema of levels":
        assert quick(**EMPTY[name]).fit(full).transform(full).shape == (60, 4)


def test_the_entries_of_a_sign_list_stay_with_their_columns():
    given = frame()
    given.loc[given["c"] < -0.5, "c"] = np.nan
    signs = {"a": "-", "empty": "-", "b": None, "c": "+"}
    with_one = pd.DataFrame({name: given.get(name, np.nan) for name in signs}, index=given.index)
    imputer = quick(sign=list(signs.values()))
    found = imputer.fit(with_one).transform(with_one)
    expected = quick(sign=["-", None, "+"]).fit_transform(given)
    np.testing.assert_array_equal(found, expected)


def test_a_formula_that_reads_a_column_without_values_is_refused_by_name():
    with pytest.raises(ValueError, match="'a ~ a \\+ d': there is no column 'd'"):
        quick(missingness=["a ~ a + d", "d ~ 1"]).fit(frame(d=np.nan))


def test_settings_by_column_in_cross_validation():
    x = table(60)
    x[:, 1] = np.nan
    x[:20, 1] = np.arange(20.0)  # no value in the training rows of one fold
    search = GridSearchCV(quick(), {"sign": [["+", None, None], ["-", None, "+"]]}, cv=KFold(3))
    assert np.isfinite(search.fit(x).cv_results_["mean_test_score"]).all()


def test_a_covariate_without_values_is_refused_by_name():
    with pytest.raises(ValueError, match=r"covariate.*'d'"):
        quick(covariates=["d"]).fit(frame(d=np.nan))


# ---------------------------------------------------------------------------- names


def test_an_indicator_never_takes_the_place_of_a_column():
    given = pd.DataFrame(table(), columns=["a", "missingindicator_a", "missingindicator_a_2"])
    imputer = quick(add_indicator=True).fit(given)
    names = ["a", "missingindicator_a", "missingindicator_a_2", "missingindicator_a_3"]
    assert imputer.get_feature_names_out().tolist() == names
    found = imputer.set_output(transform="pandas").transform(given)
    assert list(found.columns) == names
    for name in names[1:3]:
        pd.testing.assert_series_equal(found[name], given[name])
    assert found[names[3]].tolist() == given["a"].isna().astype(float).tolist()


# -------------------------------------------------------------------------- markers


def marked(values, markers, dtype=None):
    given = pd.DataFrame({"v": pd.Series(values, dtype=dtype)})
    return with_gaps(given, markers, ["v"])["v"].isna().tolist()


MARKED = [
    ([0, 1, 2], 0, None, [1, 0, 0]),
    ([0.0, 1.0], 0, None, [1, 0]),
    ([0, 1], 0.0, "Int64", [1, 0]),
    ([0, 1], False, None, [0, 0]),
    ([1.0, 0.0], True, None, [0, 0]),
    ([False, True], 0, None, [0, 0]),
    ([False, True], 1, "boolean", [0, 0]),
    ([False, True], False, None, [1, 0]),
    ([False, True], np.True_, "boolean", [0, 1]),
    (["0", "1"], 0, None, [0, 0]),
    (["0", "1"], "0", None, [1, 0]),
    ([0, "0", False, 0.0], 0, object, [1, 0, 0, 1]),
    ([0, "0", False, 0.0], "0", object, [0, 1, 0, 0]),
    ([0, "0", False, 0.0], False, object, [0, 0, 1, 0]),
    (["a", "?"], "?", "category", [0, 1]),
    ([0, 1], False, "category", [0, 0]),
    ([-9.5, -9.25], [-9.5], "float32", [1, 0]),
    ([-99.9, 1.0], -99.9, "float32", [1, 0]),
    ([-9, -8, 1], [-9, -8], None, [1, 1, 0]),
    ([-9, -8, 1], {"v": (-9, "?")}, None, [1, 0, 0]),
    ([1, -9, None], np.array([-9, np.nan]), "Int8", [0, 1, 1]),
    (pd.to_datetime(["1900-01-01", "2020-05-05"]), pd.Timestamp("1900-01-01"), None, [1, 0]),
    (pd.to_datetime(["1900-01-01", "2020-05-05"]), [0, "1900-01-01"], None, [0, 0]),
    ([LARGE + 1, LARGE + 3, -9], -9, None, [0, 0, 1]),
]


@pytest.mark.parametrize(("values", "markers", "dtype", "expected"), MARKED)
def test_a_marker_is_a_value_of_its_own_type(values, markers, dtype, expected):
    assert marked(values, markers, dtype) == list(map(bool, expected))


def test_a_yes_no_column_beside_a_marker_of_zero():
    rng = np.random.default_rng(0)
    given = frame(smokes=rng.random(60) < 0.4)
    given["b"] = given["b"].where(given["b"] < 1, 0.0)
    found = quick(missing_values=0).fit_transform(given)
    pd.testing.assert_series_equal(found["smokes"], given["smokes"])
    assert (found["b"][given["b"] == 0] != 0).all()


def test_markers_of_arrays_and_their_columns():
    x = table()
    holed = np.isnan(x)
    coded = np.where(holed, -9.0, x)
    coded[:3, 1] = -8.0
    with_both = np.where(coded == -8, np.nan, x)
    expected = quick().fit_transform(with_both)
    for markers in ([-9, -8], (-9.0, -8.0), {"x0": -9, "x1": [-8]}):
        found = quick(missing_values=markers).fit_transform(coded)
        np.testing.assert_array_equal(found, expected)
    with pytest.warns(UserWarning, match=r"'x1' is -8 in 3 rows.*missing_values=-8 to MNARImputer"):
        left = quick(missing_values={"x0": -9}).fit_transform(coded)
    assert (left[:3, 1] == -8).all()


def test_infinity_may_stand_for_a_gap():
    x = table()
    coded = np.nan_to_num(x, nan=np.inf)
    found = quick(missing_values=[np.inf, -9]).fit_transform(coded)
    np.testing.assert_array_equal(found, quick().fit_transform(x))
    with pytest.raises(ValueError, match=r"column 'x0', row .*inf"):
        quick().fit(coded)


def test_a_marker_among_categories_is_no_level():
    given = frame(group=pd.Categorical((["u", "?", "w"] * 20), categories=["u", "?", "w"]))
    imputer = quick(missing_values="?").fit(given)
    assert imputer.schema_["group"].levels == ("u", "w")
    found = imputer.transform(given)
    assert set(found["group"]) == {"u", "w"}
    seen = given["group"] != "?"
    assert (found["group"][seen].astype(str) == given["group"][seen].astype(str)).all()


# --------------------------------------------------------------- digits and containers


def identifiers(rows=60):
    return [LARGE + 1 + 2 * i for i in range(rows)]


IDENTIFIERS = {
    "int64": lambda ids: pd.Series(ids, dtype="int64"),
    "uint64": lambda ids: pd.Series([i + 2**63 for i in ids], dtype="uint64"),
    "Int64 with a gap": lambda ids: pd.Series([None, *ids[1:]], dtype="Int64"),
    "objects": lambda ids: pd.Series(ids, dtype=object),
    "objects with a gap": lambda ids: pd.Series([*ids[:-1], None], dtype=object),
    "arrow": lambda ids: pd.Series([None, *ids[1:]], dtype="int64[pyarrow]"),
}


# the model reads floats, and says so
ROUNDED = "ignore:column .* holds whole numbers of .* digits as floats:UserWarning"


@pytest.mark.filterwarnings(ROUNDED)
@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_whole_numbers_that_a_float_would_change_keep_their_digits_in_tables(kind):
    given = frame(id=IDENTIFIERS[kind](identifiers()))
    imputer = quick().fit(given)
    for found in (
        imputer.transform(given),
        imputer.multiple_impute(given, m=2).loc[2],
        imputer.set_output(transform="pandas").transform(given),
    ):
        assert found["id"].dtype == given["id"].dtype
        seen = given["id"].notna()
        assert found["id"][seen].tolist() == given["id"][seen].tolist()
        assert found.notna().all(axis=None)


@pytest.mark.filterwarnings(ROUNDED)
def test_whole_numbers_that_a_float_would_change_keep_their_digits_in_arrays():
    ids = np.array(identifiers())
    whole = np.column_stack([ids, np.arange(60) * 37 % 101, np.arange(60) * 53 % 97])
    with pytest.warns(UserWarning, match=r"value.*missing"):
        found = quick().fit_transform(whole)
    assert found.dtype == np.int64
    assert np.array_equal(found, whole)
    coded = whole.copy()
    coded[::4, 1] = -9
    found = quick(missing_values=-9).fit_transform(coded)
    assert [int(v) for v in found[:, 0]] == ids.tolist()
    assert (found[::4, 1] != -9).all()
    masked = np.ma.masked_array(whole, mask=coded == -9)
    assert [int(v) for v in quick().fit_transform(masked)[:, 0]] == ids.tolist()
    objects = table().astype(object)
    objects[:, 2] = identifiers()
    found = quick().fit_transform(objects)
    assert found[:, 2].tolist() == identifiers()
    assert found[:, 1].tolist() == objects[:, 1].tolist()


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8"])
def test_masked_entries_are_missing(dtype):
    x = np.rint(table() * 10).clip(-100, 100)
    holed = np.isnan(x)
    masked = np.ma.masked_array(np.where(holed, 99, x).astype(dtype), mask=holed)
    found = quick().fit_transform(masked)
    np.testing.assert_array_equal(found, quick().fit_transform(x))
    assert not (found[holed] == 99).any()


@pytest.mark.parametrize("gap", [pd.NA, None, np.nan, pd.NaT])
def test_arrays_and_lists_of_objects(gap):
    x = table()
    objects = x.astype(object)
    objects[np.isnan(x)] = gap
    expected = quick().fit_transform(x)
    for given in (objects, objects.tolist()):
        found = quick().fit_transform(given)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


def test_an_array_of_numbers_and_words():
    objects = table().astype(object)
    objects[:, 1] = ["u", "w"] * 30
    objects[5, 1] = pd.NA
    found = quick().fit_transform(objects)
    assert found.dtype == object
    assert set(found[:, 1]) == {"u", "w"}
    seen = [i for i in range(60) if i != 5]
    assert found[seen, 1].tolist() == objects[seen, 1].tolist()
    with pytest.raises(TypeError, match=r"argument.*string"):
        quick().fit(np.array([[{"a": 1}, 2.0], [1.0, 3.0]], dtype=object))


def test_tables_of_another_library():
    given = frame(g=["u", "w"] * 30, d=pd.date_range("2020", periods=60))
    given.loc[3, "g"] = None
    arrow = SimpleNamespace(columns=list(given.columns), to_pandas=lambda: given)
    expected = quick().fit_transform(given)
    pd.testing.assert_frame_equal(quick().fit_transform(arrow), expected)


@pytest.mark.filterwarnings(ROUNDED)
def test_set_output_for_polars():
    polars = pytest.importorskip("polars")
    given = frame(g=["u", "w"] * 30, d=pd.date_range("2020", periods=60), n=identifiers())
    table = polars.from_pandas(given)
    imputer = quick(add_indicator=True).set_output(transform="polars")
    found = imputer.fit_transform(table)
    assert isinstance(found, polars.DataFrame)
    assert found.columns == list(imputer.get_feature_names_out())
    assert found["n"].to_list() == identifiers()
    assert found["g"].to_list() == given["g"].tolist()
    assert found["d"].to_list() == table["d"].to_list()


def test_set_output_keeps_the_table_s_types_and_index():
    given = frame(n=np.arange(60), small=np.arange(60, dtype="int8") % 5).set_index(
        pd.Index([f"r{i}" for i in range(60)])
    )
    found = quick().set_output(transform="pandas").fit_transform(given)
    assert list(found.dtypes) == list(given.dtypes)
    assert found.index.equals(given.index)
    assert isinstance(quick().fit_transform(given), np.ndarray)


# ---------------------------------------------------------------------------- levels


def test_the_categories_of_a_dtype_are_levels_in_every_fold():
    rare = ["rare" if i == 7 else "uv"[i % 2] for i in range(60)]
    given = frame(
        c=pd.Categorical(rare, categories=["rare", "u", "v"]),
        o=pd.Categorical(["lo"] * 30 + ["hi"] * 30, categories=["lo", "mid", "hi"], ordered=True),
    )
    search = GridSearchCV(quick(), {"latent_dim": [1, 2]}, cv=KFold(3)).fit(given)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    without = given.drop(index=7)
    for schema in (None, "infer", {"c": "categorical"}, {"c": "categorical", "a": "continuous"}):
        imputer = quick(schema=schema).fit(without)
        assert imputer.schema_["c"].levels == ("rare", "u", "v")
        assert imputer.schema_["o"].levels == ("lo", "mid", "hi")
        assert imputer.schema_["o"].kind == "ordinal"
        assert imputer.transform(given)["c"].tolist() == rare
    only = {"c": {"kind": "categorical", "levels": ["u", "v"]}}
    assert quick(schema=only).fit(without).schema_["c"].levels == ("u", "v")


@pytest.mark.parametrize("as_type", [str, "category"])
def test_a_level_that_fit_has_not_seen(as_type):
    given = frame(c=pd.Series(["u", "w"] * 30).astype(as_type))
    new = frame(c=pd.Series(["z", "w", None, *["u"] * 57]).astype(as_type))
    imputer = quick().fit(given)
    with pytest.raises(ValueError, match=r"column 'c', row 0: got 'z'.*'u', 'w'"):
        imputer.transform(new)
    lenient = quick(unseen_levels="missing").fit(given)
    found = lenient.transform(new)
    assert found["c"].tolist()[:2] == ["z", "w"]
    assert found["c"][2] in ("u", "w")
    hidden = new.assign(c=new["c"].where(new["c"] != "z", None))
    assert np.isfinite(lenient.score(new))
    assert lenient.score(new) == lenient.score(hidden)
    np.testing.assert_array_equal(found["a"], lenient.transform(hidden)["a"])


def test_new_rows_come_under_the_levels_and_dates_of_the_fit():
    rng = np.random.default_rng(0)
    size = rng.normal(size=120)
    stage = np.select([size < -0.5, size < 0.5], ["low", "mid"], "high")
    order = ["low", "mid", "high"]
    given = pd.DataFrame(
        {
            "x": size,
            "stage": pd.Categorical(stage, order, ordered=True),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.rint(30 * size), unit="D"),
        }
    )
    given.loc[::5, "x"] = np.nan
    given.loc[1::5, "stage"] = None
    given.loc[2::5, "day"] = pd.NaT
    imputer = quick(steps=60).fit(given)
    expected = imputer.transform(given)
    turned = given.assign(stage=pd.Categorical(stage, order[::-1], ordered=True))
    turned.loc[1::5, "stage"] = None
    found = imputer.transform(turned)
    assert found["stage"].astype(str).tolist() == expected["stage"].astype(str).tolist()
    np.testing.assert_array_equal(found["x"], expected["x"])
    few = given[given["stage"].isin(["mid", "high"]) | given["stage"].isna()].iloc[7:27]
    few = few.assign(stage=few["stage"].cat.remove_unused_categories())
    found = imputer.transform(few)
    np.testing.assert_allclose(found["x"], expected.loc[few.index, "x"], rtol=1e-12)
    assert found["day"].tolist() == expected.loc[few.index, "day"].tolist()
    assert found["stage"].astype(str).tolist() == expected.loc[few.index, "stage"].tolist()


# ------------------------------------------------------------------- nothing is missing


def test_nothing_is_missing():
    complete = np.nan_to_num(table())
    with pytest.warns(UserWarning, match=r"no value of the table is missing.*missing_values"):
        imputer = quick().fit(complete)
    new = complete[:4].copy()
    new[1, 2] = np.nan
    assert np.isfinite(imputer.transform(new)).all()


def test_rows_without_a_gap_are_not_run_through_the_model(monkeypatch):
    given = frame(g=["u", "w"] * 30)
    imputer = quick().fit(given)
    whole = given[given.notna().all(axis=1)]
    expected = imputer.transform(given)
    monkeypatch.setattr("absentia.inference.estimator.imputer.impute", None)
    pd.testing.assert_frame_equal(imputer.transform(whole), whole)
    pd.testing.assert_frame_equal(expected.loc[whole.index], whole)
    assert len(imputer.multiple_impute(whole, m=3)) == 3 * len(whole)
    with pytest.raises(ValueError, match="m is 0"):
        imputer.multiple_impute(whole, m=0)
