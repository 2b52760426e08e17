"""Completed tables come back in the dtypes they came in."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absentia.data import Column, IncompleteData
from absentia.data.columns.restore import restored

SERIES = {
    "float64": pd.Series([1.5, None, 2.5, 0.1]),
    "float32": pd.Series([1.5, None, 2.5, 0.1], dtype="float32"),
    "Float64": pd.Series([1.5, None, 2.5, 0.1], dtype="Float64"),
    "Int64": pd.Series([1, None, 3, 4], dtype="Int64"),
    "Int8": pd.Series([1, None, 3, 127], dtype="Int8"),
    "UInt16": pd.Series([1, None, 3, 4], dtype="UInt16"),
    "object ints": pd.Series([1, None, 3, 4], dtype=object),
    "boolean": pd.Series([True, None, False, True], dtype="boolean"),
    "object bools": pd.Series([True, None, False, True], dtype=object),
    "text": pd.Series(["a", None, "b", "a"]),
    "object text": pd.Series(["a", None, "b", "a"], dtype=object),
    "string": pd.Series(["a", None, "b", "a"], dtype="string"),
    "arrow string": pd.Series(["a", None, "b", "a"], dtype=pd.ArrowDtype(pa.string())),
    "category": pd.Series(pd.Categorical(["b", None, "a", "b"], ["b", "a", "unused"])),
    "ordered": pd.Series(
        pd.Categorical(["lo", None, "hi", "lo"], ["lo", "mid", "hi"], ordered=True)
    ),
    "integer category": pd.Series(pd.Categorical([3, None, 1, 3])),
    "datetime ns": pd.Series(pd.to_datetime(["2020-01-01", None, "2021-05-02", "2019-03-01"])),
    "datetime s": pd.Series(
        pd.to_datetime(["2020-01-01 12:00", None, "2021-05-02 07:30", "2019-03-01 00:00"])
    ).astype("datetime64[s]"),
    "datetime tz": pd.Series(
        pd.to_datetime(["2020-01-01", None, "2021-05-02", "2019-07-01"])
    ).dt.tz_localize("Europe/Berlin"),
    "timedelta": pd.Series(pd.to_timedelta([1.5, None, 3, 4], unit="h")),
    "arrow int": pd.Series([1, None, 3, 4], dtype=pd.ArrowDtype(pa.int32())),
    "arrow float": pd.Series([1.5, None, 3, 4], dtype=pd.ArrowDtype(pa.float64())),
    "arrow bool": pd.Series([True, None, False, True], dtype=pd.ArrowDtype(pa.bool_())),
    "arrow timestamp": pd.Series(
        pd.to_datetime(["2020-01-01 08:00", None, "2021-05-02 07:30", "2019-03-01 00:00"])
    ).astype(pd.ArrowDtype(pa.timestamp("us"))),
}


@pytest.mark.parametrize("name", SERIES)
def test_a_dtype_comes_back(name):
    series = SERIES[name]
    frame = pd.DataFrame({"other": [1.0, 2, 3, 4], "v": series.to_numpy()}, index=list("wxyz"))
    frame["v"] = pd.Series(series.array, index=frame.index, dtype=series.dtype)
    data = IncompleteData.from_frame(frame)
    filled = data.to_frame(np.nan_to_num(data.values, nan=1.0))
    assert filled["v"].dtype == frame["v"].dtype
    assert list(filled.columns) == ["other", "v"]
    assert list(filled.index) == list("wxyz")
    assert filled["v"].notna().all()
    seen = frame["v"].notna()
    pd.testing.assert_series_equal(filled["v"][seen], frame["v"][seen])
    for before, after in zip(frame["v"][seen], filled["v"][seen], strict=True):
        assert type(before) is type(after)
    again = IncompleteData.from_frame(filled, like=data)
    assert again.values[1, 1] == pytest.approx(1.0 if "date" not in name else again.values[1, 1])
    assert again.s.all()


WANTED = {
    "Int64": (2.6, 3),
    "Int8": (1000.0, 127),
    "UInt16": (-5.0, 0),
    "object ints": (1.2, 1),
    "boolean": (0.0, False),
    "text": (1.0, "b"),
    "ordered": (1.0, "hi"),
    "category": (0.0, "b"),
    "integer category": (0.0, 1),
    "timedelta": (7200.0, pd.Timedelta(hours=2)),
    "arrow int": (2.2, 2),
}


@pytest.mark.parametrize("name", WANTED)
def test_what_numbers_become(name):
    value, expected = WANTED[name]
    data = IncompleteData.from_frame(SERIES[name].to_frame("v"))
    filled = data.to_frame(np.full((4, 1), value))["v"]
    assert filled.iloc[1] == expected


def test_dates_are_found_again_to_the_day():
    series = SERIES["datetime tz"]
    data = IncompleteData.from_frame(series.to_frame("v"))
    wanted = pd.Timestamp("2019-11-20", tz="Europe/Berlin")
    first = series.min()
    after = (wanted - first).total_seconds() + 3 * 3600
    filled = data.to_frame(np.full((4, 1), after))["v"]
    assert filled.iloc[1] == wanted  # all others lie at midnight, so does this one


def test_new_rows_get_levels_that_they_do_not_show():
    data = IncompleteData.from_frame(pd.DataFrame({"c": ["a", "b", "b"], "v": [1.0, 2, 3]}))
    new = pd.DataFrame({"c": pd.Categorical(["a", None]), "v": [1.0, 2.0]})
    filled = IncompleteData.from_frame(new, like=data).to_frame(np.ones((2, 2)))
    assert filled["c"].tolist() == ["a", "b"]
    assert filled["c"].cat.categories.tolist() == ["a", "b"]


def test_a_complete_column_is_the_very_one():
    frame = pd.DataFrame({"id": [10**6, 3, 7], "v": [1.0, None, 2]}, index=pd.Index([3, 3, 1]))
    filled = IncompleteData.from_frame(frame).to_frame(np.zeros((3, 2)))
    pd.testing.assert_series_equal(filled["id"], frame["id"])
    assert filled.index.equals(frame.index)


def test_labels_that_are_no_strings_and_indices_of_several_levels():
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    frame = pd.DataFrame({0: [1.0, None, 2], 1: ["x", "y", None]}, index=index)
    filled = IncompleteData.from_frame(frame).to_frame(np.zeros((3, 2)))
    assert filled.columns.equals(frame.columns)
    assert filled.index.equals(index)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_observed_entries_stay_in_any_mixture(data):
    names = data.draw(st.lists(st.sampled_from(sorted(SERIES)), min_size=1, max_size=5))
    order = data.draw(st.permutations(range(4)))
    frame = pd.DataFrame({f"c{i}": SERIES[name].iloc[list(order)] for i, name in enumerate(names)})
    table = IncompleteData.from_frame(frame)
    filled = table.to_frame(np.nan_to_num(table.values, nan=0.0))
    assert list(filled.dtypes) == list(frame.dtypes)
    for name in frame:
        seen = frame[name].notna()
        pd.testing.assert_series_equal(filled[name][seen], frame[name][seen])
        assert filled[name].notna().all()


def test_an_empty_column_of_new_rows_becomes_what_it_holds():
    frame = pd.DataFrame({"c": ["a", "b"] * 3, "n": range(6), "d": pd.Timestamp("2020-01-01")})
    frame.loc[0, ["c", "n", "d"]] = None
    data = IncompleteData.from_frame(frame, schema={"n": "count"})
    new = pd.DataFrame({"c": [np.nan, np.nan], "n": [None, None], "d": [np.nan, np.nan]})
    filled = IncompleteData.from_frame(new, like=data).to_frame(np.ones((2, 3)))
    assert filled["c"].tolist() == ["b", "b"]
    assert filled["n"].tolist() == [1, 1]
    assert pd.api.types.is_datetime64_dtype(filled["d"])


@pytest.mark.parametrize("backed", ["pandas", "arrow"])
def test_days_that_begin_after_midnight(backed):
    """Where clocks skip midnight (São Paulo, November 2018) a day begins at one o'clock."""
    zone = "America/Sao_Paulo"
    local = pd.Series(pd.date_range("2018-10-30", periods=12))
    days = local.dt.tz_localize(zone, nonexistent="shift_forward")
    if backed == "arrow":
        days = days.astype(pd.ArrowDtype(pa.timestamp("us", tz=zone)))
    gappy = days.copy()
    gappy[[2, 6]] = None
    data = IncompleteData.from_frame(pd.DataFrame({"d": gappy, "v": np.arange(12.0)}))
    assert data.schema["d"].whole_days
    seconds = np.zeros((12, 2))
    seconds[[2, 6], 0] = [(5 - 1 / 3) * 86400, (5 + 1 / 3) * 86400]
    done = data.to_frame(seconds)["d"]
    assert done[[2, 6]].tolist() == [pd.Timestamp("2018-11-04 01:00", tz=zone)] * 2
    assert done.drop([2, 6]).tolist() == days.drop([2, 6]).tolist()


