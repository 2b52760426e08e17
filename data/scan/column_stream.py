"""One column that comes in batches: what its kind and its scale are, once all have come.

No batch is kept. Of each column there remains what the inference of its kind asks about: distinct
values, ends, moments. The inference itself is that of a table in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from ..checks import check_observed
from ..columns.column import LEVELLED, Column
from ..columns.dates import TICKS, is_duration, start_of_day
from ..columns.encode import encoded
from ..columns.infer import (
    MOST_STRINGS,
    Declaration,
    checked_declaration,
    column_of,
    kind_of_numbers,
)
from ..columns.levels import plain
from ..columns.number_facts import MOST_DISTINCT
from ..columns.present import Present
from ..columns.rounding import nearly_constant
from ..columns.warps import Warp
from ..errors import InputError
from ..foreign import as_frame
from .moments import Moments

_FINITE = "observed values must be finite; correct it, or mark it missing"
#: more distinct numbers than these are not taken for levels
_MOST_LEVELS = 10_000


class _Found(Protocol):
    """What remains of the values of one family."""

    def add(self, present: Present) -> None:
        """Take in a batch in which some values are present."""

    def reduced(self, dtype: Any, seen: int) -> pd.Series[Any]:
        """Return a few values from which the same kind is inferred as from all of them."""

    def coded(self, column: Column) -> tuple[float, float, float, float, float]:
        """Return first, low, high, mean and sd in the column's codes or on its warp."""


class ColumnStream:
    """One column, batch by batch.

    Args:
        name: the name of the column.
        arrow: its Arrow type.
        declared: its declaration, if any.
        by: whether undeclared kinds are inferred from the dtype or also from the values.
    """

    def __init__(
        self,
        name: str,
        arrow: pa.DataType,
        declared: Declaration | None,
        by: Literal["dtype", "values"],
    ) -> None:
        self.name, self.arrow, self.declared, self.by = name, arrow, declared, by
        self.details = None if declared is None else checked_declaration(name, declared)
        #: the number of rows, and of those with a value
        self.rows = self.seen = 0
        self.found: _Found | None = None

    def add(self, present: Present) -> np.ndarray:
        """Take in a batch of the column; return (n,) booleans, True where a value is present.

        Raises:
            ValueError: a value that the column cannot take; the message names column, row and
                value.
        """
        mask = present.series.notna().to_numpy()
        self.rows += len(mask)
        if present.family == "empty":
            return mask
        self.seen += int(mask.sum())
        column = self._checked(present)
        if self.found is None:
            self.found = self._start(present)
        if isinstance(self.found, _Numbers):
            self.found.warps = self._warps(column)
        self.found.add(present)
        if isinstance(self.found, _Levels):
            self.found.check(self)
        return mask

    def column(self, num_rows: int) -> Column:
        """Return what the column is, with its constant if it has only one value.

        Args:
            num_rows: the number of rows of the whole table.
        """
        dtype = self._dtype(missing=self.seen < self.rows)
        if self.found is None:
            empty = pd.Series([None], dtype=dtype)
            return column_of(Present(empty, self.name), self.declared, self.by)
        by_values = self.declared is None and self.by == "values"
        if by_values and isinstance(self.found, _Numbers) and not is_duration(str(dtype)):
            whole_dtype = pd.api.types.is_integer_dtype(dtype)
            column = kind_of_numbers(
                self.name, str(dtype), self.found, whole_dtype or self.seen < self.rows
            )
        else:
            column = self._column_of(self.found.reduced(dtype, self.seen))
        first, low, high, _, _ = self.found.coded(column)
        enough = num_rows > 1 or len(column.levels) == 1
        constant = first if enough and nearly_constant(np.array([low, high])) else None
        return replace(column, constant=constant)

    def scale(self, column: Column) -> tuple[float, float]:
        """Return centre and scale of the column; those of codes and counts are 0 and 1."""
        if column.discrete or self.found is None:
            return 0.0, 1.0
        return self.found.coded(column)[3:]

    def _column_of(self, reduced: pd.Series[Any]) -> Column:
        return column_of(Present(reduced, self.name), self.declared, self.by)

    def _dtype(self, missing: bool) -> Any:
        """Return the dtype that the whole column would have in pandas."""
        # only whole numbers and booleans have another dtype where values are missing
        other = pa.types.is_integer(self.arrow) or pa.types.is_boolean(self.arrow)
        few = pa.array([None] if missing and other else [], self.arrow)
        return as_frame(pa.table({"column": few})).dtypes.iloc[0]

    def _checked(self, present: Present) -> Column | None:
        """Refuse values that the declared kind, or any, does not allow.

        Returns:
            The column as far as the batch tells; None where its levels are not known yet.
        """
        if present.family in ("numbers", "durations"):
            values = present.numbers if present.family == "numbers" else present.seconds
            mask = ~np.isnan(values)[:, None]
            check_observed(values[:, None], mask, (self.name,), present.series.index, _FINITE)
        if self.declared is None or self.details is None:
            return None
        levelled = self.details["kind"] in LEVELLED
        if levelled and "levels" not in self.details and present.family != "dates":
            return None
        column = column_of(present, self.declared, self.by)
        encoded(present, column)
        return column

    def _start(self, present: Present) -> _Found:
        levelled = self.details is not None and self.details["kind"] in LEVELLED
        if levelled or present.family in ("text", "categories", "booleans"):
            return _Levels()
        return _Dates() if present.family == "dates" else _Numbers()

    def _warps(self, column: Column | None) -> tuple[Warp, ...]:
        """Return the warps that the column may have in the end."""
        if column is not None:
            return () if column.warp is None else (column.warp,)
        possible = self.declared is None and self.by == "values"
        return (Warp("log"), Warp("logit", 0.0, 1.0)) if possible else ()


