"""The section on intervals: whether seen values support them, and calibrated ones beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...data.errors import InputError
from ..checks import check_cells
from ..imputing.imputation import Imputation
from ..plots import plot_cell_check
from .section import Section

_LEVEL = 0.9
_TEXT = (
    "Seen values of incomplete columns were predicted from the rest of their rows as if they were "
    "missing, and count with the odds of being missing that the fitted mechanism gives them. If "
    "these odds are right, missing values are inside the model's own 90 % intervals as often as "
    "these are, and inside calibrated ones, which are stretched until seen values support them, at "
    "least nine times in ten over a column. No seen value can show whether the odds are right."
)


def intervals(filled: Imputation, columns: Sequence[str]) -> tuple[Section, dict[str, str]]:
    """Return the section, and for each column that was checked whether its margin fits.

    Args:
        filled: the imputation, with draws.
        columns: the columns that have figures.
    """
    found = Section("Do intervals of missing values hold?")
    try:
        checked = check_cells(filled)
        table = filled.calibration(_LEVEL)
    except InputError as error:
        found.text = f"Intervals are those of the model and cannot be calibrated: {error}."
        return found, {}
    if not len(table):
        found.text = "No number is missing, so that there are no intervals to calibrate."
        return found, {}
    found.text = _TEXT
    found.table("90 % intervals, the model's own and calibrated", _beside(filled, table))
    found.frames["intervals"], found.frames["margins"] = table, checked.columns
    refused = table.loc[table["refused"] != "", "refused"]
    found.points = [
        f"'{name}' keeps the model's own intervals: {why}." for name, why in refused.items()
    ]
    misfits = {name: text for name, text in checked.columns["finding"].items() if text}
    found.points += [
        f"The margin of '{name}' does not fit: {text}." for name, text in misfits.items()
    ]
    shown = [name for name in columns if name in checked.pit.index]
    if shown:
        found.figure(
            "Where seen values fall in their predictions (flat if the margin fits), and how many "
            "of them central intervals hold (on the diagonal if these are right)",
            plot_cell_check,
            checked,
            shown,
        )
    words = {
        str(name): f"does not fit: {text.partition(':')[0]}" if text else "fits"
        for name, text in checked.columns["finding"].items()
    }
    return found, words


def _beside(filled: Imputation, table: pd.DataFrame) -> pd.DataFrame:
    """Return mean widths of intervals by column, and what seen values say of them."""
    own = filled.interval(_LEVEL)
    calibrated = filled.interval(_LEVEL, calibrate="odds", refused="plain")
    gone = np.isnan(filled.data.values)
    rows = {}
    for name, row in table.iterrows():
        j = filled.data.columns.index(str(name))
        unit = filled.data.schema[str(name)].kind != "datetime"  # whose numbers are no widths
        widths = [
            float((high - low)[gone[:, j], j].mean()) if unit else np.nan
            for low, high in (own, calibrated)
        ]
        inside = "" if np.isnan(row["plain"]) else f"{100 * row['plain']:.0f}\u00a0%"
        stretch = "" if row["refused"] else f"{row['stretch']:.2f}"
        rows[name] = (inside, *widths, stretch, f"{row['effective']:.0f} of {row['cells']}")
    names = [
        "seen values inside the model's own",
        "mean width, the model's own",
        "calibrated",
        "stretched by",
        "seen values count for",
    ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("column")
