"""The table of columns: kinds, gaps, and means and sd before and after the imputation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ..imputing.beside import readable
from ..imputing.imputation import Imputation

CAPTION = (
    "Columns: means and sd of what was observed and of the completed table, the mean of what was "
    "imputed beside the one at random (a short PPCA fit). Where these two differ, the assumed "
    "mechanism makes the difference"
)


def _telling(why: str | None) -> bool:
    """Whether the reason for a column's kind says more than how the file stores it."""
    return bool(why) and not str(why).startswith("dtype")


def column_table(
    data: IncompleteData, filled: Imputation, margins: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return one row a column, for a reader; dates are shown as days.

    Args:
        data: the table.
        filled: its imputation.
        margins: by column, whether its margin fits, where this was checked.
    """
    means = filled.by_column()
    described = data.describe()
    completed = filled.mean
    rows: dict[str, dict[str, Any]] = {}
    for j, column in enumerate(data.schema):
        known = described.loc[column.name]
        values = column.as_answers(completed[:, j])
        ordered = column.kind != "categorical" or column.num_values <= 2
        numeric = ordered and column.kind != "datetime"
        row = {
            "kind": f"{column.kind} ({column.why})" if _telling(column.why) else column.kind,
            "missing": f"{known['missing']} ({100 * known['share']:.1f}\u00a0%)",
            "mean, observed": known["mean"] if numeric else np.nan,
            "completed": float(values.mean()) if numeric else np.nan,
            "sd, observed": known["sd"] if numeric else np.nan,
            "completed ": float(np.std(values, ddof=1)) if numeric and len(values) > 1 else np.nan,
            "mean, imputed": "",
            "at random": "",
            "observed range": "",
        }
        if column.name in means.index:
            found = means.loc[column.name]
            low, high, imputed, random = (
                readable(found[key], column.name, data.schema)
                for key in ("lowest", "highest", "imputed_mean", "at_random_mean")
            )
            row["mean, imputed"] = f"{imputed} (OUTSIDE)" if found["outside"] else imputed
            row["at random"], row["observed range"] = random, f"{low} to {high}"
        if margins:
            row["margin"] = margins.get(column.name, "")
        rows[column.name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("column")
