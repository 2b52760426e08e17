"""Pattern mixtures: missing values differ from those expected at random by a given shift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...data import IncompleteData
from ...data.errors import InputError
from ..uncertainty.multiple import MultipleImputation
from .curve import SensitivityCurve, analysed, rows_of


def delta_sensitivity(
    tables: MultipleImputation,
    column: str,
    analysis: Callable[[pd.DataFrame], Any] | str,
    deltas: Sequence[float],
    *,
    level: float = 0.95,
) -> SensitivityCurve:
    """Return the answer if missing values were higher than at random by delta standard deviations.

    A pattern-mixture model (Little, JASA 1993): p(x | s = 0) is that of a missing-at-random model,
    shifted by delta; at delta = 0 it is that model. In the Gaussian case a slope a of the log-odds
    of being missing has the same effect as delta = a v / sd, with v the variance of the value given
    what was observed of its row. No refit and no weights are needed, and nothing in the data tells
    which delta is right.

    Args:
        tables: what :func:`absentia.multiple_imputation` returns for a missing-at-random model,
            such as a MIWAE or PPCA.
        column: the continuous column whose missing values are shifted.
        analysis: the analysis of one completed table. It returns what :func:`absentia.pool` takes
            (a formula stands for a linear regression),
            or a number or a Series; these describe the table itself, and get the variance 0.
        deltas: the shifts, in standard deviations of the column's observed values.
        level: the coverage of the intervals, a probability.

    Raises:
        ValueError: for a column that the table does not have, or that is not continuous.

    >>> import numpy as np
    >>> import absentia as ab
    >>> table = np.random.default_rng(0).normal(size=(60, 2))
    >>> table[:20, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(table, columns=["a", "b"])
    >>> mar = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=50, progress=False)
    >>> tables = ab.multiple_imputation(mar, data, m=5, parameters="fixed")
    >>> mean = lambda t: t["a"].mean()
    >>> curve = ab.sensitivity.delta_sensitivity(tables, "a", mean, deltas=[0, 0.5])
    >>> rise = curve.of()["estimate"].diff().iloc[1]  # a third of the rows, by half an sd
    >>> bool(np.isclose(rise, 0.5 * data.scaler.scale[0] / 3))
    True
    """
    data = tables.data
    j = shiftable(data, column)
    missing = ~data.s[:, j].cpu().numpy()
    step = float(data.scaler.scale[j])
    found = []
    for delta in deltas:
        moved = tables.values.copy()
        moved[:, missing, j] += delta * step
        frames = (data.to_frame(values) for values in moved)
        found.append(rows_of(analysed(frames, analysis, level), delta, "shifted", np.nan))
    return SensitivityCurve(pd.concat(found, ignore_index=True), "shift in sd", column, level)


def shiftable(data: IncompleteData, column: str) -> int:
    """Return the position of a continuous column, and refuse any other.

    Raises:
        ValueError: there is no such column, or it is not continuous.
    """
    if column not in data.columns:
        raise InputError(f"there is no column '{column}'; give one of {', '.join(data.columns)}")
    kind = data.schema[column].kind
    if kind != "continuous":
        raise InputError(
            f"column '{column}' is {kind}: shifted, it would have values that it cannot take; "
            f"use slope_sensitivity, whose mechanism makes its high values likelier to be missing"
        )
    return list(data.columns).index(column)
