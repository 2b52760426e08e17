"""Warnings given when a table is read: sentinels, lost digits, and codes read as numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import AbsentiaWarning
from ..foreign import EXACT
from ..schema import Schema
from .codes import code_kind, declaration_of
from .column import REAL
from .sentinels import Sentinel, sentinel_in

_MOST_NAMES = 6


class ColumnWarning(AbsentiaWarning):
    """A column probably holds something else than what it was read as."""


class SentinelWarning(ColumnWarning):
    """A column has a repeated, extreme value that looks as if it stood for a missing value.

    Attributes:
        column: the name of the column.
        value: the number that may stand for a missing value.
        count: the number of rows in which it occurs.
        option: the argument of ``from_frame`` that marks it missing, as Python code.
    """

    def __init__(self, column: str, found: Sentinel) -> None:
        self.column, self.count = column, found.times
        self.value = int(found.value) if found.value == int(found.value) else found.value
        codes = [int(v) if v == int(v) else v for v in (found.value, *found.further)]
        shown = " or ".join(map(str, codes))
        self.option = f"na_values={{{column!r}: {codes if codes[1:] else self.value}}}"
        super().__init__(
            f"column {column!r} is {shown} in {self.count} rows, far from all other values "
            f"({found.low:g} to {found.high:g}), and {shown} was read as a number. If it "
            f"stands for a missing value, pass {self.option} to from_frame or "
            f"missing_values={codes if codes[1:] else self.value} to MNARImputer, or replace it by "
            f"NaN."
        )


class DigitsLostWarning(ColumnWarning):
    """Whole numbers have more digits than a float keeps, so different ones may have become equal.

    Attributes:
        column: the name of the column.
        digits: the number of digits of the largest value.
    """

    def __init__(self, column: str, digits: int) -> None:
        self.column, self.digits = column, digits
        super().__init__(
            f"column {column!r} holds whole numbers of {digits} digits as floats, which keep only "
            "15 digits, so that different numbers may have become equal. Drop the column if it is "
            "an identifier; otherwise rescale it."
        )


class CodedColumnsWarning(ColumnWarning):
    """Columns of a few whole numbers, or of shares, were read as continuous numbers.

    Attributes:
        columns: the kind that each column, by name, may be declared to be.
        option: the argument of ``from_frame`` that declares these kinds, as Python code.
    """

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = dict(columns)
        shown = {name: columns[name] for name in list(columns)[:_MOST_NAMES]}
        more = f" and {len(columns) - len(shown)} more" if len(columns) > len(shown) else ""
        self.option = f"schema={shown}"
        names = ", ".join(map(repr, shown)) + more
        one, several = ("column", "holds", "is"), ("columns", "hold", "are")
        word, hold, be = one if len(columns) == 1 else several
        super().__init__(
            f"{word} {names} {hold} codes or shares and {be} read as continuous, so that imputed "
            f"values may lie between the codes and outside their range. Declare {self.option}, or "
            "give schema='infer'; declare 'continuous' if that is what you want."
        )


def warn_of_columns(values: np.ndarray, schema: Schema, from_array: bool) -> None:
    """Warn about columns (n, p) that are probably something else than what they were read as.

    Args:
        values: (n, p), NaN where missing.
        schema: what the columns are.
        from_array: whether the table was given as an array. An array tells nothing about types,
            so that codes are not mentioned, and a sentinel only if it is negative among values
            from 0 on, or 777 and more.
    """
    coded: dict[str, Any] = {}
    for j, column in enumerate(schema):
        missing = np.isnan(values[:, j])
        seen = values[~missing, j]
        if column.kind == "continuous" and too_long(seen):
            digits = len(str(int(np.abs(seen).max())))
            warnings.warn(DigitsLostWarning(column.name, digits), stacklevel=3)
        if column.constant is not None:
            continue
        if column.kind in REAL:
            found = sentinel_in(seen)
            if found is not None and not (from_array and 0 <= found.value < 777):
                about = SentinelWarning(column.name, found)
                warnings.warn(about, stacklevel=3)
        undeclared = column.kind == "continuous" and column.why.startswith("dtype")
        if undeclared and missing.any() and not from_array:
            kind = code_kind(seen)
            if kind is not None:
                coded[column.name] = declaration_of(kind)
    if coded:
        warnings.warn(CodedColumnsWarning(coded), stacklevel=3)


def too_long(values: np.ndarray) -> bool:
    """Whether numbers (m,) reach beyond 2**53 and have one or two lengths, as identifiers do."""
    if not len(values) or not np.isfinite(values).all():
        return False
    low, high = float(np.abs(values).min()), float(np.abs(values).max())
    if not EXACT < high < 1e20:
        return False
    return low >= high / 100
