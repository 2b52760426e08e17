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
    check_writable,
    console,
    errors,
    one_line_errors,
    schema_for,
    shown,
)


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
    checkpoint: Annotated[
        Path | None, typer.Option(help="File to resume the fit from if it is killed.")
    ] = None,
) -> None:
    """Complete TABLE under a model of why its values are missing.

    Columns may be numbers, booleans, text with few distinct values and dates, and come back as
    they were read. Beside OUT stands OUT's name with "-rows": diagnostics a row (ESS, Pareto
    k-hat). With --draws M a table "-draws" holds M completed tables under each other, numbered in
    column "imputation".
    """
    with one_line_errors():
        _check_options(context, model, missingness, sign, fitted)
        rows_path = out.with_name(f"{out.stem}-rows{out.suffix}")
        draws_path = out.with_name(f"{out.stem}-draws{out.suffix}")
        written = [out, rows_path, *([draws_path] if draws else [])]
        from ..data import IncompleteData
        from ..data.tables import check_suffix, read_table, write_table
        from ..inference import fit, load
        from ..inference import impute as impute_table

        check_suffix(out)
        if table.resolve() in {path.resolve() for path in written}:
            raise ValueError(f"{table} would be overwritten; give another name with --out")
        for path in [*written, *filter(None, [checkpoint, save and save / "model.json"])]:
            check_writable(path)
        frame = read_table(table)
        if draws and "imputation" in frame.columns:
            raise ValueError("column 'imputation' is also the number of a draw; rename it")
        unknown = sorted(set(leave_out or []) - set(frame.columns))
        if unknown:
            raise ValueError(f"{table} has no column '{unknown[0]}' to leave out")
        modelled = frame.drop(columns=leave_out or [])
        progress = sys.stderr.isatty()
        if fitted is not None:
            result = load(fitted)
            data = IncompleteData.from_frame(modelled, like=result)
        else:
            data = IncompleteData.from_frame(
                modelled, schema=schema_for(modelled, schema), covariates=covariate or []
            )
            console.print(f"{table}: {data}", highlight=False, soft_wrap=True)
            console.print(shown(data.schema.describe(), "columns", "column"))
            built = _build(model, missing, missingness, sign, data, latent_dim, seed)
            _say(str(built.missingness.describe(data)))
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
            console.print(f"bound {result.bound:.3f} nats a row", highlight=False)
            if not model.value.startswith(("ppca", "miwae")):
                learnt = result.model.missingness.describe(data)
                _say(f"learnt: {learnt}")
            if save is not None:
                result.save(save)
        filled = impute_table(
            result, data, particles, seed=seed, num_draws=max(200, draws), progress=progress
        )
        write_table(_whole(filled.to_frame(), frame), out)
        write_table(filled.rows(), rows_path)
        if draws:
            write_table(_stacked(filled.frames(draws), frame), draws_path)
        console.print(repr(filled), highlight=False)
        unreliable = int((~filled.reliable).sum())
        if np.isnan(filled.khat).all():
            errors.print("warning: too few particles for a Pareto k-hat; give --particles 1000")
        elif unreliable:
            errors.print(
                f"warning: {unreliable} rows have a Pareto k-hat above the threshold; see "
                f"{rows_path} and raise --particles",
                soft_wrap=True,
            )
        console.print(f"completed table: {out}", highlight=False, soft_wrap=True)


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


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
    if sign is not SignName.free and not missingness.value.startswith("self-masking"):
        raise ValueError(f"--sign belongs to self-masking, not to {missingness.value}")


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


def _stacked(tables: list[pd.DataFrame], frame: pd.DataFrame) -> pd.DataFrame:
    whole = [_whole(table, frame) for table in tables]
    for number, one in enumerate(whole, start=1):
        one.insert(0, "imputation", number)
    return pd.concat(whole, ignore_index=isinstance(frame.index, pd.RangeIndex))
