"""Reading and writing of tables as CSV or Parquet, chosen by the file's suffix."""

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

    In a CSV an empty field is missing, and so is a word such as ``NA`` among numbers; what else
    :class:`absentia.data.csv.format.CSVFormat` says. Columns get the types that their fields
    spell. A first column with an empty header holds the row labels.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.csv"
    >>> write_table(pd.DataFrame({"a": [0.1, None]}), path)
    >>> read_table(path)
         a
    0  0.1
    1  NaN

    Args:
        path: the file.
        form: how a CSV is written; separated by commas and in UTF-8 when left out.

    Raises:
        TableError: no such file, an unknown suffix, an empty or damaged file, a CSV without
            column names, with repeated ones or with rows of different lengths.
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
            raise TableError(f"{path}: no such file.")
        if not path.is_file():
            raise TableError(f"{path}: not a file; give a .csv or .parquet file.")
        if path.stat().st_size == 0:
            raise TableError(f"{path}: the file is empty.")
        yield
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({reason(error)}).") from error


def write_table(
    df: pd.DataFrame, path: str | os.PathLike[str], form: CSVFormat | None = None
) -> None:
    """Write a table as CSV or Parquet, complete or not at all; an existing file is replaced.

    Numbers return bit for bit from either format. Row labels are written unless they are the
    default 0, 1, ...; in a CSV under their name, or an empty header where they have none.

    Args:
        df: the table.
        path: where to write it.
        form: how a CSV is to be written; separated by commas and in UTF-8 when left out.

    Raises:
        TableError: as :func:`check_table`, or a place that cannot be written to.
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
        TableError: an unknown suffix, repeated column names, row labels of several levels, or
            values that Parquet does not hold.
    """
    suffix = check_suffix(path)
    check_unique([str(c) for c in df.columns], path)
    if isinstance(df.index, pd.MultiIndex):
        raise TableError(f"{path}: row labels have several levels; use reset_index() first.")
    if suffix == ".parquet":
        try:
            pa.Table.from_pandas(df.set_axis([str(c) for c in df.columns], axis=1))
        except (pa.ArrowException, TypeError) as error:
            raise TableError(f"{path}: not writable as Parquet ({reason(error)}).") from error


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    try:
        with atomic_path(path) as temporary:
            yield temporary
    except OSError as error:
        raise TableError(f"{path}: cannot be written ({reason(error)}).") from error
    except UnicodeEncodeError as error:
        raise TableError(
            f"{path}: {error.object[error.start]!r} has no place in {error.encoding}; write it in "
            "UTF-8."
        ) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
        # pandas makes integers floats where some are missing, which changes those beyond 2**53
        if not any(dtype == np.float64 for dtype in frame.dtypes):
            return frame
        stored = pq.ParquetFile(path)
        whole = [f.name for f in stored.schema_arrow if pa.types.is_integer(f.type)]
        whole = [name for name in whole if name in frame and frame[name].dtype == np.float64]
        for name, column in zip(whole, stored.read(whole).columns, strict=True):
            frame[name] = pd.Series(_integers(column), index=frame.index)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise TableError(f"{path}: damaged, or not a Parquet file ({reason(error)}).") from error
    return frame


def _integers(column: pa.ChunkedArray) -> Any:
    """Convert to nullable integers of the width that the file has, such as int64 or uint8."""
    kind: Any = pd.api.types.pandas_dtype(str(column.type).replace("i", "I").replace("u", "U"))
    return kind.__from_arrow__(column)


def check_suffix(path: Path) -> str:
    """Return the suffix of a table's file, and refuse all but those in :data:`SUFFIXES`."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise TableError(f"{path}: unknown suffix {suffix!r}; use {' or '.join(SUFFIXES)}.")
    return suffix
