"""The target of a table, as the model that predicts it knows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...data import IncompleteData, Standardiser


def with_matching_target(model: Any, data: IncompleteData) -> IncompleteData:
    """The data with their target in the predictor's units; without it for a model with none.

    :raises ValueError: a target of another kind, or with other levels.
    """
    if data.target is None:
        return data
    predictor = getattr(model, "predictor", None)
    if predictor is None:
        return data.without_target()
    column = data.target.schema[data.target.columns[0]]
    kind = "categorical" if column.kind == "ordinal" else column.kind
    if kind != predictor.kind:
        raise ValueError(
            f"the target is {column.kind}, the model predicts a {predictor.kind} one; declare it "
            f"with data.with_target(y, schema='{predictor.kind}')"
        )
    if kind != "continuous":
        if list(column.levels) != list(predictor.levels):
            raise ValueError(
                f"the target has levels {list(column.levels)}, the model knows "
                f"{list(predictor.levels)}; read it with like= the data that were fitted"
            )
        return data
    scaler = Standardiser(np.array([predictor.center]), np.array([predictor.unit]))
    return replace(data, target=data.target.rescaled(scaler))
