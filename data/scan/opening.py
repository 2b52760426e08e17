"""The opening of a table that is larger than memory."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..arguments import checked_names
from ..checks import check_real
from ..columns.cautions import ColumnWarning, warn_of_columns
from ..columns.types import column_names
from ..csv.format import CSVFormat
from ..errors import InputError
from ..layout import Layout, SchemaLike, schemas_of
from ..table_reading import words_for_missing
from .converted import TEXT, from_batches, from_csv, is_text
from .facts import facts_of
from .files import Files, Where, files_of, partition_columns
from .table import Scan, check_unique

#: the rows in which codes that may stand for missing values are looked for
_ROWS_FOR_CAUTIONS = 10_000


@checked_names
def scan(
    where: Where | Any,
    columns: Sequence[str] | None = None,
    *,
    schema: SchemaLike = None,
    covariates: Sequence[str] = (),
    key: str | None = None,
    standardise: bool = True,
    like: Layout | None = None,
    dtype: torch.dtype = torch.float32,
    sep: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    encoding: str = "utf-8",
    na_values: Any = None,
    skip: int = 0,
    cache: str | Path | None = None,
    progress: bool = False,
) -> Scan:
    """Open a table larger than memory, which lies in Parquet files.

    CSV files and batches of rows are first written as Parquet.

    Kinds of columns, centres, scales, missing rates and pairs of gaps are found in one pass over
    the rows, part by part, and are those that ``IncompleteData.from_frame`` finds in the whole
    table. All values are checked on the way. No more than a part is in memory:
    65,536 rows, or 8 million values in wide tables.

    Args:
        where: a file, a folder, a pattern such as ``"data/*.parquet"``, or several of them. The
            order of the rows is that of the files' names. CSV files (.csv, .tsv, .gz) are
            converted, by the rules of ``absentia.read_table``. Also a stream of Arrow batches, such
            as that of a database, or tables of pandas, polars or Arrow that follow one another.
        columns: the columns to model; all when left out, but for covariates, the key and the row
            labels that pandas has written. Other columns are carried through unchanged.
        schema: as for ``IncompleteData.from_frame``.
        covariates: as for ``IncompleteData.from_frame``.
        key: a column whose values identify the rows. Rows that are held out or sampled are chosen
            by a hash of it, and all random numbers of :func:`absentia.impute` are hashes of it: a
            row is imputed alike in shuffled files and in a part of the table, up to rounding. When
            left out, the row's position takes its place.
        standardise: as for ``IncompleteData.from_frame``.
        like: data or a fit from which columns, kinds and scale are taken over. The rows are not
            read then before they are needed; schema, covariates and standardise are ignored.
        dtype: the dtype of ``x`` of the parts.
        sep: of CSV files, as for ``absentia.read_table``, and so are the five that follow: the
            character between two fields.
        decimal: the decimal mark.
        thousands: the mark between thousands.
        encoding: the encoding of the text.
        na_values: what else stands for a missing value.
        skip: the number of lines above the column names.
        cache: a folder for the Parquet files of converted tables, in which a CSV file that has not
            changed is found again; when left out, a temporary one that is removed with the scan.
        progress: show a progress bar over the rows.

    Returns:
        The table, for :func:`absentia.fit` and :func:`absentia.impute`.

    Raises:
        TableError: there is no file, a file is damaged or has other columns or types than the
            first one, or a value cannot be used; the message names file, column, row and value.
        ValueError: as ``IncompleteData.from_frame``.

    Warns:
        ColumnWarning: as ``IncompleteData.from_frame``, of what a sample of 10,000 rows shows; and
            of columns that stand in the names of folders only, such as ``year=2024``.

    >>> import tempfile
    >>> import pandas as pd
    >>> import absentia as ab
    >>> folder = tempfile.mkdtemp()
    >>> for k, values in enumerate([[1.0, None, 3.0], [5.0, 7.0]]):
    ...     pd.DataFrame({"a": values}).to_parquet(f"{folder}/{k}.parquet")
    >>> table = ab.scan(folder)
    >>> table
    Scan(5 rows, 1 columns, 20.0% missing; 2 files, 2 parts)
    >>> table.scaler.center, table.part(1).s.flatten().tolist()
    (array([4.]), [True, True])
    """
    check_real(dtype)
    words = words_for_missing(na_values)
    form = CSVFormat(sep, decimal, thousands, encoding, words, skip=skip)
    paths, temporary = _paths(where, cache, form)
    files = Files.of(paths)
    _warn_of_partitions(files)
    if key is not None:
        _check_there(files, [key], "key")
    if like is not None:
        kinds, given = schemas_of(like)
        _check_there(files, [*kinds.names, *(given.names if given else ())], "column")
        found = Scan(files, kinds.names, like.scaler, kinds, given, key, dtype=dtype)
    else:
        chosen = _chosen(files, columns, covariates, key)
        with tqdm(total=files.num_rows, desc="scan", disable=not progress, unit="row") as bar:
            facts = facts_of(files, chosen, covariates, schema, standardise, bar.update)
        names, kinds, given = facts.schema.names, facts.schema, facts.covariate_schema
        found = Scan(files, names, facts.scaler, kinds, given, key, facts.together, dtype)
    if key is not None:
        check_unique(found)
    if temporary is not None:
        weakref.finalize(found, shutil.rmtree, temporary, ignore_errors=True)
    if like is None:
        few = found.sample(_ROWS_FOR_CAUTIONS)
        warn_of_columns(few.values, found.schema, from_array=False)
    return found


def _paths(where: Any, cache: str | Path | None, form: CSVFormat) -> tuple[list[Path], Path | None]:
    """Return the Parquet files, and the temporary folder that they are in, if any."""
    several = isinstance(where, list | tuple) and bool(where)
    named = where if several else [where]
    of_paths = all(isinstance(one, str | os.PathLike) for one in named)
    if of_paths:
        paths = files_of(where, (".parquet", *TEXT))
        if not any(map(is_text, paths)):
            _check_needless(form, "Parquet files")
            return paths, None
    else:
        _check_needless(form, "tables in memory")
    folder = Path(tempfile.mkdtemp(prefix="absentia-scan-") if cache is None else cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if of_paths:
            made = [from_csv(path, folder, form) if is_text(path) else path for path in paths]
        else:
            made = from_batches(where, folder)
    except BaseException:
        if cache is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return made, folder if cache is None else None


def _warn_of_partitions(files: Files) -> None:
    """Warn of columns that stand in the names of folders, which the files themselves lack."""
    absent = [name for name in partition_columns(files.paths) if name not in files.arrow.names]
    if absent:
        warnings.warn(
            f"the folders are named by {', '.join(absent)}, which the files do not hold as columns "
            "and which are left out; to have them, let pyarrow read the folder: "
            "absentia.scan(pyarrow.dataset.dataset(folder, partitioning='hive').scanner()"
            ".to_reader())",
            ColumnWarning,
            stacklevel=5,
        )


def _check_needless(form: CSVFormat, what: str) -> None:
    """Refuse what says how text is read where there is none."""
    if form != CSVFormat():
        raise InputError(
            f"sep, decimal, thousands, encoding, na_values and skip say how CSV files are read, "
            f"and there are {what} only; drop them"
        )


def _chosen(
    files: Files, columns: Sequence[str] | None, covariates: Sequence[str], key: str | None
) -> list[str]:
    """Return the columns to read: those to be modelled, and the covariates among them."""
    for name, given in (("columns", columns), ("covariates", covariates)):
        if isinstance(given, str):
            raise InputError(f"{name} is {given!r}; give a list of names, such as [{given!r}].")
    outside = list(dict.fromkeys(covariates))
    _check_there(files, outside, "covariate")
    if columns is None:
        apart = {*files.index, key, ""}  # a CSV's column without a name holds row labels
        return [name for name in files.arrow.names if name not in apart or name in outside]
    _check_there(files, columns, "column")
    names = list(column_names(columns))
    return [*names, *(name for name in outside if name not in names)]


def _check_there(files: Files, names: Sequence[str], what: str) -> None:
    unknown = [name for name in names if name not in files.arrow.names]
    if unknown:
        raise InputError(
            f"{what} {unknown[0]!r} is not a column of the table; it has "
            f"{', '.join(files.arrow.names)}."
        )
