"""The Parquet files of a table: which there are, what columns they have, and their row groups."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..system.files import TableError, reason

#: the most rows and the most values of a part: larger row groups are read in several pieces
ROWS_OF_A_PART, VALUES_OF_A_PART = 65_536, 2**23
#: the bytes of a column that are read at once, or else all of a row group's would be
_BYTES_AT_ONCE = 2**20

#: what says where the files are: one path, a pattern with *, a folder, or several of them
Where = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Part:
    """Rows that are read together: a row group of a file, or a piece of a large one.

    Attributes:
        file: the Parquet file.
        group: the number of the row group in the file.
        within: the first row's position in the row group.
        in_file: the first row's position in the file.
        start: the first row's position in the whole table.
        rows: the number of rows.
    """

    file: Path
    group: int
    within: int
    in_file: int
    start: int
    rows: int

    @property
    def stop(self) -> int:
        """The position in the whole table after the last row."""
        return self.start + self.rows


@dataclass(frozen=True)
class Files:
    """Parquet files that together hold one table, in the order of their names.

    Attributes:
        arrow: the columns and their Arrow types, which all files share.
        parts: the parts in order.
        index: the columns that hold the row labels of a pandas table.
        at_once: the most rows of a part.
    """

    arrow: pa.Schema
    parts: tuple[Part, ...]
    index: tuple[str, ...]
    at_once: int

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Files:
        """Read the footers of the files, but none of their rows.

        Raises:
            TableError: a file is damaged, or has other columns or types than the first; the
                message names the file and the column.
        """
        parts: list[Part] = []
        first: pa.Schema | None = None
        start = 0
        for path in paths:
            with _opened(path) as file:
                own, footer = file.schema_arrow, file.metadata
                _check_names(own.names, path)
                first = own if first is None else _same(first, own, path, paths[0])
                at_once = max(1, min(ROWS_OF_A_PART, VALUES_OF_A_PART // max(len(own), 1)))
                in_file = 0
                for group in range(footer.num_row_groups):
                    rows = footer.row_group(group).num_rows
                    for within in range(0, rows, at_once):
                        count = min(at_once, rows - within)
                        parts.append(Part(path, group, within, in_file, start, count))
                        in_file, start = in_file + count, start + count
        assert first is not None  # there is at least one path
        if not parts:
            raise TableError(f"{paths[0]}: the files hold no row; give at least one.")
        return cls(first, tuple(parts), _index_columns(first), at_once)

    @property
    def num_rows(self) -> int:
        """The number of rows of all files."""
        return self.parts[-1].stop

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files in order."""
        return tuple(dict.fromkeys(part.file for part in self.parts))

    def read(self, part: Part, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the rows of a part; all columns when none are named."""
        return self._piece(part, columns, 0, part.rows)

    def sequence(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Part, pa.Table]]:
        """Read all parts one after another; each row group is read once."""
        names = self.arrow.names if columns is None else list(columns)
        waiting = list(reversed(self.parts))
        while waiting:
            path = waiting[-1].file
            with _opened(path) as file:
                while waiting and waiting[-1].file == path:
                    group = waiting[-1].group
                    batches = self._batches(file, group, names)
                    rest = next(batches)
                    while waiting and waiting[-1].file == path and waiting[-1].group == group:
                        part = waiting.pop()
                        while len(rest) < part.rows:
                            rest = pa.concat_tables([rest, next(batches)])
                        yield part, _in_order(rest.slice(0, part.rows), self.arrow, names)
                        rest = rest.slice(part.rows)

    def _batches(
        self, file: pq.ParquetFile, group: int, names: Sequence[str]
    ) -> Iterator[pa.Table]:
        found = file.iter_batches(
            self.at_once, row_groups=[group], columns=list(names), use_threads=False
        )
        return (pa.Table.from_batches([batch]) for batch in found)

    def range(self, start: int, stop: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the rows at these positions in the whole table, from whatever files hold them."""
        pieces = [
            self._piece(
                part, columns, max(start - part.start, 0), min(stop, part.stop) - part.start
            )
            for part in self.parts
            if part.start < stop and start < part.stop
        ]
        return pa.concat_tables(pieces, promote_options="permissive")

    def _piece(self, part: Part, columns: Sequence[str] | None, first: int, last: int) -> pa.Table:
        names = self.arrow.names if columns is None else list(columns)
        begin, end = part.within + first, part.within + last
        pieces, seen = [], 0
        with _opened(part.file) as file:
            for batch in self._batches(file, part.group, names):
                low, high = max(begin - seen, 0), min(end - seen, len(batch))
                if low < high:
                    pieces.append(batch.slice(low, high - low))
                seen += len(batch)
                if seen >= end:
                    break
        return _in_order(pa.concat_tables(pieces), self.arrow, names)


def files_of(where: Where, suffixes: tuple[str, ...] = (".parquet",)) -> list[Path]:
    """List the files that paths, patterns and folders name, in the order of their names.

    Files and folders whose names begin with a dot or an underscore are left out of folders and
    patterns, as other readers of Parquet do.

    Args:
        where: paths, patterns and folders.
        suffixes: the ends that the names of files may have; folders are searched for the first.

    Raises:
        TableError: nothing is found, or a file is of another kind.
    """
    given: Iterable[str | os.PathLike[str]]
    given = [where] if isinstance(where, str | os.PathLike) else where
    found: list[Path] = []
    for one in given:
        if "://" in str(one):
            raise TableError(
                f"{one}: this is an address, and files of this machine are read; let pyarrow read "
                "it: absentia.scan(pyarrow.dataset.dataset(address).scanner().to_reader()), or "
                "copy or mount the files."
            )
        path = Path(one)
        if path.is_dir():
            found += _not_hidden(path.rglob(f"*{suffixes[0]}"), path)
        elif path.exists():
            found.append(path)
        else:
            matched = [Path(name) for name in glob.glob(str(path), recursive=True)]
            if not matched:
                raise TableError(f"{path}: no such file; check the path, or the pattern.")
            found += _not_hidden(matched, Path())
    if not found:
        raise TableError(f"{where}: there is no .parquet file; give a folder that has some.")
    for path in found:
        if not path.name.lower().endswith(suffixes):
            raise TableError(f"{path}: this is no file of {', '.join(suffixes)}; convert it.")
    return sorted(dict.fromkeys(found))


def partition_columns(paths: Sequence[Path]) -> list[str]:
    """Return the names of columns that stand in the names of folders by which the files differ.

    >>> partition_columns([Path(f"sales/year={year}/0.parquet") for year in (2023, 2024)])
    ['year']
    """
    above = os.path.commonpath([path.parent for path in paths])
    below = (Path(os.path.relpath(path.parent, above)) for path in paths)
    folders = (name for path in below for name in path.parts if "=" in name)
    return list(dict.fromkeys(name.partition("=")[0] for name in folders))


def _not_hidden(paths: Iterable[Path], below: Path) -> Iterator[Path]:
    for path in paths:
        inside = path.relative_to(below) if path.is_relative_to(below) else path
        if not any(name.startswith((".", "_")) for name in inside.parts if name not in ("..", ".")):
            yield path


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=_BYTES_AT_ONCE)
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({reason(error)}).") from error
    except pa.ArrowException as error:
        raise TableError(
            f"{path}: the file is damaged, or not a Parquet file ({reason(error)})."
        ) from error


