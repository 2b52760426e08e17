"""The multiple imputation of ``absentia impute``: tables, also at random, flags, answers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from ..data import IncompleteData, Schema
from ..data.errors import AbsentiaWarning, InputError
from ..inference import (
    FitResult,
    Imputation,
    MultipleImputation,
    Regression,
    fit,
    multiple_imputation,
)
from ..inference.report.answers import source_in_words
from ..inference.uncertainty.sources import Parameters
from ..models import PPCA
from .console import say, warn
from .csv_options import FinishOptions
from .fields import Fields
from .finish import finished
from .pooling import Answers, answers_from
from .words import at_the_shell


class Several(NamedTuple):
    """Completed tables in their original dtypes.

    Attributes:
        drawn: those of the model.
        at_random: as many under missing at random, for comparison; empty where the model assumes
            that itself, or where parameters are not drawn.
        multiple: the multiple imputation that the first are of, for --multiple.
        plain: that of the others.
    """

    drawn: list[pd.DataFrame]
    at_random: list[pd.DataFrame]
    multiple: MultipleImputation | None = None
    plain: MultipleImputation | None = None


def drawn_tables(
    result: FitResult,
    data: IncompleteData,
    filled: Imputation,
    draws: int,
    multiple: int,
    parameters: Parameters,
    seed: int,
    progress: bool,
) -> Several:
    """Return the tables that --draws or --multiple ask for.

    Raises:
        InputError: --multiple is asked for a table that the model was not fitted to.
    """
    if not multiple:
        return Several(filled.frames(draws) if draws else [], [])
    if result.rows is not None and result.rows != len(data):
        raise InputError(
            f"the model was fitted to {result.rows} rows and the table has {len(data)}: --multiple "
            f"draws parameters given the rows of the fit; give --draws, or fit the model anew"
        )
    tables = multiple_imputation(
        result, data, multiple, parameters=parameters, seed=seed, progress=progress
    )
    source = source_in_words(tables.parameters)
    say(f"{multiple} completed tables, each with its own parameters ({source})")
    if result.model.missingness.ignorable:
        return Several(list(tables), [], tables)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        plain = fit(PPCA(data, seed=seed), data, seed=seed, progress=False, check=False)
        at_random = multiple_imputation(plain, data, multiple, seed=seed, progress=progress)
    for one in heard:
        if issubclass(one.category, AbsentiaWarning):
            warn(f"of the tables under missing at random: {at_the_shell(str(one.message))}")
    return Several(list(tables), list(at_random), tables, at_random)


def answers_in(
    several: Several,
    fields: Fields,
    schema: Schema,
    formulas: Sequence[str],
    family: Any,
    weights: str | None,
    finish: FinishOptions,
) -> dict[str, Answers]:
    """Return the pooled answer of each formula: what ``absentia pool`` finds in the files.

    Raises:
        AnalysisError: a regression fails; names the table.
    """
    frame = fields.frame

    def whole(tables: list[pd.DataFrame]) -> dict[int, pd.DataFrame]:
        return {
            k: finished(whole_table(one, frame), frame, schema, finish)
            for k, one in enumerate(tables, start=1)
        }

    drawn, under = whole(several.drawn), whole(several.at_random)
    return {
        formula: answers_from(Regression(formula, family, weights), drawn, under, frame, 0.95)
        for formula in formulas
    }


def whole_table(completed: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the completed table with the columns that were left out back in their places."""
    return pd.DataFrame({name: completed.get(name, column) for name, column in frame.items()})


def imputed_cells(frame: pd.DataFrame, completed: pd.DataFrame) -> pd.DataFrame:
    """Return a table of the same columns, 1 where a cell was imputed and 0 elsewhere."""
    flags = frame.isna() & completed.notna()
    return flags.astype("int64")
