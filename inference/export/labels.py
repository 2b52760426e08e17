"""Row labels and variable names that xarray can hold and netCDF files can store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def row_coordinates(index: pd.Index, dimension: str = "row") -> dict[str, Any]:
    """Return coordinates of a dimension whose n labels are those of a table's rows.

    Numbers, text and dates without a zone stay what they are; all others (dates with a zone,
    periods, durations, intervals, mixed types) become text. Labels of several levels become text,
    and each level has a coordinate of its own beside it, ``row_NAME`` or ``row_0``, ``row_1``.

    >>> index = pd.MultiIndex.from_product([[1, 2], ["x", "y"]], names=["patient", None])
    >>> found = row_coordinates(index)
    >>> found["row"][1].tolist(), found["row_patient"][1].tolist(), list(found)
    (['1, x', '1, y', '2, x', '2, y'], [1, 1, 2, 2], ['row', 'row_patient', 'row_1'])
    """
    found: dict[str, Any] = {dimension: (dimension, storable(index))}
    if isinstance(index, pd.MultiIndex):
        for k, name in enumerate(index.names):
            label = variable_name(f"{dimension}_{k if name in (None, '') else name}")
            label = f"{dimension}_{k}" if label in found else label
            found[label] = (dimension, storable(index.get_level_values(k)))
    return found


def storable(index: pd.Index) -> np.ndarray:
    """Convert labels (n,) to numbers, dates or text."""
    dtype = index.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iufbM":
        return index.to_numpy()
    if pd.api.types.is_numeric_dtype(dtype) and not index.hasnans:
        plain = index.to_numpy()
        if plain.dtype != object:
            return plain
    return np.array([_text(label) for label in index], dtype=object)


def variable_name(name: str) -> str:
    """Make a variable's name valid for netCDF: no "/", no blanks at its ends, not empty."""
    return name.replace("/", "_").strip() or "_"


def _text(label: Any) -> str:
    if isinstance(label, tuple):
        return ", ".join(map(_text, label))
    if isinstance(label, pd.Timestamp):
        return label.isoformat()
    return str(label)
