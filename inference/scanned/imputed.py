"""Imputation of a table larger than memory, part by part, into a folder of Parquet files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import torch
from tqdm import tqdm

from ...data import IncompleteData
from ...data.columns.column import Column
from ...data.errors import AbsentiaWarning, InputError
from ...data.foreign import as_frame
from ...data.scan import Scan
from ...data.scan.filled import filled
from ...data.scan.keys import keys_of
from ...data.scan.out_folder import OutFolder
from ...data.system.backends import on_backend
from ...data.system.files import atomic_path
from ...data.system.workers import in_workers, workers_stopped_with_us
from ..imputing.imputation import Imputation
from ..imputing.settings import ImputeSettings
from ..imputing.tables import impute, impute_rows
from ..prepare import Fitted, check_was_fitted, fit_of, model_of
from ..randomness.points import seed_of
from .digest import digest_of

#: rows that are imputed together, whatever files and parts they lie in; fewer in wide tables
_BLOCK, _VALUES_OF_A_BLOCK, _SMALLEST_BLOCK = 4_096, 262_144, 256
#: what is imputed to warn of slopes and means, as impute does of a table in memory
_ROWS_TO_CHECK, _PARTICLES_TO_CHECK = 1_000, 200


@dataclass(frozen=True)
class FilledFolder:
    """The result of imputing a table larger than memory: folders of Parquet files.

    Attributes:
        path: the folder of the completed table.
        rows: the folder of the diagnostics of its rows.
        draws: the folder of the completed tables that were drawn, if any.
        intervals: the folder of the ends of intervals, if any.
        num_rows: the number of rows.
        num_parts: the number of files in each folder.
    """

    path: Path
    rows: Path
    draws: Path | None
    intervals: Path | None
    num_rows: int
    num_parts: int

    def summary(self) -> dict[str, float]:
        """Return the shares of rows with good weights and of refined rows, and the mean ESS."""
        names = ["weights_good", "refined", "ess"]
        sums = np.zeros(3)
        for batch in ds.dataset(self.rows, format="parquet").to_batches(columns=names):
            sums += [np.asarray(column.to_numpy(False), float).sum() for column in batch.columns]
        good, refined, ess = (sums / self.num_rows).tolist()
        return {"weights_good": good, "refined_rows": refined, "mean_ess": ess}


@dataclass(frozen=True)
class Filling:
    """What a worker needs to know of a run: the fit, the table, the settings and the folder."""

    fitted: Fitted
    scan: Scan
    settings: ImputeSettings
    m: int
    interval: float | None
    out: OutFolder
    block: int


def impute_scan(
    fitted: Fitted,
    scan: Scan,
    out: str | Path | None,
    settings: ImputeSettings,
    *,
    m: int,
    interval: float | None,
    jobs: int,
    backend: str | None,
    rows_per_file: int,
    progress: bool,
    check: bool,
    unfitted: bool,
) -> FilledFolder:
    """Impute a scan into a folder; :func:`absentia.impute` describes the arguments."""
    if out is None:
        raise InputError(
            "the table is a scan, whose completed rows need not fit into memory; give "
            "out='folder' for them"
        )
    if interval is not None and not 0 < interval < 1:
        raise InputError(f"interval is {interval}; give a probability such as 0.9")
    if m < 0:
        raise InputError(f"m is {m}; give the number of completed tables to draw, or 0")
    if jobs == 0:
        raise InputError("jobs is 0; give the number of processes, or -1 for one per core")
    if rows_per_file < 1:
        raise InputError(f"rows_per_file is {rows_per_file}; give at least 1")
    if not unfitted:
        check_was_fitted(fitted)
    _check_columns(fitted, scan, m)
    block = _rows_of_a_block(len(scan.columns))
    further = ("rows", *(["draws"] if m else []), *(["intervals"] if interval else []))
    per_file = -(-rows_per_file // block) * block
    folder = OutFolder(Path(out), further, scan.num_rows, per_file)
    filling = Filling(fitted, scan, settings, m, interval, folder, block)
    todo = folder.open(_identity(filling))
    if check and len(todo) == folder.num_parts:  # told before hours of work, and once
        few = scan.sample(_ROWS_TO_CHECK, settings.seed)
        impute(fitted, few, _PARTICLES_TO_CHECK, draws=1, refine=False, unfitted=True)
    done = scan.num_rows - sum(len(folder.rows_of(k)) for k in todo)
    with (
        tqdm(
            total=scan.num_rows,
            initial=done,
            desc="impute",
            disable=not progress,
            unit="row",
            unit_scale=True,
        ) as bar,
        on_backend(backend, jobs),
        workers_stopped_with_us(),
    ):
        for rows in in_workers(fill_part, ((filling, k) for k in todo), jobs):
            bar.update(rows)
    folder.finish()
    beside = {name: folder.beside(name) for name in further}
    return FilledFolder(
        folder.path,
        beside["rows"],
        beside.get("draws"),
        beside.get("intervals"),
        scan.num_rows,
        folder.num_parts,
    )


def fill_part(filling: Filling, k: int) -> int:
    """Impute the rows of a part, write its files, and return their number.

    The rows are imputed in blocks that begin at multiples of the same number of rows of the whole
    table, each with random numbers of its own and by one thread: a block's results are the same to
    the last bit in whatever part, process or order it is computed.
    """
    scan, out = filling.scan, filling.out
    rows = out.rows_of(k)
    table = scan.files.range(rows.start, rows.stop)
    columns = _columns_of(filling.fitted, scan)
    pieces: dict[str, list[pa.Table]] = {"": [], "rows": [], "intervals": []}
    with ExitStack() as stack:
        # left in the reverse order: the completed rows are moved to their place last, which ends
        # the part
        paths = {
            name: stack.enter_context(atomic_path(out.file(k, name or None)))
            for name in ("", *out.further)
        }
        drawn = stack.enter_context(_Tables(paths["draws"])) if filling.m else None
        with _one_thread():
            for first in range(0, len(rows), filling.block):
                part, start = table.slice(first, filling.block), rows.start + first
                found = _imputed(filling, part, start)
                pieces[""].append(_completed(part, found.to_frame(), columns))
                pieces["rows"].append(_diagnostics(filling, part, found, start))
                if filling.interval is not None:
                    pieces["intervals"].append(_interval(part, found, columns, filling.interval))
                if drawn is not None:
                    drawn.write(_drawn(part, found, columns, filling.m))
        for name in paths.keys() - {"draws"}:
            with _Tables(paths[name]) as whole:
                whole.write(pa.concat_tables(pieces[name]).unify_dictionaries())
    return len(rows)


class _Tables:
    """A Parquet file that tables of one schema are written to, one after another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table.cast(self.writer.schema))

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()


