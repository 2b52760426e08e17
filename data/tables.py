"""Reading and writing of tables as CSV or Parquet, depending on the suffix of the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .csv.fields import CSVTable, check_unique, read_csv
from .csv.format import CSVFormat
from .csv.types import Expected
from .system.files import TableError, atomic_path, reason

SUFFIXES = (".csv", ".parquet")


def read_table(path: str | os.PathLike[str], form: CSVFormat | None = None) -> pd.DataFrame:
    """Read a CSV (header in the first line) or Parquet file.

    In a CSV an empty field is missing, and so is a word such as ``NA`` among numbers; see
    :class:`absentia.data.csv.format.CSVFormat` for the rules. Columns get the types that their
    fields spell. A first column with an empty header holds the row labels.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.csv"
    >>> write_table(pd.DataFrame({"a": [0.1, None]}), path)
    >>> read_table(path)
         a
    0  0.1
    1  NaN

    Args:
        path: the file.
        form: the format of a CSV; by default fields are separated by commas, in UTF-8.

    Raises:
        TableError: the file does not exist, has an unknown suffix, is empty or damaged; or a CSV
            lacks column names, repeats one, or has rows of different lengths.
    """
    path = Path(path)
    if check_suffix(path) == ".csv":
        return read_csv_table(path, form).frame
    with _readable(path):
        return _read_parquet(path)


def read_csv_table(
    path: Path, form: CSVFormat | None = None, expected: Mapping[str, Expected] | None = None
) -> CSVTable:
    """Read a CSV and keep its fields as text; arguments as for :func:`read_csv`.

    Raises:
        TableError: as :func:`read_table`.
    """
    with _readable(path):
        return read_csv(path, form, expected)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        if not path.exists():
            raise TableError(f"{path}: no such file; check the path.")
        if not path.is_file():
            raise TableError(f"{path}: this is not a file; give a .csv or .parquet file.")
        if path.stat().st_size == 0:
            raise TableError(f"{path}: the file is empty; give a table with column names and rows.")
        yield
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({reason(error)}).") from error


def write_table(
    df: pd.DataFrame, path: str | os.PathLike[str], form: CSVFormat | None = None
) -> None:
    """Write a table as CSV or Parquet, completely or not at all; an existing file is replaced.

    Numbers are read back bit for bit from either format. Row labels are written unless they are
    the default 0, 1, ...; in a CSV under their name, or under an empty header.

    Args:
        df: the table.
        path: the file to write.
        form: the format of a CSV; by default fields are separated by commas, in UTF-8.

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
    with ExitStack() as stack:
        for path, df in tables.items():
            check_table(df, path)
            temporary = stack.enter_context(_written(path))
            if check_suffix(path) == ".parquet":
                df.set_axis([str(c) for c in df.columns], axis=1).to_parquet(temporary)
                continue
            df.to_csv(
                temporary,
                index=not df.index.equals(pd.RangeIndex(len(df))),
                index_label="" if df.index.name is None else str(df.index.name),
                lineterminator="\n",
                sep=form.separator,
                decimal=form.decimal,
                encoding=form.encoding,
            )


def check_table(df: pd.DataFrame, path: Path) -> None:
    """Refuse, before any work, a table that cannot be written to such a file.

    Raises:
        TableError: the suffix is unknown, a column name is repeated, row labels have several
            levels, or Parquet cannot hold the values.
    """
    suffix = check_suffix(path)
    check_unique([str(c) for c in df.columns], path)
    if isinstance(df.index, pd.MultiIndex):
        raise TableError(f"{path}: row labels have several levels; use reset_index() first.")
    if suffix == ".parquet":
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


def check_suffix(path: Path) -> str:
    """Return the suffix of the file of a table, which must be one of :data:`SUFFIXES`."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise TableError(f"{path}: unknown suffix {suffix!r}; give a {' or '.join(SUFFIXES)} file.")
    return suffix
