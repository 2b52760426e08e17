"""The columns of a table that a model describes: all but constant ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from ...data import IncompleteData
from ...data.columns.constants import varying_names
from ...data.errors import InputError, KindError
from ..configurable import argument_of
from ..missingness.formula.declaration import Declared


def modelled(data: IncompleteData, *parts: Any) -> IncompleteData:
    """Select the columns that a model describes: all but constant ones.

    A constant column has no variance, so it would bias a residual variance that columns share. All
    columns are kept if one of ``parts`` is a module that was made for another number of columns.

    Args:
        data: the table.
        parts: the parts of the model that were given, of which the modules count.

    Raises:
        TypeError: for anything but IncompleteData.
        ValueError: if every column is constant, and some have levels.
    """
    check_data(data)
    whole = data if data.whole is None else data.whole
    names = varying_names(whole.schema)
    for part in parts:
        if isinstance(part, nn.Module) and argument_of(part, "num_columns") != len(names):
            return whole
    if len(names) == len(whole.columns) and any(len(c.levels) == 1 for c in whole.schema):
        raise InputError(
            "every column has only one value, so there is nothing to model: a missing value is the "
            "one value of its column"
        )
    return whole.part(names)


def check_data(data: IncompleteData) -> None:
    """Refuse anything but IncompleteData.

    Raises:
        TypeError: with the functions that read a table.
    """
    if not isinstance(data, IncompleteData):
        raise KindError(
            f"data is a {type(data).__name__}; read it with IncompleteData.from_frame or from_numpy"
        )


def of_modelled(what: Any, data: IncompleteData) -> Any:
    """Leave out the settings (signs, formulas) of columns that are constant.

    A column may be constant in some of the rows only, for example in a fold of cross-validation.

    Args:
        what: settings by column; anything else is returned unchanged.
        data: the table without its constant columns.
    """
    if data.whole is None:
        return what
    whole = data.whole.columns
    constant = set(whole) - set(data.columns)
    if isinstance(what, Declared):
        return replace(what, columns=tuple(c for c in what.columns if c.column not in constant))
    if isinstance(what, Mapping):
        return {name: value for name, value in what.items() if name not in constant}
    if isinstance(what, list | tuple) and len(what) == len(whole):
        return [value for name, value in zip(whole, what, strict=True) if name not in constant]
    return what
