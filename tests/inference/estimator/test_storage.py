"""Saved imputers: every setting, label and dtype comes back as it was, or the save refuses."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import absentia as ab
from absentia import MNARImputer


def quick(**options):
    return MNARImputer(
        **{"steps": 4, "particles": 20, "latent_dim": 1, "random_state": 0} | options
    )


def table(rows):
    """Correlated columns; high values of the first are missing."""
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([0, 0, 0], np.eye(3) * 0.3 + 0.7, size=rows)
    x[x[:, 0] > 0.3, 0] = np.nan
    return x


def again(imputer, folder):
    imputer.save(folder)
    return MNARImputer.load(folder)


def alike(first, second):
    """Equal, and of the same types all the way down."""
    assert type(first) is type(second)
    if isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, pd.Index):
        pd.testing.assert_index_equal(first, second, exact=True)
    elif isinstance(first, pd.DataFrame):
        pd.testing.assert_frame_equal(first, second)
    elif isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    elif isinstance(first, torch.nn.Module):
        assert repr(first) == repr(second)
        alike(dict(first.state_dict()), dict(second.state_dict()))
    elif isinstance(first, np.random.RandomState):
        alike(first.get_state(), second.get_state())
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for (key, value), (other, found) in zip(first.items(), second.items(), strict=True):
            alike(key, other)
            alike(value, found)
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for value, found in zip(first, second, strict=True):
            alike(value, found)
    else:
        assert first == second or (first != first and second != second)


@pytest.mark.parametrize(
    "options",
    [
        {"missing_values": np.int64(-999)},
        {"missing_values": np.float32("nan")},
        {"missing_values": None},
        {"particles": np.int64(20), "steps": np.int32(5), "latent_dim": np.uint8(1)},
        {"add_indicator": np.True_, "keep_empty_features": np.False_},
        {"learning_rate": np.float32(0.1), "random_state": np.int64(7)},
        {"learning_rate": None, "latent_dim": None, "random_state": None},
        {"random_state": np.random.RandomState(3)},
        {"model": np.str_("ppca")},
        {"sign": ["+", None, "-"]},
        {"sign": ("+", None, "-")},
        {"schema": {"x0": {"kind": "bounded", "lower": np.float64(-9), "upper": 9}}},
        {"schema": ab.IncompleteData.from_numpy(np.eye(3)).schema},
        {"missingness": {"x0": "x0 + I(x0**2)"}},
        {"missingness": ("x0 ~ x0", "x1 ~ x1")},
        {"missingness": ab.missing("x0 ~ +x0 + x1", fixed={"x1": np.float64(0.5)}, units="data")},
        {"missingness": ab.missing("x0 ~ x0", prior=torch.distributions.StudentT(4.0, 0.0, 1.0))},
        {"missingness": ab.models.SelfMasking(3, sign=("+", None, "-"))},
        {"missingness": ab.models.SelfMasking(3, prior_scale=np.float64(1.0))},
        {"missingness": ab.models.SelfMasking(3, slope=np.array([1.0, 0.0, -1.0])).double()},
        {"model": "not-miwae", "model_options": {"hidden": (4, 3), "skip": np.True_}},
        {"model": "not-miwae", "model_options": {"hidden": np.array([4])}},
        {"model_options": {"margins": {"x0": (np.float64(0.1), 1.0)}}},
        {"model_options": {"decoder": ab.models.GaussianDecoder(1, 3, hidden=[2])},
         "model": "not-miwae"},
        {"fit_options": {"validation": np.float32(0.25), "evaluations": np.int16(2)}},
        {"fit_options": {"device": torch.device("cpu"), "dtype": torch.float64}},
    ],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
@pytest.mark.thin(13)
def test_every_setting_comes_back_as_it_was(options, tmp_path):
    holed = table(40)
    imputer = quick(**options).fit(holed)
    loaded = again(imputer, tmp_path)
    alike(imputer.get_params(deep=False), loaded.get_params(deep=False))
    alike(imputer.transform(holed), loaded.transform(holed))
    assert vars(imputer).keys() == vars(loaded).keys()


def test_a_path_among_the_settings_comes_back(tmp_path):
    holed = table(30)
    imputer = quick(fit_options={"checkpoint": tmp_path / "c"}).fit(holed)
    alike(again(imputer, tmp_path / "m").fit_options, imputer.fit_options)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"fit_options": {"callback": print}}, r"setting fit_options\.callback is a builtin"),
        (
            {"fit_options": {"loggers": [ab.inference.CSVLogger("x.csv")]}},
            r"fit_options\.loggers\[0\] is a",
        ),
        ({"learning_rate": np.longdouble(0.1)}, "setting learning_rate has the dtype"),
    ],
    ids=["function", "logger", "long double"],
)
def test_a_setting_that_cannot_be_kept_is_named(options, named, tmp_path):
    imputer = quick().fit(table(30)).set_params(**options)
    with pytest.raises(ab.inference.FormatError, match=named) as error:
        imputer.save(tmp_path / "m")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "m").exists()


def test_the_kind_of_output_comes_back(tmp_path):
    frame = pd.DataFrame(table(30), columns=["a", "b", "c"])
    imputer = quick().set_output(transform="pandas").fit(frame)
    pd.testing.assert_frame_equal(
        again(imputer, tmp_path).transform(frame), imputer.transform(frame)
    )


def labelled(columns):
    return pd.DataFrame(table(30)[:, :2], columns=columns)


@pytest.mark.parametrize(
    "columns",
    [
        [0, 1],
        [("a", 1), ("b", 2)],
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["upper", None]),
        pd.Index([1.5, -2.0]),
        pd.Index([np.int8(3), np.int8(4)], dtype="int8"),
        pd.date_range("2024-01-01", periods=2, tz="Europe/Berlin"),
        pd.period_range("2024-01", periods=2, freq="M"),
        pd.CategoricalIndex(["u", "v"], categories=["v", "u", "w"], ordered=True),
        pd.IntervalIndex.from_breaks([0, 1, 2]),
        pd.timedelta_range("1h", periods=2, name="after"),
        pd.Index([True, False]),
    ],
    ids=lambda columns: type(columns).__name__,
)
@pytest.mark.thin(4)
def test_labels_come_back(columns, tmp_path):
    frame = labelled(columns)
    imputer = quick().fit(frame)
    loaded = again(imputer, tmp_path)
    alike(loaded.transform(frame), imputer.transform(frame))
    theirs, ours = loaded.sample(3), imputer.sample(3)
    pd.testing.assert_index_equal(theirs.columns, ours.columns)
    pd.testing.assert_frame_equal(theirs, ours)


def arrow(values, kind):
    return pd.array(values, dtype=pd.ArrowDtype(kind))


COLUMNS = {
    "decimal": lambda n: arrow([Decimal(f"{k}.25") for k in range(n)], pa.decimal128(10, 2)),
    "dictionary": lambda n: arrow(["a", "b"] * (n // 2), pa.dictionary(pa.int8(), pa.string())),
    "arrow int": lambda n: arrow(list(range(n)), pa.int16()),
    "arrow text": lambda n: arrow(["a", "b"] * (n // 2), pa.string()),
    "arrow time": lambda n: arrow(
        list(pd.date_range("2024-01-01", periods=n, tz="UTC")), pa.timestamp("us", "Asia/Tokyo")
    ),
    "zone": lambda n: pd.date_range("2024-01-01", periods=n, tz="America/New_York"),
    "offset": lambda n: pd.date_range("2024-01-01", periods=n, tz="UTC+02:00"),
    "seconds": lambda n: pd.date_range("2024-01-01", periods=n).as_unit("s"),
    "spans": lambda n: pd.timedelta_range("1h", periods=n),
    "nullable": lambda n: pd.array([True, False] * (n // 2), dtype="boolean"),
    "small": lambda n: np.arange(n, dtype="int8"),
    "single": lambda n: np.arange(n, dtype="float32"),
    "levels": lambda n: pd.Categorical(["u", "v"] * (n // 2), ["v", "w", "u"], ordered=True),
    "years": lambda n: pd.Categorical([2020, 2021] * (n // 2)),
    "ranges": lambda n: pd.Categorical(pd.cut(np.arange(n), 3)),
    "text": lambda n: pd.array(["u", "v"] * (n // 2), dtype="string"),
    "objects": lambda n: np.array(["u", "v"] * (n // 2), dtype=object),
}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.thin(6)
def test_dtypes_come_back(kind, tmp_path):
    frame = pd.DataFrame({"q": COLUMNS[kind](24), "x": np.linspace(-1, 1, 24)})
    frame.loc[::5, "q"] = None if frame["q"].dtype == object else pd.NA
    frame.loc[1::5, "x"] = np.nan
    imputer = quick().fit(frame)
    loaded = again(imputer, tmp_path)
    alike(loaded.transform(frame), imputer.transform(frame))
    theirs, ours = loaded.sample(4), imputer.sample(4)
    assert list(theirs.dtypes) == list(ours.dtypes)
    pd.testing.assert_frame_equal(theirs, ours)


def test_a_plain_fit_is_no_imputer(tmp_path):
    imputer = quick().fit(table(30))
    imputer.save(tmp_path)
    assert ab.load(tmp_path).columns == imputer.result_.columns
    ab.save(imputer.result_, tmp_path)
    with pytest.raises(
        ab.inference.FormatError, match=r"no MNARImputer.*absentia\.load\('"
    ) as error:
        MNARImputer.load(tmp_path)
    assert "\n" not in str(error.value)


def without_types(found):
    """Tuples as lists, as they were written before version 3."""
    if isinstance(found, list):
        return [without_types(item) for item in found]
    if not isinstance(found, dict):
        return found
    if "$type" in found:
        return without_types(found["value"])
    return {key: without_types(item) for key, item in found.items()}


def test_an_imputer_of_version_2_is_still_read(tmp_path):
    """Before its settings kept their types, an imputer had a file of its own."""
    holed = table(40)
    imputer = quick().fit(holed)
    imputer.save(tmp_path)
    document = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    del document["imputer"], document["sha256"]
    document["model"] = without_types(document["model"])
    (tmp_path / document.pop("weights")["file"]).rename(tmp_path / "weights.safetensors")
    document["format_version"] = 2
    (tmp_path / "model.json").write_text(json.dumps(document), encoding="utf-8")
    params = {**imputer.get_params(), "missing_values": None, "covariates": []}
    old = {
        "params": params, "seed": imputer.result_.settings.seed, "names": ["x0", "x1", "x2"],
        "labels": ["x0", "x1", "x2"], "dtypes": ["float64"] * 3, "feature_names_in": None,
        "empty": [False] * 3, "gaps": [True, False, False], "plain_array": True,
    }  # fmt: skip
    (tmp_path / "imputer.json").write_text(json.dumps(old), encoding="utf-8")
    loaded = MNARImputer.load(tmp_path)
    alike(loaded.transform(holed), imputer.transform(holed))
    loaded.save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
