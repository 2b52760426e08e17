"""Columns of an Arrow table whose gaps are filled, and whose other values are left untouched."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..columns.column import Column


def gaps_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return booleans (n,), True where a value is missing: null, or NaN among floats."""
    return pc.is_null(column, nan_is_null=True)


def filled(
    column: pa.ChunkedArray, completed: pd.Series[Any], of: Column, gaps_only: bool = False
) -> pa.ChunkedArray:
    """Return the column in its own type, with its gaps taken from a completed series (n,).

    >>> column = pa.chunked_array([pa.array([5, None], pa.int16())])
    >>> filled(column, pd.Series([1.0, 7.0]), Column("n", "continuous")).to_pylist()
    [5, 7]

    Args:
        column: the column as it was given.
        completed: the values for the gaps; others are ignored.
        of: what the column is.
        gaps_only: whether the other values are null in the result.
    """
    kind = column.type
    gaps = gaps_of(column)
    if not gaps_only and not pc.any(gaps).as_py():
        return column
    if pa.types.is_dictionary(kind):
        return _filled_dictionary(column, completed, of, gaps, gaps_only)
    values = pa.Array.from_pandas(completed)
    if pa.types.is_null(kind):  # a column without values has the type of what is imputed
        return pa.chunked_array([values])
    values = values.cast(kind)
    return pc.if_else(gaps, values, pa.scalar(None, kind) if gaps_only else column)


def _filled_dictionary(
    column: pa.ChunkedArray,
    completed: pd.Series[Any],
    of: Column,
    gaps: pa.ChunkedArray,
    gaps_only: bool,
) -> pa.ChunkedArray:
    kind = column.type
    plain = column.cast(kind.value_type)
    values = pa.Array.from_pandas(completed.astype(object), type=kind.value_type)
    whole = pc.if_else(gaps, values, pa.scalar(None, kind.value_type) if gaps_only else plain)
    own = column.unify_dictionaries().chunk(0).dictionary.to_pylist() if len(column) else []
    levels = pa.array(list(of.levels), kind.value_type).to_pylist()
    # the order is that of all rows, into which categories that never occur are put at the end
    order = levels + [value for value in own if value not in levels]
    order = own if set(levels) <= set(own) else order
    dictionary = pa.array(order, kind.value_type)
    index = pc.index_in(whole, dictionary).cast(kind.index_type).combine_chunks()
    found = pa.DictionaryArray.from_arrays(index, dictionary, ordered=kind.ordered)
    return pa.chunked_array([found])