def _imputed(filling: Filling, part: pa.Table, start: int) -> Imputation:
    scan, settings = filling.scan, filling.settings
    number = start // filling.block
    data: IncompleteData = scan.read(part.select(scan.read_columns), start)
    keys = None
    if scan.key is not None:
        keys = keys_of(as_frame(part.select([scan.key])).iloc[:, 0])
    elif number:
        settings = replace(settings, seed=seed_of(f"{settings.seed} block {number}"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AbsentiaWarning)  # of the whole table, not of each block
        return impute_rows(filling.fitted, data, settings, keys=keys, check=False, unfitted=True)


def _completed(part: pa.Table, frame: pd.DataFrame, columns: dict[str, Column]) -> pa.Table:
    """Return the rows with their gaps filled, and all else as it was."""
    for j, name in enumerate(part.column_names):
        if name in columns:
            whole = filled(part.column(j), frame[name], columns[name])
            part = part.set_column(j, part.schema.field(j).with_type(whole.type), whole)
    return part


def _diagnostics(filling: Filling, part: pa.Table, found: Imputation, start: int) -> pa.Table:
    """Return the diagnostics of the rows, under their positions and keys."""
    table = pa.Table.from_pandas(found.rows(), preserve_index=False)
    places = pa.array(np.arange(start, start + len(part)))
    key = filling.scan.key
    if key is not None and key not in table.column_names:
        table = table.add_column(0, part.schema.field(key), part.column(key))
    return table.add_column(0, "row", places)


def _interval(
    part: pa.Table, found: Imputation, columns: dict[str, Column], level: float
) -> pa.Table:
    """Return the ends of the intervals of the missing values, null where a value is observed."""
    ends = [found.data.to_frame(values) for values in found.interval(level)]
    arrays: dict[str, pa.ChunkedArray] = {}
    for name, column in columns.items():
        if column.kind == "categorical" and column.num_values > 2:
            continue  # without an order there is no interval
        for end, frame in zip(("lower", "upper"), ends, strict=True):
            arrays[f"{name}_{end}"] = filled(part.column(name), frame[name], column, True)
    return pa.table(arrays)


def _drawn(part: pa.Table, found: Imputation, columns: dict[str, Column], m: int) -> pa.Table:
    """Return the rows of as many completed tables, under each other and numbered from 1."""
    tables = []
    for number, frame in enumerate(found.frames(m), start=1):
        counted = pa.array(np.full(len(part), number, dtype=np.int32))
        completed = _completed(part, frame, columns)
        tables.append(completed.add_column(0, "imputation", counted))
    return pa.concat_tables(tables).unify_dictionaries()


def _columns_of(fitted: Fitted, scan: Scan) -> dict[str, Column]:
    """Return what each completed column is, as the fit has it."""
    fit = fit_of(fitted)
    schema = scan.schema if fit is None or fit.schema is None else fit.schema
    return {column.name: column for column in schema}


def _check_columns(fitted: Fitted, scan: Scan, m: int) -> None:
    """Refuse, before any work, columns other than those of the fit."""
    fit = fit_of(fitted)
    wanted = tuple(model_of(fitted).columns if fit is None else fit.columns)
    if fit is not None and scan.columns != wanted:
        raise InputError(
            f"the fit has the columns {list(wanted)}, and the scan {list(scan.columns)}; scan the "
            "files with like=fit"
        )
    if m and "imputation" in scan.files.arrow.names:
        raise InputError(
            "the table has a column 'imputation', the name of the column that numbers the draws; "
            "rename it"
        )


def _rows_of_a_block(num_columns: int) -> int:
    """Return the rows of a block, a power of two that follows from the number of columns alone."""
    block = _BLOCK
    while block > _SMALLEST_BLOCK and block * num_columns > _VALUES_OF_A_BLOCK:
        block //= 2
    return block


def _identity(filling: Filling) -> dict[str, Any]:
    """Return what tells a folder from others: data, fit and settings."""
    scan, out = filling.scan, filling.out
    counts: dict[Path, int] = {}
    for part in scan.parts:
        counts[part.file] = counts.get(part.file, 0) + part.rows
    above = os.path.commonpath([path.parent for path in counts])
    files = {
        os.path.relpath(path, above): [rows, path.stat().st_size] for path, rows in counts.items()
    }
    by_key = {} if scan.key is None else {"key": scan.key}
    return {
        "table": files,
        "fit": digest_of(filling.fitted),
        "settings": {
            **filling.settings.to_dict(),
            "m": filling.m,
            "interval": filling.interval,
            "rows_per_file": out.rows_per_file,
            "block": filling.block,
            **by_key,
        },
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute by one thread, since sums over several depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
