"""Rows that were read by themselves, under the codes and origins of a fit: as if read like it."""

import numpy as np
import pandas as pd
import pytest
import torch

from absentia import IncompleteData

TRAIN = pd.DataFrame(
    {
        "stage": pd.Categorical(
            ["low", "mid", "high", "low"] * 3, ["low", "mid", "high"], ordered=True
        ),
        "place": ["north", "south", "east", "west"] * 3,
        "smokes": ["no", "yes", "no", None] * 3,
        "flag": [True, False, True, True] * 3,
        "day": pd.to_datetime(["2020-03-01", "2021-06-05", "2019-01-31", None] * 3),
        "wait": pd.to_timedelta([60, 90, 30, 45] * 3, unit="s"),
        "dose": [0.5, 3.0, 1.0, 40.0] * 3,
        "visits": [0, 3, 1, 7] * 3,
        "zone": pd.to_datetime(["2020-01-01", "2021-01-01"] * 6).tz_localize("Europe/Berlin"),
        "sd": [1.0, 2.0, 5.0, 4.5] * 3,
    }
)
SCHEMA = {"dose": "positive", "visits": {"kind": "count", "top": 20}}
FITTED = IncompleteData.from_frame(TRAIN, schema=SCHEMA)


def rows(**changes: object) -> pd.DataFrame:
    """Three new rows that hold some of the levels and other dates."""
    new = {
        "stage": pd.Categorical(["high", "mid", None], ["high", "mid"], ordered=True),
        "place": ["west", "north", "west"],
        "smokes": ["yes", None, "yes"],
        "flag": [False, None, False],
        "day": pd.to_datetime(["2024-05-06 12:30", "2018-01-01 00:00", None]),
        "wait": pd.to_timedelta([5, None, 700], unit="ms"),
        "dose": [2, 30, 4],
        "visits": [0.0, np.nan, 1.0],
        "zone": pd.to_datetime(["2024-07-01", None, "2020-01-01"]).tz_localize("Asia/Tokyo"),
        "sd": [0, 1, 1],
    }
    return pd.DataFrame({**new, **changes})


def assert_same(own: IncompleteData, wanted: IncompleteData) -> None:
    assert torch.equal(own.s, wanted.s)
    assert torch.allclose(own.x, wanted.x, rtol=0, atol=1e-12)
    assert own.schema == wanted.schema
    np.testing.assert_allclose(own.scaler.center, wanted.scaler.center)


@pytest.mark.parametrize("schema", [None, "infer"])
def test_every_kind_reads_as_with_like(schema):
    new = rows()
    own = IncompleteData.from_frame(new, schema=schema, dtype=torch.float64)
    wanted = IncompleteData.from_frame(new, like=FITTED, dtype=torch.float64)
    assert not torch.equal(own.x, wanted.x)
    found = own.under(FITTED)
    assert_same(found, wanted)
    filled = np.where(np.isnan(wanted.values), 0.0, wanted.values)
    pd.testing.assert_frame_equal(found.to_frame(filled), wanted.to_frame(filled))


def test_rows_of_the_same_reading_are_left_alone():
    part = FITTED.rows([3, 1])
    assert_same(part.under(FITTED), part)
    assert np.array_equal(part.under(FITTED).values, part.values, equal_nan=True)


def test_covariates_keep_the_codes_of_the_fit():
    train = pd.DataFrame({"v": [1.0, 2.0, 4.0, 3.0], "site": ["a", "b", "c", "a"]})
    fitted = IncompleteData.from_frame(pd.concat([train, train]), covariates=["site"])
    new = pd.DataFrame({"v": [1.0, None], "site": ["c", "b"]})
    new = pd.concat([new, new]).reset_index(drop=True)
    own = IncompleteData.from_frame(new, covariates=["site"])
    assert own.covariates[:, 0].tolist() == [1, 0, 1, 0]
    assert own.under(fitted).covariates[:, 0].tolist() == [2, 1, 2, 1]


def test_a_layout_of_numbers_alone_scales_them():
    class Numbers:
        columns, scaler = ("a",), IncompleteData.from_numpy(np.array([[1.0], [3.0]])).scaler
        schema = covariate_schema = None

    data = IncompleteData.from_numpy(np.array([[2.0], [30.0]]), columns=["a"])
    assert data.under(Numbers()).x[0].item() == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"place": ["north", "up", "up"]}, r"'place', row 1: got 'up'.*'east'"),
        ({"stage": pd.Categorical(["high", "mid", "huge"])}, r"'stage', row 2: got 'huge'"),
        ({"visits": [0, 21, 3]}, r"'visits', row 1: got 21.*0 to 20"),
        ({"visits": [0, 0.5, 3]}, r"'visits', row 1: got 0.5"),
        ({"dose": [1, -1, 2]}, r"'dose', row 1: got -1.*positive"),
        ({"day": [1.0, 2.0, 3.0]}, r"'day' holds continuous.*datetime"),
        ({"day": pd.to_datetime(["2020"] * 3).tz_localize("UTC")}, "'day' has a time zone"),
        ({"zone": pd.to_datetime(["2020"] * 3)}, "'zone' has no time zone"),
        ({"wait": [1.0, 2.0, 3.0]}, r"'wait' holds continuous.*durations"),
        ({"sd": ["a", "b", "a"]}, "'sd' holds binary.*continuous"),
        ({"flag": ["a", "b", "a"]}, "'flag', row 0: got 'a'.*False, True"),
    ],
)
def test_what_the_fit_cannot_take_is_refused_by_name(changes, message):
    own = IncompleteData.from_frame(rows(**changes))
    with pytest.raises(ValueError, match=message):
        own.under(FITTED)
