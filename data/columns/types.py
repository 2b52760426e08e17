"""Conversion of table columns of any type to float64 with NaN, or an error that says why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from ..errors import InputError
from ..foreign import EXACT, as_array, beyond_exact, check_exact

#: what the present values of a column are
Family = Literal["empty", "numbers", "booleans", "text", "categories", "dates", "durations"]

_REMEDIES = {
    "booleans": "convert it to 0/1",
    "dates": "convert it to elapsed time",
    "durations": "convert it to a number",
}


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
            "(names are compared as text); rename the columns."
        )
    return names


def array_values(
    values: Any, names: Sequence[str] | None = None, mask: np.ndarray | None = None
) -> np.ndarray:
    """Return a numeric array or tensor as a float64 copy (n, p); NaN where masked, None or pd.NA.

    Args:
        values: (n, p).
        names: of the columns, for errors; their positions when left out.
        mask: (n, p) booleans, True at the entries that count; all when left out.

    Raises:
        ValueError: not two-dimensional, not real numbers, or integers beyond 2**53 that count.
    """
    if isinstance(values, torch.Tensor):
        if values.dtype == torch.bool or values.is_complex():
            raise InputError(f"values are a tensor of {values.dtype}; give real numbers.")
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    array = np.asarray(as_array(values, names, mask))
    if array.dtype.kind not in "iuf":
        found = f"of dtype {array.dtype}"
        if array.dtype.kind == "O":
            strange = (v for v in array.flat if isinstance(v, bool) or not _counts(v))
            found = f"no numbers ({next(strange, None)!r})"
        raise InputError(f"values are {found}; give real numbers, or a DataFrame to from_frame.")
    table_shape(array)
    check_exact(array, np.ones(array.shape, bool) if mask is None else mask, names)
    return np.array(array, dtype=np.float64)


def table_shape(values: Any) -> tuple[int, int]:
    """Return the shape (n, p) of an array.

    Raises:
        ValueError: not two-dimensional.
    """
    shape = np.shape(values)
    if len(shape) != 2:
        raise InputError(f"values have shape {tuple(shape)}; give a table of shape (n, p).")
    return shape


def boolean_mask(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask of booleans or 0/1 as a boolean copy of the given shape.

    Raises:
        ValueError: another shape, or other values than True, False, 0 and 1.
    """
    array = mask.detach().cpu().numpy() if isinstance(mask, torch.Tensor) else np.asarray(mask)
    if array.shape != tuple(shape):
        raise InputError(f"mask has shape {array.shape} but values have shape {tuple(shape)}.")
    if array.dtype.kind == "b":
        return np.array(array)
    if array.dtype.kind in "iuf":
        strange = array[(array != 0) & (array != 1)]
        if strange.size == 0:
            return array.astype(bool)
        raise InputError(f"mask holds {strange[0]}; only 1 (observed) and 0 (missing) are allowed.")
    raise InputError(f"mask has dtype {array.dtype}; give booleans or 0/1, True where observed.")


def family(column: pd.Series[Any], name: str) -> Family:
    """Say what the present values of a column are; "empty" where there are none.

    Raises:
        ValueError: values of several types, or of one that no kind of column holds.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        raise InputError(f"column {name!r} is sparse; convert it with .sparse.to_dense().")
    present = column[column.notna()]
    if len(present) == 0:
        return "empty"
    if isinstance(dtype, pd.CategoricalDtype):
        return "categories"
    if pd.api.types.is_bool_dtype(dtype):
        return "booleans"
    if isinstance(dtype, pd.PeriodDtype):
        raise InputError(not_numeric(name, "dates", present, "convert it with .dt.to_timestamp()"))
    # the kind, since pandas' own tests do not know the durations of Arrow
    if getattr(dtype, "kind", "O") in "Mm":
        return "dates" if dtype.kind == "M" else "durations"
    if pd.api.types.is_object_dtype(dtype):
        return _object_family(present, name)
    if pd.api.types.is_any_real_numeric_dtype(dtype):
        return "numbers"
    if pd.api.types.is_string_dtype(dtype):
        return "text"
    kind = "complex numbers" if pd.api.types.is_complex_dtype(dtype) else f"values of {dtype}"
    raise InputError(not_numeric(name, kind, present, "give numbers, text, dates or booleans"))


def numbers(column: pd.Series[Any], name: str) -> np.ndarray:
    """Return a column of real numbers as float64 (n,), NaN where missing.

    Raises:
        ValueError: other values, or integers that float64 cannot hold.
    """
    found = family(column, name)
    present = column[column.notna()]
    if found == "empty":
        # No value to misread: an all-missing column reads the same whatever its type.
        return np.full(len(column), np.nan)
    if found != "numbers":
        if found == "text":
            # the entry that kept the column from being read as numbers, not the first one
            unread = present[pd.to_numeric(present, errors="coerce").isna()]
            present = unread if len(unread) else present
        raise InputError(not_numeric(name, found, present, _REMEDIES.get(found, "give numbers")))
    if _has_inexact_integers(present):
        raise InputError(beyond_exact(f"column {name!r}"))
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def not_numeric(name: str, what: str, examples: Any, remedy: str) -> str:
    """Say in one line what a column holds instead of numbers, with an example."""
    example = next(iter(examples), None)
    return f"column {name!r} holds {what} ({example!r}); {remedy}, or drop the column."


def row_name(index: pd.Index, i: int) -> str:
    """Name the row at a position in an error: its label, written as plain Python."""
    label = index[i]
    if isinstance(label, tuple):
        return repr(tuple(v.item() if isinstance(v, np.generic) else v for v in label))
    return repr(label.item() if isinstance(label, np.generic) else label)


def _counts(value: Any) -> bool:
    """Whether an object is a number or stands for a missing value."""
    return isinstance(value, Real) or value is None or value is pd.NA or value is pd.NaT


def _object_family(present: pd.Series[Any], name: str) -> Family:
    found: dict[Family, Any] = {}
    for value in present:
        if isinstance(value, bool | np.bool_):
            found.setdefault("booleans", value)
        elif isinstance(value, Real):
            found.setdefault("numbers", value)
        elif isinstance(value, str):
            found.setdefault("text", value)
        else:
            kind = f"{type(value).__name__} objects"
            remedy = "give numbers, text or booleans"
            if isinstance(value, date):  # moments too
                remedy = "convert it with pd.to_datetime"
            elif isinstance(value, timedelta | np.timedelta64):
                remedy = "convert it with pd.to_timedelta"
            elif isinstance(value, Decimal):
                remedy = "convert it with .astype(float)"
            raise InputError(not_numeric(name, kind, [value], remedy))
    if len(found) > 1:
        both = " and ".join(f"{kind} ({value!r})" for kind, value in list(found.items())[:2])
        raise InputError(f"column {name!r} holds {both}; make it one type, or drop the column.")
    return next(iter(found))


def _has_inexact_integers(present: pd.Series[Any]) -> bool:
    if pd.api.types.is_object_dtype(present.dtype):
        return any(isinstance(v, int | np.integer) and abs(int(v)) > EXACT for v in present)
    if not pd.api.types.is_integer_dtype(present.dtype):
        return False
    return max(int(present.max()), -int(present.min())) > EXACT
