"""Options of ``absentia impute`` that contradict each other, refused before any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import typer

from .common import MechanismName, ModelName, SignName, listed


def check_options(
    context: typer.Context,
    model: ModelName,
    missingness: MechanismName,
    sign: SignName,
    fitted: Path | None,
    learning_rate: float | None,
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
    if learning_rate == 0:
        raise ValueError("--learning-rate is 0, at which nothing is learnt; give more than 0")


def _source(context: typer.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    return "DEFAULT" if source is None else source.name


def carried(
    frame: pd.DataFrame,
    table: Path,
    leave_out: list[str] | None,
    id_column: str | None,
    covariate: list[str] | None,
    declared: Iterable[str],
) -> list[str]:
    """The columns that are carried through untouched.

    Raises:
        ValueError: a column that is not there, or that another option wants to be read.
    """
    named = [("--leave-out", name) for name in leave_out or []]
    named += [] if id_column is None else [("--id", id_column)]
    for option, name in named:
        if name not in frame.columns:
            raise ValueError(
                f"{table} has no column '{name}' ({option}); it has {listed(frame.columns, 10)}"
            )
        for given, other in ((covariate, "--covariate"), (declared, "--schema")):
            if name in (given or []):
                raise ValueError(f"{option} and {other} both name column '{name}'; drop one")
    untouched = list(dict.fromkeys(name for _, name in named))
    if len(untouched) == len(frame.columns):
        raise ValueError(f"every column of {table} is left out: there is nothing to model")
    return untouched
