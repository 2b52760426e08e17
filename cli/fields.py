"""A CSV's fields as they stand in the file, so that what is not imputed comes back verbatim."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data import Schema
from ..data.tables import read_table, write_table

_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:([ T])\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")
#: beyond, floats skip integers
_LARGEST = 2.0**53


@dataclass(frozen=True)
class Fields:
    """A table in types, and for a CSV its fields: text (n, p) under the labels of the file."""

    frame: pd.DataFrame
    texts: pd.DataFrame | None

    def write(self, completed: pd.DataFrame, schema: Schema, path: Path) -> None:
        """Write the completed table; from CSV to CSV what was there stands there unchanged.

        Raises:
            TableError: as :func:`absentia.data.tables.write_table`.
        """
        write_table(self.spelled(completed, schema, path), path)

    def spelled(self, completed: pd.DataFrame, schema: Schema, path: Path) -> pd.DataFrame:
        """The completed table (n, p) as it will be written to ``path``."""
        if self.texts is None or path.suffix.lower() != ".csv":
            return completed
        columns = {}
        for name, text in self.texts.items():
            cells = text.to_numpy(dtype=object, copy=True)
            filled = (self.frame[name].isna() & completed[name].notna()).to_numpy()
            if filled.any():
                levelled = name in schema.names and bool(schema[str(name)].levels)
                known = _spellings(self.frame[name], text) if levelled else {}
                values = completed[name].to_numpy(dtype=object)[filled]
                cells[filled] = [known[v] if v in known else _text(v, text) for v in values]
            columns[name] = cells
        return pd.DataFrame(columns, index=self.texts.index)

    def labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table, whose rows are those of this one, under the labels as they were spelled."""
        return table if self.texts is None else table.set_axis(self.texts.index)


def read_fields(
    path: Path, declared: Mapping[str, Any] | None = None, like: Schema | None = None
) -> Fields:
    """Read a table; a CSV's types are those that its fields spell out.

    A column whose values are all written as whole numbers is Int64, gaps or none (pandas makes it
    float), and one whose values are all ISO dates (2024-05-31, 2024-05-31 08:30) holds dates; but a
    declared kind, or that of an earlier table, goes before.

    Args:
        path: CSV or Parquet.
        declared: kinds by column, as :meth:`absentia.data.Schema.read` returns them.
        like: the columns of the table that a model was fitted to.

    Raises:
        TableError: as :func:`absentia.data.tables.read_table`.
    """
    frame = read_table(path)
    if path.suffix.lower() != ".csv":
        return Fields(frame, None)
    texts = _texts(path, frame)
    typed = {
        name: _typed(
            column, texts[name], *_expected(str(name), declared or {}, like)
        )
        for name, column in frame.items()
    }  # fmt: skip
    return Fields(pd.DataFrame(typed, index=frame.index, columns=frame.columns), texts)


def _texts(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    several = len(frame.columns) > 1 or not isinstance(frame.index, pd.RangeIndex)
    texts = pd.read_csv(
        path,
        encoding="utf-8-sig",
        dtype=str,
        na_filter=False,
        index_col=False,
        skip_blank_lines=several,
    )
    if len(texts.columns) > len(frame.columns):  # the row labels, under an empty header
        texts = texts.set_index(texts.columns[0]).rename_axis(index=None)
    return texts.set_axis(frame.columns, axis=1)


def _expected(
    name: str, declared: Mapping[str, Any], like: Schema | None
) -> tuple[Collection[str], bool]:
    """Of what types a column may be made: "whole" and "dates"; and whether it was whole before."""
    if like is not None:
        if name not in like.names:
            return (), False
        column = like[name]
        if column.kind == "datetime":
            return ("dates",), False
        return (("whole",), True) if column.dtype.lower().startswith("int") else ((), False)
    if name in declared:
        return ("dates",) if declared[name]["kind"] == "datetime" else ("whole",), False
    return ("whole", "dates"), False


def _typed(
    column: pd.Series[Any], texts: pd.Series[Any], may_be: Collection[str], was_whole: bool
) -> pd.Series[Any]:
    present = column.notna().to_numpy()
    if not present.any():
        return column.astype("Int64") if was_whole else column
    fields = texts[present]
    if "whole" in may_be and pd.api.types.is_float_dtype(column.dtype):
        small = np.abs(column[present]).max() <= _LARGEST
        if small and all(map(_WHOLE.fullmatch, fields)):
            return column.astype("Int64")
    if "dates" in may_be and pd.api.types.is_string_dtype(column.dtype):
        if not all(map(_DATE.fullmatch, fields)):
            return column
        try:
            return pd.to_datetime(column, format="ISO8601")
        except ValueError:  # the thirteenth month
            return column
    return column


def _spellings(column: pd.Series[Any], texts: pd.Series[Any]) -> dict[Any, str]:
    """How each level is written where it occurs first: 007, TRUE."""
    present = column.notna().to_numpy()
    values, fields = column.to_numpy(dtype=object)[present], texts[present]
    known: dict[Any, str] = {}
    for value, field in zip(values, fields, strict=True):
        known.setdefault(value, field)
    return known


def _text(value: Any, texts: pd.Series[Any]) -> str:
    if not isinstance(value, pd.Timestamp):
        return str(value)
    separators = {
        match[1] for match in map(_DATE.fullmatch, texts.unique()) if match and match[1]
    }  # fmt: skip
    if not separators and value == value.normalize():
        return value.strftime("%Y-%m-%d")
    return value.isoformat(sep="T" if "T" in separators else " ", timespec="auto")
