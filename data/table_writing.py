"""Writing of tables as text, Parquet or Excel, depending on the suffix of the file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from .csv.fields import check_unique
from .csv.format import CSVFormat
from .system.files import TableError, atomic_path, reason
from .table_files import STANDARD, TableFile


def write_table(
    df: pd.DataFrame, path: str | os.PathLike[str], form: CSVFormat | None = None
) -> None:
    """Write a table, completely or not at all; an existing file is replaced.

    Numbers are read back bit for bit, except from Excel, which keeps 15 digits. Row labels are
    written unless they are the default 0, 1, ...; in a CSV under their name, or under an empty
    header.

    Args:
        df: the table.
        path: the file to write, as text (.csv, .tsv, .csv.gz), .parquet or .xlsx; ``-`` writes
            text to standard output.
        form: the format of text; by default UTF-8, with fields separated as the suffix says.

    Raises:
        TableError: as :func:`check_table`, or the file cannot be written there.
    """
    write_tables({Path(path): df}, form)


def write_tables(tables: Mapping[Path, pd.DataFrame], form: CSVFormat | None = None) -> None:
    """Write several tables, all of them or none; the first one is moved into place last.

    Raises:
        TableError: as :func:`write_table`.
    """
    form = form or CSVFormat()
    printed = [df for path, df in tables.items() if path == STANDARD]
    with ExitStack() as stack:
        for path, df in tables.items():
            check_table(df, path)
            if path != STANDARD:
                _write(df, stack.enter_context(_written(path)), TableFile.of(path), form)
    for df in printed:  # last, so that nothing is printed where a file could not be written
        _print(df, form)


def _write(df: pd.DataFrame, temporary: Path, file: TableFile, form: CSVFormat) -> None:
    """Write a table to a temporary file in the format of the file that it will become."""
    if file.format == "parquet":
        df.set_axis([str(c) for c in df.columns], axis=1).to_parquet(temporary)
    elif file.format == "sheet":
        with temporary.open("wb") as binary:
            labelled = not _numbered(df)
            for_excel(df).to_excel(binary, index=labelled, engine="openpyxl")
    else:
        # without the time, so that the same table gives the same bytes
        packed: Any = {"method": "gzip", "mtime": 0} if file.compressed else None
        df.to_csv(temporary, compression=packed, encoding=form.encoding, **_as_text(df, file, form))


def _print(df: pd.DataFrame, form: CSVFormat) -> None:
    """Write a table as text to standard output."""
    text = df.to_csv(**_as_text(df, TableFile.of(STANDARD), form))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode(form.encoding))
    sys.stdout.buffer.flush()


def _as_text(df: pd.DataFrame, file: TableFile, form: CSVFormat) -> dict[str, Any]:
    given = form.separator is not None and file.separator == ","
    return {
        "index": not _numbered(df),
        "index_label": "" if df.index.name is None else str(df.index.name),
        "lineterminator": "\n",
        "sep": form.separator if given else file.separator,
        "decimal": form.decimal,
    }


def _numbered(df: pd.DataFrame) -> bool:
    """Whether the row labels are the default ones, which are not written."""
    return bool(df.index.equals(pd.RangeIndex(len(df))))


def for_excel(df: pd.DataFrame) -> pd.DataFrame:
    """Return the table without time zones, which Excel does not have."""
    zones = df.select_dtypes(include="datetimetz").columns
    return df.assign(**{name: df[name].dt.tz_localize(None) for name in zones})


def check_table(df: pd.DataFrame, path: Path) -> None:
    """Refuse, before any work, a table that cannot be written to such a file.

    Raises:
        TableError: the suffix is unknown, a column name is repeated, row labels have several
            levels, or Parquet cannot hold the values.
    """
    file = TableFile.of(path)
    check_unique([str(c) for c in df.columns], path)
    if isinstance(df.index, pd.MultiIndex):
        raise TableError(f"{path}: row labels have several levels; use reset_index() first.")
    if file.format == "sheet" and find_spec("openpyxl") is None:
        raise TableError(
            f"{path}: writing .xlsx needs the package openpyxl; install it (pip install "
            f"'absentia[excel]'), or write a .csv file."
        )
    if file.format == "parquet":
        try:
            pa.Table.from_pandas(df.set_axis([str(c) for c in df.columns], axis=1))
        except (pa.ArrowException, TypeError) as error:
            raise TableError(
                f"{path}: the table cannot be written as Parquet ({reason(error)}); write a "
                ".csv file."
            ) from error


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    try:
        with atomic_path(path) as temporary:
            yield temporary
    except OSError as error:
        raise TableError(f"{path}: cannot be written ({reason(error)}).") from error
    except UnicodeEncodeError as error:
        raise TableError(
            f"{path}: {error.object[error.start]!r} cannot be written in {error.encoding}; "
            "write the "
            "file in UTF-8."
        ) from error
