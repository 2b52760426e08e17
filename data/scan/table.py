"""A table that is larger than memory: the layout of its columns, and its rows part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ..errors import InputError
from ..foreign import as_frame
from ..incomplete import IncompleteData
from ..schema import Schema
from ..standardiser import Standardiser
from ..system.files import TableError
from .files import Files, Part
from .keys import Smallest, hashes, keys_of


@dataclass(frozen=True, eq=False, repr=False)
class Scan:
    """A table with missing values in Parquet files, which is never in memory as a whole.

    :func:`absentia.scan` makes one. It is a layout: its kinds and its scale are those that
    ``IncompleteData.from_frame`` would find in the whole table, so that ``like=scan`` reads any of
    its rows on the scale of all.

    Attributes:
        files: the files, their parts and the Arrow types of all columns.
        columns: the names of the p columns that are modelled.
        scaler: their centres and scales.
        schema: their kinds.
        covariate_schema: the kinds of the covariates; None if there are none.
        key: the column that identifies a row; None if its position does.
        together: (p, p) the number of rows in which both columns of a pair are observed; None where
            the layout was taken from a fit, and no row has been read yet.
    """

    files: Files
    columns: tuple[str, ...]
    scaler: Standardiser
    schema: Schema
    covariate_schema: Schema | None = None
    key: str | None = None
    together: np.ndarray | None = None
    dtype: torch.dtype = torch.float32

    @property
    def num_rows(self) -> int:
        """The number of rows n of all files."""
        return self.files.num_rows

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows n and of modelled columns p."""
        return self.num_rows, len(self.columns)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that are read one at a time, with their rows' positions in the whole table."""
        return self.files.parts

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The columns that are modelled, and then the covariates."""
        given = () if self.covariate_schema is None else self.covariate_schema.names
        return (*self.columns, *given)

    @property
    def missing_rates(self) -> pd.Series[float]:
        """The share of the rows in which each column is missing.

        Raises:
            ValueError: the rows have not been read, since the layout is that of a fit.
        """
        seen = np.diagonal(self._together())
        return pd.Series(1 - seen / self.num_rows, index=list(self.columns), name="rate")

    @property
    def co_missing(self) -> pd.DataFrame:
        """The number of rows in which both columns of a pair are missing (p, p).

        Raises:
            ValueError: as :attr:`missing_rates`.
        """
        both = self._together()
        seen = np.diagonal(both)
        missing = self.num_rows - seen[:, None] - seen[None, :] + both
        return pd.DataFrame(missing, index=list(self.columns), columns=list(self.columns))

    def describe(self) -> pd.DataFrame:
        """Tabulate kind, values, dtype, reason, missing rate, centre and scale of each column."""
        table = self.schema.describe()
        if self.together is not None:
            table["missing"] = self.missing_rates
        table["centre"], table["scale"] = self.scaler.center, self.scaler.scale
        return table

    def __len__(self) -> int:
        """The number of rows n of all files."""
        return self.num_rows

    def __repr__(self) -> str:
        """Show the size, the number of files and parts, and the missing rate."""
        n, p = self.shape
        rate = ""
        if self.together is not None:
            rate = f", {100 * self.missing_rates.mean():.1f}% missing"
        files = f"{len(self.files.paths)} files, {len(self.parts)} parts"
        return f"Scan({n} rows, {p} columns{rate}; {files})"

    def part(self, i: int) -> IncompleteData:
        """Read a part, on the scale of the whole table; its row labels are global positions.

        Raises:
            TableError: a value that its column cannot take; the message names file, column, row
                and value.
        """
        part = self.parts[i]
        data = self._data(self.files.read(part, self.read_columns), part.in_file, str(part.file))
        return _labelled(data, pd.RangeIndex(part.start, part.stop))

    def __iter__(self) -> Iterator[IncompleteData]:
        """Read the parts one after another."""
        return (self.part(i) for i in range(len(self.parts)))

    def range(self, start: int, stop: int) -> IncompleteData:
        """Read the rows at these positions, from whatever files hold them.

        Raises:
            TableError: as :meth:`part`; the row that is named is the position in the whole table.
        """
        return self.read(self.files.range(start, stop, self.read_columns), start)

    def read(self, table: pa.Table, start: int) -> IncompleteData:
        """Read rows that are in memory already, of which the first has this position."""
        where = f"rows {start} to {start + len(table) - 1} of all files"
        return self._data(table, start, where)

    def sample(self, rows: int, seed: int = 0) -> IncompleteData:
        """Draw rows at random, without replacement, into memory.

        Which rows these are follows from their keys and the seed, and not from how the rows are
        spread over files. They come in a random order.

        Args:
            rows: the number of rows; all of them where the table has no more.
            seed: the seed of the choice.
        """
        return self.at(self.chosen(rows, "sample", seed).places)

    def chosen(self, rows: int, purpose: str, seed: int) -> Smallest:
        """Choose the rows whose keys have the smallest hashes, for a purpose and by a seed."""
        if rows < 1:
            raise InputError(f"rows is {rows}; give at least 1")
        found = Smallest(min(rows, self.num_rows))
        for part, keys in self.all_keys():
            found.add(hashes(keys, purpose, seed), part.start)
        return found

    def all_keys(self) -> Iterator[tuple[Part, np.ndarray]]:
        """Return the keys of all parts, one part after another; see :meth:`keys`."""
        if self.key is None:
            return ((part, self.keys(part)) for part in self.parts)
        tables = self.files.sequence([self.key])
        return ((p, checked_keys(as_frame(t).iloc[:, 0], str(self.key), p)) for p, t in tables)

    def keys(self, part: Part) -> np.ndarray:
        """Return numbers (n,) that stand for the keys of a part's rows.

        Raises:
            TableError: the key of a row is missing.
        """
        if self.key is None:
            return np.arange(part.start, part.stop, dtype=np.uint64)
        column = as_frame(self.files.read(part, [self.key])).iloc[:, 0]
        return checked_keys(column, self.key, part)

    def at(self, places: np.ndarray) -> IncompleteData:
        """Read the rows at these positions, in this order, into memory."""
        order = np.argsort(places, kind="stable")
        ranked = places[order]
        pieces = []
        for part, table in self.files.sequence(self.read_columns):
            low, high = np.searchsorted(ranked, [part.start, part.stop])
            if low < high:
                pieces.append(table.take(pa.array(ranked[low:high] - part.start)))
        table = pa.concat_tables(pieces).take(pa.array(np.argsort(order, kind="stable")))
        data = self._data(table, 0, "the rows chosen")
        return _labelled(data, pd.Index(places))

    def _data(self, table: pa.Table, first: int, where: str) -> IncompleteData:
        frame = as_frame(table)
        frame.index = pd.RangeIndex(first, first + len(frame))
        try:
            return IncompleteData.from_frame(frame, like=self, dtype=self.dtype)
        except InputError as error:
            raise TableError(f"{where}: {error}") from error

    def _together(self) -> np.ndarray:
        if self.together is None:
            raise InputError(
                "the layout of this scan is that of a fit, so that its rows were not counted; scan "
                "without like=."
            )
        return self.together


def checked_keys(column: pd.Series[Any], name: str, part: Part) -> np.ndarray:
    """Return numbers (n,) that stand for the keys of a part's rows, none of them missing.

    Raises:
        TableError: the key of a row is missing.
    """
    missing = np.flatnonzero(column.isna())
    if missing.size:
        raise TableError(
            f"{part.file}: key {name!r}, row {part.in_file + int(missing[0])} is missing; give a "
            "column that identifies every row."
        )
    return keys_of(column)


def check_unique(scan: Scan) -> None:
    """Refuse a key column in which a value occurs twice; it takes eight bytes a row.

    Raises:
        InputError: naming the column and a row.
    """
    every = np.concatenate([keys for _, keys in scan.all_keys()])
    order = np.argsort(every, kind="stable")
    again = np.flatnonzero(np.diff(every[order]) == 0)
    if again.size:
        one, other = order[again[0]], order[again[0] + 1]
        raise InputError(
            f"key {scan.key!r} is the same in rows {one} and {other} of all files; give a column "
            "that identifies every row, or leave key= out."
        )


def _labelled(data: IncompleteData, index: Sequence[int] | pd.Index) -> IncompleteData:
    """Return the same rows under other labels."""
    labels = pd.Index(index)
    source = None if data.source is None else data.source.set_axis(labels)
    return data._built(index=labels, source=source)
