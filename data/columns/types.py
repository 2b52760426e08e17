"""Names of columns and rows, and the checked conversion of arrays and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..foreign import as_array, check_exact
from ..tensors import is_tensor


def column_names(columns: Iterable[Any]) -> tuple[str, ...]:
    """Return the column labels as strings.

    Raises:
        ValueError: two labels are equal, or become so as strings.
    """
    names = tuple(str(c) for c in columns)
    if len(set(names)) < len(names):
        repeated = [n for n, count in Counter(names).items() if count > 1]
        raise InputError(
            f"column name {repeated[0]!r} occurs {names.count(repeated[0])} times "
            "(names are compared as text); rename the columns so that each name occurs once."
        )
    return names


def array_values(
    values: Any, names: Sequence[str] | None = None, mask: np.ndarray | None = None
) -> np.ndarray:
    """Return a numeric array or tensor as a float64 copy (n, p); NaN where masked, None or pd.NA.

    Args:
        values: (n, p).
        names: the names of the columns, for errors; by default their positions.
        mask: (n, p) booleans, True at the entries that are used; by default all of them.

    Raises:
        ValueError: the array is not two-dimensional or does not hold real numbers, or an integer
            that is used lies beyond 2**53.
    """
    if is_tensor(values):
        if str(values.dtype) == "torch.bool" or values.is_complex():
            raise InputError(
                f"values are a tensor of {values.dtype}; give a tensor of real numbers."
            )
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    array = np.asarray(as_array(values, names, mask))
    if array.dtype.kind not in "iuf":
        found = f"of dtype {array.dtype}"
        if array.dtype.kind == "O":
            strange = (v for v in array.flat if isinstance(v, bool) or not _counts(v))
            found = f"not all numbers ({next(strange, None)!r})"
        raise InputError(
            f"values are {found}; give an array of real numbers, or a DataFrame to from_frame."
        )
    table_shape(array)
    check_exact(array, np.ones(array.shape, bool) if mask is None else mask, names)
    return np.array(array, dtype=np.float64)


def table_shape(values: Any) -> tuple[int, int]:
    """Return the shape (n, p) of an array.

    Raises:
        ValueError: the array is not two-dimensional.
    """
    shape = np.shape(values)
    if len(shape) != 2:
        raise InputError(f"values have shape {tuple(shape)}; give a table of shape (n, p).")
    return shape


def boolean_mask(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask of booleans or 0/1 as a boolean copy of the given shape.

    Raises:
        ValueError: the mask has another shape, or other values than True, False, 0 and 1.
    """
    array = mask.detach().cpu().numpy() if is_tensor(mask) else np.asarray(mask)
    if array.shape != tuple(shape):
        raise InputError(
            f"mask has shape {array.shape}, but values have shape {tuple(shape)}; give both the "
            "same shape."
        )
    if array.dtype.kind == "b":
        return np.array(array)
    if array.dtype.kind in "iuf":
        strange = array[(array != 0) & (array != 1)]
        if strange.size == 0:
            return array.astype(bool)
        raise InputError(f"mask holds {strange[0]}; give 1 for observed and 0 for missing entries.")
    raise InputError(f"mask has dtype {array.dtype}; give booleans or 0/1, True where observed.")


def row_name(index: pd.Index, i: int) -> str:
    """Return the label of the row at a position, written as plain Python, for an error."""
    label = index[i]
    if isinstance(label, tuple):
        return repr(tuple(v.item() if isinstance(v, np.generic) else v for v in label))
    return repr(label.item() if isinstance(label, np.generic) else label)


def _counts(value: Any) -> bool:
    """Whether an object is a number or stands for a missing value."""
    return isinstance(value, Real) or value is None or value is pd.NA or value is pd.NaT
