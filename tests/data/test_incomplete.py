import json
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from absentia.data import IncompleteData, Standardiser

NAN = np.nan


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(5.0, 3.0, size=(20, 3))
    x[rng.random(x.shape) < 0.3] = NAN
    return pd.DataFrame(x, columns=["a", "b", "c"], index=[f"r{i}" for i in range(20)])


def test_x_is_standardised_by_the_observed_entries_and_zero_where_missing(frame):
    data = IncompleteData.from_frame(frame, dtype=torch.float64)
    expected = ((frame - frame.mean()) / frame.std()).fillna(0.0).to_numpy()
    np.testing.assert_allclose(data.x.numpy(), expected, atol=1e-12)
    assert data.s.dtype == torch.bool
    np.testing.assert_array_equal(data.s.numpy(), frame.notna().to_numpy())
    assert data.columns == ("a", "b", "c")
    assert data.index.equals(frame.index)
    assert (data.num_rows, data.num_columns, len(data)) == (20, 3, 20)
    assert data.missing_rate == pytest.approx(frame.isna().to_numpy().mean())
    assert "20 rows, 3 columns" in repr(data)
    assert IncompleteData.from_frame(frame).x.dtype == torch.float32


def test_fill_keeps_observed_entries_bit_for_bit(frame):
    data = IncompleteData.from_frame(frame)
    filled = data.fill(torch.full((20, 3), 7.5))
    seen = frame.notna().to_numpy()
    assert filled.dtype == np.float64
    assert filled[seen].tobytes() == frame.to_numpy()[seen].tobytes()
    assert (filled[~seen] == 7.5).all()
    table = data.to_frame(filled)
    assert table.index.equals(frame.index)
    assert list(table.columns) == ["a", "b", "c"]
    pd.testing.assert_frame_equal(data.to_frame(), frame)


def test_fill_refuses_wrong_shapes_and_nan(frame):
    data = IncompleteData.from_frame(frame)
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(20, 3\)"):
        data.fill(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"column '.', row 'r\d+': got nan"):
        data.fill(np.full((20, 3), NAN))


def test_like_reuses_order_and_scaler(frame):
    data = IncompleteData.from_frame(frame)
    new = frame.iloc[:4][["c", "a", "b"]]
    kinds = {"schema": None, "covariate_schema": None}  # a fit to numbers may have kept none
    like = SimpleNamespace(columns=data.columns, scaler=data.scaler, **kinds)
    for source in (data, like):
        again = IncompleteData.from_frame(new, like=source)
        torch.testing.assert_close(again.x, data.x[:4])
        assert again.columns == data.columns
        array = IncompleteData.from_numpy(new.to_numpy(), columns=["c", "a", "b"], like=source)
        torch.testing.assert_close(array.x, data.x[:4])
    unseen = new.assign(a=NAN)
    assert not IncompleteData.from_frame(unseen, like=data).s[:, 0].any()
    with pytest.raises(ValueError, match=r"\['b'\].*unknown columns \['d'\]"):
        IncompleteData.from_frame(new.rename(columns={"b": "d"}), like=data)
    with pytest.raises(ValueError, match=r"2 columns.*like= have 3"):
        IncompleteData.from_numpy(np.zeros((2, 2)), like=data)


def test_rows_to_and_rescaled(frame):
    data = IncompleteData.from_frame(frame)
    for chosen in ([1, 3], np.array([1, 3]), torch.tensor([1, 3]), np.isin(np.arange(20), [1, 3])):
        part = data.rows(chosen)
        torch.testing.assert_close(part.x, data.x[[1, 3]])
        assert list(part.index) == ["r1", "r3"]
        assert part.scaler is data.scaler
    assert len(data.rows(slice(0, 5))) == 5
    assert len(data.rows(-1)) == 1
    with pytest.raises(ValueError, match="no row"):
        data.rows([])
    # The change of precision starts from the original values, not from the rounded tensor.
    exact = IncompleteData.from_frame(frame, dtype=torch.float64)
    torch.testing.assert_close(data.to(dtype=torch.float64).x, exact.x, rtol=0, atol=0)
    assert data.to("cpu").x.dtype == torch.float32
    plain = exact.rescaled(Standardiser.identity(3))
    np.testing.assert_array_equal(plain.x.numpy(), frame.fillna(0.0).to_numpy())


