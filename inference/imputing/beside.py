"""An imputation's means beside observed means and means under missing at random, with warnings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData, Schema
from ...data.errors import AbsentiaWarning

#: how many columns the text of an imputation shows
SHOWN = 10
#: how many columns a sentence names
_NAMED = 4

COLUMNS = ["missing", "observed_mean", "imputed_mean", "at_random_mean", "lowest", "highest",
           "outside"]  # fmt: skip


class OutsideRangeWarning(AbsentiaWarning):
    """The imputed values of a column lie, on average, outside its observed range."""


def beside(data: IncompleteData, imputed: np.ndarray, at_random: np.ndarray) -> pd.DataFrame:
    """Tabulate the means of every column with missing values, in the data's own units.

    Args:
        data: the table.
        imputed: means (M,) of its missing cells, row by row.
        at_random: means (M,) of the same cells under missing at random.
    """
    cells = np.nonzero(~data.s.cpu().numpy())[1]
    rows = {}
    for j, column in enumerate(data.schema):
        mine = cells == j
        if not mine.any() or (column.kind == "categorical" and column.num_values > 2):
            continue
        seen = data.values[:, j][~np.isnan(data.values[:, j])]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (np.nan, np.nan)
        mean, other = float(imputed[mine].mean()), float(at_random[mine].mean())
        if column.levels:
            other = float(np.clip(other, 0, column.num_values - 1))
        mean, other, low, high = (column.as_answers(one) for one in (mean, other, low, high))
        tiny = 1e-6 * max(high - low, abs(high), abs(low))
        outside = bool(mean < low - tiny or mean > high + tiny)
        observed = column.as_answers(float(seen.mean())) if len(seen) else np.nan
        rows[column.name] = (int(mine.sum()), observed, mean, other, low, high, outside)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    frame.index.name = "column"
    return frame.astype({"outside": bool})


def warn_outside(found: pd.DataFrame, schema: Schema, stacklevel: int = 2) -> None:
    """Warn once about all columns whose mean imputed value is outside the observed range."""
    odd = found[found["outside"]]
    if len(odd):
        warnings.warn(outside_sentence(odd, schema), OutsideRangeWarning, stacklevel=stacklevel + 1)


def outside_sentence(odd: pd.DataFrame, schema: Schema) -> str:
    """Write one sentence about columns whose imputed means are outside the observed range."""
    parts = []
    for name, row in odd.head(_NAMED).iterrows():
        mean, other, low, high = (
            readable(row[key], str(name), schema)
            for key in ("imputed_mean", "at_random_mean", "lowest", "highest")
        )
        parts.append(
            f"'{name}' has {mean} on average, while observed values go from {low} to {high} "
            f"(under missing at random: {other})"
        )
    more = len(odd) - _NAMED
    listed = "; ".join(parts) + (f"; and {more} more columns" if more > 0 else "")
    return (
        f"imputed values lie outside the observed range: {listed}. Only the assumed mechanism "
        f"supports such values, not the table; do not use them unless you know that values of this "
        f"size are missing"
    )


def lines(found: pd.DataFrame, schema: Schema) -> list[str]:
    """Write the means side by side as text, the columns with most missing values first."""
    if not len(found):
        return []
    order = found["missing"].sort_values(ascending=False, kind="stable").index[:SHOWN]
    shown = found.loc[order]
    heading = ("means of", "missing", "observed", "imputed", "at random", "")
    table: list[tuple[str, ...]] = [heading]
    for name, row in shown.iterrows():
        values = [
            readable(row[key], str(name), schema)
            for key in ("observed_mean", "imputed_mean", "at_random_mean")
        ]
        odd = "OUTSIDE the observed range" if row["outside"] else ""
        table.append((str(name), str(int(row["missing"])), *values, odd))
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    texts = []
    for cells in table:
        numbers = (c.rjust(w) for c, w in zip(cells[1:-1], widths[1:-1], strict=True))
        texts.append(f"  {cells[0].ljust(widths[0])}  {'  '.join(numbers)}  {cells[-1]}".rstrip())
    more = len(found) - len(shown)
    return texts + ([f"  and {more} more columns: see by_column()"] if more else [])


def readable(value: Any, name: str, schema: Schema) -> str:
    """Format a value of a column in four digits, or as a day in a column of dates."""
    column = schema[name]
    if column.kind == "datetime" and column.origin is not None and np.isfinite(value):
        return str(pd.Timestamp(column.origin + round(float(value) * 1e9)).date())
    return f"{value:.4g}"
