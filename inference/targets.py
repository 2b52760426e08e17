"""The target of a table, in the units and levels of the model that predicts it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from torch import nn

from ..data import IncompleteData, Schema, Standardiser
from ..data.errors import InputError
from ..models.programs.base import declarations


def with_matching_target(model: nn.Module, data: IncompleteData) -> IncompleteData:
    """Return the data with the target in the predictor's units, or without a target.

    Raises:
        ValueError: the target is of another kind than the model predicts, or has a level that the
            model does not know.
    """
    if data.target is None:
        return data
    predictor = declarations(model).predictor
    if predictor is None:
        return data.without_target()
    target = data.target
    column = target.schema[target.columns[0]]
    levelled = bool(column.levels)
    if levelled != (predictor.kind != "continuous"):
        raise InputError(
            f"the target is {column.kind} and the model predicts a {predictor.kind} one; declare "
            f"it with data.with_target(y, schema='{predictor.kind}')"
        )
    scaler = Standardiser(np.array([predictor.center]), np.array([predictor.unit]))
    if levelled:
        if list(column.levels) == list(predictor.levels):
            return data
        column = replace(column, kind=predictor.kind, levels=tuple(predictor.levels))
        scaler = target.scaler
    known = Known(target.columns, scaler, Schema((column,)))
    return replace(data, target=target.under(known))


class Known(NamedTuple):
    """A target's columns, scale and schema, as :meth:`absentia.IncompleteData.under` reads them."""

    columns: tuple[str, ...]
    scaler: Standardiser
    schema: Schema
    covariate_schema: Schema | None = None
