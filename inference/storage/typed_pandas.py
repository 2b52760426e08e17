"""Types of numpy and pandas in JSON: scalars, arrays, dtypes, labels."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ...data.errors import InputError


class Cannot(InputError):
    """A value cannot be stored; the message continues a sentence that begins with its name."""


#: the most bytes of a number that Python's own types can hold, by kind of dtype
_LARGEST = {"f": 8, "c": 16}


def _check_size(dtype: np.dtype[Any]) -> None:
    if dtype.itemsize > _LARGEST.get(dtype.kind, dtype.itemsize):
        raise Cannot(f"has the dtype {dtype}, which cannot be kept exactly; make it a float")


def _scalar(value: np.generic) -> list[Any]:
    dtype = value.dtype
    if dtype.kind not in "biufcUSmM":
        raise Cannot(f"is a numpy {dtype}; give a plain value")
    _check_size(dtype)
    return [dtype.str, int(value.view("i8")) if dtype.kind in "mM" else value.item()]


def _made_scalar(parts: list[Any]) -> Any:
    return _made_array([parts[0], [], [parts[1]]])[()]


def _array(value: np.ndarray) -> list[Any]:
    dtype = value.dtype
    flat = value.ravel()
    if dtype.kind in "mM":
        flat = flat.view("i8")
    elif dtype.kind == "V":
        raise Cannot(f"is an array of {dtype}; give plain columns")
    _check_size(dtype)
    return [dtype.str, list(value.shape), flat.tolist()]


def _made_array(parts: list[Any]) -> np.ndarray:
    dtype, shape, values = np.dtype(parts[0]), tuple(parts[1]), parts[2]
    if dtype.kind in "mM":
        return np.array(values, dtype="i8").view(dtype).reshape(shape)
    made = np.empty(len(values), dtype=dtype)
    for k, value in enumerate(values):  # one by one, so that tuples stay entries
        made[k] = value
    return made.reshape(shape)


def _dtype(dtype: Any) -> dict[str, Any]:
    if isinstance(dtype, np.dtype):
        if dtype.kind == "V":
            raise Cannot(f"is the dtype {dtype}; give plain columns")
        return {"numpy": dtype.str}
    if isinstance(dtype, pd.CategoricalDtype):
        return {"categories": dtype.categories, "ordered": dtype.ordered}
    if isinstance(dtype, pd.ArrowDtype):
        schema = pa.schema([("x", dtype.pyarrow_dtype)]).serialize().to_pybytes()
        return {"arrow": base64.b64encode(schema).decode(), "reads": str(dtype)}
    if isinstance(dtype, pd.StringDtype):
        return {"text": dtype.storage, "missing": dtype.na_value}
    try:
        same = pd.api.types.pandas_dtype(str(dtype)) == dtype
    except (TypeError, ValueError):
        same = False
    if not same:
        raise Cannot(f"has the dtype {dtype}, which cannot be kept; convert the column")
    return {"name": str(dtype)}


def _made_dtype(parts: dict[str, Any]) -> Any:
    if "numpy" in parts:
        return np.dtype(parts["numpy"])
    if "ordered" in parts:
        return pd.CategoricalDtype(parts["categories"], parts["ordered"])
    if "arrow" in parts:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(parts["arrow"])))
        return pd.ArrowDtype(schema.field("x").type)
    if "text" in parts:
        if parts["missing"] is pd.NA:
            return pd.StringDtype(parts["text"])
        return pd.StringDtype(parts["text"], na_value=parts["missing"])
    return pd.api.types.pandas_dtype(parts["name"])


def _index(index: pd.Index) -> dict[str, Any]:
    if isinstance(index, pd.MultiIndex):
        codes = [[int(code) for code in level] for level in index.codes]
        return {"levels": list(index.levels), "codes": codes, "names": list(index.names)}
    if isinstance(index, pd.RangeIndex):
        return {"range": range(index.start, index.stop, index.step), "name": index.name}
    found = {"dtype": index.dtype, "values": list(index), "name": index.name}
    freq = index.freqstr if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) else None
    return found if freq is None else {**found, "freq": freq}


def _made_index(parts: dict[str, Any]) -> pd.Index:
    if "levels" in parts:
        return pd.MultiIndex(parts["levels"], parts["codes"], names=parts["names"])
    if "range" in parts:
        return pd.RangeIndex(parts["range"], name=parts["name"])
    made = pd.Index(_objects(parts["values"]), dtype=parts["dtype"], name=parts["name"])
    return type(made)(made, freq=parts["freq"]) if "freq" in parts else made


def _objects(values: list[Any]) -> np.ndarray:
    """Make a flat array of any entries, where a list of tuples would become a MultiIndex."""
    return _made_array(["|O", [len(values)], values])


def _timestamp(moment: pd.Timestamp) -> list[Any]:
    zone = None if moment.tz is None else str(moment.tz)
    if moment.tz is not None and pd.Timestamp(0, tz=zone).tz != moment.tz:
        raise Cannot(f"has the time zone {moment.tz!r}, which has no name; convert it")
    return [moment.unit, int(moment.asm8.view("i8")), zone]


def _made_timestamp(parts: list[Any]) -> pd.Timestamp:
    unit, ticks, zone = parts
    moment = pd.Timestamp(np.datetime64(ticks, unit))
    return moment if zone is None else moment.tz_localize("UTC").tz_convert(zone)


def _columns(frame: pd.DataFrame) -> list[Any]:
    if len(frame):
        raise Cannot("is a table with rows; of a table only its columns are kept")
    return [frame.columns, list(frame.dtypes)]


def _made_columns(parts: list[Any]) -> pd.DataFrame:
    labels, dtypes = parts
    frame = pd.DataFrame({k: pd.Series([], dtype=dtype) for k, dtype in enumerate(dtypes)})
    return frame.set_axis(labels, axis=1)


#: name in files, type, its parts, how it is rebuilt from them, whether subclasses are stored as it
KINDS: tuple[tuple[str, Any, Any, Any, bool], ...] = (
    ("NA", type(pd.NA), lambda value: None, lambda parts: pd.NA, False),
    ("NaT", type(pd.NaT), lambda value: None, lambda parts: pd.NaT, False),
    ("numpy", np.generic, _scalar, _made_scalar, True),
    ("array", np.ndarray, _array, _made_array, False),
    ("Timestamp", pd.Timestamp, _timestamp, _made_timestamp, False),
    (
        "Timedelta",
        pd.Timedelta,
        lambda span: [span.unit, int(span.asm8.view("i8"))],
        lambda parts: pd.Timedelta(np.timedelta64(parts[1], parts[0])),
        False,
    ),
    (
        "Period",
        pd.Period,
        lambda period: [int(period.ordinal), period.freqstr],
        lambda parts: pd.Period(ordinal=parts[0], freq=parts[1]),
        False,
    ),
    (
        "Interval",
        pd.Interval,
        lambda interval: [interval.left, interval.right, interval.closed],
        lambda parts: pd.Interval(*parts),
        False,
    ),
    ("dtype", np.dtype, _dtype, _made_dtype, True),
    ("dtype", pd.api.extensions.ExtensionDtype, _dtype, _made_dtype, True),
    ("Index", pd.Index, _index, _made_index, True),
    ("columns", pd.DataFrame, _columns, _made_columns, False),
)