class _Levels:
    """Distinct values, in the order of their appearance or of the categories."""

    def __init__(self) -> None:
        self.values: pd.Series[Any] | None = None
        self.categories: list[Any] = []
        self.ordered = self.of_categories = False

    def add(self, present: Present) -> None:
        here = present.values.drop_duplicates()
        if isinstance(here.dtype, pd.CategoricalDtype):
            self._unite(present.name, list(here.cat.categories), bool(here.cat.ordered))
            here = here.astype(object)
        if self.values is not None:
            here = pd.concat([self.values.astype(here.dtype), here]).drop_duplicates()
        self.values = here.reset_index(drop=True)

    def check(self, stream: ColumnStream) -> None:
        """Refuse early what would be refused in the end, before memory is spent on it."""
        assert self.values is not None
        if stream.declared is None and not self.of_categories and len(self.values) > MOST_STRINGS:
            stream._column_of(self.reduced(self.values.dtype, stream.seen))
        numbers = pd.api.types.is_numeric_dtype(self.values.dtype)
        if numbers and len(self.values) > _MOST_LEVELS:
            raise InputError(
                f"column {stream.name!r} holds more than {_MOST_LEVELS} distinct numbers, too many "
                "for levels; declare it 'continuous' or 'count'."
            )

    def reduced(self, dtype: Any, seen: int) -> pd.Series[Any]:
        assert self.values is not None
        # text with half as many values as rows is refused: the values are repeated up to there
        more = max(min(seen, 2 * len(self.values) + 1) - len(self.values), 0)
        padded = pd.concat([self.values, self.values.iloc[[0]].repeat(more)], ignore_index=True)
        if self.of_categories:
            return pd.Series(pd.Categorical(padded, self.categories, ordered=self.ordered))
        return padded.astype(dtype)

    def coded(self, column: Column) -> tuple[float, float, float, float, float]:
        assert self.values is not None
        codes = [float(column.levels.index(plain(value))) for value in self.values]
        return codes[0], min(codes), max(codes), 0.0, 1.0

    def _unite(self, name: str, categories: list[Any], ordered: bool) -> None:
        if not self.of_categories:
            self.of_categories, self.ordered = True, ordered
        known = [value for value in categories if value in self.categories]
        if ordered and known != [value for value in self.categories if value in known]:
            raise InputError(
                f"column {name!r} has ordered categories in another order than in the rows "
                "before; give all files the same order."
            )
        self.categories += [value for value in categories if value not in self.categories]


