"""One column of a table, and what its values that are not missing turn out to be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import InputError
from ..foreign import EXACT, beyond_exact
from .column import Level
from .dates import instants, seconds
from .levels import distinct
from .types import column_names

#: what the present (not missing) values of a column are
Family = Literal["empty", "numbers", "booleans", "text", "categories", "dates", "durations"]

#: what to do about a family that must become numbers
_REMEDIES = {
    "booleans": "convert it to 0/1",
    "dates": "convert it to elapsed time",
    "durations": "convert it to a number",
}


@dataclass(frozen=True, eq=False)
class Present:
    """A column (n,) of a table, whose present (not missing) values are examined once.

    What is found out is kept, and the inference of the column's kind and the conversion to numbers
    share one such object.

    >>> stage = Present(pd.Series(["I", None, "II"]), "stage")
    >>> stage.family, stage.distinct
    ('text', (array([ 0, -1,  1]), ['I', 'II']))

    Args:
        series: the column as it was given.
        name: its name, for errors.
    """

    series: pd.Series[Any]
    name: str

    def __len__(self) -> int:
        """Return the number n of rows."""
        return len(self.series)

    @property
    def dtype(self) -> str:
        """The name of the column's dtype in the table that was given."""
        return str(self.series.dtype)

    @cached_property
    def values(self) -> pd.Series[Any]:
        """The values that are present, under their row labels."""
        return self.series[self.series.notna()]

    @cached_property
    def family(self) -> Family:
        """What the present values are; "empty" where there are none.

        Raises:
            ValueError: for values of several types, or of a type that no kind of column holds.
        """
        dtype = self.series.dtype
        if isinstance(dtype, pd.SparseDtype):
            raise InputError(f"column {self.name!r} is sparse; convert it with .sparse.to_dense().")
        if len(self.values) == 0:
            return "empty"
        if isinstance(dtype, pd.CategoricalDtype):
            return "categories"
        if pd.api.types.is_bool_dtype(dtype):
            return "booleans"
        if isinstance(dtype, pd.PeriodDtype):
            raise self.refused("dates", "convert it with .dt.to_timestamp()")
        # by the kind, since pandas' is_timedelta64_dtype does not recognise Arrow's durations
        if dtype.kind in "Mm":
            return "dates" if dtype.kind == "M" else "durations"
        if pd.api.types.is_object_dtype(dtype):
            return self._family_of_objects()
        if pd.api.types.is_any_real_numeric_dtype(dtype):
            return "numbers"
        if pd.api.types.is_string_dtype(dtype):
            return "text"
        what = "complex numbers" if pd.api.types.is_complex_dtype(dtype) else f"values of {dtype}"
        raise self.refused(what, "give numbers, text, dates or booleans")

    @cached_property
    def numbers(self) -> np.ndarray:
        """The column as float64 (n,), NaN where missing.

        Raises:
            ValueError: for other values than numbers, or integers that float64 cannot hold.
        """
        if self.family == "empty":
            # a column without values reads the same whatever its dtype
            return np.full(len(self), np.nan)
        if self.family != "numbers":
            shown = self.values
            if self.family == "text":
                # show the entry that kept the column from being read as numbers
                unread = shown[pd.to_numeric(shown, errors="coerce").isna()]
                shown = unread if len(unread) else shown
            remedy = _REMEDIES.get(self.family, "give numbers")
            raise self.refused(self.family, remedy, shown)
        if self._has_inexact_integers():
            raise InputError(beyond_exact(f"column {self.name!r}"))
        return self.series.to_numpy(dtype=np.float64, na_value=np.nan)

    @cached_property
    def distinct(self) -> tuple[np.ndarray, list[Level]]:
        """Each row's position (n,) in the list of distinct values, -1 where missing; the list."""
        return distinct(self.series)

    @cached_property
    def instants(self) -> pd.DatetimeIndex:
        """The dates that are present."""
        return instants(self.series)

    @cached_property
    def seconds(self) -> np.ndarray:
        """The column's durations in seconds (n,), NaN where missing."""
        return seconds(self.series)

    def refused(self, what: str, remedy: str, examples: Iterable[Any] | None = None) -> InputError:
        """Return an error which says what the column holds, with an example and the remedy."""
        example = next(iter(self.values if examples is None else examples), None)
        return InputError(
            f"column {self.name!r} holds {what} ({example!r}); {remedy}, or drop the column."
        )

    def _family_of_objects(self) -> Family:
        """Return the one family that all present objects belong to."""
        found: dict[Family, Any] = {}
        for value in self.values:
            if isinstance(value, bool | np.bool_):
                found.setdefault("booleans", value)
            elif isinstance(value, Real):
                found.setdefault("numbers", value)
            elif isinstance(value, str):
                found.setdefault("text", value)
            else:
                remedy = "give numbers, text or booleans"
                if isinstance(value, date):  # datetime is a subclass
                    remedy = "convert it with pd.to_datetime"
                elif isinstance(value, timedelta | np.timedelta64):
                    remedy = "convert it with pd.to_timedelta"
                elif isinstance(value, Decimal):
                    remedy = "convert it with .astype(float)"
                raise self.refused(f"{type(value).__name__} objects", remedy, [value])
        if len(found) > 1:
            both = " and ".join(f"{kind} ({value!r})" for kind, value in list(found.items())[:2])
            raise InputError(
                f"column {self.name!r} holds {both}; convert all values to one type, or drop the "
                "column."
            )
        return next(iter(found))

    def _has_inexact_integers(self) -> bool:
        """Whether an integer is too large for float64 to hold exactly."""
        dtype = self.series.dtype
        if pd.api.types.is_object_dtype(dtype):
            integers = (v for v in self.values if isinstance(v, int | np.integer))
            return any(abs(int(v)) > EXACT for v in integers)
        if not pd.api.types.is_integer_dtype(dtype):
            return False
        return max(int(self.values.max()), -int(self.values.min())) > EXACT


def columns_of(df: pd.DataFrame) -> dict[str, Present]:
    """Return the columns of a table by name, in the table's order.

    Raises:
        ValueError: two columns have the same name.
    """
    names = column_names(df.columns)
    return {name: Present(df.iloc[:, j], name) for j, name in enumerate(names)}
