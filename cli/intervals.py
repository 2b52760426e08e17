"""The option --interval of a table in memory: the ends of intervals of its missing values."""

from __future__ import annotations

import pandas as pd

from ..data.errors import InputError
from ..inference import Imputation
from ..inference.imputing.calibrated import Calibrate
from .console import warn


def check_interval(interval: float | None, calibrate: Calibrate, draws: int, report: bool) -> None:
    """Refuse a level that is no probability, and a calibration of nothing.

    Raises:
        InputError: for these, and for a level that the draws of an imputation do not reach.
    """
    if interval is not None and not 0 < interval < 1:
        raise InputError(f"--interval is {interval:g}; give a probability such as 0.9")
    if interval is not None and (1 - interval) / 2 * (draws + 1) < 1:
        needed = round(2 / (1 - interval))
        raise InputError(
            f"--interval {interval:g} needs {needed} draws, and {draws} are kept; give a lower "
            f"level, or --draws {needed}"
        )
    if calibrate is not None and interval is None and not report:
        raise InputError(
            "--calibrate calibrates the intervals of --interval and --report; give --interval 0.9, "
            "too"
        )


def interval_table(filled: Imputation, level: float, calibrate: Calibrate) -> pd.DataFrame:
    """Return the ends of intervals, NAME_lower and NAME_upper, empty where a value was seen.

    Columns of which nothing is missing have none. Where a column cannot be calibrated, its
    intervals are the model's own, and a warning says why.

    Args:
        filled: the imputation.
        level: the coverage.
        calibrate: ``"odds"`` to calibrate the intervals, None for those of the model.
    """
    ends = filled.interval(level, calibrate=calibrate, refused="plain", frame=True)
    if calibrate is not None:
        for name, why in filled.calibration(level)["refused"].items():
            if why:
                warn(f"intervals of '{name}' are the model's own and not calibrated: {why}")
    gone = pd.DataFrame(filled.data.values, columns=list(filled.data.columns)).isna()
    found = {}
    for column in filled.data.schema:
        if (column.kind == "categorical" and column.num_values > 2) or not gone[column.name].any():
            continue  # without an order there is no interval
        for end, table in zip(("lower", "upper"), ends, strict=True):
            found[f"{column.name}_{end}"] = table[column.name].where(gone[column.name].to_numpy())
    return pd.DataFrame(found)