class _Dates:
    """The earliest date, and whether all are whole days; moments in seconds after some origin."""

    def __init__(self) -> None:
        #: the earliest date of each batch, and one that is not the start of a day
        self.few: pd.DatetimeIndex | None = None
        self.parts_of_days = False
        self.moments = Moments()
        self.origin = 0
        self.column: Column | None = None

    def add(self, present: Present) -> None:
        index = present.instants
        few = pd.DatetimeIndex(index[[int(index.asi8.argmin())]])
        within = np.flatnonzero(index != start_of_day(index))
        if len(within) and not self.parts_of_days:
            self.parts_of_days = True
            few = pd.DatetimeIndex(few.append(index[within[:1]]))
        self.few = few if self.few is None else pd.DatetimeIndex(self.few.append(few))
        if self.column is None:
            self.column = column_of(present)
            self.origin = self.column.origin or 0
        values = encoded(present, self.column)
        self.moments.add(values[~np.isnan(values)])

    def reduced(self, dtype: Any, seen: int) -> pd.Series[Any]:
        return pd.Series(self.few, dtype=dtype)

    def coded(self, column: Column) -> tuple[float, float, float, float, float]:
        found = self.moments
        later = (self.origin - (column.origin or 0)) / TICKS["ns"]
        ends = found.first + later, found.low + later, found.high + later
        return *ends, found.mean + later, found.sd


class _Numbers:
    """Moments of numbers, and of their warps as long as these are possible; see NumberFacts."""

    finite = True  # infinite numbers are refused batch by batch

    def __init__(self) -> None:
        self.moments = Moments()
        self.warps: tuple[Warp, ...] = ()
        self.warped: dict[Warp, Moments | None] = {}
        self.whole = True
        self.counts: dict[float, int] | None = {}

    def add(self, present: Present) -> None:
        values = present.numbers if present.family == "numbers" else present.seconds
        values = values[~np.isnan(values)]
        self.moments.add(values)
        for warp in self.warps:
            before = self.warped.setdefault(warp, Moments())
            if before is not None and _within(values, warp):
                before.add(warp.apply(values))
            else:
                self.warped[warp] = None
        self.whole = self.whole and bool((np.floor(values) == values).all())
        if self.counts is not None and self.whole:
            each, times = np.unique(values, return_counts=True)
            if len(each) < MOST_DISTINCT:
                for value, count in zip(each.tolist(), times.tolist(), strict=True):
                    self.counts[value] = self.counts.get(value, 0) + count
            if len(each) >= MOST_DISTINCT or len(self.counts) >= MOST_DISTINCT:
                self.counts = None

    def reduced(self, dtype: Any, seen: int) -> pd.Series[Any]:
        if is_duration(str(dtype)):
            return pd.Series([pd.Timedelta(0)]).astype(dtype)
        return pd.Series([self.high]).astype(dtype)

    def coded(self, column: Column) -> tuple[float, float, float, float, float]:
        own = self.moments
        if column.levels:
            levels = list(column.levels)
            ends = [float(levels.index(plain(v))) for v in (own.first, own.low, own.high)]
            return ends[0], ends[1], ends[2], 0.0, 1.0
        found = own if column.warp is None else self.warped[column.warp]
        assert found is not None  # the kind was inferred from values that the warp can take
        return own.first, own.low, own.high, found.mean, found.sd

    @property
    def count(self) -> int:
        return self.moments.count

    @property
    def low(self) -> float:
        return self.moments.low

    @property
    def high(self) -> float:
        return self.moments.high

    @property
    def distinct(self) -> int:
        return MOST_DISTINCT if self.counts is None else len(self.counts)

    @property
    def share_of_high(self) -> float:
        return 0.0 if self.counts is None else self.counts[self.high] / self.count

    @property
    def skewness(self) -> float:
        return self.moments.skewness

    @property
    def skewness_of_logs(self) -> float:
        of_logs = self.warped[Warp("log")]
        return 0.0 if of_logs is None else of_logs.skewness


def _within(values: np.ndarray, warp: Warp) -> bool:
    """Whether a warp can take all of the values."""
    if warp.kind == "log":
        return bool((values > 0).all())
    assert warp.lower is not None  # checked by Warp
    assert warp.upper is not None
    return bool(((values >= warp.lower) & (values <= warp.upper)).all())