def test_from_numpy_and_from_torch_agree():
    x = np.array([[1.0, 9.0], [3.0, np.inf], [5.0, 4.0]])
    mask = np.array([[1, 1], [1, 0], [1, 1]])
    a = IncompleteData.from_numpy(x, mask)
    b = IncompleteData.from_torch(torch.tensor(x), torch.tensor(mask).bool())
    torch.testing.assert_close(a.x, b.x)
    assert a.columns == b.columns == ("x0", "x1")
    assert np.isnan(a.values[1, 1])
    assert a.x[1, 1] == 0
    c = IncompleteData.from_numpy(np.where(mask == 1, x, NAN), index=["i", "j", "k"])
    torch.testing.assert_close(a.x, c.x)
    assert list(c.index) == ["i", "j", "k"]
    d = IncompleteData.from_torch(torch.tensor(x), torch.tensor(mask), standardise=False)
    assert d.x[0, 1] == 9.0


def test_the_input_is_neither_shared_nor_changed():
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    data = IncompleteData.from_numpy(x)
    x[0, 0] = 100.0
    assert data.values[0, 0] == 1.0


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0)])
def test_empty_tables_are_refused(shape):
    with pytest.raises(ValueError, match=f"{shape[0]} rows and {shape[1]} columns"):
        IncompleteData.from_frame(pd.DataFrame(np.zeros(shape)))
    with pytest.raises(ValueError, match="empty"):
        IncompleteData.from_numpy(np.zeros(shape))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([NAN, NAN], "column 'bad' has no observed value.*drop"),
        ([None, None], "column 'bad' has no observed value"),
        ([1.0, np.inf], r"column 'bad', row 'r1': got inf"),
        ([-np.inf, 1.0], r"column 'bad', row 'r0': got -inf"),
        (["1.5", "low"], r"column 'bad' holds text \('low'\) among numbers"),
        (pd.array(["low", 1.0], dtype=object), r"column 'bad' holds text \('low'\) and numbers"),
        (pd.period_range("2020", periods=2, freq="D"), "column 'bad' holds dates"),
        ([1j, 2j], "column 'bad' holds"),
        ([2**60, 1], r"column 'bad' holds integers beyond 2\*\*53"),
        (pd.array([{}, 1], dtype=object), "column 'bad' holds dict objects"),
    ],
)
def test_a_bad_column_is_named(column, message):
    df = pd.DataFrame({"good": [1.0, 2.0]}, index=["r0", "r1"])
    df["bad"] = pd.Series(column, index=df.index)
    with pytest.raises(ValueError, match=message) as info:
        IncompleteData.from_frame(df)
    assert "\n" not in str(info.value)


def test_names_are_text_and_unique():
    x = np.zeros((2, 2))
    assert IncompleteData.from_frame(pd.DataFrame(x, columns=[7, 8])).columns == ("7", "8")
    for columns in (["a", "a"], [1, "1"]):
        with pytest.raises(ValueError, match="occurs 2 times"):
            IncompleteData.from_frame(pd.DataFrame(x, columns=columns))
    with pytest.raises(ValueError, match=r"3 column names.*2 columns"):
        IncompleteData.from_numpy(x, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"1 row labels.*2 rows"):
        IncompleteData.from_numpy(x, index=[0])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((3, 2)), r"\(3, 2\).*\(2, 2\)"),
        (np.full((2, 2), 2), "mask holds 2.*observed"),
        (np.full((2, 2), NAN), "mask holds nan"),
        (np.full((2, 2), "yes"), "give booleans or 0/1"),
        (np.ones((2, 2), dtype=bool), r"column 'x1', row 1: got nan"),
    ],
)
def test_bad_masks_are_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        IncompleteData.from_numpy(np.array([[1.0, 2.0], [3.0, NAN]]), mask)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(3), r"shape \(3,\)"),
        (np.array([["a"]]), "real numbers"),
        (np.array([[True]]), "dtype bool"),
        (torch.tensor([[True]]), "torch.bool"),
    ],
)
def test_bad_arrays_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        IncompleteData.from_numpy(values)


