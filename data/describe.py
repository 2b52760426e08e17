"""The description of a table by columns, as a pandas user expects it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from .columns.column import Column
    from .table_tensors import TableTensors

COLUMNS = ["kind", "observed", "missing", "share", "mean", "sd", "lowest", "highest", "levels"]


def described(data: TableTensors) -> pd.DataFrame:
    """Tabulate what each column is, how much of it is missing, and its observed values.

    The mean of a binary column is the share of its second level; that of an ordinal one is of its
    levels, if these are numbers equally far apart, and else of their places 0, 1, ...; categories
    and dates have no mean.
    """
    rows = {column.name: _row(column, data.values[:, j]) for j, column in enumerate(data.schema)}
    found = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    return found.rename_axis("column")


def _row(column: Column, values: np.ndarray) -> tuple[Any, ...]:
    seen = values[~np.isnan(values)]
    missing = len(values) - len(seen)
    share = missing / len(values)
    numbers: list[Any] = [np.nan] * 4
    ordered = not (column.levels and len(column.levels) > 2 and column.kind != "ordinal")
    if len(seen) and column.kind == "datetime":
        assert column.origin is not None
        ends = [
            pd.Timestamp(column.origin + round(float(v) * 1e9)) for v in (seen.min(), seen.max())
        ]
        numbers[2:] = ends
    elif len(seen) and ordered:
        answers = column.as_answers(seen)
        sd = float(answers.std(ddof=1)) if len(seen) > 1 else np.nan
        numbers = [float(answers.mean()), sd, float(seen.min()), float(seen.max())]
        if column.levels:
            numbers[2:] = [column.levels[int(seen.min())], column.levels[int(seen.max())]]
    levels = ", ".join(map(str, column.levels or ()))
    return (column.kind, len(seen), missing, share, *numbers, levels)
