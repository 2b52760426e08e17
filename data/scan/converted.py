"""Tables that are no Parquet files, written to Parquet once: CSV files, and batches of rows.

A CSV file is read twice, block by block: first to find out what all fields of a column spell, by
the rules of :mod:`absentia.data.csv`, and then to write them with these types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ..csv.fields import check_unique
from ..csv.format import CSVFormat
from ..errors import InputError
from ..foreign import is_table
from ..system.files import TableError, atomic_path, reason
from .column_text import ColumnText
from .files import ROWS_OF_A_PART

#: the ends of names of files that are converted
TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_BYTES_AT_ONCE = 2**24


def is_text(path: Path) -> bool:
    """Whether a file is converted by :func:`from_csv`, as its name tells."""
    return path.name.lower().endswith(TEXT)


def from_csv(path: Path, cache: Path, form: CSVFormat) -> Path:
    """Write a CSV file as Parquet into a folder, unless this has been done, and return the file.

    Raises:
        TableError: the file cannot be read, or its rows have different lengths.
    """
    about = path.stat()
    read_so = "" if form == CSVFormat() else f"-{blake2b(repr(form).encode()).hexdigest()[:8]}"
    target = cache / f"{path.name}-{about.st_size}-{about.st_mtime_ns}{read_so}.parquet"
    if target.exists():
        return target
    columns: dict[str, ColumnText] = {}
    try:
        for batch in _blocks(path, form):
            for name, texts in zip(batch.schema.names, batch.columns, strict=True):
                if name not in columns:
                    columns[name] = ColumnText.of(name, batch.schema.names, form)
                columns[name].add(texts)
        # a word for missing in a column of text is missing if other columns mark gaps by it
        marks = {w for of in columns.values() if of.type != pa.string() for w in of.words}
        schema = pa.schema([(name, of.type) for name, of in columns.items()])
        with atomic_path(target) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for batch in _blocks(path, form):
                arrays = [
                    columns[name].typed(texts, marks)
                    for name, texts in zip(batch.schema.names, batch.columns, strict=True)
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    except pa.ArrowException as error:
        raise TableError(f"{path}: cannot be read as CSV ({reason(error)}).") from error
    return target


def from_batches(batches: Any, cache: Path) -> list[Path]:
    """Write tables that follow one another as Parquet files into a folder, and return the files.

    Args:
        batches: a table or a stream of Arrow batches of any library, or tables one by one.
        cache: the folder.

    Raises:
        ValueError: what comes is no table.
    """
    written: list[Path] = []
    waiting: list[pa.Table] = []
    count = 0

    def write() -> None:
        path = cache / f"batch-{len(written):06d}.parquet"
        with atomic_path(path) as temporary:
            pq.write_table(pa.concat_tables(waiting), temporary)
        written.append(path)
        waiting.clear()

    for table in _tables(batches):
        if waiting and (not table.schema.equals(waiting[0].schema) or count >= ROWS_OF_A_PART):
            write()
            count = 0
        waiting.append(table)
        count += len(table)
    if waiting:
        write()
    if not written:
        raise InputError("there is no batch of rows; give at least one table")
    return written


def _blocks(path: Path, form: CSVFormat) -> Iterator[pa.RecordBatch]:
    """Read the fields of a CSV file as text, block by block."""
    separator = form.separator or ("\t" if ".tsv" in path.name.lower() else ",")
    parse = pacsv.ParseOptions(delimiter=separator, newlines_in_values=True)
    read = pacsv.ReadOptions(
        block_size=_BYTES_AT_ONCE,
        use_threads=False,
        encoding=form.encoding,
        skip_rows=form.skip,
    )
    with pa.input_stream(str(path)) as stream, pacsv.open_csv(stream, read, parse) as first:
        names = first.schema.names
    check_unique(names, path)
    convert = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=False
    )
    with pa.input_stream(str(path)) as stream:
        yield from pacsv.open_csv(stream, read, parse, convert)


def _tables(batches: Any) -> Iterator[pa.Table]:
    """Return Arrow tables one by one, from a stream of any library or from tables."""
    if isinstance(batches, pd.DataFrame):
        yield _arrow(batches)
    elif hasattr(batches, "__arrow_c_stream__"):
        for batch in pa.RecordBatchReader.from_stream(batches):
            yield pa.Table.from_batches([batch])
    elif isinstance(batches, Iterable) and not is_table(batches):
        for one in batches:
            yield _arrow(one)
    else:
        yield _arrow(batches)


def _arrow(table: Any) -> pa.Table:
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if not is_table(table):
        raise InputError(
            f"a batch is a {type(table).__name__}; give tables of pandas, polars or Arrow"
        )
    if not isinstance(table, pd.DataFrame) and hasattr(table, "__arrow_c_stream__"):
        return pa.table(table)
    frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
    return pa.Table.from_pandas(frame)