def test_from_frame_wants_a_frame():
    with pytest.raises(ValueError, match="given a list"):
        IncompleteData.from_frame([[1.0]])


def test_allowed_edge_cases():
    df = pd.DataFrame({"a": [1.0, NAN, 3.0], "constant": [0.1, NAN, 0.1], "once": [NAN, NAN, 4.0]})
    data = IncompleteData.from_frame(df)
    assert not data.s[1].any()  # an all-missing row
    np.testing.assert_array_equal(data.scaler.scale[1:], [1.0, 1.0])
    np.testing.assert_array_equal(data.x[:, 1:].numpy(), np.zeros((3, 2)))
    complete = IncompleteData.from_frame(df.dropna())
    assert complete.s.all()
    assert complete.missing_rate == 0.0


def test_nullable_integer_and_object_numbers_are_read():
    df = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], dtype="Int64"),
            "f": pd.array([1.5, 2.5, None], dtype="Float64"),
            "o": pd.Series([1, None, 2.5], dtype=object),
            "n": np.array([1, 2, 3], dtype=np.int8),
            "arrow": pd.array([1, None, 3], dtype="int64[pyarrow]"),
        }
    )
    data = IncompleteData.from_frame(df, standardise=False)
    expected = [[1, 1.5, 1, 1, 1], [NAN, 2.5, NAN, 2, NAN], [3, NAN, 2.5, 3, 3]]
    np.testing.assert_array_equal(data.values, expected)
    assert not torch.isnan(data.x).any()


def test_overflow_of_the_dtype_is_named():
    df = pd.DataFrame({"huge": [1e300, 2e300], "a": [1.0, 2.0]})
    assert torch.isfinite(IncompleteData.from_frame(df).x).all()
    with pytest.raises(ValueError, match=r"column 'huge'.*torch\.float32"):
        IncompleteData.from_frame(df, standardise=False)


def test_standardiser_inverts_and_survives_json(frame):
    values = frame.to_numpy()
    scaler = Standardiser.from_observed(values, ~np.isnan(values))
    np.testing.assert_allclose(scaler.scale, frame.std().to_numpy(), rtol=1e-13)
    np.testing.assert_allclose(scaler.invert(scaler.apply(values)), values, rtol=1e-13)
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(scaler.invert(scaler.apply(x)), x)
    assert scaler.apply(x).dtype == torch.float32
    again = Standardiser.from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert again.center.tobytes() == scaler.center.tobytes()
    assert again.scale.tobytes() == scaler.scale.tobytes()
    tiny = np.array([[1e-200], [3e-200]])
    assert Standardiser.from_observed(tiny, np.ones((2, 1), bool)).scale[0] == pytest.approx(
        np.sqrt(2) * 1e-200
    )


def test_standardiser_refuses_nonsense():
    with pytest.raises(ValueError, match=r"center.*scale"):
        Standardiser(np.zeros(2), np.ones(3))
    with pytest.raises(ValueError, match="positive"):
        Standardiser(np.zeros(2), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="finite"):
        Standardiser(np.array([NAN]), np.ones(1))
    with pytest.raises(ValueError, match="2 columns in the last"):
        Standardiser.identity(2).apply(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="no observed"):
        Standardiser.from_observed(np.zeros((2, 1)), np.zeros((2, 1), bool))


def test_pickles(frame):
    data = IncompleteData.from_frame(frame)
    again = pickle.loads(pickle.dumps(data))
    torch.testing.assert_close(again.x, data.x)
    assert again.columns == data.columns
