"""The command line: ``absentia demo`` and ``absentia impute``."""

from __future__ import annotations

import os

# OpenMP threads that spin while they wait cost more than they bring as soon as anything else runs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    help="Impute tables whose values are missing because of what they are (MNAR).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)


class ModelName(StrEnum):
    """The models by name."""

    not_miwae_ppca = "not-miwae-ppca"
    not_miwae = "not-miwae"
    ppca = "ppca"
    miwae = "miwae"


class MechanismName(StrEnum):
    """The mechanisms by name."""

    self_masking = "self-masking"
    self_masking_probit = "self-masking-probit"
    linear = "linear"
    nonlinear = "nonlinear"


class SignName(StrEnum):
    """What is known of the direction of self-masking."""

    high = "high"
    low = "low"
    free = "free"


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("absentia-demo"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps of each fit.")] = 4000,
) -> None:
    """Make real breast-cancer data MNAR, fit, impute, and compare with what was hidden."""
    with _one_line_errors():
        _check_writable(out / "figures.json")
        from .experiments.demo import LEVEL, run_demo

        result = run_demo(out, seed, steps, sys.stderr.isatty(), console.print)
        table = Table(title=f"{result.cells} hidden values, errors in sd of the complete columns")
        for heading in ("method", "RMSE", "bias", f"{100 * LEVEL:.0f} % intervals cover"):
            table.add_column(heading, justify="left" if heading == "method" else "right")
        table.add_column("rows with good k-hat", justify="right")
        table.add_column("seconds", justify="right")
        for score in result.scores:
            table.add_row(
                score.method,
                f"{score.rmse:.3f}",
                f"{score.bias:+.3f}",
                _percent(score.coverage),
                _percent(score.reliable),
                f"{score.seconds:.1f}",
            )
        console.print(table)
        for what, path in result.files.items():
            console.print(f"{what}: {path}", highlight=False, soft_wrap=True)
        console.print(f"done in {result.seconds:.0f} s", highlight=False)


@app.command()
def impute(
    context: typer.Context,
    table: Annotated[Path, typer.Argument(help="CSV or Parquet; empty cells are missing.")],
    out: Annotated[Path, typer.Option(help="Completed table, CSV or Parquet.")],
    model: Annotated[ModelName, typer.Option(help="Model family.")] = ModelName.not_miwae_ppca,
    missingness: Annotated[
        MechanismName, typer.Option(help="Why values are absent (not-miwae models).")
    ] = MechanismName.self_masking,
    sign: Annotated[
        SignName, typer.Option(help="For self-masking: which values go missing, if known.")
    ] = SignName.free,
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

    Beside OUT stands OUT's name with "-rows": diagnostics a row (ESS, Pareto k-hat). With --draws
    M a table "-draws" holds M completed tables under each other, numbered in column "imputation".
    """
    with _one_line_errors():
        _check_options(context, model, missingness, sign, fitted)
        rows_path = out.with_name(f"{out.stem}-rows{out.suffix}")
        draws_path = out.with_name(f"{out.stem}-draws{out.suffix}")
        written = [out, rows_path, *([draws_path] if draws else [])]
        from .data import IncompleteData
        from .data.tables import check_suffix, read_table, write_table
        from .inference import fit, load
        from .inference import impute as impute_table

        check_suffix(out)
        if table.resolve() in {path.resolve() for path in written}:
            raise ValueError(f"{table} would be overwritten; give another name with --out")
        for path in [*written, *filter(None, [checkpoint, save and save / "model.json"])]:
            _check_writable(path)
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
            data = IncompleteData.from_frame(modelled)
            console.print(f"{table}: {data}", highlight=False, soft_wrap=True)
            built = _build(model, missingness, sign, data, latent_dim, seed)
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
            if save is not None:
                result.save(save)
        filled = impute_table(
            result, data, particles, seed=seed, num_draws=max(200, draws), progress=progress
        )
        write_table(_as_given(filled.to_frame(), frame), out)
        write_table(filled.rows(), rows_path)
        if draws:
            write_table(_stacked(filled, draws, frame), draws_path)
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
            "missingness",
            "sign",
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
    if ignorable and given & {"missingness", "sign"}:
        raise ValueError(
            f"{model.value} takes values to be missing at random; --missingness and --sign go "
            f"with not-miwae and not-miwae-ppca"
        )
    if sign is not SignName.free and not missingness.value.startswith("self-masking"):
        raise ValueError(f"--sign belongs to self-masking, not to {missingness.value}")


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "DEFAULT" if source is None else source.name


def _build(
    model: ModelName,
    missingness: MechanismName,
    sign: SignName,
    data: Any,
    latent_dim: int | None,
    seed: int,
) -> Any:
    from .models import MIWAE, PPCA, NotMIWAE, NotMIWAEPPCA

    if model is ModelName.miwae:
        return MIWAE(data, latent_dim=latent_dim, seed=seed)
    if model is ModelName.ppca:
        return PPCA(data, latent_dim=latent_dim, seed=seed)
    known = {SignName.high: "+", SignName.low: "-", SignName.free: None}[sign]
    make = NotMIWAE if model is ModelName.not_miwae else NotMIWAEPPCA
    return make(data, missingness.value, sign=known, latent_dim=latent_dim, seed=seed)


def _as_given(completed: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The completed table with the columns that had nothing missing, or were left out, as read."""
    return pd.DataFrame(
        {
            name: completed[name] if name in completed and column.isna().any() else column
            for name, column in frame.items()
        }
    )


def _stacked(filled: Any, draws: int, frame: pd.DataFrame) -> pd.DataFrame:
    tables = [_as_given(filled.to_frame(values), frame) for values in filled.draws(draws)]
    for number, one in enumerate(tables, start=1):
        one.insert(0, "imputation", number)
    return pd.concat(tables, ignore_index=isinstance(frame.index, pd.RangeIndex))


def _percent(share: float | None) -> str:
    return "" if share is None or np.isnan(share) else f"{100 * share:.1f} %"


def _check_writable(path: Path) -> None:
    """Fail before an hour of fitting rather than after it."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot write '{path}': {error.strerror} ('{folder}')") from error
    if not os.access(folder, os.W_OK):
        raise OSError(f"cannot write '{path}': '{folder}' cannot be written to")
    if path.is_dir():
        raise OSError(f"cannot write '{path}': it is a folder; give the name of a file")


class _one_line_errors:
    """A mistake in the input ends in one line and exit status 2; a bug keeps its traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError | OSError | FloatingPointError):
            errors.print(f"error: {error}", highlight=False, markup=False, soft_wrap=True)
            raise typer.Exit(2) from None


if __name__ == "__main__":
    app()
