"""The files that ``absentia impute`` writes, and the messages about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..data import IncompleteData
from ..data.errors import InputError
from ..data.system.memory import check_memory
from ..data.table_files import TableFile
from ..data.table_writing import write_table, write_tables
from ..inference import Imputation
from .console import counted, say, warn
from .csv_options import FinishOptions
from .fields import Fields
from .finish import finished, indicators
from .paths import check_model_folder, check_outputs, make_folders
from .reading import what_is_missing
from .several import Several, imputed_cells, whole_table


@dataclass(frozen=True)
class Places:
    """The paths of all outputs.

    Attributes:
        out: the completed table.
        rows: the diagnostics of its rows; None if the completed table is printed.
        draws: the completed tables of --draws or --multiple, if any.
        at_random: for --multiple, as many completed tables under missing at random.
        intervals: for --interval, the ends of intervals of its missing values.
        imputed: for --multiple and --flags, the table that says which cells were imputed.
        report: the HTML page, if any.
        checkpoint: the file to resume the fit from, if any.
    """

    out: Path
    rows: Path | None
    draws: Path | None
    at_random: Path | None
    imputed: Path | None
    intervals: Path | None
    report: Path | None
    checkpoint: Path | None

    @classmethod
    def beside(
        cls,
        out: Path,
        draws: bool,
        multiple: bool,
        flags: bool,
        intervals: bool,
        report: Path | None,
        checkpoint: Path | None,
    ) -> Places:
        """Return all paths; those of further tables are made from OUT's.

        Raises:
            TableError: if OUT has the suffix of no table.
            InputError: if draws are asked for and OUT is standard output.
        """
        file = TableFile.of(out)
        if file.standard:
            if draws or multiple or flags or intervals:
                raise InputError(
                    "--out - prints the completed table, and draws, flags and intervals need "
                    "files of their own; give --out FILE"
                )
            return cls(out, None, None, None, None, None, report, checkpoint)
        drawn = file.beside("draws") if draws or multiple else None
        at_random = file.beside("at-random") if multiple else None
        imputed = file.beside("imputed") if multiple or flags else None
        ends = file.beside("intervals") if intervals else None
        return cls(out, file.beside("rows"), drawn, at_random, imputed, ends, report, checkpoint)

    def files(self) -> dict[str, str]:
        """Return the paths of the tables and the page that are written, by what they hold."""
        every = {
            "completed": self.out,
            "rows": self.rows,
            "draws": self.draws,
            "at_random": self.at_random,
            "imputed": self.imputed,
            "intervals": self.intervals,
            "report": self.report,
        }
        return {name: str(path) for name, path in every.items() if path is not None}

    def check(self, inputs: Iterable[Path | None], save: Path | None, fitted: Path | None) -> None:
        """Refuse outputs that would overwrite something else or cannot be written.

        Raises:
            InputError: as :func:`absentia.cli.paths.check_outputs`.
            FileError: likewise.
        """
        tables = (
            self.out, self.rows, self.draws, self.at_random, self.imputed, self.intervals
        )  # fmt: skip
        named = [("--out", path) for path in tables]
        twin = None if self.report is None else self.report.with_suffix(".json")
        named += [("--report", self.report), ("--report", twin), ("--checkpoint", self.checkpoint)]
        check_outputs(inputs, named, {"--save": save, "--fitted": fitted})
        if save is not None:
            check_model_folder(save)


def check_draws(draws: int, frame: pd.DataFrame, option: str = "--draws") -> None:
    """Refuse, before the fit, more completed tables than this machine can hold.

    Args:
        draws: the number of completed tables that are asked for.
        frame: the table, of which each draw is a copy.
        option: the option that asks for them.

    Raises:
        NotEnoughMemoryError: if the copies alone need more memory than there is.
    """
    rows, columns = frame.shape
    copies = f"{option} {draws}: as many copies of {rows} rows and {columns} columns"
    check_memory(8.0 * draws * rows * columns, copies, f"give a smaller {option}")


def write_completed(
    filled: Imputation,
    fields: Fields,
    data: IncompleteData,
    places: Places,
    several: Several,
    id_column: str | None,
    finish: FinishOptions,
    intervals: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Write the completed table, the diagnostics of its rows, and draws: all files or none.

    Returns:
        The completed table, with all columns of the file.

    Raises:
        TableError: as :func:`absentia.data.table_writing.write_tables`.
    """
    further = indicators(fields.frame) if finish.add_indicator else {}

    def written(one: pd.DataFrame, path: Path) -> pd.DataFrame:
        rounded = finished(whole_table(one, fields.frame), fields.frame, data.schema, finish)
        spelled = fields.spelled(rounded, data.schema, path)
        return spelled.assign(**{n: flag.to_numpy() for n, flag in further.items()})

    complete = whole_table(filled.to_frame(), fields.frame)
    tables = {places.out: written(filled.to_frame(), places.out)}
    if places.rows is not None:
        rows = fields.labelled(filled.rows())
        if id_column is not None:
            heading = id_column if id_column not in rows.columns else f"{id_column} (--id)"
            rows.insert(0, heading, fields.column(id_column, places.rows))
        tables[places.rows] = rows
    for path, drawn in ((places.draws, several.drawn), (places.at_random, several.at_random)):
        if path is not None and drawn:
            tables[path] = _stacked([written(one, path) for one in drawn])
    if places.imputed is not None:
        flags = imputed_cells(fields.frame, complete)
        tables[places.imputed] = fields.labelled(flags)
    if places.intervals is not None and intervals is not None:
        tables[places.intervals] = fields.labelled(intervals)
    make_folders([*tables, places.report])
    write_tables(tables, fields.form)
    return complete


def write_as_read(fields: Fields, table: Path, places: Places) -> None:
    """Write a table without missing values as it was read, and warn that it has none.

    Raises:
        TableError: as :func:`absentia.data.table_writing.write_table`.
    """
    warn(
        f"no value is missing in the modelled columns of {table}, so that nothing is "
        f"imputed and no model is fitted ({what_is_missing(fields)})"
    )
    complete = fields.as_read(places.out)
    make_folders([places.out])
    write_table(complete, places.out, fields.form)
    say(f"the table as it was read: {places.out}; no diagnostics, draws or report are written")


def say_how_far_to_trust(filled: Imputation, rows_path: Path | None) -> None:
    """Print the means beside those under missing at random, and the quality of the weights.

    Good weights show that the imputations are those of the model, not that the model is right.
    """
    say(repr(filled))
    unreliable = int((~filled.reliable).sum())
    if np.isnan(filled.khat).all():
        warn("too few particles for a Pareto k-hat; give --particles 1000")
    elif unreliable:
        where = "" if rows_path is None else f"see {rows_path}, and "
        warn(
            f"the importance weights of {counted(unreliable, 'row')} are unreliable (their Pareto "
            f"k-hat is above the threshold); {where}"
            f"give more particles, such as --particles 10000"
        )


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Stack the tables under each other, numbered from 1."""
    for number, one in enumerate(tables, start=1):
        one.insert(0, "imputation", number)
    return pd.concat(tables, ignore_index=isinstance(tables[0].index, pd.RangeIndex))
