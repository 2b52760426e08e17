"""``absentia impute``: complete a table under a model of why its values are missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from .common import (
    MechanismName,
    ModelName,
    SignName,
    advise,
    check_inputs_survive,
    check_writable,
    console,
    declared_in,
    errors,
    one_line_errors,
    say,
    shown,
)
from .report import write_report


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
        SignName, typer.Option(help="For self-masking: which values go missing, if known.")
    ] = SignName.free,
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
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    draws: Annotated[
        int, typer.Option(min=0, help="Also write this many posterior draws of the table.")
    ] = 0,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Column to carry through untouched (an identifier, text); repeatable."),
    ] = None,
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
    """
    with one_line_errors():
        _check_options(context, model, missingness, sign, fitted)
        if learning_rate == 0:
            raise ValueError("--learning-rate is 0, at which nothing is learnt; give more than 0")
        rows_path = out.with_name(f"{out.stem}-rows{out.suffix}")
        draws_path = out.with_name(f"{out.stem}-draws{out.suffix}")
        written = [out, rows_path, *([draws_path] if draws else []), *([report] if report else [])]
        from ..data import IncompleteData
        from ..data.tables import check_suffix, write_table
        from ..inference import fit, load
        from ..inference import impute as impute_table
        from .fields import read_fields

        check_suffix(out)
        inferred = schema == "infer"
        schema_path = None if schema is None or inferred else Path(schema)
        check_inputs_survive([table, schema_path, checkpoint], written)
        if checkpoint is not None and checkpoint.resolve() == table.resolve():
            raise ValueError(f"{table} would be overwritten; give another name with --checkpoint")
        for path in [*written, *filter(None, [checkpoint, save and save / "model.json"])]:
            check_writable(path)
        declared = declared_in(schema)
        result = None if fitted is None else load(fitted)
        fields = read_fields(table, declared, None if result is None else result.schema)
        frame = fields.frame
        if draws and "imputation" in frame.columns:
            raise ValueError("column 'imputation' is also the number of a draw; rename it")
        unknown = sorted(set(leave_out or []) - set(frame.columns))
        if unknown:
            raise ValueError(f"{table} has no column '{unknown[0]}' to leave out")
        for given, option in ((covariate, "--covariate"), (declared, "--schema")):
            both = sorted(set(leave_out or []) & set(given or []))
            if both:
                raise ValueError(f"--leave-out and {option} both name column '{both[0]}'; drop one")
        modelled = frame.drop(columns=leave_out or [])
        progress = sys.stderr.isatty()
        if result is not None:
            data = IncompleteData.from_frame(modelled, like=result)
        else:
            try:
                data = IncompleteData.from_frame(
                    modelled, schema="infer" if inferred else declared, covariates=covariate or []
                )
            except ValueError:
                advise(modelled, declared)
                raise
            say(f"{table}: {data}")
            console.print(shown(data.schema.describe(), "columns", "column"))
            built = _build(model, missing, missingness, sign, data, latent_dim, seed)
            say(str(built.missingness.describe(data)))
            linear = model in (ModelName.not_miwae_ppca, ModelName.ppca)
            rate = learning_rate or (1e-2 if linear else 2e-3)
            result = fit(
                built,
                data,
                steps=steps,
                learning_rate=rate,
                seed=seed,
                progress=progress,
                checkpoint=checkpoint,
            )
            say(f"bound {result.bound:.3f} nats a row")
            if not model.value.startswith(("ppca", "miwae")):
                learnt = result.model.missingness.describe(data)
                say(f"learnt: {learnt}")
            if save is not None:
                result.save(save)
        filled = impute_table(
            result, data, particles, seed=seed, num_draws=max(200, draws), progress=progress
        )
        fields.write(_whole(filled.to_frame(), frame), data.schema, out)
        write_table(fields.labelled(filled.rows()), rows_path)
        if draws:
            tables = [_whole(one, frame) for one in filled.frames(draws)]
            spelled = [fields.spelled(one, data.schema, draws_path) for one in tables]
            write_table(_stacked(spelled), draws_path)
        say(repr(filled))
        unreliable = int((~filled.reliable).sum())
        if np.isnan(filled.khat).all():
            say("warning: too few particles for a Pareto k-hat; give --particles 1000", errors)
        elif unreliable:
            say(
                f"warning: {unreliable} rows have a Pareto k-hat above the threshold; see "
                f"{rows_path} and raise --particles",
                errors,
            )
        if report is not None:
            write_report(result, data, report, filled, seed)
        say(f"completed table: {out}")


def _check_options(
    context: typer.Context,
    model: ModelName,
    missingness: MechanismName,
    sign: SignName,
    fitted: Path | None,
) -> None:
    """Refuse options that would have no effect."""
    given = {
        name
        for name in (
            "model",
            "missing",
            "missingness",
            "sign",
            "schema",
            "covariate",
            "latent_dim",
            "steps",
            "learning_rate",
            "save",
            "checkpoint",
        )
        if _source(context, name) != "DEFAULT"
    }
    if fitted is not None and given:
        raise ValueError(f"--{min(given).replace('_', '-')} has no effect with --fitted; drop it")
    ignorable = model in (ModelName.miwae, ModelName.ppca)
    if ignorable and given & {"missing", "missingness", "sign"}:
        raise ValueError(
            f"{model.value} takes values to be missing at random; --missing, --missingness and "
            f"--sign go with not-miwae and not-miwae-ppca"
        )
    if "missing" in given and given & {"missingness", "sign"}:
        raise ValueError(
            "--missing says it column by column; drop --missingness and --sign (a direction is "
            "written into the formula: 'income ~ +income')"
        )
    limit = missingness is MechanismName.limit
    signed = limit or missingness.value.startswith("self-masking")
    if sign is not SignName.free and not signed:
        raise ValueError(
            f"--sign belongs to self-masking and to limits, not to {missingness.value}"
        )
    if limit and sign is SignName.free:
        raise ValueError("a limit hides one side: give --sign high or --sign low")


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "DEFAULT" if source is None else source.name


def _build(
    model: ModelName,
    missing: list[str] | None,
    missingness: MechanismName,
    sign: SignName,
    data: Any,
    latent_dim: int | None,
    seed: int,
) -> Any:
    from ..models import MIWAE, PPCA, NotMIWAE, NotMIWAEPPCA

    if model is ModelName.miwae:
        return MIWAE(data, latent_dim=latent_dim, seed=seed)
    if model is ModelName.ppca:
        return PPCA(data, latent_dim=latent_dim, seed=seed)
    make = NotMIWAE if model is ModelName.not_miwae else NotMIWAEPPCA
    if missing:
        return make(data, missing, latent_dim=latent_dim, seed=seed)
    known = {SignName.high: "+", SignName.low: "-", SignName.free: None}[sign]
    return make(data, missingness.value, sign=known, latent_dim=latent_dim, seed=seed)


def _whole(completed: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The completed table with the columns that were left out, where they stood."""
    return pd.DataFrame({name: completed.get(name, column) for name, column in frame.items()})


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The tables under each other, numbered from 1."""
    for number, one in enumerate(tables, start=1):
        one.insert(0, "imputation", number)
    return pd.concat(tables, ignore_index=isinstance(tables[0].index, pd.RangeIndex))
