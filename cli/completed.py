"""What ``absentia impute`` writes, and what it says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .common import errors, say
from .fields import Fields


def write_completed(
    filled: Any, fields: Fields, data: Any, out: Path, rows_path: Path, draws_path: Path, draws: int
) -> None:
    """Write the completed table, the diagnostics of its rows, and draws of it.

    Raises:
        TableError: as :func:`absentia.data.tables.write_table`.
    """
    from ..data.tables import write_table

    fields.write(_whole(filled.to_frame(), fields.frame), data.schema, out)
    write_table(fields.labelled(filled.rows()), rows_path)
    if draws:
        tables = [_whole(one, fields.frame) for one in filled.frames(draws)]
        spelled = [fields.spelled(one, data.schema, draws_path) for one in tables]
        write_table(_stacked(spelled), draws_path)


def say_how_far_to_trust(filled: Any, rows_path: Path) -> None:
    """Print how good the weights are, and what to do about poor ones."""
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


def _whole(completed: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The completed table with the columns that were left out, where they stood."""
    return pd.DataFrame({name: completed.get(name, column) for name, column in frame.items()})


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The tables under each other, numbered from 1."""
    for number, one in enumerate(tables, start=1):
        one.insert(0, "imputation", number)
    return pd.concat(tables, ignore_index=isinstance(tables[0].index, pd.RangeIndex))