def _same(first: pa.Schema, own: pa.Schema, path: Path, of: Path) -> pa.Schema:
    """Return what is known of the columns after another file, which must have the same ones.

    A column without any value in one file, whose type is null there, gets the type of the others.
    """
    absent = [name for name in first.names if name not in own.names]
    extra = [name for name in own.names if name not in first.names]
    if absent or extra:
        parts = [f"lacks the columns {absent}"] if absent else []
        parts += [f"has the further columns {extra}"] if extra else []
        raise TableError(f"{path}: the file {' and '.join(parts)}, unlike {of}; give one table.")
    for j, name in enumerate(first.names):
        known, here = first.field(j), own.field(name)
        if pa.types.is_null(known.type):
            first = first.set(j, known.with_type(here.type))
        elif not pa.types.is_null(here.type) and str(known.type) != str(here.type):
            raise TableError(
                f"{path}: column {name!r} holds {here.type}, and {known.type} in {of}; convert "
                "one of them."
            )
    return first


def _in_order(table: pa.Table, arrow: pa.Schema, names: Sequence[str]) -> pa.Table:
    """Return the columns in the order and with the types of the whole table."""
    table = table.select(names)
    for j, name in enumerate(names):
        kind = arrow.field(name).type
        if pa.types.is_null(table.schema.field(j).type) and not pa.types.is_null(kind):
            table = table.set_column(j, pa.field(name, kind), table.column(j).cast(kind))
    return table.replace_schema_metadata(arrow.metadata)


def _check_names(names: Sequence[str], path: Path) -> None:
    """Refuse a file in which two columns have one name."""
    if len(set(names)) < len(names):
        repeated = next(name for name in names if list(names).count(name) > 1)
        raise TableError(f"{path}: column name {repeated!r} occurs more than once; rename one.")


def _index_columns(arrow: pa.Schema) -> tuple[str, ...]:
    about = arrow.pandas_metadata or {}
    return tuple(name for name in about.get("index_columns", ()) if name in arrow.names)
