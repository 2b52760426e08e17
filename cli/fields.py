"""A CSV's fields as text, so that observed values are written back verbatim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..data import Column, Schema
from ..data.csv.fields import CSVTable
from ..data.csv.format import CSVFormat
from ..data.csv.gaps import Gaps
from ..data.csv.types import ISO_DATE, Spelling, expected_types
from ..data.table_files import TableFile
from ..data.table_reading import typed_table

if TYPE_CHECKING:
    from ..inference import FitResult


@dataclass(frozen=True)
class Fields:
    """A typed table, and for a CSV the text of its fields.

    Attributes:
        frame: the table (n, p).
        gaps: the words that were read as missing values.
        csv: for a CSV, the text of its fields.
    """

    frame: pd.DataFrame
    gaps: Gaps
    csv: CSVTable | None = None

    @property
    def form(self) -> CSVFormat:
        """The format in which a CSV that belongs to this one is written."""
        return CSVFormat() if self.csv is None else self.csv.form

    def spelled(self, completed: pd.DataFrame, schema: Schema, path: Path) -> pd.DataFrame:
        """Return the completed table (n, p) as it will be written to ``path``."""
        if self.csv is None or TableFile.of(path).format != "text":
            return completed
        columns = {}
        for name, text in self.csv.texts.items():
            cells = text.to_numpy(dtype=object, copy=True)
            filled = (self.frame[name].isna() & completed[name].notna()).to_numpy()
            if filled.any():
                levelled = name in schema.names and bool(schema[str(name)].levels)
                known = _spellings(self.frame[name], text) if levelled else {}
                values = completed[name].to_numpy(dtype=object)[filled]
                spell = _speller(self.csv.spellings[str(name)], self.form)
                cells[filled] = [known[v] if v in known else spell(v) for v in values]
            columns[name] = cells
        return pd.DataFrame(columns, index=self.csv.texts.index)

    def as_read(self, path: Path) -> pd.DataFrame:
        """Return the table (n, p) as it was read, as it will be written to ``path``."""
        verbatim = self.csv is not None and TableFile.of(path).format == "text"
        return self.csv.texts if verbatim and self.csv is not None else self.frame

    def column(self, name: str, path: Path) -> Any:
        """Return a column's values (n,) as they will be written to ``path``."""
        return self.as_read(path)[name].array  # NumPy has no integers with missing values

    def labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table of the same rows under the row labels as they were spelled."""
        return table if self.csv is None else table.set_axis(self.csv.texts.index)


def read_fields(
    path: Path,
    declared: Mapping[str, Any] | None = None,
    like: Sequence[Column] | None = None,
    form: CSVFormat | None = None,
    sheet: str | None = None,
) -> Fields:
    """Read a table; a CSV's types are inferred from its fields.

    A column is Int64 if all its values are written as whole numbers, text if all start with zeros
    (08654), and dates if all are ISO dates (2024-05-31, 2024-05-31 08:30). A declared kind, or the
    kind in the table that a model was fitted to, takes precedence.

    Args:
        path: the file, or ``-`` for standard input.
        declared: kinds by column, as :meth:`absentia.data.Schema.read` returns them.
        like: the columns of the table that a model was fitted to.
        form: how text spells values.
        sheet: the sheet of an Excel file.

    Raises:
        TableError: as :func:`absentia.data.table_reading.typed_table`.
    """
    table = typed_table(path, form, expected_types(declared, like), sheet)
    return Fields(table.frame, table.gaps, table.csv)


def columns_of(fitted: FitResult | None) -> list[Column] | None:
    """Return the columns that a model was fitted to, covariates too; None without a model."""
    if fitted is None:
        return None
    return [*(fitted.schema or ()), *(fitted.covariate_schema or ())]


def _spellings(column: pd.Series[Any], texts: pd.Series[Any]) -> dict[object, str]:
    """Return how each level is spelled where it occurs first, as 007 or TRUE."""
    present = column.notna().to_numpy()
    values, fields = column.to_numpy(dtype=object)[present], texts[present]
    known: dict[object, str] = {}
    for value, field in zip(values, fields, strict=True):
        known.setdefault(value, field)
    return known


def _speller(spelling: Spelling, form: CSVFormat) -> Callable[[object], str]:
    """Return a function that spells a value as the fields of its column are spelled."""
    iso = [match for match in map(ISO_DATE.fullmatch, spelling.fields) if match]
    separators = {match[1] for match in iso if match[1]}

    def spell(value: object) -> str:
        if isinstance(value, float):
            return (spelling.form or form).spelled(value)
        if not isinstance(value, pd.Timestamp):
            return str(value)
        if not iso and form.date_format is not None:
            return value.strftime(form.date_format)
        if not separators and value == value.normalize():
            return value.strftime("%Y-%m-%d")
        return value.isoformat(sep="T" if "T" in separators else " ", timespec="auto")

    return spell
