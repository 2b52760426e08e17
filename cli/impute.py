"""The command ``absentia impute``: complete a table under a model of why values are missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..data.errors import InputError
from ..data.table_files import STANDARD
from .backend_option import BackendOption
from .choices import CalibratedBy, MechanismName, ModelName, ParameterSource
from .console import print_document, quoted, say, talking, warn
from .csv_options import (
    USUAL_CSV,
    USUAL_FINISH,
    USUAL_TALK,
    CSVOptions,
    FinishOptions,
    Table,
    TalkOptions,
    reads_a_table,
)
from .one_line_errors import one_line_errors
from .pool import FAMILY, WEIGHTS, Family, say_answers
from .reading import say_how_it_was_read
from .report import TITLE


@reads_a_table
def impute(
    context: typer.Context,
    table: Table,
    out: Annotated[Path, typer.Option(help="Completed table to write, or - for standard output.")],
    model: Annotated[
        ModelName,
        typer.Option(
            help="not-miwae-mixture (of Normals), not-miwae-ppca (linear) and not-miwae (network) "
            "learn why values are missing; ppca and miwae assume that they are missing at random. "
            "auto is the mixture where all columns are numbers and nothing is said of why values "
            "are missing, else the linear one."
        ),
    ] = ModelName.auto,
    missing: Annotated[
        list[str] | None,
        typer.Option(
            help="Why the values of a column are missing, as a formula: "
            '"income ~ +income + age". Columns without a formula are missing at random. Repeatable.'
        ),
    ] = None,
    missingness: Annotated[
        MechanismName,
        typer.Option(
            help="Why values are missing: a mechanism for all columns. auto assumes none: it "
            "averages over several, column by column, and says which of them the table supports."
        ),
    ] = MechanismName.auto,
    sign: Annotated[
        list[str] | None,
        typer.Option(
            help="Which values tend to be missing: high, low, or free (not known), for limits and "
            "for self-masking, which it stands for where no mechanism is given. For one column: "
            "income=high, or its limit: 'crp=<0.5'. Repeatable."
        ),
    ] = None,
    slope_prior: Annotated[
        str,
        typer.Option(
            help="Prior of the slopes of self-masking whose sign is free: weak, flat (no prior), "
            "or the standard deviation of a Normal prior, per standard deviation of the column."
        ),
    ] = "weak",
    schema: Annotated[
        str | None,
        typer.Option(
            help="Kinds of the columns: a TOML or JSON file, or 'infer' to tell them from the "
            "values. Without it all columns of numbers are continuous."
        ),
    ] = None,
    covariate: Annotated[
        list[str] | None,
        typer.Option(
            help="Column without missing values that formulas may use and that is not modelled. "
            "Repeatable."
        ),
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option(min=1, help="Number of latent variables for each row.")
    ] = None,
    particles: Annotated[
        int | None,
        typer.Option(
            min=1, help="Importance samples for each row; by default as many as it needs."
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of optimiser steps, or of sweeps where parameters are sampled (400 to "
            "1,000 when left out); when left out, other linear models are fitted by L-BFGS until "
            "nothing more is gained, and networks by Adam until held-out rows gain no more.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Highest learning rate; when left out, 0.01 for linear models and 0.002 for "
            "networks.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(max=2**63 - 1, help="Seed of all random numbers.")] = 0,
    draws: Annotated[
        int,
        typer.Option(
            min=0, help="Also write this many completed tables, drawn from the posterior."
        ),
    ] = 0,
    multiple: Annotated[
        int,
        typer.Option(
            min=0,
            help="Multiple imputation: write this many completed tables, each with parameters of "
            "its own, as many under missing at random, and which cells were imputed; analyse them "
            "with absentia pool.",
        ),
    ] = 0,
    parameters: Annotated[
        ParameterSource,
        typer.Option(
            help="Where the parameters of --multiple come from: a Normal approximation of their "
            "posterior (laplace), refits to rows sampled with replacement (bootstrap), ..."
        ),
    ] = ParameterSource.auto,
    formula: Annotated[
        list[str] | None,
        typer.Option(
            help="A regression of the tables of --multiple, such as 'y ~ x + z': it is printed as "
            "absentia pool does, and stands on the page of --report. Repeatable."
        ),
    ] = None,
    family: Annotated[Family, FAMILY] = Family.gaussian,
    weights: Annotated[str | None, WEIGHTS] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that is neither modelled nor changed, such as an identifier or text. "
            "Repeatable."
        ),
    ] = None,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            help="Column that identifies the rows: left out of the model, and written into the "
            "diagnostics, too.",
        ),
    ] = None,
    csv: CSVOptions = USUAL_CSV,
    finish: FinishOptions = USUAL_FINISH,
    talk: TalkOptions = USUAL_TALK,
    save: Annotated[Path | None, typer.Option(help="Folder to save the fitted model in.")] = None,
    fitted: Annotated[
        Path | None,
        typer.Option(help="Folder of a saved model to use instead of fitting one."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="HTML page to write, with assumptions, pictures and diagnostics."),
    ] = None,
    title: Annotated[str, TITLE] = "Analysis of missing values",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File that keeps the state of the fit, so that a stopped fit resumes."),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Also write intervals of this level, such as 0.9, of missing values, to a file "
            'whose name ends in "-intervals".',
        ),
    ] = None,
    calibrate: Annotated[
        CalibratedBy | None,
        typer.Option(
            help="Stretch the intervals of --interval until seen values, with their odds of being "
            "missing, support them; --report shows both, and which columns' margins do not fit. "
            "It may fit the model five times more."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(help="Part by part: the number of parts that are imputed at once.")
    ] = 1,
    backend: BackendOption = None,
) -> None:
    """Complete TABLE under a model of why its values are missing.

    Columns may hold numbers, booleans, text with few distinct values, or dates, and are written
    with the types that they were read with; from CSV to CSV, observed values are written exactly
    as they were read. The diagnostics of each row (effective sample size, Pareto k-hat) are
    written beside OUT, to a file whose name ends in "-rows". With --draws M, a file whose name
    ends in "-draws" holds M completed tables under each other, numbered in column "imputation".
    They belong to one set of parameters; for an analysis give --multiple M, whose tables carry the
    uncertainty about the parameters, too, and pool their estimates with absentia pool.

    A table larger than memory is read part by part where TABLE is a folder of Parquet files or a
    pattern such as "data/*.parquet", and OUT then is a folder, too; the same command goes on with
    the parts that are missing.

    In a CSV, empty cells are missing, and so are words such as NA in columns of numbers. Name
    other codes for missing values, such as -99 or "unknown", with --na-values.
    """
    aside = out == STANDARD or talk.json
    with (
        one_line_errors(_how_to_resume(checkpoint), talk.json),
        talking(talk.quiet, aside, talk.verbose),
    ):
        # here and not above, so that --help need not wait for torch
        from ..data import IncompleteData
        from ..data.table_writing import check_table
        from ..inference import Regression, load
        from ..inference import impute as impute_table
        from ..inference.imputing.calibrated import Calibrate
        from .completed import (
            Places,
            check_draws,
            say_how_far_to_trust,
            write_as_read,
            write_completed,
        )
        from .documents import as_read_document, imputed_document
        from .fields import columns_of, read_fields
        from .finish import digits_in
        from .fitting import build_model, fit_model, read_data, say_why
        from .folders import check_folder_options, impute_folder, is_larger_than_memory
        from .impute_options import (
            carried,
            check_options,
            check_several,
            prior_in,
            signs_of,
            with_limits_of_the_file,
            without_effect,
        )
        from .intervals import check_interval, interval_table
        from .kinds import declared_in
        from .report import write_report
        from .several import answers_in, drawn_tables
        from .suspicions import suspicions

        known = signs_of(sign)
        check_options(context, model, missingness, known, fitted, learning_rate)
        check_several(draws, multiple, parameters, formula, weights)
        prior = prior_in(slope_prior)
        digits_in(finish.digits)
        if talk.json and out == STANDARD:
            raise InputError("--json and --out - both print on standard output; give --out FILE")
        if is_larger_than_memory(table, out):
            check_folder_options(context, table, out)
            return impute_folder(
                table,
                out,
                lambda few: build_model(
                    model, missing, missingness, known, prior, few, latent_dim, seed, learning_rate
                ),
                model=model,
                schema=schema if schema == "infer" else declared_in(schema),
                covariate=covariate,
                leave_out=leave_out,
                id_column=id_column,
                steps=steps,
                learning_rate=learning_rate,
                seed=seed,
                particles=particles,
                draws=draws,
                interval=interval,
                jobs=jobs,
                backend=backend,
                save=save,
                fitted=None if fitted is None else load(fitted),
                checkpoint=checkpoint,
            )
        if jobs != 1 or backend is not None:
            name = "--jobs" if jobs != 1 else "--backend"
            raise InputError(
                f"{name} belongs to a table that is read part by part (a folder of Parquet files, "
                f"or a pattern); drop it"
            )
        by: Calibrate = None if calibrate is None else "odds"
        check_interval(interval, by, max(200, draws), report is not None)
        form = csv.format()
        option = "--multiple" if multiple else "--draws"
        places = Places.beside(
            out, draws > 0, multiple > 0, finish.flags, interval is not None, report, checkpoint
        )
        schema_path = None if schema in (None, "infer") else Path(str(schema))
        places.check([table, schema_path], save, fitted)
        declared = declared_in(schema)
        result = None if fitted is None else load(fitted)
        fields = read_fields(table, declared, columns_of(result), form, csv.sheet)
        say_how_it_was_read(fields)
        check_table(fields.frame, out)
        check_draws(max(draws, 2 * multiple), fields.frame, option)
        for one in formula or []:
            Regression(one, family.value, weights).check(fields.frame)
        untouched = carried(fields.frame, table, leave_out, id_column, covariate)
        # a schema, such as the one that `absentia inspect` writes, may declare columns that are
        # left out here
        declared = {name: kind for name, kind in declared.items() if name not in untouched}
        if (draws or multiple) and "imputation" in fields.frame.columns:
            raise InputError(
                f"the table has a column 'imputation', the name of the column that numbers the "
                f"tables of {option}; rename it"
            )
        modelled = fields.frame.drop(columns=untouched)
        progress = sys.stderr.isatty() and not talk.quiet
        if result is not None:
            data = IncompleteData.from_frame(modelled, like=result)
        else:
            suspected = suspicions(fields, untouched, declared, schema == "infer")
            data = read_data(modelled, table, declared, schema == "infer", covariate, suspected)
            if save is None and not modelled.isna().any(axis=None):
                write_as_read(fields, table, places)
                if talk.json:
                    print_document(as_read_document(fields, places))
                return
            for line in without_effect(missing, known, data.gaps(None), data.columns):
                warn(line)
            words = fields.gaps.read
            known = with_limits_of_the_file(known, missingness, words, data.columns)
            built = build_model(
                model, missing, missingness, known, prior, data, latent_dim, seed, learning_rate
            )
            result = fit_model(built, data, model, steps, learning_rate, seed, checkpoint, progress)
            say_why(result)
            if save is not None:
                result.save(save)
        filled = impute_table(
            result, data, particles or "auto", seed=seed, draws=max(200, draws), progress=progress
        )
        several = drawn_tables(
            result, data, filled, draws, multiple, parameters.value, seed, progress
        )
        ends = None if interval is None else interval_table(filled, interval, by)
        write_completed(filled, fields, data, places, several, id_column, finish, ends)
        say_how_far_to_trust(filled, places.rows)
        asked = answers_in(
            several, fields, data.schema, formula or [], family.value, weights, finish
        )
        for text, found in asked.items():
            say_answers(found, text, 0.95)
        if report is not None:
            write_report(
                result, data, report, filled, seed, table, title, asked, several, calibrate=by
            )
        if out != STANDARD:
            say(f"completed table: {out}")
        if multiple:
            where = quoted(str(places.draws))
            say(f"now analyse the tables: absentia pool {where} 'y ~ x'{csv.typed()}")
        if talk.json:
            print_document(imputed_document(result, filled, fields, places, seed, asked))


def _how_to_resume(checkpoint: Path | None) -> str:
    """Return what the message of a stopped fit says about going on."""
    if checkpoint is None:
        return "give --checkpoint FILE, and a fit that is stopped can be resumed"
    return f"the same command resumes the fit from {checkpoint}"
