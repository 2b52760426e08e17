"""The columns of a table that a model describes: all but constant ones, which say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ...data import IncompleteData
from ...data.columns.constants import varying_names
from ...data.errors import InputError, KindError
from ..configurable import Configurable
from ..missingness.formula.declaration import Declared


def modelled(data: IncompleteData, *parts: Any) -> IncompleteData:
    """Select the columns that a model describes, which leaves constant ones out.

    A constant has no spread: it would shrink a residual variance that columns share. All columns
    stay where one of the model's ``parts`` is a module that was not made for the others alone.

    Raises:
        TypeError: anything but IncompleteData.
        ValueError: no column has several values, and some have levels.
    """
    if not isinstance(data, IncompleteData):
        raise KindError(
            f"data is a {type(data).__name__}; read it with IncompleteData.from_frame or from_numpy"
        )
    whole = data if data.whole is None else data.whole
    names = varying_names(whole.schema)
    for part in parts:
        if isinstance(part, torch.nn.Module):
            config = part.config if isinstance(part, Configurable) else {}
            if config.get("num_columns") != len(names):
                return whole
    if len(names) == len(whole.columns) and any(len(c.levels) == 1 for c in whole.schema):
        raise InputError(
            "every column has one value only, so there is nothing to model; use that value."
        )
    return whole.part(names)


def of_modelled(what: Any, data: IncompleteData) -> Any:
    """Drop settings by column (signs, formulas) of columns that are constant.

    A column that some rows make constant, in cross-validation say, takes its settings with it.
    """
    if data.whole is None:
        return what
    whole = data.whole.columns
    gone = set(whole) - set(data.columns)
    if isinstance(what, Declared):
        return replace(what, columns=tuple(c for c in what.columns if c.column not in gone))
    if isinstance(what, Mapping):
        return {name: value for name, value in what.items() if name not in gone}
    if isinstance(what, list | tuple) and len(what) == len(whole):
        return [value for name, value in zip(whole, what, strict=True) if name not in gone]
    return what
