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
    analysis: Callable[[pd.DataFrame], Any],
    deltas: Sequence[float],
    *,
    level: float = 0.95,
) -> SensitivityCurve:
    """Return the answer if missing values of ``column`` were delta sd higher than at random.

    A pattern-mixture model (Little, JASA 1993): p(x | s = 0) is that of a missing-at-random model,
    moved by delta; at 0 it is that model (the anchor). In the Gaussian case a logistic selection
    slope a on the log-odds of being missing amounts to delta = a v / sd, with v the variance of
    the value given what was observed of its row. No refit and no weights are needed, and nothing in
    the data speaks for one delta or another.

    Args:
        tables: of a missing-at-random model: :func:`absentia.multiple_imputation` of a MIWAE or
            PPCA.
        column: a real column.
        analysis: of one completed table: what :func:`absentia.pool` takes, or a number or Series
            (of what it is then the finite table's own).
        deltas: in standard deviations of the column, as observed.

    Raises:
        ValueError: for a column that is not there or has no numbers to shift.

    >>> import numpy as np
    >>> import absentia as ab
    >>> table = np.random.default_rng(0).normal(size=(60, 2))
    >>> table[:20, 0] = np.nan
    >>> data = ab.IncompleteData.from_numpy(table, columns=["a", "b"])
    >>> mar = ab.fit(ab.PPCA(data, latent_dim=1), data, steps=50, progress=False)
    >>> tables = ab.multiple_imputation(mar, data, m=5, parameters="fixed")
    >>> mean = lambda t: t["a"].mean()
    >>> curve = ab.sensitivity.delta_sensitivity(tables, "a", mean, deltas=[0, 0.5])
    >>> rise = curve.of()["estimate"].diff().iloc[1]  # a third of the rows, by half a sd
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
            f"column '{column}' is {kind}: adding to it gives values that it does not take; "
            f"use slope_sensitivity, whose mechanism makes its high values likelier to be missing"
        )
    return list(data.columns).index(column)
