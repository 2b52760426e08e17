"""The fit of ``absentia impute``: the data, the model that its options name, and the fit."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..data import IncompleteData
from ..data.columns.cautions import ColumnWarning
from ..data.scan import Scan
from ..inference import FitResult, fit
from ..inference.fitting.usual import usual_settings
from ..models import RowModel
from ..models.missingness.averaged import AveragedMissingness
from ..models.zoo.chosen import BUILDERS, chosen_for
from ..models.zoo.mechanism_names import SlopePrior
from .choices import MechanismName, ModelName
from .console import console, listed, say, warn
from .frames import shown
from .kinds import advise
from .pace import lines_on_the_way, say_how_long
from .paths import make_folders
from .suspicions import Suspicion, lines_of

#: the most columns that are described on a line each
_MOST_ROWS = 20


def read_data(
    modelled: pd.DataFrame,
    table: Path,
    declared: Mapping[str, Any],
    inferred: bool,
    covariate: list[str] | None,
    suspected: list[Suspicion],
) -> IncompleteData:
    """Read the table as model data and print what its columns are.

    Raises:
        InputError: if a column cannot be modelled; names it and the option that helps.
    """
    try:
        with warnings.catch_warnings():
            # these warnings are printed below, with the options that help
            warnings.simplefilter("ignore", ColumnWarning)
            data = IncompleteData.from_frame(
                modelled, schema="infer" if inferred else declared, covariates=covariate or []
            )
    except ValueError:
        for line in lines_of(suspected):
            say(f"note: {line}")
        advise(modelled, declared, {one.column: one.option for one in suspected})
        raise
    say(f"{table}: {data}")
    for line in lines_of(suspected):
        warn(line)
    say_columns(data.schema.describe())
    return data


def say_columns(described: pd.DataFrame) -> None:
    """Print what the columns are; where there are many, columns that are alike share a line."""
    if len(described) <= _MOST_ROWS:
        console.print(shown(described, "columns", "column"))
        return
    say("columns")
    for (kind, values, dtype, why), those in described.groupby(
        ["kind", "values", "dtype", "why"], sort=False
    ):
        say(f"  {kind} ({values}; {dtype}; {why}): {listed(those.index, 20)}")


def fit_model(
    built: RowModel,
    data: IncompleteData,
    model: ModelName,
    steps: int | None,
    learning_rate: float | None,
    seed: int,
    checkpoint: Path | None,
    progress: bool,
    whole: Scan | None = None,
) -> FitResult:
    """Fit the model, and print what it assumes and what it has learnt.

    Where the table is larger than memory, ``whole`` is the table, and ``data`` some of its rows.
    """
    make_folders([checkpoint])
    averaged = isinstance(built.missingness, AveragedMissingness)
    if averaged:
        say("why values are missing is not assumed: several reasons are weighed for each column")
    else:
        assumed = built.missingness.describe(data)
        say(f"{assumed.title}\n{assumed.summary()}" if assumed.wide else str(assumed))
    settings = usual_settings(built, data, steps, learning_rate)
    if whole is None and not built.missingness.ignorable:
        say_how_long(built, data, settings, seed)
    result = fit(
        built,
        data if whole is None else whole,
        seed=seed,
        progress=progress,
        checkpoint=checkpoint,
        callback=lines_on_the_way(),
        **settings,
    )
    say(f"bound {result.bound:.3f} nats per row")
    if not (averaged or built.missingness.ignorable):
        # everything but the equations was printed before the fit
        say(f"learnt:\n{result.model.missingness.describe(data).equations()}")
    return result


def say_why(result: FitResult) -> None:
    """Print why values are missing, if nothing was assumed; columns share lines in wide tables."""
    said = result.why_missing() if result.odds_in_words() else {}
    if len(said) <= _MOST_ROWS:
        for name, words in said.items():
            say(f"why missing: {name}: {words}")
        return
    alike: dict[str, list[str]] = {}
    for name, words in said.items():
        # without the numbers of the column
        what = re.sub(r"^[\d.]+ ", "", re.split(r" \(|: ", words)[0])
        alike.setdefault(what, []).append(name)
    for what, names in alike.items():
        say(f"why missing: {what} ({len(names)} columns): {listed(names, 20)}")
    say("fit.why_missing() has the odds of each column; see --save, and absentia.load in Python")


def build_model(
    model: ModelName,
    missing: list[str] | None,
    missingness: MechanismName,
    sign: str | dict[str, str] | None,
    slope_prior: SlopePrior,
    data: IncompleteData,
    latent_dim: int | None,
    seed: int,
    learning_rate: float | None = None,
) -> RowModel:
    """Build the model that the options name; ``auto`` leaves the choice to the table."""
    if model in (ModelName.miwae, ModelName.ppca):
        return BUILDERS[model.value](data, latent_dim=latent_dim, seed=seed)
    why = missing or missingness.value
    if model is ModelName.auto:
        make = chosen_for(data, why, sign, slope_prior, sampled=learning_rate is None)
    else:
        make = BUILDERS[model.value]
    if missing:
        return make(data, missing, latent_dim=latent_dim, seed=seed)
    return make(
        data,
        missingness.value,
        sign=sign,
        slope_prior=slope_prior,
        latent_dim=latent_dim,
        seed=seed,
    )
