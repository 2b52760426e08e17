"""Imputation of a table that is larger than memory, from Parquet files into a folder of them."""

from __future__ import annotations

import glob
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from ..data import IncompleteData
from ..data.columns.cautions import ColumnWarning
from ..data.errors import InputError
from ..data.scan import Scan, scan
from ..inference import FitResult, impute
from ..models import RowModel
from .choices import ModelName
from .console import console, say, warn
from .fitting import fit_model, say_columns, say_why
from .impute_options import was_given
from .paths import check_model_folder, check_outputs

#: the rows of the sample from which the model is made, and that L-BFGS fits
_ROWS_IN_MEMORY = 50_000
#: options of tables in memory
_OF_MEMORY = (
    "multiple", "parameters", "formula", "family", "weights", "report", "title", "sep", "decimal",
    "thousands", "encoding", "na_values", "keep_na", "date_format", "skip", "drop_empty", "sheet",
    "digits", "flags", "add_indicator", "json", "calibrate",
)  # fmt: skip


def is_larger_than_memory(table: Path, out: Path) -> bool:
    """Whether TABLE is to be read part by part: a folder, a pattern, or Parquet into a folder."""
    if table.is_dir():
        return True
    if not table.exists() and glob.has_magic(str(table)):
        return True
    return table.suffix.lower() == ".parquet" and out.suffix == "" and str(out) != "-"


def check_folder_options(context: typer.Context, table: Path, out: Path) -> None:
    """Refuse options that have no effect on a table that is read part by part.

    Raises:
        InputError: for such an option, or an output that is a file.
    """
    if out.suffix:
        raise InputError(
            f"{table} is not a file: Parquet files are read from it part by part, and --out {out} "
            "must be a folder"
        )
    for name in _OF_MEMORY:
        if was_given(context, name):
            raise InputError(
                f"--{name.replace('_', '-')} belongs to a table in memory, and this one is read "
                "part by part; drop it"
            )
    if table.is_dir() and table.resolve() in out.resolve().parents:
        raise InputError(
            f"--out {out} lies in the folder that is read, {table}; give a folder elsewhere"
        )


def impute_folder(
    table: Path,
    out: Path,
    build: Callable[[IncompleteData], RowModel],
    *,
    model: ModelName,
    schema: Any,
    covariate: list[str] | None,
    leave_out: list[str] | None,
    id_column: str | None,
    steps: int | None,
    learning_rate: float | None,
    seed: int,
    particles: int | None,
    draws: int,
    interval: float | None,
    jobs: int,
    backend: str | None,
    save: Path | None,
    fitted: FitResult | None,
    checkpoint: Path | None,
) -> None:
    """Scan the files, fit the model unless one is given, and impute the rows part by part."""
    check_outputs([], [("--out", out / "part"), ("--checkpoint", checkpoint)], {"--save": save})
    if save is not None:
        check_model_folder(save)
    progress = sys.stderr.isatty() and not console.quiet
    rows = _scanned(table, schema, covariate, leave_out, id_column, fitted, progress)
    say(f"{table}: {rows}")
    say_columns(rows.schema.describe())
    result = fitted
    if result is None:
        # as fit reads it, so that the rows are not read twice
        few = rows.sample(min(_ROWS_IN_MEMORY, len(rows)), seed)
        built = build(few)
        result = fit_model(
            built, few, model, steps, learning_rate, seed, checkpoint, progress, whole=rows
        )
        say_why(result)
        if save is not None:
            result.save(save)
    made = impute(
        result,
        rows,
        particles or "auto",
        out=out,
        m=draws,
        interval=interval,
        jobs=jobs,
        backend=backend,
        seed=seed,
        progress=progress,
    )
    found = made.summary()
    say(
        f"{made.num_rows} rows, weights good in {100 * found['weights_good']:.1f} % of rows, "
        f"{100 * found['refined_rows']:.1f} % of rows refined"
    )
    if found["weights_good"] < 1:
        warn(
            "the importance weights of some rows are unreliable (their Pareto k-hat is "
            f"above the threshold); see {made.rows}"
        )
    say(f"completed table: {made.path}")


def _scanned(
    table: Path,
    schema: Any,
    covariate: list[str] | None,
    leave_out: list[str] | None,
    id_column: str | None,
    fitted: FitResult | None,
    progress: bool,
) -> Scan:
    """Open the files with the columns that are not left out."""
    if fitted is not None:
        return scan(str(table), like=fitted, key=id_column, progress=progress)
    names = None
    if leave_out:
        # the columns without reading a row: the layout is not needed yet
        names = columns_of(table, leave_out, id_column, covariate)
    with warnings.catch_warnings():
        warnings.simplefilter("always", ColumnWarning)
        return scan(
            str(table),
            names,
            schema=schema,
            covariates=covariate or [],
            key=id_column,
            progress=progress,
        )


def columns_of(
    table: Path, leave_out: list[str], id_column: str | None, covariate: list[str] | None
) -> list[str]:
    """List the columns to be modelled: all but those left out, the key and the covariates.

    Raises:
        InputError: a column that is left out does not exist.
    """
    from ..data.scan.files import Files, files_of

    files = Files.of(files_of(table))
    for name in leave_out:
        if name not in files.arrow.names:
            raise InputError(f"{table} has no column '{name}' (--leave-out)")
        if name in (covariate or []):
            raise InputError(f"--leave-out and --covariate both name column '{name}'; drop one")
    apart = {*leave_out, *files.index, *(covariate or []), id_column}
    kept = [name for name in files.arrow.names if name not in apart]
    if not kept:
        raise InputError(
            f"every column of {table} is left out; drop --leave-out for those to be modelled"
        )
    return kept
