"""Conversion of tables of other libraries to pandas, and of masked or object arrays to floats."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .errors import InputError

#: integers up to here are exact in float64
EXACT = 2**53


def is_table(values: Any) -> bool:
    """Whether :func:`as_frame` can read it: a table with named columns, of any library."""
    if isinstance(values, pd.DataFrame):
        return True
    if not any(hasattr(values, name) for name in ("__arrow_c_stream__", "to_pandas")):
        return False
    return hasattr(values, "columns") or hasattr(values, "schema")  # a single series has neither


def as_frame(table: Any) -> pd.DataFrame:
    """Convert any library's table to pandas, with missing values as pandas marks them.

    A pandas table is returned as it is, except that dictionaries and decimals of Arrow become
    categories and floats. Whole numbers and booleans of other libraries keep their type where
    values are missing.

    >>> as_frame(pa.table({"visits": [1, None], "place": ["a", "b"]}))
       visits place
    0       1     a
    1    <NA>     b

    Args:
        table: a table of pandas, polars or Arrow, or of any library that offers its data as an
            Arrow stream or by ``to_pandas()``.

    Raises:
        ValueError: the object is not such a table.
    """
    if isinstance(table, pd.DataFrame):
        return _plain_dtypes(table)
    if is_table(table):
        if not hasattr(table, "__arrow_c_stream__"):
            return as_frame(table.to_pandas())
        arrow = pa.table(table)
        names, columns = arrow.column_names, arrow.columns
        # columns are joined by position, since a repeated name is refused only later
        frame = pd.concat([_from_arrow(column) for column in columns], axis=1) if columns else None
        return pd.DataFrame() if frame is None else frame.set_axis(names, axis=1)
    name = type(table).__name__
    remedy = "give a DataFrame"
    if isinstance(table, np.ndarray | list | tuple):
        remedy = "give a DataFrame, or an array to from_numpy"
    elif isinstance(table, pd.Series):
        remedy = "give a DataFrame: series.to_frame()"
    elif isinstance(table, dict):
        remedy = "give a DataFrame: pd.DataFrame(...)"
    elif name == "Scan":
        remedy = "take some of its rows, which are IncompleteData already: scan.sample(10_000)"
    elif hasattr(table, "collect"):
        remedy = "give a DataFrame: .collect() makes one"
    raise InputError(f"from_frame was given a {name}; {remedy}.")


def as_array(values: Any, names: Sequence[str] | None = None, mask: Any = None) -> Any:
    """Convert a masked array, or an array of Python objects, to floats with NaN where missing.

    An array of objects is converted if it holds only numbers, None, NaN and pd.NA. Other arrays,
    and objects that are not arrays, are returned as they are.

    >>> as_array(np.array([[1, pd.NA], [None, 2.5]], dtype=object))
    array([[1. , nan],
           [nan, 2.5]])
    >>> as_array(np.ma.masked_equal([[1, -99], [3, 4]], -99))
    array([[ 1., nan],
           [ 3.,  4.]])

    Args:
        values: (n, p).
        names: the names of the p columns, for errors; by default their positions.
        mask: (n, p) booleans, True at the entries that are used; by default all of them.

    Raises:
        ValueError: float64 cannot hold an integer exactly; the message names the column.
    """
    if not isinstance(values, np.ndarray):
        return values
    counted = np.ones(values.shape, bool) if mask is None else np.asarray(mask, dtype=bool)
    array = np.asarray(values.data) if isinstance(values, np.ma.MaskedArray) else values
    if isinstance(values, np.ma.MaskedArray):
        counted = counted & ~np.ma.getmaskarray(values)
    elif array.dtype != object:
        check_exact(array, counted, names)
        return values
    if array.dtype == object:
        counted = counted & ~np.asarray(pd.isna(array))  # None, NaN, NaT and pd.NA
        if any(not isinstance(v, Real) or isinstance(v, bool | np.bool_) for v in array[counted]):
            return values
    elif array.dtype.kind not in "iuf":
        return values
    check_exact(array, counted, names)
    result = np.full(array.shape, np.nan)
    result[counted] = array[counted].astype(np.float64)
    return result


def check_exact(array: np.ndarray, read: np.ndarray, names: Sequence[str] | None = None) -> None:
    """Refuse integers beyond 2**53 among the True entries of ``read``, both (n, p).

    Different integers would become the same float, so that identifiers would merge.

    Raises:
        ValueError: naming the column.
    """
    if array.ndim != 2 or array.dtype.kind not in "iuO" or array.dtype.itemsize < 8:
        return
    for j in range(array.shape[1]):
        column = array[read[:, j], j]
        if array.dtype == object:
            whole = [int(v) for v in column if isinstance(v, Integral)]
        else:
            whole = [int(column.min()), int(column.max())] if column.size else []
        if any(abs(v) > EXACT for v in whole):
            name = f"column {j}" if names is None else f"column {names[j]!r}"
            raise InputError(beyond_exact(name))


def beyond_exact(column: str) -> str:
    """Return the message that refuses a column of integers which float64 would change."""
    return (
        f"{column} holds integers beyond 2**53, which float64 would change; drop the column if it "
        "is an identifier, otherwise rescale it."
    )


def _from_arrow(column: pa.ChunkedArray) -> pd.Series[Any]:
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    # numpy's whole numbers and booleans cannot be missing
    mapper = _NULLABLE.get if column.null_count else None
    found: pd.Series[Any] = column.to_pandas(types_mapper=mapper, date_as_object=False)
    return found


_NULLABLE: dict[Any, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def _plain_dtypes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table without Arrow's dictionaries and decimals; itself where it has none."""
    changed = {}
    for j, dtype in enumerate(frame.dtypes):
        if not isinstance(dtype, pd.ArrowDtype):
            continue
        kind = dtype.pyarrow_dtype
        if pa.types.is_dictionary(kind) or pa.types.is_decimal(kind):
            series = frame.iloc[:, j]
            plain = _from_arrow(pa.chunked_array(pa.array(series.array)))
            changed[j] = pd.Series(plain.array, index=series.index, name=series.name)
    if not changed:
        return frame
    result = frame.copy()
    for j, series in changed.items():
        result.isetitem(j, series.array)
    return result
