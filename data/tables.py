"""Reading and writing tables as CSV or Parquet, chosen by the suffix."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa

from .files import atomic_path

SUFFIXES = (".csv", ".parquet")

# Before pandas 3.1 the default parser can be off by the last bit; from there on it is exact and
# naming the exact one is deprecated.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_FLOAT_PRECISION: Literal["round_trip"] | None = "round_trip" if _PANDAS < (3, 1) else None


class TableError(ValueError):
    """A file that cannot be read or written as a table; one line says why."""


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV (comma-separated, UTF-8, header in the first line) or Parquet file.

    In a CSV an empty field, ``NA``, ``NaN``, ``null`` and the other words of
    ``pandas.read_csv`` are missing. A first column with an empty header holds the row labels.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.csv"
    >>> write_table(pd.DataFrame({"a": [0.1, None]}), path)
    >>> read_table(path)
         a
    0  0.1
    1  NaN

    Raises:
        TableError: no such file, an unknown suffix, an empty or damaged file, a CSV without
            column names, with repeated ones or with rows of different lengths.
    """
    path = Path(path)
    suffix = check_suffix(path)
    if not path.exists():
        raise TableError(f"{path}: no such file.")
    if not path.is_file():
        raise TableError(f"{path}: not a file; give a .csv or .parquet file.")
    try:
        if path.stat().st_size == 0:
            raise TableError(f"{path}: the file is empty.")
        return _read_csv(path) if suffix == ".csv" else _read_parquet(path)
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({_reason(error)}).") from error


def write_table(df: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as CSV or Parquet, whole or not at all; an existing file is replaced.

    Numbers return bit for bit from either format. Row labels are written unless they are the
    default 0, 1, ...; in a CSV under their name, or an empty header where they have none.

    Raises:
        TableError: an unknown suffix, repeated column names, row labels of several levels, or
            a place that cannot be written to.
    """
    path = Path(path)
    suffix = check_suffix(path)
    _check_unique([str(c) for c in df.columns], path)
    if isinstance(df.index, pd.MultiIndex):
        raise TableError(f"{path}: row labels have several levels; use reset_index() first.")
    labelled = not df.index.equals(pd.RangeIndex(len(df)))
    try:
        with atomic_path(path) as temporary:
            if suffix == ".csv":
                label = "" if df.index.name is None else str(df.index.name)
                df.to_csv(temporary, index=labelled, index_label=label, lineterminator="\n")
            else:
                df.set_axis([str(c) for c in df.columns], axis=1).to_parquet(temporary)
    except OSError as error:
        raise TableError(f"{path}: cannot be written ({_reason(error)}).") from error
    except (pa.ArrowException, TypeError) as error:
        raise TableError(f"{path}: not writable as Parquet ({_reason(error)}).") from error


def _read_csv(path: Path) -> pd.DataFrame:
    # pandas renames a repeated header, takes surplus fields as row labels and fills short rows
    # with NaN, all in silence; here each of these would become invented missing data.
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = next((line for line in lines if line), [])
            _check_header(header, path)
            for line in lines:
                if line and len(line) != len(header):
                    raise TableError(
                        f"{path}: line {lines.line_num} has {len(line)} fields but the header "
                        f"has {len(header)}; the file is damaged or not separated by commas."
                    )
        return pd.read_csv(
            path,
            encoding="utf-8-sig",
            index_col=0 if header[0].strip() == "" else False,
            float_precision=_FLOAT_PRECISION,
            low_memory=False,
            skip_blank_lines=len(header) > 1,
        ).rename_axis(index=None)
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not text in UTF-8; save it as CSV in UTF-8.") from error
    except (csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise TableError(f"{path}: not a CSV table ({_reason(error)}).") from error


def _check_header(header: list[str], path: Path) -> None:
    names = [name.strip() for name in header]
    if not any(names):
        raise TableError(f"{path}: no column names; the first line must name the columns.")
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise TableError(f"{path}: not separated by commas; save it with commas.")
    if "" in names[1:]:
        raise TableError(f"{path}: column {names.index('', 1) + 1} has no name; name it.")
    _check_unique(names, path)


def _check_unique(names: list[str], path: Path) -> None:
    for name in names:
        if names.count(name) > 1:
            raise TableError(
                f"{path}: column name {name!r} occurs {names.count(name)} times; rename it."
            )


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (pa.ArrowException, ValueError) as error:
        raise TableError(f"{path}: damaged, or not a Parquet file ({_reason(error)}).") from error


def check_suffix(path: Path) -> str:
    """The suffix of a table's file, refused unless it is one of :data:`SUFFIXES`."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise TableError(f"{path}: unknown suffix {suffix!r}; use {' or '.join(SUFFIXES)}.")
    return suffix


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
