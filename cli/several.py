"""The multiple imputation of ``absentia impute``: completed tables, also at random, and flags."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from ..data import IncompleteData
from ..data.errors import InputError
from ..inference import FitResult, Imputation, fit, multiple_imputation
from ..inference.uncertainty.sources import Parameters
from ..models import PPCA
from .console import say


class Several(NamedTuple):
    """Completed tables in their original dtypes.

    Attributes:
        drawn: those of the model.
        at_random: as many under missing at random, for comparison; empty where the model assumes
            that itself, or where parameters are not drawn.
    """

    drawn: list[pd.DataFrame]
    at_random: list[pd.DataFrame]


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
    say(f"{multiple} completed tables, each with its own parameters ({_source(tables.parameters)})")
    if result.model.missingness.ignorable:
        return Several(list(tables), [])
    plain = fit(PPCA(data, seed=seed), data, seed=seed, progress=False, check=False)
    at_random = multiple_imputation(plain, data, multiple, seed=seed, progress=progress)
    return Several(list(tables), list(at_random))


def _source(parameters: str) -> str:
    return {
        "laplace": "drawn from a Normal approximation of their posterior",
        "posterior": "drawn from their posterior",
        "bootstrap": "refitted to rows sampled with replacement",
    }.get(parameters, parameters)


def imputed_cells(frame: pd.DataFrame, completed: pd.DataFrame) -> pd.DataFrame:
    """Return a table of the same columns, 1 where a cell was imputed and 0 elsewhere."""
    flags = frame.isna() & completed.notna()
    return flags.astype("int64")
