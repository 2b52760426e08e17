"""What columns are: inferred, declared, refused, stored."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from absentia.data import Column, IncompleteData, Schema, infer_schema
from absentia.data.standardiser import Standardiser

NAN = np.nan
COLUMNS = {
    "floats": (pd.Series([0.5, -1.0, NAN, 2.0]), "continuous", "continuous"),
    "ints": (pd.Series([3, 0, 1, 2]), "continuous", "count"),
    "nullable ints": (pd.Series([3, 0, None, 2], dtype="Int64"), "continuous", "count"),
    "ints with gaps": (pd.Series([3.0, 0.0, NAN, 2.0]), "continuous", "count"),
    "years": (pd.Series([1990, 2001, 2010, 1999]), "continuous", "continuous"),
    "skewed": (pd.Series(np.exp(np.linspace(-3, 5, 40))), "continuous", "positive"),
    "zero-one": (pd.Series([0.0, 1.0, NAN, 1.0]), "continuous", "binary"),
    "bools": (pd.Series([True, False, True, False]), "binary", "binary"),
    "nullable bools": (pd.Series([True, None, False], dtype="boolean"), "binary", "binary"),
    "object bools": (pd.Series([True, None, False], dtype=object), "binary", "binary"),
    "two words": (pd.Series(["no", "yes", None, "no"]), "binary", "binary"),
    "words": (pd.Series(["a", "b", "c"] * 5), "categorical", "categorical"),
    "category": (pd.Series(["a", "b", "c"], dtype="category"), "categorical", "categorical"),
    "ordered": (
        pd.Series(pd.Categorical(["lo", "hi"], ["lo", "mid", "hi"], ordered=True)),
        "ordinal",
        "ordinal",
    ),
    "dates": (
        pd.Series(pd.to_datetime(["2020-01-01", None, "2021-01-01"])),
        "datetime",
        "datetime",
    ),
    "spans": (pd.Series(pd.to_timedelta([1, 2], unit="h")), "continuous", "continuous"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_kinds_are_inferred(name):
    series, by_dtype, by_values = COLUMNS[name]
    frame = series.to_frame("v")
    assert infer_schema(frame, by="dtype")["v"].kind == by_dtype
    assert infer_schema(frame, by="values")["v"].kind == by_values


@pytest.mark.parametrize("name", COLUMNS)
def test_plain_data_and_back(name):
    schema = infer_schema(COLUMNS[name][0].to_frame("v"))
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_a_numeric_table_is_read_bit_for_bit_as_numbers():
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(40, 3))
    values[rng.random(values.shape) < 0.3] = NAN
    data = IncompleteData.from_frame(pd.DataFrame(values, columns=list("abc")))
    mask = ~np.isnan(values)
    scaler = Standardiser.from_observed(values, mask)
    expected = torch.tensor(np.where(mask, scaler.apply(values), 0.0), dtype=torch.float32)
    assert torch.equal(data.x, expected)
    for j in range(3):
        seen = values[mask[:, j], j]
        np.testing.assert_allclose(scaler.center[j], seen.mean(), rtol=1e-12)
        np.testing.assert_allclose(scaler.scale[j], seen.std(ddof=1), rtol=1e-12)


def test_what_a_model_sees_of_each_kind():
    frame = pd.DataFrame(
        {
            "dose": [1.0, np.e, np.e**2, NAN],
            "share": [0.0, 0.5, 1.0, NAN],
            "visits": pd.array([0, 3, None, 1], "Int64"),
            "stage": pd.Categorical(["II", "I", None, "II"], ["I", "II"], ordered=True),
        }
    )
    declared = {
        "dose": "positive",
        "share": {"kind": "bounded", "lower": 0, "upper": 1},
        "visits": {"kind": "count", "top": 9},
    }
    data = IncompleteData.from_frame(frame, schema=declared, dtype=torch.float64)
    assert data.x[:, 0].tolist() == pytest.approx([-1, 0, 1, 0])
    assert data.x[0, 1].item() == pytest.approx(-data.x[2, 1].item())
    assert data.x[1, 1].item() == pytest.approx(0)
    assert data.x[:, 2].tolist() == [0, 3, 0, 1]
    assert data.x[:, 3].tolist() == [1, 0, 0, 1]
    assert data.schema["visits"].num_values == 10
    raw = IncompleteData.from_frame(frame, schema=declared, standardise=False, dtype=torch.float64)
    assert raw.x[:3, 0].tolist() == pytest.approx([0, 1, 2])


CONTRADICTIONS = {
    "unknown kind": ([1.0, 2.0], "colour", "kind 'colour'.*continuous"),
    "positive zero": ([0.0, 2.0], "positive", "row 'r0': got 0.*positive"),
    "negative count": ([1.0, -1.0], "count", "row 'r1': got -1.*whole numbers"),
    "half count": ([1.0, 0.5], "count", "got 0.5.*whole numbers"),
    "count beyond": ([1.0, 5.0], {"kind": "count", "top": 3}, "0 to 3"),
    "out of bounds": (
        [1.0, 5.0],
        {"kind": "bounded", "lower": 0, "upper": 4},
        r"got 5.*bounds \[0, 4\]",
    ),
    "no bounds": ([1.0, 5.0], "bounded", "finite numbers lower"),
    "three for binary": ([1.0, 2.0, 3.0], "binary", "holds 3 distinct values"),
    "words for a number": (["a", "b", "a"], "continuous", "holds text"),
    "words without order": (["a", "b", "a"], "ordinal", "text has no order of its own"),
    "unknown level": (["a", "b", "c"], {"kind": "categorical", "levels": ["a", "b"]}, "got 'c'"),
    "unknown detail": ([1.0], {"kind": "count", "most": 3}, "'most'.*kind, levels"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_declarations_that_the_values_contradict(name):
    values, declared, message = CONTRADICTIONS[name]
    frame = pd.DataFrame({"v": values}, index=[f"r{i}" for i in range(len(values))])
    with pytest.raises(ValueError, match=message) as error:
        IncompleteData.from_frame(frame, schema={"v": declared})
    assert "'v'" in str(error.value)


def test_declarations_of_columns_that_are_not_there():
    with pytest.raises(ValueError, match="names column 'w'"):
        infer_schema(pd.DataFrame({"v": [1.0]}), {"w": "count"})


def test_text_with_too_many_values_is_refused():
    frame = pd.DataFrame({"name": [f"person {i}" for i in range(60)]})
    with pytest.raises(ValueError, match="'name' has 60 distinct strings"):
        IncompleteData.from_frame(frame)


def test_new_rows_follow_the_first_ones():
    frame = pd.DataFrame({"age": [20.0, 40, 60], "job": ["a", "b", None], "w": [1.0, 2, 3]})
    data = IncompleteData.from_frame(frame, covariates=["w"])
    new = pd.DataFrame({"w": [5.0], "job": ["b"], "age": [NAN]}, index=["z"])
    rows = IncompleteData.from_frame(new, like=data)
    assert rows.columns == ("age", "job")
    assert rows.x.tolist() == [[0, 1]]
    assert rows.covariates.tolist() == [[5]]
    assert list(rows.to_frame(np.array([[33.0, 0]])).columns) == ["w", "job", "age"]
    with pytest.raises(ValueError, match=r"column 'job', row 'z': got 'c'.*'a', 'b'"):
        IncompleteData.from_frame(new.assign(job="c"), like=data)
    with pytest.raises(ValueError, match=r"lacks the columns \['w'\]"):
        IncompleteData.from_frame(new[["job", "age"]], like=data)


def test_covariates_are_given_and_not_modelled():
    frame = pd.DataFrame({"site": ["x", "y", "x"], "v": [1.0, NAN, 3.0], "t": [0.5, 1.5, 2.5]})
    data = IncompleteData.from_frame(frame, covariates=["t", "site"])
    assert data.columns == ("v",)
    assert data.covariates.tolist() == [[0.5, 0], [1.5, 1], [2.5, 0]]
    assert data.covariate_schema.names == ("t", "site")
    part = data.rows([2, 1])
    assert part.extras()["covariates"].tolist() == [[2.5, 0], [1.5, 1]]
    with pytest.raises(ValueError, match=r"'t'.*row 1"):
        IncompleteData.from_frame(frame.assign(t=[1.0, NAN, 2]), covariates=["t"])
    with pytest.raises(ValueError, match="covariate 'u'"):
        IncompleteData.from_frame(frame, covariates=["u"])
    with pytest.raises(ValueError, match=r"column.*covariate"):
        IncompleteData.from_frame(frame[["t"]], covariates=["t"])


def test_arrays_of_codes():
    schema = Schema((Column("v", "continuous"), Column("c", "categorical", ("a", "b", "c"))))
    data = IncompleteData.from_numpy(np.array([[1.0, 2.0], [2.0, NAN]]), schema=schema)
    assert data.columns == ("v", "c")
    assert data.x[0, 1] == 2
    with pytest.raises(ValueError, match=r"3 levels.*0 to 2"):
        IncompleteData.from_numpy(np.array([[1.0, 3.0], [2.0, NAN]]), schema=schema)


def test_a_schema_from_a_file(tmp_path):
    toml = tmp_path / "schema.toml"
    toml.write_text('dose = "positive"\nstage = {kind = "ordinal", levels = ["I", "II"]}\n')
    js = tmp_path / "schema.json"
    js.write_text(
        json.dumps({"dose": "positive", "stage": {"kind": "ordinal", "levels": ["I", "II"]}})
    )
    assert Schema.read(toml) == Schema.read(js)
    frame = pd.DataFrame({"dose": [1.0, 2.0], "stage": ["II", None]})
    kinds = [c.kind for c in IncompleteData.from_frame(frame, schema=Schema.read(toml)).schema]
    assert kinds == ["positive", "ordinal"]


BAD_FILES = {
    "suffix": ("schema.yaml", "a: b", "unknown suffix"),
    "syntax": ("schema.toml", "a = ", "not valid TOML"),
    "list": ("schema.json", "[1]", "holds a list"),
    "kind": ("schema.toml", 'a = "colour"', "kind 'colour'"),
    "absent": ("nothing.toml", None, "cannot be read"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_schema_files(tmp_path, name):
    file, text, message = BAD_FILES[name]
    if text is not None:
        (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        Schema.read(tmp_path / file)


def test_a_schema_of_foreign_names_goes_to_a_file_and_back(tmp_path):
    """Quotes, blanks and letters beyond ASCII, in names and in levels."""
    frame = pd.DataFrame({'größe "cm"': [1.5, 2.5, 4.0], "straße": ["Öl", "née", "Öl"]})
    found = infer_schema(frame)
    (tmp_path / "schema.toml").write_text(found.to_toml(), encoding="utf-8")
    assert "straße" in found.to_toml()
    again = infer_schema(frame, Schema.read(tmp_path / "schema.toml"))
    assert [c.kind for c in again] == [c.kind for c in found]
    assert again["straße"].levels == found["straße"].levels
