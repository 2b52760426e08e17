"""Coefficients as they are shown: of the log-odds of being missing, in the data's own units.

Mechanisms compute as the paper does, with the log-odds of being *observed*, per standard deviation.
Descriptions, tables, plots and exports show the coefficients that this module converts them to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ...data import IncompleteData

INTERCEPT = "Intercept"


def incomplete(data: IncompleteData) -> Iterator[tuple[int, str]]:
    """List the position and name of every column that has missing values."""
    for j, (name, whole) in enumerate(zip(data.columns, data.s.all(0).tolist(), strict=True)):
        if not whole:
            yield j, name


def term_of(data: IncompleteData, column: int) -> str:
    """Name the term that a coefficient belongs to: the column, or the warped column.

    >>> import pandas as pd
    >>> import absentia as ab
    >>> frame = pd.DataFrame({"pay": [1.0, None, 3.0], "age": [30.0, 40.0, 50.0]})
    >>> term_of(ab.IncompleteData.from_frame(frame, schema={"pay": "positive"}), 0)
    'log(pay)'
    """
    warp, name = data.scaler.warps[column], data.columns[column]
    return name if warp is None else f"{warp.kind}({name})"


def in_own_units(
    data: IncompleteData,
    column: int,
    offset: Tensor,
    slopes: Iterable[tuple[int, Tensor]],
    squares: Sequence[tuple[int, Tensor]] = (),
) -> dict[str, Tensor]:
    """Return the coefficients of one column's absence, named ``"income ~ age"`` as in formulas.

    Args:
        data: the table, for the names and units of its columns.
        column: the column whose absence the coefficients explain.
        offset: the intercept of the log-odds of being **observed**.
        slopes: the coefficients of standardised columns, each with the position of its column.
        squares: the coefficients of their squares, likewise.

    >>> import numpy as np
    >>> import absentia as ab
    >>> data = ab.IncompleteData.from_numpy(np.array([[49.0], [50.0], [51.0]]), columns=["a"])
    >>> own = in_own_units(data, 0, torch.tensor(0.0), [(0, torch.tensor(-1.0))])
    >>> {name: float(value) for name, value in own.items()}          # mean 50, sd 1
    {'a ~ Intercept': -50.0, 'a ~ a': 1.0}
    """
    name = data.columns[column]
    intercept = -offset
    found: dict[str, Tensor] = {}
    for k, slope in slopes:
        center, scale = float(data.scaler.center[k]), float(data.scaler.scale[k])
        found[f"{name} ~ {term_of(data, k)}"] = -slope / scale
        intercept = intercept + slope * (center / scale)
    for k, square in squares:
        center, scale = float(data.scaler.center[k]), float(data.scaler.scale[k])
        term = term_of(data, k)
        own = f"{name} ~ {term}"
        found[own] = found.get(own, torch.zeros_like(square)) + 2 * square * center / scale**2
        found[f"{name} ~ {term}^2"] = -square / scale**2
        intercept = intercept - square * (center / scale) ** 2
    return {f"{name} ~ {INTERCEPT}": intercept, **found}