def test_days_whose_midnight_comes_twice():
    zone = "America/Havana"  # on 2020-11-01 one o'clock became midnight again
    days = pd.Series(pd.date_range("2020-10-28", periods=8)).dt.tz_localize(zone, ambiguous="NaT")
    days[4] = pd.Timestamp("2020-11-01").tz_localize(zone, ambiguous=True)
    gappy = days.copy()
    gappy[1] = None
    data = IncompleteData.from_frame(pd.DataFrame({"d": gappy, "v": np.arange(8.0)}))
    assert data.schema["d"].whole_days
    seconds = np.zeros((8, 2))
    seconds[1, 0] = 4.2 * 86400
    assert data.to_frame(seconds)["d"][1] == days[4]


def test_ends_of_what_a_column_and_its_dtype_hold():
    """Each end by itself: a count's top, the first float inside a bound, the first tick."""
    counts = pd.Series([1, None, None], dtype="Int64")
    filled = restored(counts, Column("n", "count", top=4), np.array([0, 9.7, -3.0]))
    assert filled.tolist() == [1, 4, 0]
    # in single precision 0.7 is below, 0.8 above itself: the nearest inside are taken
    share = pd.Series([0.75, None, None], dtype="float32")
    column = Column("share", "bounded", lower=0.7, upper=0.8)
    low, high = restored(share, column, np.array([0, -5.0, 5.0])).to_numpy()[1:]
    assert 0.7 <= float(low) < 0.7001
    assert 0.7999 < float(high) <= 0.8
    spans = pd.Series(pd.to_timedelta([5, None], "s")).astype("timedelta64[s]")
    column = Column("wait", "positive", dtype="timedelta64[s]")
    assert restored(spans, column, np.array([5.0, 1e-9]))[1] == pd.Timedelta(1, "s")


def test_dates_keep_the_parts_of_a_second_that_their_origin_has():
    dates = pd.Series(pd.to_datetime(["2020-01-01 00:00:00.250", None])).astype("datetime64[ms]")
    origin = pd.Timestamp("2020-01-01 00:00:00.250").value
    column = Column("seen", "datetime", origin=origin, dtype="datetime64[ms]")
    filled = restored(dates, column, np.array([0, 2.5]))
    assert filled[1] == pd.Timestamp("2020-01-01 00:00:02.750")
