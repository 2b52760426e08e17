"""Tables of other libraries, masked arrays and arrays of objects: gaps are gaps, values stay."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from absentia import IncompleteData
from absentia.data.foreign import as_array, as_frame, is_table

LARGE = 2**53 + 1


class Stream:
    """A table of another library: nothing but Arrow's stream and names."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.columns = table.column_names

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


ARROW = pa.table(
    {
        "visits": [1, None, 3],
        "small": pa.array([1, 2, 3], pa.uint8()),
        "dose": [0.5, None, 1.5],
        "smokes": [True, None, False],
        "place": pa.array(["north", None, "south"]).dictionary_encode(),
        "day": [datetime.date(2020, 1, 1), None, datetime.date(2021, 1, 1)],
        "price": pa.array([Decimal("1.20"), None, Decimal("2.50")], pa.decimal128(10, 2)),
    }
)


@pytest.mark.parametrize("given", [ARROW, Stream(ARROW)], ids=["arrow", "stream"])
def test_table_of_another_library_is_read_as_the_same_pandas_table(given):
    same = pd.DataFrame(
        {
            "visits": pd.array([1, None, 3], "Int64"),
            "small": np.array([1, 2, 3], "uint8"),
            "dose": [0.5, None, 1.5],
            "smokes": pd.array([True, None, False], "boolean"),
            "place": pd.Categorical(["north", None, "south"]),
            "day": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
            "price": [1.2, None, 2.5],
        }
    )
    data, wanted = IncompleteData.from_frame(given), IncompleteData.from_frame(same)
    assert torch.equal(data.x, wanted.x)
    assert torch.equal(data.s, wanted.s)
    assert [c.kind for c in data.schema] == [c.kind for c in wanted.schema]
    completed = data.to_frame(np.tile([2.0, 2, 1, 1, 1, 86400, 2], (3, 1)))
    assert completed["visits"].tolist() == [1, 2, 3]
    assert completed["place"].tolist() == ["north", "south", "south"]
    assert completed["day"].tolist()[1] == pd.Timestamp("2020-01-02")


def test_polars_with_several_types():
    pl = pytest.importorskip("polars")
    table = pl.DataFrame({"v": [1.0, None], "g": ["a", "b"], "k": [1, None]})
    table = table.with_columns(pl.Series("e", ["low", None], dtype=pl.Enum(["low", "high"])))
    found = IncompleteData.from_frame(table)
    assert [c.kind for c in found.schema][:3] == ["continuous", "binary", "continuous"]
    assert found.s.tolist() == [[True] * 4, [False, True, False, False]]
    with pytest.raises(ValueError, match="LazyFrame; give a DataFrame: "):
        IncompleteData.from_frame(table.lazy())


def test_pandas_columns_of_arrow_dictionaries_and_decimals_become_plain():
    kinds = {
        "k": pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
        "m": pd.ArrowDtype(pa.decimal128(10, 2)),
    }
    frame = pd.DataFrame(
        {
            "k": pd.array(["u", None, "w"], kinds["k"]),
            "m": pd.array([Decimal("1.50"), None, Decimal("2.50")], kinds["m"]),
            "v": [1.0, np.nan, 2.0],
        },
        index=[5, 6, 7],
    )
    data = IncompleteData.from_frame(frame)
    assert [c.dtype for c in data.schema] == ["category", "float64", "float64"]
    done = data.to_frame(np.array([[0, 0, 0], [1, 2.25, 9], [0, 0, 0.0]]))
    assert done.loc[6].tolist() == ["w", 2.25, 9.0]
    assert as_frame(frame[["v"]]).equals(frame[["v"]])


@pytest.mark.parametrize("gap", [pd.NA, None, np.nan, float("nan"), pd.NaT])
def test_objects_that_stand_for_a_gap(gap):
    data = IncompleteData.from_numpy(np.array([[1, 2.5], [gap, np.float32(3)]], dtype=object))
    assert data.s.tolist() == [[True, True], [False, True]]
    assert data.values[1, 1] == 3.0


def test_masked_cells_are_missing_whatever_lies_under_the_mask():
    under = np.array([[1.0, -999.0], [2.0, np.inf], [3.0, 4.0]])
    masked = np.ma.MaskedArray(under, mask=[[0, 1], [0, 1], [0, 0]])
    data = IncompleteData.from_numpy(masked)
    assert data.s[:, 1].tolist() == [False, False, True]
    whole = IncompleteData.from_numpy(np.ma.masked_equal(np.array([[1, -9], [-9, 2], [3, 4]]), -9))
    assert np.array_equal(whole.values, [[1, np.nan], [np.nan, 2], [3, 4]], equal_nan=True)
    with pytest.raises(ValueError, match="observed values must be finite"):
        IncompleteData.from_numpy(masked, mask=np.ones((3, 2), bool))


def test_what_the_mask_leaves_out_is_not_read():
    values = np.array([[1, LARGE], [2, 5]])
    mask = np.array([[True, False], [True, True]])
    assert IncompleteData.from_numpy(values, mask).values[1, 1] == 5
    objects = np.array([[1, "no"], [2, 5]], dtype=object)
    assert IncompleteData.from_numpy(objects, mask).values[1, 1] == 5


@pytest.mark.parametrize(
    "values",
    [
        np.array([[1, LARGE], [2, 3]]),
        np.array([[1, -LARGE], [2, 3]]),
        np.array([[1, 2**63], [2, 3]], dtype="uint64"),
        np.array([[1, LARGE], [None, 3]], dtype=object),
        np.ma.MaskedArray(np.array([[1, LARGE], [2, 3]]), mask=[[1, 0], [0, 0]]),
        torch.tensor([[1, LARGE], [2, 3]]),
    ],
    ids=["int64", "negative", "uint64", "objects", "masked", "tensor"],
)
def test_identifiers_that_floats_would_merge_are_refused_by_name(values):
    read = IncompleteData.from_torch if torch.is_tensor(values) else IncompleteData.from_numpy
    with pytest.raises(ValueError, match=r"'x1'.*integers"):
        read(values)
    with pytest.raises(ValueError, match=r"'id'.*integers"):
        read(values, columns=["age", "id"])


def test_arrays_of_other_things_are_refused_with_an_example():
    with pytest.raises(ValueError, match=r"not all numbers \('a'\)"):
        IncompleteData.from_numpy(np.array([[1, "a"], [2, 3]], dtype=object))
    with pytest.raises(ValueError, match=r"not all numbers \(True\)"):
        IncompleteData.from_numpy(np.array([[1, True], [2, 3]], dtype=object))
    plain = np.ones((2, 2))
    assert as_array(plain) is plain


@pytest.mark.parametrize(
    ("given", "word"),
    [([[1]], "from_numpy"), (np.ones((2, 2)), "from_numpy"), ({"a": [1]}, "pd.DataFrame"),
     (pd.Series([1.0]), "to_frame"), (3, "a DataFrame")],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_the_way_out(given, word):
    assert not is_table(given)
    with pytest.raises(ValueError, match=word):
        IncompleteData.from_frame(given)
