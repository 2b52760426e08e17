"""Warnings given when a table is read: values that may stand for missing, codes read as numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import AbsentiaWarning
from ..foreign import EXACT
from ..schema import Schema
from .codes import code_kind, declaration_of
from .sentinels import sentinel_in

_MOST_NAMES = 6


class ColumnWarning(AbsentiaWarning):
    """A column is probably something else than what it was read as."""


class SentinelWarning(ColumnWarning):
    """A column has a repeated, extreme value that looks as if it stood for missing.

    Attributes:
        column: the name.
        value: the number that may stand for missing.
        count: how often it occurs.
        option: how to say that it is missing, in Python.
    """

    def __init__(self, column: str, value: float, count: int, low: float, high: float) -> None:
        self.column, self.count = column, count
        self.value = int(value) if value == int(value) else value
        self.option = f"na_values={{{column!r}: {self.value}}}"
        super().__init__(
            f"column {column!r} is {self.value} in {count} rows, apart from the others ({low:g} to "
            f"{high:g}), and is read as a number: if it stands for missing, give from_frame "
            f"{self.option}, MNARImputer missing_values={self.value}, or mark it missing."
        )


class DigitsLostWarning(ColumnWarning):
    """Whole numbers have more digits than a float keeps, so different ones may have become equal.

    Attributes:
        column: the name.
        digits: of the largest number.
    """

    def __init__(self, column: str, digits: int) -> None:
        self.column, self.digits = column, digits
        super().__init__(
            f"column {column!r} holds whole numbers of {digits} digits as floats, which keep 15: "
            "different ones may have become equal. Drop the column if it is an identifier, or "
            "rescale it."
        )


class CodedColumnsWarning(ColumnWarning):
    """Columns of a few whole numbers, or of shares, were read as continuous numbers.

    Attributes:
        columns: by name, what they may be declared to be.
        option: how to declare them, in Python.
    """

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = dict(columns)
        shown = {name: columns[name] for name in list(columns)[:_MOST_NAMES]}
        more = f" and {len(columns) - len(shown)} more" if len(columns) > len(shown) else ""
        self.option = f"schema={shown}"
        names = ", ".join(map(repr, shown)) + more
        has, are = ("column", "holds", "is"), ("columns", "hold", "are")
        word, hold, be = has if len(columns) == 1 else are
        super().__init__(
            f"{word} {names} {hold} codes or shares and {be} read as any number, so that what is "
            f"imputed may lie between and outside of them: declare {self.option}, or give "
            "schema='infer'; 'continuous' says that it is meant."
        )


def caution_of_digits(values: np.ndarray, schema: Schema) -> None:
    """Warn about columns of floats (n, p) that look like identifiers with too many digits."""
    for j, column in enumerate(schema):
        seen = values[~np.isnan(values[:, j]), j]
        if column.kind == "continuous" and too_long(seen):
            digits = len(str(int(np.abs(seen).max())))
            warnings.warn(DigitsLostWarning(column.name, digits), stacklevel=3)


def too_long(values: np.ndarray) -> bool:
    """Whether numbers (m,), all beyond 2**53, have one or two lengths, as identifiers do."""
    if not len(values) or not np.isfinite(values).all():
        return False
    low, high = float(np.abs(values).min()), float(np.abs(values).max())
    if not EXACT < high < 1e20:
        return False
    return low >= high / 100


def caution_of_sentinels(values: np.ndarray, schema: Schema, arrays: bool = False) -> None:
    """Warn about each column of numbers (n, p) with a value that looks like "missing".

    Args:
        values: (n, p), NaN where missing.
        schema: what the columns are.
        arrays: be sure of it: negative among others from 0 on, or 777 and more.
    """
    for j, column in enumerate(schema):
        if column.kind not in ("continuous", "positive", "bounded") or column.constant is not None:
            continue
        found = sentinel_in(values[:, j])
        if found is not None and not (arrays and 0 <= found.value < 777):
            about = SentinelWarning(column.name, found.value, found.times, found.low, found.high)
            warnings.warn(about, stacklevel=3)


def caution_of_codes(values: np.ndarray, schema: Schema) -> None:
    """Warn about incomplete columns of codes or shares that were typed by their dtype alone."""
    found: dict[str, Any] = {}
    for j, column in enumerate(schema):
        gaps = np.isnan(values[:, j])
        undeclared = column.kind == "continuous" and column.why.startswith("dtype")
        if undeclared and column.constant is None and gaps.any():
            kind = code_kind(values[~gaps, j])
            if kind is not None:
                found[column.name] = declaration_of(kind)
    if found:
        warnings.warn(CodedColumnsWarning(found), stacklevel=3)
