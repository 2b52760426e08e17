"""What is said when a table is read: values that may stand for missing, codes read as numbers."""

import warnings

import numpy as np
import pandas as pd
import pytest

from absentia import IncompleteData
from absentia.data.columns.cautions import CodedColumnsWarning, DigitsLostWarning, SentinelWarning
from absentia.data.columns.codes import code_kind
from absentia.data.markers import without_markers
from absentia.data.schema import infer_schema

RNG = np.random.default_rng(0)
N = 40
BMI = RNG.normal(25, 4, N).round(1)


def gappy(values: object) -> np.ndarray:
    """As floats, every fifth one missing."""
    array = np.array(values, dtype=float)
    array[::5] = np.nan
    return array


def test_a_sentinel_is_named_with_its_count_and_cure():
    frame = pd.DataFrame({"age": range(20, 20 + N), "bmi": [-99.0, *BMI[2:], -99.0]})
    with pytest.warns(SentinelWarning, match=r"'bmi'.*2 rows") as said:
        IncompleteData.from_frame(frame)
    (one,) = [w.message for w in said]
    assert (one.column, one.value, one.count) == ("bmi", -99, 2)
    assert said[0].filename == __file__
    cured = eval(f"IncompleteData.from_frame(frame, {one.option})")
    assert cured.s[:, 1].sum() == N - 2
    assert cured.values[~np.isnan(cured.values[:, 1]), 1].min() > 0


@pytest.mark.parametrize(("value", "heard"), [(-99.0, True), (9999.0, True), (99.0, False)])
def test_arrays_are_cautioned_about_what_is_certain(value, heard):
    array = np.column_stack([BMI, BMI])
    array[:3, 1] = value
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        IncompleteData.from_numpy(array, columns=["a", "b"])
    assert [w.category for w in said] == ([SentinelWarning] if heard else [])


def test_identifiers_that_are_floats_already_are_named():
    ids = 2**60 + np.arange(N)
    array = np.column_stack([ids, BMI])  # which makes floats of both
    assert len(np.unique(array[:, 0])) < N
    with pytest.warns(DigitsLostWarning, match=r"'id'.*19 digits"):
        IncompleteData.from_numpy(array, columns=["id", "bmi"])
    with pytest.warns(DigitsLostWarning):
        IncompleteData.from_frame(pd.DataFrame(array))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        IncompleteData.from_numpy(np.column_stack([10.0 ** RNG.uniform(10, 19, N), BMI]))


def test_codes_read_as_numbers_are_named_together_with_their_declarations():
    frame = pd.DataFrame(
        {
            "diabetic": gappy([0, 1] * (N // 2)),
            "likert": gappy(RNG.permutation([1, 2, 3, 4, 5] * (N // 5))),
            "share": gappy(RNG.random(N)),
            "bmi": gappy(BMI),
            "seen": [0, 1] * (N // 2),
        }
    )
    with pytest.warns(CodedColumnsWarning, match="columns 'diabetic', 'likert', 'share'") as said:
        IncompleteData.from_frame(frame)
    assert len(said) == 1
    declared = said[0].message.columns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = IncompleteData.from_frame(frame, schema=declared)
        same = IncompleteData.from_frame(frame, schema="infer")
        IncompleteData.from_frame(frame, schema=dict.fromkeys(frame.columns, "continuous"))
        IncompleteData.from_frame(frame.iloc[:5], like=data)
    kinds = [c.kind for c in data.schema][:3]
    assert kinds == [c.kind for c in same.schema][:3] == ["binary", "ordinal", "bounded"]
    assert same.schema["likert"].levels == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1] * 20, "binary"),
        ([1, 2] * 20, "binary"),
        ([1, 2, 3, 4, 5] * 8, "ordinal"),
        (list(range(11)) * 4, "ordinal"),
        ([0, 1, 2, 3] * 10, "ordinal"),
        ([0] * 20 + [1] * 12 + [2] * 6 + [3], None),
        ([1, 2, 4, 5] * 10, None),
        ([0.5, 1, 1.5, 2] * 10, None),
        ([10, 11, 12] * 12, None),
        ([0, 1] * 5, None),
        (list(np.linspace(0, 1, 40)), "bounded"),
        (list(np.linspace(0.1, 0.3, 40)), None),
        (list(np.linspace(-0.1, 0.9, 40)), None),
    ],
)
def test_codes(values, kind):
    assert code_kind(np.array(values, dtype=float)) == kind


def test_inferred_counts_remain_counts():
    visits = pd.Series([0] * 20 + [1] * 12 + [2] * 6 + [3])
    column = infer_schema(pd.DataFrame({"visits": visits}))["visits"]
    assert (column.kind, column.top) == ("count", 13)


FRAME = pd.DataFrame(
    {
        "n": [1, -99, 3],
        "f": [1.5, -99.0, 7.0],
        "t": ["yes", "?", "-99"],
        "b": [True, False, True],
        "d": pd.to_datetime(["2020-01-01", "1900-01-01", None]),
        "k": pd.Categorical(["u", "?", "w"]),
        "o": [1, "?", -99],
    }
)


@pytest.mark.parametrize(
    ("markers", "gone"),
    [
        (-99, {"n": [1], "f": [1], "t": [2], "o": [2]}),
        ("?", {"t": [1], "k": [1], "o": [1]}),
        ([-99, "?"], {"n": [1], "f": [1], "t": [1, 2], "k": [1], "o": [1, 2]}),
        ({"f": -99.0, "t": ["?"]}, {"f": [1], "t": [1]}),
        ("1900-01-01", {"d": [1]}),
        ({"d": pd.Timestamp("1900-01-01")}, {"d": [1]}),
        ("-99", {"n": [1], "f": [1], "t": [2], "o": [2]}),
        (1, {"n": [0], "o": [0]}),
        (True, {"b": [0, 2]}),
        (np.nan, {}),
        (None, {}),
    ],
)
def test_markers_by_value_and_column(markers, gone):
    found = without_markers(FRAME, markers)
    for name in FRAME:
        wanted = FRAME[name].isna().to_numpy(copy=True)
        wanted[gone.get(name, [])] = True
        assert found[name].isna().to_numpy().tolist() == wanted.tolist(), name
        kept = ~wanted
        assert found[name][kept].tolist() == FRAME[name][kept].tolist()
    assert FRAME["n"].tolist() == [1, -99, 3]


def test_whole_numbers_stay_whole_and_new_rows_are_read_by_the_same_markers():
    frame = pd.DataFrame({"n": [31, -99, 58, 44], "v": [1.0, 2.0, 4.0, 3.0]})
    data = IncompleteData.from_frame(frame, na_values=-99)
    assert data.to_frame(np.full((4, 2), 40.0))["n"].tolist() == [31, 40, 58, 44]
    assert str(data.schema["n"].dtype) == "Int64"
    new = IncompleteData.from_frame(frame.iloc[:2], na_values={"n": -99}, like=data)
    assert new.s.tolist() == [[True, True], [False, True]]
    with pytest.raises(ValueError, match=r"na_values.*'m'"):
        IncompleteData.from_frame(frame, na_values={"m": 1})
