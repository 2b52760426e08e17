"""The kinds of a table's columns, and what to do about those whose kind is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from ..data import Column, Schema
from ..data.columns.encode import encoded
from ..data.columns.present import columns_of
from ..data.errors import InputError
from ..data.schema import check_declared_names, schema_of
from .console import quoted


def declared_in(schema: str | None) -> dict[str, Any]:
    """Return the declarations of --schema where it is a file, else none."""
    return {} if schema in (None, "infer") else Schema.read(Path(str(schema)))


class Kinds(NamedTuple):
    """What the columns of a table are.

    Attributes:
        schema: the schema of the columns whose kind is known.
        values: (n, q) encoded values of these columns.
        refused: for each other column, the reason why its kind is not known.
    """

    schema: Schema
    values: np.ndarray
    refused: dict[str, str]


def kinds_of(
    frame: pd.DataFrame, declared: Mapping[str, Any], by: Literal["dtype", "values"]
) -> Kinds:
    """Find out what the columns are, reading each of them once.

    Raises:
        InputError: if a declaration names no column, or if the values contradict it.
    """
    given = columns_of(frame)
    check_declared_names(declared, tuple(given))
    columns: list[Column] = []
    values: list[np.ndarray] = []
    refused: dict[str, str] = {}
    for name, present in given.items():
        mine = {name: declared[name]} if name in declared else None
        try:
            (column,) = schema_of({name: present}, mine, by)
            values.append(encoded(present, column))
            columns.append(column)
        except ValueError as error:
            if mine:
                raise
            # the rest of the message is about Python; the command names its own options instead
            refused[name] = str(error).split("; ")[0]
    table = np.stack(values, axis=1) if values else np.empty((len(frame), 0))
    return Kinds(Schema(tuple(columns)), table, refused)


def advise(
    frame: pd.DataFrame, declared: Mapping[str, Any], cures: Mapping[str, str] | None = None
) -> None:
    """Raise an error that names the options for columns that cannot be modelled, if any.

    Args:
        frame: the table.
        declared: kinds by column.
        cures: by column, the options that help; other columns can only be left out.

    Raises:
        InputError: if there is such a column; names the options that help.
    """
    refused = kinds_of(frame, declared, "dtype").refused
    empty = [str(name) for name in frame.columns[frame.isna().all()]] if len(frame) else []
    unusable = [*refused, *(name for name in empty if name not in refused)]
    options = dict.fromkeys((cures or {}).get(name, leaving_out([name])) for name in unusable)
    if refused:
        raise InputError(
            f"{next(iter(refused.values()))}; give {' '.join(options)}, or correct it, or declare "
            f"it in --schema FILE"
        )
    if empty:
        raise InputError(f"column '{empty[0]}' has no observed value; give {' '.join(options)}")


def leaving_out(names: Iterable[str]) -> str:
    """Write the options that leave columns out."""
    return " ".join(f"--leave-out {quoted(name)}" for name in names)
