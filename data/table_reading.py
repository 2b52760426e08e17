"""Reading of tables from text, Parquet or Excel, depending on the suffix of the file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .columns.suspects import suspects
from .csv.fields import CSVTable, read_csv
from .csv.format import CSVFormat
from .csv.gaps import Gaps, mark_gaps
from .csv.sheets import read_sheet
from .csv.types import Expected
from .errors import AbsentiaWarning, InputError
from .system.files import TableError, reason
from .table_files import TableFile


class ReadingWarning(AbsentiaWarning):
    """Some of a table was probably read as something else than it is."""


@dataclass(frozen=True)
class TypedTable:
    """A typed table as it was read from a file.

    Attributes:
        frame: the table (n, p).
        gaps: the words that were read as missing values, or might have been.
        csv: for text and spreadsheets, the fields as text; None for Parquet.
    """

    frame: pd.DataFrame
    gaps: Gaps
    csv: CSVTable | None = None


def read_table(
    path: str | os.PathLike[str],
    *,
    sep: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    encoding: str = "utf-8",
    na_values: Any = None,
    keep_na: bool = False,
    date_format: str | None = None,
    id: str | None = None,
    sheet: str | int | None = None,
    skip: int = 0,
    drop_empty: bool = False,
) -> pd.DataFrame:
    """Read a table as the command line does, and warn of columns that look suspicious.

    In text and in Excel, an empty cell is missing, and so is a word such as ``NA`` among numbers;
    in columns of text such words are answers, unless they mark missing values elsewhere in the
    file. Columns get the types that their cells spell: whole numbers, numbers, booleans, dates
    (2024-05-31) or text, to which codes with leading zeros (007) belong.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.csv"
    >>> _ = path.write_text("person;income\\nA7;1.250,5\\nB2;-99\\nC1;310,0\\n")
    >>> read_table(path, sep=";", decimal=",", thousands=".", na_values=-99, id="person")["income"]
    person
    A7    1250.5
    B2       NaN
    C1     310.0
    Name: income, dtype: float64

    Args:
        path: a file of text (.csv, .tsv, .txt, also compressed: .csv.gz), .parquet or .xlsx; ``-``
            is standard input.
        sep: the character between two fields; by default the one that the suffix implies.
        decimal: the decimal mark.
        thousands: the mark between thousands, if there is one.
        encoding: the encoding of the text, such as "cp1252" (spreadsheets) or "utf-16".
        na_values: what else stands for a missing value: a value, several, or either by column,
            such as ``{"income": [-98, -99]}``.
        keep_na: whether words such as "None" and "NA" are answers in every column of text.
        date_format: the format of dates besides ISO 8601, such as "%d/%m/%Y".
        id: the column that identifies the rows, which becomes the table's index.
        sheet: of an Excel file, the sheet's name or its number from 1; by default the first
            visible one.
        skip: the number of lines above the column names, such as a title.
        drop_empty: whether rows with nothing in them are left out wherever they stand; those at the
            end always are.

    Raises:
        TableError: the file does not exist, has an unknown suffix, is empty or damaged, or has
            column names or rows that cannot be told apart.
        InputError: an argument does not apply to the file, or names a column that is not there.
    """
    form = CSVFormat(
        sep, decimal, thousands, encoding, words_for_missing(na_values), keep_na, date_format, skip,
        drop_empty,
    )  # fmt: skip
    table = typed_table(path, form, sheet=sheet)
    frame = table.frame
    named = [*(na_values if isinstance(na_values, Mapping) else ()), *([] if id is None else [id])]
    for name in named:
        if name not in frame.columns:
            raise InputError(
                f"{path} has no column {name!r}; it has {', '.join(map(str, frame.columns[:10]))}"
            )
    texts = None if table.csv is None else table.csv.texts
    if id is not None:
        frame = frame.set_index(id)
        texts = None if texts is None else texts.drop(columns=[id])
    said = list(table.gaps.doubts(_in_python))
    found = suspects(frame, texts) if len(frame) else frame
    said += [f"{row.says}; cure: {row.python}" for row in found.itertuples()]
    said += [] if table.csv is None else unread_sheets(table.csv, "sheet=")
    if said:
        lines = "\n".join(f"- {line}" for line in said)
        warnings.warn(f"{path}: look at these before a fit\n{lines}", ReadingWarning, stacklevel=2)
    return frame


def _in_python(what: str, word: str) -> str:
    return "keep_na=True" if what == "keep" else f"na_values={word!r}"


def words_for_missing(na_values: Any) -> tuple[str, ...]:
    """Write the values that stand for missing ones as the command line takes them."""

    def several(values: Any) -> list[str]:
        single = isinstance(values, str | bytes) or not isinstance(values, Iterable)
        return [str(value) for value in ([values] if single else values)]

    if na_values is None:
        return ()
    if isinstance(na_values, Mapping):
        return tuple(f"{name}={word}" for name, of in na_values.items() for word in several(of))
    return tuple(several(na_values))


def unread_sheets(table: CSVTable, option: str) -> list[str]:
    """Say which other sheets of an Excel file were not read, if any hold something."""
    if not table.unread:
        return []
    names = ", ".join(map(repr, table.unread))
    return [f"only the first sheet was read, and there is also {names}; give {option} for another"]


def typed_table(
    path: str | os.PathLike[str],
    form: CSVFormat | None = None,
    expected: Mapping[str, Expected] | None = None,
    sheet: str | int | None = None,
) -> TypedTable:
    """Read a table, with the words for missing values that it has, and without any warning.

    Args:
        path: the file, as for :func:`read_table`.
        form: how text spells values.
        expected: the types that columns are to be read as, by name.
        sheet: the sheet of an Excel file.

    Raises:
        TableError: the file cannot be read as such a table.
        InputError: a part of the format does not apply to such a file.
    """
    form, file = form or CSVFormat(), TableFile.of(path)
    _check_applies(form, file, sheet)
    with _readable(file):
        if file.format == "parquet":
            frame, gaps = mark_gaps(_read_parquet(file.path), form)
            return TypedTable(frame, gaps)
        if file.format == "sheet":
            table = read_sheet(file, form, expected, sheet)
        else:
            table = read_csv(file, form, expected)
    return TypedTable(table.frame, table.gaps, table)


def _check_applies(form: CSVFormat, file: TableFile, sheet: str | int | None) -> None:
    """Refuse what says nothing about a file of this format."""
    if sheet is not None and file.format != "sheet":
        raise InputError(f"{file.shown} is not an Excel file, so that it has no sheet=; drop it")
    if file.format == "sheet" and (form.separator is not None or form.encoding != "utf-8"):
        raise InputError(
            f"{file.path} is an Excel file, so that sep= and encoding= do not apply to it; "
            f"drop them"
        )
    if file.format == "parquet" and replace(form, na_values=()) != CSVFormat():
        raise InputError(
            f"{file.path} is a Parquet file, so that sep=, decimal=, thousands=, encoding=, "
            f"keep_na=, date_format= and skip= do not apply to it; drop them"
        )


@contextmanager
def _readable(file: TableFile) -> Iterator[None]:
    path = file.path
    try:
        if not file.standard:
            if not path.exists():
                raise TableError(f"{path}: no such file; check the path.")
            if not path.is_file():
                raise TableError(f"{path}: this is not a file; give the file of a table.")
            if path.stat().st_size == 0:
                raise TableError(
                    f"{path}: the file is empty; give a table with column names and rows."
                )
        yield
    except OSError as error:
        raise TableError(f"{file.shown}: cannot be read ({reason(error)}).") from error


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
        # pandas turns integers into floats beside missing values, which changes those beyond 2**53
        if not any(dtype == np.float64 for dtype in frame.dtypes):
            return frame
        stored = pq.ParquetFile(path)
        whole = [f.name for f in stored.schema_arrow if pa.types.is_integer(f.type)]
        whole = [name for name in whole if name in frame and frame[name].dtype == np.float64]
        for name, column in zip(whole, stored.read(whole).columns, strict=True):
            frame[name] = pd.Series(_integers(column), index=frame.index)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise TableError(
            f"{path}: the file is damaged, or not a Parquet file ({reason(error)})."
        ) from error
    return frame


def _integers(column: pa.ChunkedArray) -> Any:
    """Convert to nullable integers of the width that the file has, such as int64 or uint8."""
    kind: Any = pd.api.types.pandas_dtype(str(column.type).replace("i", "I").replace("u", "U"))
    return kind.__from_arrow__(column)
