"""Options of ``absentia impute`` that contradict each other, refused before any work."""

from __future__ import annotations

from pathlib import Path

import typer

from .common import MechanismName, ModelName, SignName


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
