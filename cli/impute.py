"""The command ``absentia impute``: complete a table under a model of why values are missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..data.errors import InputError
from .choices import MechanismName, ModelName
from .console import say
from .csv_options import USUAL_CSV, CSVOptions, reads_a_table
from .one_line_errors import one_line_errors
from .reading import say_how_it_was_read


@reads_a_table
def impute(
    context: typer.Context,
    table: Annotated[Path, typer.Argument(help="CSV or Parquet; empty cells are missing.")],
    out: Annotated[Path, typer.Option(help="Completed table, CSV or Parquet.")],
    model: Annotated[ModelName, typer.Option(help="Model family.")] = ModelName.not_miwae_ppca,
    missing: Annotated[
        list[str] | None,
        typer.Option(
            help='Why a column\'s values are absent, as a formula: "income ~ +income + age"; '
            "repeatable. Columns without one are missing at random."
        ),
    ] = None,
    missingness: Annotated[
        MechanismName, typer.Option(help="Why values are absent, by name, for all columns.")
    ] = MechanismName.self_masking,
    sign: Annotated[
        list[str] | None,
        typer.Option(
            help="For self-masking and limits, which values go missing: high, low or free (not "
            "known); of one column as income=high, repeatable."
        ),
    ] = None,
    slope_prior: Annotated[
        str,
        typer.Option(
            help="Prior on slopes of self-masking whose sign is free: 'weak', 'flat' (none), or "
            "the sd of a Normal, per sd of the column."
        ),
    ] = "weak",
    schema: Annotated[
        str | None,
        typer.Option(
            help="What the columns are: a TOML or JSON file, or 'infer' to go by their values; "
            "without it every number is continuous."
        ),
    ] = None,
    covariate: Annotated[
        list[str] | None,
        typer.Option(help="Complete column for formulas that is not modelled; repeatable."),
    ] = None,
    latent_dim: Annotated[int | None, typer.Option(min=1, help="Latent dimensions.")] = None,
    particles: Annotated[int, typer.Option(min=1, help="Importance samples a row.")] = 1000,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 5000,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="Peak rate.")] = None,
    seed: Annotated[int, typer.Option(max=2**63 - 1, help="Seed of everything random.")] = 0,
    draws: Annotated[
        int, typer.Option(min=0, help="Also write this many posterior draws of the table.")
    ] = 0,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Column to carry through untouched (an identifier, text); repeatable."),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id", help="Column that says who a row is: carried through, and into OUT's rows."
        ),
    ] = None,
    csv: CSVOptions = USUAL_CSV,
    save: Annotated[Path | None, typer.Option(help="Folder to save the fitted model in.")] = None,
    fitted: Annotated[
        Path | None, typer.Option(help="Use a saved model instead of fitting one.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="HTML page to write: assumptions, pictures, diagnostics.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to resume the fit from if it is killed.")
    ] = None,
) -> None:
    """Complete TABLE under a model of why its values are missing.

    Columns may be numbers, booleans, text with few distinct values and dates, and come back as
    they were read: whole numbers whole, and from CSV to CSV what was there verbatim. Beside OUT
    stands OUT's name with "-rows": diagnostics a row (ESS, Pareto k-hat). With --draws M a table
    "-draws" holds M completed tables under each other, numbered in column "imputation".

    In a CSV empty cells are missing, and words such as NA in columns of numbers; of other codes
    (-99, "unknown") tell with --na-values.
    """
    with one_line_errors(_going_on(checkpoint)):
        # here and not above, so that --help need not wait for torch
        from ..data import IncompleteData
        from ..data.tables import check_table
        from ..inference import impute as impute_table
        from ..inference import load
        from .completed import (
            Places,
            check_draws,
            say_how_far_to_trust,
            write_as_read,
            write_completed,
        )
        from .fields import columns_of, read_fields
        from .fitting import build_model, fit_model, read_data
        from .impute_options import carried, check_options, prior_in, signs_of
        from .kinds import declared_in
        from .report import write_report
        from .suspicions import suspicions

        known = signs_of(sign)
        check_options(context, model, missingness, known, fitted, learning_rate)
        prior = prior_in(slope_prior)
        form = csv.format()
        places = Places.beside(out, draws > 0, report, checkpoint)
        schema_path = None if schema in (None, "infer") else Path(str(schema))
        places.check([table, schema_path], save, fitted)
        declared = declared_in(schema)
        result = None if fitted is None else load(fitted)
        fields = read_fields(table, declared, columns_of(result), form)
        say_how_it_was_read(fields)
        check_table(fields.frame, out)
        check_draws(draws, fields.frame)
        untouched = carried(fields.frame, table, leave_out, id_column, covariate)
        # a schema may speak of the whole table, as that of inspect does
        declared = {name: kind for name, kind in declared.items() if name not in untouched}
        if draws and "imputation" in fields.frame.columns:
            raise InputError("column 'imputation' is also the number of a draw; rename it")
        modelled = fields.frame.drop(columns=untouched)
        progress = sys.stderr.isatty()
        if result is not None:
            data = IncompleteData.from_frame(modelled, like=result)
        else:
            suspected = suspicions(fields, untouched, declared, schema == "infer")
            data = read_data(modelled, table, declared, schema == "infer", covariate, suspected)
            if save is None and not modelled.isna().any(axis=None):
                write_as_read(fields, table, places)
                return
            built = build_model(model, missing, missingness, known, prior, data, latent_dim, seed)
            result = fit_model(built, data, model, steps, learning_rate, seed, checkpoint, progress)
            if save is not None:
                result.save(save)
        filled = impute_table(
            result, data, particles, seed=seed, draws=max(200, draws), progress=progress
        )
        write_completed(filled, fields, data, places, draws, id_column)
        say_how_far_to_trust(filled, places.rows)
        if report is not None:
            write_report(result, data, report, filled, seed)
        say(f"completed table: {out}")


def _going_on(checkpoint: Path | None) -> str:
    if checkpoint is None:
        return "give --checkpoint FILE, and a fit that is stopped goes on where it was"
    return f"the same command goes on from {checkpoint}"
